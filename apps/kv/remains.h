/* SPDX-License-Identifier: MIT */
/*
 * What the removal of all leaves to be given back: segments, the values outside them, an index. A little of it goes
 * with each write and each turn of the server, so that nobody waits for all of it; it counts as memory in use until
 * then.
 */
#ifndef APPS_KV_REMAINS_H
#define APPS_KV_REMAINS_H

#include "kv/index.h"
#include "kv/log.h"

struct remains {
    struct segment *current; /* the one that is gone over; NULL: none */
    struct segment *rest;    /* linked by next */
    uint32_t at;             /* offset of the next item in the current one */
    uint64_t segments;
    uint64_t outside_bytes;
    struct index index; /* without chunks: none */
};

/* Gives up the memory of a value that lies outside; the meaning of store.h's release. */
typedef void remains_release(void *context, void *memory);

/* Takes over all segments of a log, which is empty then, one that is in no list of it (or NULL), and an index. */
void remains_add(struct remains *r, struct log *log, struct segment *victim, uint64_t outside_bytes,
                 const struct index *ix);

static inline bool remains_any(const struct remains *r)
{
    return r->current != NULL || r->rest != NULL || r->index.chunks > 0;
}

static inline uint64_t remains_bytes(const struct remains *r)
{
    return r->segments * SEGMENT_BYTES + r->outside_bytes + index_bytes(&r->index);
}

/* Gives a little back, if there is anything. */
void remains_step(struct remains *r, remains_release *release, void *context);

#endif /* APPS_KV_REMAINS_H */
