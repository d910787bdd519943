/* SPDX-License-Identifier: MIT */
/*
 * One number for a conversation, from its addresses and ports, so that several instances on one device agree whose it
 * is. The same for a frame, for the ends, and for a program of classic BPF (packet.c): no more than exclusive or,
 * multiplication, shift.
 */
#ifndef NETDEV_FLOW_H
#define NETDEV_FLOW_H

#include "core/base.h"

#include <endian.h>
#include <string.h>

#define FLOW_MULTIPLIER UINT32_C(0x9e3779b1) /* 2^32 over the golden ratio: every bit of a port reaches the top */
#define FLOW_SHIFT      24 /* what is left of it: Linux takes even ports alone, low bits say nothing */

/*
 * remote and local: the last four bytes of the addresses; ports: the remote one in the upper half. All in host order.
 */
static inline uint32_t flow_hash(uint32_t remote, uint32_t local, uint32_t ports)
{
    return ((remote ^ local ^ ports) * FLOW_MULTIPLIER) >> FLOW_SHIFT;
}

static inline uint32_t flow_word(const uint8_t *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof(v));
    return be32toh(v);
}

/*
 * How a device deals conversations out to its queues by itself: receive-side scaling with Toeplitz's hash, whose key we
 * chose with a period of 16 bits. Such a hash is a linear function of the exclusive or of all 16-bit words of addresses
 * and ports, the same for both directions, and two table look-ups here. Its low bits name a bucket, which has a queue.
 */
#define FLOW_BUCKETS_MAX 512 /* of the table from buckets to queues, a power of two */

struct flow_deal {
    uint16_t low[256], high[256]; /* the hash's low bits for each half of the word */
    uint8_t queue[FLOW_BUCKETS_MAX];
    uint16_t mask; /* of a bucket's number */
};

/* The exclusive or of the words of two addresses of bytes (4 or 16) each and of ports, one in each half. */
static inline uint16_t flow_fold(const uint8_t *remote, const uint8_t *local, unsigned bytes, uint32_t ports)
{
    uint32_t x = ports;

    for (unsigned i = 0; i < bytes; i += 4)
        x ^= flow_word(remote + i) ^ flow_word(local + i);
    return (uint16_t)(x ^ x >> 16);
}

/* The hash's low 16 bits: those of the key's window at each bit of word, the highest of which is the first. */
static inline uint16_t flow_toeplitz(uint16_t key, uint16_t word)
{
    uint32_t twice = (uint32_t)key << 16 | key, hash = 0;

    for (unsigned bit = 0; bit < 16; bit++)
        if ((word << bit & 0x8000) != 0)
            hash ^= twice >> (16 - bit);
    return (uint16_t)hash;
}

/* buckets: a power of two up to FLOW_BUCKETS_MAX, which have the queues in turn. */
static inline void flow_deal_init(struct flow_deal *d, uint16_t key, unsigned buckets, unsigned queues)
{
    for (unsigned i = 0; i < 256; i++) {
        d->low[i] = flow_toeplitz(key, (uint16_t)i);
        d->high[i] = flow_toeplitz(key, (uint16_t)(i << 8));
    }
    for (unsigned i = 0; i < buckets; i++)
        d->queue[i] = (uint8_t)(i % queues);
    d->mask = (uint16_t)(buckets - 1);
}

/* fold: flow_fold of the conversation. */
static inline unsigned flow_queue(const struct flow_deal *d, uint16_t fold)
{
    return d->queue[(d->low[fold & 0xff] ^ d->high[fold >> 8]) & d->mask];
}

#endif /* NETDEV_FLOW_H */
