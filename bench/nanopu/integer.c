/* SPDX-License-Identifier: MIT */
/*
 * A guest of mips_functional and mips_cycle: an integer loop, the shortest work that keeps a core busy. It prints
 * nothing and needs no NIC, so that QEMU's machine runs it as well.
 */
#include <stdint.h>

#define TURNS 30000000u

int main(void)
{
    uint64_t a = 1, b = 2, c = 3;

    for (uint32_t i = 0; i < TURNS; i++) {
        a = a * 5 + (b >> 3);
        b ^= a + i;
        c += (b & 1) != 0 ? a ^ c : b - c;
        __asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c));
    }
    return (a | b | c) == 0;
}
