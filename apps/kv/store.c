/* SPDX-License-Identifier: MIT */
/* The store; see store.h. */
#include "kv/store.h"
#include "kv/cleaner.h"

#include <demi/ext.h>
#include <errno.h>
#include <time.h>

/* Of one tick: buckets looked at, and expired items after which it ends. */
#define SWEEP_BUCKETS 64
#define SWEEP_REMOVES 32
#define EVICT_TIMES   8           /* as many bytes as are wanted may be evicted: there may be gaps between */
#define SPARE_FROM    (64u << 10) /* bytes: who wants so many leaves */
#define SPARE_BYTES   (1u << 20)  /* so many */
#define SWEEP_AT_ONCE 32          /* expired items of one bucket that it removes */

static void free_value(void *context, void *memory)
{
    (void)context;
    (void)demi_free(memory);
}

bool store_init(struct store *st, uint64_t bytes_max, bool evict, const uint64_t seed[2])
{
    *st = (struct store){.bytes_max = bytes_max < STORE_BYTES_MIN ? STORE_BYTES_MIN : bytes_max, .evict = evict};
    st->credit = SEGMENT_BYTES / 2;
    st->release = free_value;
    return index_init(&st->index, seed);
}

void store_read_clock(struct store *st)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    st->now_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void end_all(struct store *st)
{
    remains_add(&st->remains, &st->log, st->victim, st->outside_bytes, &st->index);
    st->victim = NULL;
    st->outside_bytes = st->key_value_bytes = st->expiring = st->sweep_cursor = 0;
}

void store_fini(struct store *st)
{
    end_all(st);
    st->index = (struct index){.level = 0};
    while (remains_any(&st->remains)) {
        remains_step(&st->remains, st->release, st->release_context);
    }
}

bool store_clear(struct store *st)
{
    struct index empty;
    if (!index_init(&empty, st->index.seed)) {
        index_fini(&empty);
        return false;
    }
    empty.splits = st->index.splits;
    empty.joins = st->index.joins;
    empty.refused = st->index.refused;
    end_all(st);
    st->index = empty;
    return true;
}

uint64_t store_bytes(const struct store *st)
{
    return log_bytes(&st->log) + st->outside_bytes + index_bytes(&st->index) + remains_bytes(&st->remains);
}

static void expire(struct store *st, uint64_t hash, uint64_t *slot)
{
    struct item *it = index_item(*slot);
    index_remove(&st->index, hash, slot);
    cleaner_end_item(st, it);
    st->count.expired_keys++;
}

/* The slot of a key that is there and not expired, or NULL. */
static inline __attribute__((always_inline)) uint64_t *find(struct store *st, uint64_t hash, struct span key)
{
    uint64_t *slot = index_find(&st->index, hash, key.at, key.len);
    if (slot != NULL && store_expired(st, index_item(*slot))) {
        expire(st, hash, slot);
        return NULL;
    }
    return slot;
}

void store_prefetch(const struct store *st, const struct span *key, uint32_t n, uint32_t step)
{
    uint64_t hash[STORE_PREFETCH];
    n = n < STORE_PREFETCH ? n : STORE_PREFETCH;
    for (uint32_t i = 0; i < n; i++) {
        hash[i] = store_hash(st, key[i * step]);
        index_prefetch(&st->index, hash[i]);
    }
    for (uint32_t i = 0; i < n; i++) {
        index_prefetch_item(&st->index, hash[i]);
    }
}

static inline __attribute__((always_inline)) struct item *peek(struct store *st, struct span key)
{
    uint64_t *slot = find(st, store_hash(st, key), key);
    return slot != NULL ? index_item(*slot) : NULL;
}

struct item *store_peek(struct store *st, struct span key)
{
    return peek(st, key);
}

struct item *store_get(struct store *st, struct span key)
{
    struct item *it = peek(st, key);
    if (it == NULL) {
        st->count.keyspace_misses++;
        return NULL;
    }
    st->count.keyspace_hits++;
    if ((it->flags & ITEM_USED) == 0) { /* no store where none is needed: the line stays clean */
        it->flags |= ITEM_USED;
    }
    return it;
}

