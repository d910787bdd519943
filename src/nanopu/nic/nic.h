/* SPDX-License-Identifier: MIT */
/*
 * The nanoPU's NIC (section 4 of the machine's contract), as events: a packet's way through the pipeline is computed
 * from the cycle of its first flit, and only queues and arbiters that can be contended are simulated as such.
 *
 * The owner (sim/host.h) drives it: it runs the harts up to nic_horizon, then nic_advance. All times are cycles.
 */
#ifndef NANOPU_NIC_NIC_H
#define NANOPU_NIC_NIC_H

#include "nanopu/fabric/packet.h"
#include "nanopu/nic/hts.h"

struct nic;
struct probe;

struct nic_config {
    const struct params *params;
    uint64_t mac;        /* 48 bits */
    uint64_t switch_mac; /* destination of everything it sends */
    uint32_t ip;
    unsigned cores;
    struct hts **hts;         /* one a core; the NIC does not own them */
    struct packet_pool *pool; /* of this host */
    struct probe *probe;      /* or NULL */
    /* Called with each packet that leaves; first_flit_cycle is set and never before the time of nic_advance's last
     * event. Ownership goes to the callee. */
    void (*send)(void *arg, struct packet *p);
    void *arg;
};

/* NULL when memory is short. The configuration is copied; what it points to must outlive the NIC. */
struct nic *nic_new(const struct nic_config *config);
void nic_free(struct nic *nic);

/* A packet whose first flit enters at p->first_flit_cycle, which no earlier packet's last flit may exceed. Takes p. */
void nic_receive(struct nic *nic, struct packet *p);

/*
 * A lower bound of the first cycle in which the NIC does something that a hart can notice, given what it knows now.
 * Harts may run up to it (not including it) before nic_advance must be called.
 */
uint64_t nic_horizon(const struct nic *nic);

/* The first cycle at which nic_advance has anything to do; CYCLE_NEVER when idle. */
uint64_t nic_next_event(const struct nic *nic);

/* Does everything that happens before cycle `until`. All harts must have committed everything before it. */
void nic_advance(struct nic *nic, uint64_t until);

/* Counters of the NIC, in one list: name, help. Drops begin with drop_. */
#define NIC_COUNTERS(C)                                                                                                \
    C(rx_packets, "packets received")                                                                                  \
    C(tx_packets, "packets sent")                                                                                      \
    C(rx_msgs, "messages reassembled")                                                                                 \
    C(tx_msgs, "messages completely acknowledged")                                                                     \
    C(retransmits, "packets queued by a timeout")

#define NIC_COUNTER_FIELD(name, help) uint64_t name;
struct nic_stats {
    NIC_COUNTERS(NIC_COUNTER_FIELD)
};
#undef NIC_COUNTER_FIELD
const struct nic_stats *nic_stats(const struct nic *nic);

#endif /* NANOPU_NIC_NIC_H */
