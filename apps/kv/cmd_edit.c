/* SPDX-License-Identifier: MIT */
/* Commands that make a value out of another, and those that tell how one is kept. */
#include "kv/decimal.h"
#include "kv/draft.h"
#include "kv/text.h"

#define ENCODING_SHORT 44 /* bytes of a value that Redis keeps beside its key */

void command_setrange(struct call *c)
{
    struct item *it = store_peek(&c->kv->store, c->argv[1]);
    size_t old_len = it != NULL ? it->value_len : 0;
    struct span part = c->argv[3];
    int64_t offset;
    struct draft d;
    if (!text_number(c->argv[2], &offset)) {
        error_not_integer(c);
    } else if (offset < 0) {
        error_text(c, "ERR offset is out of range");
    } else if (part.len == 0) {
        reply_number(c->reply, (int64_t)old_len);
    } else if (offset > (int64_t)(ITEM_VALUE_MAX - part.len)) {
        error_text(c, "ERR string exceeds maximum allowed size (proto-max-bulk-len)");
    } else {
        size_t end = (size_t)offset + part.len;
        if (draft_begin(c, &d, end > old_len ? end : old_len, it)) {
            memcpy(d.at + offset, part.at, part.len);
            size_t len = d.len;
            if (draft_put(c, &d, c->argv[1], it != NULL ? item_expiry_ms(it) : 0)) {
                reply_number(c->reply, (int64_t)len);
            }
        }
        draft_end(&d);
    }
}

void command_incrbyfloat(struct call *c)
{
    struct item *it = store_peek(&c->kv->store, c->argv[1]);
    char text[DECIMAL_TEXT_MAX];
    decimal value = 0, by;
    if ((it != NULL && !decimal_read((struct span){item_value(it), it->value_len}, &value)) ||
        !decimal_read(c->argv[2], &by)) {
        error_text(c, "ERR value is not a valid float");
        return;
    }
    if (!decimal_add(value, by, &value)) {
        error_text(c, "ERR increment or decrement would overflow");
        return;
    }
    struct span sum = {text, decimal_write(value, text)};
    if (put_with_expiry_of(c, it, sum)) {
        reply_bulk(c->reply, sum);
    }
}

static bool same_key(struct span a, struct span b)
{
    return a.len == b.len && memcmp(a.at, b.at, a.len) == 0;
}

/* Writes a copy of the item, with its expiry, under another key. Replies on errors only. */
static bool copy_to(struct call *c, struct item *it, struct span key)
{
    struct draft d;
    uint64_t expiry_ms = item_expiry_ms(it);
    bool done = draft_begin(c, &d, it->value_len, it) && draft_put(c, &d, key, expiry_ms);
    draft_end(&d);
    return done;
}

/* false: there is no such key, and the client was told, or memory lacks. *held: the other one is there. */
static bool move_key(struct call *c, bool only_new, bool *held)
{
    struct item *it = store_get(&c->kv->store, c->argv[1]);
    *held = false;
    if (it == NULL) {
        error_text(c, "ERR no such key");
        return false;
    }
    *held = only_new && store_peek(&c->kv->store, c->argv[2]) != NULL;
    if (*held || same_key(c->argv[1], c->argv[2])) {
        return true;
    }
    if (!copy_to(c, it, c->argv[2])) {
        return false;
    }
    (void)store_remove(&c->kv->store, c->argv[1]);
    return true;
}

void command_rename(struct call *c)
{
    bool held;
    if (move_key(c, false, &held)) {
        reply_simple(c->reply, "OK");
    }
}

void command_renamenx(struct call *c)
{
    bool held;
    if (move_key(c, true, &held)) {
        reply_number(c->reply, !held);
    }
}

void command_copy(struct call *c)
{
    bool replace = false;
    for (uint32_t i = 3; i < c->argc; i++) {
        int64_t number;
        if (text_is(c->argv[i], "replace")) {
            replace = true;
        } else if (!text_is(c->argv[i], "db") || i + 1 == c->argc) {
            error_syntax(c);
            return;
        } else if (!text_number(c->argv[++i], &number)) {
            error_not_integer(c);
            return;
        } else if (number != 0) {
            error_text(c, "ERR DB index is out of range");
            return;
        }
    }
    if (same_key(c->argv[1], c->argv[2])) {
        error_text(c, "ERR source and destination objects are the same");
        return;
    }
    struct item *it = store_get(&c->kv->store, c->argv[1]);
    if (it == NULL || (!replace && store_peek(&c->kv->store, c->argv[2]) != NULL)) {
        reply_number(c->reply, 0);
    } else if (copy_to(c, it, c->argv[2])) {
        reply_number(c->reply, 1);
    }
}

/* What Redis would call the form in which it keeps such a value after SET. */
static void object_encoding(struct call *c)
{
    struct item *it = store_peek(&c->kv->store, c->argv[2]);
    int64_t number;
    if (it == NULL) {
        reply_null(c->reply);
    } else if (text_number((struct span){item_value(it), it->value_len}, &number)) {
        reply_text(c->reply, "int");
    } else {
        reply_text(c->reply, it->value_len <= ENCODING_SHORT ? "embstr" : "raw");
    }
}

static void object_refcount(struct call *c)
{
    if (store_peek(&c->kv->store, c->argv[2]) == NULL) {
        reply_null(c->reply);
    } else {
        reply_number(c->reply, 1);
    }
}

void command_object(struct call *c)
{
    static const struct subcommand list[] = {
        {"encoding", 3, object_encoding, "ENCODING <key>", "Returns how Redis would keep the value."},
        {"refcount", 3, object_refcount, "REFCOUNT <key>", "Returns 1: no two keys share a value."},
    };
    subcommand_run(c, "object", list, sizeof(list) / sizeof(list[0]));
}

/* The item in the log, its value outside, and its slot of the index. */
static void memory_usage(struct call *c)
{
    int64_t samples;
    struct item *it = store_peek(&c->kv->store, c->argv[2]);
    if (c->argc > 3 && (c->argc != 5 || !text_is(c->argv[3], "samples"))) {
        error_syntax(c);
    } else if (c->argc == 5 && !text_number(c->argv[4], &samples)) {
        error_not_integer(c);
    } else if (c->argc == 5 && samples < 0) {
        error_syntax(c);
    } else if (it == NULL) {
        reply_null(c->reply);
    } else {
        size_t outside = (it->flags & ITEM_OUTSIDE) != 0 ? item_outside(it)->room : 0;
        reply_number(c->reply, (int64_t)(item_bytes(it) + outside + sizeof(struct bucket) / INDEX_SLOTS));
    }
}

void command_memory(struct call *c)
{
    static const struct subcommand list[] = {
        {"usage", -3, memory_usage, "USAGE <key> [SAMPLES <count>]", "Returns the bytes that key and value take."},
    };
    subcommand_run(c, "memory", list, sizeof(list) / sizeof(list[0]));
}
