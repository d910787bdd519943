/* SPDX-License-Identifier: MIT */
/* Streams: data in order, the end, the reset, both halves. */
#include "api/rig.h"

#include <unistd.h>

static void half_close(struct rig_half h)
{
    assert_int_equal(demi_close(h.qd), 0);
    close(h.fd);
}

/* size bytes filled with seed arrive at qd. */
static void arrives(int qd, size_t size, unsigned seed)
{
    demi_sgarray_t whole = rig_sga_fill(size, seed);

    rig_arrives(qd, rig_bytes(&whole), size);
    rig_free(&whole);
}

static void both_ways(int domain)
{
    struct rig_pair p = rig_pair(domain);

    rig_send(p.client, "question");
    rig_expect(p.server, "question");
    rig_send(p.server, "answer");
    rig_expect(p.client, "answer");
    rig_pair_close(p);
}

static void stream__both_ways_over_ipv4(void **state)
{
    (void)state;
    both_ways(AF_INET);
}

static void stream__both_ways_over_ipv6(void **state)
{
    (void)state;
    both_ways(AF_INET6);
}

static void stream__every_size_around_the_thresholds(void **state)
{
    static const size_t sizes[] = {1, 2, 63, 64, 65, 1023, 1024, 1025, 2047, 2048, 2049, 4096, 65535, 65536, 300000};
    struct rig_pair p = rig_pair(AF_INET);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        demi_sgarray_t sga = rig_sga_fill(sizes[i], (unsigned)i);
        demi_qtoken_t push = rig_push(p.client, &sga);

        arrives(p.server, sizes[i], (unsigned)i);
        rig_done(push, DEMI_OPC_PUSH);
        rig_free(&sga);
    }
    rig_pair_close(p);
}

static void stream__push_larger_than_every_buffer(void **state)
{
    struct rig_pair p = rig_pair(AF_INET);
    size_t size = 30000001;
    demi_sgarray_t sga = rig_sga_fill(size, 5);
    demi_qtoken_t push = rig_push(p.client, &sga);

    (void)state;
    arrives(p.server, size, 5);
    rig_done(push, DEMI_OPC_PUSH);
    rig_free(&sga);
    rig_pair_close(p);
}

static void stream__large_pushes_both_ways_at_once(void **state)
{
    struct rig_pair p = rig_pair(AF_INET);
    demi_sgarray_t a = rig_sga_fill(9000001, 1), b = rig_sga_fill(9000001, 2);
    demi_qtoken_t push[2] = {rig_push(p.client, &a), rig_push(p.server, &b)};

    (void)state;
    arrives(p.server, 9000001, 1);
    arrives(p.client, 9000001, 2);
    rig_done(push[0], DEMI_OPC_PUSH);
    rig_done(push[1], DEMI_OPC_PUSH);
    rig_free(&a);
    rig_free(&b);
    rig_pair_close(p);
}

static void pops__outstanding_complete_in_order(void **state)
{
    struct rig_pair p = rig_pair(AF_INET);
    demi_qtoken_t pop[8];

    (void)state;
    for (unsigned i = 0; i < 8; i++)
        pop[i] = rig_pop(p.server);
    for (unsigned i = 0; i < 8; i++) {
        demi_qresult_t qr;
        char text[2] = {(char)('0' + i), 0};

        rig_send(p.client, text);
        qr = rig_done(pop[i], DEMI_OPC_POP);
        assert_int_equal(rig_length(&qr.qr_value.sga), 1);
        assert_int_equal(*rig_bytes(&qr.qr_value.sga), text[0]);
        rig_free(&qr.qr_value.sga);
        if (i + 1 < 8)
            assert_true(rig_pending(pop[i + 1]));
    }
    rig_pair_close(p);
}

/* Many pushes more than the kernel takes at once: they complete in order and their bytes arrive in order. */
static void pushes__outstanding_complete_in_order(void **state)
{
    enum { N = 40, SIZE = 250000 };
    struct rig_pair p = rig_pair(AF_INET);
    demi_qtoken_t tokens[N + 1];
    demi_sgarray_t sga[N];
    unsigned pushed = 0;
    size_t got = 0;

    (void)state;
    for (unsigned i = 0; i < N; i++) {
        sga[i] = rig_sga_fill(SIZE, i);
        tokens[i] = rig_push(p.client, &sga[i]);
    }
    while (pushed < N || got < (size_t)N * SIZE) {
        struct timespec limit = rig_ms(RIG_MS);
        demi_qresult_t qr;
        int at;

        tokens[N] = rig_pop(p.server);
        do {
            assert_int_equal(demi_wait_any(&qr, &at, tokens + pushed, (int)(N + 1 - pushed), &limit), 0);
            if (qr.qr_opcode == DEMI_OPC_PUSH) {
                assert_int_equal(at, 0); /* the oldest */
                rig_free(&sga[pushed++]);
            }
        } while (qr.qr_opcode == DEMI_OPC_PUSH && (pushed < N || got < (size_t)N * SIZE));
        if (qr.qr_opcode != DEMI_OPC_POP) {
            assert_int_equal(demi_cancel(tokens[N]), 0);
            break;
        }
        for (uint32_t i = 0; i < rig_length(&qr.qr_value.sga); i += 997) {
            size_t place = (got + i) % SIZE;
            unsigned char want = (unsigned char)(place % 251 + place / 251 * 7 + (got + i) / SIZE);

            assert_int_equal((unsigned char)rig_bytes(&qr.qr_value.sga)[i], want);
        }
        got += rig_length(&qr.qr_value.sga);
        rig_free(&qr.qr_value.sga);
    }
    assert_int_equal(got, (size_t)N * SIZE);
    rig_pair_close(p);
}

