/* SPDX-License-Identifier: MIT */
/*
 * What the harts of a host share below their first-level caches: an inclusive second level that knows who holds a line,
 * the last-level model behind it, and DDR3 memory (section 8.2 of the machine's contract). Time only: data is in
 * memory.
 */
#ifndef NANOPU_HART_L2_H
#define NANOPU_HART_L2_H

#include "nanopu/hart/cache.h"
#include "nanopu/sim/params.h"

struct l2;

/* X-macro: name, help */
#define L2_COUNTERS(C)                                                                                                 \
    C(acquires, "lines asked for by first-level caches")                                                               \
    C(misses, "of those, not in the second level")                                                                     \
    C(llc_misses, "of those, not in the last level: reads of DRAM")                                                    \
    C(probes, "first-level lines taken away or downgraded for another hart")                                           \
    C(dma, "lines read or written by DMA")                                                                             \
    C(dma_misses, "of those, not in the second level")                                                                 \
    C(evictions, "lines of the second level that had to go")                                                           \
    C(row_hits, "reads of DRAM that found their row open")

#define L2_COUNTER_FIELD(name, help) uint64_t name;
struct l2_stats {
    L2_COUNTERS(L2_COUNTER_FIELD)
};
#undef L2_COUNTER_FIELD

/* For up to `harts` (at most 64) of one host. NULL when memory is short. params must outlive it. */
struct l2 *l2_new(const struct params *params, unsigned harts);
void l2_free(struct l2 *l2);

/* A hart's data cache, for probes; called by the hart's pipeline. changed is incremented when a probe alters it. */
void l2_attach(struct l2 *l2, unsigned hart, struct cache *dcache, uint64_t *changed);
void l2_detach(struct l2 *l2, unsigned hart);

/*
 * A first-level miss at cycle, or a store to a line that others may hold (write). Returns the cycles until the word can
 * be used, and in *writable whether the hart is its only holder. fetch: for an instruction cache, which is not tracked.
 */
uint64_t l2_acquire(struct l2 *l2, unsigned hart, uint64_t line, bool write, uint64_t cycle, bool *writable);
uint64_t l2_fetch(struct l2 *l2, uint64_t line, uint64_t cycle);

/*
 * DMA of a line. Returns the cycles that it takes longer than one that the second level has and no hart has changed.
 * Read, or write of all of a line or of a part of it, which has to be there then: the line is in the second level from
 * now on. Place: what was written is there now, and the harts that had the line no longer have it; the write's time
 * covers that.
 */
enum l2_dma { L2_DMA_READ, L2_DMA_WRITE_LINE, L2_DMA_WRITE_PART, L2_DMA_PLACE };
uint64_t l2_dma(struct l2 *l2, uint64_t line, enum l2_dma how, uint64_t cycle);

/* The hart's data cache gives a line up. */
void l2_release(struct l2 *l2, unsigned hart, uint64_t line);

const struct l2_stats *l2_stats(const struct l2 *l2);

#endif /* NANOPU_HART_L2_H */
