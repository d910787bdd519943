/* SPDX-License-Identifier: MIT */
/* io_uring engine: output. Note 5 in uring.c. */
#include "uring.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define DIRECT_SENDS 4                /* of one push: a peer that reads as fast must not keep the call from returning */
#define IOV_BATCH    64               /* segments handed to the kernel in one request */
#define QUEUED_NS    (10 * NS_PER_US) /* pushes wait that long for the turn that submits them, unless none comes */

/*
 * What a sendmsg points to: the kernel has read it when it has been told of the request. The bytes it reads later, if
 * need be: the references on their objects live as long.
 */
struct message {
    struct msghdr head;
    union {
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    } to;
    uint32_t held_count;
    void *held[IOV_BATCH];
    struct iovec iov[IOV_BATCH];
};

static bool has_destination(const struct op *op)
{
    return (op->flags & OP_GATHER) == 0 && op->args.in.sin_family != AF_UNSPEC;
}

/* Takes the next segments, and a reference on each. */
static void gather(struct message *m, const struct op *op)
{
    const struct gather *g = op->args.gather;
    size_t skip = op->done;
    uint32_t i = 0, n = 0;

    for (; i < g->count && skip >= g->seg[i].len; i++)
        skip -= g->seg[i].len;
    for (; i < g->count && n < IOV_BATCH; i++, n++) {
        m->iov[n] = (struct iovec){g->seg[i].ptr + skip, g->seg[i].len - skip};
        m->held[n] = g->seg[i].obj;
        mem_ref(m->held[n]);
        skip = 0;
    }
    m->head.msg_iovlen = m->held_count = n;
}

static struct message *make_message(struct instance *inst, const struct op *op)
{
    bool many = (op->flags & OP_GATHER) != 0;
    struct message *m = mem_alloc(&inst->mem, sizeof(*m), 1);

    if (m == NULL)
        return NULL;
    memset(m, 0, offsetof(struct message, held));
    m->head.msg_iov = m->iov;
    if (many) {
        gather(m, op);
        return m;
    }
    m->held[m->held_count++] = op->obj;
    mem_ref(op->obj);
    m->head.msg_iovlen = (size_t)catnap_segments(op, m->iov, 1);
    m->head.msg_name = &m->to;
    m->head.msg_namelen = op->args.in.sin_family == AF_INET ? sizeof(m->to.in) : sizeof(m->to.in6);
    memcpy(&m->to, &op->args, m->head.msg_namelen);
    return m;
}

void uring_message_free(struct instance *inst, void *message)
{
    struct message *m = message;

    while (m->held_count > 0)
        mem_unref(&inst->mem, m->held[--m->held_count]);
    mem_unref(&inst->mem, m);
}

/* Queues the oldest push. */
static bool start(struct instance *inst, struct uring *u, struct queue *q, const struct op *op)
{
    int flags = MSG_NOSIGNAL | (q->type == SOCK_STREAM ? MSG_WAITALL : 0);
    bool plain = !has_destination(op) && (op->flags & OP_GATHER) == 0;
    struct message *m = plain ? NULL : make_message(inst, op);
    struct io_uring_sqe *sqe;
    struct request *r;

    if (!plain && m == NULL)
        return false;
    r = uring_request(inst, u, q, REQUEST_SEND, &sqe);
    if (r == NULL) {
        if (m != NULL)
            uring_message_free(inst, m);
        return false;
    }
    r->token = op->token;
    r->message = m;
    if (plain) {
        r->obj = op->obj; /* kept alive whatever becomes of the operation */
        mem_ref(r->obj);
        io_uring_prep_send(sqe, q->fd, op->ptr + op->done, op->len - op->done, flags);
    } else {
        io_uring_prep_sendmsg(sqe, q->fd, &m->head, (unsigned)flags);
    }
    if (u->sends++ == 0)
        u->queued_ns = clock_now_ns(&inst->clock);
    uring_queue(u, r, sqe);
    endpoint_of(inst, u, q)->output = uring_request_index(u, r);
    return true;
}

/* Sends the oldest pending push, if nothing is being sent. */
static void continue_output(struct instance *inst, struct uring *u, struct queue *q)
{
    while (endpoint_of(inst, u, q)->output == 0 && !op_list_is_empty(&q->pushes)) {
        struct op *op = op_list_first(&inst->ops, &q->pushes);

        if (LIKELY(start(inst, u, q, op)))
            return;
        op_unpend(inst, &q->pushes, op);
        op_fail(inst, op, ENOMEM);
    }
}

static void sent(struct instance *inst, struct queue *q, struct op *op, uint32_t n)
{
    op->done += n;
    if (q->type == SOCK_STREAM && op->done < op->len)
        return; /* the rest follows */
    op_unpend(inst, &q->pushes, op);
    if ((op->flags & OP_GATHER) != 0)
        op_drop(inst, op);
    op_complete_push(inst, op);
}

void uring_on_send(struct instance *inst, struct queue *q, const struct request *r, const struct io_uring_cqe *cqe)
{
    struct op *op = op_lookup(&inst->ops, r->token);

    if (op != NULL && op->state == OP_PENDING) { /* neither cancelled nor failed with its stream */
        assert(op == op_list_first(&inst->ops, &q->pushes));
        if (LIKELY(cqe->res >= 0)) {
            sent(inst, q, op, (uint32_t)cqe->res);
        } else if (cqe->res != -EINTR && cqe->res != -EAGAIN) {
            op_unpend(inst, &q->pushes, op);
            catnap_break_output(inst, q, op, -cqe->res);
        }
    }
    continue_output(inst, uring_of(inst), q);
    catnap_output_end(q);
}

/* Lets the kernel try a send of q that it has not been told of. */
static void flush(struct instance *inst, struct uring *u, const struct endpoint *e)
{
    if (e->output == 0 || u->queued == 0 || u->requests[e->output].epoch != u->epoch)
        return;
    uring_enter(inst, u);
    uring_reap(inst, u);
}

/* Would a push be the only one of its submission, as far as one can tell? */
static bool goes_alone(struct uring *u, const struct queue *q)
{
    if (u->batch < 2 || q->status == QUEUE_FRESH) /* fresh: the address it gets must be known at once */
        return true;
    if (u->alone == 0)
        return false;
    u->alone--;
    return true;
}

int uring_push(struct instance *inst, struct queue *q, struct op *op)
{
    struct uring *u = uring_of(inst);
    const struct endpoint *e = endpoint_of(inst, u, q);

    flush(inst, u, e);
    if (UNLIKELY(q->error != 0 || (q->flags & QUEUE_SHUT_WR) != 0)) {
        op_fail(inst, op, q->error != 0 ? q->error : EPIPE);
        return 0;
    }
    if (e->output == 0 && op_list_is_empty(&q->pushes) && goes_alone(u, q)) {
        enum catnap_attempt tried = CATNAP_AGAIN;

        q->flags |= QUEUE_WRITABLE;
        for (int n = 0; n < DIRECT_SENDS && tried == CATNAP_AGAIN && (q->flags & QUEUE_WRITABLE) != 0; n++)
            tried = catnap_try_push(inst, q, op);
        if (UNLIKELY(q->status == QUEUE_FRESH))
            q->status = QUEUE_BOUND; /* the kernel gave it an ephemeral port */
        if (LIKELY(tried == CATNAP_DONE))
            return 0;
    }
    op_pend(inst, &q->pushes, op);
    continue_output(inst, u, q);
    if (u->sends > 1 && clock_now_ns(&inst->clock) - u->queued_ns > QUEUED_NS)
        uring_enter(inst, u);
    return 0;
}
