/* SPDX-License-Identifier: MIT */
/* The scheduler's timers, rotation and interrupt pulses (sections 3.4 to 3.6), and time that is skipped. */
#include "hts_rig.h"

/* ---- Bounded processing time ---- */

static void demotion__after_lmsgcycles_at_priority_0_for_good(void **state)
{
    struct hts *h = *state;

    insert(h, 10, 0, 0);
    hts_csr_write(h, 20, CSR_T0, 500);
    message(h, 100, 0, 3);
    hts_csr_write(h, 200, CSR_COMMAND, 4); /* start_timer: reads 0 at 201, 500 at 701 */
    csr(h, 701, CSR_TOPPRIO);
    assert_int_equal(hts_stats(h)->demotions, 0);
    assert_int_equal(csr(h, 703, CSR_TOPPRIO), 0);
    assert_int_equal(csr(h, 704, CSR_TOPPRIO), 1); /* demoted at 701, priority at 702, register at 703, CSR at 704 */
    hts_csr_write(h, 800, CSR_UCMD, 1);
    assert_int_equal(csr(h, 5000, CSR_TOPPRIO), 1);
    assert_int_equal(hts_stats(h)->demotions, 1);
    hts_csr_write(h, 5000, CSR_COMMAND, 4);
    insert(h, 5001, 0, 0); /* only a new insert restores it */
    message(h, 5010, 0, 1);
    assert_int_equal(csr(h, 5020, CSR_TOPPRIO), 0);
}

static void demotion__ends_with_the_message_without_the_quirk(void **state)
{
    struct hts *h = again(state, "quirk_demote_forever", "off");

    insert(h, 10, 0, 0);
    message(h, 100, 0, 3);
    assert_int_equal(csr(h, 3500, CSR_TOPPRIO), 1);
    hts_csr_write(h, 3600, CSR_UCMD, 1);
    assert_int_equal(csr(h, 3610, CSR_TOPPRIO), 0);
}

static void demotion__is_put_off_by_done_idle_and_start(void **state)
{
    static const struct {
        unsigned csr, value;
    } resets[] = {{CSR_UCMD, 1}, {CSR_UCMD, 2}, {CSR_COMMAND, 4}};
    struct hts *h = *state;
    uint64_t t = 2900;

    insert(h, 10, 0, 0);
    message(h, 100, 0, 3);
    for (size_t i = 0; i < ARRAY_LEN(resets); i++, t += 2900)
        hts_csr_write(h, t, resets[i].csr, resets[i].value);
    csr(h, t, CSR_TOP);
    assert_int_equal(hts_stats(h)->demotions, 0);
    csr(h, t + 200, CSR_TOP);
    assert_int_equal(hts_stats(h)->demotions, 1);
}

static void demotion__spares_other_priorities_and_the_kernel(void **state)
{
    struct hts *h = *state;

    insert(h, 10, 0, 2);
    csr(h, 10000, CSR_TOP);
    hts_csr_write(h, 10001, CSR_CONTEXT, CTX_NANOKERNEL);
    csr(h, 20000, CSR_TOP);
    assert_int_equal(hts_stats(h)->demotions, 0);
}

/* ---- Idle rotation ---- */

static void rotation__goes_round_the_registered_contexts(void **state)
{
    struct hts *h = *state;

    insert(h, 10, 0, 0);
    insert(h, 20, 1, 0);
    insert(h, 30, 2, 0);
    hts_csr_write(h, 40, CSR_COMMAND, 4);
    /* idle_timer reads 0 at 41 and 3000 at 3041; the register at 3042, the CSR at 3043; 0 again at 3042. */
    assert_int_equal(csr(h, 3042, CSR_TOP), 0);
    csr(h, 3043, CSR_TOP);
    assert_int_equal(hts_stats(h)->rotations, 1);
    assert_int_equal(csr(h, 3041 + 3001 + 2, CSR_TOP), 1);
    assert_int_equal(csr(h, 3041 + 2 * 3001 + 2, CSR_TOP), 2);
    assert_int_equal(csr(h, 3041 + 3 * 3001 + 2, CSR_TOP), 0);
}

