/* SPDX-License-Identifier: MIT */
/* Sockets' calls on catmem: kinds, addresses and ports, listening, connecting, options, and their errors. */
#include "box.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <unistd.h>

static union rig_addr address(const char *text, uint16_t port)
{
    union rig_addr a;

    memset(&a, 0, sizeof(a));
    if (strchr(text, ':') == NULL) {
        a.in.sin_family = AF_INET;
        a.in.sin_port = htons(port);
        assert_int_equal(inet_pton(AF_INET, text, &a.in.sin_addr), 1);
    } else {
        a.in6.sin6_family = AF_INET6;
        a.in6.sin6_port = htons(port);
        assert_int_equal(inet_pton(AF_INET6, text, &a.in6.sin6_addr), 1);
    }
    return a;
}

static uint16_t port_of(int qd)
{
    return ntohs(rig_name(qd).in.sin_port);
}

/* A socket bound to text and port; its error. */
static int try_bind(const char *text, uint16_t port, int *qd)
{
    union rig_addr a = address(text, port);
    int err;

    *qd = rig_socket(a.any.sa_family, SOCK_STREAM);
    err = demi_bind(*qd, &a.any, rig_len(&a));
    if (err != 0)
        assert_int_equal(demi_close(*qd), 0);
    return err;
}

static int must_listen(const char *text, uint16_t port)
{
    int qd;

    assert_int_equal(try_bind(text, port, &qd), 0);
    assert_int_equal(demi_listen(qd, 16), 0);
    return qd;
}

static demi_qtoken_t start_connect(const char *text, uint16_t port, int *qd)
{
    union rig_addr a = address(text, port);
    demi_qtoken_t qt;

    *qd = rig_socket(a.any.sa_family, SOCK_STREAM);
    assert_int_equal(demi_connect(&qt, *qd, &a.any, rig_len(&a)), 0);
    return qt;
}

/* The result of connecting to text and port: 0, or the error. */
static int try_connect(const char *text, uint16_t port)
{
    int qd;
    demi_qresult_t qr = rig_wait(start_connect(text, port, &qd));

    assert_int_equal(demi_close(qd), 0);
    return (int)qr.qr_ret;
}

static void socket__datagrams_are_not_served(void **state)
{
    int qd;

    (void)state;
    rig_says(demi_socket(&qd, AF_INET, SOCK_DGRAM, 0), ENOTSUP, "datagrams");
    rig_says(demi_socket(&qd, AF_INET6, SOCK_DGRAM, IPPROTO_UDP), ENOTSUP, "datagrams");
}

static void bind__port_0_is_a_free_port(void **state)
{
    int qd[50];

    (void)state;
    for (unsigned i = 0; i < 50; i++) {
        assert_int_equal(try_bind(i % 2 == 0 ? "127.0.0.1" : "::1", 0, &qd[i]), 0);
        assert_true(port_of(qd[i]) >= 1024);
        for (unsigned k = i % 2; k < i; k += 2)
            assert_int_not_equal(port_of(qd[i]), port_of(qd[k]));
    }
    for (unsigned i = 0; i < 50; i++)
        assert_int_equal(demi_close(qd[i]), 0);
}

static void bind__taken(void **state)
{
    int first, other;
    uint16_t port;

    (void)state;
    assert_int_equal(try_bind("127.0.0.1", 0, &first), 0);
    port = port_of(first);
    rig_says(try_bind("127.0.0.1", port, &other), EADDRINUSE, "in use");
    assert_int_equal(try_bind("::ffff:127.0.0.1", port, &other), EADDRINUSE);
    assert_int_equal(try_bind("0.0.0.0", port, &other), EADDRINUSE);
    assert_int_equal(try_bind("::", port, &other), EADDRINUSE);
    assert_int_equal(try_bind("::1", port, &other), 0);
    assert_int_equal(demi_close(other), 0);
    assert_int_equal(try_bind("127.0.0.2", port, &other), 0);
    assert_int_equal(demi_close(other), 0);
    assert_int_equal(demi_close(first), 0);
    assert_int_equal(try_bind("0.0.0.0", port, &first), 0);
    assert_int_equal(try_bind("127.0.0.1", port, &other), EADDRINUSE);
    assert_int_equal(try_bind("::", port, &other), EADDRINUSE);
    assert_int_equal(try_bind("::1", port, &other), 0);
    assert_int_equal(demi_close(other), 0);
    assert_int_equal(demi_close(first), 0);
}

