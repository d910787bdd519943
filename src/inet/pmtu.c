/* SPDX-License-Identifier: MIT */
/*
 * What is known of paths' MTUs (RFC 1191, RFC 8201). A bounded table without chains: a path has two places it can be
 * in, and the older of two entries goes for a newer one. What was learnt is forgotten after ten minutes, so that a path
 * that has grown is found (RFC 1191, section 6.3); one timer for all, set to the earliest end.
 */
#include "internal.h"

static struct pmtu *place(struct inet *in, const struct inet_addr *dst, unsigned which)
{
    uint64_t h = (dst->q[0] ^ dst->q[1]) * (stack_of(in)->neigh.key ^ which << 1);

    return &stack_of(in)->pmtu[(h >> 32) % PMTU_ENTRIES];
}

uint16_t pmtu_get(struct inet *in, const struct inet_addr *dst)
{
    uint16_t link = inet_link_mtu(in, !inet_addr_is4(dst));

    for (unsigned i = 0; i < 2; i++) {
        const struct pmtu *p = place(in, dst, i);

        if (p->mtu != 0 && p->until_ns > in->env.now_ns && inet_addr_equal(&p->dst, dst))
            return p->mtu < link ? p->mtu : link;
    }
    return link;
}

static void pmtu_fire(struct timer *t, void *arg)
{
    struct inet *in = arg;
    struct inet_stack *s = stack_of(in);
    uint64_t next = UINT64_MAX;

    (void)t;
    for (unsigned i = 0; i < PMTU_ENTRIES; i++) {
        struct pmtu *p = &s->pmtu[i];

        if (p->mtu != 0 && p->until_ns <= in->env.now_ns) {
            p->mtu = 0;
            inet_changed(in);
        } else if (p->mtu != 0 && p->until_ns < next) {
            next = p->until_ns;
        }
    }
    if (next != UINT64_MAX)
        timer_arm(in->env.timers, &s->pmtu_timer, next, pmtu_fire, in);
}

void pmtu_set(struct inet *in, const struct inet_addr *dst, uint16_t mtu)
{
    struct inet_stack *s = stack_of(in);
    struct pmtu *p = place(in, dst, 0), *q = place(in, dst, 1);

    if (mtu >= pmtu_get(in, dst))
        return; /* RFC 1191, section 6.3: reports never raise it */
    if (p->mtu != 0 && !inet_addr_equal(&p->dst, dst) &&
        (q->mtu == 0 || inet_addr_equal(&q->dst, dst) || q->until_ns < p->until_ns))
        p = q;
    if (p->mtu != 0 && p->until_ns > in->env.now_ns && !inet_addr_equal(&p->dst, dst))
        INET_COUNT(in, pmtu_full);
    *p = (struct pmtu){.dst = *dst, .until_ns = in->env.now_ns + PMTU_NS, .mtu = mtu};
    INET_COUNT(in, pmtu_changes);
    inet_changed(in);
    if (!timer_armed(&s->pmtu_timer))
        timer_arm(in->env.timers, &s->pmtu_timer, p->until_ns, pmtu_fire, in);
}

/* Packets of mtu bytes were seen to arrive: only a transport that tried can say that. */
void pmtu_raise(struct inet *in, const struct inet_addr *dst, uint16_t mtu)
{
    for (unsigned i = 0; i < 2; i++) {
        struct pmtu *p = place(in, dst, i);

        if (p->mtu == 0 || p->mtu >= mtu || !inet_addr_equal(&p->dst, dst))
            continue;
        p->mtu = mtu;
        p->until_ns = in->env.now_ns + PMTU_NS;
        INET_COUNT(in, pmtu_changes);
        inet_changed(in);
    }
}