static void rotation__needs_two_contexts_and_an_idle_current_one(void **state)
{
    struct hts *h = *state;

    insert(h, 10, 0, 0);
    csr(h, 20000, CSR_TOP);
    assert_int_equal(hts_stats(h)->rotations, 0);
    hts_csr_write(h, 20000, CSR_COMMAND, 4);
    insert(h, 20001, 1, 0);
    message(h, 20010, 1, 1);
    csr(h, 40000, CSR_TOP);
    assert_int_equal(hts_stats(h)->rotations, 0);
    hts_pop(h, 40001);
    hts_csr_write(h, 40002, CSR_UCMD, 2);
    csr(h, 43010, CSR_TOP);
    assert_int_equal(hts_stats(h)->rotations, 1);
}

static void rotation__is_off_with_four_contexts_and_the_quirk(void **state)
{
    struct hts *h = *state;

    for (unsigned i = 0; i < 4; i++)
        insert(h, 10 + 10 * i, i, 0);
    csr(h, 50000, CSR_TOP);
    assert_int_equal(hts_stats(h)->rotations, 0);
    h = again(state, "quirk_four_contexts", "off");
    for (unsigned i = 0; i < 4; i++)
        insert(h, 10 + 10 * i, i, 0);
    csr(h, 50000, CSR_TOP);
    assert_true(hts_stats(h)->rotations > 10);
}

/* ---- Interrupt pulses ---- */

static void pulse__two_cycles_after_a_word_of_higher_priority(void **state)
{
    struct hts *h = *state;

    insert(h, 10, 0, 0);
    insert(h, 20, 1, 1);
    message(h, 100, 0, 1);
    assert_int_equal(hts_next_pulse(h, 50), 102);
    assert_int_equal(hts_next_pulse(h, 102), 102);
    assert_true(hts_next_pulse(h, 103) > 3000); /* the idle rotation */
}

static void pulse__each_word_is_an_opportunity(void **state)
{
    struct hts *h = *state;

    insert(h, 10, 0, 0);
    insert(h, 20, 1, 1);
    message(h, 100, 0, 3);
    for (uint64_t t = 102; t < 105; t++)
        assert_int_equal(hts_next_pulse(h, t), t);
    assert_true(hts_next_pulse(h, 105) > 3000); /* the idle rotation */
}

static void pulse__none_for_equal_priority(void **state)
{
    struct hts *h = *state;

    insert(h, 10, 0, 1);
    insert(h, 20, 1, 1);
    message(h, 100, 0, 2);
    assert_true(hts_next_pulse(h, 50) > 2000); /* not before the idle rotation */
}

static void pulse__any_word_wakes_the_kernel(void **state)
{
    struct hts *h = *state;

    insert(h, 10, 0, 200);
    hts_csr_write(h, 20, CSR_PRIO, 255);
    hts_csr_write(h, 21, CSR_CONTEXT, CTX_NANOKERNEL);
    message(h, 100, 0, 1);
    assert_int_equal(hts_next_pulse(h, 50), 102);
}

static void pulse__two_cycles_after_done_when_another_is_due(void **state)
{
    struct hts *h = *state;

    two_contexts(h);
    hts_csr_write(h, 200, CSR_UCMD, 1);
    assert_int_equal(hts_next_pulse(h, 200), 202);
    hts_csr_write(h, 300, CSR_UCMD, 2); /* and again: a lost one comes back */
    assert_int_equal(hts_next_pulse(h, 300), 302);
}

static void pulse__none_after_done_when_the_current_one_is_due(void **state)
{
    struct hts *h = *state;

    insert(h, 10, 0, 1);
    message(h, 100, 0, 4);
    hts_pop(h, 110);
    hts_csr_write(h, 111, CSR_UCMD, 1);
    assert_int_equal(hts_next_pulse(h, 111), CYCLE_NEVER);
}

static void pulse__a_cycle_after_a_demotion(void **state)
{
    struct hts *h = *state;

    insert(h, 10, 1, 0);
    insert(h, 20, 0, 0);
    message(h, 100, 0, 1);
    message(h, 101, 1, 1);
    hts_pop(h, 110);
    hts_csr_write(h, 200, CSR_COMMAND, 4);
    assert_int_equal(hts_next_pulse(h, 200), 3201 + 1);
}

