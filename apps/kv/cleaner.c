/* SPDX-License-Identifier: MIT */
/* The cleaner; see cleaner.h and store.h. */
#include "kv/cleaner.h"

#include <demi/ext.h>

#define KEPT_BACK   (2u * SEGMENT_BYTES) /* of the bound, for the segment that the cleaner fills */
#define BEGIN_EARLY (4u * SEGMENT_BYTES) /* before the bound, cleaning begins */
#define INDEX_STEP  65536u               /* the index may grow by a chunk with any insert */
#define CREDIT_MAX  (2 * (int64_t)SEGMENT_BYTES)
#define SMALL_LOG   8 /* segments that are not worth compacting */
/* What one allocation pays for: bytes of victims looked at for each byte, and at least. */
#define PACE       4u
#define PACE_LEAST 512u
#define EVICT_STEP 512u /* bytes looked at at a time when the library's memory lacks */
#define AHEAD      8u   /* items whose place in the index is fetched before they are looked at */
#define ITEM_COST  64u  /* what looking at an item costs, in bytes of the budget, beside its own */

void cleaner_end_item(struct store *st, struct item *it)
{
    st->key_value_bytes -= (uint64_t)it->key_len + it->value_len;
    st->expiring -= (it->flags & ITEM_EXPIRES) != 0;
    if ((it->flags & ITEM_OUTSIDE) != 0) {
        struct outside *o = item_outside(it);
        st->outside_bytes -= o->room;
        st->release(st->release_context, o->bytes);
    }
    log_free(&st->log, it);
}

static void drop(struct store *st, struct item *it)
{
    struct span key = {item_key(it), it->key_len};
    uint64_t hash = store_hash(st, key);
    uint64_t *slot = index_find(&st->index, hash, key.at, key.len);
    assert(slot != NULL && index_item(*slot) == it);
    index_remove(&st->index, hash, slot);
    cleaner_end_item(st, it);
}

/* Copies an item into the segment that the cleaner fills. false: no memory. */
static bool move(struct store *st, struct item *it)
{
    size_t bytes = item_bytes(it);
    struct item *to = log_alloc(&st->log, &st->log.target, bytes);
    if (to == NULL) {
        return false;
    }
    uint16_t at = to->at;
    memcpy(to, it, bytes);
    to->at = at;
    if (st->victim_evicts) {
        to->flags &= ITEM_FLAG_MASK & ~(unsigned)ITEM_USED;
    }
    struct span key = {item_key(it), it->key_len};
    uint64_t *slot = index_find(&st->index, store_hash(st, key), key.at, key.len);
    assert(slot != NULL && index_item(*slot) == it);
    index_replace(slot, to);
    log_free(&st->log, it);
    st->count.moved_items++;
    return true;
}

/* One living item of the victim: kept, or not. false: it would be kept, but memory lacks. */
static bool judge(struct store *st, struct item *it)
{
    int64_t bytes = (int64_t)item_bytes(it);
    if ((it->flags & ITEM_OUTSIDE) != 0) {
        bytes += (int64_t)item_outside(it)->room;
    }
    if (store_expired(st, it)) {
        st->count.expired_keys++;
        drop(st, it);
        return true;
    }
    if (!st->victim_evicts) {
        if (move(st, it)) {
            return true;
        }
        if (!st->evict) {
            return false;
        }
        st->victim_evicts = true; /* there is no memory to compact with */
    }
    if ((it->flags & ITEM_USED) != 0 && st->credit >= bytes && move(st, it)) {
        st->credit -= bytes;
        return true;
    }
    st->credit = st->credit + bytes < CREDIT_MAX ? st->credit + bytes : CREDIT_MAX;
    st->count.evicted_keys++;
    drop(st, it);
    return true;
}

static uint64_t waste(const struct store *st)
{
    return log_bytes(&st->log) - st->log.emptied_segments * SEGMENT_BYTES - st->log.live_bytes;
}

static bool is_wasteful(const struct store *st)
{
    return st->log.segments > SMALL_LOG && waste(st) > log_bytes(&st->log) / 4;
}

