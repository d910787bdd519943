/* SPDX-License-Identifier: MIT */
/*
 * DATA packets to messages (section 4.2). A message is found by a key of source address and message id; the prototype's
 * key has the low bits of both alone. With quirk_key_truncated off the key is all of them, and the sender counts the
 * uses of an id in the upper bits of the 16-bit field, so that a packet of an earlier message is known as such; then
 * messages that were delivered are remembered for a while, so that none is delivered twice.
 */
#include "nanopu/nic/nic_internal.h"

#include <string.h>

#define NO_ID UINT16_MAX

uint64_t assemble_last_cycle(const struct nic *nic, uint64_t start, unsigned flits)
{
    unsigned header = MSG_FRAME_HEADER_BYTES / FLIT_BYTES, at = header;
    uint64_t cycle = start + nic->meta_cycles;

    for (; at < flits; at += WORD_WORDS) {
        unsigned last_flit = at + WORD_WORDS <= flits ? at + WORD_WORDS - 1 : flits - 1;
        uint64_t there = start + last_flit + RX_DATA_CYCLES;

        cycle = at == header ? later_of(cycle, there) + 1 : later_of(cycle + 1, there);
    }
    return cycle;
}

static uint64_t make_key(const struct nic *nic, const struct msg_header *h)
{
    uint64_t ip = h->src_ip, id = h->tx_msg_id;

    if (nic->p->quirk_key_truncated) {
        ip &= (1U << nic->p->key_ip_bits) - 1;
        id &= (1U << nic->p->key_id_bits) - 1;
    }
    return ip << 16 | id;
}

static unsigned hash(uint64_t key)
{
    return (unsigned)((key * UINT64_C(0x9e3779b97f4a7c15)) >> 32) % IDS_MAX;
}

static uint16_t find(const struct nic *nic, uint64_t key)
{
    uint16_t id = nic->rx_hash[hash(key)];

    while (id != NO_ID && nic->rx[id].key != key)
        id = nic->rx[id].hash_next;
    return id;
}

/* Messages of one source have consecutive ids: they take neighbouring places. */
static uint64_t *done_place(const struct nic *nic, uint64_t key)
{
    return &nic->done_keys[(hash(key >> 16) * 64 + key) % DONE_ENTRIES];
}

static uint16_t start_message(struct nic *nic, const struct msg_header *h, uint64_t key, uint64_t first_flit)
{
    unsigned slot = hash(key);
    struct rx_msg *m;
    struct buf buf;
    uint16_t id;

    if (nic->rx_free_count == 0 || !buf_take(&nic->rx_bufs, h->msg_len, &buf))
        return NO_ID;
    id = nic->rx_free[--nic->rx_free_count];
    m = &nic->rx[id];
    *m = (struct rx_msg){.key = key,
                         .src_ip = h->src_ip,
                         .src_context = h->src_context,
                         .dst_context = h->dst_context,
                         .msg_len = h->msg_len,
                         .used = true,
                         .buf = buf,
                         .tx_msg_id = h->tx_msg_id,
                         .buf_ptr = h->buf_ptr,
                         .buf_class = h->buf_class,
                         .hash_next = nic->rx_hash[slot]};
    nic->rx_hash[slot] = id;
    nic->transport->rx_start(&nic->receiver, &m->state, id, h->msg_len);
    NIC_TELL(nic, msg_start, .cycle = first_flit, .a = id, .b = (uint64_t)h->src_ip << 16 | h->src_context,
             .c = h->msg_len);
    return id;
}

/* What no good sender sends; false: dropped. */
static bool well_formed(struct nic *nic, const struct packet *p, const struct msg_header *h, uint64_t t)
{
    bool trimmed = (h->flags & MSG_CHOP) != 0;

    if (h->msg_len == 0 || h->msg_len > nic->p->max_msg_bytes) {
        NIC_DROP(nic, t, p, drop_length);
        return false;
    }
    if (h->pkt_offset >= msg_packets(h->msg_len)) {
        NIC_DROP(nic, t, p, drop_offset);
        return false;
    }
    if (!trimmed && p->len_bytes - MSG_FRAME_HEADER_BYTES < msg_packet_bytes(h->msg_len, h->pkt_offset)) {
        NIC_DROP(nic, t, p, drop_length);
        return false;
    }
    if (h->dst_context >= nic->p->contexts) {
        nic_fail(nic, NIC_FAULT_CONTEXT);
        NIC_DROP(nic, t, p, drop_context);
        return false;
    }
    if (nic->rxq[h->dst_context].cores == 0) {
        nic_fail(nic, NIC_FAULT_UNREGISTERED);
        NIC_DROP(nic, t, p, drop_unregistered);
        return false;
    }
    return true;
}

