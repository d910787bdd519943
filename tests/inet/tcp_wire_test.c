/* SPDX-License-Identifier: MIT */
#include "inet/tcp_seq.h"
#include "inet/tcp_wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void seq__compares_across_the_wrap(void **state)
{
    (void)state;
    assert_true(seq_lt(0xfffffff0, 5));
    assert_false(seq_lt(5, 0xfffffff0));
    assert_true(seq_le(7, 7) && seq_ge(7, 7) && !seq_lt(7, 7) && !seq_gt(7, 7));
    assert_int_equal(seq_max(0xfffffff0, 5), 5);
    assert_int_equal(seq_min(0xfffffff0, 5), 0xfffffff0);
    assert_true(seq_in_after(0xfffffff0, 0xfffffff1, 2));
    assert_true(seq_in_after(0xfffffff0, 2, 2));
    assert_false(seq_in_after(0xfffffff0, 0xfffffff0, 2));
    assert_false(seq_in_after(0xfffffff0, 3, 2));
}

/* The table of RFC 9293 section 3.10.7.4: segment length and window zero or not. */
static void seq_acceptable__four_cases(void **state)
{
    (void)state;
    assert_true(seq_acceptable(100, 0, 100, 0));
    assert_false(seq_acceptable(101, 0, 100, 0));
    assert_true(seq_acceptable(109, 0, 100, 10));
    assert_false(seq_acceptable(110, 0, 100, 10));
    assert_false(seq_acceptable(99, 0, 100, 10));
    assert_false(seq_acceptable(100, 1, 100, 0));
    assert_true(seq_acceptable(90, 11, 100, 10)); /* its end lies within */
    assert_false(seq_acceptable(90, 10, 100, 10));
    assert_true(seq_acceptable(109, 100, 100, 10)); /* its beginning does */
    assert_false(seq_acceptable(110, 100, 100, 10));
}

static uint8_t header[TCP_HEADER_MAX];

/* A header with these option bytes; the data offset covers them, rounded up with END. */
static unsigned with_options(uint8_t flags, const uint8_t *opts, unsigned len)
{
    unsigned bytes = (TCP_HEADER_MIN + len + 3) / 4 * 4;

    memset(header, 0, sizeof(header));
    if (len > 0)
        memcpy(header + TCP_HEADER_MIN, opts, len);
    header[12] = (uint8_t)(bytes / 4 << 4);
    header[13] = flags;
    return bytes;
}

#define PARSE(flags, s, ...)                                                                                           \
    tcp_parse(header, with_options(flags, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})), s)

static void write__is_read_as_the_same(void **state)
{
    struct tcp_seg s = {.seq = 0x01020304,
                        .ack = 0xfffefdfc,
                        .src_port = 80,
                        .dst_port = 65535,
                        .window = 4711,
                        .flags = TCP_SYN | TCP_ACK | TCP_ECE,
                        .opts = TCP_OPT_MSS | TCP_OPT_WSCALE | TCP_OPT_SACK_OK | TCP_OPT_TS | TCP_OPT_USER_TIMEOUT,
                        .mss = 1460,
                        .wscale = 7,
                        .ts_val = 0x11223344,
                        .ts_ecr = 0x55667788,
                        .user_timeout = 0x8005};
    struct tcp_seg r;
    unsigned len = tcp_write(header, &s);

    (void)state;
    assert_int_equal(len, 20 + 4 + 4 + 4 + 12 + 4);
    assert_int_equal(tcp_parse(header, len, &r), TCP_PARSE_OK);
    assert_int_equal(r.seq, s.seq);
    assert_int_equal(r.ack, s.ack);
    assert_int_equal(r.src_port, 80);
    assert_int_equal(r.dst_port, 65535);
    assert_int_equal(r.window, 4711);
    assert_int_equal(r.flags, s.flags);
    assert_int_equal(r.opts, s.opts);
    assert_int_equal(r.mss, 1460);
    assert_int_equal(r.wscale, 7);
    assert_int_equal(r.ts_val, s.ts_val);
    assert_int_equal(r.ts_ecr, s.ts_ecr);
    assert_int_equal(r.user_timeout, 0x8005);
    assert_int_equal(r.data_len, 0);
    assert_int_equal(tcp_seg_len(&r), 1);
}

static void write__sack_blocks_that_fit(void **state)
{
    struct tcp_seg s = {
        .flags = TCP_ACK, .opts = TCP_OPT_SACK, .sack_count = 4, .sack = {{1, 2}, {3, 4}, {5, 6}, {0xffffff00, 8}}};
    struct tcp_seg r;

    (void)state;
    assert_int_equal(tcp_parse(header, tcp_write(header, &s), &r), TCP_PARSE_OK);
    assert_int_equal(r.sack_count, 4);
    assert_memory_equal(r.sack, s.sack, sizeof(s.sack));
    s.opts |= TCP_OPT_TS; /* RFC 2018 section 3: three beside timestamps */
    assert_int_equal(tcp_parse(header, tcp_write(header, &s), &r), TCP_PARSE_OK);
    assert_int_equal(r.sack_count, 3);
    assert_memory_equal(r.sack, s.sack, 3 * sizeof(s.sack[0]));
    assert_int_equal(r.header_bytes, 60);
}