/* Chooses the next victim. false: there is none worth it. */
static bool choose(struct store *st, bool pressed)
{
    struct log *log = &st->log;
    struct segment *s = is_wasteful(st) || (pressed && !st->evict) ? log_wasteful(log) : NULL;
    st->victim_evicts = false;
    if (s == NULL && pressed && st->evict) {
        s = log->oldest;
        st->victim_evicts = true;
        if (s == NULL) { /* all there is, is still being filled */
            s = log->head != NULL && log->head->live > 0 ? log->head : log->target;
            *(s != NULL && s == log->head ? &log->head : &log->target) = NULL;
            st->victim = s;
            st->victim_at = segment_first();
            return s != NULL;
        }
    }
    if (s != NULL) {
        log_take(log, s);
        st->victim = s;
        st->victim_at = segment_first();
    }
    return s != NULL;
}

/* Starts loading what says where the victim's next items are: they would be waited for one by one. */
static void look_ahead(const struct store *st)
{
    struct segment *s = st->victim;
    uint32_t at = st->victim_at;
    for (unsigned i = 0; i < AHEAD && at < s->used; i++) {
        struct item *it = segment_item(s, at);
        if ((it->flags & ITEM_DEAD) == 0) {
            index_prefetch(&st->index, store_hash(st, (struct span){item_key(it), it->key_len}));
        }
        at += (uint32_t)item_bytes(it);
    }
}

/* Looks at so many bytes of victims. false: there is nothing to clean, or memory lacks for it. */
static bool clean(struct store *st, uint64_t budget, bool pressed)
{
    unsigned items = 0;
    for (uint64_t spent = 0; spent < budget;) {
        if (st->victim == NULL && !choose(st, pressed)) {
            return false;
        }
        struct segment *s = st->victim;
        if (s->live == 0 || st->victim_at >= s->used) {
            st->victim = NULL;
            st->count.cleaned_segments++;
            log_drop(&st->log, s);
            continue;
        }
        if (items++ % AHEAD == 0) {
            look_ahead(st);
        }
        struct item *it = segment_item(s, st->victim_at);
        size_t bytes = item_bytes(it);
        if ((it->flags & ITEM_DEAD) == 0 && !judge(st, it)) {
            return false;
        }
        st->victim_at += (uint32_t)bytes;
        spent += bytes + ITEM_COST;
    }
    return true;
}

bool cleaner_evict(struct store *st)
{
    if (remains_any(&st->remains)) {
        remains_step(&st->remains, st->release, st->release_context);
        return true;
    }
    return log_give_back(&st->log) || (st->evict && clean(st, EVICT_STEP, true));
}

/* Bytes that the store will have with an item more, or a little less. */
static uint64_t bytes_with(const struct store *st, size_t item_len, size_t outside_len)
{
    bool has_room = log_has_room(st->log.head, item_len) || st->log.emptied != NULL;
    return store_bytes(st) + (has_room ? 0 : SEGMENT_BYTES) + outside_len + INDEX_STEP;
}

bool cleaner_make_room(struct store *st, size_t item_len, size_t outside_len)
{
    uint64_t bound = st->bytes_max - KEPT_BACK;
    do {
        remains_step(&st->remains, st->release, st->release_context);
    } while (remains_any(&st->remains) && bytes_with(st, item_len, outside_len) + BEGIN_EARLY > bound);
    bool pressed = bytes_with(st, item_len, outside_len) + BEGIN_EARLY > bound;
    bool evicting = st->victim != NULL && st->victim_evicts; /* goes on when it must */
    if (pressed || (!evicting && (st->victim != NULL || is_wasteful(st)))) {
        (void)clean(st, PACE_LEAST + PACE * (item_len + outside_len), pressed);
    }
    uint64_t tries = 4 * st->log.segments + 16;
    while (bytes_with(st, item_len, outside_len) > bound && tries > 0 &&
           (log_give_back(&st->log) || clean(st, SEGMENT_BYTES, true))) {
        tries--;
    }
    return bytes_with(st, item_len, outside_len) <= bound;
}
