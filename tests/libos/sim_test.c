/* SPDX-License-Identifier: MIT */
/*
 * LIBOS=sim through the public API: a client and a server in one thread on a simulated network with faults, in virtual
 * time. Whatever the network does, a stream arrives whole and every operation completes.
 */
#include <demi/ext.h>
#include <demi/libos.h>
#include <demi/sga.h>
#include <demi/wait.h>

#include "api/api.h"
#include "libos/stack/stack.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BYTES            (256 * 1024)
#define TCP_USER_TIMEOUT 18 /* of <netinet/tcp.h>, which cannot stand beside the stack's own names */

static struct sockaddr_in at(const char *host, uint16_t port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};

    inet_pton(AF_INET, host, &a.sin_addr);
    return a;
}

static int setup(void **state)
{
    (void)state;
    setenv("LIBOS", "sim", 1);
    setenv("STAT", "false", 1);
    setenv("TRACE", "false", 1);
    assert_int_equal(demi_init(NULL), 0);
    return 0;
}

static int teardown(void **state)
{
    struct instance *inst = api_self.inst;
    static const char *const names[] = {"SIM_LOSS",      "SIM_SEED",    "SIM_REORDER",
                                        "SIM_DUPLICATE", "SIM_CORRUPT", "SIM_JITTER_US"};

    (void)state;
    assert_int_equal(inst->queues.used, 0);
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        unsetenv(names[i]);
    return demi_fini();
}

static demi_qresult_t done(demi_qtoken_t qt)
{
    struct timespec long_enough = {.tv_sec = 3600};
    demi_qresult_t qr;

    assert_int_equal(demi_wait(&qr, qt, &long_enough), 0);
    return qr;
}

static int bound(int type, const char *host, uint16_t port)
{
    struct sockaddr_in a = at(host, port);
    int qd;

    assert_int_equal(demi_socket(&qd, AF_INET, type, 0), 0);
    assert_int_equal(demi_bind(qd, (struct sockaddr *)&a, sizeof(a)), 0);
    return qd;
}

static demi_sgarray_t text(const char *s)
{
    demi_sgarray_t sga = demi_sgaalloc(strlen(s));

    memcpy(sga.sga_segs[0].sgaseg_buf, s, strlen(s));
    return sga;
}

static void sim__datagram_and_its_answer(void **state)
{
    struct sockaddr_in to = at("10.0.0.1", 7), from;
    int server = bound(SOCK_DGRAM, "10.0.0.1", 7), client;
    socklen_t len = sizeof(from);
    demi_qtoken_t pop, push;
    demi_sgarray_t sga = text("ping");
    demi_qresult_t qr;

    (void)state;
    assert_int_equal(demi_socket(&client, AF_INET, SOCK_DGRAM, 0), 0);
    assert_int_equal(demi_pop(&pop, server), 0);
    assert_int_equal(demi_pushto(&push, client, &sga, (struct sockaddr *)&to, sizeof(to)), 0);
    demi_sgafree(&sga);
    assert_int_equal(done(push).qr_opcode, DEMI_OPC_PUSH);
    qr = done(pop);
    assert_int_equal(qr.qr_opcode, DEMI_OPC_POP);
    assert_int_equal(qr.qr_value.sga.sga_segs[0].sgaseg_len, 4);
    assert_int_equal(demi_sga_source(&qr.qr_value.sga, (struct sockaddr *)&from, &len), 0);
    assert_string_equal(inet_ntoa(from.sin_addr), "10.0.0.2");
    assert_memory_equal(&qr.qr_value.sga.sga_addr, &from, sizeof(from));
    assert_int_equal(demi_pop(&pop, client), 0);
    assert_int_equal(demi_pushto(&push, server, &qr.qr_value.sga, (struct sockaddr *)&from, sizeof(from)), 0);
    demi_sgafree(&qr.qr_value.sga);
    assert_int_equal(done(push).qr_opcode, DEMI_OPC_PUSH);
    qr = done(pop);
    assert_memory_equal(qr.qr_value.sga.sga_segs[0].sgaseg_buf, "ping", 4);
    demi_sgafree(&qr.qr_value.sga);
    assert_int_equal(demi_close(server), 0);
    assert_int_equal(demi_close(client), 0);
}

