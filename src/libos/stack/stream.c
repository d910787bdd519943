/* SPDX-License-Identifier: MIT */
/* Streams: TCP's connections as queues. See the notes in stack.h. */
#include "stack.h"

#include <errno.h>
#include <string.h>

/* ---- pushes ---- */

/* Does the application still own bytes of this push, which TCP reads until they are acknowledged? */
static bool reads_application(const struct op *op)
{
    if ((op->flags & OP_GATHER) == 0)
        return mem_app_owned(op->obj);
    for (uint32_t i = 0; i < op->args.gather->count; i++)
        if (mem_app_owned(op->args.gather->seg[i].obj))
            return true;
    return false;
}

/* A short push goes as a copy, and so is complete as soon as it is queued. */
static int copy_short(struct instance *inst, struct op *op)
{
    char *copy;

    if ((op->flags & OP_GATHER) != 0 || op->done > 0 || op->len >= inst->config.zero_copy_threshold ||
        !mem_app_owned(op->obj))
        return 0;
    copy = mem_alloc(&inst->mem, op->len, 1);
    if (UNLIKELY(copy == NULL))
        return -ENOMEM;
    memcpy(copy, op->ptr, op->len);
    mem_unref(&inst->mem, op->obj);
    op->obj = op->ptr = copy;
    return 0;
}

static int64_t queue_gather(struct sock *s, struct op *op)
{
    const struct gather *g = op->args.gather;
    size_t skip = op->done;

    for (uint32_t i = 0; i < g->count; i++) {
        const struct gather_seg *seg = &g->seg[i];
        int64_t n;

        if (skip >= seg->len) {
            skip -= seg->len;
            continue;
        }
        n = tcp_send(s->conn, seg->obj, seg->ptr + skip, (uint32_t)(seg->len - skip));
        if (n < 0)
            return n;
        op->done += (uint32_t)n;
        if ((size_t)n < seg->len - skip)
            return 0;
        skip = 0;
    }
    return 0;
}

/* Queues what there is room for. 0: all of it; -EAGAIN: a part or nothing; another negative errno. */
static int queue_bytes(struct sock *s, struct op *op)
{
    struct instance *inst = s->stack->inst;
    int64_t n = copy_short(inst, op);

    if (n == 0 && (op->flags & OP_GATHER) != 0) {
        n = queue_gather(s, op);
    } else if (n == 0) {
        n = tcp_send(s->conn, op->obj, op->ptr + op->done, op->len - op->done);
        if (n > 0)
            op->done += (uint32_t)n;
    }
    if (n < 0 && n != -EAGAIN && !(n == -ENOMEM && op->done > 0))
        return (int)n;
    if (op->done < op->len)
        return -EAGAIN;
    op->word = tcp_queued(s->conn);
    return 0;
}

static bool is_complete(const struct sock *s, const struct op *op)
{
    return op->done == op->len && (!reads_application(op) || op->word <= tcp_acked(s->conn));
}

static void complete_push(struct instance *inst, struct op *op)
{
    if (UNLIKELY((op->flags & OP_GATHER) != 0))
        op_drop(inst, op);
    op_complete_push(inst, op);
}

static void complete_pushes(struct instance *inst, struct sock *s)
{
    struct op *op;

    while ((op = op_list_first(&inst->ops, &s->q->pushes)) != NULL && is_complete(s, op)) {
        op_unpend(inst, &s->q->pushes, op);
        complete_push(inst, op);
    }
}

/* The application has ended its output; pushes before it go first. */
static void end_output(struct sock *s)
{
    if ((s->q->flags & QUEUE_SHUT_LATER) == 0 || s->unsent != OP_NIL)
        return;
    s->q->flags &= (uint16_t)~QUEUE_SHUT_LATER;
    tcp_shutdown(s->conn);
}

static void run_output(struct instance *inst, struct sock *s);

/* No memory for the queue of a push that has begun: nothing will tell when there is, so it asks once a turn. */
static enum co_status try_again(struct instance *inst, struct op *op)
{
    struct sock *s = sock_of(op->queue);

    if (s->conn != NULL) {
        stack_enter(s->stack);
        run_output(inst, s);
    }
    return CO_DONE;
}

/* A push fails for want of memory, and with it those behind it: note 4 in stack.h. */
static void tear(struct instance *inst, struct sock *s, struct op *op, int err)
{
    s->torn = op->token;
    op_fail(inst, op, err);
    while (s->unsent != OP_NIL) {
        op = op_at(&inst->ops, s->unsent);
        s->unsent = op->next;
        op_unpend(inst, &s->q->pushes, op);
        op_fail(inst, op, err);
    }
}

static bool is_torn(struct instance *inst, struct sock *s)
{
    if (LIKELY(s->torn == 0))
        return false;
    if (op_lookup(&inst->ops, s->torn) == NULL)
        s->torn = 0; /* the application knows */
    return s->torn != 0;
}

