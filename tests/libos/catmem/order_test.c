/* SPDX-License-Identifier: MIT */
/* More than there is room for: order, bounds, cancelling; the ends of a stream. Both ends are in this thread. */
#include "box.h"

/* How a message is pushed. */
enum how {
    KEEP, /* the sender keeps its array: long messages are copied by the receiver */
    GIVE, /* it frees its array at once: long messages go by reference */
};

/* More than the ring and the receiver's bound hold: pushes wait and complete in order, bytes arrive in order. */
static void many_pushes(size_t size, unsigned n, enum how how)
{
    struct rig_pair p = rig_pair(AF_INET);
    demi_qtoken_t *push = calloc(n, sizeof(*push));
    demi_sgarray_t *sga = calloc(n, sizeof(*sga));
    unsigned done = 0;

    assert_true(push != NULL && sga != NULL);
    for (unsigned i = 0; i < n; i++) {
        sga[i] = rig_sga_fill(size, i);
        push[i] = rig_push(p.client, &sga[i]);
        if (how == GIVE)
            rig_free(&sga[i]);
    }
    box_turns(100); /* the receiver takes what it may */
    for (unsigned i = 0; i < n; i++) {
        demi_qresult_t qr = rig_done(rig_pop(p.server), DEMI_OPC_POP);

        assert_int_equal(rig_length(&qr.qr_value.sga), size);
        assert_true(rig_filled(rig_bytes(&qr.qr_value.sga), size, i));
        rig_free(&qr.qr_value.sga);
    }
    for (; done < n; done++) {
        struct timespec limit = rig_ms(RIG_MS);
        demi_qresult_t qr;
        int at;

        assert_int_equal(demi_wait_any(&qr, &at, push + done, (int)(n - done), &limit), 0);
        assert_int_equal(qr.qr_opcode, DEMI_OPC_PUSH);
        assert_int_equal(at, 0);
        if (how == KEEP)
            rig_free(&sga[done]);
    }
    free(push);
    free(sga);
    rig_pair_close(p);
}

static void pushes__full_ring_of_short_messages(void **state)
{
    uint64_t ring = BOX_COUNT(ring_full), rx = BOX_COUNT(rx_full);

    (void)state;
    many_pushes(200, 5000, KEEP);
    assert_true(BOX_COUNT(ring_full) > ring);
    assert_true(BOX_COUNT(rx_full) > rx);
}

static void pushes__many_by_reference(void **state)
{
    uint64_t full = BOX_COUNT(refs_full) + BOX_COUNT(ring_full); /* whichever is smaller */

    (void)state;
    many_pushes(3000, 1000, GIVE);
    assert_true(BOX_COUNT(refs_full) + BOX_COUNT(ring_full) > full);
}

static void pushes__many_long_copied(void **state)
{
    (void)state;
    many_pushes(100000, 300, KEEP);
}

/* Short ones behind a long one that waits: nothing overtakes, in the stream or in completion. */
static void pushes__mixed_complete_in_order(void **state)
{
    enum { N = 64 };
    struct rig_pair p = rig_pair(AF_INET);
    demi_sgarray_t sga[N];
    demi_qtoken_t push[N];

    (void)state;
    for (unsigned i = 0; i < N; i++) {
        sga[i] = rig_sga_fill(i % 3 == 0 ? 5000 : 20, i);
        push[i] = rig_push(p.client, &sga[i]);
    }
    for (unsigned i = 0; i < N; i++) {
        demi_qresult_t qr;
        int at;

        assert_int_equal(demi_wait_any(&qr, &at, push + i, (int)(N - i), NULL), 0);
        assert_int_equal(at, 0);
        rig_free(&sga[i]);
    }
    for (unsigned i = 0; i < N; i++) {
        demi_qresult_t qr = rig_done(rig_pop(p.server), DEMI_OPC_POP);

        assert_true(rig_filled(rig_bytes(&qr.qr_value.sga), i % 3 == 0 ? 5000 : 20, i));
        rig_free(&qr.qr_value.sga);
    }
    rig_pair_close(p);
}

