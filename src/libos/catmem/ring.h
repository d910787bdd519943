/* SPDX-License-Identifier: MIT */
/*
 * Memory that two ends of a connection share, and the ring of records in it.
 *
 * 1. A ring is an array of cache lines with one producer and one consumer. A record starts at a line; each line has an
 * eight-byte head and 56 bytes of payload. The head of a record's first line is written last, with release order: its
 * stamp (the number of the line since the connection began) tells the consumer that the record is there, what it is and
 * how long. So a message of up to 56 bytes is one cache line, and nothing else moves between the processors: the
 * consumer polls the very line the message comes in.
 * 2. Heads are never payload. What an earlier lap left in a head is an older stamp, so nothing has to be cleared.
 * Rejected: an index of the producer in a line of its own (a second transfer a message), one valid flag (has to be
 * cleared, which fetches the line once more), stamping every line (the release order of the first makes the others
 * visible).
 * 3. The consumer's index goes back once a quarter of the ring: one store for many messages. The producer keeps a copy
 * and looks again when the ring seems full. No record is longer than a quarter, so a producer that waits for room never
 * waits for an index that was taken but not told.
 * 4. Two lines are kept for the end of a stream: a FIN and a CLOSE always fit.
 * 5. The peer may write anything at any time. Heads, indices and references are read once, into locals, and judged
 * before use; data is only copied or handed on. Nothing the peer can write leads outside of the mapping.
 *
 * The stamp has 40 bits: a stale head would be taken for a new one after exactly 2^40 lines, 64 TiB, in which no record
 * began at that line.
 */
#ifndef CATMEM_RING_H
#define CATMEM_RING_H

#include "core/base.h"

#include <stdatomic.h>
#include <string.h>

#define RING_PAYLOAD     56 /* bytes of a message in a line */
#define RING_STAMP_SHIFT 24
#define RING_STAMP_MASK  ((UINT64_C(1) << 40) - 1)
#define RING_NEVER       UINT64_MAX /* no stamp: has more than 40 bits */
#define RING_KIND_SHIFT  20
#define RING_LEN_MASK    ((UINT32_C(1) << RING_KIND_SHIFT) - 1)
#define RING_MARKS       2   /* lines kept for the marks of the end */
#define RING_REFS        128 /* messages by reference that may be out in a direction */
#define RING_PAGE        4096

enum ring_kind {
    RING_BYTES = 1, /* the message itself */
    RING_REF,       /* struct ring_ref */
    RING_FIN,       /* no more messages come */
    RING_CLOSE,     /* nor are any read: the queue was closed */
    RING_RESET,     /* closed in anger: SO_LINGER with a time of 0 */
};

struct ring_line {
    _Alignas(CACHE_LINE) _Atomic uint64_t head;
    char bytes[RING_PAYLOAD];
};
_Static_assert(sizeof(struct ring_line) == CACHE_LINE, "a line of the ring is a cache line");

/* A message in the memory of its sender. Offsets are from the start of a region's mapping. */
struct ring_ref {
    uint64_t data;   /* of its first byte, in the sender's region; with home, in the receiver's */
    uint64_t word;   /* of the reference word of the sender's object */
    uint32_t len;    /* of the message */
    uint32_t cookie; /* names it when it is given back */
    uint32_t home;   /* 0, or 1 + the cookie under which the receiver itself sent these bytes before */
    uint32_t spare;
};
_Static_assert(sizeof(struct ring_ref) <= RING_PAYLOAD, "a reference is one line");

/* What one end writes and the other reads. */
struct ring_end {
    _Alignas(CACHE_LINE) _Atomic uint64_t taken;  /* lines of the other end's ring that were taken */
    _Alignas(CACHE_LINE) _Atomic uint32_t parked; /* not polled: ring the bell for whatever is written to this end */
    _Atomic uint32_t wants_room;                  /* ring the bell when taken moves */
    _Alignas(CACHE_LINE) _Atomic uint64_t given_back[RING_REFS]; /* (number from 1) << 8 | cookie */
};

/* The mapping of a connection: both ends, then the ring that end 0 (who connected) fills, then that of end 1. */
struct ring_channel {
    struct ring_end end[2];
};
_Static_assert(sizeof(struct ring_channel) <= RING_PAGE, "both ends fit in front of the rings");
_Static_assert(RING_REFS <= 256, "a cookie has eight bits");

