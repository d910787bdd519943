/* SPDX-License-Identifier: MIT */
/*
 * Where a hart's registers are kept when a thread is interrupted; for C and assembly. mscratch points to the hart's
 * area: a head, then one slot for the code that no thread runs (context 0xffff) and one for each context.
 */
#ifndef SDK_LAYOUT_H
#define SDK_LAYOUT_H

#define AREA_SCRATCH   0  /* two words of the trap handler */
#define AREA_ALIVE     16 /* threads that have not returned */
#define AREA_RUNNING   24 /* 1: the scheduler runs */
#define AREA_SLOTS     64
#define SLOT_SHIFT     10
#define SLOT_BYTES     (1 << SLOT_SHIFT)
#define SLOTS          5
#define AREA_BYTES     (AREA_SLOTS + SLOTS * SLOT_BYTES)
#define SLOT_PC        0 /* register n of x1 to x29 is at 8 * n */
#define SLOT_FP        256
#define SLOT_FCSR      512
#define SLOT_FP_VALID  520    /* 1: the slot has floating-point registers */
#define SLOT_TAKEN     528    /* 1: a thread that has not returned */
#define FS_DIRTY       0x6000 /* mstatus: floating-point registers have changed */
#define FS_CLEAN_CLEAR 0x2000 /* the bit that makes dirty clean */
#define MSTATUS_MIE    8
#define SLICE_TICKS    5

#endif /* SDK_LAYOUT_H */
