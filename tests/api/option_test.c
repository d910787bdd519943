/* SPDX-License-Identifier: MIT */
/* Socket options: the table of the contract, and what is refused. */
#include "api/rig.h"

#include <limits.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>

static int qd;

/* The options of the kernel's protocols. */
static void need_kernel(void)
{
    rig_need_kernel("this libOS has none of the kernel's protocols");
}

static int setup(void **state)
{
    if (rig_setup(state) != 0)
        return -1;
    qd = rig_socket(AF_INET, SOCK_STREAM);
    return 0;
}

static int teardown(void **state)
{
    assert_int_equal(demi_close(qd), 0);
    return rig_teardown(state);
}

static int get_int(int level, int name)
{
    int value = -1;
    socklen_t len = sizeof(value);

    assert_int_equal(demi_getsockopt(qd, level, name, &value, &len), 0);
    assert_int_equal(len, sizeof(value));
    return value;
}

static int set_int(int level, int name, int value)
{
    return demi_setsockopt(qd, level, name, &value, sizeof(value));
}

static void option__switches_are_set_and_read_back(void **state)
{
    static const struct {
        int level, name;
    } switches[] = {
        {SOL_SOCKET, SO_KEEPALIVE},
        {SOL_SOCKET, SO_REUSEADDR},
        {SOL_SOCKET, SO_REUSEPORT},
        {IPPROTO_TCP, TCP_NODELAY},
    };

    (void)state;
    need_kernel();
    for (size_t i = 0; i < ARRAY_LEN(switches); i++) {
        assert_int_equal(set_int(switches[i].level, switches[i].name, 1), 0);
        assert_int_not_equal(get_int(switches[i].level, switches[i].name), 0);
        assert_int_equal(set_int(switches[i].level, switches[i].name, 0), 0);
        assert_int_equal(get_int(switches[i].level, switches[i].name), 0);
    }
}

static void option__numbers_are_set_and_read_back(void **state)
{
    static const struct {
        int name, value;
    } numbers[] = {
        {TCP_KEEPIDLE, 77},
        {TCP_KEEPINTVL, 13},
        {TCP_KEEPCNT, 5},
        {TCP_USER_TIMEOUT, 12345},
    };

    (void)state;
    need_kernel();
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        assert_int_equal(set_int(IPPROTO_TCP, numbers[i].name, numbers[i].value), 0);
        assert_int_equal(get_int(IPPROTO_TCP, numbers[i].name), numbers[i].value);
    }
    assert_int_equal(set_int(IPPROTO_TCP, TCP_MAXSEG, 1000), 0);
}

static void option__buffers_are_at_least_what_was_asked(void **state)
{
    (void)state;
    assert_int_equal(set_int(SOL_SOCKET, SO_RCVBUF, 30000), 0);
    assert_int_equal(set_int(SOL_SOCKET, SO_SNDBUF, 40000), 0);
    assert_true(get_int(SOL_SOCKET, SO_RCVBUF) >= 30000);
    assert_true(get_int(SOL_SOCKET, SO_SNDBUF) >= 40000);
}

static void option__nodelay_is_the_default(void **state)
{
    struct rig_pair p = rig_pair(AF_INET);
    const int ends[] = {p.client, p.server};

    (void)state;
    need_kernel();
    for (unsigned i = 0; i < 2; i++) {
        int value = 0;
        socklen_t len = sizeof(value);

        assert_int_equal(demi_getsockopt(ends[i], IPPROTO_TCP, TCP_NODELAY, &value, &len), 0);
        assert_int_not_equal(value, 0);
    }
    rig_pair_close(p);
}

static void option__linger_is_set_and_read_back(void **state)
{
    static const struct linger values[] = {{1, 5}, {1, 0}, {0, 0}, {1, 100}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        struct linger got = {-1, -1};
        socklen_t len = sizeof(got);

        assert_int_equal(demi_setsockopt(qd, SOL_SOCKET, SO_LINGER, &values[i], sizeof(values[i])), 0);
        assert_int_equal(demi_getsockopt(qd, SOL_SOCKET, SO_LINGER, &got, &len), 0);
        assert_int_equal(len, sizeof(got));
        assert_int_equal(got.l_onoff != 0, values[i].l_onoff);
        if (values[i].l_onoff != 0)
            assert_int_equal(got.l_linger, values[i].l_linger);
    }
}

static void option__congestion_is_a_name(void **state)
{
    char name[16] = "";
    socklen_t len = sizeof(name);

    (void)state;
    need_kernel();
    assert_int_equal(demi_getsockopt(qd, IPPROTO_TCP, TCP_CONGESTION, name, &len), 0);
    assert_true(strlen(name) > 0);
    assert_int_equal(demi_setsockopt(qd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4), 0);
    len = sizeof(name);
    assert_int_equal(demi_getsockopt(qd, IPPROTO_TCP, TCP_CONGESTION, name, &len), 0);
    assert_string_equal(name, "reno");
    assert_int_equal(demi_setsockopt(qd, IPPROTO_TCP, TCP_CONGESTION, "no such", 7), EINVAL);
}

