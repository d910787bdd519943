/* SPDX-License-Identifier: MIT */
/* One cycle of the hardware thread scheduler (section 3 of the machine's contract), from registers to registers. */
#include "nanopu/nic/hts_internal.h"

static const struct hts_word *next_word(const struct hts *h, const struct hts_regs *r, unsigned ctx)
{
    uint32_t at = h->fifo[ctx].head + r->count[ctx];

    if (r->count[ctx] >= h->fifo[ctx].total)
        return NULL;
    return &h->fifo[ctx].words[at >= h->context_words ? at - h->context_words : at];
}

/* The two-bit counter of the prototype is 0 again with the fourth context. */
static unsigned num_registered(const struct hts *h, const struct hts_regs *r)
{
    return h->p->quirk_four_contexts ? r->registered & 3 : r->registered;
}

static bool preempts(const struct hts *h, const struct hts_regs *r)
{
    return (r->curcontext & 0xffff) == CTX_NANOKERNEL || r->top_prio < r->priority[hts_entry(h, r->curcontext)];
}

/*
 * An arrival that changes nothing but a count: the context is active, its head word stays, and it cannot interrupt.
 * Such words are counted when they are passed (hts_skip).
 */
static bool dull(const struct hts *h, const struct hts_regs *r, unsigned ctx)
{
    return r->active[ctx] && r->count[ctx] > 0 && !preempts(h, r);
}

static uint64_t demotion_cycle(const struct hts *h, const struct hts_regs *r)
{
    unsigned cur = hts_entry(h, r->curcontext);

    if (cur == NO_ENTRY || r->priority[cur] != 0 || (r->curcontext & 0xffff) == CTX_NANOKERNEL)
        return CYCLE_NEVER;
    return r->msg_zero + r->msg_cycles < r->now ? r->now : r->msg_zero + r->msg_cycles;
}

static uint64_t rotation_cycle(const struct hts *h, const struct hts_regs *r)
{
    if (r->active[hts_entry(h, r->curcontext)] || num_registered(h, r) <= 1)
        return CYCLE_NEVER;
    return r->idle_zero + r->idle_cycles < r->now ? r->now : r->idle_zero + r->idle_cycles;
}

uint64_t hts_wake(const struct hts *h, const struct hts_regs *r)
{
    uint64_t wake, t;

    if (!r->settled)
        return r->now;
    wake = demotion_cycle(h, r);
    t = rotation_cycle(h, r);
    wake = t < wake ? t : wake;
    for (unsigned i = 0; i < HTS_CONTEXTS; i++) {
        const struct hts_word *w = next_word(h, r, i);

        if (w != NULL && !dull(h, r, i)) {
            t = w->cycle & ~HTS_FIRST;
            wake = t < wake ? t : wake;
        }
    }
    return wake;
}

void hts_skip(const struct hts *h, struct hts_regs *r, uint64_t to)
{
    assert(to >= r->now && r->settled);
    for (unsigned i = 0; i < HTS_CONTEXTS; i++) {
        const struct hts_word *w;

        while ((w = next_word(h, r, i)) != NULL && (w->cycle & ~HTS_FIRST) < to) {
            uint64_t cycle = w->cycle & ~HTS_FIRST;

            if ((w->cycle & HTS_FIRST) != 0)
                r->msg_ts[i] = cycle;
            r->count[i]++;
            /* A later event looks for arrivals just before it: they take precedence over it. */
            r->enqueued[0] |= cycle + 1 == to;
            r->enqueued[1] |= cycle + 2 == to;
            r->settled &= cycle + 2 < to;
        }
    }
    r->now = to;
}

/* Section 3.6, in this order. */
static bool pulse(const struct hts *h, struct hts_regs *r)
{
    bool other = r->top_ctx != (r->curcontext & 0xffff);

    if (r->enqueued[1])
        return preempts(h, r);
    if (r->done[1])
        return other;
    if (r->demoted) {
        r->msg_zero = r->now + 1;
        return other;
    }
    return r->rotated && other;
}