static void bind__address_of_another_host(void **state)
{
    int qd;

    (void)state;
    rig_says(try_bind("192.0.2.1", 0, &qd), EADDRNOTAVAIL, "not one of this host");
    rig_says(try_bind("2001:db8::1", 0, &qd), EADDRNOTAVAIL, "not one of this host");
    assert_int_equal(try_bind("127.1.2.3", 0, &qd), 0);
    assert_int_equal(demi_close(qd), 0);
}

static void connect__finds_its_listener(void **state)
{
    int any4 = must_listen("0.0.0.0", 0), any6, exact;
    uint16_t port = port_of(any4);

    (void)state;
    assert_int_equal(try_connect("127.0.0.1", port), 0);
    assert_int_equal(try_connect("127.9.9.9", port), 0);
    assert_int_equal(try_connect("0.0.0.0", port), 0);
    assert_int_equal(try_connect("::ffff:127.0.0.1", port), 0);
    assert_int_equal(try_connect("::1", port), ECONNREFUSED);
    assert_int_equal(demi_close(any4), 0);
    any6 = must_listen("::", port);
    assert_int_equal(try_connect("127.0.0.1", port), 0);
    assert_int_equal(try_connect("::1", port), 0);
    assert_int_equal(try_connect("::", port), 0);
    assert_int_equal(demi_close(any6), 0);
    exact = must_listen("127.0.0.2", port);
    assert_int_equal(try_connect("127.0.0.2", port), 0);
    assert_int_equal(try_connect("127.0.0.1", port), ECONNREFUSED);
    assert_int_equal(demi_close(exact), 0);
}

static void connect__refused(void **state)
{
    uint64_t start = rig_now_ns();
    int qd, bound;

    (void)state;
    assert_int_equal(try_bind("127.0.0.1", 0, &bound), 0);
    assert_int_equal(try_connect("127.0.0.1", port_of(bound)), ECONNREFUSED); /* bound, does not listen */
    assert_int_equal(try_connect("127.0.0.1", 1), ECONNREFUSED);
    assert_int_equal(try_connect("127.0.0.1", 0), ECONNREFUSED);
    assert_int_equal(try_connect("192.0.2.1", 80), ENETUNREACH);
    assert_true(rig_now_ns() - start < 10 * NS_PER_S);
    assert_int_equal(demi_close(bound), 0);
    assert_int_equal(try_bind("127.0.0.1", 0, &qd), 0);
    assert_int_equal(demi_close(qd), 0);
}

/* A socket may try again; one that was bound keeps its address. */
static void connect__again_after_a_refusal(void **state)
{
    union rig_addr nobody = address("127.0.0.1", 9), a;
    int listener, qd;
    demi_qtoken_t qt;
    uint16_t port;

    (void)state;
    for (unsigned bound = 0; bound < 2; bound++) {
        if (bound == 1)
            assert_int_equal(try_bind("127.0.0.1", 0, &qd), 0);
        else
            qd = rig_socket(AF_INET, SOCK_STREAM);
        port = port_of(qd);
        for (unsigned i = 0; i < 3; i++) {
            assert_int_equal(demi_connect(&qt, qd, &nobody.any, rig_len(&nobody)), 0);
            rig_failed(qt, ECONNREFUSED);
        }
        listener = rig_listening(AF_INET, &a);
        assert_int_equal(demi_connect(&qt, qd, &a.any, rig_len(&a)), 0);
        rig_done(qt, DEMI_OPC_CONNECT);
        if (bound == 1)
            assert_int_equal(port_of(qd), port);
        assert_int_equal(demi_close(listener), 0);
        assert_int_equal(demi_close(qd), 0);
    }
}

