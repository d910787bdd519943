/* SPDX-License-Identifier: MIT */
/* Section 9.1 of the machine's contract, rule by rule; an iteration has 140 cycles unless said otherwise. */
#include "switch_rig.h"

static void osdi21__cut_through_where_the_iteration_allows(void **state)
{
    struct rig *r = rig_make(SWITCH_OSDI21);

    (void)state;
    rig_start(r);
    rig_put(r, 0, 1400 + 17, 3, DATA, 80);
    assert_int_equal(switch_next_event(r->s), 1539);
    switch_advance(r->s, 1400);
    assert_int_equal(r->count, 0);
    switch_advance(r->s, 1540);
    assert_int_equal(r->count, 1);
    assert_sent(r, 0, 1, 1417, 80);
    rig_end(r);
}

static void osdi21__the_switching_latency_counts_from_the_first_flit(void **state)
{
    struct rig *r = rig_make(SWITCH_OSDI21);

    (void)state;
    r->config.latency_cycles = 10;
    rig_start(r);
    rig_put(r, 0, 1417, 3, DATA, 80);
    switch_advance(r->s, 1540);
    assert_sent(r, 0, 1, 1427, 80);
    rig_end(r);
}

static void osdi21__a_packet_counts_in_the_iteration_of_its_last_flit(void **state)
{
    struct rig *r = rig_make(SWITCH_OSDI21);

    (void)state;
    rig_start(r);
    rig_put(r, 0, 1535, 3, DATA, 80); /* 10 flits: the last in 1544 */
    switch_advance(r->s, 1540);
    assert_int_equal(r->count, 0);
    switch_advance(r->s, 1680);
    assert_sent(r, 0, 1, 1540, 80); /* its stamp is over: from the iteration's start */
    rig_end(r);
}

static void osdi21__one_full_packet_an_iteration_of_140(void **state)
{
    struct rig *r = rig_make(SWITCH_OSDI21);

    (void)state;
    rig_start(r);
    for (unsigned i = 0; i < 3; i++)
        rig_put(r, i, 1400, 5, DATA, 1088);
    switch_advance(r->s, 1400 + 4 * 140);
    assert_int_equal(r->count, 3);
    for (unsigned i = 0; i < 3; i++)
        assert_sent(r, i, 3, 1400 + 140 * i, 1088);
    rig_end(r);
}

static void osdi21__eight_full_packets_an_iteration_of_1218(void **state)
{
    struct rig *r = rig_make(SWITCH_OSDI21);

    (void)state;
    r->config.iteration_cycles = 1218;
    r->config.low_bytes = 54400;
    rig_start(r);
    for (unsigned i = 0; i < 9; i++)
        rig_put(r, i % 3, 136 * (i / 3), 5, DATA, 1088);
    switch_advance(r->s, 1218);
    assert_int_equal(r->count, 8);
    switch_advance(r->s, 2436);
    assert_int_equal(r->count, 9);
    assert_sent(r, 8, 3, 1218, 1088);
    rig_end(r);
}

static void osdi21__a_packet_has_to_end_before_the_iteration_does(void **state)
{
    struct rig *r = rig_make(SWITCH_OSDI21);

    (void)state;
    rig_start(r);
    rig_put(r, 0, 1400 + 129, 3, DATA, 80); /* 129 + 10 = 139 */
    rig_put(r, 1, 1400 + 130, 4, DATA, 80); /* 130 + 10 = 140: not before it */
    switch_advance(r->s, 1680);
    assert_int_equal(r->count, 2);
    assert_sent(r, 0, 1, 1529, 80);
    assert_sent(r, 1, 2, 1540, 80);
    rig_end(r);
}

static void osdi21__time_stamps_order_the_ports(void **state)
{
    struct rig *r = rig_make(SWITCH_OSDI21);

    (void)state;
    rig_start(r);
    rig_put(r, 0, 1420, 5, DATA, 80);
    rig_put(r, 1, 1410, 5, DATA, 88);
    rig_put(r, 2, 1420, 5, DATA, 96);
    switch_advance(r->s, 1540);
    assert_sent(r, 0, 3, 1410, 88);
    assert_sent(r, 1, 3, 1421, 80);
    assert_sent(r, 2, 3, 1431, 96);
    rig_end(r);
}

static void osdi21__high_priority_goes_first_within_an_iteration(void **state)
{
    struct rig *r = rig_make(SWITCH_OSDI21);

    (void)state;
    rig_start(r);
    rig_put(r, 0, 1400, 5, DATA, 80);
    rig_put(r, 1, 1450, 5, ACK, 128);
    switch_advance(r->s, 1540);
    assert_sent(r, 0, 3, 1450, 128); /* although the other was there before it */
    assert_sent(r, 1, 3, 1466, 80);
    rig_end(r);
}

