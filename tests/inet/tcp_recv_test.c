/* SPDX-License-Identifier: MIT */
/* A receiver, segment by segment: what it acknowledges, when, with which options; what it believes of strangers. */
#include "tcp_rig.h"

#include <errno.h>

#define AT(n) (PEER_ISN + 1 + (n)) /* sequence number of the peer's nth byte */

struct scene {
    struct tcp_host *th;
    struct sock *s;
    uint32_t iss;
};

static struct scene scene_new(uint8_t opts)
{
    struct scene sc = {.th = tcp_host_new_default(1)};

    sc.s = peer_establish(sc.th, opts | TCP_OPT_MSS, &sc.iss);
    return sc;
}

static void scene_free(struct scene *sc)
{
    sock_abort(sc->s);
    tcp_host_free(sc->th);
}

/* len bytes of the pattern from byte n. */
static void text(struct scene *sc, uint32_t n, uint32_t len)
{
    struct tcp_seg s = seg(TCP_ACK, AT(n), sc->iss + 1);

    if ((sc->s->c->flags & TCPF_TS) != 0) {
        s.opts = TCP_OPT_TS;
        s.ts_val = 1000;
    }
    peer_send(sc->th, &s, NULL, len);
}

static struct tcp_seg reply(struct scene *sc)
{
    struct tcp_seg r;

    peer_take_one(sc->th, &r);
    return r;
}

static void ack__first_segment_waits_at_most_40_ms(void **state)
{
    struct scene sc = scene_new(0);

    (void)state;
    text(&sc, 0, 100);
    peer_take_none(sc.th);
    host_pass(sc.th, 39 * NS_PER_MS);
    peer_take_none(sc.th);
    host_pass(sc.th, 2 * NS_PER_MS);
    assert_int_equal(reply(&sc).ack, AT(100));
    scene_free(&sc);
}

static void ack__second_segment_at_once(void **state)
{
    struct scene sc = scene_new(0);

    (void)state;
    text(&sc, 0, 100);
    text(&sc, 100, 100);
    assert_int_equal(reply(&sc).ack, AT(200));
    text(&sc, 200, 100);
    peer_take_none(sc.th);
    scene_free(&sc);
}

static void ack__rides_on_data(void **state)
{
    struct scene sc = scene_new(0);
    struct tcp_seg r;

    (void)state;
    text(&sc, 0, 100);
    sock_send(sc.th, sc.s, 50);
    r = reply(&sc);
    assert_int_equal(r.ack, AT(100));
    assert_int_equal(r.data_len, 50);
    host_pass(sc.th, NS_PER_MS / 2);
    peer_take_none(sc.th);
    scene_free(&sc);
}

static void ack__in_the_turn_after_a_receive_that_empties(void **state)
{
    struct scene sc = scene_new(0);

    (void)state;
    text(&sc, 0, 100);
    tcp_turn(sc.th->t);
    peer_take_none(sc.th); /* nobody took it yet */
    sock_read(sc.s, sc.th);
    peer_take_none(sc.th); /* the application may answer first */
    assert_true(tcp_waiting(sc.th->t));
    tcp_turn(sc.th->t);
    assert_int_equal(reply(&sc).ack, AT(100));
    assert_false(tcp_waiting(sc.th->t));
    scene_free(&sc);
}

static void ack__in_the_turn_after_a_receive_that_waited(void **state)
{
    struct scene sc = scene_new(0);

    (void)state;
    sc.s->want = 100;
    text(&sc, 0, 100);
    peer_take_none(sc.th);
    tcp_turn(sc.th->t);
    assert_int_equal(reply(&sc).ack, AT(100));
    assert_int_equal(COUNTED(sc.th->h, tcp_turn_acks), 1);
    scene_free(&sc);
}

static void ack__not_in_the_turn_after_an_answer(void **state)
{
    struct scene sc = scene_new(0);

    (void)state;
    sc.s->want = 100;
    text(&sc, 0, 100);
    sock_send(sc.th, sc.s, 50);
    assert_int_equal(reply(&sc).ack, AT(100));
    tcp_turn(sc.th->t);
    peer_take_none(sc.th);
    assert_false(tcp_waiting(sc.th->t));
    scene_free(&sc);
}

