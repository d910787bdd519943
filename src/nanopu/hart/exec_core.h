/* SPDX-License-Identifier: MIT */
/*
 * The execution core. A file that defines EXEC_NAME and EXEC_TIMED and includes this gets the function of that name;
 * so the core without timing and the one with it are the same source.
 *
 * Threaded code: each instruction of insn_list.h becomes a label, and its last act is to jump to the label of the next.
 * What the core keeps in local variables is written to the hart (SYNC) before anything outside looks at it.
 *
 * Without timing an instruction takes one cycle, so that one counter (left) is the clock, the limit and instret at
 * once. With timing the pipeline (pipe.h) is asked for an instruction's commit cycle before it executes; when that is
 * beyond the limit the instruction stays issued, and execution begins behind that question when it is gone on with.
 */
#include "nanopu/hart/alu.h"
#include "nanopu/hart/fpu.h"
#include "nanopu/hart/hart_internal.h"

#include <string.h>

#ifndef EXEC_NAME
#error "EXEC_NAME and EXEC_TIMED say what to make of this"
#endif

static COLD enum exec_end exec_trap(struct hart *h, enum cause cause, uint64_t tval)
{
    h->cause = cause;
    h->tval = tval;
    return EXEC_TRAP;
}

static inline enum cause ecall_cause(const struct hart *h)
{
    return h->priv == PRIV_M ? CAUSE_ECALL_M : CAUSE_ECALL_U;
}

#define PC      (base + 2 * (uint64_t)u->index)
#define RD      r[u->op.rd]
#define RS1     r[u->op.rs1]
#define RS2     r[u->op.rs2]
#define RS3     r[u->op.rs3]
#define IMM     ((uint64_t)u->imm)
#define SAME(x) (x)

#if EXEC_TIMED
#define SYNC()      (h->pc = PC, h->now = p->commit)
#define RELOAD()    (void)0
#define TIMED(what) (what)
#define ISSUE()                                                                                                        \
    do {                                                                                                               \
        if (UNLIKELY(pipe_issue(p, PC, &u->op) >= h->stop)) {                                                          \
            goto stop;                                                                                                 \
        }                                                                                                              \
    } while (0)
#define RETIRE() h->instret++
#define BODY(id) X_##id:
#else
#define SYNC()                                                                                                         \
    do {                                                                                                               \
        h->now += budget - left;                                                                                       \
        h->instret += budget - left;                                                                                   \
        budget = left;                                                                                                 \
        h->pc = PC;                                                                                                    \
    } while (0)
/* After something outside that may have moved hart.stop; the instruction in hand is always finished. */
#define RELOAD()    (left = budget = h->stop > h->now ? h->stop - h->now : 1)
#define TIMED(what) (void)0
#define ISSUE()     (void)0
#define BODY(id)
#define RETIRE()                                                                                                       \
    do {                                                                                                               \
        if (UNLIKELY(--left == 0)) {                                                                                   \
            goto stop;                                                                                                 \
        }                                                                                                              \
    } while (0)
#endif

#define TRAP(why, value)                                                                                               \
    do {                                                                                                               \
        SYNC();                                                                                                        \
        return exec_trap(h, (why), (value));                                                                           \
    } while (0)

/* u = the place of the instruction at a distance of off bytes from the page's begin. */
#define GO(off)                                                                                                        \
    do {                                                                                                               \
        uint64_t off_ = (off);                                                                                         \
        if (LIKELY(off_ < CODE_PAGE_BYTES)) {                                                                          \
            u = &uops[off_ / 2];                                                                                       \
        } else {                                                                                                       \
            next_pc = base + off_;                                                                                     \
            goto far;                                                                                                  \
        }                                                                                                              \
    } while (0)

