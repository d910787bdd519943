/* SPDX-License-Identifier: MIT */
#include "core/trace.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define RECORDS  16
#define START_NS UINT64_C(0x123456789abcdef)

static struct trace t;
static void *mem;

static int setup(void **state)
{
    (void)state;
    mem = calloc(1, trace_bytes(RECORDS));
    memset(&t, 0, sizeof(t));
    trace_init(&t, mem, RECORDS, START_NS);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(mem);
    return 0;
}

static uint64_t time_of(const struct trace_record *r)
{
    return (uint64_t)r->b << 32 | r->a;
}

static void trace_capacity__rounds_up_to_a_power_of_two(void **state)
{
    (void)state;
    assert_int_equal(trace_capacity(1), 1);
    assert_int_equal(trace_capacity(2), 2);
    assert_int_equal(trace_capacity(1000), 1024);
    assert_int_equal(trace_capacity(1024), 1024);
    assert_int_equal(trace_capacity(1025), 2048);
    assert_int_equal(trace_capacity(UINT32_C(1) << 31), UINT32_C(1) << 31);
}

static void trace_bytes__holds_head_and_records(void **state)
{
    (void)state;
    assert_int_equal(trace_bytes(RECORDS), t.head->records_offset + RECORDS * sizeof(struct trace_record));
    assert_int_equal(t.head->records_offset % CACHE_LINE, 0);
}

static void trace_init__head_says_who_and_how(void **state)
{
    (void)state;
    assert_int_equal(t.head->magic, TRACE_MAGIC);
    assert_int_equal(t.head->version, TRACE_VERSION);
    assert_int_equal(t.head->pid, getpid());
    assert_string_equal(t.head->program, program_invocation_short_name);
    assert_int_equal(t.head->capacity, RECORDS);
    assert_int_equal(t.head->record_bytes, sizeof(struct trace_record));
    assert_int_equal(t.head->start_ns, START_NS);
    assert_int_equal(t.head->event_count, TRACE_EVENT_MAX);
    assert_string_equal(t.head->event_name[TRACE_ACCEPT][0], "ACCEPT");
    assert_string_equal(t.head->event_name[TRACE_ACCEPT][1], "qd");
    assert_string_equal(t.head->event_name[TRACE_ACCEPT][2], "new_qd");
}

static void trace_init__begins_with_the_full_time(void **state)
{
    (void)state;
    assert_int_equal(t.head->written, 1);
    assert_int_equal(t.records[0].event, TRACE_TIME);
    assert_int_equal(time_of(&t.records[0]), START_NS);
    assert_int_equal(t.head->time_ns, START_NS);
}

static void trace_add__writes_all_fields(void **state)
{
    const struct trace_record *r = &t.records[1];

    (void)state;
    trace_set_time(&t, START_NS + 6400);
    trace_add(&t, TRACE_PUSH, 11, 500, 64);
    assert_int_equal(t.head->written, 2);
    assert_int_equal(r->event, TRACE_PUSH);
    assert_int_equal(r->c, 11);
    assert_int_equal(r->a, 500);
    assert_int_equal(r->b, 64);
    assert_int_equal(r->time - t.records[0].time, 100);
}

static void trace_add__overwrites_the_oldest(void **state)
{
    (void)state;
    for (uint32_t i = 1; i <= RECORDS; i++)
        trace_add(&t, TRACE_POP, 0, i, 0);
    assert_int_equal(t.head->written, RECORDS + 1);
    assert_int_equal(t.records[0].a, RECORDS); /* where TIME was */
    assert_int_equal(t.records[1].a, 1);
}

static void trace_add__without_ring_does_nothing(void **state)
{
    struct trace off = {0};

    (void)state;
    trace_set_time(&off, START_NS);
    trace_add(&off, TRACE_PUSH, 0, 1, 2);
    trace_set_time(&off, START_NS + 1000 * NS_PER_S);
    assert_null(off.head);
}

static void trace_set_time__time_record_when_the_last_is_old(void **state)
{
    (void)state;
    trace_set_time(&t, START_NS + TRACE_TIME_GAP_NS);
    assert_int_equal(t.head->written, 1);
    trace_set_time(&t, START_NS + TRACE_TIME_GAP_NS + 1);
    assert_int_equal(t.head->time_ns, START_NS + TRACE_TIME_GAP_NS + 1);
    assert_int_equal(time_of(&t.records[t.head->written - 1]), t.head->time_ns);
}

static void trace_set_time__gap_has_a_time_record_on_either_side(void **state)
{
    uint64_t before = START_NS + 50 * NS_PER_S, after = before + 5000 * NS_PER_S;
    uint64_t last;

    (void)state;
    trace_set_time(&t, before);
    trace_add(&t, TRACE_SLEEP, 0, 0, 0);
    trace_set_time(&t, after);
    trace_add(&t, TRACE_WAKE, 0, 0, 0);
    last = t.head->written - 1;
    assert_int_equal(t.records[last].event, TRACE_WAKE);
    assert_int_equal(time_of(&t.records[last - 1]), after);
    assert_in_range(time_of(&t.records[last - 2]), before - 64, before + 64);
    assert_int_equal(t.records[last - 3].event, TRACE_SLEEP);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(trace_capacity__rounds_up_to_a_power_of_two),
        TEST(trace_bytes__holds_head_and_records),
        TEST(trace_init__head_says_who_and_how),
        TEST(trace_init__begins_with_the_full_time),
        TEST(trace_add__writes_all_fields),
        TEST(trace_add__overwrites_the_oldest),
        TEST(trace_add__without_ring_does_nothing),
        TEST(trace_set_time__time_record_when_the_last_is_old),
        TEST(trace_set_time__gap_has_a_time_record_on_either_side),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
