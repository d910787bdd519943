/* SPDX-License-Identifier: MIT */
/*
 * NDP for messages, as the nanoPU's NIC speaks it (sections 6.1 to 6.3 of the machine's contract; Handley et al.,
 * "Re-architecting datacenter networks and stacks for low latency and high performance", SIGCOMM 2017): each packet
 * that arrives, whole or trimmed, pulls one more of its message.
 */
#include "transport/transport.h"

#define IP_PROTOCOL 155

static void rx_start(struct msg_receiver *r, struct msg_rx *m, uint16_t id, uint16_t msg_len)
{
    assert(msg_len != 0 && r->o.rtt_pkts != 0);
    *m = (struct msg_rx){.msg_len = msg_len, .granted = r->o.rtt_pkts, .id = id};
}

static enum msg_verdict rx_data(struct msg_receiver *r, struct msg_rx *m, uint8_t pkt_offset, bool trimmed,
                                struct msg_control answer[MSG_ANSWERS_MAX])
{
    uint64_t bit = UINT64_C(1) << pkt_offset;
    bool duplicate = !trimmed && (m->received & bit) != 0;

    assert(pkt_offset < msg_packets(m->msg_len));
    answer[0] = answer[1] = (struct msg_control){0};
    if (duplicate && r->o.no_ack_duplicate)
        return MSG_DUPLICATE;
    /* A trimmed packet comes back, so it earns no new one. */
    if (!trimmed && m->granted < UINT16_MAX)
        m->granted++;
    answer[0].flags = trimmed ? MSG_NACK : MSG_ACK;
    answer[0].pkt_offset = pkt_offset;
    answer[0].pull_offset = m->granted;
    if (trimmed || r->o.pull_always || m->granted <= msg_packets(m->msg_len))
        answer[0].flags |= MSG_PULL;
    if (trimmed)
        return MSG_TRIMMED;
    m->received |= bit;
    return duplicate ? MSG_DUPLICATE : MSG_STORE;
}

static void rx_end(struct msg_receiver *r, struct msg_rx *m)
{
    (void)r;
    (void)m;
}

static struct msg_control rx_late(const struct msg_options *o, uint16_t msg_len, uint8_t pkt_offset)
{
    (void)msg_len;
    return (struct msg_control){.flags = o->no_ack_duplicate ? 0 : MSG_ACK, .pkt_offset = pkt_offset};
}

static struct msg_control rx_refuse(const struct msg_options *o, uint8_t pkt_offset)
{
    uint16_t pull = (uint16_t)(pkt_offset + 1);

    /* The pull asks for this very packet again, after the time that pulls are paced by. */
    return (struct msg_control){
        .flags = MSG_NACK | MSG_PULL, .pkt_offset = pkt_offset, .pull_offset = pull > o->rtt_pkts ? pull : o->rtt_pkts};
}

static bool tx_control(struct msg_tx *m, const struct msg_options *o, const struct msg_header *h, uint64_t *send)
{
    uint64_t bit = h->pkt_offset < msg_packets(m->msg_len) ? UINT64_C(1) << h->pkt_offset : 0;

    *send = 0;
    if ((h->flags & MSG_ACK) != 0)
        m->delivered |= bit;
    if ((h->flags & MSG_NACK) != 0)
        m->waiting |= bit & m->ready;
    if ((h->flags & MSG_PULL) != 0) {
        if (o->pull_overwrites || h->pull_offset > m->credit)
            m->credit = h->pull_offset;
        *send = m->waiting & msg_mask(m->credit);
        m->waiting &= ~*send;
    }
    return msg_tx_complete(m);
}

static uint8_t tx_tos(const struct msg_tx *m, uint8_t pkt_offset)
{
    (void)m;
    (void)pkt_offset;
    return 0;
}

const struct transport ndp_transport = {
    .name = "ndp",
    .layout = MSG_NDP,
    .ip_protocol = IP_PROTOCOL,
    .plain_ack = true,
    .rx_start = rx_start,
    .rx_data = rx_data,
    .rx_end = rx_end,
    .rx_late = rx_late,
    .rx_refuse = rx_refuse,
    .tx_control = tx_control,
    .tx_tos = tx_tos,
};
