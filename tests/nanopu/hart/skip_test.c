/* SPDX-License-Identifier: MIT */
/*
 * Polling loops that are skipped come out as if they had been executed: the same program runs with and without
 * skipping, through the same limits and the same arrivals of messages, and is compared at each limit.
 */
#include "nanopu/hart/hart_internal.h"
#include "nanopu/nic/hts_nic.h"
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define MESSAGES 5

struct pair {
    struct rig skipping, executing;
};

static int setup(void **state, bool timing)
{
    static struct pair pair;

    rig_init(&pair.skipping, timing, true);
    rig_init(&pair.executing, timing, true);
    pair.skipping.params.idle_skip = 1;
    pair.executing.params.idle_skip = 0;
    *state = &pair;
    return 0;
}

static int setup_fast(void **state)
{
    return setup(state, false);
}

static int setup_timed(void **state)
{
    return setup(state, true);
}

static int teardown(void **state)
{
    struct pair *pair = *state;

    rig_fini(&pair->skipping);
    rig_fini(&pair->executing);
    return 0;
}

static void compare(const struct rig *a, const struct rig *b)
{
    assert_int_equal(hart_cycle(a->hart), hart_cycle(b->hart));
    assert_int_equal(hart_instret(a->hart), hart_instret(b->hart));
    assert_int_equal(hart_pc(a->hart), hart_pc(b->hart));
    for (unsigned r = 1; r < 32; r++)
        assert_int_equal(hart_x(a->hart, r), hart_x(b->hart, r));
    assert_int_equal(hart_state(a->hart), hart_state(b->hart));
    if (a->hart->timed)
        assert_memory_equal(&a->hart->pipe.stats, &b->hart->pipe.stats, sizeof(a->hart->pipe.stats));
}

/* Both run through limits that are `step` apart; then the skipping one must have skipped most of the cycles. */
static void run(struct pair *pair, uint64_t from, uint64_t step, unsigned steps)
{
    for (unsigned i = 1; i <= steps; i++) {
        hart_run(pair->skipping.hart, from + i * step);
        hart_run(pair->executing.hart, from + i * step);
        compare(&pair->skipping, &pair->executing);
    }
}

/* A command to the scheduler ends a run early: goes on to the limit. */
static void run_whole(struct pair *pair, uint64_t limit)
{
    while (hart_cycle(pair->skipping.hart) < limit)
        hart_run(pair->skipping.hart, limit);
    while (hart_cycle(pair->executing.hart) < limit)
        hart_run(pair->executing.hart, limit);
    compare(&pair->skipping, &pair->executing);
}

static void put_both(struct pair *pair, enum insn_id id, unsigned rd, unsigned rs1, unsigned rs2, int64_t imm)
{
    rig_put(&pair->skipping, id, rd, rs1, rs2, imm);
    rig_put(&pair->executing, id, rd, rs1, rs2, imm);
}

static void a_jump_to_itself(void **state)
{
    struct pair *pair = *state;

    put_both(pair, INSN_jal, ZERO, 0, 0, 0);
    run(pair, 0, 999, 20);
    assert_true(pair->skipping.hart->poll.skipped > 10000);
    assert_int_equal(hart_next_event(pair->skipping.hart), CYCLE_NEVER);
}

static void a_word_in_memory_is_awaited(void **state)
{
    struct pair *pair = *state;

    put_both(pair, INSN_ld, A0, A1, 0, 0);
    put_both(pair, INSN_beq, 0, A0, ZERO, -4);
    put_both(pair, INSN_addi, A2, ZERO, 0, 1);
    put_both(pair, INSN_jal, ZERO, 0, 0, 0);
    hart_set_x(pair->skipping.hart, A1, RIG_DATA);
    hart_set_x(pair->executing.hart, A1, RIG_DATA);
    run(pair, 0, 1000, 10);
    assert_true(pair->skipping.hart->poll.skipped > 5000);
    assert_int_equal(hart_next_event(pair->skipping.hart), CYCLE_NEVER);
    rig_store(&pair->skipping, RIG_DATA, 1);
    rig_store(&pair->executing, RIG_DATA, 1);
    assert_int_equal(hart_next_event(pair->skipping.hart), hart_cycle(pair->skipping.hart));
    run(pair, 10000, 1000, 10);
    assert_int_equal(hart_x(pair->skipping.hart, A2), 1);
}

