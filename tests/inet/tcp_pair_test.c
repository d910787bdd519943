/* SPDX-License-Identifier: MIT */
/* Two TCPs back to back: connections begin, carry bytes both ways, and end, in good order or not. */
#include "tcp_rig.h"

#include <errno.h>

struct pair {
    struct tcp_host *a, *b;
    struct sock *x, *y; /* x of a connected, y of b accepted */
};

static struct pair pair_new(const struct tcp_config *cfg)
{
    struct pair p = {.a = tcp_host_new(1, cfg), .b = tcp_host_new(2, cfg)};

    acquaint(p.a->h, p.b->h);
    tcp_host_listen(p.b, HOST_PORT, 16);
    p.x = sock_connect(p.a, &p.b->h->addr, HOST_PORT);
    tcp_wire(p.a, p.b);
    p.y = sock_accept(p.b);
    assert_non_null(p.y);
    return p;
}

static struct pair pair_default(void)
{
    struct tcp_config cfg;

    tcp_config_defaults(&cfg);
    cfg.conns = 64;
    return pair_new(&cfg);
}

static void pair_free(struct pair *p)
{
    tcp_host_free(p->a);
    tcp_host_free(p->b);
}

static void connect__both_sides_are_told(void **state)
{
    struct pair p = pair_default();

    (void)state;
    assert_int_equal(p.x->connected, 1);
    assert_int_equal(p.x->connect_err, 0);
    assert_int_equal(p.b->incoming, 1);
    assert_int_equal(p.x->c->state, TCP_ESTABLISHED);
    assert_int_equal(p.y->c->state, TCP_ESTABLISHED);
    assert_int_equal(p.x->c->mss, 1448);
    sock_abort(p.x);
    tcp_wire(p.a, p.b);
    assert_int_equal(p.y->end_err, ECONNRESET);
    sock_close(p.y);
    pair_free(&p);
}

static void connect__closed_port_refuses(void **state)
{
    struct tcp_host *a = tcp_host_new_default(1), *b = tcp_host_new_default(2);
    struct sock *x;

    (void)state;
    acquaint(a->h, b->h);
    x = sock_connect(a, &b->h->addr, 4711);
    tcp_wire(a, b);
    assert_int_equal(x->connected, 1);
    assert_int_equal(x->connect_err, ECONNREFUSED);
    sock_close(x);
    assert_int_equal(tcp_count(a->t), 0);
    tcp_host_free(a);
    tcp_host_free(b);
}

static void data__both_ways(void **state)
{
    struct pair p = pair_default();

    (void)state;
    p.y->want = 100; /* the first goes straight up, the rest is queued */
    assert_int_equal(sock_send(p.a, p.x, 3000), 3000);
    assert_int_equal(sock_send(p.b, p.y, 5000), 5000);
    tcp_wire(p.a, p.b);
    assert_int_equal(p.y->got_len, 100);
    assert_int_equal(sock_read(p.y, p.b), -EAGAIN);
    assert_int_equal(sock_read(p.x, p.a), -EAGAIN);
    sock_expect(p.y, 3000);
    sock_expect(p.x, 5000);
    tcp_pass(p.a, p.b, 50 * NS_PER_MS, NS_PER_MS);
    assert_int_equal(tcp_acked(p.x->c), 3000);
    assert_int_equal(tcp_acked(p.y->c), 5000);
    assert_int_equal(COUNTED(p.a->h, tcp_retransmits), 0);
    sock_abort(p.x);
    tcp_wire(p.a, p.b);
    sock_close(p.y);
    pair_free(&p);
}

/* Everything that fits goes, is read, and so on: len bytes, with time passing. */
static void pump(struct pair *p, uint32_t len, uint64_t step_ns)
{
    uint64_t give_up = p->a->h->in->env.now_ns + 600 * NS_PER_S;

    while (p->y->got_len < len) {
        uint32_t left = len - (uint32_t)p->x->from;

        while (left > 0) {
            int64_t n = sock_send(p->a, p->x, left < 8000 ? left : 8000);

            if (n < 0)
                break;
            left -= (uint32_t)n;
        }
        tcp_pass(p->a, p->b, step_ns, step_ns);
        sock_read(p->y, p->b);
        assert_true(p->a->h->in->env.now_ns < give_up);
    }
}

static void data__bulk_arrives_whole(void **state)
{
    struct pair p = pair_default();

    (void)state;
    pump(&p, 1000000, 100 * NS_PER_US);
    sock_expect(p.y, 1000000);
    assert_int_equal(COUNTED(p.a->h, tcp_timeouts), 0);
    sock_close(p.x);
    tcp_pass(p.a, p.b, NS_PER_S, 10 * NS_PER_MS);
    sock_close(p.y);
    tcp_pass(p.a, p.b, NS_PER_S, 10 * NS_PER_MS);
    pair_free(&p);
}

