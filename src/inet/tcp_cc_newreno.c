/* SPDX-License-Identifier: MIT */
/* NewReno's window: RFC 5681 with byte counting (RFC 3465). Its fast recovery (RFC 6582) is loss recovery's. */
#include "tcp_cc.h"

static void newreno_init(struct tcp_cc *cc)
{
    cc->part = 0;
}

static void newreno_acked(struct tcp_cc *cc, const struct tcp_cc_ack *a)
{
    uint32_t left;

    if (!a->limited || !a->open)
        return;
    left = tcp_cc_slow_start(cc, a->acked);
    if (left > 0)
        tcp_cc_additive(cc, left);
}

static void newreno_congestion(struct tcp_cc *cc, uint64_t now_ns, bool ecn)
{
    (void)now_ns, (void)ecn;
    tcp_cc_remember(cc);
    cc->ssthresh = tcp_cc_at_least_two(cc, cc->cwnd / 2);
    cc->cwnd = cc->ssthresh;
    cc->part = 0;
}

static void newreno_timeout(struct tcp_cc *cc, uint64_t now_ns, uint32_t flight)
{
    (void)now_ns;
    tcp_cc_remember(cc);
    cc->ssthresh = tcp_cc_at_least_two(cc, flight / 2);
    cc->cwnd = cc->mss;
    cc->part = 0;
}

static void newreno_undo(struct tcp_cc *cc)
{
    cc->part = 0;
}

const struct tcp_cc_ops tcp_cc_newreno = {
    .name = "newreno",
    .init = newreno_init,
    .acked = newreno_acked,
    .congestion = newreno_congestion,
    .timeout = newreno_timeout,
    .undo = newreno_undo,
};
