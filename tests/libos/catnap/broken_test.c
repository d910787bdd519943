/* SPDX-License-Identifier: MIT */
/* How a stream ends when the peer breaks it: what arrived before comes first, the reason behind it, and it stays. */
#include "api/rig.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#define BIG (32 << 20) /* more than the kernel takes without a reader */

/* Loopback delivers in the sender's system call, mostly; the rest comes in this time. */
static void arrive(void)
{
    usleep(20000);
}

/* The peer leaves with what it was sent unread: text and then a reset are under way. */
static void answer_and_reset(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), 0), strlen(text));
    assert_int_equal(close(fd), 0);
    arrive();
}

static int so_error(int qd)
{
    int err = -1;
    socklen_t len = sizeof(err);

    assert_int_equal(demi_getsockopt(qd, SOL_SOCKET, SO_ERROR, &err, &len), 0);
    return err;
}

static void push__reset_leaves_what_arrived(void **state)
{
    struct rig_half h = rig_half(AF_INET);
    demi_sgarray_t sga = rig_sga("more");

    (void)state;
    rig_send(h.qd, "request");
    answer_and_reset(h.fd, "reply");
    rig_failed(rig_push(h.qd, &sga), ECONNRESET);
    rig_expect(h.qd, "reply");
    rig_failed(rig_pop(h.qd), ECONNRESET);
    rig_failed(rig_push(h.qd, &sga), ECONNRESET);
    rig_free(&sga);
    assert_int_equal(demi_close(h.qd), 0);
}

/* The peer said all and left; it answers the next push with a reset, which the one after that finds. */
static void push__after_the_end_leaves_what_arrived(void **state)
{
    struct rig_half h = rig_half(AF_INET);
    demi_sgarray_t sga = rig_sga("request");
    demi_qresult_t qr = {.qr_opcode = DEMI_OPC_PUSH};

    (void)state;
    answer_and_reset(h.fd, "goodbye");
    for (unsigned i = 0; i < 20 && qr.qr_opcode == DEMI_OPC_PUSH; i++) {
        qr = rig_wait(rig_push(h.qd, &sga));
        arrive();
    }
    rig_free(&sga);
    assert_int_equal(qr.qr_opcode, DEMI_OPC_FAILED);
    assert_int_equal(qr.qr_ret, ECONNRESET);
    rig_expect(h.qd, "goodbye");
    assert_int_equal(demi_close(h.qd), 0);
}

/* Another queue waits too: neither is asked directly, and one event reports input, output and the error at once. */
static void reset__pending_pop_gets_what_arrived(void **state)
{
    struct rig_half h = rig_half(AF_INET), other = rig_half(AF_INET);
    demi_sgarray_t big = rig_sga_fill(BIG, 1);
    demi_qtoken_t waiting = rig_pop(other.qd), pop = rig_pop(h.qd), push = rig_push(h.qd, &big);
    demi_qresult_t qr;

    (void)state;
    rig_free(&big);
    assert_true(rig_pending(push) && rig_pending(pop));
    answer_and_reset(h.fd, "reply");
    qr = rig_done(pop, DEMI_OPC_POP);
    assert_int_equal(rig_length(&qr.qr_value.sga), 5);
    assert_memory_equal(rig_bytes(&qr.qr_value.sga), "reply", 5);
    rig_free(&qr.qr_value.sga);
    rig_failed(push, ECONNRESET);
    assert_int_equal(demi_close(h.qd), 0);
    assert_int_equal(demi_close(other.qd), 0);
    rig_failed(waiting, ECANCELED);
    close(other.fd);
}

/* The kernel hands an error out once; a connect that failed does not become one that succeeded. */
static void so_error__read_during_connect(void **state)
{
    union rig_addr a;
    int fd = rig_plain_nobody(AF_INET, &a), qd = rig_socket(AF_INET, SOCK_STREAM);
    demi_qtoken_t qt;

    (void)state;
    assert_int_equal(demi_connect(&qt, qd, &a.any, rig_len(&a)), 0);
    arrive();
    so_error(qd); /* ECONNREFUSED, or 0 where the engine has read it already */
    rig_failed(qt, ECONNREFUSED);
    assert_int_equal(demi_close(qd), 0);
    close(fd);
}

