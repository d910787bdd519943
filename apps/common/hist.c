/* SPDX-License-Identifier: MIT */
/* Histogram of durations; see hist.h. */
#include "hist.h"

#include <math.h>
#include <string.h>

void hist_reset(struct hist *h)
{
    memset(h, 0, sizeof(*h));
    h->min_ns = UINT64_MAX;
}

/* Octave run a bucket lies in: 0 and 1 both have width 1 (values 0 to 127 and 128 to 255). */
static uint32_t bucket_shift(uint32_t index)
{
    return index < 2 * HIST_SUB ? 0 : (index >> HIST_SUB_BITS) - 1;
}

uint64_t hist_bucket_low(uint32_t index)
{
    uint32_t shift = bucket_shift(index);
    return ((uint64_t)index - ((uint64_t)shift << HIST_SUB_BITS)) << shift;
}

uint64_t hist_bucket_width(uint32_t index)
{
    return UINT64_C(1) << bucket_shift(index);
}

/* Value of the rank-th (from 1) of the values in one bucket, were they spread evenly over it. */
static uint64_t value_in_bucket(const struct hist *h, uint32_t index, uint64_t rank)
{
    double part = ((double)rank - 0.5) / (double)h->bucket[index];
    uint64_t value = hist_bucket_low(index) + (uint64_t)((double)hist_bucket_width(index) * part);
    if (value < h->min_ns) {
        return h->min_ns;
    }
    return value > h->max_ns ? h->max_ns : value;
}

uint64_t hist_percentile(const struct hist *h, double percent)
{
    if (h->count == 0) {
        return 0;
    }
    if (!(percent > 0)) {
        return h->min_ns;
    }
    /* The nudge keeps 99.9 % of 1000 at rank 999, which the product in binary would lift above. */
    double exact_rank = ceil(percent / 100.0 * (double)h->count - 1e-6);
    if (percent >= 100 || exact_rank >= (double)h->count) {
        return h->max_ns;
    }
    uint64_t rank = exact_rank < 1 ? 1 : (uint64_t)exact_rank;
    uint64_t below = 0;
    for (uint32_t i = 0; i < HIST_BUCKETS; i++) {
        if (below + h->bucket[i] >= rank) {
            return value_in_bucket(h, i, rank - below);
        }
        below += h->bucket[i];
    }
    return h->max_ns;
}

double hist_mean(const struct hist *h)
{
    if (h->count == 0) {
        return 0;
    }
    double sum = (double)h->sum_hi_ns * 0x1p64 + (double)h->sum_lo_ns;
    return sum / (double)h->count;
}

uint64_t hist_min(const struct hist *h)
{
    return h->count == 0 ? 0 : h->min_ns;
}

void hist_merge(struct hist *into, const struct hist *from)
{
    for (uint32_t i = 0; i < HIST_BUCKETS; i++) {
        into->bucket[i] += from->bucket[i];
    }
    into->count += from->count;
    into->sum_lo_ns += from->sum_lo_ns;
    into->sum_hi_ns += from->sum_hi_ns + (into->sum_lo_ns < from->sum_lo_ns);
    if (from->min_ns < into->min_ns) {
        into->min_ns = from->min_ns;
    }
    if (from->max_ns > into->max_ns) {
        into->max_ns = from->max_ns;
    }
}
