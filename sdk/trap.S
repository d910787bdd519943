# SPDX-License-Identifier: MIT
# The trap handler: an interrupt of the NIC's scheduler or of the timer saves the registers of the thread that ran and
# goes on with the owner of the context that the hardware names (section 1.9 of the machine's contract). Floating-point registers are
# saved when they have changed. Everything else that traps ends the program (nanopu_trap_fatal).

#include "layout.h"

    .text
    .globl nanopu_trap
    .type nanopu_trap, @function
    .balign 64
nanopu_trap:
    csrrw t0, mscratch, t0      # t0: this hart's area
    sd t1, AREA_SCRATCH(t0)
    sd t2, AREA_SCRATCH + 8(t0)
    csrr t1, mcause
    bgez t1, exception
    slli t1, t1, 1
    li t2, 16 << 1
    bne t1, t2, timer
    csrr t1, 0x58
    andi t1, t1, 3
    slli t1, t1, 3
    add t1, t1, t0
    ld t1, AREA_OWNER(t1)       # t1: the slot of who is to run
    ld t2, AREA_CURRENT(t0)     # t2: of who ran
    beq t1, t2, stay
    beqz t1, stay
    sd t0, SLOT_STOPPED(t2)
switch:
    .irp reg, 1, 2, 3, 4, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29
    sd x\reg, 8 * \reg(t2)
    .endr
    ld a0, AREA_SCRATCH(t0)
    sd a0, 8 * 6(t2)
    ld a0, AREA_SCRATCH + 8(t0)
    sd a0, 8 * 7(t2)
    csrrw a0, mscratch, t0
    sd a0, 8 * 5(t2)
    csrr a0, mepc
    sd a0, SLOT_PC(t2)
    csrr a0, 0x53
    sd a0, SLOT_CONTEXT(t2)
    csrr a0, mstatus
    li a1, FS_DIRTY
    and a0, a0, a1
    bne a0, a1, 2f
    jal a1, save_fp
2:  csrwi 0x54, 4
    sd t1, AREA_CURRENT(t0)
    ld a0, SLOT_CONTEXT(t1)
    csrw 0x53, a0
    csrr a0, mie
    andi a0, a0, 0x80
    beqz a0, 3f
    jal a1, next_slice
3:  ld t2, SLOT_FP_VALID(t1)
    beqz t2, 4f
    jal a1, load_fp
4:  ld t2, SLOT_PC(t1)
    csrw mepc, t2
    li t2, 0x1880               # back to machine mode, interrupts on
    csrs mstatus, t2
    .irp reg, 1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29
    ld x\reg, 8 * \reg(t1)
    .endr
    ld x6, 8 * 6(t1)
    mret

# The thread that runs is the one that is to: it looks at all of its contexts itself.
stay:
    ld t1, AREA_SCRATCH(t0)
    ld t2, AREA_SCRATCH + 8(t0)
    csrrw t0, mscratch, t0
    mret

# A slice is over: the thread that the hardware names runs, or this one again.
timer:
    li t2, 7 << 1
    bne t1, t2, fatal
    ld t2, AREA_CURRENT(t0)
    csrr t1, 0x58
    andi t1, t1, 3
    slli t1, t1, 3
    add t1, t1, t0
    ld t1, AREA_OWNER(t1)
    bnez t1, switch
    mv t1, t2
    j switch

# nanopu_thread_switch: a0 has the slot of who is to run.
exception:
    addi t1, t1, -CAUSE_ECALL
    bnez t1, fatal
    csrr t1, mepc
    addi t1, t1, 4
    csrw mepc, t1
    ld t2, AREA_CURRENT(t0)
    sd zero, SLOT_STOPPED(t2)
    mv t1, a0
    j switch

fatal:
    ld t1, AREA_SCRATCH(t0)
    csrrw t0, mscratch, t0
    csrr a0, mcause
    csrr a1, mepc
    csrr a2, mtval
    csrr a3, mhartid
    andi sp, sp, -16
    call nanopu_trap_fatal
    .size nanopu_trap, . - nanopu_trap

# In: t2 the slot. Uses a0; returns to a1.
save_fp:
    .irp reg, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29
    fsd f\reg, SLOT_FP + 8 * \reg(t2)
    .endr
    fsd f30, SLOT_FP + 8 * 30(t2)
    fsd f31, SLOT_FP + 8 * 31(t2)
    frcsr a0
    sd a0, SLOT_FCSR(t2)
    li a0, 1
    sd a0, SLOT_FP_VALID(t2)
    li a0, FS_CLEAN_CLEAR
    csrc mstatus, a0
    jr a1

# In: t1 the slot. Uses t2; returns to a1.
load_fp:
    .irp reg, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29
    fld f\reg, SLOT_FP + 8 * \reg(t1)
    .endr
    fld f30, SLOT_FP + 8 * 30(t1)
    fld f31, SLOT_FP + 8 * 31(t1)
    ld t2, SLOT_FCSR(t1)
    fscsr t2
    li t2, FS_CLEAN_CLEAR
    csrc mstatus, t2
    jr a1

# mtimecmp of this hart := mtime + a slice. Uses t2, a2, a3; returns to a1.
next_slice:
    li a2, 0x0200bff8
    ld t2, 0(a2)
    addi t2, t2, SLICE_TICKS
    csrr a3, mhartid
    slli a3, a3, 3
    li a2, 0x02004000
    add a2, a2, a3
    sd t2, 0(a2)
    jr a1

# void nanopu_thread_switch(char *slot): goes on with another thread of this hart; returns when somebody goes on with
# this one, with interrupts on.
    .globl nanopu_thread_switch
    .type nanopu_thread_switch, @function
nanopu_thread_switch:
    ecall
    ret
    .size nanopu_thread_switch, . - nanopu_thread_switch

# A new thread: s1 has its function, a0 the argument.
    .globl nanopu_thread_begin
    .type nanopu_thread_begin, @function
nanopu_thread_begin:
    jalr s1
    call nanopu_thread_end
    .size nanopu_thread_begin, . - nanopu_thread_begin

# void nanopu_scheduler_sleep(void): returns when the last thread of this hart has returned.
    .globl nanopu_scheduler_sleep
    .type nanopu_scheduler_sleep, @function
nanopu_scheduler_sleep:
1:  wfi
    j 1b
    .size nanopu_scheduler_sleep, . - nanopu_scheduler_sleep

# void nanopu_scheduler_wake(void): from the last thread, interrupts off, back to nanopu_scheduler_sleep's caller. It
# called a function, so the registers that a call preserves are all it needs.
    .globl nanopu_scheduler_wake
    .type nanopu_scheduler_wake, @function
nanopu_scheduler_wake:
    csrr t0, mscratch
    addi t1, t0, AREA_SLOTS
    sd t1, AREA_CURRENT(t0)
    mv t0, t1
    .irp reg, 1, 2, 3, 4, 8, 9, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27
    ld x\reg, 8 * \reg(t0)
    .endr
    ld t1, SLOT_FP_VALID(t0)
    beqz t1, 1f
    .irp reg, 8, 9, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27
    fld f\reg, SLOT_FP + 8 * \reg(t0)
    .endr
1:  ret
    .size nanopu_scheduler_wake, . - nanopu_scheduler_wake
