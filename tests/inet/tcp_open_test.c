/* SPDX-License-Identifier: MIT */
/* How connections begin and what keeps them from it: offers, cookies, backlogs, errors, bounds; and TIME_WAIT. */
#include "tcp_rig.h"

#include <errno.h>

static struct tcp_host *host_with(void (*change)(struct tcp_config *))
{
    struct tcp_config cfg;

    tcp_config_defaults(&cfg);
    cfg.conns = 16;
    if (change != NULL)
        change(&cfg);
    return tcp_host_new(1, &cfg);
}

static struct sock *connect_peer(struct tcp_host *th, struct tcp_seg *syn)
{
    struct inet_addr peer = INET_ADDR4(10, 0, 0, PEER);
    struct sock *s = sock_connect(th, &peer, PEER_PORT);

    peer_take_one(th, syn);
    assert_int_equal(syn->flags & ~(TCP_ECE | TCP_CWR), TCP_SYN);
    return s;
}

/* The peer's segment to the port that a connection of ours has. */
static void to_port(struct tcp_host *th, struct tcp_seg s, uint16_t port)
{
    s.dst_port = port;
    peer_send(th, &s, NULL, 0);
}

static void syn__offers_everything(void **state)
{
    struct tcp_host *th = host_with(NULL);
    struct tcp_seg syn;
    struct sock *s = connect_peer(th, &syn);

    (void)state;
    assert_int_equal(syn.opts, TCP_OPT_MSS | TCP_OPT_WSCALE | TCP_OPT_SACK_OK | TCP_OPT_TS);
    assert_int_equal(syn.mss, 1460);
    assert_int_equal(syn.wscale, 9); /* 16 MiB in 65535 units */
    assert_int_equal(syn.window, 65535);
    sock_close(s);
    tcp_host_free(th);
}

static void syn__answer_takes_only_what_was_offered(void **state)
{
    struct tcp_host *th = host_with(NULL);
    struct tcp_seg s = seg(TCP_SYN, PEER_ISN, 0), r;

    (void)state;
    tcp_host_listen(th, HOST_PORT, 4);
    s.opts = TCP_OPT_MSS | TCP_OPT_SACK_OK;
    s.mss = 536;
    peer_send(th, &s, NULL, 0);
    peer_take_one(th, &r);
    assert_int_equal(r.opts, TCP_OPT_MSS | TCP_OPT_SACK_OK);
    tcp_host_free(th);
}

static void connect__without_options_uses_the_defaults(void **state)
{
    struct tcp_host *th = host_with(NULL);
    struct tcp_seg syn, r;
    struct sock *s = connect_peer(th, &syn);

    (void)state;
    to_port(th, seg(TCP_SYN | TCP_ACK, PEER_ISN, syn.seq + 1), syn.src_port);
    peer_take_one(th, &r);
    assert_int_equal(r.flags, TCP_ACK);
    assert_int_equal(r.opts, 0);
    assert_int_equal(s->connected, 1);
    assert_int_equal(s->c->mss, 536); /* RFC 9293 section 3.7.1 */
    sock_abort(s);
    tcp_host_free(th);
}

static void connect__simultaneous_open(void **state)
{
    struct tcp_host *th = host_with(NULL);
    struct tcp_seg syn, r;
    struct sock *s = connect_peer(th, &syn);

    (void)state;
    to_port(th, seg(TCP_SYN, PEER_ISN, 0), syn.src_port);
    peer_take_one(th, &r);
    assert_int_equal(r.flags, TCP_SYN | TCP_ACK);
    assert_int_equal(r.seq, syn.seq);
    to_port(th, seg(TCP_SYN | TCP_ACK, PEER_ISN, syn.seq + 1), syn.src_port); /* the peer's half of the same */
    to_port(th, seg(TCP_ACK, PEER_ISN + 1, syn.seq + 1), syn.src_port);
    assert_int_equal(s->c->state, TCP_ESTABLISHED);
    assert_int_equal(s->connect_err, 0);
    assert_int_equal(s->connected, 1);
    sock_abort(s);
    tcp_host_free(th);
}

