/* SPDX-License-Identifier: MIT */
/* A sender, segment by segment: windows, loss and what tells of it, probes, timers, giving up. */
#include "tcp_rig.h"

#include <errno.h>

#define MSS 1460

struct scene {
    struct tcp_host *th;
    struct sock *s;
    uint32_t iss;
    uint8_t opts;
    uint32_t ts; /* the peer's clock */
};

#define AT(sc, n) ((sc)->iss + 1 + (n)) /* sequence number of our nth byte */

static struct scene scene_config(uint8_t opts, const struct tcp_config *cfg)
{
    struct scene sc = {.th = tcp_host_new(1, cfg), .opts = opts, .ts = 1001};

    sc.s = peer_establish(sc.th, opts | TCP_OPT_MSS, &sc.iss);
    host_pass(sc.th, NS_PER_MS);
    return sc;
}

static struct scene scene_new(uint8_t opts)
{
    struct tcp_config cfg;

    tcp_config_defaults(&cfg);
    cfg.conns = 16;
    return scene_config(opts, &cfg);
}

static void scene_free(struct scene *sc)
{
    sock_abort(sc->s);
    tcp_host_free(sc->th);
}

/* The peer acknowledges our first n bytes; with SACK of [from, to) when that is not empty. */
static void ack_with(struct scene *sc, uint32_t n, uint32_t from, uint32_t to, uint16_t window)
{
    struct tcp_seg s = seg(TCP_ACK, PEER_ISN + 1, AT(sc, n));

    s.window = window;
    if (from != to) {
        s.opts |= TCP_OPT_SACK;
        s.sack_count = 1;
        s.sack[0] = (struct tcp_block){AT(sc, from), AT(sc, to)};
    }
    if ((sc->opts & TCP_OPT_TS) != 0) {
        s.opts |= TCP_OPT_TS;
        s.ts_val = sc->ts++;
        s.ts_ecr = tcp_ts_now(sc->s->c);
    }
    peer_send(sc->th, &s, NULL, 0);
}

static void ack(struct scene *sc, uint32_t n)
{
    ack_with(sc, n, 0, 0, PEER_WND);
}

/* Takes segments that were sent; returns how many, the last one in *last, whose seq counts from our first byte. */
static unsigned taken(struct scene *sc, struct tcp_seg *last)
{
    struct tcp_seg r = {0};
    unsigned n = 0;

    *last = r;
    while (peer_take(sc->th, &r, NULL)) {
        *last = r;
        last->seq -= sc->iss + 1;
        n++;
    }
    return n;
}

/* Exactly one segment was sent: the bytes from n, len of them. */
static void expect(struct scene *sc, uint32_t n, uint32_t len)
{
    struct tcp_seg r;

    peer_take_one(sc->th, &r);
    assert_int_equal(r.seq - (sc->iss + 1), n);
    assert_int_equal(r.data_len, len);
}

static void push__is_a_segment_at_once_without_a_copy(void **state)
{
    struct scene sc = scene_new(0);
    char *obj = mem_alloc(&sc.th->h->mem, 100, 1);
    const uint8_t *data;
    struct tcp_seg r;

    (void)state;
    memset(obj, 'a', 100);
    assert_int_equal(tcp_send(sc.s->c, obj, obj, 100), 100);
    assert_true(peer_take(sc.th, &r, &data));
    assert_int_equal(r.flags, TCP_ACK | TCP_PSH);
    assert_int_equal(r.data_len, 100);
    assert_int_equal(data[99], 'a');
    assert_int_equal(*mem_ref_word(obj) & REF_MASK, 2); /* ours and TCP's */
    ack(&sc, 100);
    assert_int_equal(*mem_ref_word(obj) & REF_MASK, 1);
    assert_int_equal(tcp_acked(sc.s->c), 100);
    assert_int_equal(sc.s->sent, 1);
    mem_unref(&sc.th->h->mem, obj);
    scene_free(&sc);
}

static void window__initial_ten_segments_then_slow_start(void **state)
{
    struct scene sc = scene_new(0);
    struct tcp_seg r;

    (void)state;
    sock_send(sc.th, sc.s, 100000);
    assert_int_equal(taken(&sc, &r), 10);
    ack(&sc, 2 * MSS);
    assert_int_equal(taken(&sc, &r), 4); /* two for the two that left, two for growth */
    scene_free(&sc);
}

