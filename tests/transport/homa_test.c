/* SPDX-License-Identifier: MIT */
#include "transport/transport.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define RTT 2

static const struct msg_options prototype = {
    .rtt_pkts = RTT, .no_ack_duplicate = true, .pull_overwrites = true, .first_timeout_packet = true};
static const struct msg_options right = {.rtt_pkts = RTT};

/* ---- Receiver ---- */

#define MESSAGES 6

static struct msg_receiver receiver;
static struct msg_rx rx[MESSAGES];
static struct msg_control answer[MSG_ANSWERS_MAX];

/* Message i of so many packets. */
static void start(unsigned i, unsigned packets)
{
    homa_transport.rx_start(&receiver, &rx[i], (uint16_t)i, (uint16_t)(packets * MSG_SEGMENT_BYTES));
}

static int setup(void **state)
{
    receiver = (struct msg_receiver){.o = prototype};
    *state = NULL;
    return 0;
}

static enum msg_verdict data(unsigned i, uint8_t offset)
{
    return homa_transport.rx_data(&receiver, &rx[i], offset, false, answer);
}

static void expect(unsigned n, uint8_t flags, unsigned message, unsigned missing, unsigned offset, unsigned prio)
{
    assert_int_equal(answer[n].flags, flags);
    assert_ptr_equal(answer[n].to, &rx[message]);
    assert_int_equal(answer[n].pkt_offset, missing);
    assert_int_equal(answer[n].pull_offset, offset);
    assert_int_equal(answer[n].grant_prio, prio);
}

static void nothing(unsigned n)
{
    assert_int_equal(answer[n].flags, 0);
}

/* One message alone: section 6.4's sequence, packet by packet. */
static void rx_data__one_message(void **state)
{
    static const struct {
        uint8_t offset, flags, missing;
        uint16_t pull;
        uint8_t prio;
    } steps[] = {
        {0, MSG_PULL, 1, 3, 1},                         /* a packet more than the two that were sent unasked */
        {1, MSG_PULL, 2, 4, 1}, {3, MSG_PULL, 2, 5, 1}, /* packet 2 is late */
        {2, MSG_ACK, 4, 0, 0},                          /* all five are granted */
        {4, MSG_ACK, 5, 0, 0},
    };

    (void)state;
    start(0, 5);
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        assert_false(msg_rx_complete(&rx[0]));
        assert_int_equal(data(0, steps[i].offset), MSG_STORE);
        expect(0, steps[i].flags, 0, steps[i].missing, steps[i].pull, steps[i].prio);
        nothing(1);
    }
    assert_true(msg_rx_complete(&rx[0]));
    assert_null(receiver.first);
}

static void rx_data__a_message_within_the_window_is_only_acknowledged(void **state)
{
    (void)state;
    start(0, 2);
    data(0, 1);
    expect(0, MSG_ACK, 0, 0, 0, 0);
    data(0, 0);
    expect(0, MSG_ACK, 0, 2, 0, 0);
    nothing(1);
}

static void rx_data__the_message_with_fewest_packets_to_come_is_granted_first(void **state)
{
    (void)state;
    start(0, 20);
    start(1, 10);
    data(0, 0);
    expect(0, MSG_PULL, 0, 1, 3, 1);
    data(1, 0);
    expect(0, MSG_PULL, 1, 1, 3, 1); /* the shorter one has the better level from now on */
    data(0, 1);
    expect(0, MSG_PULL, 0, 2, 4, 2);
    data(1, 1);
    expect(0, MSG_PULL, 1, 2, 4, 1);
}

static void rx_data__of_equally_long_ones_the_lower_id_is_first(void **state)
{
    (void)state;
    start(0, 10);
    start(1, 10);
    data(1, 0);
    expect(0, MSG_PULL, 1, 1, 3, 1);
    data(0, 0);
    expect(0, MSG_PULL, 0, 1, 3, 1);
    data(1, 1); /* nine less one: it passes by */
    expect(0, MSG_PULL, 1, 2, 4, 1);
}

static void rx_data__no_more_than_three_are_granted_at_once(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        start(i, 10 + i);
        data(i, 0);
        if (i < 3)
            expect(0, MSG_PULL, i, 1, 3, 1 + i);
        else
            expect(0, MSG_ACK, i, 1, 0, 0);
    }
}

