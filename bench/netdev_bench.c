/* SPDX-License-Identifier: MIT */
/*
 * usage: bench-netdev server | client ADDRESS SECONDS | flood SECONDS
 *
 * Bare frames there and back over the device that the settings name (driver, device, net_mac, net_address, ...),
 * without a stack: what the stack's round trip is compared with. The frames are as long as those of 64 bytes on TCP,
 * and are datagrams to our address and to the server's at ADDRESS (IPv4), because some devices take nothing else away
 * from the kernel. The client takes the server's link address to be 02:00:00:00:00:01 and prints the round trip as one
 * JSON object.
 *
 * flood: datagrams of 64 bytes from 10.80.0.2, port 9, to 10.80.0.1, port 7000, FLOOD_WINDOW of them under way, to
 * whoever sends them back: an echo service or a forwarder of frames. Prints how many came back a second.
 */
#include "core/config.h"
#include "inet/checksum.h"
#include "libos/prefix.h"
#include "netdev/netdev.h"
#include "pair.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FRAME_BYTES (64 + 66) /* as with Ethernet, IPv4 and TCP with timestamps */
#define ADDRS       12        /* of IPv4's header: both addresses stand there */
#define PORT        7000
#define SAMPLES_MAX 4000000
#define LOST_NS     1000000000
#define FIRST_NS    10000000
#define FIRST_TRIES 500

#define FLOOD_WINDOW   256
#define FLOOD_BYTES    (42 + 64)
#define FLOOD_LOST_NS  10000000    /* silence after which what is under way counts as lost */
#define FLOOD_START_NS 15000000000 /* the first one must be back by then */
#define FLOOD_ASK_NS   1000000000  /* between two ARP requests, so that the server knows our link address */

static volatile sig_atomic_t ended;

static void end(int number)
{
    (void)number;
    ended = 1;
}

/* Frames to the first IPv4 address of net_address are ours. */
static int claim(struct netdev *d, const struct config *cfg, uint8_t own[4], struct error_text *et)
{
    struct netdev_claim c = {.addrs = 1};
    struct prefix_list l;
    char bad[PREFIX_WORD];

    memset(own, 0, 4);
    if (prefix_list_parse(&l, cfg->net_address, bad) != 0 || l.count == 0 || !inet_addr_is4(&l.prefix[0].addr))
        return error_set(et, EINVAL, "net_address does not begin with an IPv4 address");
    memcpy(own, l.prefix[0].addr.b + 12, 4);
    memcpy(c.addr[0], l.prefix[0].addr.b, 16);
    return d->ops->claim == NULL ? 0 : d->ops->claim(d, &c, et);
}

static struct netdev *open_device(struct mem *mem, uint8_t own[4])
{
    struct config cfg;
    struct error_text et = {.text = ""};
    struct netdev_params par = {.cfg = &cfg, .mem = mem};
    struct netdev *d = NULL;

    config_defaults(&cfg);
    if (config_read_env(&cfg, &et) != 0 || mem_init(mem, 64 * SUPERBLOCK_BYTES, cfg.sga_limit, false) != 0 ||
        netdev_open(cfg.driver, &par, &d, &et) != 0 || claim(d, &cfg, own, &et) != 0) {
        fprintf(stderr, "bench-netdev: %s\n", et.text);
        exit(1);
    }
    return d;
}

/* A datagram without a checksum of its own (RFC 768) from one place to another, a link and an IPv4 address each. */
static void make_frame(uint8_t p[FRAME_BYTES], const uint8_t from[10], const uint8_t to[10])
{
    uint8_t *ip = p + 14, *udp = ip + 20;
    uint16_t sum;

    memset(p, 0, FRAME_BYTES);
    memcpy(p, to, 6);
    memcpy(p + 6, from, 6);
    put16(p + 12, 0x0800);
    ip[0] = 0x45;
    put16(ip + 2, FRAME_BYTES - 14);
    ip[8] = 64;
    ip[9] = 17;
    memcpy(ip + ADDRS, from + 6, 4);
    memcpy(ip + ADDRS + 4, to + 6, 4);
    sum = checksum_finish(checksum_add(0, ip, 20));
    memcpy(ip + 10, &sum, sizeof(sum));
    put16(udp, PORT);
    put16(udp + 2, PORT);
    put16(udp + 4, FRAME_BYTES - 34);
}

