/* SPDX-License-Identifier: MIT */
/*
 * A DDR3 channel as the prototype's memory model has it: quad rank, eight banks each, open pages, timings in cycles of
 * the core's clock. Reads are answered in the order in which they come.
 */
#ifndef NANOPU_HART_DRAM_H
#define NANOPU_HART_DRAM_H

#include "core/base.h"

/* T(name, cycles): the timings that matter to single reads */
#define DRAM_TIMINGS(T)                                                                                                \
    T(CAS, 14)    /* column to data */                                                                                 \
    T(RCD, 14)    /* row to column */                                                                                  \
    T(RP, 14)     /* precharge */                                                                                      \
    T(RAS, 33)    /* row to precharge */                                                                               \
    T(CCD, 4)     /* column to column: a burst */                                                                      \
    T(RFC, 160)   /* a refresh */                                                                                      \
    T(REFI, 7800) /* from one to the next */

#define DRAM_TIMING_ENUM(name, cycles) DRAM_T##name = (cycles),
enum dram_timing { DRAM_TIMINGS(DRAM_TIMING_ENUM) };
#undef DRAM_TIMING_ENUM

#define DRAM_BANKS     32 /* 4 ranks of 8 */
#define DRAM_ROW_SHIFT 13 /* a row of 8 KiB in each bank */
#define DRAM_BACKEND   2

struct dram {
    struct {
        uint64_t row;   /* open row + 1; 0: closed */
        uint64_t since; /* cycle at which it was opened */
        uint64_t free;  /* cycle of the next column command */
    } bank[DRAM_BANKS];
};

/* A read of the line at addr that arrives at cycle: cycles to its first data. *hit: the row was open. */
uint64_t dram_read(struct dram *d, uint64_t addr, uint64_t cycle, bool *hit);

#endif /* NANOPU_HART_DRAM_H */