static void window__of_the_peer_is_respected(void **state)
{
    struct scene sc = scene_new(0);
    struct tcp_seg r;

    (void)state;
    ack_with(&sc, 0, 0, 0, 2000);
    sock_send(sc.th, sc.s, 10000);
    assert_int_equal(taken(&sc, &r), 1); /* the 540 bytes left are no segment, and not half the largest window */
    assert_int_equal(r.data_len, MSS);
    ack_with(&sc, MSS, 0, 0, 2 * MSS);
    assert_int_equal(taken(&sc, &r), 2);
    scene_free(&sc);
}

static void nagle__holds_small_segments_back_when_asked(void **state)
{
    struct scene sc = scene_new(0);

    (void)state;
    sock_send(sc.th, sc.s, 10);
    expect(&sc, 0, 10);
    sock_send(sc.th, sc.s, 10);
    expect(&sc, 10, 10); /* off at first */
    assert_int_equal(tcp_set_option(sc.s->c, TCP_OPTION_NODELAY, 0), 0);
    sock_send(sc.th, sc.s, 10);
    peer_take_none(sc.th);
    ack(&sc, 20);
    expect(&sc, 20, 10);
    scene_free(&sc);
}

/* RFC 5681 section 3.2 and RFC 6582: the third duplicate. */
static void newreno__third_duplicate_resends_the_first(void **state)
{
    struct scene sc = scene_new(0);
    struct tcp_seg r;

    (void)state;
    sock_send(sc.th, sc.s, 6 * MSS);
    assert_int_equal(taken(&sc, &r), 6 + 0);
    host_pass(sc.th, NS_PER_MS / 4);
    ack(&sc, 0);
    ack(&sc, 0);
    peer_take_none(sc.th);
    ack(&sc, 0);
    expect(&sc, 0, MSS);
    assert_true(sc.s->c->ca == TCP_CA_RECOVERY);
    ack(&sc, 2 * MSS); /* partial: the next hole is known */
    assert_true(taken(&sc, &r) >= 1);
    assert_int_equal(r.seq, 2 * MSS);
    ack(&sc, 6 * MSS);
    assert_true(sc.s->c->ca == TCP_CA_OPEN);
    assert_int_equal(COUNTED(sc.th->h, tcp_timeouts), 0);
    scene_free(&sc);
}

/* What a duplicate says has arrived keeps the timeout away, as in SACK's case: the hole is being filled. */
static void newreno__duplicates_put_the_timeout_off(void **state)
{
    struct scene sc = scene_new(0);
    struct tcp_seg r;
    uint64_t rto_ns;

    (void)state;
    sock_send(sc.th, sc.s, MSS);
    host_pass(sc.th, NS_PER_MS);
    ack(&sc, MSS);
    sock_send(sc.th, sc.s, 6 * MSS);
    assert_int_equal(taken(&sc, &r), 7);
    rto_ns = tcp_rtt_rto(&sc.s->c->rtt);
    host_pass(sc.th, rto_ns * 3 / 4);
    for (unsigned i = 0; i < 3; i++)
        ack(&sc, MSS);
    expect(&sc, MSS, MSS);
    host_pass(sc.th, rto_ns * 3 / 4); /* the retransmission is still on its way */
    assert_int_equal(COUNTED(sc.th->h, tcp_timeouts), 0);
    host_pass(sc.th, rto_ns);
    assert_int_equal(COUNTED(sc.th->h, tcp_timeouts), 1);
    scene_free(&sc);
}

/* RFC 3042: new data on the first two duplicates. */
static void limited_transmit__keeps_the_clock(void **state)
{
    struct scene sc = scene_new(TCP_OPT_SACK_OK);
    struct tcp_seg r;

    (void)state;
    sock_send(sc.th, sc.s, 20 * MSS);
    assert_int_equal(taken(&sc, &r), 10);
    host_pass(sc.th, NS_PER_MS);
    ack_with(&sc, 0, MSS, 2 * MSS, PEER_WND);
    assert_int_equal(taken(&sc, &r), 1);
    assert_int_equal(r.seq, 10 * MSS);
    scene_free(&sc);
}

static void rack__third_sacked_segment_means_loss(void **state)
{
    struct scene sc = scene_new(TCP_OPT_SACK_OK);
    struct tcp_seg r;

    (void)state;
    sock_send(sc.th, sc.s, 6 * MSS);
    assert_int_equal(taken(&sc, &r), 6);
    host_pass(sc.th, NS_PER_MS / 4);
    ack_with(&sc, 0, MSS, 3 * MSS, PEER_WND);
    peer_take_none(sc.th);
    ack_with(&sc, 0, MSS, 4 * MSS, PEER_WND);
    expect(&sc, 0, MSS);
    assert_int_equal(sc.s->c->cc.cwnd, 14600 * 7 / 10);
    ack(&sc, 6 * MSS);
    assert_true(sc.s->c->ca == TCP_CA_OPEN);
    scene_free(&sc);
}

