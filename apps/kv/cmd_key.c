/* SPDX-License-Identifier: MIT */
/* Commands on keys. */
#include "kv/command.h"
#include "kv/expiry.h"
#include "kv/text.h"

#include <stdlib.h>

#define KEYS_MAX       65536u /* keys that KEYS looks at: more would keep the others waiting */
#define SCAN_COUNT     10
#define SCAN_COUNT_MAX 128 /* keys that one SCAN looks at, whatever it is asked */
#define MS_PER_S       1000

bool expiry_option(struct span word, enum expiry_kind *kind)
{
    static const char *const names[] = {[EXPIRY_SECONDS] = "ex",
                                        [EXPIRY_MILLISECONDS] = "px",
                                        [EXPIRY_AT_SECONDS] = "exat",
                                        [EXPIRY_AT_MILLISECONDS] = "pxat"};
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (text_is(word, names[i])) {
            *kind = (enum expiry_kind)i;
            return true;
        }
    }
    return false;
}

bool expiry_read(struct call *c, struct span text, enum expiry_kind kind, bool only_future, const char *command,
                 int64_t *out_ms)
{
    int64_t value, now_ms = (int64_t)store_now_ms(&c->kv->store);
    bool in_seconds = kind == EXPIRY_SECONDS || kind == EXPIRY_AT_SECONDS;
    bool from_now = kind == EXPIRY_SECONDS || kind == EXPIRY_MILLISECONDS;
    if (!text_number(text, &value)) {
        error_not_integer(c);
        return false;
    }
    bool wrong = (only_future && value <= 0) || (in_seconds && __builtin_mul_overflow(value, MS_PER_S, &value)) ||
                 (from_now && __builtin_add_overflow(value, now_ms, &value));
    if (wrong) {
        reply_error(c->reply, "ERR invalid expire time in '%s' command", command);
        c->kv->count.total_error_replies++;
        return false;
    }
    *out_ms = value < 1 ? 1 : value;
    return true;
}

void command_del(struct call *c)
{
    int64_t removed = 0;
    for (uint32_t i = 1; i < c->argc; i++) {
        command_prefetch(c, i, 1);
        removed += store_remove(&c->kv->store, c->argv[i]);
    }
    reply_number(c->reply, removed);
}

void command_unlink(struct call *c)
{
    command_del(c);
}

void command_exists(struct call *c)
{
    int64_t there = 0;
    for (uint32_t i = 1; i < c->argc; i++) {
        command_prefetch(c, i, 1);
        there += store_get(&c->kv->store, c->argv[i]) != NULL;
    }
    reply_number(c->reply, there);
}

void command_touch(struct call *c)
{
    command_exists(c);
}

void command_type(struct call *c)
{
    reply_simple(c->reply, store_peek(&c->kv->store, c->argv[1]) != NULL ? "string" : "none");
}

enum expire_when {
    WHEN_NX = 1,
    WHEN_XX = 2,
    WHEN_GT = 4,
    WHEN_LT = 8,
};

/* Reads the conditions behind EXPIRE's time. */
static bool expire_options(struct call *c, unsigned *when)
{
    static const char *const names[] = {"nx", "xx", "gt", "lt"};
    *when = 0;
    for (uint32_t i = 3; i < c->argc; i++) {
        unsigned k = 0;
        while (k < 4 && !text_is(c->argv[i], names[k])) {
            k++;
        }
        if (k == 4) {
            reply_error(c->reply, "ERR Unsupported option %.*s", (int)(c->argv[i].len < 64 ? c->argv[i].len : 64),
                        c->argv[i].at);
            c->kv->count.total_error_replies++;
            return false;
        }
        *when |= 1u << k;
    }
    const char *wrong = NULL;
    if ((*when & WHEN_NX) != 0 && (*when & ~(unsigned)WHEN_NX) != 0) {
        wrong = "ERR NX and XX, GT or LT options at the same time are not compatible";
    } else if ((*when & WHEN_GT) != 0 && (*when & WHEN_LT) != 0) {
        wrong = "ERR GT and LT options at the same time are not compatible";
    }
    if (wrong != NULL) {
        reply_error(c->reply, "%s", wrong);
        c->kv->count.total_error_replies++;
    }
    return wrong == NULL;
}

