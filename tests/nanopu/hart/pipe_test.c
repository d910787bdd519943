/* SPDX-License-Identifier: MIT */
/* Commit cycles of short sequences, to the cycle (section 8.2 of the machine's contract). */
#include "nanopu/hart/pipe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define CODE  UINT64_C(0x80001000)
#define DATA  UINT64_C(0x80100000)
#define START 1000

struct rig {
    struct params params;
    struct l2 *l2;
    struct pipe pipe[2];
    uint64_t pc; /* of the next instruction of pipe[0] */
};

/* Both pipelines at START, with the code's first 4 KiB in pipe[0]'s instruction cache. */
static int setup(void **state)
{
    static struct rig rig;

    memset(&rig, 0, sizeof rig);
    assert_int_equal(params_profile(&rig.params, "osdi21"), 0);
    rig.l2 = l2_new(&rig.params, 2);
    assert_non_null(rig.l2);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(pipe_init(&rig.pipe[i], &rig.params, i, rig.l2), 0);
        pipe_reset(&rig.pipe[i], START);
    }
    for (uint64_t line = CODE >> 6; line < (CODE + 4096) >> 6; line++)
        cache_insert(&rig.pipe[0].icache, line, 0);
    rig.pc = CODE;
    *state = &rig;
    return 0;
}

static int teardown(void **state)
{
    struct rig *rig = *state;

    for (unsigned i = 0; i < 2; i++)
        pipe_fini(&rig->pipe[i]);
    l2_free(rig->l2);
    return 0;
}

static struct pipe_op op_of(enum pipe_class class, unsigned rd, unsigned rs1, unsigned rs2)
{
    struct pipe_op op = {
        .class = (uint8_t) class, .rd = (uint8_t)rd, .rs1 = (uint8_t)rs1, .rs2 = (uint8_t)rs2, .len = 4};

    pipe_op_finish(&op);
    return op;
}

static uint64_t issue(struct rig *rig, struct pipe_op op)
{
    uint64_t commit = pipe_issue(&rig->pipe[0], rig->pc, &op);

    rig->pc += op.len;
    return commit;
}

/* Commit cycles from START of an instruction of class and, right behind it, of one that uses what it writes. */
static void check_use(void **state, enum pipe_class class, unsigned rd, uint64_t distance)
{
    struct rig *rig = *state;
    uint64_t first = issue(rig, op_of(class, rd, 0, 0));

    assert_int_equal(issue(rig, op_of(PIPE_ALU, REG_NONE, rd, 0)) - first, distance);
    first = issue(rig, op_of(class, rd, 0, 0));
    assert_int_equal(issue(rig, op_of(PIPE_STORE, REG_NONE, 0, rd)) - first, distance);
    first = issue(rig, op_of(class, rd, 0, 0));
    assert_int_equal(issue(rig, op_of(PIPE_ALU, REG_NONE, rd ^ 1, 0)) - first, 1);
}

static void issue__arithmetic_is_bypassed(void **state)
{
    struct rig *rig = *state;

    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(issue(rig, op_of(PIPE_ALU, 10, 10, 10)), START + i);
}

static void issue__loaded_words_cost_one_stall(void **state)
{
    check_use(state, PIPE_LOAD, 10, 2);
}

static void issue__loaded_bytes_cost_two(void **state)
{
    check_use(state, PIPE_LOAD_SUB, 10, 3);
}

static void issue__csr_reads_cost_two(void **state)
{
    check_use(state, PIPE_CSR, 10, 3);
}

static void issue__link_of_an_indirect_jump_costs_one(void **state)
{
    check_use(state, PIPE_JALR, 1, 2);
}

static void issue__floating_point_latencies(void **state)
{
    check_use(state, PIPE_FMA_D, 40, 6);
    check_use(state, PIPE_FMA_S, 40, 4);
    check_use(state, PIPE_FTOX, 10, 3);
    check_use(state, PIPE_FLOAD, 40, 4);
}

