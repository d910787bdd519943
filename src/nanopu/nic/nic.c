/* SPDX-License-Identifier: MIT */
/* The NIC as a whole: memory, order of events, horizon, names. */
#include "nanopu/nic/nic_internal.h"

#include <errno.h>
#include <stdlib.h>

_Static_assert(MSG_FRAME_HEADER_BYTES == PACKET_HEADER_BYTES && MSG_SEGMENT_BYTES == SEGMENT_BYTES,
               "the transport's packets are the fabric's");

/* ---- Memory ---- */

static int init_rx(struct nic *nic)
{
    const struct params *p = nic->p;

    nic->rx = calloc(nic->ids, sizeof(*nic->rx));
    nic->rx_free = calloc(nic->ids, sizeof(*nic->rx_free));
    nic->completed = calloc(nic->ids, sizeof(*nic->completed));
    nic->notes = calloc(nic->ids + (size_t)p->global_rxq_words, sizeof(*nic->notes));
    nic->links = calloc(nic->c.cores, sizeof(*nic->links));
    if (nic->rx == NULL || nic->rx_free == NULL || nic->completed == NULL || nic->notes == NULL || nic->links == NULL)
        return -ENOMEM;
    for (unsigned i = 0; i < HTS_CONTEXTS; i++) {
        nic->rxq[i].words = calloc((size_t)p->context_rxq_words, sizeof(*nic->rxq[i].words));
        nic->rxq[i].msgs = calloc((size_t)p->context_rxq_words, sizeof(*nic->rxq[i].msgs));
        if (nic->rxq[i].words == NULL || nic->rxq[i].msgs == NULL)
            return -ENOMEM;
    }
    if (!p->quirk_key_truncated && !nic->receiver.o.no_ack_duplicate) {
        nic->done_keys = calloc(DONE_ENTRIES, sizeof(*nic->done_keys));
        if (nic->done_keys == NULL)
            return -ENOMEM;
    }
    for (uint32_t i = 0; i < nic->ids; i++)
        nic->rx_free[nic->rx_free_count++] = (uint16_t)(nic->ids - 1 - i);
    for (unsigned i = 0; i < IDS_MAX; i++)
        nic->rx_hash[i] = UINT16_MAX;
    for (unsigned i = 0; i < CORES_MAX; i++)
        nic->waiting[i] = -1;
    return buf_pool_init(&nic->rx_bufs, p);
}

static int init_tx(struct nic *nic)
{
    size_t entries = (size_t)nic->p->sched_entries;

    nic->tx = calloc(nic->ids, sizeof(*nic->tx));
    nic->tx_free = calloc(nic->ids, sizeof(*nic->tx_free));
    nic->assembly = calloc(nic->c.cores, sizeof(*nic->assembly));
    nic->paced = calloc(entries, sizeof(*nic->paced));
    if (nic->tx == NULL || nic->tx_free == NULL || nic->assembly == NULL || nic->paced == NULL)
        return -ENOMEM;
    for (unsigned i = 0; i < CONTROL_QUEUES; i++) {
        nic->control[i].ring = calloc(entries, sizeof(*nic->control[i].ring));
        if (nic->control[i].ring == NULL)
            return -ENOMEM;
    }
    for (unsigned i = 0; i < SCHEDULERS; i++) {
        nic->sched[i].ring = calloc(entries, sizeof(*nic->sched[i].ring));
        if (nic->sched[i].ring == NULL)
            return -ENOMEM;
    }
    for (uint32_t i = 0; i < nic->ids; i++) {
        nic->tx_free[nic->tx_free_count++] = (uint16_t)i;
        nic->tx[i].deadline = CYCLE_NEVER;
    }
    return buf_pool_init(&nic->tx_bufs, nic->p);
}

struct nic *nic_new(const struct nic_config *config)
{
    const struct params *p = config->params;
    bool homa = params_transport(p) == &homa_transport;
    struct nic *nic;

    assert(config->cores > 0 && config->cores <= CORES_MAX);
    nic = calloc(1, sizeof(*nic));
    if (nic == NULL)
        return NULL;
    nic->c = *config;
    nic->p = p;
    nic->probe = config->probe;
    nic->transport = params_transport(p);
    nic->ip_protocol = params_ip_protocol(p);
    nic->meta_cycles = homa ? RX_META_HOMA : RX_META_CYCLES;
    nic->ids = (uint32_t)(p->buffers_small + p->buffers_large);
    nic->receiver.o = (struct msg_options){.rtt_pkts = (uint16_t)p->rtt_pkts,
                                           .no_ack_duplicate = homa ? p->quirk_homa_dup : p->quirk_no_ack_dup,
                                           .pull_overwrites = p->quirk_pull_overwrites,
                                           .pull_always = p->quirk_pull_always,
                                           .first_timeout_packet = p->quirk_first_timeout};
    nic->control_event = CYCLE_NEVER;
    for (unsigned i = 0; i < MODULES; i++)
        nic->next[i] = CYCLE_NEVER;
    if (init_rx(nic) != 0 || init_tx(nic) != 0) {
        nic_free(nic);
        errno = ENOMEM;
        return NULL;
    }
    return nic;
}

