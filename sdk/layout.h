/* SPDX-License-Identifier: MIT */
/*
 * Where a hart's registers are kept when a thread is interrupted; for C and assembly. mscratch points to the hart's
 * area: a head, then one slot for the hart's own thread, which main or core_main runs in, and one for each other.
 */
#ifndef SDK_LAYOUT_H
#define SDK_LAYOUT_H

#define AREA_SCRATCH   0  /* two words of the trap handler */
#define AREA_ALIVE     16 /* threads that have not returned, without the hart's own */
#define AREA_RUNNING   24 /* 1: the scheduler runs */
#define AREA_OWNER     32 /* a word for each context: the slot of the thread that it interrupts for, or 0 */
#define AREA_CURRENT   64 /* the slot of the thread that runs; 0 before there was a second one */
#define AREA_YIELDS    72 /* how often a thread gave way */
#define AREA_UNTAKEN   80 /* yields for a message by a thread that has one */
#define AREA_SLOTS     128
#define SLOT_SHIFT     10
#define SLOT_BYTES     (1 << SLOT_SHIFT)
#define SLOTS          5
#define AREA_BYTES     (AREA_SLOTS + SLOTS * SLOT_BYTES)
#define SLOT_PC        0 /* register n of x1 to x29 is at 8 * n */
#define SLOT_FP        256
#define SLOT_FCSR      512
#define SLOT_FP_VALID  520    /* 1: the slot has floating-point registers */
#define SLOT_TAKEN     528    /* 1: a thread that has not returned */
#define SLOT_CONTEXT   536    /* current when it was interrupted */
#define SLOT_MESSAGES  544    /* 1: it waits for nothing but messages, so the hardware will call it */
#define SLOT_STOPPED   552    /* not 0: an interrupt stopped it, it did not give way */
#define FS_DIRTY       0x6000 /* mstatus: floating-point registers have changed */
#define FS_CLEAN_CLEAR 0x2000 /* the bit that makes dirty clean */
#define MSTATUS_MIE    8
#define CAUSE_ECALL    11 /* nanopu_thread_switch */
#define SLICE_TICKS    5

#endif /* SDK_LAYOUT_H */
