/* SPDX-License-Identifier: MIT */
/*
 * Skipping of polling loops.
 *
 * A turn of a loop is executed instruction by instruction and watched: it may load from DRAM, read registers of the NIC
 * and tell it to idle, and nothing else that anybody could notice. When registers, floating-point state and pipeline
 * are after the turn what they were before, then every further turn is the same, as long as what it reads stays the
 * same and is as near. So whole turns are added to clock, instret and the pipeline's counters, up to the first cycle in
 * which something may change: the limit of this run, an interrupt, a register of the NIC. Memory stays as it is until
 * the limit, because the host lets other harts run only between two runs of this one.
 *
 * The cycle counter is the exception among what changes: a loop may read it into a register that nothing but
 * comparisons look at. As long as these come out the same, turns differ in that register alone, by a period each.
 *
 * Looking for a loop costs a few hundred instructions' time. It begins when a poll found no message, and otherwise now
 * and then; after a failure it waits, each time twice as long.
 */
#include "nanopu/hart/hart_internal.h"

#include <string.h>

#define TURN_INSNS_MAX 64  /* of a loop */
#define TURNS_MAX      24  /* until the pipeline is in its steady state: the branch history has 8 bits */
#define COMPUTING_MAX  2   /* turns that changed a register: the loop computes something */
#define ROOM_CYCLES    16  /* with less before the limit it is not worth it */
#define WAIT_MIN       256 /* cycles after a failure */
#define WAIT_MAX       65536
#define NIC_IDLE       2 /* lnicucmd */

/* The state at the begin of a turn. */
struct mark {
    uint64_t pc, now, instret, traps;
    uint64_t r[REG_NONE];
    uint64_t mstatus, mie;
    uint8_t frm, fflags, fs, priv;
    struct pipe_shape shape;
    struct pipe_stats stats;
};

static void mark_set(const struct hart *h, struct mark *m)
{
    memset(m, 0, sizeof(*m));
    m->pc = h->pc;
    m->now = h->now;
    m->instret = h->instret;
    m->traps = h->traps;
    memcpy(m->r, h->r, sizeof(m->r));
    m->mstatus = h->mstatus;
    m->mie = h->mie;
    m->frm = h->frm;
    m->fflags = h->fflags;
    m->fs = h->fs;
    m->priv = h->priv;
    if (h->timed) {
        pipe_shape(&h->pipe, &m->shape);
        m->stats = h->pipe.stats;
    }
}

/* The registers are the same but for the one that has the cycle counter, which has gone on as the clock has. */
static bool registers_same(const struct mark *a, const struct mark *b, unsigned clock)
{
    return memcmp(a->r, b->r, clock * sizeof(a->r[0])) == 0 &&
           memcmp(a->r + clock + 1, b->r + clock + 1, (REG_NONE - clock - 1) * sizeof(a->r[0])) == 0 &&
           (clock == 0 || b->r[clock] - a->r[clock] == b->now - a->now);
}

static bool mark_same(const struct mark *a, const struct mark *b, unsigned clock)
{
    return a->pc == b->pc && a->traps == b->traps && registers_same(a, b, clock) && a->mstatus == b->mstatus &&
           a->mie == b->mie && a->frm == b->frm && a->fflags == b->fflags && a->fs == b->fs && a->priv == b->priv &&
           memcmp(&a->shape, &b->shape, sizeof(a->shape)) == 0;
}

/* What a register of the NIC has at a cycle. The scheduler forgets pulses but the last when it is asked. */
static uint64_t nic_read(struct hart *h, uint64_t cycle, unsigned csr)
{
    hart_pulses_note(h, cycle);
    return hts_csr_read(h->hts, cycle, csr);
}

static bool note_read(struct poll *poll, uint64_t addr, uint8_t size, uint64_t value)
{
    if (poll->reads_len == POLL_READS_MAX) {
        return false;
    }
    poll->reads[poll->reads_len++] = (struct poll_read){addr, value, size};
    return true;
}

static uint64_t dram_value(const struct hart *h, uint64_t addr, uint8_t size)
{
    uint64_t value = 0;

    memcpy(&value, h->memory->dram + (addr - MEMORY_BASE), size);
    return value;
}