static void connect__syn_is_sent_again_and_given_up(void **state)
{
    struct tcp_host *th = host_with(NULL);
    struct tcp_seg syn, r;
    struct sock *s = connect_peer(th, &syn);
    unsigned again = 0;

    (void)state;
    for (int i = 0; i < 175; i++) {
        host_pass(th, NS_PER_S);
        while (peer_take(th, &r, NULL)) {
            assert_int_equal(r.seq, syn.seq);
            again++;
        }
    }
    assert_int_equal(s->connected, 0);
    assert_in_range(again, 6, 8); /* 1, 2, 4, ... 60 s apart */
    for (int i = 0; i < 70; i++)
        host_pass(th, NS_PER_S);
    assert_int_equal(s->connected, 1);
    assert_int_equal(s->connect_err, ETIMEDOUT);
    sock_close(s);
    tcp_host_free(th);
}

static void connect__icmp_ends_it(void **state)
{
    const int errs[] = {ECONNREFUSED, EHOSTUNREACH, ENETUNREACH};

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(errs); i++) {
        struct tcp_host *th = host_with(NULL);
        struct tcp_seg syn;
        struct sock *s = connect_peer(th, &syn);
        uint8_t quoted[8];
        struct ip_error e = {
            .local = th->h->addr, .remote = INET_ADDR4(10, 0, 0, PEER), .data = quoted, .len = 8, .err = errs[i]};

        put16(quoted, syn.src_port);
        put16(quoted + 2, PEER_PORT);
        put32(quoted + 4, syn.seq + 5);
        assert_false(tcp_error(th->h->in, th->t, &e));
        assert_int_equal(s->connected, 0);
        put32(quoted + 4, syn.seq);
        assert_true(tcp_error(th->h->in, th->t, &e));
        assert_int_equal(s->connect_err, errs[i]);
        sock_close(s);
        tcp_host_free(th);
    }
}

static void connect__to_nowhere(void **state)
{
    struct tcp_host *th = host_with(NULL);
    struct inet_end any = {INET_ANY4, 0}, end = {INET_ADDR4(192, 168, 7, 7), 80};
    int err;

    (void)state;
    assert_null(tcp_connect(th->t, &any, &end, NULL, &err));
    assert_int_equal(err, -ENETUNREACH);
    end.addr = INET_ANY4;
    assert_null(tcp_connect(th->t, &any, &end, NULL, &err));
    assert_int_equal(err, -EINVAL);
    end.addr = INET_ADDR4(10, 0, 0, PEER);
    end.port = 0;
    assert_null(tcp_connect(th->t, &any, &end, NULL, &err));
    assert_int_equal(err, -EINVAL);
    end.port = 80;
    any.addr = INET_ADDR4(10, 9, 9, 9);
    assert_null(tcp_connect(th->t, &any, &end, NULL, &err));
    assert_int_equal(err, -EADDRNOTAVAIL);
    assert_int_equal(tcp_count(th->t), 0);
    tcp_host_free(th);
}

static void narrow_ports(struct tcp_config *cfg)
{
    cfg->port_low = 40000;
    cfg->port_high = 40003;
}

static void connect__all_ports_taken(void **state)
{
    struct tcp_host *th = host_with(narrow_ports);
    struct inet_end any = {INET_ANY4, 0}, end = {INET_ADDR4(10, 0, 0, PEER), 80};
    struct tcp_conn *c[4];
    uint32_t seen = 0;
    int err;

    (void)state;
    for (int i = 0; i < 4; i++) {
        c[i] = tcp_connect(th->t, &any, &end, th, &err);
        assert_non_null(c[i]);
        assert_in_range(c[i]->pair.local_port, 40000, 40003);
        seen |= 1u << (c[i]->pair.local_port - 40000);
    }
    assert_int_equal(seen, 15);
    assert_null(tcp_connect(th->t, &any, &end, th, &err));
    assert_int_equal(err, -EADDRNOTAVAIL);
    assert_int_equal(COUNTED(th->h, tcp_ports_full), 1);
    any.port = 40001;
    assert_null(tcp_connect(th->t, &any, &end, th, &err));
    assert_int_equal(err, -EADDRINUSE);
    for (int i = 0; i < 4; i++)
        tcp_close(c[i]);
    assert_int_equal(tcp_count(th->t), 0);
    tcp_host_free(th);
}

