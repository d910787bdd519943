/* SPDX-License-Identifier: MIT */
/*
 * Without iterations. A packet is ready when its first flit (store-and-forward: its last) has been in the switch for
 * the latency; then it is put into its output's queue. An output that is free at cycle t sends the first packet of the
 * best band among those that are ready at t or before. What is sent no longer counts for the queue's limit.
 */
#include "switch_internal.h"

static uint64_t ready(const struct fabric_switch *s, const struct packet *p)
{
    return p->first_flit_cycle + s->config.latency_cycles + (s->config.store_and_forward ? packet_flits(p) : 0);
}

/* The cycle in which the output sends its next packet, of *band; CYCLE_NEVER. */
static uint64_t next_start(const struct switch_port *o, unsigned *band)
{
    uint64_t free_at = o->busy_until > o->pause_until ? o->busy_until : o->pause_until;
    uint64_t best = CYCLE_NEVER;

    for (unsigned b = 0; b < SWITCH_BANDS; b++) {
        const struct packet *p = o->band[b].head;
        uint64_t start = p == NULL ? CYCLE_NEVER : p->first_flit_cycle > free_at ? p->first_flit_cycle : free_at;

        if (start < best) {
            best = start;
            *band = b;
        }
    }
    return best;
}

/* Sends what starts at the output before the cycle. */
static void drain(struct fabric_switch *s, unsigned port, uint64_t before)
{
    struct switch_port *o = &s->ports[port];
    unsigned band = 0;

    for (;;) {
        uint64_t start = next_start(o, &band);

        if (start >= before)
            return;
        o->busy_until = start + packet_flits(o->band[band].head);
        switch_depart(s, port, band, start);
    }
}

void switch_exact_advance(struct fabric_switch *s, uint64_t until)
{
    unsigned port;
    uint64_t at;

    while (switch_first_in(s, ready, &port, &at) && at < until) {
        struct packet *p = list_take(&s->ports[port].in);

        s->waiting_in--;
        p->first_flit_cycle = at;
        switch_forward(s, port, p, drain);
    }
    for (unsigned i = 0; i < s->config.ports && s->waiting_out > 0; i++)
        drain(s, i, until);
}

uint64_t switch_exact_next(const struct fabric_switch *s)
{
    uint64_t next = CYCLE_NEVER;
    unsigned port, band;

    switch_first_in(s, ready, &port, &next);
    for (unsigned i = 0; i < s->config.ports && s->waiting_out > 0; i++) {
        uint64_t start = next_start(&s->ports[i], &band);

        next = start < next ? start : next;
    }
    return next;
}
