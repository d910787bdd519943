/* SPDX-License-Identifier: MIT */
/* The cycles of section 4.6 of the machine's contract. */
#include "rig.h"

static int start(void **state)
{
    static struct rig r;

    rig_params(&r, "osdi21");
    rig_start(&r);
    rig_register(&r, 0, 0, 0);
    *state = &r;
    return 0;
}

static int stop(void **state)
{
    rig_stop(*state);
    return 0;
}

/* The first cycle, from r->start, in which lmsgsrdy of core 0 reads 1. */
static unsigned ready_after(struct rig *r)
{
    unsigned t = 0;

    while (hts_csr_read(r->hts[0], r->start + t, CSR_READY) == 0)
        assert_true(t++ < 10000);
    return t;
}

static void rx__sixteen_bytes_are_visible_at_23(void **state)
{
    struct rig *r = *state;

    rig_data(r, r->start, 0, 1, 16, 0, 0);
    assert_true(nic_horizon(r->nic) <= r->start + 21);
    nic_advance(r->nic, r->start + 100);
    assert_int_equal(ready_after(r), 23);
}

static void rx__a_word_can_be_read_by_what_decodes_a_cycle_later(void **state)
{
    struct rig *r = *state;

    /* The header enters at 21, so it is there for a decode at 22, a commit at 25; its payload follows at once. */
    rig_data(r, r->start, 0, 1, 16, 0, 0);
    nic_advance(r->nic, r->start + 100);
    assert_int_equal(hts_pop(r->hts[0], r->start + 24), 0);
    assert_int_equal(hts_pop(r->hts[0], r->start + 25), (uint64_t)RIG_PEER << 32 | 5 << 16 | 16);
    assert_int_equal(hts_pop(r->hts[0], r->start + 26), rig_word(1, 0));
    assert_int_equal(hts_pop(r->hts[0], r->start + 27), rig_word(1, 1));
    assert_int_equal(hts_pop(r->hts[0], r->start + 28), 0);
}

static void rx__the_ack_leaves_at_19(void **state)
{
    struct rig *r = *state;

    rig_data(r, r->start, 0, 1, 16, 0, 0);
    nic_advance(r->nic, r->start + 100);
    assert_int_equal(r->sent_len, 1);
    assert_int_equal(r->sent[0]->first_flit_cycle - r->start, 19);
    assert_int_equal(rig_header(r, 0).flags, MSG_ACK | MSG_PULL);
    assert_int_equal(r->sent[0]->len_bytes, 128);
}

static void tx__first_flit_four_cycles_after_the_packet_is_complete(void **state)
{
    struct rig *r = *state;
    uint64_t last = rig_send(r, 0, r->start, 9, 16);

    /* Accepted one cycle after its write-back: D = last + 1. */
    nic_advance(r->nic, r->start + 100);
    assert_int_equal(r->sent_len, 1);
    assert_int_equal(r->sent[0]->first_flit_cycle, last + 1 + 4);
    assert_int_equal(r->sent[0]->len_bytes, 80);
    assert_int_equal(rig_header(r, 0).flags, MSG_DATA);
}

/* Section 4.6's recurrence, word by word, for a packet whose first flit comes at 0. */
static unsigned last_accepted(unsigned payload)
{
    unsigned flits = 8 + (payload + 7) / 8, words = (payload + 63) / 64, accepted = 0;

    for (unsigned j = 1; j <= words; j++) {
        unsigned end = j < words ? 8 + 8 * j - 1 : flits - 1; /* the flit that ends word j */

        if (j == 1)
            accepted = (16 > end + 4 ? 16 : end + 4) + 1;
        else
            accepted = accepted + 1 > end + 4 ? accepted + 1 : end + 4;
    }
    return accepted;
}

static void rx__one_packet_of_any_size(void **state)
{
    static const uint16_t sizes[] = {1, 8, 16, 32, 63, 64, 65, 72, 128, 136, 256, 512, 1000, 1023, 1024};
    struct rig *r = *state;

    assert_int_equal(last_accepted(16), 17);
    assert_int_equal(last_accepted(1024), 139);
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++, r->start += 5000) {
        unsigned accepted = last_accepted(sizes[i]);
        uint64_t t = r->start + accepted + 4 + 4;

        rig_data(r, r->start, 0, (uint16_t)i, sizes[i], 0, 0);
        nic_advance(r->nic, r->start + 1000);
        assert_int_equal(ready_after(r), accepted + 4 + 2);
        /* The header at A + 4 and a word in each cycle after it: each is there when it can be at the earliest. */
        assert_int_equal(hts_pop(r->hts[0], t) & 0xffff, sizes[i]);
        for (unsigned j = 0; j < (sizes[i] + 7U) / 8; j++)
            assert_int_equal(hts_pop(r->hts[0], t + 1 + j) >> 56, rig_word((uint16_t)i, j) >> 56);
        assert_int_equal(hts_stats(r->hts[0])->empty_pops, 0);
        hts_csr_write(r->hts[0], t + 300, CSR_UCMD, 1);
        nic_advance(r->nic, t + 400);
    }
}

static void rx__two_packets_back_to_back(void **state)
{
    struct rig *r = *state;

    rig_data(r, r->start, 0, 1, 2048, 0, 0);
    rig_data(r, r->start + 136, 0, 1, 2048, 1, 0);
    nic_advance(r->nic, r->start + 2000);
    assert_int_equal(ready_after(r), 136 + 139 + 4 + 2);
}

static void rx__out_of_order_is_complete_with_the_last(void **state)
{
    struct rig *r = *state;

    rig_data(r, r->start, 0, 1, 1040, 1, 0);
    rig_data(r, r->start + 500, 0, 1, 1040, 0, 0);
    nic_advance(r->nic, r->start + 2000);
    assert_int_equal(ready_after(r), 500 + 139 + 4 + 2);
}

