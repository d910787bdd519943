/* SPDX-License-Identifier: MIT */
/* Black holes: paths that swallow large packets and say nothing (RFC 4821, RFC 8899). */
#include "tcp_link.h"

#include <errno.h>

struct ends {
    struct tcp_host *a, *b;
    struct sock *x, *y;
    struct link *l;
};

static void begin(struct ends *e)
{
    e->a = tcp_host_new_default(1);
    e->b = tcp_host_new_default(2);
    acquaint(e->a->h, e->b->h);
    e->l = link_new(e->a, e->b, 1);
    tcp_host_listen(e->b, HOST_PORT, 16);
    e->x = sock_connect(e->a, &e->b->h->addr, HOST_PORT);
    link_pass(e->l, 10 * NS_PER_MS);
    e->y = sock_accept(e->b);
    assert_non_null(e->y);
}

/* Sends and waits until all of it has been read, or until so much time is over. */
static void send_for(struct ends *e, uint32_t bytes, uint64_t ns)
{
    uint64_t until = e->l->now_ns + ns, target = e->x->from + bytes;

    while (e->y->got_len < target) {
        while (e->x->from < target) {
            uint32_t left = (uint32_t)(target - e->x->from);

            if (sock_send(e->a, e->x, left < 4000 ? left : 4000) < 0)
                break;
        }
        if (!link_step(e->l, until))
            break;
        (void)sock_read(e->y, e->b);
    }
    (void)sock_read(e->y, e->b);
}

static void end(struct ends *e)
{
    sock_expect(e->y, (uint32_t)e->x->from);
    sock_close(e->x);
    sock_close(e->y);
    link_pass(e->l, 400 * NS_PER_S);
    link_free(e->l);
    tcp_host_free(e->a);
    tcp_host_free(e->b);
}

static uint64_t counted(const struct tcp_host *th, enum counter which)
{
    return th->h->count[which];
}

static uint16_t mtu_of(const struct sock *s)
{
    return (uint16_t)(s->c->mss + 20 + TCP_HEADER_MIN + TCP_TS_BYTES);
}

static void black_hole__is_escaped_and_its_edge_found(void **state)
{
    struct ends e;

    (void)state;
    begin(&e);
    e.l->faults.swallow = 1400;
    send_for(&e, 400000, 60 * NS_PER_S);
    assert_int_equal(e.y->got_len, 400000);
    assert_int_equal(counted(e.a, CTR_tcp_black_holes), 1);
    assert_in_range(mtu_of(e.x), 1400 - 8, 1400);
    end(&e);
}

static void black_hole__lost_probes_are_no_congestion(void **state)
{
    struct ends e;
    uint64_t recoveries;
    uint32_t cwnd;

    (void)state;
    begin(&e);
    e.l->faults.swallow = 1400;
    send_for(&e, 20000, 60 * NS_PER_S);
    cwnd = e.x->c->cc.cwnd;
    recoveries = counted(e.a, CTR_tcp_recoveries);
    send_for(&e, 400000, 60 * NS_PER_S);
    assert_true(counted(e.a, CTR_tcp_mtu_probes) > 8);
    assert_int_equal(counted(e.a, CTR_tcp_recoveries), recoveries);
    assert_true(e.x->c->cc.cwnd > cwnd);
    end(&e);
}

static void black_hole__an_outage_leaves_the_full_size(void **state)
{
    struct ends e;

    (void)state;
    begin(&e);
    e.l->faults.swallow = 1;
    send_for(&e, 20000, NS_PER_S);
    assert_int_equal(e.y->got_len, 0);
    assert_int_equal(counted(e.a, CTR_tcp_black_holes), 2); /* down to what every host takes */
    e.l->faults.swallow = 0;
    send_for(&e, 400000, 100 * NS_PER_S);
    assert_int_equal(e.y->got_len, 420000);
    assert_in_range(mtu_of(e.x), 1500 - 8, 1500);
    end(&e);
}