/* RFC 8985 section 6.2: with fewer, when a quarter of the round trip has gone by. */
static void rack__reordering_is_given_time(void **state)
{
    struct scene sc = scene_new(TCP_OPT_SACK_OK);
    struct tcp_seg r;

    (void)state;
    sc.s->c->rtt.min_ns = sc.s->c->rtt.srtt_ns = 800 * NS_PER_US;
    sock_send(sc.th, sc.s, 2 * MSS);
    assert_int_equal(taken(&sc, &r), 2);
    host_pass(sc.th, 800 * NS_PER_US);
    ack_with(&sc, 0, MSS, 2 * MSS, PEER_WND);
    peer_take_none(sc.th);
    host_pass(sc.th, 180 * NS_PER_US);
    peer_take_none(sc.th);
    host_pass(sc.th, 40 * NS_PER_US);
    expect(&sc, 0, MSS);
    scene_free(&sc);
}

/* RFC 8985 section 7: two round trips after the last segment. */
static void tail_loss__is_probed(void **state)
{
    struct scene sc = scene_new(TCP_OPT_SACK_OK);
    struct tcp_seg r;

    (void)state;
    sock_send(sc.th, sc.s, 2 * MSS);
    ack(&sc, 2 * MSS);
    sc.s->c->rtt.srtt_ns = 5 * NS_PER_MS;
    sc.s->c->rtt.rto_ns = 200 * NS_PER_MS;
    sock_send(sc.th, sc.s, 3 * MSS);
    (void)taken(&sc, &r);
    host_pass(sc.th, 9 * NS_PER_MS);
    peer_take_none(sc.th);
    host_pass(sc.th, 2 * NS_PER_MS);
    expect(&sc, 4 * MSS, MSS); /* the last one again */
    assert_int_equal(COUNTED(sc.th->h, tcp_tail_probes), 1);
    ack(&sc, 5 * MSS);
    assert_true(sc.s->c->cc.cwnd < 14600); /* it mended a loss: RFC 8985 section 7.4.2 */
    scene_free(&sc);
}

/* RFC 6298: doubled each time; only the first unacknowledged segment goes. */
static void timeout__backs_off(void **state)
{
    struct scene sc = scene_new(0);
    struct tcp_seg r;
    uint64_t rto;

    (void)state;
    sock_send(sc.th, sc.s, 3 * MSS);
    (void)taken(&sc, &r);
    rto = tcp_rtt_rto(&sc.s->c->rtt);
    host_pass(sc.th, rto + NS_PER_MS);
    expect(&sc, 0, MSS);
    assert_int_equal(sc.s->c->cc.cwnd, MSS);
    assert_int_equal(tcp_rtt_rto(&sc.s->c->rtt), 2 * rto);
    host_pass(sc.th, 2 * rto + 41 * NS_PER_MS);
    expect(&sc, 0, MSS);
    assert_int_equal(tcp_rtt_rto(&sc.s->c->rtt), 4 * rto);
    ack(&sc, 3 * MSS);
    assert_int_equal(sc.s->c->rtt.backoff, 0);
    scene_free(&sc);
}

/* RFC 5682: two acknowledgements that move on after the timeout are of the original segments. */
static void frto__spurious_timeout_is_undone(void **state)
{
    struct scene sc = scene_new(TCP_OPT_SACK_OK);
    struct tcp_seg r;

    (void)state;
    sock_send(sc.th, sc.s, 100000);
    assert_int_equal(taken(&sc, &r), 10);
    sc.s->c->flags |= TCPF_TLP; /* the tail was probed before */
    sc.s->c->tlp_end = sc.s->c->snd_nxt;
    tcp_rtx_arm(sc.s->c);
    host_pass(sc.th, 2 * tcp_rtt_rto(&sc.s->c->rtt));
    expect(&sc, 0, MSS);
    assert_true(sc.s->c->ca == TCP_CA_LOSS);
    ack(&sc, 2 * MSS);
    assert_int_equal(taken(&sc, &r), 2);
    assert_int_equal(r.seq, 11 * MSS); /* new data, not the third again */
    ack(&sc, 4 * MSS);
    assert_true(sc.s->c->ca == TCP_CA_OPEN);
    assert_int_equal(COUNTED(sc.th->h, tcp_undos), 1);
    assert_true(sc.s->c->cc.cwnd >= 14600);
    assert_int_equal(COUNTED(sc.th->h, tcp_retransmits), 1);
    scene_free(&sc);
}

