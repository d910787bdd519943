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

/* NULL with errno ENOMEM. The configuration is copied; what it points
 * to must outlive the NIC. */
struct nic *nic_new(const struct nic_config *config);
void nic_free(struct nic *nic);

/* A packet whose first flit enters at p->first_flit_cycle, which no earlier packet's last flit may exceed. Takes p. */
void nic_receive(struct nic *nic, struct packet *p);

/*
 * A lower bound of the first cycle in which the NIC does something that a hart can notice, given what it knows now.
 * Harts may run up to it (not including it) before nic_advance must be called. Always after nic_advance's last `until`.
 */
uint64_t nic_horizon(const struct nic *nic);

/* The first cycle at which nic_advance has anything to do; CYCLE_NEVER when idle. */
uint64_t nic_next_event(const struct nic *nic);

/* Does everything that happens before cycle `until`. All harts must have committed everything before it. */
void nic_advance(struct nic *nic, uint64_t until);

/* Counters of the NIC, in one list: name, help. Packets, messages and events that are lost are named drop_. */
#define NIC_COUNTERS(C)                                                                                                \
    C(rx_packets, "packets received")                                                                                  \
    C(rx_data, "DATA packets among them")                                                                              \
    C(rx_trimmed, "DATA packets without their payload among them")                                                     \
    C(rx_control, "control packets among them")                                                                        \
    C(rx_msgs, "messages reassembled")                                                                                 \
    C(dispatched, "messages given to a core")                                                                          \
    C(forgotten, "notifications that found no core with room")                                                         \
    C(tx_packets, "packets sent")                                                                                      \
    C(tx_data, "DATA packets among them")                                                                              \
    C(tx_control, "control packets among them")                                                                        \
    C(tx_started, "messages begun by a core")                                                                          \
    C(tx_msgs, "messages completely acknowledged")                                                                     \
    C(timeouts, "timeouts")                                                                                            \
    C(retransmits, "packets queued by a timeout")                                                                      \
    C(double_frees, "complete ACKs of a message that was complete already (the prototype frees its id again)")         \
    C(done_underflows, "get_next_msg without a message outstanding")                                                   \
    C(rxq_stalls, "waits of a reassembled message for room in the receive queues")                                     \
    C(core_stalls, "waits of a word for room in a core's receive FIFO")                                                \
    C(tx_stalls, "waits of a message for a transmit buffer")                                                           \
    C(egress_stalls, "waits of a packet for room in the queue before the wire")                                        \
    C(register_overwritten, "registrations lost to a second one of the same core")                                     \
    C(drop_input_full, "packets: the input queue was full")                                                            \
    C(drop_not_ready, "packets: before the NIC's tables were initialised")                                             \
    C(drop_short, "packets: not a byte behind the header")                                                             \
    C(drop_not_ipv4, "packets: not IPv4, or with options")                                                             \
    C(drop_protocol, "packets: another IP protocol")                                                                   \
    C(drop_address, "packets: for another IP address (quirk_no_rx_check off)")                                         \
    C(drop_checksum, "packets: bad IP checksum (quirk_no_rx_check off)")                                               \
    C(drop_flags, "packets: neither DATA nor control")                                                                 \
    C(drop_length, "packets: message length 0 or above max_msg_bytes, or less payload than it demands")                \
    C(drop_offset, "packets: offset beyond the message")                                                               \
    C(drop_mismatch, "packets: another length or context than the message had before")                                 \
    C(drop_context, "packets: a context that does not exist")                                                          \
    C(drop_unregistered, "packets: a context that no core has registered")                                             \
    C(drop_no_buffer, "packets: no receive buffer")                                                                    \
    C(drop_duplicate, "packets: received before")                                                                      \
    C(drop_late, "packets: of a message that was delivered before")                                                    \
    C(drop_stale, "control packets: of no message that is being sent")                                                 \
    C(drop_control, "control packets: the queue was full")                                                             \
    C(drop_pull, "PULLs: the queue of paced ones was full")                                                            \
    C(drop_descriptor, "descriptors: a packet scheduler was full")                                                     \
    C(drop_get_next, "get_next_msg: the core's queue was full, or no such context")                                    \
    C(drop_register, "registrations of a context that does not exist")                                                 \
    C(drop_tx_length, "messages to be sent: length 0 or above max_msg_bytes")                                          \
    C(drop_tx_acked, "messages to be sent: acknowledged before they were written, by a stale ACK")                     \
    C(drop_no_packet, "packets to be sent: the host's packet pool was empty")

#define NIC_COUNTER_FIELD(name, help) uint64_t name;
struct nic_stats {
    NIC_COUNTERS(NIC_COUNTER_FIELD)
};
#undef NIC_COUNTER_FIELD
const struct nic_stats *nic_stats(const struct nic *nic);

/*
 * Where the prototype's assertions fail or it stands still for good, this NIC counts and goes on; the first such event
 * is remembered for runs that are to fail then. F(name, text)
 */
#define NIC_FAULTS(F)                                                                                                  \
    F(INPUT_FULL, "the input queue overflows: packets come faster than the wire is")                                   \
    F(CONTEXT, "a message for a context that does not exist: the receive path stops for good")                         \
    F(UNREGISTERED, "a message for a context that no core has registered")                                             \
    F(CONTROL_FULL, "the queue of control packets overflows")                                                          \
    F(PULL_FULL, "the queue of paced PULLs overflows")                                                                 \
    F(DESCRIPTOR_FULL, "a packet scheduler overflows")                                                                 \
    F(GET_NEXT_FULL, "a core's queue of get_next_msg overflows")

#define NIC_FAULT_ENUM(name, text) NIC_FAULT_##name,
enum nic_fault { NIC_NO_FAULT, NIC_FAULTS(NIC_FAULT_ENUM) NIC_FAULT_COUNT };
#undef NIC_FAULT_ENUM
enum nic_fault nic_fault(const struct nic *nic);
const char *nic_fault_text(enum nic_fault f);

/* The index of a counter in the list, for probe events of kind drop, and its name. */
#define NIC_COUNTER_INDEX(name, help) NIC_COUNTER_##name,
enum nic_counter { NIC_COUNTERS(NIC_COUNTER_INDEX) NIC_COUNTER_COUNT };
#undef NIC_COUNTER_INDEX
const char *nic_counter_name(unsigned index);

/* Queues whose lengths a probe is told: Q(name, help), unit of a queue event. */
#define NIC_QUEUES(Q)                                                                                                  \
    Q(completed, "reassembled messages that wait for the receive queues")                                              \
    Q(rxq, "64-byte words in the global receive queues")                                                               \
    Q(paced, "PULLs that wait for their time")                                                                         \
    Q(control, "control packets that wait for the arbiter")                                                            \
    Q(tx_msgs, "messages in the transmit buffers")
#define NIC_QUEUE_INDEX(name, help) NIC_QUEUE_##name,
enum nic_queue { NIC_QUEUES(NIC_QUEUE_INDEX) NIC_QUEUE_COUNT };
#undef NIC_QUEUE_INDEX

#endif /* NANOPU_NIC_NIC_H */
