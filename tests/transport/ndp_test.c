/* SPDX-License-Identifier: MIT */
#include "transport/transport.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* The prototype's ways, and what is right. */
static const struct msg_options prototype = {.rtt_pkts = 2,
                                             .no_ack_duplicate = true,
                                             .pull_overwrites = true,
                                             .pull_always = true,
                                             .first_timeout_packet = true};
static const struct msg_options right = {.rtt_pkts = 2};

static struct msg_receiver receiver; /* of each test */

static void start(struct msg_rx *m, const struct msg_options *o, uint16_t msg_len)
{
    receiver = (struct msg_receiver){.o = *o};
    ndp_transport.rx_start(&receiver, m, 0, msg_len);
}

static enum msg_verdict data(struct msg_rx *m, uint8_t pkt_offset, bool trimmed, struct msg_control *reply)
{
    struct msg_control answer[MSG_ANSWERS_MAX];
    enum msg_verdict verdict = ndp_transport.rx_data(&receiver, m, pkt_offset, trimmed, answer);

    assert_int_equal(answer[1].flags, 0);
    *reply = answer[0];
    return verdict;
}

static bool control(struct msg_tx *m, const struct msg_options *o, uint8_t flags, uint8_t pkt_offset,
                    uint16_t pull_offset, uint64_t *send)
{
    struct msg_header h = {.flags = flags, .pkt_offset = pkt_offset, .pull_offset = pull_offset};

    return ndp_transport.tx_control(m, o, &h, send);
}

/* ---- Receiver ---- */

static void rx_data__each_whole_packet_pulls_one_more(void **state)
{
    struct msg_control reply;
    struct msg_rx m;

    (void)state;
    start(&m, &prototype, 4096);
    assert_int_equal(data(&m, 1, false, &reply), MSG_STORE);
    assert_int_equal(reply.flags, MSG_ACK | MSG_PULL);
    assert_int_equal(reply.pull_offset, 3);
    assert_int_equal(data(&m, 0, false, &reply), MSG_STORE);
    assert_int_equal(reply.pull_offset, 4);
    assert_false(msg_rx_complete(&m));
    data(&m, 2, false, &reply);
    data(&m, 3, false, &reply);
    assert_true(msg_rx_complete(&m));
}

static void rx_data__a_trimmed_packet_is_refused_and_pulled_again(void **state)
{
    struct msg_control reply;
    struct msg_rx m;

    (void)state;
    start(&m, &prototype, 1024);
    assert_int_equal(data(&m, 0, true, &reply), MSG_TRIMMED);
    assert_int_equal(reply.flags, MSG_NACK | MSG_PULL);
    assert_int_equal(reply.pull_offset, 2);
    assert_false(msg_rx_complete(&m));
    assert_int_equal(data(&m, 0, false, &reply), MSG_STORE);
    assert_true(msg_rx_complete(&m));
}

static void rx_data__a_duplicate_is_dropped_without_a_word_or_acknowledged(void **state)
{
    struct msg_control reply;
    struct msg_rx m;

    (void)state;
    start(&m, &prototype, 2048);
    data(&m, 0, false, &reply);
    assert_int_equal(data(&m, 0, false, &reply), MSG_DUPLICATE);
    assert_int_equal(reply.flags, 0);
    receiver.o = right;
    assert_int_equal(data(&m, 0, false, &reply), MSG_DUPLICATE);
    assert_int_equal(reply.flags & MSG_ACK, MSG_ACK);
    assert_int_equal(m.received, 1);
}

static void rx_data__pulls_are_for_senders_that_have_more(void **state)
{
    struct msg_control reply;
    struct msg_rx m;

    (void)state;
    start(&m, &right, 3000);
    data(&m, 0, false, &reply);
    assert_int_equal(reply.flags, MSG_ACK | MSG_PULL); /* the third */
    data(&m, 1, false, &reply);
    assert_int_equal(reply.flags, MSG_ACK);
    data(&m, 2, true, &reply);
    assert_int_equal(reply.flags, MSG_NACK | MSG_PULL); /* the trimmed one, again */
}

static void rx_late__is_acknowledged_by_those_who_do_right(void **state)
{
    (void)state;
    assert_int_equal(ndp_transport.rx_late(&prototype, 1024, 0).flags, 0);
    assert_int_equal(ndp_transport.rx_late(&right, 1024, 0).flags, MSG_ACK);
}

static void rx_refuse__asks_for_the_packet_again(void **state)
{
    struct msg_control reply = ndp_transport.rx_refuse(&right, 5);

    (void)state;
    assert_int_equal(reply.flags, MSG_NACK | MSG_PULL);
    assert_int_equal(reply.pull_offset, 6);
    assert_int_equal(ndp_transport.rx_refuse(&right, 0).pull_offset, right.rtt_pkts);
}

/* ---- Sender ---- */

/* A message of n packets, all of them written and those within the window sent. */
static struct msg_tx written(const struct msg_options *o, unsigned n)
{
    struct msg_tx m;

    msg_tx_start(&m, o, (uint16_t)(n * MSG_SEGMENT_BYTES));
    for (uint8_t i = 0; i < n; i++)
        if (msg_tx_ready(&m, o, i))
            msg_tx_sent(&m, i);
    return m;
}

