/* SPDX-License-Identifier: MIT */
/*
 * Bulk over a lossy path, in virtual time: what congestion control makes of 1 % random loss each way at a round trip of
 * 1 ms and 10 Gb/s, beside the window that theory gives it. One JSON object a line; the same figures in every run.
 * usage: bench-loss [tcp_loss_1pct] [tcp_loss_1pct_newreno] [--quick]
 *
 * Theory: CUBIC's average window (RFC 9438, section 5.1) is 0.19 segments there, far below Reno's, so CUBIC behaves as
 * AIMD(0.53, 0.7) does, whose average window is that of Reno: sqrt(3 / (2 p)) segments (Mathis et al., CCR 1997), 12.2
 * for p = 0.01.
 */
#include "host.h"
#include "netdev/sim/sim.h"
#include "pair.h"

#include <stdio.h>
#include <stdlib.h>

#define RTT_NS   NS_PER_MS
#define LOSS_PPM 10000
#define WINDOW   12.247 /* sqrt(3 / (2 p)) */
#define RATE     UINT64_C(10000000000)
#define WARM_NS  NS_PER_S
#define RUN_NS   (20 * NS_PER_S)
#define RUNS     5
#define CHUNK    65536
#define PORT     80

/* A host on the simulated network. */
struct end {
    struct host *h;
    struct netdev *port;
};

struct path {
    struct sim_net *net;
    struct end a, b;
    struct tcp_conn *x;
    char *chunk;
};

static uint64_t received;

static void up_nothing(void *ctx)
{
    (void)ctx;
}

static void up_told(void *ctx, int err)
{
    (void)ctx, (void)err;
}

static uint32_t up_deliver(void *ctx, void *obj, char *ptr, uint32_t len)
{
    (void)ctx, (void)obj, (void)ptr;
    received += len;
    return len;
}

static struct end end_new(struct sim_net *net, uint8_t n, enum tcp_cc_kind cc, bool sack)
{
    struct host_config cfg = host_config_defaults();
    struct end e;

    cfg.up = (struct tcp_upcalls){up_nothing, up_told, up_deliver, up_nothing, up_told};
    cfg.tcp.conns = 16;
    cfg.tcp.cc = cc;
    cfg.tcp.sack = sack;
    e.h = host_new(n, &cfg);
    e.port = sim_port(net, &e.h->mem, cfg.mtu);
    must(e.port != NULL, "sim_port");
    return e;
}

static bool move(struct end *e)
{
    struct frame_in in[NETDEV_BURST];
    unsigned n = e->port->ops->rx_burst(e->port, in, NETDEV_BURST);
    bool moved = n > 0 || host_waiting(e->h) > 0;

    for (unsigned i = 0; i < n; i++)
        inet_input(e->h->in, &in[i]);
    while (host_waiting(e->h) > 0) {
        struct frame *f = e->h->out[e->h->first++ % HOST_QUEUE];

        if (e->port->ops->tx_burst(e->port, &f, 1) == 0)
            frame_free(&e->h->mem, f);
    }
    return moved;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* The sender always has something to send. Ends when the clock does. */
static void run_until(struct path *p, uint64_t until_ns)
{
    while (*sim_clock(p->net) < until_ns) {
        uint64_t now_ns = *sim_clock(p->net), next;
        bool moved;

        host_at(p->a.h, now_ns);
        host_at(p->b.h, now_ns);
        while (p->x != NULL && tcp_send(p->x, p->chunk, p->chunk, CHUNK) > 0)
            continue;
        moved = move(&p->a);
        moved |= move(&p->b);
        if (moved)
            continue;
        next = earlier(sim_next_ns(p->net), earlier(timer_next_ns(&p->a.h->wheel), timer_next_ns(&p->b.h->wheel)));
        sim_advance(p->net, next > now_ns ? earlier(next, until_ns) : now_ns + 1);
    }
}

static void connect_ends(struct path *p)
{
    struct inet_end at = {INET_ANY4, PORT}, any = {INET_ANY4, 0}, to = {p->b.h->addr, PORT};
    struct tcp_listener *l;
    struct tcp_conn *y = NULL, *x;
    int err;

    l = tcp_listen(p->b.h->t, &at, 1, NULL, &err);
    must(l != NULL, "tcp_listen");
    host_at(p->a.h, *sim_clock(p->net));
    x = tcp_connect(p->a.h->t, &any, &to, NULL, &err);
    must(x != NULL, "tcp_connect");
    while (y == NULL) {
        run_until(p, *sim_clock(p->net) + RTT_NS);
        y = tcp_accept(l, NULL);
    }
    p->x = x;
}

/* Goodput in Mb/s, in segments of 1448 bytes a round trip, over a while of one connection's life. */
static double goodput(uint64_t seed, enum tcp_cc_kind cc, bool sack, uint64_t ns)
{
    const struct sim_faults faults = {
        .delay_ns = RTT_NS / 2, .rate_bps = RATE, .queue_ns = 100 * NS_PER_MS, .loss = LOSS_PPM};
    struct path p = {.net = sim_new(seed, &faults)};
    uint64_t before;

    must(p.net != NULL, "sim_new");
    p.a = end_new(p.net, 1, cc, sack);
    p.b = end_new(p.net, 2, cc, sack);
    host_acquaint(p.a.h, p.b.h);
    p.chunk = mem_alloc(&p.a.h->mem, CHUNK, 1);
    must(p.chunk != NULL, "memory");
    connect_ends(&p);
    run_until(&p, *sim_clock(p.net) + WARM_NS);
    before = received;
    run_until(&p, *sim_clock(p.net) + ns);
    before = received - before;
    mem_unref(&p.a.h->mem, p.chunk);
    host_free(p.a.h);
    host_free(p.b.h);
    sim_free(p.net);
    return (double)before * 8 / ((double)ns / 1000);
}

static void bench(const char *name, enum tcp_cc_kind cc, bool sack, bool quick)
{
    const double theory = WINDOW * 1448 * 8 / (RTT_NS / 1000.0);
    double mbps[RUNS], median;

    for (unsigned i = 0; i < RUNS; i++)
        mbps[i] = goodput(i + 1, cc, sack, quick ? RUN_NS / 10 : RUN_NS);
    median = pair_median(mbps, RUNS);
    pair_print(name, median, "Mb/s", "12.2 segments a round trip, Reno's response function", theory, median / theory,
               0);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        enum tcp_cc_kind cc;
        bool sack;
    } all[] = {{"tcp_loss_1pct", TCP_CC_cubic, true}, {"tcp_loss_1pct_newreno", TCP_CC_newreno, false}};
    bool quick = false, any = false;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--quick") == 0)
            quick = true;
        else
            any = true;
    }
    for (unsigned k = 0; k < sizeof(all) / sizeof(all[0]); k++)
        for (int i = any ? 1 : argc - 1; i < argc; i++)
            if (!any || strcmp(argv[i], all[k].name) == 0)
                bench(all[k].name, all[k].cc, all[k].sack, quick);
    return 0;
}
