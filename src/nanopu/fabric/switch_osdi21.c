/* SPDX-License-Identifier: MIT */
/*
 * The prototype's switch, section 9.1. Iteration [S, S + L): packets whose last flit comes in it are taken in the order
 * of their time stamps (first flit plus latency) and queued; then every output sends what fits into the iteration, from
 * its beginning on or from the stamp if that is later. In the published system a flit's stamp is the cycle in which it
 * left its sender, and the link's latency is added on the way out of the switch once more; here arrivals are stamped,
 * which shifts all iterations by one latency and changes nothing else.
 */
#include "switch_internal.h"

static uint64_t last_flit(const struct packet *p)
{
    return p->first_flit_cycle + packet_flits(p) - 1;
}

static uint64_t stamp(const struct fabric_switch *s, const struct packet *p)
{
    return p->first_flit_cycle + s->config.latency_cycles;
}

static void untouched(struct fabric_switch *s, unsigned port, uint64_t cycle)
{
    (void)s;
    (void)port;
    (void)cycle;
}

/* The port with the earliest stamp among the packets that are complete before `end`. */
static bool next_complete(const struct fabric_switch *s, uint64_t end, unsigned *port)
{
    uint64_t least = CYCLE_NEVER;

    for (unsigned i = 0; i < s->config.ports && s->waiting_in > 0; i++) {
        const struct packet *p = s->ports[i].in.head;

        if (p != NULL && last_flit(p) < end && stamp(s, p) < least) {
            least = stamp(s, p);
            *port = i;
        }
    }
    return least != CYCLE_NEVER;
}

static void take_in(struct fabric_switch *s, uint64_t end)
{
    unsigned port;

    while (next_complete(s, end, &port)) {
        struct packet *p = list_take(&s->ports[port].in);

        s->waiting_in--;
        p->first_flit_cycle = stamp(s, p);
        switch_forward(s, port, p, untouched);
    }
}

/* Strict: while the best band with anything in it has to wait, so have the others. */
static void emit(struct fabric_switch *s, unsigned port, uint64_t start, uint64_t end)
{
    struct switch_port *o = &s->ports[port];
    uint64_t at = o->pause_until > start ? o->pause_until : start;

    for (;;) {
        unsigned band = 0;
        const struct packet *p;

        while (band < SWITCH_BANDS && o->band[band].head == NULL)
            band++;
        if (band == SWITCH_BANDS)
            return;
        p = o->band[band].head;
        at = p->first_flit_cycle > at ? p->first_flit_cycle : at;
        if (at + packet_flits(p) >= end)
            return;
        at += packet_flits(p);
        switch_depart(s, port, band, at - packet_flits(p));
    }
}

/* The start of the first iteration, at or after the next one, in which there is something to do. */
static uint64_t next_iteration(const struct fabric_switch *s)
{
    uint64_t first = CYCLE_NEVER, l = s->config.iteration_cycles;

    if (s->waiting_out > 0)
        return s->iteration;
    for (unsigned i = 0; i < s->config.ports && s->waiting_in > 0; i++) {
        const struct packet *p = s->ports[i].in.head;

        if (p != NULL && last_flit(p) < first)
            first = last_flit(p);
    }
    if (first == CYCLE_NEVER)
        return CYCLE_NEVER;
    first = first / l * l;
    return first > s->iteration ? first : s->iteration;
}

void switch_osdi21_advance(struct fabric_switch *s, uint64_t until)
{
    uint64_t l = s->config.iteration_cycles;

    for (;;) {
        uint64_t start = next_iteration(s);

        if (start == CYCLE_NEVER || start + l > until)
            break;
        take_in(s, start + l);
        for (unsigned i = 0; i < s->config.ports && s->waiting_out > 0; i++)
            emit(s, i, start, start + l);
        s->iteration = start + l;
    }
    if (s->iteration < until / l * l)
        s->iteration = until / l * l;
}

uint64_t switch_osdi21_next(const struct fabric_switch *s)
{
    uint64_t start = next_iteration(s);

    return start == CYCLE_NEVER ? CYCLE_NEVER : start + s->config.iteration_cycles - 1;
}
