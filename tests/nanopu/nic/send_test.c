/* SPDX-License-Identifier: MIT */
/* Packetization, acknowledgements, timers: sections 4.4, 4.5, 6.3 and quirks of section 10. */
#include "nic_rig.h"

/* ---- Sending ---- */

static void tx__header_and_payload(void **state)
{
    struct rig *r = *state;
    struct msg_header h;

    hts_csr_write(r->hts[1], r->start, CSR_CONTEXT, 2);
    rig_send(r, 1, r->start + 1, 0x4321, 19);
    nic_advance(r->nic, r->start + 100);
    h = rig_header(r, 0);
    assert_int_equal(h.flags, MSG_DATA);
    assert_int_equal(h.src_ip, RIG_IP);
    assert_int_equal(h.dst_ip, RIG_PEER);
    assert_int_equal(h.src_context, 2);
    assert_int_equal(h.dst_context, 0x4321);
    assert_int_equal(h.msg_len, 19);
    assert_int_equal(h.payload_len, 19);
    assert_int_equal(r->sent[0]->len_bytes, 64 + 19);
    for (unsigned i = 0; i < 24; i++)
        assert_int_equal(r->sent[0]->data[64 + i], rig_word(0x4321, i / 8) >> (56 - i % 8 * 8) & 0xff);
}

static void tx__messages_of_two_contexts_may_be_interleaved(void **state)
{
    struct rig *r = *state;
    struct hts *h = r->hts[0];
    uint64_t t = r->start;

    hts_push(h, t, (uint64_t)RIG_PEER << 32 | 1 << 16 | 16);
    hts_push(h, t + 1, 0x11);
    hts_csr_write(h, t + 2, CSR_CONTEXT, 1);
    hts_push(h, t + 3, (uint64_t)RIG_PEER << 32 | 2 << 16 | 8);
    hts_push(h, t + 4, 0x22);
    hts_csr_write(h, t + 5, CSR_CONTEXT, 0);
    hts_push(h, t + 6, 0x33);
    nic_advance(r->nic, t + 100);
    assert_int_equal(r->sent_len, 2);
    assert_int_equal(rig_header(r, 0).dst_context, 2);
    assert_int_equal(r->sent[0]->data[71], 0x22);
    assert_int_equal(r->sent[1]->data[71], 0x11);
    assert_int_equal(r->sent[1]->data[79], 0x33);
}

static void tx__bad_lengths_are_dropped_with_their_words(void **state)
{
    struct rig *r = *state;
    uint64_t t = r->start;

    t = rig_send(r, 0, t, 1, 0) + 1;
    t = rig_send(r, 0, t, 2, 2049) + 1;
    rig_send(r, 0, t, 3, 16);
    nic_advance(r->nic, t + 1000);
    assert_int_equal(stats(r)->drop_tx_length, 2);
    assert_int_equal(hts_error(r->hts[0]), HTS_TX_LENGTH);
    assert_int_equal(r->sent_len, 1);
    assert_int_equal(rig_header(r, 0).dst_context, 3);
}

/* All buffers for messages of 2048 bytes taken by core 3. */
static void take_buffers(struct rig *r)
{
    again(r, "buffers_small", "1", "buffers_large", "2", "timeout_cycles", "1000000", NULL);
    rig_send(r, 3, r->start, 1, 2048);
    rig_send(r, 3, r->start + 300, 2, 2048);
    nic_advance(r->nic, r->start + 1000);
    assert_int_equal(r->nic->tx_bufs.class[1].free_count, 0);
}

static void tx__a_header_without_a_buffer_blocks_higher_cores(void **state)
{
    struct rig *r = *state;

    take_buffers(r);
    rig_send(r, 1, r->start + 1000, 3, 2048);
    rig_send(r, 2, r->start + 1001, 4, 16);
    nic_advance(r->nic, r->start + 2000);
    assert_int_equal(r->sent_len, 4);
    rig_send(r, 0, r->start + 2000, 5, 16); /* a lower one is served */
    nic_advance(r->nic, r->start + 2100);
    assert_int_equal(r->sent_len, 5);
    rig_control(r, r->start + 2100, rig_header(r, 0).tx_msg_id, MSG_ACK, 0, 0);
    rig_control(r, r->start + 2200, rig_header(r, 0).tx_msg_id, MSG_ACK, 1, 0);
    rig_control(r, r->start + 2300, rig_header(r, 4).tx_msg_id, MSG_ACK, 0, 0);
    nic_advance(r->nic, r->start + 4000);
    assert_int_equal(r->sent_len, 8);
    assert_true(stats(r)->tx_stalls > 0);
}

