/* SPDX-License-Identifier: MIT */
/*
 * DCTCP: RFC 8257. The window shrinks by half the estimated share of marked bytes, once a window. Loss is answered as
 * NewReno does (section 3.5).
 */
#include "tcp_cc.h"
#include "tcp_seq.h"

#define ONE     (UINT32_C(1) << 20) /* alpha 1 */
#define G_SHIFT 4                   /* g = 1/16 (section 4.2) */

static void dctcp_init(struct tcp_cc *cc)
{
    cc->dctcp.alpha = ONE; /* section 3.3: cautious until measured */
    cc->dctcp.acked = cc->dctcp.marked = 0;
    cc->dctcp.started = false;
    cc->part = 0;
}

/* The end of a window of data: section 3.3, steps 4 to 8. */
static void end_window(struct tcp_cc *cc, const struct tcp_cc_ack *a)
{
    uint32_t share = (uint32_t)((uint64_t)cc->dctcp.marked * ONE / cc->dctcp.acked);
    uint32_t alpha = cc->dctcp.alpha;

    alpha = alpha - (alpha >> G_SHIFT) + (share >> G_SHIFT);
    if (alpha >> G_SHIFT == 0 && share == 0)
        alpha = 0; /* the shift would never get there */
    cc->dctcp.alpha = alpha > ONE ? ONE : alpha;
    cc->dctcp.acked = cc->dctcp.marked = 0;
    cc->dctcp.window_end = a->nxt;
}

static void dctcp_acked(struct tcp_cc *cc, const struct tcp_cc_ack *a)
{
    uint32_t left;

    if (!cc->dctcp.started) {
        cc->dctcp.started = true;
        cc->dctcp.window_end = a->nxt;
    }
    cc->dctcp.acked += a->acked;
    cc->dctcp.marked += a->marked;
    if (seq_ge(a->una, cc->dctcp.window_end) && cc->dctcp.acked > 0)
        end_window(cc, a);
    if (!a->limited || !a->open)
        return;
    left = tcp_cc_slow_start(cc, a->acked);
    if (left > 0)
        tcp_cc_additive(cc, left);
}

static void dctcp_congestion(struct tcp_cc *cc, uint64_t now_ns, bool ecn)
{
    uint64_t cut = ecn ? (uint64_t)cc->cwnd * cc->dctcp.alpha / (2 * (uint64_t)ONE) : cc->cwnd / 2;

    (void)now_ns;
    tcp_cc_remember(cc);
    cc->cwnd = tcp_cc_at_least_two(cc, cc->cwnd - cut);
    cc->ssthresh = cc->cwnd;
    cc->part = 0;
}

static void dctcp_timeout(struct tcp_cc *cc, uint64_t now_ns, uint32_t flight)
{
    (void)now_ns;
    tcp_cc_remember(cc);
    cc->ssthresh = tcp_cc_at_least_two(cc, flight / 2);
    cc->cwnd = cc->mss;
    cc->part = 0;
}

static void dctcp_undo(struct tcp_cc *cc)
{
    cc->part = 0;
}

const struct tcp_cc_ops tcp_cc_dctcp = {
    .name = "dctcp",
    .every_packet_ecn = true,
    .init = dctcp_init,
    .acked = dctcp_acked,
    .congestion = dctcp_congestion,
    .timeout = dctcp_timeout,
    .undo = dctcp_undo,
};
