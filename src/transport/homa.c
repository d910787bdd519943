/* SPDX-License-Identifier: MIT */
/*
 * Homa for messages, as the nanoPU's NIC speaks it in its later stage (section 6.4 of the machine's contract; Montazeri
 * et al., "Homa: a receiver-driven low-latency transport protocol using network priorities", SIGCOMM 2018): the
 * receiver grants packets to the few messages that have the fewest left to come, each at a priority of its own, which
 * switches obey. Control packets acknowledge everything below the first packet that is missing.
 *
 * The receiver's list has the messages that are not wholly granted, in the order in which they are served, so a
 * message's place in it is its level. A packet changes the place of its own message alone, and only the first
 * HOMA_OVERCOMMITMENT are ever granted anything.
 */
#include "transport/transport.h"

#define IP_PROTOCOL 154

#define HOMA_OVERCOMMITMENT 3 /* messages that are granted packets at one time */
#define HOMA_UNSCHEDULED    0 /* priority of packets that are sent unasked; granted ones have 1 and more */

/* ---- The receiver's list ---- */

static unsigned to_come(const struct msg_rx *m)
{
    return msg_packets(m->msg_len) - (unsigned)__builtin_popcountll(m->received);
}

static bool goes_before(const struct msg_rx *a, const struct msg_rx *b)
{
    unsigned x = to_come(a), y = to_come(b);

    return x != y ? x < y : a->id < b->id;
}

static void unlist(struct msg_receiver *r, struct msg_rx *m)
{
    if (!m->listed)
        return;
    if (m->before != NULL)
        m->before->after = m->after;
    else
        r->first = m->after;
    if (m->after != NULL)
        m->after->before = m->before;
    m->before = m->after = NULL;
    m->listed = false;
}

/* At its place, behind those that go before it. */
static void list(struct msg_receiver *r, struct msg_rx *m)
{
    struct msg_rx *before = NULL, *after = r->first;

    while (after != NULL && goes_before(after, m)) {
        before = after;
        after = after->after;
    }
    m->before = before;
    m->after = after;
    m->listed = true;
    if (before != NULL)
        before->after = m;
    else
        r->first = m;
    if (after != NULL)
        after->before = m;
}

/* It has fewer packets to come than before. */
static void move_up(struct msg_receiver *r, struct msg_rx *m)
{
    if (m->before != NULL && goes_before(m, m->before)) {
        unlist(r, m);
        list(r, m);
    }
}

/* ---- Receiver ---- */

static uint8_t first_missing(const struct msg_rx *m)
{
    return (uint8_t)(m->received == UINT64_MAX ? MSG_PACKETS_MAX : __builtin_ctzll(~m->received));
}

static struct msg_control ack(struct msg_rx *m)
{
    return (struct msg_control){.flags = MSG_ACK, .pkt_offset = first_missing(m), .to = m};
}

static struct msg_control grant(struct msg_rx *m, unsigned level)
{
    return (struct msg_control){.flags = MSG_PULL,
                                .pkt_offset = first_missing(m),
                                .pull_offset = m->granted,
                                .grant_prio = (uint8_t)(HOMA_UNSCHEDULED + 1 + level),
                                .to = m};
}

/* Grants the first message that can have more. flags 0: there is none that may. */
static struct msg_control schedule(struct msg_receiver *r)
{
    struct msg_rx *m = r->first;

    for (unsigned level = 0; m != NULL && level < HOMA_OVERCOMMITMENT; level++, m = m->after) {
        if (m->grantable <= m->granted)
            continue;
        m->granted = m->grantable;
        if (m->granted >= msg_packets(m->msg_len))
            unlist(r, m);
        return grant(m, level);
    }
    return (struct msg_control){0};
}

static void rx_start(struct msg_receiver *r, struct msg_rx *m, uint16_t id, uint16_t msg_len)
{
    assert(msg_len != 0 && r->o.rtt_pkts != 0);
    *m = (struct msg_rx){.msg_len = msg_len, .granted = r->o.rtt_pkts, .grantable = r->o.rtt_pkts, .id = id};
}

