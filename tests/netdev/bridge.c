/* SPDX-License-Identifier: MIT */
/*
 * usage: netdev-bridge INTERFACE INTERFACE [SEED [NAME VALUE]...]
 * Joins two interfaces of the kernel, as a cable with a switch in it would, and does to the frames what the simulated
 * network (netdev/sim/sim.h) does, by a seed. NAME is a member of struct sim_faults, or `dark`, which cuts the cable.
 * Lines `NAME VALUE` on standard input change it while it runs. Prints `bridging` when it does, and what happened to
 * how many frames when standard input ends.
 *
 * The interfaces must leave nothing to a device: neither checksums nor segmentation (ethtool -K IF tx off gso off).
 */
#include "netdev/sim/sim.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define POLL_MS        1000
#define MTU            9000
#define LINE_MAX_BYTES 256
#define MEM_BYTES      (UINT64_C(256) << 20)

/* clang-format off */
#define FAULTS(F)                                                                                                      \
    F(delay_ns) F(jitter_ns) F(rate_bps) F(queue_ns) F(swallow) F(loss) F(mark) F(duplicate) F(reorder) F(corrupt)     \
    F(truncate) F(no_buffer) F(refuse)
/* clang-format on */

static const struct {
    const char *name;
    size_t offset, bytes;
} faults[] = {
#define FAULT(name) {#name, offsetof(struct sim_faults, name), sizeof(((struct sim_faults *)NULL)->name)},
    FAULTS(FAULT)
#undef FAULT
};

struct bridge {
    struct mem mem;
    struct sim_net *net;
    struct sim_faults now;
    struct netdev *port[2];
    int fd[2];
    struct timespec began;
    uint64_t frames, unsent; /* that came from the interfaces; that one of them did not take */
};

/* False: there is no such fault. */
static bool set_fault(struct bridge *b, const char *name, uint64_t value)
{
    if (strcmp(name, "dark") == 0) {
        sim_set_dark(b->net, b->port[0], value != 0);
        return true;
    }
    for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
        char *at = (char *)&b->now + faults[i].offset;
        uint32_t narrow = (uint32_t)value;

        if (strcmp(name, faults[i].name) != 0)
            continue;
        memcpy(at, faults[i].bytes == sizeof(narrow) ? (void *)&narrow : (void *)&value, faults[i].bytes);
        sim_set_faults(b->net, &b->now);
        return true;
    }
    fprintf(stderr, "there is no fault %s\n", name);
    return false;
}

/* All frames of an interface but those that it sends itself. -1: it cannot be, and errno. */
static int open_interface(const char *name)
{
    struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
    struct packet_mreq all = {.mr_type = PACKET_MR_PROMISC};
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, 0), on = 1, bytes = 8 << 20;

    at.sll_ifindex = all.mr_ifindex = (int)if_nametoindex(name);
    if (fd < 0 || at.sll_ifindex == 0 || setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)) < 0 ||
        setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof(all)) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) < 0 ||
        bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
        return -1;
    return fd;
}

static uint64_t elapsed_ns(const struct bridge *b)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)(t.tv_sec - b->began.tv_sec) * NS_PER_S + (uint64_t)t.tv_nsec - (uint64_t)b->began.tv_nsec;
}

/* Takes what came at an interface into the simulated network. */
static void take_in(struct bridge *b, unsigned side)
{
    char bytes[SIM_FRAME_MAX + 1];
    ssize_t len;

    for (unsigned i = 0; i < NETDEV_BURST && (len = recv(b->fd[side], bytes, sizeof(bytes), 0)) > 0; i++) {
        void *room = mem_alloc(&b->mem, sizeof(struct frame), 1), *obj = mem_alloc(&b->mem, (size_t)len, 1);
        struct frame *f;

        if (room == NULL || obj == NULL)
            abort(); /* the test has more under way than it may */
        f = frame_init(room);
        memcpy(obj, bytes, (size_t)len);
        frame_add(f, obj, obj, (uint32_t)len);
        mem_unref(&b->mem, obj);
        b->frames++;
        if (b->port[side]->ops->tx_burst(b->port[side], &f, 1) == 0)
            frame_free(&b->mem, f);
    }
}

/* Hands an interface what has arrived at its port. */
static void hand_out(struct bridge *b, unsigned side)
{
    struct frame_in in[NETDEV_BURST];
    unsigned n = b->port[side]->ops->rx_burst(b->port[side], in, NETDEV_BURST);

    for (unsigned i = 0; i < n; i++) {
        if (send(b->fd[side], in[i].ptr, in[i].len, 0) < 0)
            b->unsent++;
        mem_unref(&b->mem, in[i].obj);
    }
}

/* One line of standard input. False: it has ended, or says nothing that can be. */
static bool obey(struct bridge *b)
{
    char line[LINE_MAX_BYTES], *value;

    if (fgets(line, sizeof(line), stdin) == NULL)
        return false;
    value = strchr(line, ' ');
    if (value == NULL)
        return false;
    *value = '\0';
    return set_fault(b, line, strtoull(value + 1, NULL, 10));
}

static struct timespec until_next(const struct bridge *b)
{
    uint64_t next = sim_next_ns(b->net), now = *sim_clock(b->net), wait = POLL_MS * NS_PER_MS;

    if (next != UINT64_MAX && next < now + wait)
        wait = next > now ? next - now : 0;
    return (struct timespec){.tv_sec = (time_t)(wait / NS_PER_S), .tv_nsec = (long)(wait % NS_PER_S)};
}

static void run(struct bridge *b)
{
    struct pollfd p[3] = {{b->fd[0], POLLIN, 0}, {b->fd[1], POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};

    setvbuf(stdin, NULL, _IONBF, 0);
    do {
        struct timespec t = until_next(b);

        if (ppoll(p, ARRAY_LEN(p), &t, NULL) < 0 && errno != EINTR)
            return;
        sim_advance(b->net, SIM_START_NS + elapsed_ns(b));
        for (unsigned side = 0; side < 2; side++)
            take_in(b, side);
        for (unsigned side = 0; side < 2; side++)
            hand_out(b, side);
    } while ((p[2].revents & (POLLIN | POLLHUP)) == 0 || obey(b));
}

static void report(const struct bridge *b)
{
    const struct sim_counts *c = sim_counts(b->net);

    printf("frames %llu\nunsent %llu\n", (unsigned long long)b->frames, (unsigned long long)b->unsent);
#define COUNT_LINE(name, what) printf("%s %llu\n", #name, (unsigned long long)c->name);
    SIM_COUNTS(COUNT_LINE)
#undef COUNT_LINE
}

int main(int argc, char **argv)
{
    static struct bridge b;

    if (argc < 3 || mem_init(&b.mem, MEM_BYTES, 1 << 20, false) != 0)
        return 2;
    b.net = sim_new(argc > 3 ? strtoull(argv[3], NULL, 0) : 1, &b.now);
    for (unsigned side = 0; side < 2; side++) {
        b.port[side] = sim_port(b.net, &b.mem, MTU);
        b.fd[side] = open_interface(argv[1 + side]);
        if (b.fd[side] < 0) {
            perror(argv[1 + side]);
            return 2;
        }
    }
    for (int i = 4; i + 1 < argc; i += 2)
        if (!set_fault(&b, argv[i], strtoull(argv[i + 1], NULL, 0)))
            return 2;
    clock_gettime(CLOCK_MONOTONIC, &b.began);
    printf("bridging\n");
    fflush(stdout);
    run(&b);
    report(&b);
    sim_free(b.net);
    mem_fini(&b.mem);
    return 0;
}
