/* SPDX-License-Identifier: MIT */
/*
 * Where items lie: segments of 256 KiB that are filled from the front. Items of all sizes lie side by side, so nothing
 * is lost to size classes, and memory that one size gave up serves any other. What is freed is waste until the segment
 * is empty or is cleaned: the store's cleaner copies what it keeps into another segment.
 *
 * Segments that are full stand in a list in the order in which they were filled: its head holds what is oldest.
 */
#ifndef APPS_KV_LOG_H
#define APPS_KV_LOG_H

#include "kv/item.h"

#define SEGMENT_BYTES (256u << 10)

struct segment {
    struct segment *next, *prev;
    uint32_t used; /* bytes from the segment's begin to the first free one */
    uint32_t live; /* of them, those of items that are not dead */
    bool filling;  /* not in the list: items are added to it, or the cleaner is at it */
};

struct log {
    struct segment *oldest, *newest;
    struct segment *look;    /* where the search for waste goes on; NULL: at the oldest */
    struct segment *head;    /* being filled with new items; NULL: none */
    struct segment *target;  /* being filled by the cleaner; NULL: none */
    struct segment *emptied; /* no item in them is alive: filled next, or given back; linked by next */
    uint64_t emptied_segments;
    uint64_t segments; /* all of them */
    uint64_t live_bytes;
    uint64_t refused; /* segments that memory lacked for */
};

/* Whether an item of that size fits into the segment being filled. */
bool log_has_room(const struct segment *filling, size_t bytes);

/*
 * Room for an item of `bytes` (a multiple of ITEM_ALIGN) at *filling, which is log->head or log->target; a full one is
 * put into the list, and another made. The item's place is set, nothing else. NULL: no memory.
 */
struct item *log_alloc(struct log *log, struct segment **filling, size_t bytes);

/* Declares an item dead. When it was the last of its segment, that is emptied. */
void log_free(struct log *log, struct item *it);

/* Takes a segment out of the list, for the cleaner; log_drop() has it among the emptied ones, when no item in it is
 * alive. */
void log_take(struct log *log, struct segment *s);
void log_drop(struct log *log, struct segment *s);

/* Frees an emptied segment; false: there is none. */
bool log_give_back(struct log *log);

/* Item at an offset of a segment: the first is at segment_first(), the next behind it, up to s->used. */
static inline uint32_t segment_first(void)
{
    return (uint32_t)((sizeof(struct segment) + ITEM_ALIGN - 1) & ~(size_t)(ITEM_ALIGN - 1));
}

static inline struct item *segment_item(struct segment *s, uint32_t offset)
{
    return (struct item *)(void *)((char *)s + offset);
}

static inline struct segment *item_segment(struct item *it)
{
    return (struct segment *)(void *)((char *)it - (size_t)it->at * ITEM_ALIGN);
}

/* The full segment with the most waste of the next few, or NULL when none of them has a quarter. */
struct segment *log_wasteful(struct log *log);

/* Bytes of memory held, and those of them that nobody uses but cleaning would give back. */
static inline uint64_t log_bytes(const struct log *log)
{
    return log->segments * SEGMENT_BYTES;
}

#endif /* APPS_KV_LOG_H */
