/* SPDX-License-Identifier: MIT */
/* io_uring engine: how connections begin. */
#include "uring.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

void uring_drop_sockets(struct instance *inst, struct endpoint *e)
{
    while (e->first != NULL) {
        close((int)e->first->len);
        uring_remove_piece(inst, e);
    }
}

static void complete(struct instance *inst, struct queue *q, struct op *op, int fd)
{
    struct sockaddr_storage from = {.ss_family = AF_UNSPEC};
    socklen_t len = sizeof(from);
    const struct queue *fresh = catnap_adopt(inst, q, fd);

    COUNT(inst, syscalls);
    getpeername(fd, (struct sockaddr *)&from, &len); /* no address: it was reset already */
    catnap_set_source(op, (const struct sockaddr *)&from);
    op_complete_accept(inst, op, fresh->qd);
}

/* Gives waiting accepts the connections that are there. */
static void serve(struct instance *inst, struct queue *q, struct endpoint *e)
{
    while (e->first != NULL && !op_list_is_empty(&q->pops)) {
        struct op *op = op_list_first(&inst->ops, &q->pops);
        int fd = (int)e->first->len;

        op_unpend(inst, &q->pops, op);
        if (UNLIKELY(inst->queues.used == inst->queues.capacity)) {
            COUNT(inst, queues_full);
            op_fail(inst, op, EMFILE);
            continue;
        }
        uring_remove_piece(inst, e);
        complete(inst, q, op, fd);
    }
}

static void start(struct instance *inst, struct uring *u, struct queue *q, struct endpoint *e)
{
    struct io_uring_sqe *sqe;
    struct request *r = uring_request(inst, u, q, REQUEST_ACCEPT, &sqe);

    if (r == NULL) {
        while (!op_list_is_empty(&q->pops))
            uring_fail_first(inst, q, ENOMEM);
        return;
    }
    io_uring_prep_multishot_accept(sqe, q->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    uring_queue(u, r, sqe);
    e->input = uring_request_index(u, r);
}

static void continue_accepts(struct instance *inst, struct uring *u, struct queue *q)
{
    struct endpoint *e = endpoint_of(inst, u, q);

    serve(inst, q, e);
    if (e->input != 0 && e->piece_count >= URING_PIECES_STOP)
        uring_cancel(inst, u, e->input);
    if (e->input == 0 && !op_list_is_empty(&q->pops))
        start(inst, u, q, e);
}

int uring_accept(struct instance *inst, struct queue *q, struct op *op)
{
    struct uring *u = uring_of(inst);

    op_pend(inst, &q->pops, op);
    continue_accepts(inst, u, q);
    return 0;
}

/* A connection arrived. Memory is needed only where it has to wait for an accept. */
static void take_in(struct instance *inst, struct queue *q, struct endpoint *e, int fd)
{
    struct op *op = op_list_first(&inst->ops, &q->pops);

    if (LIKELY(op != NULL && e->first == NULL && inst->queues.used < inst->queues.capacity)) {
        op_unpend(inst, &q->pops, op);
        complete(inst, q, op, fd);
        return;
    }
    if (uring_add_piece(inst, e, NULL, NULL, (uint32_t)fd))
        return;
    close(fd);
    if (op != NULL)
        uring_fail_first(inst, q, ENOMEM);
}

void uring_on_accept(struct instance *inst, struct queue *q, const struct io_uring_cqe *cqe)
{
    struct uring *u = uring_of(inst);

    if (q == NULL) {
        if (cqe->res >= 0)
            close(cqe->res);
        return;
    }
    if (cqe->res >= 0) {
        take_in(inst, q, endpoint_of(inst, u, q), cqe->res);
    } else if (cqe->res != -ECANCELED && cqe->res != -EINTR && cqe->res != -EAGAIN && cqe->res != -ECONNABORTED &&
               !op_list_is_empty(&q->pops)) {
        uring_fail_first(inst, q, -cqe->res);
    }
    continue_accepts(inst, u, q);
}

int uring_connect(struct instance *inst, struct queue *q, struct op *op, const struct sockaddr *addr, socklen_t len)
{
    struct uring *u = uring_of(inst);
    struct endpoint *e = endpoint_of(inst, u, q);
    struct io_uring_sqe *sqe;
    struct request *r;

    COUNT(inst, syscalls);
    if (connect(q->fd, addr, len) == 0) {
        q->status = QUEUE_CONNECTED;
        op_complete_connect(inst, op);
        return 0;
    }
    if (errno != EINPROGRESS && errno != EINTR) {
        op_fail(inst, op, errno);
        return 0;
    }
    assert(e->output == 0);
    r = uring_request(inst, u, q, REQUEST_CONNECT, &sqe);
    if (r == NULL)
        return error_set(&inst->error, ENOMEM, "connect: no request is free");
    io_uring_prep_poll_add(sqe, q->fd, POLLOUT);
    uring_queue(u, r, sqe);
    r->token = 0; /* of no push */
    e->output = uring_request_index(u, r);
    q->status = QUEUE_CONNECTING;
    op_pend(inst, &q->pushes, op);
    return 0;
}