static void issue__third_operand_waits_too(void **state)
{
    struct rig *rig = *state;
    struct pipe_op fma = op_of(PIPE_FMA_D, 41, 42, 43);
    uint64_t first = issue(rig, op_of(PIPE_FLOAD, 40, 0, 0));

    fma.rs3 = 40;
    assert_int_equal(issue(rig, fma) - first, 4);
}

static void issue__writers_of_one_register_stay_in_order(void **state)
{
    struct rig *rig = *state;
    uint64_t load = issue(rig, op_of(PIPE_LOAD, 31, 2, 0));

    assert_int_equal(issue(rig, op_of(PIPE_ALU, 31, 0, 0)) - load, 2);
    assert_int_equal(rig->pipe[0].stats.stall[PIPE_STALL_load], 1);
}

static void issue__stall_is_over_when_time_has_passed(void **state)
{
    struct rig *rig = *state;
    uint64_t load = issue(rig, op_of(PIPE_LOAD_SUB, 10, 2, 0));

    issue(rig, op_of(PIPE_ALU, 11, 0, 0));
    assert_int_equal(issue(rig, op_of(PIPE_ALU, 12, 10, 0)) - load, 3);
    assert_int_equal(rig->pipe[0].stats.stall[PIPE_STALL_load], 1);
}

static void check_muldiv(void **state, enum pipe_class class, unsigned flags, uint64_t a, uint64_t b, uint64_t distance)
{
    struct rig *rig = *state;
    struct pipe_op op = op_of(class, 10, 11, 12);
    uint64_t first;

    op.flags = (uint8_t)flags;
    first = issue(rig, op);
    assert_int_equal(pipe_muldiv(&rig->pipe[0], &op, a, b) - first, distance - 3);
    assert_int_equal(issue(rig, op_of(PIPE_ALU, 13, 10, 0)) - first, distance);
}

static void muldiv__product_by_bytes_of_the_first_operand(void **state)
{
    check_muldiv(state, PIPE_MUL, 0, 0, 5, 4);
    check_muldiv(state, PIPE_MUL, 0, 255, ~UINT64_C(0), 4);
    check_muldiv(state, PIPE_MUL, 0, 256, 1, 5);
    check_muldiv(state, PIPE_MUL, 0, ~UINT64_C(0), 1, 10);
    check_muldiv(state, PIPE_MUL, PIPE_HIGH, 1, 1, 10);
    check_muldiv(state, PIPE_MUL, PIPE_W, ~UINT64_C(0), 1, 7);
}

static void muldiv__quotient_by_bits_it_can_have(void **state)
{
    check_muldiv(state, PIPE_DIV, 0, 1, 100, 5);
    check_muldiv(state, PIPE_DIV, 0, 100, 100, 5);
    check_muldiv(state, PIPE_DIV, 0, 200, 100, 6);
    check_muldiv(state, PIPE_DIV, 0, ~UINT64_C(0), 1, 67);
    check_muldiv(state, PIPE_DIV, 0, 7, 0, 67);
    check_muldiv(state, PIPE_DIV, PIPE_SIGNED, (uint64_t)-100, 100, 7);
    check_muldiv(state, PIPE_DIV, PIPE_SIGNED | PIPE_REM, 100, (uint64_t)-100, 6);
    check_muldiv(state, PIPE_DIV, PIPE_W, UINT64_C(0xffffffff00000001), 1, 5);
}

static void muldiv__one_unit(void **state)
{
    struct rig *rig = *state;
    struct pipe_op a = op_of(PIPE_MUL, 10, 0, 0), b = op_of(PIPE_DIV, 11, 0, 0);
    uint64_t first = issue(rig, a);

    pipe_muldiv(&rig->pipe[0], &a, 256, 1);
    assert_int_equal(issue(rig, op_of(PIPE_ALU, 12, 13, 14)) - first, 1);
    assert_int_equal(issue(rig, b) - first, 5);
    assert_int_equal(rig->pipe[0].stats.stall[PIPE_STALL_muldiv], 3);
}

