# SPDX-License-Identifier: MIT
# The end of a program of generate.py: writes the window and the saved registers, with HTIF's write, or with -DQEMU by
# semihosting into the file sig.bin.

    .option norelax # or alignment is the linker's, behind .org's back
    .section .text.finish, "ax"
    .balign 64
    .globl done
done:
#ifdef QEMU
    la a1, arguments
    la t0, name
    sd t0, 0(a1)
    li t0, 5 # wb
    sd t0, 8(a1)
    li t0, 7
    sd t0, 16(a1)
    li a0, 1 # open
    call semihosting
    la a1, arguments
    sd a0, 0(a1)
    la t0, window
    sd t0, 8(a1)
    la t1, signature_end
    sub t1, t1, t0
    sd t1, 16(a1)
    li a0, 5 # write
    call semihosting
    la a1, arguments
    li t0, 0x20026
    sd t0, 0(a1)
    sd zero, 8(a1)
    li a0, 0x18 # exit
    call semihosting
1:  j 1b

    .balign 16
    .option push
    .option norvc
semihosting:
    slli zero, zero, 0x1f
    ebreak
    srai zero, zero, 7
    ret
    .option pop
#else
    la a1, arguments
    la s0, window
    la s1, signature_end
1:  li t0, 64 # write
    sd t0, 0(a1)
    li t0, 1
    sd t0, 8(a1)
    sd s0, 16(a1)
    sub t1, s1, s0
    sd t1, 24(a1)
    fence
    la t0, tohost
    sd a1, 0(t0)
    la t1, fromhost
2:  ld t2, 0(t1)
    beqz t2, 2b
    sd zero, 0(t1)
    fence
    ld t1, 0(a1)
    blez t1, 3f
    add s0, s0, t1
    bltu s0, s1, 1b
3:
    li t1, 1
    sd t1, 0(t0)
1:  j 1b
#endif
    .org 1024 # the same addresses behind it in both

    .section .tohost, "aw"
    .balign 64
    .globl tohost, fromhost
    .type tohost, @object
    .size tohost, 8
tohost: .dword 0
    .balign 64
    .type fromhost, @object
    .size fromhost, 8
fromhost: .dword 0

    .data
    .balign 64
arguments: .space 64
name: .asciz "sig.bin"
