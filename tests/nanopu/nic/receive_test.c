/* SPDX-License-Identifier: MIT */
/* Reassembly, malformed packets, control packets: sections 4.1, 4.2, 6.1, 6.2 and quirks of section 10. */
#include "nic_rig.h"

/* ---- Reassembly ---- */

static void rx__a_message_of_two_packets_in_any_order(void **state)
{
    struct rig *r = *state;
    uint64_t t = r->start + 1000;

    rig_data(r, r->start, 0, 3, 1500, 1, 0);
    rig_data(r, r->start + 200, 0, 3, 1500, 0, 0);
    nic_advance(r->nic, t);
    assert_int_equal(rig_take(r, 0, &t, 0, 3), 1500);
    assert_int_equal(r->sent_len, 2);
    assert_int_equal(rig_header(r, 0).pkt_offset, 1);
    rig_whole(r);
}

static void rx__the_reply_turns_the_packet_round(void **state)
{
    struct rig *r = *state;
    struct msg_header h;

    rig_data(r, r->start, 0, 3, 1500, 1, 0);
    nic_advance(r->nic, r->start + 200);
    h = rig_header(r, 0);
    assert_int_equal(h.flags, MSG_ACK | MSG_PULL);
    assert_int_equal(h.src_ip, RIG_IP);
    assert_int_equal(h.dst_ip, RIG_PEER);
    assert_int_equal(h.src_context, 0);
    assert_int_equal(h.dst_context, 5);
    assert_int_equal(h.tx_msg_id, 3);
    assert_int_equal(h.msg_len, 1500);
    assert_int_equal(h.pkt_offset, 1);
    assert_int_equal(h.pull_offset, 3);
    assert_int_equal(h.buf_ptr, 77);
    assert_int_equal(h.buf_class, 1);
    assert_int_equal(h.payload_len, 64);
    assert_int_equal(h.dst_mac, 0x085566778808);
    assert_int_equal(h.src_mac, 0x0026e1000002);
    for (unsigned i = 64; i < 128; i++)
        assert_int_equal(r->sent[0]->data[i], 0);
}

static void rx__a_trimmed_packet_is_asked_for_again(void **state)
{
    struct rig *r = *state;
    uint64_t t = r->start + 1000;

    rig_data(r, r->start, 0, 3, 1000, 0, MSG_CHOP);
    nic_advance(r->nic, r->start + 300);
    assert_int_equal(rig_header(r, 0).flags, MSG_NACK | MSG_PULL);
    assert_int_equal(rig_header(r, 0).pull_offset, 2);
    assert_int_equal(stats(r)->rx_trimmed, 1);
    rig_data(r, r->start + 400, 0, 3, 1000, 0, 0);
    nic_advance(r->nic, t);
    assert_int_equal(rig_take(r, 0, &t, 0, 3), 1000);
    rig_whole(r);
}

static void rx__a_duplicate_gets_no_answer(void **state)
{
    struct rig *r = *state;

    rig_data(r, r->start, 0, 3, 1500, 0, 0);
    rig_data(r, r->start + 200, 0, 3, 1500, 0, 0);
    nic_advance(r->nic, r->start + 1000);
    assert_int_equal(stats(r)->drop_duplicate, 1);
    assert_int_equal(r->sent_len, 1);
}

static void rx__a_duplicate_is_acknowledged_again_without_the_quirk(void **state)
{
    struct rig *r = *state;

    again(r, "quirk_no_ack_dup", "off", NULL);
    rig_data(r, r->start, 0, 3, 1500, 0, 0);
    rig_data(r, r->start + 200, 0, 3, 1500, 0, 0);
    nic_advance(r->nic, r->start + 1000);
    assert_int_equal(stats(r)->drop_duplicate, 1);
    assert_int_equal(r->sent_len, 2);
}

static void rx__a_message_sent_again_is_delivered_again(void **state)
{
    struct rig *r = *state;

    rig_data(r, r->start, 0, 3, 16, 0, 0);
    rig_data(r, r->start + 500, 0, 3, 16, 0, 0);
    nic_advance(r->nic, r->start + 1000);
    assert_int_equal(stats(r)->rx_msgs, 2);
}

