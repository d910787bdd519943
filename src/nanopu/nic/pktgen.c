/* SPDX-License-Identifier: MIT */
/*
 * Control packets and the pacing of PULLs (section 6.2): there is one token. A reply that pulls takes it when it is
 * there and goes out as one packet; otherwise the ACK or NACK goes alone at once and a PULL waits for a token.
 */
#include "nanopu/nic/nic_internal.h"

static bool append(struct nic *nic, struct control *ring, uint32_t head, uint32_t *len, const struct control *c)
{
    if (*len == (uint64_t)nic->p->sched_entries)
        return false;
    ring[(head + (*len)++) % (uint32_t)nic->p->sched_entries] = *c;
    return true;
}

static void send(struct nic *nic, const struct msg_header *h, uint64_t t)
{
    struct control c = {.cycle = t + CONTROL_CYCLES, .h = *h};

    if (!append(nic, nic->control, nic->control_head, &nic->control_len, &c)) {
        nic_fail(nic, NIC_FAULT_CONTROL_FULL);
        NIC_DROP(nic, t, NULL, drop_control);
        return;
    }
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

void pktgen_reply(struct nic *nic, const struct msg_header *data, struct ndp_reply reply, uint64_t t)
{
    struct control pull;
    struct msg_header h = {.dst_mac = nic->c.switch_mac,
                           .src_mac = nic->c.mac,
                           .src_ip = nic->c.ip,
                           .dst_ip = data->src_ip,
                           .ip_protocol = (uint8_t)nic->p->ip_protocol,
                           .payload_len = (uint16_t)nic->p->control_pad,
                           .flags = reply.flags,
                           .src_context = data->dst_context,
                           .dst_context = data->src_context,
                           .msg_len = data->msg_len,
                           .pkt_offset = data->pkt_offset,
                           .pull_offset = reply.pull_offset,
                           .tx_msg_id = data->tx_msg_id,
                           .buf_ptr = data->buf_ptr,
                           .buf_class = data->buf_class};

    if (reply.flags == 0)
        return;
    nic->control_event = t;
    if ((reply.flags & MSG_PULL) == 0 || nic->token_cycle <= t) {
        if ((reply.flags & MSG_PULL) != 0)
            take_token(nic, t);
        send(nic, &h, t);
        return;
    }
    h.flags = reply.flags & (uint8_t)~MSG_PULL;
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
