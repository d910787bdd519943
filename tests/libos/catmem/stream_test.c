/* SPDX-License-Identifier: MIT */
/* Data over a connection that has both its ends in this thread: every way a message can take. */
#include "box.h"

#include <sys/uio.h>

/* How a message is pushed. */
enum how {
    KEEP, /* the sender keeps its array: long messages are copied by the receiver */
    GIVE, /* it frees its array at once: long messages go by reference */
};

static void push_and_pop(struct rig_pair p, size_t size, unsigned seed, enum how how)
{
    demi_sgarray_t sga = rig_sga_fill(size, seed);
    demi_qtoken_t push = rig_push(p.client, &sga);
    demi_qresult_t qr;

    if (how == GIVE)
        rig_free(&sga);
    qr = rig_done(rig_pop(p.server), DEMI_OPC_POP);
    rig_done(push, DEMI_OPC_PUSH);
    assert_int_equal(rig_length(&qr.qr_value.sga), size); /* one push, one pop */
    assert_true(rig_filled(rig_bytes(&qr.qr_value.sga), size, seed));
    rig_free(&qr.qr_value.sga);
    if (how == KEEP)
        rig_free(&sga);
}

static void message__every_size_both_ways(void **state)
{
    static const size_t sizes[] = {1,     2,     7,     8,     9,      15,     16,      31,     32,
                                   55,    56,    57,    63,    64,     65,     111,     112,    113,
                                   168,   169,   1023,  1024,  1025,   4096,   9999,    14335,  14336,
                                   14337, 65535, 65536, 65537, 524288, 524289, 1048575, 1048576};
    struct rig_pair p = rig_pair(AF_INET);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        push_and_pop(p, sizes[i], (unsigned)i, KEEP);
        push_and_pop(p, sizes[i], (unsigned)i + 1, GIVE);
    }
    rig_pair_close(p);
    assert_true(box_empty());
}

/* Lengths that are no divisor of the ring's, many times around it. */
static void ring__wraps_anywhere(void **state)
{
    struct rig_pair p = rig_pair(AF_INET6);

    (void)state;
    for (unsigned i = 0; i < 20000; i++)
        push_and_pop(p, 1 + i * 37 % 1000, i, KEEP);
    assert_true(box_conn(p.client)->tx_pos > 50 * (box_conn(p.client)->mask + 1));
    rig_pair_close(p);
}

static void message__given_up_is_not_copied(void **state)
{
    struct rig_pair p = rig_pair(AF_INET);
    demi_sgarray_t sga = rig_sga_fill(100000, 1);
    demi_qtoken_t push = rig_push(p.client, &sga);
    char *bytes = rig_bytes(&sga);
    demi_qresult_t qr;

    (void)state;
    rig_free(&sga);
    qr = rig_done(rig_pop(p.server), DEMI_OPC_POP);
    rig_done(push, DEMI_OPC_PUSH);
    assert_int_equal(box_conn(p.server)->in_count, 1);
    /* the same bytes, in another mapping: what the one end writes the other would see */
    assert_ptr_not_equal(rig_bytes(&qr.qr_value.sga), bytes);
    rig_bytes(&qr.qr_value.sga)[7]++;
    assert_int_equal(rig_bytes(&qr.qr_value.sga)[7], bytes[7]);
    rig_free(&qr.qr_value.sga);
    assert_int_equal(box_conn(p.server)->in_count, 0);
    box_turns(2);
    assert_int_equal(box_conn(p.client)->out_count, 0);
    rig_pair_close(p);
}

