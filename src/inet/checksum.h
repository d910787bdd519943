/* SPDX-License-Identifier: MIT */
/*
 * The one's-complement sum of RFC 1071, which does not depend on the byte order as long as it is kept in memory's order
 * throughout: nothing here converts. Sums are running, up to 64 bits wide, and folded at the end.
 *
 * A received checksum is judged by the sum over everything including it: 0xffff is good. That takes 0x0000 and 0xffff
 * in the field for the same value, as they are in one's complement; to compute anew and compare would refuse one of
 * them, which some senders do use (RFC 1624, section 3).
 */
#ifndef INET_CHECKSUM_H
#define INET_CHECKSUM_H

#include "addr.h"

/* Adds len bytes at p to sum. An odd last byte counts as the first of a pair. */
uint64_t checksum_add(uint64_t sum, const void *p, size_t len);

/* As checksum_add, for bytes that stand at an odd (odd true) or even offset of what is summed. */
uint64_t checksum_add_at(uint64_t sum, const void *p, size_t len, bool odd);

/* 16 bits in memory's order. Adding the halves to each other swapped leaves their sum, carry included, in the upper. */
static inline uint16_t checksum_fold(uint64_t sum)
{
    uint32_t half;

    sum += sum << 32 | sum >> 32;
    half = (uint32_t)(sum >> 32);
    half += half << 16 | half >> 16;
    return (uint16_t)(half >> 16);
}

/* Adds two running sums. */
static inline uint64_t checksum_join(uint64_t a, uint64_t b)
{
    a += b;
    return a + (a < b);
}

/* The sum of n words of 32 bits, n small. */
static inline uint64_t checksum_words(const void *p, unsigned n)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < n; i++) {
        uint32_t w;

        memcpy(&w, (const char *)p + 4 * (size_t)i, 4);
        sum += w;
    }
    return sum;
}

/* What the field holds so that the whole sums up to 0xffff, in memory's order. */
static inline uint16_t checksum_finish(uint64_t sum)
{
    return (uint16_t)~checksum_fold(sum);
}

/* Is the sum over a range that includes its checksum good? Nothing but zeros sums up to the other zero. */
static inline bool checksum_good(uint64_t sum)
{
    return checksum_fold(sum) == 0xffff || checksum_fold(sum) == 0;
}

/* The sum of two addresses of a family as they stand in a header. */
static inline uint64_t checksum_addrs(const struct inet_addr *src, const struct inet_addr *dst)
{
    uint64_t sum;

    if (inet_addr_is4(src)) {
        uint32_t s, d;

        memcpy(&s, src->b + 12, 4);
        memcpy(&d, dst->b + 12, 4);
        return (uint64_t)s + d;
    }
    sum = checksum_join(src->q[0], src->q[1]);
    sum = checksum_join(sum, dst->q[0]);
    return checksum_join(sum, dst->q[1]);
}

/* What a pseudo-header has beside the addresses (RFC 9293 section 3.1, RFC 8200 section 8.1). */
static inline uint64_t checksum_pseudo_rest(uint8_t proto, uint32_t len)
{
    return (uint64_t)htobe32(len) + htobe32(proto);
}

/* The pseudo-header's sum. */
static inline uint64_t checksum_pseudo(const struct inet_addr *src, const struct inet_addr *dst, uint8_t proto,
                                       uint32_t len)
{
    return checksum_join(checksum_addrs(src, dst), checksum_pseudo_rest(proto, len));
}

#endif /* INET_CHECKSUM_H */
