/* SPDX-License-Identifier: MIT */
/* Tests of decimal fractions, in the order of apps/kv/decimal.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "kv/decimal.h"

/* What is written of what was read; "" where it is no number. */
static const char *again(const char *text)
{
    static char out[DECIMAL_TEXT_MAX];
    decimal value;
    bool is = decimal_read((struct span){text, strlen(text)}, &value);
    out[is ? decimal_write(value, out) : 0] = '\0';
    return out;
}

static void read__takes_sign_point_and_power(void **state)
{
    static const char *const pairs[][2] = {{"0", "0"},
                                           {"-0", "0"},
                                           {"7.", "7"},
                                           {".5", "0.5"},
                                           {"-.25", "-0.25"},
                                           {"+4", "4"},
                                           {"00012.50", "12.5"},
                                           {"1e2", "100"},
                                           {"-2.5E+1", "-25"},
                                           {"5e-1", "0.5"},
                                           {"1000.1", "1000.1"},
                                           {"3.0", "3"},
                                           {"0e99999999999", "0"},
                                           {"1e-99999999999", "0"}};
    (void)state;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        assert_string_equal(again(pairs[i][0]), pairs[i][1]);
    }
}

static void read__takes_nothing_else(void **state)
{
    static const char *const wrong[] = {"",  " 1", "1 ",  "abc", "1.2.3", "1e",  "e5",
                                        ".", "-",  "+-1", "1e+", "0x10",  "inf", "nan"};
    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_string_equal(again(wrong[i]), "");
    }
}

static void read__rounds_behind_the_last_place(void **state)
{
    (void)state;
    assert_string_equal(again("0.000000000000000004"), "0");
    assert_string_equal(again("0.000000000000000005"), "0.00000000000000001");
    assert_string_equal(again("-0.999999999999999995"), "-1");
    assert_string_equal(again("0.0000000000000000009"), "0");
    assert_string_equal(again("9e-18"), "0.00000000000000001");
    assert_string_equal(again("1.00000000000000000000000000000000000000000000000009"), "1");
}

static void read__ends_at_ten_to_the_twentieth(void **state)
{
    (void)state;
    assert_string_equal(again("99999999999999999999.99999999999999999"), "99999999999999999999.99999999999999999");
    assert_string_equal(again("-99999999999999999999"), "-99999999999999999999");
    assert_string_equal(again("100000000000000000000"), "");
    assert_string_equal(again("1e20"), "");
    assert_string_equal(again("1e99999999999999999999"), "");
    assert_string_equal(again("123456789012345678901234567890123456789012345678901234567890"), "");
    assert_string_equal(again("123456789012345678901234567890123456789012345678901234567890e-50"),
                        "1234567890.12345678901234568");
}

static void add__is_exact_and_bounded(void **state)
{
    decimal a = 0, b = 0, sum = 0;
    char text[DECIMAL_TEXT_MAX];
    (void)state;
    assert_true(decimal_read((struct span){"1000.1", 6}, &a) && decimal_read((struct span){"0.2", 3}, &b));
    assert_true(decimal_add(a, b, &sum));
    text[decimal_write(sum, text)] = '\0';
    assert_string_equal(text, "1000.3");
    assert_true(decimal_read((struct span){"9e19", 4}, &a) && decimal_read((struct span){"-9e19", 5}, &b));
    assert_false(decimal_add(a, a, &sum));
    assert_false(decimal_add(b, b, &sum));
    assert_true(decimal_add(a, b, &sum) && sum == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(read__takes_sign_point_and_power),   cmocka_unit_test(read__takes_nothing_else),
        cmocka_unit_test(read__rounds_behind_the_last_place), cmocka_unit_test(read__ends_at_ten_to_the_twentieth),
        cmocka_unit_test(add__is_exact_and_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
