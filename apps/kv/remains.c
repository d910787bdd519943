/* SPDX-License-Identifier: MIT */
/* Giving back; see remains.h. */
#include "kv/remains.h"

#include <demi/ext.h>

/* Of one step, together some microseconds: items looked at, values, segments or chunks of an index given back. */
#define STEP_ITEMS  64u
#define STEP_VALUES 8u
#define STEP_BLOCKS 1u

static void add_one(struct remains *r, struct segment *s)
{
    if (s != NULL) {
        s->next = r->rest;
        r->rest = s;
    }
}

void remains_add(struct remains *r, struct log *log, struct segment *victim, uint64_t outside_bytes,
                 const struct index *ix)
{
    if (log->newest != NULL) {
        log->newest->next = r->rest;
        r->rest = log->oldest;
    }
    while (log->emptied != NULL) {
        struct segment *s = log->emptied;
        log->emptied = s->next;
        add_one(r, s);
    }
    add_one(r, log->head);
    add_one(r, log->target);
    add_one(r, victim);
    r->segments += log->segments; /* the victim is among them */
    r->outside_bytes += outside_bytes;
    *log = (struct log){.refused = log->refused};
    index_fini(&r->index); /* of an earlier removal, where it is not all gone */
    r->index = *ix;
}

/* Gives up the values that lie outside of the next items of the current segment; false: of all. */
static bool end_values(struct remains *r, remains_release *release, void *context)
{
    unsigned values = 0;
    for (unsigned items = 0; items < STEP_ITEMS && values < STEP_VALUES; items++) {
        if (r->at >= r->current->used || r->outside_bytes == 0) {
            return false;
        }
        struct item *it = segment_item(r->current, r->at);
        r->at += (uint32_t)item_bytes(it);
        if ((it->flags & (ITEM_DEAD | ITEM_OUTSIDE)) == ITEM_OUTSIDE) {
            assert(r->outside_bytes >= item_outside(it)->room);
            r->outside_bytes -= item_outside(it)->room;
            release(context, item_outside(it)->bytes);
            values++;
        }
    }
    return true;
}

void remains_step(struct remains *r, remains_release *release, void *context)
{
    for (unsigned blocks = 0; blocks < STEP_BLOCKS; blocks++) {
        if (r->current == NULL && r->rest != NULL) {
            r->current = r->rest;
            r->rest = r->rest->next;
            r->at = segment_first();
        }
        if (r->current == NULL) {
            index_shrink(&r->index);
        } else if (end_values(r, release, context)) {
            return;
        } else {
            (void)demi_free(r->current);
            r->current = NULL;
            r->segments--;
        }
    }
    assert(remains_any(r) || (r->segments == 0 && r->outside_bytes == 0));
}