static void few_conns(struct tcp_config *cfg)
{
    cfg->conns = 2;
}

static void connect__all_connections_taken(void **state)
{
    struct tcp_host *th = host_with(few_conns);
    struct inet_end any = {INET_ANY4, 0}, end = {INET_ADDR4(10, 0, 0, PEER), 80};
    struct tcp_conn *a, *b;
    int err;

    (void)state;
    a = tcp_connect(th->t, &any, &end, th, &err);
    b = tcp_connect(th->t, &any, &end, th, &err);
    assert_null(tcp_connect(th->t, &any, &end, th, &err));
    assert_int_equal(err, -ENOBUFS);
    assert_int_equal(COUNTED(th->h, tcp_conns_full), 1);
    tcp_close(a);
    tcp_close(b);
    tcp_host_free(th);
}

static void listen__conflicts_and_specific_first(void **state)
{
    struct tcp_host *th = host_with(NULL);
    struct inet_end all = {INET_ANY4, HOST_PORT}, mine = {th->h->addr, HOST_PORT};
    struct tcp_listener *a, *b;
    int err;

    (void)state;
    a = tcp_listen(th->t, &all, 1, th, &err);
    assert_null(tcp_listen(th->t, &all, 1, th, &err));
    assert_int_equal(err, -EADDRINUSE);
    assert_true(tcp_is_listening(th->t, &mine));
    b = tcp_listen(th->t, &mine, 1, th, &err);
    assert_non_null(b);
    assert_ptr_equal(tcp_listener_find(th->t, &th->h->addr, HOST_PORT), b);
    assert_ptr_equal(tcp_listener_find(th->t, &INET_ADDR4(127, 0, 0, 1), HOST_PORT), a);
    tcp_unlisten(b);
    assert_ptr_equal(tcp_listener_find(th->t, &th->h->addr, HOST_PORT), a);
    tcp_unlisten(a);
    tcp_host_free(th);
}

static void listen__backlog_is_a_bound(void **state)
{
    struct tcp_host *th = host_with(NULL);
    struct tcp_seg r;
    uint32_t iss[2];

    (void)state;
    tcp_host_listen(th, HOST_PORT, 1);
    for (int i = 0; i < 2; i++) { /* both handshakes begin before either ends */
        struct tcp_seg s = seg(TCP_SYN, PEER_ISN, 0);

        s.src_port = (uint16_t)(6000 + i);
        peer_send(th, &s, NULL, 0);
        peer_take_one(th, &r);
        iss[i] = r.seq;
    }
    for (int i = 0; i < 2; i++) {
        struct tcp_seg s = seg(TCP_ACK, PEER_ISN + 1, iss[i] + 1);

        s.src_port = (uint16_t)(6000 + i);
        peer_send(th, &s, NULL, 0);
    }
    assert_int_equal(th->l->ready.count, 1);
    assert_int_equal(th->l->half.count, 1);
    assert_int_equal(COUNTED(th->h, drop_tcp_backlog), 1);
    {
        struct tcp_seg s = seg(TCP_SYN, PEER_ISN, 0);

        s.src_port = 6002;
        peer_send(th, &s, NULL, 0);
        peer_take_none(th);
    }
    sock_abort(sock_accept(th));
    th->h->first = th->h->last;
    {
        struct tcp_seg s = seg(TCP_ACK, PEER_ISN + 1, iss[1] + 1);

        s.src_port = 6001;
        peer_send(th, &s, NULL, 0); /* it tries again, and now there is room */
    }
    sock_abort(sock_accept(th));
    tcp_host_free(th);
}

