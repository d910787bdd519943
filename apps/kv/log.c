/* SPDX-License-Identifier: MIT */
/* The log; see log.h. */
#include "kv/log.h"

#include <demi/ext.h>

#define LOOK_AT 32 /* segments, in one search for waste */

_Static_assert(SEGMENT_BYTES / ITEM_ALIGN <= UINT16_MAX + 1u, "an item's place fits its header");
_Static_assert(SEGMENT_BYTES >= 8 * (ITEM_KEY_MAX + ITEM_INSIDE_MAX), "little is lost at a segment's end");

static void list_append(struct log *log, struct segment *s)
{
    s->prev = log->newest;
    s->next = NULL;
    *(s->prev != NULL ? &s->prev->next : &log->oldest) = s;
    log->newest = s;
    s->filling = false;
}

static void list_remove(struct log *log, struct segment *s)
{
    if (log->look == s) {
        log->look = s->next;
    }
    *(s->prev != NULL ? &s->prev->next : &log->oldest) = s->next;
    *(s->next != NULL ? &s->next->prev : &log->newest) = s->prev;
    s->filling = true;
}

void log_drop(struct log *log, struct segment *s)
{
    assert(s->filling && s->live == 0 && log->segments > 0);
    s->next = log->emptied;
    log->emptied = s;
    log->emptied_segments++;
}

static struct segment *take_emptied(struct log *log)
{
    struct segment *s = log->emptied;
    if (s != NULL) {
        log->emptied = s->next;
        log->emptied_segments--;
    }
    return s;
}

bool log_give_back(struct log *log)
{
    struct segment *s = take_emptied(log);
    if (s == NULL) {
        return false;
    }
    log->segments--;
    (void)demi_free(s);
    return true;
}

void log_take(struct log *log, struct segment *s)
{
    assert(!s->filling);
    list_remove(log, s);
}

bool log_has_room(const struct segment *filling, size_t bytes)
{
    return filling != NULL && SEGMENT_BYTES - filling->used >= bytes;
}

/* What was filled is full, or empty again. */
static void retire(struct log *log, struct segment **filling)
{
    struct segment *s = *filling;
    *filling = NULL;
    if (s != NULL && s->live == 0) {
        log_drop(log, s);
    } else if (s != NULL) {
        list_append(log, s);
    }
}

struct item *log_alloc(struct log *log, struct segment **filling, size_t bytes)
{
    assert(bytes % ITEM_ALIGN == 0 && bytes <= SEGMENT_BYTES / 2);
    if (!log_has_room(*filling, bytes)) {
        struct segment *s = take_emptied(log);
        if (s == NULL) {
            s = demi_malloc(SEGMENT_BYTES);
            log->segments += s != NULL;
        }
        if (s == NULL) {
            log->refused++;
            return NULL;
        }
        retire(log, filling);
        *s = (struct segment){.used = segment_first(), .filling = true};
        *filling = s;
    }
    struct segment *s = *filling;
    struct item *it = segment_item(s, s->used);
    it->at = (uint16_t)(s->used / ITEM_ALIGN);
    s->used += (uint32_t)bytes;
    s->live += (uint32_t)bytes;
    log->live_bytes += bytes;
    return it;
}

void log_free(struct log *log, struct item *it)
{
    struct segment *s = item_segment(it);
    size_t bytes = item_bytes(it);
    assert((it->flags & ITEM_DEAD) == 0 && s->live >= bytes);
    it->flags |= ITEM_DEAD;
    s->live -= (uint32_t)bytes;
    log->live_bytes -= bytes;
    if (s->live == 0 && !s->filling) {
        list_remove(log, s);
        log_drop(log, s);
    }
}

struct segment *log_wasteful(struct log *log)
{
    struct segment *best = NULL;
    for (int i = 0; i < LOOK_AT; i++) {
        struct segment *s = log->look != NULL ? log->look : log->oldest;
        if (s == NULL) {
            return NULL;
        }
        log->look = s->next;
        if (s->live <= SEGMENT_BYTES / 4 * 3 && (best == NULL || s->live < best->live)) {
            best = s;
        }
    }
    return best;
}
