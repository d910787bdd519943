/* SPDX-License-Identifier: MIT */
/*
 * Hierarchical timer wheel (Varghese and Lauck, SOSP'87): arming and cancelling cost the same however many are armed.
 *
 * Eight levels of 64 slots; a tick is 8.192 us, a level's slot is 64 times as wide as the one below. Each level has a
 * 64-bit word that says which slots are not empty, so that the next deadline is found by counting trailing zeros.
 * A timer never fires early; it fires at most one tick late when the wheel is advanced that often.
 */
#ifndef CORE_TIMER_H
#define CORE_TIMER_H

#include "base.h"

#define TIMER_TICK_SHIFT 13 /* ns per tick, as a power of two */
#define TIMER_LEVELS 8
#define TIMER_SLOTS 64

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
    uint64_t now_tick;
    uint64_t armed; /* timers armed */
    uint64_t occupied[TIMER_LEVELS];
    struct timer *slots[TIMER_LEVELS][TIMER_SLOTS];
};

void timer_wheel_init(struct timer_wheel *w, uint64_t now_ns);

/* Arms t (again, if it was armed) to call fire(t, arg) once at or after deadline_ns. Deadlines past are due at once. */
void timer_arm(struct timer_wheel *w, struct timer *t, uint64_t deadline_ns, timer_fn *fire, void *arg);

/* Disarms t; nothing happens when it was not armed. */
void timer_cancel(struct timer_wheel *w, struct timer *t);

static inline bool timer_armed(const struct timer *t)
{
    return t->pprev != NULL;
}

/*
 * Fires what is due at now_ns, at most max timers a call, and returns how many it fired. A callback may arm and cancel
 * any timer, itself included.
 */
unsigned timer_advance(struct timer_wheel *w, uint64_t now_ns, unsigned max);

/* A time not later than the earliest deadline, and not before now unless something is due; UINT64_MAX when none. */
uint64_t timer_next_ns(const struct timer_wheel *w);

/* Cheap test for the poll loop: may timer_advance have something to do at now_ns? */
static inline bool timer_pending(const struct timer_wheel *w, uint64_t now_ns)
{
    return w->armed != 0 && (now_ns >> TIMER_TICK_SHIFT) > w->now_tick;
}

#endif /* CORE_TIMER_H */
