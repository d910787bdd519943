/* SPDX-License-Identifier: MIT */
/* Hierarchical timer wheel: see timer.h. */
#include "timer.h"

#include <string.h>

#define TICK_NS   (UINT64_C(1) << TIMER_TICK_SHIFT)
#define SLOT_MASK (TIMER_SLOTS - 1)
/* Timers moved to a lower level between two looks at the budget of timer_advance. */
#define CASCADE_PER_TIMER 8

/* First tick that lies wholly at or after t_ns. */
static uint64_t tick_ceil(uint64_t t_ns)
{
    return (t_ns >> TIMER_TICK_SHIFT) + ((t_ns & (TICK_NS - 1)) != 0);
}

static uint64_t tick_to_ns(uint64_t tick)
{
    return tick > UINT64_MAX >> TIMER_TICK_SHIFT ? UINT64_MAX : tick << TIMER_TICK_SHIFT;
}

/* Index of a tick's slot on a level. */
static unsigned slot_of(uint64_t tick, unsigned level)
{
    return (unsigned)(tick >> (level * TIMER_SLOT_BITS)) & SLOT_MASK;
}

static void slot_insert(struct timer_wheel *w, struct timer *t)
{
    uint64_t tick = tick_ceil(t->deadline_ns);
    struct timer **head;
    unsigned level;

    if (tick < w->now_tick)
        tick = w->now_tick;
    level = (63u - (unsigned)__builtin_clzll((tick ^ w->now_tick) | SLOT_MASK)) / TIMER_SLOT_BITS;
    assert(level < TIMER_LEVELS);
    t->level = (uint8_t)level;
    t->slot = (uint8_t)slot_of(tick, level);
    assert(level == 0 || t->slot > slot_of(w->now_tick, level));
    head = &w->slots[level][t->slot];
    t->next = *head;
    if (t->next != NULL)
        t->next->pprev = &t->next;
    t->pprev = head;
    *head = t;
    w->occupied[level] |= UINT64_C(1) << t->slot;
    if (tick < w->next_tick)
        w->next_tick = tick;
}

static void slot_remove(struct timer_wheel *w, struct timer *t)
{
    assert(*t->pprev == t);
    *t->pprev = t->next;
    if (t->next != NULL)
        t->next->pprev = t->pprev;
    t->next = NULL;
    t->pprev = NULL;
    if (w->slots[t->level][t->slot] == NULL)
        w->occupied[t->level] &= ~(UINT64_C(1) << t->slot);
}

/* First tick at which a slot has to be fired or spread, and its level; UINT64_MAX when every slot is empty. */
static uint64_t next_event(const struct timer_wheel *w, unsigned *level)
{
    unsigned l, shift;
    uint64_t upper;

    *level = w->cascade;
    if (w->cascade != 0)
        return w->now_tick;
    for (l = 0; l < TIMER_LEVELS; l++) {
        if (w->occupied[l] == 0)
            continue;
        shift = l * TIMER_SLOT_BITS;
        upper = (w->now_tick >> shift) & ~(uint64_t)SLOT_MASK;
        *level = l;
        return (upper | (unsigned)__builtin_ctzll(w->occupied[l])) << shift;
    }
    return UINT64_MAX;
}

void timer_wheel_init(struct timer_wheel *w, uint64_t now_ns)
{
    memset(w, 0, sizeof(*w));
    w->now_tick = now_ns >> TIMER_TICK_SHIFT;
    w->next_tick = UINT64_MAX;
}

void timer_arm(struct timer_wheel *w, struct timer *t, uint64_t deadline_ns, timer_fn *fire, void *arg)
{
    assert(fire != NULL);
    if (t->pprev != NULL)
        slot_remove(w, t);
    else
        w->armed++;
    t->deadline_ns = deadline_ns < w->floor_ns ? w->floor_ns : deadline_ns;
    t->fire = fire;
    t->arg = arg;
    slot_insert(w, t);
}

void timer_cancel(struct timer_wheel *w, struct timer *t)
{
    if (t->pprev == NULL)
        return;
    assert(w->armed > 0);
    slot_remove(w, t);
    if (--w->armed == 0)
        w->next_tick = UINT64_MAX; /* otherwise it may stay too early: one idle timer_advance puts it right */
}

/* Spreads at most *budget timers of the slot at now_tick over the levels below. */
static void cascade(struct timer_wheel *w, unsigned level, unsigned *budget)
{
    struct timer **head = &w->slots[level][slot_of(w->now_tick, level)];
    struct timer *t;

    w->cascade = level;
    while (*head != NULL && *budget > 0) {
        t = *head;
        slot_remove(w, t);
        slot_insert(w, t);
        assert(t->level < level);
        --*budget;
    }
    if (*head == NULL)
        w->cascade = 0;
}

/* Fires at most max timers of the slot at now_tick. */
static unsigned fire_slot(struct timer_wheel *w, unsigned max)
{
    struct timer **head = &w->slots[0][slot_of(w->now_tick, 0)];
    unsigned fired = 0;
    struct timer *t;

    while (*head != NULL && fired < max) {
        t = *head;
        assert(tick_ceil(t->deadline_ns) <= w->now_tick);
        slot_remove(w, t);
        w->armed--;
        fired++;
        t->fire(t, t->arg);
    }
    return fired;
}

unsigned timer_advance(struct timer_wheel *w, uint64_t now_ns, unsigned max)
{
    unsigned moves = max > UINT32_MAX / CASCADE_PER_TIMER ? UINT32_MAX : max * CASCADE_PER_TIMER;
    uint64_t target = now_ns >> TIMER_TICK_SHIFT;
    unsigned level, fired = 0;
    uint64_t tick;

    assert(w->floor_ns == 0);
    if (target < w->now_tick)
        target = w->now_tick;
    w->floor_ns = tick_to_ns(target + 1);
    tick = next_event(w, &level);
    while (tick <= target && fired < max && moves > 0) {
        assert(tick >= w->now_tick);
        w->now_tick = tick;
        if (level > 0)
            cascade(w, level, &moves);
        else
            fired += fire_slot(w, max - fired);
        tick = next_event(w, &level);
    }
    if (tick > target)
        w->now_tick = target;
    w->next_tick = tick;
    w->floor_ns = 0;
    return fired;
}

uint64_t timer_next_ns(const struct timer_wheel *w)
{
    unsigned level;
    uint64_t tick;

    if (w->armed == 0)
        return UINT64_MAX;
    /* Neither is later than the earliest timer: the slots do not know the place within, next_tick not what was
     * cancelled. */
    tick = next_event(w, &level);
    return tick_to_ns(tick > w->next_tick ? tick : w->next_tick);
}