static void message__kept_is_copied(void **state)
{
    struct rig_pair p = rig_pair(AF_INET);
    demi_sgarray_t sga = rig_sga_fill(100000, 1);
    demi_qtoken_t push = rig_push(p.client, &sga);
    demi_qresult_t qr;

    (void)state;
    rig_done(push, DEMI_OPC_PUSH); /* before anybody pops */
    memset(rig_bytes(&sga), 0, 100000);
    qr = rig_done(rig_pop(p.server), DEMI_OPC_POP);
    assert_true(rig_filled(rig_bytes(&qr.qr_value.sga), 100000, 1));
    assert_int_equal(box_conn(p.server)->in_count, 0);
    assert_int_equal(box_conn(p.client)->out_count, 0);
    rig_free(&qr.qr_value.sga);
    rig_free(&sga);
    rig_pair_close(p);
}

/* One array pushed twice and given up: neither receiver may see what the other writes. */
static void message__pushed_twice_is_copied(void **state)
{
    struct rig_pair p[2] = {rig_pair(AF_INET), rig_pair(AF_INET)};
    demi_sgarray_t sga = rig_sga_fill(5000, 3);
    demi_qtoken_t push[2] = {rig_push(p[0].client, &sga), rig_push(p[1].client, &sga)};
    demi_qresult_t qr[2];

    (void)state;
    rig_free(&sga);
    for (unsigned i = 0; i < 2; i++) {
        rig_done(push[i], DEMI_OPC_PUSH);
        qr[i] = rig_done(rig_pop(p[i].server), DEMI_OPC_POP);
        assert_true(rig_filled(rig_bytes(&qr[i].qr_value.sga), 5000, 3));
        memset(rig_bytes(&qr[i].qr_value.sga), 0, 5000);
    }
    rig_free(&qr[0].qr_value.sga);
    rig_free(&qr[1].qr_value.sga);
    rig_pair_close(p[0]);
    rig_pair_close(p[1]);
}

/* An echo of long messages: each end sends back what it got, without a copy, again and again. */
static void message__comes_home(void **state)
{
    struct rig_pair p = rig_pair(AF_INET);
    demi_sgarray_t sga = rig_sga_fill(70000, 9);
    void *first = sga.sga_buf;
    int from = p.client, to = p.server;

    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        demi_qtoken_t push = rig_push(from, &sga), pop = rig_pop(to);
        demi_qresult_t qr;
        int swap = from;

        rig_free(&sga);
        qr = rig_done(pop, DEMI_OPC_POP);
        rig_done(push, DEMI_OPC_PUSH);
        sga = qr.qr_value.sga;
        assert_int_equal(rig_length(&sga), 70000);
        assert_true(rig_filled(rig_bytes(&sga), 70000, 9));
        from = to;
        to = swap;
        if (from == p.client)
            assert_ptr_equal(sga.sga_buf, first);
        box_turns(1);
    }
    rig_free(&sga);
    rig_pair_close(p);
}

/* What came from one peer and goes to another is no longer in the first one's memory. */
static void message__passed_on(void **state)
{
    struct rig_pair a = rig_pair(AF_INET), b = rig_pair(AF_INET);
    demi_sgarray_t sga = rig_sga_fill(30000, 4);
    demi_qtoken_t push = rig_push(a.client, &sga);
    demi_qresult_t qr;

    (void)state;
    rig_free(&sga);
    qr = rig_done(rig_pop(a.server), DEMI_OPC_POP);
    rig_done(push, DEMI_OPC_PUSH);
    push = rig_push(b.client, &qr.qr_value.sga);
    rig_free(&qr.qr_value.sga);
    assert_int_equal(box_conn(a.server)->in_count, 0);
    qr = rig_done(rig_pop(b.server), DEMI_OPC_POP);
    rig_done(push, DEMI_OPC_PUSH);
    assert_true(rig_filled(rig_bytes(&qr.qr_value.sga), 30000, 4));
    rig_free(&qr.qr_value.sga);
    rig_pair_close(a);
    rig_pair_close(b);
}

