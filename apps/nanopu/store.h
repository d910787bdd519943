/* SPDX-License-Identifier: MIT */
/*
 * A key-value store after MICA (Lim, Han, Andersen, Kaminsky, NSDI 2014): a hash table of buckets with seven entries of
 * a line each, each entry the hash's tag and the place of an item, and items in one circular log. Keys have 16 bytes,
 * values STORE_VALUE_WORDS words, which whoever includes this defines. 10,000 items are put in at the start.
 */
#ifndef APPS_NANOPU_STORE_H
#define APPS_NANOPU_STORE_H

#include <stddef.h>
#include <stdint.h>

#define ITEMS       10000u
#define BUCKET_BITS 14 /* 114,688 entries for 10,000 items: none is full */
#define BUCKETS     (1u << BUCKET_BITS)
#define ENTRIES     7u
#define LOG_ITEMS   16384u
#define TAG_SHIFT   48
#define PLACE_MASK  ((UINT64_C(1) << TAG_SHIFT) - 1)

struct item {
    uint64_t key[2], value[STORE_VALUE_WORDS];
};

/* An entry: tag and 1 + the item's place in the log; 0 is free. */
struct bucket {
    uint64_t next_victim;
    uint64_t entry[ENTRIES];
} __attribute__((aligned(64)));

static struct bucket buckets[BUCKETS];
static struct item items[LOG_ITEMS];
static uint64_t logged;

/* The hash that requests carry, too: CityHash64 1.1 of the key. */
static uint64_t rotated(uint64_t v, unsigned by)
{
    return v >> by | v << (64 - by);
}

static uint64_t hash_of(uint64_t first, uint64_t last)
{
    const uint64_t k2 = UINT64_C(0x9ae16a3b2f90404f), times = k2 + 2 * 16;
    uint64_t a = first + k2, u = rotated(last, 37) * times + a, v = (rotated(a, 25) + last) * times, x, y;

    x = (u ^ v) * times;
    x ^= x >> 47;
    y = (v ^ x) * times;
    y ^= y >> 47;
    return y * times;
}

static struct bucket *bucket_of(uint64_t hash)
{
    return &buckets[hash & (BUCKETS - 1)];
}

static struct item *find(uint64_t hash, uint64_t first, uint64_t last)
{
    const struct bucket *b = bucket_of(hash);
    uint64_t tag = hash >> TAG_SHIFT;

    for (unsigned i = 0; i < ENTRIES; i++) {
        uint64_t place = b->entry[i] & PLACE_MASK;
        struct item *item;

        if (place == 0 || b->entry[i] >> TAG_SHIFT != tag)
            continue;
        item = &items[place - 1];
        if (item->key[0] == first && item->key[1] == last)
            return item;
    }
    return NULL;
}

/* A new item at the log's end; in a full bucket the oldest entry goes. */
static struct item *insert(uint64_t hash, uint64_t first, uint64_t last)
{
    struct bucket *b = bucket_of(hash);
    uint64_t place = logged++ % LOG_ITEMS, at = 0;

    while (at < ENTRIES && b->entry[at] != 0)
        at++;
    if (at == ENTRIES)
        at = b->next_victim++ % ENTRIES;
    b->entry[at] = hash >> TAG_SHIFT << TAG_SHIFT | (place + 1);
    items[place].key[0] = first;
    items[place].key[1] = last;
    return &items[place];
}

static void fill(void)
{
    for (uint64_t key = 1; key <= ITEMS; key++) {
        struct item *item = insert(hash_of(key, 0), key, 0);

        for (unsigned i = 0; i < 3; i++)
            item->value[i] = key + i;
    }
}

#endif /* APPS_NANOPU_STORE_H */
