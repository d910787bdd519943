/* SPDX-License-Identifier: MIT */
/*
 * Registers, rings and the ways of packets. Everything is events whose cycles are known when they are planned; what an
 * event finds in memory is what is there in its cycle.
 */
#include "nanopu/ring/ring_internal.h"

#include "nanopu/nic/hts.h"
#include "nanopu/view/probe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MIP_MEIP     (UINT64_C(1) << 11)
#define ADDRESS_MASK ((UINT64_C(1) << RING_LENGTH_SHIFT) - 1)

#define TELL(r, what, when, packet)                                                                                    \
    do {                                                                                                               \
        if (probe_wants((r)->c.probe, PROBE_##what)) {                                                                 \
            struct probe_event e_ = {PROBE_##what, (r)->c.probe->node, 0, (when), 0, 0, 0, (packet)};                  \
            (r)->c.probe->event((r)->c.probe->arg, &e_);                                                               \
        }                                                                                                              \
    } while (0)

static uint64_t later_of(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static uint64_t earlier_of(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

struct ring_nic *ring_new(const struct ring_config *config)
{
    struct ring_nic *r = calloc(1, sizeof(*r));

    if (r == NULL)
        return NULL;
    r->c = *config;
    r->p = config->params;
    assert(r->p->ring_dma_lines <= RING_WINDOW_MAX);
    r->rx.lines.fetch_done = r->tx.lines.fetch_done = CYCLE_NEVER;
    r->irq_at = CYCLE_NEVER;
    return r;
}

void ring_free(struct ring_nic *r)
{
    if (r == NULL)
        return;
    while (r->input_head != NULL) {
        struct packet *p = r->input_head;

        r->input_head = p->next;
        packet_free(r->c.pool, p);
    }
    for (unsigned i = 0; i < r->rx_moves.count; i++)
        packet_free(r->c.pool, r->rx_moves.move[(r->rx_moves.first + i) % RING_PENDING_MAX].packet);
    free(r);
}

const struct ring_stats *ring_stats(const struct ring_nic *r)
{
    return &r->stats;
}

/* ---- Packets under way ---- */

static bool moves_full(const struct ring_moves *m)
{
    return m->count == RING_PENDING_MAX;
}

static void moves_add(struct ring_moves *m, const struct ring_move *move)
{
    m->move[(m->first + m->count++) % RING_PENDING_MAX] = *move;
}

static uint64_t moves_next(const struct ring_moves *m)
{
    return m->count != 0 ? m->move[m->first].done : CYCLE_NEVER;
}

static struct ring_move moves_take(struct ring_moves *m)
{
    struct ring_move move = m->move[m->first];

    m->first = (m->first + 1) % RING_PENDING_MAX;
    m->count--;
    return move;
}

/* ---- Queues of the registers ---- */

static bool queue_put(struct ring_nic *r, struct ring_queue *q, const struct ring_descriptor *d)
{
    if (q->count == RING_QUEUE_MAX) {
        r->stats.drop_queue_full++;
        return false;
    }
    q->entry[(q->first + q->count++) % RING_QUEUE_MAX] = *d;
    return true;
}

static struct ring_descriptor queue_take(struct ring_queue *q)
{
    struct ring_descriptor d = q->entry[q->first];

    q->first = (q->first + 1) % RING_QUEUE_MAX;
    q->count--;
    return d;
}

/* ---- Descriptors ---- */

static uint64_t descriptor_address(const struct ring *ring, uint64_t number)
{
    return ring->base + (number & (ring->entries - 1)) * RING_DESCRIPTOR_BYTES;
}

/* The ring's memory is there: both of base and entries make sense. */
static bool usable(const struct ring_nic *r, const struct ring *ring)
{
    return ring->entries != 0 && memory_dram(r->c.memory, ring->base, ring->entries * RING_DESCRIPTOR_BYTES) != NULL;
}

static const struct ring_descriptor *fetched(const struct ring *ring)
{
    const struct ring_lines *l = &ring->lines;

    return ring->next >= l->begin && ring->next < l->end ? &l->entry[ring->next - l->begin] : NULL;
}

/* Asks for the line that the next descriptor is in, unless that is under way. */
static void fetch(struct ring_nic *r, struct ring *ring, uint64_t now)
{
    struct ring_lines *l = &ring->lines;

    if (l->fetch_done != CYCLE_NEVER || ring->next >= ring->tail || !usable(r, ring))
        return;
    l->fetch_begin = ring->next;
    l->fetch_done = ring_fetch_done(r, descriptor_address(ring, ring->next), now);
}

/* The line has come: of it, what lies before the tail. */
static void fetch_done(struct ring_nic *r, struct ring *ring)
{
    struct ring_lines *l = &ring->lines;
    uint64_t left = RING_LINE_ENTRIES - l->fetch_begin % RING_LINE_ENTRIES;

    l->fetch_done = CYCLE_NEVER;
    l->begin = l->fetch_begin;
    l->end = earlier_of(l->begin + left, ring->tail);
    for (uint64_t n = l->begin; n < l->end; n++) {
        struct ring_descriptor *d = &l->entry[n - l->begin];
        const uint8_t *from = memory_dram(r->c.memory, descriptor_address(ring, n), RING_DESCRIPTOR_BYTES);

        memcpy(&d->address, from, sizeof(d->address));
        memcpy(&d->length, from + sizeof(d->address), sizeof(d->length));
    }
}

/* ---- Receiving ---- */

/* From the wire into the NIC's own memory, all of it. */
static uint64_t input_ready(const struct ring_nic *r, const struct packet *p)
{
    return p->first_flit_cycle + packet_flits(p) - 1 + (uint64_t)r->p->ring_wire_cycles;
}

static void input_drop(struct ring_nic *r, struct packet *p, uint64_t *why, uint64_t now)
{
    ++*why;
    TELL(r, drop, now, p);
    packet_free(r->c.pool, p);
}

void ring_receive(struct ring_nic *r, struct packet *p)
{
    r->stats.rx_packets++;
    TELL(r, rx_packet, p->first_flit_cycle, p);
    if (r->input_bytes + p->len_bytes > (uint64_t)r->p->ring_input_bytes) {
        input_drop(r, p, &r->stats.drop_input_full, p->first_flit_cycle);
        return;
    }
    r->input_bytes += p->len_bytes;
    p->next = NULL;
    if (r->input_tail != NULL)
        r->input_tail->next = p;
    else
        r->input_head = p;
    r->input_tail = p;
}

static struct packet *input_take(struct ring_nic *r)
{
    struct packet *p = r->input_head;

    r->input_head = p->next;
    if (r->input_head == NULL)
        r->input_tail = NULL;
    r->input_bytes -= p->len_bytes;
    r->input_waits = false;
    return p;
}

/* What the next packet can be written to, or NULL. */
static const struct ring_descriptor *rx_buffer(const struct ring_nic *r)
{
    return r->posted.count != 0 ? &r->posted.entry[r->posted.first] : fetched(&r->rx);
}

static void rx_buffer_used(struct ring_nic *r, struct ring_move *m)
{
    if (m->queued)
        queue_take(&r->posted);
    else
        m->number = r->rx.next++;
}

/* Plans the writing of packets for which there are buffers. A descriptor follows when its packet is acknowledged. */
static void receive_more(struct ring_nic *r, uint64_t now)
{
    while (r->input_head != NULL && input_ready(r, r->input_head) <= now && !moves_full(&r->rx_moves)) {
        const struct ring_descriptor *d = rx_buffer(r);
        struct ring_move m;

        if (d == NULL) {
            fetch(r, &r->rx, now);
            r->stats.rx_waits += !r->input_waits && r->rx.next >= r->rx.tail;
            r->input_waits = true;
            return;
        }
        m = (struct ring_move){.packet = input_take(r), .buffer = *d, .queued = r->posted.count != 0};
        if (m.packet->len_bytes > d->length) {
            input_drop(r, m.packet, &r->stats.drop_rx_long, now);
            continue;
        }
        rx_buffer_used(r, &m);
        if (memory_dram(r->c.memory, m.buffer.address, m.buffer.length) == NULL) {
            input_drop(r, m.packet, &r->stats.drop_rx_address, now); /* and nothing will ever come into this buffer */
            continue;
        }
        m.done = ring_write_done(r, m.buffer.address, m.packet->len_bytes, now, &r->stats.dma_writes);
        if (!m.queued)
            m.done = ring_write_back_done(r, descriptor_address(&r->rx, m.number), RING_DESCRIPTOR_BYTES, m.done);
        m.done = r->rx_done_last = later_of(m.done, r->rx_done_last);
        moves_add(&r->rx_moves, &m);
    }
    /* the next line of descriptors comes before it is needed */
    if (fetched(&r->rx) == NULL)
        fetch(r, &r->rx, now);
}

static void raise_interrupt(struct ring_nic *r, uint64_t now)
{
    if (r->irq_on && !r->irq_up && r->irq_at == CYCLE_NEVER)
        r->irq_at = now + (uint64_t)r->p->ring_irq_cycles;
}

static void received(struct ring_nic *r, uint64_t now)
{
    struct ring_move m = moves_take(&r->rx_moves);
    uint32_t tail[2] = {m.packet->len_bytes, RING_DONE};

    ring_put(r, m.buffer.address, m.packet->data, m.packet->len_bytes, now);
    if (m.queued) {
        m.buffer.length = m.packet->len_bytes;
        queue_put(r, &r->taken, &m.buffer);
    } else {
        ring_put(r, descriptor_address(&r->rx, m.number) + 8, tail, sizeof(tail), now);
        r->rx.head = m.number + 1;
    }
    packet_free(r->c.pool, m.packet);
    r->stats.rx_done++;
    raise_interrupt(r, now);
}

/* ---- Sending ---- */

/* Is there a packet at the descriptor? */
static bool sendable(struct ring_nic *r, const struct ring_descriptor *d)
{
    if (d->length == 0 || d->length > PACKET_BYTES_MAX) {
        r->stats.drop_tx_length++;
        return false;
    }
    if (memory_dram(r->c.memory, d->address, d->length) == NULL) {
        r->stats.drop_tx_address++;
        return false;
    }
    return true;
}

static const struct ring_descriptor *tx_buffer(const struct ring_nic *r)
{
    return r->tx_posted.count != 0 ? &r->tx_posted.entry[r->tx_posted.first] : fetched(&r->tx);
}

static void send_more(struct ring_nic *r, uint64_t now)
{
    const struct ring_descriptor *d;

    while ((d = tx_buffer(r)) != NULL && r->tx_start <= now && !moves_full(&r->tx_moves)) {
        struct ring_move m = {.buffer = *d};

        if (r->tx_posted.count != 0)
            queue_take(&r->tx_posted);
        else
            r->tx.next++;
        if (!sendable(r, &m.buffer))
            m.buffer.length = 0;
        m.done = m.buffer.length == 0 ? later_of(now + 1, r->read.free)
                                      : ring_read_done(r, m.buffer.address, m.buffer.length, now, &r->stats.dma_reads);
        /* the next one's first line follows this one's last on the bus */
        r->tx_start = later_of(now + 1, m.done - earlier_of(m.done, (uint64_t)r->p->ring_dma_cycles));
        moves_add(&r->tx_moves, &m);
    }
    if (d == NULL)
        fetch(r, &r->tx, now);
}

static void sent(struct ring_nic *r, uint64_t now)
{
    struct ring_move m = moves_take(&r->tx_moves);
    struct packet *p = m.buffer.length != 0 ? packet_alloc(r->c.pool) : NULL;

    r->tx.head++;
    if (p == NULL) {
        r->stats.drop_no_packet += m.buffer.length != 0;
        return;
    }
    p->len_bytes = m.buffer.length;
    memcpy(p->data, memory_dram(r->c.memory, m.buffer.address, m.buffer.length), m.buffer.length);
    memset(p->data + p->len_bytes, 0, packet_flits(p) * FLIT_BYTES - p->len_bytes);
    p->first_flit_cycle = later_of(now + (uint64_t)r->p->ring_wire_cycles, r->wire_free);
    r->wire_free = p->first_flit_cycle + packet_flits(p);
    r->stats.tx_packets++;
    TELL(r, tx_packet, p->first_flit_cycle, p);
    r->c.send(r->c.arg, p);
}

/* ---- Events ---- */

static void doorbell_arrives(struct ring_nic *r)
{
    struct ring_doorbell b = r->doorbell[0];
    struct ring_descriptor d;

    memmove(r->doorbell, r->doorbell + 1, --r->doorbells * sizeof(b));
    d = (struct ring_descriptor){b.value & ADDRESS_MASK, (uint32_t)(b.value >> RING_LENGTH_SHIFT)};
    switch (b.reg) {
    case RING_tx_tail:
        r->tx.tail = b.value;
        break;
    case RING_rx_tail:
        r->rx.tail = b.value;
        break;
    case RING_rx_post:
        d.length = RING_QUEUE_BUFFER;
        queue_put(r, &r->posted, &d);
        break;
    default:
        queue_put(r, &r->tx_posted, &d);
        break;
    }
}

static uint64_t input_next(const struct ring_nic *r)
{
    uint64_t ready = r->input_head != NULL ? input_ready(r, r->input_head) : CYCLE_NEVER;

    /* Something else goes on before this packet does. */
    return ready <= r->now && (rx_buffer(r) == NULL || moves_full(&r->rx_moves)) ? CYCLE_NEVER : ready;
}

static uint64_t send_next(const struct ring_nic *r)
{
    return tx_buffer(r) != NULL && !moves_full(&r->tx_moves) ? r->tx_start : CYCLE_NEVER;
}

uint64_t ring_next_event(const struct ring_nic *r)
{
    uint64_t next = earlier_of(moves_next(&r->rx_moves), moves_next(&r->tx_moves));

    next = earlier_of(next, earlier_of(r->rx.lines.fetch_done, r->tx.lines.fetch_done));
    next = earlier_of(next, earlier_of(input_next(r), send_next(r)));
    next = earlier_of(next, r->irq_at);
    return r->doorbells != 0 ? earlier_of(next, r->doorbell[0].cycle) : next;
}

static void interrupt_rises(struct ring_nic *r, uint64_t cycle)
{
    r->irq_at = CYCLE_NEVER;
    r->irq_up = true;
    r->stats.interrupts++;
    hart_set_mip(r->c.harts[0], MIP_MEIP, true, cycle);
}

static void do_event(struct ring_nic *r, uint64_t at)
{
    if (r->doorbells != 0 && r->doorbell[0].cycle <= at)
        doorbell_arrives(r);
    if (r->rx.lines.fetch_done <= at)
        fetch_done(r, &r->rx);
    if (r->tx.lines.fetch_done <= at)
        fetch_done(r, &r->tx);
    if (moves_next(&r->rx_moves) <= at)
        received(r, at);
    if (moves_next(&r->tx_moves) <= at)
        sent(r, at);
    if (r->irq_at <= at)
        interrupt_rises(r, at);
    receive_more(r, at);
    send_more(r, at);
}

void ring_advance(struct ring_nic *r, uint64_t cycle)
{
    for (uint64_t at = ring_next_event(r); at <= cycle; at = ring_next_event(r)) {
        r->now = later_of(r->now, at);
        do_event(r, r->now);
    }
    r->now = later_of(r->now, cycle);
}

/* ---- Registers ---- */

static uint64_t take_received(struct ring_nic *r)
{
    struct ring_descriptor d;

    if (r->taken.count == 0)
        return 0;
    d = queue_take(&r->taken);
    return d.address | (uint64_t)d.length << RING_LENGTH_SHIFT;
}

int ring_load(struct ring_nic *r, uint64_t offset, unsigned size, uint64_t *value)
{
    const uint64_t values[] = {
        [RING_rx_base / 8] = r->rx.base, [RING_rx_entries / 8] = r->rx.entries, [RING_rx_tail / 8] = r->rx.tail,
        [RING_rx_head / 8] = r->rx.head, [RING_tx_base / 8] = r->tx.base,       [RING_tx_entries / 8] = r->tx.entries,
        [RING_tx_tail / 8] = r->tx.tail, [RING_tx_head / 8] = r->tx.head,       [RING_irq_on / 8] = r->irq_on,
        [RING_irq_seen / 8] = r->irq_up,
    };

    if (size == 8 && offset == RING_rx_take) {
        *value = take_received(r);
        return 0;
    }
    if (size != 8 || offset / 8 >= ARRAY_LEN(values))
        return -EFAULT;
    *value = values[offset / 8];
    return 0;
}

/* A tail never goes back, nor further than its ring is long before what the NIC has done. */
static bool tail_fine(const struct ring *ring, uint64_t value)
{
    return value >= ring->tail && value - ring->head <= ring->entries;
}

/* A store that the NIC hears of later. */
static void ring_bell(struct ring_nic *r, struct hart *by, uint64_t cycle, unsigned reg, uint64_t value)
{
    struct ring_doorbell b = {cycle + (uint64_t)r->p->ring_doorbell_cycles, value, reg};
    unsigned i = r->doorbells;

    r->stats.doorbells++;
    if ((reg == RING_tx_tail && !tail_fine(&r->tx, value)) || (reg == RING_rx_tail && !tail_fine(&r->rx, value)))
        return;
    if (r->doorbells == RING_DOORBELL_MAX) {
        r->stats.drop_queue_full++;
        return;
    }
    while (i > 0 && r->doorbell[i - 1].cycle > b.cycle) {
        r->doorbell[i] = r->doorbell[i - 1];
        i--;
    }
    r->doorbell[i] = b;
    r->doorbells++;
    hart_limit(by, b.cycle);
}

static int set_entries(struct ring *ring, uint64_t value)
{
    if (value == 0 || value > RING_ENTRIES_MAX || (value & (value - 1)) != 0)
        return -EFAULT;
    ring->entries = value;
    return 0;
}

static int set_base(struct ring *ring, uint64_t value)
{
    if (value % CACHE_LINE != 0)
        return -EFAULT;
    ring->base = value;
    return 0;
}

/* What was received before this looks like news if interrupts are switched on now. */
static void set_irq_on(struct ring_nic *r, struct hart *by, uint64_t cycle, bool on)
{
    r->irq_on = on;
    if (on)
        return;
    r->irq_at = CYCLE_NEVER;
    r->irq_up = false;
    hart_set_mip(r->c.harts[0], MIP_MEIP, false, cycle);
    hart_limit(by, cycle + 1);
}

static void irq_seen(struct ring_nic *r, struct hart *by, uint64_t cycle)
{
    r->irq_up = false;
    hart_set_mip(r->c.harts[0], MIP_MEIP, false, cycle);
    hart_limit(by, cycle + 1);
}

int ring_store(struct ring_nic *r, struct hart *by, uint64_t cycle, uint64_t offset, unsigned size, uint64_t value)
{
    if (size != 8)
        return -EFAULT;
    switch (offset) {
    case RING_rx_base:
        return set_base(&r->rx, value);
    case RING_rx_entries:
        return set_entries(&r->rx, value);
    case RING_tx_base:
        return set_base(&r->tx, value);
    case RING_tx_entries:
        return set_entries(&r->tx, value);
    case RING_rx_tail:
    case RING_tx_tail:
    case RING_rx_post:
    case RING_tx_post:
        ring_bell(r, by, cycle, (unsigned)offset, value);
        return 0;
    case RING_irq_on:
        set_irq_on(r, by, cycle, (value & 1) != 0);
        return 0;
    case RING_irq_seen:
        irq_seen(r, by, cycle);
        return 0;
    default:
        return -EFAULT;
    }
}
