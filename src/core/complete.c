/* SPDX-License-Identifier: MIT */
/* The rarer ends of an operation: failure, cancellation, what was sent at once, and the jobs of the background. */
#include "complete.h"

void op_drop(struct instance *inst, struct op *op)
{
    if ((op->flags & OP_GATHER) != 0) {
        struct gather *g = op->args.gather;

        for (uint32_t i = 0; i < g->count; i++)
            if (g->seg[i].obj != NULL)
                mem_unref(&inst->mem, g->seg[i].obj);
        mem_unref(&inst->mem, g);
        op->flags &= (uint8_t)~OP_GATHER;
    }
    if (op->obj != NULL)
        mem_unref(&inst->mem, op->obj);
    op->obj = NULL;
}

int op_pushed(struct instance *inst, struct queue *q, demi_qtoken_t *qt_out, uint32_t len)
{
    struct op *op = op_issue(inst, q, DEMI_OPC_PUSH);

    assert(op != NULL);
    op->len = len;
    *qt_out = op->token;
    op_complete_push(inst, op);
    return 0;
}

void op_complete_accept(struct instance *inst, struct op *op, int32_t new_qd)
{
    op->done = (uint32_t)new_qd;
    trace_add(&inst->trace, TRACE_ACCEPT, 0, (uint32_t)op->qd, (uint32_t)new_qd);
    COUNT(inst, accepts);
    op_finish(inst, op);
}

void op_complete_connect(struct instance *inst, struct op *op)
{
    trace_add(&inst->trace, TRACE_CONNECT, 0, (uint32_t)op->qd, 0);
    COUNT(inst, connects);
    op_finish(inst, op);
}

void op_fail(struct instance *inst, struct op *op, int err)
{
    assert(err > 0);
    op_drop(inst, op);
    op->err = (uint16_t)err;
    trace_add(&inst->trace, TRACE_FAILED, (uint16_t)err, (uint32_t)op->qd, op->opcode);
    COUNT(inst, failures);
    if ((op->flags & OP_QUIET) != 0)
        op_free(&inst->ops, op);
    else
        op_finish(inst, op);
}

void op_fail_all(struct instance *inst, struct op_list *list, int err)
{
    struct op *op;

    while ((op = op_list_first(&inst->ops, list)) != NULL) {
        op_unpend(inst, list, op);
        op_fail(inst, op, err);
    }
}

void op_discard(struct instance *inst, struct op *op)
{
    op_settle(inst, op);
    op_undone(inst, op);
    op_forget(inst, op);
}

void op_forget(struct instance *inst, struct op *op)
{
    if (op->opcode == DEMI_OPC_ACCEPT && op->err == 0) {
        struct queue *q = queue_lookup(&inst->queues, (int32_t)op->done);

        if (q != NULL)
            instance_close_queue(inst, q);
    }
    op_drop(inst, op);
    op_free(&inst->ops, op);
}

void op_abandon(struct instance *inst, struct op *op)
{
    struct queue *q = op->queue;

    op_unpend(inst, op_list_of(op), op);
    sched_unwake(&inst->sched, op);
    if (q->ops->cancel != NULL)
        q->ops->cancel(inst, q, op);
    trace_add(&inst->trace, TRACE_CANCEL, 0, (uint32_t)op->qd, op->opcode);
}

struct op *task_new(struct instance *inst, co_fn *resume, enum sched_class cls)
{
    struct op *op = op_alloc(&inst->ops);

    if (op == NULL) {
        COUNT(inst, ops_full);
        return NULL;
    }
    op_revoke(op); /* no token names it */
    op->resume = resume;
    op->queue = NULL;
    op->qd = -1;
    op->opcode = DEMI_OPC_INVALID;
    op->cls = (uint8_t)cls;
    op->flags = OP_TASK;
    op->obj = NULL;
    return op;
}

void task_free(struct instance *inst, struct op *task)
{
    sched_unwake(&inst->sched, task);
    op_free(&inst->ops, task);
}
