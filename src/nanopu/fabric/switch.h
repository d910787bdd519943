/* SPDX-License-Identifier: MIT */
/*
 * A switch: packets come in at ports, are sent on by the low 16 bits of their destination address, wait in queues by
 * priority, and leave at one flit a cycle. Two kinds share ports, queues and trimming (section 9.1 of the machine's
 * contract):
 *
 *   osdi21  the prototype's: time goes in iterations of the link latency
 *   exact   the same without iterations: cut-through, or store-and-forward
 *
 * A cycle is that of a packet's first flit at the switch: on the way in its arrival, on the way out its departure.
 */
#ifndef NANOPU_FABRIC_SWITCH_H
#define NANOPU_FABRIC_SWITCH_H

#include "nanopu/fabric/packet.h"
#include "nanopu/sim/params.h"

#define SWITCH_PORTS_MAX   1024
#define SWITCH_PACKETS_MAX 131072 /* waiting in one switch */
#define SWITCH_BANDS       4      /* priorities of an output port; band 0 goes first */
#define SWITCH_ROUTES      65536
#define ROUTE_NONE         0xffff
#define ADDRESS_BROADCAST  0xffff /* the low 16 bits of the address that means every port but the one it came from */

enum switch_kind { SWITCH_EXACT, SWITCH_OSDI21 };

/* C(name, help); drops begin with drop_ */
#define SWITCH_COUNTERS(C)                                                                                             \
    C(packets, "packets sent on")                                                                                      \
    C(trimmed, "DATA packets cut to their header")                                                                     \
    C(pauses, "pause frames obeyed")                                                                                   \
    C(drop_short, "packets of fewer than three flits")                                                                 \
    C(drop_unknown, "packets whose destination no port leads to")                                                      \
    C(drop_high, "packets that the high-priority queue had no room for")                                               \
    C(drop_low, "DATA packets that the low-priority queue had no room for")                                            \
    C(drop_long, "packets that never fit between two ends of an iteration")                                            \
    C(drop_memory, "packets beyond the number that a switch can hold")                                                 \
    C(peak_high_bytes, "most bytes ever in one port's high-priority queue")                                            \
    C(peak_low_bytes, "most bytes ever in one port's low-priority queue")                                              \
    C(peak_bytes, "most bytes ever in all queues of one port")

#define SWITCH_COUNTER_FIELD(name, help) uint64_t name;
struct switch_stats {
    SWITCH_COUNTERS(SWITCH_COUNTER_FIELD)
};
#undef SWITCH_COUNTER_FIELD

struct switch_config {
    enum switch_kind kind;
    uint32_t node;
    unsigned ports;
    uint64_t latency_cycles;   /* from a packet's first flit to its earliest departure */
    uint64_t iteration_cycles; /* osdi21: the latency of its links */
    bool store_and_forward;    /* exact: a packet departs when all of it has come */
    bool four_bands;           /* profile homa's classes, otherwise DATA low and the rest high */
    bool trimming;
    uint64_t high_bytes, low_bytes; /* limits of a port's queues: band 0, and each of the others */
    const uint16_t *routes;         /* SWITCH_ROUTES ports by the low 16 bits of an address; copied */
    /* or NULL: told of each change of a port's queues: bytes of band 0, and of all others */
    void (*queues)(void *arg, unsigned port, uint64_t cycle, uint64_t high_bytes, uint64_t low_bytes);
    void (*send)(void *arg, unsigned port, struct packet *p); /* the callee gives it back with switch_packet_free */
    void *arg;
};

struct fabric_switch;

/* NULL when memory is short. */
struct fabric_switch *switch_new(const struct switch_config *config);
void switch_free(struct fabric_switch *s);

/* A packet arrives at a port, after the one before it there. It is copied. */
void switch_receive(struct fabric_switch *s, unsigned port, const struct packet *p);
void switch_packet_free(struct fabric_switch *s, struct packet *p);

/*
 * Does everything before cycle `until`; all packets that arrive before it were handed in. For osdi21 `until` must not
 * lie beyond the end of an iteration that has something to do (see switch_next_event); departures are stamped from the
 * iteration's start on.
 */
void switch_advance(struct fabric_switch *s, uint64_t until);

/* Nothing happens before this cycle unless something arrives. osdi21: the last cycle of the iteration in question. */
uint64_t switch_next_event(const struct fabric_switch *s);

const struct switch_stats *switch_stats(const struct fabric_switch *s);

#endif /* NANOPU_FABRIC_SWITCH_H */