static struct stack *stack_under(int qd)
{
    return sock_of(queue_lookup(&api_self.inst->queues, qd))->stack;
}

/* Three datagrams go to the server, of which the pop before them takes the first; the others wait in its queue. */
static demi_qresult_t three_come(int server, int client)
{
    struct sockaddr_in to = at("10.0.0.1", 7);
    struct timespec a_while = {.tv_nsec = 10000000};
    demi_qtoken_t pop, push, never;
    demi_qresult_t qr, none;

    assert_int_equal(demi_pop(&pop, server), 0);
    for (int i = 0; i < 3; i++) {
        demi_sgarray_t sga = text("ping");

        assert_int_equal(demi_pushto(&push, client, &sga, (struct sockaddr *)&to, sizeof(to)), 0);
        demi_sgafree(&sga);
        assert_int_equal(done(push).qr_opcode, DEMI_OPC_PUSH);
    }
    qr = done(pop);
    assert_int_equal(demi_pop(&never, client), 0);
    assert_int_equal(demi_wait(&none, never, &a_while), ETIMEDOUT);
    assert_int_equal(demi_cancel(never), 0);
    return qr;
}

/* Sends back what a pop got. Returns how many frames of the server wait then. */
static unsigned answer(int server, demi_qresult_t *qr)
{
    struct sockaddr_in from;
    socklen_t len = sizeof(from);
    demi_qtoken_t push;

    assert_int_equal(qr->qr_opcode, DEMI_OPC_POP);
    assert_int_equal(demi_sga_source(&qr->qr_value.sga, (struct sockaddr *)&from, &len), 0);
    assert_int_equal(demi_pushto(&push, server, &qr->qr_value.sga, (struct sockaddr *)&from, len), 0);
    demi_sgafree(&qr->qr_value.sga);
    assert_int_equal(done(push).qr_opcode, DEMI_OPC_PUSH);
    return stack_under(server)->batched;
}

static demi_qresult_t popped(int qd)
{
    demi_qtoken_t pop;

    assert_int_equal(demi_pop(&pop, qd), 0);
    return done(pop);
}

/* Note 5 in stack.h: answers go together with the last, those of a slow application each at once. */
static void sim__answers_wait_while_messages_do(void **state)
{
    int server = bound(SOCK_DGRAM, "10.0.0.1", 7), client = bound(SOCK_DGRAM, "10.0.0.2", 8);
    demi_qresult_t qr;

    (void)state;
    for (int slow = 0; slow < 2; slow++) {
        qr = three_come(server, client);
        assert_int_equal(answer(server, &qr), 1);
        qr = popped(server);
        assert_int_equal(answer(server, &qr), 2);
        if (slow)
            stack_under(server)->held_ns = 0; /* as if the first had waited since the world began */
        qr = popped(server);
        assert_int_equal(answer(server, &qr), 0);
        for (int i = 0; i < 3; i++) {
            qr = popped(client);
            assert_memory_equal(qr.qr_value.sga.sga_segs[0].sgaseg_buf, "ping", 4);
            demi_sgafree(&qr.qr_value.sga);
        }
    }
    qr = three_come(server, client);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(answer(server, &qr), 0);
        if (i < 2)
            qr = popped(server);
    }
    assert_int_equal(demi_close(server), 0);
    assert_int_equal(demi_close(client), 0);
}

/* The application writes to its buffer as soon as the push is complete, and the datagram is as it was. */
static void sim__long_datagrams_are_what_was_pushed(void **state)
{
    struct sockaddr_in to = at("10.0.0.1", 7);
    int server = bound(SOCK_DGRAM, "10.0.0.1", 7), client;
    demi_sgarray_t sga = demi_sgaalloc(5000);
    demi_qtoken_t pop, push;
    demi_qresult_t qr;

    (void)state;
    assert_int_equal(demi_socket(&client, AF_INET, SOCK_DGRAM, 0), 0);
    for (int i = 0; i < 3; i++) { /* the first waits for the link address, the others go by reference */
        const uint8_t *got;

        memset(sga.sga_segs[0].sgaseg_buf, 'a' + i, 5000);
        assert_int_equal(demi_pop(&pop, server), 0);
        assert_int_equal(demi_pushto(&push, client, &sga, (struct sockaddr *)&to, sizeof(to)), 0);
        assert_int_equal(done(push).qr_opcode, DEMI_OPC_PUSH);
        memset(sga.sga_segs[0].sgaseg_buf, 'z', 5000);
        qr = done(pop);
        assert_int_equal(qr.qr_opcode, DEMI_OPC_POP);
        assert_int_equal(qr.qr_value.sga.sga_segs[0].sgaseg_len, 5000);
        got = qr.qr_value.sga.sga_segs[0].sgaseg_buf;
        for (int k = 0; k < 5000; k++)
            assert_int_equal(got[k], 'a' + i);
        demi_sgafree(&qr.qr_value.sga);
    }
    demi_sgafree(&sga);
    assert_int_equal(demi_close(server), 0);
    assert_int_equal(demi_close(client), 0);
}

