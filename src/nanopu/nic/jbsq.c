/* SPDX-License-Identifier: MIT */
/*
 * Messages to cores: join the bounded shortest queue (sections 4.3 and 7). A core that takes part in a context has at
 * most jbsq_bound messages of it; a message that finds no such core waits until one is done with another.
 */
#include "nanopu/nic/nic_internal.h"

#define OUTSTANDING_MIN (-1000) /* msg_done without a message: where counting down ends */

/* ---- Queues of events ---- */

/* When the next decision can be made, if none is being carried out. */
static void schedule_decision(struct nic *nic)
{
    uint64_t first = nic->notes_len > 0 ? nic->notes[nic->notes_head].cycle : CYCLE_NEVER;

    for (unsigned i = 0; i < nic->c.cores; i++) {
        const struct core_link *l = &nic->links[i];

        if (l->get_next_len > 0 && l->get_next[l->get_next_head].cycle < first)
            first = l->get_next[l->get_next_head].cycle;
    }
    if (nic->jbsq_state == JBSQ_IDLE)
        nic->next[MOD_JBSQ] = first == CYCLE_NEVER ? first : later_of(nic->jbsq_free, first + DECIDE_CYCLES);
}

void jbsq_notify(struct nic *nic, uint8_t ctx, uint64_t t)
{
    /* Each message has its descriptor's place, so there is one for its notification. */
    assert(nic->notes_len < nic->ids + (uint32_t)nic->p->global_rxq_words);
    nic->notes[(nic->notes_head + nic->notes_len++) % (nic->ids + (uint32_t)nic->p->global_rxq_words)] =
        (struct timed){.cycle = t, .value = ctx};
    schedule_decision(nic);
}

void jbsq_word(struct nic *nic, unsigned ctx, uint64_t t)
{
    if (nic->jbsq_state == JBSQ_WORDS && nic->jbsq_ctx == ctx && nic->next[MOD_JBSQ] == CYCLE_NEVER)
        nic->next[MOD_JBSQ] = t;
}

/* ---- Commands of the cores ---- */

uint64_t command_next(const struct nic *nic)
{
    uint64_t first = CYCLE_NEVER;

    for (unsigned i = 0; i < nic->c.cores; i++) {
        const struct hts_command *c = hts_command_head(nic->c.hts[i]);

        if (c != NULL && c->cycle < first)
            first = c->cycle;
        if (nic->waiting[i] >= 0 && nic->registered_at + 1 < first)
            first = nic->registered_at + 1;
    }
    return first;
}

static void get_next(struct nic *nic, unsigned core, uint16_t ctx, uint64_t t)
{
    struct core_link *l = &nic->links[core];

    if (ctx >= nic->p->contexts) {
        nic->stats.drop_get_next++;
        return;
    }
    NIC_TELL(nic, msg_done, .cycle = t, .unit = core, .b = ctx);
    if (l->get_next_len == GET_NEXT_ENTRIES) {
        nic_fail(nic, NIC_FAULT_GET_NEXT_FULL);
        nic->stats.drop_get_next++;
        return;
    }
    l->get_next[(l->get_next_head + l->get_next_len++) % GET_NEXT_ENTRIES] = (struct timed){.cycle = t, .value = ctx};
    schedule_decision(nic);
}

static void register_context(struct nic *nic, unsigned core, uint16_t ctx)
{
    struct rxq *q;

    if (ctx >= nic->p->contexts) {
        nic->stats.drop_register++;
        return;
    }
    q = &nic->rxq[ctx];
    if (q->cores == 0)
        for (unsigned i = 0; i < nic->c.cores; i++)
            q->outstanding[i] = 0;
    q->cores |= UINT64_C(1) << core;
}

void command_event(struct nic *nic, uint64_t t)
{
    bool registered = false;

    for (unsigned i = 0; i < nic->c.cores; i++) {
        const struct hts_command *c;

        while ((c = hts_command_head(nic->c.hts[i])) != NULL && c->cycle <= t) {
            if (c->kind == HTS_GET_NEXT) {
                get_next(nic, i, c->ctx, t);
            } else {
                nic->stats.register_overwritten += nic->waiting[i] >= 0;
                nic->waiting[i] = c->ctx;
            }
            hts_command_take(nic->c.hts[i]);
        }
        if (nic->waiting[i] >= 0 && !registered) {
            register_context(nic, i, (uint16_t)nic->waiting[i]);
            nic->waiting[i] = -1;
            nic->registered_at = t;
            registered = true;
        }
    }
    if (registered) {
        /* Nothing enters or leaves the queues in this cycle. */
        nic->jbsq_free = later_of(nic->jbsq_free, t + 1);
        for (unsigned m = 0; m < MODULES; m++)
            if ((m == MOD_RXQ || m == MOD_JBSQ) && nic->next[m] == t)
                nic->next[m] = t + 1;
    }
    nic->next[MOD_COMMAND] = command_next(nic);
}

