/* SPDX-License-Identifier: MIT */
/* The hart's side of a core's FIFOs and scheduler: netRX, netTX, CSRs, when the next pulse or change comes. */
#include "nanopu/nic/hts_internal.h"

#include <stdlib.h>

#define CSR_MSGS_READY      0x052
#define CSR_CUR_CONTEXT     0x053
#define CSR_COMMAND         0x054
#define CSR_CUR_PRIORITY    0x055
#define CSR_USER_COMMAND    0x056
#define CSR_NIC_READY       0x057
#define CSR_TARGET_CONTEXT  0x058
#define CSR_TARGET_PRIORITY 0x059
#define CSR_MSG_CYCLES      0x060
#define CSR_IDLE_CYCLES     0x061

#define COMMAND_INSERT      1 /* bits of lniccmd */
#define COMMAND_START_TIMER 4
#define USER_DONE           1 /* bits of lnicucmd */
#define USER_IDLE           2

#define POP_CYCLES      4 /* from a word's arrival to the commit of the first instruction that can read it */
#define PRIORITY_LOWEST 255
/* Rotations that a look ahead goes through: they repeat after as many as there are contexts. Arrivals are finite. */
#define LOOK_AHEAD_ROTATIONS (2 * HTS_CONTEXTS)

struct hts *hts_new(const struct params *p, unsigned core)
{
    struct hts *h = calloc(1, sizeof(*h));

    (void)core;
    if (h == NULL)
        return NULL;
    h->p = p;
    h->context_words = (uint32_t)p->core_rx_context_words;
    h->pool_words = (uint32_t)p->core_rx_words;
    h->tx_cap = (uint32_t)p->core_tx_words;
    h->tx = calloc(h->tx_cap, sizeof(*h->tx));
    h->commands = calloc(HTS_COMMANDS, sizeof(*h->commands));
    for (unsigned i = 0; i < HTS_CONTEXTS; i++) {
        h->fifo[i].words = calloc(h->context_words, sizeof(*h->fifo[i].words));
        if (h->fifo[i].words == NULL) {
            hts_free(h);
            return NULL;
        }
    }
    if (h->tx == NULL || h->commands == NULL) {
        hts_free(h);
        return NULL;
    }
    h->regs.msg_cycles = (uint64_t)p->msg_cycles;
    h->regs.idle_cycles = (uint64_t)p->idle_cycles;
    h->regs.priority[NO_ENTRY] = h->regs.given[NO_ENTRY] = PRIORITY_LOWEST;
    h->regs.last_pulse = CYCLE_NEVER;
    h->ready_cycle = UINT64_C(1) << (p->key_ip_bits + p->key_id_bits);
    h->pulse_from = h->change_from = CYCLE_NEVER;
    return h;
}

void hts_free(struct hts *h)
{
    if (h == NULL)
        return;
    for (unsigned i = 0; i < HTS_CONTEXTS; i++)
        free(h->fifo[i].words);
    free(h->tx);
    free(h->commands);
    free(h);
}

static void touch(struct hts *h)
{
    h->pulse_from = h->change_from = CYCLE_NEVER;
    h->quiet = 0;
}

/* One cycle of the machine itself, not of a look ahead. */
static void tick(struct hts *h, unsigned commands)
{
    struct hts_regs *r = &h->regs;

    h->stats.pulses += hts_tick(h, r, commands);
    h->stats.demotions += r->demoted;
    h->stats.rotations += r->rotated;
}

static bool words_to_come(const struct hts *h)
{
    for (unsigned i = 0; i < HTS_CONTEXTS; i++)
        if (h->regs.count[i] < h->fifo[i].total)
            return true;
    return false;
}

static COLD void run_events(struct hts *h, uint64_t to)
{
    struct hts_regs *r = &h->regs;

    while (r->now < to) {
        uint64_t wake = hts_wake(h, r);

        if (wake > r->now) {
            h->quiet = words_to_come(h) ? 0 : wake;
            hts_skip(h, r, wake < to ? wake : to);
        } else {
            h->quiet = 0;
            tick(h, 0);
        }
    }
}

/* Brings the registers to their values of cycle `to`; they may be ahead by the cycle of the last command. */
static inline void run(struct hts *h, uint64_t to)
{
    if (LIKELY(to <= h->quiet))
        h->regs.now = to > h->regs.now ? to : h->regs.now;
    else
        run_events(h, to);
}

