/* SPDX-License-Identifier: MIT */
/*
 * Words of the cores' transmit FIFOs to messages in transmit buffers, one word a cycle (section 4.4): the lowest core
 * that has a word is served, and when that word is a header for which there is no buffer, all wait (quirk 12).
 */
#include "nanopu/nic/nic_internal.h"

static struct tx_assembly *assembly_of(const struct nic *nic, unsigned core, uint16_t ctx)
{
    return &nic->assembly[core][ctx % HTS_CONTEXTS];
}

static bool is_header(const struct nic *nic, unsigned core, const struct hts_tx_word *w)
{
    return assembly_of(nic, core, w->ctx)->words_left == 0;
}

/* A header whose message could be sent, were there a buffer. */
static bool is_blocked(const struct nic *nic, unsigned core, const struct hts_tx_word *w)
{
    const struct buf_pool *b = &nic->tx_bufs;
    unsigned len = (unsigned)(w->word & 0xffff);

    if (!is_header(nic, core, w) || len == 0 || len > nic->p->max_msg_bytes)
        return false;
    return nic->tx_free_count == 0 ||
           (b->class[1].free_count == 0 && (len > b->class[0].bytes || b->class[0].free_count == 0));
}

/* When the core's first word can be taken; CYCLE_NEVER without one. */
static uint64_t word_cycle(const struct nic *nic, unsigned core)
{
    const struct hts_tx_word *w = hts_tx_head(nic->c.hts[core]);
    uint64_t t;

    if (w == NULL)
        return CYCLE_NEVER;
    t = later_of(w->cycle + 1, nic->packetize_free);
    /* In the middle of a message another one costs a cycle to come back to; a header's own cycle is that. */
    if ((core != nic->served_core || w->ctx != nic->served_ctx) && !is_header(nic, core, w))
        t = later_of(t, nic->served_at + 2);
    return t;
}

uint64_t packetize_next(const struct nic *nic)
{
    unsigned cores = nic->tx_blocked && nic->p->quirk_tx_strict ? nic->blocked_core : nic->c.cores;
    uint64_t first = CYCLE_NEVER;

    for (unsigned i = 0; i < cores; i++) {
        uint64_t t = word_cycle(nic, i);

        if (t < first && !(nic->tx_blocked && is_blocked(nic, i, hts_tx_head(nic->c.hts[i]))))
            first = t;
    }
    return first;
}

void packetize_wake(struct nic *nic, uint64_t t)
{
    if (!nic->tx_blocked)
        return;
    nic->tx_blocked = false;
    nic->packetize_free = later_of(nic->packetize_free, t);
    nic->next[MOD_PACKETIZE] = packetize_next(nic);
}

/* ---- Words ---- */

static void put_word(uint8_t *p, uint64_t v)
{
    for (unsigned i = FLIT_BYTES; i-- > 0; v >>= 8)
        p[i] = (uint8_t)v;
}

static void accept_header(struct nic *nic, unsigned core, const struct hts_tx_word *w, uint64_t t)
{
    struct tx_assembly *a = assembly_of(nic, core, w->ctx);
    unsigned len = (unsigned)(w->word & 0xffff);
    struct tx_msg *m;

    *a = (struct tx_assembly){.words_left = (len + FLIT_BYTES - 1) / FLIT_BYTES};
    if (len == 0 || len > nic->p->max_msg_bytes) {
        a->drop = true;
        nic->stats.drop_tx_length++;
        hts_fail(nic->c.hts[core], HTS_TX_LENGTH);
        return;
    }
    a->tx_id = nic->tx_free[nic->tx_free_head];
    nic->tx_free_head = (nic->tx_free_head + 1) % nic->ids;
    nic->tx_free_count--;
    m = &nic->tx[a->tx_id];
    assert(!m->used);
    *m = (struct tx_msg){.dst_ip = (uint32_t)(w->word >> 32),
                         .dst_context = (uint16_t)(w->word >> 16),
                         .src_context = w->ctx,
                         .msg_len = (uint16_t)len,
                         .generation = (uint16_t)(m->generation + 1),
                         .used = true};
    a->generation = m->generation;
    buf_take(&nic->tx_bufs, len, &m->buf);
    msg_tx_start(&m->state, &nic->receiver.o, m->msg_len);
    timer_start(nic, a->tx_id, t);
    nic->stats.tx_started++;
    NIC_TELL(nic, queue, .cycle = t, .unit = NIC_QUEUE_tx_msgs, .a = nic->ids - nic->tx_free_count);
}

static void accept_data(struct nic *nic, unsigned core, const struct hts_tx_word *w, uint64_t t)
{
    struct tx_assembly *a = assembly_of(nic, core, w->ctx);
    struct tx_msg *m = &nic->tx[a->tx_id];
    uint32_t end;
    uint8_t packet;

    a->words_left--;
    /* An ACK of an earlier use of the id may have ended the message before it was written (section 6.5). */
    if (!a->drop && m->generation != a->generation) {
        a->drop = true;
        nic->stats.drop_tx_acked++;
    }
    if (a->drop)
        return;
    put_word(buf_data(&nic->tx_bufs, m->buf) + (size_t)a->written * FLIT_BYTES, w->word);
    end = ++a->written * FLIT_BYTES;
    if (end % MSG_SEGMENT_BYTES != 0 && a->words_left > 0)
        return;
    packet = (uint8_t)((end - 1) / MSG_SEGMENT_BYTES);
    if (a->words_left == 0)
        NIC_TELL(nic, msg_sent, .cycle = t, .a = a->tx_id, .b = (uint64_t)m->dst_ip << 16 | m->dst_context,
                 .c = m->msg_len);
    if (msg_tx_ready(&m->state, &nic->receiver.o, packet))
        schedule_packets(nic, SCHED_INIT, a->tx_id, UINT64_C(1) << packet, t);
}

/* ---- Which core ---- */

static int choose(struct nic *nic, uint64_t t)
{
    unsigned cores = nic->c.cores, start = nic->p->quirk_tx_strict ? 0 : nic->served_core + 1;

    for (unsigned n = 0; n < cores; n++) {
        unsigned i = (start + n) % cores;

        if (word_cycle(nic, i) > t)
            continue;
        if (!is_blocked(nic, i, hts_tx_head(nic->c.hts[i])))
            return (int)i;
        nic->stats.tx_stalls += !nic->tx_blocked;
        nic->tx_blocked = true;
        nic->blocked_core = i;
        if (nic->p->quirk_tx_strict)
            return -1;
    }
    return -1;
}

void packetize_event(struct nic *nic, uint64_t t)
{
    int core = choose(nic, t);
    const struct hts_tx_word *w;

    if (core >= 0) {
        w = hts_tx_head(nic->c.hts[core]);
        if (is_header(nic, (unsigned)core, w))
            accept_header(nic, (unsigned)core, w, t);
        else
            accept_data(nic, (unsigned)core, w, t);
        nic->served_core = (unsigned)core;
        nic->served_ctx = w->ctx;
        nic->served_at = t;
        nic->packetize_free = t + 1;
        hts_tx_take(nic->c.hts[core]);
    }
    nic->next[MOD_PACKETIZE] = packetize_next(nic);
}