static void ack__at_once_when_no_second_segment_can_come(void **state)
{
    struct scene sc = scene_new(0);
    struct tcp_seg r;
    uint32_t n = 0;

    (void)state;
    tcp_set_option(sc.s->c, TCP_OPTION_RCVBUF, 65535);
    for (; n < 65535 - 2 * 1460; n += 500)
        text(&sc, n, 500);
    while (peer_take(sc.th, &r, NULL))
        continue;
    text(&sc, n, 500);
    assert_int_equal(reply(&sc).ack, AT(n + 500));
    scene_free(&sc);
}

static void ack__none_in_the_turn_after_a_reset(void **state)
{
    struct scene sc = scene_new(0);
    struct tcp_seg rst;

    (void)state;
    sc.s->want = 100;
    text(&sc, 0, 100);
    rst = seg(TCP_RST, AT(100), 0);
    peer_send(sc.th, &rst, NULL, 0);
    assert_false(tcp_waiting(sc.th->t));
    tcp_turn(sc.th->t);
    peer_take_none(sc.th);
    scene_free(&sc);
}

static void early__acknowledged_at_once_with_sack(void **state)
{
    struct scene sc = scene_new(TCP_OPT_SACK_OK);
    struct tcp_seg r;

    (void)state;
    text(&sc, 100, 100);
    r = reply(&sc);
    assert_int_equal(r.ack, AT(0));
    assert_int_equal(r.sack_count, 1);
    assert_int_equal(r.sack[0].start, AT(100));
    assert_int_equal(r.sack[0].end, AT(200));
    text(&sc, 300, 100);
    r = reply(&sc);
    assert_int_equal(r.sack_count, 2);
    assert_int_equal(r.sack[0].start, AT(300)); /* the latest first */
    assert_int_equal(r.sack[1].start, AT(100));
    text(&sc, 0, 100);
    r = reply(&sc);
    assert_int_equal(r.ack, AT(200));
    assert_int_equal(r.sack_count, 1);
    text(&sc, 200, 100);
    r = reply(&sc);
    assert_int_equal(r.ack, AT(400));
    assert_int_equal(r.opts & TCP_OPT_SACK, 0);
    sock_read(sc.s, sc.th);
    sock_expect(sc.s, 400);
    scene_free(&sc);
}

static void early__without_sack_plain_duplicates(void **state)
{
    struct scene sc = scene_new(0);
    struct tcp_seg r;

    (void)state;
    for (uint32_t i = 1; i < 4; i++) {
        text(&sc, 100 * i, 100);
        r = reply(&sc);
        assert_int_equal(r.ack, AT(0));
        assert_int_equal(r.opts, 0);
    }
    scene_free(&sc);
}

static void duplicate__reported_by_dsack(void **state)
{
    struct scene sc = scene_new(TCP_OPT_SACK_OK);
    struct tcp_seg r;

    (void)state;
    text(&sc, 0, 100);
    text(&sc, 100, 100);
    (void)reply(&sc);
    text(&sc, 0, 100); /* RFC 2883 section 4.1.1 */
    r = reply(&sc);
    assert_int_equal(r.ack, AT(200));
    assert_int_equal(r.sack_count, 1);
    assert_int_equal(r.sack[0].start, AT(0));
    assert_int_equal(r.sack[0].end, AT(100));
    text(&sc, 150, 100); /* half of it is new */
    r = reply(&sc);
    assert_int_equal(r.ack, AT(250));
    assert_int_equal(r.sack[0].start, AT(150));
    assert_int_equal(r.sack[0].end, AT(200));
    sock_read(sc.s, sc.th);
    sock_expect(sc.s, 250);
    scene_free(&sc);
}

static void fin__ahead_of_a_hole_waits(void **state)
{
    struct scene sc = scene_new(0);
    struct tcp_seg s = seg(TCP_FIN | TCP_ACK, AT(100), sc.iss + 1);

    (void)state;
    peer_send(sc.th, &s, NULL, 100);
    assert_int_equal(reply(&sc).ack, AT(0));
    assert_int_equal(sc.s->ended, 0);
    text(&sc, 0, 100);
    assert_int_equal(reply(&sc).ack, AT(201));
    assert_int_equal(sc.s->ended, 1);
    assert_int_equal(sock_read(sc.s, sc.th), 0);
    sock_expect(sc.s, 200);
    scene_free(&sc);
}

