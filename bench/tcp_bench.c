/* SPDX-License-Identifier: MIT */
/*
 * The share of src/inet in an operation, which bench-op measures whole: a segment or datagram from the frame to the
 * upcall that takes its bytes, tcp_send or udp_send to the frame, between two stacks in memory. No operation, token,
 * turn or clock is in it. One JSON object a line. The frames of a batch are made, or taken away, outside of what is
 * timed; they arrive in bursts, as from a device. Checksums are computed in software on both sides; the rows of that
 * name leave them to the device.
 * usage: tcp_bench [NAME...] [--batches n]
 * With --batches nothing is printed: for valgrind --tool=callgrind '--toggle-collect=timed_batch*', which counts the
 * instructions of n batches of 128.
 */
#include "host.h"
#include "inet/udp.h"
#include "pair.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH  128
#define ROUNDS 2001
#define SMALL  64
#define ACTIVE 64
#define PORTS  4 /* the crowd's listeners: more pairs than one port's ephemeral ports */
#define CROWD  100000
#define FEW    10

/* Two hosts; one opens connections, the other accepts and receives. */
struct ends {
    struct host *a, *b;
    struct tcp_listener *l[PORTS];
    struct tcp_conn *x[ACTIVE]; /* those that send in turn */
    unsigned active;
    struct udp *udp[2];
    struct udp_socket *sender, *receiver;
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

static bool up_datagram(void *ctx, const struct udp_datagram *d)
{
    struct ends *e = ctx;

    e->received += d->len;
    mem_unref(&e->b->mem, d->obj);
    return true;
}

static const struct udp_upcalls udp_upcalls = {up_datagram, up_told};
static const struct tcp_upcalls upcalls = {up_nothing, up_told, up_deliver, up_nothing, up_told};

static struct host *new_host(uint8_t n, uint32_t conns, bool offload)
{
    struct host_config cfg = host_config_defaults();
    struct host *h;

    cfg.up = upcalls;
    cfg.tcp.conns = conns;
    cfg.tcp.half_open = 1024;
    h = host_new(n, &cfg);
    if (offload) {
        h->checked = FRAME_IN_CSUM_L3 | FRAME_IN_CSUM_L4;
        h->in->env.offload = INET_TX_CSUM;
    }
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

static void open_udp(struct ends *e)
{
    struct inet_end at = {INET_ANY4, 80}, remote = {e->b->addr, 80};
    int err;

    for (unsigned i = 0; i < 2; i++) {
        e->udp[i] = udp_new(i == 0 ? e->a->in : e->b->in, &udp_upcalls, &err);
        must(e->udp[i] != NULL, "udp_new");
    }
    e->sender = udp_open(e->udp[0], e);
    e->receiver = udp_open(e->udp[1], e);
    must(e->sender != NULL && e->receiver != NULL, "udp_open");
    must(udp_bind(e->receiver, &at) == 0 && udp_connect(e->sender, &remote) == 0, "udp_bind and udp_connect");
}

/* Two hosts with so many connections, the last ones of which are those that are used. */
static struct ends *ends_new(uint32_t conns, unsigned active, bool offload)
{
    struct ends *e = calloc(1, sizeof(*e));
    int err;