/* A part of what was popped by reference is pushed: it goes over as it is, copied. */
static void message__part_of_a_reference(void **state)
{
    struct rig_pair p = rig_pair(AF_INET);
    demi_sgarray_t sga = rig_sga_fill(20000, 2);
    demi_qtoken_t push = rig_push(p.client, &sga);
    demi_qresult_t got, back;

    (void)state;
    rig_free(&sga);
    got = rig_done(rig_pop(p.server), DEMI_OPC_POP);
    rig_done(push, DEMI_OPC_PUSH);
    sga = got.qr_value.sga;
    sga.sga_segs[0].sgaseg_buf = rig_bytes(&sga) + 2510; /* ten periods on */
    sga.sga_segs[0].sgaseg_len = 3000;
    push = rig_push(p.server, &sga);
    back = rig_done(rig_pop(p.client), DEMI_OPC_POP);
    rig_done(push, DEMI_OPC_PUSH);
    assert_int_equal(rig_length(&back.qr_value.sga), 3000);
    assert_memory_equal(rig_bytes(&back.qr_value.sga), rig_bytes(&sga), 3000);
    rig_free(&back.qr_value.sga);
    rig_free(&got.qr_value.sga);
    rig_pair_close(p);
}

static void pop_n__takes_parts(void **state)
{
    static const size_t sizes[] = {10, 900, 5000};
    struct rig_pair p = rig_pair(AF_INET);

    (void)state;
    for (size_t i = 0; i < 2 * ARRAY_LEN(sizes); i++) {
        size_t size = sizes[i / 2], got = 0;
        demi_sgarray_t sga = rig_sga_fill(size, 8);
        demi_qtoken_t qt, push = rig_push(p.client, &sga);
        char *all = malloc(size);

        if (i % 2 == 0)
            rig_free(&sga);
        assert_non_null(all);
        while (got < size) {
            demi_qresult_t qr;

            assert_int_equal(demi_pop_n(&qt, p.server, 7), 0);
            qr = rig_done(qt, DEMI_OPC_POP);
            assert_int_equal(rig_length(&qr.qr_value.sga), size - got < 7 ? size - got : 7);
            memcpy(all + got, rig_bytes(&qr.qr_value.sga), rig_length(&qr.qr_value.sga));
            got += rig_length(&qr.qr_value.sga);
            rig_free(&qr.qr_value.sga);
        }
        assert_true(rig_filled(all, size, 8));
        rig_done(push, DEMI_OPC_PUSH);
        free(all);
        if (i % 2 != 0)
            rig_free(&sga);
    }
    rig_pair_close(p);
}

/* Pops of parts that wait before anything comes. */
static void pop_n__waiting(void **state)
{
    struct rig_pair p = rig_pair(AF_INET);
    demi_qtoken_t pop[4];

    (void)state;
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(demi_pop_n(&pop[i], p.server, 3), 0);
    rig_send(p.client, "abcdefgh");
    for (unsigned i = 0; i < 3; i++) {
        demi_qresult_t qr = rig_done(pop[i], DEMI_OPC_POP);

        assert_int_equal(rig_length(&qr.qr_value.sga), i == 2 ? 2 : 3);
        assert_memory_equal(rig_bytes(&qr.qr_value.sga), &"abcdefgh"[(size_t)3 * i], rig_length(&qr.qr_value.sga));
        rig_free(&qr.qr_value.sga);
    }
    assert_true(rig_pending(pop[3]));
    assert_int_equal(demi_cancel(pop[3]), 0);
    rig_pair_close(p);
}