static inline size_t ring_channel_bytes(uint64_t ring_bytes)
{
    return RING_PAGE + 2 * ring_bytes;
}

static inline struct ring_line *ring_lines(void *channel, uint64_t ring_bytes, unsigned end)
{
    return (struct ring_line *)(void *)((char *)channel + RING_PAGE + end * ring_bytes);
}

static inline uint64_t ring_stamp(uint64_t pos)
{
    return (pos + 1) & RING_STAMP_MASK;
}

/* Has the record that starts at line pos come? head is what stands there. */
static inline bool ring_is_here(uint64_t head, uint64_t pos)
{
    return head >> RING_STAMP_SHIFT == ring_stamp(pos);
}

static inline unsigned ring_kind_of(uint64_t head)
{
    return (unsigned)(head >> RING_KIND_SHIFT) & 15;
}

static inline uint32_t ring_len_of(uint64_t head)
{
    return (uint32_t)head & RING_LEN_MASK;
}

/* Lines of a record with len bytes. */
static inline uint32_t ring_lines_for(uint32_t len)
{
    return len <= RING_PAYLOAD ? 1 : (len + RING_PAYLOAD - 1) / RING_PAYLOAD;
}

/* The longest message that goes through the ring itself. */
static inline uint32_t ring_inline_max(uint64_t ring_bytes)
{
    uint64_t max = ring_bytes / CACHE_LINE / 4 * RING_PAYLOAD;

    return max < RING_LEN_MASK ? (uint32_t)max : RING_LEN_MASK;
}

/* Copies n bytes, 0 to 64: a few moves that may overlap, no call. */
static inline void ring_copy(char *to, const char *from, size_t n)
{
    if (n >= 32) {
        char a[32], b[32];

        memcpy(a, from, 32);
        memcpy(b, from + n - 32, 32);
        memcpy(to, a, 32);
        memcpy(to + n - 32, b, 32);
    } else if (n >= 8) {
        uint64_t a, b, c, d;
        size_t half = n >= 16 ? 8 : 0;

        memcpy(&a, from, 8);
        memcpy(&b, from + half, 8);
        memcpy(&c, from + n - 8 - half, 8);
        memcpy(&d, from + n - 8, 8);
        memcpy(to, &a, 8);
        memcpy(to + half, &b, 8);
        memcpy(to + n - 8 - half, &c, 8);
        memcpy(to + n - 8, &d, 8);
    } else {
        for (size_t i = 0; i < n; i++)
            to[i] = from[i];
    }
}

/* Writes a record to line pos on, all of it free. Returns its lines. */
static inline uint32_t ring_put(struct ring_line *ring, uint32_t mask, uint64_t pos, enum ring_kind kind,
                                const char *from, uint32_t len)
{
    uint32_t lines = ring_lines_for(len), left = len;
    struct ring_line *first = &ring[pos & mask];

    if (len > RING_PAYLOAD) {
        left = RING_PAYLOAD;
        for (uint32_t i = 1, at = RING_PAYLOAD; i < lines; i++, at += RING_PAYLOAD)
            ring_copy(ring[(pos + i) & mask].bytes, from + at, len - at < RING_PAYLOAD ? len - at : RING_PAYLOAD);
    }
    ring_copy(first->bytes, from, left);
    /* Release: whoever sees the stamp sees the payload. */
    atomic_store_explicit(&first->head, ring_stamp(pos) << RING_STAMP_SHIFT | (uint64_t)kind << RING_KIND_SHIFT | len,
                          memory_order_release);
    return lines;
}

/* Copies a record's len bytes out of the lines from pos on. */
static inline void ring_get(const struct ring_line *ring, uint32_t mask, uint64_t pos, char *to, uint32_t len)
{
    while (len > RING_PAYLOAD) {
        ring_copy(to, ring[pos++ & mask].bytes, RING_PAYLOAD);
        to += RING_PAYLOAD;
        len -= RING_PAYLOAD;
    }
    ring_copy(to, ring[pos & mask].bytes, len);
}

/* Acquire: with the stamp comes the payload. */
static inline uint64_t ring_look(const struct ring_line *ring, uint32_t mask, uint64_t pos)
{
    return atomic_load_explicit(&ring[pos & mask].head, memory_order_acquire);
}

#endif /* CATMEM_RING_H */
