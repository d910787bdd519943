/* SPDX-License-Identifier: MIT */
/* An operation's way: issued, linked to its queue, completed, taken by a wait. */
#ifndef CORE_COMPLETE_H
#define CORE_COMPLETE_H

#include "instance.h"

#include <string.h>

/* Starts an operation on q. NULL: all slots are taken (counted). */
static inline struct op *op_issue(struct instance *inst, struct queue *q, enum demi_opcode opcode)
{
    struct op *op = op_alloc(&inst->ops);

    if (UNLIKELY(op == NULL)) {
        COUNT(inst, ops_full);
        return NULL;
    }
    op->resume = NULL; /* not the former operation's, which may have left a wake-up behind */
    op->queue = q;
    op->qd = q->qd;
    op->opcode = (uint8_t)opcode;
    op->cls = SCHED_APPLICATION;
    op->hint = inst->last_offset;
    op->obj = NULL;
    op->done = 0;
    return op;
}

/* The common end of op_complete and op_fail: into the list of results. */
static inline void op_finish(struct instance *inst, struct op *op)
{
    assert(op->state == OP_PENDING && op->queue != NULL);
    if (op->queue == NULL)
        __builtin_unreachable(); /* an analyzer sees quiet operations be freed, and does not know of states */
    op->state = OP_DONE;
    op->done_seq = inst->ops.done_seq++;
    op->queue->done_count++;
    op_list_add(&inst->ops, &inst->ops.done, op);
    inst->ops.done_count++;
}

/* A push is complete: its object's reference goes, unless the libOS has it (op->obj NULL). op may be free then. */
static inline void op_complete_push(struct instance *inst, struct op *op)
{
    trace_add(&inst->trace, TRACE_PUSH, 0, (uint32_t)op->qd, op->len);
    COUNT(inst, pushes);
    COUNT_ADD(inst, push_bytes, op->len);
    if (op->obj != NULL)
        mem_unref(&inst->mem, op->obj);
    op->obj = NULL;
    if (UNLIKELY((op->flags & OP_QUIET) != 0))
        op_free(&inst->ops, op);
    else
        op_finish(inst, op);
}

/* Queue_ops.send has sent len bytes: an operation that is complete. There is a slot for it. Returns 0. */
int op_pushed(struct instance *inst, struct queue *q, demi_qtoken_t *qt_out, uint32_t len);

/*
 * A pop is complete with len bytes at ptr in obj, on which the operation holds one reference; obj NULL: the end of the
 * stream. When the result is taken the reference becomes the application's ownership.
 */
static inline void op_complete_pop(struct instance *inst, struct op *op, void *obj, char *ptr, uint32_t len)
{
    op->obj = obj;
    op->ptr = ptr;
    op->len = len;
    trace_add(&inst->trace, TRACE_POP, 0, (uint32_t)op->qd, len);
    COUNT(inst, pops);
    COUNT_ADD(inst, pop_bytes, len);
    op_finish(inst, op);
}

/* An accept made the queue new_qd with its peer in op->args, or a connect succeeded. */
void op_complete_accept(struct instance *inst, struct op *op, int32_t new_qd);
void op_complete_connect(struct instance *inst, struct op *op);

/* The operation failed with a positive errno; what it held is let go. A quiet one is free then. */
void op_fail(struct instance *inst, struct op *op, int err);

/* Fails all operations of a list, the oldest first. */
void op_fail_all(struct instance *inst, struct op_list *list, int err);

/* Lets go of the object or the segments an operation holds. */
void op_drop(struct instance *inst, struct op *op);

/* Links a pending operation into one of its queue's lists, and takes it out again. */
static inline void op_pend(struct instance *inst, struct op_list *list, struct op *op)
{
    op_list_add(&inst->ops, list, op);
}

static inline void op_unpend(struct instance *inst, struct op_list *list, struct op *op)
{
    op_list_remove(&inst->ops, list, op);
}