/* Whether the conditions hold: no expiry is later than any. */
static bool expire_holds(unsigned when, uint64_t old_ms, uint64_t new_ms)
{
    return !((when & WHEN_NX) != 0 && old_ms != 0) && !((when & WHEN_XX) != 0 && old_ms == 0) &&
           !((when & WHEN_GT) != 0 && (old_ms == 0 || new_ms <= old_ms)) &&
           !((when & WHEN_LT) != 0 && old_ms != 0 && new_ms >= old_ms);
}

static void expire(struct call *c, enum expiry_kind kind, const char *name)
{
    int64_t expiry_ms;
    unsigned when;
    if (!expire_options(c, &when) || !expiry_read(c, c->argv[2], kind, false, name, &expiry_ms)) {
        return;
    }
    struct item *it = store_peek(&c->kv->store, c->argv[1]);
    if (it == NULL || !expire_holds(when, item_expiry_ms(it), (uint64_t)expiry_ms)) {
        reply_number(c->reply, 0);
    } else if ((uint64_t)expiry_ms <= store_now_ms(&c->kv->store)) {
        reply_number(c->reply, store_remove(&c->kv->store, c->argv[1]));
    } else if (store_set_expiry(&c->kv->store, c->argv[1], (uint64_t)expiry_ms) != 0) {
        error_memory(c);
    } else {
        reply_number(c->reply, 1);
    }
}

void command_expire(struct call *c)
{
    expire(c, EXPIRY_SECONDS, "expire");
}

void command_pexpire(struct call *c)
{
    expire(c, EXPIRY_MILLISECONDS, "pexpire");
}

void command_expireat(struct call *c)
{
    expire(c, EXPIRY_AT_SECONDS, "expireat");
}

void command_pexpireat(struct call *c)
{
    expire(c, EXPIRY_AT_MILLISECONDS, "pexpireat");
}

/* Replies with the expiry, less what `from` is, rounded to units of unit_ms. */
static void tell_expiry(struct call *c, uint64_t from_ms, int64_t unit_ms)
{
    struct item *it = store_peek(&c->kv->store, c->argv[1]);
    if (it == NULL || (it->flags & ITEM_EXPIRES) == 0) {
        reply_number(c->reply, it == NULL ? -2 : -1);
        return;
    }
    int64_t left_ms = (int64_t)(item_expiry_ms(it) - from_ms);
    reply_number(c->reply, (left_ms + unit_ms / 2) / unit_ms);
}

void command_ttl(struct call *c)
{
    tell_expiry(c, store_now_ms(&c->kv->store), MS_PER_S);
}

void command_pttl(struct call *c)
{
    tell_expiry(c, store_now_ms(&c->kv->store), 1);
}

void command_expiretime(struct call *c)
{
    tell_expiry(c, 0, MS_PER_S);
}

void command_pexpiretime(struct call *c)
{
    tell_expiry(c, 0, 1);
}

void command_persist(struct call *c)
{
    struct item *it = store_peek(&c->kv->store, c->argv[1]);
    if (it == NULL || (it->flags & ITEM_EXPIRES) == 0) {
        reply_number(c->reply, 0);
    } else if (store_set_expiry(&c->kv->store, c->argv[1], 0) != 0) {
        error_memory(c);
    } else {
        reply_number(c->reply, 1);
    }
}

/* What a scan gathers: first the number of keys that match, since it stands before them, then they themselves. */
struct gather {
    struct reply *reply; /* NULL: count only */
    struct span pattern; /* NULL: any */
    bool none;           /* a type is asked for that nothing has */
    uint64_t seen;
    uint64_t matched;
};

static void gather_key(void *context, struct item *it)
{
    struct gather *g = context;
    struct span key = {item_key(it), it->key_len};
    g->seen++;
    if (g->none || (g->pattern.at != NULL && !text_matches(key, g->pattern))) {
        return;
    }
    g->matched++;
    if (g->reply != NULL) {
        reply_bulk(g->reply, key);
    }
}