static void tx__a_header_without_a_buffer_blocks_its_core_without_the_quirk(void **state)
{
    struct rig *r = *state;

    take_buffers(r);
    r->p.quirk_tx_strict = 0;
    rig_send(r, 1, r->start + 1000, 3, 2048);
    rig_send(r, 2, r->start + 1001, 4, 16);
    nic_advance(r->nic, r->start + 2000);
    assert_int_equal(r->sent_len, 5);
}

static void tx__strict_priority_of_cores_or_turns(void **state)
{
    struct rig *r = *state;

    for (unsigned strict = 2; strict-- > 0;) {
        r->p.quirk_tx_strict = strict;
        r->sent_len = 0;
        for (unsigned core = 0; core < 2; core++)
            for (unsigned i = 0; i < 10; i++)
                rig_send(r, core, r->start + i * 3, (uint16_t)(core * 100 + i), 16);
        nic_advance(r->nic, r->start + 1000);
        /* The last message of core 0 before or after the first of core 1. */
        assert_int_equal(rig_header(r, 9).dst_context < 100, strict);
        for (unsigned i = 0; i < r->sent_len; i++)
            packet_free(&r->pool, r->sent[i]);
        r->sent_len = 0;
        r->start += 2000;
    }
}

static void tx__a_full_fifo_is_exact(void **state)
{
    struct rig *r = *state;
    uint64_t t = r->start;

    /* One word a cycle for longer than the FIFO is: the NIC takes one a cycle as well, if it is called in time. */
    again(r, "core_tx_words", "16", NULL);
    for (unsigned i = 0; i < 100; i++, t++) {
        if (t >= nic_horizon(r->nic))
            nic_advance(r->nic, t);
        hts_push(r->hts[0], t, i % 3 == 0 ? (uint64_t)RIG_PEER << 32 | 16 : i);
    }
    assert_int_equal(hts_error(r->hts[0]), HTS_OK);
}

/* ---- Acknowledgements, timeouts ---- */

static void sender__pull_sends_what_waits(void **state)
{
    struct rig *r = *state;

    again(r, "rtt_pkts", "1", NULL);
    rig_send(r, 0, r->start, 9, 2048);
    nic_advance(r->nic, r->start + 500);
    assert_int_equal(r->sent_len, 1);
    rig_control(r, r->start + 500, 0, MSG_ACK | MSG_PULL, 0, 2);
    nic_advance(r->nic, r->start + 1000);
    assert_int_equal(r->sent_len, 2);
    assert_int_equal(rig_header(r, 1).pkt_offset, 1);
    rig_control(r, r->start + 1000, 0, MSG_ACK, 1, 0);
    nic_advance(r->nic, r->start + 1100);
    assert_int_equal(stats(r)->tx_msgs, 1);
    rig_whole(r);
}

static void sender__nack_and_pull_send_again(void **state)
{
    struct rig *r = *state;

    rig_send(r, 0, r->start, 9, 16);
    nic_advance(r->nic, r->start + 500);
    rig_control(r, r->start + 500, 0, MSG_NACK | MSG_PULL, 0, 2);
    nic_advance(r->nic, r->start + 1000);
    assert_int_equal(r->sent_len, 2);
    assert_int_equal(r->sent[1]->first_flit_cycle, r->start + 500 + 16 + 4);
}

static void sender__a_second_complete_ack_is_counted(void **state)
{
    struct rig *r = *state;

    rig_send(r, 0, r->start, 9, 16);
    nic_advance(r->nic, r->start + 500);
    rig_control(r, r->start + 500, 0, MSG_ACK, 0, 0);
    rig_control(r, r->start + 600, 0, MSG_ACK, 0, 0);
    nic_advance(r->nic, r->start + 1000);
    assert_int_equal(stats(r)->double_frees, 1);
    assert_int_equal(stats(r)->drop_stale, 1);
    rig_whole(r);
    r->p.quirk_double_free = 0;
    rig_control(r, r->start + 1600, 0, MSG_ACK, 0, 0);
    nic_advance(r->nic, r->start + 2000);
    assert_int_equal(stats(r)->double_frees, 1);
    assert_int_equal(stats(r)->drop_stale, 2);
}

