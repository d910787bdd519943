/* SPDX-License-Identifier: MIT */
#include "switch_rig.h"

static void exact__cut_through_adds_the_latency_alone(void **state)
{
    struct rig *r = rig_make(SWITCH_EXACT);

    (void)state;
    r->config.latency_cycles = 7;
    rig_start(r);
    rig_put(r, 0, 1000, 3, DATA, 1088);
    assert_int_equal(switch_next_event(r->s), 1007);
    switch_advance(r->s, 1008);
    assert_int_equal(r->count, 1);
    assert_sent(r, 0, 1, 1007, 1088);
    assert_memory_equal(&r->sent[0].p.data[PACKET_HEADER_BYTES], "\xab\xab\xab", 3);
    assert_int_equal(switch_next_event(r->s), UINT64_MAX);
    rig_end(r);
}

static void exact__store_and_forward_waits_for_the_last_flit(void **state)
{
    struct rig *r = rig_make(SWITCH_EXACT);

    (void)state;
    r->config.store_and_forward = true;
    rig_start(r);
    rig_put(r, 0, 1000, 3, DATA, 1088);
    switch_advance(r->s, 2000);
    assert_sent(r, 0, 1, 1136, 1088);
    rig_end(r);
}

static void exact__an_output_sends_one_flit_a_cycle(void **state)
{
    struct rig *r = rig_make(SWITCH_EXACT);

    (void)state;
    rig_start(r);
    rig_put(r, 0, 100, 5, DATA, 1088);
    rig_put(r, 1, 101, 5, DATA, 81);
    rig_put(r, 2, 102, 4, DATA, 80);
    switch_advance(r->s, 1000);
    assert_int_equal(r->count, 3);
    assert_sent(r, 0, 3, 100, 1088);
    assert_sent(r, 1, 2, 102, 80); /* another output does not wait */
    assert_sent(r, 2, 3, 236, 81);
    rig_end(r);
}

static void exact__nothing_leaves_at_or_after_until(void **state)
{
    struct rig *r = rig_make(SWITCH_EXACT);

    (void)state;
    rig_start(r);
    rig_put(r, 0, 100, 5, DATA, 1088);
    rig_put(r, 1, 101, 5, DATA, 80);
    switch_advance(r->s, 236);
    assert_int_equal(r->count, 1);
    assert_int_equal(switch_next_event(r->s), 236);
    switch_advance(r->s, 237);
    assert_sent(r, 1, 3, 236, 80);
    rig_end(r);
}

static void exact__ties_go_to_the_lower_port(void **state)
{
    struct rig *r = rig_make(SWITCH_EXACT);

    (void)state;
    rig_start(r);
    rig_put(r, 2, 100, 5, DATA, 80);
    rig_put(r, 1, 100, 5, DATA, 88);
    switch_advance(r->s, 1000);
    assert_sent(r, 0, 3, 100, 88);
    assert_sent(r, 1, 3, 111, 80);
    rig_end(r);
}

static void exact__control_overtakes_waiting_data(void **state)
{
    struct rig *r = rig_make(SWITCH_EXACT);

    (void)state;
    rig_start(r);
    rig_put(r, 0, 100, 5, DATA, 1088);
    rig_put(r, 1, 101, 5, DATA, 1088);
    rig_put(r, 2, 235, 5, ACK, 128);
    switch_advance(r->s, 1000);
    assert_sent(r, 1, 3, 236, 128);
    assert_sent(r, 2, 3, 252, 1088);
    rig_end(r);
}

static void exact__data_beyond_the_limit_is_trimmed(void **state)
{
    struct rig *r = rig_make(SWITCH_EXACT);

    (void)state;
    rig_start(r);
    /* One is being sent; four wait: 4352 bytes of 4375. */
    for (unsigned i = 0; i < 6; i++)
        rig_put(r, i % 3, 100 + 200 * (i / 3), 5, DATA, 1088);
    switch_advance(r->s, 10000);
    assert_int_equal(r->count, 6);
    assert_int_equal(switch_stats(r->s)->trimmed, 0);
    for (unsigned i = 0; i < 18; i++)
        rig_put(r, i % 3, 20000 + 136 * (i / 3), 5, DATA, 1088);
    switch_advance(r->s, 30000);
    assert_int_equal(r->count, 24);
    assert_true(switch_stats(r->s)->trimmed > 0);
    assert_int_equal(switch_stats(r->s)->peak_low_bytes, 4352);
    for (unsigned i = 6, trimmed = 0; i < r->count; i++) {
        static const uint8_t zeros[FLIT_BYTES];

        if (r->sent[i].p.len_bytes == 1088)
            continue;
        trimmed++;
        assert_int_equal(r->sent[i].p.len_bytes, 72);
        assert_int_equal(r->sent[i].p.data[FRAME_FLAGS], FLAG_DATA | FLAG_CHOP);
        assert_memory_equal(&r->sent[i].p.data[PACKET_HEADER_BYTES], zeros, FLIT_BYTES);
        assert_true(trimmed <= switch_stats(r->s)->trimmed);
    }
    rig_end(r);
}