static void rx_data__who_waited_is_granted_by_anothers_packet(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        start(i, i == 0 ? 3 : 10 + i);
        data(i, 0);
    }
    /* The first was wholly granted by its first packet, so all others had a level. */
    expect(0, MSG_PULL, 3, 1, 3, 3);
    start(4, 20);
    data(4, 0);
    expect(0, MSG_ACK, 4, 1, 0, 0);
    homa_transport.rx_end(&receiver, &rx[1]);
    data(0, 1);
    expect(0, MSG_PULL, 4, 1, 3, 3);
    nothing(1);
    data(4, 1);
    expect(0, MSG_PULL, 4, 2, 4, 3);
    start(5, 30);
    data(5, 0);
    expect(0, MSG_ACK, 5, 1, 0, 0);
    homa_transport.rx_end(&receiver, &rx[2]);
    data(0, 2); /* completes the first, and grants another one */
    expect(0, MSG_PULL, 5, 1, 3, 3);
    expect(1, MSG_ACK, 0, 3, 0, 0);
}

static void rx_data__a_trimmed_packet_is_refused_and_grants_nothing(void **state)
{
    (void)state;
    start(0, 10);
    data(0, 0);
    assert_int_equal(homa_transport.rx_data(&receiver, &rx[0], 3, true, answer), MSG_TRIMMED);
    expect(0, MSG_NACK, 0, 3, 1, 0);
    nothing(1);
    assert_int_equal(rx[0].granted, 3);
}

static void rx_data__a_duplicate_is_dropped_or_answered_again(void **state)
{
    (void)state;
    start(0, 10);
    data(0, 0);
    assert_int_equal(data(0, 0), MSG_DUPLICATE);
    nothing(0);
    receiver.o = right;
    assert_int_equal(data(0, 0), MSG_DUPLICATE);
    expect(0, MSG_PULL, 0, 1, 3, 1);
    assert_int_equal(homa_transport.rx_data(&receiver, &rx[0], 0, true, answer), MSG_DUPLICATE);
    expect(0, MSG_PULL, 0, 1, 3, 1);
    start(1, 1);
    data(1, 0);
    data(1, 0);
    expect(0, MSG_ACK, 1, 1, 0, 0);
}

static void rx_end__an_unfinished_message_leaves_the_list(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        start(i, 10 + i);
        data(i, 0);
    }
    homa_transport.rx_end(&receiver, &rx[1]);
    assert_ptr_equal(receiver.first, &rx[0]);
    assert_ptr_equal(rx[0].after, &rx[2]);
    assert_ptr_equal(rx[2].before, &rx[0]);
    homa_transport.rx_end(&receiver, &rx[0]);
    homa_transport.rx_end(&receiver, &rx[2]);
    assert_null(receiver.first);
}

static void rx_late_and_refuse__say_what_the_sender_needs(void **state)
{
    struct msg_control c = homa_transport.rx_late(&right, 2049, 1);

    (void)state;
    assert_int_equal(c.flags, MSG_ACK);
    assert_int_equal(c.pkt_offset, 3);
    assert_int_equal(homa_transport.rx_late(&prototype, 2049, 1).flags, 0);
    c = homa_transport.rx_refuse(&prototype, 7);
    assert_int_equal(c.flags, MSG_NACK);
    assert_int_equal(c.pkt_offset, 7);
    assert_int_equal(c.pull_offset, 0);
}

/* ---- Sender ---- */

static struct msg_tx written(const struct msg_options *o, unsigned n)
{
    struct msg_tx m;

    msg_tx_start(&m, o, (uint16_t)(n * MSG_SEGMENT_BYTES));
    for (unsigned i = 0; i < n; i++)
        if (msg_tx_ready(&m, o, (uint8_t)i))
            msg_tx_sent(&m, (uint8_t)i);
    return m;
}

