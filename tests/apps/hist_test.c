/* SPDX-License-Identifier: MIT */
/* Tests of the programs' histogram, in the order of apps/common/hist.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>

#include "../../apps/common/hist.h"

/* What the histogram promises: a value is known to one part in 128. */
#define RELATIVE_ERROR (1.0 / 128)
#define SAMPLES        20000

static struct hist h;
static struct hist other;

static int setup(void **state)
{
    (void)state;
    hist_reset(&h);
    hist_reset(&other);
    return 0;
}

/* SplitMix64, so that every run has the same values. */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* Values over many octaves, as latencies are: a random number of random bits. */
static uint64_t random_value(uint64_t *state)
{
    uint64_t value = next_random(state);
    return value >> (next_random(state) % 64);
}

static int compare_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void assert_close(uint64_t got, uint64_t want)
{
    double error = fabs((double)got - (double)want);
    if (error > (double)want * RELATIVE_ERROR) {
        fail_msg("got %llu, want %llu: %.3f %% off", (unsigned long long)got, (unsigned long long)want,
                 100 * error / (double)want);
    }
}

static void hist_index__every_value_lies_in_its_bucket(void **state)
{
    (void)state;
    uint64_t seed = 1;
    for (int i = 0; i < SAMPLES; i++) {
        uint64_t value = random_value(&seed);
        uint32_t index = hist_index(value);
        assert_true(index < HIST_BUCKETS);
        assert_true(hist_bucket_low(index) <= value);
        assert_true(value - hist_bucket_low(index) < hist_bucket_width(index));
    }
}

static void hist_index__buckets_join_without_gaps(void **state)
{
    (void)state;
    for (uint32_t i = 0; i + 1 < HIST_BUCKETS; i++) {
        assert_true(hist_bucket_low(i) + hist_bucket_width(i) == hist_bucket_low(i + 1));
        assert_int_equal(hist_index(hist_bucket_low(i)), i);
        assert_int_equal(hist_index(hist_bucket_low(i) + hist_bucket_width(i) - 1), i);
    }
    assert_int_equal(hist_index(UINT64_MAX), HIST_BUCKETS - 1);
}

static void hist_index__buckets_are_narrow(void **state)
{
    (void)state;
    for (uint32_t i = HIST_SUB; i < HIST_BUCKETS; i++) {
        assert_true((double)hist_bucket_width(i) <= (double)hist_bucket_low(i) * RELATIVE_ERROR);
    }
}

static void hist_percentile__of_nothing_is_zero(void **state)
{
    (void)state;
    assert_int_equal(hist_percentile(&h, 50), 0);
    assert_int_equal(hist_min(&h), 0);
    assert_int_equal(h.max_ns, 0);
    assert_true(hist_mean(&h) == 0);
}

static void hist_percentile__of_one_value_is_that_value(void **state)
{
    (void)state;
    hist_record(&h, 123457);
    for (double percent = 0; percent <= 100; percent += 12.5) {
        assert_int_equal(hist_percentile(&h, percent), 123457);
    }
}

static void hist_percentile__small_values_are_exact(void **state)
{
    (void)state;
    for (uint64_t value = 1; value <= 100; value++) {
        hist_record(&h, value);
    }
    for (uint64_t percent = 1; percent <= 100; percent++) {
        assert_int_equal(hist_percentile(&h, (double)percent), percent);
    }
    assert_int_equal(hist_percentile(&h, 50.5), 51);
}

static void hist_percentile__p999_of_a_thousand_is_not_the_maximum(void **state)
{
    (void)state;
    for (int i = 0; i < 999; i++) {
        hist_record(&h, 10);
    }
    hist_record(&h, 5000000);
    assert_int_equal(hist_percentile(&h, 99.9), 10);
    assert_int_equal(hist_percentile(&h, 99.91), 5000000);
}

static void hist_percentile__ends_are_exact(void **state)
{
    (void)state;
    hist_record(&h, 1000003);
    hist_record(&h, 2000003);
    hist_record(&h, 3000017);
    assert_int_equal(hist_percentile(&h, 0), 1000003);
    assert_int_equal(hist_percentile(&h, -1), 1000003);
    assert_int_equal(hist_percentile(&h, NAN), 1000003);
    assert_int_equal(hist_percentile(&h, 100), 3000017);
    assert_int_equal(hist_percentile(&h, 1000), 3000017);
}

