/* SPDX-License-Identifier: MIT */
/* Which queue a device with Toeplitz's hash brings a conversation by: tables against the hash as it is defined. */
#include "netdev/flow.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define KEY    UINT16_C(0x6d5a)
#define TRIES  2000
#define QUEUES 3

/* Microsoft's definition: the exclusive or of the 32 bits of the key behind each bit of the input that is set. */
static uint32_t toeplitz(const uint8_t *key, const uint8_t *input, unsigned bytes)
{
    uint32_t hash = 0;

    for (unsigned i = 0; i < bytes * 8; i++) {
        uint64_t window = 0;

        for (unsigned k = 0; k < 5; k++)
            window = window << 8 | key[i / 8 + k];
        if ((input[i / 8] >> (7 - i % 8) & 1) != 0)
            hash ^= (uint32_t)(window >> (8 - i % 8));
    }
    return hash;
}

/* The verification of Microsoft's documents: 66.9.149.187:2794 to 161.142.100.80:1766 has 0x51ccc178. */
static void toeplitz__is_the_one_that_cards_have(void **state)
{
    static const uint8_t key[] = {0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67,
                                  0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb};
    static const uint8_t input[] = {66, 9, 149, 187, 161, 142, 100, 80, 2794 >> 8, 2794 & 0xff, 1766 >> 8, 1766 & 0xff};

    (void)state;
    assert_int_equal(toeplitz(key, input, sizeof(input)), 0x51ccc178);
}

/* input: the remote address, the local one, the ports, as in a frame. */
static void queues_agree(unsigned address, unsigned buckets)
{
    uint8_t key[48], input[36];
    struct flow_deal deal;
    uint32_t seed = buckets;
    unsigned used = 0;

    for (unsigned i = 0; i < sizeof(key); i++)
        key[i] = (uint8_t)(KEY >> (i % 2 == 0 ? 8 : 0));
    flow_deal_init(&deal, KEY, buckets, QUEUES);
    for (unsigned try = 0; try < TRIES; try++) {
        uint16_t fold;
        unsigned queue;

        for (unsigned i = 0; i < sizeof(input); i++)
            input[i] = (uint8_t)((seed = seed * 1664525 + 1013904223) >> 24);
        fold = flow_fold(input, input + address, address, flow_word(input + 2 * (size_t)address));
        queue = flow_queue(&deal, fold);
        assert_int_equal(queue, toeplitz(key, input, 2 * address + 4) % buckets % QUEUES);
        used |= 1u << queue;
    }
    assert_int_equal(used, (1u << QUEUES) - 1);
}

static void queue__is_that_of_the_hash(void **state)
{
    (void)state;
    queues_agree(4, 128);
    queues_agree(16, 128);
    queues_agree(4, FLOW_BUCKETS_MAX);
}

/* The ports that one client takes one after another reach every queue. */
static void queue__differs_from_port_to_port(void **state)
{
    static const uint8_t remote[4] = {10, 0, 0, 1}, local[4] = {10, 0, 0, 2};
    struct flow_deal deal;
    unsigned count[QUEUES] = {0};

    (void)state;
    flow_deal_init(&deal, KEY, 128, QUEUES);
    for (uint32_t port = 40000; port < 40000 + TRIES; port++)
        count[flow_queue(&deal, flow_fold(remote, local, 4, port << 16 | 7000))]++;
    for (unsigned i = 0; i < QUEUES; i++)
        assert_in_range(count[i], TRIES / QUEUES / 2, TRIES / QUEUES * 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(toeplitz__is_the_one_that_cards_have),
        cmocka_unit_test(queue__is_that_of_the_hash),
        cmocka_unit_test(queue__differs_from_port_to_port),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