static void rx__a_message_sent_again_is_acknowledged_alone_without_the_quirks(void **state)
{
    struct rig *r = *state;

    again(r, "quirk_no_ack_dup", "off", "quirk_key_truncated", "off", NULL);
    rig_data(r, r->start, 0, 3, 16, 0, 0);
    rig_data(r, r->start + 500, 0, 3, 16, 0, 0);
    nic_advance(r->nic, r->start + 1000);
    assert_int_equal(stats(r)->rx_msgs, 1);
    assert_int_equal(stats(r)->drop_late, 1);
    assert_int_equal(rig_header(r, 1).flags, MSG_ACK);
}

static void rx__ids_equal_in_seven_bits_are_one_message(void **state)
{
    struct rig *r = *state;

    rig_data(r, r->start, 0, 3, 1500, 0, 0);
    rig_data(r, r->start + 200, 0, 3 + 128, 1500, 1, 0);
    nic_advance(r->nic, r->start + 1000);
    assert_int_equal(stats(r)->rx_msgs, 1);
    again(r, "quirk_key_truncated", "off", NULL);
    rig_data(r, r->start, 0, 3, 1500, 0, 0);
    rig_data(r, r->start + 200, 0, 3 + 128, 1500, 1, 0);
    nic_advance(r->nic, r->start + 1000);
    assert_int_equal(stats(r)->rx_msgs, 0);
    assert_int_equal(r->nic->rx_free_count, r->nic->ids - 2);
}

static void rx__small_messages_spill_into_large_buffers_and_then_are_dropped(void **state)
{
    struct rig *r = *state;

    /* Two packets each, of which one comes: their buffers stay taken. */
    for (unsigned i = 0; i < 64; i++)
        rig_data(r, r->start + i * 200, 0, (uint16_t)i, 1500, 0, 0);
    rig_data(r, r->start + 64 * 200, 0, 64, 1500, 0, 0);
    nic_advance(r->nic, r->start + 66 * 200);
    assert_int_equal(stats(r)->drop_no_buffer, 1);
    assert_int_equal(r->nic->rx_bufs.class[0].free_count, 64);
    again(r, "buffers_small", "1", "buffers_large", "1", NULL);
    rig_data(r, r->start, 0, 1, 900, 0, MSG_CHOP);
    rig_data(r, r->start + 200, 0, 2, 900, 0, MSG_CHOP);
    rig_data(r, r->start + 400, 0, 3, 900, 0, MSG_CHOP);
    nic_advance(r->nic, r->start + 1000);
    assert_int_equal(stats(r)->drop_no_buffer, 1);
    assert_int_equal(rig_count(r, MSG_NACK | MSG_PULL), 2);
}

static void rx__no_buffer_is_said_without_the_quirk(void **state)
{
    struct rig *r = *state;

    again(r, "buffers_small", "0", "buffers_large", "1", "quirk_no_nack_full", "off", "pull_interval", "0", NULL);
    rig_data(r, r->start, 0, 1, 1500, 0, 0);
    rig_data(r, r->start + 200, 0, 2, 1500, 1, 0);
    nic_advance(r->nic, r->start + 1000);
    assert_int_equal(rig_header(r, 1).flags, MSG_NACK | MSG_PULL);
    assert_int_equal(rig_header(r, 1).pull_offset, 2);
}

/* ---- Packets that no good sender sends ---- */

static struct msg_header good(const struct rig *r)
{
    return (struct msg_header){.src_ip = RIG_PEER,
                               .dst_ip = RIG_IP,
                               .ip_protocol = params_ip_protocol(&r->p),
                               .payload_len = 16,
                               .flags = MSG_DATA,
                               .src_context = 5,
                               .msg_len = 16,
                               .tx_msg_id = 1};
}

