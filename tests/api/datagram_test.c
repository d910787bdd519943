/* SPDX-License-Identifier: MIT */
/* Datagram sockets: messages with a source, IPv4 and IPv6. */
#include "api/rig.h"

#include <netinet/in.h>
#include <unistd.h>

static const int domains[] = {AF_INET, AF_INET6};

struct ends {
    int client, server;
    union rig_addr to; /* the server */
};

static struct ends ends(int domain)
{
    struct ends e = {rig_socket(domain, SOCK_DGRAM), rig_bound(domain, SOCK_DGRAM), {{0}}};

    e.to = rig_name(e.server);
    return e;
}

static void ends_close(struct ends e)
{
    assert_int_equal(demi_close(e.client), 0);
    assert_int_equal(demi_close(e.server), 0);
}

static demi_qtoken_t pushto(int qd, const demi_sgarray_t *sga, const union rig_addr *to)
{
    demi_qtoken_t qt = 0;
    int err = demi_pushto(&qt, qd, sga, &to->any, rig_len(to));

    if (err != 0)
        fail_msg("demi_pushto: %d: %s", err, demi_last_error());
    return qt;
}

static void send_to(int qd, const char *text, const union rig_addr *to)
{
    demi_sgarray_t sga = rig_sga(text);

    rig_done(pushto(qd, &sga, to), DEMI_OPC_PUSH);
    rig_free(&sga);
}

/* A datagram of segments that are of any size, one of them empty, and whose memory is another's when it arrives. */
static void send_segments(int qd, demi_qtoken_t *qt, const union rig_addr *to, unsigned round)
{
    char head[7] = "header:", body[3] = "abc", digit = (char)('0' + round);
    struct iovec iov[] = {{head, sizeof(head)}, {NULL, 0}, {body, sizeof(body)}, {&digit, 1}};
    int err = demi_pushtov(qt, qd, iov, ARRAY_LEN(iov), &to->any, rig_len(to));

    if (err != 0)
        fail_msg("demi_pushtov: %d: %s", err, demi_last_error());
    memset(head, '-', sizeof(head));
    memset(body, '-', sizeof(body));
    digit = '-';
}

static void start_connect(int qd, const union rig_addr *to)
{
    demi_qtoken_t qt;

    assert_int_equal(demi_connect(&qt, qd, &to->any, rig_len(to)), 0);
    rig_done(qt, DEMI_OPC_CONNECT);
}

static union rig_addr source_of(const demi_sgarray_t *sga)
{
    union rig_addr a;
    socklen_t len = sizeof(a);

    memset(&a, 0, sizeof(a));
    assert_int_equal(demi_sga_source(sga, &a.any, &len), 0);
    assert_int_equal(len, rig_len(&a));
    return a;
}

/* An unbound socket is bound by its first datagram; the receiver can answer to the source. */
static void datagram__from_an_unbound_socket_and_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(domains); i++) {
        struct ends e = ends(domains[i]);
        union rig_addr from;
        demi_qresult_t qr;

        send_to(e.client, "ping", &e.to);
        qr = rig_done(rig_pop(e.server), DEMI_OPC_POP);
        assert_int_equal(rig_length(&qr.qr_value.sga), 4);
        assert_memory_equal(rig_bytes(&qr.qr_value.sga), "ping", 4);
        from = source_of(&qr.qr_value.sga);
        assert_int_equal(from.in.sin_port, rig_name(e.client).in.sin_port);
        assert_int_not_equal(from.in.sin_port, 0);
        rig_free(&qr.qr_value.sga);
        send_to(e.server, "pong", &from);
        rig_expect(e.client, "pong");
        ends_close(e);
    }
}

static void datagram__of_several_segments(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(domains); i++) {
        struct ends e = ends(domains[i]);
        demi_qtoken_t qt;

        send_segments(e.client, &qt, &e.to, 1);
        rig_done(qt, DEMI_OPC_PUSH);
        rig_expect(e.server, "header:abc1");
        ends_close(e);
    }
}

/* None of them leaves an operation or a result behind. */
static void datagram__that_nobody_waits_for(void **state)
{
    uint32_t used = rig_instance()->ops.used;
    const struct timespec now = {0, 0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(domains); i++) {
        struct ends e = ends(domains[i]);
        demi_qresult_t qr;
        int n = 0;

        for (unsigned round = 0; round < 10; round++) {
            const char text[] = {'h', 'e', 'a', 'd', 'e', 'r', ':', 'a', 'b', 'c', (char)('0' + round), '\0'};

            send_segments(e.client, NULL, &e.to, round);
            rig_expect(e.server, text);
        }
        assert_int_equal(demi_wait_next_n(&qr, 1, &n, &now), ETIMEDOUT);
        assert_int_equal(n, 0);
        assert_int_equal(rig_instance()->ops.used, used);
        ends_close(e);
    }
    assert_int_equal(rig_instance()->ops.used, used);
}

