/* SPDX-License-Identifier: MIT */
/*
 * Time in nanoseconds of CLOCK_MONOTONIC, read from the time-stamp counter where that can be trusted, and from
 * clock_gettime elsewhere.
 *
 * Trusted means: the counter is invariant (constant and non-stop: CPUID 0x80000007 EDX bit 8, Intel SDM vol. 3 section
 * 18.17) and the kernel itself keeps time with it (its clock source is "tsc"). The bit alone promises a constant rate
 * on one CPU; that the counters of all CPUs are in step, and stay so, only the kernel's watchdog has checked. A kernel
 * that prefers kvm-clock, hyperv or hpet on such a CPU has a reason, for example that the machine may be moved while it
 * runs.
 */
#ifndef CORE_CLOCK_H
#define CORE_CLOCK_H

#include "base.h"
#include <time.h>
#if defined(__x86_64__)
#include <x86intrin.h>
#endif

#define CLOCK_SHIFT 32

struct clock {
    bool use_tsc;
    uint64_t mult;     /* ns = (cycles * mult) >> CLOCK_SHIFT */
    uint64_t base_tsc; /* reading that base_ns belongs to */
    uint64_t base_ns;
    uint64_t tsc_hz;     /* measured rate; 0 when the counter is not used */
    uint64_t paired_tsc; /* last true pair of both clocks: the rate is measured from here */
    uint64_t paired_ns;
    const uint64_t *virtual_ns; /* not NULL: a simulation's clock, which is the time; use_tsc is false */
};

/*
 * Finds the source and measures it against CLOCK_MONOTONIC (5 milliseconds the first time in a process; later
 * instances start from that result). force_gettime is the configuration's way out. Never fails.
 */
void clock_init(struct clock *c, bool force_gettime);

/*
 * Corrects the drift of the calibration: call it about once a second; more often is harmless and does nothing. Time
 * never goes back and stays continuous: a clock that is ahead runs slower for about as long again, one that is behind
 * steps.
 */
void clock_refine(struct clock *c);

/* From now on the time is what stands at ns, which outlives the clock and does not go back. */
void clock_use_virtual(struct clock *c, const uint64_t *ns);

/* The computation behind clock_refine: the counter read tsc when CLOCK_MONOTONIC read ns. */
void clock_steer(struct clock *c, uint64_t tsc, uint64_t ns);

/* Time at a reading of the counter; only where use_tsc. */
static inline uint64_t clock_at_tsc(const struct clock *c, uint64_t tsc)
{
    return c->base_ns + (uint64_t)(((unsigned __int128)(tsc - c->base_tsc) * c->mult) >> CLOCK_SHIFT);
}

static inline uint64_t clock_gettime_ns(void)
{
#if defined(__NANOPU__)
    uint64_t cycles;

    __asm__ volatile("rdcycle %0" : "=r"(cycles));
    return (cycles >> 4) * 5 + ((cycles & 15) * 5 >> 4); /* 3.2 GHz */
#else
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
#endif
}

/* Now, in nanoseconds. */
static inline uint64_t clock_now_ns(const struct clock *c)
{
#if defined(__x86_64__)
    if (LIKELY(c->use_tsc))
        return clock_at_tsc(c, __rdtsc());
#endif
    return c->virtual_ns != NULL ? *c->virtual_ns : clock_gettime_ns();
}

#endif /* CORE_CLOCK_H */
