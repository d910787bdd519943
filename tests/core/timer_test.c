/* SPDX-License-Identifier: MIT */
#include "core/timer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TICK (UINT64_C(1) << TIMER_TICK_SHIFT)
#define HOUR (3600 * NS_PER_S)

static void count(struct timer *t, void *arg)
{
    (void)t;
    ++*(unsigned *)arg;
}

static void timer_arm__fires_once_not_early_at_most_one_tick_late(void **state)
{
    const uint64_t start = 123456789;
    struct timer_wheel w;
    struct timer t = {0};
    unsigned fired = 0;

    (void)state;
    for (uint64_t delay = 1; delay < UINT64_C(1) << 40; delay = delay * 3 + 1) {
        uint64_t due = start + delay;

        timer_wheel_init(&w, start);
        fired = 0;
        timer_arm(&w, &t, due, count, &fired);
        assert_true(timer_armed(&t));
        assert_int_equal(timer_advance(&w, due - 1, 100), 0);
        assert_true(timer_pending(&w, due + TICK));
        assert_int_equal(timer_advance(&w, due + TICK, 100), 1);
        assert_false(timer_armed(&t));
        assert_int_equal(timer_advance(&w, due + HOUR, 100), 0);
        assert_int_equal(fired, 1);
    }
}

static void timer_arm__past_deadline_is_due_at_once(void **state)
{
    struct timer_wheel w;
    struct timer t = {0};
    unsigned fired = 0;

    (void)state;
    timer_wheel_init(&w, HOUR);
    timer_arm(&w, &t, 5, count, &fired);
    assert_true(timer_pending(&w, HOUR));
    assert_true(timer_next_ns(&w) <= HOUR);
    assert_int_equal(timer_advance(&w, HOUR, 100), 1);
}

static void timer_arm__armed_timer_moves(void **state)
{
    struct timer_wheel w;
    struct timer t = {0};
    unsigned fired = 0;

    (void)state;
    timer_wheel_init(&w, 0);
    timer_arm(&w, &t, 10 * NS_PER_MS, count, &fired);
    timer_arm(&w, &t, 30 * NS_PER_MS, count, &fired);
    assert_int_equal(w.armed, 1);
    assert_int_equal(timer_advance(&w, 20 * NS_PER_MS, 100), 0);
    assert_int_equal(timer_advance(&w, 31 * NS_PER_MS, 100), 1);
}

static void timer_arm__end_of_time_never_fires(void **state)
{
    struct timer_wheel w;
    struct timer t = {0};
    unsigned fired = 0;

    (void)state;
    timer_wheel_init(&w, 7 * HOUR);
    timer_arm(&w, &t, UINT64_MAX, count, &fired);
    for (uint64_t now = 8 * HOUR; now < UINT64_MAX / 4; now *= 2)
        assert_int_equal(timer_advance(&w, now, 100), 0);
    assert_int_equal(timer_advance(&w, UINT64_MAX, 100), 0);
    assert_true(timer_armed(&t));
    timer_cancel(&w, &t);
    assert_int_equal(w.armed, 0);
}

static void timer_cancel__cancelled_does_not_fire(void **state)
{
    struct timer_wheel w;
    struct timer t[3] = {0};
    unsigned fired[3] = {0};

    (void)state;
    timer_wheel_init(&w, 0);
    for (int i = 0; i < 3; i++)
        timer_arm(&w, &t[i], NS_PER_MS, count, &fired[i]);
    timer_cancel(&w, &t[1]); /* from the middle of a slot's list */
    assert_false(timer_armed(&t[1]));
    assert_int_equal(timer_advance(&w, NS_PER_S, 100), 2);
    assert_int_equal(fired[1], 0);
}

static void timer_cancel__idle_timer_is_ignored(void **state)
{
    struct timer_wheel w;
    struct timer t = {0};

    (void)state;
    timer_wheel_init(&w, 0);
    timer_cancel(&w, &t);
    timer_cancel(&w, &t);
    assert_int_equal(w.armed, 0);
}

static void timer_next__nothing_armed(void **state)
{
    struct timer_wheel w;
    struct timer t = {0};
    unsigned fired = 0;

    (void)state;
    timer_wheel_init(&w, 0);
    assert_int_equal(timer_next_ns(&w), UINT64_MAX);
    timer_arm(&w, &t, NS_PER_S, count, &fired);
    timer_cancel(&w, &t);
    assert_int_equal(timer_next_ns(&w), UINT64_MAX);
    assert_false(timer_pending(&w, UINT64_MAX));
}

