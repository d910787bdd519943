/* SPDX-License-Identifier: MIT */
/* The pool of a node's packets: chunks from the heap that are kept to the end, packets on a free list. */
#include "packet.h"

#include <stdlib.h>

#define CHUNK_PACKETS 64

#define ID_NODE_SHIFT 40

struct chunk {
    struct packet head; /* its next is the next chunk; carries nothing */
    struct packet packets[CHUNK_PACKETS];
};

void packet_pool_init(struct packet_pool *pool, uint32_t node, uint32_t max)
{
    *pool = (struct packet_pool){.max = max, .next_id = (uint64_t)(node + 1) << ID_NODE_SHIFT};
}

void packet_pool_fini(struct packet_pool *pool)
{
    while (pool->all != NULL) {
        struct packet *chunk = pool->all;

        pool->all = chunk->next;
        free(chunk);
    }
    *pool = (struct packet_pool){0};
}

/* One more chunk onto the free list; the first packet of it is the first to be taken. */
static bool grow(struct packet_pool *pool)
{
    struct chunk *c = malloc(sizeof(*c));

    if (c == NULL)
        return false;
    c->head.next = pool->all;
    pool->all = &c->head;
    for (size_t i = CHUNK_PACKETS; i-- > 0;) {
        c->packets[i].next = pool->free;
        pool->free = &c->packets[i];
    }
    pool->made += CHUNK_PACKETS;
    return true;
}

struct packet *packet_alloc(struct packet_pool *pool)
{
    struct packet *p;

    if (pool->in_use >= pool->max || (pool->free == NULL && !grow(pool))) {
        pool->exhausted++;
        return NULL;
    }
    p = pool->free;
    pool->free = p->next;
    pool->in_use++;
    p->next = NULL;
    p->first_flit_cycle = 0;
    p->id = pool->next_id++;
    p->len_bytes = 0;
    return p;
}

void packet_free(struct packet_pool *pool, struct packet *p)
{
    assert(pool->in_use > 0);
    pool->in_use--;
    p->next = pool->free;
    pool->free = p;
}
