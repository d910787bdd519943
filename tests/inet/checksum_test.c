/* SPDX-License-Identifier: MIT */
#include "rig.h"

/* RFC 1071 as it stands: 16 bits at a time. */
static uint16_t simple_sum(const uint8_t *p, size_t len)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < len; i++)
        sum += i % 2 == 0 ? (uint32_t)p[i] << 8 : p[i];
    while (sum >> 16 != 0)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

static void checksum_add__agrees_with_the_definition(void **state)
{
    uint8_t bytes[600]; /* short ways, whole strides, and what follows them */
    unsigned seed = 1;

    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i % 3 == 0 ? 0xff : rand_r(&seed) >> 8);
    for (size_t from = 0; from < 9; from++)
        for (size_t len = 0; from + len <= sizeof(bytes); len++)
            assert_int_equal(be16toh(checksum_fold(checksum_add(0, bytes + from, len))), simple_sum(bytes + from, len));
}

static void checksum_add__carries_are_kept(void **state)
{
    static uint8_t ones[65536];

    (void)state;
    memset(ones, 0xff, sizeof(ones));
    assert_int_equal(checksum_fold(checksum_add(UINT64_MAX, ones, sizeof(ones))), 0xffff);
    assert_int_equal(checksum_fold(checksum_join(UINT64_MAX, UINT64_MAX)), 0xffff);
}

static void checksum_add_at__pieces_of_odd_length(void **state)
{
    uint8_t bytes[64];

    (void)state;
    for (unsigned i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 37);
    for (size_t cut = 0; cut <= sizeof(bytes); cut++) {
        uint64_t sum = checksum_add_at(0, bytes, cut, false);

        sum = checksum_add_at(sum, bytes + cut, sizeof(bytes) - cut, cut % 2 == 1);
        assert_int_equal(be16toh(checksum_fold(sum)), simple_sum(bytes, sizeof(bytes)));
    }
}

/* RFC 1624, section 3: both zeros of one's complement are the same number. */
static void checksum_good__both_zeros(void **state)
{
    const uint8_t plus[] = {0x12, 0x34, 0xed, 0xcb, 0x00, 0x00}, minus[] = {0x12, 0x34, 0xed, 0xcb, 0xff, 0xff};
    const uint8_t wrong[] = {0x12, 0x34, 0xed, 0xcb, 0x00, 0x01};

    (void)state;
    assert_true(checksum_good(checksum_add(0, plus, sizeof(plus))));
    assert_true(checksum_good(checksum_add(0, minus, sizeof(minus))));
    assert_false(checksum_good(checksum_add(0, wrong, sizeof(wrong))));
}

static void checksum_pseudo__both_families(void **state)
{
    struct inet_addr a4 = INET_ADDR4(192, 0, 2, 1), b4 = INET_ADDR4(192, 0, 2, 255);
    struct inet_addr a6 = {{{0x20, 1, 0xd, 0xb8, [15] = 1}}}, b6 = {{{0x20, 1, 0xd, 0xb8, [15] = 2}}};
    uint8_t h4[12] = {192, 0, 2, 1, 192, 0, 2, 255, 0, 6, 0x12, 0x34};
    uint8_t h6[40] = {0x20, 1, 0xd, 0xb8, [15] = 1, 0x20, 1, 0xd, 0xb8, [31] = 2, 0, 0, 0x12, 0x34, [39] = 6};

    (void)state;
    assert_int_equal(be16toh(checksum_fold(checksum_pseudo(&a4, &b4, 6, 0x1234))), simple_sum(h4, 12));
    assert_int_equal(be16toh(checksum_fold(checksum_pseudo(&a6, &b6, 6, 0x1234))), simple_sum(h6, 40));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checksum_add__agrees_with_the_definition), cmocka_unit_test(checksum_add__carries_are_kept),
        cmocka_unit_test(checksum_add_at__pieces_of_odd_length),    cmocka_unit_test(checksum_good__both_zeros),
        cmocka_unit_test(checksum_pseudo__both_families),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