static void rx__packets_behind_each_other_do_not_wait(void **state)
{
    struct rig *r = *state;

    for (unsigned i = 0; i < 3; i++)
        rig_data(r, r->start + i * 10, 0, (uint16_t)i, 16, 0, 0);
    nic_advance(r->nic, r->start + 200);
    /* JBSQ gives the core two; they take three cycles each of the link, from A + 4 on. */
    assert_int_equal(hts_link_free(r->hts[0]), r->start + 10 + 21 + 3);
    assert_int_equal(nic_stats(r->nic)->forgotten, 1);
}

static void rx__horizon_is_when_the_header_comes(void **state)
{
    struct rig *r = *state;
    uint64_t h;

    rig_data(r, r->start, 0, 1, 16, 0, 0);
    for (uint64_t t = r->start; t < r->start + 21; t++) {
        nic_advance(r->nic, t);
        h = nic_horizon(r->nic);
        assert_true(h > t || t == r->start + 21);
        assert_true(h <= r->start + 21);
    }
    assert_int_equal(nic_horizon(r->nic), r->start + 21);
}

static void rx__next_message_three_cycles_after_done(void **state)
{
    struct rig *r = *state;
    uint64_t t = r->start + 500;

    for (unsigned i = 0; i < 3; i++)
        rig_data(r, r->start + i * 10, 0, (uint16_t)i, 16, 0, 0);
    nic_advance(r->nic, t);
    hts_csr_write(r->hts[0], t, CSR_UCMD, 1);
    nic_advance(r->nic, t + 100);
    /* get_next_msg a cycle later, the decision a cycle after that, then the header and two words. */
    assert_int_equal(hts_link_free(r->hts[0]), t + 3 + 3);
}

static void sender__an_ack_takes_effect_after_16(void **state)
{
    struct rig *r = *state;

    rig_send(r, 0, r->start, 9, 16);
    nic_advance(r->nic, r->start + 50);
    rig_control(r, r->start + 100, rig_header(r, 0).tx_msg_id, MSG_ACK, 0, 0);
    nic_advance(r->nic, r->start + 116);
    assert_int_equal(nic_stats(r->nic)->tx_msgs, 0);
    nic_advance(r->nic, r->start + 117);
    assert_int_equal(nic_stats(r->nic)->tx_msgs, 1);
}

static void tx__packets_of_a_message_follow_without_a_gap(void **state)
{
    struct rig *r = *state;

    rig_send(r, 0, r->start, 9, 2048);
    nic_advance(r->nic, r->start + 1000);
    assert_int_equal(r->sent_len, 2);
    /* Word 128 is written back at 128 and accepted at 129. */
    assert_int_equal(r->sent[0]->first_flit_cycle - r->start, 129 + 4);
    assert_int_equal(r->sent[1]->first_flit_cycle - r->sent[0]->first_flit_cycle, 136);
    assert_int_equal(rig_header(r, 1).pkt_offset, 1);
}

static void tx__a_control_packet_goes_before_data_that_waits(void **state)
{
    struct rig *r = *state;

    /* The wire is busy with data; more waits when the message comes whose ACK overtakes. */
    for (unsigned i = 0; i < 6; i++)
        rig_send(r, i % 4, r->start + i / 4 * 140, (uint16_t)(20 + i), 1024);
    rig_data(r, r->start + 400, 0, 1, 16, 0, 0);
    nic_advance(r->nic, r->start + 3000);
    assert_int_equal(r->sent_len, 7);
    assert_int_equal(rig_header(r, 6).flags, MSG_DATA);
    assert_int_equal(rig_count(r, MSG_ACK | MSG_PULL), 1);
}

/* Section 4.6: 10 flits of data and 16 of ACK a message, and a PULL alone now and then: 27 to 30 cycles a message. */
static void tx__wire_limit_of_sixteen_byte_messages(void **state)
{
    struct rig *r = *state;
    uint64_t t = r->start, cycles = 0;
    unsigned data = 0;

    rig_set(r, "jbsq_bound", "255");
    rig_set(r, "timeout_cycles", "1000000");
    for (unsigned i = 0; i < 120; i++, t += 10) {
        rig_data(r, t, 0, (uint16_t)i, 16, 0, 0);
        nic_advance(r->nic, t);
        rig_send(r, 0, t + 3, (uint16_t)i, 16);
    }
    nic_advance(r->nic, t + 10000);
    for (unsigned i = 0; i < r->sent_len && data < 120; i++) {
        data += rig_header(r, i).flags == MSG_DATA;
        cycles = r->sent[i]->first_flit_cycle + packet_flits(r->sent[i]) - r->sent[0]->first_flit_cycle;
    }
    assert_int_equal(data, 120);
    assert_in_range(cycles, 120 * 27, 120 * 30);
}

#define T(f) cmocka_unit_test_setup_teardown(f, start, stop)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(rx__sixteen_bytes_are_visible_at_23),
        T(rx__a_word_can_be_read_by_what_decodes_a_cycle_later),
        T(rx__the_ack_leaves_at_19),
        T(rx__one_packet_of_any_size),
        T(rx__two_packets_back_to_back),
        T(rx__out_of_order_is_complete_with_the_last),
        T(rx__packets_behind_each_other_do_not_wait),
        T(rx__horizon_is_when_the_header_comes),
        T(rx__next_message_three_cycles_after_done),
        T(sender__an_ack_takes_effect_after_16),
        T(tx__first_flit_four_cycles_after_the_packet_is_complete),
        T(tx__packets_of_a_message_follow_without_a_gap),
        T(tx__a_control_packet_goes_before_data_that_waits),
        T(tx__wire_limit_of_sixteen_byte_messages),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