static uint64_t malformed(struct rig *r, const struct msg_header *h, const uint64_t *counter)
{
    uint64_t was = *counter;

    r->start += 1000;
    rig_packet(r, r->start, h, NULL);
    nic_advance(r->nic, r->start + 900);
    return *counter - was;
}

static void drop__each_malformed_packet_by_its_name(void **state)
{
    struct rig *r = *state;
    struct msg_header h = good(r);
    const struct nic_stats *s = stats(r);

    h.ip_protocol++;
    assert_int_equal(malformed(r, &h, &s->drop_protocol), 1);
    h = good(r), h.payload_len = 0;
    assert_int_equal(malformed(r, &h, &s->drop_short), 1);
    h = good(r), h.flags = 0x20;
    assert_int_equal(malformed(r, &h, &s->drop_flags), 1);
    h = good(r), h.msg_len = 0;
    assert_int_equal(malformed(r, &h, &s->drop_length), 1);
    h = good(r), h.msg_len = 2049;
    assert_int_equal(malformed(r, &h, &s->drop_length), 1);
    h = good(r), h.msg_len = 17;
    assert_int_equal(malformed(r, &h, &s->drop_length), 1);
    h = good(r), h.pkt_offset = 1;
    assert_int_equal(malformed(r, &h, &s->drop_offset), 1);
    h = good(r), h.dst_context = 4;
    assert_int_equal(malformed(r, &h, &s->drop_context), 1);
    assert_int_equal(nic_fault(r->nic), NIC_FAULT_CONTEXT);
    h = good(r), h.dst_context = 3;
    assert_int_equal(malformed(r, &h, &s->drop_unregistered), 1);
    h = good(r), h.flags = MSG_ACK, h.tx_msg_id = 5;
    assert_int_equal(malformed(r, &h, &s->drop_stale), 1);
    h = good(r), h.flags = MSG_ACK, h.tx_msg_id = 0xffff;
    assert_int_equal(malformed(r, &h, &s->drop_stale), 1);
    assert_int_equal(r->sent_len, 0);
    rig_whole(r);
}

static void drop__another_length_or_context_in_mid_message(void **state)
{
    struct rig *r = *state;
    struct msg_header h = good(r);

    rig_data(r, r->start, 0, 1, 1500, 0, 0);
    assert_int_equal(malformed(r, &h, &stats(r)->drop_mismatch), 1);
    assert_int_equal(nic_counter_name(NIC_COUNTER_drop_mismatch)[5], 'm');
}

static void drop__what_is_no_ipv4(void **state)
{
    struct rig *r = *state;
    struct packet *p = packet_alloc(&r->pool);

    memset(p->data, 0xff, 80);
    p->len_bytes = 80;
    p->first_flit_cycle = r->start;
    nic_receive(r->nic, p);
    nic_advance(r->nic, r->start + 100);
    assert_int_equal(stats(r)->drop_not_ipv4, 1);
}

static void drop__what_comes_before_the_tables_are_ready(void **state)
{
    struct rig *r = *state;

    rig_stop(r);
    rig_params(r, "osdi21");
    rig_start(r);
    rig_data(r, 16384 - 17, 0, 1, 16, 0, 0);
    nic_advance(r->nic, r->start);
    assert_int_equal(stats(r)->drop_not_ready, 1);
}

static void drop__packets_faster_than_the_wire(void **state)
{
    struct rig *r = *state;

    for (unsigned i = 0; i < 10; i++)
        rig_data(r, r->start, 0, (uint16_t)i, 1024, 0, 0);
    nic_advance(r->nic, r->start + 5000);
    assert_int_equal(stats(r)->drop_input_full, 8);
    assert_int_equal(stats(r)->rx_data, 2);
    assert_int_equal(nic_fault(r->nic), NIC_FAULT_INPUT_FULL);
}

