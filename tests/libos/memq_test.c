/* SPDX-License-Identifier: MIT */
/* Memory queues: order, depth, and whose memory a message is. */
#include "api/rig.h"

#include <sys/mman.h>
#include <unistd.h>

#define DEPTH 100 /* of QUEUE_DEPTH below */

static const struct timespec zero = {0, 0};
static int qd;

static int setup(void **state)
{
    if (rig_setup(state) != 0)
        return -1;
    return demi_queue(&qd);
}

static int teardown(void **state)
{
    demi_close(qd);
    return rig_teardown(state);
}

static void pops(const char *want)
{
    demi_qresult_t qr = rig_done(rig_pop(qd), DEMI_OPC_POP);

    assert_int_equal(rig_length(&qr.qr_value.sga), strlen(want));
    assert_memory_equal(rig_bytes(&qr.qr_value.sga), want, strlen(want));
    rig_free(&qr.qr_value.sga);
}

static demi_sgarray_t popped(void)
{
    return rig_done(rig_pop(qd), DEMI_OPC_POP).qr_value.sga;
}

static void messages__come_one_by_one_in_order(void **state)
{
    (void)state;
    rig_send(qd, "first");
    rig_send(qd, "second, and longer");
    rig_send(qd, "3");
    pops("first");
    pops("second, and longer");
    pops("3");
}

static void messages__of_every_size(void **state)
{
    static const size_t sizes[] = {1, 63, 64, 65, 1000, 1024, 4096, 100000, 600000, 5000000};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        demi_sgarray_t sga = rig_sga_fill(sizes[i], (unsigned)i), got;

        rig_done(rig_push(qd, &sga), DEMI_OPC_PUSH);
        rig_free(&sga);
        got = popped();
        assert_int_equal(rig_length(&got), sizes[i]);
        assert_true(rig_filled(rig_bytes(&got), sizes[i], (unsigned)i));
        rig_free(&got);
    }
}

static void pops__that_wait_are_served_in_order(void **state)
{
    demi_qtoken_t pop[5];

    (void)state;
    for (unsigned i = 0; i < 5; i++)
        pop[i] = rig_pop(qd);
    for (unsigned i = 0; i < 5; i++) {
        char text[2] = {(char)('0' + i), 0};
        demi_qresult_t qr;

        rig_send(qd, text);
        qr = rig_done(pop[i], DEMI_OPC_POP);
        assert_int_equal(*rig_bytes(&qr.qr_value.sga), text[0]);
        rig_free(&qr.qr_value.sga);
    }
}

/* The popper gets the very memory, when the pusher gave it up before. */
static void memory__given_up_before_the_pop_moves(void **state)
{
    demi_sgarray_t sga = rig_sga_fill(5000, 1), got;
    void *was = rig_bytes(&sga);
    demi_qtoken_t push = rig_push(qd, &sga);

    (void)state;
    rig_free(&sga);
    got = popped();
    assert_ptr_equal(rig_bytes(&got), was);
    assert_true(rig_filled(rig_bytes(&got), 5000, 1));
    rig_done(push, DEMI_OPC_PUSH);
    rig_free(&got);
}

static void memory__trimmed_and_given_up_moves(void **state)
{
    demi_sgarray_t sga = rig_sga_fill(5000, 1), part = sga, got;
    demi_qtoken_t push;

    (void)state;
    part.sga_segs[0].sgaseg_buf = rig_bytes(&sga) + 1000;
    part.sga_segs[0].sgaseg_len = 20;
    push = rig_push(qd, &part);
    rig_free(&sga);
    got = popped();
    assert_ptr_equal(rig_bytes(&got), rig_bytes(&part));
    assert_int_equal(rig_length(&got), 20);
    rig_done(push, DEMI_OPC_PUSH);
    rig_free(&got);
}

/* A pusher that keeps its array and the popper have each their own bytes. */
static void memory__kept_by_the_pusher_is_copied(void **state)
{
    demi_sgarray_t sga = rig_sga("original"), got;
    demi_qtoken_t push = rig_push(qd, &sga);

    (void)state;
    got = popped();
    assert_ptr_not_equal(rig_bytes(&got), rig_bytes(&sga));
    memcpy(rig_bytes(&sga), "changed!", 8);
    assert_memory_equal(rig_bytes(&got), "original", 8);
    memcpy(rig_bytes(&got), "mine now", 8);
    assert_memory_equal(rig_bytes(&sga), "changed!", 8);
    rig_done(push, DEMI_OPC_PUSH);
    rig_free(&sga);
    rig_free(&got);
}