static void pop_n__takes_at_most_so_much_and_leaves_the_rest(void **state)
{
    static const size_t max[] = {1, 3, 1000, 1, 5000, 2000, 100000};
    struct rig_pair p = rig_pair(AF_INET);
    demi_sgarray_t sga = rig_sga_fill(8000, 9);
    size_t got = 0;

    (void)state;
    rig_done(rig_push(p.client, &sga), DEMI_OPC_PUSH);
    usleep(20000); /* all of it is at the other end now */
    for (size_t i = 0; i < ARRAY_LEN(max) && got < 8000; i++) {
        demi_qtoken_t qt;
        demi_qresult_t qr;
        uint32_t n;

        assert_int_equal(demi_pop_n(&qt, p.server, max[i]), 0);
        qr = rig_done(qt, DEMI_OPC_POP);
        n = rig_length(&qr.qr_value.sga);
        assert_true(n > 0 && n <= max[i]);
        assert_memory_equal(rig_bytes(&qr.qr_value.sga), rig_bytes(&sga) + got, n);
        got += n;
        rig_free(&qr.qr_value.sga);
    }
    assert_true(got > 1005);
    while (got < 8000) {
        demi_qresult_t qr = rig_done(rig_pop(p.server), DEMI_OPC_POP);

        assert_memory_equal(rig_bytes(&qr.qr_value.sga), rig_bytes(&sga) + got, rig_length(&qr.qr_value.sga));
        got += rig_length(&qr.qr_value.sga);
        rig_free(&qr.qr_value.sga);
    }
    rig_free(&sga);
    rig_pair_close(p);
}

static void pop_n__pending_respects_its_most(void **state)
{
    struct rig_pair p = rig_pair(AF_INET);
    demi_qtoken_t first, second;
    demi_qresult_t qr;

    (void)state;
    assert_int_equal(demi_pop_n(&first, p.server, 3), 0);
    second = rig_pop(p.server);
    assert_true(rig_pending(first));
    rig_send(p.client, "abcdef");
    qr = rig_done(first, DEMI_OPC_POP);
    assert_int_equal(rig_length(&qr.qr_value.sga), 3);
    assert_memory_equal(rig_bytes(&qr.qr_value.sga), "abc", 3);
    rig_free(&qr.qr_value.sga);
    qr = rig_done(second, DEMI_OPC_POP);
    assert_int_equal(rig_length(&qr.qr_value.sga), 3);
    assert_memory_equal(rig_bytes(&qr.qr_value.sga), "def", 3);
    rig_free(&qr.qr_value.sga);
    rig_pair_close(p);
}

static void end__repeats(void **state)
{
    struct rig_half h = rig_half(AF_INET);
    demi_qtoken_t pending[3];

    (void)state;
    for (unsigned i = 0; i < 3; i++)
        pending[i] = rig_pop(h.qd);
    assert_true(rig_pending(pending[0]));
    close(h.fd);
    for (unsigned i = 0; i < 3; i++) {
        demi_qresult_t qr = rig_done(pending[i], DEMI_OPC_POP);

        assert_int_equal(rig_length(&qr.qr_value.sga), 0);
        assert_int_equal(qr.qr_value.sga.sga_numsegs, 1);
        rig_free(&qr.qr_value.sga);
    }
    for (unsigned i = 0; i < 5; i++)
        rig_expect_end(h.qd);
    assert_int_equal(demi_close(h.qd), 0);
}

static void end__is_behind_the_data(void **state)
{
    struct rig_half h = rig_half(AF_INET);

    (void)state;
    assert_int_equal(write(h.fd, "last words", 10), 10);
    close(h.fd);
    rig_expect(h.qd, "last words");
    rig_expect_end(h.qd);
    rig_expect_end(h.qd);
    assert_int_equal(demi_close(h.qd), 0);
}

static void end__of_one_direction_leaves_the_other(void **state)
{
    struct rig_half h = rig_half(AF_INET);
    char got[6];

    (void)state;
    assert_int_equal(shutdown(h.fd, SHUT_WR), 0);
    rig_expect_end(h.qd);
    rig_send(h.qd, "still!");
    assert_int_equal(recv(h.fd, got, 6, MSG_WAITALL), 6);
    assert_memory_equal(got, "still!", 6);
    rig_expect_end(h.qd);
    half_close(h);
}