static void pulse__none_after_a_demotion_when_the_current_one_is_due(void **state)
{
    struct hts *h = *state;

    insert(h, 10, 1, 2);
    insert(h, 20, 0, 0);
    message(h, 100, 0, 1);
    message(h, 101, 1, 2);
    hts_pop(h, 110);
    hts_csr_write(h, 200, CSR_COMMAND, 4);
    assert_int_equal(hts_next_pulse(h, 200), CYCLE_NEVER);
    assert_int_equal(csr(h, 4000, CSR_TOP), 0);
    assert_int_equal(hts_stats(h)->demotions, 1);
}

static void pulse__an_arrival_takes_the_turn_of_a_done(void **state)
{
    struct hts *h = *state;

    two_contexts(h);
    /* At 202 the word of 200 is looked at, which does not preempt, and so the msg_done of 200 is not. */
    hts_enqueue(h, 1, 200, 7, false);
    hts_csr_write(h, 200, CSR_UCMD, 1);
    assert_true(hts_next_pulse(h, 200) > 1000);
}

static void pulse__a_cycle_after_the_idle_timeout(void **state)
{
    struct hts *h = *state;

    insert(h, 10, 1, 0);
    insert(h, 20, 0, 0); /* ring: 1, 0; the current one is 0 */
    hts_csr_write(h, 40, CSR_COMMAND, 4);
    assert_int_equal(hts_next_pulse(h, 41), 3041 + 1);
    assert_int_equal(hts_next_pulse(h, 3043), 3042 + 2 * 3001); /* 0 comes between: no pulse */
}

static void pulse__is_lost_or_waits(void **state)
{
    struct hts *h = *state;

    insert(h, 10, 0, 0);
    insert(h, 20, 1, 1);
    message(h, 100, 0, 1);
    csr(h, 150, CSR_TOP);
    assert_true(hts_next_pulse(h, 150) > 3000);
    h = again(state, "quirk_pulse_unlatched", "off");
    insert(h, 10, 0, 0);
    insert(h, 20, 1, 1);
    message(h, 100, 0, 1);
    csr(h, 150, CSR_TOP);
    assert_int_equal(hts_next_pulse(h, 150), 150);
    hts_pulse_taken(h, 150);
    assert_true(hts_next_pulse(h, 151) > 3000);
}

/* ---- Skipping ---- */

static uint32_t seed = 1;

static uint32_t any(uint32_t n)
{
    seed = seed * 1664525 + 1013904223;
    return (seed >> 8) % n;
}

/* Runs each cycle of one of two schedulers that get the same, and lets the other skip. */
static void dense(struct hts *h, uint64_t to)
{
    while (h->regs.now < to)
        hts_tick(h, &h->regs, 0);
}

static void act(struct hts *h, uint64_t t, unsigned what, unsigned value)
{
    static const unsigned csrs[] = {CSR_CONTEXT, CSR_PRIO, CSR_COMMAND, CSR_UCMD, CSR_UCMD, CSR_COMMAND};
    static const unsigned values[] = {0, 0, 1, 1, 2, 4};

    if (what < ARRAY_LEN(csrs))
        hts_csr_write(h, t, csrs[what], what < 2 ? (value == 3 ? CTX_NANOKERNEL : value) : values[what]);
    else if (what < 10)
        hts_pop(h, t);
    else if (h->link_free <= t + 1 + value && hts_room(h, value) > 8)
        for (unsigned i = 0; i < 1 + value * 2; i++)
            hts_enqueue(h, value, t + 1 + value + i, value, i == 0);
    if (h->commands_len > 0)
        hts_command_take(h);
}

