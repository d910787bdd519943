/* SPDX-License-Identifier: MIT */
/*
 * The second level keeps, per line, the set of harts whose data caches have it and whether that is one with the right
 * to write: a read takes that right away, a write takes the line away. Its victims go from the first level too.
 */
#include "nanopu/hart/l2.h"

#include <stdlib.h>

#include "nanopu/hart/dram.h"

#define L2_HARTS        64
#define L2_LLC_SHIFT    1  /* a line of the last level is two of ours */
#define L2_PROBE_CYCLES 12 /* a round trip to the first-level cache of another hart */

struct l2_line {
    uint64_t tag;     /* line number; 0: empty */
    uint64_t holders; /* bit: hart */
    bool exclusive;   /* the one holder may write */
};

struct l2 {
    const struct params *params;
    struct l2_line *lines; /* [set][way] */
    uint64_t *llc;         /* line numbers of the last level, [set][way]; 0: empty */
    uint32_t sets, ways, llc_sets, llc_ways, lfsr;
    struct cache *dcache[L2_HARTS];
    uint64_t *changed[L2_HARTS];
    struct dram dram;
    struct l2_stats stats;
};

/* The largest power of two of sets that the capacity allows, at least one. */
static uint32_t l2_sets(uint64_t bytes, uint64_t line_bytes, uint64_t ways)
{
    uint64_t sets = 1;

    while (sets * 2 * line_bytes * ways <= bytes)
        sets *= 2;
    return (uint32_t)sets;
}

struct l2 *l2_new(const struct params *params, unsigned harts)
{
    struct l2 *l2 = calloc(1, sizeof *l2);

    assert(harts <= L2_HARTS);
    (void)harts;
    if (l2 == NULL)
        return NULL;
    l2->params = params;
    l2->ways = (uint32_t)params->l2_ways;
    l2->sets = l2_sets((uint64_t)params->l2_kib * 1024, CACHE_LINE, l2->ways);
    l2->llc_ways = (uint32_t)params->llc_ways;
    l2->llc_sets = l2_sets((uint64_t)params->llc_kib * 1024, CACHE_LINE << L2_LLC_SHIFT, l2->llc_ways);
    l2->lfsr = 0xace1;
    l2->lines = calloc((size_t)l2->sets * l2->ways, sizeof *l2->lines);
    l2->llc = calloc((size_t)l2->llc_sets * l2->llc_ways, sizeof *l2->llc);
    if (l2->lines == NULL || l2->llc == NULL) {
        l2_free(l2);
        return NULL;
    }
    return l2;
}

void l2_free(struct l2 *l2)
{
    if (l2 == NULL)
        return;
    free(l2->lines);
    free(l2->llc);
    free(l2);
}

void l2_attach(struct l2 *l2, unsigned hart, struct cache *dcache, uint64_t *changed)
{
    assert(hart < L2_HARTS);
    l2->dcache[hart] = dcache;
    l2->changed[hart] = changed;
}

void l2_detach(struct l2 *l2, unsigned hart)
{
    l2->dcache[hart] = NULL;
    l2->changed[hart] = NULL;
}

static uint32_t l2_random(struct l2 *l2, uint32_t below)
{
    uint32_t bit = (l2->lfsr ^ l2->lfsr >> 2 ^ l2->lfsr >> 3 ^ l2->lfsr >> 5) & 1;

    l2->lfsr = l2->lfsr >> 1 | bit << 15;
    return l2->lfsr * below >> 16;
}

static struct l2_line *l2_find(struct l2 *l2, uint64_t line)
{
    struct l2_line *set = l2->lines + (size_t)(line & (l2->sets - 1)) * l2->ways;

    for (uint32_t way = 0; way < l2->ways; way++)
        if (set[way].tag == line)
            return set + way;
    return NULL;
}

/* Takes the line, or the right to write to it, from the harts in the set. Returns the cycles it takes. */
static uint64_t l2_probe(struct l2 *l2, uint64_t line, uint64_t harts, bool keep)
{
    if (harts == 0)
        return 0;
    for (uint64_t left = harts; left != 0; left &= left - 1) {
        unsigned hart = (unsigned)__builtin_ctzll(left);

        if (l2->dcache[hart] != NULL && cache_probe(l2->dcache[hart], line, keep) != 0)
            ++*l2->changed[hart];
        l2->stats.probes++;
    }
    return L2_PROBE_CYCLES;
}