static void exact__without_trimming_data_is_dropped(void **state)
{
    struct rig *r = rig_make(SWITCH_EXACT);

    (void)state;
    r->config.trimming = false;
    r->config.low_bytes = 1089;
    rig_start(r);
    for (unsigned i = 0; i < 3; i++)
        rig_put(r, i, 100 + i, 5, DATA, 1088);
    switch_advance(r->s, 10000);
    assert_int_equal(r->count, 2);
    assert_int_equal(switch_stats(r->s)->drop_low, 1);
    rig_end(r);
}

static void exact__broadcast_goes_everywhere_but_back(void **state)
{
    struct rig *r = rig_make(SWITCH_EXACT);

    (void)state;
    rig_start(r);
    rig_put(r, 1, 100, ADDRESS_BROADCAST, DATA, 80);
    switch_advance(r->s, 1000);
    assert_int_equal(r->count, 3);
    assert_sent(r, 0, 0, 100, 80);
    assert_sent(r, 1, 2, 100, 80);
    assert_sent(r, 2, 3, 100, 80);
    rig_end(r);
}

static void exact__a_packet_may_go_back_to_its_port(void **state)
{
    struct rig *r = rig_make(SWITCH_EXACT);

    (void)state;
    rig_start(r);
    rig_put(r, 0, 100, 2, DATA, 80);
    switch_advance(r->s, 1000);
    assert_sent(r, 0, 0, 100, 80);
    rig_end(r);
}

static void exact__drops_have_names(void **state)
{
    struct rig *r = rig_make(SWITCH_EXACT);
    struct packet p = {.first_flit_cycle = 300, .len_bytes = 60};

    (void)state;
    rig_start(r);
    rig_put(r, 0, 100, 77, DATA, 80);
    rig_put(r, 0, 200, 3, DATA, 16);
    switch_receive(r->s, 0, &p); /* no IPv4 */
    switch_advance(r->s, 1000);
    assert_int_equal(r->count, 0);
    assert_int_equal(switch_stats(r->s)->drop_unknown, 2);
    assert_int_equal(switch_stats(r->s)->drop_short, 1);
    rig_end(r);
}

static void exact__a_pause_frame_stops_the_port_it_came_from(void **state)
{
    struct rig *r = rig_make(SWITCH_EXACT);
    struct packet p = {.first_flit_cycle = 100, .len_bytes = 60};

    (void)state;
    p.data[FRAME_ETHERTYPE] = ETHERTYPE_MAC_CONTROL >> 8;
    p.data[FRAME_ETHERTYPE + 1] = ETHERTYPE_MAC_CONTROL & 0xff;
    p.data[FRAME_PAUSE_OPCODE + 1] = PAUSE_OPCODE;
    p.data[FRAME_PAUSE_QUANTA + 1] = 5;
    rig_start(r);
    switch_receive(r->s, 3, &p);
    rig_put(r, 0, 110, 5, DATA, 80);
    switch_advance(r->s, 1000);
    assert_int_equal(r->count, 1);
    assert_sent(r, 0, 3, 140, 80);
    assert_int_equal(switch_stats(r->s)->pauses, 1);
    rig_end(r);
}

static void exact__homa_bands_by_type_of_service(void **state)
{
    struct rig *r = rig_make(SWITCH_EXACT);
    struct packet p = {.len_bytes = 1088};

    (void)state;
    r->config.four_bands = true;
    rig_start(r);
    p.data[FRAME_ETHERTYPE] = ETHERTYPE_IPV4 >> 8;
    p.data[FRAME_IP_PROTOCOL] = PROTOCOL_HOMA;
    p.data[FRAME_IP_DEST + 3] = 5;
    p.data[FRAME_FLAGS] = FLAG_DATA;
    for (unsigned i = 0; i < 3; i++) {
        p.first_flit_cycle = 100 + i;
        p.data[FRAME_IP_TOS] = (uint8_t)(3 - i);
        switch_receive(r->s, i, &p);
    }
    switch_advance(r->s, 1000);
    assert_int_equal(r->sent[0].p.data[FRAME_IP_TOS], 3);
    assert_int_equal(r->sent[1].p.data[FRAME_IP_TOS], 1);
    assert_int_equal(r->sent[2].p.data[FRAME_IP_TOS], 2);
    rig_end(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exact__cut_through_adds_the_latency_alone),
        cmocka_unit_test(exact__store_and_forward_waits_for_the_last_flit),
        cmocka_unit_test(exact__an_output_sends_one_flit_a_cycle),
        cmocka_unit_test(exact__nothing_leaves_at_or_after_until),
        cmocka_unit_test(exact__ties_go_to_the_lower_port),
        cmocka_unit_test(exact__control_overtakes_waiting_data),
        cmocka_unit_test(exact__data_beyond_the_limit_is_trimmed),
        cmocka_unit_test(exact__without_trimming_data_is_dropped),
        cmocka_unit_test(exact__broadcast_goes_everywhere_but_back),
        cmocka_unit_test(exact__a_packet_may_go_back_to_its_port),
        cmocka_unit_test(exact__drops_have_names),
        cmocka_unit_test(exact__a_pause_frame_stops_the_port_it_came_from),
        cmocka_unit_test(exact__homa_bands_by_type_of_service),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