static void parse__refuses_cut_headers(void **state)
{
    struct tcp_seg s;

    (void)state;
    with_options(TCP_ACK, NULL, 0);
    for (unsigned len = 0; len < TCP_HEADER_MIN; len++)
        assert_int_equal(tcp_parse(header, len, &s), TCP_PARSE_SHORT);
    assert_int_equal(tcp_parse(header, TCP_HEADER_MIN, &s), TCP_PARSE_OK);
    header[12] = 0x40;
    assert_int_equal(tcp_parse(header, TCP_HEADER_MIN, &s), TCP_PARSE_OFFSET);
    header[12] = 0x60;
    assert_int_equal(tcp_parse(header, TCP_HEADER_MIN + 3, &s), TCP_PARSE_SHORT);
}

static void parse__skips_unknown_options(void **state)
{
    struct tcp_seg s;

    (void)state;
    assert_int_equal(PARSE(TCP_SYN, &s, 1, 1, 254, 5, 'a', 'b', 'c', 2, 4, 0x05, 0xb4, 30, 2), TCP_PARSE_OK);
    assert_int_equal(s.opts, TCP_OPT_MSS);
    assert_int_equal(s.mss, 1460);
}

static void parse__ends_at_the_end_option(void **state)
{
    struct tcp_seg s;

    (void)state;
    assert_int_equal(PARSE(TCP_SYN, &s, 3, 3, 2, 0, 2, 200, 1, 1), TCP_PARSE_OK);
    assert_int_equal(s.opts, TCP_OPT_WSCALE);
}

static void parse__refuses_absurd_lengths(void **state)
{
    struct tcp_seg s;

    (void)state;
    assert_int_equal(PARSE(TCP_SYN, &s, 254, 0, 1, 1), TCP_PARSE_OPTIONS);
    assert_int_equal(PARSE(TCP_SYN, &s, 254, 1, 1, 1), TCP_PARSE_OPTIONS);
    assert_int_equal(PARSE(TCP_SYN, &s, 1, 1, 1, 2), TCP_PARSE_OPTIONS);   /* no length byte */
    assert_int_equal(PARSE(TCP_SYN, &s, 254, 5, 1, 1), TCP_PARSE_OPTIONS); /* leaves the header */
    assert_int_equal(PARSE(TCP_SYN, &s, 2, 3, 1, 1), TCP_PARSE_OPTIONS);   /* MSS of 1 byte */
    assert_int_equal(PARSE(TCP_SYN, &s, 3, 4, 1, 1), TCP_PARSE_OPTIONS);   /* window scale of 2 */
    assert_int_equal(PARSE(TCP_SYN, &s, 4, 3, 1, 1), TCP_PARSE_OPTIONS);   /* SACK permitted of 1 */
    assert_int_equal(PARSE(TCP_SYN, &s, 8, 4, 1, 1), TCP_PARSE_OPTIONS);   /* timestamps of 2 */
    assert_int_equal(PARSE(TCP_ACK, &s, 5, 2, 1, 1), TCP_PARSE_OPTIONS);   /* SACK without a block */
    assert_int_equal(PARSE(TCP_ACK, &s, 5, 6, 1, 1, 1, 1), TCP_PARSE_OPTIONS);
    assert_int_equal(PARSE(TCP_ACK, &s, 28, 3, 1, 1), TCP_PARSE_OPTIONS);
}

static void parse__syn_options_only_in_a_syn(void **state)
{
    struct tcp_seg s;

    (void)state;
    assert_int_equal(PARSE(TCP_ACK, &s, 2, 4, 5, 0xb4, 3, 3, 2, 4, 2, 1), TCP_PARSE_OK);
    assert_int_equal(s.opts, 0);
    assert_int_equal(PARSE(TCP_SYN, &s, 1, 1, 5, 10, 1, 2, 3, 4, 5, 6, 7, 8), TCP_PARSE_OK);
    assert_int_equal(s.opts, 0);
}

static void parse__window_scale_is_at_most_14(void **state)
{
    struct tcp_seg s;

    (void)state;
    assert_int_equal(PARSE(TCP_SYN, &s, 3, 3, 15, 1), TCP_PARSE_OK);
    assert_int_equal(s.wscale, 14);
    assert_int_equal(PARSE(TCP_SYN, &s, 3, 3, 255, 1), TCP_PARSE_OK);
    assert_int_equal(s.wscale, 14);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seq__compares_across_the_wrap),    cmocka_unit_test(seq_acceptable__four_cases),
        cmocka_unit_test(write__is_read_as_the_same),       cmocka_unit_test(write__sack_blocks_that_fit),
        cmocka_unit_test(parse__refuses_cut_headers),       cmocka_unit_test(parse__skips_unknown_options),
        cmocka_unit_test(parse__ends_at_the_end_option),    cmocka_unit_test(parse__refuses_absurd_lengths),
        cmocka_unit_test(parse__syn_options_only_in_a_syn), cmocka_unit_test(parse__window_scale_is_at_most_14),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
