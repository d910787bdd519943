/* SPDX-License-Identifier: MIT */
/* Who owns pushed memory, and how long it lives. */
#include "api/rig.h"

#include <unistd.h>

#define BIG (16U << 20) /* more than a connection takes while nobody reads */

/* size bytes filled with seed arrive at qd. */
static void arrives(int qd, size_t size, unsigned seed)
{
    demi_sgarray_t whole = rig_sga_fill(size, seed);

    rig_arrives(qd, rig_bytes(&whole), size);
    rig_free(&whole);
}

static void push__same_array_twice(void **state)
{
    static const size_t sizes[] = {3, 100, 5000, 400000};
    struct rig_pair p = rig_pair(AF_INET);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        demi_sgarray_t sga = rig_sga_fill(sizes[i], 1);
        demi_qtoken_t a = rig_push(p.client, &sga), b = rig_push(p.client, &sga);

        arrives(p.server, sizes[i], 1);
        arrives(p.server, sizes[i], 1);
        rig_done(a, DEMI_OPC_PUSH);
        rig_done(b, DEMI_OPC_PUSH);
        rig_free(&sga);
    }
    rig_pair_close(p);
}

static void push__same_array_to_several_queues(void **state)
{
    enum { N = 4 };
    struct rig_pair p[N];
    demi_sgarray_t sga = rig_sga_fill(70000, 7);
    demi_qtoken_t push[N + 1];
    demi_qresult_t qr;
    int memory;

    (void)state;
    assert_int_equal(demi_queue(&memory), 0);
    for (unsigned i = 0; i < N; i++) {
        p[i] = rig_pair(i % 2 == 0 ? AF_INET : AF_INET6);
        push[i] = rig_push(p[i].client, &sga);
    }
    push[N] = rig_push(memory, &sga);
    rig_free(&sga);
    for (unsigned i = 0; i < N; i++) {
        arrives(p[i].server, 70000, 7);
        rig_done(push[i], DEMI_OPC_PUSH);
        rig_pair_close(p[i]);
    }
    rig_done(push[N], DEMI_OPC_PUSH);
    qr = rig_done(rig_pop(memory), DEMI_OPC_POP);
    assert_int_equal(rig_length(&qr.qr_value.sga), 70000);
    assert_true(rig_filled(rig_bytes(&qr.qr_value.sga), 70000, 7));
    rig_free(&qr.qr_value.sga);
    assert_int_equal(demi_close(memory), 0);
}

/* The array is given up at once; whoever allocates meanwhile gets other memory. */
static void push__freed_at_once(void **state)
{
    enum { N = 64, SIZE = 300000 };
    struct rig_pair p = rig_pair(AF_INET);
    demi_qtoken_t push[N];

    (void)state;
    for (unsigned i = 0; i < N; i++) {
        demi_sgarray_t sga = rig_sga_fill(SIZE, i), other;

        push[i] = rig_push(p.client, &sga);
        rig_free(&sga);
        assert_int_equal(demi_sgafree(&sga), EINVAL);
        other = rig_sga_fill(SIZE, 255);
        rig_free(&other);
    }
    if (rig_libos("catnap")) /* others take more */
        assert_true(rig_pending(push[N - 1]));
    for (unsigned i = 0; i < N; i++)
        arrives(p.server, SIZE, i);
    for (unsigned i = 0; i < N; i++)
        rig_done(push[i], DEMI_OPC_PUSH);
    rig_pair_close(p);
}

static void push__freed_memory_returns_with_the_last_push(void **state)
{
    struct rig_pair p = rig_pair(AF_INET);
    demi_sgarray_t sga = rig_sga_fill(BIG, 1);
    struct rig_pools before, after;
    demi_qtoken_t push[2] = {rig_push(p.client, &sga), rig_push(p.client, &sga)};

    (void)state;
    rig_need_kernel("this libOS takes by reference what nobody reads");
    assert_true(rig_pending(push[0]));
    rig_measure(&before);
    rig_free(&sga);
    rig_measure(&after);
    assert_true(after.bytes + BIG > before.bytes); /* still needed */
    arrives(p.server, BIG, 1);
    rig_done(push[0], DEMI_OPC_PUSH);
    arrives(p.server, BIG, 1);
    rig_done(push[1], DEMI_OPC_PUSH);
    rig_pair_close(p);
    rig_measure(&after);
    assert_true(after.bytes + BIG <= before.bytes);
}

