/* SPDX-License-Identifier: MIT */
/* The relay's clients; see sessions.h. */
#include "relay/sessions.h"
#include "common/tokset.h"

#include <assert.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

/* FNV-1a over what makes an address: it spreads well enough for a table that has at most one client a chain or so. */
static uint32_t hash_bytes(uint32_t hash, const void *bytes, size_t len)
{
    const uint8_t *b = bytes;
    for (size_t i = 0; i < len; i++) {
        hash = (hash ^ b[i]) * UINT32_C(16777619);
    }
    return hash;
}

static uint32_t hash_addr(const struct addr *a)
{
    uint32_t hash = UINT32_C(2166136261);
    if (a->storage.ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&a->storage;
        hash = hash_bytes(hash, &in6->sin6_addr, sizeof(in6->sin6_addr));
        hash = hash_bytes(hash, &in6->sin6_port, sizeof(in6->sin6_port));
    } else {
        const struct sockaddr_in *in4 = (const struct sockaddr_in *)&a->storage;
        hash = hash_bytes(hash, &in4->sin_addr, sizeof(in4->sin_addr));
        hash = hash_bytes(hash, &in4->sin_port, sizeof(in4->sin_port));
    }
    return hash ^ (hash >> 15);
}

bool sessions_init(struct sessions *t, uint32_t room)
{
    assert(room > 0 && room <= UINT32_MAX / 2);
    *t = (struct sessions){.room = room, .first_free = 0};
    uint32_t chains = 1;
    while (chains < room) {
        chains *= 2;
    }
    t->chain_mask = chains - 1;
    t->session = calloc(room, sizeof(*t->session));
    t->chain = malloc(chains * sizeof(*t->chain));
    if (t->session == NULL || t->chain == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < chains; i++) {
        t->chain[i] = SESSION_NONE;
    }
    for (uint32_t i = 0; i < room; i++) {
        t->session[i].qd = -1;
        t->session[i].next = i + 1 < room ? i + 1 : SESSION_NONE;
    }
    return true;
}

void sessions_free(struct sessions *t)
{
    free(t->session);
    free(t->chain);
    *t = (struct sessions){.room = 0};
}

struct session *sessions_find(struct sessions *t, const struct addr *client)
{
    for (uint32_t i = t->chain[hash_addr(client) & t->chain_mask]; i != SESSION_NONE; i = t->session[i].next) {
        if (addr_equal(&t->session[i].client, client)) {
            return &t->session[i];
        }
    }
    return NULL;
}

struct session *sessions_add(struct sessions *t, const struct addr *client)
{
    uint32_t number = t->first_free;
    if (number == SESSION_NONE) {
        return NULL;
    }
    struct session *session = &t->session[number];
    uint32_t *chain = &t->chain[hash_addr(client) & t->chain_mask];
    t->first_free = session->next;
    t->count++;
    *session = (struct session){.client = *client, .qd = -1, .pop_place = TOKSET_NONE, .next = *chain};
    *chain = number;
    return session;
}

void sessions_remove(struct sessions *t, struct session *session)
{
    uint32_t number = session_number(t, session);
    uint32_t *link = &t->chain[hash_addr(&session->client) & t->chain_mask];
    while (*link != number) {
        assert(*link != SESSION_NONE);
        link = &t->session[*link].next;
    }
    *link = session->next;
    session->qd = -1;
    session->next = t->first_free;
    t->first_free = number;
    assert(t->count > 0);
    t->count--;
}