uint64_t hts_pop(struct hts *h, uint64_t cycle)
{
    struct hts_regs *r = &h->regs;
    unsigned e = hts_entry(h, r->curcontext);
    const struct hts_word *w;
    uint64_t word;

    run(h, cycle);
    if (e != NO_ENTRY)
        w = &h->fifo[e].words[h->fifo[e].head];
    if (e == NO_ENTRY || r->count[e] == 0 || (w->cycle & ~HTS_FIRST) + POP_CYCLES > cycle) {
        h->stats.empty_pops++;
        if (!h->p->quirk_empty_pop)
            hts_fail(h, HTS_RX_EMPTY);
        h->popped = false;
        return 0;
    }
    word = w->word;
    h->popped = true;
    h->popped_ts = r->head_ts[e];
    h->popped_ready = r->msgs_ready;
    h->fifo[e].head = h->fifo[e].head + 1 == h->context_words ? 0 : h->fifo[e].head + 1;
    h->fifo[e].total--;
    h->pool_used--;
    w = &h->fifo[e].words[h->fifo[e].head];
    if (--r->count[e] > 0 && (w->cycle & HTS_FIRST) != 0)
        r->head_ts[e] = w->cycle & ~HTS_FIRST;
    /* The hardware pops in the decode stage: by now the copy of the count in the CSR knows. */
    r->msgs_ready &= r->count[e] > 0;
    r->settled = false;
    touch(h);
    return word;
}

void hts_unpop(struct hts *h, uint64_t cycle)
{
    struct hts_regs *r = &h->regs;
    unsigned e = hts_entry(h, r->curcontext);

    if (!h->popped)
        return;
    run(h, cycle);
    h->popped = false;
    h->fifo[e].head = h->fifo[e].head == 0 ? h->context_words - 1 : h->fifo[e].head - 1;
    h->fifo[e].total++;
    h->pool_used++;
    r->count[e]++;
    r->head_ts[e] = h->popped_ts;
    r->msgs_ready = h->popped_ready;
    r->settled = false;
    touch(h);
}

void hts_push(struct hts *h, uint64_t cycle, uint64_t word)
{
    uint32_t at = h->tx_head + h->tx_len;

    if (h->tx_len == h->tx_cap) {
        hts_fail(h, HTS_TX_OVERFLOW);
        return;
    }
    h->tx[at >= h->tx_cap ? at - h->tx_cap : at] =
        (struct hts_tx_word){.word = word, .cycle = cycle, .ctx = (uint16_t)h->regs.curcontext};
    h->tx_len++;
    h->stats.tx_words++;
}

static void command(struct hts *h, uint64_t cycle, enum hts_command_kind kind)
{
    if (h->commands_len == HTS_COMMANDS) {
        hts_fail(h, HTS_COMMAND_LOST);
        return;
    }
    h->commands[(h->commands_head + h->commands_len++) % HTS_COMMANDS] =
        (struct hts_command){.cycle = cycle + 1, .kind = kind, .ctx = (uint16_t)h->regs.curcontext};
}

static struct hts_word *word_at(const struct hts *h, unsigned ctx, uint32_t n)
{
    uint32_t at = h->fifo[ctx].head + n;

    return &h->fifo[ctx].words[at >= h->context_words ? at - h->context_words : at];
}

static bool arrives_at(const struct hts *h, uint64_t cycle)
{
    for (unsigned i = 0; i < HTS_CONTEXTS; i++)
        for (uint32_t n = h->regs.count[i]; n < h->fifo[i].total; n++)
            if ((word_at(h, i, n)->cycle & ~HTS_FIRST) == cycle)
                return true;
    return false;
}

/* No word arrives in the cycle of an insert command: what was to come then and right behind it comes a cycle later. */
static void delay_arrivals(struct hts *h, uint64_t cycle)
{
    uint64_t end = cycle;

    while (arrives_at(h, end))
        end++;
    for (unsigned i = 0; i < HTS_CONTEXTS; i++) {
        for (uint32_t n = h->regs.count[i]; n < h->fifo[i].total; n++) {
            struct hts_word *w = word_at(h, i, n);

            if ((w->cycle & ~HTS_FIRST) >= cycle && (w->cycle & ~HTS_FIRST) < end)
                w->cycle++;
        }
    }
    if (end > cycle && h->link_free == end)
        h->link_free++;
}

