/* SPDX-License-Identifier: MIT */
/*
 * What TCP costs between two stacks in memory: a segment from the frame to the application's completed receive, a push
 * to the frame, with no device. One JSON object a line. The frames of a batch are made, or taken away, outside of what
 * is timed.
 * usage: tcp_bench [tcp_rx] [tcp_tx] [tcp_conn_100k] [tcp_conn_memory] [--batches n]
 * With --batches nothing is printed: for valgrind --tool=callgrind '--toggle-collect=timed_batch*', which counts the
 * instructions of n batches of 128.
 */
#include "host.h"
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

/* Two hosts; one opens connections, the other accepts and receives. */
struct ends {
    struct host *a, *b;
    struct tcp_listener *l[PORTS];
    struct tcp_conn *x;
    char *obj;
    uint64_t received;
};

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
    struct ends *e = ctx;

    (void)ptr;
    mem_ref(obj);
    e->received += len;
    mem_unref(&e->b->mem, obj);
    return len;
}

static const struct tcp_upcalls upcalls = {up_nothing, up_told, up_deliver, up_nothing, up_told};

static struct host *new_host(uint8_t n, uint32_t conns)
{
    struct host_config cfg = host_config_defaults();
    struct host *h;

    cfg.up = upcalls;
    cfg.tcp.conns = conns;
    cfg.tcp.half_open = 1024;
    h = host_new(n, &cfg);
    h->checked = FRAME_IN_CSUM_L3 | FRAME_IN_CSUM_L4;
    return h;
}

static struct tcp_conn *open_one(struct ends *e, unsigned port)
{
    struct inet_end local = {INET_ANY4, 0}, remote = {e->b->addr, (uint16_t)(80 + port)};
    int err;
    struct tcp_conn *c = tcp_connect(e->a->t, &local, &remote, e, &err);

    must(c != NULL, "tcp_connect");
    host_settle(e->a, e->b);
    must(tcp_accept(e->l[port], e) != NULL, "tcp_accept");
    return c;
}

/* Two hosts with so many connections, the last of which is the one that is used. */
static struct ends *ends_new(uint32_t conns)
{
    struct ends *e = calloc(1, sizeof(*e));
    int err;

    must(e != NULL, "memory");
    e->a = new_host(1, conns + 1);
    e->b = new_host(2, conns + 1);
    host_acquaint(e->a, e->b);
    for (unsigned i = 0; i < PORTS; i++) {
        struct inet_end at = {INET_ANY4, (uint16_t)(80 + i)};

        e->l[i] = tcp_listen(e->b->t, &at, 16, e, &err);
        must(e->l[i] != NULL, "tcp_listen");
    }
    for (uint32_t i = 0; i < conns; i++)
        e->x = open_one(e, i % PORTS);
    e->obj = mem_alloc(&e->a->mem, SMALL, 1);
    memset(e->obj, 'x', SMALL);
    return e;
}

static void ends_free(struct ends *e)
{
    mem_unref(&e->a->mem, e->obj);
    host_free(e->a);
    host_free(e->b);
    free(e);
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
    uint64_t start, end, before = e->received;
    unsigned n = 0;

    start = pair_now_ns();
    timed_batch(e, TX, NULL, what == TX ? BATCH : 0);
    end = pair_now_ns();
    if (what == RX)
        for (unsigned i = 0; i < BATCH; i++)
            (void)tcp_send(e->x, e->obj, e->obj, SMALL);
    while (n < 4 * BATCH && host_waiting(e->a) > 0)
        in[n++] = host_take(e->a, e->b);
    must(n == BATCH, "a segment for each push");
    if (what == RX) {
        start = pair_now_ns();
        timed_batch(e, RX, in, n);
        end = pair_now_ns();
    } else {
        for (unsigned i = 0; i < n; i++)
            inet_input(e->b->in, &in[i]);
    }
    must(e->received - before == (uint64_t)BATCH * SMALL, "delivery");
    host_settle(e->a, e->b);
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
    struct ends *e = ends_new(1);
    double ns = measure(e, what, batches > 0 ? batches : ROUNDS);

    if (batches == 0)
        pair_print(name, ns, "ns", "an operation in the paper, 200 ns", 200, ns / 200, 0.5);
    ends_free(e);
}

static void bench_crowd(void)
{
    struct ends *few = ends_new(FEW), *crowd = ends_new(CROWD);
    double alone = measure(few, RX, ROUNDS), among = measure(crowd, RX, ROUNDS);

    pair_print("tcp_conn_100k", among, "ns", "one active connection among 10", alone, among / alone, 1.5);
    ends_free(few);
    ends_free(crowd);
}

static void bench_memory(void)
{
    struct ends *crowd = ends_new(CROWD);
    double mib = (double)(mem_bytes_used(&crowd->b->mem) + crowd->b->reserved) / 1048576;

    pair_print("tcp_conn_memory", mib, "MiB", "the bound for 100,000 connections, 1 GiB", 1024, mib / 1024, 1);
    ends_free(crowd);
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
