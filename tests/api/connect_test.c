/* SPDX-License-Identifier: MIT */
/* Connections made and ended: accept, connect, names, shutdown. */
#include "api/rig.h"

#include <arpa/inet.h>
#include <unistd.h>

static demi_qtoken_t start_connect(int qd, const union rig_addr *a)
{
    demi_qtoken_t qt;

    assert_int_equal(demi_connect(&qt, qd, &a->any, rig_len(a)), 0);
    return qt;
}

static demi_qtoken_t start_accept(int qd)
{
    demi_qtoken_t qt;

    assert_int_equal(demi_accept(&qt, qd), 0);
    return qt;
}

static union rig_addr peer_name(int qd)
{
    union rig_addr a;
    socklen_t len = sizeof(a);

    memset(&a, 0, sizeof(a));
    assert_int_equal(demi_getpeername(qd, &a.any, &len), 0);
    assert_int_equal(len, rig_len(&a));
    return a;
}

static void names__are_those_of_both_ends(void **state)
{
    static const int domains[] = {AF_INET, AF_INET6};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(domains); i++) {
        struct rig_pair p = rig_pair(domains[i]);
        union rig_addr client = rig_name(p.client), server = rig_name(p.server);
        union rig_addr clients_peer = peer_name(p.client), servers_peer = peer_name(p.server);

        assert_int_equal(client.any.sa_family, domains[i]);
        assert_memory_equal(&clients_peer, &server, rig_len(&server));
        assert_memory_equal(&servers_peer, &client, rig_len(&client));
        rig_pair_close(p);
    }
}

static void names__ipv6_takes_more_room(void **state)
{
    struct rig_pair p = rig_pair(AF_INET6);
    union rig_addr a;
    socklen_t len = sizeof(a.in);

    (void)state;
    assert_int_equal(demi_getpeername(p.client, &a.any, &len), EINVAL);
    assert_int_equal(demi_getsockname(p.client, &a.any, &len), EINVAL);
    assert_int_equal(len, sizeof(a.in));
    rig_pair_close(p);
}

static void accept__tells_the_peer(void **state)
{
    union rig_addr a, client;
    int listener = rig_listening(AF_INET, &a), qd = rig_socket(AF_INET, SOCK_STREAM);
    demi_qtoken_t accept = start_accept(listener), connect = start_connect(qd, &a);
    demi_qresult_t qr = rig_done(connect, DEMI_OPC_CONNECT);

    (void)state;
    assert_int_equal(qr.qr_qd, qd);
    qr = rig_done(accept, DEMI_OPC_ACCEPT);
    assert_int_equal(qr.qr_qd, listener);
    client = rig_name(qd);
    assert_int_equal(qr.qr_value.ares.addr.sin_family, AF_INET);
    assert_int_equal(qr.qr_value.ares.addr.sin_port, client.in.sin_port);
    assert_int_equal(qr.qr_value.ares.addr.sin_addr.s_addr, rig_from(AF_INET).in.sin_addr.s_addr);
    assert_int_equal(demi_close(qr.qr_value.ares.qd), 0);
    assert_int_equal(demi_close(qd), 0);
    assert_int_equal(demi_close(listener), 0);
}

static void accept__several_outstanding_complete_in_order(void **state)
{
    enum { N = 20 };
    union rig_addr a;
    int listener = rig_listening(AF_INET, &a), fd[N], qd[N];
    demi_qtoken_t accept[N];

    (void)state;
    for (unsigned i = 0; i < N; i++)
        accept[i] = start_accept(listener);
    for (unsigned i = 0; i < N; i++) {
        char text[3] = {(char)('a' + i), '!', 0};

        fd[i] = rig_plain_connect(&a);
        assert_int_equal(write(fd[i], text, 2), 2);
        qd[i] = rig_done(accept[i], DEMI_OPC_ACCEPT).qr_value.ares.qd;
        rig_expect(qd[i], text);
        if (i + 1 < N)
            assert_true(rig_pending(accept[i + 1]));
    }
    for (unsigned i = 0; i < N; i++) {
        assert_int_equal(demi_close(qd[i]), 0);
        close(fd[i]);
    }
    assert_int_equal(demi_close(listener), 0);
}