#define BRANCH(condition)                                                                                              \
    do {                                                                                                               \
        bool taken = (condition);                                                                                      \
        TIMED(pipe_branch(p, &u->op, PC, taken, PC + IMM));                                                            \
        if (taken) {                                                                                                   \
            GO(2 * (uint64_t)u->index + IMM);                                                                          \
            DISPATCH();                                                                                                \
        }                                                                                                              \
    } while (0)

#define JUMP(target)                                                                                                   \
    do {                                                                                                               \
        uint64_t off_to = (target)-base;                                                                               \
        RD = PC + u->op.len;                                                                                           \
        TIMED(pipe_jump(p, &u->op, PC, base + off_to));                                                                \
        GO(off_to);                                                                                                    \
        DISPATCH();                                                                                                    \
    } while (0)

#define IS_DRAM(addr, type) ((addr)-MEMORY_BASE < dram_bytes && ((addr) & (sizeof(type) - 1)) == 0)

#define LOAD(type, convert)                                                                                            \
    do {                                                                                                               \
        uint64_t addr = RS1 + IMM;                                                                                     \
        type value;                                                                                                    \
        if (LIKELY(IS_DRAM(addr, type))) {                                                                             \
            TIMED(net_cycle = pipe_load(p, &u->op, addr));                                                             \
            memcpy(&value, dram + (addr - MEMORY_BASE), sizeof(value));                                                \
        } else {                                                                                                       \
            uint64_t wide = 0;                                                                                         \
            SYNC();                                                                                                    \
            h->cause = hart_load_slow(h, addr, sizeof(type), &wide);                                                   \
            if (h->cause != CAUSE_NONE) {                                                                              \
                return exec_trap(h, h->cause, addr);                                                                   \
            }                                                                                                          \
            value = (type)wide;                                                                                        \
            TIMED(net_cycle = pipe_uncached(p, &u->op));                                                               \
            RELOAD();                                                                                                  \
        }                                                                                                              \
        RD = convert((uint64_t)value);                                                                                 \
    } while (0)

#define STORE_AT(addr, type, value)                                                                                    \
    do {                                                                                                               \
        type value_ = (type)(value);                                                                                   \
        if (LIKELY(IS_DRAM(addr, type))) {                                                                             \
            TIMED(net_cycle = pipe_store(p, &u->op, addr));                                                            \
            memcpy(dram + ((addr)-MEMORY_BASE), &value_, sizeof(value_));                                              \
            if (UNLIKELY(hart_store_watched(memory, addr))) {                                                          \
                SYNC();                                                                                                \
                hart_stored(h, addr);                                                                                  \
                RELOAD();                                                                                              \
            }                                                                                                          \
        } else {                                                                                                       \
            SYNC();                                                                                                    \
            h->cause = hart_store_slow(h, addr, sizeof(type), value_);                                                 \
            if (h->cause != CAUSE_NONE) {                                                                              \
                return exec_trap(h, h->cause, addr);                                                                   \
            }                                                                                                          \
            TIMED(pipe_uncached(p, &u->op));                                                                           \
            RELOAD();                                                                                                  \
        }                                                                                                              \
    } while (0)

#define STORE(type)                                                                                                    \
    do {                                                                                                               \
        uint64_t addr = RS1 + IMM;                                                                                     \
        STORE_AT(addr, type, RS2);                                                                                     \
    } while (0)

/* Atomics work on DRAM alone. */
#define ATOMIC_ADDR(type, misaligned, access)                                                                          \
    uint64_t addr = RS1;                                                                                               \
    if (UNLIKELY(!IS_DRAM(addr, type))) {                                                                              \
        TRAP((addr & (sizeof(type) - 1)) != 0 ? (misaligned) : (access), addr);                                        \
    }

#define LR(type)                                                                                                       \
    do {                                                                                                               \
        type value;                                                                                                    \
        ATOMIC_ADDR(type, CAUSE_LOAD_MISALIGNED, CAUSE_LOAD_ACCESS)                                                    \
        TIMED(net_cycle = pipe_load(p, &u->op, addr));                                                                 \
        memcpy(&value, dram + (addr - MEMORY_BASE), sizeof(value));                                                    \
        SYNC();                                                                                                        \
        hart_reserve(h, addr);                                                                                         \
        RD = (uint64_t)value;                                                                                          \
    } while (0)