static void option__info_tells_of_the_connection(void **state)
{
    struct rig_pair p = rig_pair(AF_INET);
    struct tcp_info info;
    socklen_t len = sizeof(info);

    (void)state;
    need_kernel();
    memset(&info, 0, sizeof(info));
    assert_int_equal(demi_getsockopt(p.client, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
    assert_true(len > 0 && len <= sizeof(info));
    assert_int_equal(info.tcpi_state, TCP_ESTABLISHED);
    rig_pair_close(p);
}

static void option__error_is_0_without_one(void **state)
{
    (void)state;
    assert_int_equal(get_int(SOL_SOCKET, SO_ERROR), 0);
}

static void option__unknown_levels_go_first(void **state)
{
    static const int levels[] = {-1, 2, IPPROTO_IP, IPPROTO_IPV6, IPPROTO_UDP, 255, INT_MAX};
    int value = 1;
    socklen_t len = sizeof(value);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
        if (levels[i] == SOL_SOCKET)
            continue;
        assert_int_equal(demi_setsockopt(-1, levels[i], 1, NULL, 0), ENOTSUP);
        assert_int_equal(demi_getsockopt(-1, levels[i], 1, &value, &len), ENOTSUP);
    }
}

static void option__unknown_names_go_second(void **state)
{
    static const int names[] = {-1, SO_BROADCAST, SO_TYPE, SO_BINDTODEVICE, SO_RCVTIMEO, 9999};
    int value = 1;
    socklen_t len = sizeof(value);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        assert_int_equal(demi_setsockopt(-1, SOL_SOCKET, names[i], NULL, 0), ENOPROTOOPT);
        assert_int_equal(demi_getsockopt(qd, SOL_SOCKET, names[i], &value, &len), ENOPROTOOPT);
    }
    assert_int_equal(demi_setsockopt(qd, IPPROTO_TCP, TCP_CORK, &value, len), ENOPROTOOPT);
    assert_int_equal(demi_setsockopt(qd, IPPROTO_TCP, TCP_REPAIR, &value, len), ENOPROTOOPT);
    assert_int_equal(demi_getsockopt(qd, IPPROTO_TCP, 9999, &value, &len), ENOPROTOOPT);
}

static void option__read_only_ones_cannot_be_set(void **state)
{
    struct tcp_info info;
    int value = 1;

    (void)state;
    memset(&info, 0, sizeof(info));
    assert_int_equal(demi_setsockopt(qd, SOL_SOCKET, SO_ERROR, &value, sizeof(value)), ENOPROTOOPT);
    assert_int_equal(demi_setsockopt(qd, IPPROTO_TCP, TCP_INFO, &info, sizeof(info)), ENOPROTOOPT);
}

static void setsockopt__values_and_lengths_go_third(void **state)
{
    int value = 1;
    struct linger l = {1, -1};

    (void)state;
    assert_int_equal(demi_setsockopt(-1, SOL_SOCKET, SO_KEEPALIVE, NULL, sizeof(value)), EINVAL);
    assert_int_equal(demi_setsockopt(-1, SOL_SOCKET, SO_KEEPALIVE, &value, 0), EINVAL);
    assert_int_equal(demi_setsockopt(-1, SOL_SOCKET, SO_KEEPALIVE, &value, 3), EINVAL);
    assert_int_equal(demi_setsockopt(-1, SOL_SOCKET, SO_KEEPALIVE, &value, UINT32_MAX), EINVAL);
    assert_int_equal(demi_setsockopt(-1, SOL_SOCKET, SO_LINGER, &value, sizeof(value)), EINVAL);
    assert_int_equal(demi_setsockopt(-1, SOL_SOCKET, SO_LINGER, &l, sizeof(l)), EINVAL);
    assert_int_equal(demi_setsockopt(-1, IPPROTO_TCP, TCP_CONGESTION, "", 0), EINVAL);
    value = -1;
    assert_int_equal(demi_setsockopt(-1, SOL_SOCKET, SO_RCVBUF, &value, sizeof(value)), EINVAL);
    value = INT_MIN;
    assert_int_equal(demi_setsockopt(-1, IPPROTO_TCP, TCP_KEEPIDLE, &value, sizeof(value)), EINVAL);
}

static void setsockopt__values_the_protocol_refuses(void **state)
{
    (void)state;
    need_kernel();
    assert_int_equal(set_int(IPPROTO_TCP, TCP_KEEPIDLE, 0), EINVAL);
    assert_int_equal(set_int(IPPROTO_TCP, TCP_KEEPIDLE, 100000), EINVAL);
    assert_int_equal(set_int(IPPROTO_TCP, TCP_KEEPCNT, 1000), EINVAL);
    assert_int_equal(set_int(IPPROTO_TCP, TCP_MAXSEG, 1), EINVAL);
}

