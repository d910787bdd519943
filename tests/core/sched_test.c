/* SPDX-License-Identifier: MIT */
#include "core/sched.h"

#include "fake_instance.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SLOTS  131072
#define MANY   100000
#define LOG    64
#define APP    SCHED_APPLICATION
#define SPARSE 997 /* coroutines ready of MANY */

static struct instance *inst;
static struct op *task[MANY];
static unsigned tasks;
static struct op *ran[LOG];
static unsigned runs;
static uint32_t times[SLOTS]; /* a slot was resumed */

static int setup(void **state)
{
    struct config cfg;

    (void)state;
    fake_config(&cfg);
    cfg.max_operations = SLOTS;
    inst = fake_instance(&cfg);
    tasks = runs = 0;
    memset(times, 0, sizeof(times));
    return inst == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    uint32_t left;

    (void)state;
    while (tasks > 0)
        task_free(inst, task[--tasks]);
    left = inst->ops.used;
    instance_free(inst);
    return left == 0 ? 0 : -1;
}

static void note(struct op *op)
{
    if (runs < LOG)
        ran[runs] = op;
    runs++;
    times[op->index]++;
}

static enum co_status once(struct instance *in, struct op *op)
{
    (void)in;
    note(op);
    return CO_WAIT;
}

static enum co_status always(struct instance *in, struct op *op)
{
    (void)in;
    note(op);
    return CO_AGAIN;
}

/* Wakes the task whose number is in word, then waits. */
static enum co_status waker(struct instance *in, struct op *op)
{
    note(op);
    sched_wake(&in->sched, task[op->word]);
    return CO_WAIT;
}

static struct op *add(co_fn *resume, enum sched_class cls)
{
    struct op *op = task_new(inst, resume, cls);

    assert_non_null(op);
    task[tasks++] = op;
    return op;
}

static void add_many(unsigned n, co_fn *resume)
{
    while (n-- > 0)
        add(resume, APP);
}

static void sched_turn__resumes_what_was_woken(void **state)
{
    (void)state;
    add_many(3, once);
    assert_true(sched_is_idle(&inst->sched, APP));
    sched_wake(&inst->sched, task[1]);
    assert_false(sched_is_idle(&inst->sched, APP));
    assert_int_equal(sched_turn(inst, APP), 1);
    assert_int_equal(runs, 1);
    assert_ptr_equal(ran[0], task[1]);
    assert_true(sched_is_idle(&inst->sched, APP));
    assert_int_equal(sched_turn(inst, APP), 0);
}

static void sched_wake__many_times_is_once(void **state)
{
    (void)state;
    add(once, APP);
    for (unsigned i = 0; i < 10; i++)
        sched_wake(&inst->sched, task[0]);
    sched_turn(inst, APP);
    assert_int_equal(runs, 1);
}

static void sched_turn__again_is_the_next_turn(void **state)
{
    (void)state;
    add(always, APP);
    sched_wake(&inst->sched, task[0]);
    for (unsigned turn = 1; turn <= 5; turn++) {
        assert_int_equal(sched_turn(inst, APP), 1);
        assert_int_equal(runs, turn);
    }
}

static void sched_turn__classes_are_apart(void **state)
{
    (void)state;
    add(once, SCHED_APPLICATION);
    add(once, SCHED_BACKGROUND);
    add(once, SCHED_FASTPATH);
    for (unsigned i = 0; i < 3; i++)
        sched_wake(&inst->sched, task[i]);
    sched_turn(inst, SCHED_BACKGROUND);
    assert_int_equal(runs, 1);
    assert_ptr_equal(ran[0], task[1]);
}

static void instance_turn__application_then_background_then_fast_path(void **state)
{
    (void)state;
    add(once, SCHED_FASTPATH);
    add(once, SCHED_BACKGROUND);
    add(once, SCHED_APPLICATION);
    for (unsigned i = 0; i < 3; i++)
        sched_wake(&inst->sched, task[i]);
    instance_turn(inst);
    assert_int_equal(runs, 3);
    assert_ptr_equal(ran[0], task[2]);
    assert_ptr_equal(ran[1], task[1]);
    assert_ptr_equal(ran[2], task[0]);
}

