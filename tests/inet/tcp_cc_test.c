/* SPDX-License-Identifier: MIT */
/* Round-trip time and congestion windows, from the RFCs' own formulas. */
#include "inet/tcp_cc.h"
#include "inet/tcp_rtt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MSS 1000

static void rtt__first_measurement(void **state)
{
    struct tcp_rtt r;

    (void)state;
    tcp_rtt_init(&r);
    assert_int_equal(tcp_rtt_rto(&r), NS_PER_S); /* RFC 6298 rule 2.1 */
    tcp_rtt_sample(&r, 100 * NS_PER_MS, NS_PER_S, NS_PER_MS);
    assert_int_equal(r.srtt_ns, 100 * NS_PER_MS); /* rule 2.2 */
    assert_int_equal(r.var_ns, 50 * NS_PER_MS);
    assert_int_equal(tcp_rtt_rto(&r), 300 * NS_PER_MS);
}

static void rtt__later_measurements_are_smoothed(void **state)
{
    struct tcp_rtt r;

    (void)state;
    tcp_rtt_init(&r);
    tcp_rtt_sample(&r, 80 * NS_PER_MS, NS_PER_S, NS_PER_MS);
    tcp_rtt_sample(&r, 160 * NS_PER_MS, NS_PER_S, NS_PER_MS);
    assert_int_equal(r.var_ns, 50 * NS_PER_MS);  /* 3/4 of 40 and 1/4 of 80 */
    assert_int_equal(r.srtt_ns, 90 * NS_PER_MS); /* 7/8 of 80 and 1/8 of 160 */
    assert_int_equal(tcp_rtt_rto(&r), 290 * NS_PER_MS);
    assert_int_equal(r.min_ns, 80 * NS_PER_MS);
}

static void rtt__floor_back_off_and_ceiling(void **state)
{
    struct tcp_rtt r;

    (void)state;
    tcp_rtt_init(&r);
    for (int i = 0; i < 100; i++)
        tcp_rtt_sample(&r, 10 * NS_PER_US, NS_PER_S, NS_PER_MS);
    assert_int_equal(tcp_rtt_rto(&r), NS_PER_MS);
    tcp_rtt_back_off(&r);
    assert_int_equal(tcp_rtt_rto(&r), 2 * NS_PER_MS);
    for (int i = 0; i < 100; i++)
        tcp_rtt_back_off(&r);
    assert_int_equal(tcp_rtt_rto(&r), 60 * NS_PER_S);
    tcp_rtt_sample(&r, 10 * NS_PER_US, NS_PER_S, NS_PER_MS);
    assert_int_equal(tcp_rtt_rto(&r), NS_PER_MS);
}

/*
 * One round trip of twenty times the usual counts for dozens of the usual ones, which the deviation forgets after ten;
 * but a very long one for no more than 200 ms.
 */
static void rtt__longest_is_forgotten_slowly(void **state)
{
    struct tcp_rtt r;

    (void)state;
    tcp_rtt_init(&r);
    for (int i = 0; i < 20; i++)
        tcp_rtt_sample(&r, NS_PER_MS, NS_PER_S, NS_PER_MS);
    assert_int_equal(tcp_rtt_rto(&r), 3 * NS_PER_MS);
    tcp_rtt_sample(&r, 20 * NS_PER_MS, NS_PER_S, NS_PER_MS);
    for (int i = 0; i < 30; i++)
        tcp_rtt_sample(&r, NS_PER_MS, NS_PER_S, NS_PER_MS);
    assert_in_range(tcp_rtt_long(&r), 10 * NS_PER_MS, 15 * NS_PER_MS);
    assert_in_range(tcp_rtt_rto(&r), 30 * NS_PER_MS, 45 * NS_PER_MS);
    for (int i = 0; i < 300; i++)
        tcp_rtt_sample(&r, NS_PER_MS, NS_PER_S, NS_PER_MS);
    assert_int_equal(tcp_rtt_rto(&r), 3 * NS_PER_MS);
    tcp_rtt_sample(&r, 3 * NS_PER_S, NS_PER_S, NS_PER_MS);
    for (int i = 0; i < 60; i++)
        tcp_rtt_sample(&r, NS_PER_MS, NS_PER_S, NS_PER_MS);
    assert_in_range(tcp_rtt_rto(&r), 50 * NS_PER_MS, 200 * NS_PER_MS);
}

static void rtt__smallest_is_forgotten(void **state)
{
    struct tcp_rtt r;

    (void)state;
    tcp_rtt_init(&r);
    tcp_rtt_sample(&r, 5, NS_PER_S, NS_PER_MS);
    tcp_rtt_sample(&r, 50, 2 * NS_PER_S, NS_PER_MS);
    assert_int_equal(r.min_ns, 5);
    tcp_rtt_sample(&r, 50, 20 * NS_PER_S, NS_PER_MS);
    assert_int_equal(r.min_ns, 50);
}

