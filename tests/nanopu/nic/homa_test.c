/* SPDX-License-Identifier: MIT */
/* The NIC of profile homa: what its transport says, in the cycles of section 4.6 and with the headers of section 5. */
#include "nanopu/nic/nic_internal.h"

#include "rig.h"

#define PACKET_CYCLES 200 /* between the packets of a test */

static int start(void **state)
{
    static struct rig r;

    rig_params(&r, "homa");
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

/* The first n packets of message id, of so many in all. */
static void receive(struct rig *r, uint16_t id, unsigned packets, unsigned n)
{
    for (uint8_t i = 0; i < n; i++, r->start += PACKET_CYCLES)
        rig_data(r, r->start, 0, id, (uint16_t)(packets * MSG_SEGMENT_BYTES), i, 0);
    nic_advance(r->nic, r->start);
}

static void rx__the_answer_leaves_four_cycles_later_than_ndps(void **state)
{
    struct rig *r = *state;

    rig_data(r, r->start, 0, 1, 16, 0, 0);
    nic_advance(r->nic, r->start + 100);
    assert_int_equal(r->sent_len, 1);
    assert_int_equal(r->sent[0]->first_flit_cycle, r->start + 23);
    assert_int_equal(r->sent[0]->len_bytes, 65);
    assert_int_equal(r->sent[0]->data[23], 154);
    assert_int_equal(rig_header(r, 0).flags, MSG_ACK);
    assert_int_equal(rig_header(r, 0).pkt_offset, 1);
}

static void rx__grants_go_out_without_pacing(void **state)
{
    struct rig *r = *state;

    receive(r, 1, 6, 3);
    assert_int_equal(r->sent_len, 3);
    for (unsigned i = 0; i < 3; i++) {
        struct msg_header h = rig_header(r, i);

        assert_int_equal(h.flags, MSG_PULL);
        assert_int_equal(h.pkt_offset, i + 1);
        assert_int_equal(h.pull_offset, 3 + i);
        assert_int_equal(h.grant_prio, 1);
        assert_int_equal(h.tos, 0);
        assert_int_equal(r->sent[i]->first_flit_cycle, r->start - (3 - i) * PACKET_CYCLES + 23);
    }
}

static void rx__a_grant_to_another_sender_has_its_addresses(void **state)
{
    struct rig *r = *state;
    struct msg_header other = {.src_ip = RIG_PEER + 1,
                               .dst_ip = RIG_IP,
                               .ip_protocol = params_ip_protocol(&r->p),
                               .payload_len = MSG_SEGMENT_BYTES,
                               .flags = MSG_DATA,
                               .src_context = 9,
                               .msg_len = 30 * MSG_SEGMENT_BYTES,
                               .tx_msg_id = 3,
                               .buf_ptr = 11,
                               .buf_class = 1};
    struct msg_header h;

    /* Three shorter ones have the levels; then one of them is wholly granted. */
    receive(r, 1, 20, 1);
    receive(r, 2, 20, 1);
    receive(r, 5, 4, 1);
    rig_packet(r, r->start, &other, NULL);
    r->start += PACKET_CYCLES;
    nic_advance(r->nic, r->start);
    assert_int_equal(rig_header(r, 3).flags, MSG_ACK);
    for (uint8_t i = 1; i < 4; i++, r->start += PACKET_CYCLES)
        rig_data(r, r->start, 0, 5, 4 * MSG_SEGMENT_BYTES, i, 0);
    nic_advance(r->nic, r->start);
    h = rig_header(r, 5);
    assert_int_equal(h.flags, MSG_PULL);
    assert_int_equal(h.dst_ip, RIG_PEER + 1);
    assert_int_equal(h.dst_context, 9);
    assert_int_equal(h.msg_len, 30 * MSG_SEGMENT_BYTES);
    assert_int_equal(h.tx_msg_id, 3);
    assert_int_equal(h.buf_ptr, 11);
    assert_int_equal(h.grant_prio, 3);
}

/* An ACK is made in the cycle of a GRANT, behind it, and leaves before it. */
static void rx__an_ack_overtakes_a_grant(void **state)
{
    struct rig *r = *state;
    unsigned n;

    receive(r, 1, 4, 1);
    receive(r, 2, 20, 1);
    receive(r, 3, 20, 1);
    receive(r, 4, 30, 1); /* has to wait until the first one is wholly granted */
    rig_data(r, r->start, 0, 1, 4 * MSG_SEGMENT_BYTES, 1, 0);
    r->start += PACKET_CYCLES;
    receive(r, 5, 1, 1);
    n = r->sent_len;
    assert_int_equal(rig_header(r, n - 2).flags, MSG_ACK);
    assert_int_equal(rig_header(r, n - 2).tx_msg_id, 5);
    assert_int_equal(rig_header(r, n - 2).pkt_offset, 1);
    assert_int_equal(rig_header(r, n - 1).flags, MSG_PULL);
    assert_int_equal(rig_header(r, n - 1).tx_msg_id, 4);
}

static void rx__a_trimmed_packet_and_one_without_a_buffer_are_refused(void **state)
{
    struct rig *r = *state;
    struct msg_header h;

    receive(r, 1, 8, 1);
    rig_data(r, r->start, 0, 1, 8 * MSG_SEGMENT_BYTES, 2, MSG_CHOP);
    nic_advance(r->nic, r->start + 100);
    h = rig_header(r, 1);
    assert_int_equal(h.flags, MSG_NACK);
    assert_int_equal(h.pkt_offset, 2);
    assert_int_equal(h.pull_offset, 1);
    r->start += PACKET_CYCLES;
    for (uint16_t id = 2; id <= 16; id++) /* the key has four bits of it */
        receive(r, id, 8, 1);
    assert_int_equal(nic_stats(r->nic)->drop_no_buffer, 0);
    rig_set(r, "key_ip_bits", "5");
    {
        struct msg_header other = {.src_ip = RIG_PEER + 16,
                                   .dst_ip = RIG_IP,
                                   .ip_protocol = params_ip_protocol(&r->p),
                                   .payload_len = MSG_SEGMENT_BYTES,
                                   .flags = MSG_DATA,
                                   .msg_len = 2 * MSG_SEGMENT_BYTES,
                                   .pkt_offset = 1};

        rig_packet(r, r->start, &other, NULL);
    }
    nic_advance(r->nic, r->start + 100);
    h = rig_header(r, r->sent_len - 1);
    assert_int_equal(nic_stats(r->nic)->drop_no_buffer, 1);
    assert_int_equal(h.flags, MSG_NACK);
    assert_int_equal(h.dst_ip, RIG_PEER + 16);
    assert_int_equal(h.pkt_offset, 1);
}

/* Four packets: two at once at priority 0, the others when granted, at the priority that the grant says. */
static void tx__priorities_are_in_the_type_of_service(void **state)
{
    struct rig *r = *state;
    struct msg_header grant = {.src_ip = RIG_PEER,
                               .dst_ip = RIG_IP,
                               .ip_protocol = params_ip_protocol(&r->p),
                               .payload_len = 1,
                               .flags = MSG_PULL,
                               .pkt_offset = 1,
                               .pull_offset = 4,
                               .grant_prio = 2};
    static const uint8_t tos[] = {0, 0, 2, 2};

    rig_send(r, 0, r->start, 1, 4 * MSG_SEGMENT_BYTES);
    rig_packet(r, r->start + 1000, &grant, NULL);
    nic_advance(r->nic, r->start + 2000);
    assert_int_equal(r->sent_len, 4);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(rig_header(r, i).pkt_offset, i);
        assert_int_equal(rig_header(r, i).tos, tos[i]);
    }
}

static void tx__a_timeout_sends_again_at_the_lowest_scheduled_priority(void **state)
{
    struct rig *r = *state;

    rig_send(r, 0, r->start, 1, MSG_SEGMENT_BYTES);
    nic_advance(r->nic, r->start + 6000);
    assert_int_equal(r->sent_len, 2);
    assert_int_equal(rig_header(r, 0).tos, 0);
    assert_int_equal(rig_header(r, 1).tos, 1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, start, stop)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(rx__the_answer_leaves_four_cycles_later_than_ndps),
        T(rx__grants_go_out_without_pacing),
        T(rx__a_grant_to_another_sender_has_its_addresses),
        T(rx__an_ack_overtakes_a_grant),
        T(rx__a_trimmed_packet_and_one_without_a_buffer_are_refused),
        T(tx__priorities_are_in_the_type_of_service),
        T(tx__a_timeout_sends_again_at_the_lowest_scheduled_priority),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