static void unlisten__resets_what_waits(void **state)
{
    struct tcp_host *th = host_with(NULL);
    struct tcp_seg s = seg(TCP_SYN, PEER_ISN, 0), r;

    (void)state;
    tcp_host_listen(th, HOST_PORT, 4);
    peer_send(th, &s, NULL, 0);
    peer_take_one(th, &r);
    tcp_unlisten(th->l);
    th->l = NULL;
    peer_take_one(th, &r);
    assert_int_equal(r.flags & TCP_RST, TCP_RST);
    assert_int_equal(tcp_count(th->t), 0);
    assert_int_equal(th->t->half_open, 0);
    tcp_host_free(th);
}

static void few_half_open(struct tcp_config *cfg)
{
    cfg->half_open = 1;
}

/* RFC 4987 section 3.6: a flood leaves nothing behind, and an honest client gets in with all it offered. */
static void cookie__flood_and_honest_client(void **state)
{
    struct tcp_host *th = host_with(few_half_open);
    struct tcp_seg s = seg(TCP_SYN, PEER_ISN, 0), r;
    struct sock *sock;
    uint64_t used;

    (void)state;
    tcp_host_listen(th, HOST_PORT, 4);
    s.src_port = 1;
    peer_send(th, &s, NULL, 0);
    used = mem_bytes_used(&th->h->mem);
    for (uint16_t i = 2; i < 200; i++) {
        s = seg(TCP_SYN, PEER_ISN + i, 0);
        s.src_port = i;
        peer_send(th, &s, NULL, 0);
    }
    assert_int_equal(COUNTED(th->h, tcp_cookies_sent), 198);
    assert_int_equal(mem_bytes_used(&th->h->mem), used);
    th->h->first = th->h->last;
    s = seg(TCP_SYN, PEER_ISN, 0);
    s.opts = TCP_OPT_MSS | TCP_OPT_TS | TCP_OPT_SACK_OK | TCP_OPT_WSCALE;
    s.mss = 1400;
    s.wscale = 3;
    s.ts_val = 77;
    peer_send(th, &s, NULL, 0);
    peer_take_one(th, &r);
    assert_int_equal(r.ts_ecr, 77);
    s = seg(TCP_ACK, PEER_ISN + 1, r.seq + 1);
    s.opts = TCP_OPT_TS;
    s.ts_val = 78;
    s.ts_ecr = r.ts_val;
    host_pass(th, 10 * NS_PER_MS);
    th->h->first = th->h->last;
    peer_send(th, &s, NULL, 20); /* with its first bytes */
    sock = sock_accept(th);
    assert_non_null(sock);
    assert_int_equal(COUNTED(th->h, tcp_cookies_good), 1);
    assert_int_equal(sock->c->snd_wscale, 3);
    assert_int_equal(sock->c->flags & (TCPF_TS | TCPF_SACK), TCPF_TS | TCPF_SACK);
    assert_int_equal(sock->c->mss, 1360 - 12);
    sock_read(sock, th);
    sock_expect(sock, 20);
    sock_abort(sock);
    tcp_host_free(th);
}

static void cookie__guessed_number_is_reset(void **state)
{
    struct tcp_host *th = host_with(few_half_open);
    struct tcp_seg s, r;

    (void)state;
    tcp_host_listen(th, HOST_PORT, 4);
    for (uint16_t i = 1; i < 3; i++) {
        s = seg(TCP_SYN, PEER_ISN, 0);
        s.src_port = i;
        peer_send(th, &s, NULL, 0);
        peer_take_one(th, &r);
    }
    s = seg(TCP_ACK, PEER_ISN + 1, r.seq + 2);
    s.src_port = 2;
    peer_send(th, &s, NULL, 0);
    peer_take_one(th, &r);
    assert_int_equal(r.flags, TCP_RST);
    assert_null(sock_accept(th));
    tcp_host_free(th);
}

static void with_ecn(struct tcp_config *cfg)
{
    cfg->ecn = true;
}