static void accept__takes_what_came_before_it(void **state)
{
    union rig_addr a;
    int listener = rig_listening(AF_INET, &a), fd[5];

    (void)state;
    for (unsigned i = 0; i < 5; i++)
        fd[i] = rig_plain_connect(&a);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(demi_close(rig_done(start_accept(listener), DEMI_OPC_ACCEPT).qr_value.ares.qd), 0);
        close(fd[i]);
    }
    assert_int_equal(demi_close(listener), 0);
}

static void accept__queues_outlive_the_listener(void **state)
{
    struct rig_pair p = rig_pair(AF_INET); /* closes its listener */

    (void)state;
    rig_send(p.client, "alive");
    rig_expect(p.server, "alive");
    rig_pair_close(p);
}

static void connect__refused(void **state)
{
    static const int domains[] = {AF_INET, AF_INET6};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(domains); i++) {
        union rig_addr a;
        int fd = rig_plain_nobody(domains[i], &a), qd = rig_socket(domains[i], SOCK_STREAM);

        rig_failed(start_connect(qd, &a), ECONNREFUSED);
        assert_int_equal(demi_close(qd), 0);
        close(fd);
    }
}

static void connect__again_after_a_refusal(void **state)
{
    union rig_addr bad, good;
    int nobody = rig_plain_nobody(AF_INET, &bad), listener = rig_plain_listen(AF_INET, &good);
    int qd = rig_socket(AF_INET, SOCK_STREAM), fd;

    (void)state;
    for (unsigned i = 0; i < 3; i++)
        rig_failed(start_connect(qd, &bad), ECONNREFUSED);
    rig_done(start_connect(qd, &good), DEMI_OPC_CONNECT);
    fd = accept(listener, NULL, NULL);
    assert_int_equal(write(fd, "x", 1), 1);
    rig_expect(qd, "x");
    assert_int_equal(demi_close(qd), 0);
    close(fd);
    close(nobody);
    close(listener);
}

static void connect__from_a_bound_address(void **state)
{
    union rig_addr a, own;
    int listener = rig_plain_listen(AF_INET, &a), qd = rig_bound(AF_INET, SOCK_STREAM), fd;
    socklen_t len = sizeof(own);

    (void)state;
    rig_done(start_connect(qd, &a), DEMI_OPC_CONNECT);
    fd = accept(listener, &own.any, &len);
    assert_int_equal(own.in.sin_port, rig_name(qd).in.sin_port);
    assert_int_equal(demi_close(qd), 0);
    close(fd);
    close(listener);
}

static void connect__to_a_network_that_cannot_be_reached(void **state)
{
    union rig_addr a = rig_loopback(AF_INET, 9);
    int qd = rig_socket(AF_INET, SOCK_STREAM);

    (void)state;
    rig_need_kernel("this libOS knows no routes");
    a.in.sin_addr.s_addr = inet_addr("127.255.255.255"); /* a broadcast address: no stream leads there */
    rig_failed(start_connect(qd, &a), ENETUNREACH);
    assert_int_equal(demi_close(qd), 0);
}

static void connect__pending_is_not_connected(void **state)
{
    demi_qtoken_t connect, qt;
    struct rig_half h = rig_connecting(AF_INET, &connect);
    demi_sgarray_t sga = rig_sga("x");

    (void)state;
    assert_int_equal(demi_push(&qt, h.qd, &sga), ENOTCONN);
    assert_int_equal(demi_pop(&qt, h.qd), ENOTCONN);
    assert_int_equal(demi_close(h.qd), 0);
    rig_failed(connect, ECANCELED);
    rig_free(&sga);
    close(h.fd);
}

static void shutdown__write_ends_the_peers_stream(void **state)
{
    struct rig_pair p = rig_pair(AF_INET);

    (void)state;
    rig_send(p.client, "bye");
    assert_int_equal(demi_shutdown(p.client, SHUT_WR), 0);
    rig_expect(p.server, "bye");
    rig_expect_end(p.server);
    rig_send(p.server, "still here");
    rig_expect(p.client, "still here");
    rig_pair_close(p);
}

