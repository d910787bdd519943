/* SPDX-License-Identifier: MIT */
/* Tokens that name nothing, in each call that takes one. */
#include "api/rig.h"

static const struct timespec zero = {0, 0};

/* The answer of each call to a token that is no token; a pending operation is the good one beside it. */
static void all_refuse(demi_qtoken_t bad, demi_qtoken_t good)
{
    demi_qtoken_t both[2] = {good, bad};
    demi_qresult_t qr[2];
    int offset;

    rig_says(demi_wait(qr, bad, NULL), EINVAL, "unknown");
    assert_int_equal(demi_wait(qr, bad, &zero), EINVAL);
    rig_says(demi_wait_any(qr, &offset, &bad, 1, NULL), EINVAL, "unknown");
    assert_int_equal(demi_wait_any(qr, &offset, both, 2, NULL), EINVAL);
    assert_int_equal(demi_wait_any(qr, &offset, both, 2, &zero), EINVAL);
    rig_says(demi_wait_all(qr, &bad, 1, NULL), EINVAL, "unknown");
    assert_int_equal(demi_wait_all(qr, both, 2, NULL), EINVAL);
    rig_says(demi_poll(qr, bad), EINVAL, "unknown");
    rig_says(demi_cancel(bad), EINVAL, "unknown");
}

static int queue_with_pop(demi_qtoken_t *pop)
{
    int qd;

    assert_int_equal(demi_queue(&qd), 0);
    *pop = rig_pop(qd);
    return qd;
}

static void close_both(int qd, demi_qtoken_t pop)
{
    assert_int_equal(demi_close(qd), 0);
    rig_failed(pop, ECANCELED);
}

static void token__never_valid(void **state)
{
    demi_qtoken_t pop;
    int qd = queue_with_pop(&pop);

    (void)state;
    all_refuse(0, pop);
    all_refuse(UINT64_MAX, pop);
    all_refuse(1, pop);
    close_both(qd, pop);
}

static void token__one_bit_off(void **state)
{
    demi_qtoken_t pop;
    int qd = queue_with_pop(&pop);

    (void)state;
    for (unsigned bit = 0; bit < 64; bit++)
        all_refuse(pop ^ (UINT64_C(1) << bit), pop);
    close_both(qd, pop);
}

static void token__random(void **state)
{
    demi_qtoken_t pop;
    int qd = queue_with_pop(&pop);
    uint64_t random = 88172645463325252;

    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        all_refuse(random, pop);
    }
    close_both(qd, pop);
}

static void token__bad_ones_are_counted(void **state)
{
    demi_qresult_t qr;

    (void)state;
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(demi_poll(&qr, 0), EINVAL);
    assert_int_equal(rig_instance()->stat->value[CTR_bad_tokens], 5);
}

static void token__consumed(void **state)
{
    demi_qtoken_t pop, push;
    int qd = queue_with_pop(&pop), other;
    demi_sgarray_t sga = rig_sga("data");

    (void)state;
    assert_int_equal(demi_queue(&other), 0);
    push = rig_push(other, &sga);
    rig_done(push, DEMI_OPC_PUSH);
    all_refuse(push, pop);
    rig_free(&sga);
    assert_int_equal(demi_close(other), 0);
    close_both(qd, pop);
}

static void token__cancelled(void **state)
{
    demi_qtoken_t pop, other;
    int qd = queue_with_pop(&pop);

    (void)state;
    other = rig_pop(qd);
    assert_int_equal(demi_cancel(other), 0);
    all_refuse(other, pop);
    close_both(qd, pop);
}

/* A failed operation is consumed like any other. */
static void token__consumed_failure(void **state)
{
    demi_qtoken_t pop, other;
    int qd = queue_with_pop(&pop), gone = queue_with_pop(&other);

    (void)state;
    close_both(gone, other);
    all_refuse(other, pop);
    close_both(qd, pop);
}

/* Complete, not waited for: closing the queue frees it. */
static void token__completed_and_freed_by_close(void **state)
{
    demi_qtoken_t pop, push;
    int qd = queue_with_pop(&pop), gone;
    demi_sgarray_t sga = rig_sga("data");

    (void)state;
    assert_int_equal(demi_queue(&gone), 0);
    push = rig_push(gone, &sga);
    assert_int_equal(demi_close(gone), 0);
    all_refuse(push, pop);
    rig_free(&sga);
    close_both(qd, pop);
}

static void token__of_the_last_instance(void **state)
{
    demi_qtoken_t old, pop;
    int qd = queue_with_pop(&old);

    (void)state;
    (void)qd;
    assert_int_equal(demi_fini(), 0);
    assert_int_equal(demi_init(NULL), 0);
    qd = queue_with_pop(&pop);
    all_refuse(old, pop);
    close_both(qd, pop);
}

static void token__of_a_push_that_was_refused(void **state)
{
    demi_qtoken_t pop, push = 4711;
    int qd = queue_with_pop(&pop);

    (void)state;
    assert_int_equal(demi_push(&push, qd, NULL), EINVAL);
    assert_int_equal(push, 4711); /* nothing was written */
    all_refuse(push, pop);
    close_both(qd, pop);
}

static void token__slots_reused_10000_times_give_no_token_twice(void **state)
{
    demi_qtoken_t pop, old[8] = {0};
    int qd = queue_with_pop(&pop);

    (void)state;
    for (unsigned i = 0; i < 10000; i++) {
        demi_qtoken_t qt = rig_pop(qd);
        demi_qresult_t qr;

        for (size_t k = 0; k < ARRAY_LEN(old); k++) {
            assert_int_not_equal(qt, old[k]);
            assert_int_equal(demi_poll(&qr, old[k]), EINVAL);
        }
        old[i % ARRAY_LEN(old)] = qt;
        assert_int_equal(demi_cancel(qt), 0);
    }
    close_both(qd, pop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(token__never_valid),
        TEST(token__one_bit_off),
        TEST(token__random),
        TEST(token__bad_ones_are_counted),
        TEST(token__consumed),
        TEST(token__cancelled),
        TEST(token__consumed_failure),
        TEST(token__completed_and_freed_by_close),
        TEST(token__of_the_last_instance),
        TEST(token__of_a_push_that_was_refused),
        TEST(token__slots_reused_10000_times_give_no_token_twice),
    };

    return RIG_RUN(tests);
}
