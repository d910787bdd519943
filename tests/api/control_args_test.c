/* SPDX-License-Identifier: MIT */
/* Control calls with every wrong argument and in every wrong state: each error, and which of two comes first. */
#include "api/rig.h"

#include <arpa/inet.h>
#include <limits.h>

static struct rig_zoo zoo;
static union rig_addr v4, v6;

/* Lengths that are no address of a family. */
static const socklen_t bad_len[] = {0, 1, 2, 15, 17, 20, 27, 29, 128, UINT32_MAX};

static int setup(void **state)
{
    if (rig_setup(state) != 0)
        return -1;
    v4 = rig_loopback(AF_INET, 0);
    v6 = rig_loopback(AF_INET6, 0);
    rig_zoo(&zoo);
    return 0;
}

static int teardown(void **state)
{
    rig_zoo_close(&zoo);
    return rig_teardown(state);
}

/* The result of a call on each kind of queue. */
static void each_kind(int (*call)(int qd), const int want[RIG_KINDS])
{
    for (unsigned kind = 0; kind < RIG_KINDS; kind++) {
        int err = call(zoo.qd[kind]);

        if (err != want[kind])
            fail_msg("queue of kind %u: %s", kind, demi_strerror(err));
    }
    for (size_t i = 0; i < ARRAY_LEN(rig_bad_qd); i++)
        assert_int_equal(call(rig_bad_qd[i]), EBADF);
}

static void socket__null(void **state)
{
    (void)state;
    assert_int_equal(demi_socket(NULL, AF_INET, SOCK_STREAM, 0), EINVAL);
    assert_int_equal(demi_socket(NULL, AF_UNIX, 99, 99), EINVAL); /* first of all */
}

static void socket__unknown_kinds(void **state)
{
    static const struct {
        int domain, type, protocol;
    } unknown[] = {
        {AF_UNIX, SOCK_STREAM, 0},
        {AF_UNSPEC, SOCK_STREAM, 0},
        {-1, SOCK_STREAM, 0},
        {AF_PACKET, SOCK_DGRAM, 0},
        {AF_INET, SOCK_RAW, 0},
        {AF_INET, SOCK_SEQPACKET, 0},
        {AF_INET, 0, 0},
        {AF_INET6, -1, 0},
        {AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0},
        {AF_INET, SOCK_STREAM, IPPROTO_UDP},
        {AF_INET, SOCK_DGRAM, IPPROTO_TCP},
        {AF_INET6, SOCK_DGRAM, 99},
        {AF_INET, SOCK_STREAM, -1},
    };
    int qd = 77;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(unknown); i++) {
        assert_int_equal(demi_socket(&qd, unknown[i].domain, unknown[i].type, unknown[i].protocol), ENOTSUP);
        assert_int_equal(qd, 77);
    }
}

static void socket__protocols_that_go_with_the_type(void **state)
{
    int tcp, udp;

    (void)state;
    assert_int_equal(demi_socket(&tcp, AF_INET, SOCK_STREAM, IPPROTO_TCP), 0);
    assert_int_equal(demi_socket(&udp, AF_INET6, SOCK_DGRAM, IPPROTO_UDP), 0);
    assert_int_equal(demi_close(tcp), 0);
    assert_int_equal(demi_close(udp), 0);
}

static void bind__null_and_size_go_first(void **state)
{
    union rig_addr other = v4;

    (void)state;
    assert_int_equal(demi_bind(-1, NULL, sizeof(v4.in)), EINVAL);
    for (size_t i = 0; i < ARRAY_LEN(bad_len); i++) {
        assert_int_equal(demi_bind(-1, &v4.any, bad_len[i]), EINVAL);
        assert_int_equal(demi_bind(zoo.qd[RIG_FRESH], &v6.any, bad_len[i]), EINVAL);
    }
    assert_int_equal(demi_bind(-1, &v4.any, sizeof(v6.in6)), EINVAL);
    assert_int_equal(demi_bind(-1, &v6.any, sizeof(v4.in)), EINVAL);
    other.any.sa_family = AF_UNIX;
    assert_int_equal(demi_bind(-1, &other.any, sizeof(other.in)), EINVAL);
    other.any.sa_family = AF_UNSPEC;
    assert_int_equal(demi_bind(-1, &other.any, sizeof(other.in)), EINVAL);
}

static int bind_v4(int qd)
{
    return demi_bind(qd, &v4.any, sizeof(v4.in));
}