static void dsack__undoes_a_needless_recovery(void **state)
{
    struct scene sc = scene_new(TCP_OPT_SACK_OK);
    struct tcp_seg r;

    (void)state;
    sock_send(sc.th, sc.s, 6 * MSS);
    (void)taken(&sc, &r);
    host_pass(sc.th, NS_PER_MS / 4);
    ack_with(&sc, 0, MSS, 4 * MSS, PEER_WND);
    expect(&sc, 0, MSS);
    ack(&sc, 5 * MSS);
    ack_with(&sc, 5 * MSS, 0, MSS, PEER_WND); /* it was there before */
    assert_int_equal(COUNTED(sc.th->h, tcp_undos), 1);
    assert_true(sc.s->c->ca == TCP_CA_OPEN);
    assert_true(sc.s->c->cc.cwnd >= 14600);
    scene_free(&sc);
}

static void window__closed_is_probed_for_ever(void **state)
{
    struct scene sc = scene_new(0);
    struct tcp_seg r;
    unsigned probes = 0;

    (void)state;
    ack_with(&sc, 0, 0, 0, 0);
    sock_send(sc.th, sc.s, 5000);
    peer_take_none(sc.th);
    for (int i = 0; i < 4000; i++) {
        host_pass(sc.th, NS_PER_S);
        if (taken(&sc, &r) > 0) {
            assert_int_equal(r.seq, 0);
            assert_int_equal(r.data_len, 1);
            probes++;
            ack_with(&sc, 0, 0, 0, 0);
        }
    }
    assert_in_range(probes, 40, 200); /* backed off to a minute */
    assert_int_equal(sc.s->ended, 0);
    ack(&sc, 0);
    host_pass(sc.th, NS_PER_S);
    assert_true(taken(&sc, &r) > 0);
    ack(&sc, 5000);
    assert_int_equal(tcp_acked(sc.s->c), 5000);
    scene_free(&sc);
}

static void give_up__after_the_user_timeout(void **state)
{
    struct scene sc = scene_new(0);
    struct tcp_seg r;

    (void)state;
    assert_int_equal(tcp_set_option(sc.s->c, TCP_OPTION_USER_TIMEOUT_NS, (int64_t)(20 * NS_PER_S)), 0);
    sock_send(sc.th, sc.s, 10);
    for (int i = 0; i < 18; i++)
        host_pass(sc.th, NS_PER_S);
    assert_int_equal(sc.s->ended, 0);
    for (int i = 0; i < 60; i++)
        host_pass(sc.th, NS_PER_S);
    assert_int_equal(sc.s->end_err, ETIMEDOUT);
    assert_int_equal(sock_send(sc.th, sc.s, 10), -ETIMEDOUT);
    (void)taken(&sc, &r);
    scene_free(&sc);
}

static void keepalive__probes_and_gives_up(void **state)
{
    struct scene sc = scene_new(0);
    struct tcp_seg r;

    (void)state;
    tcp_set_option(sc.s->c, TCP_OPTION_KEEPIDLE_NS, (int64_t)(10 * NS_PER_S));
    tcp_set_option(sc.s->c, TCP_OPTION_KEEPINTVL_NS, (int64_t)NS_PER_S);
    tcp_set_option(sc.s->c, TCP_OPTION_KEEPCNT, 3);
    tcp_set_option(sc.s->c, TCP_OPTION_KEEPALIVE, 1);
    host_pass(sc.th, 11 * NS_PER_S);
    assert_int_equal(taken(&sc, &r), 1);
    assert_int_equal(r.seq, UINT32_MAX); /* one before what was acknowledged */
    ack(&sc, 0);
    host_pass(sc.th, 9 * NS_PER_S);
    assert_int_equal(taken(&sc, &r), 0);
    for (int i = 0; i < 3; i++)
        host_pass(sc.th, 2 * NS_PER_S);
    assert_int_equal(taken(&sc, &r), 3);
    host_pass(sc.th, 2 * NS_PER_S);
    assert_int_equal(taken(&sc, &r), 1);
    assert_int_equal(r.flags & TCP_RST, TCP_RST);
    assert_int_equal(sc.s->end_err, ETIMEDOUT);
    scene_free(&sc);
}

