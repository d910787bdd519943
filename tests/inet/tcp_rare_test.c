/* SPDX-License-Identifier: MIT */
/* What happens seldom: devices that cut segments, pacing, reneging peers, soft errors, half-closed directions. */
#include "tcp_rig.h"

#include <errno.h>

#define MSS 1460

static void few(struct tcp_config *cfg)
{
    tcp_config_defaults(cfg);
    cfg->conns = 16;
}

struct scene {
    struct tcp_host *th;
    struct sock *s;
    uint32_t iss;
};

static struct scene scene_config(uint8_t opts, const struct tcp_config *cfg)
{
    struct scene sc = {.th = tcp_host_new(1, cfg)};

    sc.s = peer_establish(sc.th, opts | TCP_OPT_MSS, &sc.iss);
    host_pass(sc.th, NS_PER_MS);
    return sc;
}

static struct scene scene_new(uint8_t opts)
{
    struct tcp_config cfg;

    few(&cfg);
    return scene_config(opts, &cfg);
}

static void scene_free(struct scene *sc)
{
    sock_abort(sc->s);
    tcp_host_free(sc->th);
}

static void peer_says(struct scene *sc, uint8_t flags, uint32_t n, uint32_t ack, uint16_t window, uint32_t len)
{
    struct tcp_seg s = seg(flags, PEER_ISN + 1 + n, sc->iss + 1 + ack);

    s.window = window;
    peer_send(sc->th, &s, NULL, len);
}

static unsigned taken(struct scene *sc, struct tcp_seg *last)
{
    unsigned n = 0;

    *last = (struct tcp_seg){0};
    while (peer_take(sc->th, last, NULL))
        n++;
    return n;
}

/* The checksum's field has the pseudo-header's sum, with the length of all segments together. */
static void assert_sum_has_whole_length(const struct sent *f)
{
    uint64_t sum = checksum_add(checksum_pseudo_rest(IPPROTO_TCP, f->len - 34), f->bytes + 26, 8);
    uint16_t field;

    memcpy(&field, f->bytes + 34 + 16, sizeof(field));
    assert_int_equal(field, checksum_fold(sum));
}

static void tso__one_frame_for_many_segments(void **state)
{
    struct scene sc = scene_new(0);
    const struct sent *f;

    (void)state;
    sc.th->h->in->env.offload = INET_TX_CSUM | INET_TX_TSO;
    sock_send(sc.th, sc.s, 5 * MSS + 7);
    f = host_out(sc.th->h);
    assert_non_null(f);
    assert_int_equal(f->flags & FRAME_TSO, FRAME_TSO);
    assert_int_equal(f->len, 14 + 20 + 20 + 5 * MSS + 7);
    assert_sum_has_whole_length(f);
    assert_null(host_out(sc.th->h));
    assert_int_equal(tcp_record_count(&sc.s->c->snd), 6); /* the scoreboard knows each segment */
    peer_says(&sc, TCP_ACK, 0, 3 * MSS, PEER_WND, 0);
    assert_int_equal(tcp_record_at(&sc.s->c->snd, sc.s->c->snd.record_first)->seq, sc.iss + 1 + 3 * MSS);
    sc.th->h->first = sc.th->h->last;
    sc.th->h->in->env.offload = 0;
    scene_free(&sc);
}

static void burst__leaves_turns_to_others(void **state)
{
    struct tcp_config cfg;
    struct scene sc;
    struct tcp_seg r;

    (void)state;
    few(&cfg);
    cfg.burst = 4;
    sc = scene_config(0, &cfg);
    sock_send(sc.th, sc.s, 10 * MSS);
    assert_int_equal(taken(&sc, &r), 4);
    host_pass(sc.th, 20 * NS_PER_US);
    assert_int_equal(taken(&sc, &r), 4);
    host_pass(sc.th, 20 * NS_PER_US);
    assert_int_equal(taken(&sc, &r), 2);
    scene_free(&sc);
}

