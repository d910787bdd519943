/* SPDX-License-Identifier: MIT */
#include "nanopu/hart/pipe.h"

#include <string.h>

#define PIPE_CLASS_UNIT(name, latency, unit, stall) PIPE_UNIT_##unit,
static const uint8_t pipe_units[] = {PIPE_CLASSES(PIPE_CLASS_UNIT)};
#undef PIPE_CLASS_UNIT

#define PIPE_CLASS_STALL(name, latency, unit, stall) PIPE_STALL_##stall,
static const uint8_t pipe_stalls[] = {PIPE_CLASSES(PIPE_CLASS_STALL)};
#undef PIPE_CLASS_STALL

int pipe_init(struct pipe *p, const struct params *params, unsigned hart, struct l2 *l2)
{
    int error;

    memset(p, 0, sizeof *p);
    p->l2 = l2;
    p->hart = hart;
    p->miss_cycles = (uint64_t)params->l2_cycles;
    p->uncached_cycles = (uint64_t)params->mmio_cycles;
    error = cache_init(&p->dcache, (uint32_t)params->l1_sets, (uint32_t)params->l1_ways, 0x1d0d + hart);
    if (error == 0)
        error = cache_init(&p->icache, (uint32_t)params->l1_sets, (uint32_t)params->l1_ways, 0x2c0c + hart);
    if (error != 0) {
        pipe_fini(p);
        return error;
    }
    if (l2 != NULL)
        l2_attach(l2, hart, &p->dcache, &p->changed);
    pipe_reset(p, PIPE_DEPTH);
    return 0;
}

void pipe_fini(struct pipe *p)
{
    if (p->l2 != NULL)
        l2_detach(p->l2, p->hart);
    cache_fini(&p->dcache);
    cache_fini(&p->icache);
}

void pipe_reset(struct pipe *p, uint64_t cycle)
{
    assert(cycle >= PIPE_DEPTH);
    bpred_reset(&p->predict);
    cache_clear(&p->dcache);
    cache_clear(&p->icache);
    memset(p->ready, 0, sizeof p->ready);
    memset(&p->stats, 0, sizeof p->stats);
    p->commit = p->next = p->latest = p->fetch_at = cycle;
    p->decode = cycle - PIPE_DEPTH;
    p->fetch_pc = 0;
    p->fetch_line = PIPE_NO_LINE;
    p->changed++;
}

static void pipe_lose(struct pipe *p, enum pipe_stall cause, uint64_t cycles)
{
    p->stats.stall[cause] += cycles;
    p->next += cycles;
}

/* Instructions come in words of 4 bytes, one a cycle: one that begins in the middle of where a jump went needs two. */
static void pipe_straddle(struct pipe *p, uint64_t pc, unsigned len)
{
    if (pc == p->fetch_pc && (pc & 2) != 0 && len == 4 && p->fetch_at + 1 > p->next)
        pipe_lose(p, PIPE_STALL_fetch, p->fetch_at + 1 - p->next);
}

static void pipe_fetch_line(struct pipe *p, uint64_t pc, uint64_t line)
{
    if (LIKELY(cache_recent(&p->icache, line)))
        return;

    const uint64_t *tag = cache_find(&p->icache, line);

    if (tag != NULL) {
        cache_remember(&p->icache, *tag);
        return;
    }
    p->stats.icache_miss++;
    p->changed++;
    pipe_lose(p, PIPE_STALL_icache, p->l2 != NULL ? l2_fetch(p->l2, line, p->next) : p->miss_cycles);
    cache_insert(&p->icache, line, 0);
    p->fetch_pc = pc;
    p->fetch_at = p->next;
}

void pipe_fetch(struct pipe *p, uint64_t pc, unsigned len)
{
    uint64_t first = pc >> CACHE_LINE_SHIFT, last = (pc + len - 1) >> CACHE_LINE_SHIFT;

    if (p->fetch_pc == 0)
        p->fetch_pc = pc;
    if (first != p->fetch_line)
        pipe_fetch_line(p, pc, first);
    if (last != first)
        pipe_fetch_line(p, pc, last);
    pipe_straddle(p, pc, len);
    p->fetch_line = last;
}

