/* SPDX-License-Identifier: MIT */
#include "core/counter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static struct stat_page page;

static int setup(void **state)
{
    (void)state;
    memset(&page, 0, sizeof(page));
    return 0;
}

static void counter_name__is_the_list(void **state)
{
    (void)state;
    assert_string_equal(counter_name(CTR_polls), "polls");
    assert_string_equal(counter_name(CTR_peer_protocol_errors), "peer_protocol_errors");
    assert_string_equal(counter_help(CTR_polls), "turns of the poll loop");
}

static void counter_name__is_unique(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNTER_MAX; i++) {
        for (unsigned j = 0; j < i; j++)
            assert_string_not_equal(counter_name((enum counter)i), counter_name((enum counter)j));
    }
}

static void stat_page_init__says_who_and_when(void **state)
{
    struct timespec ts;

    (void)state;
    stat_page_init(&page, "catnap", "echo");
    clock_gettime(CLOCK_REALTIME, &ts);
    assert_int_equal(page.magic, STAT_MAGIC);
    assert_int_equal(page.version, STAT_VERSION);
    assert_int_equal(page.pid, getpid());
    assert_int_equal(page.tid, gettid());
    assert_string_equal(page.libos, "catnap");
    assert_string_equal(page.program, "echo");
    assert_in_range(page.start_unix_ns / NS_PER_S, (uint64_t)ts.tv_sec - 5, (uint64_t)ts.tv_sec);
}

static void stat_page_init__names_are_found_through_the_head(void **state)
{
    const char *name;
    const uint64_t *value;

    (void)state;
    stat_page_init(&page, "", "");
    page.value[CTR_pushes] = 42;
    assert_int_equal(page.count, COUNTER_MAX);
    name = (const char *)&page + page.name_offset + CTR_pushes * STAT_NAME_MAX;
    value = (const uint64_t *)(const void *)((const char *)&page + page.value_offset) + CTR_pushes;
    assert_string_equal(name, "pushes");
    assert_int_equal(*value, 42);
}

static void stat_page_init__long_names_are_cut(void **state)
{
    (void)state;
    stat_page_init(&page, "catnap", "a-program-with-a-name-of-more-than-thirty-two-bytes");
    assert_int_equal(strlen(page.program), STAT_NAME_MAX - 1);
}

static void stat_page__values_have_lines_of_their_own(void **state)
{
    (void)state;
    assert_int_equal(offsetof(struct stat_page, value) % CACHE_LINE, 0);
}

#define TEST(f) cmocka_unit_test_setup(f, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(counter_name__is_the_list),          TEST(counter_name__is_unique),
        TEST(stat_page_init__says_who_and_when),  TEST(stat_page_init__names_are_found_through_the_head),
        TEST(stat_page_init__long_names_are_cut), TEST(stat_page__values_have_lines_of_their_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
