/* SPDX-License-Identifier: MIT */
/* The index; see index.h. */
#include "kv/index.h"

#include <demi/ext.h>
#include <stdlib.h>

#define CHUNK_BYTES (INDEX_CHUNK_BUCKETS * sizeof(struct bucket))
/* Items a bucket holds on average, in halves, beyond which one is split and below which two are joined. */
#define SPLIT_HALVES 9u
#define JOIN_HALVES  3u
#define CHANGES_MAX  2 /* splits or joins in one operation */

/* Its buckets are made when they are needed: to write to fresh memory all at once keeps everybody waiting. */
static struct bucket *new_chunk(struct index *ix)
{
    struct bucket *chunk = demi_malloc(CHUNK_BYTES);
    ix->refused += chunk == NULL;
    return chunk;
}

/* Makes the next chunk of buckets, where it is not there yet. */
static bool have_chunk(struct index *ix, uint32_t number)
{
    if (number < ix->chunks) {
        return true;
    }
    if (ix->chunks == ix->chunks_room) {
        uint32_t room = ix->chunks_room == 0 ? 64 : ix->chunks_room * 2;
        struct bucket **grown = realloc(ix->chunk, room * sizeof(struct bucket *));
        if (grown == NULL) {
            ix->refused++;
            return false;
        }
        ix->chunk = grown;
        ix->chunks_room = room;
    }
    ix->chunk[ix->chunks] = new_chunk(ix);
    if (ix->chunk[ix->chunks] == NULL) {
        return false;
    }
    ix->chunks++;
    return true;
}

bool index_init(struct index *ix, const uint64_t seed[2])
{
    *ix = (struct index){.level = __builtin_ctz(INDEX_BUCKETS_MIN), .buckets = INDEX_BUCKETS_MIN};
    memcpy(ix->seed, seed, sizeof(ix->seed));
    if (!have_chunk(ix, 0)) {
        return false;
    }
    memset(ix->chunk[0], 0, INDEX_BUCKETS_MIN * sizeof(struct bucket));
    return true;
}

void index_fini(struct index *ix)
{
    for (uint32_t i = 0; i < ix->chunks; i++) {
        (void)demi_free(ix->chunk[i]);
    }
    while (ix->overflow_pool != NULL) {
        struct bucket *chunk = ix->overflow_pool;
        ix->overflow_pool = chunk->next;
        (void)demi_free(chunk);
    }
    free(ix->chunk);
    *ix = (struct index){.level = 0};
}

void index_shrink(struct index *ix)
{
    if (ix->overflow_pool != NULL) {
        struct bucket *chunk = ix->overflow_pool;
        ix->overflow_pool = chunk->next;
        ix->overflow_chunks--;
        (void)demi_free(chunk);
    } else if (ix->chunks > 0) {
        (void)demi_free(ix->chunk[--ix->chunks]);
    }
    if (ix->chunks == 0) {
        index_fini(ix);
    }
}

static uint64_t hash_of(const struct index *ix, struct item *it)
{
    return hash_bytes(item_key(it), it->key_len, ix->seed);
}

uint64_t *index_find(const struct index *ix, uint64_t hash, const char *key, size_t len)
{
    uint64_t tag = hash >> INDEX_TAG_SHIFT;
    for (struct bucket *b = index_bucket_at(ix, index_bucket_of(ix, hash)); b != NULL; b = b->next) {
        for (int i = 0; i < INDEX_SLOTS; i++) {
            struct item *it = index_item(b->slot[i]);
            if (b->slot[i] >> INDEX_TAG_SHIFT == tag && it != NULL && item_has_key(it, item_header(it), key, len)) {
                return &b->slot[i];
            }
        }
    }
    return NULL;
}

/* The first bucket of each chunk of overflow buckets is its link. */
static struct bucket *overflow_new(struct index *ix)
{
    struct bucket *b = ix->free_overflow;
    if (b != NULL) {
        ix->free_overflow = b->next;
    } else {
        if (ix->overflow_pool == NULL || ix->overflow_fresh == INDEX_CHUNK_BUCKETS) {
            struct bucket *chunk = new_chunk(ix);
            if (chunk == NULL) {
                return NULL;
            }
            chunk->next = ix->overflow_pool;
            ix->overflow_pool = chunk;
            ix->overflow_fresh = 1;
            ix->overflow_chunks++;
        }
        b = &ix->overflow_pool[ix->overflow_fresh++];
    }
    *b = (struct bucket){.next = NULL};
    ix->overflow_used++;
    return b;
}

static void overflow_free(struct index *ix, struct bucket *b)
{
    b->next = ix->free_overflow;
    ix->free_overflow = b;
    ix->overflow_used--;
}