static struct tcp_cc start(enum tcp_cc_kind kind)
{
    struct tcp_cc cc;

    tcp_cc_init(&cc, tcp_cc_at(kind), MSS, 10);
    return cc;
}

static uint64_t clock_ns;
static uint32_t una;

/* A window's worth of acknowledgements, one a segment, within a round trip of rtt_ns. */
static void one_round(struct tcp_cc *cc, uint64_t rtt_ns, bool marked)
{
    uint32_t segments = cc->cwnd / MSS, end = una + segments * MSS;

    for (uint32_t i = 0; i < segments; i++) {
        struct tcp_cc_ack a = {
            .srtt_ns = rtt_ns, .acked = MSS, .marked = marked ? MSS : 0, .limited = true, .open = true};

        clock_ns += rtt_ns / segments;
        una += MSS;
        a.now_ns = clock_ns;
        a.una = una;
        a.nxt = end + segments * MSS;
        cc->ops->acked(cc, &a);
    }
}

static void cc__found_by_name(void **state)
{
    (void)state;
    assert_ptr_equal(tcp_cc_find("newreno", 7), &tcp_cc_newreno);
    assert_ptr_equal(tcp_cc_find("cubic", 5), &tcp_cc_cubic);
    assert_ptr_equal(tcp_cc_find("dctcp", 5), &tcp_cc_dctcp);
    assert_null(tcp_cc_find("dctc", 4));
    assert_null(tcp_cc_at(TCP_CC_MAX));
}

/* RFC 6928 section 2. */
static void cc__initial_window(void **state)
{
    (void)state;
    assert_int_equal(tcp_cc_initial_window(1460, 10), 14600);
    assert_int_equal(tcp_cc_initial_window(8960, 10), 17920);
    assert_int_equal(tcp_cc_initial_window(536, 10), 5360);
    assert_int_equal(tcp_cc_initial_window(1460, 1), 1460);
}

static void cc__all_double_in_slow_start(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < TCP_CC_MAX; kind++) {
        struct tcp_cc cc = start((enum tcp_cc_kind)kind);

        one_round(&cc, NS_PER_MS, false);
        assert_int_equal(cc.cwnd, 20 * MSS);
        one_round(&cc, NS_PER_MS, false);
        assert_int_equal(cc.cwnd, 40 * MSS);
    }
}

static void cc__none_grows_when_not_limited(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < TCP_CC_MAX; kind++) {
        struct tcp_cc cc = start((enum tcp_cc_kind)kind);
        struct tcp_cc_ack a = {.now_ns = 1, .srtt_ns = 1, .acked = 5 * MSS, .open = true};

        cc.ops->acked(&cc, &a);
        assert_int_equal(cc.cwnd, 10 * MSS);
        a.limited = true;
        a.open = false; /* in recovery */
        cc.ops->acked(&cc, &a);
        assert_int_equal(cc.cwnd, 10 * MSS);
    }
}

static void newreno__halves_and_adds_one_a_round(void **state)
{
    struct tcp_cc cc = start(TCP_CC_newreno);

    (void)state;
    cc.cwnd = 40 * MSS;
    cc.ops->congestion(&cc, 0, false);
    assert_int_equal(cc.cwnd, 20 * MSS);
    assert_int_equal(cc.ssthresh, 20 * MSS);
    one_round(&cc, NS_PER_MS, false);
    assert_in_range(cc.cwnd, 20 * MSS + 950, 21 * MSS);
    cc.cwnd = MSS;
    cc.ops->congestion(&cc, 0, false);
    assert_int_equal(cc.cwnd, 2 * MSS); /* RFC 5681 equation 4 */
}

static void cc__timeout_leaves_one_segment_and_undo_restores(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < TCP_CC_MAX; kind++) {
        struct tcp_cc cc = start((enum tcp_cc_kind)kind);

        cc.cwnd = 50 * MSS;
        cc.ssthresh = 60 * MSS;
        cc.ops->timeout(&cc, 1, 50 * MSS);
        assert_int_equal(cc.cwnd, MSS);
        assert_in_range(cc.ssthresh, 25 * MSS, 35 * MSS);
        tcp_cc_undo(&cc);
        assert_int_equal(cc.cwnd, 50 * MSS);
        assert_int_equal(cc.ssthresh, 60 * MSS);
    }
}