/* A new list of words begins with an insert; what was in the old one is out of reach. */
static void empty_fifo(struct hts *h, unsigned e)
{
    uint32_t lost = h->regs.count[e];

    if (lost == 0)
        return;
    h->fifo[e].head = (h->fifo[e].head + lost) % h->context_words;
    h->fifo[e].total -= lost;
    h->pool_used -= lost;
    h->regs.count[e] = 0;
    hts_fail(h, HTS_INSERT_LOSS);
}

static void insert(struct hts *h, uint64_t cycle)
{
    unsigned e = hts_entry(h, h->regs.curcontext);

    delay_arrivals(h, cycle);
    if (e != NO_ENTRY) {
        empty_fifo(h, e);
        h->pool_used++; /* a list has one word more than it holds */
    }
    command(h, cycle, HTS_REGISTER);
}

bool hts_is_csr(unsigned csr)
{
    return (csr >= CSR_MSGS_READY && csr <= CSR_TARGET_PRIORITY) || csr == CSR_MSG_CYCLES || csr == CSR_IDLE_CYCLES;
}

static uint64_t csr_value(const struct hts *h, const struct hts_regs *r, unsigned csr)
{
    switch (csr) {
    case CSR_MSGS_READY:
        return r->msgs_ready;
    case CSR_CUR_CONTEXT:
        return r->curcontext;
    case CSR_CUR_PRIORITY:
        return r->curpriority;
    case CSR_NIC_READY:
        return r->now >= h->ready_cycle;
    case CSR_TARGET_CONTEXT:
        return r->csr_ctx;
    case CSR_TARGET_PRIORITY:
        return r->csr_prio;
    case CSR_MSG_CYCLES:
        return r->msg_cycles;
    case CSR_IDLE_CYCLES:
        return r->idle_cycles;
    default: /* commands */
        return 0;
    }
}

uint64_t hts_csr_read(struct hts *h, uint64_t cycle, unsigned csr)
{
    run(h, cycle);
    return csr_value(h, &h->regs, csr);
}

void hts_csr_write(struct hts *h, uint64_t cycle, unsigned csr, uint64_t value)
{
    struct hts_regs *r = &h->regs;
    unsigned commands = 0;

    run(h, cycle);
    touch(h);
    if (csr == CSR_COMMAND) {
        commands |= (value & COMMAND_INSERT) != 0 ? CMD_INSERT : 0;
        commands |= (value & COMMAND_START_TIMER) != 0 ? CMD_START : 0;
    } else if (csr == CSR_USER_COMMAND) {
        commands |= (value & USER_DONE) != 0 ? CMD_DONE : 0;
        commands |= (value & USER_IDLE) != 0 ? CMD_IDLE : 0;
    }
    h->stats.msgs_done += (commands & CMD_DONE) != 0;
    h->stats.idles += (commands & CMD_IDLE) != 0;
    if ((commands & CMD_INSERT) != 0)
        insert(h, cycle);
    if ((commands & CMD_DONE) != 0)
        command(h, cycle, HTS_GET_NEXT);
    tick(h, commands);
    /* The CSRs have their new values from the next cycle on. */
    if (csr == CSR_CUR_CONTEXT)
        r->curcontext = value;
    else if (csr == CSR_CUR_PRIORITY)
        r->curpriority = value;
    else if (csr == CSR_MSG_CYCLES)
        r->msg_cycles = value;
    else if (csr == CSR_IDLE_CYCLES)
        r->idle_cycles = value;
    r->settled = false;
}

void hts_idle_turns(struct hts *h, uint64_t first, uint64_t period, uint64_t count)
{
    uint64_t last = first + (count - 1) * period;

    assert(count > 0 && period > 0);
    hts_csr_write(h, first, CSR_USER_COMMAND, USER_IDLE);
    if (count == 1)
        return;
    /* Each of the commands restarts the message timer: it does not end before the last. */
    h->regs.msg_zero = last;
    run(h, last);
    h->stats.idles += count - 2;
    hts_csr_write(h, last, CSR_USER_COMMAND, USER_IDLE);
}

void hts_pulse_taken(struct hts *h, uint64_t cycle)
{
    run(h, cycle);
    if (h->regs.now == cycle)
        tick(h, 0); /* the pulse of this very cycle is the one that was taken */
    h->regs.latched = false;
    touch(h);
}

static uint64_t find_pulse(const struct hts *h, uint64_t from)
{
    struct hts_regs r = h->regs;

    for (unsigned rotations = 0; rotations < LOOK_AHEAD_ROTATIONS; rotations += r.rotated) {
        uint64_t wake = hts_wake(h, &r);

        if (wake == CYCLE_NEVER)
            break;
        if (wake > r.now)
            hts_skip(h, &r, wake);
        if (hts_tick(h, &r, 0) && r.last_pulse >= from)
            return r.last_pulse;
    }
    return CYCLE_NEVER;
}