static unsigned level_of(const struct msg_rx *m)
{
    unsigned level = 0;

    for (; m->before != NULL && level + 1 < HOMA_OVERCOMMITMENT; m = m->before)
        level++;
    return level;
}

/* Its answer was lost, or is still on its way: it is said again. */
static void answer_duplicate(struct msg_receiver *r, struct msg_rx *m, struct msg_control answer[MSG_ANSWERS_MAX])
{
    answer[0] = !msg_rx_complete(m) && m->granted > r->o.rtt_pkts ? grant(m, level_of(m)) : ack(m);
    answer[1] = schedule(r);
}

static enum msg_verdict rx_data(struct msg_receiver *r, struct msg_rx *m, uint8_t pkt_offset, bool trimmed,
                                struct msg_control answer[MSG_ANSWERS_MAX])
{
    uint64_t bit = UINT64_C(1) << pkt_offset;
    bool duplicate = (m->received & bit) != 0;

    assert(pkt_offset < msg_packets(m->msg_len));
    answer[0] = answer[1] = (struct msg_control){0};
    /* The prototype refuses a trimmed packet also when it has it. */
    if (trimmed && !(duplicate && !r->o.no_ack_duplicate)) {
        answer[0] =
            (struct msg_control){.flags = MSG_NACK, .pkt_offset = pkt_offset, .pull_offset = first_missing(m), .to = m};
        return MSG_TRIMMED;
    }
    if (duplicate) {
        if (!r->o.no_ack_duplicate)
            answer_duplicate(r, m, answer);
        return MSG_DUPLICATE;
    }
    m->received |= bit;
    if (m->grantable < UINT16_MAX)
        m->grantable++;
    if (m->listed)
        move_up(r, m);
    else if (m->granted < msg_packets(m->msg_len))
        list(r, m);
    answer[0] = schedule(r);
    if (answer[0].flags == 0)
        answer[0] = ack(m);
    else if (msg_rx_complete(m))
        answer[1] = ack(m);
    return MSG_STORE;
}

static struct msg_control rx_late(const struct msg_options *o, uint16_t msg_len, uint8_t pkt_offset)
{
    (void)pkt_offset;
    return (struct msg_control){.flags = o->no_ack_duplicate ? 0 : MSG_ACK,
                                .pkt_offset = (uint8_t)msg_packets(msg_len)};
}

static struct msg_control rx_refuse(const struct msg_options *o, uint8_t pkt_offset)
{
    (void)o;
    return (struct msg_control){.flags = MSG_NACK, .pkt_offset = pkt_offset};
}

/* ---- Sender ---- */

static bool tx_control(struct msg_tx *m, const struct msg_options *o, const struct msg_header *h, uint64_t *send)
{
    unsigned packets = msg_packets(m->msg_len);
    bool nack = (h->flags & (MSG_ACK | MSG_NACK | MSG_PULL)) == MSG_NACK;
    unsigned missing = nack ? h->pull_offset : h->pkt_offset;

    *send = 0;
    m->delivered |= msg_mask(missing < packets ? missing : packets);
    if (nack && h->pkt_offset < packets)
        m->waiting |= (UINT64_C(1) << h->pkt_offset) & m->ready;
    if ((h->flags & MSG_PULL) != 0) {
        m->prio = h->grant_prio;
        if (o->pull_overwrites || h->pull_offset > m->credit)
            m->credit = h->pull_offset;
        *send = m->waiting & msg_mask(m->credit);
        m->waiting &= ~*send;
    }
    return msg_tx_complete(m);
}

/* What is sent again never has the priority of what is sent unasked. */
static uint8_t tx_tos(const struct msg_tx *m, uint8_t pkt_offset)
{
    bool again = (m->sent >> pkt_offset & 1) != 0;

    return m->prio == HOMA_UNSCHEDULED && again ? HOMA_UNSCHEDULED + 1 : m->prio;
}

const struct transport homa_transport = {
    .name = "homa",
    .layout = MSG_HOMA,
    .ip_protocol = IP_PROTOCOL,
    .rx_start = rx_start,
    .rx_data = rx_data,
    .rx_end = unlist,
    .rx_late = rx_late,
    .rx_refuse = rx_refuse,
    .tx_control = tx_control,
    .tx_tos = tx_tos,
};
