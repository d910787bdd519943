/* SPDX-License-Identifier: MIT */
/* MULTI, EXEC, DISCARD, WATCH, UNWATCH; see transaction.h. */
#include "kv/transaction.h"

#include <stdlib.h>

#define PILE_FIRST 256u

/* What a watched key had; its bytes follow. */
struct watch {
    uint64_t digest;
    uint64_t expiry_ms;
    uint32_t key_len;
    uint32_t there;
};

/* Room for len more bytes behind the others, or NULL: the client was told. */
static char *pile_add(struct call *c, struct pile *p, size_t len)
{
    size_t room = p->room == 0 ? PILE_FIRST : p->room;
    while (room < p->len + len) {
        room *= 2;
    }
    if (room != p->room) {
        char *grown = c->kv->input_bytes + (room - p->room) <= c->kv->input_max ? realloc(p->at, room) : NULL;
        if (grown == NULL) {
            error_text(c, "ERR too many bytes of incomplete commands");
            return NULL;
        }
        c->kv->input_bytes += room - p->room;
        p->at = grown;
        p->room = room;
    }
    p->len += len;
    return p->at + p->len - len;
}

static void pile_drop(struct kv *kv, struct pile *p)
{
    kv->input_bytes -= p->room;
    free(p->at);
    *p = (struct pile){.at = NULL};
}

void transaction_drop(struct kv *kv, struct session *session)
{
    struct transaction *t = session->transaction;
    if (t != NULL) {
        pile_drop(kv, &t->gathered);
        pile_drop(kv, &t->watched);
        free(t);
        session->transaction = NULL;
    }
}

void transaction_spoil(struct session *session)
{
    if (session->transaction != NULL && session->transaction->open) {
        session->transaction->spoiled = true;
    }
}

/* The session's, made when it has none; NULL: no memory, and the client was told. */
static struct transaction *transaction_of(struct call *c)
{
    if (c->session->transaction == NULL) {
        c->session->transaction = calloc(1, sizeof(struct transaction));
        if (c->session->transaction == NULL) {
            error_memory(c);
        }
    }
    return c->session->transaction;
}

static char *put_u32(char *to, size_t value)
{
    uint32_t number = (uint32_t)value;
    memcpy(to, &number, sizeof(number));
    return to + sizeof(number);
}

static const char *get_u32(const char *from, uint32_t *value)
{
    memcpy(value, from, sizeof(*value));
    return from + sizeof(*value);
}

static bool gather(struct call *c, struct transaction *t)
{
    size_t bytes = sizeof(uint32_t);
    if (c->argc > TRANSACTION_WORDS_MAX - t->words) {
        reply_error(c->reply, "ERR a transaction has at most %u words", TRANSACTION_WORDS_MAX);
        c->kv->count.total_error_replies++;
        return false;
    }
    for (uint32_t i = 0; i < c->argc; i++) {
        bytes += sizeof(uint32_t) + c->argv[i].len;
    }
    char *to = pile_add(c, &t->gathered, bytes);
    if (to == NULL) {
        return false;
    }
    to = put_u32(to, c->argc);
    for (uint32_t i = 0; i < c->argc; i++) {
        to = put_u32(to, c->argv[i].len);
        memcpy(to, c->argv[i].at, c->argv[i].len);
        to += c->argv[i].len;
    }
    t->commands++;
    t->words += c->argc;
    t->words_most = t->words_most > c->argc ? t->words_most : c->argc;
    return true;
}

bool transaction_gathers(struct call *c, const struct command *command)
{
    struct transaction *t = c->session->transaction;
    if (t == NULL || !t->open || command->run == command_multi || command->run == command_exec ||
        command->run == command_discard || command->run == command_watch || command->run == command_quit ||
        command->run == command_reset) {
        return false;
    }
    if (gather(c, t)) {
        reply_simple(c->reply, "QUEUED");
    } else {
        t->spoiled = true;
    }
    return true;
}

void command_multi(struct call *c)
{
    struct transaction *t = transaction_of(c);
    if (t != NULL && t->open) {
        error_text(c, "ERR MULTI calls can not be nested");
    } else if (t != NULL) {
        t->open = true;
        reply_simple(c->reply, "OK");
    }
}

void command_discard(struct call *c)
{
    if (c->session->transaction == NULL || !c->session->transaction->open) {
        error_text(c, "ERR DISCARD without MULTI");
        return;
    }
    transaction_drop(c->kv, c->session);
    reply_simple(c->reply, "OK");
}