/* Puts a slot's content into the chain that begins with b. */
static bool chain_add(struct index *ix, struct bucket *b, uint64_t content)
{
    for (;; b = b->next) {
        for (int i = 0; i < INDEX_SLOTS; i++) {
            if (b->slot[i] == 0) {
                b->slot[i] = content;
                return true;
            }
        }
        if (b->next == NULL) {
            b->next = overflow_new(ix);
            if (b->next == NULL) {
                return false;
            }
        }
    }
}

/* Frees the overflow buckets behind b; they are empty. */
static void chain_cut(struct index *ix, struct bucket *b)
{
    struct bucket *next;
    for (struct bucket *rest = b->next; rest != NULL; rest = next) {
        next = rest->next;
        overflow_free(ix, rest);
    }
    b->next = NULL;
}

/*
 * Moves the items whose hash has the bit from one chain to another; those that stay move together. The target is empty
 * and the overflow buckets that its items came in are free only afterwards: where memory lacks for it the items stay
 * and false is returned.
 */
static bool chain_divide(struct index *ix, struct bucket *from, struct bucket *to, uint64_t bit)
{
    struct bucket *put = from, *take = from;
    int at = 0;
    bool all = true;
    do {
        for (int i = 0; i < INDEX_SLOTS; i++) {
            uint64_t content = take->slot[i];
            if (content == 0) {
                continue;
            }
            take->slot[i] = 0;
            if (all && (hash_of(ix, index_item(content)) & bit) != 0) {
                all = chain_add(ix, to, content);
                if (all) {
                    continue;
                }
            }
            if (at == INDEX_SLOTS && put->next != NULL) {
                put = put->next;
                at = 0;
            }
            assert(at < INDEX_SLOTS); /* no more stay than there were */
            put->slot[at++] = content;
        }
        take = take->next;
    } while (take != NULL);
    if (all) {
        chain_cut(ix, put);
    } else {
        for (struct bucket *b = to; b != NULL; b = b->next) { /* there was room for them */
            for (int i = 0; i < INDEX_SLOTS; i++) {
                bool added = b->slot[i] == 0 || chain_add(ix, from, b->slot[i]);
                assert(added);
                (void)added;
                b->slot[i] = 0;
            }
        }
        chain_cut(ix, to);
    }
    return all;
}

static void split(struct index *ix)
{
    uint64_t bit = UINT64_C(1) << ix->level;
    if (!have_chunk(ix, (uint32_t)(ix->buckets / INDEX_CHUNK_BUCKETS))) {
        return;
    }
    struct bucket *to = index_bucket_at(ix, ix->buckets);
    *to = (struct bucket){.next = NULL};
    if (!chain_divide(ix, index_bucket_at(ix, ix->buckets - bit), to, bit)) {
        return;
    }
    ix->splits++;
    ix->buckets++;
    if (ix->buckets == bit * 2) {
        ix->level++;
    }
}

/* Whether what the chain from holds goes into the chain to, with one more overflow bucket at most, which is at hand. */
static bool chain_fits(const struct index *ix, const struct bucket *from, const struct bucket *to)
{
    int items = 0, room = 0;
    do {
        for (int i = 0; i < INDEX_SLOTS; i++) {
            items += from->slot[i] != 0;
        }
        from = from->next;
    } while (from != NULL);
    do {
        for (int i = 0; i < INDEX_SLOTS; i++) {
            room += to->slot[i] == 0;
        }
        to = to->next;
    } while (to != NULL);
    bool at_hand = ix->free_overflow != NULL || (ix->overflow_pool != NULL && ix->overflow_fresh < INDEX_CHUNK_BUCKETS);
    return items <= room + (at_hand ? INDEX_SLOTS : 0);
}

/* Joins the last bucket with the one it was split from. */
static void join(struct index *ix)
{
    unsigned level = ix->buckets == UINT64_C(1) << ix->level ? ix->level - 1 : ix->level;
    struct bucket *from = index_bucket_at(ix, ix->buckets - 1);
    struct bucket *to = index_bucket_at(ix, ix->buckets - 1 - (UINT64_C(1) << level));
    if (!chain_fits(ix, from, to)) {
        return;
    }
    struct bucket *b = from;
    do {
        for (int i = 0; i < INDEX_SLOTS; i++) {
            bool added = b->slot[i] == 0 || chain_add(ix, to, b->slot[i]);
            assert(added);
            (void)added;
        }
        b = b->next;
    } while (b != NULL);
    chain_cut(ix, from);
    ix->joins++;
    ix->buckets--;
    ix->level = level;
    uint64_t needed = (ix->buckets + INDEX_CHUNK_BUCKETS - 1) / INDEX_CHUNK_BUCKETS;
    if (needed + 1 < ix->chunks) { /* one is kept, against a chunk that comes and goes */
        (void)demi_free(ix->chunk[--ix->chunks]);
    }
}