#define SC(type)                                                                                                       \
    do {                                                                                                               \
        ATOMIC_ADDR(type, CAUSE_STORE_MISALIGNED, CAUSE_STORE_ACCESS)                                                  \
        SYNC();                                                                                                        \
        bool done = hart_reserved(h, addr);                                                                            \
        hart_unreserve(h);                                                                                             \
        if (done) {                                                                                                    \
            STORE_AT(addr, type, RS2);                                                                                 \
        }                                                                                                              \
        RD = !done;                                                                                                    \
    } while (0)

#define AMO(type, result)                                                                                              \
    do {                                                                                                               \
        type value;                                                                                                    \
        ATOMIC_ADDR(type, CAUSE_STORE_MISALIGNED, CAUSE_STORE_ACCESS)                                                  \
        memcpy(&value, dram + (addr - MEMORY_BASE), sizeof(value));                                                    \
        uint64_t a = (uint64_t)value, b = (uint64_t)(type)RS2;                                                         \
        (void)a;                                                                                                       \
        STORE_AT(addr, type, result);                                                                                  \
        RD = a;                                                                                                        \
    } while (0)

#define MULDIV(result)                                                                                                 \
    do {                                                                                                               \
        uint64_t value = (result);                                                                                     \
        TIMED(net_cycle = pipe_muldiv(p, &u->op, RS1, RS2));                                                           \
        RD = value;                                                                                                    \
    } while (0)

#define CSR(operation, operand)                                                                                        \
    do {                                                                                                               \
        uint64_t old = 0;                                                                                              \
        bool write = (operation) == CSR_WRITE || (u->op.rs1 | (u->imm >> 12)) != 0;                                    \
        SYNC();                                                                                                        \
        if (UNLIKELY(hart_csr(h, (operation), u->imm & 0xfff, write, (operand), &old) != 0)) {                         \
            goto illegal;                                                                                              \
        }                                                                                                              \
        RD = old;                                                                                                      \
        TIMED(write &&hart_csr_flushes(u->imm & 0xfff) ? pipe_flush(p) : (void)0);                                     \
        RELOAD();                                                                                                      \
    } while (0)

#define FENCE_I()                                                                                                      \
    do {                                                                                                               \
        SYNC();                                                                                                        \
        code_flush(h);                                                                                                 \
        TIMED((pipe_fence_i(p), pipe_flush(p)));                                                                       \
        goto flushed;                                                                                                  \
    } while (0)

#define MRET()                                                                                                         \
    do {                                                                                                               \
        if (UNLIKELY(h->priv != PRIV_M)) {                                                                             \
            goto illegal;                                                                                              \
        }                                                                                                              \
        SYNC();                                                                                                        \
        hart_mret(h);                                                                                                  \
        hart_redirected(h);                                                                                            \
        h->instret++;                                                                                                  \
        return EXEC_STOP;                                                                                              \
    } while (0)

#define WFI()                                                                                                          \
    do {                                                                                                               \
        SYNC();                                                                                                        \
        h->state = HART_WFI;                                                                                           \
        h->pc += u->op.len;                                                                                            \
        h->now = h->timed ? h->pipe.next : h->now + 1;                                                                 \
        h->instret++;                                                                                                  \
        return EXEC_STOP;                                                                                              \
    } while (0)

/* Floating point. Each instruction may write a register or a flag, so mstatus.FS becomes dirty. */
#define S1  fp_unbox(RS1)
#define S2  fp_unbox(RS2)
#define S3  fp_unbox(RS3)
#define ENV (&env)