static void names__of_both_ends(void **state)
{
    union rig_addr a, name;
    int listener = must_listen("0.0.0.0", 0), client = rig_socket(AF_INET, SOCK_STREAM), server;
    socklen_t len = sizeof(name);
    demi_qtoken_t accept, connect;
    demi_accept_result_t res;

    (void)state;
    a = address("127.0.0.1", port_of(listener));
    assert_int_equal(demi_accept(&accept, listener), 0);
    assert_int_equal(demi_connect(&connect, client, &a.any, rig_len(&a)), 0);
    rig_done(connect, DEMI_OPC_CONNECT);
    res = rig_done(accept, DEMI_OPC_ACCEPT).qr_value.ares;
    server = res.qd;
    name = rig_name(client);
    assert_int_equal(name.in.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
    assert_int_not_equal(name.in.sin_port, 0);
    assert_int_equal(res.addr.sin_port, name.in.sin_port);
    assert_int_equal(res.addr.sin_addr.s_addr, name.in.sin_addr.s_addr);
    assert_int_equal(demi_getpeername(server, &name.any, &len), 0);
    assert_int_equal(name.in.sin_port, res.addr.sin_port);
    name = rig_name(server); /* the address that was dialed, not the wildcard */
    assert_int_equal(name.in.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
    assert_int_equal(name.in.sin_port, a.in.sin_port);
    len = sizeof(name);
    assert_int_equal(demi_getpeername(client, &name.any, &len), 0);
    assert_int_equal(len, sizeof(name.in));
    assert_int_equal(name.in.sin_port, a.in.sin_port);
    len = 15;
    assert_int_equal(demi_getpeername(client, &name.any, &len), EINVAL);
    assert_int_equal(demi_close(listener), 0);
    rig_pair_close((struct rig_pair){client, server});
}

/* The calls in the wrong state. */
static void state__errors(void **state)
{
    union rig_addr a;
    int listener = rig_listening(AF_INET, &a), fresh = rig_socket(AF_INET, SOCK_STREAM);
    struct rig_pair p = rig_pair(AF_INET);
    demi_sgarray_t sga = rig_sga("x");
    demi_qtoken_t qt;

    (void)state;
    assert_int_equal(demi_listen(fresh, 1), EDESTADDRREQ);
    assert_int_equal(demi_listen(listener, 1), EADDRINUSE);
    assert_int_equal(demi_listen(p.client, 1), EISCONN);
    assert_int_equal(demi_bind(listener, &a.any, rig_len(&a)), EINVAL);
    assert_int_equal(demi_bind(p.client, &a.any, rig_len(&a)), EISCONN);
    assert_int_equal(demi_accept(&qt, fresh), EINVAL);
    assert_int_equal(demi_connect(&qt, listener, &a.any, rig_len(&a)), EOPNOTSUPP);
    assert_int_equal(demi_connect(&qt, p.client, &a.any, rig_len(&a)), EISCONN);
    assert_int_equal(demi_push(&qt, fresh, &sga), ENOTCONN);
    assert_int_equal(demi_push(&qt, listener, &sga), ENOTCONN);
    assert_int_equal(demi_pushto(&qt, p.client, &sga, &a.any, rig_len(&a)), ENOTSUP);
    assert_int_equal(demi_pop(&qt, fresh), ENOTCONN);
    assert_int_equal(demi_shutdown(fresh, SHUT_WR), ENOTCONN);
    assert_int_equal(demi_shutdown(p.client, 77), EINVAL);
    rig_free(&sga);
    assert_int_equal(demi_close(fresh), 0);
    assert_int_equal(demi_close(listener), 0);
    rig_pair_close(p);
    assert_int_equal(demi_close(p.client), EBADF);
}

static void accept__many_outstanding_in_order(void **state)
{
    enum { N = 40 };
    union rig_addr a;
    int listener = rig_listening(AF_INET, &a), client[N], server[N];
    demi_qtoken_t accept[N], connect;

    (void)state;
    for (unsigned i = 0; i < N / 2; i++)
        assert_int_equal(demi_accept(&accept[i], listener), 0);
    for (unsigned i = 0; i < N; i++) {
        client[i] = rig_socket(AF_INET, SOCK_STREAM);
        assert_int_equal(demi_connect(&connect, client[i], &a.any, rig_len(&a)), 0);
        rig_done(connect, DEMI_OPC_CONNECT); /* also before anybody accepts */
        rig_send(client[i], "hello");
    }
    for (unsigned i = N / 2; i < N; i++)
        assert_int_equal(demi_accept(&accept[i], listener), 0);
    for (unsigned i = 0; i < N; i++) {
        demi_accept_result_t res = rig_done(accept[i], DEMI_OPC_ACCEPT).qr_value.ares;

        server[i] = res.qd;
        assert_int_equal(ntohs(res.addr.sin_port), port_of(client[i]));
        rig_expect(server[i], "hello");
    }
    assert_int_equal(demi_close(listener), 0);
    for (unsigned i = 0; i < N; i++)
        rig_pair_close((struct rig_pair){client[i], server[i]});
    assert_true(box_empty());
}

/* Connections nobody accepted: more than the backlog wait, and all end with the listener. */
static void backlog__is_a_bound(void **state)
{
    enum { N = 12 };
    uint64_t full = BOX_COUNT(backlog_full);
    union rig_addr a = rig_loopback(AF_INET, 0);
    int listener = rig_bound(AF_INET, SOCK_STREAM), client[N], server;
    demi_qtoken_t connect[N], accept;
    unsigned done = 0;

    (void)state;
    assert_int_equal(demi_listen(listener, 3), 0);
    a = rig_name(listener);
    for (unsigned i = 0; i < N; i++) {
        client[i] = rig_socket(AF_INET, SOCK_STREAM);
        assert_int_equal(demi_connect(&connect[i], client[i], &a.any, rig_len(&a)), 0);
    }
    box_turns(2000);
    for (unsigned i = 0; i < N; i++)
        done += op_lookup(&rig_instance()->ops, connect[i])->state == OP_DONE;
    assert_int_equal(done, 3);
    assert_true(BOX_COUNT(backlog_full) > full);
    for (unsigned i = 0; i < 6; i++) { /* accepting makes room */
        assert_int_equal(demi_accept(&accept, listener), 0);
        server = rig_done(accept, DEMI_OPC_ACCEPT).qr_value.ares.qd;
        assert_int_equal(demi_close(server), 0);
    }
    assert_int_equal(demi_close(listener), 0);
    for (unsigned i = 0; i < N; i++) {
        demi_qresult_t qr = rig_wait(connect[i]);

        if (qr.qr_opcode == DEMI_OPC_FAILED)
            assert_int_equal(qr.qr_ret, ECONNREFUSED);
        assert_int_equal(demi_close(client[i]), 0);
    }
    assert_true(box_empty());
}

static void listener__closed_resets_who_was_not_accepted(void **state)
{
    union rig_addr a;
    int listener = rig_listening(AF_INET, &a), client = rig_socket(AF_INET, SOCK_STREAM);
    demi_qtoken_t qt, accept[2];

    (void)state;
    assert_int_equal(demi_connect(&qt, client, &a.any, rig_len(&a)), 0);
    rig_done(qt, DEMI_OPC_CONNECT);
    assert_int_equal(demi_close(listener), 0);
    rig_failed(rig_pop(client), ECONNRESET);
    assert_int_equal(demi_close(client), 0);
    listener = rig_listening(AF_INET, &a);
    assert_int_equal(demi_accept(&accept[0], listener), 0);
    assert_int_equal(demi_accept(&accept[1], listener), 0);
    assert_int_equal(demi_cancel(accept[0]), 0);
    assert_int_equal(demi_close(listener), 0);
    rig_failed(accept[1], ECANCELED);
    assert_true(box_empty());
}

static void connect__given_up(void **state)
{
    union rig_addr a;
    int listener = rig_listening(AF_INET, &a), client[2], server;
    demi_qtoken_t qt[2], accept;

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        client[i] = rig_socket(AF_INET, SOCK_STREAM);
        assert_int_equal(demi_connect(&qt[i], client[i], &a.any, rig_len(&a)), 0);
        assert_int_equal(demi_connect(&accept, client[i], &a.any, rig_len(&a)), EINPROGRESS);
    }
    assert_int_equal(demi_close(client[0]), 0); /* in the middle of it */
    rig_failed(qt[0], ECANCELED);
    assert_int_equal(demi_cancel(qt[1]), 0); /* the socket goes on connecting */
    assert_int_equal(demi_accept(&accept, listener), 0);
    server = rig_done(accept, DEMI_OPC_ACCEPT).qr_value.ares.qd;
    box_turns(100); /* the answer comes to the other one */
    rig_send(server, "still there");
    rig_expect(client[1], "still there");
    assert_int_equal(demi_close(listener), 0);
    rig_pair_close((struct rig_pair){client[1], server});
    assert_true(box_empty());
}

/* The table of queues is full: the accept fails, the connection waits for the next one. */
static void accept__no_queue(void **state)
{
    union rig_addr a;
    int listener = rig_listening(AF_INET, &a), client = rig_socket(AF_INET, SOCK_STREAM), server;
    uint32_t capacity = rig_instance()->queues.capacity;
    demi_qtoken_t qt;

    (void)state;
    assert_int_equal(demi_connect(&qt, client, &a.any, rig_len(&a)), 0);
    rig_done(qt, DEMI_OPC_CONNECT);
    rig_instance()->queues.capacity = rig_instance()->queues.carved;
    assert_int_equal(demi_accept(&qt, listener), 0);
    rig_instance()->queues.capacity = capacity;
    rig_failed(qt, EMFILE);
    assert_int_equal(demi_accept(&qt, listener), 0);
    server = rig_done(qt, DEMI_OPC_ACCEPT).qr_value.ares.qd;
    assert_int_equal(demi_close(listener), 0);
    rig_pair_close((struct rig_pair){client, server});
}

static void option__each(void **state)
{
    static const struct {
        int level, name;
    } known[] = {{SOL_SOCKET, SO_KEEPALIVE}, {SOL_SOCKET, SO_REUSEADDR},  {SOL_SOCKET, SO_RCVBUF},
                 {SOL_SOCKET, SO_SNDBUF},    {IPPROTO_TCP, TCP_NODELAY},  {IPPROTO_TCP, TCP_KEEPIDLE},
                 {IPPROTO_TCP, TCP_KEEPCNT}, {IPPROTO_TCP, TCP_KEEPINTVL}};
    struct rig_pair p = rig_pair(AF_INET);
    struct linger l = {1, 7};
    socklen_t len = sizeof(int);
    int v;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        v = 3000;
        assert_int_equal(demi_setsockopt(p.client, known[i].level, known[i].name, &v, sizeof(v)), 0);
        v = 0;
        assert_int_equal(demi_getsockopt(p.client, known[i].level, known[i].name, &v, &len), 0);
        assert_int_equal(v, 3000);
    }
    assert_int_equal(demi_setsockopt(p.client, SOL_SOCKET, SO_LINGER, &l, sizeof(l)), 0);
    l.l_linger = 0;
    len = sizeof(l);
    assert_int_equal(demi_getsockopt(p.client, SOL_SOCKET, SO_LINGER, &l, &len), 0);
    assert_int_equal(l.l_linger, 7);
    len = sizeof(v);
    assert_int_equal(demi_getsockopt(p.client, SOL_SOCKET, SO_ERROR, &v, &len), 0);
    assert_int_equal(v, 0);
    v = 1400;
    rig_says(demi_setsockopt(p.client, IPPROTO_TCP, TCP_MAXSEG, &v, sizeof(v)), ENOPROTOOPT, "no such option");
    v = -1;
    assert_int_equal(demi_setsockopt(p.client, SOL_SOCKET, SO_RCVBUF, &v, sizeof(v)), EINVAL);
    rig_pair_close(p);
}

