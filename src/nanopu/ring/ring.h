/* SPDX-License-Identifier: MIT */
/*
 * A conventional NIC: packets are in memory, described by rings of descriptors there, and move by DMA through the cache
 * that the harts share. It knows no transport: what is on the wire is what is in the buffer, headers and all.
 *
 * Software and NIC share two rings of descriptors of 16 bytes:
 *
 *   0  address of the buffer, 64 bits
 *   8  receive: bytes that fit; send: bytes of the packet; 32 bits
 *   12 0; the NIC writes RING_DONE and, in the receive ring, the packet's length, when a packet is there
 *
 * and registers of 64 bits at RING_BASE (RING_REGISTERS). A tail is a doorbell: the number of descriptors that software
 * has ever handed over; a head is the number that the NIC has ever dealt with. Sent descriptors are not written back.
 *
 * Without rings software hands buffers over one at a time, through registers with queues behind them, as the published
 * baseline does: rx_post, rx_take, tx_post. A received packet fits RING_QUEUE_BUFFER bytes then. What finds a full
 * queue is counted; tx_head counts here, too.
 *
 * Time, all of it parameters (ring_*): a doorbell takes a while to arrive; descriptors are fetched a line of memory at
 * a time; a line is there after the way to the cache and what the cache below says; data passes at the bus' width each
 * way; a packet is stored before it is forwarded, both ways, since neither a wire nor a checksum waits for memory.
 */
#ifndef NANOPU_RING_RING_H
#define NANOPU_RING_RING_H

#include "nanopu/fabric/packet.h"
#include "nanopu/hart/hart.h"

#define RING_BASE  UINT64_C(0x56000000)
#define RING_BYTES UINT64_C(0x00001000)

#define RING_DESCRIPTOR_BYTES 16
#define RING_ENTRIES_MAX      4096 /* of a ring; a power of two */
#define RING_DONE             (UINT32_C(1) << 31)
#define RING_QUEUE_MAX        64   /* buffers in each queue of the registers */
#define RING_QUEUE_BUFFER     2048 /* bytes of a buffer that was handed over through a register */
#define RING_LENGTH_SHIFT     48

/* R(offset, name, help) */
#define RING_REGISTERS(R)                                                                                              \
    R(0x00, rx_base, "address of the receive ring, of whole lines of 64 bytes")                                        \
    R(0x08, rx_entries, "its descriptors: a power of two")                                                             \
    R(0x10, rx_tail, "doorbell: empty buffers handed over, ever")                                                      \
    R(0x18, rx_head, "packets received, ever")                                                                         \
    R(0x20, tx_base, "address of the send ring, of whole lines of 64 bytes")                                           \
    R(0x28, tx_entries, "its descriptors: a power of two")                                                             \
    R(0x30, tx_tail, "doorbell: packets handed over, ever")                                                            \
    R(0x38, tx_head, "packets sent, ever")                                                                             \
    R(0x40, irq_on, "1: a received packet raises the interrupt, external interrupt 11 of hart 0")                      \
    R(0x48, irq_seen, "a write ends the interrupt; the next received packet raises it again")                          \
    R(0x50, rx_post, "queues instead of rings: an empty buffer's address")                                             \
    R(0x58, rx_take, "a received packet: its buffer's address, length << 48; 0: there is none")                        \
    R(0x60, tx_post, "a packet to be sent: its buffer's address, length << 48")

#define RING_REGISTER_ENUM(offset, name, help) RING_##name = (offset),
enum ring_register { RING_REGISTERS(RING_REGISTER_ENUM) };
#undef RING_REGISTER_ENUM

/* C(name, help); what is lost begins with drop_ */
#define RING_COUNTERS(C)                                                                                               \
    C(rx_packets, "packets received")                                                                                  \
    C(rx_done, "packets written to memory")                                                                            \
    C(tx_packets, "packets sent")                                                                                      \
    C(doorbells, "stores to a tail")                                                                                   \
    C(fetches, "lines of descriptors read")                                                                            \
    C(dma_reads, "lines of packets read")                                                                              \
    C(dma_writes, "lines of packets written")                                                                          \
    C(interrupts, "times the interrupt rose")                                                                          \
    C(rx_waits, "packets that waited for an empty buffer")                                                             \
    C(drop_input_full, "packets: the input buffer was full")                                                           \
    C(drop_queue_full, "buffers: a register's queue was full")                                                         \
    C(drop_rx_long, "packets: longer than their buffer")                                                               \
    C(drop_rx_address, "packets: their buffer is not in memory")                                                       \
    C(drop_tx_length, "packets to be sent: no byte, or more than a packet has")                                        \
    C(drop_tx_address, "packets to be sent: their buffer is not in memory")                                            \
    C(drop_no_packet, "packets to be sent: the host's packet pool was empty")

#define RING_COUNTER_FIELD(name, help) uint64_t name;
struct ring_stats {
    RING_COUNTERS(RING_COUNTER_FIELD)
};
#undef RING_COUNTER_FIELD

struct ring_nic;
struct probe;
struct l2;

struct ring_config {
    const struct params *params;
    struct memory *memory;
    struct l2 *l2;                             /* or NULL without timing */
    struct hart *const *harts;                 /* the first one gets the interrupt */
    struct packet_pool *pool;                  /* of this host */
    struct probe *probe;                       /* or NULL */
    void (*send)(void *arg, struct packet *p); /* with its first_flit_cycle; the callee owns it then */
    void *arg;
};

/* NULL when memory is short. The configuration is copied; what it points to must outlive the NIC. */
struct ring_nic *ring_new(const struct ring_config *config);
void ring_free(struct ring_nic *r);

/* A packet whose first flit enters at p->first_flit_cycle, in their order. Takes p. */
void ring_receive(struct ring_nic *r, struct packet *p);

/* The next cycle in which memory, a register or the interrupt changes, or a packet leaves; CYCLE_NEVER. */
uint64_t ring_next_event(const struct ring_nic *r);

/* Does everything up to and including the cycle; the harts have committed everything before it. */
void ring_advance(struct ring_nic *r, uint64_t cycle);

/* Accesses of a hart at a commit cycle to RING_BASE + offset, of 8 bytes. 0 or -EFAULT. */
int ring_load(struct ring_nic *r, uint64_t offset, unsigned size, uint64_t *value);
int ring_store(struct ring_nic *r, struct hart *by, uint64_t cycle, uint64_t offset, unsigned size, uint64_t value);

const struct ring_stats *ring_stats(const struct ring_nic *r);

#endif /* NANOPU_RING_RING_H */
