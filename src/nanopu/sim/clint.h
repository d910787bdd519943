/* SPDX-License-Identifier: MIT */
/*
 * The core-local interruptor of a host (section 1.7): a software interrupt bit and a timer compare register for each
 * hart, and the clock they compare with. Offsets are from CLINT_BASE.
 */
#ifndef NANOPU_SIM_CLINT_H
#define NANOPU_SIM_CLINT_H

#include "nanopu/hart/hart.h"

#define CLINT_BASE     UINT64_C(0x02000000)
#define CLINT_BYTES    UINT64_C(0x00010000)
#define CLINT_MSIP     0x0000 /* 4 bytes a hart */
#define CLINT_MTIMECMP 0x4000 /* 8 bytes a hart */
#define CLINT_MTIME    0xbff8

#define CLINT_HARTS_MAX 64

struct clint {
    struct hart *const *harts;
    unsigned count;
    uint64_t tick_cycles;                /* of mtime */
    uint64_t mtime_added;                /* what a guest's store to mtime changed */
    uint64_t mtimecmp[CLINT_HARTS_MAX];  /* reset: never */
    uint64_t due_cycle[CLINT_HARTS_MAX]; /* in which the timer's line rises; CYCLE_NEVER: it is up, or never will */
    bool msip[CLINT_HARTS_MAX];
};

/* harts must outlive it. */
void clint_init(struct clint *c, struct hart *const *harts, unsigned count, uint64_t tick_cycles);

/* Accesses of 4 or 8 bytes at their natural alignment; `by` is the hart that commits it at cycle. 0 or -EFAULT. */
int clint_load(struct clint *c, uint64_t cycle, uint64_t offset, unsigned size, uint64_t *value);
int clint_store(struct clint *c, struct hart *by, uint64_t cycle, uint64_t offset, unsigned size, uint64_t value);

/* The next cycle in which a timer's line rises, or CYCLE_NEVER. */
uint64_t clint_next(const struct clint *c);

/* Raises the lines that are due up to and including cycle. */
void clint_advance(struct clint *c, uint64_t cycle);

#endif /* NANOPU_SIM_CLINT_H */
