/* SPDX-License-Identifier: MIT */
/*
 * A message transport, NDP or Homa: what becomes of one message on either side when something happens to it. Plain
 * values in, plain values out. Who calls it, a NIC or a host's sockets, owns buffers, tables of messages, queues and
 * clocks; it says when a timeout has come and sends what it is told to send. Nothing here allocates or fails.
 *
 * A sender may send the first rtt_pkts packets of a message unasked; what the receiver answers to each packet lets it
 * send more. The transports differ in what that answer is and in whom it goes to (struct transport); the sender's
 * bookkeeping is the same.
 *
 * Receiver: rx_start for a message's first packet, rx_data for each, rx_end when its state is thrown away.
 * Sender: msg_tx_start, msg_tx_ready for each packet whose bytes are there, tx_tos and msg_tx_sent for each packet that
 * leaves, tx_control for each answer, msg_tx_timeout.
 */
#ifndef TRANSPORT_TRANSPORT_H
#define TRANSPORT_TRANSPORT_H

#include "transport/msg_header.h"

/* How to behave. All flags false: what is right. The prototype's own ways are named by section 10's quirks. */
struct msg_options {
    uint16_t rtt_pkts;         /* 1 to 255 */
    bool no_ack_duplicate;     /* a duplicate is dropped without a word, even if its ACK was lost */
    bool pull_overwrites;      /* a PULL or GRANT sets the credit, also to less than it was */
    bool pull_always;          /* NDP: pull for each packet, also when the sender has none left to send */
    bool first_timeout_packet; /* a first timeout sends no other packet than the first again, and none sends a probe */
};

/* A message being received. All fields belong to the transport. */
struct msg_rx {
    uint64_t received;             /* bitmap of packets */
    uint16_t msg_len;              /* bytes */
    uint16_t granted;              /* packets that the sender has been allowed to send so far */
    uint16_t grantable;            /* Homa: that it could be allowed to send */
    uint16_t id;                   /* Homa: of two with equally many packets to come the lower one is first */
    struct msg_rx *before, *after; /* Homa: in the receiver's list */
    bool listed;
};

/* What a host keeps for all messages in reception. Zeros but for the options is its beginning. */
struct msg_receiver {
    struct msg_options o;
    struct msg_rx
        *first; /* Homa: messages that are not wholly granted, the one with the fewest packets to come first */
};

/*
 * An answer. flags 0: none. Everything else in the control packet is taken from the DATA packets of the message whose
 * sender it goes to: `to`, or the packet's own when that is NULL.
 */
struct msg_control {
    uint8_t flags;
    uint8_t pkt_offset;
    uint8_t grant_prio;
    uint16_t pull_offset;
    struct msg_rx *to;
};

#define MSG_ANSWERS_MAX 2 /* to one packet */

enum msg_verdict {
    MSG_STORE,    /* keep the payload */
    MSG_TRIMMED,  /* there is none: the packet was cut */
    MSG_DUPLICATE /* drop it */
};

/* A message being sent. */
struct msg_tx {
    uint64_t ready;      /* packets whose bytes are in the buffer */
    uint64_t sent;       /* that left at least once */
    uint64_t delivered;  /* acknowledged */
    uint64_t waiting;    /* to be sent when there is credit (the prototype's "to be transmitted") */
    uint16_t msg_len;    /* bytes */
    uint16_t credit;     /* packets below this may be sent */
    uint8_t rtx_offset;  /* highest packet that a timeout may send again */
    uint8_t sent_offset; /* highest packet that was sent */
    uint8_t prio;        /* Homa: of the last GRANT */
};

struct transport {
    const char *name;
    enum msg_layout layout;
    uint8_t ip_protocol; /* of profile homa, in which both can be told apart */
    bool plain_ack;      /* the answer to a message in one packet is an ACK of it and nothing else (not pull_always) */

    /* The message's state is new. msg_len is not 0; id is not that of another message of this receiver. */
    void (*rx_start)(struct msg_receiver *r, struct msg_rx *m, uint16_t id, uint16_t msg_len);
    /* A DATA packet, whose offset is below msg_packets(msg_len); trimmed: it has the CHOP flag. Sets all answers. */
    enum msg_verdict (*rx_data)(struct msg_receiver *r, struct msg_rx *m, uint8_t pkt_offset, bool trimmed,
                                struct msg_control answer[MSG_ANSWERS_MAX]);
    /* The receiver forgets the message, complete or not. */
    void (*rx_end)(struct msg_receiver *r, struct msg_rx *m);
    /* The answer to a packet of a message that was delivered before, and to one for which there is no buffer. */
    struct msg_control (*rx_late)(const struct msg_options *o, uint16_t msg_len, uint8_t pkt_offset);
    struct msg_control (*rx_refuse)(const struct msg_options *o, uint8_t pkt_offset);

    /* A control packet. Sets *send to the packets to send now; returns whether the whole message is acknowledged. */
    bool (*tx_control)(struct msg_tx *m, const struct msg_options *o, const struct msg_header *h, uint64_t *send);
    /* The IPv4 type of service, in which switches find the priority, of a packet that is about to leave. */
    uint8_t (*tx_tos)(const struct msg_tx *m, uint8_t pkt_offset);
};

extern const struct transport ndp_transport, homa_transport;

/* By name; NULL when there is none. */
const struct transport *transport_find(const char *name);

bool msg_rx_complete(const struct msg_rx *m);

/* msg_len is not 0. */
static inline void msg_tx_start(struct msg_tx *m, const struct msg_options *o, uint16_t msg_len)
{
    assert(msg_len != 0 && o->rtt_pkts != 0);
    *m = (struct msg_tx){.msg_len = msg_len, .credit = o->rtt_pkts};
}

/* The packet's bytes are complete. Returns whether to send it now; otherwise it waits for credit. */
static inline bool msg_tx_ready(struct msg_tx *m, const struct msg_options *o, uint8_t pkt_offset)
{
    uint64_t bit = UINT64_C(1) << pkt_offset;

    assert(pkt_offset < msg_packets(m->msg_len));
    m->ready |= bit;
    if (pkt_offset < m->credit || pkt_offset < o->rtt_pkts)
        return true;
    m->waiting |= bit;
    return false;
}

/* A packet leaves for the first time or again. */
static inline void msg_tx_sent(struct msg_tx *m, uint8_t pkt_offset)
{
    m->sent |= UINT64_C(1) << pkt_offset;
    if (pkt_offset > m->sent_offset)
        m->sent_offset = pkt_offset;
}

/*
 * The timeout has come. Returns the packets to send again; the caller sets the same timeout anew. When all that was
 * sent is acknowledged and what would let more be sent was lost, that is the last one: its answer says it again.
 */
uint64_t msg_tx_timeout(struct msg_tx *m, const struct msg_options *o);

bool msg_tx_complete(const struct msg_tx *m);

#endif /* TRANSPORT_TRANSPORT_H */