static void skip__is_the_same_as_each_cycle(void **state)
{
    struct hts *h = *state, *d = make();
    uint64_t t = 10;

    hts_csr_write(h, 1, CSR_IDLE, 97);
    hts_csr_write(d, 1, CSR_IDLE, 97);
    hts_csr_write(h, 2, CSR_T0, 61);
    hts_csr_write(d, 2, CSR_T0, 61);
    for (unsigned n = 0; n < 50000; n++) {
        unsigned what = any(13), value = any(4);
        uint64_t pulse = hts_next_pulse(h, h->regs.now), change = hts_next_change(h, h->regs.now);

        assert_true(change > h->regs.now);
        for (uint64_t to = t + 1 + any(n % 7 == 0 ? 200 : 9); t < to; t++) {
            uint64_t was = hts_csr_read(d, t, CSR_READY) << 40 | hts_csr_read(d, t, CSR_TOP) << 20 |
                           hts_csr_read(d, t, CSR_TOPPRIO);
            bool pulsed = hts_tick(d, &d->regs, 0);

            assert_int_equal(pulsed, t == pulse);
            if (pulsed)
                pulse = hts_next_pulse(h, t + 1);
            if (t + 1 == change || t + 1 < change) {
                uint64_t is = hts_csr_read(d, t + 1, CSR_READY) << 40 | hts_csr_read(d, t + 1, CSR_TOP) << 20 |
                              hts_csr_read(d, t + 1, CSR_TOPPRIO);

                assert_int_equal(is != was || t + 1 == 16384, t + 1 == change);
            }
        }
        dense(d, t);
        act(h, t, what, value);
        act(d, t, what, value);
        t = h->regs.now > t ? h->regs.now : t;
        hts_csr_read(h, t, CSR_READY);
        dense(d, t);
        assert_int_equal(h->regs.top_ctx, d->regs.top_ctx);
        assert_int_equal(h->regs.csr_prio, d->regs.csr_prio);
        assert_int_equal(h->regs.msgs_ready, d->regs.msgs_ready);
        assert_memory_equal(h->regs.priority, d->regs.priority, sizeof(h->regs.priority));
        assert_memory_equal(h->regs.count, d->regs.count, sizeof(h->regs.count));
    }
    assert_int_equal(hts_stats(h)->rx_words, hts_stats(d)->rx_words);
    assert_true(hts_stats(h)->rx_words > 1000 && hts_stats(h)->pulses > 1000 && hts_stats(h)->rotations > 100);
    hts_free(d);
}

static void idle_turns__is_the_same_as_idling_so_often(void **state)
{
    struct hts *h = *state, *d = make();

    insert(h, 10, 0, 0);
    insert(d, 10, 0, 0);
    hts_idle_turns(h, 100, 12, 1000);
    for (unsigned i = 0; i < 1000; i++)
        hts_csr_write(d, 100 + 12 * i, CSR_UCMD, 2);
    assert_memory_equal(&h->regs, &d->regs, sizeof(h->regs));
    assert_int_equal(hts_stats(h)->idles, 1000);
    assert_int_equal(hts_stats(h)->demotions, 0);
    hts_free(d);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(demotion__after_lmsgcycles_at_priority_0_for_good),
        T(demotion__ends_with_the_message_without_the_quirk),
        T(demotion__is_put_off_by_done_idle_and_start),
        T(demotion__spares_other_priorities_and_the_kernel),
        T(rotation__goes_round_the_registered_contexts),
        T(rotation__needs_two_contexts_and_an_idle_current_one),
        T(rotation__is_off_with_four_contexts_and_the_quirk),
        T(pulse__two_cycles_after_a_word_of_higher_priority),
        T(pulse__each_word_is_an_opportunity),
        T(pulse__none_for_equal_priority),
        T(pulse__any_word_wakes_the_kernel),
        T(pulse__two_cycles_after_done_when_another_is_due),
        T(pulse__none_after_done_when_the_current_one_is_due),
        T(pulse__a_cycle_after_a_demotion),
        T(pulse__none_after_a_demotion_when_the_current_one_is_due),
        T(pulse__an_arrival_takes_the_turn_of_a_done),
        T(pulse__a_cycle_after_the_idle_timeout),
        T(pulse__is_lost_or_waits),
        T(skip__is_the_same_as_each_cycle),
        T(idle_turns__is_the_same_as_idling_so_often),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