static uint8_t load_size(enum insn_id id)
{
    switch (id) {
    case INSN_lb:
    case INSN_lbu:
        return 1;
    case INSN_lh:
    case INSN_lhu:
        return 2;
    case INSN_lw:
    case INSN_lwu:
        return 4;
    case INSN_ld:
        return 8;
    default: /* lr changes the reservation */
        return 0;
    }
}

static bool is_clock(unsigned csr)
{
    return csr == CSR_cycle || csr == CSR_mcycle;
}

/* What uses the register with the cycle counter may only compare it; its value will grow. */
static bool watch_clock(struct hart *h, const struct uop *u)
{
    struct poll *poll = &h->poll;
    uint64_t value = h->r[poll->clock], other, room;
    bool first = u->op.rs1 == poll->clock, second = u->op.rs2 == poll->clock;

    if (poll->clock == 0 || (!first && !second && u->op.rs3 != poll->clock)) {
        return poll->clock == 0 || u->op.rd != poll->clock ||
               (u->code == INSN_csrrs && is_clock((unsigned)u->imm & 0xfff));
    }
    if ((u->code != INSN_bltu && u->code != INSN_bgeu) || first == second) {
        return false;
    }
    /* which of the two it is says whether equal counts as less */
    other = h->r[first ? u->op.rs2 : u->op.rs1];
    room = first ? other - value - 1 : other - value;
    if (first ? value < other : value <= other) {
        poll->clock_room = room < poll->clock_room ? room : poll->clock_room;
    }
    return true;
}

/* A CSR instruction that polls: reads a register of the NIC, or says idle. */
static bool watch_csr(struct hart *h, const struct uop *u)
{
    unsigned csr = (unsigned)u->imm & 0xfff;
    bool immediate = u->code == INSN_csrrwi;
    uint64_t operand = immediate ? (uint64_t)u->imm >> 12 : h->r[u->op.rs1];

    if (u->code == INSN_csrrs && u->op.rs1 == 0 && is_clock(csr) && u->op.rd < REG_RX &&
        (h->poll.clock == 0 || h->poll.clock == u->op.rd)) {
        h->poll.clock = u->op.rd;
        return true;
    }
    if (h->hts == NULL || !hts_is_csr(csr)) {
        return false;
    }
    if (u->code == INSN_csrrs && u->op.rs1 == 0) {
        return note_read(&h->poll, csr, 0, nic_read(h, h->now, csr));
    }
    if ((u->code == INSN_csrrw || immediate) && csr == CSR_lnicucmd && operand == NIC_IDLE && !h->poll.idles) {
        h->poll.idles = true;
        h->poll.idle_cycle = h->now;
        return true;
    }
    return false;
}

/* May the next instruction be part of such a loop? Notes down what it reads. */
static bool watch(struct hart *h)
{
    const struct code_page *page = code_page(h, h->pc);
    const struct uop *u = page != NULL ? &page->uops[(h->pc - page->base) / 2] : NULL;
    uint64_t addr;
    uint8_t size;

    if (u == NULL || u->code >= INSN_LEN) { /* not decoded: it has not been executed; or netRX, netTX */
        return false;
    }
    if (!watch_clock(h, u)) {
        return false;
    }
    switch (u->op.class) {
    case PIPE_ALU:
    case PIPE_BRANCH:
    case PIPE_JAL:
    case PIPE_JALR:
    case PIPE_MUL:
    case PIPE_DIV:
    case PIPE_FENCE:
        return true;
    case PIPE_LOAD:
    case PIPE_LOAD_SUB:
        addr = h->r[u->op.rs1] + (uint64_t)u->imm;
        size = load_size((enum insn_id)u->code);
        return size != 0 && (addr & (size - 1U)) == 0 && memory_dram(h->memory, addr, size) != NULL &&
               note_read(&h->poll, addr, size, dram_value(h, addr, size));
    case PIPE_CSR:
        return watch_csr(h, u);
    default:
        return false;
    }
}