uint64_t pipe_interlock(struct pipe *p, const struct pipe_op *op)
{
    uint64_t wait = p->ready[op->rs1], cycle;
    const uint8_t others[] = {op->rs2, op->rs3, op->rd, pipe_units[op->class]};

    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        if (wait < p->ready[others[i]])
            wait = p->ready[others[i]];
    cycle = wait >> PIPE_CLASS_BITS;
    if (cycle > p->next)
        pipe_lose(p, pipe_stalls[wait & ((1 << PIPE_CLASS_BITS) - 1)], cycle - p->next);
    return p->next;
}

/* The instruction in hand is replayed after a refill. */
static void pipe_replay(struct pipe *p, const struct pipe_op *op, uint64_t cycles)
{
    pipe_lose(p, PIPE_STALL_dcache, cycles);
    p->commit += cycles;
    pipe_later(p, op, REG_NONE, p->commit + op->latency);
}

static uint64_t pipe_acquire(struct pipe *p, uint64_t line, bool write, bool *writable)
{
    p->stats.dcache_miss++;
    p->changed++;
    *writable = true;
    if (p->l2 == NULL)
        return p->miss_cycles;
    return l2_acquire(p->l2, p->hart, line, write, p->commit, writable);
}

void pipe_data(struct pipe *p, const struct pipe_op *op, uint64_t line, bool write)
{
    uint64_t *tag = cache_find(&p->dcache, line), victim, cycles;
    unsigned dirty = write ? CACHE_DIRTY : 0;
    bool writable;

    if (tag == NULL) {
        cycles = pipe_acquire(p, line, write, &writable);
        victim = cache_insert(&p->dcache, line, dirty | (writable ? CACHE_WRITABLE : 0));
        if (victim != 0) {
            p->stats.dcache_release++;
            if (p->l2 != NULL)
                l2_release(p->l2, p->hart, victim >> 2);
        }
        pipe_replay(p, op, cycles);
        return;
    }
    if (write && (*tag & CACHE_WRITABLE) == 0) {
        cycles = pipe_acquire(p, line, true, &writable);
        tag = cache_find(&p->dcache, line); /* the second level may have had to give it up: then it is new */
        if (tag == NULL) {
            cache_insert(&p->dcache, line, CACHE_WRITABLE);
            tag = cache_find(&p->dcache, line);
        }
        *tag |= CACHE_WRITABLE;
        pipe_replay(p, op, cycles);
    }
    if ((dirty & ~*tag) != 0) {
        *tag |= dirty;
        p->changed++;
    }
    cache_remember(&p->dcache, *tag);
}

uint64_t pipe_uncached(struct pipe *p, const struct pipe_op *op)
{
    uint64_t ready = p->commit + p->uncached_cycles;

    pipe_later(p, op, PIPE_UNIT_MEM, ready);
    return op->rd == REG_NONE ? p->commit : ready;
}

static uint64_t bits_used(uint64_t v)
{
    return v == 0 ? 0 : (uint64_t)(64 - __builtin_clzll(v));
}

/* Eight bits of the first operand a turn, at least two turns; the high half and a negative one need all. */
static uint64_t pipe_mul_turns(const struct pipe_op *op, uint64_t a)
{
    uint64_t turns;

    if ((op->flags & PIPE_HIGH) != 0)
        return 8;
    if ((op->flags & PIPE_W) != 0)
        a = (uint32_t)a;
    turns = (bits_used(a) + 7) / 8 + 1;
    return turns < 2 ? 2 : turns > 8 ? 8 : turns;
}

/* One bit of the quotient a turn, as many as it can have and three; one each to make operands and result positive. */
static uint64_t pipe_div_turns(const struct pipe_op *op, uint64_t a, uint64_t b)
{
    bool negative_a = false, negative_b = false, negate;
    uint64_t turns;

    if ((op->flags & PIPE_SIGNED) != 0) {
        if ((op->flags & PIPE_W) != 0) {
            a = (uint64_t)(int64_t)(int32_t)a;
            b = (uint64_t)(int64_t)(int32_t)b;
        }
        negative_a = a >> 63 != 0;
        negative_b = b >> 63 != 0;
        a = negative_a ? 0 - a : a;
        b = negative_b ? 0 - b : b;
    } else if ((op->flags & PIPE_W) != 0) {
        a = (uint32_t)a;
        b = (uint32_t)b;
    }
    turns = b == 0 ? 65 : bits_used(a) < bits_used(b) ? 3 : 3 + bits_used(a) - bits_used(b);
    negate = (op->flags & PIPE_REM) != 0 ? negative_a : b != 0 && negative_a != negative_b;
    return (turns > 65 ? 65 : turns) + (negative_a || negative_b) + negate;
}

