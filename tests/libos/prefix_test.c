/* SPDX-License-Identifier: MIT */
/* Addresses and prefixes in settings. */
#include "libos/prefix.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/base.h"

static struct prefix_list list;
static char bad[PREFIX_WORD];

static bool has(const char *text)
{
    struct inet_addr a;

    assert_true(prefix_parse_addr(text, &a));
    return prefix_list_has(&list, &a);
}

static void refused(const char *text, int err, const char *word)
{
    assert_int_equal(prefix_list_parse(&list, text, bad), err);
    assert_string_equal(bad, word);
}

static void prefix__both_families_and_both_separators(void **state)
{
    (void)state;
    assert_int_equal(prefix_list_parse(&list, " 127.0.0.0/8,::1 10.1.2.3,, fd00::/12 ", bad), 0);
    assert_int_equal(list.count, 4);
    assert_true(has("127.0.0.1") && has("127.255.255.255") && has("::1") && has("10.1.2.3") && has("fd0f::7"));
    assert_false(has("126.255.255.255") || has("128.0.0.0") || has("::2") || has("10.1.2.4") || has("fd10::"));
}

static void prefix__empty_has_nothing(void **state)
{
    (void)state;
    assert_int_equal(prefix_list_parse(&list, " , ", bad), 0);
    assert_false(has("127.0.0.1") || has("::1"));
}

static void prefix__all_of_a_family_is_not_the_other(void **state)
{
    (void)state;
    assert_int_equal(prefix_list_parse(&list, "::/0", bad), 0);
    assert_true(has("fe80::1") && has("::"));
    assert_false(has("1.2.3.4") || has("0.0.0.0"));
    assert_int_equal(prefix_list_parse(&list, "0.0.0.0/0", bad), 0);
    assert_true(has("1.2.3.4") && has("0.0.0.0") && has("::ffff:1.2.3.4"));
    assert_false(has("::") || has("fe80::1"));
}

static void prefix__what_is_none_is_named(void **state)
{
    static const char *const words[] = {
        "127.0.0.0/33", "::1/129",      "127.0.0.1/",        "127.0.0.1/8x", "127.0.0.1/-1",
        "here",         "127.0.0.1/+8", "::ffff:1.2.3.4/96", "/8",           "127.0.0.1/4294967304"};
    char text[128];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        snprintf(text, sizeof(text), "10.0.0.1, %s, ::1", words[i]);
        refused(text, -EINVAL, words[i]);
    }
    memset(text, '1', 100);
    text[100] = '\0';
    assert_int_equal(prefix_list_parse(&list, text, bad), -EINVAL);
    assert_int_equal(strlen(bad), PREFIX_WORD - 1);
}

static void prefix__so_many_and_not_one_more(void **state)
{
    char text[(PREFIXES_MAX + 1) * 9 + 1] = "";

    (void)state;
    for (int i = 0; i < PREFIXES_MAX; i++)
        strcat(text, "10.0.0.1 ");
    assert_int_equal(prefix_list_parse(&list, text, bad), 0);
    assert_int_equal(list.count, PREFIXES_MAX);
    strcat(text, "10.0.0.1");
    assert_int_equal(prefix_list_parse(&list, text, bad), -E2BIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prefix__both_families_and_both_separators), cmocka_unit_test(prefix__empty_has_nothing),
        cmocka_unit_test(prefix__all_of_a_family_is_not_the_other),  cmocka_unit_test(prefix__what_is_none_is_named),
        cmocka_unit_test(prefix__so_many_and_not_one_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