/*
 * The socket is closed while they are on their way; messages that the application has not seen let a stack keep
 * its answers back (note 5 in stack.h), which go all the same. The kernel's sockets have them or not.
 */
static void datagram__that_nobody_waits_for_before_a_close(void **state)
{
    uint32_t used = rig_instance()->ops.used;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(domains); i++) {
        struct ends e = ends(domains[i]);
        union rig_addr back;
        demi_qresult_t qr;

        send_segments(e.client, NULL, &e.to, 0);
        qr = rig_done(rig_pop(e.server), DEMI_OPC_POP);
        back = source_of(&qr.qr_value.sga);
        rig_free(&qr.qr_value.sga);
        for (unsigned round = 0; round < 5; round++)
            send_segments(e.server, NULL, &back, round);
        rig_expect(e.client, "header:abc0");
        for (unsigned round = 0; round < 5; round++)
            send_segments(e.client, NULL, &e.to, round);
        assert_int_equal(demi_close(e.client), 0);
        if (rig_libos("catpowder") || rig_libos("sim")) {
            rig_expect(e.server, "header:abc0");
            rig_expect(e.server, "header:abc1");
        }
        assert_int_equal(demi_close(e.server), 0);
        assert_int_equal(rig_instance()->ops.used, used);
    }
}

static void datagram__ipv4_source_is_in_the_result(void **state)
{
    struct ends e = ends(AF_INET);
    demi_qresult_t qr;

    (void)state;
    send_to(e.client, "x", &e.to);
    qr = rig_done(rig_pop(e.server), DEMI_OPC_POP);
    assert_int_equal(qr.qr_value.sga.sga_addr.sin_family, AF_INET);
    assert_int_equal(qr.qr_value.sga.sga_addr.sin_port, rig_name(e.client).in.sin_port);
    assert_int_equal(qr.qr_value.sga.sga_addr.sin_addr.s_addr, rig_from(AF_INET).in.sin_addr.s_addr);
    rig_free(&qr.qr_value.sga);
    ends_close(e);
}

static void datagram__ipv6_source_is_behind_the_array(void **state)
{
    struct ends e = ends(AF_INET6);
    union rig_addr from, client;
    socklen_t small = sizeof(from.in);
    demi_qresult_t qr;

    (void)state;
    send_to(e.client, "x", &e.to);
    qr = rig_done(rig_pop(e.server), DEMI_OPC_POP);
    assert_int_equal(qr.qr_value.sga.sga_addr.sin_family, 0); /* the field is for IPv4 */
    assert_int_equal(demi_sga_source(&qr.qr_value.sga, &from.any, &small), EINVAL);
    from = source_of(&qr.qr_value.sga);
    assert_int_equal(from.in6.sin6_family, AF_INET6);
    client = rig_from(AF_INET6);
    assert_memory_equal(&from.in6.sin6_addr, &client.in6.sin6_addr, sizeof(client.in6.sin6_addr));
    rig_free(&qr.qr_value.sga);
    ends_close(e);
}

static void datagram__source_survives_changes_to_the_data(void **state)
{
    struct ends e = ends(AF_INET);
    demi_qresult_t qr;

    (void)state;
    send_to(e.client, "0123456789", &e.to);
    qr = rig_done(rig_pop(e.server), DEMI_OPC_POP);
    memset(rig_bytes(&qr.qr_value.sga), 0xff, 10);
    assert_int_equal(source_of(&qr.qr_value.sga).in.sin_port, rig_name(e.client).in.sin_port);
    rig_free(&qr.qr_value.sga);
    ends_close(e);
}

static void datagram__sizes_up_to_the_largest(void **state)
{
    static const size_t sizes[] = {1, 64, 1023, 1024, 1025, 1472, 1473, 9000, 65507};
    struct ends e = ends(AF_INET);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        demi_sgarray_t sga = rig_sga_fill(sizes[i], (unsigned)i);
        demi_qresult_t qr;

        rig_done(pushto(e.client, &sga, &e.to), DEMI_OPC_PUSH);
        qr = rig_done(rig_pop(e.server), DEMI_OPC_POP);
        assert_int_equal(rig_length(&qr.qr_value.sga), sizes[i]);
        assert_true(rig_filled(rig_bytes(&qr.qr_value.sga), sizes[i], (unsigned)i));
        rig_free(&qr.qr_value.sga);
        rig_free(&sga);
    }
    ends_close(e);
}

