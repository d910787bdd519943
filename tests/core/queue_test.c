/* SPDX-License-Identifier: MIT */
#include "core/queue.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CAPACITY 64

static struct queue_table t;
static const struct queue_ops ops = {.name = "test"};

static int setup(void **state)
{
    (void)state;
    return queue_table_init(&t, CAPACITY);
}

static int teardown(void **state)
{
    uint32_t left = t.used;

    (void)state;
    queue_table_fini(&t);
    if (left != 0)
        print_error("%u queues are still open\n", left);
    return left == 0 ? 0 : -1;
}

static void queue_alloc__descriptors_start_at_500(void **state)
{
    struct queue *a = queue_alloc(&t, &ops), *b = queue_alloc(&t, &ops);

    (void)state;
    assert_int_equal(a->qd, 500);
    assert_int_equal(b->qd, 501);
    queue_free(&t, a);
    queue_free(&t, b);
}

static void queue_alloc__fresh_queue_is_clean(void **state)
{
    struct queue *q;

    (void)state;
    for (unsigned i = 0; i < CAPACITY; i++) {
        q = queue_alloc(&t, &ops);
        memset(&q->word, 0xff, sizeof(q->word));
        q->flags = q->error = 7;
        q->done_count = 3;
        queue_free(&t, q);
    }
    q = queue_alloc(&t, &ops); /* a slot that was used before */
    assert_ptr_equal(q->ops, &ops);
    assert_int_equal(q->fd, -1);
    assert_int_equal(q->status, QUEUE_FRESH);
    assert_int_equal(q->flags, 0);
    assert_int_equal(q->error, 0);
    assert_int_equal(q->done_count, 0);
    assert_int_equal(q->word[0], 0);
    assert_true(op_list_is_empty(&q->pops) && op_list_is_empty(&q->pushes));
    queue_free(&t, q);
}

static void queue_lookup__finds_what_is_open(void **state)
{
    struct queue *a = queue_alloc(&t, &ops), *b = queue_alloc(&t, &ops);

    (void)state;
    assert_ptr_equal(queue_lookup(&t, a->qd), a);
    assert_ptr_equal(queue_lookup(&t, b->qd), b);
    queue_free(&t, a);
    assert_ptr_equal(queue_lookup(&t, b->qd), b);
    queue_free(&t, b);
}

static void queue_lookup__garbage(void **state)
{
    static const int garbage[] = {INT_MIN, INT_MIN + 500, -1, 0, 1, 499, 501, 500 + CAPACITY, INT_MAX - 1, INT_MAX};
    struct queue *q = queue_alloc(&t, &ops);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(garbage); i++)
        assert_null(queue_lookup(&t, garbage[i]));
    for (unsigned bit = 0; bit < 32; bit++)
        assert_null(queue_lookup(&t, (int)((unsigned)q->qd ^ (1U << bit))));
    queue_free(&t, q);
}

static void queue_free__descriptor_is_stale(void **state)
{
    struct queue *q = queue_alloc(&t, &ops);
    int qd = q->qd;

    (void)state;
    queue_free(&t, q);
    assert_null(queue_lookup(&t, qd));
    assert_null(queue_lookup(&t, q->qd)); /* the next generation is not open yet */
}

static void queue_alloc__refuses_when_full_and_recovers(void **state)
{
    struct queue *q[CAPACITY];

    (void)state;
    for (unsigned i = 0; i < CAPACITY; i++) {
        q[i] = queue_alloc(&t, &ops);
        assert_non_null(q[i]);
    }
    assert_null(queue_alloc(&t, &ops));
    assert_int_equal(t.used, CAPACITY);
    queue_free(&t, q[13]);
    assert_ptr_equal(queue_alloc(&t, &ops), q[13]);
    assert_null(queue_alloc(&t, &ops));
    for (unsigned i = 0; i < CAPACITY; i++)
        queue_free(&t, q[i]);
}

static void queue_alloc__reuses_the_longest_free_first(void **state)
{
    static const unsigned order[] = {9, 3, 40, 0, 63};
    struct queue *q[CAPACITY];

    (void)state;
    for (unsigned i = 0; i < CAPACITY; i++)
        q[i] = queue_alloc(&t, &ops);
    for (size_t i = 0; i < ARRAY_LEN(order); i++)
        queue_free(&t, q[order[i]]);
    for (size_t i = 0; i < ARRAY_LEN(order); i++)
        assert_ptr_equal(queue_alloc(&t, &ops), q[order[i]]);
    for (unsigned i = 0; i < CAPACITY; i++)
        queue_free(&t, q[i]);
}

static void queue_alloc__reused_slot_has_another_descriptor(void **state)
{
    int old[CAPACITY];

    (void)state;
    for (unsigned i = 0; i < CAPACITY; i++) {
        struct queue *q = queue_alloc(&t, &ops);

        old[i] = q->qd;
        queue_free(&t, q);
    }
    for (unsigned i = 0; i < 100 * CAPACITY; i++) {
        struct queue *q = queue_alloc(&t, &ops);

        assert_int_equal(q->qd, old[i % CAPACITY] + CAPACITY);
        assert_null(queue_lookup(&t, old[i % CAPACITY]));
        assert_ptr_equal(queue_lookup(&t, q->qd), q);
        old[i % CAPACITY] = q->qd;
        queue_free(&t, q);
    }
}

static void queue_free__generations_wrap_below_the_largest_int(void **state)
{
    struct queue *q = queue_alloc(&t, &ops);
    uint32_t index = (uint32_t)(q - t.queues);

    (void)state;
    q->qd = INT_MAX - (INT_MAX - QD_FIRST - (int)index) % CAPACITY; /* the last generation there is */
    assert_ptr_equal(queue_lookup(&t, q->qd), q);
    queue_free(&t, q);
    assert_int_equal(q->qd, QD_FIRST + (int)index);
}

static void queue_table_init__rounds_up_to_a_power_of_two(void **state)
{
    struct queue_table other;

    (void)state;
    assert_int_equal(queue_table_init(&other, 100), 0);
    assert_int_equal(other.capacity, 128);
    queue_table_fini(&other);
    assert_int_equal(queue_table_init(&other, 1), 0);
    assert_int_equal(other.capacity, 1);
    queue_table_fini(&other);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(queue_alloc__descriptors_start_at_500),
        TEST(queue_alloc__fresh_queue_is_clean),
        TEST(queue_lookup__finds_what_is_open),
        TEST(queue_lookup__garbage),
        TEST(queue_free__descriptor_is_stale),
        TEST(queue_alloc__refuses_when_full_and_recovers),
        TEST(queue_alloc__reuses_the_longest_free_first),
        TEST(queue_alloc__reused_slot_has_another_descriptor),
        TEST(queue_free__generations_wrap_below_the_largest_int),
        TEST(queue_table_init__rounds_up_to_a_power_of_two),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