static void window__closes_and_opens_without_silliness(void **state)
{
    struct scene sc = scene_new(0);
    struct tcp_seg r = {0}, last = {0};
    uint32_t n = 0;

    (void)state;
    tcp_set_option(sc.s->c, TCP_OPTION_RCVBUF, 65535);
    for (; n < 65535; n += 1400)
        text(&sc, n, n + 1400 < 65535 ? 1400 : 65535 - n);
    while (peer_take(sc.th, &r, NULL))
        last = r;
    host_pass(sc.th, 50 * NS_PER_MS);
    if (peer_take(sc.th, &r, NULL))
        last = r;
    assert_int_equal(last.ack, AT(65535));
    assert_int_equal(last.window, 0);
    text(&sc, 65535, 1); /* a probe */
    r = reply(&sc);
    assert_int_equal(r.ack, AT(65535));
    assert_int_equal(r.window, 0);
    sock_read(sc.s, sc.th);
    assert_true(peer_take(sc.th, &r, NULL)); /* RFC 9293 section 3.8.6.2.2: not for less than a segment */
    assert_in_range(r.window, 1460, 65535);
    scene_free(&sc);
}

static void window__is_scaled(void **state)
{
    struct tcp_config cfg;
    struct scene sc;

    (void)state;
    tcp_config_defaults(&cfg);
    cfg.conns = 16;
    cfg.rcvbuf = cfg.rcvbuf_max = 1 << 20;
    sc = (struct scene){.th = tcp_host_new(1, &cfg)};
    sc.s = peer_establish(sc.th, TCP_OPT_WSCALE | TCP_OPT_MSS, &sc.iss);
    assert_int_equal(sc.s->c->rcv_wscale, 5);
    text(&sc, 0, 100);
    text(&sc, 100, 100);
    assert_in_range((uint32_t)reply(&sc).window << 5, (1 << 20) - 300, 1 << 20);
    scene_free(&sc);
}

static void window__grows_with_the_application(void **state)
{
    struct scene sc = scene_new(TCP_OPT_WSCALE);
    uint32_t before = sc.s->c->set.rcvbuf, n = 0;

    (void)state;
    for (int turn = 0; turn < 30; turn++) {
        for (int i = 0; i < 20; i++, n += 1400)
            text(&sc, n, 1400);
        sock_read(sc.s, sc.th);
        host_pass(sc.th, NS_PER_MS / 8);
        sc.th->h->first = sc.th->h->last;
    }
    host_pass(sc.th, NS_PER_MS);
    text(&sc, n, 1400);
    assert_true(sc.s->c->set.rcvbuf > before);
    scene_free(&sc);
}

static void paws__old_timestamp_is_dropped(void **state)
{
    struct scene sc = scene_new(TCP_OPT_TS);
    struct tcp_seg s = seg(TCP_ACK, AT(0), sc.iss + 1);

    (void)state;
    s.opts = TCP_OPT_TS;
    s.ts_val = 999;
    peer_send(sc.th, &s, NULL, 10);
    assert_int_equal(reply(&sc).ack, AT(0));
    assert_int_equal(COUNTED(sc.th->h, drop_tcp_paws), 1);
    s.opts = 0; /* and one without is not taken at all (RFC 7323 section 3.2) */
    peer_send(sc.th, &s, NULL, 10);
    peer_take_none(sc.th);
    assert_int_equal(COUNTED(sc.th->h, drop_tcp_timestamp), 1);
    s.opts = TCP_OPT_TS;
    s.ts_val = 1005;
    peer_send(sc.th, &s, NULL, 10);
    host_pass(sc.th, 41 * NS_PER_MS);
    assert_int_equal(reply(&sc).ts_ecr, 1005);
    scene_free(&sc);
}

static void urgent__is_data_like_any_other(void **state)
{
    struct scene sc = scene_new(0);
    struct tcp_seg s = seg(TCP_ACK | TCP_URG, AT(0), sc.iss + 1);

    (void)state;
    peer_send(sc.th, &s, NULL, 10);
    sock_read(sc.s, sc.th);
    sock_expect(sc.s, 10);
    scene_free(&sc);
}