uint64_t pipe_muldiv(struct pipe *p, const struct pipe_op *op, uint64_t a, uint64_t b)
{
    uint64_t turns = op->class == PIPE_MUL ? pipe_mul_turns(op, a) : pipe_div_turns(op, a, b);

    /* the unit begins in EX, one cycle after issue; what waits in ID sees the result in the cycle after its last turn
     */
    pipe_later(p, op, PIPE_UNIT_MULDIV, p->commit + 2 + turns);
    return p->commit + turns - 1;
}

uint64_t pipe_fdiv(struct pipe *p, const struct pipe_op *op)
{
    pipe_later(p, op, PIPE_UNIT_FDIV, p->commit + op->latency);
    return p->commit + op->latency;
}

void pipe_redirect(struct pipe *p, uint64_t target, uint64_t lost, enum pipe_stall cause)
{
    uint64_t at = p->commit + 1 + lost;

    if (at > p->next)
        pipe_lose(p, cause, at - p->next);
    p->fetch_at = p->next;
    p->fetch_pc = target;
    if (target == 0 || (target & 2) != 0)
        p->fetch_line = PIPE_NO_LINE;
}

void pipe_mispredict(struct pipe *p, uint64_t pc, bool taken, uint64_t target)
{
    p->stats.mispredicts++;
    if (taken) {
        unsigned entry = bpred_find(&p->predict, pc);

        if (entry == BPRED_NOTHING || p->predict.target[entry] != target)
            bpred_insert(&p->predict, pc, target);
    }
    pipe_redirect(p, target, PIPE_MISPREDICT, PIPE_STALL_mispredict);
}

void pipe_fence_i(struct pipe *p)
{
    cache_clear(&p->icache);
    p->fetch_line = PIPE_NO_LINE;
    p->changed++;
}

void pipe_wake(struct pipe *p, uint64_t cycle)
{
    if (cycle > p->next)
        pipe_lose(p, PIPE_STALL_sleep, cycle - p->next);
    p->fetch_at = p->next;
    p->fetch_pc = 0;
    p->fetch_line = PIPE_NO_LINE;
}

void pipe_shape(const struct pipe *p, struct pipe_shape *shape)
{
    *shape = (struct pipe_shape){
        .changed = p->changed,
        .predicted = p->predict.changed,
        .history = p->predict.history,
        .ras_top = p->predict.ras_top,
        .ras_count = p->predict.ras_count,
        .fetch_pc = p->fetch_pc,
        .fetch_ahead = p->next - p->fetch_at,
        .fetch_line = p->fetch_line,
    };
    memcpy(shape->ras, p->predict.ras, sizeof shape->ras);
    for (size_t i = 0; i < PIPE_READY_LEN; i++) /* what is past is 0 */
        if (p->ready[i] >> PIPE_CLASS_BITS > p->next)
            shape->ready[i] = p->ready[i] - (p->next << PIPE_CLASS_BITS);
}

void pipe_skip(struct pipe *p, const struct pipe_stats *before, uint64_t turns, uint64_t cycles)
{
    for (size_t i = 0; i < PIPE_STALLS_LEN; i++)
        p->stats.stall[i] += (p->stats.stall[i] - before->stall[i]) * turns;
#define PIPE_COUNTER_SKIP(name, help) p->stats.name += (p->stats.name - before->name) * turns;
    PIPE_COUNTERS(PIPE_COUNTER_SKIP)
#undef PIPE_COUNTER_SKIP
    for (size_t i = 0; i < PIPE_READY_LEN; i++)
        if (p->ready[i] >> PIPE_CLASS_BITS > p->next)
            p->ready[i] += cycles << PIPE_CLASS_BITS;
    p->commit += cycles;
    p->decode += cycles;
    p->latest += cycles;
    p->fetch_at += cycles;
    p->next += cycles;
}