/* What lies behind the second level: cycles to a line that it does not have. */
static uint64_t l2_refill(struct l2 *l2, uint64_t line, uint64_t cycle)
{
    const struct params *params = l2->params;
    uint64_t tag = line >> L2_LLC_SHIFT, *set = l2->llc + (size_t)(tag & (l2->llc_sets - 1)) * l2->llc_ways;
    uint64_t cycles = (uint64_t)params->llc_cycles;
    uint32_t way = 0;
    bool hit;

    while (way < l2->llc_ways && set[way] != tag)
        way++;
    if (way < l2->llc_ways)
        return cycles;
    l2->stats.llc_misses++;
    for (way = 0; way < l2->llc_ways && set[way] != 0; way++)
        continue;
    set[way < l2->llc_ways ? way : l2_random(l2, l2->llc_ways)] = tag;
    cycles += (uint64_t)params->dram_cycles;
    cycles += dram_read(&l2->dram, line << CACHE_LINE_SHIFT, cycle + cycles, &hit);
    l2->stats.row_hits += hit;
    return cycles;
}

static struct l2_line *l2_allocate(struct l2 *l2, uint64_t line)
{
    struct l2_line *set = l2->lines + (size_t)(line & (l2->sets - 1)) * l2->ways;
    uint32_t way = 0;

    while (way < l2->ways && set[way].tag != 0)
        way++;
    if (way == l2->ways) {
        way = l2_random(l2, l2->ways);
        l2->stats.evictions++;
        l2_probe(l2, set[way].tag, set[way].holders, false);
    }
    set[way] = (struct l2_line){.tag = line};
    return set + way;
}

/* The line in the second level, brought there if need be; adds to *cycles. */
static struct l2_line *l2_get(struct l2 *l2, uint64_t line, uint64_t cycle, uint64_t *cycles)
{
    struct l2_line *entry = l2_find(l2, line);

    l2->stats.acquires++;
    *cycles = (uint64_t)l2->params->l2_cycles;
    if (entry != NULL)
        return entry;
    l2->stats.misses++;
    *cycles += l2_refill(l2, line, cycle + *cycles);
    return l2_allocate(l2, line);
}

uint64_t l2_acquire(struct l2 *l2, unsigned hart, uint64_t line, bool write, uint64_t cycle, bool *writable)
{
    uint64_t cycles, self = UINT64_C(1) << hart;
    struct l2_line *entry = l2_get(l2, line, cycle, &cycles);
    uint64_t others = entry->holders & ~self;

    if (write) {
        cycles += l2_probe(l2, line, others, false);
        entry->holders = self;
        entry->exclusive = true;
    } else {
        if (entry->exclusive)
            cycles += l2_probe(l2, line, others, true);
        entry->holders |= self;
        entry->exclusive = others == 0;
    }
    *writable = entry->exclusive;
    return cycles;
}

uint64_t l2_fetch(struct l2 *l2, uint64_t line, uint64_t cycle)
{
    uint64_t cycles;

    l2_get(l2, line, cycle, &cycles);
    return cycles;
}

/* Takes a line from the harts that have it, or what one of them changed in it. */
static uint64_t l2_recall(struct l2 *l2, struct l2_line *entry, bool keep)
{
    uint64_t cycles = keep && !entry->exclusive ? 0 : l2_probe(l2, entry->tag, entry->holders, keep);

    entry->exclusive = false;
    if (!keep)
        entry->holders = 0;
    return cycles;
}

uint64_t l2_dma(struct l2 *l2, uint64_t line, enum l2_dma how, uint64_t cycle)
{
    struct l2_line *entry = l2_find(l2, line);
    uint64_t cycles = 0;

    if (how == L2_DMA_PLACE)
        return entry != NULL ? l2_recall(l2, entry, false) : 0;
    l2->stats.dma++;
    if (entry == NULL) {
        l2->stats.dma_misses++;
        if (how != L2_DMA_WRITE_LINE)
            cycles = l2_refill(l2, line, cycle);
        l2_allocate(l2, line);
        return cycles;
    }
    if (how == L2_DMA_READ)
        return l2_recall(l2, entry, true);
    return entry->holders != 0 ? L2_PROBE_CYCLES : 0;
}

void l2_release(struct l2 *l2, unsigned hart, uint64_t line)
{
    struct l2_line *entry = l2_find(l2, line);

    if (entry == NULL)
        return;
    entry->holders &= ~(UINT64_C(1) << hart);
    if (entry->holders == 0)
        entry->exclusive = false;
}

const struct l2_stats *l2_stats(const struct l2 *l2)
{
    return &l2->stats;
}