static void look(struct call *c, struct span key, struct watch *w)
{
    struct item *it = store_peek(&c->kv->store, key);
    *w = (struct watch){.key_len = (uint32_t)key.len, .there = it != NULL};
    if (it != NULL) {
        c->kv->work += it->value_len;
        w->digest = index_hash(&c->kv->store.index, item_value(it), it->value_len);
        w->expiry_ms = item_expiry_ms(it);
    }
}

/* Whether each watched key has what it had. */
static bool unchanged(struct call *c, const struct transaction *t)
{
    const char *at = t->watched.at;
    struct watch then, now;
    bool same = true;
    for (uint32_t i = 0; i < t->watches && same; i++) {
        memcpy(&then, at, sizeof(then));
        look(c, (struct span){at + sizeof(then), then.key_len}, &now);
        same = then.there == now.there && then.digest == now.digest && then.expiry_ms == now.expiry_ms;
        at += sizeof(then) + then.key_len;
    }
    return same;
}

/* Runs what was gathered; argv has room for the words of the longest command. */
static void run_all(struct call *c, const struct transaction *t, struct span *argv)
{
    const char *at = t->gathered.at;
    struct call inner = *c;
    inner.big = NULL;
    inner.argv = argv;
    reply_array(c->reply, t->commands);
    for (uint32_t i = 0; i < t->commands; i++) {
        at = get_u32(at, &inner.argc);
        for (uint32_t k = 0; k < inner.argc; k++) {
            uint32_t len;
            at = get_u32(at, &len);
            argv[k] = (struct span){at, len};
            at += len;
        }
        c->kv->work += (uint64_t)inner.argc * WORK_OF_WORD;
        command_find(argv[0])->run(&inner);
    }
}

void command_exec(struct call *c)
{
    struct transaction *t = c->session->transaction;
    struct span *argv = NULL;
    if (t == NULL || !t->open) {
        error_text(c, "ERR EXEC without MULTI");
        return;
    }
    c->session->transaction = NULL; /* none of its own commands is gathered again, and none sees it */
    if (t->spoiled) {
        error_text(c, "EXECABORT Transaction discarded because of previous errors.");
    } else if (!unchanged(c, t)) {
        reply_null_array(c->reply);
    } else if (t->commands > 0 && (argv = calloc(t->words_most, sizeof(*argv))) == NULL) {
        error_memory(c);
    } else {
        run_all(c, t, argv);
    }
    free(argv);
    c->session->transaction = t;
    transaction_drop(c->kv, c->session);
}

/* Whether a key is watched already. */
static bool watches(const struct transaction *t, struct span key)
{
    const char *at = t->watched.at;
    struct watch w;
    for (uint32_t i = 0; i < t->watches; i++) {
        memcpy(&w, at, sizeof(w));
        at += sizeof(w);
        if (w.key_len == key.len && memcmp(at, key.at, key.len) == 0) {
            return true;
        }
        at += w.key_len;
    }
    return false;
}

void command_watch(struct call *c)
{
    struct transaction *t = transaction_of(c);
    if (t == NULL) {
        return;
    }
    if (t->open) {
        error_text(c, "ERR WATCH inside MULTI is not allowed");
        return;
    }
    if (c->argc - 1 > TRANSACTION_WATCH_MAX - t->watches) {
        reply_error(c->reply, "ERR at most %u keys can be watched", TRANSACTION_WATCH_MAX);
        c->kv->count.total_error_replies++;
        return;
    }
    for (uint32_t i = 1; i < c->argc; i++) {
        struct watch w;
        c->kv->work += t->watches * sizeof(w);
        if (watches(t, c->argv[i])) {
            continue; /* as it was then */
        }
        char *to = key_ok(c, c->argv[i]) ? pile_add(c, &t->watched, sizeof(w) + c->argv[i].len) : NULL;
        if (to == NULL) {
            return;
        }
        look(c, c->argv[i], &w);
        memcpy(to, &w, sizeof(w));
        memcpy(to + sizeof(w), c->argv[i].at, c->argv[i].len);
        t->watches++;
    }
    reply_simple(c->reply, "OK");
}

void command_unwatch(struct call *c)
{
    if (c->session->transaction != NULL && !c->session->transaction->open) {
        transaction_drop(c->kv, c->session);
    }
    reply_simple(c->reply, "OK");
}