static int no_room(struct store *st)
{
    st->count.refused_writes++;
    return -ENOMEM;
}

/* Puts a filled item into the index, in the place of the old one if there is one. */
static int enter(struct store *st, uint64_t hash, uint64_t *slot, struct item *it)
{
    if (slot != NULL) {
        struct item *old = index_item(*slot);
        index_replace(slot, it);
        cleaner_end_item(st, old);
    } else if (!index_add(&st->index, hash, it)) {
        log_free(&st->log, it);
        return no_room(st);
    }
    st->key_value_bytes += (uint64_t)it->key_len + it->value_len;
    st->expiring += (it->flags & ITEM_EXPIRES) != 0;
    return 0;
}

static unsigned flags_of(size_t value_len, uint64_t expiry_ms)
{
    return (value_len > ITEM_INSIDE_MAX ? (unsigned)ITEM_OUTSIDE : 0) | (expiry_ms != 0 ? (unsigned)ITEM_EXPIRES : 0);
}

/* A new item with header, expiry and key; room was made. */
static struct item *new_item(struct store *st, unsigned flags, struct span key, size_t value_len, uint64_t expiry_ms)
{
    struct item *it = log_alloc(&st->log, &st->log.head, item_bytes_of(flags, key.len, value_len));
    if (it == NULL) {
        return NULL;
    }
    it->value_len = (uint32_t)value_len & ITEM_LEN_MASK;
    it->flags = flags & ITEM_FLAG_MASK;
    it->key_len = (uint16_t)key.len;
    if (expiry_ms != 0) {
        item_set_expiry_ms(it, expiry_ms);
    }
    memcpy(item_key(it), key.at, key.len);
    return it;
}

/* Writes over an item of the very same shape. */
static bool put_in_place(struct store *st, const struct store_put *put, unsigned flags, struct item *it)
{
    bool same = (it->flags & (ITEM_OUTSIDE | ITEM_EXPIRES)) == flags && (flags & ITEM_OUTSIDE) == 0 &&
                item_bytes(it) == item_bytes_of(flags, put->key.len, put->value.len);
    if (same) {
        st->key_value_bytes += put->value.len - it->value_len;
        it->value_len = (uint32_t)put->value.len & ITEM_LEN_MASK;
        memcpy(item_value(it), put->value.at, put->value.len);
        if (put->expiry_ms != 0) {
            item_set_expiry_ms(it, put->expiry_ms);
        }
    }
    return same;
}

/* Memory, if some is left besides: without that nobody could ask for anything, or be answered. */
static void *malloc_with_spare(size_t bytes)
{
    void *memory = demi_malloc(bytes);
    void *spare = memory != NULL && bytes >= SPARE_FROM ? demi_malloc(SPARE_BYTES) : NULL;
    if (spare != NULL) {
        (void)demi_free(spare);
    } else if (memory != NULL && bytes >= SPARE_FROM) {
        (void)demi_free(memory);
        memory = NULL;
    }
    return memory;
}

void *store_malloc(struct store *st, size_t bytes)
{
    void *memory = malloc_with_spare(bytes);
    uint64_t begin = store_bytes(st), least = begin > EVICT_TIMES * bytes ? begin - EVICT_TIMES * bytes : 0;
    while (memory == NULL && store_bytes(st) >= least) {
        uint64_t before = store_bytes(st);
        if (!cleaner_evict(st)) {
            break;
        }
        memory = store_bytes(st) < before ? malloc_with_spare(bytes) : NULL;
    }
    return memory;
}

/* Memory for a value outside, or what was given. NULL: there is none. */
static char *outside_memory(struct store *st, struct store_put *put, size_t *room)
{
    char *bytes = put->memory;
    *room = bytes != NULL ? put->room : put->value.len;
    if (bytes == NULL) {
        bytes = store_malloc(st, put->value.len);
        if (bytes != NULL) {
            memcpy(bytes, put->value.at, put->value.len);
        }
    }
    return bytes;
}

