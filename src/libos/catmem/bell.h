/* SPDX-License-Identifier: MIT */
/*
 * The doorbell: a page each instance shares with its peers, in which they say which of its connections have something.
 *
 * 1. One bit a connection in words of 64, a bit a word in 64 summaries, a bit a summary in one top word. Whoever writes
 * to a parked connection sets its bit from the bottom up, whoever answers the bell takes them from the top down: an
 * instance with any number of idle connections polls one word. All three are set every time, even where a summary is
 * set already: whoever set it may have died before it came to the top.
 * 2. Connections that are used much are polled themselves (see poll.c); nobody rings for those.
 * 3. A writer publishes and then reads whether it has to ring; the owner says that it parks or sleeps and then reads
 * whether something was published. One of the two must see the other, which takes a full barrier on both sides. The
 * writer's would cost more than the write, so the owner does it for both: membarrier(2) orders every running processor
 * that takes part. Where that is not to be had, or where the owner sleeps so often that its system call is the larger
 * cost, the owner says so in `fenced` and the writers fence.
 */
#ifndef CATMEM_BELL_H
#define CATMEM_BELL_H

#include "core/base.h"

#include <stdatomic.h>

#define BELL_MIDS    64
#define BELL_WORDS   (64 * BELL_MIDS)
#define BELL_SLOTS   (64 * BELL_WORDS)
#define BELL_MAGIC   UINT64_C(0x0031666d656d6363)
#define BELL_VERSION 1

struct bell {
    uint64_t magic;
    uint32_t version;
    char spare_of_head[52];
    /* read after every record that is written, written rarely */
    _Alignas(CACHE_LINE) _Atomic uint32_t sleeping; /* the owner sleeps, or is about to: write to its eventfd */
    _Atomic uint32_t fenced;                        /* writers fence between publishing and reading the line */
    char spare_of_sleeping[56];
    _Alignas(CACHE_LINE) _Atomic uint64_t top;
    char spare_of_top[56];
    _Atomic uint64_t mid[BELL_MIDS];
    _Atomic uint64_t word[BELL_WORDS];
};
_Static_assert(offsetof(struct bell, mid) == 3 * CACHE_LINE, "the head, the sleeper and the top have a line each");

#define BELL_BYTES ((sizeof(struct bell) + 4095) & ~(size_t)4095)

/* Sets slot's bit. */
static inline void bell_ring(struct bell *b, uint32_t slot)
{
    uint32_t word = slot / 64, mid = word / 64;

    /*
     * Sequentially consistent: a full barrier between what was published and the bit, and between the bit and the look
     * at `sleeping` that follows.
     */
    if ((atomic_fetch_or(&b->word[word], UINT64_C(1) << (slot % 64)) & UINT64_C(1) << (slot % 64)) != 0)
        return; /* only this writer sets this bit: it set the upper ones, and the owner has yet to come down here */
    atomic_fetch_or(&b->mid[mid], UINT64_C(1) << (word % 64));
    atomic_fetch_or(&b->top, UINT64_C(1) << mid);
}

#endif /* CATMEM_BELL_H */