/* As the runtime's nanopu_wait_until, with the bound on either side of the comparison, by either branch. */
static void a_cycle_is_awaited(void **state)
{
    struct pair *pair = *state;

    for (unsigned how = 0; how < 4; how++) {
        bool first = (how & 1) != 0, less = (how & 2) != 0;

        put_both(pair, INSN_csrrs, A0, ZERO, 0, CSR_cycle);
        if (less) /* while the clock is less than the bound, or not more than it */
            put_both(pair, first ? INSN_bltu : INSN_bgeu, 0, first ? A0 : A1, first ? A1 : A0, -4);
        else { /* until it is not, by a branch that leaves */
            put_both(pair, first ? INSN_bgeu : INSN_bltu, 0, first ? A0 : A1, first ? A1 : A0, 8);
            put_both(pair, INSN_jal, ZERO, 0, 0, -8);
        }
        put_both(pair, INSN_addi, A2, A2, 0, 1);
        put_both(pair, INSN_addi, A1, A1, 0, 1000);
    }
    put_both(pair, INSN_jal, ZERO, 0, 0, 0);
    hart_set_x(pair->skipping.hart, A1, 4321);
    hart_set_x(pair->executing.hart, A1, 4321);
    run(pair, 0, 137, 80);
    assert_int_equal(hart_x(pair->skipping.hart, A2), 4);
    assert_true(pair->skipping.hart->poll.skipped > 5000);
}

static void a_loop_that_computes_with_the_clock_is_executed(void **state)
{
    struct pair *pair = *state;

    put_both(pair, INSN_csrrs, A0, ZERO, 0, CSR_cycle);
    put_both(pair, INSN_andi, A3, A0, 0, 1024);
    put_both(pair, INSN_beq, 0, A3, ZERO, -8);
    put_both(pair, INSN_addi, A2, ZERO, 0, 1);
    put_both(pair, INSN_jal, ZERO, 0, 0, 0);
    run(pair, 0, 137, 20);
    assert_int_equal(hart_x(pair->skipping.hart, A2), 1);
}

/* A wait for a message or a cycle, whose one register has the one and then the other. */
static void a_register_with_more_than_the_clock(void **state)
{
    struct pair *pair = *state;

    put_both(pair, INSN_csrrs, A0, ZERO, 0, CSR_lmsgsrdy);
    put_both(pair, INSN_bne, 0, A0, ZERO, 16);
    put_both(pair, INSN_csrrwi, ZERO, 0, 0, CSR_lnicucmd | 2 << 12);
    put_both(pair, INSN_csrrs, A0, ZERO, 0, CSR_cycle);
    put_both(pair, INSN_bltu, 0, A0, A1, -16);
    put_both(pair, INSN_addi, A2, A2, 0, 1); /* a message, or the end of the time */
    put_both(pair, INSN_jal, ZERO, 0, 0, 0);
    hart_set_x(pair->skipping.hart, A1, 54321);
    hart_set_x(pair->executing.hart, A1, 54321);
    for (uint64_t now = 999; now < 60000; now += 999)
        run_whole(pair, now);
    assert_int_equal(hart_x(pair->skipping.hart, A2), 1);
    assert_true(hart_x(pair->skipping.hart, A0) >= 54321);
}

static void a_loop_that_counts_is_executed(void **state)
{
    struct pair *pair = *state;

    put_both(pair, INSN_addi, A0, A0, 0, 1);
    put_both(pair, INSN_jal, ZERO, 0, 0, -4);
    run(pair, 0, 1000, 10);
    assert_int_equal(pair->skipping.hart->poll.skipped, 0);
}

static void a_loop_that_stores_is_executed(void **state)
{
    struct pair *pair = *state;

    put_both(pair, INSN_sd, 0, A1, ZERO, 0);
    put_both(pair, INSN_jal, ZERO, 0, 0, -4);
    hart_set_x(pair->skipping.hart, A1, RIG_DATA);
    hart_set_x(pair->executing.hart, A1, RIG_DATA);
    run(pair, 0, 1000, 10);
    assert_int_equal(pair->skipping.hart->poll.skipped, 0);
}

/*
 * Registers context 0, then polls lmsgsrdy, with the idle command as the runtime's wait does or without; divides: and
 * with a division in each turn, whose result is waited for.
 */
