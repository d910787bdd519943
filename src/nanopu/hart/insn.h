/* SPDX-License-Identifier: MIT */
/*
 * Instructions as data: decoding and encoding of RV64IMAFDC, Zicsr, Zifencei and the machine's own, all driven by the
 * lists insn_list.h and insn_list_c.h.
 */
#ifndef NANOPU_HART_INSN_H
#define NANOPU_HART_INSN_H

#include "nanopu/hart/pipe_op.h"

#define INSN_ENUM(id, ...) INSN_##id,
enum insn_id {
#define I INSN_ENUM
#include "nanopu/hart/insn_list.h"
#undef I
    INSN_LEN,
    INSN_C_FIRST = INSN_LEN,
    INSN_C_BEFORE = INSN_C_FIRST - 1,
#define C INSN_ENUM
#include "nanopu/hart/insn_list_c.h"
#undef C
    INSN_ALL_LEN
};
#undef INSN_ENUM

#define RM_DYNAMIC 7 /* a rounding mode: that of frm */

struct insn {
    enum insn_id id;           /* what it does: one of insn_list.h */
    enum insn_id form;         /* how it is written: id, or the compressed instruction that stands for it */
    uint8_t len;               /* bytes: 2 or 4 */
    uint8_t rd, rs1, rs2, rs3; /* 0 to 31: x; 32 to 63: f; REG_NONE: has none */
    uint8_t rm;                /* rounding mode as encoded, 7: dynamic */
    uint8_t aqrl;              /* bit 1: aq, bit 0: rl */
    int64_t imm;               /* CSR number | immediate operand << 12; fence: fm, predecessors, successors */
};

/* Bytes of the instruction that begins with this halfword. */
static inline unsigned insn_len(uint32_t raw)
{
    return (raw & 3) == 3 ? 4 : 2;
}

/* Decodes raw (of a compressed one the low 16 bits). Returns 0, or -EINVAL when it is no instruction. */
int insn_decode(uint32_t raw, struct insn *in);

/* The other way. Returns 0, or -ERANGE when an immediate or a register does not fit the form. */
int insn_encode(const struct insn *in, uint32_t *raw);

/* What the lists say of an instruction. */
struct insn_info {
    const char *text, *operands;
    uint32_t mask, match;
    uint8_t class;         /* enum pipe_class */
    char ext;              /* letter of the extension */
    const char *registers; /* compressed only, as is what follows */
    char never;
    enum insn_id base;
};
extern const struct insn_info insn_info[INSN_ALL_LEN];

enum csr_number {
#define R(name, number) CSR_##name = (number),
#include "nanopu/hart/csr_list.h"
#undef R
};

/* A CSR's name, or NULL; and its number, or -ENOENT. */
const char *csr_name(unsigned number);
int csr_number(const char *name);

#endif /* NANOPU_HART_INSN_H */