static void getsockopt__null_and_room_go_third(void **state)
{
    int value;
    socklen_t len = sizeof(value), small = 3, none = 0;

    (void)state;
    assert_int_equal(demi_getsockopt(-1, SOL_SOCKET, SO_RCVBUF, NULL, &len), EINVAL);
    assert_int_equal(demi_getsockopt(-1, SOL_SOCKET, SO_RCVBUF, &value, NULL), EINVAL);
    assert_int_equal(demi_getsockopt(-1, SOL_SOCKET, SO_RCVBUF, &value, &small), EINVAL);
    assert_int_equal(demi_getsockopt(-1, SOL_SOCKET, SO_LINGER, &value, &len), EINVAL);
    assert_int_equal(demi_getsockopt(-1, IPPROTO_TCP, TCP_INFO, &value, &none), EINVAL);
}

static void getsockopt__more_room_is_fine(void **state)
{
    int value[4] = {-1, -1, -1, -1};
    socklen_t len = sizeof(value);

    (void)state;
    assert_int_equal(demi_getsockopt(qd, SOL_SOCKET, SO_ERROR, value, &len), 0);
    assert_int_equal(len, sizeof(int));
    assert_int_equal(value[0], 0);
    assert_int_equal(value[1], -1);
}

static void option__bad_queues_go_last(void **state)
{
    int value = 1, memory;
    socklen_t len = sizeof(value);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rig_bad_qd); i++) {
        assert_int_equal(demi_setsockopt(rig_bad_qd[i], SOL_SOCKET, SO_KEEPALIVE, &value, sizeof(value)), EBADF);
        assert_int_equal(demi_getsockopt(rig_bad_qd[i], SOL_SOCKET, SO_KEEPALIVE, &value, &len), EBADF);
    }
    assert_int_equal(demi_queue(&memory), 0);
    assert_int_equal(demi_setsockopt(memory, SOL_SOCKET, SO_KEEPALIVE, &value, sizeof(value)), ENOTSUP);
    assert_int_equal(demi_getsockopt(memory, SOL_SOCKET, SO_KEEPALIVE, &value, &len), ENOTSUP);
    assert_int_equal(demi_close(memory), 0);
}

static void option__of_tcp_on_a_datagram_socket(void **state)
{
    int udp = rig_socket(AF_INET, SOCK_DGRAM), value = 1;
    socklen_t len = sizeof(value);

    (void)state;
    assert_int_equal(demi_setsockopt(udp, IPPROTO_TCP, TCP_NODELAY, &value, sizeof(value)), ENOPROTOOPT);
    assert_int_equal(demi_getsockopt(udp, IPPROTO_TCP, TCP_NODELAY, &value, &len), ENOPROTOOPT);
    assert_int_equal(demi_close(udp), 0);
}

/* A restarted server takes its port again though connections of its last life linger. */
static void option__reuseaddr_lets_a_server_restart(void **state)
{
    union rig_addr a;
    int listener = rig_listening(AF_INET, &a), fd, server, one = 1;
    demi_qtoken_t accept;

    (void)state;
    assert_int_equal(demi_accept(&accept, listener), 0);
    fd = rig_plain_connect(&a);
    server = rig_done(accept, DEMI_OPC_ACCEPT).qr_value.ares.qd;
    assert_int_equal(demi_close(server), 0); /* closes first: this side is in TIME_WAIT */
    assert_int_equal(demi_close(listener), 0);
    rig_plain_reset(fd);
    assert_int_equal(demi_setsockopt(qd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)), 0);
    assert_int_equal(demi_bind(qd, &a.any, rig_len(&a)), 0);
    assert_int_equal(demi_listen(qd, 10), 0);
}

/* Two instances' servers on one port: the kernel shares connections out. */
static void option__reuseport_shares_a_port(void **state)
{
    union rig_addr a = rig_loopback(AF_INET, 0);
    int other = rig_socket(AF_INET, SOCK_STREAM), one = 1;

    (void)state;
    need_kernel();
    assert_int_equal(demi_setsockopt(qd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)), 0);
    assert_int_equal(demi_setsockopt(other, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)), 0);
    assert_int_equal(demi_bind(qd, &a.any, rig_len(&a)), 0);
    a = rig_name(qd);
    assert_int_equal(demi_bind(other, &a.any, rig_len(&a)), 0);
    assert_int_equal(demi_listen(qd, 10), 0);
    assert_int_equal(demi_listen(other, 10), 0);
    assert_int_equal(demi_close(other), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(option__switches_are_set_and_read_back),
        CASE(option__numbers_are_set_and_read_back),
        CASE(option__buffers_are_at_least_what_was_asked),
        CASE(option__nodelay_is_the_default),
        CASE(option__linger_is_set_and_read_back),
        CASE(option__congestion_is_a_name),
        CASE(option__info_tells_of_the_connection),
        CASE(option__error_is_0_without_one),
        CASE(option__unknown_levels_go_first),
        CASE(option__unknown_names_go_second),
        CASE(option__read_only_ones_cannot_be_set),
        CASE(setsockopt__values_and_lengths_go_third),
        CASE(setsockopt__values_the_protocol_refuses),
        CASE(getsockopt__null_and_room_go_third),
        CASE(getsockopt__more_room_is_fine),
        CASE(option__bad_queues_go_last),
        CASE(option__of_tcp_on_a_datagram_socket),
        CASE(option__reuseaddr_lets_a_server_restart),
        CASE(option__reuseport_shares_a_port),
    };

    return RIG_RUN(tests);
}