static void osdi21__a_waiting_high_packet_holds_the_low_ones(void **state)
{
    struct rig *r = rig_make(SWITCH_OSDI21);

    (void)state;
    r->config.latency_cycles = 100;
    rig_start(r);
    rig_put(r, 0, 1390, 5, DATA, 80); /* may leave from 1490 on */
    rig_put(r, 1, 1445, 5, ACK, 128); /* not before 1545 */
    switch_advance(r->s, 1540);
    assert_int_equal(r->count, 0);
    switch_advance(r->s, 1680);
    assert_sent(r, 0, 3, 1545, 128);
    assert_sent(r, 1, 3, 1561, 80);
    rig_end(r);
}

static void osdi21__limits_are_strict_and_count_flits(void **state)
{
    struct rig *r = rig_make(SWITCH_OSDI21);

    (void)state;
    r->config.low_bytes = 88 + 1088;
    rig_start(r);
    rig_put(r, 0, 1400, 5, DATA, 81);   /* 11 flits: 88 bytes */
    rig_put(r, 1, 1401, 5, DATA, 1087); /* 1088 more would be 1176: not less than the limit */
    switch_advance(r->s, 1540);
    assert_int_equal(switch_stats(r->s)->trimmed, 1);
    assert_sent(r, 0, 3, 1401, 72);
    assert_sent(r, 1, 3, 1410, 81);
    rig_end(r);
}

static void osdi21__a_trimmed_header_without_room_is_dropped(void **state)
{
    struct rig *r = rig_make(SWITCH_OSDI21);

    (void)state;
    r->config.low_bytes = 64;
    r->config.high_bytes = 73;
    rig_start(r);
    rig_put(r, 0, 1400, 5, DATA, 1088);
    rig_put(r, 1, 1401, 5, DATA, 1088);
    rig_put(r, 2, 1402, 5, ACK, 128);
    rig_put(r, 3, 1403, 5, DATA | FLAG_CHOP, 72);
    switch_advance(r->s, 1680);
    assert_int_equal(r->count, 1);
    assert_int_equal(switch_stats(r->s)->drop_high, 3);
    rig_end(r);
}

static void osdi21__a_packet_longer_than_the_iteration_is_dropped(void **state)
{
    struct rig *r = rig_make(SWITCH_OSDI21);

    (void)state;
    r->config.iteration_cycles = 42;
    rig_start(r);
    rig_put(r, 0, 420, 5, DATA, 1088);
    rig_put(r, 1, 420, 5, DATA, 328); /* 41 flits */
    switch_advance(r->s, 42000);
    assert_int_equal(r->count, 1);
    assert_sent(r, 0, 3, 420, 328);
    assert_int_equal(switch_stats(r->s)->drop_long, 1);
    rig_end(r);
}

static void osdi21__skipped_time_changes_nothing(void **state)
{
    struct rig *a = rig_make(SWITCH_OSDI21), *b = rig_make(SWITCH_OSDI21);

    (void)state;
    rig_start(a);
    rig_start(b);
    for (unsigned i = 0; i < 40; i++) {
        unsigned port = i * 7 % 4, len = 72 + i * 37 % 1000;
        uint64_t cycle = 5000 + (uint64_t)i * i * 60;

        rig_put(a, port, cycle, 2 + i % 4, i % 3 == 0 ? ACK : DATA, len);
        rig_put(b, port, cycle, 2 + i % 4, i % 3 == 0 ? ACK : DATA, len);
    }
    for (uint64_t t = 140; t < 140 * 1000; t += 140)
        switch_advance(a->s, t);
    while (switch_next_event(b->s) != UINT64_MAX)
        switch_advance(b->s, (switch_next_event(b->s) / 140 + 1) * 140);
    assert_int_equal(a->count, 40);
    assert_int_equal(b->count, 40);
    for (unsigned i = 0; i < 40; i++)
        assert_sent(a, i, b->sent[i].port, b->sent[i].cycle, b->sent[i].p.len_bytes);
    rig_end(a);
    rig_end(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(osdi21__cut_through_where_the_iteration_allows),
        cmocka_unit_test(osdi21__the_switching_latency_counts_from_the_first_flit),
        cmocka_unit_test(osdi21__a_packet_counts_in_the_iteration_of_its_last_flit),
        cmocka_unit_test(osdi21__one_full_packet_an_iteration_of_140),
        cmocka_unit_test(osdi21__eight_full_packets_an_iteration_of_1218),
        cmocka_unit_test(osdi21__a_packet_has_to_end_before_the_iteration_does),
        cmocka_unit_test(osdi21__time_stamps_order_the_ports),
        cmocka_unit_test(osdi21__high_priority_goes_first_within_an_iteration),
        cmocka_unit_test(osdi21__a_waiting_high_packet_holds_the_low_ones),
        cmocka_unit_test(osdi21__limits_are_strict_and_count_flits),
        cmocka_unit_test(osdi21__a_trimmed_header_without_room_is_dropped),
        cmocka_unit_test(osdi21__a_packet_longer_than_the_iteration_is_dropped),
        cmocka_unit_test(osdi21__skipped_time_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