static void datagram__too_large_fails_and_the_socket_goes_on(void **state)
{
    struct ends e = ends(AF_INET);
    demi_sgarray_t sga = rig_sga_fill(65508, 1);

    (void)state;
    rig_failed(pushto(e.client, &sga, &e.to), EMSGSIZE);
    send_to(e.client, "fits", &e.to);
    rig_expect(e.server, "fits");
    rig_free(&sga);
    ends_close(e);
}

static void datagram__boundaries_are_kept(void **state)
{
    struct ends e = ends(AF_INET);
    demi_qtoken_t pop[3];

    (void)state;
    for (unsigned i = 0; i < 3; i++)
        pop[i] = rig_pop(e.server);
    send_to(e.client, "one", &e.to);
    send_to(e.client, "three", &e.to);
    send_to(e.client, "fourteen", &e.to);
    for (unsigned i = 0; i < 3; i++) {
        static const char *const want[] = {"one", "three", "fourteen"};
        demi_qresult_t qr = rig_done(pop[i], DEMI_OPC_POP);

        assert_int_equal(rig_length(&qr.qr_value.sga), strlen(want[i]));
        assert_memory_equal(rig_bytes(&qr.qr_value.sga), want[i], strlen(want[i]));
        rig_free(&qr.qr_value.sga);
    }
    ends_close(e);
}

static void datagram__empty_one_arrives(void **state)
{
    struct ends e = ends(AF_INET);
    demi_qresult_t qr;
    int fd;

    (void)state;
    rig_need_kernel("only a plain socket sends nothing");
    fd = socket(AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(sendto(fd, "", 0, 0, &e.to.any, rig_len(&e.to)), 0);
    qr = rig_done(rig_pop(e.server), DEMI_OPC_POP);
    assert_int_equal(rig_length(&qr.qr_value.sga), 0);
    assert_int_not_equal(source_of(&qr.qr_value.sga).in.sin_port, 0);
    rig_free(&qr.qr_value.sga);
    send_to(e.client, "and on", &e.to);
    rig_expect(e.server, "and on");
    close(fd);
    ends_close(e);
}

/* pop_n of a datagram cuts it; the rest is lost, counted under a name. */
static void pop_n__cuts_a_datagram(void **state)
{
    struct ends e = ends(AF_INET);
    demi_qtoken_t qt;
    demi_qresult_t qr;

    (void)state;
    assert_int_equal(demi_pop_n(&qt, e.server, 4), 0);
    send_to(e.client, "0123456789", &e.to);
    qr = rig_done(qt, DEMI_OPC_POP);
    assert_int_equal(rig_length(&qr.qr_value.sga), 4);
    assert_memory_equal(rig_bytes(&qr.qr_value.sga), "0123", 4);
    rig_free(&qr.qr_value.sga);
    assert_int_equal(rig_instance()->stat->value[CTR_dgram_dropped], 1);
    ends_close(e);
}

static void connected__push_goes_to_the_peer_and_names_are_known(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(domains); i++) {
        struct ends e = ends(domains[i]);
        union rig_addr peer;
        socklen_t len = sizeof(peer);

        start_connect(e.client, &e.to);
        rig_send(e.client, "hello");
        rig_expect(e.server, "hello");
        assert_int_equal(demi_getpeername(e.client, &peer.any, &len), 0);
        assert_int_equal(peer.in.sin_port, e.to.in.sin_port);
        ends_close(e);
    }
}

static void connected__hears_nobody_else(void **state)
{
    struct ends e = ends(AF_INET);
    int stranger = rig_socket(AF_INET, SOCK_DGRAM);
    union rig_addr us;
    demi_qtoken_t pop;
    demi_qresult_t qr;

    (void)state;
    start_connect(e.client, &e.to);
    us = rig_name(e.client);
    pop = rig_pop(e.client);
    send_to(stranger, "psst", &us);
    usleep(10000);
    assert_true(rig_pending(pop));
    send_to(e.server, "friend", &us);
    qr = rig_done(pop, DEMI_OPC_POP);
    assert_memory_equal(rig_bytes(&qr.qr_value.sga), "friend", 6);
    rig_free(&qr.qr_value.sga);
    assert_int_equal(demi_close(stranger), 0);
    ends_close(e);
}

