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

#endif /* NETDEV_FLOW_H */