    must(e != NULL, "memory");
    e->a = new_host(1, conns + 1, offload);
    e->b = new_host(2, conns + 1, offload);
    e->active = active;
    host_acquaint(e->a, e->b);
    for (unsigned i = 0; i < PORTS; i++) {
        struct inet_end at = {INET_ANY4, (uint16_t)(80 + i)};

        e->l[i] = tcp_listen(e->b->t, &at, 16, e, &err);
        must(e->l[i] != NULL, "tcp_listen");
    }
    for (uint32_t i = 0; i < conns; i++)
        e->x[i % active] = open_one(e, i % PORTS);
    open_udp(e);
    e->obj = mem_alloc(&e->a->mem, SMALL, 1);
    memset(e->obj, 'x', SMALL);
    return e;
}

static void ends_free(struct ends *e)
{
    mem_unref(&e->a->mem, e->obj);
    for (unsigned i = 0; i < 2; i++)
        udp_free(e->udp[i]);
    host_free(e->a);
    host_free(e->b);
    free(e);
}

enum what { RX, TX, UDP_RX, UDP_TX };

/* Frames as they come from a device in a turn: a burst at a time. */
static void receive(struct host *h, struct frame_in *in, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (i % HOST_BURST == 0)
            tcp_burst_begin(h->t);
        inet_input(h->in, &in[i]);
        if (i % HOST_BURST == HOST_BURST - 1 || i == n - 1)
            tcp_burst_end(h->t);
    }
}

static void push(struct ends *e, enum what what, unsigned n)
{
    if (what == UDP_RX || what == UDP_TX)
        for (unsigned i = 0; i < n; i++)
            (void)udp_send(e->sender, e->obj, e->obj, SMALL, NULL);
    else
        for (unsigned i = 0; i < n; i++)
            (void)tcp_send(e->x[i % e->active], e->obj, e->obj, SMALL);
}

__attribute__((noinline)) static void timed_batch(struct ends *e, enum what what, struct frame_in *in, unsigned n)
{
    if (what == RX || what == UDP_RX)
        receive(e->b, in, n);
    else
        push(e, what, n);
}

/* One batch of pushes and their frames; the time of what is measured in nanoseconds. */
static double one_batch(struct ends *e, enum what what)
{
    bool rx = what == RX || what == UDP_RX;
    uint64_t start, end, before = e->received;
    struct frame_in in[4 * BATCH];
    unsigned n = 0;

    start = pair_now_ns();
    if (rx)
        push(e, what, BATCH);
    else
        timed_batch(e, what, NULL, BATCH);
    end = pair_now_ns();
    while (n < 4 * BATCH && host_waiting(e->a) > 0)
        in[n++] = host_take(e->a, e->b);
    must(n == BATCH, "a frame for each push");
    if (rx) {
        start = pair_now_ns();
        timed_batch(e, what, in, n);
        end = pair_now_ns();
    } else {
        receive(e->b, in, n);
    }
    must(e->received - before == (uint64_t)BATCH * SMALL, "delivery");
    tcp_turn(e->b->t);
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

struct row {
    const char *name;
    enum what what;
    unsigned active;
    bool offload;
};

static const struct row rows[] = {
    {"tcp_rx_upcall", RX, 1, false},          {"tcp_tx_call", TX, 1, false},
    {"tcp_rx_upcall_c64", RX, ACTIVE, false}, {"tcp_rx_upcall_offload", RX, 1, true},
    {"tcp_tx_call_offload", TX, 1, true},     {"udp_rx_upcall", UDP_RX, 1, false},
    {"udp_tx_call", UDP_TX, 1, false},
};

static void bench(const struct row *r, unsigned batches)
{
    struct ends *e = ends_new(r->active, r->active, r->offload);
    double ns = measure(e, r->what, batches > 0 ? batches : ROUNDS);
    double paper = r->what == UDP_RX || r->what == UDP_TX ? 125 : 200;

    if (batches == 0)
        pair_print(r->name, ns, "ns", "a whole operation in the paper", paper, ns / paper, 0);
    ends_free(e);
}

static void bench_crowd(void)
{
    struct ends *few = ends_new(FEW, 1, false), *crowd = ends_new(CROWD, 1, false);
    double alone = measure(few, RX, ROUNDS), among = measure(crowd, RX, ROUNDS);

    pair_print("tcp_conn_100k", among, "ns", "one active connection among 10", alone, among / alone, 1.5);
    ends_free(few);
    ends_free(crowd);
}

static void bench_memory(void)
{
    struct ends *crowd = ends_new(CROWD, 1, false);
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
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++)
        if (wanted(argc, argv, rows[i].name))
            bench(&rows[i], batches);
    if (batches == 0 && wanted(argc, argv, "tcp_conn_100k"))
        bench_crowd();
    if (batches == 0 && wanted(argc, argv, "tcp_conn_memory"))
        bench_memory();
    return 0;
}
