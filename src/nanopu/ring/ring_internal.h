/* SPDX-License-Identifier: MIT */
/* State of the conventional NIC, for the files of this room. */
#ifndef NANOPU_RING_RING_INTERNAL_H
#define NANOPU_RING_RING_INTERNAL_H

#include "nanopu/hart/cache.h"
#include "nanopu/ring/ring.h"

#define RING_PENDING_MAX  8  /* packets under way between NIC and memory, each way */
#define RING_DOORBELL_MAX 16 /* stores under way to the NIC; more than harts can have there */
#define RING_LINE_ENTRIES (CACHE_LINE / RING_DESCRIPTOR_BYTES)
#define RING_WINDOW_MAX   64 /* lines under way */

struct ring_descriptor {
    uint64_t address;
    uint32_t length;
};

/* Descriptors of one line of memory, as they were fetched. */
struct ring_lines {
    struct ring_descriptor entry[RING_LINE_ENTRIES];
    uint64_t begin, end;  /* numbers, ever */
    uint64_t fetch_done;  /* CYCLE_NEVER: none is being fetched */
    uint64_t fetch_begin; /* the first one's number */
};

struct ring {
    uint64_t base, entries, head, tail; /* head: what was finished; tail: as the NIC knows it */
    uint64_t next;                      /* the next one to be begun */
    struct ring_lines lines;
};

/* Buffers behind a register. */
struct ring_queue {
    struct ring_descriptor entry[RING_QUEUE_MAX];
    unsigned first, count;
};

/* A packet that is written to memory, or read, at a cycle. */
struct ring_move {
    uint64_t done;
    struct packet *packet; /* received */
    struct ring_descriptor buffer;
    uint64_t number;
    bool queued; /* its buffer came through a register */
};

struct ring_moves {
    struct ring_move move[RING_PENDING_MAX];
    unsigned first, count;
};

struct ring_doorbell {
    uint64_t cycle, value;
    unsigned reg;
};

/* One way of the bus between NIC and cache. */
struct ring_bus {
    uint64_t free;
    uint64_t slot[RING_WINDOW_MAX]; /* when the line that last used it was there */
    unsigned next;
};

struct ring_nic {
    struct ring_config c;
    const struct params *p;
    struct ring rx, tx;
    struct ring_bus read, write;
    struct ring_moves rx_moves, tx_moves;
    struct packet *input_head, *input_tail;
    uint64_t input_bytes;
    bool input_waits; /* the first packet was counted as one that waits for a buffer */
    struct ring_queue posted, taken, tx_posted;
    struct ring_doorbell doorbell[RING_DOORBELL_MAX];
    unsigned doorbells;
    uint64_t rx_done_last;        /* packets are there in the order in which they came */
    uint64_t wire_free, tx_start; /* the earliest cycle in which another packet's read may begin */
    uint64_t irq_at;              /* when the line rises; CYCLE_NEVER */
    bool irq_on, irq_up;
    uint64_t now; /* all events up to here are done */
    struct ring_stats stats;
};

/* The cycle in which `bytes` at an address have come, or are in the cache, when asked for at a cycle. */
uint64_t ring_read_done(struct ring_nic *r, uint64_t address, uint64_t bytes, uint64_t cycle, uint64_t *lines);
uint64_t ring_write_done(struct ring_nic *r, uint64_t address, uint64_t bytes, uint64_t cycle, uint64_t *lines);

/* Descriptors slip in between the lines of packets: they occupy no bus. A line of them is read; some bytes are written.
 */
uint64_t ring_fetch_done(struct ring_nic *r, uint64_t address, uint64_t cycle);
uint64_t ring_write_back_done(struct ring_nic *r, uint64_t address, uint64_t bytes, uint64_t cycle);

/* Puts bytes into memory, in a cycle that no hart has passed; what harts had of it they have no longer. */
void ring_put(struct ring_nic *r, uint64_t address, const void *data, uint64_t bytes, uint64_t cycle);

#endif /* NANOPU_RING_RING_INTERNAL_H */