static void connect_pair(int *client, int *server, int *listener)
{
    struct sockaddr_in to = at("10.0.0.1", 80);
    demi_qtoken_t accept, connect;
    demi_qresult_t qr;

    *listener = bound(SOCK_STREAM, "10.0.0.1", 80);
    assert_int_equal(demi_listen(*listener, 8), 0);
    assert_int_equal(demi_accept(&accept, *listener), 0);
    assert_int_equal(demi_socket(client, AF_INET, SOCK_STREAM, 0), 0);
    assert_int_equal(demi_connect(&connect, *client, (struct sockaddr *)&to, sizeof(to)), 0);
    assert_int_equal(done(connect).qr_opcode, DEMI_OPC_CONNECT);
    qr = done(accept);
    assert_int_equal(qr.qr_opcode, DEMI_OPC_ACCEPT);
    assert_string_equal(inet_ntoa(qr.qr_value.ares.addr.sin_addr), "10.0.0.2");
    *server = qr.qr_value.ares.qd;
}

static void close_pair(int client, int server, int listener)
{
    assert_int_equal(demi_close(client), 0);
    assert_int_equal(demi_close(server), 0);
    assert_int_equal(demi_close(listener), 0);
}

/* Sends BYTES from one to the other in pushes of odd sizes, all outstanding at once, then the end. */
static void transfer(int from, int to)
{
    demi_qtoken_t pushes[128], pop;
    demi_qresult_t qr;
    uint32_t sent = 0, got = 0;
    unsigned n = 0;

    for (uint32_t size = 100; sent < BYTES && n < 128; size = size * 7 % 9973 + 1) {
        demi_sgarray_t sga = demi_sgaalloc(size);
        uint8_t *p = sga.sga_segs[0].sgaseg_buf;

        for (uint32_t i = 0; i < size; i++)
            p[i] = (uint8_t)((sent + i) * 31 + (sent + i) / 256);
        assert_int_equal(demi_push(&pushes[n++], from, &sga), 0);
        demi_sgafree(&sga);
        sent += size;
    }
    assert_int_equal(demi_shutdown(from, SHUT_WR), 0);
    for (;;) {
        const uint8_t *p;
        uint32_t len;

        assert_int_equal(demi_pop(&pop, to), 0);
        qr = done(pop);
        assert_int_equal(qr.qr_opcode, DEMI_OPC_POP);
        p = qr.qr_value.sga.sga_segs[0].sgaseg_buf;
        len = qr.qr_value.sga.sga_segs[0].sgaseg_len;
        for (uint32_t i = 0; i < len; i++)
            assert_int_equal(p[i], (uint8_t)((got + i) * 31 + (got + i) / 256));
        got += len;
        demi_sgafree(&qr.qr_value.sga);
        if (len == 0)
            break;
    }
    assert_int_equal(got, sent);
    for (unsigned i = 0; i < n; i++)
        assert_int_equal(done(pushes[i]).qr_opcode, DEMI_OPC_PUSH);
}

static void sim__stream_both_ways(void **state)
{
    int client, server, listener;

    (void)state;
    connect_pair(&client, &server, &listener);
    transfer(client, server);
    transfer(server, client);
    close_pair(client, server, listener);
}