/* ---- Links to the cores ---- */

static uint64_t get_word(const uint8_t *p)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < FLIT_BYTES; i++)
        v = v << 8 | p[i];
    return v;
}

/*
 * Words reach the core one cycle after the event that sends them: what the NIC does before a cycle is all that a hart
 * needs to know in that cycle. Hands on what the FIFO has room for, from `cycle` on; the rest is tried in each cycle.
 */
static void emit(struct nic *nic, unsigned core, uint64_t cycle)
{
    struct core_link *l = &nic->links[core];
    struct hts *h = nic->c.hts[core];
    unsigned room = hts_room(h, l->ctx);

    cycle = later_of(cycle, hts_link_free(h));
    while (l->at < l->len && room-- > 0)
        hts_enqueue(h, l->ctx, cycle++, l->words[l->at++], false);
    if (l->at < l->len) {
        nic->stats.core_stalls++;
        earlier(nic, MOD_LINK, cycle);
    }
}

void link_event(struct nic *nic, uint64_t t)
{
    nic->next[MOD_LINK] = CYCLE_NEVER;
    for (unsigned i = 0; i < nic->c.cores; i++) {
        struct core_link *l = &nic->links[i];

        if (l->at == l->len)
            continue;
        emit(nic, i, t + 1);
        if (l->at == l->len && nic->jbsq_state != JBSQ_IDLE && nic->jbsq_core == i)
            earlier(nic, MOD_JBSQ, hts_link_free(nic->c.hts[i]) - 1);
    }
}

/* ---- Dispatch ---- */

/* The next 64-byte word into the narrower of the core, its first 64 bits to the core in that cycle. */
static void load(struct nic *nic, uint64_t cycle)
{
    struct core_link *l = &nic->links[nic->jbsq_core];
    struct rxq *q = &nic->rxq[nic->jbsq_ctx];
    uint32_t n = nic->jbsq_left < WORD_WORDS ? nic->jbsq_left : WORD_WORDS;

    l->ctx = nic->jbsq_ctx;
    l->at = 0;
    l->len = (uint8_t)n;
    for (uint32_t i = 0; i < n; i++)
        l->words[i] = get_word(q->words[q->head] + i * FLIT_BYTES);
    q->head = (q->head + 1) % (uint32_t)nic->p->context_rxq_words;
    q->count--;
    nic->rxq_total--;
    rxq_wake(nic, cycle + 1);
    emit(nic, nic->jbsq_core, cycle);
    nic->jbsq_left -= n;
    if (nic->jbsq_left == 0) {
        nic->jbsq_state = JBSQ_IDLE;
        nic->jbsq_free = cycle + 1;
        schedule_decision(nic);
    } else {
        nic->next[MOD_JBSQ] = l->at == l->len ? hts_link_free(nic->c.hts[nic->jbsq_core]) - 1 : CYCLE_NEVER;
    }
}

/* Whether the link to the core is free in that cycle; if not, the module comes back for the first in which it is. */
static bool link_ready(struct nic *nic, uint64_t cycle)
{
    const struct core_link *l = &nic->links[nic->jbsq_core];
    uint64_t free = hts_link_free(nic->c.hts[nic->jbsq_core]);

    nic->next[MOD_JBSQ] = CYCLE_NEVER;
    if (l->at < l->len)
        return false; /* link_event wakes */
    if (free > cycle)
        nic->next[MOD_JBSQ] = free - 1;
    return free <= cycle;
}

static void send_words(struct nic *nic, uint64_t cycle)
{
    /* jbsq_word wakes when the next word is in the queue. */
    if (link_ready(nic, cycle) && nic->rxq[nic->jbsq_ctx].count > 0)
        load(nic, cycle);
}

