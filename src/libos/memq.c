/* SPDX-License-Identifier: MIT */
/*
 * In-memory queues: what is pushed is popped, message by message, in order.
 *
 * 1. A push refers to the pusher's object and is complete at once. Whether a copy is needed is decided as late as it
 * can be: when the pusher gave its array up before, the object moves to the popper; when it still owns it, the popper
 * gets a copy, made when it pops. A pusher that waits for its token may write to its buffer from then on, so a wait for
 * the push of a message nobody popped makes that copy first (a "lazy" operation). Rejected: always copying (two to
 * three times the cost of a hand-over), sharing the object (the pusher's next message would change this one), holding
 * the push back until the pop (a thread that waits for its push before it pops would wait for ever).
 * 2. When pops wait, no message does: a push completes the oldest waiting pop in its own call.
 * 3. The ring grows by doubling up to queue_depth; a push beyond that waits, in order.
 */
#include "memq.h"

#include "core/complete.h"

#include <errno.h>
#include <stdlib.h>

#define MEMQ_FIRST_SLOTS 16

struct message {
    void *obj; /* one reference */
    char *ptr;
    uint32_t len;
};

struct memq {
    struct message *ring;
    uint32_t slots;      /* a power of two */
    uint32_t depth;      /* most messages held */
    uint64_t head, tail; /* messages popped and pushed so far */
};

static struct memq *memq_of(const struct queue *q)
{
    return q->state;
}

/* A fresh object with the message's bytes, one reference; drops the reference on the old one. */
static bool message_copy(struct instance *inst, struct message *m)
{
    char *copy = mem_alloc(&inst->mem, m->len, 1);

    if (copy == NULL)
        return false;
    memcpy(copy, m->ptr, m->len);
    mem_unref(&inst->mem, m->obj);
    m->obj = copy;
    m->ptr = copy;
    return true;
}

/* May the popper have the object itself? Not while somebody else owns or refers to it. */
static bool message_is_sole(const struct message *m)
{
    return (*mem_ref_word(m->obj) & (REF_HELD | REF_META | REF_EXTERN)) == 1;
}

/*
 * Completes pop with the message, whose reference it takes over. False: pop failed, because a message is one piece and
 * it takes less (demi_pop_n), or for want of memory; the message stays.
 */
static bool hand_over(struct instance *inst, struct op *pop, struct message *m)
{
    if (UNLIKELY(pop->len != 0 && pop->len < m->len)) {
        op_fail(inst, pop, EMSGSIZE);
        return false;
    }
    if (!message_is_sole(m) && !message_copy(inst, m)) {
        op_fail(inst, pop, ENOMEM);
        return false;
    }
    op_complete_pop(inst, pop, m->obj, m->ptr, m->len);
    return true;
}

/* Steps over the places of messages that were taken back. */
static void skip_empty(struct memq *mq)
{
    while (mq->head != mq->tail && mq->ring[mq->head & (mq->slots - 1)].obj == NULL)
        mq->head++;
}

static void let_in(struct instance *inst, struct queue *q);

/*
 * The application takes the result of a push: from now on it may write to its buffer. op->word is the number of the
 * message; while that is still queued and the buffer still the application's, the queue needs a copy of its own.
 */
static enum co_status settle_queued(struct instance *inst, struct op *op) __attribute__((noinline));
static enum co_status settle_queued(struct instance *inst, struct op *op)
{
    struct memq *mq = memq_of(op->queue);
    struct message *m = &mq->ring[op->word & (mq->slots - 1)];

    if (message_is_sole(m) || message_copy(inst, m))
        return CO_DONE;
    op->err = ENOMEM; /* FAILED means not sent: the message leaves an empty place that a pop steps over */
    mem_unref(&inst->mem, m->obj);
    m->obj = NULL;
    skip_empty(mq);
    let_in(inst, op->queue);
    return CO_DONE;
}

static enum co_status settle_push(struct instance *inst, struct op *op)
{
    if (op->queue == NULL || op->word < memq_of(op->queue)->head)
        return CO_DONE;
    return settle_queued(inst, op);
}

