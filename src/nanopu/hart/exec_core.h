/* SPDX-License-Identifier: MIT */
/*
 * The execution core. A file that defines EXEC_NAME and EXEC_TIMED and includes this gets the function of that name;
 * so the core without timing and the one with it are the same source.
 *
 * Threaded code: each instruction of insn_list.h becomes a label, and its last act is to jump to the label of the next.
 * What the core keeps in local variables is written to the hart (SYNC) before anything outside looks at it. Without
 * timing an instruction takes one cycle, so that one counter (left) is the clock, the limit and instret at once.
 */
#ifndef EXEC_NAME
#error "EXEC_NAME and EXEC_TIMED say what to make of this"
#endif

#define PC      (base + 2 * (uint64_t)u->index)
#define RD      r[u->op.rd]
#define RS1     r[u->op.rs1]
#define RS2     r[u->op.rs2]
#define RS3     r[u->op.rs3]
#define IMM     ((uint64_t)u->imm)
#define SAME(x) (x)

#define SYNC()                                                                                                         \
    do {                                                                                                               \
        h->now += budget - left;                                                                                       \
        h->instret += budget - left;                                                                                   \
        budget = left;                                                                                                 \
        h->pc = PC;                                                                                                    \
    } while (0)

/* After something outside that may have moved hart.stop; the instruction in hand is always finished. */
#define RELOAD() (left = budget = h->stop > h->now ? h->stop - h->now : 1)

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
    if (condition) {                                                                                                   \
        GO(2 * (uint64_t)u->index + IMM);                                                                              \
        DISPATCH();                                                                                                    \
    }

#define JUMP(target)                                                                                                   \
    do {                                                                                                               \
        uint64_t off_to = (target)-base;                                                                               \
        RD = PC + u->op.len;                                                                                           \
        GO(off_to);                                                                                                    \
        DISPATCH();                                                                                                    \
    } while (0)

#define IS_DRAM(addr, type) ((addr)-MEMORY_BASE < dram_bytes && ((addr) & (sizeof(type) - 1)) == 0)

#define LOAD(type, convert)                                                                                            \
    do {                                                                                                               \
        uint64_t addr = RS1 + IMM;                                                                                     \
        type value;                                                                                                    \
        if (LIKELY(IS_DRAM(addr, type))) {                                                                             \
            memcpy(&value, dram + (addr - MEMORY_BASE), sizeof(value));                                                \
        } else {                                                                                                       \
            uint64_t wide = 0;                                                                                         \
            SYNC();                                                                                                    \
            h->cause = hart_load_slow(h, addr, sizeof(type), &wide);                                                   \
            if (h->cause != CAUSE_NONE) {                                                                              \
                return exec_trap(h, h->cause, addr);                                                                   \
            }                                                                                                          \
            value = (type)wide;                                                                                        \
            RELOAD();                                                                                                  \
        }                                                                                                              \
        RD = convert((uint64_t)value);                                                                                 \
    } while (0)

