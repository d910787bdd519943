/* SPDX-License-Identifier: MIT */
/*
 * What the pipeline has to know of an instruction: its registers and its class. Part of each predecoded instruction.
 *
 * Registers are 0..31 for x0..x31 and 32..63 for f0..f31. A source that is not there is 0; a destination that is not
 * there, x0 included, is REG_NONE. With a NIC nobody writes x30; x31 as a destination is one like others, for the
 * interlock that keeps its writers in order.
 */
#ifndef NANOPU_HART_PIPE_OP_H
#define NANOPU_HART_PIPE_OP_H

#include "core/base.h"

#define REG_F     32
#define REG_NONE  64
#define PIPE_REGS 65

/*
 * C(class, latency, unit, stall): cycles from an instruction's commit to the first commit of one that uses its result
 * (1: no stall; units of variable latency say their shortest); the unit that it waits for; the counter for those who
 * wait for its result. Figures are the prototype's core (section 8.2 of the machine's contract); floating point:
 * an FMA of n stages writes its register at the end of the nth cycle after EX, and the scoreboard clears a cycle later.
 */
#define PIPE_CLASSES(C)                                                                                                \
    C(ALU, 1, NONE, alu)                                                                                               \
    C(MUL, 4, MULDIV, muldiv)                                                                                          \
    C(DIV, 5, MULDIV, muldiv)                                                                                          \
    C(LOAD, 2, MEM, load)                                                                                              \
    C(LOAD_SUB, 3, MEM, load) /* bytes and halfwords */                                                                \
    C(FLOAD, 4, MEM, load)    /* flw, fld */                                                                           \
    C(STORE, 1, MEM, alu)                                                                                              \
    C(SC, 3, MEM, load)                                                                                                \
    C(AMO, 2, MEM, load)                                                                                               \
    C(BRANCH, 1, NONE, alu)                                                                                            \
    C(JAL, 1, NONE, alu)                                                                                               \
    C(JALR, 2, NONE, jalr)                                                                                             \
    C(CSR, 3, NONE, csr)                                                                                               \
    C(FENCE, 1, MEM, alu)                                                                                              \
    C(FENCE_I, 1, MEM, alu)                                                                                            \
    C(SYSTEM, 1, NONE, alu) /* ecall, ebreak, mret, wfi */                                                             \
    C(FMA_S, 4, NONE, fp)   /* add, sub, mul, fused, of single precision: 3 stages */                                  \
    C(FMA_D, 6, NONE, fp)   /* double: 4 stages */                                                                     \
    C(FMISC, 4, NONE, fp)   /* sgnj, min, max, conversions between precisions */                                       \
    C(FTOX, 3, NONE, fp)    /* comparisons, classification, conversions and moves to x */                              \
    C(XTOF, 4, NONE, fp)    /* conversions and moves from x */                                                         \
    C(FDIV_S, 31, FDIV, fp) /* one bit of the result a cycle */                                                        \
    C(FDIV_D, 60, FDIV, fp)                                                                                            \
    C(FSQRT_S, 30, FDIV, fp)                                                                                           \
    C(FSQRT_D, 59, FDIV, fp)

#define PIPE_CLASS_ENUM(name, latency, unit, stall) PIPE_##name,
enum pipe_class { PIPE_CLASSES(PIPE_CLASS_ENUM) PIPE_CLASSES_LEN };
#undef PIPE_CLASS_ENUM

enum pipe_flags {
    PIPE_W = 1,      /* MUL, DIV: operates on the low 32 bits */
    PIPE_HIGH = 2,   /* MUL: mulh, mulhsu, mulhu */
    PIPE_SIGNED = 4, /* DIV: div, rem, divw, remw */
    PIPE_REM = 8     /* DIV: rem, remu, remw, remuw */
};

struct pipe_op {
    uint8_t rd, rs1, rs2, rs3;
    uint8_t class;   /* enum pipe_class */
    uint8_t len;     /* bytes: 2 or 4 */
    uint8_t flags;   /* enum pipe_flags */
    uint8_t latency; /* filled in by pipe_op_finish */
};

/* The rest of an op is filled in: completes it. */
static inline void pipe_op_finish(struct pipe_op *op)
{
#define PIPE_CLASS_LATENCY(name, latency, unit, stall) latency,
    static const uint8_t latency[] = {PIPE_CLASSES(PIPE_CLASS_LATENCY)};
#undef PIPE_CLASS_LATENCY

    op->latency = latency[op->class];
}

#endif /* NANOPU_HART_PIPE_OP_H */
