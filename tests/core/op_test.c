/* SPDX-License-Identifier: MIT */
#include "core/op.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CAPACITY 1000

static struct op_slab s;

static int setup(void **state)
{
    (void)state;
    return op_slab_init(&s, CAPACITY);
}

static int teardown(void **state)
{
    uint32_t left = s.used;

    (void)state;
    op_slab_fini(&s);
    if (left != 0)
        print_error("%u operations are still in use\n", left);
    return left == 0 ? 0 : -1;
}

static void op_alloc__token_names_the_operation(void **state)
{
    struct op *a = op_alloc(&s), *b = op_alloc(&s);

    (void)state;
    assert_ptr_not_equal(a, b);
    assert_ptr_equal(op_lookup(&s, a->token), a);
    assert_ptr_equal(op_lookup(&s, b->token), b);
    op_free(&s, a);
    op_free(&s, b);
}

static void op_alloc__fresh_operation_is_pending_and_clean(void **state)
{
    struct op *op = op_alloc(&s);

    (void)state;
    op->err = 5;
    op->flags = OP_LAZY;
    op->at = 77;
    op->state = OP_DONE;
    op_free(&s, op);
    op = op_alloc(&s);
    assert_int_equal(op->state, OP_PENDING);
    assert_int_equal(op->err, 0);
    assert_int_equal(op->flags, 0);
    assert_int_equal(op->at, 0);
    op_free(&s, op);
}

static void op_alloc__refuses_at_capacity_and_recovers(void **state)
{
    struct op *ops[CAPACITY];

    (void)state;
    for (unsigned i = 0; i < CAPACITY; i++) {
        ops[i] = op_alloc(&s);
        assert_non_null(ops[i]);
    }
    assert_null(op_alloc(&s));
    assert_int_equal(s.used, CAPACITY);
    op_free(&s, ops[500]);
    assert_ptr_equal(op_alloc(&s), ops[500]);
    assert_null(op_alloc(&s));
    for (unsigned i = 0; i < CAPACITY; i++)
        op_free(&s, ops[i]);
}

static void op_alloc__takes_the_last_freed_first(void **state)
{
    struct op *a = op_alloc(&s), *b = op_alloc(&s);

    (void)state;
    op_free(&s, a);
    op_free(&s, b);
    assert_ptr_equal(op_alloc(&s), b);
    assert_ptr_equal(op_alloc(&s), a);
    op_free(&s, a);
    op_free(&s, b);
}

static void op_free__token_is_stale(void **state)
{
    struct op *op = op_alloc(&s);
    demi_qtoken_t qt = op->token;

    (void)state;
    op_free(&s, op);
    assert_null(op_lookup(&s, qt));
    assert_null(op_lookup(&s, op->token)); /* what the free slot holds is no token either */
}

static void op_lookup__no_token_of_a_slot_ever_comes_back(void **state)
{
    static demi_qtoken_t old[5000];
    struct op *op = NULL;

    (void)state;
    for (unsigned i = 0; i < 5000; i++) {
        op = op_alloc(&s);
        old[i] = op->token;
        assert_int_equal(op->index, 0);
        for (unsigned k = i < 10 ? 0 : i - 10; k < i; k++)
            assert_null(op_lookup(&s, old[k]));
        op_free(&s, op);
    }
    op = op_alloc(&s);
    for (unsigned i = 0; i < 5000; i++)
        assert_null(op_lookup(&s, old[i]));
    op_free(&s, op);
}

static void op_lookup__garbage(void **state)
{
    struct op *op = op_alloc(&s);

    (void)state;
    assert_null(op_lookup(&s, 0));
    assert_null(op_lookup(&s, UINT64_MAX));
    assert_null(op_lookup(&s, CAPACITY));
    assert_null(op_lookup(&s, OP_INDEX_MASK));
    for (unsigned bit = 0; bit < 64; bit++)
        assert_null(op_lookup(&s, op->token ^ (UINT64_C(1) << bit)));
    op_free(&s, op);
}

static void op_lookup__empty_slab(void **state)
{
    (void)state;
    assert_null(op_lookup(&s, 0));
    assert_null(op_lookup(&s, OP_GENERATION));
    assert_null(op_lookup(&s, UINT64_MAX));
}

static void op_lookup__token_of_another_slab(void **state)
{
    struct op_slab other;
    struct op *ours = op_alloc(&s), *theirs;

    (void)state;
    assert_int_equal(op_slab_init(&other, CAPACITY), 0);
    theirs = op_alloc(&other);
    assert_int_equal(ours->index, theirs->index);
    assert_null(op_lookup(&s, theirs->token));
    assert_null(op_lookup(&other, ours->token));
    op_free(&other, theirs);
    op_slab_fini(&other);
    op_free(&s, ours);
}

static void op_revoke__token_is_stale_and_slot_taken(void **state)
{
    struct op *op = op_alloc(&s);
    demi_qtoken_t qt = op->token;

    (void)state;
    op_revoke(op);
    assert_null(op_lookup(&s, qt));
    assert_null(op_lookup(&s, op->token));
    assert_int_equal(s.used, 1);
    op_revoke(op); /* twice is once */
    assert_null(op_lookup(&s, op->token));
    op_free(&s, op);
    op = op_alloc(&s);
    assert_ptr_equal(op_lookup(&s, op->token), op);
    op_free(&s, op);
}

