/* SPDX-License-Identifier: MIT */
/* catnano on a host, through the public API: two contexts of one host, which sends to its own address. */
#include "api/api.h"
#include "libos/catnano/nano.h"

#include <demi/ext.h>
#include <demi/libos.h>
#include <demi/sga.h>
#include <demi/wait.h>

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static char wire[64];

static int setup(void **state)
{
    (void)state;
    snprintf(wire, sizeof(wire), "/dev/shm/caracal-host-test-%d", (int)getpid());
    setenv("LIBOS", "catnano", 1);
    setenv("DRIVER", "ring", 1);
    setenv("DEVICE", wire, 1);
    setenv("NET_ADDRESS", "10.7.0.1/24", 1);
    setenv("STAT", "false", 1);
    setenv("TRACE", "false", 1);
    return demi_init(NULL);
}

static uint64_t counter(enum counter c)
{
    return api_self.inst->stat->value[c];
}

/* Nothing is left behind: no message under way, none that is arriving, no operation, no byte. */
static int teardown(void **state)
{
    struct instance *inst = api_self.inst;
    const struct nano *n = inst->net_state;
    unsigned under_way = 0;

    (void)state;
    for (unsigned i = 0; i < 100000 && n->owing + n->own_count > 0; i++)
        instance_turn(inst);
    for (uint64_t i = 0; i < inst->config.msg_buffers; i++)
        under_way += n->tx[i].peer != NULL;
    assert_int_equal(under_way, 0);
    assert_null(n->rx_oldest);
    assert_int_equal(inst->queues.used, 0);
    assert_int_equal(inst->ops.used, inst->poller_count);
    assert_int_equal(mem_bytes_used(&inst->mem), 0);
    unsetenv("MSG_TRANSPORT");
    unsetenv("MSG_GIVE_UP_MS");
    return demi_fini();
}

static int bound(struct sockaddr_in *at)
{
    socklen_t len = sizeof(*at);
    int qd;

    *at = (struct sockaddr_in){.sin_family = AF_INET};
    assert_int_equal(demi_socket(&qd, AF_INET, SOCK_RDM, 0), 0);
    assert_int_equal(demi_bind(qd, (struct sockaddr *)at, sizeof(*at)), 0);
    assert_int_equal(demi_getsockname(qd, (struct sockaddr *)at, &len), 0);
    assert_true(ntohs(at->sin_port) >= NANO_PORT_FIRST);
    return qd;
}

static demi_qresult_t done(demi_qtoken_t qt)
{
    struct timespec patience = {.tv_sec = 30};
    demi_qresult_t qr;

    assert_int_equal(demi_wait(&qr, qt, &patience), 0);
    return qr;
}

static char byte_of(unsigned number, size_t i)
{
    return (char)(number * 31 + i * 7 + (i >> 8));
}

static demi_qtoken_t send_to(int qd, const struct sockaddr_in *to, unsigned number, size_t len)
{
    demi_sgarray_t sga = demi_sgaalloc(len);
    demi_qtoken_t qt;

    assert_int_equal(sga.sga_numsegs, 1);
    for (size_t i = 0; i < len; i++)
        ((char *)sga.sga_segs[0].sgaseg_buf)[i] = byte_of(number, i);
    assert_int_equal(demi_pushto(&qt, qd, &sga, (const struct sockaddr *)to, sizeof(*to)), 0);
    demi_sgafree(&sga);
    return qt;
}

static void receive(int qd, const struct sockaddr_in *from, unsigned number, size_t len)
{
    demi_qresult_t qr;
    demi_qtoken_t qt;
    const char *bytes;

    assert_int_equal(demi_pop(&qt, qd), 0);
    qr = done(qt);
    assert_int_equal(qr.qr_opcode, DEMI_OPC_POP);
    assert_int_equal(qr.qr_value.sga.sga_segs[0].sgaseg_len, len);
    assert_int_equal(qr.qr_value.sga.sga_addr.sin_port, from->sin_port);
    assert_int_equal(ntohl(qr.qr_value.sga.sga_addr.sin_addr.s_addr), 0x0a070001);
    bytes = qr.qr_value.sga.sga_segs[0].sgaseg_buf;
    for (size_t i = 0; i < len; i++)
        assert_int_equal(bytes[i], byte_of(number, i));
    demi_sgafree(&qr.qr_value.sga);
}