static void shutdown__write_fails_later_pushes(void **state)
{
    struct rig_pair p = rig_pair(AF_INET);
    demi_sgarray_t sga = rig_sga("x");

    (void)state;
    assert_int_equal(demi_shutdown(p.client, SHUT_WR), 0);
    rig_failed(rig_push(p.client, &sga), EPIPE);
    rig_failed(rig_push(p.client, &sga), EPIPE);
    rig_send(p.server, "x");
    rig_expect(p.client, "x"); /* the other direction is untouched */
    rig_free(&sga);
    rig_pair_close(p);
}

/* What was pushed before the shutdown is sent before the end, also where it had to wait. */
static void shutdown__write_comes_behind_pending_pushes(void **state)
{
    enum { N = 4, SIZE = 6000000 };
    struct rig_pair p = rig_pair(AF_INET);
    demi_sgarray_t sga = rig_sga_fill(SIZE, 3), late = rig_sga("late");
    demi_qtoken_t push[N];
    size_t got = 0;

    (void)state;
    for (unsigned i = 0; i < N; i++)
        push[i] = rig_push(p.client, &sga);
    if (rig_libos("catnap")) /* others take more */
        assert_true(rig_pending(push[N - 1]));
    assert_int_equal(demi_shutdown(p.client, SHUT_WR), 0);
    rig_failed(rig_push(p.client, &late), EPIPE);
    while (got < (size_t)N * SIZE) {
        demi_qresult_t qr = rig_done(rig_pop(p.server), DEMI_OPC_POP);

        assert_true(rig_length(&qr.qr_value.sga) > 0);
        got += rig_length(&qr.qr_value.sga);
        rig_free(&qr.qr_value.sga);
    }
    for (unsigned i = 0; i < N; i++)
        rig_done(push[i], DEMI_OPC_PUSH);
    rig_expect_end(p.server);
    rig_free(&sga);
    rig_free(&late);
    rig_pair_close(p);
}

static void shutdown__read_ends_pops(void **state)
{
    struct rig_pair p = rig_pair(AF_INET);
    demi_qtoken_t pending = rig_pop(p.client);
    demi_qresult_t qr;

    (void)state;
    assert_true(rig_pending(pending));
    assert_int_equal(demi_shutdown(p.client, SHUT_RD), 0);
    qr = rig_done(pending, DEMI_OPC_POP);
    assert_int_equal(rig_length(&qr.qr_value.sga), 0);
    rig_free(&qr.qr_value.sga);
    rig_expect_end(p.client);
    rig_send(p.client, "still sends");
    rig_expect(p.server, "still sends");
    rig_pair_close(p);
}

/* Nothing more is received, whatever the peer sends. */
static void shutdown__read_is_final(void **state)
{
    struct rig_pair p = rig_pair(AF_INET);

    (void)state;
    assert_int_equal(demi_shutdown(p.client, SHUT_RD), 0);
    rig_send(p.server, "too late");
    usleep(10000);
    rig_expect_end(p.client);
    rig_expect_end(p.client);
    rig_pair_close(p);
}

static void shutdown__both(void **state)
{
    struct rig_pair p = rig_pair(AF_INET);
    demi_sgarray_t sga = rig_sga("x");

    (void)state;
    assert_int_equal(demi_shutdown(p.client, SHUT_RDWR), 0);
    rig_expect_end(p.client);
    rig_expect_end(p.server);
    rig_failed(rig_push(p.client, &sga), EPIPE);
    rig_free(&sga);
    rig_pair_close(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(names__are_those_of_both_ends),
        TEST(names__ipv6_takes_more_room),
        TEST(accept__tells_the_peer),
        TEST(accept__several_outstanding_complete_in_order),
        TEST(accept__takes_what_came_before_it),
        TEST(accept__queues_outlive_the_listener),
        TEST(connect__refused),
        TEST(connect__again_after_a_refusal),
        TEST(connect__from_a_bound_address),
        TEST(connect__to_a_network_that_cannot_be_reached),
        TEST(connect__pending_is_not_connected),
        TEST(shutdown__write_ends_the_peers_stream),
        TEST(shutdown__write_fails_later_pushes),
        TEST(shutdown__write_comes_behind_pending_pushes),
        TEST(shutdown__read_ends_pops),
        TEST(shutdown__read_is_final),
        TEST(shutdown__both),
    };

    return RIG_RUN(tests);
}
