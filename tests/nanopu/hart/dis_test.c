/* SPDX-License-Identifier: MIT */
/*
 * Every instruction of the lists with random operands: decoded, encoded and decoded again it is the same, and its text
 * is that of binutils' objdump where that is installed.
 */
#include "nanopu/hart/dis.h"
#include "nanopu/hart/insn.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define VARIANTS  6 /* of each instruction */
#define INSNS_MAX (VARIANTS * INSN_ALL_LEN)
#define LINE_MAX_ 256
#define BASE      UINT64_C(0x80000000)
#define OBJDUMP   "riscv64-unknown-elf-objdump"

struct sample {
    uint32_t raw[INSNS_MAX];
    unsigned len;
};

static uint64_t random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Operands for which objdump's text is a matter of taste: hints, reserved roundings, CSRs without a common name. */
static bool is_plain(const struct insn *in)
{
    const char *operands = insn_info[in->form].operands;

    if (in->form >= INSN_C_FIRST) {
        bool hint = in->rd == 0 && in->id != INSN_jal && in->id != INSN_jalr;
        bool shift = (in->id == INSN_slli || in->id == INSN_srli || in->id == INSN_srai) && in->imm == 0;

        return !hint && !shift && !(in->form == INSN_c_addi && in->imm == 0);
    }
    if (in->id == INSN_fence) {
        return (in->imm & 15) != 0 && (in->imm >> 4 & 15) != 0;
    }
    if (strchr(operands, 'e') != NULL) {
        return in->rm == 0;
    }
    return strchr(operands, 'm') == NULL || in->rm < 5 || in->rm == RM_DYNAMIC;
}

/* CSR instructions get one of these, at its place. */
static uint32_t with_csr(uint32_t raw, uint64_t random)
{
    static const unsigned csrs[] = {CSR_fflags, CSR_fcsr, CSR_mstatus, CSR_mtvec, CSR_mcycle, CSR_cycle, CSR_mhartid};

    return (raw & 0xfffff) | csrs[random % ARRAY_LEN(csrs)] << 20;
}

static void make_sample(struct sample *s)
{
    uint64_t seed = UINT64_C(0x9e3779b97f4a7c15);

    s->len = 0;
    for (unsigned id = 0; id < INSN_ALL_LEN; id++) {
        const struct insn_info *info = &insn_info[id];
        unsigned found = 0;

        for (unsigned i = 0; i < 1000 && found < VARIANTS; i++) {
            uint64_t random = random_next(&seed);
            uint32_t raw = info->match | ((uint32_t)random & ~info->mask & (id < INSN_C_FIRST ? UINT32_MAX : 0xffff));
            struct insn in;

            if (strchr(info->operands, 'c') != NULL && id < INSN_C_FIRST)
                raw = with_csr(raw, random >> 32);
            if (info->class == PIPE_FENCE || info->class == PIPE_FENCE_I) /* fields that are to be 0 */
                raw &= info->class == PIPE_FENCE ? 0x0ff0707f : info->mask;
            if (insn_decode(raw, &in) == 0 && in.form == id && (id == INSN_c_nop || is_plain(&in))) {
                s->raw[s->len++] = raw;
                found++;
            }
        }
        if (found == 0)
            fail_msg("%s decodes from none of its encodings", info->text);
    }
}

static void encoding_is_decodings_inverse(void **state)
{
    struct sample *s = *state;

    for (unsigned i = 0; i < s->len; i++) {
        struct insn in, again;
        uint32_t raw;

        assert_int_equal(insn_decode(s->raw[i], &in), 0);
        assert_int_equal(insn_encode(&in, &raw), 0);
        assert_int_equal(insn_decode(raw, &again), 0);
        assert_memory_equal(&in, &again, sizeof(in));
    }
}

