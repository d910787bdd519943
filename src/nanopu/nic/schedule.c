/* SPDX-License-Identifier: MIT */
/*
 * Which packet of which message is sent next (section 4.4): new packets before those that a PULL allowed before those
 * that a timeout found lost. And what control packets do to messages being sent (section 6.3).
 */
#include "nanopu/nic/nic_internal.h"

#include <string.h>

/* With the key not truncated an id's uses are counted above it in the 16-bit field. */
#define GENERATION_SHIFT 8

static uint16_t wire_id(const struct nic *nic, uint16_t tx_id)
{
    if (nic->p->quirk_key_truncated)
        return tx_id;
    return (uint16_t)(nic->tx[tx_id].generation >> 1 << GENERATION_SHIFT | tx_id);
}

/* ---- Control packets ---- */

static void finished(struct nic *nic, uint16_t tx_id, uint64_t t)
{
    struct tx_msg *m = &nic->tx[tx_id];

    m->used = false;
    m->generation++;
    timer_cancel(nic, tx_id);
    buf_give(&nic->tx_bufs, m->buf);
    nic->tx_free[(nic->tx_free_head + nic->tx_free_count++) % nic->ids] = tx_id;
    nic->stats.tx_msgs++;
    NIC_TELL(nic, msg_acked, .cycle = t, .a = tx_id);
    NIC_TELL(nic, queue, .cycle = t, .unit = NIC_QUEUE_tx_msgs, .a = nic->ids - nic->tx_free_count);
    packetize_wake(nic, t + 1);
}

void sender_control(struct nic *nic, const struct msg_header *h, uint64_t t)
{
    bool truncated = nic->p->quirk_key_truncated != 0;
    uint16_t id = truncated ? h->tx_msg_id : h->tx_msg_id & (IDS_MAX - 1);
    struct tx_msg *m = id < nic->ids ? &nic->tx[id] : NULL;
    uint64_t send;

    if (m != NULL && !m->used && truncated && (h->flags & MSG_ACK) != 0 && nic->p->quirk_double_free)
        nic->stats.double_frees++;
    if (m == NULL || !m->used || (!truncated && (wire_id(nic, id) != h->tx_msg_id || m->dst_ip != h->src_ip))) {
        NIC_DROP(nic, t, NULL, drop_stale);
        return;
    }
    if (nic->transport->tx_control(&m->state, &nic->receiver.o, h, &send)) {
        finished(nic, id, t);
        return;
    }
    schedule_packets(nic, SCHED_CREDIT, id, send, t);
}

/* ---- Schedulers ---- */

void schedule_packets(struct nic *nic, unsigned queue, uint16_t tx_id, uint64_t packets, uint64_t t)
{
    struct sched_queue *q = &nic->sched[queue];

    if (packets == 0)
        return;
    if (q->len == (uint64_t)nic->p->sched_entries) {
        nic_fail(nic, NIC_FAULT_DESCRIPTOR_FULL);
        NIC_DROP(nic, t, NULL, drop_descriptor);
        return;
    }
    q->ring[(q->head + q->len++) % (uint32_t)nic->p->sched_entries] = (struct descriptor){
        .cycle = t + DESCRIPTOR_CYCLES, .packets = packets, .tx_id = tx_id, .generation = nic->tx[tx_id].generation};
    schedule_wake(nic, t + DESCRIPTOR_CYCLES);
}

/* Whether the descriptor at hand has packets of a message that is still there. */
static bool has_packets(struct nic *nic)
{
    const struct tx_msg *m = &nic->tx[nic->sending.tx_id];

    if (m->generation != nic->sending.generation)
        nic->sending.packets = 0;
    return nic->sending.packets != 0;
}

void schedule_wake(struct nic *nic, uint64_t t)
{
    uint64_t first = CYCLE_NEVER;

    if (nic->sending.packets == 0)
        for (unsigned i = 0; i < SCHEDULERS; i++)
            if (nic->sched[i].len > 0 && nic->sched[i].ring[nic->sched[i].head].cycle < first)
                first = nic->sched[i].ring[nic->sched[i].head].cycle;
    if (nic->sending.packets != 0)
        first = t;
    if (first != CYCLE_NEVER)
        nic->next[MOD_SCHEDULE] = later_of(nic->sched_free, first);
}

static bool next_descriptor(struct nic *nic, uint64_t t)
{
    if (has_packets(nic))
        return true;
    for (unsigned i = 0; i < SCHEDULERS; i++) {
        struct sched_queue *q = &nic->sched[i];

        while (q->len > 0 && q->ring[q->head].cycle <= t) {
            nic->sending = q->ring[q->head];
            q->head = (q->head + 1) % (uint32_t)nic->p->sched_entries;
            q->len--;
            if (has_packets(nic))
                return true;
        }
    }
    return false;
}

static struct packet *build(struct nic *nic, uint16_t tx_id, uint8_t offset)
{
    struct tx_msg *m = &nic->tx[tx_id];
    unsigned len = msg_packet_bytes(m->msg_len, offset), padded = (len + FLIT_BYTES - 1) / FLIT_BYTES * FLIT_BYTES;
    struct packet *p = packet_alloc(nic->c.pool);
    struct msg_header h = {.dst_mac = nic->c.switch_mac,
                           .src_mac = nic->c.mac,
                           .src_ip = nic->c.ip,
                           .dst_ip = m->dst_ip,
                           .ip_protocol = nic->ip_protocol,
                           .tos = nic->transport->tx_tos(&m->state, offset),
                           .payload_len = (uint16_t)len,
                           .flags = MSG_DATA,
                           .src_context = m->src_context,
                           .dst_context = m->dst_context,
                           .msg_len = m->msg_len,
                           .pkt_offset = offset,
                           .tx_msg_id = wire_id(nic, tx_id),
                           .buf_ptr = m->buf.index,
                           .buf_class = m->buf.class};

    if (p == NULL)
        return NULL;
    msg_header_write(&h, nic->transport->layout, !nic->p->quirk_no_rx_check, p->data);
    memcpy(p->data + MSG_FRAME_HEADER_BYTES, buf_data(&nic->tx_bufs, m->buf) + offset * MSG_SEGMENT_BYTES, padded);
    p->len_bytes = MSG_FRAME_HEADER_BYTES + len;
    return p;
}

void schedule_event(struct nic *nic, uint64_t t)
{
    struct packet *p;
    unsigned words;
    uint16_t id;
    uint8_t offset;

    nic->next[MOD_SCHEDULE] = CYCLE_NEVER;
    if (!next_descriptor(nic, t)) {
        schedule_wake(nic, t + 1);
        return;
    }
    id = nic->sending.tx_id;
    offset = (uint8_t)__builtin_ctzll(nic->sending.packets);
    words = (msg_packet_bytes(nic->tx[id].msg_len, offset) + WORD_BYTES - 1) / WORD_BYTES;
    if (!egress_room(nic, words))
        return; /* the arbiter wakes */
    nic->sending.packets &= nic->sending.packets - 1;
    nic->sched_free = t + words;
    p = build(nic, id, offset);
    msg_tx_sent(&nic->tx[id].state, offset);
    if (p == NULL)
        NIC_DROP(nic, t, NULL, drop_no_packet);
    else
        egress_data(nic, p, words, t + SCHEDULE_CYCLES);
    schedule_wake(nic, t + 1);
}
