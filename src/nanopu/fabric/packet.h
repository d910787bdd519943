/* SPDX-License-Identifier: MIT */
/*
 * A packet of the simulated network: what travels on links, through switches and into NICs as one object.
 *
 * A link carries one flit of 8 bytes a cycle and a packet's flits follow each other without a gap, so the cycle of the
 * first flit says when each of the others passes: flit i at first_flit_cycle + i. A device hands a packet on as soon as
 * it knows when the first flit leaves; the bytes are all there already. That is how cut-through works here.
 */
#ifndef NANOPU_FABRIC_PACKET_H
#define NANOPU_FABRIC_PACKET_H

#include "core/base.h"

#define FLIT_BYTES          8
#define PACKET_HEADER_BYTES 64   /* Ethernet 14, IPv4 20, transport 30 */
#define SEGMENT_BYTES       1024 /* payload of a full DATA packet */
#define PACKET_BYTES_MAX    (PACKET_HEADER_BYTES + SEGMENT_BYTES)

struct packet {
    struct packet *next;       /* for whoever owns it */
    uint64_t first_flit_cycle; /* at the place where the packet is now */
    uint64_t id;               /* for traces: (source node + 1) << 40 | sequence number there; survives hops */
    uint32_t len_bytes;        /* on the wire, 1 to PACKET_BYTES_MAX; no preamble, no frame check sequence */
    uint8_t data[PACKET_BYTES_MAX];
};

static inline uint32_t packet_flits(const struct packet *p)
{
    return (p->len_bytes + FLIT_BYTES - 1) / FLIT_BYTES;
}

/*
 * A pool of packets of one node; only that node's thread touches it. Bounded: packet_alloc gives NULL at the bound and
 * counts it. A packet that crosses to another node is copied into that node's pool.
 */
struct packet_pool {
    struct packet *free;
    struct packet *all; /* chunks, linked through their first packet's next */
    uint32_t in_use, made, max;
    uint64_t exhausted; /* times packet_alloc found nothing */
    uint64_t next_id;
};

void packet_pool_init(struct packet_pool *pool, uint32_t node, uint32_t max);
void packet_pool_fini(struct packet_pool *pool);

/* A packet with len_bytes 0 and a new id, or NULL when max are in use or memory is short. */
struct packet *packet_alloc(struct packet_pool *pool);
void packet_free(struct packet_pool *pool, struct packet *p);

#endif /* NANOPU_FABRIC_PACKET_H */