static void push__freed_and_closed_returns_its_memory(void **state)
{
    struct rig_half h = rig_half(AF_INET);
    demi_sgarray_t sga = rig_sga_fill(BIG, 1);
    demi_qtoken_t push = rig_push(h.qd, &sga);

    (void)state;
    rig_free(&sga);
    assert_true(rig_pending(push));
    assert_int_equal(demi_close(h.qd), 0);
    rig_failed(push, ECANCELED); /* teardown sees that nothing is left */
    close(h.fd);
}

static void push__segment_trimmed_inside_its_buffer(void **state)
{
    static const struct {
        uint32_t size, from, len;
    } trim[] = {{100, 0, 1}, {100, 99, 1}, {100, 13, 50}, {5000, 1, 4999}, {5000, 4000, 999}, {900000, 123456, 700001}};
    struct rig_pair p = rig_pair(AF_INET);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(trim); i++) {
        demi_sgarray_t sga = rig_sga_fill(trim[i].size, 1), part = sga;
        demi_qtoken_t push;

        part.sga_segs[0].sgaseg_buf = rig_bytes(&sga) + trim[i].from;
        part.sga_segs[0].sgaseg_len = trim[i].len;
        push = rig_push(p.client, &part);
        rig_arrives(p.server, rig_bytes(&part), trim[i].len);
        rig_done(push, DEMI_OPC_PUSH);
        rig_free(&part); /* the array is what sga_buf says */
    }
    rig_pair_close(p);
}

/* What was popped is pushed as it is: an echo without a copy. */
static void push__what_was_popped(void **state)
{
    struct rig_pair p = rig_pair(AF_INET);

    (void)state;
    for (unsigned i = 0; i < 20; i++) {
        demi_sgarray_t sga = rig_sga_fill(1 + i * 3000, i);
        demi_qtoken_t push = rig_push(p.client, &sga);
        size_t got = 0;

        rig_free(&sga);
        while (got < 1 + i * 3000) {
            demi_qresult_t qr = rig_done(rig_pop(p.server), DEMI_OPC_POP);

            got += rig_length(&qr.qr_value.sga);
            rig_done(rig_push(p.server, &qr.qr_value.sga), DEMI_OPC_PUSH);
            rig_free(&qr.qr_value.sga);
        }
        rig_done(push, DEMI_OPC_PUSH);
        arrives(p.client, 1 + i * 3000, i);
    }
    rig_pair_close(p);
}

static void pop__the_application_owns_what_it_got(void **state)
{
    struct rig_pair p = rig_pair(AF_INET);
    demi_qresult_t qr;

    (void)state;
    rig_send(p.client, "mine");
    qr = rig_done(rig_pop(p.server), DEMI_OPC_POP);
    rig_pair_close(p); /* the data outlives the queue */
    assert_memory_equal(rig_bytes(&qr.qr_value.sga), "mine", 4);
    memset(rig_bytes(&qr.qr_value.sga), 'x', 4);
    rig_free(&qr.qr_value.sga);
    assert_int_equal(demi_sgafree(&qr.qr_value.sga), EINVAL);
}

static void pop__a_few_bytes_hold_little_memory(void **state)
{
    struct rig_pair p = rig_pair(AF_INET);
    demi_sgarray_t big = rig_sga_fill(2 << 20, 1);
    demi_qtoken_t push = rig_push(p.client, &big);
    struct rig_pools before, after;
    demi_qresult_t qr;

    (void)state;
    arrives(p.server, 2 << 20, 1); /* receives offer a lot of room now */
    rig_done(push, DEMI_OPC_PUSH);
    rig_free(&big);
    rig_measure(&before);
    rig_send(p.client, "tiny");
    qr = rig_done(rig_pop(p.server), DEMI_OPC_POP);
    rig_measure(&after);
    assert_true(after.bytes - before.bytes <= 4096);
    rig_free(&qr.qr_value.sga);
    rig_pair_close(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(push__same_array_twice),
        TEST(push__same_array_to_several_queues),
        TEST(push__freed_at_once),
        TEST(push__freed_memory_returns_with_the_last_push),
        TEST(push__freed_and_closed_returns_its_memory),
        TEST(push__segment_trimmed_inside_its_buffer),
        TEST(push__what_was_popped),
        TEST(pop__the_application_owns_what_it_got),
        TEST(pop__a_few_bytes_hold_little_memory),
    };

    return RIG_RUN(tests);
}
