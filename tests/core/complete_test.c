/* SPDX-License-Identifier: MIT */
/* The life of an operation: issued, pending, complete, taken, cancelled, outlived by its result. */
#include "core/complete.h"

#include "fake_instance.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct instance *inst;
static unsigned cancels, closes, settled;

static int setup(void **state)
{
    struct config cfg;

    (void)state;
    fake_config(&cfg);
    cancels = closes = settled = 0;
    inst = fake_instance(&cfg);
    return inst == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    bool clean = inst->ops.used == 0 && inst->ops.done_count == 0 && op_list_is_empty(&inst->ops.done) &&
                 inst->queues.used == 0 && mem_bytes_used(&inst->mem) == 0;

    (void)state;
    if (!clean)
        print_error("%u operations, %u queues, %llu bytes are left\n", inst->ops.used, inst->queues.used,
                    (unsigned long long)mem_bytes_used(&inst->mem));
    instance_free(inst);
    return clean ? 0 : -1;
}

static void count_cancel(struct instance *in, struct queue *q, struct op *op)
{
    (void)in;
    (void)q;
    assert_int_equal(op->state, OP_PENDING);
    cancels++;
}

static void count_close(struct instance *in, struct queue *q)
{
    (void)in;
    assert_true(op_list_is_empty(&q->pops) && op_list_is_empty(&q->pushes));
    assert_int_equal(q->done_count, 0);
    closes++;
}

static const struct queue_ops ops = {.name = "fake", .cancel = count_cancel, .close = count_close};

static struct queue *open_queue(void)
{
    struct queue *q = queue_alloc(&inst->queues, &ops);

    assert_non_null(q);
    return q;
}

static struct op *pend(struct queue *q, enum demi_opcode opcode)
{
    struct op *op = op_issue(inst, q, opcode);

    assert_non_null(op);
    op_pend(inst, op_list_of(op), op);
    return op;
}

static void unpend(struct op *op)
{
    op_unpend(inst, op_list_of(op), op);
}

static void op_issue__no_slot_is_counted(void **state)
{
    struct queue *q = open_queue();

    (void)state;
    while (op_issue(inst, q, DEMI_OPC_POP) != NULL)
        continue;
    assert_int_equal(inst->ops.used, inst->config.max_operations);
    assert_int_equal(inst->stat->value[CTR_ops_full], 1);
    for (uint32_t i = 0; i < inst->config.max_operations; i++)
        op_free(&inst->ops, op_at(&inst->ops, i));
    instance_close_queue(inst, q);
}

static void op_take__pop_hands_the_object_over(void **state)
{
    struct queue *q = open_queue();
    struct op *op = op_issue(inst, q, DEMI_OPC_POP);
    char *obj = mem_alloc(&inst->mem, 100, 1);
    demi_qtoken_t qt = op->token;
    demi_qresult_t qr;

    (void)state;
    memset(&op->args, 0, sizeof(op->args));
    op_complete_pop(inst, op, obj, obj + 10, 20);
    assert_int_equal(q->done_count, 1);
    op_take(inst, op, &qr);
    assert_int_equal(qr.qr_opcode, DEMI_OPC_POP);
    assert_int_equal(qr.qr_qd, q->qd);
    assert_int_equal(qr.qr_qt, qt);
    assert_int_equal(qr.qr_ret, 0);
    assert_ptr_equal(qr.qr_value.sga.sga_buf, obj);
    assert_int_equal(qr.qr_value.sga.sga_numsegs, 1);
    assert_ptr_equal(qr.qr_value.sga.sga_segs[0].sgaseg_buf, obj + 10);
    assert_int_equal(qr.qr_value.sga.sga_segs[0].sgaseg_len, 20);
    assert_int_equal(q->done_count, 0);
    assert_null(op_lookup(&inst->ops, qt));
    assert_int_equal(mem_app_free(&inst->mem, obj), 0);
    instance_close_queue(inst, q);
}

static void op_complete_push__drops_its_reference(void **state)
{
    struct queue *q = open_queue();
    struct op *op = op_issue(inst, q, DEMI_OPC_PUSH);
    char *obj = mem_alloc(&inst->mem, 100, REF_APP);
    demi_qresult_t qr;

    (void)state;
    mem_ref(obj);
    op->obj = obj;
    op->len = 100;
    assert_int_equal(mem_app_free(&inst->mem, obj), 0);
    op_complete_push(inst, op);
    assert_int_equal(mem_bytes_used(&inst->mem), 0);
    op_take(inst, op, &qr);
    assert_int_equal(qr.qr_opcode, DEMI_OPC_PUSH);
    assert_int_equal(inst->stat->value[CTR_push_bytes], 100);
    instance_close_queue(inst, q);
}