uint64_t hts_next_pulse(struct hts *h, uint64_t from)
{
    struct hts_regs *r = &h->regs;

    if (r->latched && !h->p->quirk_pulse_unlatched)
        return from;
    if (r->last_pulse != CYCLE_NEVER && r->last_pulse >= from)
        return r->last_pulse;
    if (h->pulse_from > from || h->pulse_at < from) {
        h->pulse_from = from;
        h->pulse_at = find_pulse(h, from);
    }
    return h->pulse_at;
}

static bool reads_differently(const struct hts *h, const struct hts_regs *a, const struct hts_regs *b)
{
    return a->msgs_ready != b->msgs_ready || a->csr_ctx != b->csr_ctx || a->csr_prio != b->csr_prio ||
           (a->now >= h->ready_cycle) != (b->now >= h->ready_cycle);
}

static uint64_t find_change(const struct hts *h, struct hts_regs r)
{
    const struct hts_regs start = r;

    for (unsigned rotations = 0; rotations < LOOK_AHEAD_ROTATIONS; rotations += r.rotated) {
        uint64_t wake = hts_wake(h, &r);

        if (r.now < h->ready_cycle && wake >= h->ready_cycle)
            return h->ready_cycle;
        if (wake == CYCLE_NEVER)
            break;
        if (wake > r.now)
            hts_skip(h, &r, wake);
        hts_tick(h, &r, 0);
        if (reads_differently(h, &start, &r))
            return r.now;
    }
    return CYCLE_NEVER;
}

uint64_t hts_next_change(struct hts *h, uint64_t from)
{
    run(h, from);
    if (h->change_from > from || h->change_at <= from) {
        h->change_from = from;
        h->change_at = find_change(h, h->regs);
    }
    return h->change_at;
}

enum hts_error hts_error(const struct hts *h)
{
    return h->error;
}

void hts_fail(struct hts *h, enum hts_error e)
{
    h->stats.errors++;
    if (h->error == HTS_OK)
        h->error = e;
}

#define ERROR_TEXT(name, text) (text),
const char *hts_error_text(enum hts_error e)
{
    static const char *const texts[HTS_ERROR_COUNT] = {"no error", HTS_ERRORS(ERROR_TEXT)};

    return e < HTS_ERROR_COUNT ? texts[e] : "unknown error";
}
#undef ERROR_TEXT

const struct hts_stats *hts_stats(const struct hts *h)
{
    return &h->stats;
}

/* ---- The NIC's side ---- */

unsigned hts_room(const struct hts *h, unsigned ctx)
{
    uint32_t pool = h->pool_used < h->pool_words ? h->pool_words - h->pool_used : 0;
    uint32_t own = h->context_words - h->fifo[ctx].total;

    return own < pool ? own : pool;
}

uint64_t hts_link_free(const struct hts *h)
{
    return h->link_free;
}

void hts_enqueue(struct hts *h, unsigned ctx, uint64_t cycle, uint64_t word, bool first)
{
    assert(ctx < HTS_CONTEXTS && hts_room(h, ctx) > 0);
    assert(cycle >= h->link_free && cycle >= h->regs.now);
    *word_at(h, ctx, h->fifo[ctx].total) = (struct hts_word){.word = word, .cycle = first ? cycle | HTS_FIRST : cycle};
    h->fifo[ctx].total++;
    h->pool_used++;
    h->link_free = cycle + 1;
    h->stats.rx_words++;
    touch(h);
}

const struct hts_tx_word *hts_tx_head(const struct hts *h)
{
    return h->tx_len > 0 ? &h->tx[h->tx_head] : NULL;
}

void hts_tx_take(struct hts *h)
{
    assert(h->tx_len > 0);
    h->tx_len--;
    h->tx_head = h->tx_head + 1 == h->tx_cap ? 0 : h->tx_head + 1;
}

unsigned hts_tx_room(const struct hts *h)
{
    return h->tx_cap - h->tx_len;
}

const struct hts_command *hts_command_head(const struct hts *h)
{
    return h->commands_len > 0 ? &h->commands[h->commands_head] : NULL;
}

void hts_command_take(struct hts *h)
{
    assert(h->commands_len > 0);
    h->commands_len--;
    h->commands_head = (h->commands_head + 1) % HTS_COMMANDS;
}
