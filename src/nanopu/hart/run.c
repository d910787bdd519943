/* SPDX-License-Identifier: MIT */
/*
 * A hart's time: from one thing that can interrupt it to the next.
 *
 * Between two such the core runs undisturbed. An interrupt is taken by the instruction in decode; that is DECODE_TO_WB
 * cycles before the commit that the hart's clock is about. A pulse of the NIC's scheduler hits the instruction that is
 * in decode in that very cycle or nobody (section 1.5), so pulses are noted down before the hart does anything that
 * lets the scheduler forget them, and kept until the instruction that they hit is known.
 */
#include "nanopu/hart/hart_internal.h"

#include <string.h>

#define DECODE_TO_WB 3
#define CAUSE_IRQ    (UINT64_C(1) << 63)
#define MIE_NIC      (UINT64_C(1) << IRQ_NIC)

static uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* Pulses */

static bool pulses_wanted(const struct hart *h)
{
    return h->hts != NULL && (h->mie & MIE_NIC) != 0;
}

static void pulses_drop(struct hart *h)
{
    h->pulses_len--;
    memmove(h->pulses, h->pulses + 1, h->pulses_len * sizeof(h->pulses[0]));
}

void hart_pulses_note(struct hart *h, uint64_t before)
{
    if (!pulses_wanted(h)) {
        h->pulses_len = 0;
        h->pulses_from = before;
        return;
    }
    while (h->pulses_from < before) {
        uint64_t pulse = hts_next_pulse(h->hts, h->pulses_from);

        if (pulse >= before) {
            break;
        }
        if (h->pulses_len == ARRAY_LEN(h->pulses)) {
            pulses_drop(h); /* it is long past the decode stage */
        }
        h->pulses[h->pulses_len++] = pulse;
        h->pulses_from = pulse + 1;
    }
    h->pulses_from = before;
}

/* The first pulse that is not dealt with, past or to come. */
static uint64_t pulse_next(const struct hart *h)
{
    return !pulses_wanted(h) ? CYCLE_NEVER : h->pulses_len != 0 ? h->pulses[0] : hts_next_pulse(h->hts, h->pulses_from);
}

static void pulse_done(struct hart *h, uint64_t pulse)
{
    if (h->pulses_len != 0) {
        pulses_drop(h);
    } else {
        h->pulses_from = pulse + 1;
    }
}

/* netRX, netTX and the network CSRs */

void hart_net_check(struct hart *h)
{
    enum hts_error error = hts_error(h->hts);

    if (UNLIKELY(error != HTS_OK)) {
        hart_fail_at(h, hts_error_text(error));
    }
}

uint64_t hart_net_pop(struct hart *h)
{
    uint64_t word;

    hart_pulses_note(h, h->now);
    word = hts_pop(h->hts, h->now);
    h->pop_instret = h->instret;
    if (pulses_wanted(h)) {
        h->stop = 0; /* what is next for the scheduler may have changed */
    }
    hart_net_check(h);
    return word;
}

void hart_net_unpop(struct hart *h)
{
    if (h->hts == NULL || h->pop_instret != h->instret) {
        return;
    }
    hts_unpop(h->hts, h->now);
    h->pop_instret = UINT64_MAX;
}

void hart_net_push(struct hart *h, uint64_t cycle, uint64_t word)
{
    hts_push(h->hts, cycle, word);
    hart_net_check(h);
}

void hart_net_write(struct hart *h, unsigned csr, uint64_t value)
{
    hart_pulses_note(h, h->now);
    hts_csr_write(h->hts, h->now, csr, value);
    hart_net_check(h);
    if (csr == CSR_lcurcontext) {
        hart_probe(h, PROBE_ctx, value & 0xffff, hts_csr_read(h->hts, h->now, CSR_lcurpriority), 0);
    }
}

/* Interrupts */

static bool interrupts_on(const struct hart *h)
{
    return h->priv != PRIV_M || (h->mstatus & MSTATUS_MIE) != 0;
}

/* From which cycle on line i of mip is up and enabled; CYCLE_NEVER when it is not. */
static uint64_t line_from(const struct hart *h, unsigned i)
{
    return (h->mie >> hart_lines[i] & 1) != 0 ? hart_line_since(h, i) : CYCLE_NEVER;
}

/* The same for all of them. */
static uint64_t lines_from(const struct hart *h)
{
    uint64_t from = CYCLE_NEVER;

    for (unsigned i = 0; i < HART_LINES; i++) {
        from = min_u64(from, line_from(h, i));
    }
    return from;
}

