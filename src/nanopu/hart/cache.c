/* SPDX-License-Identifier: MIT */
#include "nanopu/hart/cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int cache_init(struct cache *c, uint32_t sets, uint32_t ways, uint32_t seed)
{
    assert(sets > 0 && ways > 0);
    while ((sets & (sets - 1)) != 0)
        sets &= sets - 1;
    memset(c, 0, sizeof *c);
    c->tags = calloc((size_t)sets * ways, sizeof *c->tags);
    if (c->tags == NULL)
        return -ENOMEM;
    c->sets = sets;
    c->ways = ways;
    c->lfsr = (seed & 0xffff) != 0 ? seed & 0xffff : 1;
    return 0;
}

void cache_fini(struct cache *c)
{
    free(c->tags);
    c->tags = NULL;
}

void cache_clear(struct cache *c)
{
    memset(c->memo, 0, sizeof c->memo);
    memset(c->tags, 0, (size_t)c->sets * c->ways * sizeof *c->tags);
}

uint64_t *cache_find(struct cache *c, uint64_t line)
{
    uint64_t *set = c->tags + (line & (c->sets - 1)) * c->ways;

    for (uint32_t way = 0; way < c->ways; way++)
        if (set[way] >> 2 == line)
            return set + way;
    return NULL;
}

/* A way, by the polynomial x^16 + x^14 + x^13 + x^11 + 1, a maximal one. */
static uint32_t cache_random(struct cache *c)
{
    uint32_t bit = (c->lfsr ^ c->lfsr >> 2 ^ c->lfsr >> 3 ^ c->lfsr >> 5) & 1;

    c->lfsr = c->lfsr >> 1 | bit << 15;
    return c->lfsr * c->ways >> 16;
}

static void cache_forget(struct cache *c, uint64_t line)
{
    if (cache_recent(c, line))
        c->memo[line & (CACHE_MEMO - 1)] = 0;
}

uint64_t cache_insert(struct cache *c, uint64_t line, unsigned flags)
{
    uint64_t *set = c->tags + (line & (c->sets - 1)) * c->ways;
    uint32_t way = 0;

    assert(cache_find(c, line) == NULL);
    while (way < c->ways && set[way] != 0)
        way++;
    if (way == c->ways)
        way = cache_random(c);

    uint64_t victim = set[way];

    if (victim != 0)
        cache_forget(c, victim >> 2);
    set[way] = line << 2 | flags;
    cache_remember(c, set[way]);
    return victim;
}

uint64_t cache_probe(struct cache *c, uint64_t line, bool keep)
{
    uint64_t *tag = cache_find(c, line);

    if (tag == NULL)
        return 0;

    uint64_t was = *tag;

    *tag = keep ? line << 2 : 0;
    cache_forget(c, line);
    return was;
}
