/* SPDX-License-Identifier: MIT */
/* The helpers of include/nanopu/message.h: the header word and what a program parses of its arguments. */
#include "nanopu/message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void header__has_address_context_and_length(void **state)
{
    uint64_t h = nanopu_header(0x0a000002, 0x1234, 2048);

    (void)state;
    assert_int_equal(h, UINT64_C(0x0a00000212340800));
    assert_int_equal(nanopu_header_ip(h), 0x0a000002);
    assert_int_equal(nanopu_header_context(h), 0x1234);
    assert_int_equal(nanopu_header_bytes(h), 2048);
}

static void header__fields_do_not_spill(void **state)
{
    (void)state;
    assert_int_equal(nanopu_header(0, 0x10001, 0x10002), 0x10002);
    assert_int_equal(nanopu_header(UINT32_MAX, 0, 0), UINT64_C(0xffffffff00000000));
}

static void header_with_bytes__changes_the_length_alone(void **state)
{
    (void)state;
    assert_int_equal(nanopu_header_with_bytes(nanopu_header(1, 2, 3), 8), nanopu_header(1, 2, 8));
}

static void words__rounds_up(void **state)
{
    (void)state;
    assert_int_equal(nanopu_words(1), 1);
    assert_int_equal(nanopu_words(8), 1);
    assert_int_equal(nanopu_words(9), 2);
    assert_int_equal(nanopu_words(2048), 256);
}

static void ip_parse__reads_four_parts(void **state)
{
    (void)state;
    assert_int_equal(nanopu_ip_parse("10.0.0.2"), 0x0a000002);
    assert_int_equal(nanopu_ip_parse("255.255.255.255"), 0xffffffff);
    assert_int_equal(nanopu_ip_parse("0.0.0.1"), 1);
}

static void ip_parse__refuses_everything_else(void **state)
{
    static const char *const wrong[] = {"",        "10.0.0",    "10.0.0.2.1", "10.0.0.256", "10.0.0.2 ",  "10..0.2",
                                        "a.0.0.2", "10.0.0.-2", "1000.0.0.2", "10.0.0.",    "0010.0.0.2", ".10.0.0.2"};

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_int_equal(nanopu_ip_parse(wrong[i]), 0);
}

static void number_parse__takes_decimal_up_to_64_bits(void **state)
{
    (void)state;
    assert_int_equal(nanopu_number_parse("0", 7), 0);
    assert_int_equal(nanopu_number_parse("18446744073709551615", 7), UINT64_MAX);
}

static void number_parse__gives_the_other_value_otherwise(void **state)
{
    static const char *const wrong[] = {"", "x", "1x", "-1", " 1", "18446744073709551616"};

    (void)state;
    assert_int_equal(nanopu_number_parse(NULL, 7), 7);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_int_equal(nanopu_number_parse(wrong[i], 7), 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(header__has_address_context_and_length),
        cmocka_unit_test(header__fields_do_not_spill),
        cmocka_unit_test(header_with_bytes__changes_the_length_alone),
        cmocka_unit_test(words__rounds_up),
        cmocka_unit_test(ip_parse__reads_four_parts),
        cmocka_unit_test(ip_parse__refuses_everything_else),
        cmocka_unit_test(number_parse__takes_decimal_up_to_64_bits),
        cmocka_unit_test(number_parse__gives_the_other_value_otherwise),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