static void drop__address_and_checksum_without_the_quirk(void **state)
{
    struct rig *r = *state;
    struct msg_header h = good(r);
    struct packet *p;

    h.dst_ip++;
    assert_int_equal(malformed(r, &h, &stats(r)->rx_msgs), 1);
    again(r, "quirk_no_rx_check", "off", NULL);
    assert_int_equal(malformed(r, &h, &stats(r)->drop_address), 1);
    h = good(r);
    assert_int_equal(malformed(r, &h, &stats(r)->rx_msgs), 1); /* no checksum: 0 */
    assert_true(msg_checksum_good(r->sent[0]->data));
    p = packet_alloc(&r->pool);
    msg_header_write(&h, MSG_NDP, true, p->data);
    p->data[24] ^= 1;
    p->len_bytes = 80;
    p->first_flit_cycle = r->start + 1000;
    nic_receive(r->nic, p);
    nic_advance(r->nic, r->start + 1100);
    assert_int_equal(stats(r)->drop_checksum, 1);
}

/* ---- Control packets ---- */

static void pull__one_in_123_cycles(void **state)
{
    struct rig *r = *state;
    uint64_t last = 0;

    for (unsigned i = 0; i < 6; i++)
        rig_data(r, r->start + 20 * i, 0, (uint16_t)i, 16, 0, 0);
    nic_advance(r->nic, r->start + 2000);
    /* The first with its ACK, the others alone in their time. */
    assert_int_equal(rig_count(r, MSG_ACK | MSG_PULL), 1);
    assert_int_equal(rig_count(r, MSG_ACK), 5);
    assert_int_equal(rig_count(r, MSG_PULL), 5);
    for (unsigned i = 0; i < r->sent_len; i++) {
        if ((rig_header(r, i).flags & MSG_PULL) == 0)
            continue;
        if (last != 0)
            assert_int_equal(r->sent[i]->first_flit_cycle - last, 123);
        last = r->sent[i]->first_flit_cycle;
    }
}

static void pull__more_than_the_queue_holds_are_lost(void **state)
{
    struct rig *r = *state;

    again(r, "sched_entries", "16", NULL);
    for (unsigned i = 0; i < 40; i++)
        rig_data(r, r->start + 20 * i, 0, (uint16_t)i, 16, 0, 0);
    nic_advance(r->nic, r->start + 5000);
    /* One with its ACK, sixteen that wait, and one more for each that left in 40 * 20 cycles. */
    assert_in_range(stats(r)->drop_pull, 40 - 1 - 16 - 7, 40 - 1 - 16 - 6);
    assert_int_equal(nic_fault(r->nic), NIC_FAULT_PULL_FULL);
}

static void pull__none_for_short_messages_without_the_quirk(void **state)
{
    struct rig *r = *state;

    again(r, "quirk_pull_always", "off", NULL);
    for (unsigned i = 0; i < 6; i++)
        rig_data(r, r->start + 20 * i, 0, (uint16_t)i, 16, 0, 0);
    nic_advance(r->nic, r->start + 2000);
    assert_int_equal(rig_count(r, MSG_ACK), 6);
    assert_int_equal(r->sent_len, 6);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(rx__a_message_of_two_packets_in_any_order),
        T(rx__the_reply_turns_the_packet_round),
        T(rx__a_trimmed_packet_is_asked_for_again),
        T(rx__a_duplicate_gets_no_answer),
        T(rx__a_duplicate_is_acknowledged_again_without_the_quirk),
        T(rx__a_message_sent_again_is_delivered_again),
        T(rx__a_message_sent_again_is_acknowledged_alone_without_the_quirks),
        T(rx__ids_equal_in_seven_bits_are_one_message),
        T(rx__small_messages_spill_into_large_buffers_and_then_are_dropped),
        T(rx__no_buffer_is_said_without_the_quirk),
        T(drop__each_malformed_packet_by_its_name),
        T(drop__another_length_or_context_in_mid_message),
        T(drop__what_is_no_ipv4),
        T(drop__what_comes_before_the_tables_are_ready),
        T(drop__packets_faster_than_the_wire),
        T(drop__address_and_checksum_without_the_quirk),
        T(pull__one_in_123_cycles),
        T(pull__more_than_the_queue_holds_are_lost),
        T(pull__none_for_short_messages_without_the_quirk),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