/* RFC 3168 section 6.1.1. */
static void ecn__is_negotiated(void **state)
{
    struct tcp_host *th = host_with(with_ecn);
    struct tcp_seg syn, r;
    struct sock *s = connect_peer(th, &syn);

    (void)state;
    assert_int_equal(syn.flags, TCP_SYN | TCP_ECE | TCP_CWR);
    to_port(th, seg(TCP_SYN | TCP_ACK | TCP_ECE, PEER_ISN, syn.seq + 1), syn.src_port);
    peer_take_one(th, &r);
    assert_int_equal(s->c->flags & TCPF_ECN, TCPF_ECN);
    sock_send(th, s, 10);
    assert_int_equal(th->h->sent[th->h->first % SENT_MAX].bytes[15] & 3, IP_ECN_ECT0);
    sock_abort(s);
    tcp_host_free(th);
}

static void few_time_waits(struct tcp_config *cfg)
{
    cfg->time_waits = 1;
}

static void time_wait__oldest_gives_way(void **state)
{
    struct tcp_host *th = host_with(few_time_waits);

    (void)state;
    tcp_host_listen(th, HOST_PORT, 4);
    for (uint16_t i = 0; i < 3; i++) {
        struct tcp_seg s = seg(TCP_SYN, PEER_ISN, 0), r;

        s.src_port = (uint16_t)(7000 + i);
        peer_send(th, &s, NULL, 0);
        peer_take_one(th, &r);
        s = seg(TCP_ACK, PEER_ISN + 1, r.seq + 1);
        s.src_port = (uint16_t)(7000 + i);
        peer_send(th, &s, NULL, 0);
        sock_close(sock_accept(th));
        peer_take_one(th, &r);
        s = seg(TCP_ACK | TCP_FIN, PEER_ISN + 1, r.seq + 1);
        s.src_port = (uint16_t)(7000 + i);
        peer_send(th, &s, NULL, 0);
        peer_take_one(th, &r);
    }
    assert_int_equal(tcp_count(th->t), 1);
    assert_int_equal(COUNTED(th->h, tcp_time_wait_full), 2);
    host_pass(th, 61 * NS_PER_S);
    assert_int_equal(tcp_count(th->t), 0);
    tcp_host_free(th);
}

static void no_orphans(struct tcp_config *cfg)
{
    cfg->orphans = 0;
}

static void orphan__bound_resets(void **state)
{
    struct tcp_host *th = host_with(no_orphans);
    struct tcp_seg r;
    uint32_t iss;
    struct sock *s = peer_establish(th, TCP_OPT_MSS, &iss);

    (void)state;
    sock_close(s);
    peer_take_one(th, &r);
    assert_int_equal(r.flags & TCP_RST, TCP_RST);
    assert_int_equal(COUNTED(th->h, tcp_orphans_full), 1);
    assert_int_equal(tcp_count(th->t), 0);
    tcp_host_free(th);
}

static void orphan__does_not_wait_for_ever(void **state)
{
    struct tcp_host *th = host_with(NULL);
    struct tcp_seg s, r;
    uint32_t iss;

    (void)state;
    sock_close(peer_establish(th, TCP_OPT_MSS, &iss));
    peer_take_one(th, &r);
    s = seg(TCP_ACK, PEER_ISN + 1, iss + 2);
    peer_send(th, &s, NULL, 0); /* FIN-WAIT-2, and the peer says no more */
    assert_int_equal(tcp_count(th->t), 1);
    host_pass(th, 61 * NS_PER_S);
    assert_int_equal(tcp_count(th->t), 0);
    assert_int_equal(COUNTED(th->h, tcp_orphans_ended), 1);
    tcp_host_free(th);
}

