/* SPDX-License-Identifier: MIT */
/*
 * What TCP costs between two stacks in memory: a segment from the frame to the application's completed receive, a push
 * to the frame, with no device. One JSON object a line. The frames of a batch are made, or taken away, outside of what
 * is timed.
 * usage: tcp_bench [tcp_rx] [tcp_tx] [tcp_conn_100k] [tcp_conn_memory] [--batches n]
 * With --batches nothing is printed: for valgrind --tool=callgrind '--toggle-collect=timed_batch*', which counts the
 * instructions of n batches of 128.
 */
#include "inet/inet.h"
#include "inet/tcp.h"
#include "pair.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH  128
#define ROUNDS 2001
#define SMALL  64
#define PORTS  4 /* the crowd's listeners: more pairs than one port's ephemeral ports */
#define CROWD  100000
#define FEW    10

struct host {
    struct mem mem;
    struct timer_wheel wheel;
    uint64_t count[COUNTER_MAX];
    struct inet *in;
    struct tcp *t;
    struct inet_addr addr;
    struct frame *out[4 * BATCH];
    unsigned outs;
    uint64_t received, random, reserved;
    struct tcp_listener *l[PORTS];
    bool dry; /* frames are freed at once */
};

static void must(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "tcp_bench: %s failed\n", what);
    exit(1);
}

static void *b_alloc(void *ctx, size_t bytes)
{
    return mem_alloc(&((struct host *)ctx)->mem, bytes, 1);
}

static uint64_t b_random(void *ctx)
{
    struct host *h = ctx;

    h->random = h->random * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return h->random;
}

static int b_output(void *ctx, struct frame *f)
{
    struct host *h = ctx;

    if (h->dry) {
        frame_free(&h->mem, f);
        return 0;
    }
    must(h->outs < 4 * BATCH, "room for frames");
    h->out[h->outs++] = f;
    return 0;
}

static void *b_reserve(void *ctx, size_t bytes)
{
    ((struct host *)ctx)->reserved += bytes;
    return calloc(1, bytes);
}

static void b_unreserve(void *ctx, void *p, size_t bytes)
{
    (void)ctx, (void)bytes;
    free(p);
}

static void up_nothing(void *ctx)
{
    (void)ctx;
}

static void up_told(void *ctx, int err)
{
    (void)ctx, (void)err;
}

/* A pop waits: it is completed with the bytes where they lie, and the application frees them. */
static uint32_t up_deliver(void *ctx, void *obj, char *ptr, uint32_t len)
{
    struct host *h = ctx;

    (void)ptr;
    mem_ref(obj);
    h->received += len;
    mem_unref(&h->mem, obj);
    return len;
}

static const struct tcp_upcalls upcalls = {up_nothing, up_told, up_deliver, up_nothing, up_told};

static struct host *host_new(uint8_t n, uint32_t conns)
{
    struct host *h = calloc(1, sizeof(*h));
    struct inet_env env = {.now_ns = NS_PER_S,
                           .mem = &h->mem,
                           .timers = &h->wheel,
                           .count = h->count,
                           .ctx = h,
                           .alloc = b_alloc,
                           .random = b_random,
                           .output = b_output,
                           .reserve = b_reserve,
                           .unreserve = b_unreserve};
    struct inet_config cfg;
    struct tcp_config tcfg;
    int err;

    must(h != NULL && mem_init(&h->mem, UINT64_C(1) << 30, 1 << 20, false) == 0, "memory");
    timer_wheel_init(&h->wheel, NS_PER_S);
    inet_config_defaults(&cfg);
    memcpy(cfg.mac, (uint8_t[6]){2, 0, 0, 0, 0, n}, 6);
    h->dry = true;
    h->random = n;
    h->in = inet_new(&env, &cfg, &err);
    must(h->in != NULL, "inet_new");
    h->addr = INET_ADDR4(10, 0, 0, n);
    must(inet_addr_add(h->in, &h->addr, 24) == 0, "inet_addr_add");
    tcp_config_defaults(&tcfg);
    tcfg.conns = conns;
    tcfg.half_open = 1024;
    h->t = tcp_new(h->in, &tcfg, &upcalls, &err);
    must(h->t != NULL, "tcp_new");
    h->dry = false;
    return h;
}

static void host_free(struct host *h)
{
    h->dry = true;
    tcp_free(h->t);
    inet_free(h->in);
    mem_fini(&h->mem);
    free(h);
}

/* A frame of one host as the other one's device would hand it over. */
static struct frame_in copy_in(struct host *to, const struct frame *f)
{
    uint8_t *obj = mem_alloc(&to->mem, FRAME_IN_ROOM + f->len, 1);

    must(obj != NULL, "a receive buffer");
    frame_copy(f, (char *)obj + FRAME_IN_ROOM);
    return (struct frame_in){obj, obj + FRAME_IN_ROOM, f->len, FRAME_IN_CSUM_L3 | FRAME_IN_CSUM_L4};
}

/* Moves what one host sent into frames of the other. Returns how many. */
static unsigned carry(struct host *from, struct host *to, struct frame_in *in)
{
    unsigned n = from->outs;

    for (unsigned i = 0; i < n; i++) {
        in[i] = copy_in(to, from->out[i]);
        frame_free(&from->mem, from->out[i]);
    }
    from->outs = 0;
    return n;
}

static void deliver_all(struct host *a, struct host *b)
{
    struct frame_in in[4 * BATCH];

    while (a->outs + b->outs > 0) {
        unsigned n = carry(a, b, in);

        for (unsigned i = 0; i < n; i++)
            inet_input(b->in, &in[i]);
        n = carry(b, a, in);
        for (unsigned i = 0; i < n; i++)
            inet_input(a->in, &in[i]);
    }
}