static void black_hole__others_on_the_path_start_small(void **state)
{
    struct ends e;
    struct sock *second;

    (void)state;
    begin(&e);
    e.l->faults.swallow = 1400;
    send_for(&e, 400000, 60 * NS_PER_S);
    second = sock_connect(e.a, &e.b->h->addr, HOST_PORT);
    link_pass(e.l, 10 * NS_PER_MS);
    assert_int_equal(second->connect_err, 0);
    assert_int_equal(second->c->mss, e.x->c->mss);
    sock_abort(second);
    end(&e);
}

static void search__begins_ten_minutes_after_the_path_shrank(void **state)
{
    struct ends e;

    (void)state;
    begin(&e);
    e.l->faults.swallow = 1300;
    send_for(&e, 400000, 60 * NS_PER_S);
    e.l->faults.swallow = 0;
    send_for(&e, 100000, 60 * NS_PER_S);
    assert_in_range(mtu_of(e.x), 1300 - 8, 1300); /* found to be the edge a moment ago */
    link_pass(e.l, 601 * NS_PER_S);
    send_for(&e, 400000, 60 * NS_PER_S);
    assert_in_range(mtu_of(e.x), 1500 - 8, 1500);
    end(&e);
}

/* A router says that the path takes mtu bytes, about the oldest segment in flight. */
static void report(struct ends *e, uint16_t mtu)
{
    const struct tcp_conn *c = e->x->c;
    struct ip_error error = {.err = EMSGSIZE, .mtu = mtu, .local = c->pair.local, .remote = c->pair.remote};
    uint8_t header[8];

    put16(header, c->pair.local_port);
    put16(header + 2, c->pair.remote_port);
    put32(header + 4, c->snd_una);
    error.data = header;
    assert_true(tcp_error(e->a->h->in, e->a->t, &error));
}

/* Another connection on the path was told first: what this one has in flight is as lost. */
static void icmp__counts_for_a_connection_whose_path_is_known_to_be_small(void **state)
{
    struct ends e;

    (void)state;
    begin(&e);
    sock_send(e.a, e.x, 1448);
    ip_path_lower_mtu(e.a->h->in, &e.x->c->path, 1400);
    report(&e, 1400);
    assert_int_equal(mtu_of(e.x), 1400);
    assert_int_equal(e.x->c->snd.lost, 1);
    send_for(&e, 1000, NS_PER_S);
    end(&e);
}

/* What a router says about a probe spares the search all that is larger. */
static void icmp__about_a_probe_bounds_the_search(void **state)
{
    const struct tcp_conn *c;
    struct ends e;
    uint64_t probes;

    (void)state;
    begin(&e);
    c = e.x->c;
    e.l->faults.swallow = 1210;
    for (unsigned i = 0; i < 100000 && (c->flags & TCPF_MTU_PROBE) == 0; i++) {
        (void)sock_send(e.a, e.x, 4000);
        (void)link_step(e.l, e.l->now_ns + NS_PER_S);
        (void)sock_read(e.y, e.b);
    }
    assert_true((c->flags & TCPF_MTU_PROBE) != 0);
    assert_true(c->mtu.high > 1400 && c->mtu.size > 1211);
    report(&e, 1211);
    assert_int_equal(c->mtu.high, 1212);
    assert_int_equal(c->mtu.tries, 0);
    assert_in_range(mtu_of(e.x), 1200, 1211); /* what the connection sends anyway is not larger */
    probes = counted(e.a, CTR_tcp_mtu_probes);
    send_for(&e, 400000, 60 * NS_PER_S);
    assert_in_range(counted(e.a, CTR_tcp_mtu_probes) - probes, 0, 3);
    assert_in_range(mtu_of(e.x), 1200, 1210);
    end(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(black_hole__is_escaped_and_its_edge_found),
        cmocka_unit_test(black_hole__lost_probes_are_no_congestion),
        cmocka_unit_test(black_hole__an_outage_leaves_the_full_size),
        cmocka_unit_test(black_hole__others_on_the_path_start_small),
        cmocka_unit_test(icmp__counts_for_a_connection_whose_path_is_known_to_be_small),
        cmocka_unit_test(icmp__about_a_probe_bounds_the_search),
        cmocka_unit_test(search__begins_ten_minutes_after_the_path_shrank),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