/* However long some stay ready, each runs once a turn and nobody waits longer than that. */
static void sched_turn__is_fair(void **state)
{
    (void)state;
    add_many(1000, always);
    for (unsigned i = 0; i < 999; i++)
        sched_wake(&inst->sched, task[i]);
    for (unsigned turn = 0; turn < 7; turn++)
        sched_turn(inst, APP);
    sched_wake(&inst->sched, task[999]);
    for (unsigned turn = 0; turn < 3; turn++)
        sched_turn(inst, APP);
    for (unsigned i = 0; i < 999; i++)
        assert_int_equal(times[task[i]->index], 10);
    assert_int_equal(times[task[999]->index], 3);
}

static void sched_turn__waker_of_itself_runs_in_the_next(void **state)
{
    (void)state;
    add(waker, APP)->word = 0;
    sched_wake(&inst->sched, task[0]);
    sched_turn(inst, APP);
    assert_int_equal(runs, 1);
    sched_turn(inst, APP);
    assert_int_equal(runs, 2);
}

/* Two that wake each other for ever: a turn ends all the same. */
static void sched_turn__wake_during_the_turn_cannot_keep_it(void **state)
{
    static const unsigned apart[] = {1, 63, 64, 4095, 4096, 4097, 70000};

    (void)state;
    add_many(70001, waker);
    for (size_t i = 0; i < ARRAY_LEN(apart); i++) {
        unsigned before;

        task[0]->word = apart[i];
        task[apart[i]]->word = 0;
        sched_wake(&inst->sched, task[0]);
        for (unsigned turn = 0; turn < 10; turn++) {
            before = runs;
            sched_turn(inst, APP);
            assert_true(runs - before >= 1 && runs - before <= 2);
        }
        sched_unwake(&inst->sched, task[0]);
        sched_unwake(&inst->sched, task[apart[i]]);
    }
}

/* Woken in a turn, by whom and where ever: it runs in this one or the next. */
static void sched_turn__wake_during_the_turn_is_not_lost(void **state)
{
    static const unsigned at[] = {0, 1, 63, 64, 127, 128, 4095, 4096, 8191, 65535, 65536, 99999};

    (void)state;
    add_many(MANY, waker);
    for (size_t i = 0; i < ARRAY_LEN(at); i++)
        for (size_t k = 0; k < ARRAY_LEN(at); k++) {
            if (i == k)
                continue;
            task[at[i]]->word = at[k];
            task[at[k]]->resume = once;
            memset(times, 0, sizeof(times[0]) * MANY);
            sched_wake(&inst->sched, task[at[i]]);
            sched_turn(inst, APP);
            sched_turn(inst, APP);
            assert_int_equal(times[task[at[k]]->index], 1);
            task[at[k]]->resume = waker;
        }
}

static void sched_unwake__takes_it_back(void **state)
{
    (void)state;
    add_many(2, once);
    sched_wake(&inst->sched, task[0]);
    sched_wake(&inst->sched, task[1]);
    sched_unwake(&inst->sched, task[0]);
    sched_turn(inst, APP);
    assert_int_equal(runs, 1);
    assert_ptr_equal(ran[0], task[1]);
    sched_unwake(&inst->sched, task[1]); /* nothing to take back */
    assert_int_equal(sched_turn(inst, APP), 0);
}

static void task_free__is_not_resumed_any_more(void **state)
{
    (void)state;
    add_many(2, once);
    sched_wake(&inst->sched, task[0]);
    sched_wake(&inst->sched, task[1]);
    task_free(inst, task[--tasks]);
    sched_turn(inst, APP);
    assert_int_equal(runs, 1);
    assert_ptr_equal(ran[0], task[0]);
}

static enum co_status frees_the_other(struct instance *in, struct op *op)
{
    note(op);
    task_free(in, task[1]);
    tasks = 1;
    return CO_WAIT;
}