/* Sleeps until timer_next_ns, again and again, until the wheel is empty; returns when it woke last. */
static uint64_t sleep_through(struct timer_wheel *w)
{
    uint64_t now = 0;

    for (unsigned turns = 0; w->armed != 0; turns++) {
        assert_true(turns < TIMER_LEVELS);
        assert_true(timer_next_ns(w) > now);
        now = timer_next_ns(w);
        assert_true(timer_pending(w, now));
        timer_advance(w, now, 100);
    }
    return now;
}

static void timer_next__sleeper_wakes_when_it_fires(void **state)
{
    struct timer_wheel w;
    struct timer t = {0};
    unsigned fired;

    (void)state;
    for (uint64_t due = 1; due < UINT64_MAX / 7; due *= 7) {
        timer_wheel_init(&w, 0);
        fired = 0;
        timer_arm(&w, &t, due, count, &fired);
        assert_in_range(sleep_through(&w), due, due + TICK - 1);
        assert_int_equal(fired, 1);
    }
}

static void timer_next__cancelled_timer_costs_a_wake_up_at_most(void **state)
{
    struct timer_wheel w;
    struct timer t = {0}, other = {0};
    unsigned fired;

    (void)state;
    for (uint64_t due = 7; due < UINT64_MAX / 7; due *= 7) {
        timer_wheel_init(&w, 0);
        fired = 0;
        timer_arm(&w, &other, due / 2, count, &fired);
        timer_arm(&w, &t, due, count, &fired);
        timer_cancel(&w, &other);
        assert_in_range(sleep_through(&w), due, due + TICK - 1);
        assert_int_equal(fired, 1);
    }
}

static void timer_advance__fires_in_order_of_ticks(void **state)
{
    struct timer_wheel w;
    struct timer t[100] = {0};
    unsigned fired = 0, seed = 3;

    (void)state;
    timer_wheel_init(&w, 0);
    for (int i = 0; i < 100; i++)
        timer_arm(&w, &t[i], (uint64_t)rand_r(&seed) * 1000, count, &fired);
    for (unsigned n = 1; n <= 100; n++) {
        uint64_t latest = 0, earliest = UINT64_MAX;

        /* A small max also bounds the spreading of slots, so one call may fire none. */
        while (fired < n)
            timer_advance(&w, 10000 * NS_PER_S, 1);
        for (int i = 0; i < 100; i++) {
            if (!timer_armed(&t[i]) && t[i].deadline_ns > latest)
                latest = t[i].deadline_ns;
            if (timer_armed(&t[i]) && t[i].deadline_ns < earliest)
                earliest = t[i].deadline_ns;
        }
        assert_true(earliest == UINT64_MAX || latest <= earliest + TICK);
    }
}

static void timer_advance__max_leaves_the_rest_pending(void **state)
{
    struct timer_wheel w;
    struct timer t[10] = {0};
    unsigned fired = 0;

    (void)state;
    timer_wheel_init(&w, 0);
    for (int i = 0; i < 10; i++)
        timer_arm(&w, &t[i], 20 * TICK, count, &fired);
    assert_int_equal(timer_advance(&w, NS_PER_S, 4), 4);
    assert_true(timer_pending(&w, NS_PER_S));
    assert_int_equal(timer_advance(&w, NS_PER_S, 4), 4);
    assert_int_equal(timer_advance(&w, NS_PER_S, 4), 2);
    assert_false(timer_pending(&w, 2 * NS_PER_S));
}

static void timer_advance__time_going_back_is_harmless(void **state)
{
    struct timer_wheel w;
    struct timer t = {0};
    unsigned fired = 0;

    (void)state;
    timer_wheel_init(&w, HOUR);
    timer_arm(&w, &t, HOUR + 3 * TICK, count, &fired);
    assert_int_equal(timer_advance(&w, 5, 100), 0);
    assert_int_equal(timer_advance(&w, HOUR + TICK, 100), 0);
    assert_int_equal(timer_advance(&w, HOUR + 5 * TICK, 100), 1);
}

struct chain {
    struct timer_wheel *w;
    struct timer *other;
    uint64_t deadline_ns;
    unsigned fired;
};

static void rearm_self(struct timer *t, void *arg)
{
    struct chain *c = arg;

    c->fired++;
    timer_arm(c->w, t, c->deadline_ns, rearm_self, c);
}

