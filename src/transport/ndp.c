/* SPDX-License-Identifier: MIT */
#include "transport/ndp.h"

/* ---- Receiver ---- */

void ndp_rx_start(struct ndp_rx *m, const struct ndp_options *o, uint16_t msg_len)
{
    assert(msg_len != 0 && o->rtt_pkts != 0);
    *m = (struct ndp_rx){.msg_len = msg_len, .pull = o->rtt_pkts};
}

bool ndp_rx_complete(const struct ndp_rx *m)
{
    return m->received == msg_mask(msg_packets(m->msg_len));
}

enum ndp_verdict ndp_rx_data(struct ndp_rx *m, const struct ndp_options *o, uint8_t pkt_offset, bool trimmed,
                             struct ndp_reply *reply)
{
    uint64_t bit = UINT64_C(1) << pkt_offset;
    bool duplicate = !trimmed && (m->received & bit) != 0;

    assert(pkt_offset < msg_packets(m->msg_len));
    if (duplicate && o->no_ack_duplicate) {
        *reply = (struct ndp_reply){0};
        return NDP_DUPLICATE;
    }
    /* A trimmed packet comes back, so it earns no new one. */
    if (!trimmed && m->pull < UINT16_MAX)
        m->pull++;
    reply->flags = trimmed ? MSG_NACK : MSG_ACK;
    reply->pull_offset = m->pull;
    if (trimmed || o->pull_always || m->pull <= msg_packets(m->msg_len))
        reply->flags |= MSG_PULL;
    if (trimmed)
        return NDP_TRIMMED;
    m->received |= bit;
    return duplicate ? NDP_DUPLICATE : NDP_STORE;
}

struct ndp_reply ndp_rx_late(const struct ndp_options *o)
{
    return (struct ndp_reply){.flags = o->no_ack_duplicate ? 0 : MSG_ACK};
}

struct ndp_reply ndp_rx_refuse(const struct ndp_options *o, uint8_t pkt_offset)
{
    uint16_t pull = (uint16_t)(pkt_offset + 1);

    /* The pull asks for this very packet again, after the time that pulls are paced by. */
    return (struct ndp_reply){.flags = MSG_NACK | MSG_PULL, .pull_offset = pull > o->rtt_pkts ? pull : o->rtt_pkts};
}

/* ---- Sender ---- */

void ndp_tx_start(struct ndp_tx *m, const struct ndp_options *o, uint16_t msg_len)
{
    assert(msg_len != 0 && o->rtt_pkts != 0);
    *m = (struct ndp_tx){.msg_len = msg_len, .credit = o->rtt_pkts};
}

bool ndp_tx_ready(struct ndp_tx *m, const struct ndp_options *o, uint8_t pkt_offset)
{
    uint64_t bit = UINT64_C(1) << pkt_offset;

    assert(pkt_offset < msg_packets(m->msg_len));
    m->ready |= bit;
    if (pkt_offset < m->credit || pkt_offset < o->rtt_pkts)
        return true;
    m->waiting |= bit;
    return false;
}

void ndp_tx_sent(struct ndp_tx *m, uint8_t pkt_offset)
{
    if (pkt_offset > m->sent_offset)
        m->sent_offset = pkt_offset;
}

bool ndp_tx_control(struct ndp_tx *m, const struct ndp_options *o, uint8_t flags, uint8_t pkt_offset,
                    uint16_t pull_offset, uint64_t *send)
{
    uint64_t bit = pkt_offset < msg_packets(m->msg_len) ? UINT64_C(1) << pkt_offset : 0;

    *send = 0;
    if ((flags & MSG_ACK) != 0)
        m->delivered |= bit;
    if ((flags & MSG_NACK) != 0)
        m->waiting |= bit & m->ready;
    if ((flags & MSG_PULL) != 0) {
        if (o->pull_overwrites || pull_offset > m->credit)
            m->credit = pull_offset;
        *send = m->waiting & msg_mask(m->credit);
        m->waiting &= ~*send;
    }
    return ndp_tx_complete(m);
}

uint64_t ndp_tx_timeout(struct ndp_tx *m, const struct ndp_options *o)
{
    unsigned highest = o->first_timeout_packet ? m->rtx_offset : m->sent_offset;
    uint64_t again = ~m->delivered & m->ready & msg_mask(highest + 1);

    m->rtx_offset = m->sent_offset;
    m->waiting &= ~again;
    return again;
}
