/* SPDX-License-Identifier: MIT */
/*
 * Keys and values in bounded memory: index and log, expiry, eviction, cleaning.
 *
 * Memory counts what was asked of the library: the log's segments, outside values, the index. When it comes near its
 * bound, items are evicted in the order in which they were written, but one that was read since the cleaner last passed
 * gets another round (CLOCK over a log). When more than a quarter of the log is waste, it is compacted. Both are done
 * in steps that are paid for by whoever allocates, in proportion to the bytes, so that no small operation waits for a
 * whole segment; only one whose own value is long waits as long as making room for it takes.
 *
 * Expired items are found when their key is, and by a sweep (store_tick).
 */
#ifndef APPS_KV_STORE_H
#define APPS_KV_STORE_H

#include "kv/index.h"
#include "kv/log.h"
#include "kv/remains.h"

#define STORE_BYTES_MIN (8u << 20)

/* What the store counts; the names are shown by INFO. */
#define STORE_COUNTERS(X)                                                                                              \
    X(keyspace_hits)                                                                                                   \
    X(keyspace_misses)                                                                                                 \
    X(expired_keys)                                                                                                    \
    X(evicted_keys)                                                                                                    \
    X(refused_writes)                                                                                                  \
    X(cleaned_segments)                                                                                                \
    X(moved_items)

#define STORE_COUNTER_MEMBER(name) uint64_t name;

#define STORE_EMPTIED_KEPT 2 /* segments that are kept for what comes next */

struct store {
    struct index index;
    struct log log;
    uint64_t bytes_max;
    bool evict; /* at the bound: drop old items; else refuse writes */
    uint64_t outside_bytes;
    uint64_t key_value_bytes; /* of all items, without any overhead */
    uint64_t expiring;        /* items that have an expiry */
    uint64_t now_ms;          /* since 1970; 0: to be read when it is needed (store_now_ms) */
    struct segment *victim;   /* what the cleaner is at, taken out of the log's list; NULL: nothing */
    uint32_t victim_at;       /* offset of its next item there */
    bool victim_evicts;       /* else it is compacted: all that lives is kept */
    int64_t credit;           /* bytes of used items that may be kept: what was evicted, within bounds */
    uint64_t sweep_cursor;
    struct remains remains; /* of the last removals of all */
    struct {
        STORE_COUNTERS(STORE_COUNTER_MEMBER)
    } count;
    /* Takes memory of demi_malloc() over when a value ends: the caller may still have it in a reply. */
    remains_release *release;
    void *release_context;
};

/* Makes an empty store; false: no memory. store_fini() is fine after both. */
bool store_init(struct store *st, uint64_t bytes_max, bool evict, const uint64_t seed[2]);
void store_fini(struct store *st);

/* Drops everything; counters and settings stay. Its memory is given back bit by bit, by writes and by store_tick().
 * false: no memory for an empty one; nothing was done. */
bool store_clear(struct store *st);

/*
 * As demi_malloc(), for a value, an argument that may become one, or anything that long: where the library's memory
 * ends items are evicted, if they may be, so items do not stay where they are. The last of it is left to others. NULL:
 * none.
 */
void *store_malloc(struct store *st, size_t bytes);

/* Bytes of memory in use. */
uint64_t store_bytes(const struct store *st);

void store_read_clock(struct store *st);

/* The time, read once since the caller has set now_ms to 0: who serves something that nothing expires in reads none. */
static inline uint64_t store_now_ms(struct store *st)
{
    if (st->now_ms == 0) {
        store_read_clock(st);
    }
    return st->now_ms;
}

static inline bool store_expired(struct store *st, const struct item *it)
{
    return (it->flags & ITEM_EXPIRES) != 0 && item_expiry_ms(it) <= store_now_ms(st);
}

static inline uint64_t store_hash(const struct store *st, struct span key)
{
    return index_hash(&st->index, key.at, key.len);
}

/* Starts loading what the next STORE_PREFETCH of n keys need, the first of which is at key, each next one step further:
 * a command of many waits for memory once and not for each of them. */
#define STORE_PREFETCH 16
void store_prefetch(const struct store *st, const struct span *key, uint32_t n, uint32_t step);

/* The key's item, or NULL. It stays where it is until the next call that writes. */
struct item *store_get(struct store *st, struct span key);

/*
 * store_get without a call, for who is served often enough: NULL also where the key is not where it is usually found,
 * or has an expiry, or its value lies outside; nothing was done then.
 */
static inline __attribute__((always_inline)) struct item *store_get_here(struct store *st, struct span key,
                                                                         struct item *header)
{
    if (!WORDS_ANYWHERE && (key.len != 16 || !word_aligned(key.at))) {
        return NULL;
    }
    uint64_t *slot = index_look(&st->index, store_hash(st, key), key.at, key.len, header);
    if (!WORD_USUAL(slot != NULL && (header->flags & (ITEM_EXPIRES | ITEM_OUTSIDE)) == 0)) {
        return NULL;
    }
    struct item *it = index_item(*slot);
    st->count.keyspace_hits++;
    if (!WORD_USUAL((header->flags & ITEM_USED) != 0)) { /* no store where none is needed: the line stays clean */
        it->flags |= ITEM_USED;
    }
    return it;
}

/* As store_get, but reading does not count as use, nor as hit or miss. */
struct item *store_peek(struct store *st, struct span key);

/* What is to be written. */
struct store_put {
    struct span key;   /* at most ITEM_KEY_MAX bytes */
    struct span value; /* at most ITEM_VALUE_MAX; neither may lie in the store */
    uint64_t expiry_ms;
    void *memory; /* demi_malloc'ed, holds the value at its begin; NULL: none, and afterwards, when the store took it */
    size_t room;  /* of memory */
};

/* Writes a key. -ENOMEM: there is no room, and the key is as it was. */
int store_put(struct store *st, struct store_put *put);

/* Puts bytes behind the value of a key that is there; the sum is at most ITEM_VALUE_MAX. Returns the sum, or less when
 * making room took the value, as it may take any. -ENOMEM as above. */
int64_t store_append(struct store *st, struct span key, struct span more);

/* Sets or, with 0, takes away the expiry of a key that is there. -ENOMEM as above. */
int store_set_expiry(struct store *st, struct span key, uint64_t expiry_ms);

/* Removes a key; false when it is not there. */
bool store_remove(struct store *st, struct span key);

/* Removes expired items of the next buckets, and gives back what store_clear() left, both within some tens of
 * microseconds. true: there is more to do, come back soon. */
bool store_tick(struct store *st);

/* Whether store_tick() has anything to do, now or later. */
static inline bool store_wants_ticks(const struct store *st)
{
    return st->expiring > 0 || remains_any(&st->remains) || st->log.emptied_segments > STORE_EMPTIED_KEPT;
}

/* Goes over the items that are not expired, as index_scan does. */
void store_scan(struct store *st, uint64_t *cursor, index_each each, void *context);

#endif /* APPS_KV_STORE_H */