static void sim__stream_through_faults(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 8; seed++) {
        char number[16];
        int client, server, listener;

        demi_fini();
        snprintf(number, sizeof(number), "%u", seed);
        setenv("SIM_SEED", number, 1);
        setenv("SIM_LOSS", "20000", 1);
        setenv("SIM_REORDER", "20000", 1);
        setenv("SIM_DUPLICATE", "20000", 1);
        setenv("SIM_CORRUPT", "20000", 1);
        setenv("SIM_JITTER_US", "30", 1);
        assert_int_equal(demi_init(NULL), 0);
        connect_pair(&client, &server, &listener);
        transfer(client, server);
        transfer(server, client);
        close_pair(client, server, listener);
    }
}

/* Nobody listens, and nobody is there at all: each with its own error (docs of the contract: section 2). */
static void sim__connect_fails(void **state)
{
    struct sockaddr_in closed = at("10.0.0.1", 81), nobody = at("10.0.0.77", 80), nowhere = at("192.0.2.1", 80);
    demi_qtoken_t qt;
    demi_qresult_t qr;
    int qd;

    (void)state;
    assert_int_equal(demi_socket(&qd, AF_INET, SOCK_STREAM, 0), 0);
    assert_int_equal(demi_connect(&qt, qd, (struct sockaddr *)&closed, sizeof(closed)), 0);
    qr = done(qt);
    assert_int_equal(qr.qr_opcode, DEMI_OPC_FAILED);
    assert_int_equal(qr.qr_ret, ECONNREFUSED);
    assert_int_equal(demi_connect(&qt, qd, (struct sockaddr *)&nowhere, sizeof(nowhere)), 0);
    assert_int_equal(done(qt).qr_ret, ENETUNREACH);
    assert_int_equal(demi_connect(&qt, qd, (struct sockaddr *)&nobody, sizeof(nobody)), 0);
    assert_int_equal(done(qt).qr_ret, EHOSTUNREACH);
    assert_int_equal(demi_close(qd), 0);
}

/* Pushes `bytes`, waits for nothing but that, and says how long it took. freed: the array is given up at once. */
static uint64_t push_and_wait(int qd, uint32_t bytes, bool freed)
{
    uint64_t start = clock_now_ns(&api_self.inst->clock);
    demi_sgarray_t sga = demi_sgaalloc(bytes);
    demi_qtoken_t push;

    memset(sga.sga_segs[0].sgaseg_buf, 'p', bytes);
    assert_int_equal(demi_push(&push, qd, &sga), 0);
    if (freed)
        assert_int_equal(demi_sgafree(&sga), 0);
    assert_int_equal(done(push).qr_opcode, DEMI_OPC_PUSH);
    if (!freed)
        assert_int_equal(demi_sgafree(&sga), 0);
    return clock_now_ns(&api_self.inst->clock) - start;
}

/*
 * The peer's address is gone from its host and does not come back: nobody answers for it. What is not acknowledged is
 * sent again until the user timeout (RFC 9293 section 3.9.1: five minutes if nobody sets it) is over, to the
 * millisecond; then everything that waits learns that the host is not to be reached.
 */
static void outlive_peer(unsigned user_timeout_s)
{
    const struct inet_addr gone = INET_ADDR4(10, 0, 0, 1);
    uint64_t limit_s = user_timeout_s > 0 ? user_timeout_s : 300;
    struct timespec before_it = {.tv_sec = (time_t)limit_s - 1};
    int client, server, listener, timeout_ms = (int)user_timeout_s * 1000;
    demi_sgarray_t sga = demi_sgaalloc(1400);
    demi_qtoken_t pop, push;
    demi_qresult_t qr;
    uint64_t start_ns;

    connect_pair(&client, &server, &listener);
    if (timeout_ms > 0)
        assert_int_equal(demi_setsockopt(client, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof(timeout_ms)), 0);
    (void)push_and_wait(client, 1400, true);
    (void)push_and_wait(client, 1400, false);
    assert_int_equal(inet_addr_remove(sock_of(queue_lookup(&api_self.inst->queues, server))->stack->in, &gone), 0);

    start_ns = api_self.inst->now_ns;
    memset(sga.sga_segs[0].sgaseg_buf, 'g', 1400);
    assert_int_equal(demi_pop(&pop, client), 0);
    assert_int_equal(demi_push(&push, client, &sga), 0);
    assert_int_equal(demi_wait(&qr, push, &before_it), ETIMEDOUT);
    qr = done(push);
    assert_in_range(api_self.inst->now_ns - start_ns, limit_s * NS_PER_S, limit_s * NS_PER_S + NS_PER_MS);
    assert_int_equal(qr.qr_opcode, DEMI_OPC_FAILED);
    assert_int_equal(qr.qr_ret, EHOSTUNREACH);
    qr = done(pop);
    assert_int_equal(qr.qr_opcode, DEMI_OPC_FAILED);
    assert_int_equal(qr.qr_ret, EHOSTUNREACH);
    assert_int_equal(demi_sgafree(&sga), 0);
    close_pair(client, server, listener);
}