static void op_list__first_in_first_out(void **state)
{
    struct op_list l = OP_LIST_EMPTY;
    struct op *ops[3];

    (void)state;
    assert_true(op_list_is_empty(&l));
    assert_null(op_list_first(&s, &l));
    for (unsigned i = 0; i < 3; i++) {
        ops[i] = op_alloc(&s);
        op_list_add(&s, &l, ops[i]);
    }
    for (unsigned i = 0; i < 3; i++) {
        assert_ptr_equal(op_list_first(&s, &l), ops[i]);
        op_list_remove(&s, &l, ops[i]);
        op_free(&s, ops[i]);
    }
    assert_true(op_list_is_empty(&l));
}

static void op_list__add_first_is_the_oldest(void **state)
{
    struct op_list l = OP_LIST_EMPTY;
    struct op *a = op_alloc(&s), *b = op_alloc(&s);

    (void)state;
    op_list_add_first(&s, &l, a);
    op_list_add_first(&s, &l, b);
    assert_ptr_equal(op_list_first(&s, &l), b);
    op_list_remove(&s, &l, b);
    op_list_add(&s, &l, b);
    assert_ptr_equal(op_list_first(&s, &l), a);
    op_free(&s, a);
    op_free(&s, b);
}

/* The list's content, both ways, against an array. */
static void check_list(const struct op_list *l, struct op *const *want, unsigned n)
{
    uint32_t prev = OP_NIL, at = l->head;

    for (unsigned i = 0; i < n; i++) {
        assert_int_equal(at, want[i]->index);
        assert_int_equal(op_at(&s, at)->prev, prev);
        prev = at;
        at = op_at(&s, at)->next;
    }
    assert_int_equal(at, OP_NIL);
    assert_int_equal(l->tail, prev);
}

static void op_list__random_adds_and_removals(void **state)
{
    struct op_list l = OP_LIST_EMPTY;
    struct op *model[32];
    unsigned n = 0, random = 12345;

    (void)state;
    for (unsigned step = 0; step < 20000; step++) {
        random = random * 1103515245 + 12345;
        if (n < 32 && (random >> 16) % 2 == 0) {
            struct op *op = op_alloc(&s);

            if ((random >> 20) % 4 == 0) {
                memmove(model + 1, model, n * sizeof(model[0]));
                model[0] = op;
                op_list_add_first(&s, &l, op);
            } else {
                model[n] = op;
                op_list_add(&s, &l, op);
            }
            n++;
        } else if (n > 0) {
            unsigned k = (random >> 20) % n;

            op_list_remove(&s, &l, model[k]);
            op_free(&s, model[k]);
            memmove(model + k, model + k + 1, (--n - k) * sizeof(model[0]));
        }
        check_list(&l, model, n);
    }
    while (n > 0)
        op_free(&s, model[--n]);
}

/* A coroutine with two pauses; it writes where it was into op->word. */
static enum co_status steps(struct instance *inst, struct op *op)
{
    (void)inst;
    CO_BEGIN(op);
    op->word = 1;
    CO_PAUSE(op, CO_WAIT);
    for (op->done = 0; op->done < 2; op->done++) {
        op->word = 10 + op->done;
        CO_PAUSE(op, CO_AGAIN);
    }
    op->word = 99;
    CO_END;
}

static void co_pause__resumes_behind_itself(void **state)
{
    struct op *op = op_alloc(&s);

    (void)state;
    assert_int_equal(steps(NULL, op), CO_WAIT);
    assert_int_equal(op->word, 1);
    assert_int_equal(steps(NULL, op), CO_AGAIN);
    assert_int_equal(op->word, 10);
    assert_int_equal(steps(NULL, op), CO_AGAIN);
    assert_int_equal(op->word, 11);
    assert_int_equal(steps(NULL, op), CO_DONE);
    assert_int_equal(op->word, 99);
    op_free(&s, op);
}

static void op_slab_init__every_capacity_up_to_the_most(void **state)
{
    static const uint32_t capacity[] = {1, 2, 63, 64, 65, UINT32_C(1) << OP_INDEX_BITS};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(capacity); i++) {
        struct op_slab slab;
        struct op *op = NULL;

        assert_int_equal(op_slab_init(&slab, capacity[i]), 0);
        for (uint32_t n = 0; n < capacity[i]; n++) {
            op = op_alloc(&slab);
            assert_non_null(op);
        }
        assert_ptr_equal(op_lookup(&slab, op->token), op);
        assert_int_equal(op->index, capacity[i] - 1);
        assert_null(op_alloc(&slab));
        op_slab_fini(&slab);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(op_alloc__token_names_the_operation),
        TEST(op_alloc__fresh_operation_is_pending_and_clean),
        TEST(op_alloc__refuses_at_capacity_and_recovers),
        TEST(op_alloc__takes_the_last_freed_first),
        TEST(op_free__token_is_stale),
        TEST(op_lookup__no_token_of_a_slot_ever_comes_back),
        TEST(op_lookup__garbage),
        TEST(op_lookup__empty_slab),
        TEST(op_lookup__token_of_another_slab),
        TEST(op_revoke__token_is_stale_and_slot_taken),
        TEST(op_list__first_in_first_out),
        TEST(op_list__add_first_is_the_oldest),
        TEST(op_list__random_adds_and_removals),
        TEST(co_pause__resumes_behind_itself),
        TEST(op_slab_init__every_capacity_up_to_the_most),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