struct ends {
    struct host *a, *b;
    struct tcp_conn *x;
    char *obj;
};

static struct tcp_conn *open_one(struct ends *e, unsigned port)
{
    struct inet_end local = {INET_ANY4, 0}, remote = {e->b->addr, (uint16_t)(80 + port)};
    int err;
    struct tcp_conn *c = tcp_connect(e->a->t, &local, &remote, e->a, &err);

    must(c != NULL, "tcp_connect");
    deliver_all(e->a, e->b);
    must(tcp_accept(e->b->l[port], e->b) != NULL, "tcp_accept");
    return c;
}

/* Two hosts with so many connections, the last of which is the one that is used. */
static struct ends ends_new(uint32_t conns)
{
    struct ends e = {.a = host_new(1, conns + 1), .b = host_new(2, conns + 1)};
    int err;

    must(inet_neigh_add(e.a->in, &e.b->addr, e.b->in->cfg.mac) == 0, "inet_neigh_add");
    must(inet_neigh_add(e.b->in, &e.a->addr, e.a->in->cfg.mac) == 0, "inet_neigh_add");
    for (unsigned i = 0; i < PORTS; i++) {
        struct inet_end at = {INET_ANY4, (uint16_t)(80 + i)};

        e.b->l[i] = tcp_listen(e.b->t, &at, 16, e.b, &err);
        must(e.b->l[i] != NULL, "tcp_listen");
    }
    for (uint32_t i = 0; i < conns; i++)
        e.x = open_one(&e, i % PORTS);
    e.obj = mem_alloc(&e.a->mem, SMALL, 1);
    memset(e.obj, 'x', SMALL);
    return e;
}

static void ends_free(struct ends *e)
{
    mem_unref(&e->a->mem, e->obj);
    host_free(e->a);
    host_free(e->b);
}

enum what { RX, TX };

__attribute__((noinline)) static void timed_batch(struct ends *e, enum what what, struct frame_in *in, unsigned n)
{
    if (what == RX)
        for (unsigned i = 0; i < n; i++)
            inet_input(e->b->in, &in[i]);
    else
        for (unsigned i = 0; i < n; i++)
            (void)tcp_send(e->x, e->obj, e->obj, SMALL);
}

/* One batch of pushes and their segments; the time of what is measured in nanoseconds. */
static double one_batch(struct ends *e, enum what what)
{
    struct frame_in in[4 * BATCH];
    uint64_t start, end, before = e->b->received;
    unsigned n;

    start = pair_now_ns();
    timed_batch(e, TX, NULL, what == TX ? BATCH : 0);
    end = pair_now_ns();
    if (what == RX)
        for (unsigned i = 0; i < BATCH; i++)
            (void)tcp_send(e->x, e->obj, e->obj, SMALL);
    n = carry(e->a, e->b, in);
    must(n == BATCH, "a segment for each push");
    if (what == RX) {
        start = pair_now_ns();
        timed_batch(e, RX, in, n);
        end = pair_now_ns();
    } else {
        for (unsigned i = 0; i < n; i++)
            inet_input(e->b->in, &in[i]);
    }
    must(e->b->received - before == (uint64_t)BATCH * SMALL, "delivery");
    deliver_all(e->a, e->b);
    return (double)(end - start);
}

static double measure(struct ends *e, enum what what, unsigned rounds)
{
    double *ns = calloc(rounds, sizeof(*ns)), median;

    for (unsigned i = 0; i < rounds; i++)
        ns[i] = one_batch(e, what) / BATCH;
    median = pair_median(ns, rounds);
    free(ns);
    return median;
}

static void bench(const char *name, enum what what, unsigned batches)
{
    struct ends e = ends_new(1);
    double ns = measure(&e, what, batches > 0 ? batches : ROUNDS);

    if (batches == 0)
        pair_print(name, ns, "ns", "an operation in the paper, 200 ns", 200, ns / 200, 0.5);
    ends_free(&e);
}

static void bench_crowd(void)
{
    struct ends few = ends_new(FEW), crowd = ends_new(CROWD);
    double alone = measure(&few, RX, ROUNDS), among = measure(&crowd, RX, ROUNDS);

    pair_print("tcp_conn_100k", among, "ns", "one active connection among 10", alone, among / alone, 1.5);
    ends_free(&few);
    ends_free(&crowd);
}

static void bench_memory(void)
{
    struct ends crowd = ends_new(CROWD);
    double mib = (double)(mem_bytes_used(&crowd.b->mem) + crowd.b->reserved) / 1048576;

    pair_print("tcp_conn_memory", mib, "MiB", "the bound for 100,000 connections, 1 GiB", 1024, mib / 1024, 1);
    ends_free(&crowd);
}

static bool wanted(int argc, char **argv, const char *name)
{
    bool any = false;

    for (int i = 1; i < argc; i++) {
        if (argv[i][0] == '-') {
            i++;
            continue;
        }
        any = true;
        if (strcmp(argv[i], name) == 0)
            return true;
    }
    return !any;
}

int main(int argc, char **argv)
{
    unsigned batches = 0;

    for (int i = 1; i + 1 < argc; i++)
        if (strcmp(argv[i], "--batches") == 0)
            batches = (unsigned)strtoul(argv[i + 1], NULL, 10);
    if (wanted(argc, argv, "tcp_rx"))
        bench("tcp_rx", RX, batches);
    if (wanted(argc, argv, "tcp_tx"))
        bench("tcp_tx", TX, batches);
    if (batches == 0 && wanted(argc, argv, "tcp_conn_100k"))
        bench_crowd();
    if (batches == 0 && wanted(argc, argv, "tcp_conn_memory"))
        bench_memory();
    return 0;
}
