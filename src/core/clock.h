/* SPDX-License-Identifier: MIT */
/*
 * Time in nanoseconds of CLOCK_MONOTONIC, read from the time-stamp counter where that is invariant (constant and
 * non-stop: CPUID 0x80000007 EDX bit 8, Intel SDM vol. 3 section 18.17) and from clock_gettime elsewhere.
 */
#ifndef CORE_CLOCK_H
#define CORE_CLOCK_H

#include "base.h"
#include <time.h>
#if defined(__x86_64__)
#include <x86intrin.h>
#endif

struct clock {
    bool use_tsc;
    uint32_t shift;    /* ns = (cycles * mult) >> shift */
    uint64_t mult;
    uint64_t base_tsc; /* reading that base_ns belongs to */
    uint64_t base_ns;
    uint64_t tsc_hz;   /* 0 when the counter is not used */
};

/*
 * Finds the source and measures it against CLOCK_MONOTONIC (a few milliseconds the first time in a process; later
 * instances copy the result). force_gettime is the configuration's way out. Never fails.
 */
void clock_init(struct clock *c, bool force_gettime);

/* Corrects the drift of the calibration: call it now and then (once a second); time never goes back. */
void clock_refine(struct clock *c);

static inline uint64_t clock_gettime_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

/* Now, in nanoseconds. */
static inline uint64_t clock_now_ns(const struct clock *c)
{
#if defined(__x86_64__)
    if (LIKELY(c->use_tsc))
        return c->base_ns + (uint64_t)(((unsigned __int128)(__rdtsc() - c->base_tsc) * c->mult) >> c->shift);
#endif
    return clock_gettime_ns();
}

#endif /* CORE_CLOCK_H */