/* Each control packet alone to a sender of six packets, two of which are sent. */
static void tx_control__each_kind(void **state)
{
    static const struct {
        struct msg_header h;
        uint64_t delivered, waiting, send;
        uint16_t credit;
        uint8_t prio;
        bool complete;
    } steps[] = {
        {{.flags = MSG_ACK, .pkt_offset = 1}, 0x01, 0x3c, 0, RTT, 0, false},
        {{.flags = MSG_ACK, .pkt_offset = 6}, 0x3f, 0x3c, 0, RTT, 0, true},
        {{.flags = MSG_ACK, .pkt_offset = 255}, 0x3f, 0x3c, 0, RTT, 0, true},
        {{.flags = MSG_NACK, .pkt_offset = 1, .pull_offset = 1}, 0x01, 0x3e, 0, RTT, 0, false},
        {{.flags = MSG_NACK, .pkt_offset = 200, .pull_offset = 0}, 0, 0x3c, 0, RTT, 0, false},
        {{.flags = MSG_NACK, .pkt_offset = 5, .pull_offset = 65535}, 0x3f, 0x3c, 0, RTT, 0, true},
        {{.flags = MSG_PULL, .pkt_offset = 2, .pull_offset = 4, .grant_prio = 2}, 0x03, 0x30, 0x0c, 4, 2, false},
        {{.flags = MSG_PULL, .pull_offset = 65535, .grant_prio = 3}, 0, 0, 0x3c, 65535, 3, false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        struct msg_tx m = written(&prototype, 6);
        uint64_t send;

        assert_int_equal(homa_transport.tx_control(&m, &prototype, &steps[i].h, &send), steps[i].complete);
        assert_int_equal(m.delivered, steps[i].delivered);
        assert_int_equal(m.waiting, steps[i].waiting);
        assert_int_equal(send, steps[i].send);
        assert_int_equal(m.credit, steps[i].credit);
        assert_int_equal(m.prio, steps[i].prio);
    }
}

static void tx_control__what_was_refused_goes_with_the_next_grant(void **state)
{
    struct msg_tx m = written(&prototype, 6);
    struct msg_header nack = {.flags = MSG_NACK, .pkt_offset = 0};
    struct msg_header grant = {.flags = MSG_PULL, .pull_offset = 3, .grant_prio = 1};
    uint64_t send;

    (void)state;
    homa_transport.tx_control(&m, &prototype, &nack, &send);
    assert_int_equal(send, 0);
    homa_transport.tx_control(&m, &prototype, &grant, &send);
    assert_int_equal(send, 5);
}

static void tx_control__a_lower_grant_overwrites_the_credit_or_not(void **state)
{
    struct msg_tx m = written(&prototype, 6), n = m;
    struct msg_header five = {.flags = MSG_PULL, .pull_offset = 5}, three = {.flags = MSG_PULL, .pull_offset = 3};
    uint64_t send;

    (void)state;
    homa_transport.tx_control(&m, &prototype, &five, &send);
    homa_transport.tx_control(&m, &prototype, &three, &send);
    assert_int_equal(m.credit, 3);
    homa_transport.tx_control(&n, &right, &five, &send);
    homa_transport.tx_control(&n, &right, &three, &send);
    assert_int_equal(n.credit, 5);
}

static void tx_tos__unscheduled_then_as_granted_and_never_unscheduled_again(void **state)
{
    struct msg_header grant = {.flags = MSG_PULL, .pull_offset = 6, .grant_prio = 3};
    struct msg_tx m;
    uint64_t send;

    (void)state;
    msg_tx_start(&m, &prototype, 6 * MSG_SEGMENT_BYTES);
    assert_int_equal(homa_transport.tx_tos(&m, 0), 0);
    msg_tx_sent(&m, 0);
    assert_int_equal(homa_transport.tx_tos(&m, 1), 0);
    assert_int_equal(homa_transport.tx_tos(&m, 0), 1);
    homa_transport.tx_control(&m, &prototype, &grant, &send);
    assert_int_equal(homa_transport.tx_tos(&m, 0), 3);
    assert_int_equal(homa_transport.tx_tos(&m, 5), 3);
}

static void find__by_name(void **state)
{
    (void)state;
    assert_ptr_equal(transport_find("homa"), &homa_transport);
    assert_ptr_equal(transport_find("ndp"), &ndp_transport);
    assert_null(transport_find("tcp"));
}

#define T(f) cmocka_unit_test_setup(f, setup)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(rx_data__one_message),
        T(rx_data__a_message_within_the_window_is_only_acknowledged),
        T(rx_data__the_message_with_fewest_packets_to_come_is_granted_first),
        T(rx_data__of_equally_long_ones_the_lower_id_is_first),
        T(rx_data__no_more_than_three_are_granted_at_once),
        T(rx_data__who_waited_is_granted_by_anothers_packet),
        T(rx_data__a_trimmed_packet_is_refused_and_grants_nothing),
        T(rx_data__a_duplicate_is_dropped_or_answered_again),
        T(rx_end__an_unfinished_message_leaves_the_list),
        T(rx_late_and_refuse__say_what_the_sender_needs),
        T(tx_control__each_kind),
        T(tx_control__what_was_refused_goes_with_the_next_grant),
        T(tx_control__a_lower_grant_overwrites_the_credit_or_not),
        T(tx_tos__unscheduled_then_as_granted_and_never_unscheduled_again),
        T(find__by_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