static void fdiv__one_unit(void **state)
{
    struct rig *rig = *state;
    struct pipe_op a = op_of(PIPE_FDIV_S, 40, 41, 42), b = op_of(PIPE_FSQRT_D, 43, 44, 0);
    uint64_t first = issue(rig, a);

    pipe_fdiv(&rig->pipe[0], &a);
    assert_int_equal(issue(rig, op_of(PIPE_FMA_D, 45, 46, 47)) - first, 1);
    assert_int_equal(issue(rig, b) - first, 31);
}

/* A branch at the end of a loop whose body begins at the code's start; returns its commit cycle. */
static uint64_t branch(struct rig *rig, bool taken)
{
    struct pipe_op op = op_of(PIPE_BRANCH, REG_NONE, 10, 0);
    uint64_t pc = rig->pc, commit = issue(rig, op);

    pipe_branch(&rig->pipe[0], &op, pc, taken, CODE);
    if (taken)
        rig->pc = CODE;
    return commit;
}

static void branch__wrong_costs_three_right_none(void **state)
{
    struct rig *rig = *state;
    uint64_t commit = START;

    for (unsigned turn = 0; turn < 40; turn++) { /* long enough for every value of the history */
        issue(rig, op_of(PIPE_ALU, 10, 10, 0));
        commit = branch(rig, true);
    }
    assert_int_equal(issue(rig, op_of(PIPE_ALU, 10, 10, 0)) - commit, 1);
    commit = branch(rig, false);
    assert_int_equal(issue(rig, op_of(PIPE_ALU, 10, 10, 0)) - commit, 4);
}

static void branch__first_taken_is_wrong_and_learnt(void **state)
{
    struct rig *rig = *state;
    uint64_t commit = branch(rig, true);

    assert_int_equal(issue(rig, op_of(PIPE_ALU, 10, 10, 0)) - commit, 4);
    assert_int_equal(rig->pipe[0].stats.mispredicts, 1);
    assert_int_equal(rig->pipe[0].stats.stall[PIPE_STALL_mispredict], 3);
}

static uint64_t jump(struct rig *rig, enum pipe_class class, unsigned rd, unsigned rs1, uint64_t target)
{
    struct pipe_op op = op_of(class, rd, rs1, 0);
    uint64_t pc = rig->pc, commit = issue(rig, op);

    pipe_jump(&rig->pipe[0], &op, pc, target);
    rig->pc = target;
    return commit;
}

/* Fetch begins at the code's start, as after a trap. */
static void restart(struct rig *rig)
{
    pipe_flush(&rig->pipe[0]);
    rig->pc = CODE;
}

static void jump__unknown_to_the_buffer_costs_one(void **state)
{
    struct rig *rig = *state;
    uint64_t commit = jump(rig, PIPE_JAL, REG_NONE, 0, CODE);

    assert_int_equal(issue(rig, op_of(PIPE_ALU, 10, 0, 0)) - commit, 2);
    restart(rig);
    commit = jump(rig, PIPE_JAL, REG_NONE, 0, CODE + 64);
    restart(rig);
    commit = jump(rig, PIPE_JAL, REG_NONE, 0, CODE + 64);
    assert_int_equal(issue(rig, op_of(PIPE_ALU, 10, 0, 0)) - commit, 1);
}

static void jump__indirect_goes_where_it_went_before(void **state)
{
    struct rig *rig = *state;
    uint64_t commit = jump(rig, PIPE_JALR, REG_NONE, 10, CODE + 128);

    assert_int_equal(issue(rig, op_of(PIPE_ALU, 10, 0, 0)) - commit, 4);
    restart(rig);
    commit = jump(rig, PIPE_JALR, REG_NONE, 10, CODE + 128);
    assert_int_equal(issue(rig, op_of(PIPE_ALU, 10, 0, 0)) - commit, 1);
    restart(rig);
    commit = jump(rig, PIPE_JALR, REG_NONE, 10, CODE + 256);
    assert_int_equal(issue(rig, op_of(PIPE_ALU, 10, 0, 0)) - commit, 4);
}

