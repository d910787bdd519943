/* SPDX-License-Identifier: MIT */
/*
 * Histogram of durations in nanoseconds: log-linear buckets as in HdrHistogram. Values below 128 have a bucket each;
 * every octave above is cut into 128 equal buckets, so that a value is known to 1/128 (0.8 %) over all of uint64_t.
 * The memory is fixed (58 KiB), recording takes constant time and never allocates. Not for use by two threads at once:
 * each records into its own and hist_merge() adds them up.
 */
#ifndef APPS_COMMON_HIST_H
#define APPS_COMMON_HIST_H

#include <stdint.h>

#define HIST_SUB_BITS 7
#define HIST_SUB      (1u << HIST_SUB_BITS)
/* One linear run of HIST_SUB values, then one run for each of the octaves 2^7 to 2^63. */
#define HIST_BUCKETS (HIST_SUB * (64 - HIST_SUB_BITS + 1))

struct hist {
    uint64_t count;
    uint64_t min_ns; /* UINT64_MAX while empty */
    uint64_t max_ns;
    uint64_t sum_lo_ns; /* sum of all values, 128 bits wide */
    uint64_t sum_hi_ns;
    uint64_t bucket[HIST_BUCKETS];
};

/* Empties h. Every histogram begins with this. */
void hist_reset(struct hist *h);

/* Place of a value's bucket, and the smallest value and the width of a bucket. */
static inline uint32_t hist_index(uint64_t value_ns)
{
    if (value_ns < HIST_SUB) {
        return (uint32_t)value_ns;
    }
    uint32_t shift = 63u - (uint32_t)__builtin_clzll(value_ns) - HIST_SUB_BITS;
    return (shift << HIST_SUB_BITS) + (uint32_t)(value_ns >> shift);
}
uint64_t hist_bucket_low(uint32_t index);
uint64_t hist_bucket_width(uint32_t index);

/* Adds one value. */
static inline void hist_record(struct hist *h, uint64_t value_ns)
{
    h->bucket[hist_index(value_ns)]++;
    h->count++;
    h->sum_lo_ns += value_ns;
    h->sum_hi_ns += h->sum_lo_ns < value_ns;
    if (value_ns < h->min_ns) {
        h->min_ns = value_ns;
    }
    if (value_ns > h->max_ns) {
        h->max_ns = value_ns;
    }
}

/*
 * The value that percent (0 to 100) of the recorded ones do not exceed, to 1/128: the nearest-rank percentile, placed
 * inside its bucket in proportion to its rank there. 0 and less gives the minimum, 100 and more the maximum; both are
 * exact. 0 when nothing was recorded.
 */
uint64_t hist_percentile(const struct hist *h, double percent);

/* Exact mean, 0 when nothing was recorded; exact minimum likewise. */
double hist_mean(const struct hist *h);
uint64_t hist_min(const struct hist *h);

/* Adds what from holds to into. */
void hist_merge(struct hist *into, const struct hist *from);

#endif /* APPS_COMMON_HIST_H */
