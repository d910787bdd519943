/* SPDX-License-Identifier: MIT */
/* Immediates are described by where their bits are; the same table takes them apart and puts them together. */
#include "nanopu/hart/insn.h"

#include <errno.h>
#include <string.h>

#define INSN_INFO(id, text, mask, match, operands, ext, class, ...)                                                    \
    [INSN_##id] = {text, operands, mask, match, PIPE_##class, (#ext)[0], NULL, 0, INSN_##id},
#define INSN_INFO_C(id, text, mask, match, operands, registers, never, base)                                           \
    [INSN_##id] = {text, operands, mask, match, 0, 'C', registers, never, INSN_##base},
const struct insn_info insn_info[INSN_ALL_LEN] = {
#define I INSN_INFO
#include "nanopu/hart/insn_list.h"
#undef I
#define C INSN_INFO_C
#include "nanopu/hart/insn_list_c.h"
#undef C
};

/* A run of bits: where it begins in the instruction, how long it is, where it begins in the value. */
struct piece {
    uint8_t at, len, to;
};

#define PIECES_MAX 8

struct immediate {
    char letter;
    bool is_signed;
    uint8_t bits; /* of the value */
    struct piece piece[PIECES_MAX];
};

static const struct immediate immediates[] = {
    {'i', true, 12, {{20, 12, 0}}},
    {'o', true, 12, {{20, 12, 0}}},
    {'q', true, 12, {{7, 5, 0}, {25, 7, 5}}},
    {'b', true, 13, {{8, 4, 1}, {25, 6, 5}, {7, 1, 11}, {31, 1, 12}}},
    {'u', true, 32, {{12, 20, 12}}},
    {'a', true, 21, {{21, 10, 1}, {20, 1, 11}, {12, 8, 12}, {31, 1, 20}}},
    {'h', false, 6, {{20, 6, 0}}},
    {'k', false, 5, {{20, 5, 0}}},
    {'c', false, 12, {{20, 12, 0}}},
    {'z', false, 17, {{15, 5, 12}}},
    {'f', false, 12, {{20, 12, 0}}},
    /* compressed */
    {'n', false, 10, {{6, 1, 2}, {5, 1, 3}, {11, 2, 4}, {7, 4, 6}}},
    {'l', false, 7, {{6, 1, 2}, {10, 3, 3}, {5, 1, 6}}},
    {'K', false, 8, {{10, 3, 3}, {5, 2, 6}}},
    {'I', true, 6, {{2, 5, 0}, {12, 1, 5}}},
    {'N', true, 10, {{6, 1, 4}, {2, 1, 5}, {5, 1, 6}, {3, 2, 7}, {12, 1, 9}}},
    {'L', true, 18, {{2, 5, 12}, {12, 1, 17}}},
    {'H', false, 6, {{2, 5, 0}, {12, 1, 5}}},
    {'A', true, 12, {{3, 3, 1}, {11, 1, 4}, {2, 1, 5}, {7, 1, 6}, {6, 1, 7}, {9, 2, 8}, {8, 1, 10}, {12, 1, 11}}},
    {'B', true, 9, {{3, 2, 1}, {10, 2, 3}, {2, 1, 5}, {5, 2, 6}, {12, 1, 8}}},
    {'v', false, 8, {{4, 3, 2}, {12, 1, 5}, {2, 2, 6}}},
    {'w', false, 9, {{5, 2, 3}, {12, 1, 5}, {2, 3, 6}}},
    {'V', false, 8, {{9, 4, 2}, {7, 2, 6}}},
    {'W', false, 9, {{10, 3, 3}, {7, 3, 6}}},
};

static const struct immediate *immediate_of(char letter)
{
    for (size_t i = 0; i < ARRAY_LEN(immediates); i++) {
        if (immediates[i].letter == letter) {
            return &immediates[i];
        }
    }
    return NULL;
}

static int64_t immediate_get(const struct immediate *im, uint32_t raw)
{
    uint64_t value = 0;

    for (const struct piece *p = im->piece; p < im->piece + PIECES_MAX && p->len != 0; p++) {
        value |= (uint64_t)(raw >> p->at & ((1U << p->len) - 1)) << p->to;
    }
    if (im->is_signed && (value >> (im->bits - 1) & 1) != 0) {
        value -= UINT64_C(1) << im->bits;
    }
    return (int64_t)value;
}

/* Bits of the value that the instruction has a place for. */
static uint64_t immediate_mask(const struct immediate *im)
{
    uint64_t mask = 0;

    for (const struct piece *p = im->piece; p < im->piece + PIECES_MAX && p->len != 0; p++) {
        mask |= ((UINT64_C(1) << p->len) - 1) << p->to;
    }
    return mask;
}

static int immediate_put(const struct immediate *im, int64_t imm, uint32_t *raw)
{
    uint64_t mask = immediate_mask(im), value = (uint64_t)imm & mask;

    for (const struct piece *p = im->piece; p < im->piece + PIECES_MAX && p->len != 0; p++) {
        *raw |= (uint32_t)(value >> p->to & ((1U << p->len) - 1)) << p->at;
    }
    return immediate_get(im, *raw) == imm ? 0 : -ERANGE;
}

/* Where a register's number stands in the instruction, and which registers the field can name. */
struct field {
    uint8_t at, bits, first; /* first: number of the register that 0 names */
};

static bool field_of(char letter, bool compressed, struct field *f)
{
    static const struct {
        char letter;
        bool compressed;
        struct field field;
    } fields[] = {
        {'d', false, {7, 5, 0}},   {'s', false, {15, 5, 0}},  {'t', false, {20, 5, 0}},  {'D', false, {7, 5, 32}},
        {'S', false, {15, 5, 32}}, {'T', false, {20, 5, 32}}, {'R', false, {27, 5, 32}}, {'d', true, {7, 5, 0}},
        {'t', true, {2, 5, 0}},    {'y', true, {7, 3, 8}},    {'z', true, {2, 3, 8}},    {'D', true, {7, 5, 32}},
        {'T', true, {2, 5, 32}},   {'Z', true, {2, 3, 40}},
    };

    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        if (fields[i].letter == letter && fields[i].compressed == compressed) {
            *f = fields[i].field;
            return true;
        }
    }
    return false;
}

static uint8_t field_get(struct field f, uint32_t raw)
{
    return (uint8_t)(f.first + (raw >> f.at & ((1U << f.bits) - 1)));
}

static int field_put(struct field f, uint8_t reg, uint32_t *raw)
{
    if (reg < f.first || reg >= f.first + (1U << f.bits)) {
        return -ERANGE;
    }
    *raw |= (uint32_t)(reg - f.first) << f.at;
    return 0;
}

/* The register of an instruction that a letter of insn_list.h names. */
static uint8_t *insn_reg(struct insn *in, char letter)
{
    switch (letter) {
    case 'd':
    case 'D':
        return &in->rd;
    case 's':
    case 'S':
        return &in->rs1;
    case 't':
    case 'T':
        return &in->rs2;
    default:
        return &in->rs3;
    }
}

static void decode_base(uint32_t raw, struct insn *in)
{
    for (const char *o = insn_info[in->id].operands; *o != '\0'; o++) {
        const struct immediate *im = immediate_of(*o);
        struct field f;

        if (im != NULL) {
            in->imm |= immediate_get(im, raw);
        } else if (field_of(*o, false, &f)) {
            *insn_reg(in, *o) = field_get(f, raw);
        } else if (*o == 'm' || *o == 'e') {
            in->rm = raw >> 12 & 7;
        } else if (*o == 'x') {
            in->aqrl = raw >> 25 & 3;
        }
    }
}

static const struct immediate *immediate_of_c(const struct insn_info *info)
{
    for (const char *o = info->operands; *o != '\0'; o++) {
        struct field f;

        if (!field_of(*o, true, &f) && immediate_of(*o) != NULL) {
            return immediate_of(*o);
        }
    }
    return NULL;
}

static bool decode_compressed(uint32_t raw, struct insn *in)
{
    const struct insn_info *info = &insn_info[in->form];
    const struct immediate *im = immediate_of_c(info);
    uint8_t *regs[] = {&in->rd, &in->rs1, &in->rs2};

    in->imm = im != NULL ? immediate_get(im, raw) : 0;
    if ((info->never == 'i' && in->imm == 0) || (info->never == 'd' && (raw >> 7 & 31) == 0) ||
        (info->never == 't' && (raw >> 2 & 31) == 0)) {
        return false;
    }
    for (unsigned i = 0; i < ARRAY_LEN(regs); i++) {
        char letter = info->registers[i];
        struct field f;

        if (letter >= '0' && letter <= '9') {
            *regs[i] = (uint8_t)(letter - '0');
        } else if (field_of(letter, true, &f)) {
            *regs[i] = field_get(f, raw);
        }
    }
    return true;
}

static void insn_clear(struct insn *in)
{
    memset(in, 0, sizeof(*in));
    in->rd = in->rs1 = in->rs2 = in->rs3 = REG_NONE;
}

int insn_decode(uint32_t raw, struct insn *in)
{
    bool compressed = insn_len(raw) == 2;

    insn_clear(in);
    in->len = (uint8_t)insn_len(raw);
    raw = compressed ? raw & 0xffff : raw;
    for (unsigned i = compressed ? INSN_C_FIRST : 0; i < (compressed ? INSN_ALL_LEN : INSN_LEN); i++) {
        if ((raw & insn_info[i].mask) != insn_info[i].match) {
            continue;
        }
        in->form = (enum insn_id)i;
        in->id = insn_info[i].base;
        if (!compressed) {
            decode_base(raw, in);
            return 0;
        }
        if (decode_compressed(raw, in)) {
            return 0;
        }
    }
    return -EINVAL;
}

static int encode_base(const struct insn *in, uint32_t *raw)
{
    struct insn copy = *in;

    for (const char *o = insn_info[in->id].operands; *o != '\0'; o++) {
        const struct immediate *im = immediate_of(*o);
        struct field f;
        int r = 0;

        if (im != NULL && (*o == 'c' || *o == 'z')) {
            r = immediate_put(im, in->imm & (int64_t)immediate_mask(im), raw);
        } else if (im != NULL) {
            r = immediate_put(im, in->imm, raw);
        } else if (field_of(*o, false, &f)) {
            r = field_put(f, *insn_reg(&copy, *o), raw);
        } else if (*o == 'm' || *o == 'e') {
            *raw |= (uint32_t)(in->rm & 7) << 12;
        } else if (*o == 'x') {
            *raw |= (uint32_t)(in->aqrl & 3) << 25;
        }
        if (r != 0) {
            return r;
        }
    }
    return 0;
}

static int encode_compressed(const struct insn *in, uint32_t *raw)
{
    const struct insn_info *info = &insn_info[in->form];
    const struct immediate *im = immediate_of_c(info);
    const uint8_t regs[] = {in->rd, in->rs1, in->rs2};
    int r = im != NULL ? immediate_put(im, in->imm, raw) : 0;

    for (unsigned i = 0; i < ARRAY_LEN(regs) && r == 0; i++) {
        char letter = info->registers[i];
        struct field f;

        if (field_of(letter, true, &f)) {
            r = field_put(f, regs[i], raw);
        }
    }
    return r;
}

int insn_encode(const struct insn *in, uint32_t *raw)
{
    *raw = insn_info[in->form].match;
    return in->form < INSN_C_FIRST ? encode_base(in, raw) : encode_compressed(in, raw);
}

struct csr_entry {
    const char *name;
    unsigned number;
};

static const struct csr_entry csrs[] = {
#define R(name, number) {#name, number},
#include "nanopu/hart/csr_list.h"
#undef R
};

const char *csr_name(unsigned number)
{
    for (size_t i = 0; i < ARRAY_LEN(csrs); i++) {
        if (csrs[i].number == number) {
            return csrs[i].name;
        }
    }
    return NULL;
}

int csr_number(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(csrs); i++) {
        if (strcmp(csrs[i].name, name) == 0) {
            return (int)csrs[i].number;
        }
    }
    return -ENOENT;
}
