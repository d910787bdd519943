/* SPDX-License-Identifier: MIT */
/*
 * What the machine tells its observers: one call for everything that a view can show. A host without a view has no
 * probe (NULL) and pays one test. Events carry the cycle in which they happened and come in order of time for each
 * source, not across sources. Observers of a host run in that host's thread.
 */
#ifndef NANOPU_VIEW_PROBE_H
#define NANOPU_VIEW_PROBE_H

#include "core/base.h"

/* E(name, help): the meaning of a, b, c stands in the help */
#define PROBE_EVENTS(E)                                                                                                \
    E(insn, "an instruction commits; unit: hart, a: pc, b: encoding, c: issue (decode) cycle")                         \
    E(reg, "the instruction before wrote a register; unit: hart, a: number (32..63: f), b: value")                     \
    E(trap, "unit: hart, a: pc, b: mcause, c: mtval")                                                                  \
    E(ctx, "the current context changes; unit: hart, a: context, b: priority")                                         \
    E(rx_packet, "a packet's first flit enters the NIC; p: the packet")                                                \
    E(tx_packet, "a packet's first flit leaves the NIC; p: the packet")                                                \
    E(drop, "a packet or message is dropped; p or NULL, a: index of the counter that names it")                        \
    E(msg_start, "first packet of a message arrives; a: rx id, b: source ip << 16 | context, c: bytes")                \
    E(msg_complete, "a message is reassembled; a: rx id, b: context, c: bytes")                                        \
    E(msg_dispatch, "a message goes to a core; unit: hart, a: rx id, b: context")                                      \
    E(msg_done, "the guest is done with one; unit: hart, b: context")                                                  \
    E(msg_sent, "a message is complete in a TX buffer; a: tx id, b: destination ip << 16 | context, c: bytes")         \
    E(msg_acked, "all of it is acknowledged; a: tx id")                                                                \
    E(timeout, "a: tx id, b: packets to be sent again, as a bitmap")                                                   \
    E(queue, "a queue's length; unit: which, of the NIC's or switch's list, a: length, b: port")

#define PROBE_ENUM(name, help) PROBE_##name,
enum probe_kind { PROBE_EVENTS(PROBE_ENUM) PROBE_KINDS };
#undef PROBE_ENUM

struct packet;

struct probe_event {
    enum probe_kind kind;
    uint32_t node, unit;
    uint64_t cycle, a, b, c;
    const struct packet *p;
};

struct probe {
    uint32_t node;
    uint32_t wanted; /* bits of enum probe_kind: producers test before they build an event */
    void (*event)(void *arg, const struct probe_event *e);
    void *arg;
};

static inline bool probe_wants(const struct probe *p, enum probe_kind kind)
{
    return UNLIKELY(p != NULL) && (p->wanted >> kind & 1) != 0;
}

#endif /* NANOPU_VIEW_PROBE_H */