static void op_fail__result_says_so_and_memory_is_let_go(void **state)
{
    struct queue *q = open_queue();
    struct op *op = op_issue(inst, q, DEMI_OPC_PUSH);
    demi_qtoken_t qt = op->token;
    demi_qresult_t qr;

    (void)state;
    op->obj = mem_alloc(&inst->mem, 100, 1);
    op_fail(inst, op, EPIPE);
    op_take(inst, op, &qr);
    assert_int_equal(qr.qr_opcode, DEMI_OPC_FAILED);
    assert_int_equal(qr.qr_ret, EPIPE);
    assert_int_equal(qr.qr_qd, q->qd);
    assert_int_equal(qr.qr_qt, qt);
    assert_int_equal(inst->stat->value[CTR_failures], 1);
    instance_close_queue(inst, q);
}

static void op_drop__every_segment_of_a_gather(void **state)
{
    struct queue *q = open_queue();
    struct op *op = op_issue(inst, q, DEMI_OPC_PUSH);
    struct gather *g = mem_alloc(&inst->mem, sizeof(*g) + 3 * sizeof(g->seg[0]), 1);

    (void)state;
    *g = (struct gather){.count = 3, .total = 30};
    for (unsigned i = 0; i < 3; i++) {
        g->seg[i].obj = i == 1 ? NULL : mem_alloc(&inst->mem, 10, 1);
        g->seg[i].len = 10;
    }
    op->args.gather = g;
    op->flags |= OP_GATHER;
    op_drop(inst, op);
    assert_int_equal(mem_bytes_used(&inst->mem), 0);
    op_drop(inst, op); /* twice is once */
    op_free(&inst->ops, op);
    instance_close_queue(inst, q);
}

static enum co_status settle(struct instance *in, struct op *op)
{
    (void)in;
    settled++;
    op->err = ENOMEM;
    return CO_DONE;
}

static void op_take__settles_a_lazy_result_once(void **state)
{
    struct queue *q = open_queue();
    struct op *op = op_issue(inst, q, DEMI_OPC_PUSH);
    demi_qresult_t qr;

    (void)state;
    op->len = 1;
    op->flags |= OP_LAZY;
    op->resume = settle;
    op_complete_push(inst, op);
    assert_int_equal(settled, 0);
    op_take(inst, op, &qr);
    assert_int_equal(settled, 1);
    assert_int_equal(qr.qr_opcode, DEMI_OPC_FAILED);
    assert_int_equal(qr.qr_ret, ENOMEM);
    instance_close_queue(inst, q);
}

static void results__are_in_order_of_completion(void **state)
{
    struct queue *q = open_queue();
    struct op *op[5];
    static const unsigned order[] = {3, 0, 4, 2, 1};
    demi_qresult_t qr;

    (void)state;
    for (unsigned i = 0; i < 5; i++)
        op[i] = pend(q, DEMI_OPC_CONNECT);
    for (unsigned i = 0; i < 5; i++) {
        unpend(op[order[i]]);
        op_complete_connect(inst, op[order[i]]);
    }
    for (unsigned i = 0; i < 5; i++) {
        struct op *first = op_list_first(&inst->ops, &inst->ops.done);

        assert_ptr_equal(first, op[order[i]]);
        op_take(inst, first, &qr);
        assert_int_equal(qr.qr_opcode, DEMI_OPC_CONNECT);
    }
    instance_close_queue(inst, q);
}

static void op_discard__drops_what_was_popped(void **state)
{
    struct queue *q = open_queue();
    struct op *op = op_issue(inst, q, DEMI_OPC_POP);
    char *obj = mem_alloc(&inst->mem, 100, 1);

    (void)state;
    op_complete_pop(inst, op, obj, obj, 100);
    op_discard(inst, op);
    instance_close_queue(inst, q);
}

static void op_discard__closes_what_was_accepted(void **state)
{
    struct queue *q = open_queue(), *fresh = open_queue();
    struct op *op = op_issue(inst, q, DEMI_OPC_ACCEPT);
    int fresh_qd = fresh->qd;

    (void)state;
    op_complete_accept(inst, op, fresh->qd);
    op_discard(inst, op);
    assert_null(queue_lookup(&inst->queues, fresh_qd));
    assert_int_equal(closes, 1);
    instance_close_queue(inst, q);
}