static void reset__fails_what_is_pending(void **state)
{
    struct rig_half h = rig_half(AF_INET);
    demi_sgarray_t big = rig_sga_fill(16 << 20, 1);
    demi_qtoken_t pop[2] = {rig_pop(h.qd), rig_pop(h.qd)}, push[2] = {rig_push(h.qd, &big), rig_push(h.qd, &big)};

    (void)state;
    rig_free(&big);
    assert_true(rig_pending(push[0]) && rig_pending(pop[0]));
    rig_plain_reset(h.fd);
    for (unsigned i = 0; i < 2; i++) {
        rig_failed(pop[i], ECONNRESET);
        rig_failed(push[i], ECONNRESET);
    }
    assert_int_equal(demi_close(h.qd), 0);
}

static void reset__fails_what_comes_later(void **state)
{
    struct rig_half h = rig_half(AF_INET);
    demi_sgarray_t sga = rig_sga("x");

    (void)state;
    rig_plain_reset(h.fd);
    rig_await_reset(h.qd);
    for (unsigned i = 0; i < 3; i++) {
        rig_failed(rig_pop(h.qd), ECONNRESET);
        rig_failed(rig_push(h.qd, &sga), ECONNRESET);
    }
    rig_free(&sga);
    assert_int_equal(demi_close(h.qd), 0);
}

/* The push finds it out, the pop behind it fails too. */
static void reset__found_by_a_push(void **state)
{
    struct rig_half h = rig_half(AF_INET);
    demi_sgarray_t sga = rig_sga("x");

    (void)state;
    rig_plain_reset(h.fd);
    rig_await_reset(h.qd);
    rig_failed(rig_push(h.qd, &sga), ECONNRESET);
    rig_failed(rig_push(h.qd, &sga), ECONNRESET);
    rig_failed(rig_pop(h.qd), ECONNRESET);
    rig_free(&sga);
    assert_int_equal(demi_close(h.qd), 0);
}

/* A peer that closed answers data with a reset: in the end pushes fail, and never kill the process with SIGPIPE. */
static void reset__pushes_to_a_closed_peer(void **state)
{
    struct rig_half h = rig_half(AF_INET);
    demi_sgarray_t sga = rig_sga("x");
    demi_qresult_t qr = {.qr_opcode = DEMI_OPC_PUSH};

    (void)state;
    close(h.fd);
    for (unsigned i = 0; i < 100 && qr.qr_opcode == DEMI_OPC_PUSH; i++) {
        qr = rig_wait(rig_push(h.qd, &sga));
        usleep(1000);
    }
    assert_int_equal(qr.qr_opcode, DEMI_OPC_FAILED);
    assert_int_equal(qr.qr_ret, ECONNRESET);
    rig_free(&sga);
    assert_int_equal(demi_close(h.qd), 0);
}

static void reset__is_counted(void **state)
{
    struct rig_half h = rig_half(AF_INET);

    (void)state;
    rig_plain_reset(h.fd);
    rig_await_reset(h.qd);
    rig_failed(rig_pop(h.qd), ECONNRESET);
    rig_failed(rig_pop(h.qd), ECONNRESET);
    assert_int_equal(rig_instance()->stat->value[CTR_resets], 1);
    assert_int_equal(demi_close(h.qd), 0);
}

static void stream__results_name_queue_and_token(void **state)
{
    struct rig_pair p = rig_pair(AF_INET);
    demi_sgarray_t sga = rig_sga("x");
    demi_qtoken_t push = rig_push(p.client, &sga), pop = rig_pop(p.server);
    demi_qresult_t qr = rig_done(push, DEMI_OPC_PUSH);

    (void)state;
    assert_int_equal(qr.qr_qd, p.client);
    qr = rig_done(pop, DEMI_OPC_POP);
    assert_int_equal(qr.qr_qd, p.server);
    assert_int_equal(qr.qr_value.sga.sga_numsegs, 1);
    rig_free(&qr.qr_value.sga);
    rig_free(&sga);
    rig_pair_close(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(stream__both_ways_over_ipv4),
        TEST(stream__both_ways_over_ipv6),
        TEST(stream__every_size_around_the_thresholds),
        TEST(stream__push_larger_than_every_buffer),
        TEST(stream__large_pushes_both_ways_at_once),
        TEST(pops__outstanding_complete_in_order),
        TEST(pushes__outstanding_complete_in_order),
        TEST(pop_n__takes_at_most_so_much_and_leaves_the_rest),
        TEST(pop_n__pending_respects_its_most),
        TEST(end__repeats),
        TEST(end__is_behind_the_data),
        TEST(end__of_one_direction_leaves_the_other),
        TEST(reset__fails_what_is_pending),
        TEST(reset__fails_what_comes_later),
        TEST(reset__found_by_a_push),
        TEST(reset__pushes_to_a_closed_peer),
        TEST(reset__is_counted),
        TEST(stream__results_name_queue_and_token),
    };

    return RIG_RUN(tests);
}
