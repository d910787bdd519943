/* SPDX-License-Identifier: MIT */
/*
 * Hierarchical timer wheel (Varghese and Lauck, SOSP'87, scheme 7): arming and cancelling cost the same however many
 * timers are armed.
 *
 * Nine levels of 64 slots; a tick is 8.192 us, a level's slot is 64 times as wide as the one below, so that together
 * they span every 64-bit time and nothing has to wrap or be clamped. A timer's level is the highest group of six bits
 * in which its tick differs from the wheel's: all timers of a level are thus later than all timers of the levels below.
 * Each level has a 64-bit word that says which slots are not empty, so that the next slot is found by counting trailing
 * zeros. Slots are lists linked through next and pprev (the address of what points here): removal needs no head.
 *
 * A timer never fires early; it fires at most one tick late when the wheel is advanced that often. Timers fire in the
 * order of their ticks; the order within one tick is not specified.
 */
#ifndef CORE_TIMER_H
#define CORE_TIMER_H

#include "base.h"

#define TIMER_TICK_SHIFT 13 /* ns per tick, as a power of two */
#define TIMER_SLOT_BITS  6
#define TIMER_SLOTS      (1 << TIMER_SLOT_BITS)
#define TIMER_LEVELS     9 /* 9 * 6 bits of ticks hold every 64-bit number of nanoseconds */

struct timer;
typedef void timer_fn(struct timer *t, void *arg);

/* Embedded in what owns it; zeroed memory is an idle timer. */
struct timer {
    struct timer *next;
    struct timer **pprev; /* NULL when not armed */
    uint64_t deadline_ns;
    timer_fn *fire;
    void *arg;
    uint8_t level, slot;
};

struct timer_wheel {
    uint64_t next_tick; /* nothing is to be done before it; UINT64_MAX when nothing is armed */
    uint64_t now_tick;  /* the slots are laid out around it */
    uint64_t floor_ns;  /* earliest deadline that may be armed: in a callback the next call's, else 0 */
    uint64_t armed;     /* timers armed */
    unsigned cascade;   /* level whose slot at now_tick is still being spread over those below; 0: none */
    uint64_t occupied[TIMER_LEVELS];
    struct timer *slots[TIMER_LEVELS][TIMER_SLOTS];
};

void timer_wheel_init(struct timer_wheel *w, uint64_t now_ns);

/*
 * Arms t (again, if it was armed) to call fire(t, arg) once at or after deadline_ns. A deadline that is past is due at
 * the next timer_advance; in a callback, one that the running timer_advance has passed is moved to the next tick, so
 * that a timer that arms itself cannot keep the call from returning.
 */
void timer_arm(struct timer_wheel *w, struct timer *t, uint64_t deadline_ns, timer_fn *fire, void *arg);

/* Disarms t; nothing happens when it was not armed. */
void timer_cancel(struct timer_wheel *w, struct timer *t);

static inline bool timer_armed(const struct timer *t)
{
    return t->pprev != NULL;
}

/*
 * Fires what is due at now_ns, at most max timers a call, and returns how many it fired. What is left is due at the
 * next call; timer_pending stays true. A timer is disarmed before its callback runs; a callback may arm and cancel any
 * timer, itself included, and free the one it was called for. It must not call timer_advance.
 */
unsigned timer_advance(struct timer_wheel *w, uint64_t now_ns, unsigned max);

/*
 * When timer_advance will next have something to do, which timer_pending will then confirm: within one tick after the
 * earliest deadline, or before it when slots have to be spread for timers that are far away. Past or present when
 * something is due; UINT64_MAX when nothing is armed. Sleep until then, advance, ask again.
 */
uint64_t timer_next_ns(const struct timer_wheel *w);

/* Cheap test for the poll loop: may timer_advance have something to do at now_ns? */
static inline bool timer_pending(const struct timer_wheel *w, uint64_t now_ns)
{
    return UNLIKELY((now_ns >> TIMER_TICK_SHIFT) >= w->next_tick);
}

#endif /* CORE_TIMER_H */