static void run_output(struct instance *inst, struct sock *s)
{
    while (s->unsent != OP_NIL) {
        struct op *op = op_at(&inst->ops, s->unsent);
        uint32_t before = op->done;
        int err = queue_bytes(s, op);

        if (err == -EAGAIN) {
            if (op->done == before && tcp_acked(s->conn) == tcp_queued(s->conn)) {
                op->resume = try_again;
                sched_wake(&inst->sched, op);
            }
            break;
        }
        s->unsent = op->next;
        if (err < 0) {
            op_unpend(inst, &s->q->pushes, op);
            tear(inst, s, op, -err);
        }
    }
    complete_pushes(inst, s);
    end_output(s);
}

/* A push that is queued is complete when the application gives its array up, which most do right after the call. */
static enum co_status look_again(struct instance *inst, struct op *op)
{
    struct sock *s = sock_of(op->queue);

    if (s->conn != NULL)
        complete_pushes(inst, s);
    return CO_DONE;
}

/* Queues a push, sends what may go, and completes it or has it wait. */
static inline void push(struct instance *inst, struct sock *s, struct queue *q, struct op *op)
{
    int err = -EAGAIN;

    if (LIKELY(s->unsent == OP_NIL)) {
        err = queue_bytes(s, op);
        if (UNLIKELY(err < 0 && err != -EAGAIN)) {
            tear(inst, s, op, -err);
            return;
        }
        if (LIKELY(op_list_is_empty(&q->pushes) && err == 0 && is_complete(s, op))) {
            complete_push(inst, op);
            return;
        }
    }
    op_pend(inst, &q->pushes, op);
    if (err == -EAGAIN && s->unsent == OP_NIL) {
        s->unsent = op->index;
        run_output(inst, s);
    } else if (err == 0) {
        op->resume = look_again;
        sched_wake(&inst->sched, op);
    }
}

static int stream_push(struct instance *inst, struct queue *q, struct op *op)
{
    struct sock *s = sock_of(q);

    if (UNLIKELY(q->error != 0 || (q->flags & QUEUE_SHUT_WR) != 0)) {
        op_fail(inst, op, q->error != 0 ? q->error : EPIPE);
        return 0;
    }
    if (UNLIKELY(is_torn(inst, s))) {
        op_fail(inst, op, ENOMEM);
        return 0;
    }
    stack_enter(s->stack);
    stack_push_begin(s->stack, !tcp_is_dry(s->conn));
    push(inst, s, q, op);
    stack_push_end(s->stack);
    return 0;
}

static void tcp_sent(void *ctx)
{
    struct sock *s = ctx;

    run_output(s->stack->inst, s);
}

/* ---- pops ---- */

void stack_pop_end(struct instance *inst, struct op *op)
{
    char *obj = mem_alloc(&inst->mem, 1, 1);

    op_complete_pop(inst, op, obj, obj, 0);
}

/* Completes a pop with a copy. False: no memory, nothing was done. */
static bool pop_copy(struct instance *inst, struct op *op, const char *ptr, uint32_t len)
{
    char *copy = mem_alloc(&inst->mem, len, 1);

    if (UNLIKELY(copy == NULL))
        return false;
    memcpy(copy, ptr, len);
    op_complete_pop(inst, op, copy, copy, len);
    return true;
}

/* The oldest run of received bytes: one that was held back, or TCP's. As tcp_recv. */
static int64_t take_run(struct sock *s, uint32_t max, void **obj, char **ptr)
{
    uint32_t n = max != 0 && max < s->held_len ? max : s->held_len;

    if (LIKELY(s->held == NULL))
        return tcp_recv(s->conn, max, obj, ptr);
    *obj = s->held;
    *ptr = s->held_ptr;
    s->held_len -= n;
    s->held_ptr += n;
    if (s->held_len > 0)
        mem_ref(s->held);
    else
        s->held = NULL;
    return n;
}

/* Puts a run back in front of what is held. It was taken a moment ago and nothing came between. */
static void hold_run(struct instance *inst, struct sock *s, void *obj, char *ptr, uint32_t n)
{
    if (s->held != NULL)
        mem_unref(&inst->mem, obj); /* its rest is there still, with a reference */
    s->held = obj;
    s->held_ptr = ptr;
    s->held_len += n;
}

/* Tries to complete a pop, which is in no list. False: nothing is there for it. */
static bool try_pop(struct instance *inst, struct sock *s, struct op *op)
{
    int64_t n;
    void *obj;
    char *ptr;

    if (UNLIKELY((s->q->flags & QUEUE_SHUT_RD) != 0)) {
        stack_pop_end(inst, op);
        return true;
    }
    n = take_run(s, op->len, &obj, &ptr);
    if (n == -EAGAIN)
        return false;
    if (n == 0) {
        stack_pop_end(inst, op);
    } else if (UNLIKELY(n < 0)) {
        op_fail(inst, op, (int)-n);
    } else if (LIKELY(stack_is_sole(obj, 0))) {
        op_complete_pop(inst, op, obj, ptr, (uint32_t)n);
    } else if (pop_copy(inst, op, ptr, (uint32_t)n)) {
        mem_unref(&inst->mem, obj);
    } else {
        hold_run(inst, s, obj, ptr, (uint32_t)n);
        op_fail(inst, op, ENOMEM);
    }
    return true;
}