/* A pusher that waited for its push may write to its buffer, popped or not: by each of the waits. */
static void memory__rewritten_after_the_wait(void **state)
{
    demi_sgarray_t sga = rig_sga("0");
    demi_qtoken_t push;
    demi_qresult_t qr;
    int n;

    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        *rig_bytes(&sga) = (char)('0' + i);
        push = rig_push(qd, &sga);
        if (i == 0)
            assert_int_equal(demi_wait(&qr, push, NULL), 0);
        else if (i == 1)
            assert_int_equal(demi_wait_any(&qr, &n, &push, 1, NULL), 0);
        else if (i == 2)
            assert_int_equal(demi_wait_next_n(&qr, 1, &n, NULL), 0);
        else if (i == 3)
            assert_int_equal(demi_wait_all(&qr, &push, 1, NULL), 0);
        else
            assert_int_equal(demi_poll(&qr, push), 0);
        assert_int_equal(qr.qr_opcode, DEMI_OPC_PUSH);
    }
    *rig_bytes(&sga) = 'x';
    pops("0");
    pops("1");
    pops("2");
    pops("3");
    pops("4");
    rig_free(&sga);
}

static void memory__rewritten_where_a_pop_waited(void **state)
{
    demi_sgarray_t sga = rig_sga("before");
    demi_qtoken_t pop = rig_pop(qd);
    demi_qresult_t qr;

    (void)state;
    rig_done(rig_push(qd, &sga), DEMI_OPC_PUSH);
    memcpy(rig_bytes(&sga), "after!", 6);
    qr = rig_done(pop, DEMI_OPC_POP);
    assert_memory_equal(rig_bytes(&qr.qr_value.sga), "before", 6);
    rig_free(&qr.qr_value.sga);
    rig_free(&sga);
}

static void memory__same_array_twice(void **state)
{
    demi_sgarray_t sga = rig_sga("same"), a, b;

    (void)state;
    rig_push(qd, &sga);
    rig_push(qd, &sga);
    rig_free(&sga);
    a = popped();
    b = popped();
    assert_ptr_not_equal(rig_bytes(&a), rig_bytes(&b));
    memset(rig_bytes(&a), 'x', 4);
    assert_memory_equal(rig_bytes(&b), "same", 4);
    rig_free(&a);
    rig_free(&b);
}

static void memory__popped_and_pushed_again_moves_on(void **state)
{
    demi_sgarray_t sga = rig_sga("round"), got;
    void *was = rig_bytes(&sga);

    (void)state;
    rig_push(qd, &sga);
    rig_free(&sga);
    for (unsigned i = 0; i < 100; i++) {
        got = popped();
        assert_ptr_equal(rig_bytes(&got), was);
        rig_push(qd, &got);
        rig_free(&got);
    }
    got = popped();
    rig_free(&got);
}

static void depth__push_waits_until_there_is_room(void **state)
{
    demi_sgarray_t sga = rig_sga("x");
    demi_qtoken_t push[DEPTH + 2];
    demi_qresult_t qr;

    (void)state;
    for (unsigned i = 0; i < DEPTH + 2; i++)
        push[i] = rig_push(qd, &sga);
    rig_done(push[DEPTH - 1], DEMI_OPC_PUSH);
    assert_int_equal(demi_wait(&qr, push[DEPTH], &zero), ETIMEDOUT);
    assert_int_equal(demi_wait(&qr, push[DEPTH + 1], &zero), ETIMEDOUT);
    pops("x");
    rig_done(push[DEPTH], DEMI_OPC_PUSH);
    assert_int_equal(demi_wait(&qr, push[DEPTH + 1], &zero), ETIMEDOUT);
    pops("x");
    rig_done(push[DEPTH + 1], DEMI_OPC_PUSH);
    rig_free(&sga);
}

static void depth__order_holds_across_it(void **state)
{
    demi_qtoken_t push[3 * DEPTH];

    (void)state;
    for (unsigned i = 0; i < 3 * DEPTH; i++) {
        demi_sgarray_t sga = rig_sga_fill(8, i);

        push[i] = rig_push(qd, &sga);
        rig_free(&sga);
    }
    for (unsigned i = 0; i < 3 * DEPTH; i++) {
        demi_sgarray_t got = popped();

        assert_true(rig_filled(rig_bytes(&got), 8, i));
        rig_free(&got);
    }
    for (unsigned i = 0; i < 3 * DEPTH; i++)
        rig_done(push[i], DEMI_OPC_PUSH);
}