static void sched_turn__one_freed_by_another_is_not_resumed(void **state)
{
    (void)state;
    add(frees_the_other, APP);
    add(once, APP); /* in the same word: its bit was taken with the first one's */
    sched_wake(&inst->sched, task[0]);
    sched_wake(&inst->sched, task[1]);
    sched_turn(inst, APP);
    assert_int_equal(runs, 1);
    assert_ptr_equal(ran[0], task[0]);
}

static void no_close(struct instance *in, struct queue *q)
{
    (void)in;
    (void)q;
}

static void sched_turn__slot_of_a_woken_operation_is_not_resumed_for_the_next(void **state)
{
    static const struct queue_ops ops = {.name = "fake", .close = no_close};
    struct queue *q = queue_alloc(&inst->queues, &ops);
    struct op *op = op_issue(inst, q, DEMI_OPC_PUSH), *next;

    (void)state;
    op->resume = always;
    sched_wake(&inst->sched, op);
    op_free(&inst->ops, op);
    next = op_issue(inst, q, DEMI_OPC_POP);
    assert_ptr_equal(next, op);
    sched_turn(inst, APP);
    sched_turn(inst, APP);
    assert_int_equal(runs, 0);
    op_free(&inst->ops, next);
    instance_close_queue(inst, q);
}

static void sched_turn__100000_ready_run_once_each(void **state)
{
    (void)state;
    add_many(MANY, once);
    for (unsigned i = 0; i < MANY; i++)
        sched_wake(&inst->sched, task[i]);
    assert_int_equal(sched_turn(inst, APP), MANY);
    for (unsigned i = 0; i < MANY; i++)
        assert_int_equal(times[task[i]->index], 1);
    assert_true(sched_is_idle(&inst->sched, APP));
}

static void sched_turn__finds_the_few_of_100000(void **state)
{
    static bool woken[MANY];
    unsigned random = 4711, n = 0;

    (void)state;
    add_many(MANY, once);
    for (unsigned round = 0; round < 20; round++) {
        memset(woken, 0, sizeof(woken));
        memset(times, 0, sizeof(times));
        n = 0;
        for (unsigned i = 0; i < SPARSE; i++) {
            unsigned k = (random = random * 1103515245 + 12345) % MANY;

            n += !woken[k];
            woken[k] = true;
            sched_wake(&inst->sched, task[k]);
        }
        assert_int_equal(sched_turn(inst, APP), n);
        for (unsigned i = 0; i < MANY; i++)
            if (times[task[i]->index] != woken[i])
                fail_msg("slot %u ran %u times", i, times[task[i]->index]);
    }
}

static void sched_init__most_slots_there_can_be(void **state)
{
    struct sched s;
    struct op last = {.index = OP_INDEX_MASK, .cls = SCHED_FASTPATH};

    (void)state;
    assert_int_equal(sched_init(&s, OP_INDEX_MASK + 1), 0);
    sched_wake(&s, &last);
    assert_false(sched_is_idle(&s, SCHED_FASTPATH));
    assert_true(sched_is_idle(&s, SCHED_APPLICATION));
    sched_fini(&s);
    sched_fini(&s);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(sched_turn__resumes_what_was_woken),
        TEST(sched_wake__many_times_is_once),
        TEST(sched_turn__again_is_the_next_turn),
        TEST(sched_turn__classes_are_apart),
        TEST(instance_turn__application_then_background_then_fast_path),
        TEST(sched_turn__is_fair),
        TEST(sched_turn__waker_of_itself_runs_in_the_next),
        TEST(sched_turn__wake_during_the_turn_cannot_keep_it),
        TEST(sched_turn__wake_during_the_turn_is_not_lost),
        TEST(sched_unwake__takes_it_back),
        TEST(task_free__is_not_resumed_any_more),
        TEST(sched_turn__one_freed_by_another_is_not_resumed),
        TEST(sched_turn__slot_of_a_woken_operation_is_not_resumed_for_the_next),
        TEST(sched_turn__100000_ready_run_once_each),
        TEST(sched_turn__finds_the_few_of_100000),
        TEST(sched_init__most_slots_there_can_be),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