/* A push that is cancelled while it waits for room is not sent; one that is out by reference arrives. */
static void cancel__pushes_that_wait(void **state)
{
    enum { N = 3000 };
    struct rig_pair p = rig_pair(AF_INET);
    demi_qtoken_t push[N];
    unsigned sent = 0, cancelled = 0, got = 0;
    demi_sgarray_t sga = rig_sga_fill(100, 0);

    (void)state;
    for (unsigned i = 0; i < N; i++)
        push[i] = rig_push(p.client, &sga);
    for (unsigned i = 0; i < N; i++) {
        demi_qresult_t qr;

        if (op_lookup(&rig_instance()->ops, push[i])->state == OP_DONE) {
            assert_int_equal(demi_wait(&qr, push[i], NULL), 0);
            sent++;
        } else if (i % 2 == 0) {
            assert_int_equal(demi_cancel(push[i]), 0);
            cancelled++;
        } else {
            sent++;
        }
    }
    assert_true(cancelled > 0);
    while (got < sent) {
        demi_qresult_t qr = rig_done(rig_pop(p.server), DEMI_OPC_POP);

        assert_int_equal(rig_length(&qr.qr_value.sga), 100);
        rig_free(&qr.qr_value.sga);
        got++;
    }
    rig_free(&sga);
    assert_true(rig_pending(rig_pop(p.server)));
    rig_pair_close(p);
    while (rig_instance()->ops.done_count > 0) {
        demi_qresult_t qr;
        int n;

        assert_int_equal(demi_wait_next_n(&qr, 1, &n, NULL), 0);
    }
}

static void shutdown__what_waits_is_sent_first(void **state)
{
    enum { N = 2000 };
    struct rig_pair p = rig_pair(AF_INET);
    demi_sgarray_t sga = rig_sga_fill(500, 6);
    demi_qtoken_t push[N], late;

    (void)state;
    for (unsigned i = 0; i < N; i++)
        push[i] = rig_push(p.client, &sga);
    assert_int_equal(demi_shutdown(p.client, SHUT_WR), 0);
    late = rig_push(p.client, &sga);
    rig_failed(late, EPIPE);
    for (unsigned i = 0; i < N; i++) {
        demi_qresult_t qr = rig_done(rig_pop(p.server), DEMI_OPC_POP);

        assert_int_equal(rig_length(&qr.qr_value.sga), 500);
        rig_free(&qr.qr_value.sga);
        rig_done(push[i], DEMI_OPC_PUSH);
    }
    rig_expect_end(p.server);
    rig_expect_end(p.server);
    rig_send(p.server, "the other way is open");
    rig_expect(p.client, "the other way is open");
    rig_free(&sga);
    rig_pair_close(p);
}

static void shutdown__of_reading_gives_everything_back(void **state)
{
    struct rig_pair p = rig_pair(AF_INET);
    demi_sgarray_t sga = rig_sga_fill(5000, 6);
    demi_qtoken_t push[8], pop = rig_pop(p.server);

    (void)state;
    for (unsigned i = 0; i < 4; i++)
        push[i] = rig_push(p.client, &sga);
    rig_free(&sga);
    sga = (rig_done(pop, DEMI_OPC_POP)).qr_value.sga;
    rig_free(&sga);
    box_turns(4);
    pop = rig_pop(p.client);
    assert_int_equal(demi_shutdown(p.server, SHUT_RD), 0);
    rig_expect_end(p.server);
    sga = rig_sga_fill(5000, 7);
    for (unsigned i = 4; i < 8; i++)
        push[i] = rig_push(p.client, &sga);
    for (unsigned i = 0; i < 8; i++)
        rig_done(push[i], DEMI_OPC_PUSH);
    rig_free(&sga);
    assert_int_equal(box_conn(p.client)->out_count, 0);
    rig_expect_end(p.server);
    assert_int_equal(demi_cancel(pop), 0);
    rig_pair_close(p);
}

