/* SPDX-License-Identifier: MIT */
/*
 * Transactions: MULTI gathers commands, EXEC runs them one behind the other with nothing in between. WATCH remembers
 * what keys have, a digest of the value and the expiry, and EXEC runs nothing when one of them has something else by
 * then; so a watch costs writers nothing, and sees evictions, expiries and writes by messages too.
 *
 * What is gathered counts as input that is not complete, and is bounded with it.
 */
#ifndef APPS_KV_TRANSACTION_H
#define APPS_KV_TRANSACTION_H

#include "kv/command.h"

#define TRANSACTION_WORDS_MAX 65536u
#define TRANSACTION_WATCH_MAX 1024u

struct pile {
    char *at;
    size_t len, room;
};

struct transaction {
    bool open;    /* MULTI was said */
    bool spoiled; /* a command could not be gathered: EXEC runs none */
    uint32_t commands;
    uint32_t words, words_most; /* of all commands, of one */
    uint32_t watches;
    struct pile gathered; /* of each command the number of words, then each word's length and bytes */
    struct pile watched;  /* struct watch, key */
};

/* Whether the command is to be gathered and not run; if so it was, or the client was told why not. Without a
 * transaction it never is. */
bool transaction_gathers(struct call *c, const struct command *command);

/* A command was refused before it could be gathered. */
void transaction_spoil(struct session *session);

/* Forgets all; session->transaction is NULL then. */
void transaction_drop(struct kv *kv, struct session *session);

/* Bytes that it holds. */
static inline uint64_t transaction_bytes(const struct session *session)
{
    const struct transaction *t = session->transaction;
    return t == NULL ? 0 : t->gathered.room + t->watched.room;
}

#endif /* APPS_KV_TRANSACTION_H */
