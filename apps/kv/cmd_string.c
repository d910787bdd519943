/* SPDX-License-Identifier: MIT */
/* Commands on values. */
#include "kv/draft.h"
#include "kv/expiry.h"
#include "kv/text.h"

/* Writes argument i as the key's value; memory that came with it changes hands. Replies on errors only. */
static bool put_argument(struct call *c, struct span key, uint32_t i, uint64_t expiry_ms)
{
    struct store_put put = {.key = key, .value = c->argv[i], .expiry_ms = expiry_ms};
    if (!key_ok(c, key)) {
        return false;
    }
    if (c->big != NULL && c->argv[i].at == c->big) {
        put.memory = c->big;
        put.room = c->big_room;
    }
    int rc = store_put(&c->kv->store, &put);
    if (rc == 0 && put.value.at == c->big && put.value.len > 0 && put.memory == NULL) {
        c->big = NULL;
    }
    if (rc != 0) {
        error_memory(c);
    }
    return rc == 0;
}

/* A copy of a value that must outlive its item. */
struct old_value {
    bool there;
    struct draft copy;
};

static bool old_copy(struct call *c, struct old_value *old, struct item *it)
{
    old->there = it != NULL;
    return draft_begin(c, &old->copy, it != NULL ? it->value_len : 0, it);
}

static void old_reply(struct call *c, const struct old_value *old)
{
    if (old->there) {
        reply_bulk(c->reply, (struct span){old->copy.at, old->copy.len});
    } else {
        reply_null(c->reply);
    }
}

void command_get(struct call *c)
{
    struct item *it = store_get(&c->kv->store, c->argv[1]);
    if (it == NULL) {
        reply_null(c->reply);
    } else {
        reply_value(c->reply, it);
    }
}

struct set_options {
    bool nx, xx, get, keep_ttl, expires;
    enum expiry_kind kind;
    struct span time;
};

/* Reads what stands behind SET's value into an empty *o. */
static bool set_options(struct call *c, struct set_options *o)
{
    for (uint32_t i = 3; i < c->argc; i++) {
        struct span word = c->argv[i];
        enum expiry_kind kind;
        if (text_is(word, "nx") && !o->xx) {
            o->nx = true;
        } else if (text_is(word, "xx") && !o->nx) {
            o->xx = true;
        } else if (text_is(word, "get")) {
            o->get = true;
        } else if (text_is(word, "keepttl") && !o->expires) {
            o->keep_ttl = true;
        } else if (!o->keep_ttl && i + 1 < c->argc && expiry_option(word, &kind) && (!o->expires || kind == o->kind)) {
            o->expires = true; /* of the same kind again: the last one counts */
            o->kind = kind;
            o->time = c->argv[++i];
        } else {
            error_syntax(c);
            return false;
        }
    }
    return true;
}

void command_set(struct call *c)
{
    struct set_options o = {.nx = false};
    int64_t expiry_ms = 0;
    if (c->argc == 3) { /* by far the most frequent form */
        if (put_argument(c, c->argv[1], 2, 0)) {
            reply_simple(c->reply, "OK");
        }
        return;
    }
    if (!set_options(c, &o)) {
        return;
    }
    if (o.expires && !expiry_read(c, o.time, o.kind, true, "set", &expiry_ms)) {
        return;
    }
    struct item *it = o.get ? store_get(&c->kv->store, c->argv[1]) : store_peek(&c->kv->store, c->argv[1]);
    struct old_value old;
    bool held = (o.nx && it != NULL) || (o.xx && it == NULL);
    if (o.keep_ttl && it != NULL) {
        expiry_ms = (int64_t)item_expiry_ms(it);
    }
    if (!old_copy(c, &old, o.get ? it : NULL)) {
        return;
    }
    if (held || put_argument(c, c->argv[1], 2, (uint64_t)expiry_ms)) {
        if (o.get || held) {
            old_reply(c, &old);
        } else {
            reply_simple(c->reply, "OK");
        }
    }
    draft_end(&old.copy);
}

void command_setnx(struct call *c)
{
    if (store_peek(&c->kv->store, c->argv[1]) != NULL) {
        reply_number(c->reply, 0);
    } else if (put_argument(c, c->argv[1], 2, 0)) {
        reply_number(c->reply, 1);
    }
}

static void set_expiring(struct call *c, enum expiry_kind kind, const char *name)
{
    int64_t expiry_ms;
    if (expiry_read(c, c->argv[2], kind, true, name, &expiry_ms) &&
        put_argument(c, c->argv[1], 3, (uint64_t)expiry_ms)) {
        reply_simple(c->reply, "OK");
    }
}

void command_setex(struct call *c)
{
    set_expiring(c, EXPIRY_SECONDS, "setex");
}

void command_psetex(struct call *c)
{
    set_expiring(c, EXPIRY_MILLISECONDS, "psetex");
}

void command_getset(struct call *c)
{
    struct old_value old;
    if (!old_copy(c, &old, store_get(&c->kv->store, c->argv[1]))) {
        return;
    }
    if (put_argument(c, c->argv[1], 2, 0)) {
        old_reply(c, &old);
    }
    draft_end(&old.copy);
}

void command_getdel(struct call *c)
{
    struct item *it = store_get(&c->kv->store, c->argv[1]);
    if (it == NULL) {
        reply_null(c->reply);
        return;
    }
    reply_value(c->reply, it);
    (void)store_remove(&c->kv->store, c->argv[1]);
}