static void bind__each_state(void **state)
{
    (void)state;
    each_kind(bind_v4, (const int[RIG_KINDS]){0, EINVAL, EINVAL, EINVAL, EISCONN, 0, EINVAL, ENOTSUP});
}

static void bind__address_in_use(void **state)
{
    union rig_addr taken = rig_name(zoo.qd[RIG_LISTENING]);

    (void)state;
    rig_says(demi_bind(zoo.qd[RIG_FRESH], &taken.any, sizeof(taken.in)), EADDRINUSE, "bind");
    assert_int_equal(bind_v4(zoo.qd[RIG_FRESH]), 0); /* may try another */
}

static void bind__address_of_another_host(void **state)
{
    (void)state;
    v4.in.sin_addr.s_addr = inet_addr("192.0.2.1");
    assert_int_equal(bind_v4(zoo.qd[RIG_FRESH]), EADDRNOTAVAIL);
}

static void bind__family_of_another_socket(void **state)
{
    (void)state;
    assert_int_equal(demi_bind(zoo.qd[RIG_FRESH], &v6.any, sizeof(v6.in6)), EINVAL);
}

static void bind__wildcard_and_port_0(void **state)
{
    (void)state;
    v4.in.sin_addr.s_addr = htonl(INADDR_ANY);
    assert_int_equal(bind_v4(zoo.qd[RIG_FRESH]), 0);
    assert_int_not_equal(rig_name(zoo.qd[RIG_FRESH]).in.sin_port, 0);
}

static int listen_10(int qd)
{
    return demi_listen(qd, 10);
}

static void listen__backlog_goes_first(void **state)
{
    (void)state;
    assert_int_equal(demi_listen(-1, 0), EINVAL);
    assert_int_equal(demi_listen(zoo.qd[RIG_BOUND], -1), EINVAL);
    assert_int_equal(demi_listen(zoo.qd[RIG_BOUND], INT_MIN), EINVAL);
}

static void listen__each_state(void **state)
{
    (void)state;
    each_kind(listen_10,
              (const int[RIG_KINDS]){EDESTADDRREQ, 0, EADDRINUSE, EADDRINUSE, EISCONN, EDESTADDRREQ, ENOTSUP, ENOTSUP});
}

static void listen__largest_backlog_is_clamped(void **state)
{
    (void)state;
    assert_int_equal(demi_listen(zoo.qd[RIG_BOUND], INT_MAX), 0);
}

static demi_qtoken_t accepted;

static int accept_one(int qd)
{
    return demi_accept(&accepted, qd);
}

static void accept__null_goes_first(void **state)
{
    (void)state;
    assert_int_equal(demi_accept(NULL, -1), EINVAL);
    assert_int_equal(demi_accept(NULL, zoo.qd[RIG_LISTENING]), EINVAL);
}

static void accept__each_state(void **state)
{
    (void)state;
    each_kind(accept_one, (const int[RIG_KINDS]){EINVAL, EINVAL, 0, EINVAL, EINVAL, EINVAL, EINVAL, ENOTSUP});
    assert_int_equal(demi_cancel(accepted), 0);
}

static void connect__null_and_size_go_first(void **state)
{
    demi_qtoken_t qt;

    (void)state;
    assert_int_equal(demi_connect(NULL, -1, NULL, 0), EINVAL);
    assert_int_equal(demi_connect(NULL, zoo.qd[RIG_FRESH], &v4.any, sizeof(v4.in)), EINVAL);
    assert_int_equal(demi_connect(&qt, -1, NULL, sizeof(v4.in)), EINVAL);
    for (size_t i = 0; i < ARRAY_LEN(bad_len); i++)
        assert_int_equal(demi_connect(&qt, -1, &v4.any, bad_len[i]), EINVAL);
}

static demi_qtoken_t connected;

static int connect_somewhere(int qd)
{
    union rig_addr a = rig_name(zoo.qd[RIG_LISTENING]);

    return demi_connect(&connected, qd, &a.any, rig_len(&a));
}

static void connect__each_state(void **state)
{
    static const int want[RIG_KINDS] = {0, 0, EOPNOTSUPP, EINPROGRESS, EISCONN, 0, 0, ENOTSUP};

    (void)state;
    for (unsigned kind = 0; kind < RIG_KINDS; kind++) {
        assert_int_equal(connect_somewhere(zoo.qd[kind]), want[kind]);
        if (want[kind] == 0)
            rig_done(connected, DEMI_OPC_CONNECT);
    }
    for (size_t i = 0; i < ARRAY_LEN(rig_bad_qd); i++)
        assert_int_equal(connect_somewhere(rig_bad_qd[i]), EBADF);
    assert_int_equal(connect_somewhere(zoo.qd[RIG_DGRAM]), EISCONN); /* a datagram socket has one peer */
}

