/* SPDX-License-Identifier: MIT */
/* The few fields of a frame that the fabric looks at (section 5), by their offsets. */
#ifndef NANOPU_FABRIC_FRAME_H
#define NANOPU_FABRIC_FRAME_H

#include "nanopu/fabric/packet.h"

#define FRAME_ETHERTYPE    12
#define FRAME_IP_TOS       15
#define FRAME_IP_PROTOCOL  23
#define FRAME_IP_SOURCE    26
#define FRAME_IP_DEST      30
#define FRAME_FLAGS        34 /* of the transport */
#define FRAME_PAUSE_OPCODE 14 /* of a MAC control frame */
#define FRAME_PAUSE_QUANTA 16

#define ETHERTYPE_IPV4        0x0800
#define ETHERTYPE_MAC_CONTROL 0x8808
#define PAUSE_OPCODE          1
#define PAUSE_QUANTUM_FLITS   8 /* 512 bit times */

#define PROTOCOL_LNIC 153
#define PROTOCOL_HOMA 154
#define PROTOCOL_NDP  155

#define FLAG_DATA 0x01
#define FLAG_CHOP 0x10

static inline uint16_t frame_u16(const struct packet *p, unsigned offset)
{
    return (uint16_t)(p->data[offset] << 8 | p->data[offset + 1]);
}

static inline uint32_t frame_u32(const struct packet *p, unsigned offset)
{
    return (uint32_t)frame_u16(p, offset) << 16 | frame_u16(p, offset + 2);
}

/* Long enough to have all of the fields above, and IPv4. */
static inline bool frame_is_ipv4(const struct packet *p)
{
    return p->len_bytes > FRAME_FLAGS && frame_u16(p, FRAME_ETHERTYPE) == ETHERTYPE_IPV4;
}

/* One of the message transports. */
static inline bool frame_is_transport(const struct packet *p)
{
    return p->len_bytes >= PACKET_HEADER_BYTES && frame_is_ipv4(p) && p->data[FRAME_IP_PROTOCOL] >= PROTOCOL_LNIC &&
           p->data[FRAME_IP_PROTOCOL] <= PROTOCOL_NDP;
}

#endif /* NANOPU_FABRIC_FRAME_H */