void hart_set_mip(struct hart *h, uint64_t mask, bool level, uint64_t cycle)
{
    for (unsigned i = 0; i < HART_LINES; i++) {
        uint64_t bit = UINT64_C(1) << hart_lines[i];

        if ((mask & bit) == 0) {
            continue;
        }
        if (level && (h->lines & bit) == 0) {
            h->line_since[i] = cycle;
        }
        h->lines = level ? h->lines | bit : h->lines & ~bit;
    }
    h->stop = 0;
}

/* The instruction in decode at a cycle becomes the interrupt, which is three stages further then. */
static bool interrupt(struct hart *h, unsigned irq, uint64_t cycle)
{
    h->now = cycle + DECODE_TO_WB;
    hart_trap(h, CAUSE_IRQ | irq, 0);
    return true;
}

/* Takes the interrupt that hits the next instruction, if there is one; that is in decode from a cycle to another. */
static bool interrupt_taken(struct hart *h)
{
    uint64_t first = h->timed ? h->pipe.decode : h->now - DECODE_TO_WB, last = h->now - DECODE_TO_WB;
    bool on = interrupts_on(h);

    for (uint64_t pulse = pulse_next(h); pulse <= last; pulse = pulse_next(h)) {
        pulse_done(h, pulse);
        if (on && pulse >= first) {
            hts_pulse_taken(h->hts, pulse);
            return interrupt(h, IRQ_NIC, pulse);
        }
    }
    for (unsigned i = 0; on && i < HART_LINES; i++) {
        uint64_t from = line_from(h, i);

        if (from <= last) {
            return interrupt(h, hart_lines[i], max_u64(from, first));
        }
    }
    return false;
}

uint64_t hart_interrupt_next(const struct hart *h)
{
    uint64_t next = CYCLE_NEVER;

    if (interrupts_on(h)) {
        next = min_u64(pulse_next(h), lines_from(h));
    }
    return next == CYCLE_NEVER ? next : next + DECODE_TO_WB;
}

/* Sleeps until something that mie lets through, whatever mstatus.MIE is, or until hart.until. */
static void sleep_on(struct hart *h)
{
    uint64_t wake = lines_from(h), then;

    /* A pulse that came before wfi was in its last stage wakes nobody, but it interrupts what follows wfi in decode. */
    for (unsigned i = h->pulses_len; i > 0 && h->pulses[0] + (interrupts_on(h) ? DECODE_TO_WB : 0) < h->now; i--) {
        pulses_drop(h);
    }
    wake = min_u64(wake, pulse_next(h));
    if (wake < h->until) {
        h->state = HART_RUNNING;
        then = max_u64(h->now, wake + DECODE_TO_WB + !interrupts_on(h));
    } else {
        then = h->until;
    }
    h->cycle_base += then - h->now;
    h->now = then;
    h->issued = false;
    if (h->timed) {
        pipe_wake(&h->pipe, then);
    }
}

static enum exec_end run_core(struct hart *h)
{
    if (probe_wants(h->probe, PROBE_insn)) {
        return hart_exec_probed(h);
    }
    return h->timed ? hart_exec_timed(h) : hart_exec_fast(h);
}

void hart_turn(struct hart *h, uint64_t limit)
{
    uint64_t next = hart_interrupt_next(h);

    if (h->timed && !h->issued) {
        /* when the next instruction is in decode is known when it is issued; nothing is executed for that */
        h->stop = next <= h->now ? 0 : min_u64(limit, next);
    } else if (next <= h->now && interrupt_taken(h)) {
        return;
    } else {
        h->stop = min_u64(limit, hart_interrupt_next(h));
    }
    if (run_core(h) == EXEC_TRAP) {
        hart_net_unpop(h);
        hart_trap(h, h->cause, h->tval);
    }
}

uint64_t hart_run(struct hart *h, uint64_t until)
{
    h->until = until;
    while (h->now < h->until && h->state != HART_FAILED) {
        if (h->state == HART_WFI) {
            sleep_on(h);
        } else {
            hart_poll(h);
            if (h->now < h->until) {
                hart_turn(h, h->poll.next > h->now ? min_u64(h->until, h->poll.next) : h->until);
            }
        }
    }
    if (h->hts != NULL) {
        hart_pulses_note(h, h->now);
    }
    return h->now;
}

void hart_limit(struct hart *h, uint64_t cycle)
{
    h->until = min_u64(h->until, cycle);
    h->stop = min_u64(h->stop, cycle);
}

uint64_t hart_next_event(struct hart *h)
{
    if (h->state == HART_FAILED) {
        return CYCLE_NEVER;
    }
    if (h->state == HART_WFI) {
        return min_u64(pulse_next(h), lines_from(h));
    }
    return h->poll.found ? hart_poll_event(h) : h->now;
}