/* The return is known to fetch by the stack even when it comes from a place never seen. */
static void jump__returns_are_known_to_a_depth_of_six(void **state)
{
    struct rig *rig = *state;
    uint64_t back[7], commit;

    for (unsigned i = 0; i < 7; i++) {
        back[i] = rig->pc + 4;
        jump(rig, PIPE_JAL, 1, 0, CODE + 256 * (i + 1));
    }
    for (unsigned i = 7; i-- > 0;) {
        commit = jump(rig, PIPE_JALR, REG_NONE, 1, back[i]);
        assert_int_equal(issue(rig, op_of(PIPE_ALU, 10, 0, 0)) - commit, i > 0 ? 2 : 4);
    }
}

static void predict__the_buffer_holds_28(void **state)
{
    struct rig *rig = *state;
    struct bpred *b = &rig->pipe[0].predict;

    for (uint64_t i = 0; i < 28; i++)
        bpred_insert(b, CODE + 4 * i, CODE);
    for (uint64_t i = 0; i < 28; i++)
        assert_int_not_equal(bpred_find(b, CODE + 4 * i), BPRED_NOTHING);
    for (uint64_t i = 28; i < 1000; i++) {
        unsigned present = 0;

        bpred_insert(b, CODE + 4 * i, CODE);
        for (uint64_t j = 0; j <= i; j++)
            present += bpred_find(b, CODE + 4 * j) != BPRED_NOTHING;
        assert_int_equal(present, 28);
        assert_int_not_equal(bpred_find(b, CODE + 4 * i), BPRED_NOTHING);
    }
}

static void flush__next_is_issued_five_cycles_later(void **state)
{
    struct rig *rig = *state;
    uint64_t commit = issue(rig, op_of(PIPE_CSR, REG_NONE, 10, 0));

    pipe_flush(&rig->pipe[0]);
    assert_int_equal(issue(rig, op_of(PIPE_ALU, 10, 0, 0)) - commit, 5);
}

static void fetch__a_jump_into_half_a_word_costs_one(void **state)
{
    struct rig *rig = *state;
    struct pipe_op compressed = op_of(PIPE_ALU, 10, 0, 0);
    uint64_t commit;

    for (unsigned i = 0; i < 2; i++) {
        restart(rig);
        commit = jump(rig, PIPE_JAL, REG_NONE, 0, CODE + 34);
    }
    assert_int_equal(issue(rig, op_of(PIPE_ALU, 10, 0, 0)) - commit, 2);
    assert_int_equal(issue(rig, op_of(PIPE_ALU, 10, 0, 0)) - commit, 3);
    restart(rig);
    commit = jump(rig, PIPE_JAL, REG_NONE, 0, CODE + 34);
    compressed.len = 2;
    assert_int_equal(issue(rig, compressed) - commit, 1);
}

static void fetch__two_compressed_a_cycle_run_ahead(void **state)
{
    struct rig *rig = *state;
    struct pipe_op compressed = op_of(PIPE_ALU, 10, 0, 0);
    uint64_t commit;

    compressed.len = 2;
    for (unsigned i = 0; i < 8; i++)
        issue(rig, compressed);
    commit = jump(rig, PIPE_JAL, REG_NONE, 0, CODE + 34); /* found late, but fetch was four words ahead */
    assert_int_equal(issue(rig, op_of(PIPE_ALU, 10, 0, 0)) - commit, 1);
}

