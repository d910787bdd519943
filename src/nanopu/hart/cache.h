/* SPDX-License-Identifier: MIT */
/*
 * Tags of a first-level cache: lines of 64 bytes, set-associative, write-back, random replacement by a shift register
 * of its own (so that a run repeats). Data is always in the host's memory: these are for time alone.
 */
#ifndef NANOPU_HART_CACHE_H
#define NANOPU_HART_CACHE_H

#include "core/base.h"

#define CACHE_LINE_SHIFT 6
#define CACHE_MEMO       64 /* lines remembered as present, found without a search; a power of two */

/* A tag: line number << 2 | flags; 0: empty (line 0 is not DRAM). */
enum cache_flags {
    CACHE_WRITABLE = 1, /* nobody else has it */
    CACHE_DIRTY = 2
};

struct cache {
    uint64_t memo[CACHE_MEMO]; /* copies of tags, by the low bits of the line; 0: none */
    uint64_t *tags;            /* [set][way] */
    uint32_t sets, ways;
    uint32_t lfsr; /* 16 bits, never 0 */
};

/* sets is rounded down to a power of two. 0 or -ENOMEM. */
int cache_init(struct cache *c, uint32_t sets, uint32_t ways, uint32_t seed);
void cache_fini(struct cache *c);
void cache_clear(struct cache *c);

/* The tag's place, or NULL when the line is absent. */
uint64_t *cache_find(struct cache *c, uint64_t line);

/* Puts an absent line in, returns the tag that had to go (0: none). */
uint64_t cache_insert(struct cache *c, uint64_t line, unsigned flags);

/* Another cache wants it: drops the line (or only its right to write, when keep); returns the tag as it was, 0: absent.
 */
uint64_t cache_probe(struct cache *c, uint64_t line, bool keep);

/* A search remembers what it found here. */
static inline void cache_remember(struct cache *c, uint64_t tag)
{
    c->memo[(tag >> 2) & (CACHE_MEMO - 1)] = tag;
}

/* Present for certain; false means to search. */
static inline bool cache_recent(const struct cache *c, uint64_t line)
{
    return c->memo[line & (CACHE_MEMO - 1)] >> 2 == line;
}

/* Present, writable and dirty already: a store changes nothing. */
static inline bool cache_recent_dirty(const struct cache *c, uint64_t line)
{
    return c->memo[line & (CACHE_MEMO - 1)] == (line << 2 | CACHE_WRITABLE | CACHE_DIRTY);
}

#endif /* NANOPU_HART_CACHE_H */