static void put_poll(struct pair *pair, bool idle, bool divides)
{
    int turn = divides ? 8 : 0;

    put_both(pair, INSN_csrrwi, ZERO, 0, 0, CSR_lcurcontext);
    put_both(pair, INSN_csrrwi, ZERO, 0, 0, CSR_lniccmd | 1 << 12);
    put_both(pair, INSN_csrrs, A0, ZERO, 0, CSR_lmsgsrdy);
    put_both(pair, INSN_bne, 0, A0, ZERO, (idle ? 12 : 8) + turn);
    if (idle)
        put_both(pair, INSN_csrrwi, ZERO, 0, 0, CSR_lnicucmd | 2 << 12);
    if (divides) {
        put_both(pair, INSN_divu, A4, A5, A6, 0);
        put_both(pair, INSN_add, A7, A4, A4, 0);
    }
    put_both(pair, INSN_jal, ZERO, 0, 0, (idle ? -12 : -8) - turn);
    put_both(pair, INSN_add, A1, NETRX, ZERO, 0);
    put_both(pair, INSN_add, A2, A2, A1, 0);
    put_both(pair, INSN_jal, ZERO, 0, 0, (idle ? -24 : -20) - turn);
}

static void poll_for_messages(struct pair *pair, bool idle)
{
    uint64_t now = 0;

    put_poll(pair, idle, false);
    for (unsigned i = 0; i < MESSAGES; i++) {
        uint64_t until = now + 10000 + 37 * i;

        run(pair, now, until - now, 1);
        now = until;
        if (i > 0)
            assert_true(hart_next_event(pair->skipping.hart) > now);
        hts_enqueue(pair->skipping.hts, 0, now + 3, 100 + i, true);
        hts_enqueue(pair->executing.hts, 0, now + 3, 100 + i, true);
        assert_true(hart_next_event(pair->skipping.hart) <= now + 5);
    }
    run(pair, now, 100, 10);
    assert_int_equal(hart_x(pair->skipping.hart, A2), 100 + 101 + 102 + 103 + 104);
    assert_true(pair->skipping.hart->poll.skipped > 30000);
    assert_memory_equal(hts_stats(pair->skipping.hts), hts_stats(pair->executing.hts), sizeof(struct hts_stats));
}

static void a_poll_for_messages(void **state)
{
    poll_for_messages(*state, false);
}

static void a_poll_that_idles(void **state)
{
    poll_for_messages(*state, true);
}

/* In steps of a quantum, as when another hart works: the loop is found, and left in time. */
static void within_quanta(void **state)
{
    struct pair *pair = *state;

    put_poll(pair, false, false);
    run(pair, 0, 32, 600); /* beyond the NIC's reset */
    assert_true(hart_next_event(pair->skipping.hart) == CYCLE_NEVER);
    hts_enqueue(pair->skipping.hts, 0, 600 * 32 + 1, 7, true);
    hts_enqueue(pair->executing.hts, 0, 600 * 32 + 1, 7, true);
    run(pair, 600 * 32, 32, 400);
    assert_int_equal(hart_x(pair->skipping.hart, A2), 7);
}

static void a_timer_ends_the_circle(void **state)
{
    struct pair *pair = *state;

    put_both(pair, INSN_jal, ZERO, 0, 0, 0);
    for (unsigned i = 0; i < 2; i++) {
        struct rig *rig = i == 0 ? &pair->skipping : &pair->executing;

        rig_set_csr(rig, CSR_mtvec, RIG_HANDLER);
        rig_set_csr(rig, CSR_mie, 1 << IRQ_MTI);
        rig_set_csr(rig, CSR_mstatus, MSTATUS_MIE);
        rig->end = RIG_HANDLER;
        rig_put(rig, INSN_addi, A0, A0, 0, 1);
        rig_put(rig, INSN_csrrw, ZERO, ZERO, 0, CSR_mie);
        rig_put(rig, INSN_mret, 0, 0, 0, 0);
    }
    run(pair, 0, 5000, 2);
    hart_set_mip(pair->skipping.hart, 1 << IRQ_MTI, true, 12345);
    hart_set_mip(pair->executing.hart, 1 << IRQ_MTI, true, 12345);
    assert_int_equal(hart_next_event(pair->skipping.hart), 12345 + 3);
    run(pair, 10000, 5000, 2);
    assert_int_equal(hart_x(pair->skipping.hart, A0), 1);
    assert_true(pair->skipping.hart->poll.skipped > 10000);
}

