# SPDX-License-Identifier: MIT
# From reset to C (section 1.8 of the machine's contract): every hart comes here in machine mode. x30 and x31 are the
# network's and are left alone. Each hart gets 128 KiB behind the program: thread-local data at its bottom (tp), the
# stack downwards from its top, and above that the area that traps save registers in (layout.h).

#include "layout.h"

    .section .text.init, "ax", @progbits
    .globl _start
    .type _start, @function
_start:
    .irp reg, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29
    li x\reg, 0
    .endr
    csrw mie, zero
    li t0, 0x1e000              # FS and XS on
    csrs mstatus, t0
    fscsr zero
    .irp reg, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29
    fmv.d.x f\reg, zero
    .endr
    fmv.d.x f30, zero
    fmv.d.x f31, zero
    li t0, FS_CLEAN_CLEAR
    csrc mstatus, t0
    .option push
    .option norelax
    la gp, __global_pointer$
    .option pop
    la t0, nanopu_trap
    csrw mtvec, t0
    csrr a0, mhartid
    lui a1, %hi(__nanopu_cores)
    addi a1, a1, %lo(__nanopu_cores)
    bgeu a0, a1, 1f
    la tp, __nanopu_harts
    lui t0, %hi(__nanopu_hart_bytes)
    addi t0, t0, %lo(__nanopu_hart_bytes)
    mul t1, a0, t0
    add tp, tp, t1
    add sp, tp, t0
    li t0, AREA_BYTES
    sub sp, sp, t0
    csrw mscratch, sp
    csrsi mstatus, MSTATUS_MIE
    call nanopu_boot
1:  wfi                         # a hart that the program has no use for
    j 1b
    .size _start, . - _start

# bool nanopu_nic_probe(void): is there a NIC? Where there is none, its CSRs do not exist and reading one traps to 1f.
    .text
    .globl nanopu_nic_probe
    .type nanopu_nic_probe, @function
nanopu_nic_probe:
    la t0, 1f
    csrrw t1, mtvec, t0
    li a0, 0
    csrr t2, 0x57
    li a0, 1
    .balign 4
1:  csrw mtvec, t1
    csrsi mstatus, MSTATUS_MIE
    ret
    .size nanopu_nic_probe, . - nanopu_nic_probe