static void depth__waiting_push_may_be_cancelled(void **state)
{
    demi_qtoken_t push[DEPTH + 3];

    (void)state;
    for (unsigned i = 0; i < DEPTH + 3; i++) {
        demi_sgarray_t sga = rig_sga_fill(8, i);

        push[i] = rig_push(qd, &sga);
        rig_free(&sga);
    }
    assert_int_equal(demi_cancel(push[DEPTH + 1]), 0);
    for (unsigned i = 0; i < DEPTH + 3; i++) {
        demi_sgarray_t got;

        if (i == DEPTH + 1)
            continue;
        got = popped();
        assert_true(rig_filled(rig_bytes(&got), 8, i));
        rig_free(&got);
    }
}

static void pop_n__that_fits(void **state)
{
    demi_qtoken_t qt;
    demi_qresult_t qr;

    (void)state;
    rig_send(qd, "12345");
    assert_int_equal(demi_pop_n(&qt, qd, 5), 0);
    qr = rig_done(qt, DEMI_OPC_POP);
    assert_int_equal(rig_length(&qr.qr_value.sga), 5);
    rig_free(&qr.qr_value.sga);
}

/* A message is one piece: what does not fit stays for a pop that takes it, whichever of them came first. */
static void pop_n__too_small_fails_and_leaves_the_message(void **state)
{
    demi_qtoken_t small, large;
    demi_qresult_t qr;

    (void)state;
    rig_send(qd, "queued");
    assert_int_equal(demi_pop_n(&small, qd, 5), 0);
    rig_failed(small, EMSGSIZE);
    pops("queued");
    assert_int_equal(demi_pop_n(&small, qd, 5), 0);
    large = rig_pop(qd);
    rig_send(qd, "pushed");
    rig_failed(small, EMSGSIZE);
    qr = rig_done(large, DEMI_OPC_POP);
    assert_int_equal(rig_length(&qr.qr_value.sga), 6);
    rig_free(&qr.qr_value.sga);
    assert_int_equal(demi_pop_n(&small, qd, 5), 0);
    rig_send(qd, "lonely");
    rig_failed(small, EMSGSIZE);
    pops("lonely");
}

/* No memory for the copy a pop needs: the pop fails, the message stays. */
static void pop__without_memory_loses_nothing(void **state)
{
    demi_sgarray_t sga = rig_sga_fill(100000, 1), got;
    static void *hoard[4096];
    unsigned n = 0;

    (void)state;
    rig_push(qd, &sga); /* kept: the pop needs a copy */
    while (n < 4096 && (hoard[n] = demi_malloc(100000)) != NULL)
        n++;
    assert_true(n < 4096);
    rig_failed(rig_pop(qd), ENOMEM);
    while (n > 0)
        assert_int_equal(demi_free(hoard[--n]), 0);
    got = popped();
    assert_int_equal(rig_length(&got), 100000);
    assert_true(rig_filled(rig_bytes(&got), 100000, 1));
    rig_free(&got);
    rig_free(&sga);
}

/* The same where the pop was there first: the message is queued instead. */
static void push__without_memory_for_the_waiting_pop(void **state)
{
    demi_sgarray_t sga = rig_sga_fill(100000, 1), got;
    demi_qtoken_t pop = rig_pop(qd), push;
    static void *hoard[4096];
    unsigned n = 0;

    (void)state;
    while (n < 4096 && (hoard[n] = demi_malloc(100000)) != NULL)
        n++;
    push = rig_push(qd, &sga);
    rig_failed(pop, ENOMEM);
    while (n > 0)
        assert_int_equal(demi_free(hoard[--n]), 0);
    rig_done(push, DEMI_OPC_PUSH);
    got = popped();
    assert_true(rig_filled(rig_bytes(&got), 100000, 1));
    rig_free(&got);
    rig_free(&sga);
}

/*
 * Fills the queue, its first message by an array the pusher keeps, and takes all memory: the first push fails when its
 * result is looked at, because the copy it needs by then cannot be made. One more push waits.
 */
