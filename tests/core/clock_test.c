/* SPDX-License-Identifier: MIT */
#include "core/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HZ UINT64_C(2000000000) /* of the imaginary counter below: half a nanosecond a cycle */

/* A clock at time ns and counter tsc, exact. */
static struct clock made(uint64_t tsc, uint64_t ns)
{
    struct clock c = {.use_tsc = true,
                      .mult = (UINT64_C(1) << CLOCK_SHIFT) / 2,
                      .base_tsc = tsc,
                      .base_ns = ns,
                      .tsc_hz = HZ,
                      .paired_tsc = tsc,
                      .paired_ns = ns};

    return c;
}

static void clock_init__agrees_with_monotonic(void **state)
{
    struct clock c;
    bool inside = false;

    (void)state;
    clock_init(&c, false);
    /* The process may be preempted between two readings: one good try of many is enough. */
    for (int i = 0; i < 1000 && !inside; i++) {
        uint64_t before = clock_gettime_ns();
        uint64_t now = clock_now_ns(&c);
        uint64_t after = clock_gettime_ns();

        inside = now + 20 * NS_PER_US >= before && now <= after + 20 * NS_PER_US && after - before < 100 * NS_PER_US;
    }
    assert_true(inside);
}

static void clock_init__rate_is_close(void **state)
{
    struct clock c;
    uint64_t t0, t1, m0, m1;

    (void)state;
    clock_init(&c, false);
    t0 = clock_now_ns(&c);
    m0 = clock_gettime_ns();
    do {
        m1 = clock_gettime_ns();
    } while (m1 - m0 < 20 * NS_PER_MS);
    t1 = clock_now_ns(&c);
    /* 1 % allows for being descheduled between the two last readings. */
    assert_in_range(t1 - t0, (m1 - m0) / 100 * 99, (m1 - m0) * 2);
}

static void clock_init__forced_gettime_uses_no_counter(void **state)
{
    struct clock c;
    uint64_t before, now;

    (void)state;
    clock_init(&c, true);
    assert_false(c.use_tsc);
    assert_int_equal(c.tsc_hz, 0);
    before = clock_gettime_ns();
    now = clock_now_ns(&c);
    assert_in_range(now, before, clock_gettime_ns());
}

static void clock_init__second_instance_is_quick(void **state)
{
    struct clock c, d;
    uint64_t least = UINT64_MAX;

    (void)state;
    clock_init(&c, false);
    for (int i = 0; i < 20; i++) {
        uint64_t start = clock_gettime_ns();
        uint64_t took;

        clock_init(&d, false);
        took = clock_gettime_ns() - start;
        least = took < least ? took : least;
    }
    assert_in_range(least, 0, NS_PER_MS);
    assert_int_equal(c.use_tsc, d.use_tsc);
}

static void clock_now__never_goes_back(void **state)
{
    struct clock c;
    uint64_t last, now;

    (void)state;
    clock_init(&c, false);
    last = clock_now_ns(&c);
    for (int i = 0; i < 200000; i++) {
        if (i % 1000 == 0)
            clock_refine(&c);
        now = clock_now_ns(&c);
        assert_true(now >= last);
        last = now;
    }
}

static void clock_steer__soon_after_does_nothing(void **state)
{
    struct clock c = made(1000, 5000), before = c;

    (void)state;
    clock_steer(&c, 1000 + HZ / 1000, 5000 + 2 * NS_PER_MS);
    assert_memory_equal(&c, &before, sizeof(c));
}

static void clock_steer__behind_steps_to_true_time(void **state)
{
    struct clock c = made(1000, 5000);
    uint64_t tsc = 1000 + HZ;
    uint64_t ns = 5000 + NS_PER_S + 700;

    (void)state;
    clock_steer(&c, tsc, ns);
    assert_int_equal(clock_at_tsc(&c, tsc), ns);
}

static void clock_steer__ahead_is_continuous_and_slower(void **state)
{
    struct clock c = made(1000, 5000);
    uint64_t tsc = 1000 + HZ;
    uint64_t ns = 5000 + NS_PER_S - 10 * NS_PER_US;
    uint64_t was = clock_at_tsc(&c, tsc);

    (void)state;
    clock_steer(&c, tsc, ns);
    assert_int_equal(clock_at_tsc(&c, tsc), was);
    /* A second later nothing is left of the 10 us but rounding. */
    assert_in_range(clock_at_tsc(&c, tsc + HZ), ns + NS_PER_S - 10 * NS_PER_US - 10, ns + NS_PER_S + 10);
}