static void pacing__spreads_the_window(void **state)
{
    struct scene sc = scene_new(0);
    struct tcp_seg r;
    unsigned first, all;

    (void)state;
    assert_int_equal(tcp_set_option(sc.s->c, TCP_OPTION_PACING, 1), 0);
    sc.s->c->rtt.srtt_ns = 10 * NS_PER_MS;
    sc.s->c->rtt.rto_ns = NS_PER_S;
    sock_send(sc.th, sc.s, 10 * MSS);
    first = all = taken(&sc, &r);
    assert_in_range(first, 1, 3);
    for (int i = 0; i < 10; i++) {
        host_pass(sc.th, NS_PER_MS / 2);
        all += taken(&sc, &r);
    }
    assert_int_equal(all, 10);
    scene_free(&sc);
}

static void renege__sacked_head_is_sent_again(void **state)
{
    struct scene sc = scene_new(TCP_OPT_SACK_OK);
    struct tcp_seg s, r;

    (void)state;
    sock_send(sc.th, sc.s, 4 * MSS);
    (void)taken(&sc, &r);
    s = seg(TCP_ACK, PEER_ISN + 1, sc.iss + 1);
    s.opts = TCP_OPT_SACK;
    s.sack_count = 1;
    s.sack[0] = (struct tcp_block){sc.iss + 1 + MSS, sc.iss + 1 + 4 * MSS};
    peer_send(sc.th, &s, NULL, 0);
    peer_says(&sc, TCP_ACK, 0, MSS, PEER_WND, 0); /* the hole is filled, but what was sacked is not acknowledged */
    (void)taken(&sc, &r);
    for (int i = 0; i < 20 && COUNTED(sc.th->h, tcp_reneges) == 0; i++)
        host_pass(sc.th, 20 * NS_PER_MS);
    assert_int_equal(COUNTED(sc.th->h, tcp_reneges), 1);
    assert_true(taken(&sc, &r) > 0);
    peer_says(&sc, TCP_ACK, 0, 4 * MSS, PEER_WND, 0);
    assert_int_equal(tcp_acked(sc.s->c), 4 * MSS);
    scene_free(&sc);
}

/* RFC 5461: an unreachable network does not end a connection, but it is why it ended. */
static void soft_error__is_the_cause_when_given_up(void **state)
{
    struct scene sc = scene_new(0);
    uint8_t quoted[8];
    struct ip_error e = {
        .local = sc.th->h->addr, .remote = INET_ADDR4(10, 0, 0, PEER), .data = quoted, .len = 8, .err = EHOSTUNREACH};
    struct tcp_seg r;

    (void)state;
    sock_send(sc.th, sc.s, 100);
    put16(quoted, HOST_PORT);
    put16(quoted + 2, PEER_PORT);
    put32(quoted + 4, sc.iss + 1);
    assert_true(tcp_error(sc.th->h->in, sc.th->t, &e));
    assert_int_equal(sc.s->ended, 0);
    for (int i = 0; i < 400; i++) {
        host_pass(sc.th, NS_PER_S);
        (void)taken(&sc, &r);
    }
    assert_int_equal(sc.s->end_err, EHOSTUNREACH);
    scene_free(&sc);
}

static void shutdown_read__throws_away_and_acknowledges(void **state)
{
    struct scene sc = scene_new(0);
    struct tcp_seg r;

    (void)state;
    peer_says(&sc, TCP_ACK, 0, 0, PEER_WND, 100);
    tcp_shutdown_read(sc.s->c);
    assert_int_equal(sock_read(sc.s, sc.th), 0);
    for (uint32_t i = 1; i <= 1000; i++) { /* more than any window in all */
        peer_says(&sc, TCP_ACK, 100 * i, 0, PEER_WND, 100);
        while (peer_take(sc.th, &r, NULL))
            assert_true(r.window > 1000);
    }
    host_pass(sc.th, 41 * NS_PER_MS);
    (void)taken(&sc, &r);
    assert_int_equal(sc.s->c->rcv_nxt, PEER_ISN + 1 + 100100);
    scene_free(&sc);
}

