/* SPDX-License-Identifier: MIT */
/* What all congestion controls share: see tcp_cc.h. */
#include "tcp_cc.h"

#include <string.h>

static const struct tcp_cc_ops *const all[TCP_CC_MAX] = {
#define TCP_CC_ENTRY(name) [TCP_CC_##name] = &tcp_cc_##name,
    TCP_CC_LIST(TCP_CC_ENTRY)
#undef TCP_CC_ENTRY
};

const struct tcp_cc_ops *tcp_cc_find(const char *name, size_t len)
{
    for (unsigned i = 0; i < TCP_CC_MAX; i++)
        if (strlen(all[i]->name) == len && memcmp(all[i]->name, name, len) == 0)
            return all[i];
    return NULL;
}

const struct tcp_cc_ops *tcp_cc_at(enum tcp_cc_kind kind)
{
    return (unsigned)kind < TCP_CC_MAX ? all[kind] : NULL;
}

uint32_t tcp_cc_initial_window(uint32_t mss, uint32_t initial)
{
    uint32_t bytes = 14600 > 2 * mss ? 14600 : 2 * mss;
    uint32_t wanted = initial * mss;

    return wanted < bytes ? wanted : bytes;
}

void tcp_cc_init(struct tcp_cc *cc, const struct tcp_cc_ops *ops, uint32_t mss, uint32_t initial)
{
    assert(mss > 0 && initial > 0);
    memset(cc, 0, sizeof(*cc));
    cc->ops = ops;
    cc->mss = mss;
    cc->cwnd = tcp_cc_initial_window(mss, initial);
    cc->ssthresh = TCP_CC_MAX_WINDOW;
    tcp_cc_remember(cc);
    ops->init(cc);
}

void tcp_cc_change(struct tcp_cc *cc, const struct tcp_cc_ops *ops)
{
    cc->ops = ops;
    cc->part = 0;
    ops->init(cc);
}

void tcp_cc_set_mss(struct tcp_cc *cc, uint32_t mss)
{
    assert(mss > 0);
    cc->mss = mss;
    if (cc->cwnd < mss)
        cc->cwnd = mss;
}

void tcp_cc_undo(struct tcp_cc *cc)
{
    if (cc->cwnd < cc->prior_cwnd)
        cc->cwnd = cc->prior_cwnd;
    if (cc->ssthresh < cc->prior_ssthresh)
        cc->ssthresh = cc->prior_ssthresh;
    cc->ops->undo(cc);
}

void tcp_cc_idle(struct tcp_cc *cc, uint64_t idle_ns, uint64_t rto_ns, uint32_t initial)
{
    uint32_t floor = tcp_cc_initial_window(cc->mss, initial);

    assert(rto_ns > 0);
    if (cc->cwnd <= floor)
        return;
    if (cc->ssthresh < cc->cwnd / 4 * 3)
        cc->ssthresh = cc->cwnd / 4 * 3;
    for (; idle_ns >= rto_ns && cc->cwnd > floor; idle_ns -= rto_ns)
        cc->cwnd /= 2;
    if (cc->cwnd < floor)
        cc->cwnd = floor;
}

uint32_t tcp_cc_slow_start(struct tcp_cc *cc, uint32_t acked)
{
    uint32_t room;

    if (cc->cwnd >= cc->ssthresh)
        return acked;
    room = cc->ssthresh - cc->cwnd;
    if (acked <= room) {
        cc->cwnd += acked;
        return 0;
    }
    cc->cwnd = cc->ssthresh;
    return acked - room;
}

void tcp_cc_additive(struct tcp_cc *cc, uint32_t acked)
{
    uint64_t grown = (uint64_t)acked * cc->mss + cc->part;

    cc->part = (uint32_t)(grown % cc->cwnd);
    cc->cwnd = tcp_cc_clamp(cc->cwnd + grown / cc->cwnd);
}