/* Executes one turn, back to the mark's pc. False when it is none of a polling loop, or there is no more room. */
static bool execute_turn(struct hart *h, const struct mark *begin)
{
    h->poll.reads_len = 0;
    h->poll.idles = false;
    h->poll.clock_room = UINT64_MAX;
    for (unsigned i = 0; i < TURN_INSNS_MAX && h->now < h->until; i++) {
        if (!watch(h)) {
            return false;
        }
        hart_turn(h, h->now + 1);
        if (h->traps != begin->traps || h->state != HART_RUNNING || (h->timed && !h->issued)) {
            return false;
        }
        if (h->pc == begin->pc) {
            return true;
        }
    }
    return false;
}

static bool reads_nic(const struct hart *h)
{
    for (unsigned i = 0; i < h->poll.reads_len; i++) {
        if (h->poll.reads[i].size == 0) {
            return true;
        }
    }
    return h->poll.idles;
}

/* The NIC's side is not asked for what comes at the limit or later: other things may happen to it first. */
static uint64_t nic_cycle(const struct hart *h)
{
    return h->now < h->until ? h->now : h->until - 1;
}

/* The first cycle in which a turn might find something else. */
static uint64_t change_next(struct hart *h)
{
    uint64_t next = hart_interrupt_next(h);

    if (reads_nic(h)) {
        uint64_t change;

        hart_pulses_note(h, nic_cycle(h));
        change = hts_next_change(h->hts, nic_cycle(h));

        next = change < next ? change : next;
    }
    return h->poll.clock != 0 && h->poll.clock_end < next ? h->poll.clock_end : next;
}

/* Does the next turn find its word in the data cache, as those before it? Another hart may have taken the line. */
static bool is_cached(struct hart *h, const struct poll_read *read)
{
    uint64_t line = read->addr >> CACHE_LINE_SHIFT;

    return !h->timed || cache_recent(&h->pipe.dcache, line) || cache_find(&h->pipe.dcache, line) != NULL;
}

uint64_t hart_poll_event(struct hart *h)
{
    for (unsigned i = 0; i < h->poll.reads_len; i++) {
        const struct poll_read *read = &h->poll.reads[i];
        bool same = read->size == 0 ? nic_read(h, nic_cycle(h), (unsigned)read->addr) == read->value
                                    : dram_value(h, read->addr, read->size) == read->value && is_cached(h, read);

        if (!same) {
            return h->now;
        }
    }
    return change_next(h);
}

/*
 * Does an idle command of each turn do the same? It does while no message waits, the message timer cannot end, and the
 * scheduler has no other context for this hart: each idle command would be a pulse otherwise, and one of them hits.
 */
static bool idles_alike(struct hart *h, uint64_t period)
{
    uint64_t at = nic_cycle(h), context = nic_read(h, at, CSR_lcurcontext) & 0xffff;

    return nic_read(h, at, CSR_lmsgsrdy) == 0 && nic_read(h, at, CSR_lmsgcycles) > period &&
           ((h->mie >> IRQ_NIC & 1) == 0 || nic_read(h, at, CSR_ltargetcontext) == context);
}

/* The loop is known: its turns are like the one from begin to now. */
static void keep_loop(struct hart *h, const struct mark *begin)
{
    struct poll *poll = &h->poll;

    poll->found = true;
    poll->cut = false;
    poll->wait = 0;
    poll->period = h->now - begin->now;
    poll->insns = h->instret - begin->instret;
    poll->clock_end = poll->clock_room / poll->period < (CYCLE_NEVER - h->now) / poll->period
                          ? h->now + poll->clock_room / poll->period * poll->period
                          : CYCLE_NEVER;
    if (h->timed) {
        poll->before = begin->stats;
        poll->after = h->pipe.stats;
    }
}

/* What the pipeline's counters were a turn ago: a turn adds the same from any of its points to the next. */
static struct pipe_stats stats_before(const struct hart *h)
{
    struct pipe_stats before = h->pipe.stats;

    for (size_t i = 0; i < PIPE_STALLS_LEN; i++) {
        before.stall[i] -= h->poll.after.stall[i] - h->poll.before.stall[i];
    }
#define BEFORE(name, help) before.name -= h->poll.after.name - h->poll.before.name;
    PIPE_COUNTERS(BEFORE)
#undef BEFORE
    return before;
}