static void user_timeout__of_the_peer_within_bounds(void **state)
{
    const struct {
        uint16_t said;
        uint64_t taken_s;
    } cases[] = {{1, 100}, {500, 500}, {0x8005, 300}, {0x8fff, 3600}};

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
        struct scene sc = scene_new(0);
        struct tcp_seg s = seg(TCP_ACK, PEER_ISN + 1, sc.iss + 1);

        s.opts = TCP_OPT_USER_TIMEOUT;
        s.user_timeout = cases[i].said;
        peer_send(sc.th, &s, NULL, 0);
        assert_int_equal(sc.s->c->set.user_timeout_ns, cases[i].taken_s * NS_PER_S);
        scene_free(&sc);
    }
}

static void close__in_fin_wait_2_is_bounded(void **state)
{
    struct scene sc = scene_new(0);
    struct tcp_seg r;

    (void)state;
    tcp_shutdown(sc.s->c);
    peer_take_one(sc.th, &r);
    peer_says(&sc, TCP_ACK, 0, 1, PEER_WND, 0);
    assert_int_equal(sc.s->c->state, TCP_FIN_WAIT_2);
    sock_close(sc.s);
    host_pass(sc.th, 61 * NS_PER_S);
    assert_int_equal(tcp_count(sc.th->t), 0);
    tcp_host_free(sc.th);
}

static void close__during_a_simultaneous_open(void **state)
{
    struct tcp_host *th = tcp_host_new_default(1);
    struct inet_addr peer = INET_ADDR4(10, 0, 0, PEER);
    struct sock *s = sock_connect(th, &peer, PEER_PORT);
    struct tcp_seg r, in = seg(TCP_SYN, PEER_ISN, 0);

    (void)state;
    peer_take_one(th, &r);
    in.dst_port = r.src_port;
    peer_send(th, &in, NULL, 0);
    peer_take_one(th, &r);
    sock_close(s);
    peer_take_none(th);
    in = seg(TCP_ACK, PEER_ISN + 1, r.seq + 1);
    in.dst_port = r.src_port;
    peer_send(th, &in, NULL, 0);
    peer_take_one(th, &r);
    assert_int_equal(r.flags & TCP_FIN, TCP_FIN); /* as soon as the handshake is through */
    tcp_host_free(th);
}

/* RFC 9293 section 3.8.6.2.1, case 4: a window too small for a segment is used at last. */
static void small_window__is_used_after_a_while(void **state)
{
    struct scene sc = scene_new(0);
    struct tcp_seg r;

    (void)state;
    peer_says(&sc, TCP_ACK, 0, 0, 50, 0);
    sock_send(sc.th, sc.s, 1000);
    peer_take_none(sc.th);
    for (int i = 0; i < 10; i++)
        host_pass(sc.th, 20 * NS_PER_MS);
    assert_true(peer_take(sc.th, &r, NULL));
    assert_int_equal(r.data_len, 50);
    (void)taken(&sc, &r);
    scene_free(&sc);
}

static void chunks__are_bounded(void **state)
{
    struct scene sc = scene_new(0);
    char *obj = mem_alloc(&sc.th->h->mem, 64, 1);
    unsigned n = 0;
    struct tcp_seg r;

    (void)state;
    peer_says(&sc, TCP_ACK, 0, 0, 0, 0); /* nothing leaves */
    memset(obj, 'x', 64);
    while (tcp_send(sc.s->c, obj, obj, 1) == 1)
        n++;
    assert_int_equal(n, TCP_RING_MAX);
    assert_int_equal(tcp_send(sc.s->c, obj, obj, 1), -EAGAIN);
    mem_unref(&sc.th->h->mem, obj);
    (void)taken(&sc, &r);
    scene_free(&sc);
}