static void sim__peer_that_never_comes_back(void **state)
{
    (void)state;
    outlive_peer(0);
}

static void sim__peer_that_never_comes_back_within_a_user_timeout(void **state)
{
    (void)state;
    outlive_peer(20);
}

static void sim__time_is_virtual(void **state)
{
    struct timespec hour = {.tv_sec = 3600};
    uint64_t before = clock_gettime_ns(), sim = api_self.inst->now_ns;
    demi_qtoken_t qt;
    demi_qresult_t qr;
    int qd = bound(SOCK_DGRAM, "10.0.0.1", 7);

    (void)state;
    assert_int_equal(demi_pop(&qt, qd), 0);
    assert_int_equal(demi_wait(&qr, qt, &hour), ETIMEDOUT);
    assert_true(clock_gettime_ns() - before < 60 * NS_PER_S);
    assert_in_range(api_self.inst->now_ns - sim, 3600 * NS_PER_S, 3601 * NS_PER_S);
    assert_int_equal(demi_close(qd), 0);
    assert_int_equal(demi_wait(&qr, qt, NULL), 0);
    assert_int_equal(qr.qr_ret, ECANCELED);
}

/*
 * A push by reference is complete when it is acknowledged. To a peer that pops, that is a round trip and not the peer's
 * patience; to one that does not, the patience is all it costs; a copied or given up one waits for nobody.
 */
static void sim__push_and_wait_costs_a_round_trip(void **state)
{
    int client, server, listener;
    demi_qtoken_t pop;
    demi_qresult_t qr;

    (void)state;
    connect_pair(&client, &server, &listener);
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(demi_pop(&pop, server), 0);
        assert_in_range(push_and_wait(client, 1400, false), 2 * 50 * NS_PER_US, NS_PER_MS);
        qr = done(pop);
        assert_int_equal(qr.qr_opcode, DEMI_OPC_POP);
        demi_sgafree(&qr.qr_value.sga);
    }
    assert_in_range(push_and_wait(client, 1400, false), NS_PER_MS, 45 * NS_PER_MS);
    assert_in_range(push_and_wait(client, 1400, true), 0, 10 * NS_PER_US);
    assert_in_range(push_and_wait(client, 100, false), 0, 10 * NS_PER_US);
    for (uint32_t got = 0; got < 2 * 1400 + 100; got += qr.qr_value.sga.sga_segs[0].sgaseg_len) {
        assert_int_equal(demi_pop(&pop, server), 0);
        qr = done(pop);
        assert_int_equal(qr.qr_opcode, DEMI_OPC_POP);
        demi_sgafree(&qr.qr_value.sga);
    }
    close_pair(client, server, listener);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(sim__datagram_and_its_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(sim__answers_wait_while_messages_do, setup, teardown),
        cmocka_unit_test_setup_teardown(sim__long_datagrams_are_what_was_pushed, setup, teardown),
        cmocka_unit_test_setup_teardown(sim__push_and_wait_costs_a_round_trip, setup, teardown),
        cmocka_unit_test_setup_teardown(sim__stream_both_ways, setup, teardown),
        cmocka_unit_test_setup_teardown(sim__stream_through_faults, setup, teardown),
        cmocka_unit_test_setup_teardown(sim__connect_fails, setup, teardown),
        cmocka_unit_test_setup_teardown(sim__peer_that_never_comes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(sim__peer_that_never_comes_back_within_a_user_timeout, setup, teardown),
        cmocka_unit_test_setup_teardown(sim__time_is_virtual, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
