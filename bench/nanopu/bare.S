# SPDX-License-Identifier: MIT
# Around a main that needs nothing of the machine: the same file runs on QEMU's machine. The exit code is main's.
    .section .text.unlikely, "ax" # what the linker puts first: execution begins at the lowest address
    .globl _start
_start:
    .option push
    .option norelax
    la gp, __global_pointer$
    .option pop
    la sp, stack_end
    call main
    slli a0, a0, 1
    ori a0, a0, 1
    la t0, tohost
    sd a0, 0(t0)
1:  j 1b

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

    .bss
    .balign 16
    .space 65536
stack_end:
