/* SPDX-License-Identifier: MIT */
/* Every integer instruction with edge values, in a table; once without timing and once with it. */
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define MIN64 (UINT64_C(1) << 63)
#define MAX64 (MIN64 - 1)
#define MIN32 UINT64_C(0xffffffff80000000)
#define ONES  UINT64_MAX

struct row {
    enum insn_id id;
    uint64_t a, b; /* rs1 and rs2 */
    int64_t imm;
    uint64_t result;
};

static const struct row alu[] = {
    {INSN_lui, 0, 0, -2147483648LL, MIN32},
    {INSN_lui, 0, 0, 0x7ffff000, 0x7ffff000},
    {INSN_auipc, 0, 0, 0x1000, RIG_CODE + 0x1000},
    {INSN_auipc, 0, 0, -0x1000, RIG_CODE - 0x1000},
    {INSN_addi, 5, 0, -2048, (uint64_t)-2043},
    {INSN_addi, MAX64, 0, 1, MIN64},
    {INSN_slti, ONES, 0, 0, 1},
    {INSN_slti, 5, 0, 5, 0},
    {INSN_sltiu, ONES, 0, -1, 0},
    {INSN_sltiu, 0, 0, -1, 1},
    {INSN_xori, 0xf0, 0, -1, ~UINT64_C(0xf0)},
    {INSN_ori, 0xf0, 0, 0x70f, 0x7ff},
    {INSN_andi, ONES, 0, -16, (uint64_t)-16},
    {INSN_slli, 1, 0, 63, MIN64},
    {INSN_srli, ONES, 0, 63, 1},
    {INSN_srai, MIN64, 0, 63, ONES},
    {INSN_add, ONES, 1, 0, 0},
    {INSN_sub, 0, 1, 0, ONES},
    {INSN_sll, 1, 64 + 3, 0, 8},
    {INSN_slt, MIN64, MAX64, 0, 1},
    {INSN_sltu, MIN64, MAX64, 0, 0},
    {INSN_xor, 0xff00, 0x0ff0, 0, 0xf0f0},
    {INSN_srl, MIN64, 127, 0, 1},
    {INSN_sra, MIN64, 62, 0, (uint64_t)-2},
    {INSN_or, 0xff00, 0x0ff0, 0, 0xfff0},
    {INSN_and, 0xff00, 0x0ff0, 0, 0x0f00},
    {INSN_addiw, 0x7fffffff, 0, 1, MIN32},
    {INSN_addiw, UINT64_C(0x1ffffffff), 0, 0, ONES},
    {INSN_slliw, 1, 0, 31, MIN32},
    {INSN_srliw, ONES, 0, 31, 1},
    {INSN_srliw, ONES, 0, 0, ONES},
    {INSN_sraiw, 0x80000000, 0, 31, ONES},
    {INSN_addw, 0x7fffffff, 0x7fffffff, 0, (uint64_t)-2},
    {INSN_subw, MIN32, 1, 0, 0x7fffffff},
    {INSN_sllw, 1, 32 + 31, 0, MIN32},
    {INSN_srlw, MIN32, 32 + 1, 0, 0x40000000},
    {INSN_sraw, 0x80000000, 32 + 4, 0, UINT64_C(0xfffffffff8000000)},
    {INSN_revs, UINT64_C(0x1122334455667788), 0, 0, UINT64_C(0x1122334455668877)},
    {INSN_revi, UINT64_C(0x1122334455667788), 0, 0, UINT64_C(0x1122334488776655)},
    {INSN_revl, UINT64_C(0x1122334455667788), 0, 0, UINT64_C(0x8877665544332211)},
    {INSN_mul, ONES, ONES, 0, 1},
    {INSN_mul, UINT64_C(0x100000001), UINT64_C(0x100000001), 0, UINT64_C(0x200000001)},
    {INSN_mulh, MIN64, MIN64, 0, UINT64_C(1) << 62},
    {INSN_mulh, ONES, 1, 0, ONES},
    {INSN_mulhsu, ONES, ONES, 0, ONES},
    {INSN_mulhsu, MIN64, ONES, 0, MIN64},
    {INSN_mulhsu, 2, ONES, 0, 1},
    {INSN_mulhu, ONES, ONES, 0, ONES - 1},
    {INSN_div, MIN64, ONES, 0, MIN64},
    {INSN_div, (uint64_t)-7, 2, 0, (uint64_t)-3},
    {INSN_div, 7, 0, 0, ONES},
    {INSN_divu, ONES, 2, 0, MAX64},
    {INSN_divu, 7, 0, 0, ONES},
    {INSN_rem, MIN64, ONES, 0, 0},
    {INSN_rem, (uint64_t)-7, 2, 0, ONES},
    {INSN_rem, (uint64_t)-7, 0, 0, (uint64_t)-7},
    {INSN_remu, 7, 0, 0, 7},
    {INSN_remu, ONES, 10, 0, 5},
    {INSN_mulw, 0x80000000, 2, 0, 0},
    {INSN_mulw, 0x7fffffff, 0x7fffffff, 0, 1},
    {INSN_divw, MIN32, ONES, 0, MIN32},
    {INSN_divw, UINT64_C(0x100000007), 2, 0, 3},
    {INSN_divw, 7, UINT64_C(0x100000000), 0, ONES},
    {INSN_divuw, ONES, 1, 0, ONES},
    {INSN_divuw, 7, UINT64_C(0x100000000), 0, ONES},
    {INSN_divuw, MIN32, 2, 0, 0x40000000},
    {INSN_remw, MIN32, ONES, 0, 0},
    {INSN_remw, (uint64_t)-7, UINT64_C(0x100000002), 0, ONES},
    {INSN_remw, 0x80000001, 0, 0, UINT64_C(0xffffffff80000001)},
    {INSN_remuw, 0x80000001, 0, 0, UINT64_C(0xffffffff80000001)},
    {INSN_remuw, ONES, 16, 0, 15},
};

/* With 8 bytes 0xfedcba9876543210 at a. */
static const struct row loads[] = {
    {INSN_lb, 0, 0, 7, UINT64_C(0xfffffffffffffffe)}, {INSN_lbu, 0, 0, 7, 0xfe},
    {INSN_lh, 0, 0, 6, UINT64_C(0xfffffffffffffedc)}, {INSN_lhu, 0, 0, 6, 0xfedc},
    {INSN_lw, 0, 0, 4, UINT64_C(0xfffffffffedcba98)}, {INSN_lwu, 0, 0, 4, 0xfedcba98},
    {INSN_ld, 0, 0, 0, UINT64_C(0xfedcba9876543210)},
};

static const struct row stores[] = {
    {INSN_sb, 0, UINT64_C(0x1122334455667788), 1, UINT64_C(0xfedcba9876548810)},
    {INSN_sh, 0, UINT64_C(0x1122334455667788), 2, UINT64_C(0xfedcba9877883210)},
    {INSN_sw, 0, UINT64_C(0x1122334455667788), 4, UINT64_C(0x5566778876543210)},
    {INSN_sd, 0, UINT64_C(0x1122334455667788), 0, UINT64_C(0x1122334455667788)},
};

/* b is rs2, the memory holds a; result is what the memory holds then, rd has a, sign-extended. */
static const struct row amos[] = {
    {INSN_amoswap_d, 1, 2, 0, 2},
    {INSN_amoadd_d, MAX64, 1, 0, MIN64},
    {INSN_amoxor_d, 0xff, 0xf0, 0, 0x0f},
    {INSN_amoand_d, 0xff, 0xf0, 0, 0xf0},
    {INSN_amoor_d, 0x0f, 0xf0, 0, 0xff},
    {INSN_amomin_d, MIN64, 1, 0, MIN64},
    {INSN_amomax_d, MIN64, 1, 0, 1},
    {INSN_amominu_d, MIN64, 1, 0, 1},
    {INSN_amomaxu_d, MIN64, 1, 0, MIN64},
    {INSN_amoswap_w, UINT64_C(0x1111111180000000), 2, 0, UINT64_C(0x1111111100000002)},
    {INSN_amoadd_w, UINT64_C(0x11111111ffffffff), 1, 0, UINT64_C(0x1111111100000000)},
    {INSN_amoxor_w, UINT64_C(0x11111111000000ff), 0xf0, 0, UINT64_C(0x111111110000000f)},
    {INSN_amoand_w, UINT64_C(0x11111111000000ff), 0xf0, 0, UINT64_C(0x11111111000000f0)},
    {INSN_amoor_w, UINT64_C(0x111111110000000f), 0xf0, 0, UINT64_C(0x11111111000000ff)},
    {INSN_amomin_w, UINT64_C(0x1111111180000000), 1, 0, UINT64_C(0x1111111180000000)},
    {INSN_amomax_w, UINT64_C(0x1111111180000000), 1, 0, UINT64_C(0x1111111100000001)},
    {INSN_amominu_w, UINT64_C(0x1111111180000000), 1, 0, UINT64_C(0x1111111100000001)},
    {INSN_amomaxu_w, UINT64_C(0x1111111180000000), 1, 0, UINT64_C(0x1111111180000000)},
};

/* result: is it taken? */
static const struct row branches[] = {
    {INSN_beq, 1, 1, 0, 1},     {INSN_beq, 1, 2, 0, 0},     {INSN_bne, 1, 1, 0, 0},     {INSN_bne, 1, 2, 0, 1},
    {INSN_blt, ONES, 0, 0, 1},  {INSN_blt, 0, 0, 0, 0},     {INSN_bge, 0, 0, 0, 1},     {INSN_bge, ONES, 0, 0, 0},
    {INSN_bltu, ONES, 0, 0, 0}, {INSN_bltu, 0, ONES, 0, 1}, {INSN_bgeu, ONES, 0, 0, 1}, {INSN_bgeu, 0, ONES, 0, 0},
};

static void wrong(const struct row *row, const char *what, uint64_t got)
{
    fail_msg("%s of 0x%llx, 0x%llx, %lld: %s is 0x%llx", insn_info[row->id].text, (unsigned long long)row->a,
             (unsigned long long)row->b, (long long)row->imm, what, (unsigned long long)got);
}

static void arithmetic(void **state)
{
    struct rig *rig = *state;

    for (const struct row *row = alu; row < alu + ARRAY_LEN(alu); row++) {
        rig_reset(rig);
        rig_put(rig, row->id, A0, A1, A2, row->imm);
        hart_set_x(rig->hart, A1, row->a);
        hart_set_x(rig->hart, A2, row->b);
        rig_step(rig, 1);
        if (hart_x(rig->hart, A0) != row->result)
            wrong(row, "the result", hart_x(rig->hart, A0));
        assert_int_equal(hart_pc(rig->hart), RIG_CODE + 4);
    }
}

static void nothing_changes_x0(void **state)
{
    struct rig *rig = *state;

    for (const struct row *row = alu; row < alu + ARRAY_LEN(alu); row++) {
        rig_reset(rig);
        rig_put(rig, row->id, ZERO, A1, A2, row->imm);
        rig_put(rig, INSN_add, A0, ZERO, ZERO, 0);
        hart_set_x(rig->hart, A0, 1);
        hart_set_x(rig->hart, A1, row->a);
        hart_set_x(rig->hart, A2, row->b);
        rig_step(rig, 2);
        assert_int_equal(hart_x(rig->hart, A0), 0);
    }
}

static void loading(void **state)
{
    struct rig *rig = *state;

    for (const struct row *row = loads; row < loads + ARRAY_LEN(loads); row++) {
        rig_reset(rig);
        rig_store(rig, RIG_DATA, UINT64_C(0xfedcba9876543210));
        rig_put(rig, row->id, A1, A1, 0, row->imm - 8);
        hart_set_x(rig->hart, A1, RIG_DATA + 8);
        rig_step(rig, 1);
        if (hart_x(rig->hart, A1) != row->result)
            wrong(row, "what is loaded", hart_x(rig->hart, A1));
    }
}

static void storing(void **state)
{
    struct rig *rig = *state;

    for (const struct row *row = stores; row < stores + ARRAY_LEN(stores); row++) {
        rig_reset(rig);
        rig_store(rig, RIG_DATA, UINT64_C(0xfedcba9876543210));
        rig_put(rig, row->id, 0, A1, A2, row->imm - 16);
        hart_set_x(rig->hart, A1, RIG_DATA + 16);
        hart_set_x(rig->hart, A2, row->b);
        rig_step(rig, 1);
        if (rig_load(rig, RIG_DATA) != row->result)
            wrong(row, "memory", rig_load(rig, RIG_DATA));
    }
}

static void atomics(void **state)
{
    struct rig *rig = *state;

    for (const struct row *row = amos; row < amos + ARRAY_LEN(amos); row++) {
        bool word = strstr(insn_info[row->id].text, ".w") != NULL;
        uint64_t old = word ? (uint64_t)(int64_t)(int32_t)row->a : row->a;

        rig_reset(rig);
        rig_store(rig, RIG_DATA, row->a);
        rig_put(rig, row->id, A2, A1, A2, 0); /* rd is rs2, too */
        hart_set_x(rig->hart, A1, RIG_DATA);
        hart_set_x(rig->hart, A2, row->b);
        rig_step(rig, 1);
        if (rig_load(rig, RIG_DATA) != row->result)
            wrong(row, "memory", rig_load(rig, RIG_DATA));
        if (hart_x(rig->hart, A2) != old)
            wrong(row, "what was there before", hart_x(rig->hart, A2));
    }
}

static void branching(void **state)
{
    struct rig *rig = *state;
    static const int64_t distances[] = {8, -4096, 4094, 2048};

    for (const struct row *row = branches; row < branches + ARRAY_LEN(branches); row++) {
        for (unsigned i = 0; i < ARRAY_LEN(distances); i++) {
            uint64_t from = RIG_CODE + 0x2000;

            rig_reset(rig);
            rig->end = from;
            rig_put(rig, row->id, 0, A1, A2, distances[i]);
            hart_set_pc(rig->hart, from);
            hart_set_x(rig->hart, A1, row->a);
            hart_set_x(rig->hart, A2, row->b);
            rig_step(rig, 1);
            assert_int_equal(hart_pc(rig->hart), from + (row->result != 0 ? (uint64_t)distances[i] : 4));
        }
    }
}

static void jumping(void **state)
{
    struct rig *rig = *state;

    rig_put(rig, INSN_jal, RA, 0, 0, 0x2000);
    rig->end = RIG_CODE + 0x2000;
    rig_put(rig, INSN_jalr, A1, A1, 0, -1); /* the target is computed before the link is written; bit 0 is dropped */
    hart_set_x(rig->hart, A1, RIG_CODE + 0x102);
    rig_step(rig, 1);
    assert_int_equal(hart_pc(rig->hart), RIG_CODE + 0x2000);
    assert_int_equal(hart_x(rig->hart, RA), RIG_CODE + 4);
    rig_step(rig, 1);
    assert_int_equal(hart_pc(rig->hart), RIG_CODE + 0x100);
    assert_int_equal(hart_x(rig->hart, A1), RIG_CODE + 0x2004);
}

static void a_reservation_is_lost_by_a_second_sc(void **state)
{
    struct rig *rig = *state;

    rig_store(rig, RIG_DATA, 7);
    rig_put(rig, INSN_sc_d, A0, A1, A2, 0); /* none yet: fails */
    rig_put(rig, INSN_lr_d, A3, A1, 0, 0);
    rig_put(rig, INSN_sc_d, T0, A1, A2, 0);
    rig_put(rig, INSN_sc_d, T1, A1, A2, 0);
    hart_set_x(rig->hart, A1, RIG_DATA);
    hart_set_x(rig->hart, A2, 9);
    rig_step(rig, 1);
    assert_int_equal(hart_x(rig->hart, A0), 1);
    assert_int_equal(rig_load(rig, RIG_DATA), 7);
    rig_step(rig, 3);
    assert_int_equal(hart_x(rig->hart, A3), 7);
    assert_int_equal(hart_x(rig->hart, T0), 0);
    assert_int_equal(hart_x(rig->hart, T1), 1);
    assert_int_equal(rig_load(rig, RIG_DATA), 9);
}

static void a_reservation_is_lost_after_its_time(void **state)
{
    struct rig *rig = *state;

    for (unsigned late = 0; late < 2; late++) {
        rig_put(rig, INSN_lr_d, A3, A1, 0, 0);
        for (unsigned i = 0; i < 79 + late; i++)
            rig_put(rig, INSN_addi, ZERO, ZERO, 0, 0);
        rig_put(rig, INSN_sc_d, late == 0 ? T0 : T1, A1, A2, 0);
    }
    hart_set_x(rig->hart, A1, RIG_DATA);
    rig_step(rig, 2 * 81 + 1);
    hart_set_pc(rig->hart, RIG_CODE); /* once more, with everything in the caches */
    rig_step(rig, 2 * 81 + 1);
    assert_int_equal(hart_x(rig->hart, T0), 0); /* 80 cycles later */
    assert_int_equal(hart_x(rig->hart, T1), 1);
}

static void a_store_of_another_hart_takes_the_reservation(void **state)
{
    struct rig *rig = *state;
    struct hart_config config = {.params = &rig->params, .memory = &rig->memory, .id = 1};
    struct hart *other;

    rig->params.timing = 0;
    other = hart_new(&config);
    assert_non_null(other);
    rig_store(rig, RIG_DATA, 7);
    rig_put(rig, INSN_lr_w, A3, A1, 0, 0);
    rig_put(rig, INSN_sc_w, T0, A1, A2, 0);
    rig_put(rig, INSN_sb, 0, A1, A2, 63);
    hart_set_x(rig->hart, A1, RIG_DATA);
    hart_set_x(other, A1, RIG_DATA);
    hart_set_pc(other, RIG_CODE + 8);
    rig_step(rig, 1);
    hart_run(other, 1);
    rig_step(rig, 1);
    assert_int_equal(hart_x(rig->hart, T0), 1);
    assert_int_equal(rig_load(rig, RIG_DATA), 7);
    hart_free(other);
}

static void code_written_before_it_runs_is_seen(void **state)
{
    struct rig *rig = *state;
    uint32_t raw;
    struct insn in = {.id = INSN_addi, .form = INSN_addi, .rd = A0, .rs1 = ZERO, .imm = 42};

    assert_int_equal(insn_encode(&in, &raw), 0);
    rig_put(rig, INSN_sw, 0, A1, A2, 0);
    rig_put(rig, INSN_addi, A0, ZERO, 0, 1);
    hart_set_x(rig->hart, A1, RIG_CODE + 4);
    hart_set_x(rig->hart, A2, raw);
    rig_step(rig, 2);
    assert_int_equal(hart_x(rig->hart, A0), 42);
}

static void fence_i_shows_code_that_was_changed(void **state)
{
    struct rig *rig = *state;
    uint32_t raw;
    struct insn in = {.id = INSN_addi, .form = INSN_addi, .rd = A0, .rs1 = A0, .imm = 100};

    assert_int_equal(insn_encode(&in, &raw), 0);
    rig_put(rig, INSN_addi, A0, A0, 0, 1);
    rig_put(rig, INSN_sw, 0, A1, A2, 0);
    rig_put(rig, INSN_fence_i, 0, 0, 0, 0);
    rig_put(rig, INSN_jal, ZERO, 0, 0, -12);
    hart_set_x(rig->hart, A1, RIG_CODE);
    hart_set_x(rig->hart, A2, raw);
    rig_step(rig, 5);
    assert_int_equal(hart_pc(rig->hart), RIG_CODE + 4);
    assert_int_equal(hart_x(rig->hart, A0), 101);
}