static void send_header(struct nic *nic, uint64_t cycle)
{
    struct hts *h = nic->c.hts[nic->jbsq_core];
    struct rxq *q = &nic->rxq[nic->jbsq_ctx];
    const struct rxq_msg *m = &q->msgs[q->msg_head];

    if (!link_ready(nic, cycle))
        return;
    if (hts_room(h, nic->jbsq_ctx) == 0) {
        nic->stats.core_stalls++;
        nic->next[MOD_JBSQ] = cycle;
        return;
    }
    hts_enqueue(h, nic->jbsq_ctx, cycle, m->header, true);
    NIC_TELL(nic, msg_dispatch, .cycle = cycle, .unit = nic->jbsq_core, .a = m->rx_id, .b = nic->jbsq_ctx);
    nic->stats.dispatched++;
    nic->jbsq_left = ((uint32_t)m->msg_len + FLIT_BYTES - 1) / FLIT_BYTES;
    nic->jbsq_state = JBSQ_WORDS;
    q->msg_head = (q->msg_head + 1) % (uint32_t)nic->p->context_rxq_words;
    q->msg_count--;
    send_words(nic, cycle + 1);
}

static void dispatch(struct nic *nic, unsigned ctx, unsigned core, uint64_t t)
{
    nic->jbsq_state = JBSQ_HEADER;
    nic->jbsq_ctx = (uint8_t)ctx;
    nic->jbsq_core = (uint8_t)core;
    nic->next[MOD_JBSQ] = t + HEADER_CYCLES - 1;
}

/* The registered core with the fewest messages of ctx, below the bound; -1: none. */
static int shortest(const struct nic *nic, const struct rxq *q)
{
    int best = -1;

    for (unsigned i = 0; i < nic->c.cores; i++)
        if ((q->cores >> i & 1) != 0 && q->outstanding[i] < nic->p->jbsq_bound &&
            (best < 0 || q->outstanding[i] < q->outstanding[best]))
            best = (int)i;
    return best;
}

static void notified(struct nic *nic, uint64_t t)
{
    unsigned ctx = nic->notes[nic->notes_head].value;
    struct rxq *q = &nic->rxq[ctx];
    int core = shortest(nic, q);

    nic->notes_head = (nic->notes_head + 1) % (nic->ids + (uint32_t)nic->p->global_rxq_words);
    nic->notes_len--;
    /* The message may have gone to a core that asked for it in the cycle in which the notification was made. */
    if (core < 0 || q->msg_count == 0) {
        nic->stats.forgotten++;
        return;
    }
    q->outstanding[core]++;
    dispatch(nic, ctx, (unsigned)core, t);
}

static void asked(struct nic *nic, unsigned core, uint64_t t)
{
    struct core_link *l = &nic->links[core];
    unsigned ctx = l->get_next[l->get_next_head].value;
    struct rxq *q = &nic->rxq[ctx];
    bool underflow = (q->cores >> core & 1) == 0 || q->outstanding[core] <= 0;

    l->get_next_head = (uint8_t)((l->get_next_head + 1) % GET_NEXT_ENTRIES);
    l->get_next_len--;
    if (underflow) {
        nic->stats.done_underflows++;
        hts_fail(nic->c.hts[core], HTS_DONE_UNDERFLOW);
        if ((q->cores >> core & 1) == 0 || !nic->p->quirk_done_underflow)
            return;
    }
    if (q->msg_count > 0)
        dispatch(nic, ctx, core, t);
    else if (q->outstanding[core] > OUTSTANDING_MIN)
        q->outstanding[core]--;
}

void jbsq_event(struct nic *nic, uint64_t t)
{
    if (nic->jbsq_state == JBSQ_HEADER) {
        send_header(nic, t + 1);
        return;
    }
    if (nic->jbsq_state == JBSQ_WORDS) {
        send_words(nic, t + 1);
        return;
    }
    nic->jbsq_free = t + 1;
    if (nic->notes_len > 0 && nic->notes[nic->notes_head].cycle + DECIDE_CYCLES <= t) {
        notified(nic, t);
    } else {
        for (unsigned i = 0; i < nic->c.cores; i++) {
            const struct core_link *l = &nic->links[i];

            if (l->get_next_len > 0 && l->get_next[l->get_next_head].cycle + DECIDE_CYCLES <= t) {
                asked(nic, i, t);
                break;
            }
        }
    }
    schedule_decision(nic);
}
