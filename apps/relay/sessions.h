/* SPDX-License-Identifier: MIT */
/*
 * The relay's clients: a bounded table from a client's address to its session. A session has a socket of its own
 * towards the target, so that the target's answers tell by the socket whom they are for. Memory is taken once; a lookup
 * takes constant time on average; a session that expires is given back at once.
 */
#ifndef APPS_RELAY_SESSIONS_H
#define APPS_RELAY_SESSIONS_H

#include "common/addr.h"

#include <stdbool.h>
#include <stdint.h>

#define SESSION_NONE UINT32_MAX

struct session {
    struct addr client;
    int qd;             /* socket connected to the target; -1: the session is free */
    uint32_t pop_place; /* of its pop in the token set, or of its connect before */
    uint64_t seen_ns;   /* last datagram either way */
    uint32_t next;      /* in its hash chain, or in the list of free ones */
};

struct sessions {
    struct session *session;
    uint32_t *chain; /* first session of each hash value */
    uint32_t chain_mask;
    uint32_t room;
    uint32_t count;
    uint32_t first_free;
};

/* Makes an empty table; false when memory lacks. sessions_free() is fine after both. */
bool sessions_init(struct sessions *t, uint32_t room);
void sessions_free(struct sessions *t);

/* The client's session, or NULL. */
struct session *sessions_find(struct sessions *t, const struct addr *client);

/* A new session for a client that has none, all but client and next still to be filled. NULL: the table is full. */
struct session *sessions_add(struct sessions *t, const struct addr *client);

/* Gives a session back. */
void sessions_remove(struct sessions *t, struct session *session);

static inline uint32_t session_number(const struct sessions *t, const struct session *session)
{
    return (uint32_t)(session - t->session);
}

#endif /* APPS_RELAY_SESSIONS_H */