static void timer_advance__self_arming_callback_runs_once_a_call(void **state)
{
    struct timer_wheel w;
    struct timer t = {0};
    struct chain c = {.w = &w};

    (void)state;
    timer_wheel_init(&w, 0);
    timer_arm(&w, &t, 0, rearm_self, &c); /* always overdue */
    for (unsigned i = 1; i <= 5; i++) {
        assert_int_equal(timer_advance(&w, i * NS_PER_S, UINT32_MAX), 1);
        assert_int_equal(c.fired, i);
    }
}

static void cancel_other(struct timer *t, void *arg)
{
    struct chain *c = arg;

    (void)t;
    c->fired++;
    timer_cancel(c->w, c->other);
}

static void timer_advance__callback_cancels_its_neighbour(void **state)
{
    struct timer_wheel w;
    struct timer a = {0}, b = {0};
    struct chain ca = {.w = &w, .other = &b}, cb = {.w = &w, .other = &a};

    (void)state;
    timer_wheel_init(&w, 0);
    timer_arm(&w, &a, NS_PER_S, cancel_other, &ca);
    timer_arm(&w, &b, NS_PER_S, cancel_other, &cb);
    assert_int_equal(timer_advance(&w, 2 * NS_PER_S, 100), 1);
    assert_int_equal(ca.fired + cb.fired, 1);
    assert_int_equal(w.armed, 0);
}

static void free_it(struct timer *t, void *arg)
{
    ++*(unsigned *)arg;
    free(t);
}

static void timer_advance__callback_frees_its_timer(void **state)
{
    struct timer_wheel w;
    unsigned fired = 0;

    (void)state;
    timer_wheel_init(&w, 0);
    for (int i = 0; i < 8; i++)
        timer_arm(&w, calloc(1, sizeof(struct timer)), NS_PER_S + (uint64_t)i, free_it, &fired);
    timer_advance(&w, 2 * NS_PER_S, 100);
    assert_int_equal(fired, 8);
}

static void timer_advance__cancelled_while_a_slot_is_spread(void **state)
{
    struct timer_wheel w;
    struct timer t[64] = {0};
    unsigned fired = 0;

    (void)state;
    timer_wheel_init(&w, 0);
    for (unsigned i = 0; i < 64; i++)
        timer_arm(&w, &t[i], 100 * 64 * TICK + i * TICK, count, &fired);
    /* With max 1 one call moves but a few of the 64. */
    assert_int_equal(timer_advance(&w, 100 * 64 * TICK, 1), 0);
    assert_true(w.cascade != 0);
    for (unsigned i = 0; i < 64; i++)
        timer_cancel(&w, &t[i]);
    assert_int_equal(timer_next_ns(&w), UINT64_MAX);
    timer_arm(&w, &t[0], HOUR, count, &fired);
    assert_int_equal(timer_advance(&w, HOUR + TICK, 100), 1);
}

/* The reference: an array, searched. Ticks are rounded up as the header says, late armings in callbacks moved on. */
#define MODEL_TIMERS 400

struct model {
    struct timer_wheel w;
    struct timer timer[MODEL_TIMERS];
    uint64_t tick[MODEL_TIMERS]; /* when it is due; UINT64_MAX: not armed */
    uint64_t target_tick;        /* while advancing */
    uint64_t now_ns;
    bool advancing;
    unsigned seed;
};

static void model_fire(struct timer *t, void *arg);

static void model_arm(struct model *m, size_t i, uint64_t deadline_ns)
{
    uint64_t tick = deadline_ns / TICK + (deadline_ns % TICK != 0);

    if (m->advancing && tick <= m->target_tick)
        tick = m->target_tick + 1;
    m->tick[i] = tick;
    timer_arm(&m->w, &m->timer[i], deadline_ns, model_fire, m);
}

static uint64_t model_delay(struct model *m)
{
    return ((uint64_t)rand_r(&m->seed) << 31 | (uint64_t)rand_r(&m->seed)) >> (rand_r(&m->seed) % 62);
}

static void model_random_op(struct model *m)
{
    size_t i = (size_t)rand_r(&m->seed) % MODEL_TIMERS;

    if (rand_r(&m->seed) % 3 == 0) {
        m->tick[i] = UINT64_MAX;
        timer_cancel(&m->w, &m->timer[i]);
    } else if (rand_r(&m->seed) % 8 == 0) {
        model_arm(m, i, m->now_ns - m->now_ns / 3);
    } else {
        model_arm(m, i, m->now_ns + model_delay(m));
    }
}