/* A frame with these bytes; false: the device's queue is full. */
static bool send_bytes(struct netdev *d, const uint8_t *bytes, uint32_t len)
{
    struct frame *f = frame_init(mem_alloc(d->mem, sizeof(*f), 1));

    memcpy(frame_push(f, len), bytes, len);
    if (d->ops->tx_burst(d, &f, 1) == 1)
        return true;
    frame_free(d->mem, f);
    return false;
}

/* Takes what came and sends it back, or only counts. */
static unsigned look(struct netdev *d, bool answer)
{
    struct frame_in in[NETDEV_BURST];
    unsigned n = d->ops->rx_burst(d, in, NETDEV_BURST), ours = 0;

    for (unsigned i = 0; i < n; i++) {
        uint8_t *p = in[i].ptr, other[10];

        if (in[i].len == FRAME_BYTES && p[12] == 0x08 && p[14 + 9] == 17) {
            ours++;
            memcpy(other, p + 6, 6);
            memcpy(other + 6, p + 14 + ADDRS, 4);
            if (answer) { /* the sum of the header stays what it is when the addresses change places */
                memcpy(p, other, 6);
                memcpy(p + 6, d->mac, 6);
                memcpy(p + 14 + ADDRS, p + 14 + ADDRS + 4, 4);
                memcpy(p + 14 + ADDRS + 4, other + 6, 4);
                send_bytes(d, p, FRAME_BYTES);
            }
        }
        mem_unref(d->mem, in[i].obj);
    }
    return ours;
}