/* Somebody listens and never looks: the kernel takes the call, nobody answers. */
static void connect__silent_listener_times_out(void **state)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    int silent = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    uint64_t start = rig_now_ns(), count = BOX_COUNT(greet_timeouts);
    int qd, other;
    demi_qtoken_t greeted, refused;
    uint16_t port = (uint16_t)(20000 + getpid() % 20000); /* other runs of this test have names beside it */
    int n = snprintf(un.sun_path + 1, sizeof(un.sun_path) - 1, "caracal-catmem/%u/4/7f000001/%u", geteuid(), port);

    (void)state;
    assert_int_equal(
        bind(silent, (struct sockaddr *)&un, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1) + (socklen_t)n),
        0);
    assert_int_equal(listen(silent, 0), 0);
    greeted = start_connect("127.0.0.1", port, &qd);
    refused = start_connect("127.0.0.1", port, &other); /* its backlog is full now */
    rig_failed(greeted, ETIMEDOUT);
    assert_true(rig_now_ns() - start >= CATMEM_GREET_NS);
    rig_failed(refused, ETIMEDOUT);
    assert_int_equal(BOX_COUNT(greet_timeouts), count + 1);
    assert_int_equal(demi_close(qd), 0);
    assert_int_equal(demi_close(other), 0);
    close(silent);
    assert_true(box_empty());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(socket__datagrams_are_not_served),
        TEST(bind__port_0_is_a_free_port),
        TEST(bind__taken),
        TEST(bind__address_of_another_host),
        TEST(connect__finds_its_listener),
        TEST(connect__refused),
        TEST(connect__again_after_a_refusal),
        TEST(names__of_both_ends),
        TEST(state__errors),
        TEST(accept__many_outstanding_in_order),
        TEST(backlog__is_a_bound),
        TEST(listener__closed_resets_who_was_not_accepted),
        TEST(connect__given_up),
        TEST(accept__no_queue),
        TEST(option__each),
        TEST(connect__silent_listener_times_out),
    };

    return RIG_RUN(tests);
}