/* Scans from *cursor until `count` keys were seen or all are, as often as it takes. */
static uint64_t gather(struct kv *kv, struct gather *g, uint64_t cursor, uint64_t count)
{
    do {
        store_scan(&kv->store, &cursor, gather_key, g);
    } while (cursor != 0 && g->seen < count);
    kv->work += g->seen * WORK_OF_WORD;
    return cursor;
}

void command_keys(struct call *c)
{
    bool all = c->argv[1].len == 1 && c->argv[1].at[0] == '*';
    struct gather g = {.pattern = all ? (struct span){NULL, 0} : c->argv[1]};
    if (c->kv->store.index.count > KEYS_MAX) {
        reply_error(c->reply, "ERR KEYS is for at most %u keys, SCAN for more", KEYS_MAX);
        c->kv->count.total_error_replies++;
        return;
    }
    (void)gather(c->kv, &g, 0, UINT64_MAX);
    reply_array(c->reply, g.matched);
    g.reply = c->reply;
    (void)gather(c->kv, &g, 0, UINT64_MAX);
}

static bool scan_options(struct call *c, struct gather *g, int64_t *count)
{
    for (uint32_t i = 2; i < c->argc; i += 2) {
        bool more = i + 1 < c->argc;
        if (more && text_is(c->argv[i], "count")) {
            if (!text_number(c->argv[i + 1], count)) {
                error_not_integer(c);
                return false;
            }
            if (*count < 1) {
                error_syntax(c);
                return false;
            }
        } else if (more && text_is(c->argv[i], "match")) {
            g->pattern = c->argv[i + 1];
        } else if (more && text_is(c->argv[i], "type")) {
            g->none = !text_is(c->argv[i + 1], "string");
        } else {
            error_syntax(c);
            return false;
        }
    }
    return true;
}

void command_scan(struct call *c)
{
    struct gather g = {.pattern = {NULL, 0}};
    int64_t cursor, count = SCAN_COUNT;
    char text[TEXT_NUMBER_MAX];
    if (!text_number(c->argv[1], &cursor) || cursor < 0) {
        reply_error(c->reply, "ERR invalid cursor");
        c->kv->count.total_error_replies++;
        return;
    }
    if (!scan_options(c, &g, &count)) {
        return;
    }
    count = count < SCAN_COUNT_MAX ? count : SCAN_COUNT_MAX;
    uint64_t next = gather(c->kv, &g, (uint64_t)cursor, (uint64_t)count);
    reply_array(c->reply, 2);
    reply_bulk(c->reply, (struct span){text, text_of_number((int64_t)next, text)});
    reply_array(c->reply, g.matched);
    g.reply = c->reply;
    g.seen = 0;
    (void)gather(c->kv, &g, (uint64_t)cursor, (uint64_t)count);
}

struct pick {
    uint64_t state;
    uint64_t seen;
    struct item *item;
};

/* Each of those seen is as likely. */
static void pick_key(void *context, struct item *it)
{
    struct pick *p = context;
    p->state = p->state * UINT64_C(6364136223846793005) + 1442695040888963407;
    if ((p->state >> 33) % ++p->seen == 0) {
        p->item = it;
    }
}

void command_randomkey(struct call *c)
{
    struct store *st = &c->kv->store;
    struct pick p = {.state = c->kv->random};
    if (st->index.count > 0) {
        uint64_t cursor = (p.state >> 16) & ((UINT64_C(1) << INDEX_CURSOR_BITS) - 1);
        for (unsigned turns = 0; p.item == NULL && turns < 2; turns += cursor == 0) {
            store_scan(st, &cursor, pick_key, &p);
        }
    }
    c->kv->random = p.state * UINT64_C(6364136223846793005) + 1442695040888963407;
    if (p.item == NULL) {
        reply_null(c->reply);
    } else {
        reply_bulk(c->reply, (struct span){item_key(p.item), p.item->key_len});
    }
}