static void listener__settings_are_inherited(void **state)
{
    struct tcp_host *th = tcp_host_new_default(1);
    struct inet_end local, remote;
    struct sock *s;
    uint32_t iss;
    int64_t v;

    (void)state;
    tcp_host_listen(th, HOST_PORT, 4);
    assert_int_equal(tcp_listener_set_option(th->l, TCP_OPTION_CONGESTION, TCP_CC_dctcp), 0);
    assert_int_equal(tcp_listener_set_option(th->l, TCP_OPTION_NODELAY, 0), 0);
    s = peer_establish(th, TCP_OPT_MSS, &iss);
    assert_ptr_equal(s->c->cc.ops, &tcp_cc_dctcp);
    assert_int_equal(tcp_get_option(s->c, TCP_OPTION_NODELAY, &v), 0);
    assert_int_equal(v, 0);
    tcp_get_ends(s->c, &local, &remote);
    assert_int_equal(local.port, HOST_PORT);
    assert_int_equal(remote.port, PEER_PORT);
    assert_true(inet_addr_equal(&local.addr, &th->h->addr));
    assert_in_range(tcp_port_pick(th->t, &th->h->addr), 32768, 60999);
    sock_abort(s);
    tcp_host_free(th);
}

/* RFC 8257 section 3.2: a change of the mark is acknowledged at once, with the old state. */
static void dctcp__receiver_echoes_each_change(void **state)
{
    struct scene sc = scene_new(0);
    struct tcp_seg r, s = seg(TCP_ACK, PEER_ISN + 1, sc.iss + 1);
    struct ip_packet p = {.src = INET_ADDR4(10, 0, 0, PEER), .dst = sc.th->h->addr, .proto = 6, .flags = IP_CSUM_GOOD};
    uint8_t *obj = mem_alloc(&sc.th->h->mem, 256, 1);

    (void)state;
    tcp_set_option(sc.s->c, TCP_OPTION_CONGESTION, TCP_CC_dctcp);
    sc.s->c->flags |= TCPF_ECN;
    s.src_port = PEER_PORT;
    s.dst_port = HOST_PORT;
    for (int i = 0; i < 2; i++) { /* one unmarked, one marked */
        p.obj = obj;
        p.data = obj;
        p.len = tcp_write(obj, &s) + 10;
        p.tos = i == 0 ? IP_ECN_ECT0 : IP_ECN_CE;
        tcp_input(sc.th->h->in, sc.th->t, &p);
        s.seq += 10;
    }
    peer_take_one(sc.th, &r);
    assert_int_equal(r.ack, PEER_ISN + 11);
    assert_int_equal(r.flags & TCP_ECE, 0);
    host_pass(sc.th, 41 * NS_PER_MS);
    peer_take_one(sc.th, &r);
    assert_int_equal(r.ack, PEER_ISN + 21);
    assert_int_equal(r.flags & TCP_ECE, TCP_ECE);
    mem_unref(&sc.th->h->mem, obj);
    scene_free(&sc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tso__one_frame_for_many_segments),
        cmocka_unit_test(burst__leaves_turns_to_others),
        cmocka_unit_test(pacing__spreads_the_window),
        cmocka_unit_test(renege__sacked_head_is_sent_again),
        cmocka_unit_test(soft_error__is_the_cause_when_given_up),
        cmocka_unit_test(shutdown_read__throws_away_and_acknowledges),
        cmocka_unit_test(user_timeout__of_the_peer_within_bounds),
        cmocka_unit_test(close__in_fin_wait_2_is_bounded),
        cmocka_unit_test(close__during_a_simultaneous_open),
        cmocka_unit_test(small_window__is_used_after_a_while),
        cmocka_unit_test(chunks__are_bounded),
        cmocka_unit_test(listener__settings_are_inherited),
        cmocka_unit_test(dctcp__receiver_echoes_each_change),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