static void settle(void)
{
    const struct nano *n = api_self.inst->net_state;
    const struct nano_peer *p = nano_peer_find(n, n->ip);

    for (unsigned i = 0; i < 1000000 && p != NULL && (p->under_way > 0 || n->own_count > 0); i++)
        instance_turn(api_self.inst);
}

static void host__messages_of_all_lengths_arrive(void **state)
{
    static const size_t lengths[] = {1, 2, 7, 8, 9, 63, 1023, 1024, 1025, 2047, 2048, 9000, 32768, 65535};
    struct sockaddr_in a, b;
    int from = bound(&a), to = bound(&b);

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(lengths); i++) {
        assert_int_equal(done(send_to(from, &b, i, lengths[i])).qr_opcode, DEMI_OPC_PUSH);
        receive(to, &a, i, lengths[i]);
    }
    settle();
    assert_int_equal(counter(CTR_msg_given_up), 0);
    assert_int_equal(counter(CTR_msg_received), ARRAY_LEN(lengths));
    demi_close(from);
    demi_close(to);
}

static void host__homa_carries_them_too(void **state)
{
    assert_int_equal(demi_fini(), 0);
    setenv("MSG_TRANSPORT", "homa", 1);
    assert_int_equal(demi_init(NULL), 0);
    host__messages_of_all_lengths_arrive(state);
}

static void host__a_message_too_long_is_refused(void **state)
{
    struct sockaddr_in a;
    int qd = bound(&a);
    demi_qresult_t qr;

    (void)state;
    qr = done(send_to(qd, &a, 0, 65536));
    assert_int_equal(qr.qr_opcode, DEMI_OPC_FAILED);
    assert_int_equal(qr.qr_ret, EMSGSIZE);
    demi_close(qd);
}

/* More than a socket queues and a peer may have under way: pushes wait, and every message arrives once. */
#define MANY (NANO_QUEUE + 500)
static void host__pushes_wait_for_a_slow_receiver(void **state)
{
    static demi_qtoken_t pushed[MANY];
    static bool seen[MANY];
    struct sockaddr_in a, b;
    int from = bound(&a), to = bound(&b);

    (void)state;
    memset(seen, 0, sizeof(seen));
    for (unsigned i = 0; i < MANY; i++)
        pushed[i] = send_to(from, &b, i, sizeof(uint32_t) + i % 9);
    for (unsigned i = 0; i < 5000; i++)
        instance_turn(api_self.inst);
    assert_true(counter(CTR_msg_waits) > 0 && counter(CTR_msg_no_room) > 0);
    for (unsigned i = 0; i < MANY; i++) {
        demi_qresult_t qr;
        demi_qtoken_t qt;
        unsigned number = 0;
        const char *bytes;
        size_t len;

        assert_int_equal(demi_pop(&qt, to), 0);
        qr = done(qt);
        assert_int_equal(qr.qr_opcode, DEMI_OPC_POP);
        bytes = qr.qr_value.sga.sga_segs[0].sgaseg_buf;
        len = qr.qr_value.sga.sga_segs[0].sgaseg_len;
        while (number < MANY &&
               (seen[number] || sizeof(uint32_t) + number % 9 != len || bytes[0] != byte_of(number, 0)))
            number++;
        assert_true(number < MANY);
        seen[number] = true;
        demi_sgafree(&qr.qr_value.sga);
    }
    for (unsigned i = 0; i < MANY; i++)
        assert_int_equal(done(pushed[i]).qr_opcode, DEMI_OPC_PUSH);
    settle();
    assert_int_equal(counter(CTR_msg_received), MANY);
    demi_close(from);
    demi_close(to);
}

