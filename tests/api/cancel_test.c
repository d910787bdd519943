/* SPDX-License-Identifier: MIT */
/* Operations given up, and what closing a queue does to those outstanding. */
#include "api/rig.h"

#include <unistd.h>

static void half_close(struct rig_half h)
{
    assert_int_equal(demi_close(h.qd), 0);
    close(h.fd);
}

/* The plain socket at the other end sees the connection's end within a while. */
static bool plain_ended(int fd)
{
    struct timeval limit = {.tv_sec = 5};
    char byte;

    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
    return recv(fd, &byte, 1, 0) == 0 || errno == ECONNRESET;
}

static void cancel__pending_pop_loses_nothing(void **state)
{
    struct rig_half h = rig_half(AF_INET);
    demi_qtoken_t first = rig_pop(h.qd), second = rig_pop(h.qd);
    demi_qresult_t qr;

    (void)state;
    assert_true(rig_pending(first));
    assert_int_equal(demi_cancel(first), 0);
    assert_int_equal(write(h.fd, "data", 4), 4);
    qr = rig_done(second, DEMI_OPC_POP);
    assert_int_equal(rig_length(&qr.qr_value.sga), 4);
    assert_memory_equal(rig_bytes(&qr.qr_value.sga), "data", 4);
    rig_free(&qr.qr_value.sga);
    half_close(h);
}

/* Cancelled at the very time when its data arrives: the pop was too late or the data is the next pop's. */
static void cancel__pop_whose_data_is_there_loses_nothing(void **state)
{
    struct rig_half h = rig_half(AF_INET);

    (void)state;
    for (unsigned i = 0; i < 50; i++) {
        demi_qtoken_t pop = rig_pop(h.qd);

        assert_true(rig_pending(pop));
        assert_int_equal(write(h.fd, "data", 4), 4);
        assert_int_equal(demi_cancel(pop), 0); /* nothing looked at the socket in between: it was pending */
        rig_expect(h.qd, "data");
    }
    half_close(h);
}

static void cancel__completed_pop_drops_its_data(void **state)
{
    demi_qtoken_t pop;
    int qd;

    (void)state;
    assert_int_equal(demi_queue(&qd), 0);
    pop = rig_pop(qd);
    rig_send(qd, "dropped");
    assert_int_equal(demi_cancel(pop), 0);
    rig_send(qd, "kept");
    rig_expect(qd, "kept");
    assert_int_equal(demi_close(qd), 0);
}

static void cancel__pending_accept_leaves_the_connection_in_line(void **state)
{
    union rig_addr a;
    int listener = rig_listening(AF_INET, &a), fd, qd;
    demi_qtoken_t accept;

    (void)state;
    assert_int_equal(demi_accept(&accept, listener), 0);
    assert_true(rig_pending(accept));
    assert_int_equal(demi_cancel(accept), 0);
    fd = rig_plain_connect(&a);
    assert_int_equal(demi_accept(&accept, listener), 0);
    qd = rig_done(accept, DEMI_OPC_ACCEPT).qr_value.ares.qd;
    rig_send(qd, "x");
    assert_int_equal(demi_close(qd), 0);
    assert_int_equal(demi_close(listener), 0);
    close(fd);
}

static void cancel__completed_accept_closes_the_connection(void **state)
{
    union rig_addr a;
    int listener = rig_listening(AF_INET, &a), fd = rig_plain_connect(&a);
    demi_qtoken_t accept, other;

    (void)state;
    assert_int_equal(demi_accept(&accept, listener), 0);
    assert_int_equal(demi_accept(&other, listener), 0);
    rig_complete(accept);
    assert_int_equal(demi_cancel(accept), 0);
    assert_int_equal(demi_cancel(other), 0);
    for (unsigned i = 0; i < 20; i++)
        instance_turn(rig_instance());
    assert_true(plain_ended(fd));
    assert_int_equal(demi_close(listener), 0);
    close(fd);
}

static void cancel__pending_connect(void **state)
{
    demi_qtoken_t connect;
    struct rig_half h = rig_connecting(AF_INET, &connect);
    demi_qresult_t qr;

    (void)state;
    assert_int_equal(demi_cancel(connect), 0);
    assert_int_equal(demi_poll(&qr, connect), EINVAL);
    half_close(h);
}

static void cancel__pushes_waiting_behind_another(void **state)
{
    struct rig_half h = rig_half(AF_INET);
    demi_sgarray_t big = rig_sga_fill(16 << 20, 1);
    demi_qtoken_t first = rig_push(h.qd, &big), second = rig_push(h.qd, &big);

    (void)state;
    assert_true(rig_pending(first)); /* more than the kernel's buffers take */
    assert_int_equal(demi_cancel(second), 0);
    rig_free(&big);
    half_close(h);
    rig_failed(first, ECANCELED);
}

static void close__pending_tokens_end_as_canceled(void **state)
{
    struct rig_half h = rig_half(AF_INET);
    demi_sgarray_t big = rig_sga_fill(16 << 20, 1);
    demi_qtoken_t push[3], pop[3];

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        push[i] = rig_push(h.qd, &big);
        pop[i] = rig_pop(h.qd);
    }
    rig_free(&big);
    assert_true(rig_pending(push[0]) && rig_pending(pop[0]));
    half_close(h);
    for (unsigned i = 0; i < 3; i++) {
        demi_qresult_t qr = rig_wait(pop[i]);

        assert_int_equal(qr.qr_ret, ECANCELED);
        assert_int_equal(qr.qr_qd, h.qd);
        rig_failed(push[i], ECANCELED);
    }
}