static void close__pending_operations_end_as_canceled_in_order(void **state)
{
    struct queue *q = open_queue();
    struct op *push[2], *pop[2];
    int qd = q->qd;
    demi_qresult_t qr;

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        push[i] = pend(q, DEMI_OPC_PUSH);
        pop[i] = pend(q, DEMI_OPC_POP);
        push[i]->obj = mem_alloc(&inst->mem, 64, 1);
    }
    instance_close_queue(inst, q);
    assert_int_equal(cancels, 4);
    assert_int_equal(closes, 1);
    assert_int_equal(mem_bytes_used(&inst->mem), 0);
    assert_ptr_equal(op_list_first(&inst->ops, &inst->ops.done), push[0]);
    for (unsigned i = 0; i < 4; i++) {
        op_take(inst, i < 2 ? push[i] : pop[i - 2], &qr);
        assert_int_equal(qr.qr_opcode, DEMI_OPC_FAILED);
        assert_int_equal(qr.qr_ret, ECANCELED);
        assert_int_equal(qr.qr_qd, qd);
    }
}

static void close__completed_operations_are_freed(void **state)
{
    struct queue *q = open_queue(), *other = open_queue();
    struct op *mine[3], *theirs;
    demi_qtoken_t qt[3];
    demi_qresult_t qr;

    (void)state;
    theirs = op_issue(inst, other, DEMI_OPC_CONNECT);
    for (unsigned i = 0; i < 3; i++) {
        mine[i] = op_issue(inst, q, DEMI_OPC_CONNECT);
        qt[i] = mine[i]->token;
        op_complete_connect(inst, mine[i]);
        if (i == 1)
            op_complete_connect(inst, theirs);
    }
    instance_close_queue(inst, q);
    for (unsigned i = 0; i < 3; i++)
        assert_null(op_lookup(&inst->ops, qt[i]));
    assert_int_equal(inst->ops.done_count, 1);
    op_take(inst, theirs, &qr);
    instance_close_queue(inst, other);
}

/* Closing a listener closes what it accepted, whose own results stand between the listener's. */
static void close__results_of_accepted_queues_between_its_own(void **state)
{
    struct queue *listener = open_queue(), *accepted[2] = {open_queue(), open_queue()};
    struct op *op;

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        op_complete_accept(inst, op_issue(inst, listener, DEMI_OPC_ACCEPT), accepted[i]->qd);
        op = op_issue(inst, accepted[i], DEMI_OPC_CONNECT);
        op_complete_connect(inst, op);
    }
    instance_close_queue(inst, listener);
    assert_int_equal(closes, 3);
    assert_int_equal(inst->ops.done_count, 0);
}

static void op_abandon__leaves_the_others_pending(void **state)
{
    struct queue *q = open_queue();
    struct op *op[3];

    (void)state;
    for (unsigned i = 0; i < 3; i++)
        op[i] = pend(q, DEMI_OPC_POP);
    op_abandon(inst, op[1]);
    op_drop(inst, op[1]);
    op_free(&inst->ops, op[1]);
    assert_int_equal(cancels, 1);
    assert_ptr_equal(op_list_first(&inst->ops, &q->pops), op[0]);
    assert_int_equal(op[0]->next, op[2]->index);
    for (unsigned i = 0; i < 3; i += 2) {
        unpend(op[i]);
        op_free(&inst->ops, op[i]);
    }
    instance_close_queue(inst, q);
}

static void task_new__has_no_token(void **state)
{
    struct op *task = task_new(inst, settle, SCHED_BACKGROUND);

    (void)state;
    assert_null(op_lookup(&inst->ops, task->token));
    assert_null(op_lookup(&inst->ops, task->token + OP_GENERATION));
    assert_null(op_lookup(&inst->ops, task->token - OP_GENERATION));
    task_free(inst, task);
}

static void instance_free__closes_and_frees_everything(void **state)
{
    struct queue *q = open_queue();
    struct op *op = op_issue(inst, q, DEMI_OPC_POP);
    char *obj = mem_alloc(&inst->mem, 64, 1);
    struct config cfg = inst->config;

    (void)state;
    op_complete_pop(inst, op, obj, obj, 64);
    pend(q, DEMI_OPC_POP);
    pend(open_queue(), DEMI_OPC_PUSH);
    instance_free(inst);
    assert_int_equal(closes, 2);
    assert_int_equal(cancels, 2);
    inst = fake_instance(&cfg);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(op_issue__no_slot_is_counted),
        TEST(op_take__pop_hands_the_object_over),
        TEST(op_complete_push__drops_its_reference),
        TEST(op_fail__result_says_so_and_memory_is_let_go),
        TEST(op_drop__every_segment_of_a_gather),
        TEST(op_take__settles_a_lazy_result_once),
        TEST(results__are_in_order_of_completion),
        TEST(op_discard__drops_what_was_popped),
        TEST(op_discard__closes_what_was_accepted),
        TEST(close__pending_operations_end_as_canceled_in_order),
        TEST(close__completed_operations_are_freed),
        TEST(close__results_of_accepted_queues_between_its_own),
        TEST(op_abandon__leaves_the_others_pending),
        TEST(task_new__has_no_token),
        TEST(instance_free__closes_and_frees_everything),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