static void clock_steer__far_ahead_still_runs(void **state)
{
    struct clock c = made(1000, 5000 + 100 * NS_PER_S);
    uint64_t tsc = 1000 + HZ;
    uint64_t was = clock_at_tsc(&c, tsc);

    (void)state;
    c.paired_ns = 5000;
    clock_steer(&c, tsc, 5000 + NS_PER_S);
    assert_int_equal(clock_at_tsc(&c, tsc), was);
    assert_in_range(clock_at_tsc(&c, tsc + HZ) - was, NS_PER_S / 2 - 10, NS_PER_S / 2 + 10);
}

static void clock_steer__measures_the_rate(void **state)
{
    struct clock c = made(0, 0);

    (void)state;
    /* The counter is really 100 ppm faster than was thought. */
    clock_steer(&c, HZ + HZ / 10000, NS_PER_S);
    assert_in_range(c.tsc_hz, HZ + HZ / 10000 - 10, HZ + HZ / 10000 + 10);
}

static void clock_steer__counter_set_back_starts_over(void **state)
{
    struct clock c = made(UINT64_C(1) << 50, 5000);
    uint64_t ns = 5000 + NS_PER_S;

    (void)state;
    clock_steer(&c, 77, ns);
    assert_int_equal(clock_at_tsc(&c, 77), ns);
    assert_int_equal(clock_at_tsc(&c, 77 + HZ), ns + NS_PER_S);
}

static void clock_steer__nonsense_rate_is_not_taken(void **state)
{
    struct clock c = made(1000, 5000);

    (void)state;
    clock_steer(&c, 1001, 5000 + 3600 * NS_PER_S); /* one cycle an hour */
    assert_int_equal(clock_at_tsc(&c, 1001), 5000 + 3600 * NS_PER_S);
    assert_int_equal(c.tsc_hz, HZ);
}

/* A wandering counter, refined at odd intervals: time never goes back and stays close. */
static void clock_steer__wandering_counter_is_followed(void **state)
{
    struct clock c = made(12345, 0);
    uint64_t tsc = 12345, ns = 0, last = 0, now;
    unsigned seed = 1;

    (void)state;
    for (int i = 0; i < 20000; i++) {
        uint64_t step_ms = 1 + (uint64_t)(rand_r(&seed) % 400);
        int64_t ppb = rand_r(&seed) % 20000 - 10000;

        ns += step_ms * NS_PER_MS;
        tsc += step_ms * (HZ / 1000) + (uint64_t)((int64_t)(step_ms * (HZ / 1000)) * ppb / 1000000000);
        now = clock_at_tsc(&c, tsc);
        assert_true(now >= last);
        clock_steer(&c, tsc, ns);
        assert_true(clock_at_tsc(&c, tsc) >= now);
        last = clock_at_tsc(&c, tsc);
        /* Twenty ppm of difference between two steps of at most 0.5 s, and what the slewing has not made up yet. */
        assert_in_range(last + 50 * NS_PER_US, ns, ns + 100 * NS_PER_US);
    }
}

static void clock_at_tsc__counter_slightly_behind_does_not_jump(void **state)
{
    struct clock c = made(0, 0);

    (void)state;
    clock_steer(&c, HZ, NS_PER_S);
    /* Another CPU's counter, 100 cycles late. */
    assert_int_equal(clock_at_tsc(&c, HZ - 100), NS_PER_S - 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clock_init__agrees_with_monotonic),
        cmocka_unit_test(clock_init__rate_is_close),
        cmocka_unit_test(clock_init__forced_gettime_uses_no_counter),
        cmocka_unit_test(clock_init__second_instance_is_quick),
        cmocka_unit_test(clock_now__never_goes_back),
        cmocka_unit_test(clock_steer__soon_after_does_nothing),
        cmocka_unit_test(clock_steer__behind_steps_to_true_time),
        cmocka_unit_test(clock_steer__ahead_is_continuous_and_slower),
        cmocka_unit_test(clock_steer__far_ahead_still_runs),
        cmocka_unit_test(clock_steer__measures_the_rate),
        cmocka_unit_test(clock_steer__counter_set_back_starts_over),
        cmocka_unit_test(clock_steer__nonsense_rate_is_not_taken),
        cmocka_unit_test(clock_steer__wandering_counter_is_followed),
        cmocka_unit_test(clock_at_tsc__counter_slightly_behind_does_not_jump),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