static void ecn__echo_reduces_once_and_is_answered(void **state)
{
    struct scene sc = scene_new(0);
    struct tcp_seg s, r;

    (void)state;
    sc.s->c->flags |= TCPF_ECN;
    sock_send(sc.th, sc.s, 8 * MSS);
    (void)taken(&sc, &r);
    s = seg(TCP_ACK | TCP_ECE, PEER_ISN + 1, AT(&sc, MSS));
    peer_send(sc.th, &s, NULL, 0);
    assert_int_equal(sc.s->c->cc.cwnd, 14600 * 7 / 10);
    s.ack = AT(&sc, 2 * MSS);
    peer_send(sc.th, &s, NULL, 0);
    assert_int_equal(COUNTED(sc.th->h, tcp_ecn_echoes), 1);
    sock_send(sc.th, sc.s, 100);
    peer_take_one(sc.th, &r);
    assert_int_equal(r.flags & TCP_CWR, TCP_CWR);
    scene_free(&sc);
}

static void path_mtu__shrinks_segments_and_resends(void **state)
{
    struct scene sc = scene_new(0);
    uint8_t quoted[8];
    struct ip_error e = {.local = sc.th->h->addr,
                         .remote = INET_ADDR4(10, 0, 0, PEER),
                         .data = quoted,
                         .len = 8,
                         .err = EMSGSIZE,
                         .mtu = 1000};
    struct tcp_seg r;

    (void)state;
    sock_send(sc.th, sc.s, 3 * MSS);
    (void)taken(&sc, &r);
    put16(quoted, HOST_PORT);
    put16(quoted + 2, PEER_PORT);
    put32(quoted + 4, AT(&sc, 100000));
    assert_false(tcp_error(sc.th->h->in, sc.th->t, &e)); /* of nothing we sent */
    put32(quoted + 4, AT(&sc, 0));
    assert_true(tcp_error(sc.th->h->in, sc.th->t, &e));
    assert_int_equal(sc.s->c->mss, 960);
    host_pass(sc.th, 20 * NS_PER_US);
    assert_int_equal(taken(&sc, &r), 6);
    assert_int_equal(r.seq + r.data_len, 3 * MSS);
    assert_true(sc.s->c->cc.cwnd >= 10 * 960); /* no congestion */
    scene_free(&sc);
}

static void buffer__full_is_told_and_opens_again(void **state)
{
    struct scene sc = scene_new(0);
    struct tcp_seg r;

    (void)state;
    tcp_set_option(sc.s->c, TCP_OPTION_SNDBUF, 4000);
    assert_int_equal(sock_send(sc.th, sc.s, 5000), 4000);
    assert_int_equal(sock_send(sc.th, sc.s, 1), -EAGAIN);
    (void)taken(&sc, &r);
    ack(&sc, MSS);
    assert_int_equal(sc.s->sent, 1);
    assert_int_equal(sock_send(sc.th, sc.s, 5000), MSS);
    scene_free(&sc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(push__is_a_segment_at_once_without_a_copy),
        cmocka_unit_test(window__initial_ten_segments_then_slow_start),
        cmocka_unit_test(window__of_the_peer_is_respected),
        cmocka_unit_test(nagle__holds_small_segments_back_when_asked),
        cmocka_unit_test(newreno__third_duplicate_resends_the_first),
        cmocka_unit_test(newreno__duplicates_put_the_timeout_off),
        cmocka_unit_test(limited_transmit__keeps_the_clock),
        cmocka_unit_test(rack__third_sacked_segment_means_loss),
        cmocka_unit_test(rack__reordering_is_given_time),
        cmocka_unit_test(tail_loss__is_probed),
        cmocka_unit_test(timeout__backs_off),
        cmocka_unit_test(frto__spurious_timeout_is_undone),
        cmocka_unit_test(dsack__undoes_a_needless_recovery),
        cmocka_unit_test(window__closed_is_probed_for_ever),
        cmocka_unit_test(give_up__after_the_user_timeout),
        cmocka_unit_test(keepalive__probes_and_gives_up),
        cmocka_unit_test(ecn__echo_reduces_once_and_is_answered),
        cmocka_unit_test(path_mtu__shrinks_segments_and_resends),
        cmocka_unit_test(buffer__full_is_told_and_opens_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
