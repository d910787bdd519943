/* SPDX-License-Identifier: MIT */
/*
 * This hart and the others of its host: numbers, clocks, a lock, a barrier.
 * Source: the RISC-V manuals; the machine's contract, sections 1.6 to 1.8.
 */
#ifndef NANOPU_HART_H
#define NANOPU_HART_H

#include "csr.h"

#include <stdbool.h>

#define NANOPU_CLOCK_MHZ 3200 /* of cores, NIC and links alike; 3.2 cycles are a nanosecond */

/* 0 to nanopu_cores() - 1 */
static inline unsigned nanopu_hart(void)
{
    return (unsigned)nanopu_csr_read(0xf14);
}

/* How many harts the program was linked for: nanopu cc --cores, 4 otherwise. Harts beyond it sleep. */
static inline unsigned nanopu_cores(void)
{
    unsigned long cores;

    __asm__("lui %0, %%hi(__nanopu_cores)\n\taddi %0, %0, %%lo(__nanopu_cores)" : "=r"(cores));
    return (unsigned)cores;
}

/* Cycles since reset; stands still while the hart sleeps in WFI. */
static inline uint64_t nanopu_cycle(void)
{
    return nanopu_csr_read(0xc00);
}

/* Instructions that this hart has completed. */
static inline uint64_t nanopu_instret(void)
{
    return nanopu_csr_read(0xc02);
}

/* Spins until the cycle counter has reached this. */
static inline void nanopu_wait_until(uint64_t cycle)
{
    while (nanopu_cycle() < cycle)
        ;
}

/* Nanoseconds of a number of cycles, rounded down. */
static inline uint64_t nanopu_ns(uint64_t cycles)
{
    return cycles * 10 / (NANOPU_CLOCK_MHZ / 100);
}

/* Ticks of the real-time clock, 1 MHz, shared by the harts. */
static inline uint64_t nanopu_mtime(void)
{
    return *(volatile uint64_t *)0x0200bff8UL;
}

/* Keeps other threads of this hart away for some instructions; returns what nanopu_interrupts_back wants. */
static inline uint64_t nanopu_interrupts_off(void)
{
    uint64_t mstatus;

    __asm__ volatile("csrrci %0, mstatus, 8" : "=r"(mstatus) : : "memory");
    return mstatus & 8;
}

static inline void nanopu_interrupts_back(uint64_t interrupts)
{
    nanopu_csr_set(0x300, interrupts);
}

/* A spinlock. Zero is free. Not to be held across anything that lets another thread of the same hart run. */
struct nanopu_lock {
    uint32_t taken;
};

static inline bool nanopu_trylock(struct nanopu_lock *lock)
{
    uint32_t was;

    __asm__ volatile("amoswap.w.aq %0, %2, %1" : "=r"(was), "+A"(lock->taken) : "r"(1) : "memory");
    return was == 0;
}

static inline void nanopu_lock(struct nanopu_lock *lock)
{
    while (!nanopu_trylock(lock)) {
        while (*(volatile uint32_t *)&lock->taken != 0)
            ;
    }
}

static inline void nanopu_unlock(struct nanopu_lock *lock)
{
    __asm__ volatile("amoswap.w.rl zero, zero, %0" : "+A"(lock->taken) : : "memory");
}

static inline uint64_t nanopu_fetch_add(uint64_t *word, uint64_t value)
{
    uint64_t was;

    __asm__ volatile("amoadd.d.aqrl %0, %2, %1" : "=r"(was), "+A"(*word) : "r"(value) : "memory");
    return was;
}

/* Stores next where expected is; returns what was there: it was done when that is expected. */
static inline uint64_t nanopu_compare_and_swap(uint64_t *word, uint64_t expected, uint64_t next)
{
    uint64_t was, failed;

    __asm__ volatile("0: lr.d.aqrl %0, %2\n\t"
                     "bne %0, %3, 1f\n\t"
                     "sc.d.rl %1, %4, %2\n\t"
                     "bnez %1, 0b\n"
                     "1:"
                     : "=&r"(was), "=&r"(failed), "+A"(*word)
                     : "r"(expected), "r"(next)
                     : "memory");
    return was;
}

/* Every hart of the program waits here for the others. Zero is a fresh one; it can be used again and again. */
struct nanopu_barrier {
    uint64_t arrived;
};

static inline void nanopu_barrier(struct nanopu_barrier *barrier)
{
    uint64_t cores = nanopu_cores();
    uint64_t turn = nanopu_fetch_add(&barrier->arrived, 1) / cores;

    while (*(volatile uint64_t *)&barrier->arrived < (turn + 1) * cores)
        ;
    __asm__ volatile("fence" : : : "memory");
}

#endif /* NANOPU_HART_H */