static void connect__family_of_another_socket(void **state)
{
    demi_qtoken_t qt;

    (void)state;
    v6.in6.sin6_port = htons(1);
    assert_int_equal(demi_connect(&qt, zoo.qd[RIG_FRESH], &v6.any, sizeof(v6.in6)), EINVAL);
}

static void close__bad_and_closed(void **state)
{
    int qd = rig_socket(AF_INET, SOCK_STREAM);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rig_bad_qd); i++)
        assert_int_equal(demi_close(rig_bad_qd[i]), EBADF);
    assert_int_equal(demi_close(qd), 0);
    rig_says(demi_close(qd), EBADF, "not open");
}

static int shut(int qd)
{
    return demi_shutdown(qd, SHUT_WR);
}

static void shutdown__how_goes_first(void **state)
{
    (void)state;
    assert_int_equal(demi_shutdown(-1, -1), EINVAL);
    assert_int_equal(demi_shutdown(zoo.qd[RIG_CONNECTED], 3), EINVAL);
}

static void shutdown__each_state(void **state)
{
    (void)state;
    each_kind(shut, (const int[RIG_KINDS]){ENOTCONN, ENOTCONN, ENOTCONN, ENOTCONN, 0, ENOTCONN, ENOTCONN, ENOTSUP});
}

static union rig_addr name;
static socklen_t name_len;

static int peer(int qd)
{
    name_len = sizeof(name);
    return demi_getpeername(qd, &name.any, &name_len);
}

static int own(int qd)
{
    name_len = sizeof(name);
    return demi_getsockname(qd, &name.any, &name_len);
}

static void names__null_and_room_go_first(void **state)
{
    socklen_t small[] = {0, 1, 8, 15};

    (void)state;
    name_len = sizeof(name);
    assert_int_equal(demi_getpeername(-1, NULL, &name_len), EINVAL);
    assert_int_equal(demi_getpeername(-1, &name.any, NULL), EINVAL);
    assert_int_equal(demi_getsockname(-1, NULL, &name_len), EINVAL);
    assert_int_equal(demi_getsockname(-1, &name.any, NULL), EINVAL);
    for (size_t i = 0; i < ARRAY_LEN(small); i++) {
        socklen_t len = small[i];

        assert_int_equal(demi_getpeername(-1, &name.any, &len), EINVAL);
        assert_int_equal(demi_getsockname(zoo.qd[RIG_BOUND], &name.any, &len), EINVAL);
        assert_int_equal(len, small[i]);
    }
}

static void getpeername__each_state(void **state)
{
    (void)state;
    each_kind(peer, (const int[RIG_KINDS]){ENOTCONN, ENOTCONN, ENOTCONN, ENOTCONN, 0, ENOTCONN, ENOTCONN, ENOTSUP});
}

static void getsockname__each_state(void **state)
{
    (void)state;
    each_kind(own, (const int[RIG_KINDS]){0, 0, 0, 0, 0, 0, 0, ENOTSUP});
}

static void queue_and_eventfd__null(void **state)
{
    (void)state;
    assert_int_equal(demi_queue(NULL), EINVAL);
    assert_int_equal(demi_eventfd(NULL), EINVAL);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(socket__null),
        CASE(socket__unknown_kinds),
        CASE(socket__protocols_that_go_with_the_type),
        CASE(bind__null_and_size_go_first),
        CASE(bind__each_state),
        CASE(bind__address_in_use),
        CASE(bind__address_of_another_host),
        CASE(bind__family_of_another_socket),
        CASE(bind__wildcard_and_port_0),
        CASE(listen__backlog_goes_first),
        CASE(listen__each_state),
        CASE(listen__largest_backlog_is_clamped),
        CASE(accept__null_goes_first),
        CASE(accept__each_state),
        CASE(connect__null_and_size_go_first),
        CASE(connect__each_state),
        CASE(connect__family_of_another_socket),
        CASE(close__bad_and_closed),
        CASE(shutdown__how_goes_first),
        CASE(shutdown__each_state),
        CASE(names__null_and_room_go_first),
        CASE(getpeername__each_state),
        CASE(getsockname__each_state),
        CASE(queue_and_eventfd__null),
    };

    return RIG_RUN(tests);
}