static void close__delivers_what_was_published(void **state)
{
    struct rig_pair p = rig_pair(AF_INET);
    demi_sgarray_t sga = rig_sga_fill(9000, 5);
    demi_qtoken_t push = rig_push(p.client, &sga);

    (void)state;
    rig_free(&sga);
    rig_done(push, DEMI_OPC_PUSH);
    rig_send(p.client, "last words");
    assert_int_equal(demi_close(p.client), 0);
    sga = rig_done(rig_pop(p.server), DEMI_OPC_POP).qr_value.sga;
    assert_true(rig_filled(rig_bytes(&sga), 9000, 5));
    rig_expect(p.server, "last words");
    rig_expect_end(p.server);
    rig_expect_end(p.server);
    assert_true(rig_filled(rig_bytes(&sga), 9000, 5)); /* held although its sender is closed */
    assert_int_equal(demi_close(p.server), 0);
    box_turns(10);
    assert_true(rig_filled(rig_bytes(&sga), 9000, 5)); /* and its receiver */
    rig_free(&sga);
    assert_true(box_empty());
}

static void close__pushes_to_a_closed_peer_fail(void **state)
{
    struct rig_pair p = rig_pair(AF_INET);
    demi_sgarray_t sga = rig_sga("too late");

    (void)state;
    assert_int_equal(demi_close(p.server), 0);
    rig_expect_end(p.client);
    rig_failed(rig_push(p.client, &sga), ECONNRESET);
    rig_free(&sga);
    assert_int_equal(demi_close(p.client), 0);
}

static void close__reset_with_linger_0(void **state)
{
    struct rig_pair p = rig_pair(AF_INET);
    struct linger l = {1, 0};
    demi_qtoken_t pop = rig_pop(p.server);
    uint64_t resets = BOX_COUNT(resets), deaths = BOX_COUNT(peer_deaths);

    (void)state;
    assert_int_equal(demi_setsockopt(p.client, SOL_SOCKET, SO_LINGER, &l, sizeof(l)), 0);
    assert_int_equal(demi_close(p.client), 0);
    rig_failed(pop, ECONNRESET);
    rig_failed(rig_pop(p.server), ECONNRESET);
    assert_int_equal(BOX_COUNT(resets), resets + 1);
    assert_int_equal(BOX_COUNT(peer_deaths), deaths);
    assert_int_equal(demi_close(p.server), 0);
    assert_true(box_empty());
    assert_int_equal(BOX_COUNT(peer_deaths), deaths);
}

/* Nobody pops: the receiver takes so much and no more; what is refused is refused to the sender, not lost. */
static void bound__of_bytes_taken(void **state)
{
    struct rig_pair p = rig_pair(AF_INET);
    demi_sgarray_t sga = rig_sga_fill(10000, 1);
    int limit = 50000;
    demi_qtoken_t push[20];
    unsigned done = 0;

    (void)state;
    assert_int_equal(demi_setsockopt(p.server, SOL_SOCKET, SO_RCVBUF, &limit, sizeof(limit)), 0);
    for (unsigned i = 0; i < 20; i++)
        push[i] = rig_push(p.client, &sga);
    box_turns(100);
    for (unsigned i = 0; i < 20; i++)
        done += op_lookup(&rig_instance()->ops, push[i])->state == OP_DONE;
    assert_int_equal(done, 5);
    for (unsigned i = 0; i < 20; i++) {
        demi_qresult_t qr = rig_done(rig_pop(p.server), DEMI_OPC_POP);

        assert_true(rig_filled(rig_bytes(&qr.qr_value.sga), 10000, 1));
        rig_free(&qr.qr_value.sga);
    }
    for (unsigned i = 0; i < 20; i++)
        rig_done(push[i], DEMI_OPC_PUSH);
    rig_free(&sga);
    rig_pair_close(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(pushes__full_ring_of_short_messages),
        TEST(pushes__many_by_reference),
        TEST(pushes__many_long_copied),
        TEST(pushes__mixed_complete_in_order),
        TEST(cancel__pushes_that_wait),
        TEST(shutdown__what_waits_is_sent_first),
        TEST(shutdown__of_reading_gives_everything_back),
        TEST(close__delivers_what_was_published),
        TEST(close__pushes_to_a_closed_peer_fail),
        TEST(close__reset_with_linger_0),
        TEST(bound__of_bytes_taken),
    };

    return RIG_RUN(tests);
}
