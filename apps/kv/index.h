/* SPDX-License-Identifier: MIT */
/*
 * Where each key's item is: buckets of one cache line, seven slots and the link to an overflow bucket. A slot is a
 * pointer (48 bits) and 16 bits of the key's hash, so that a miss touches one line and a hit two.
 *
 * The table grows and shrinks by linear hashing (Litwin 1980): one bucket is split, or joined with its half, at a time,
 * by the inserts and removals themselves, so that no operation waits for the whole table. Buckets come in chunks; the
 * directory of chunks alone is ever copied, 8 bytes for 1024 buckets.
 *
 * A scan goes over the buckets in the order of their reversed numbers: a bucket holds a contiguous range there, and
 * splits and joins only divide and unite ranges. So a scan's cursor, which is a place in that order, stays right while
 * the table changes: a key that is there from begin to end is given at least once.
 */
#ifndef APPS_KV_INDEX_H
#define APPS_KV_INDEX_H

#include "kv/hash.h"
#include "kv/item.h"

#define INDEX_SLOTS         7
#define INDEX_CHUNK_BUCKETS 1024u
#define INDEX_BUCKETS_MIN   64u /* a page of them: an empty index is made quickly */
#define INDEX_CURSOR_BITS   48
#define INDEX_TAG_SHIFT     48

struct bucket {
    uint64_t slot[INDEX_SLOTS]; /* 0: free */
    struct bucket *next;        /* overflow, or NULL */
};
_Static_assert(sizeof(struct bucket) == 64, "a bucket is a cache line");

struct index {
    struct bucket **chunk;
    uint32_t chunks;      /* made */
    uint32_t chunks_room; /* of the directory */
    unsigned level;       /* buckets lies in [1 << level, 2 << level) */
    uint64_t buckets;
    uint64_t count;               /* items */
    struct bucket *free_overflow; /* linked by next */
    struct bucket *overflow_pool; /* chunks of overflow buckets, linked by their first bucket */
    uint32_t overflow_fresh;      /* buckets of the first such chunk that were never used */
    uint32_t overflow_chunks;
    uint64_t overflow_used;
    uint64_t splits, joins;
    uint64_t refused; /* buckets that memory lacked for */
    uint64_t seed[2];
};

/* Makes an empty index. false: no memory, or no instance of the library. index_fini() is fine after both. */
bool index_init(struct index *ix, const uint64_t seed[2]);
void index_fini(struct index *ix);

/* Frees one block of an index that is not used any more; when it was the last, the index is as after index_fini(). */
void index_shrink(struct index *ix);

static inline uint64_t index_hash(const struct index *ix, const char *key, size_t len)
{
    return hash_bytes(key, len, ix->seed);
}

/* The slot with the key's item, or NULL. Valid until the next call that changes the index. */
uint64_t *index_find(const struct index *ix, uint64_t hash, const char *key, size_t len);

static inline struct item *index_item(uint64_t slot)
{
    return (struct item *)(uintptr_t)(slot & ((UINT64_C(1) << 48) - 1));
}

static inline struct bucket *index_bucket_at(const struct index *ix, uint64_t number)
{
    return &ix->chunk[number / INDEX_CHUNK_BUCKETS][number % INDEX_CHUNK_BUCKETS];
}

static inline uint64_t index_bucket_of(const struct index *ix, uint64_t hash)
{
    uint64_t number = hash & ((UINT64_C(2) << ix->level) - 1);
    return number < ix->buckets ? number : number & ((UINT64_C(1) << ix->level) - 1);
}

/*
 * Looks only where the key usually is: in the first slot of its first bucket that has its tag. The slot, with the
 * header of its item, or NULL.
 */
static inline __attribute__((always_inline)) uint64_t *index_look(const struct index *ix, uint64_t hash,
                                                                  const char *key, size_t len, struct item *header)
{
    struct bucket *b = index_bucket_at(ix, index_bucket_of(ix, hash));
    int i = 0;
#pragma GCC unroll 7
    for (; i < INDEX_SLOTS; i++) {
        if (b->slot[i] >> INDEX_TAG_SHIFT == hash >> INDEX_TAG_SHIFT) {
            break;
        }
    }
    if (i == INDEX_SLOTS || index_item(b->slot[i]) == NULL) {
        return NULL;
    }
    *header = item_header(index_item(b->slot[i]));
    return item_has_key(index_item(b->slot[i]), *header, key, len) ? &b->slot[i] : NULL;
}

/* Puts another item of the same key into the slot. */
static inline void index_replace(uint64_t *slot, struct item *it)
{
    *slot = (*slot & ~((UINT64_C(1) << 48) - 1)) | (uint64_t)(uintptr_t)it;
}

/* Adds an item whose key is not there. false: no memory for an overflow bucket. */
bool index_add(struct index *ix, uint64_t hash, struct item *it);

/* Takes the item in slot, of that hash, out. */
void index_remove(struct index *ix, uint64_t hash, uint64_t *slot);

/*
 * Gives every item of the bucket at *cursor to each(), which must not change the index, and moves the cursor on: 0 is
 * the begin, and it is 0 again when all was seen.
 */
typedef void (*index_each)(void *context, struct item *it);
void index_scan(struct index *ix, uint64_t *cursor, index_each each, void *context);

/* Bytes of memory held. */
size_t index_bytes(const struct index *ix);

/* Start loading the bucket of a hash, and what items of that hash are in the bucket. */
void index_prefetch(const struct index *ix, uint64_t hash);
void index_prefetch_item(const struct index *ix, uint64_t hash);

#endif /* APPS_KV_INDEX_H */