static void so_error__read_after_reset(void **state)
{
    struct rig_half h = rig_half(AF_INET);

    (void)state;
    rig_plain_reset(h.fd);
    arrive();
    assert_int_equal(so_error(h.qd), ECONNRESET);
    rig_failed(rig_pop(h.qd), ECONNRESET);
    assert_int_equal(demi_close(h.qd), 0);
}

/* A reset behind the end of the peer's stream has another name in Linux: EPIPE, which here means a shutdown. */
static void so_error__of_a_reset_behind_the_end(void **state)
{
    struct rig_half h = rig_half(AF_INET);

    (void)state;
    assert_int_equal(shutdown(h.fd, SHUT_WR), 0);
    arrive();
    rig_plain_reset(h.fd);
    arrive();
    assert_int_equal(so_error(h.qd), ECONNRESET);
    rig_failed(rig_pop(h.qd), ECONNRESET);
    assert_int_equal(demi_close(h.qd), 0);
}

/* A receive stops short of urgent data with more behind it: that is no sign of an empty socket. */
static void pop__data_behind_urgent_data(void **state)
{
    struct rig_half h = rig_half(AF_INET), other = rig_half(AF_INET);
    demi_qtoken_t waiting = rig_pop(other.qd), pop = rig_pop(h.qd);
    demi_qresult_t qr;

    (void)state;
    assert_true(rig_pending(pop));
    assert_int_equal(send(h.fd, "abc", 3, 0), 3);
    assert_int_equal(send(h.fd, "x", 1, MSG_OOB), 1);
    assert_int_equal(send(h.fd, "def", 3, 0), 3);
    arrive();
    qr = rig_done(pop, DEMI_OPC_POP);
    assert_int_equal(rig_length(&qr.qr_value.sga), 3);
    assert_memory_equal(rig_bytes(&qr.qr_value.sga), "abc", 3);
    rig_free(&qr.qr_value.sga);
    rig_expect(h.qd, "def");
    assert_int_equal(demi_close(h.qd), 0);
    assert_int_equal(demi_close(other.qd), 0);
    rig_failed(waiting, ECANCELED);
    close(h.fd);
    close(other.fd);
}

/* Pushes until the kernel takes no more. Returns the bytes of the pushes that completed; some of another may go too. */
static size_t fill(int qd)
{
    demi_sgarray_t sga = rig_sga_fill(1 << 20, 1);
    struct timespec limit = rig_ms(50);
    size_t sent = 0;

    for (;;) {
        demi_qtoken_t qt = rig_push(qd, &sga);
        demi_qresult_t qr;

        if (demi_wait(&qr, qt, &limit) != 0) {
            assert_int_equal(demi_cancel(qt), 0);
            break;
        }
        assert_int_equal(qr.qr_opcode, DEMI_OPC_PUSH);
        sent += 1 << 20;
    }
    rig_free(&sga);
    return sent;
}

/* The time to linger begins with the close, though the application computed for longer than that before it. */
static void linger__begins_with_the_close(void **state)
{
    struct rig_half h = rig_half(AF_INET);
    struct linger l = {1, 1};
    struct timeval limit = {5, 0};
    char *buf = malloc(1 << 20);
    size_t sent, got = 0;
    ssize_t n;

    (void)state;
    assert_non_null(buf);
    assert_int_equal(demi_setsockopt(h.qd, SOL_SOCKET, SO_LINGER, &l, sizeof(l)), 0);
    sent = fill(h.qd);
    usleep(1200000);
    assert_int_equal(demi_close(h.qd), 0);
    assert_int_equal(setsockopt(h.fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
    for (unsigned i = 0; i < 10; i++) { /* turns in which too early a deadline would be found to have passed */
        demi_qresult_t qr;
        struct timespec pause = rig_ms(10);
        int count;

        assert_int_equal(demi_wait_next_n(&qr, 1, &count, &pause), ETIMEDOUT);
    }
    while ((n = recv(h.fd, buf, 1 << 20, 0)) > 0)
        got += (size_t)n;
    assert_int_equal(n, 0);
    assert_true(got >= sent);
    free(buf);
    close(h.fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(push__reset_leaves_what_arrived),      TEST(push__after_the_end_leaves_what_arrived),
        TEST(reset__pending_pop_gets_what_arrived), TEST(so_error__read_during_connect),
        TEST(so_error__of_a_reset_behind_the_end),  TEST(so_error__read_after_reset),
        TEST(pop__data_behind_urgent_data),         TEST(linger__begins_with_the_close),
    };

    return RIG_RUN(tests);
}