static unsigned fill_and_hoard(demi_sgarray_t *kept, demi_qtoken_t *first, demi_qtoken_t *waiting, void **hoard)
{
    demi_sgarray_t small = rig_sga("small");
    unsigned n = 0;

    *kept = rig_sga_fill(100000, 1);
    *first = rig_push(qd, kept);
    for (int i = 1; i < DEPTH; i++)
        rig_push(qd, &small);
    *waiting = rig_push(qd, &small);
    rig_free(&small);
    assert_true(rig_pending(*waiting));
    while (n < 4096 && (hoard[n] = demi_malloc(100000)) != NULL)
        n++;
    assert_true(n < 4096);
    return n;
}

static void push__taken_back_makes_room(void **state)
{
    static void *hoard[4096];
    demi_qtoken_t first, waiting;
    demi_sgarray_t kept;
    unsigned n = fill_and_hoard(&kept, &first, &waiting, hoard);

    (void)state;
    rig_failed(first, ENOMEM);
    rig_done(waiting, DEMI_OPC_PUSH);
    while (n > 0)
        assert_int_equal(demi_free(hoard[--n]), 0);
    for (int i = 0; i < DEPTH; i++)
        pops("small");
    waiting = rig_pop(qd);
    assert_true(rig_pending(waiting));
    assert_int_equal(demi_cancel(waiting), 0);
    rig_free(&kept);
}

/* Closing drops the result of the first push; the one that waits is not sent by that. */
static void close__sends_nothing_that_waits(void **state)
{
    static void *hoard[4096];
    demi_qtoken_t first, waiting;
    demi_sgarray_t kept;
    unsigned n = fill_and_hoard(&kept, &first, &waiting, hoard);

    (void)state;
    assert_int_equal(demi_close(qd), 0);
    rig_failed(waiting, ECANCELED);
    while (n > 0)
        assert_int_equal(demi_free(hoard[--n]), 0);
    rig_free(&kept);
}

static void close__frees_messages_and_cancels(void **state)
{
    demi_sgarray_t sga = rig_sga_fill(3000, 1);
    demi_qtoken_t push = 0, pop;
    demi_qresult_t qr;
    int other;

    (void)state;
    for (unsigned i = 0; i < DEPTH + 1; i++)
        push = rig_push(qd, &sga);
    rig_free(&sga);
    assert_int_equal(demi_queue(&other), 0);
    pop = rig_pop(other);
    assert_int_equal(demi_close(other), 0);
    rig_failed(pop, ECANCELED);
    assert_int_equal(demi_close(qd), 0);
    rig_failed(push, ECANCELED); /* the one that waited; the others were complete and are gone */
    assert_int_equal(demi_wait_next_n(&qr, 1, &other, &zero), ETIMEDOUT);
}

static void results__need_no_order_between_push_and_pop(void **state)
{
    demi_sgarray_t sga = rig_sga("x");
    demi_qtoken_t push[3];

    (void)state;
    for (unsigned i = 0; i < 3; i++)
        push[i] = rig_push(qd, &sga);
    for (unsigned i = 0; i < 3; i++)
        pops("x");
    for (unsigned i = 3; i-- > 0;)
        rig_done(push[i], DEMI_OPC_PUSH);
    rig_free(&sga);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(messages__come_one_by_one_in_order),
        CASE(messages__of_every_size),
        CASE(pops__that_wait_are_served_in_order),
        CASE(memory__given_up_before_the_pop_moves),
        CASE(memory__trimmed_and_given_up_moves),
        CASE(memory__kept_by_the_pusher_is_copied),
        CASE(memory__rewritten_after_the_wait),
        CASE(memory__rewritten_where_a_pop_waited),
        CASE(memory__same_array_twice),
        CASE(memory__popped_and_pushed_again_moves_on),
        CASE(depth__push_waits_until_there_is_room),
        CASE(depth__order_holds_across_it),
        CASE(depth__waiting_push_may_be_cancelled),
        CASE(pop_n__that_fits),
        CASE(pop_n__too_small_fails_and_leaves_the_message),
        CASE(pop__without_memory_loses_nothing),
        CASE(push__without_memory_for_the_waiting_pop),
        CASE(push__taken_back_makes_room),
        CASE(close__sends_nothing_that_waits),
        CASE(close__frees_messages_and_cancels),
        CASE(results__need_no_order_between_push_and_pop),
    };

    setenv("QUEUE_DEPTH", "100", 1);
    setenv("MEMORY_LIMIT", "64m", 1);
    return RIG_RUN(tests);
}
