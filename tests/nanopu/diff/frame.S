# SPDX-License-Identifier: MIT
# What runs around the blocks of generate.py: registers are set up, and saved after each block. finish.S comes last.

    .option norelax
    .text
    .globl _start
_start:
    csrr a0, mhartid
0:  bnez a0, 0b
    li t0, 0x6000 # FS: dirty
    csrs mstatus, t0
    la t0, trap
    csrw mtvec, t0
    la sp, window
    la gp, window + 2048
    la tp, signature
    csrwi fcsr, 0
    csrwi mscratch, 0
    csrwi mepc, 0
    la t0, constants
    .irp i, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    fld f\i, 8*\i(t0)
    .endr
    .irp i, 1,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29
    li x\i, 0x0123456789abcd * \i
    .endr
    j blocks

    .text
    .globl save
save: # from x4 on: x0..x29 (x0: mscratch), fcsr, 0, f0..f31, 32 bytes of scratch before the next
    .irp i, 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29
    sd x\i, 8*\i(x4)
    .endr
    .irp i, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    fsd f\i, 256+8*\i(x4)
    .endr
    csrr x5, mscratch
    sd x5, 0(x4)
    csrr x5, fcsr
    sd x5, 240(x4)
    ld x5, 40(x4)
    addi x4, x4, 544
    ret

# A trap mixes its cause and value into mscratch and goes on behind the instruction.
    .balign 4
trap:
    sd x5, -16(x4)
    sd x6, -24(x4)
    csrr x5, mcause
    csrr x6, mscratch
    slli x6, x6, 5
    add x6, x6, x5
    addi x5, x5, -3 # the prototype's mtval of a breakpoint is not QEMU's
    beqz x5, 1f
    csrr x5, mtval
    add x6, x6, x5
1:  csrw mscratch, x6
    csrr x5, mepc
    lhu x6, 0(x5)
    andi x6, x6, 3
    addi x6, x6, -3
    addi x5, x5, 2
    bnez x6, 1f
    addi x5, x5, 2
1:  csrw mepc, x5
    ld x5, -16(x4)
    ld x6, -24(x4)
    mret