int store_put(struct store *st, struct store_put *put)
{
    uint64_t hash = store_hash(st, put->key);
    unsigned flags = flags_of(put->value.len, put->expiry_ms);
    bool is_outside = (flags & ITEM_OUTSIDE) != 0;
    assert(put->key.len <= ITEM_KEY_MAX && put->value.len <= ITEM_VALUE_MAX);
    uint64_t *slot = find(st, hash, put->key);
    if (slot != NULL && put_in_place(st, put, flags, index_item(*slot))) {
        return 0;
    }
    size_t room = is_outside ? (put->memory != NULL ? put->room : put->value.len) : 0;
    if (!cleaner_make_room(st, item_bytes_of(flags, put->key.len, put->value.len), room)) {
        return no_room(st);
    }
    char *bytes = is_outside ? outside_memory(st, put, &room) : NULL;
    bool is_ready = !is_outside || bytes != NULL;
    struct item *it = is_ready ? new_item(st, flags, put->key, put->value.len, put->expiry_ms) : NULL;
    while (is_ready && it == NULL && cleaner_evict(st)) { /* no memory for a segment */
        it = new_item(st, flags, put->key, put->value.len, put->expiry_ms);
    }
    slot = find(st, hash, put->key); /* cleaning may have moved the old one, or dropped it */
    if (it == NULL) {
        (void)(bytes != NULL && bytes != put->memory && demi_free(bytes));
        return no_room(st);
    }
    if (is_outside) {
        *item_outside(it) = (struct outside){bytes, room};
    } else {
        memcpy(item_value(it), put->value.at, put->value.len);
    }
    int rc = enter(st, hash, slot, it);
    if (is_outside && rc == 0) {
        st->outside_bytes += room;
        put->memory = NULL;
    } else if (is_outside && bytes != put->memory) {
        (void)demi_free(bytes);
    }
    return rc;
}

/* Writes an item anew whose value grows or whose expiry comes or goes. The value is copied inside, or both are pieces
 * of a value that goes outside. */
static int64_t append_anew(struct store *st, struct span key, struct span more)
{
    struct item *it = store_peek(st, key);
    size_t len = it->value_len + more.len;
    size_t room = len > ITEM_INSIDE_MAX ? len * 2 : len;
    room = room > ITEM_VALUE_MAX ? ITEM_VALUE_MAX : room;
    char inside[ITEM_INSIDE_MAX];
    char *bytes = len > ITEM_INSIDE_MAX ? store_malloc(st, room) : inside;
    if (bytes == NULL) {
        return no_room(st);
    }
    it = store_peek(st, key); /* NULL: it was evicted, and what is put behind it is all there is */
    size_t old_len = it != NULL ? it->value_len : 0;
    if (it != NULL) {
        memcpy(bytes, item_value(it), old_len);
    }
    memcpy(bytes + old_len, more.at, more.len);
    struct store_put put = {.key = key,
                            .value = {bytes, old_len + more.len},
                            .expiry_ms = it != NULL ? item_expiry_ms(it) : 0,
                            .memory = bytes == inside ? NULL : bytes,
                            .room = room};
    int rc = store_put(st, &put);
    if (put.memory != NULL) {
        (void)demi_free(put.memory);
    }
    return rc != 0 ? rc : (int64_t)put.value.len;
}

int64_t store_append(struct store *st, struct span key, struct span more)
{
    struct item *it = store_peek(st, key);
    assert(it != NULL && it->value_len + more.len <= ITEM_VALUE_MAX);
    bool fits = (it->flags & ITEM_OUTSIDE) != 0
                    ? item_outside(it)->room >= it->value_len + more.len
                    : it->value_len + more.len <= ITEM_INSIDE_MAX &&
                          item_bytes(it) == item_bytes_of(it->flags, it->key_len, it->value_len + more.len);
    if (!fits) {
        return append_anew(st, key, more);
    }
    /* Behind the value: whoever still sends it does not send these bytes. */
    memcpy(item_value(it) + it->value_len, more.at, more.len);
    it->value_len = (uint32_t)(it->value_len + more.len) & ITEM_LEN_MASK;
    st->key_value_bytes += more.len;
    return it->value_len;
}

