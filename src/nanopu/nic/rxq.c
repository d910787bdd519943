/* SPDX-License-Identifier: MIT */
/*
 * Reassembled messages to the global receive queues, one 64-byte word a cycle, in the order in which they were complete
 * (section 4, quirk 11: a context whose queue is full holds up all).
 */
#include "nanopu/nic/nic_internal.h"

#include <string.h>

static uint32_t words_of(uint32_t bytes)
{
    return (bytes + WORD_BYTES - 1) / WORD_BYTES;
}

static bool room(const struct nic *nic, unsigned ctx, uint32_t words)
{
    return nic->rxq[ctx].count + words <= (uint64_t)nic->p->context_rxq_words &&
           nic->rxq_total + words <= (uint64_t)nic->p->global_rxq_words;
}

void rxq_wake(struct nic *nic, uint64_t t)
{
    if (nic->rxq_active || nic->completed_len > 0)
        earlier(nic, MOD_RXQ, t);
}

/* Which descriptor is next: the oldest; with the quirk off the oldest whose context has room for it. -1: none. */
static int choose(const struct nic *nic, uint64_t t)
{
    for (uint32_t i = 0; i < nic->completed_len; i++) {
        const struct timed *d = &nic->completed[(nic->completed_head + i) % nic->ids];
        const struct rx_msg *m = &nic->rx[d->value];
        uint32_t words = words_of(m->msg_len), most = (uint32_t)nic->p->context_rxq_words;

        if (d->cycle + RXQ_CYCLES > t)
            return -1;
        if (nic->p->quirk_hol_global)
            return room(nic, m->dst_context, 1) ? (int)i : -1;
        if (room(nic, m->dst_context, words < most ? words : most))
            return (int)i;
    }
    return -1;
}

static void take(struct nic *nic, int at)
{
    uint32_t head = nic->completed_head;

    nic->rxq_id = nic->completed[(head + (uint32_t)at) % nic->ids].value;
    for (uint32_t i = (uint32_t)at; i > 0; i--)
        nic->completed[(head + i) % nic->ids] = nic->completed[(head + i - 1) % nic->ids];
    nic->completed_head = (head + 1) % nic->ids;
    nic->completed_len--;
    nic->rxq_active = true;
    nic->rxq_word = 0;
}

static void first_word(struct nic *nic, struct rxq *q, const struct rx_msg *m, uint64_t t)
{
    uint32_t cap = (uint32_t)nic->p->context_rxq_words;

    q->msgs[(q->msg_head + q->msg_count++) % cap] =
        (struct rxq_msg){.header = (uint64_t)m->src_ip << 32 | (uint64_t)m->src_context << 16 | m->msg_len,
                         .msg_len = m->msg_len,
                         .rx_id = nic->rxq_id};
    jbsq_notify(nic, (uint8_t)m->dst_context, t);
}

void rxq_event(struct nic *nic, uint64_t t)
{
    const struct rx_msg *m;
    struct rxq *q;
    int at;

    assert(nic->rxq_active || nic->completed_len > 0);
    nic->next[MOD_RXQ] = CYCLE_NEVER;
    if (!nic->rxq_active) {
        at = choose(nic, t);
        if (at < 0) {
            /* Not yet there, or woken when a word leaves the queues. */
            if (nic->completed[nic->completed_head].cycle + RXQ_CYCLES > t)
                nic->next[MOD_RXQ] = nic->completed[nic->completed_head].cycle + RXQ_CYCLES;
            else
                nic->stats.rxq_stalls++;
            return;
        }
        take(nic, at);
    }
    m = &nic->rx[nic->rxq_id];
    q = &nic->rxq[m->dst_context];
    if (!room(nic, m->dst_context, 1)) {
        nic->stats.rxq_stalls++;
        return;
    }
    memcpy(q->words[(q->head + q->count) % (uint32_t)nic->p->context_rxq_words],
           buf_data(&nic->rx_bufs, m->buf) + nic->rxq_word * WORD_BYTES, WORD_BYTES);
    q->count++;
    nic->rxq_total++;
    jbsq_word(nic, m->dst_context, t);
    if (nic->rxq_word == 0)
        first_word(nic, q, m, t);
    if (++nic->rxq_word == words_of(m->msg_len)) {
        nic->rxq_active = false;
        assemble_release(nic, nic->rxq_id);
        NIC_TELL(nic, queue, .cycle = t, .unit = NIC_QUEUE_rxq, .a = nic->rxq_total);
    }
    rxq_wake(nic, t + 1);
}
