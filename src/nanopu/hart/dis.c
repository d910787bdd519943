/* SPDX-License-Identifier: MIT */
#include "nanopu/hart/dis.h"

#include "nanopu/hart/insn.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct text {
    char *out;
    size_t size, len;
};

static void PRINTF_LIKE(2, 3) add(struct text *t, const char *format, ...)
{
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(t->out + t->len, t->size - t->len, format, args);
    va_end(args);
    t->len = n < 0 ? t->len : t->len + (size_t)n < t->size ? t->len + (size_t)n : t->size - 1;
}

const char *reg_name(unsigned reg)
{
    static const char names[64][5] = {
        "zero", "ra",  "sp",  "gp",  "tp",  "t0",  "t1",   "t2",   "s0",  "s1",  "a0",   "a1",   "a2",
        "a3",   "a4",  "a5",  "a6",  "a7",  "s2",  "s3",   "s4",   "s5",  "s6",  "s7",   "s8",   "s9",
        "s10",  "s11", "t3",  "t4",  "t5",  "t6",  "ft0",  "ft1",  "ft2", "ft3", "ft4",  "ft5",  "ft6",
        "ft7",  "fs0", "fs1", "fa0", "fa1", "fa2", "fa3",  "fa4",  "fa5", "fa6", "fa7",  "fs2",  "fs3",
        "fs4",  "fs5", "fs6", "fs7", "fs8", "fs9", "fs10", "fs11", "ft8", "ft9", "ft10", "ft11",
    };

    return reg < 64 ? names[reg] : "?";
}

static void add_fence(struct text *t, int64_t imm)
{
    for (unsigned shift = 4; shift < 8; shift -= 4) {
        unsigned set = (unsigned)imm >> shift & 15;

        for (unsigned i = 0; i < 4; i++) {
            if ((set & 8 >> i) != 0) {
                add(t, "%c", "iorw"[i]);
            }
        }
        if (set == 0) {
            add(t, "unknown");
        }
        if (shift == 4) {
            add(t, ",");
        }
    }
}

static void add_immediate(struct text *t, char letter, uint64_t pc, int64_t imm)
{
    const char *name;

    switch (letter) {
    case 'a':
    case 'b':
    case 'A':
    case 'B':
        add(t, "0x%" PRIx64, pc + (uint64_t)imm);
        break;
    case 'u':
    case 'L':
        add(t, "0x%x", (unsigned)((uint64_t)imm >> 12 & 0xfffff));
        break;
    case 'h':
    case 'k':
    case 'H':
        add(t, "0x%x", (unsigned)imm);
        break;
    case 'c':
        name = csr_name((unsigned)imm & 0xfff);
        if (name != NULL) {
            add(t, "%s", name);
        } else {
            add(t, "0x%x", (unsigned)imm & 0xfff);
        }
        break;
    case 'z':
        add(t, "%u", (unsigned)(imm >> 12));
        break;
    case 'f':
        add_fence(t, imm);
        break;
    default:
        add(t, "%d", (int)imm);
    }
}

/* Behind a comma of its own, for the usual case says nothing. */
static void add_rounding(struct text *t, const struct insn *in)
{
    static const char names[RM_DYNAMIC][8] = {"rne", "rtz", "rdn", "rup", "rmm", "unknown", "unknown"};

    if (in->rm != RM_DYNAMIC) {
        add(t, ",%s", names[in->rm]);
    }
}

/* A letter of the operands' list, of a base instruction or of a compressed one. */
static void add_operand(struct text *t, const char *place, uint64_t pc, const struct insn *in)
{
    char letter = *place;
    static const char base_regs[] = "dstDSTR", c_regs[] = "dtyzDTZ";
    const struct insn_info *info = &insn_info[in->form];

    if (in->form < INSN_C_FIRST && strchr(base_regs, letter) != NULL) {
        uint8_t reg = letter == 'R'                    ? in->rs3
                      : letter == 'd' || letter == 'D' ? in->rd
                      : letter == 's' || letter == 'S' ? in->rs1
                                                       : in->rs2;

        add(t, "%s", reg_name(reg));
    } else if (in->form >= INSN_C_FIRST && (strchr(c_regs, letter) != NULL || letter == '2')) {
        const char *at = strchr(info->registers, letter);
        uint8_t reg = at == info->registers ? in->rd : at == info->registers + 1 ? in->rs1 : in->rs2;

        add(t, "%s", reg_name(reg));
    } else if (letter == 'm') {
        add_rounding(t, in);
    } else if (letter == ',' && (place[1] == 'm' || place[1] == 'e')) {
        return;
    } else if (letter == ',' || letter == '(' || letter == ')') {
        add(t, "%c", letter);
    } else if (letter != 'x' && letter != 'e') {
        add_immediate(t, letter, pc, in->imm);
    }
}

unsigned dis_insn(char *out, size_t size, uint64_t pc, uint32_t raw)
{
    static const char order[4][6] = {"", ".rl", ".aq", ".aqrl"};
    struct text t = {out, size, 0};
    const struct insn_info *info;
    struct insn in;

    if (size == 0) {
        return insn_len(raw);
    }
    out[0] = '\0';
    if (insn_decode(raw, &in) != 0) {
        if (insn_len(raw) == 2) {
            add(&t, ".2byte 0x%x", raw & 0xffff);
        } else {
            add(&t, ".4byte 0x%x", raw);
        }
        return insn_len(raw);
    }
    info = &insn_info[in.form];
    add(&t, "%s%s%s", info->text, order[in.aqrl], info->operands[0] != '\0' ? " " : "");
    for (const char *o = info->operands; *o != '\0'; o++) {
        add_operand(&t, o, pc, &in);
    }
    return in.len;
}