static void options__refuse_nonsense_and_read_back(void **state)
{
    struct tcp_host *th = host_with(NULL);
    struct tcp_info info;
    uint32_t iss;
    struct sock *s = peer_establish(th, TCP_OPT_MSS, &iss);
    int64_t v;

    (void)state;
    assert_int_equal(tcp_set_option(s->c, TCP_OPTION_NODELAY, 2), -EINVAL);
    assert_int_equal(tcp_set_option(s->c, TCP_OPTION_KEEPCNT, 0), -EINVAL);
    assert_int_equal(tcp_set_option(s->c, TCP_OPTION_CONGESTION, TCP_CC_MAX), -EINVAL);
    assert_int_equal(tcp_set_option(s->c, TCP_OPTION_SNDBUF, 0), -EINVAL);
    assert_int_equal(tcp_set_option(s->c, TCP_OPTION_MAX, 0), -ENOPROTOOPT);
    assert_int_equal(tcp_get_option(s->c, TCP_OPTION_MAX, &v), -ENOPROTOOPT);
    assert_int_equal(tcp_set_option(s->c, TCP_OPTION_CONGESTION, TCP_CC_newreno), 0);
    assert_ptr_equal(s->c->cc.ops, &tcp_cc_newreno);
    assert_int_equal(tcp_set_option(s->c, TCP_OPTION_MAXSEG, 1000), 0);
    assert_int_equal(tcp_get_option(s->c, TCP_OPTION_MAXSEG, &v), 0);
    assert_int_equal(v, 1000);
    assert_int_equal(tcp_get_option(s->c, TCP_OPTION_NODELAY, &v), 0);
    assert_int_equal(v, 1);
    assert_int_equal(tcp_set_option(s->c, TCP_OPTION_RCVBUF, 100), 0);
    assert_int_equal(tcp_get_option(s->c, TCP_OPTION_RCVBUF, &v), 0);
    assert_int_equal(v, 2048);
    tcp_get_info(s->c, &info);
    assert_int_equal(info.state, TCP_ESTABLISHED);
    assert_int_equal(info.snd_nxt, iss + 1);
    assert_int_equal(info.mss, 1000);
    assert_int_equal(info.rcv_nxt, PEER_ISN + 1);
    sock_abort(s);
    tcp_host_free(th);
}

static void memory__none_to_open_is_an_error_and_no_leak(void **state)
{
    struct inet_end any = {INET_ANY4, 0}, end = {INET_ADDR4(10, 0, 0, PEER), 80};
    struct tcp_host *th = host_with(NULL);
    int err;

    (void)state;
    th->h->fail_after = 1;
    assert_null(tcp_connect(th->t, &any, &end, th, &err));
    assert_int_equal(err, -ENOMEM);
    th->h->fail_after = 1;
    assert_null(tcp_listen(th->t, &any, 1, th, &err));
    assert_int_equal(err, -ENOMEM);
    tcp_host_listen(th, HOST_PORT, 4);
    for (unsigned n = 1; n < 4; n++) { /* the nth allocation for a SYN fails; sent again it gets through */
        struct tcp_seg s = seg(TCP_SYN, PEER_ISN, 0);

        s.src_port = (uint16_t)(100 + n);
        th->h->fail_after = n;
        peer_send(th, &s, NULL, 0);
        th->h->fail_after = 0;
        th->h->first = th->h->last;
        peer_send(th, &s, NULL, 0);
        assert_int_equal(th->l->half.count, n);
    }
    tcp_host_free(th);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(syn__offers_everything),
        cmocka_unit_test(syn__answer_takes_only_what_was_offered),
        cmocka_unit_test(connect__without_options_uses_the_defaults),
        cmocka_unit_test(connect__simultaneous_open),
        cmocka_unit_test(connect__syn_is_sent_again_and_given_up),
        cmocka_unit_test(connect__icmp_ends_it),
        cmocka_unit_test(connect__to_nowhere),
        cmocka_unit_test(connect__all_ports_taken),
        cmocka_unit_test(connect__all_connections_taken),
        cmocka_unit_test(listen__conflicts_and_specific_first),
        cmocka_unit_test(listen__backlog_is_a_bound),
        cmocka_unit_test(unlisten__resets_what_waits),
        cmocka_unit_test(cookie__flood_and_honest_client),
        cmocka_unit_test(cookie__guessed_number_is_reset),
        cmocka_unit_test(ecn__is_negotiated),
        cmocka_unit_test(time_wait__oldest_gives_way),
        cmocka_unit_test(orphan__bound_resets),
        cmocka_unit_test(orphan__does_not_wait_for_ever),
        cmocka_unit_test(options__refuse_nonsense_and_read_back),
        cmocka_unit_test(memory__none_to_open_is_an_error_and_no_leak),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
