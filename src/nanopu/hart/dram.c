/* SPDX-License-Identifier: MIT */
#include "nanopu/hart/dram.h"

/* The first cycle from at that no refresh occupies, and in *epoch how many refreshes came before: they close all rows.
 */
static uint64_t dram_after_refresh(uint64_t at, uint64_t *epoch)
{
    uint64_t phase = at % DRAM_TREFI;

    *epoch = at / DRAM_TREFI;
    return phase<DRAM_TRFC && * epoch> 0 ? at - phase + DRAM_TRFC : at;
}

uint64_t dram_read(struct dram *d, uint64_t addr, uint64_t cycle, bool *hit)
{
    uint64_t bank_row = addr >> DRAM_ROW_SHIFT, row = bank_row / DRAM_BANKS + 1, epoch, opened;
    unsigned bank = bank_row % DRAM_BANKS;
    uint64_t at = dram_after_refresh(cycle, &epoch);

    dram_after_refresh(d->bank[bank].since, &opened);
    if (d->bank[bank].row != 0 && epoch != opened)
        d->bank[bank].row = 0;
    if (at < d->bank[bank].free)
        at = d->bank[bank].free;
    *hit = d->bank[bank].row == row;
    if (!*hit) {
        if (d->bank[bank].row != 0) { /* another row is open: it may be closed after tRAS */
            if (at < d->bank[bank].since + DRAM_TRAS)
                at = d->bank[bank].since + DRAM_TRAS;
            at += DRAM_TRP;
        }
        d->bank[bank].row = row;
        d->bank[bank].since = at;
        at += DRAM_TRCD;
    }
    d->bank[bank].free = at + DRAM_TCCD;
    return at + DRAM_TCAS + DRAM_BACKEND - cycle;
}
