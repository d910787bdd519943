/* SPDX-License-Identifier: MIT */
/*
 * Our TCP/IP stack beside lwIP, each between two interfaces in memory: a whole echo of 64 bytes, and bulk one way. Both
 * through their own callbacks (src/inet's calls, lwIP's raw API), both with checksums in software, over the same wire:
 * a queue of frames, each copied once into a receive buffer. The clock of both moves STEP_NS a turn. One JSON object.
 * usage: bench-lwip tcp_echo_mem|tcp_bulk_mem|tcp_bulk_mem_9000 [--quick] [--ours]
 * With --ours our half runs alone and nothing is printed, for valgrind --tool=callgrind.
 */
#include "host.h"
#include "lwip/side.h"
#include "pair.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#define STEP_NS    2000
#define SMALL      64
#define CHUNK      65536
#define TURNS_MAX  1000000 /* without progress: something is wrong */
#define PORT       80
#define BULK_BYTES (UINT64_C(1) << 30)
#define BULK_ROUND (UINT64_C(64) << 20)
#define ECHOES     1000
#define ROUNDS     501

static struct host *a, *b; /* a opens the connection and sends first */
static struct tcp_conn *x, *y;
static char *small, *chunk;
static uint64_t now_ns, received, returned;
static bool returns;

static void up_nothing(void *ctx)
{
    (void)ctx;
}

static void up_told(void *ctx, int err)
{
    (void)ctx, (void)err;
}

/* b echoes the bytes where they lie, or the pop is complete and the application frees them. */
static uint32_t up_deliver(void *ctx, void *obj, char *ptr, uint32_t len)
{
    if (ctx == a) {
        returned += len;
    } else {
        received += len;
        if (returns)
            must(tcp_send(y, obj, ptr, len) == (int64_t)len, "an answer");
    }
    mem_ref(obj);
    mem_unref(&((struct host *)ctx)->mem, obj);
    return len;
}

static unsigned turn(void)
{
    unsigned n;

    now_ns += STEP_NS;
    host_at(a, now_ns);
    host_at(b, now_ns);
    n = host_carry(a, b, HOST_BURST);
    return n + host_carry(b, a, HOST_BURST);
}

static void ours_open(uint16_t mtu)
{
    struct host_config cfg = host_config_defaults();
    struct inet_end at = {INET_ANY4, PORT}, any = {INET_ANY4, 0}, to;
    struct tcp_listener *l;
    int err;

    cfg.mtu = mtu;
    cfg.up = (struct tcp_upcalls){up_nothing, up_told, up_deliver, up_nothing, up_told};
    cfg.tcp.conns = 16;
    a = host_new(1, &cfg);
    b = host_new(2, &cfg);
    host_acquaint(a, b);
    now_ns = a->in->env.now_ns;
    l = tcp_listen(b->t, &at, 1, b, &err);
    must(l != NULL, "tcp_listen");
    to = (struct inet_end){b->addr, PORT};
    x = tcp_connect(a->t, &any, &to, a, &err);
    must(x != NULL, "tcp_connect");
    host_settle(a, b);
    y = tcp_accept(l, b);
    must(y != NULL, "tcp_accept");
    small = mem_alloc(&a->mem, SMALL, 1);
    chunk = mem_alloc(&a->mem, CHUNK, 1);
    must(small != NULL && chunk != NULL, "memory");
    memset(small, 'x', SMALL);
    memset(chunk, 'x', CHUNK);
}

static void ours_close(void)
{
    mem_unref(&a->mem, small);
    mem_unref(&a->mem, chunk);
    host_free(a);
    host_free(b);
}

static void ours_echo(unsigned n, void *arg)
{
    uint64_t wanted = returned;

    (void)arg;
    returns = true;
    for (unsigned i = 0; i < n; i++) {
        unsigned turns = 0;

        wanted += SMALL;
        must(tcp_send(x, small, small, SMALL) == SMALL, "tcp_send");
        while (returned < wanted && turns++ < TURNS_MAX)
            turn();
        must(returned == wanted, "an echo");
    }
}

static void ours_bulk(uint64_t bytes)
{
    uint64_t until = received + bytes, left = bytes;
    unsigned idle = 0;

    returns = false;
    while (received < until && idle < TURNS_MAX) {
        while (left > 0) {
            int64_t n = tcp_send(x, chunk, chunk, left < CHUNK ? (uint32_t)left : CHUNK);

            if (n <= 0)
                break;
            left -= (uint64_t)n;
        }
        idle = turn() > 0 ? 0 : idle + 1;
    }
    must(received == until, "bulk");
}

