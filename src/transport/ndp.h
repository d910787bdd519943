/* SPDX-License-Identifier: MIT */
/*
 * NDP for messages, as the nanoPU's NIC speaks it (sections 6.1 to 6.3 of the machine's contract; Handley et al.,
 * "Re-architecting datacenter networks and stacks for low latency and high performance", SIGCOMM 2017).
 *
 * A sender may send the first rtt_pkts packets of a message unasked; each packet that arrives, whole or trimmed, pulls
 * one more. Here is the state of one message on either side and what an event does to it: plain values in, plain values
 * out. Who calls it owns buffers, tables of messages, queues and clocks; it says when a timeout has come and sends
 * what it is told to send. Nothing here allocates or fails.
 */
#ifndef TRANSPORT_NDP_H
#define TRANSPORT_NDP_H

#include "transport/msg_header.h"

/* How to behave. All flags false: what is right. The prototype's own ways are named by section 10's quirks. */
struct ndp_options {
    uint16_t rtt_pkts;         /* 1 to 255 */
    bool no_ack_duplicate;     /* a duplicate is dropped without a word, even if its ACK was lost */
    bool pull_overwrites;      /* a PULL sets the credit, also to less than it was */
    bool pull_always;          /* pull for each packet, also when the sender has none left to send */
    bool first_timeout_packet; /* a first timeout sends no other packet than the first again */
};

/* A message being received. */
struct ndp_rx {
    uint64_t received; /* bitmap of packets */
    uint16_t msg_len;  /* bytes */
    uint16_t pull;     /* packets that the sender has been allowed to send so far */
};

enum ndp_verdict {
    NDP_STORE,    /* keep the payload */
    NDP_TRIMMED,  /* there is none: the packet was cut */
    NDP_DUPLICATE /* drop it */
};

/* What to send back: flags 0 for nothing. Everything else in the control packet is taken from the DATA packet. */
struct ndp_reply {
    uint8_t flags;
    uint16_t pull_offset;
};

/* msg_len is not 0. */
void ndp_rx_start(struct ndp_rx *m, const struct ndp_options *o, uint16_t msg_len);

/* A DATA packet, whose offset is below msg_packets(msg_len); trimmed: it has the CHOP flag. */
enum ndp_verdict ndp_rx_data(struct ndp_rx *m, const struct ndp_options *o, uint8_t pkt_offset, bool trimmed,
                             struct ndp_reply *reply);

bool ndp_rx_complete(const struct ndp_rx *m);

/* The reply to a packet of a message that was received and delivered before, or for which there is no buffer. */
struct ndp_reply ndp_rx_late(const struct ndp_options *o);
struct ndp_reply ndp_rx_refuse(const struct ndp_options *o, uint8_t pkt_offset);

/* A message being sent. */
struct ndp_tx {
    uint64_t ready;      /* packets whose bytes are in the buffer */
    uint64_t delivered;  /* acknowledged */
    uint64_t waiting;    /* to be sent when there is credit (the prototype's "to be transmitted") */
    uint16_t msg_len;    /* bytes */
    uint16_t credit;     /* packets below this may be sent */
    uint8_t rtx_offset;  /* highest packet that a timeout may send again */
    uint8_t sent_offset; /* highest packet that was sent */
};

void ndp_tx_start(struct ndp_tx *m, const struct ndp_options *o, uint16_t msg_len);

/* The packet's bytes are complete. Returns whether to send it now; otherwise it waits for credit. */
bool ndp_tx_ready(struct ndp_tx *m, const struct ndp_options *o, uint8_t pkt_offset);

/* A packet leaves for the first time or again. */
void ndp_tx_sent(struct ndp_tx *m, uint8_t pkt_offset);

/* A control packet. Sets *send to the packets to send now; returns whether the whole message is acknowledged. */
bool ndp_tx_control(struct ndp_tx *m, const struct ndp_options *o, uint8_t flags, uint8_t pkt_offset,
                    uint16_t pull_offset, uint64_t *send);

/* The timeout has come. Returns the packets to send again; the caller sets the same timeout anew. */
uint64_t ndp_tx_timeout(struct ndp_tx *m, const struct ndp_options *o);

static inline bool ndp_tx_complete(const struct ndp_tx *m)
{
    return m->delivered == msg_mask(msg_packets(m->msg_len));
}

#endif /* TRANSPORT_NDP_H */
