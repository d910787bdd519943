/* SPDX-License-Identifier: MIT */
/* The turn of the scheduler. */
#include "sched.h"

#include "instance.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int sched_init(struct sched *s, uint32_t slots)
{
    memset(s, 0, sizeof(*s));
    s->slots = slots;
    for (unsigned c = 0; c < SCHED_CLASSES; c++) {
        s->ready[c].words = calloc((slots + 63) / 64, sizeof(uint64_t));
        if (s->ready[c].words == NULL) {
            sched_fini(s);
            return -ENOMEM;
        }
    }
    return 0;
}

void sched_fini(struct sched *s)
{
    for (unsigned c = 0; c < SCHED_CLASSES; c++)
        free(s->ready[c].words);
    memset(s, 0, sizeof(*s));
}

/* Runs the slots of one word. Bits that are set meanwhile belong to the next turn. */
static unsigned run_word(struct instance *inst, struct ready_set *r, uint32_t word)
{
    uint64_t bits = r->words[word];
    unsigned n = 0;

    r->words[word] = 0;
    for (; bits != 0; bits &= bits - 1, n++) {
        struct op *op = op_at(&inst->ops, word * 64 + (uint32_t)__builtin_ctzll(bits));

        /* completed or freed since it was woken, or the slot is an operation's by now that nobody resumes */
        if (UNLIKELY(op->state != OP_PENDING || op->resume == NULL))
            continue;
        if (op->resume(inst, op) == CO_AGAIN)
            sched_wake(&inst->sched, op);
    }
    return n;
}

static unsigned run_summary(struct instance *inst, struct ready_set *r, uint32_t sum)
{
    uint64_t words = r->summary[sum];
    unsigned n = 0;

    r->summary[sum] = 0;
    for (; words != 0; words &= words - 1)
        n += run_word(inst, r, sum * 64 + (uint32_t)__builtin_ctzll(words));
    return n;
}

unsigned sched_turn(struct instance *inst, enum sched_class cls)
{
    struct ready_set *r = &inst->sched.ready[cls];
    unsigned n = 0;

    for (uint32_t t = 0; t < SCHED_SUMMARIES / 64; t++) {
        uint64_t sums = r->top[t];

        if (sums == 0)
            continue;
        r->top[t] = 0;
        for (; sums != 0; sums &= sums - 1)
            n += run_summary(inst, r, t * 64 + (uint32_t)__builtin_ctzll(sums));
    }
    return n;
}