/* --- lwIP --- */

static const struct lwip_side *theirs_open(uint16_t mtu)
{
    void *module = dlopen(LWIP_SIDE, RTLD_NOW | RTLD_LOCAL);
    const struct lwip_side *side = module != NULL ? dlsym(module, "lwip_side") : NULL;

    if (side == NULL)
        fprintf(stderr, "bench-lwip: %s\n", dlerror());
    must(side != NULL && side->open(mtu, STEP_NS, HOST_BURST), "lwIP");
    return side;
}

static void theirs_echo(unsigned n, void *arg)
{
    const struct lwip_side *side = arg;

    must(side->echo(n, SMALL), "lwIP's echo");
}

/* --- */

static uint64_t our_frames(void)
{
    return a->frames + b->frames;
}

static void bench_echo(bool quick, bool alone)
{
    const struct lwip_side *side;
    uint64_t mine, before;
    struct pair p = {.name = "tcp_echo_mem",
                     .peer = "lwIP's raw API, the same frames",
                     .ours = ours_echo,
                     .theirs = theirs_echo,
                     .aim = 0.5,
                     .batch = ECHOES,
                     .rounds = quick ? ROUNDS / 10 : ROUNDS};

    ours_open(1500);
    if (alone) {
        ours_echo(20 * ECHOES, NULL);
        return ours_close();
    }
    side = theirs_open(1500);
    p.their_arg = (void *)(uintptr_t)side;
    before = our_frames();
    ours_echo(ECHOES, NULL);
    mine = our_frames() - before;
    before = side->frames();
    theirs_echo(ECHOES, p.their_arg);
    must(mine == 2 * ECHOES && side->frames() - before == 2 * ECHOES, "two frames an echo");
    pair_run(&p);
    ours_close();
}

static double gbps(uint64_t bytes, uint64_t ns)
{
    return (double)bytes * 8 / (double)ns;
}

static void bench_bulk(const char *name, uint16_t mtu, bool quick, bool alone)
{
    const uint64_t bytes = quick ? BULK_ROUND / 4 : BULK_ROUND;
    const unsigned rounds = quick ? 5 : (unsigned)(BULK_BYTES / BULK_ROUND);
    double mine[ROUNDS], other[ROUNDS], ratio[ROUNDS];
    const struct lwip_side *side;
    char peer[96];

    ours_open(mtu);
    if (alone) {
        ours_bulk(BULK_ROUND);
        return ours_close();
    }
    side = theirs_open(mtu);
    ours_bulk(bytes);
    must(side->bulk(bytes), "lwIP's bulk");
    for (unsigned i = 0; i < rounds; i++) {
        uint64_t t0 = pair_now_ns(), t1, t2;

        ours_bulk(bytes);
        t1 = pair_now_ns();
        must(side->bulk(bytes), "lwIP's bulk");
        t2 = pair_now_ns();
        mine[i] = gbps(bytes, t1 - t0);
        other[i] = gbps(bytes, t2 - t1);
        ratio[i] = mine[i] / other[i];
    }
    snprintf(peer, sizeof(peer), "lwIP's raw API, segments of %u bytes, a window of %u", side->mss(), side->window());
    pair_print(name, pair_median(mine, rounds), "Gb/s", peer, pair_median(other, rounds), pair_median(ratio, rounds),
               2);
    ours_close();
}

int main(int argc, char **argv)
{
    const char *name = NULL;
    bool quick = false, alone = false;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--quick") == 0)
            quick = true;
        else if (strcmp(argv[i], "--ours") == 0)
            alone = true;
        else
            name = argv[i];
    }
    if (name != NULL && strcmp(name, "tcp_echo_mem") == 0)
        bench_echo(quick, alone);
    else if (name != NULL && strcmp(name, "tcp_bulk_mem") == 0)
        bench_bulk(name, 1500, quick, alone);
    else if (name != NULL && strcmp(name, "tcp_bulk_mem_9000") == 0)
        bench_bulk(name, 9000, quick, alone);
    else {
        fprintf(stderr, "usage: bench-lwip tcp_echo_mem|tcp_bulk_mem|tcp_bulk_mem_9000 [--quick] [--ours]\n");
        return 2;
    }
    return 0;
}
