/* SPDX-License-Identifier: MIT */
/*
 * When instructions commit: the prototype's in-order core, five stages behind a two-stage fetch (section 8.2 of the
 * machine's contract). The execution core calls pipe_issue for each instruction and then what its class asks for.
 *
 * All times are commit (WB) cycles: an instruction is issued (leaves ID) three cycles before it commits. An operand, a
 * unit or fetched bytes that come late move the commit; a result is a cycle before which nothing that uses it commits.
 * The registers' cycles are looked at only while one of them lies ahead, and fetch only where a line of 64 bytes begins
 * or a jump lands on half a word: between, an instruction costs a few additions.
 *
 * The first-level data cache blocks by replay: a load, store or AMO that misses commits after the refill.
 */
#ifndef NANOPU_HART_PIPE_H
#define NANOPU_HART_PIPE_H

#include "nanopu/hart/bpred.h"
#include "nanopu/hart/cache.h"
#include "nanopu/hart/l2.h"
#include "nanopu/hart/pipe_op.h"

#define PIPE_DEPTH       3 /* cycles from issue to commit */
#define PIPE_MISPREDICT  3 /* cycles lost by a redirect from MEM */
#define PIPE_FLUSH       4 /* and from WB: the next instruction is issued five cycles after this one */
#define PIPE_FETCH_AHEAD 5 /* words of 4 bytes that fetch can be ahead of issue */
#define PIPE_NO_LINE     UINT64_MAX

/* X-macro: name, help. Cycles lost, by the reason. */
#define PIPE_STALLS(S)                                                                                                 \
    S(alu, "for a unit that nothing slow occupies: stays 0")                                                           \
    S(load, "for a loaded value")                                                                                      \
    S(jalr, "for the link register of an indirect jump")                                                               \
    S(csr, "for a CSR's value")                                                                                        \
    S(muldiv, "for a product or quotient, or the unit")                                                                \
    S(fp, "for a floating-point result, or the divider")                                                               \
    S(icache, "for a line of instructions")                                                                            \
    S(dcache, "for a line of data")                                                                                    \
    S(fetch, "for bytes of instructions after a jump")                                                                 \
    S(mispredict, "by jumps that were predicted wrongly")                                                              \
    S(flush, "by CSR writes, fence.i, mret and traps")                                                                 \
    S(sleep, "in wfi")

/* X-macro: name, help */
#define PIPE_COUNTERS(C)                                                                                               \
    C(icache_miss, "first-level instruction cache misses")                                                             \
    C(dcache_miss, "first-level data cache misses and upgrades")                                                       \
    C(dcache_release, "lines that the data cache gave up")                                                             \
    C(branches, "conditional branches")                                                                                \
    C(mispredicts, "jumps and branches predicted wrongly")                                                             \
    C(btb_miss, "taken jumps that only the decoder of fetch found")

#define PIPE_STALL_ENUM(name, help) PIPE_STALL_##name,
enum pipe_stall { PIPE_STALLS(PIPE_STALL_ENUM) PIPE_STALLS_LEN };
#undef PIPE_STALL_ENUM

#define PIPE_COUNTER_FIELD(name, help) uint64_t name;
struct pipe_stats {
    uint64_t stall[PIPE_STALLS_LEN];
    PIPE_COUNTERS(PIPE_COUNTER_FIELD)
};
#undef PIPE_COUNTER_FIELD

/* Units are interlocked like registers, with numbers above theirs. */
enum pipe_unit { PIPE_UNIT_NONE, PIPE_UNIT_MEM = PIPE_REGS, PIPE_UNIT_MULDIV, PIPE_UNIT_FDIV, PIPE_READY_LEN };

struct pipe {
    uint64_t commit;     /* of the instruction in hand */
    uint64_t decode;     /* the first cycle in which it was in ID */
    uint64_t next;       /* the earliest commit of the next: the hart's clock between instructions */
    uint64_t latest;     /* no cycle in ready lies after this one */
    uint64_t fetch_line; /* line of the last byte fetched, or PIPE_NO_LINE */
    uint64_t fetch_pc;   /* where fetch was last steered to; 0: by a flush, to what comes next */
    uint64_t fetch_at;   /* the earliest commit of an instruction within the word at fetch_pc */
    uint64_t changed;    /* grows whenever a cache changes; with predict.changed */
    struct bpred predict;
    uint64_t ready[PIPE_READY_LEN]; /* cycle << PIPE_CLASS_BITS | class of who writes it; x0 and REG_NONE: 0 */
    struct pipe_stats stats;
    struct cache dcache, icache;
    struct l2 *l2; /* or NULL: every miss takes miss_cycles */
    uint64_t miss_cycles, uncached_cycles;
    unsigned hart;
};

