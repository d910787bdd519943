/* SPDX-License-Identifier: MIT */
/*
 * Retransmission timers (section 4.5): one for each message being sent. The hardware looks at one timer every two
 * cycles, in turn, so that a timeout comes late by up to two cycles a timer; starting one takes the port to the timers'
 * memory, and a look that falls into that cycle and all after it come a cycle later.
 *
 * Timers are started with one and the same time-out and most are cancelled, so there is no queue: the module's next
 * time is a lower bound, and all are looked at when it is reached.
 */
#include "nanopu/nic/nic_internal.h"

/* The first cycle from t on in which the timer of this id is looked at. */
static uint64_t look(const struct nic *nic, uint16_t id, uint64_t t)
{
    uint64_t round = (uint64_t)nic->ids * TIMER_SCAN_CYCLES;
    uint64_t phase = ((uint64_t)id * TIMER_SCAN_CYCLES + nic->scan_shift) % round;

    return t + (phase + round - t % round) % round;
}

static void take_port(struct nic *nic, uint64_t t)
{
    nic->scan_shift += (t + nic->scan_shift) % TIMER_SCAN_CYCLES == 0;
}

void timer_start(struct nic *nic, uint16_t tx_id, uint64_t t)
{
    take_port(nic, t);
    nic->tx[tx_id].deadline = t + (uint64_t)nic->p->timeout_cycles;
    nic->armed++;
    earlier(nic, MOD_TIMER, nic->tx[tx_id].deadline);
}

void timer_cancel(struct nic *nic, uint16_t tx_id)
{
    assert(nic->armed > 0 && nic->tx[tx_id].deadline != CYCLE_NEVER);
    nic->tx[tx_id].deadline = CYCLE_NEVER;
    if (--nic->armed == 0)
        nic->next[MOD_TIMER] = CYCLE_NEVER;
}

static void fire(struct nic *nic, uint16_t id, uint64_t t)
{
    struct tx_msg *m = &nic->tx[id];
    uint64_t again = msg_tx_timeout(&m->state, &nic->receiver.o);

    nic->stats.timeouts++;
    nic->stats.retransmits += (unsigned)__builtin_popcountll(again);
    NIC_TELL(nic, timeout, .cycle = t, .a = id, .b = again);
    schedule_packets(nic, SCHED_TIMEOUT, id, again, t);
    take_port(nic, t);
    m->deadline = t + (uint64_t)nic->p->timeout_cycles;
}

void timer_event(struct nic *nic, uint64_t t)
{
    uint64_t next = CYCLE_NEVER;

    for (uint32_t i = 0; i < nic->ids; i++) {
        struct tx_msg *m = &nic->tx[i];
        uint16_t id = (uint16_t)i;
        uint64_t at;

        if (!m->used || m->deadline == CYCLE_NEVER)
            continue;
        if (m->deadline <= t && look(nic, id, t) == t)
            fire(nic, id, t);
        at = m->deadline <= t ? look(nic, id, t + 1) : m->deadline;
        next = at < next ? at : next;
    }
    nic->next[MOD_TIMER] = next;
}