static void fetch__a_missing_line_comes_from_the_second_level(void **state)
{
    struct rig *rig = *state;
    uint64_t first;

    l2_fetch(rig->l2, (CODE + 8192) >> 6, START); /* present there */
    first = jump(rig, PIPE_JAL, REG_NONE, 0, CODE + 8192);
    assert_int_equal(issue(rig, op_of(PIPE_ALU, 10, 0, 0)) - first, 2 + rig->params.l2_cycles);
    for (unsigned i = 1; i < 16; i++)
        assert_int_equal(issue(rig, op_of(PIPE_ALU, 10, 0, 0)) - first, 2 + rig->params.l2_cycles + i);
    assert_int_equal(rig->pipe[0].stats.icache_miss, 1);
    issue(rig, op_of(PIPE_ALU, 10, 0, 0));
    assert_int_equal(rig->pipe[0].stats.icache_miss, 2);
}

static void fetch__fence_i_empties_the_cache(void **state)
{
    struct rig *rig = *state;

    issue(rig, op_of(PIPE_FENCE_I, REG_NONE, 0, 0));
    pipe_fence_i(&rig->pipe[0]);
    pipe_flush(&rig->pipe[0]);
    issue(rig, op_of(PIPE_ALU, 10, 0, 0));
    assert_int_equal(rig->pipe[0].stats.icache_miss, 1);
}

/* Cycles by which a load or store of pipe i at addr is later than a hit. */
static uint64_t touch(struct pipe *p, uint64_t addr, bool store)
{
    struct pipe_op op = op_of(store ? PIPE_STORE : PIPE_LOAD, store ? REG_NONE : 10, 0, 0);
    uint64_t hit = pipe_issue(p, CODE, &op);
    uint64_t commit = store ? pipe_store(p, &op, addr) : pipe_load(p, &op, addr);

    assert_int_equal(p->next, commit + 1);
    return commit - hit;
}

static void data__levels(void **state)
{
    struct rig *rig = *state;
    const struct params *params = &rig->params;
    struct pipe *p = &rig->pipe[0];
    uint64_t l2 = (uint64_t)params->l2_cycles, llc = l2 + (uint64_t)params->llc_cycles, dram;

    dram = llc + (uint64_t)params->dram_cycles + 14 + 14 + 2; /* tRCD, tCAS, back end */
    assert_int_equal(touch(p, DATA, false), dram);
    assert_int_equal(touch(p, DATA + 56, false), 0);
    assert_int_equal(touch(p, DATA + 64, false), llc);        /* the other half of its line of 128 bytes */
    assert_int_equal(touch(p, DATA + 128, false), dram - 14); /* the row is open */
    for (unsigned i = 1; i <= 64; i++) /* five lines of a set of four: the first one or another has to go */
        touch(p, DATA + i * 4096, false);
    assert_true(p->stats.dcache_release >= 60);
    assert_int_equal(touch(p, DATA, false), l2);
}

static void data__stores_own_what_they_write(void **state)
{
    struct rig *rig = *state;
    struct pipe *a = &rig->pipe[0], *b = &rig->pipe[1];
    uint64_t l2 = (uint64_t)rig->params.l2_cycles, changed;

    touch(a, DATA, false);
    assert_int_equal(touch(a, DATA, true), 0); /* nobody else has it */
    changed = a->changed;
    assert_int_equal(touch(b, DATA, false), l2 + 12);
    assert_int_not_equal(a->changed, changed);
    assert_int_equal(touch(a, DATA, false), 0); /* kept, but no longer its own */
    assert_int_equal(touch(a, DATA, true), l2 + 12);
    assert_int_equal(touch(b, DATA, false), l2 + 12);
    assert_int_equal(touch(b, DATA, true), l2 + 12);
    assert_int_equal(touch(b, DATA, true), 0);
}

static void data__the_second_level_includes_the_first(void **state)
{
    struct rig *rig = *state;
    struct pipe *p = &rig->pipe[0];
    unsigned lines = (unsigned)rig->params.l2_kib * 16;

    touch(p, DATA, false);
    for (unsigned i = 1; l2_stats(rig->l2)->evictions < 8 * lines; i++) {
        l2_fetch(rig->l2, (DATA >> 6) + (uint64_t)i, p->next);
        assert_true(i < 20 * lines);
    }
    assert_true(touch(p, DATA, false) > 0);
}