bool assemble_data(struct nic *nic, const struct packet *p, const struct msg_header *h, uint64_t t, uint16_t *rx_id)
{
    uint64_t key = make_key(nic, h);
    uint16_t id = find(nic, key);
    struct msg_control answer[MSG_ANSWERS_MAX];
    enum msg_verdict verdict;

    if (!well_formed(nic, p, h, t))
        return false;
    if (id == NO_ID && nic->done_keys != NULL && *done_place(nic, key) == key + 1) {
        NIC_DROP(nic, t, p, drop_late);
        answer[0] = nic->transport->rx_late(&nic->receiver.o, h->msg_len, h->pkt_offset);
        pktgen_answer(nic, h, answer, t);
        return false;
    }
    if (id == NO_ID)
        id = start_message(nic, h, key, p->first_flit_cycle);
    if (id == NO_ID) {
        NIC_DROP(nic, t, p, drop_no_buffer);
        answer[0] = nic->transport->rx_refuse(&nic->receiver.o, h->pkt_offset);
        if (!nic->p->quirk_no_nack_full || nic->transport == &homa_transport)
            pktgen_answer(nic, h, answer, t);
        return false;
    }
    if (nic->rx[id].msg_len != h->msg_len || nic->rx[id].dst_context != h->dst_context) {
        NIC_DROP(nic, t, p, drop_mismatch);
        return false;
    }
    verdict =
        nic->transport->rx_data(&nic->receiver, &nic->rx[id].state, h->pkt_offset, (h->flags & MSG_CHOP) != 0, answer);
    for (unsigned i = 0; i < MSG_ANSWERS_MAX; i++)
        pktgen_answer(nic, h, &answer[i], t);
    if (verdict == MSG_DUPLICATE)
        NIC_DROP(nic, t, p, drop_duplicate);
    *rx_id = id;
    return verdict == MSG_STORE;
}

void assemble_payload(struct nic *nic, const struct packet *p, const struct msg_header *h, uint16_t rx_id, uint64_t t)
{
    struct rx_msg *m = &nic->rx[rx_id];
    unsigned len = msg_packet_bytes(h->msg_len, h->pkt_offset);
    uint8_t *to = buf_data(&nic->rx_bufs, m->buf) + h->pkt_offset * MSG_SEGMENT_BYTES;

    memcpy(to, p->data + MSG_FRAME_HEADER_BYTES, len);
    if (len % FLIT_BYTES != 0)
        memset(to + len, 0, FLIT_BYTES - len % FLIT_BYTES);
    if (!msg_rx_complete(&m->state))
        return;
    assert(!m->complete && nic->completed_len < nic->ids);
    m->complete = true;
    nic->stats.rx_msgs++;
    nic->completed[(nic->completed_head + nic->completed_len++) % nic->ids] =
        (struct timed){.cycle = t + DESCRIPTOR_CYCLES, .value = rx_id};
    NIC_TELL(nic, msg_complete, .cycle = t, .a = rx_id, .b = m->dst_context, .c = m->msg_len);
    NIC_TELL(nic, queue, .cycle = t, .unit = NIC_QUEUE_completed, .a = nic->completed_len);
    rxq_wake(nic, t + DESCRIPTOR_CYCLES + RXQ_CYCLES);
}

void assemble_release(struct nic *nic, uint16_t rx_id)
{
    struct rx_msg *m = &nic->rx[rx_id];
    uint16_t *link = &nic->rx_hash[hash(m->key)];

    assert(m->used);
    nic->transport->rx_end(&nic->receiver, &m->state);
    while (*link != rx_id)
        link = &nic->rx[*link].hash_next;
    *link = m->hash_next;
    if (nic->done_keys != NULL)
        *done_place(nic, m->key) = m->key + 1;
    m->used = false;
    buf_give(&nic->rx_bufs, m->buf);
    nic->rx_free[nic->rx_free_count++] = rx_id;
}
