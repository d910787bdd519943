/* SPDX-License-Identifier: MIT */
/*
 * A line's level is told to its hart when it changes, with the cycle from which it holds. A hart that sets its own
 * timer stops before it is due, so that the line rises in the right cycle; one that sets another hart's is as exact as
 * the host's quantum.
 */
#include "clint.h"

#include "nanopu/nic/hts.h"

#include <errno.h>

#define MIP_MSIP (UINT64_C(1) << 3)
#define MIP_MTIP (UINT64_C(1) << 7)

void clint_init(struct clint *c, struct hart *const *harts, unsigned count, uint64_t tick_cycles)
{
    assert(count <= CLINT_HARTS_MAX && tick_cycles > 0);
    *c = (struct clint){.harts = harts, .count = count, .tick_cycles = tick_cycles};
    for (unsigned i = 0; i < count; i++)
        c->mtimecmp[i] = c->due_cycle[i] = UINT64_MAX;
}

static uint64_t mtime(const struct clint *c, uint64_t cycle)
{
    return cycle / c->tick_cycles + c->mtime_added;
}

/* Compares anew for one hart, after something changed at cycle. */
static void compare(struct clint *c, unsigned i, uint64_t cycle)
{
    bool level = mtime(c, cycle) >= c->mtimecmp[i];
    uint64_t ticks = c->mtimecmp[i] - c->mtime_added;

    c->due_cycle[i] = CYCLE_NEVER;
    if (!level && __builtin_mul_overflow(ticks, c->tick_cycles, &c->due_cycle[i]))
        c->due_cycle[i] = CYCLE_NEVER;
    hart_set_mip(c->harts[i], MIP_MTIP, level, cycle);
}

/* What an access of size bytes at offset reads of a register of 8. */
static uint64_t part(uint64_t value, uint64_t offset, unsigned size)
{
    return size == 8 ? value : value >> (offset % 8 * 8) & UINT32_MAX;
}

static void merge(uint64_t *reg, uint64_t offset, unsigned size, uint64_t value)
{
    uint64_t mask = size == 8 ? UINT64_MAX : (uint64_t)UINT32_MAX << (offset % 8 * 8);

    *reg = (*reg & ~mask) | (value << (size == 8 ? 0 : offset % 8 * 8) & mask);
}

static bool is_msip(const struct clint *c, uint64_t offset, unsigned size)
{
    return size == 4 && offset < CLINT_MSIP + (uint64_t)4 * c->count;
}

static bool is_mtimecmp(const struct clint *c, uint64_t offset)
{
    return offset >= CLINT_MTIMECMP && offset < CLINT_MTIMECMP + (uint64_t)8 * c->count;
}

int clint_load(struct clint *c, uint64_t cycle, uint64_t offset, unsigned size, uint64_t *value)
{
    if (size != 4 && size != 8)
        return -EFAULT;
    if (is_msip(c, offset, size))
        *value = c->msip[offset / 4];
    else if (is_mtimecmp(c, offset))
        *value = part(c->mtimecmp[(offset - CLINT_MTIMECMP) / 8], offset, size);
    else if (offset / 8 == CLINT_MTIME / 8)
        *value = part(mtime(c, cycle), offset, size);
    else
        return -EFAULT;
    return 0;
}

int clint_store(struct clint *c, struct hart *by, uint64_t cycle, uint64_t offset, unsigned size, uint64_t value)
{
    if (size != 4 && size != 8)
        return -EFAULT;
    if (is_msip(c, offset, size)) {
        c->msip[offset / 4] = value & 1;
        hart_set_mip(c->harts[offset / 4], MIP_MSIP, value & 1, cycle);
        hart_limit(by, cycle); /* a hart that sleeps may have to wake now */
    } else if (is_mtimecmp(c, offset)) {
        unsigned i = (unsigned)(offset - CLINT_MTIMECMP) / 8;

        merge(&c->mtimecmp[i], offset, size, value);
        compare(c, i, cycle);
        hart_limit(by, c->due_cycle[i]);
    } else if (offset / 8 == CLINT_MTIME / 8) {
        uint64_t now = mtime(c, cycle);

        merge(&now, offset, size, value);
        c->mtime_added += now - mtime(c, cycle);
        for (unsigned i = 0; i < c->count; i++)
            compare(c, i, cycle);
        hart_limit(by, clint_next(c));
    } else {
        return -EFAULT;
    }
    return 0;
}

uint64_t clint_next(const struct clint *c)
{
    uint64_t next = CYCLE_NEVER;

    for (unsigned i = 0; i < c->count; i++)
        next = c->due_cycle[i] < next ? c->due_cycle[i] : next;
    return next;
}

void clint_advance(struct clint *c, uint64_t cycle)
{
    for (unsigned i = 0; i < c->count; i++) {
        if (c->due_cycle[i] > cycle)
            continue;
        hart_set_mip(c->harts[i], MIP_MTIP, true, c->due_cycle[i]);
        c->due_cycle[i] = CYCLE_NEVER;
    }
}