static void host__a_silent_peer_is_given_up(void **state)
{
    struct sockaddr_in a, nobody = {.sin_family = AF_INET, .sin_port = htons(9)};
    demi_qresult_t qr;
    demi_qtoken_t qt;
    int qd;

    (void)state;
    assert_int_equal(demi_fini(), 0);
    setenv("MSG_GIVE_UP_MS", "300", 1); /* valgrind takes its time */
    assert_int_equal(demi_init(NULL), 0);
    inet_pton(AF_INET, "10.7.0.99", &nobody.sin_addr);
    qd = bound(&a);
    assert_int_equal(demi_connect(&qt, qd, (struct sockaddr *)&nobody, sizeof(nobody)), 0);
    assert_int_equal(done(qt).qr_opcode, DEMI_OPC_CONNECT);
    assert_int_equal(done(send_to(qd, &nobody, 1, 3000)).qr_opcode, DEMI_OPC_PUSH);
    assert_int_equal(demi_pop(&qt, qd), 0);
    qr = done(qt);
    assert_int_equal(qr.qr_opcode, DEMI_OPC_FAILED);
    assert_int_equal(qr.qr_ret, EHOSTUNREACH);
    assert_int_equal(counter(CTR_msg_given_up), 1);
    demi_close(qd);
}

/* What nobody has bound is sent again until it is given up, and a closed socket's messages are let go. */
static void host__a_close_lets_go_of_what_waits(void **state)
{
    struct sockaddr_in a, b;
    int from, to;

    (void)state;
    assert_int_equal(demi_fini(), 0);
    setenv("MSG_GIVE_UP_MS", "300", 1); /* valgrind takes its time */
    assert_int_equal(demi_init(NULL), 0);
    from = bound(&a);
    to = bound(&b);
    for (unsigned i = 0; i < 100; i++)
        demi_cancel(send_to(from, &b, i, 5000));
    for (unsigned i = 0; i < 5; i++)
        instance_turn(api_self.inst);
    demi_close(to);
    demi_close(from);
    for (struct nano_peer *p = nano_peer_find(api_self.inst->net_state, 0x0a070001); p->under_way > 0;) {
        instance_turn(api_self.inst);
        instance_look_at_clock(api_self.inst);
    }
    assert_true(counter(CTR_msg_given_up) > 0 && counter(CTR_drop_msg_context) > 0);
}

/* Messages without a token that wait for the window go with their socket; teardown finds nothing of them. */
static void host__a_close_lets_go_of_what_nobody_waits_for(void **state)
{
    static char text[20];
    const struct iovec iov[] = {{text, 12}, {text + 12, 8}};
    struct timespec now = {0};
    struct sockaddr_in a, b;
    int from = bound(&a), to = bound(&b), n = 0;
    uint32_t used = api_self.inst->ops.used;
    demi_qresult_t qr;

    (void)state;
    for (unsigned i = 0; i < MANY; i++)
        assert_int_equal(demi_pushtov(NULL, from, iov, 2, (const struct sockaddr *)&b, sizeof(b)), 0);
    assert_true(counter(CTR_msg_waits) > 0 && api_self.inst->ops.used > used);
    assert_int_equal(demi_close(from), 0);
    assert_int_equal(api_self.inst->ops.used, used);
    assert_int_equal(demi_wait_next_n(&qr, 1, &n, &now), ETIMEDOUT);
    assert_int_equal(n, 0);
    settle();
    assert_int_equal(demi_close(to), 0);
}

static void host__other_sockets_are_refused(void **state)
{
    int qd;

    (void)state;
    assert_int_equal(demi_socket(&qd, AF_INET, SOCK_STREAM, 0), ENOTSUP);
    assert_int_equal(demi_socket(&qd, AF_INET6, SOCK_RDM, 0), ENOTSUP);
    assert_int_equal(demi_socket(&qd, AF_INET, SOCK_SEQPACKET, 0), ENOTSUP);
    assert_int_equal(demi_socket(&qd, AF_INET, SOCK_DGRAM, IPPROTO_UDP), 0);
    demi_close(qd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(host__messages_of_all_lengths_arrive, setup, teardown),
        cmocka_unit_test_setup_teardown(host__homa_carries_them_too, setup, teardown),
        cmocka_unit_test_setup_teardown(host__a_message_too_long_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(host__pushes_wait_for_a_slow_receiver, setup, teardown),
        cmocka_unit_test_setup_teardown(host__a_silent_peer_is_given_up, setup, teardown),
        cmocka_unit_test_setup_teardown(host__a_close_lets_go_of_what_waits, setup, teardown),
        cmocka_unit_test_setup_teardown(host__a_close_lets_go_of_what_nobody_waits_for, setup, teardown),
        cmocka_unit_test_setup_teardown(host__other_sockets_are_refused, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