#define STORE_AT(addr, type, value)                                                                                    \
    do {                                                                                                               \
        type value_ = (type)(value);                                                                                   \
        if (LIKELY(IS_DRAM(addr, type))) {                                                                             \
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
        memcpy(&value, dram + (addr - MEMORY_BASE), sizeof(value));                                                    \
        hart_reserve(h, addr);                                                                                         \
        RD = (uint64_t)value;                                                                                          \
    } while (0)

#define SC(type)                                                                                                       \
    do {                                                                                                               \
        ATOMIC_ADDR(type, CAUSE_STORE_MISALIGNED, CAUSE_STORE_ACCESS)                                                  \
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

#define MULDIV(result) RD = (result)

#define CSR(operation, operand)                                                                                        \
    do {                                                                                                               \
        uint64_t old = 0;                                                                                              \
        bool write = (operation) == CSR_WRITE || (u->op.rs1 | (u->imm >> 12)) != 0;                                    \
        SYNC();                                                                                                        \
        if (UNLIKELY(hart_csr(h, (operation), u->imm & 0xfff, write, (operand), &old) != 0)) {                         \
            goto illegal;                                                                                              \
        }                                                                                                              \
        RD = old;                                                                                                      \
        RELOAD();                                                                                                      \
    } while (0)

#define FENCE_I()                                                                                                      \
    do {                                                                                                               \
        SYNC();                                                                                                        \
        code_flush(h);                                                                                                 \
        goto flushed;                                                                                                  \
    } while (0)

#define MRET()                                                                                                         \
    do {                                                                                                               \
        if (UNLIKELY(h->priv != PRIV_M)) {                                                                             \
            goto illegal;                                                                                              \
        }                                                                                                              \
        SYNC();                                                                                                        \
        hart_mret(h);                                                                                                  \
        h->now++;                                                                                                      \
        h->instret++;                                                                                                  \
        return EXEC_STOP;                                                                                              \
    } while (0)

#define WFI()                                                                                                          \
    do {                                                                                                               \
        SYNC();                                                                                                        \
        h->state = HART_WFI;                                                                                           \
        h->stop = h->now;                                                                                              \
        RELOAD();                                                                                                      \
    } while (0)

/* Floating point. Each instruction may write a register or a flag, so mstatus.FS becomes dirty. */
#define S1  fp_unbox(RS1)
#define S2  fp_unbox(RS2)
#define S3  fp_unbox(RS3)
#define ENV (&env)

#define FP(reg, type, box, result)                                                                                     \
    do {                                                                                                               \
        struct fp_env env = {u->imm == RM_DYNAMIC ? h->frm : (uint8_t)u->imm, 0};                                      \
        if (UNLIKELY(h->fs == 0 || env.rounding >= FP_ROUNDINGS)) {                                                    \
            goto illegal;                                                                                              \
        }                                                                                                              \
        type value = (result);                                                                                         \
        h->fflags |= env.flags;                                                                                        \
        h->fs = FS_DIRTY;                                                                                              \
        reg = box((uint64_t)value);                                                                                    \
    } while (0)

#define FP32(result) FP(RD, uint32_t, BOX32, result)
#define FP64(result) FP(RD, uint64_t, SAME, result)
#define FPX(result)  FP(RD, uint64_t, SAME, result)
#define FPDIV()      (void)0

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
        if (UNLIKELY(--left == 0)) {                                                                                   \
            goto stop;                                                                                                 \
        }                                                                                                              \
        goto *labels[u->code];                                                                                         \
    } while (0)

#define NEXT()                                                                                                         \
    do {                                                                                                               \
        u = (struct uop *)((char *)u + u->step);                                                                       \
        DISPATCH();                                                                                                    \
    } while (0)

enum exec_end EXEC_NAME(struct hart *h)
{
#define I(id, ...) [INSN_##id] = &&L_##id,
    static const void *const labels[UOP_CODES] = {
#include "nanopu/hart/insn_list.h"
        [UOP_DECODE] = &&decode, [UOP_PAGE] = &&next_page,           [UOP_ILLEGAL] = &&illegal,
        [UOP_FAULT] = &&fault,   [UOP_NET... UOP_CODES - 1] = &&net,
    };
#undef I
    static struct uop fault_uop = {.code = UOP_FAULT};
    uint64_t *const r = h->r;
    struct memory *const memory = h->memory;
    uint8_t *const dram = memory->dram;
    const uint64_t dram_bytes = memory->size_bytes;
    struct code_page *page;
    struct uop *u, *uops;
    uint64_t base, next_pc = h->pc;
    uint64_t left = h->stop - h->now, budget = left;
    uint64_t net_stop = 0, net_cycle = 0, net_reg = 0; /* of an instruction that writes netTX */
    bool net_write = false;

    assert(h->stop > h->now);
    goto enter;

far:
    left--;
enter:
    page = h->code.bucket[code_bucket(next_pc)];
    if (UNLIKELY(page == NULL || page->base != code_base(next_pc))) {
        page = code_page(h, next_pc);
    }
    if (LIKELY(page != NULL)) {
        base = page->base;
        uops = page->uops;
        u = &uops[(next_pc - base) / 2];
    } else {
        base = next_pc;
        uops = u = &fault_uop;
    }
    if (UNLIKELY(left == 0)) {
        goto stop;
    }
    goto *labels[u->code];

#define I(id, text, mask, match, operands, ext, class, ...)                                                            \
    L_##id:                                                                                                            \
    {                                                                                                                  \
        __VA_ARGS__;                                                                                                   \
        NEXT();                                                                                                        \
    }
#include "nanopu/hart/insn_list.h"
#undef I

#include "nanopu/hart/exec_special.h"
}
