/* SPDX-License-Identifier: MIT */
#include "transport/msg_header.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define PROTOCOL 153

static struct msg_header sample(void)
{
    return (struct msg_header){.dst_mac = 0x085566778808,
                               .src_mac = 0x0026e1000002,
                               .src_ip = 0x0a000002,
                               .dst_ip = 0x0a000003,
                               .ip_protocol = PROTOCOL,
                               .tos = 3,
                               .payload_len = 1024,
                               .flags = MSG_DATA | MSG_CHOP,
                               .src_context = 0x1234,
                               .dst_context = 0x5678,
                               .msg_len = 2048,
                               .pkt_offset = 1,
                               .pull_offset = 0x0102,
                               .grant_prio = 2,
                               .tx_msg_id = 0x0304,
                               .buf_ptr = 0x0506,
                               .buf_class = 7};
}

static void write__ndp_fields_lie_where_the_format_says(void **state)
{
    static const uint8_t transport[] = {0x11, 0x12, 0x34, 0x56, 0x78, 8, 0, 1, 1, 2, 3, 4, 5, 6, 7, 0};
    static const uint8_t ethernet[] = {8, 0x55, 0x66, 0x77, 0x88, 8, 0, 0x26, 0xe1, 0, 0, 2, 8, 0};
    static const uint8_t ip[] = {0x45, 3, 4, 50, 0, 1, 0, 0, 64, PROTOCOL, 0, 0, 10, 0, 0, 2, 10, 0, 0, 3};
    struct msg_header h = sample();
    uint8_t frame[MSG_FRAME_HEADER_BYTES];

    (void)state;
    msg_header_write(&h, MSG_NDP, false, frame);
    assert_memory_equal(frame, ethernet, sizeof(ethernet));
    assert_memory_equal(frame + 14, ip, sizeof(ip));
    assert_memory_equal(frame + 34, transport, sizeof(transport));
    for (unsigned i = 34 + 15; i < sizeof(frame); i++)
        assert_int_equal(frame[i], 0);
}

static void write__homa_has_a_priority_before_the_message_id(void **state)
{
    static const uint8_t transport[] = {0x11, 0x12, 0x34, 0x56, 0x78, 8, 0, 1, 1, 2, 2, 3, 4, 5, 6, 7, 0};
    struct msg_header h = sample();
    uint8_t frame[MSG_FRAME_HEADER_BYTES];

    (void)state;
    msg_header_write(&h, MSG_HOMA, false, frame);
    assert_memory_equal(frame + 34, transport, sizeof(transport));
}

static void parse__gives_back_what_was_written(void **state)
{
    uint8_t frame[MSG_FRAME_HEADER_BYTES + 1] = {0};

    (void)state;
    for (unsigned layout = MSG_NDP; layout <= MSG_HOMA; layout++) {
        struct msg_header h = sample(), back;

        msg_header_write(&h, (enum msg_layout)layout, false, frame);
        assert_int_equal(msg_header_parse(&back, (enum msg_layout)layout, PROTOCOL, frame, sizeof(frame)), MSG_OK);
        assert_int_equal(back.dst_mac, h.dst_mac);
        assert_int_equal(back.src_mac, h.src_mac);
        assert_int_equal(back.src_ip, h.src_ip);
        assert_int_equal(back.dst_ip, h.dst_ip);
        assert_int_equal(back.tos, h.tos);
        assert_int_equal(back.payload_len, h.payload_len);
        assert_int_equal(back.flags, h.flags);
        assert_int_equal(back.src_context, h.src_context);
        assert_int_equal(back.dst_context, h.dst_context);
        assert_int_equal(back.msg_len, h.msg_len);
        assert_int_equal(back.pkt_offset, h.pkt_offset);
        assert_int_equal(back.pull_offset, h.pull_offset);
        assert_int_equal(back.grant_prio, layout == MSG_HOMA ? h.grant_prio : 0);
        assert_int_equal(back.tx_msg_id, h.tx_msg_id);
        assert_int_equal(back.buf_ptr, h.buf_ptr);
        assert_int_equal(back.buf_class, h.buf_class);
    }
}