int store_set_expiry(struct store *st, struct span key, uint64_t expiry_ms)
{
    uint64_t hash = store_hash(st, key);
    uint64_t *slot = find(st, hash, key);
    assert(slot != NULL);
    struct item *it = index_item(*slot);
    if ((expiry_ms != 0) == ((it->flags & ITEM_EXPIRES) != 0)) {
        if (expiry_ms != 0) {
            item_set_expiry_ms(it, expiry_ms);
        }
        return 0;
    }
    unsigned flags = it->flags ^ ITEM_EXPIRES;
    if (!cleaner_make_room(st, item_bytes_of(flags, key.len, it->value_len), 0)) {
        return no_room(st);
    }
    slot = find(st, hash, key);
    if (slot == NULL) {
        return 0; /* making room took the key itself, as any other write might have */
    }
    it = index_item(*slot);
    struct item *new = new_item(st, flags, key, it->value_len, expiry_ms);
    if (new == NULL) {
        return no_room(st);
    }
    if ((flags & ITEM_OUTSIDE) != 0) {
        *item_outside(new) = *item_outside(it);
    } else {
        memcpy(item_value(new), item_value(it), it->value_len);
    }
    index_replace(slot, new);
    st->expiring += expiry_ms != 0 ? 1 : UINT64_MAX;
    log_free(&st->log, it);
    return 0;
}

bool store_remove(struct store *st, struct span key)
{
    uint64_t hash = store_hash(st, key);
    uint64_t *slot = find(st, hash, key);
    if (slot == NULL) {
        return false;
    }
    struct item *it = index_item(*slot);
    index_remove(&st->index, hash, slot);
    cleaner_end_item(st, it);
    return true;
}

struct sweep {
    uint64_t now_ms;
    unsigned seen;
    unsigned found;
    struct item *item[SWEEP_AT_ONCE];
};

static void sweep_item(void *context, struct item *it)
{
    struct sweep *s = context;
    s->seen += (it->flags & ITEM_EXPIRES) != 0;
    if (item_expired(it, s->now_ms) && s->found < SWEEP_AT_ONCE) {
        s->item[s->found++] = it;
    }
}

bool store_tick(struct store *st)
{
    unsigned seen = 0, found = 0;
    remains_step(&st->remains, st->release, st->release_context);
    for (unsigned i = 0; i < SWEEP_BUCKETS && found < SWEEP_REMOVES && st->expiring > 0; i++) {
        struct sweep s = {.now_ms = store_now_ms(st)};
        index_scan(&st->index, &st->sweep_cursor, sweep_item, &s);
        for (unsigned k = 0; k < s.found; k++) {
            struct span key = {item_key(s.item[k]), s.item[k]->key_len};
            uint64_t hash = store_hash(st, key);
            expire(st, hash, index_find(&st->index, hash, key.at, key.len));
        }
        seen += s.seen;
        found += s.found;
    }
    bool more = remains_any(&st->remains) || (st->log.emptied_segments > STORE_EMPTIED_KEPT && log_give_back(&st->log));
    return more || (found * 4 > seen && st->expiring > 0);
}

struct scan {
    uint64_t now_ms;
    index_each each;
    void *context;
};

static void scan_item(void *context, struct item *it)
{
    struct scan *s = context;
    if (!item_expired(it, s->now_ms)) {
        s->each(s->context, it);
    }
}

void store_scan(struct store *st, uint64_t *cursor, index_each each, void *context)
{
    struct scan s = {store_now_ms(st), each, context};
    index_scan(&st->index, cursor, scan_item, &s);
}
