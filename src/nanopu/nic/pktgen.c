/* SPDX-License-Identifier: MIT */
/*
 * Control packets and the pacing of PULLs (section 6.2): there is one token. An answer that pulls takes it when it is
 * there and goes out as one packet; otherwise the ACK or NACK goes alone at once and a PULL waits for a token. Homa's
 * answers are not paced; each kind has a queue (section 6.4).
 */
#include "nanopu/nic/nic_internal.h"

static bool append(struct nic *nic, struct control *ring, uint32_t head, uint32_t *len, const struct control *c)
{
    if (*len == (uint64_t)nic->p->sched_entries)
        return false;
    ring[(head + (*len)++) % (uint32_t)nic->p->sched_entries] = *c;
    return true;
}

static struct control_queue *queue_of(struct nic *nic, uint8_t flags)
{
    if (nic->transport != &homa_transport || (flags & MSG_ACK) != 0)
        return &nic->control[CONTROL_ACK];
    return &nic->control[(flags & MSG_NACK) != 0 ? CONTROL_NACK : CONTROL_GRANT];
}

static void send(struct nic *nic, const struct msg_header *h, uint64_t t)
{
    struct control c = {.cycle = t + CONTROL_CYCLES, .h = *h};
    struct control_queue *q = queue_of(nic, h->flags);

    if (!append(nic, q->ring, q->head, &q->len, &c)) {
        nic_fail(nic, NIC_FAULT_CONTROL_FULL);
        NIC_DROP(nic, t, NULL, drop_control);
        return;
    }
    nic->control_len++;
    NIC_TELL(nic, queue, .cycle = t, .unit = NIC_QUEUE_control, .a = nic->control_len);
    egress_wake(nic);
}

static void schedule_paced(struct nic *nic)
{
    nic->next[MOD_PACED] =
        nic->paced_len == 0 ? CYCLE_NEVER : later_of(nic->token_cycle, nic->paced[nic->paced_head].cycle);
}

static void take_token(struct nic *nic, uint64_t t)
{
    nic->token_cycle = t + (uint64_t)nic->p->pull_interval + 1;
    schedule_paced(nic);
}

/* The header of an answer to the sender of a message, of which a DATA packet came or one that came before. */
static struct msg_header header_of(const struct nic *nic, const struct msg_header *data, const struct msg_control *a)
{
    const struct rx_msg *to = a->to != NULL ? rx_of(a->to) : NULL;
    struct msg_header h = {.dst_mac = nic->c.switch_mac,
                           .src_mac = nic->c.mac,
                           .src_ip = nic->c.ip,
                           .dst_ip = to != NULL ? to->src_ip : data->src_ip,
                           .ip_protocol = nic->ip_protocol,
                           .payload_len = (uint16_t)nic->p->control_pad,
                           .flags = a->flags,
                           .src_context = to != NULL ? to->dst_context : data->dst_context,
                           .dst_context = to != NULL ? to->src_context : data->src_context,
                           .msg_len = to != NULL ? to->msg_len : data->msg_len,
                           .pkt_offset = a->pkt_offset,
                           .pull_offset = a->pull_offset,
                           .grant_prio = a->grant_prio,
                           .tx_msg_id = to != NULL ? to->tx_msg_id : data->tx_msg_id,
                           .buf_ptr = to != NULL ? to->buf_ptr : data->buf_ptr,
                           .buf_class = to != NULL ? to->buf_class : data->buf_class};

    return h;
}

void pktgen_answer(struct nic *nic, const struct msg_header *data, const struct msg_control *answer, uint64_t t)
{
    bool paced = (answer->flags & MSG_PULL) != 0 && nic->transport == &ndp_transport;
    struct msg_header h;
    struct control pull;

    if (answer->flags == 0)
        return;
    h = header_of(nic, data, answer);
    nic->control_event = t;
    if (!paced || nic->token_cycle <= t) {
        if (paced)
            take_token(nic, t);
        send(nic, &h, t);
        return;
    }
    h.flags = answer->flags & (uint8_t)~MSG_PULL;
    send(nic, &h, t);
    h.flags = MSG_PULL;
    pull = (struct control){.cycle = t + 1, .h = h};
    if (!append(nic, nic->paced, nic->paced_head, &nic->paced_len, &pull)) {
        nic_fail(nic, NIC_FAULT_PULL_FULL);
        NIC_DROP(nic, t, NULL, drop_pull);
        return;
    }
    NIC_TELL(nic, queue, .cycle = t, .unit = NIC_QUEUE_paced, .a = nic->paced_len);
    schedule_paced(nic);
}

void paced_event(struct nic *nic, uint64_t t)
{
    struct msg_header h;

    /* A packet's own reply has the generator in that cycle. */
    if (nic->control_event == t) {
        nic->next[MOD_PACED] = t + 1;
        return;
    }
    h = nic->paced[nic->paced_head].h;
    nic->paced_head = (nic->paced_head + 1) % (uint32_t)nic->p->sched_entries;
    nic->paced_len--;
    take_token(nic, t);
    send(nic, &h, t);
    NIC_TELL(nic, queue, .cycle = t, .unit = NIC_QUEUE_paced, .a = nic->paced_len);
}