static void model_fire(struct timer *t, void *arg)
{
    struct model *m = arg;
    size_t i = (size_t)(t - m->timer);

    assert_true(m->tick[i] <= m->target_tick);
    for (size_t j = 0; j < MODEL_TIMERS; j++)
        assert_true(m->tick[j] >= m->tick[i] || m->tick[j] < m->w.now_tick);
    m->tick[i] = UINT64_MAX;
    for (int n = rand_r(&m->seed) % 3; n > 0; n--)
        model_random_op(m);
}

static void model_check(const struct model *m, bool complete)
{
    uint64_t earliest = UINT64_MAX, armed = 0;

    for (size_t i = 0; i < MODEL_TIMERS; i++) {
        assert_int_equal(timer_armed(&m->timer[i]), m->tick[i] != UINT64_MAX);
        if (m->tick[i] == UINT64_MAX)
            continue;
        armed++;
        earliest = m->tick[i] < earliest ? m->tick[i] : earliest;
        assert_true(!complete || m->tick[i] > m->now_ns / TICK);
    }
    assert_int_equal(m->w.armed, armed);
    if (armed == 0) {
        assert_int_equal(timer_next_ns(&m->w), UINT64_MAX);
        return;
    }
    if (earliest < m->w.now_tick)
        earliest = m->w.now_tick; /* armed for the past: due at once */
    assert_true(timer_next_ns(&m->w) <= earliest * TICK);
    assert_true(timer_pending(&m->w, earliest * TICK));
    assert_true(!complete || timer_next_ns(&m->w) > m->now_ns);
}

static void model_run(struct model *m, unsigned turns)
{
    for (unsigned turn = 0; turn < turns; turn++) {
        unsigned max = rand_r(&m->seed) % 4 != 0 ? UINT32_MAX : (unsigned)rand_r(&m->seed) % 8;

        for (int n = rand_r(&m->seed) % 16; n > 0; n--)
            model_random_op(m);
        model_check(m, false);
        /* From nothing to sixty years, mostly short. */
        if (m->now_ns < UINT64_MAX / 4)
            m->now_ns += model_delay(m);
        m->target_tick = m->now_ns / TICK;
        m->advancing = true;
        timer_advance(&m->w, m->now_ns, max);
        m->advancing = false;
        model_check(m, max == UINT32_MAX);
    }
}

static void timer_advance__agrees_with_a_simple_model(void **state)
{
    struct model *m = malloc(sizeof(*m));

    (void)state;
    assert_non_null(m);
    for (unsigned seed = 1; seed <= 60; seed++) {
        memset(m, 0, sizeof(*m));
        m->seed = seed;
        m->now_ns = seed % 4 == 0 ? 0 : (uint64_t)rand_r(&m->seed) << (seed % 31);
        for (size_t i = 0; i < MODEL_TIMERS; i++)
            m->tick[i] = UINT64_MAX;
        timer_wheel_init(&m->w, m->now_ns);
        model_run(m, 200);
    }
    free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timer_arm__fires_once_not_early_at_most_one_tick_late),
        cmocka_unit_test(timer_arm__past_deadline_is_due_at_once),
        cmocka_unit_test(timer_arm__armed_timer_moves),
        cmocka_unit_test(timer_arm__end_of_time_never_fires),
        cmocka_unit_test(timer_cancel__cancelled_does_not_fire),
        cmocka_unit_test(timer_cancel__idle_timer_is_ignored),
        cmocka_unit_test(timer_next__nothing_armed),
        cmocka_unit_test(timer_next__sleeper_wakes_when_it_fires),
        cmocka_unit_test(timer_next__cancelled_timer_costs_a_wake_up_at_most),
        cmocka_unit_test(timer_advance__fires_in_order_of_ticks),
        cmocka_unit_test(timer_advance__max_leaves_the_rest_pending),
        cmocka_unit_test(timer_advance__time_going_back_is_harmless),
        cmocka_unit_test(timer_advance__self_arming_callback_runs_once_a_call),
        cmocka_unit_test(timer_advance__callback_cancels_its_neighbour),
        cmocka_unit_test(timer_advance__callback_frees_its_timer),
        cmocka_unit_test(timer_advance__cancelled_while_a_slot_is_spread),
        cmocka_unit_test(timer_advance__agrees_with_a_simple_model),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