static void run_input(struct instance *inst, struct sock *s)
{
    struct op *op;

    while ((op = op_list_first(&inst->ops, &s->q->pops)) != NULL) {
        op_unpend(inst, &s->q->pops, op);
        if (!try_pop(inst, s, op)) {
            op_list_add_first(&inst->ops, &s->q->pops, op);
            return;
        }
    }
}

static int stream_pop(struct instance *inst, struct queue *q, struct op *op)
{
    struct sock *s = sock_of(q);

    /* a pop that has to wait needs neither the time nor a closer look */
    if (op_list_is_empty(&q->pops) &&
        UNLIKELY(s->held != NULL || (q->flags & QUEUE_SHUT_RD) != 0 || !tcp_is_dry(s->conn))) {
        stack_enter(s->stack);
        if (try_pop(inst, s, op))
            return 0;
    }
    op_pend(inst, &q->pops, op);
    return 0;
}

/* In-order bytes as they come: pops that wait are completed here, the usual one with the device's own buffer. */
static uint32_t tcp_deliver(void *ctx, void *obj, char *ptr, uint32_t len)
{
    struct sock *s = ctx;
    struct instance *inst = s->stack->inst;
    uint32_t taken = 0;
    struct op *op;

    if (UNLIKELY(s->held != NULL))
        return 0;
    while (taken < len && (op = op_list_first(&inst->ops, &s->q->pops)) != NULL) {
        uint32_t left = len - taken, n = op->len != 0 && op->len < left ? op->len : left;

        op_unpend(inst, &s->q->pops, op);
        if (LIKELY(n == len && !mem_app_owned(obj))) {
            mem_ref(obj);
            op_complete_pop(inst, op, obj, ptr, n);
        } else if (!pop_copy(inst, op, ptr + taken, n)) {
            op_list_add_first(&inst->ops, &s->q->pops, op);
            return taken;
        }
        taken += n;
    }
    return taken;
}

static void tcp_ended(void *ctx, int err)
{
    struct sock *s = ctx;
    struct instance *inst = s->stack->inst;

    if (err != 0) {
        if (s->q->error == 0) {
            if (err == ECONNRESET)
                COUNT(inst, resets);
            s->q->error = (uint16_t)err;
        }
        s->unsent = OP_NIL;
        op_fail_all(inst, &s->q->pushes, err);
    }
    run_input(inst, s);
}

/* ---- ending ---- */

static int stream_shutdown(struct instance *inst, struct queue *q, int how)
{
    struct sock *s = sock_of(q);

    stack_enter(s->stack);
    if (how != SHUT_WR) {
        q->flags |= QUEUE_SHUT_RD;
        tcp_shutdown_read(s->conn);
    }
    if (how != SHUT_RD && (q->flags & QUEUE_SHUT_WR) == 0) {
        q->flags |= QUEUE_SHUT_WR | QUEUE_SHUT_LATER;
        end_output(s);
    }
    run_input(inst, s); /* pops that wait see the end of the stream */
    return 0;
}

static void stream_cancel(struct instance *inst, struct queue *q, struct op *op)
{
    struct sock *s = sock_of(q);

    if (s->unsent == op->index)
        s->unsent = op->next;
    if (s->conn == NULL || q->status != QUEUE_CONNECTED)
        return;
    complete_pushes(inst, s);
    end_output(s);
}

static void stream_close(struct instance *inst, struct queue *q)
{
    struct sock *s = sock_of(q);

    stack_enter(s->stack);
    if (s->listener != NULL)
        tcp_unlisten(s->listener);
    if (s->conn != NULL) {
        if ((q->flags & QUEUE_LINGER) != 0 && q->linger_s == 0)
            tcp_abort(s->conn);
        else
            tcp_close(s->conn);
    }
    if (s->held != NULL)
        mem_unref(&inst->mem, s->held);
    sock_free(s);
}

static void stream_event(struct instance *inst, struct queue *q, uint32_t events)
{
    (void)inst, (void)q, (void)events; /* it has no descriptor */
}

const struct tcp_upcalls stack_tcp_upcalls = {
    .incoming = stack_tcp_incoming,
    .connected = stack_tcp_connected,
    .deliver = tcp_deliver,
    .sent = tcp_sent,
    .ended = tcp_ended,
};

const struct queue_ops stack_stream_ops = {
    .name = "stack/stream",
    .gathers = true,
    .bind = stack_stream_bind,
    .listen = stack_stream_listen,
    .accept = stack_stream_accept,
    .connect = stack_stream_connect,
    .push = stream_push,
    .pop = stream_pop,
    .cancel = stream_cancel,
    .shutdown = stream_shutdown,
    .close = stream_close,
    .setsockopt = stack_setsockopt,
    .getsockopt = stack_getsockopt,
    .getpeername = stack_getpeername,
    .getsockname = stack_getsockname,
    .event = stream_event,
};