static void challenge__is_limited(void **state)
{
    struct scene sc = scene_new(0);
    struct tcp_seg s = seg(TCP_RST, AT(5), 0);

    (void)state;
    for (int i = 0; i < 10; i++)
        peer_send(sc.th, &s, NULL, 0);
    (void)reply(&sc);
    assert_int_equal(COUNTED(sc.th->h, tcp_challenges_limited), 9);
    host_pass(sc.th, 6 * NS_PER_MS);
    peer_send(sc.th, &s, NULL, 0);
    (void)reply(&sc);
    assert_int_equal(sc.s->c->state, TCP_ESTABLISHED);
    scene_free(&sc);
}

static void orphan__answers_new_data_with_reset(void **state)
{
    struct scene sc = scene_new(0);
    struct tcp_seg r;

    (void)state;
    sock_close(sc.s);
    r = reply(&sc);
    assert_int_equal(r.flags & TCP_FIN, TCP_FIN);
    {
        struct tcp_seg s = seg(TCP_ACK, AT(0), sc.iss + 2);

        peer_send(sc.th, &s, NULL, 10);
    }
    r = reply(&sc);
    assert_int_equal(r.flags & TCP_RST, TCP_RST);
    assert_int_equal(tcp_count(sc.th->t), 0);
    tcp_host_free(sc.th);
}

static void checksum__wrong_is_dropped_and_counted(void **state)
{
    struct scene sc = scene_new(0);
    struct packet p;
    uint8_t header[20] = {0x13, 0x88, 0, 80, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x10, 1, 1, 0xba, 0xad, 0, 0};

    (void)state;
    put_eth(&p, 1, PEER, 0x0800);
    put_ip4(&p, 1, PEER, 6, 20, 1, 0);
    put_bytes(&p, header, 20);
    host_in(sc.th->h, p.b, p.len);
    assert_int_equal(COUNTED(sc.th->h, drop_tcp_checksum), 1);
    assert_int_equal(sc.th->h->verdict, CTR_drop_tcp_checksum);
    peer_take_none(sc.th);
    scene_free(&sc);
}

static void memory__none_for_early_data_loses_nothing(void **state)
{
    (void)state;
    for (unsigned n = 1; n < 6; n++) { /* the nth allocation fails */
        struct scene sc = scene_new(TCP_OPT_SACK_OK);

        sc.th->h->fail_after = n;
        text(&sc, 100, 100);
        sc.th->h->fail_after = n;
        text(&sc, 0, 100);
        sc.th->h->fail_after = 0;
        sc.th->h->first = sc.th->h->last;
        text(&sc, 0, 100); /* the peer sends again what was not acknowledged */
        text(&sc, 100, 100);
        text(&sc, 200, 100);
        sock_read(sc.s, sc.th);
        sock_expect(sc.s, 300);
        scene_free(&sc);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ack__first_segment_waits_at_most_40_ms),
        cmocka_unit_test(ack__second_segment_at_once),
        cmocka_unit_test(ack__rides_on_data),
        cmocka_unit_test(ack__in_the_turn_after_a_receive_that_empties),
        cmocka_unit_test(ack__in_the_turn_after_a_receive_that_waited),
        cmocka_unit_test(ack__not_in_the_turn_after_an_answer),
        cmocka_unit_test(ack__at_once_when_no_second_segment_can_come),
        cmocka_unit_test(ack__none_in_the_turn_after_a_reset),
        cmocka_unit_test(early__acknowledged_at_once_with_sack),
        cmocka_unit_test(early__without_sack_plain_duplicates),
        cmocka_unit_test(duplicate__reported_by_dsack),
        cmocka_unit_test(fin__ahead_of_a_hole_waits),
        cmocka_unit_test(window__closes_and_opens_without_silliness),
        cmocka_unit_test(window__is_scaled),
        cmocka_unit_test(window__grows_with_the_application),
        cmocka_unit_test(paws__old_timestamp_is_dropped),
        cmocka_unit_test(urgent__is_data_like_any_other),
        cmocka_unit_test(challenge__is_limited),
        cmocka_unit_test(orphan__answers_new_data_with_reset),
        cmocka_unit_test(checksum__wrong_is_dropped_and_counted),
        cmocka_unit_test(memory__none_for_early_data_loses_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