/* Section 3.3. Returns whether any context is active. */
static bool select_top(const struct hts_regs *r, uint16_t *ctx, uint8_t *prio)
{
    uint64_t best_ts = CYCLE_NEVER;
    int best = -1;

    for (unsigned i = 0; i < HTS_CONTEXTS; i++) {
        uint64_t ts = r->count[i] > 0 ? r->head_ts[i] : CYCLE_NEVER;

        if (r->active[i] && (best < 0 || r->priority[i] < r->priority[best] ||
                             (r->priority[i] == r->priority[best] && ts <= best_ts))) {
            best = (int)i;
            best_ts = ts;
        }
    }
    if (best < 0)
        return false;
    *ctx = (uint16_t)best;
    *prio = r->priority[best];
    return true;
}

static bool arrive(const struct hts *h, struct hts_regs *r, uint64_t cycle, bool active[])
{
    for (unsigned i = 0; i < HTS_CONTEXTS; i++) {
        const struct hts_word *w = next_word(h, r, i);

        if (w == NULL || (w->cycle & ~HTS_FIRST) != cycle)
            continue;
        if ((w->cycle & HTS_FIRST) != 0)
            r->msg_ts[i] = cycle;
        if (r->count[i]++ == 0)
            r->head_ts[i] = r->msg_ts[i];
        active[i] = true;
        return true; /* the link carries one word a cycle */
    }
    return false;
}

static void insert(const struct hts *h, struct hts_regs *r)
{
    unsigned e = hts_entry(h, r->curcontext);

    r->registered++;
    if (e == NO_ENTRY)
        return;
    r->priority[e] = r->given[e] = (uint8_t)r->curpriority;
    if (r->ring_len < HTS_CONTEXTS)
        r->ring[(r->ring_head + r->ring_len++) % HTS_CONTEXTS] = (uint8_t)e;
}

bool hts_tick(const struct hts *h, struct hts_regs *r, unsigned commands)
{
    uint64_t c = r->now, was_top = (uint64_t)r->top_ctx << 8 | r->top_prio;
    unsigned cur = hts_entry(h, r->curcontext);
    bool done = (commands & (CMD_DONE | CMD_IDLE)) != 0;
    bool rotates = rotation_cycle(h, r) == c, demotes = demotion_cycle(h, r) == c;
    bool pulsed = pulse(h, r), ready = r->count[cur] > 0, arrived;
    bool active[HTS_CONTEXTS + 1];

    for (unsigned i = 0; i <= HTS_CONTEXTS; i++)
        active[i] = r->active[i];
    r->csr_ctx = r->top_ctx;
    r->csr_prio = r->top_prio;
    if (!select_top(r, &r->top_ctx, &r->top_prio) && rotates && r->ring_len > 0) {
        r->top_ctx = r->ring[r->ring_head];
        r->top_prio = r->priority[r->top_ctx];
    }
    if (rotates && r->ring_len > 0) {
        r->ring[(r->ring_head + r->ring_len) % HTS_CONTEXTS] = r->ring[r->ring_head];
        r->ring_head = (uint8_t)((r->ring_head + 1) % HTS_CONTEXTS);
    }
    if (done && r->count[cur] == 0) {
        if (active[cur])
            r->idle_zero = c + 1;
        active[cur] = false;
    }
    if (done && !h->p->quirk_demote_forever)
        r->priority[cur] = r->given[cur];
    if (done || (commands & CMD_START) != 0)
        r->msg_zero = c + 1;
    if (rotates || (commands & CMD_START) != 0)
        r->idle_zero = c + 1;
    if (demotes)
        r->priority[cur] = 1;
    if ((commands & CMD_INSERT) != 0)
        insert(h, r);
    arrived = arrive(h, r, c, active);
    /* All is still once the copies have caught up and no event is waiting to be looked at. */
    r->settled = commands == 0 && !arrived && !r->enqueued[0] && !r->done[0] && !rotates && !demotes &&
                 was_top == ((uint64_t)r->top_ctx << 8 | r->top_prio) && ready == r->msgs_ready;
    for (unsigned i = 0; i <= HTS_CONTEXTS; i++) {
        r->settled &= active[i] == r->active[i];
        r->active[i] = active[i];
    }
    r->msgs_ready = ready;
    r->enqueued[1] = r->enqueued[0];
    r->enqueued[0] = arrived;
    r->done[1] = r->done[0];
    r->done[0] = done;
    r->demoted = demotes;
    r->rotated = rotates;
    r->now = c + 1;
    if (pulsed)
        r->last_pulse = c;
    r->latched |= pulsed;
    return pulsed;
}