#define PIPE_CLASS_BITS 5
static_assert(PIPE_CLASSES_LEN <= 1 << PIPE_CLASS_BITS, "a class fits beside a cycle");

/* 0 or -ENOMEM. params and l2 must outlive it; pipe_reset comes next. */
int pipe_init(struct pipe *p, const struct params *params, unsigned hart, struct l2 *l2);
void pipe_fini(struct pipe *p);

/* Cold caches and predictors; nothing commits before cycle (at least PIPE_DEPTH). */
void pipe_reset(struct pipe *p, uint64_t cycle);

/* The parts that are seldom needed. */
void pipe_fetch(struct pipe *p, uint64_t pc, unsigned len);
uint64_t pipe_interlock(struct pipe *p, const struct pipe_op *op);
void pipe_data(struct pipe *p, const struct pipe_op *op, uint64_t line, bool write);
void pipe_redirect(struct pipe *p, uint64_t target, uint64_t lost, enum pipe_stall cause);
void pipe_mispredict(struct pipe *p, uint64_t pc, bool taken, uint64_t target);

/*
 * Once for each instruction, before it executes: fetch, operands, units. Returns its commit cycle, p->commit; an
 * interrupt pulse from p->decode to p->commit - PIPE_DEPTH finds it in ID.
 */
static inline uint64_t pipe_issue(struct pipe *p, uint64_t pc, const struct pipe_op *op)
{
    if (UNLIKELY((pc + op->len - 1) >> CACHE_LINE_SHIFT != p->fetch_line))
        pipe_fetch(p, pc, op->len);

    uint64_t t = p->next;

    p->decode = t - PIPE_DEPTH;
    if (UNLIKELY(p->latest > t))
        t = pipe_interlock(p, op);

    uint64_t ready = t + op->latency;

    p->commit = t;
    p->next = t + 1;
    p->ready[op->rd] = ready << PIPE_CLASS_BITS | op->class;
    p->ready[REG_NONE] = 0;
    if (p->latest < ready)
        p->latest = ready;
    return t;
}

/* A result or unit that comes at a cycle known only now. */
static inline void pipe_later(struct pipe *p, const struct pipe_op *op, unsigned unit, uint64_t ready)
{
    p->ready[unit] = p->ready[op->rd] = ready << PIPE_CLASS_BITS | op->class;
    p->ready[REG_NONE] = 0;
    if (p->latest < ready)
        p->latest = ready;
}

/* Accesses to DRAM; each returns the cycle in which rd is written, the commit, which a miss has moved. */
static inline uint64_t pipe_load(struct pipe *p, const struct pipe_op *op, uint64_t addr)
{
    if (UNLIKELY(!cache_recent(&p->dcache, addr >> CACHE_LINE_SHIFT)))
        pipe_data(p, op, addr >> CACHE_LINE_SHIFT, false);
    return p->commit;
}

static inline uint64_t pipe_store(struct pipe *p, const struct pipe_op *op, uint64_t addr)
{
    if (UNLIKELY(!cache_recent_dirty(&p->dcache, addr >> CACHE_LINE_SHIFT)))
        pipe_data(p, op, addr >> CACHE_LINE_SHIFT, true);
    return p->commit;
}

static inline uint64_t pipe_amo(struct pipe *p, const struct pipe_op *op, uint64_t addr)
{
    return pipe_store(p, op, addr);
}

/* An access to a device: one at a time. Returns the cycle in which rd is written. */
uint64_t pipe_uncached(struct pipe *p, const struct pipe_op *op);

/* MUL and DIV with their operands, on which their time depends. Returns the cycle in which rd is written. */
uint64_t pipe_muldiv(struct pipe *p, const struct pipe_op *op, uint64_t a, uint64_t b);