static int ascending(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

/* Sends a frame and waits for it. False: it was lost. */
static bool round_trip(struct netdev *d, const uint8_t frame[FRAME_BYTES], uint64_t lost_ns)
{
    uint64_t sent = pair_now_ns();

    send_bytes(d, frame, FRAME_BYTES);
    while (look(d, false) == 0)
        if (ended || pair_now_ns() - sent > lost_ns)
            return false;
    return true;
}

static int measure(struct netdev *d, const uint8_t own[4], const char *address, double seconds)
{
    uint8_t server[10] = {2, 0, 0, 0, 0, 1}, client[10], frame[FRAME_BYTES];
    uint32_t *ns, n = 0;
    uint64_t last;

    if (inet_pton(AF_INET, address, server + 6) != 1)
        return 2;
    ns = malloc(SAMPLES_MAX * sizeof(*ns));
    memcpy(client, d->mac, 6);
    memcpy(client + 6, own, 4);
    make_frame(frame, client, server);
    for (unsigned tries = 0; tries < FIRST_TRIES && !round_trip(d, frame, FIRST_NS); tries++)
        ; /* frames that are lost at the beginning, seen on AF_XDP on a busy machine, are no round trips */
    last = pair_now_ns() + (uint64_t)(seconds * 1e9);
    while (ns != NULL && !ended && n < SAMPLES_MAX && pair_now_ns() < last) {
        uint64_t sent = pair_now_ns();

        round_trip(d, frame, LOST_NS); /* one that is lost counts as a round trip of that length */
        ns[n++] = (uint32_t)(pair_now_ns() - sent);
    }
    if (n > 0) {
        qsort(ns, n, sizeof(*ns), ascending);
        printf("{\"latency_ns\": {\"p50\": %u, \"p99\": %u}, \"req_per_s\": %.0f}\n", ns[n / 2],
               ns[(uint64_t)n * 99 / 100], n / seconds);
    }
    free(ns);
    return n > 0 ? 0 : 1;
}

/* Who has 10.80.0.1? Tells 10.80.0.2, which the server remembers (RFC 826). */
static void ask(struct netdev *d)
{
    uint8_t p[42] = {0xff, 0xff, 0xff, 0xff, 0xff,      0xff, [12] = 8, 6, 0,         1,  8, 0,
                     6,    4,    0,    1,    [28] = 10, 80,   0,        2, [38] = 10, 80, 0, 1};

    memcpy(p + 6, d->mac, 6);
    memcpy(p + 22, d->mac, 6);
    send_bytes(d, p, sizeof(p));
}

/* A datagram without a checksum of its own (RFC 768); 0x65 0xef is the IPv4 header's. */
static void make_datagram(const struct netdev *d, uint8_t p[FLOOD_BYTES])
{
    static const uint8_t headers[42] = {2,  0,  0, 0, 0,  1,  [12] = 8, 0,    0x45, 0,  0, 92,
                                        0,  0,  0, 0, 64, 17, 0x65,     0xef, 10,   80, 0, 2,
                                        10, 80, 0, 1, 0,  9,  0x1b,     0x58, 0,    72, 0, 0};

    memset(p, 'f', FLOOD_BYTES);
    memcpy(p, headers, sizeof(headers));
    memcpy(p + 6, d->mac, 6);
}

/* Takes what came back: datagrams, and not ARP. */
static unsigned take_back(struct netdev *d)
{
    struct frame_in in[NETDEV_BURST];
    unsigned n = d->ops->rx_burst(d, in, NETDEV_BURST), back = 0;

    for (unsigned i = 0; i < n; i++) {
        back += in[i].len == FLOOD_BYTES && in[i].ptr[12] == 8 && in[i].ptr[13] == 0;
        mem_unref(d->mem, in[i].obj);
    }
    return back;
}

static int flood(struct netdev *d, double seconds)
{
    uint8_t datagram[FLOOD_BYTES];
    uint64_t now = pair_now_ns(), last = now + FLOOD_START_NS, heard = now, asked = 0, back = 0;
    unsigned under_way = 0;
    bool begun = false;

    make_datagram(d, datagram);
    for (; !ended && now < last; now = pair_now_ns()) {
        unsigned n = take_back(d);

        if (n > 0 && !begun) {
            begun = true; /* the other side is there */
            last = now + (uint64_t)(seconds * 1e9);
        }
        back += n;
        under_way = n < under_way ? under_way - n : 0;
        if (n > 0)
            heard = now;
        if (now - heard > FLOOD_LOST_NS) {
            heard = now;
            under_way = 0;
        }
        if (now - asked > FLOOD_ASK_NS) {
            ask(d);
            asked = now;
        }
        for (unsigned i = 0; i < NETDEV_BURST && under_way < FLOOD_WINDOW; i++)
            under_way += send_bytes(d, datagram, sizeof(datagram));
    }
    printf("{\"req_per_s\": %.0f}\n", (double)back / seconds);
    return back > 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    uint8_t own[4];
    struct mem mem;
    struct netdev *d;
    int status = 0;

    if (argc < 2 || argc < (strcmp(argv[1], "server") == 0 ? 2 : strcmp(argv[1], "flood") == 0 ? 3 : 4)) {
        fprintf(stderr, "usage: bench-netdev server | client ADDRESS SECONDS | flood SECONDS\n");
        return 2;
    }
    signal(SIGTERM, end);
    signal(SIGINT, end);
    d = open_device(&mem, own);
    if (strcmp(argv[1], "server") == 0) {
        printf("listening on 0.0.0.0:0\n");
        fflush(stdout);
        while (!ended)
            look(d, true);
    } else if (strcmp(argv[1], "flood") == 0) {
        status = flood(d, strtod(argv[2], NULL));
    } else {
        status = measure(d, own, argv[2], strtod(argv[3], NULL));
    }
    netdev_close(d);
    mem_fini(&mem);
    return status;
}