static void parse__names_what_is_wrong(void **state)
{
    uint8_t frame[MSG_FRAME_HEADER_BYTES + 1] = {0};
    struct msg_header h = sample(), back;

    (void)state;
    msg_header_write(&h, MSG_NDP, false, frame);
    assert_int_equal(msg_header_parse(&back, MSG_NDP, PROTOCOL, frame, MSG_FRAME_HEADER_BYTES), MSG_SHORT);
    assert_int_equal(msg_header_parse(&back, MSG_NDP, PROTOCOL + 1, frame, sizeof(frame)), MSG_OTHER_PROTOCOL);
    frame[14] = 0x46;
    assert_int_equal(msg_header_parse(&back, MSG_NDP, PROTOCOL, frame, sizeof(frame)), MSG_NOT_IPV4);
    frame[14] = 0x45;
    frame[12] = 0x86;
    assert_int_equal(msg_header_parse(&back, MSG_NDP, PROTOCOL, frame, sizeof(frame)), MSG_NOT_IPV4);
}

static void checksum__is_zero_or_right(void **state)
{
    struct msg_header h = sample();
    uint8_t frame[MSG_FRAME_HEADER_BYTES];

    (void)state;
    msg_header_write(&h, MSG_NDP, false, frame);
    assert_int_equal(frame[24] | frame[25], 0);
    assert_false(msg_checksum_good(frame));
    msg_header_write(&h, MSG_NDP, true, frame);
    assert_true(msg_checksum_good(frame));
    frame[33] ^= 1;
    assert_false(msg_checksum_good(frame));
}

static void rider__lies_in_the_padding_of_both_layouts(void **state)
{
    struct msg_rider r = {.flags = MSG_ACK,
                          .pkt_offset = 63,
                          .grant_prio = 3,
                          .pull_offset = 0x1213,
                          .tx_msg_id = 0x1415,
                          .buf_ptr = 0x1617,
                          .context = 0x1819},
                     back;
    struct msg_header h = sample(), read;
    uint8_t frame[MSG_FRAME_HEADER_BYTES + 1] = {0};

    (void)state;
    for (unsigned layout = MSG_NDP; layout <= MSG_HOMA; layout++) {
        msg_header_write(&h, (enum msg_layout)layout, true, frame);
        assert_false(msg_rider_parse(&back, frame));
        msg_rider_write(&r, frame);
        assert_true(msg_rider_parse(&back, frame));
        assert_int_equal(back.flags, r.flags);
        assert_int_equal(back.pkt_offset, r.pkt_offset);
        assert_int_equal(back.grant_prio, r.grant_prio);
        assert_int_equal(back.pull_offset, r.pull_offset);
        assert_int_equal(back.tx_msg_id, r.tx_msg_id);
        assert_int_equal(back.buf_ptr, r.buf_ptr);
        assert_int_equal(back.context, r.context);
        assert_int_equal(frame[MSG_FRAME_HEADER_BYTES], 0);
        assert_int_equal(msg_header_parse(&read, (enum msg_layout)layout, PROTOCOL, frame, sizeof(frame)), MSG_OK);
        assert_int_equal(read.tx_msg_id, h.tx_msg_id);
        assert_int_equal(read.buf_ptr, h.buf_ptr);
        assert_int_equal(read.buf_class, h.buf_class);
        assert_true(msg_checksum_good(frame));
    }
}

static void packets__are_counted_in_segments(void **state)
{
    (void)state;
    assert_int_equal(msg_packets(1), 1);
    assert_int_equal(msg_packets(1024), 1);
    assert_int_equal(msg_packets(1025), 2);
    assert_int_equal(msg_packets(MSG_BYTES_MAX), MSG_PACKETS_MAX);
    assert_int_equal(msg_packet_bytes(1025, 0), 1024);
    assert_int_equal(msg_packet_bytes(1025, 1), 1);
    assert_int_equal(msg_packet_bytes(2048, 1), 1024);
    assert_true(msg_mask(64) == UINT64_MAX && msg_mask(0) == 0 && msg_mask(3) == 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(write__ndp_fields_lie_where_the_format_says),
        cmocka_unit_test(write__homa_has_a_priority_before_the_message_id),
        cmocka_unit_test(parse__gives_back_what_was_written),
        cmocka_unit_test(parse__names_what_is_wrong),
        cmocka_unit_test(checksum__is_zero_or_right),
        cmocka_unit_test(rider__lies_in_the_padding_of_both_layouts),
        cmocka_unit_test(packets__are_counted_in_segments),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