static void free_packets(struct nic *nic)
{
    while (nic->rx_head != NULL) {
        struct packet *p = nic->rx_head;

        nic->rx_head = p->next;
        packet_free(nic->c.pool, p);
    }
    for (uint32_t i = 0; i < nic->data_len; i++)
        packet_free(nic->c.pool, nic->data[(nic->data_head + i) % EGRESS_WORDS].p);
}

void nic_free(struct nic *nic)
{
    if (nic == NULL)
        return;
    free_packets(nic);
    for (unsigned i = 0; i < HTS_CONTEXTS; i++) {
        free(nic->rxq[i].words);
        free(nic->rxq[i].msgs);
    }
    for (unsigned i = 0; i < SCHEDULERS; i++)
        free(nic->sched[i].ring);
    buf_pool_fini(&nic->rx_bufs);
    buf_pool_fini(&nic->tx_bufs);
    free(nic->rx);
    free(nic->rx_free);
    free(nic->completed);
    free(nic->notes);
    free(nic->links);
    free(nic->done_keys);
    free(nic->tx);
    free(nic->tx_free);
    free(nic->assembly);
    free(nic->paced);
    for (unsigned i = 0; i < CONTROL_QUEUES; i++)
        free(nic->control[i].ring);
    free(nic);
}

/* ---- Time ---- */

static void (*const module_event[MODULES])(struct nic *, uint64_t) = {
    [MOD_COMMAND] = command_event, [MOD_INGRESS] = ingress_event,   [MOD_RXQ] = rxq_event,
    [MOD_LINK] = link_event,       [MOD_JBSQ] = jbsq_event,         [MOD_PACKETIZE] = packetize_event,
    [MOD_TIMER] = timer_event,     [MOD_SCHEDULE] = schedule_event, [MOD_PACED] = paced_event,
    [MOD_EGRESS] = egress_event,
};

uint64_t nic_next_event(const struct nic *nic)
{
    uint64_t first = command_next(nic), t = packetize_next(nic);

    first = t < first ? t : first;
    for (unsigned i = 0; i < MODULES; i++)
        if (i != MOD_COMMAND && i != MOD_PACKETIZE && nic->next[i] < first)
            first = nic->next[i];
    return first;
}

void nic_advance(struct nic *nic, uint64_t until)
{
    /* Harts may have added to what these two look at. */
    nic->next[MOD_COMMAND] = command_next(nic);
    nic->next[MOD_PACKETIZE] = packetize_next(nic);
    for (;;) {
        unsigned first = 0;

        for (unsigned i = 1; i < MODULES; i++)
            if (nic->next[i] < nic->next[first])
                first = i;
        if (nic->next[first] >= until)
            break;
        module_event[first](nic, nic->next[first]);
    }
    nic->now = later_of(nic->now, until);
}

static uint64_t plus(uint64_t t, uint64_t cycles)
{
    return t == CYCLE_NEVER ? t : t + cycles;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/*
 * The first word of any message at a core comes through jbsq; each stage before it adds its cycles. A transmit FIFO
 * that a core may fill before the NIC is called again is a bound as well: whether a word finds it full must be exact.
 */
uint64_t nic_horizon(const struct nic *nic)
{
    uint64_t decide = DECIDE_CYCLES + HEADER_CYCLES, t = CYCLE_NEVER;

    if (nic->rx_head != NULL)
        t = least(t, nic->rx_done + ACCEPT_TO_CORE);
    /* A word that the core in hand waits for goes on at once. */
    t = least(t, plus(nic->next[MOD_RXQ], nic->jbsq_state == JBSQ_WORDS ? 1 : decide));
    if (nic->next[MOD_RXQ] == CYCLE_NEVER && (nic->rxq_active || nic->completed_len > 0))
        t = least(t, nic->now + DONE_TO_OTHER_CORE);
    t = least(t, plus(nic->next[MOD_JBSQ], 1));
    t = least(t, plus(nic->next[MOD_LINK], 1));
    t = least(t, plus(command_next(nic), decide));
    for (unsigned i = 0; i < nic->c.cores; i++) {
        unsigned room = hts_tx_room(nic->c.hts[i]);

        t = least(t, nic->now + (room > 0 ? room : 1));
    }
    return t;
}

/* ---- Names ---- */

const struct nic_stats *nic_stats(const struct nic *nic)
{
    return &nic->stats;
}

enum nic_fault nic_fault(const struct nic *nic)
{
    return nic->fault;
}

#define FAULT_TEXT(name, text) (text),
const char *nic_fault_text(enum nic_fault f)
{
    static const char *const texts[NIC_FAULT_COUNT] = {"no fault", NIC_FAULTS(FAULT_TEXT)};

    return f < NIC_FAULT_COUNT ? texts[f] : "unknown fault";
}
#undef FAULT_TEXT

#define COUNTER_NAME(name, help) #name,
const char *nic_counter_name(unsigned index)
{
    static const char *const names[] = {NIC_COUNTERS(COUNTER_NAME)};

    return index < ARRAY_LEN(names) ? names[index] : "unknown";
}
#undef COUNTER_NAME

void nic_tell(struct nic *nic, struct probe_event e)
{
    e.node = nic->probe->node;
    nic->probe->event(nic->probe->arg, &e);
}

void nic_tell_drop(struct nic *nic, uint64_t t, const struct packet *p, enum nic_counter why)
{
    NIC_TELL(nic, drop, .cycle = t, .p = p, .a = why);
}