/* Nobody listens there any more: an operation says so, and the socket goes on. */
static void connected__refused(void **state)
{
    struct ends e = ends(AF_INET);
    union rig_addr back;
    demi_qtoken_t pop;

    (void)state;
    start_connect(e.client, &e.to);
    assert_int_equal(demi_close(e.server), 0);
    pop = rig_pop(e.client);
    assert_true(rig_pending(pop));
    rig_send(e.client, "anybody?");
    rig_failed(pop, ECONNREFUSED);
    e.server = rig_socket(AF_INET, SOCK_DGRAM);
    assert_int_equal(demi_bind(e.server, &e.to.any, rig_len(&e.to)), 0);
    rig_send(e.client, "again");
    rig_expect(e.server, "again");
    back = rig_name(e.client);
    send_to(e.server, "yes", &back);
    rig_expect(e.client, "yes");
    ends_close(e);
}

static void datagram__same_array_to_many(void **state)
{
    enum { N = 10 };
    int client = rig_socket(AF_INET, SOCK_DGRAM), server[N];
    demi_sgarray_t sga = rig_sga_fill(2000, 4);
    demi_qtoken_t push[N];

    (void)state;
    for (unsigned i = 0; i < N; i++) {
        union rig_addr to;

        server[i] = rig_bound(AF_INET, SOCK_DGRAM);
        to = rig_name(server[i]);
        if (i == 0) { /* where a link address has to be found out first, few packets wait for it */
            send_to(client, "first", &to);
            rig_expect(server[i], "first");
        }
        push[i] = pushto(client, &sga, &to);
    }
    rig_free(&sga);
    for (unsigned i = 0; i < N; i++) {
        demi_qresult_t qr = rig_done(rig_pop(server[i]), DEMI_OPC_POP);

        assert_int_equal(rig_length(&qr.qr_value.sga), 2000);
        assert_true(rig_filled(rig_bytes(&qr.qr_value.sga), 2000, 4));
        rig_free(&qr.qr_value.sga);
        rig_done(push[i], DEMI_OPC_PUSH);
        assert_int_equal(demi_close(server[i]), 0);
    }
    assert_int_equal(demi_close(client), 0);
}

static void datagram__close_cancels_pops(void **state)
{
    int qd = rig_bound(AF_INET6, SOCK_DGRAM);
    demi_qtoken_t pop[2] = {rig_pop(qd), rig_pop(qd)};

    (void)state;
    assert_true(rig_pending(pop[0]));
    assert_int_equal(demi_close(qd), 0);
    rig_failed(pop[0], ECANCELED);
    rig_failed(pop[1], ECANCELED);
}

static void datagram__popped_array_is_pushed_on(void **state)
{
    struct ends e = ends(AF_INET);
    union rig_addr from;
    demi_qresult_t qr;

    (void)state;
    send_to(e.client, "there and back", &e.to);
    qr = rig_done(rig_pop(e.server), DEMI_OPC_POP);
    from = source_of(&qr.qr_value.sga);
    rig_done(pushto(e.server, &qr.qr_value.sga, &from), DEMI_OPC_PUSH);
    rig_free(&qr.qr_value.sga);
    rig_expect(e.client, "there and back");
    ends_close(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(datagram__from_an_unbound_socket_and_back),
        TEST(datagram__of_several_segments),
        TEST(datagram__that_nobody_waits_for),
        TEST(datagram__that_nobody_waits_for_before_a_close),
        TEST(datagram__ipv4_source_is_in_the_result),
        TEST(datagram__ipv6_source_is_behind_the_array),
        TEST(datagram__source_survives_changes_to_the_data),
        TEST(datagram__sizes_up_to_the_largest),
        TEST(datagram__too_large_fails_and_the_socket_goes_on),
        TEST(datagram__boundaries_are_kept),
        TEST(datagram__empty_one_arrives),
        TEST(pop_n__cuts_a_datagram),
        TEST(connected__push_goes_to_the_peer_and_names_are_known),
        TEST(connected__hears_nobody_else),
        TEST(connected__refused),
        TEST(datagram__same_array_to_many),
        TEST(datagram__close_cancels_pops),
        TEST(datagram__popped_array_is_pushed_on),
    };

    return RIG_RUN(tests);
}