/* Adds whole turns of the loop up to a limit. */
static void add_turns(struct hart *h, uint64_t limit)
{
    struct poll *poll = &h->poll;
    uint64_t turns = limit > h->now ? (limit - h->now) / poll->period : 0;

    if (turns == 0) {
        return;
    }
    hart_pulses_note(h, h->now);
    if (poll->idles) {
        while (poll->idle_cycle < h->now) { /* those of turns that were executed */
            poll->idle_cycle += poll->period;
        }
        hts_idle_turns(h->hts, poll->idle_cycle, poll->period, turns);
        poll->idle_cycle += (turns - 1) * poll->period;
    }
    if (poll->clock != 0) {
        h->r[poll->clock] += turns * poll->period;
    }
    h->instret += turns * poll->insns;
    h->now += turns * poll->period;
    poll->skipped += turns * poll->period;
    if (h->timed) {
        struct pipe_stats before = stats_before(h);

        pipe_skip(&h->pipe, &before, turns, turns * poll->period);
    }
}

/* A hart that is known to go round in a circle. It stays known when nothing changes before the limit of this run. */
static void go_on(struct hart *h)
{
    uint64_t event = hart_poll_event(h);

    if (!h->poll.idles || idles_alike(h, h->poll.period)) {
        add_turns(h, event < h->until ? event : h->until);
        h->poll.found = event >= h->until;
    } else {
        h->poll.found = false;
    }
    h->poll.next = h->poll.found ? h->until : h->now + WAIT_MIN;
}

/* Executes turns until two in a row begin in the same state, that of *begin. */
static bool find_loop(struct hart *h, struct mark *begin)
{
    unsigned computing = 0, clock = 0;
    struct mark end;

    h->poll.clock = 0;
    mark_set(h, begin);
    for (unsigned i = 0; i < TURNS_MAX && computing < COMPUTING_MAX && execute_turn(h, begin); i++) {
        mark_set(h, &end);
        /* that it was known before this turn is why all of it was watched */
        if (clock == h->poll.clock && mark_same(begin, &end, clock)) {
            return true;
        }
        computing += !registers_same(begin, &end, clock);
        clock = h->poll.clock;
        *begin = end;
    }
    return false;
}

static void look_for_loop(struct hart *h)
{
    struct poll *poll = &h->poll;
    struct mark begin;

    poll->next = h->until;
    if (h->until - h->now < ROOM_CYCLES) {
        return;
    }
    if (h->timed && !h->issued) {
        hart_turn(h, 0);
        if (!h->issued) {
            return;
        }
    }
    if (find_loop(h, &begin)) {
        keep_loop(h, &begin);
        go_on(h);
        return;
    }
    if (h->now >= h->until && !poll->cut) { /* one cut is due to where it began, two to the loop's length */
        poll->cut = true;
        return;
    }
    poll->wait = poll->wait < WAIT_MIN ? WAIT_MIN : poll->wait > WAIT_MAX / 2 ? WAIT_MAX : 2 * poll->wait;
    poll->next = h->now + poll->wait;
    poll->retry = h->now + WAIT_MIN;
}

void hart_poll(struct hart *h)
{
    if (h->params->idle_skip == 0 || h->now < h->poll.next || probe_wants(h->probe, PROBE_insn)) {
        h->poll.found = h->poll.found && h->now < h->poll.next && h->poll.next == h->until;
    } else if (h->poll.found) {
        go_on(h);
    } else {
        look_for_loop(h);
    }
}

void hart_poll_look(struct hart *h)
{
    if (!h->poll.found && h->now >= h->poll.retry && h->poll.next > h->now) {
        h->poll.next = h->now;
        h->stop = 0;
    }
}

/* Twice at the same place within what may be a turn: somebody waits for a time. */
void hart_poll_clock(struct hart *h)
{
    struct poll *poll = &h->poll;

    if (poll->clock_pc == h->pc && h->now - poll->clock_read_at < WAIT_MIN) {
        hart_poll_look(h);
    }
    poll->clock_pc = h->pc;
    poll->clock_read_at = h->now;
}