static void immediates_that_do_not_fit_are_refused(void **state)
{
    struct insn in = {.id = INSN_addi, .form = INSN_addi, .rd = 1, .rs1 = 1, .imm = 2048};
    uint32_t raw;

    (void)state;
    assert_int_not_equal(insn_encode(&in, &raw), 0);
    in.imm = -2048;
    assert_int_equal(insn_encode(&in, &raw), 0);
    in.rd = REG_F;
    assert_int_not_equal(insn_encode(&in, &raw), 0);
    in = (struct insn){.id = INSN_beq, .form = INSN_beq, .rs1 = 1, .rs2 = 1, .imm = 3};
    assert_int_not_equal(insn_encode(&in, &raw), 0);
}

/* objdump's line is "  80000000:\t12345678          \tadd\ta0,a1,a2 # comment"; blanks for the tabs, as dis_insn does.
 */
static bool objdump_text(const char *line, uint64_t *pc, char *text)
{
    const char *from = strchr(line, '\t'), *end;

    if (from == NULL || sscanf(line, "%lx:", pc) != 1)
        return false;
    from = strchr(from + 1, '\t');
    if (from == NULL)
        return false;
    from++;
    end = from + strcspn(from, "#<\n");
    while (end > from && isspace((unsigned char)end[-1]))
        end--;
    snprintf(text, LINE_MAX_, "%.*s", (int)(end - from), from);
    for (char *c = text; *c != '\0'; c++)
        *c = *c == '\t' ? ' ' : *c;
    return true;
}

static void write_sample(const struct sample *s, const char *path)
{
    FILE *f = fopen(path, "wb");

    assert_non_null(f);
    for (unsigned i = 0; i < s->len; i++)
        assert_int_equal(fwrite(&s->raw[i], insn_len(s->raw[i]), 1, f), 1);
    assert_int_equal(fclose(f), 0);
}

static void texts_are_objdumps(void **state)
{
    struct sample *s = *state;
    char path[] = "/tmp/dis_test.XXXXXX", command[LINE_MAX_], line[LINE_MAX_], want[LINE_MAX_], got[DIS_TEXT_MAX];
    uint64_t pc = BASE, at;
    unsigned compared = 0;
    FILE *objdump;
    int fd;

    if (system("command -v " OBJDUMP " >/dev/null 2>&1") != 0)
        skip();
    fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    write_sample(s, path);
    snprintf(command, sizeof(command), OBJDUMP " -D -b binary -m riscv:rv64 -M no-aliases --adjust-vma=0x80000000 %s",
             path);
    objdump = popen(command, "r");
    assert_non_null(objdump);
    while (compared < s->len && fgets(line, sizeof(line), objdump) != NULL) {
        uint32_t raw = s->raw[compared];

        if (!objdump_text(line, &at, want))
            continue;
        assert_int_equal(at, pc);
        dis_insn(got, sizeof(got), pc, raw);
        /* objdump knows no byte swaps there, and has another name for c.nop */
        if (strncmp(got, "rev", 3) != 0 && strcmp(got, "c.nop") != 0 && strcmp(got, want) != 0)
            fail_msg("0x%08x at 0x%llx: \"%s\", objdump: \"%s\"", raw, (unsigned long long)pc, got, want);
        pc += insn_len(raw);
        compared++;
    }
    pclose(objdump);
    unlink(path);
    assert_int_equal(compared, s->len);
}

static void texts_of_the_machines_own(void **state)
{
    static const struct {
        uint32_t raw;
        const char *text;
    } rows[] = {
        {0x54c58533, "revs a0,a1,a2"},          {0x54c59533, "revi a0,a1,a2"},          {0x54c5a533, "revl a0,a1,a2"},
        {0x05202573, "csrrs a0,lmsgsrdy,zero"}, {0x05615073, "csrrwi zero,lnicucmd,2"}, {0x00000000, ".2byte 0x0"},
        {0xffffffff, ".4byte 0xffffffff"},
    };
    char text[DIS_TEXT_MAX];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        dis_insn(text, sizeof(text), BASE, rows[i].raw);
        assert_string_equal(text, rows[i].text);
    }
}

static int setup(void **state)
{
    static struct sample sample;

    make_sample(&sample);
    *state = &sample;
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encoding_is_decodings_inverse),
        cmocka_unit_test(immediates_that_do_not_fit_are_refused),
        cmocka_unit_test(texts_are_objdumps),
        cmocka_unit_test(texts_of_the_machines_own),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