static void close__pending_accepts_end_as_canceled(void **state)
{
    union rig_addr a;
    int listener = rig_listening(AF_INET, &a);
    demi_qtoken_t accept[4];

    (void)state;
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(demi_accept(&accept[i], listener), 0);
    assert_true(rig_pending(accept[0]));
    assert_int_equal(demi_close(listener), 0);
    for (unsigned i = 0; i < 4; i++)
        rig_failed(accept[i], ECANCELED);
}

static void close__completed_tokens_are_freed(void **state)
{
    struct rig_half h = rig_half(AF_INET);
    demi_sgarray_t sga = rig_sga("sent");
    demi_qtoken_t pop = rig_pop(h.qd), push = rig_push(h.qd, &sga), last = rig_pop(h.qd);
    demi_qresult_t qr;

    (void)state;
    assert_int_equal(write(h.fd, "data", 4), 4);
    rig_complete(pop);
    rig_complete(push);
    rig_free(&sga);
    half_close(h);
    assert_int_equal(demi_poll(&qr, pop), EINVAL);
    assert_int_equal(demi_poll(&qr, push), EINVAL);
    rig_failed(last, ECANCELED);
}

static void close__completed_accepts_close_their_connections(void **state)
{
    union rig_addr a;
    int listener = rig_listening(AF_INET, &a), fd[3];
    demi_qtoken_t accept[4];

    (void)state;
    for (unsigned i = 0; i < 3; i++)
        fd[i] = rig_plain_connect(&a);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(demi_accept(&accept[i], listener), 0);
    for (unsigned i = 0; i < 3; i++)
        rig_complete(accept[i]);
    assert_int_equal(demi_close(listener), 0);
    for (unsigned i = 0; i < 20; i++)
        instance_turn(rig_instance());
    for (unsigned i = 0; i < 3; i++) {
        assert_true(plain_ended(fd[i]));
        close(fd[i]);
    }
    rig_failed(accept[3], ECANCELED);
}

/* Data that was pushed before the close arrives, though the close did not wait. */
static void close__what_was_pushed_arrives(void **state)
{
    struct rig_half h = rig_half(AF_INET);
    char got[5];

    (void)state;
    rig_send(h.qd, "last!");
    assert_int_equal(demi_close(h.qd), 0);
    assert_int_equal(recv(h.fd, got, 5, MSG_WAITALL), 5);
    assert_memory_equal(got, "last!", 5);
    assert_true(plain_ended(h.fd));
    close(h.fd);
}

static void close__never_blocks_on_linger(void **state)
{
    struct rig_half h = rig_half(AF_INET);
    demi_sgarray_t big = rig_sga_fill(16 << 20, 1);
    struct linger l = {1, 30};
    demi_qtoken_t push;
    uint64_t from;

    (void)state;
    assert_int_equal(demi_setsockopt(h.qd, SOL_SOCKET, SO_LINGER, &l, sizeof(l)), 0);
    push = rig_push(h.qd, &big);
    assert_true(rig_pending(push));
    from = rig_now_ns();
    assert_int_equal(demi_close(h.qd), 0);
    assert_true(rig_now_ns() - from < 10 * NS_PER_S);
    rig_failed(push, ECANCELED);
    rig_free(&big);
    close(h.fd);
}

/* A time of 0 is an abort: the peer gets a reset. */
static void close__linger_0_resets(void **state)
{
    struct rig_half h = rig_half(AF_INET);
    struct linger l = {1, 0};
    char byte;

    (void)state;
    assert_int_equal(demi_setsockopt(h.qd, SOL_SOCKET, SO_LINGER, &l, sizeof(l)), 0);
    assert_int_equal(demi_close(h.qd), 0);
    for (unsigned i = 0; i < 20; i++)
        instance_turn(rig_instance());
    assert_int_equal(recv(h.fd, &byte, 1, 0), -1);
    assert_int_equal(errno, ECONNRESET);
    close(h.fd);
}

/* What nobody ever waits for costs slots; demi_fini frees it all. */
static void fini__with_everything_outstanding(void **state)
{
    struct rig_half h = rig_half(AF_INET6);
    demi_sgarray_t big = rig_sga_fill(16 << 20, 1);
    union rig_addr a;
    int listener = rig_listening(AF_INET, &a), qd;
    demi_qtoken_t qt;

    (void)state;
    rig_push(h.qd, &big);
    rig_pop(h.qd);
    assert_int_equal(demi_accept(&qt, listener), 0);
    assert_int_equal(demi_queue(&qd), 0);
    rig_push(qd, &big);
    rig_pop(qd);
    rig_pop(qd);
    assert_int_equal(demi_fini(), 0);
    close(h.fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(cancel__pending_pop_loses_nothing),
        TEST(cancel__pop_whose_data_is_there_loses_nothing),
        TEST(cancel__completed_pop_drops_its_data),
        TEST(cancel__pending_accept_leaves_the_connection_in_line),
        TEST(cancel__completed_accept_closes_the_connection),
        TEST(cancel__pending_connect),
        TEST(cancel__pushes_waiting_behind_another),
        TEST(close__pending_tokens_end_as_canceled),
        TEST(close__pending_accepts_end_as_canceled),
        TEST(close__completed_tokens_are_freed),
        TEST(close__completed_accepts_close_their_connections),
        TEST(close__what_was_pushed_arrives),
        TEST(close__never_blocks_on_linger),
        TEST(close__linger_0_resets),
        TEST(fini__with_everything_outstanding),
    };

    return RIG_RUN(tests);
}