void command_getex(struct call *c)
{
    enum expiry_kind kind;
    int64_t expiry_ms = 0;
    bool persist = c->argc == 3 && text_is(c->argv[2], "persist");
    bool sets = c->argc == 4 && expiry_option(c->argv[2], &kind);
    if (c->argc > 2 && !persist && !sets) {
        error_syntax(c);
        return;
    }
    struct item *it = store_get(&c->kv->store, c->argv[1]);
    if (it == NULL) {
        reply_null(c->reply);
        return;
    }
    if (sets && !expiry_read(c, c->argv[3], kind, true, "getex", &expiry_ms)) {
        return;
    }
    if ((sets || persist) && store_set_expiry(&c->kv->store, c->argv[1], (uint64_t)expiry_ms) != 0) {
        error_memory(c);
        return;
    }
    it = store_peek(&c->kv->store, c->argv[1]);
    if (it == NULL) { /* an expiry that has passed */
        reply_null(c->reply);
    } else {
        reply_value(c->reply, it);
    }
}

void command_append(struct call *c)
{
    struct item *it = store_peek(&c->kv->store, c->argv[1]);
    size_t old_len = it != NULL ? it->value_len : 0;
    if (old_len + c->argv[2].len > ITEM_VALUE_MAX) {
        reply_error(c->reply, "ERR string exceeds maximum allowed size (proto-max-bulk-len)");
        c->kv->count.total_error_replies++;
        return;
    }
    if (it == NULL) {
        if (put_argument(c, c->argv[1], 2, 0)) {
            reply_number(c->reply, (int64_t)c->argv[2].len);
        }
    } else {
        int64_t len = store_append(&c->kv->store, c->argv[1], c->argv[2]);
        if (len < 0) {
            error_memory(c);
        } else {
            reply_number(c->reply, len);
        }
    }
}

void command_strlen(struct call *c)
{
    struct item *it = store_get(&c->kv->store, c->argv[1]);
    reply_number(c->reply, it != NULL ? it->value_len : 0);
}

void command_getrange(struct call *c)
{
    int64_t from, to;
    if (!text_number(c->argv[2], &from) || !text_number(c->argv[3], &to)) {
        error_not_integer(c);
        return;
    }
    struct item *it = store_get(&c->kv->store, c->argv[1]);
    int64_t len = it != NULL ? it->value_len : 0;
    if (from < 0 && to < 0 && from > to) {
        len = 0;
    }
    from = from < 0 ? (from + len < 0 ? 0 : from + len) : from;
    to = to < 0 ? (to + len < 0 ? 0 : to + len) : to;
    to = to >= len ? len - 1 : to;
    if (len == 0 || from > to) {
        reply_bulk(c->reply, (struct span){"", 0});
    } else {
        reply_bulk(c->reply, (struct span){item_value(it) + from, (size_t)(to - from + 1)});
    }
}

void command_substr(struct call *c)
{
    command_getrange(c);
}

static void add(struct call *c, int64_t by)
{
    struct item *it = store_peek(&c->kv->store, c->argv[1]);
    int64_t value = 0;
    char text[TEXT_NUMBER_MAX];
    if (it != NULL && !text_number((struct span){item_value(it), it->value_len}, &value)) {
        error_not_integer(c);
        return;
    }
    if (__builtin_add_overflow(value, by, &value)) {
        error_text(c, "ERR increment or decrement would overflow");
        return;
    }
    struct span sum = {text, text_of_number(value, text)};
    if (put_with_expiry_of(c, it, sum)) {
        reply_number(c->reply, value);
    }
}

void command_incr(struct call *c)
{
    add(c, 1);
}

void command_decr(struct call *c)
{
    add(c, -1);
}

void command_incrby(struct call *c)
{
    int64_t by;
    if (text_number(c->argv[2], &by)) {
        add(c, by);
    } else {
        error_not_integer(c);
    }
}

void command_decrby(struct call *c)
{
    int64_t by;
    if (!text_number(c->argv[2], &by)) {
        error_not_integer(c);
    } else if (by == INT64_MIN) {
        reply_error(c->reply, "ERR decrement would overflow");
        c->kv->count.total_error_replies++;
    } else {
        add(c, -by);
    }
}

void command_mget(struct call *c)
{
    reply_array(c->reply, c->argc - 1);
    for (uint32_t i = 1; i < c->argc; i++) {
        command_prefetch(c, i, 1);
        struct item *it = store_get(&c->kv->store, c->argv[i]);
        if (it == NULL) {
            reply_null(c->reply);
        } else {
            reply_value(c->reply, it);
        }
    }
}

/* Sets all pairs. An error ends it, and leaves those before it set. */
static bool set_pairs(struct call *c)
{
    for (uint32_t i = 1; i < c->argc; i += 2) {
        command_prefetch(c, i, 2);
        if (!put_argument(c, c->argv[i], i + 1, 0)) {
            return false;
        }
    }
    return true;
}

void command_mset(struct call *c)
{
    if (c->argc % 2 == 0) {
        error_arity(c, "mset");
    } else if (set_pairs(c)) {
        reply_simple(c->reply, "OK");
    }
}

void command_msetnx(struct call *c)
{
    if (c->argc % 2 == 0) {
        error_arity(c, "msetnx");
        return;
    }
    for (uint32_t i = 1; i < c->argc; i += 2) {
        command_prefetch(c, i, 2);
        if (store_peek(&c->kv->store, c->argv[i]) != NULL) {
            reply_number(c->reply, 0);
            return;
        }
    }
    if (set_pairs(c)) {
        reply_number(c->reply, 1);
    }
}
