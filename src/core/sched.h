/* SPDX-License-Identifier: MIT */
/*
 * Scheduler: which coroutines are ready, a bit each, in three classes.
 *
 * Bit i of a class's words says that slot i is ready; a word of summary says which of 64 words are not zero, and one
 * top word which summaries are not. Waking is three ORs, finding is three counts of trailing zeros, whatever the number
 * of slots. A turn takes the bits that are set when it comes to a word and runs each once, so a coroutine that stays
 * ready runs once a turn and none waits behind another for more than one turn.
 *
 * Classes run in this order: application (operations), background (closing, timers' work), fast path (devices'
 * pollers).
 */
#ifndef CORE_SCHED_H
#define CORE_SCHED_H

#include "base.h"
#include "op.h"

enum sched_class { SCHED_APPLICATION, SCHED_BACKGROUND, SCHED_FASTPATH, SCHED_CLASSES };

#define SCHED_SUMMARIES 256 /* 64 words each of 64 slots: 2^20 slots */

struct ready_set {
    uint64_t top[SCHED_SUMMARIES / 64];
    uint64_t summary[SCHED_SUMMARIES];
    uint64_t *words;
};

struct sched {
    struct ready_set ready[SCHED_CLASSES];
    uint32_t slots;
};

/* -ENOMEM. */
int sched_init(struct sched *s, uint32_t slots);
void sched_fini(struct sched *s);

static inline void sched_wake(struct sched *s, const struct op *op)
{
    struct ready_set *r = &s->ready[op->cls];
    uint32_t word = op->index / 64, sum = word / 64;

    r->words[word] |= UINT64_C(1) << (op->index % 64);
    r->summary[sum] |= UINT64_C(1) << (word % 64);
    r->top[sum / 64] |= UINT64_C(1) << (sum % 64);
}

/* Takes a wake-up back; nothing happens when there was none. */
static inline void sched_unwake(struct sched *s, const struct op *op)
{
    s->ready[op->cls].words[op->index / 64] &= ~(UINT64_C(1) << (op->index % 64));
}

/* Resumes everything that is ready in a class, once each. Returns how many were resumed. */
unsigned sched_turn(struct instance *inst, enum sched_class cls);

/* Is a class empty? The top words may say no after sched_unwake, never yes wrongly. */
static inline bool sched_is_idle(const struct sched *s, enum sched_class cls)
{
    const struct ready_set *r = &s->ready[cls];

    return (r->top[0] | r->top[1] | r->top[2] | r->top[3]) == 0;
}

#endif /* CORE_SCHED_H */