static void hist_percentile__is_close_to_the_sorted_values(void **state)
{
    static uint64_t values[SAMPLES];
    static const double percents[] = {0.1, 1, 10, 25, 50, 75, 90, 99, 99.9, 99.99};
    (void)state;
    uint64_t seed = 2;
    for (int i = 0; i < SAMPLES; i++) {
        values[i] = random_value(&seed);
        hist_record(&h, values[i]);
    }
    qsort(values, SAMPLES, sizeof(values[0]), compare_u64);
    for (size_t i = 0; i < sizeof(percents) / sizeof(percents[0]); i++) {
        size_t rank = (size_t)ceil(percents[i] / 100 * SAMPLES - 1e-6);
        assert_close(hist_percentile(&h, percents[i]), values[rank - 1]);
    }
}

static void hist_percentile__never_falls(void **state)
{
    (void)state;
    uint64_t seed = 3;
    for (int i = 0; i < SAMPLES; i++) {
        hist_record(&h, 5000 + next_random(&seed) % 300);
    }
    uint64_t before = 0;
    for (double percent = 0; percent <= 100; percent += 0.01) {
        uint64_t value = hist_percentile(&h, percent);
        assert_true(value >= before);
        before = value;
    }
}

static void hist_mean__is_exact(void **state)
{
    (void)state;
    hist_record(&h, 1000001);
    hist_record(&h, 1000002);
    hist_record(&h, 1000006);
    assert_true(hist_mean(&h) == 1000003);
}

static void hist_mean__of_huge_values_does_not_wrap(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++) {
        hist_record(&h, UINT64_MAX);
    }
    assert_true(fabs(hist_mean(&h) / 0x1p64 - 1) < 1e-9);
    assert_true(hist_percentile(&h, 50) == UINT64_MAX);
}

static void hist_merge__equals_recording_all_in_one(void **state)
{
    static struct hist whole;
    (void)state;
    uint64_t seed = 4;
    hist_reset(&whole);
    for (int i = 0; i < SAMPLES; i++) {
        uint64_t value = random_value(&seed);
        hist_record(i % 3 == 0 ? &h : &other, value);
        hist_record(&whole, value);
    }
    hist_merge(&h, &other);
    assert_memory_equal(&h, &whole, sizeof(h));
}

static void hist_merge__of_an_empty_one_changes_nothing(void **state)
{
    (void)state;
    hist_record(&h, 777);
    hist_merge(&h, &other);
    assert_int_equal(h.count, 1);
    assert_int_equal(hist_min(&h), 777);
    hist_merge(&other, &h);
    assert_memory_equal(&h, &other, sizeof(h));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(hist_index__every_value_lies_in_its_bucket, setup),
        cmocka_unit_test_setup(hist_index__buckets_join_without_gaps, setup),
        cmocka_unit_test_setup(hist_index__buckets_are_narrow, setup),
        cmocka_unit_test_setup(hist_percentile__of_nothing_is_zero, setup),
        cmocka_unit_test_setup(hist_percentile__of_one_value_is_that_value, setup),
        cmocka_unit_test_setup(hist_percentile__small_values_are_exact, setup),
        cmocka_unit_test_setup(hist_percentile__p999_of_a_thousand_is_not_the_maximum, setup),
        cmocka_unit_test_setup(hist_percentile__ends_are_exact, setup),
        cmocka_unit_test_setup(hist_percentile__is_close_to_the_sorted_values, setup),
        cmocka_unit_test_setup(hist_percentile__never_falls, setup),
        cmocka_unit_test_setup(hist_mean__is_exact, setup),
        cmocka_unit_test_setup(hist_mean__of_huge_values_does_not_wrap, setup),
        cmocka_unit_test_setup(hist_merge__equals_recording_all_in_one, setup),
        cmocka_unit_test_setup(hist_merge__of_an_empty_one_changes_nothing, setup),
    };
    return cmocka_run_group_tests_name("hist", tests, NULL, NULL);
}
