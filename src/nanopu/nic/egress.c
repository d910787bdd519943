/* SPDX-License-Identifier: MIT */
/*
 * The arbiter, control before data, and the wire behind it (section 4.5). Both have a queue of packets before them;
 * what the arbiter let through waits in the deparser's until the wire is free, and its first flit's cycle is known at
 * once.
 */
#include "nanopu/nic/nic_internal.h"

#include <string.h>

static void schedule_arbiter(struct nic *nic)
{
    uint64_t first = CYCLE_NEVER;

    for (unsigned i = 0; i < CONTROL_QUEUES; i++) {
        const struct control_queue *q = &nic->control[i];

        if (q->len > 0 && q->ring[q->head].cycle < first)
            first = q->ring[q->head].cycle;
    }
    if (nic->data_len > 0 && nic->data[nic->data_head].cycle < first)
        first = nic->data[nic->data_head].cycle;
    nic->next[MOD_EGRESS] = first == CYCLE_NEVER ? first : later_of(first, nic->arbiter_free);
}

bool egress_room(const struct nic *nic, unsigned words)
{
    return nic->data_words + words <= EGRESS_WORDS;
}

void egress_data(struct nic *nic, struct packet *p, unsigned words, uint64_t t)
{
    assert(egress_room(nic, words));
    nic->data[(nic->data_head + nic->data_len++) % EGRESS_WORDS] =
        (struct egress_packet){.cycle = t, .p = p, .words = (uint8_t)words};
    nic->data_words += words;
    schedule_arbiter(nic);
}

void egress_wake(struct nic *nic)
{
    schedule_arbiter(nic);
}

/* Room in the deparser's queue in cycle t; if not, when the packet at its head begins to leave. */
static bool deparser_room(struct nic *nic, unsigned words, uint64_t t, uint64_t *when)
{
    while (nic->deparser_len > 0 && nic->deparser[nic->deparser_head].cycle <= t) {
        nic->deparser_words -= nic->deparser[nic->deparser_head].value;
        nic->deparser_head = (nic->deparser_head + 1) % EGRESS_WORDS;
        nic->deparser_len--;
    }
    if (nic->deparser_words + words <= EGRESS_WORDS)
        return true;
    *when = nic->deparser[nic->deparser_head].cycle;
    return false;
}

static void transmit(struct nic *nic, struct packet *p, unsigned words, uint64_t t)
{
    p->first_flit_cycle = later_of(t + EGRESS_CYCLES, nic->wire_free);
    nic->wire_free = p->first_flit_cycle + packet_flits(p);
    nic->deparser[(nic->deparser_head + nic->deparser_len++) % EGRESS_WORDS] =
        (struct timed){.cycle = p->first_flit_cycle, .value = (uint16_t)words};
    nic->deparser_words += words;
    nic->arbiter_free = t + words;
    nic->stats.tx_packets++;
    NIC_TELL(nic, tx_packet, .cycle = p->first_flit_cycle, .p = p);
    nic->c.send(nic->c.arg, p);
}

/* The queue of control packets whose first one is there in cycle t; NULL. */
static struct control_queue *control_there(struct nic *nic, uint64_t t)
{
    for (unsigned i = 0; i < CONTROL_QUEUES; i++) {
        struct control_queue *q = &nic->control[i];

        if (q->len > 0 && q->ring[q->head].cycle <= t)
            return q;
    }
    return NULL;
}

static void send_control(struct nic *nic, struct control_queue *q, unsigned words, uint64_t t)
{
    const struct control *c = &q->ring[q->head];
    struct packet *p = packet_alloc(nic->c.pool);

    if (p == NULL) {
        NIC_DROP(nic, t, NULL, drop_no_packet);
    } else {
        msg_header_write(&c->h, nic->transport->layout, !nic->p->quirk_no_rx_check, p->data);
        p->len_bytes = (uint32_t)(MSG_FRAME_HEADER_BYTES + nic->p->control_pad);
        memset(p->data + MSG_FRAME_HEADER_BYTES, 0, packet_flits(p) * FLIT_BYTES - MSG_FRAME_HEADER_BYTES);
        nic->stats.tx_control++;
        transmit(nic, p, words, t);
    }
    q->head = (q->head + 1) % (uint32_t)nic->p->sched_entries;
    q->len--;
    nic->control_len--;
    NIC_TELL(nic, queue, .cycle = t, .unit = NIC_QUEUE_control, .a = nic->control_len);
}

void egress_event(struct nic *nic, uint64_t t)
{
    struct control_queue *control = control_there(nic, t);
    struct egress_packet d;
    unsigned words;
    uint64_t when;

    if (control == NULL)
        assert(nic->data_len > 0 && nic->data[nic->data_head].cycle <= t);
    words = control != NULL ? (unsigned)(nic->p->control_pad + WORD_BYTES - 1) / WORD_BYTES
                            : nic->data[nic->data_head].words;
    if (!deparser_room(nic, words, t, &when)) {
        nic->stats.egress_stalls++;
        nic->next[MOD_EGRESS] = when;
        return;
    }
    if (control != NULL) {
        send_control(nic, control, words, t);
    } else {
        d = nic->data[nic->data_head];
        nic->data_head = (nic->data_head + 1) % EGRESS_WORDS;
        nic->data_len--;
        nic->data_words -= d.words;
        nic->stats.tx_data++;
        transmit(nic, d.p, d.words, t);
        if (nic->next[MOD_SCHEDULE] == CYCLE_NEVER)
            schedule_wake(nic, t + 1);
    }
    schedule_arbiter(nic);
}