#define FP(type, box, result)                                                                                          \
    do {                                                                                                               \
        struct fp_env env = {u->imm == RM_DYNAMIC ? h->frm : (uint8_t)u->imm, h->fflags & FP_NX};                      \
        if (UNLIKELY(h->fs == 0 || env.rounding >= FP_ROUNDINGS)) {                                                    \
            goto illegal;                                                                                              \
        }                                                                                                              \
        type value = (result);                                                                                         \
        h->fflags |= env.flags;                                                                                        \
        h->fs = FS_DIRTY;                                                                                              \
        RD = box((uint64_t)value);                                                                                     \
    } while (0)

#define FP32(result) FP(uint32_t, BOX32, result)
#define FP64(result) FP(uint64_t, SAME, result)
#define FPX(result)  FP(uint64_t, SAME, result)
#define FPDIV()      TIMED(net_cycle = pipe_fdiv(p, &u->op))

#define FLOAD(type, box)                                                                                               \
    do {                                                                                                               \
        if (UNLIKELY(h->fs == 0)) {                                                                                    \
            goto illegal;                                                                                              \
        }                                                                                                              \
        LOAD(type, box);                                                                                               \
        h->fs = FS_DIRTY;                                                                                              \
    } while (0)

#define FSTORE(type)                                                                                                   \
    do {                                                                                                               \
        if (UNLIKELY(h->fs == 0)) {                                                                                    \
            goto illegal;                                                                                              \
        }                                                                                                              \
        STORE(type);                                                                                                   \
    } while (0)

#define DISPATCH()                                                                                                     \
    do {                                                                                                               \
        RETIRE();                                                                                                      \
        goto *labels[u->code];                                                                                         \
    } while (0)

#define NEXT()                                                                                                         \
    do {                                                                                                               \
        u = (struct uop *)((char *)u + u->step);                                                                       \
        DISPATCH();                                                                                                    \
    } while (0)

enum exec_end EXEC_NAME(struct hart *h)
{
    static struct uop fault_uop = {.code = UOP_FAULT};
    /* where an instruction begins, and where it executes once it is issued */
#define I(id, ...) [INSN_##id] = &&L_##id,
    static const void *const labels[UOP_CODES] = {
#include "nanopu/hart/insn_list.h"
        [UOP_DECODE] = &&decode, [UOP_PAGE] = &&next_page,           [UOP_ILLEGAL] = &&illegal_place,
        [UOP_FAULT] = &&fault,   [UOP_NET... UOP_CODES - 1] = &&net,
    };
#undef I
#if EXEC_TIMED
#define I(id, ...) [INSN_##id] = &&X_##id,
    static const void *const bodies[UOP_CODES] = {
#include "nanopu/hart/insn_list.h"
        [UOP_DECODE] = &&decode,
        [UOP_PAGE] = &&next_page,
        [UOP_ILLEGAL] = &&illegal,
        [UOP_FAULT] = &&fault,
        [UOP_NET... UOP_CODES - 1] = &&net_issued,
    };
#undef I
    struct pipe *const p = &h->pipe;
#else
    const void *const *const bodies = labels;
    uint64_t left = h->stop - h->now, budget = left;
#endif
    uint64_t *const r = h->r;
    struct memory *const memory = h->memory;
    uint8_t *const dram = memory->dram;
    const uint64_t dram_bytes = memory->size_bytes;
    struct code_page *page;
    struct uop *u, *uops;
    uint64_t base, next_pc = h->pc;
    uint64_t net_stop = 0, net_cycle = 0, net_reg = 0; /* of an instruction that writes netTX */
    bool net_write = false;

#include "nanopu/hart/exec_special.h"

#define I(id, text, mask, match, operands, ext, class, ...)                                                            \
    L_##id : ISSUE();                                                                                                  \
    BODY(id)                                                                                                           \
    {                                                                                                                  \
        __VA_ARGS__;                                                                                                   \
        NEXT();                                                                                                        \
    }
#include "nanopu/hart/insn_list.h"
#undef I
}