static void sender__ids_are_used_in_turn(void **state)
{
    struct rig *r = *state;

    for (unsigned i = 0; i < 130; i++) {
        rig_send(r, 0, r->start, 9, 16);
        nic_advance(r->nic, r->start + 100);
        assert_int_equal(rig_header(r, i).tx_msg_id, i % 128);
        rig_control(r, r->start + 100, (uint16_t)(i % 128), MSG_ACK, 0, 0);
        r->start += 200;
        nic_advance(r->nic, r->start);
    }
    rig_whole(r);
}

static void sender__an_ack_of_an_earlier_use_is_stale_with_the_whole_key(void **state)
{
    struct rig *r = *state;
    uint16_t first, second;

    again(r, "quirk_key_truncated", "off", "buffers_small", "1", "buffers_large", "1", NULL);
    for (unsigned i = 0; i < 3; i++) {
        rig_send(r, 0, r->start + i * 500, 9, 16);
        nic_advance(r->nic, r->start + i * 500 + 200);
        if (i < 2)
            rig_control(r, r->start + i * 500 + 200, rig_header(r, i).tx_msg_id, MSG_ACK, 0, 0);
    }
    first = rig_header(r, 0).tx_msg_id;
    second = rig_header(r, 2).tx_msg_id;
    assert_int_equal(first & 0xff, second & 0xff);
    assert_int_not_equal(first, second);
    rig_control(r, r->start + 2000, first, MSG_ACK, 0, 0);
    nic_advance(r->nic, r->start + 2100);
    assert_int_equal(stats(r)->drop_stale, 1);
    rig_control(r, r->start + 2200, second, MSG_ACK, 0, 0);
    nic_advance(r->nic, r->start + 2300);
    assert_int_equal(stats(r)->tx_msgs, 3);
}

static void timeout__comes_at_most_256_cycles_late(void **state)
{
    struct rig *r = *state;
    uint64_t since = r->start;

    rig_send(r, 0, r->start, 9, 16);
    for (unsigned n = 1; n <= 3; n++) {
        uint64_t again_at;

        nic_advance(r->nic, r->start + 20000 * n);
        assert_true(r->sent_len > n);
        again_at = r->sent[n]->first_flit_cycle - 4;
        assert_in_range(again_at - since, 4480, 4480 + 256 + 2);
        since = again_at;
    }
}

static void timeout__the_first_sends_packet_0_alone(void **state)
{
    struct rig *r = *state;

    rig_send(r, 0, r->start, 9, 2048);
    nic_advance(r->nic, r->start + 4480 + 300);
    assert_int_equal(stats(r)->timeouts, 1);
    assert_int_equal(r->sent_len, 3);
    assert_int_equal(rig_header(r, 2).pkt_offset, 0);
    nic_advance(r->nic, r->start + 2 * (4480 + 300));
    assert_int_equal(r->sent_len, 5);
    again(r, "quirk_first_timeout", "off", NULL);
    rig_send(r, 0, r->start, 9, 2048);
    nic_advance(r->nic, r->start + 4480 + 600);
    assert_int_equal(r->sent_len, 4);
    assert_int_equal(stats(r)->retransmits, 2);
}

static void timeout__is_cancelled_by_the_last_ack(void **state)
{
    struct rig *r = *state;

    rig_send(r, 0, r->start, 9, 16);
    rig_control(r, r->start + 1000, 0, MSG_ACK, 0, 0);
    nic_advance(r->nic, r->start + 50000);
    assert_int_equal(stats(r)->timeouts, 0);
    assert_int_equal(nic_next_event(r->nic), CYCLE_NEVER);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(tx__header_and_payload),
        T(tx__messages_of_two_contexts_may_be_interleaved),
        T(tx__bad_lengths_are_dropped_with_their_words),
        T(tx__a_header_without_a_buffer_blocks_higher_cores),
        T(tx__a_header_without_a_buffer_blocks_its_core_without_the_quirk),
        T(tx__strict_priority_of_cores_or_turns),
        T(tx__a_full_fifo_is_exact),
        T(sender__pull_sends_what_waits),
        T(sender__nack_and_pull_send_again),
        T(sender__a_second_complete_ack_is_counted),
        T(sender__ids_are_used_in_turn),
        T(sender__an_ack_of_an_earlier_use_is_stale_with_the_whole_key),
        T(timeout__comes_at_most_256_cycles_late),
        T(timeout__the_first_sends_packet_0_alone),
        T(timeout__is_cancelled_by_the_last_ack),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