/* The same state machine over IPv6, neighbour discovery included. */
static void data__over_ipv6(void **state)
{
    struct tcp_host *a = tcp_host_new_default(1), *b = tcp_host_new_default(2);
    struct inet_addr one = {{{0xfd, 0, [15] = 1}}}, two = {{{0xfd, 0, [15] = 2}}};
    struct inet_end at = {INET_ANY6, HOST_PORT};
    struct sock *x, *y;
    int err;

    (void)state;
    assert_int_equal(inet_addr_add(a->h->in, &one, 64), 0);
    assert_int_equal(inet_addr_add(b->h->in, &two, 64), 0);
    tcp_pass(a, b, 5 * NS_PER_S, 100 * NS_PER_MS);
    b->l = tcp_listen(b->t, &at, 4, b, &err);
    assert_non_null(b->l);
    x = sock_connect(a, &two, HOST_PORT);
    tcp_wire(a, b);
    assert_int_equal(x->connected, 1);
    assert_int_equal(x->c->mss, 1500 - 40 - 20 - 12);
    y = sock_accept(b);
    sock_send(a, x, 5000);
    tcp_wire(a, b);
    sock_read(y, b);
    sock_expect(y, 5000);
    sock_abort(x);
    tcp_wire(a, b);
    assert_int_equal(y->end_err, ECONNRESET);
    sock_close(y);
    tcp_host_free(a);
    tcp_host_free(b);
}

static void close__in_good_order(void **state)
{
    struct pair p = pair_default();

    (void)state;
    assert_int_equal(tcp_shutdown(p.x->c), 0);
    tcp_wire(p.a, p.b);
    assert_int_equal(p.y->ended, 1);
    assert_int_equal(p.y->end_err, 0);
    assert_int_equal(sock_read(p.y, p.b), 0);
    assert_int_equal(sock_read(p.y, p.b), 0);
    assert_int_equal(p.x->c->state, TCP_FIN_WAIT_2);
    assert_int_equal(p.y->c->state, TCP_CLOSE_WAIT);
    assert_int_equal(sock_send(p.a, p.x, 10), -EPIPE);
    assert_int_equal(sock_send(p.b, p.y, 10), 10); /* half closed */
    tcp_wire(p.a, p.b);
    sock_read(p.x, p.a);
    sock_expect(p.x, 10);
    sock_close(p.y);
    tcp_wire(p.a, p.b);
    assert_int_equal(tcp_count(p.b->t), 0);
    assert_int_equal(p.x->c->state, TCP_TIME_WAIT);
    assert_int_equal(sock_read(p.x, p.a), 0);
    sock_close(p.x);
    assert_int_equal(tcp_count(p.a->t), 1);
    tcp_pass(p.a, p.b, 61 * NS_PER_S, NS_PER_S);
    assert_int_equal(tcp_count(p.a->t), 0);
    pair_free(&p);
}

static void close__both_at_once(void **state)
{
    struct pair p = pair_default();

    (void)state;
    tcp_shutdown(p.x->c);
    tcp_shutdown(p.y->c);
    tcp_wire(p.a, p.b);
    assert_int_equal(p.x->c->state, TCP_TIME_WAIT);
    assert_int_equal(p.y->c->state, TCP_TIME_WAIT);
    sock_close(p.x);
    sock_close(p.y);
    tcp_pass(p.a, p.b, 61 * NS_PER_S, NS_PER_S);
    assert_int_equal(tcp_count(p.a->t), 0);
    assert_int_equal(tcp_count(p.b->t), 0);
    pair_free(&p);
}

static void close__with_data_unread_resets(void **state)
{
    struct pair p = pair_default();

    (void)state;
    sock_send(p.a, p.x, 10);
    tcp_wire(p.a, p.b);
    sock_close(p.y);
    tcp_wire(p.a, p.b);
    assert_int_equal(p.x->end_err, ECONNRESET);
    assert_int_equal(tcp_send(p.x->c, NULL, NULL, 1), -ECONNRESET);
    sock_close(p.x);
    pair_free(&p);
}

static void free__with_everything_open(void **state)
{
    struct pair p = pair_default();

    (void)state;
    sock_send(p.a, p.x, 100000);
    tcp_wire(p.a, p.b);
    sock_send(p.a, p.x, 100);
    tcp_host_free(p.a);
    tcp_host_free(p.b);
    free(p.x->got);
    free(p.x);
    free(p.y->got);
    free(p.y);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connect__both_sides_are_told),
        cmocka_unit_test(connect__closed_port_refuses),
        cmocka_unit_test(data__both_ways),
        cmocka_unit_test(data__bulk_arrives_whole),
        cmocka_unit_test(data__over_ipv6),
        cmocka_unit_test(close__in_good_order),
        cmocka_unit_test(close__both_at_once),
        cmocka_unit_test(close__with_data_unread_resets),
        cmocka_unit_test(free__with_everything_open),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
