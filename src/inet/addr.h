/* SPDX-License-Identifier: MIT */
/*
 * One type for addresses of both families: 16 bytes, IPv4 as ::ffff:a.b.c.d (RFC 4291, section 2.5.5.2), so that to
 * compare is two words, and a table or a state machine has no case for a family. The unspecified address of both
 * families is INET_ANY4 and INET_ANY6.
 */
#ifndef INET_ADDR_H
#define INET_ADDR_H

#include "core/base.h"
#include "core/wire.h"

#include <string.h>

struct inet_addr {
    union {
        uint8_t b[16]; /* as on the wire */
        uint64_t q[2];
    };
};
_Static_assert(sizeof(struct inet_addr) == 16, "sixteen bytes");

/* An address and a port (host order), of one end of a conversation. */
struct inet_end {
    struct inet_addr addr;
    uint16_t port;
};

#define INET_ADDR4(a0, a1, a2, a3)                                                                                     \
    ((struct inet_addr){{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, (a0), (a1), (a2), (a3)}}})
#define INET_ANY4 INET_ADDR4(0, 0, 0, 0)
#define INET_ANY6 ((struct inet_addr){{{0}}})

static inline bool inet_addr_equal(const struct inet_addr *a, const struct inet_addr *b)
{
    return ((a->q[0] ^ b->q[0]) | (a->q[1] ^ b->q[1])) == 0;
}

/* The IPv4 address, in network order as a number of the wire, that stands in wire at p. */
static inline struct inet_addr inet_addr_from4(const void *p)
{
    struct inet_addr a = INET_ANY4;

    memcpy(a.b + 12, p, 4);
    return a;
}

static inline struct inet_addr inet_addr_from6(const void *p)
{
    struct inet_addr a;

    memcpy(a.b, p, 16);
    return a;
}

static inline bool inet_addr_is4(const struct inet_addr *a)
{
    return a->q[0] == 0 && get32(a->b + 8) == 0xffff;
}

/* The IPv4 address as a number in host order. */
static inline uint32_t inet_addr_to4(const struct inet_addr *a)
{
    return get32(a->b + 12);
}

static inline bool inet_addr_is_any(const struct inet_addr *a)
{
    return a->q[0] == 0 && (a->q[1] == 0 || (get32(a->b + 8) == 0xffff && get32(a->b + 12) == 0));
}

static inline bool inet_addr_is_multicast(const struct inet_addr *a)
{
    return inet_addr_is4(a) ? a->b[12] >> 4 == 14 : a->b[0] == 0xff;
}

/* 127.0.0.0/8 or ::1. */
static inline bool inet_addr_is_loopback(const struct inet_addr *a)
{
    return inet_addr_is4(a) ? a->b[12] == 127 : a->q[0] == 0 && get32(a->b + 8) == 0 && get32(a->b + 12) == 1;
}

/* fe80::/10 */
static inline bool inet_addr_is_link_local6(const struct inet_addr *a)
{
    return a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80;
}

/* Do the first bits of a and b agree? bits counts in the 16 bytes: an IPv4 prefix of 24 is 120. */
static inline bool inet_addr_same_prefix(const struct inet_addr *a, const struct inet_addr *b, unsigned bits)
{
    unsigned bytes = bits / 8, rest = bits % 8;

    if (memcmp(a->b, b->b, bytes) != 0)
        return false;
    return rest == 0 || ((a->b[bytes] ^ b->b[bytes]) >> (8 - rest)) == 0;
}

#endif /* INET_ADDR_H */
