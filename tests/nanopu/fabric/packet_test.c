/* SPDX-License-Identifier: MIT */
#include "nanopu/fabric/packet.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void packet_alloc__stops_at_the_bound_and_counts_it(void **state)
{
    struct packet_pool pool;
    struct packet *held[100];

    (void)state;
    packet_pool_init(&pool, 0, 100);
    for (unsigned i = 0; i < 100; i++) {
        held[i] = packet_alloc(&pool);
        assert_non_null(held[i]);
    }
    assert_null(packet_alloc(&pool));
    assert_int_equal(pool.exhausted, 1);
    packet_free(&pool, held[7]);
    assert_ptr_equal(packet_alloc(&pool), held[7]);
    for (unsigned i = 0; i < 100; i++)
        packet_free(&pool, held[i]);
    assert_int_equal(pool.in_use, 0);
    packet_pool_fini(&pool);
}

static void packet_alloc__ids_tell_node_and_sequence(void **state)
{
    struct packet_pool pool;
    struct packet *first, *second;

    (void)state;
    packet_pool_init(&pool, 3, 10);
    first = packet_alloc(&pool);
    first->len_bytes = 65;
    assert_int_equal(packet_flits(first), 9);
    assert_int_equal(first->id, UINT64_C(4) << 40);
    packet_free(&pool, first);
    second = packet_alloc(&pool);
    assert_int_equal(second->id, (UINT64_C(4) << 40) + 1);
    assert_int_equal(second->len_bytes, 0);
    packet_free(&pool, second);
    packet_pool_fini(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packet_alloc__stops_at_the_bound_and_counts_it),
        cmocka_unit_test(packet_alloc__ids_tell_node_and_sequence),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
