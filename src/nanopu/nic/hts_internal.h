/* SPDX-License-Identifier: MIT */
/*
 * The scheduler's registers as the hardware has them, with the values of one cycle, and the FIFOs beside them.
 *
 * Design. hts_tick computes one cycle as the register-transfer description does: everything from the registers' old
 * values. It is called for the few cycles in which something changes: once the registers have settled nothing happens
 * before the next arrival or the end of a timer, and time jumps there (hts_run). So the result is that of a simulation
 * of each cycle by construction, at the cost of some ticks a message. To look ahead (hts_next_pulse, hts_next_change)
 * the same code runs on a copy of the registers; the FIFOs are only read. The alternative, closed formulas for every
 * combination of arrivals, commands and timers, would be faster yet and nobody could check it.
 */
#ifndef NANOPU_NIC_HTS_INTERNAL_H
#define NANOPU_NIC_HTS_INTERNAL_H

#include "nanopu/nic/hts_nic.h"

#define NO_ENTRY HTS_CONTEXTS /* of an id that has none; its fields below keep their reset values */

/* What the hart commands in a cycle. */
enum { CMD_INSERT = 1, CMD_START = 2, CMD_DONE = 4, CMD_IDLE = 8 };

struct hts_regs {
    uint64_t now; /* the registers have their values of this cycle */
    /* the CSRs that software writes */
    uint64_t curcontext, curpriority, msg_cycles, idle_cycles;
    /* timers: the cycle in which they read 0 */
    uint64_t msg_zero, idle_zero;
    /* by entry */
    uint64_t head_ts[HTS_CONTEXTS + 1]; /* arrival of the first word of the message at the head; if count > 0 */
    uint64_t msg_ts[HTS_CONTEXTS + 1];  /* of the message that is arriving */
    uint32_t count[HTS_CONTEXTS + 1];   /* words that have arrived and were not popped */
    uint8_t priority[HTS_CONTEXTS + 1];
    uint8_t given[HTS_CONTEXTS + 1]; /* the priority before any demotion */
    bool active[HTS_CONTEXTS + 1];
    /* registered contexts, and what has become of their number */
    uint8_t ring[HTS_CONTEXTS];
    uint8_t ring_head, ring_len;
    uint32_t registered;
    /* selection and its copy in the CSRs */
    uint16_t top_ctx, csr_ctx;
    uint8_t top_prio, csr_prio;
    bool msgs_ready;
    /* events of the last two cycles */
    bool enqueued[2], done[2], demoted, rotated;
    bool settled;        /* another tick without an arrival, a command or the end of a timer changes nothing */
    bool latched;        /* a pulse that waits (quirk_pulse_unlatched off) */
    uint64_t last_pulse; /* CYCLE_NEVER: none yet */
};

struct hts_word {
    uint64_t word;
    uint64_t cycle; /* of its arrival; HTS_FIRST is added for a header word */
};
#define HTS_FIRST (UINT64_C(1) << 63)

struct hts {
    const struct params *p;
    struct hts_regs regs;
    struct {
        struct hts_word *words; /* context_words of them */
        uint32_t head, total;   /* total: those to come counted in */
    } fifo[HTS_CONTEXTS + 1];
    uint32_t context_words, pool_words; /* bounds; words in use below */
    uint32_t pool_used;
    uint64_t popped_ts; /* head_ts before the last pop, and whether that took a word and the CSR knew of it */
    bool popped, popped_ready;
    uint64_t link_free;
    struct hts_tx_word *tx;
    uint32_t tx_cap, tx_head, tx_len;
    struct hts_command *commands;
    uint32_t commands_head, commands_len;
    enum hts_error error;
    struct hts_stats stats;
    uint64_t quiet;       /* until then nothing happens but that time passes; 0: not known */
    uint64_t ready_cycle; /* lnicrdy */
    uint64_t pulse_from, pulse_at, change_from, change_at; /* answers that still hold; from CYCLE_NEVER: none */
};

#define HTS_COMMANDS 256 /* bound of the queue of commands: the NIC takes one a cycle */

/* The entry of a context id: its two low bits, as the hardware has it, or with the quirk off NO_ENTRY above 3. */
static inline unsigned hts_entry(const struct hts *h, uint64_t ctx)
{
    ctx &= 0xffff;
    if (ctx >= HTS_CONTEXTS && !h->p->quirk_ctx_alias)
        return NO_ENTRY;
    return (unsigned)(ctx % HTS_CONTEXTS);
}

/* Computes cycle r->now with the commands given and goes on to the next. Returns whether it had an interrupt pulse. */
bool hts_tick(const struct hts *h, struct hts_regs *r, unsigned commands);

/* The first cycle from r->now on for which hts_tick must be called: r->now itself while something is in flight. */
uint64_t hts_wake(const struct hts *h, const struct hts_regs *r);

/* Goes to cycle `to` when hts_wake says nothing happens before it. */
void hts_skip(const struct hts *h, struct hts_regs *r, uint64_t to);

#endif /* NANOPU_NIC_HTS_INTERNAL_H */