/* RFC 9438: 0.7 of the window; back at w_max after K = cbrt(w_max * 0.3 / 0.4) seconds. */
static void cubic__returns_to_w_max_after_k(void **state)
{
    struct tcp_cc cc = start(TCP_CC_cubic);
    const uint64_t rtt = 100 * NS_PER_MS;
    uint64_t begin;

    (void)state;
    cc.cwnd = cc.ssthresh = 1000 * MSS;
    cc.ops->congestion(&cc, 0, false);
    assert_int_equal(cc.cwnd, 700 * MSS);
    clock_ns = begin = NS_PER_S;
    while (cc.cwnd < 990 * MSS)
        one_round(&cc, rtt, false);
    /* K = cbrt(300 / 0.4) = 9.09 s; the window is within 1 % of w_max some 3 s before */
    assert_in_range((clock_ns - begin) / NS_PER_MS, 5500, 9100);
    assert_in_range(cc.cubic.k_ms, 9080, 9090);
    while (clock_ns - begin < 12 * NS_PER_S)
        one_round(&cc, rtt, false);
    assert_in_range(cc.cwnd, 1000 * MSS, 1030 * MSS); /* 0.4 * 2.9^3 = 9.8 above it */
}

static void cubic__is_not_slower_than_reno(void **state)
{
    struct tcp_cc cubic = start(TCP_CC_cubic), reno = start(TCP_CC_newreno);

    (void)state;
    cubic.cwnd = cubic.ssthresh = reno.cwnd = reno.ssthresh = 20 * MSS;
    cubic.ops->congestion(&cubic, 0, false);
    reno.ops->congestion(&reno, 0, false);
    clock_ns = NS_PER_S;
    for (int i = 0; i < 40; i++)
        one_round(&cubic, NS_PER_MS, false); /* the curve hardly moves in 40 ms: Reno's region */
    for (int i = 0; i < 40; i++)
        one_round(&reno, NS_PER_MS, false);
    assert_in_range(cubic.cwnd, reno.cwnd * 7 / 10, reno.cwnd * 13 / 10);
}

static void cubic__fast_convergence(void **state)
{
    struct tcp_cc cc = start(TCP_CC_cubic);

    (void)state;
    cc.cwnd = 100 * MSS;
    cc.ops->congestion(&cc, 0, false);
    assert_int_equal(cc.cubic.w_max, 100 * MSS);
    cc.cwnd = 80 * MSS;
    cc.ops->congestion(&cc, 0, false);
    assert_int_equal(cc.cubic.w_max, 68 * MSS); /* section 4.7: 80 * (1 + 0.7) / 2 */
}

static void dctcp__cuts_by_the_share_of_marks(void **state)
{
    struct tcp_cc cc = start(TCP_CC_dctcp);

    (void)state;
    cc.cwnd = cc.ssthresh = 100 * MSS;
    for (int i = 0; i < 400; i++)
        one_round(&cc, NS_PER_MS, false);
    assert_int_equal(cc.dctcp.alpha, 0);
    cc.cwnd = 100 * MSS;
    cc.ops->congestion(&cc, 0, true);
    assert_int_equal(cc.cwnd, 100 * MSS);
    for (int i = 0; i < 400; i++) {
        one_round(&cc, NS_PER_MS, true);
        cc.cwnd = cc.ssthresh = 100 * MSS;
    }
    assert_true(cc.dctcp.alpha > (1u << 20) * 99 / 100);
    cc.ops->congestion(&cc, 0, true);
    assert_in_range(cc.cwnd, 49 * MSS, 52 * MSS);
    cc.cwnd = 100 * MSS;
    cc.ops->congestion(&cc, 0, false); /* loss: as NewReno (RFC 8257 section 3.5) */
    assert_int_equal(cc.cwnd, 50 * MSS);
}

static void idle__window_decays_to_the_initial_one(void **state)
{
    struct tcp_cc cc = start(TCP_CC_newreno);

    (void)state;
    cc.cwnd = 80 * MSS;
    tcp_cc_idle(&cc, NS_PER_S, NS_PER_S, 10);
    assert_int_equal(cc.cwnd, 40 * MSS);
    assert_true(cc.ssthresh >= 60 * MSS);
    tcp_cc_idle(&cc, 100 * NS_PER_S, NS_PER_S, 10);
    assert_int_equal(cc.cwnd, 10 * MSS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rtt__first_measurement),
        cmocka_unit_test(rtt__later_measurements_are_smoothed),
        cmocka_unit_test(rtt__floor_back_off_and_ceiling),
        cmocka_unit_test(rtt__longest_is_forgotten_slowly),
        cmocka_unit_test(rtt__smallest_is_forgotten),
        cmocka_unit_test(cc__found_by_name),
        cmocka_unit_test(cc__initial_window),
        cmocka_unit_test(cc__all_double_in_slow_start),
        cmocka_unit_test(cc__none_grows_when_not_limited),
        cmocka_unit_test(newreno__halves_and_adds_one_a_round),
        cmocka_unit_test(cc__timeout_leaves_one_segment_and_undo_restores),
        cmocka_unit_test(cubic__returns_to_w_max_after_k),
        cmocka_unit_test(cubic__is_not_slower_than_reno),
        cmocka_unit_test(cubic__fast_convergence),
        cmocka_unit_test(dctcp__cuts_by_the_share_of_marks),
        cmocka_unit_test(idle__window_decays_to_the_initial_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