bool index_add(struct index *ix, uint64_t hash, struct item *it)
{
    uint64_t content = (hash >> INDEX_TAG_SHIFT) << INDEX_TAG_SHIFT | (uint64_t)(uintptr_t)it;
    assert(((uint64_t)(uintptr_t)it) >> INDEX_TAG_SHIFT == 0);
    if (!chain_add(ix, index_bucket_at(ix, index_bucket_of(ix, hash)), content)) {
        return false;
    }
    ix->count++;
    for (int i = 0; i < CHANGES_MAX && ix->count * 2 > ix->buckets * SPLIT_HALVES; i++) {
        split(ix);
    }
    return true;
}

void index_remove(struct index *ix, uint64_t hash, uint64_t *slot)
{
    struct bucket *before = NULL, *last = index_bucket_at(ix, index_bucket_of(ix, hash));
    assert(*slot != 0 && ix->count > 0);
    while (last->next != NULL) {
        before = last;
        last = last->next;
    }
    int items = 0;
    uint64_t *end = NULL; /* an item of the last bucket of the chain: it fills the hole */
    for (int i = 0; i < INDEX_SLOTS; i++) {
        if (last->slot[i] != 0) {
            items++;
            end = &last->slot[i];
        }
    }
    if (end != NULL && end != slot) {
        *slot = *end;
        *end = 0;
        items--;
    } else {
        *slot = 0;
        items -= end == slot;
    }
    if (items == 0 && before != NULL) {
        before->next = NULL;
        overflow_free(ix, last);
    }
    ix->count--;
    for (int i = 0; i < CHANGES_MAX && ix->buckets > INDEX_BUCKETS_MIN && ix->count * 2 < ix->buckets * JOIN_HALVES;
         i++) {
        join(ix);
    }
}

/* The lowest `bits` bits of x in reverse order. */
static uint64_t reverse(uint64_t x, unsigned bits)
{
    uint64_t r = 0;
    for (unsigned i = 0; i < bits; i++) {
        r |= ((x >> i) & 1) << (bits - 1 - i);
    }
    return r;
}

void index_scan(struct index *ix, uint64_t *cursor, index_each each, void *context)
{
    uint64_t at = *cursor & ((UINT64_C(1) << INDEX_CURSOR_BITS) - 1);
    uint64_t number = index_bucket_of(ix, reverse(at, INDEX_CURSOR_BITS));
    uint64_t half = UINT64_C(1) << ix->level;
    /* A bucket that was split, and its other half, are told by one bit more than the others. */
    bool is_split = number >= half || number < ix->buckets - half;
    unsigned depth = ix->level + is_split;
    for (struct bucket *b = index_bucket_at(ix, number); b != NULL; b = b->next) {
        for (int i = 0; i < INDEX_SLOTS; i++) { /* they lie anywhere: all of a bucket are waited for at once */
            __builtin_prefetch(index_item(b->slot[i]));
        }
        for (int i = 0; i < INDEX_SLOTS; i++) {
            if (b->slot[i] != 0) {
                each(context, index_item(b->slot[i]));
            }
        }
    }
    uint64_t range = UINT64_C(1) << (INDEX_CURSOR_BITS - depth);
    at = (reverse(number, depth) << (INDEX_CURSOR_BITS - depth)) + range;
    *cursor = at >> INDEX_CURSOR_BITS != 0 ? 0 : at;
    __builtin_prefetch(index_bucket_at(ix, index_bucket_of(ix, reverse(*cursor, INDEX_CURSOR_BITS))));
}

size_t index_bytes(const struct index *ix)
{
    return (size_t)(ix->chunks + ix->overflow_chunks) * CHUNK_BYTES + ix->chunks_room * sizeof(struct bucket *);
}

void index_prefetch(const struct index *ix, uint64_t hash)
{
    __builtin_prefetch(index_bucket_at(ix, index_bucket_of(ix, hash)));
}

void index_prefetch_item(const struct index *ix, uint64_t hash)
{
    const struct bucket *b = index_bucket_at(ix, index_bucket_of(ix, hash));
    for (int i = 0; i < INDEX_SLOTS; i++) {
        if (b->slot[i] >> INDEX_TAG_SHIFT == hash >> INDEX_TAG_SHIFT) {
            __builtin_prefetch(index_item(b->slot[i]));
        }
    }
}