static void uncached__one_at_a_time(void **state)
{
    struct rig *rig = *state;
    struct pipe_op op = op_of(PIPE_LOAD, 10, 0, 0);
    uint64_t first = issue(rig, op), wait = (uint64_t)rig->params.mmio_cycles;

    assert_int_equal(pipe_uncached(&rig->pipe[0], &op), first + wait);
    assert_int_equal(issue(rig, op_of(PIPE_ALU, 11, 12, 0)), first + 1);
    assert_int_equal(issue(rig, op_of(PIPE_LOAD, 13, 0, 0)), first + wait);
}

static void wake__sleep_counts(void **state)
{
    struct rig *rig = *state;

    issue(rig, op_of(PIPE_SYSTEM, REG_NONE, 0, 0));
    pipe_wake(&rig->pipe[0], START + 500);
    assert_int_equal(issue(rig, op_of(PIPE_ALU, 11, 12, 0)), START + 500);
    assert_int_equal(rig->pipe[0].stats.stall[PIPE_STALL_sleep], 499);
}

/* csrr a0, 0x52; beqz a0, back */
static uint64_t poll(struct rig *rig)
{
    issue(rig, op_of(PIPE_CSR, 10, 0, 0));
    return branch(rig, true);
}

static void shape__of_a_poll_loop_comes_to_rest(void **state)
{
    struct rig *rig = *state, copy;
    struct pipe *p = &rig->pipe[0];
    struct pipe_shape before, after;
    struct pipe_stats stats = p->stats;
    unsigned turns = 0;
    uint64_t start;

    pipe_shape(p, &after);
    do {
        before = after;
        stats = p->stats;
        start = p->next;
        poll(rig);
        pipe_shape(p, &after);
        assert_true(++turns < 40);
    } while (memcmp(&before, &after, sizeof before) != 0);
    assert_int_equal(p->next - start, 4); /* csrr, two stalls, branch */

    copy = *rig;
    pipe_skip(&copy.pipe[0], &stats, 1000, 4000);
    for (unsigned i = 0; i < 1000; i++)
        poll(rig);
    assert_int_equal(copy.pipe[0].next, p->next);
    assert_memory_equal(&copy.pipe[0].stats, &p->stats, sizeof p->stats);
    assert_int_equal(poll(&copy), poll(rig));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(issue__arithmetic_is_bypassed),
        TEST(issue__loaded_words_cost_one_stall),
        TEST(issue__loaded_bytes_cost_two),
        TEST(issue__csr_reads_cost_two),
        TEST(issue__link_of_an_indirect_jump_costs_one),
        TEST(issue__floating_point_latencies),
        TEST(issue__third_operand_waits_too),
        TEST(issue__writers_of_one_register_stay_in_order),
        TEST(issue__stall_is_over_when_time_has_passed),
        TEST(muldiv__product_by_bytes_of_the_first_operand),
        TEST(muldiv__quotient_by_bits_it_can_have),
        TEST(muldiv__one_unit),
        TEST(fdiv__one_unit),
        TEST(branch__wrong_costs_three_right_none),
        TEST(branch__first_taken_is_wrong_and_learnt),
        TEST(jump__unknown_to_the_buffer_costs_one),
        TEST(jump__indirect_goes_where_it_went_before),
        TEST(jump__returns_are_known_to_a_depth_of_six),
        TEST(predict__the_buffer_holds_28),
        TEST(flush__next_is_issued_five_cycles_later),
        TEST(fetch__a_jump_into_half_a_word_costs_one),
        TEST(fetch__two_compressed_a_cycle_run_ahead),
        TEST(fetch__a_missing_line_comes_from_the_second_level),
        TEST(fetch__fence_i_empties_the_cache),
        TEST(data__levels),
        TEST(data__stores_own_what_they_write),
        TEST(data__the_second_level_includes_the_first),
        TEST(uncached__one_at_a_time),
        TEST(wake__sleep_counts),
        TEST(shape__of_a_poll_loop_comes_to_rest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