static bool memq_grow(struct memq *mq)
{
    struct message *ring;

    if (mq->slots > mq->depth / 2 && mq->slots >= mq->depth)
        return false;
    ring = malloc(2 * mq->slots * sizeof(*ring));
    if (ring == NULL)
        return false;
    for (uint64_t i = mq->head; i != mq->tail; i++)
        ring[i & (2 * mq->slots - 1)] = mq->ring[i & (mq->slots - 1)];
    free(mq->ring);
    mq->ring = ring;
    mq->slots *= 2;
    return true;
}

static bool memq_has_room(struct memq *mq)
{
    if (mq->tail - mq->head >= mq->depth)
        return false;
    return mq->tail - mq->head < mq->slots || memq_grow(mq);
}

/* Puts a push's message into the ring and completes the push. */
static void enqueue(struct instance *inst, struct memq *mq, struct op *op)
{
    struct message *m = &mq->ring[mq->tail & (mq->slots - 1)];

    *m = (struct message){op->obj, op->ptr, op->len};
    op->obj = NULL; /* its reference is the message's now */
    op->word = mq->tail++;
    op->resume = settle_push;
    op->flags |= OP_LAZY;
    op_complete_push(inst, op);
}

/* Pushes that wait take the places that became free, in order. */
static void let_in(struct instance *inst, struct queue *q)
{
    struct memq *mq = memq_of(q);

    while (!op_list_is_empty(&q->pushes) && memq_has_room(mq)) {
        struct op *push = op_list_first(&inst->ops, &q->pushes);

        op_unpend(inst, &q->pushes, push);
        enqueue(inst, mq, push);
    }
}

static int memq_push(struct instance *inst, struct queue *q, struct op *op)
{
    struct memq *mq = memq_of(q);
    struct message m = {op->obj, op->ptr, op->len};
    struct op *pop;

    while ((pop = op_list_first(&inst->ops, &q->pops)) != NULL) {
        op_unpend(inst, &q->pops, pop);
        if (UNLIKELY(!hand_over(inst, pop, &m)))
            continue;
        op->obj = NULL;
        op_complete_push(inst, op);
        return 0;
    }
    if (LIKELY(memq_has_room(mq) && op_list_is_empty(&q->pushes)))
        enqueue(inst, mq, op);
    else
        op_pend(inst, &q->pushes, op);
    return 0;
}

static int memq_pop(struct instance *inst, struct queue *q, struct op *op)
{
    struct memq *mq = memq_of(q);
    struct message *m;

    if (mq->head == mq->tail) {
        op_pend(inst, &q->pops, op);
        return 0;
    }
    m = &mq->ring[mq->head & (mq->slots - 1)];
    if (UNLIKELY(!hand_over(inst, op, m)))
        return 0;
    mq->head++;
    skip_empty(mq);
    if (UNLIKELY(!op_list_is_empty(&q->pushes)))
        let_in(inst, q);
    return 0;
}

static void memq_close(struct instance *inst, struct queue *q)
{
    struct memq *mq = memq_of(q);

    for (; mq->head != mq->tail; mq->head++)
        if (mq->ring[mq->head & (mq->slots - 1)].obj != NULL)
            mem_unref(&inst->mem, mq->ring[mq->head & (mq->slots - 1)].obj);
    free(mq->ring);
    free(mq);
}

static const struct queue_ops memq_ops = {
    .name = "queue",
    .push = memq_push,
    .pop = memq_pop,
    .close = memq_close,
};

int memq_open(struct instance *inst, int *qd_out)
{
    struct memq *mq = calloc(1, sizeof(*mq));
    struct queue *q;

    if (mq != NULL)
        mq->ring = malloc(MEMQ_FIRST_SLOTS * sizeof(*mq->ring));
    if (mq == NULL || mq->ring == NULL) {
        free(mq);
        return error_set(&inst->error, ENOMEM, "no memory for a queue");
    }
    q = queue_alloc(&inst->queues, &memq_ops);
    if (q == NULL) {
        COUNT(inst, queues_full);
        free(mq->ring);
        free(mq);
        return error_set(&inst->error, EMFILE, "max_queues are open");
    }
    mq->slots = MEMQ_FIRST_SLOTS;
    mq->depth = (uint32_t)inst->config.queue_depth;
    q->state = mq;
    q->status = QUEUE_CONNECTED;
    *qd_out = q->qd;
    return 0;
}