/* Which list of its queue a pending operation is in. */
static inline struct op_list *op_list_of(struct op *op)
{
    return op->opcode == DEMI_OPC_POP || op->opcode == DEMI_OPC_ACCEPT ? &op->queue->pops : &op->queue->pushes;
}

/* Takes a completed operation out of the list of results without a trace of it: its result is dropped. */
void op_discard(struct instance *inst, struct op *op);

/* Drops the result of an operation that op_undone took out of the list, and frees the operation. */
void op_forget(struct instance *inst, struct op *op);

/* Ends a pending operation nobody wants any more. */
void op_abandon(struct instance *inst, struct op *op);

/* Runs what a lazy operation has left to do before its result may be seen. */
static inline void op_settle(struct instance *inst, struct op *op)
{
    if (UNLIKELY((op->flags & OP_LAZY) != 0)) {
        op->flags &= (uint8_t)~OP_LAZY;
        op->resume(inst, op);
    }
}

/* Takes a completed operation out of the list of results. */
static inline void op_undone(struct instance *inst, struct op *op)
{
    assert(op->state == OP_DONE);
    op_list_remove(&inst->ops, &inst->ops.done, op);
    inst->ops.done_count--;
    if (LIKELY(op->queue != NULL))
        op->queue->done_count--;
}

/* Sixteen bytes written at once, where an array may stand. */
typedef uint64_t pair_of_words __attribute__((vector_size(16), aligned(_Alignof(demi_sgarray_t)), may_alias));

/*
 * Writes a popped array in stores as wide as those a compiler copies it with: a copy that reads wider than it was
 * written waits until the stores have retired, some 13 cycles.
 */
static inline void op_write_sga(const struct op *op, demi_sgarray_t *sga)
{
    uint64_t ptr = (uintptr_t)op->ptr, addr[2];

    memcpy(addr, __builtin_assume_aligned(&op->args, 8), sizeof(addr));
    /* sga_buf | sga_numsegs, low half of sgaseg_buf | high half, sgaseg_len, sga_addr */
    *(pair_of_words *)(void *)sga = (pair_of_words){(uintptr_t)op->obj, 1 | ptr << 32};
    *(pair_of_words *)(void *)((char *)sga + 16) = (pair_of_words){ptr >> 32 | (uint64_t)op->len << 32, addr[0]};
    memcpy(__builtin_assume_aligned((char *)sga + 32, _Alignof(demi_sgarray_t)), &addr[1], sizeof(addr[1]));
}
_Static_assert(offsetof(demi_sgarray_t, sga_segs) == 12 && offsetof(demi_sgarray_t, sga_addr) == 24 &&
                   __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "op_write_sga knows the layout");

/* Hands the result of a completed operation to the application and frees the operation. */
static inline void op_take(struct instance *inst, struct op *op, demi_qresult_t *qr)
{
    op_settle(inst, op);
    op_undone(inst, op);
    qr->qr_opcode = op->opcode;
    qr->qr_qd = op->qd;
    qr->qr_qt = op->token;
    qr->qr_ret = op->err;
    if (LIKELY(op->opcode == DEMI_OPC_POP && op->obj != NULL)) {
        mem_give(op->obj);
        op_write_sga(op, &qr->qr_value.sga);
    } else {
        memset(__builtin_assume_aligned(&qr->qr_value, _Alignof(demi_sgarray_t)), 0, sizeof(qr->qr_value));
        if (op->err != 0) {
            qr->qr_opcode = DEMI_OPC_FAILED;
        } else if (op->opcode == DEMI_OPC_ACCEPT) {
            qr->qr_value.ares.qd = (int32_t)op->done;
            qr->qr_value.ares.addr = op->args.in;
        }
    }
    op_free(&inst->ops, op);
}

/* A background job: resume runs when woken, in class cls. NULL: all slots are taken. */
struct op *task_new(struct instance *inst, co_fn *resume, enum sched_class cls);
void task_free(struct instance *inst, struct op *task);

#endif /* CORE_COMPLETE_H */