/* Two contexts of one priority, one hart that idles in either and goes to the other when it is told to. */
static void put_two_contexts(struct pair *pair, bool divides)
{
    put_both(pair, INSN_csrrwi, ZERO, 0, 0, CSR_lcurcontext | 1 << 12);
    put_both(pair, INSN_csrrwi, ZERO, 0, 0, CSR_lniccmd | 1 << 12);
    put_poll(pair, true, divides);
    for (unsigned i = 0; i < 2; i++) {
        struct rig *rig = i == 0 ? &pair->skipping : &pair->executing;

        rig_set_csr(rig, CSR_mtvec, RIG_HANDLER);
        rig_set_csr(rig, CSR_mie, 1 << IRQ_NIC);
        rig_set_csr(rig, CSR_mstatus, MSTATUS_MIE);
        rig->end = RIG_HANDLER;
        rig_put(rig, INSN_addi, A3, A3, 0, 1);
        rig_put(rig, INSN_csrrs, T0, ZERO, 0, CSR_ltargetcontext);
        rig_put(rig, INSN_csrrw, ZERO, T0, 0, CSR_lcurcontext);
        rig_put(rig, INSN_mret, 0, 0, 0, 0);
    }
}

static void another_context_ends_the_circle(void **state)
{
    struct pair *pair = *state;
    uint64_t now = 0;

    put_two_contexts(pair, false);
    for (unsigned i = 0; i < MESSAGES; i++) {
        now += 10000 + 37 * i;
        run_whole(pair, now);
        hts_enqueue(pair->skipping.hts, i % 2, now + 3, 100 + i, true);
        hts_enqueue(pair->executing.hts, i % 2, now + 3, 100 + i, true);
    }
    run_whole(pair, now + 10000);
    assert_int_equal(hart_x(pair->skipping.hart, A2), 100 + 101 + 102 + 103 + 104);
    assert_true(hart_x(pair->skipping.hart, A3) > 5);
    assert_true(pair->skipping.hart->poll.skipped > 30000);
}

/*
 * A division goes beyond the end of a run, so the other context's message comes in cycles that the hart has passed, and
 * the scheduler has changed its mind and come to rest before the hart asks it again. Every phase of the circle is
 * tried.
 */
static void another_context_during_a_division_ends_the_circle(void **state)
{
    struct pair *pair = *state;
    uint64_t now = 20000;

    put_two_contexts(pair, true);
    for (unsigned i = 0; i < 2; i++) {
        struct rig *rig = i == 0 ? &pair->skipping : &pair->executing;

        hart_set_x(rig->hart, A5, UINT64_MAX);
        hart_set_x(rig->hart, A6, 1);
    }
    run_whole(pair, now);
    for (unsigned i = 0; i < 100; i++) {
        unsigned other = hts_csr_read(pair->executing.hts, now - 1, CSR_lcurcontext) == 0;

        hts_enqueue(pair->skipping.hts, other, now + 1, 100 + i, true);
        hts_enqueue(pair->executing.hts, other, now + 1, 100 + i, true);
        run_whole(pair, now += 1500);
        assert_int_equal(hart_x(pair->skipping.hart, A1), 100 + i);
        run_whole(pair, now += 500 + i);
    }
    assert_true(pair->skipping.hart->poll.skipped > 30000);
}

#define BOTH(test)                                                                                                     \
    {#test, test, setup_fast, teardown, NULL},                                                                         \
    {                                                                                                                  \
#test "_timed", test, setup_timed, teardown, NULL                                                              \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(a_jump_to_itself),
        BOTH(a_word_in_memory_is_awaited),
        BOTH(a_cycle_is_awaited),
        BOTH(a_loop_that_computes_with_the_clock_is_executed),
        BOTH(a_register_with_more_than_the_clock),
        BOTH(a_loop_that_counts_is_executed),
        BOTH(a_loop_that_stores_is_executed),
        BOTH(a_poll_for_messages),
        BOTH(a_poll_that_idles),
        BOTH(within_quanta),
        BOTH(a_timer_ends_the_circle),
        BOTH(another_context_ends_the_circle),
        BOTH(another_context_during_a_division_ends_the_circle),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