/* FDIV and FSQRT: the divider is busy until the result is there. Returns the cycle in which rd is written. */
uint64_t pipe_fdiv(struct pipe *p, const struct pipe_op *op);

/* Fetch follows a taken jump to target, whose last halfword is at last; late: only its decoder found it. */
static inline void pipe_steer(struct pipe *p, uint64_t last, uint64_t target, bool late)
{
    uint64_t at = p->fetch_at + (last >> 2) - (p->fetch_pc >> 2);

    if (at + PIPE_FETCH_AHEAD < p->commit)
        at = p->commit - PIPE_FETCH_AHEAD;
    at += 1 + late;
    p->fetch_at = at;
    p->fetch_pc = target;
    if (UNLIKELY(at > p->next)) {
        p->stats.stall[PIPE_STALL_fetch] += at - p->next;
        p->next = at;
    }
    if ((target & 2) != 0) /* pipe_fetch is to see whether the instruction there needs a second word */
        p->fetch_line = PIPE_NO_LINE;
}

/* Not in the branch target buffer with this target: puts it there. */
static inline bool pipe_btb_late(struct pipe *p, uint64_t pc, uint64_t target)
{
    unsigned entry = bpred_find(&p->predict, pc);

    if (LIKELY(entry != BPRED_NOTHING && p->predict.target[entry] == target))
        return false;
    bpred_insert(&p->predict, pc, target);
    p->stats.btb_miss++;
    return true;
}

static inline void pipe_branch(struct pipe *p, const struct pipe_op *op, uint64_t pc, bool taken, uint64_t target)
{
    unsigned index = bpred_index(&p->predict, pc);

    p->stats.branches++;
    if (UNLIKELY(bpred_taken(&p->predict, index) != taken)) {
        bpred_flip(&p->predict, index);
        pipe_mispredict(p, pc, taken, taken ? target : pc + op->len);
    } else if (taken) {
        pipe_steer(p, pc + op->len - 2, target, pipe_btb_late(p, pc, target));
    }
    bpred_remember(&p->predict, taken);
}

/* jal and jalr. A link register is an odd rd, a return is a jalr by x1 or x5 without one, as fetch decodes them. */
static inline void pipe_jump(struct pipe *p, const struct pipe_op *op, uint64_t pc, uint64_t target)
{
    bool known = op->class == PIPE_JAL;

    if (!known) {
        unsigned entry;

        if ((op->rd & 1) == 0 && (op->rs1 == 1 || op->rs1 == 5)) {
            known = bpred_pop(&p->predict) == target;
        } else {
            entry = bpred_find(&p->predict, pc);
            known = entry != BPRED_NOTHING && p->predict.target[entry] == target;
        }
    }
    if ((op->rd & 1) != 0)
        bpred_push(&p->predict, pc + op->len);
    if (LIKELY(known))
        pipe_steer(p, pc + op->len - 2, target, pipe_btb_late(p, pc, target));
    else
        pipe_mispredict(p, pc, true, target);
}

/* Redirect from WB: CSR writes that flush, fence.i, mret, traps, interrupts; where to is what is issued next. */
static inline void pipe_flush(struct pipe *p)
{
    pipe_redirect(p, 0, PIPE_FLUSH, PIPE_STALL_flush);
}

/* fence.i: the instruction cache is empty. pipe_flush comes as well. */
void pipe_fence_i(struct pipe *p);

/* After wfi: the next instruction commits at cycle or later. */
void pipe_wake(struct pipe *p, uint64_t cycle);

/*
 * What the future depends on besides registers, memory and the next pc, relative to p->next: two equal shapes (memcmp)
 * at the same pc have the same future.
 */
struct pipe_shape {
    uint64_t changed, predicted; /* caches and predictor tables */
    uint64_t history, ras_top, ras_count, ras[BPRED_RAS];
    uint64_t fetch_pc, fetch_ahead, fetch_line;
    uint64_t ready[PIPE_READY_LEN];
};
void pipe_shape(const struct pipe *p, struct pipe_shape *shape);

/*
 * Turns of a loop that begins and ends in the same shape are added: cycles in all, and to each counter `turns` times
 * what it gained since it was `before`, one turn ago.
 */
void pipe_skip(struct pipe *p, const struct pipe_stats *before, uint64_t turns, uint64_t cycles);

#endif /* NANOPU_HART_PIPE_H */