static void tx_ready__the_first_packets_go_unasked(void **state)
{
    struct msg_tx m;

    (void)state;
    msg_tx_start(&m, &prototype, 4096);
    assert_true(msg_tx_ready(&m, &prototype, 0));
    assert_true(msg_tx_ready(&m, &prototype, 1));
    assert_false(msg_tx_ready(&m, &prototype, 2));
    assert_int_equal(m.waiting, 4);
}

static void tx_ready__a_pull_that_came_before_the_bytes_counts(void **state)
{
    struct msg_tx m;
    uint64_t send;

    (void)state;
    msg_tx_start(&m, &prototype, 4096);
    msg_tx_ready(&m, &prototype, 0);
    control(&m, &prototype, MSG_PULL, 0, 3, &send);
    assert_int_equal(send, 0);
    assert_true(msg_tx_ready(&m, &prototype, 2));
}

static void tx_control__pull_sends_what_waits_below_it(void **state)
{
    struct msg_tx m = written(&prototype, 6);
    uint64_t send;

    (void)state;
    assert_false(control(&m, &prototype, MSG_ACK | MSG_PULL, 0, 4, &send));
    assert_int_equal(send, 0xc);
    assert_int_equal(m.waiting, 0x30);
    assert_int_equal(m.delivered, 1);
}

static void tx_control__nack_with_pull_sends_again(void **state)
{
    struct msg_tx m = written(&prototype, 1);
    uint64_t send;

    (void)state;
    control(&m, &prototype, MSG_NACK, 0, 0, &send);
    assert_int_equal(send, 0);
    control(&m, &prototype, MSG_NACK | MSG_PULL, 0, 2, &send);
    assert_int_equal(send, 1);
}

static void tx_control__a_lower_pull_overwrites_the_credit_or_not(void **state)
{
    struct msg_tx m = written(&prototype, 6), n = m;
    uint64_t send;

    (void)state;
    control(&m, &prototype, MSG_PULL, 0, 5, &send);
    control(&m, &prototype, MSG_PULL, 0, 3, &send);
    assert_int_equal(m.credit, 3);
    control(&n, &right, MSG_PULL, 0, 5, &send);
    control(&n, &right, MSG_PULL, 0, 3, &send);
    assert_int_equal(n.credit, 5);
}

static void tx_control__complete_with_the_last_ack(void **state)
{
    struct msg_tx m = written(&prototype, 2);
    uint64_t send;

    (void)state;
    assert_false(control(&m, &prototype, MSG_ACK, 1, 0, &send));
    assert_false(control(&m, &prototype, MSG_ACK, 9, 0, &send)); /* none of this message */
    assert_true(control(&m, &prototype, MSG_ACK, 0, 0, &send));
}

static void tx_timeout__the_first_sends_packet_0_alone(void **state)
{
    struct msg_tx m = written(&prototype, 2);

    (void)state;
    assert_int_equal(msg_tx_timeout(&m, &prototype), 1);
    assert_int_equal(msg_tx_timeout(&m, &prototype), 3);
}

static void tx_timeout__without_the_quirk_all_that_were_sent(void **state)
{
    struct msg_tx m = written(&right, 4);
    uint64_t send;

    (void)state;
    control(&m, &right, MSG_ACK, 0, 0, &send);
    assert_int_equal(msg_tx_timeout(&m, &right), 2); /* 2 and 3 were never sent */
}

static void tx_timeout__asks_again_when_a_pull_was_lost(void **state)
{
    struct msg_tx m = written(&right, 4), n = written(&prototype, 4);
    uint64_t send;

    (void)state;
    for (uint8_t i = 0; i < 2; i++) {
        control(&m, &right, MSG_ACK, i, 0, &send);
        control(&n, &prototype, MSG_ACK, i, 0, &send);
    }
    assert_int_equal(msg_tx_timeout(&m, &right), 2);
    assert_int_equal(msg_tx_timeout(&n, &prototype), 0);
    assert_int_equal(msg_tx_timeout(&n, &prototype), 0);
}

static void tx_timeout__sends_nothing_that_was_not_written(void **state)
{
    struct msg_tx m;

    (void)state;
    msg_tx_start(&m, &prototype, 2048);
    assert_int_equal(msg_tx_timeout(&m, &prototype), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rx_data__each_whole_packet_pulls_one_more),
        cmocka_unit_test(rx_data__a_trimmed_packet_is_refused_and_pulled_again),
        cmocka_unit_test(rx_data__a_duplicate_is_dropped_without_a_word_or_acknowledged),
        cmocka_unit_test(rx_data__pulls_are_for_senders_that_have_more),
        cmocka_unit_test(rx_late__is_acknowledged_by_those_who_do_right),
        cmocka_unit_test(rx_refuse__asks_for_the_packet_again),
        cmocka_unit_test(tx_ready__the_first_packets_go_unasked),
        cmocka_unit_test(tx_ready__a_pull_that_came_before_the_bytes_counts),
        cmocka_unit_test(tx_control__pull_sends_what_waits_below_it),
        cmocka_unit_test(tx_control__nack_with_pull_sends_again),
        cmocka_unit_test(tx_control__a_lower_pull_overwrites_the_credit_or_not),
        cmocka_unit_test(tx_control__complete_with_the_last_ack),
        cmocka_unit_test(tx_timeout__the_first_sends_packet_0_alone),
        cmocka_unit_test(tx_timeout__without_the_quirk_all_that_were_sent),
        cmocka_unit_test(tx_timeout__asks_again_when_a_pull_was_lost),
        cmocka_unit_test(tx_timeout__sends_nothing_that_was_not_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