/* An instruction whose halves are in two pages, and the end of a page. */
static void pages_of_code_join(void **state)
{
    struct rig *rig = *state;

    rig->end = RIG_CODE + 0xffa;
    rig_put(rig, INSN_addi, A0, A0, 0, 1);
    rig_put(rig, INSN_addi, A0, A0, 0, 2);
    rig_put(rig, INSN_addi, A0, A0, 0, 4);
    hart_set_pc(rig->hart, RIG_CODE + 0xffa);
    hart_set_x(rig->hart, A0, 0);
    rig_step(rig, 3);
    assert_int_equal(hart_x(rig->hart, A0), 7);
    assert_int_equal(hart_pc(rig->hart), RIG_CODE + 0x1006);
}

static void floating_point_keeps_flags_and_boxes(void **state)
{
    struct rig *rig = *state;

    rig_put4(rig, INSN_fdiv_s, F0 + 2, F0, F0 + 1, 0, 7);
    rig_put4(rig, INSN_fmadd_d, F0 + 3, F0 + 4, F0 + 4, F0 + 4, 0);
    rig_put4(rig, INSN_fcvt_w_s, A0, F0 + 4, 0, 0, 1);
    rig_set_csr(rig, 0x300, 1 << 13);
    hart_set_f(rig->hart, 0, UINT64_C(0xffffffff3f800000));
    hart_set_f(rig->hart, 1, UINT64_C(0xffffffff40400000));
    hart_set_f(rig->hart, 4, UINT64_C(0x4000000000000000)); /* 2.0, and as single precision no box: NaN */
    rig_step(rig, 1);
    assert_int_equal(hart_f(rig->hart, 2), UINT64_C(0xffffffff3eaaaaab));
    assert_int_equal(rig_csr(rig, 1), 1);
    assert_int_equal(rig_csr(rig, 0x300) >> 13 & 3, 3);
    assert_int_equal(rig_csr(rig, 0x300) >> 63, 1);
    rig_step(rig, 2);
    assert_int_equal(hart_f(rig->hart, 3), UINT64_C(0x4018000000000000)); /* 6.0 */
    assert_int_equal(hart_x(rig->hart, A0), 0x7fffffff);
    assert_int_equal(rig_csr(rig, 1), 0x11);
}

static void one_cycle_an_instruction(void **state)
{
    struct rig *rig = *state;

    for (unsigned i = 0; i < 100; i++)
        rig_put(rig, INSN_addi, A0, A0, 0, 1);
    assert_int_equal(hart_run(rig->hart, 57), 57);
    assert_int_equal(hart_instret(rig->hart), 57);
    assert_int_equal(hart_x(rig->hart, A0), 57);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_ALONE(arithmetic),
        RIG_ALONE(nothing_changes_x0),
        RIG_ALONE(loading),
        RIG_ALONE(storing),
        RIG_ALONE(atomics),
        RIG_ALONE(branching),
        RIG_ALONE(jumping),
        RIG_ALONE(a_reservation_is_lost_by_a_second_sc),
        RIG_ALONE(a_reservation_is_lost_after_its_time),
        RIG_ALONE(a_store_of_another_hart_takes_the_reservation),
        RIG_ALONE(code_written_before_it_runs_is_seen),
        RIG_ALONE(fence_i_shows_code_that_was_changed),
        RIG_ALONE(pages_of_code_join),
        RIG_ALONE(floating_point_keeps_flags_and_boxes),
        RIG_UNTIMED(one_cycle_an_instruction, false),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