static void pushv__segments_arrive_as_one(void **state)
{
    struct rig_pair p = rig_pair(AF_INET);
    char *heap = demi_malloc(5000), outside[100];
    struct iovec iov[4];
    demi_qresult_t qr;
    demi_qtoken_t qt;

    (void)state;
    assert_non_null(heap);
    memset(heap, 'h', 5000);
    memset(outside, 'o', sizeof(outside));
    iov[0] = (struct iovec){outside, 50};
    iov[1] = (struct iovec){heap + 100, 2000};
    iov[2] = (struct iovec){NULL, 0};
    iov[3] = (struct iovec){outside, 100};
    for (int n = 1; n <= 4; n++) {
        size_t total = 0;

        assert_int_equal(demi_pushv(&qt, p.client, iov, n), 0);
        for (int i = 0; i < n; i++)
            total += iov[i].iov_len;
        rig_done(qt, DEMI_OPC_PUSH);
        qr = rig_done(rig_pop(p.server), DEMI_OPC_POP);
        assert_int_equal(rig_length(&qr.qr_value.sga), total);
        assert_memory_equal(rig_bytes(&qr.qr_value.sga), outside, 50);
        rig_free(&qr.qr_value.sga);
    }
    assert_int_equal(demi_pushv(&qt, p.client, iov + 1, 1), 0); /* the only segment is in our memory: no copy here */
    qr = rig_done(rig_pop(p.server), DEMI_OPC_POP);
    rig_done(qt, DEMI_OPC_PUSH);
    assert_int_equal(rig_length(&qr.qr_value.sga), 2000);
    assert_memory_equal(rig_bytes(&qr.qr_value.sga), heap, 2000);
    rig_free(&qr.qr_value.sga);
    assert_int_equal(demi_free(heap), 0);
    rig_pair_close(p);
}

/* A message that is longer than the receiver's largest object comes in pieces. */
static void message__longer_than_the_largest_object(void **state)
{
    struct rig_pair p = rig_pair(AF_INET);
    size_t max = rig_instance()->mem.object_max, got = 0;
    demi_sgarray_t sga = rig_sga_fill(3000000, 1);
    demi_qtoken_t push = rig_push(p.client, &sga);

    (void)state;
    rig_instance()->mem.object_max = 700000;
    while (got < 3000000) {
        demi_qresult_t qr = rig_done(rig_pop(p.server), DEMI_OPC_POP);

        assert_memory_equal(rig_bytes(&qr.qr_value.sga), rig_bytes(&sga) + got, rig_length(&qr.qr_value.sga));
        got += rig_length(&qr.qr_value.sga);
        rig_free(&qr.qr_value.sga);
    }
    rig_instance()->mem.object_max = max;
    rig_done(push, DEMI_OPC_PUSH);
    rig_free(&sga);
    rig_pair_close(p);
}

/* No memory for a message: the pop fails, the message stays, a later pop gets it. */
static void memory__none_for_a_message(void **state)
{
    struct mem *mem = &rig_instance()->mem;
    struct rig_pair p = rig_pair(AF_INET);
    demi_sgarray_t sga = rig_sga_fill(600000, 1); /* takes a superblock of its own */
    demi_qtoken_t push = rig_push(p.client, &sga), pop;
    uint32_t blocks = mem->blocks;
    demi_qresult_t qr;

    (void)state;
    mem->blocks = mem->blocks_top;
    assert_int_equal(mem->blocks, mem->blocks_used); /* there is no hole either */
    rig_failed(rig_pop(p.server), ENOMEM);
    rig_failed(rig_pop(p.server), ENOMEM);
    mem->blocks = blocks;
    pop = rig_pop(p.server);
    qr = rig_done(pop, DEMI_OPC_POP);
    assert_true(rig_filled(rig_bytes(&qr.qr_value.sga), 600000, 1));
    rig_free(&qr.qr_value.sga);
    rig_done(push, DEMI_OPC_PUSH);
    rig_free(&sga);
    rig_pair_close(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(message__every_size_both_ways),
        TEST(ring__wraps_anywhere),
        TEST(message__given_up_is_not_copied),
        TEST(message__kept_is_copied),
        TEST(message__pushed_twice_is_copied),
        TEST(message__comes_home),
        TEST(message__passed_on),
        TEST(message__part_of_a_reference),
        TEST(pop_n__takes_parts),
        TEST(pop_n__waiting),
        TEST(pushv__segments_arrive_as_one),
        TEST(message__longer_than_the_largest_object),
        TEST(memory__none_for_a_message),
    };

    return RIG_RUN(tests);
}
