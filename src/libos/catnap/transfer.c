/* SPDX-License-Identifier: MIT */
/* catnap: receiving and sending by plain system calls, memory for it, and how connections begin and break. */
#include "catnap.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define IOV_BATCH 64 /* segments handed to the kernel in one call */

void *catnap_room(struct instance *inst, size_t bytes)
{
    struct catnap *c = catnap_of(inst);

    if (LIKELY(c->spare != NULL)) {
        size_t room = mem_room(c->spare);

        if (LIKELY(room >= bytes && room <= 2 * bytes))
            return c->spare;
        mem_unref(&inst->mem, c->spare);
    }
    c->spare = mem_alloc(&inst->mem, bytes, 1);
    return c->spare;
}

void *catnap_compact(struct instance *inst, const void *obj, size_t size, size_t n)
{
    void *copy;

    if (n >= inst->config.zero_copy_threshold && size * 4 > mem_room(obj))
        return NULL;
    copy = mem_alloc(&inst->mem, size == 0 ? 1 : size, 1);
    return LIKELY(copy != NULL) ? memcpy(copy, obj, size) : NULL;
}

void catnap_received(struct instance *inst, struct op *op, size_t offset, size_t n, bool meta)
{
    struct catnap *c = catnap_of(inst);
    char *obj = catnap_compact(inst, c->spare, offset + n, n);

    if (obj == NULL) {
        obj = c->spare;
        c->spare = NULL;
    }
    if (meta)
        *mem_ref_word(obj) |= REF_META;
    op_complete_pop(inst, op, obj, obj + offset, (uint32_t)n);
}

void catnap_received_end(struct instance *inst, struct op *op)
{
    char *obj = mem_alloc(&inst->mem, 1, 1); /* an array of length 0 that the application can free like any other */

    op_complete_pop(inst, op, obj, obj, 0);
}

void catnap_adapt(struct queue *q, size_t offered, size_t n)
{
    if (n == offered && offered == q->pop_bytes && q->pop_bytes < CATNAP_POP_MAX)
        q->pop_bytes *= 2;
    else if (n * 4 < q->pop_bytes && q->pop_bytes > CATNAP_POP_MIN)
        q->pop_bytes /= 2;
}

int catnap_segments(const struct op *op, struct iovec *iov, int max)
{
    const struct gather *g;
    size_t skip = op->done;
    int n = 0;

    if ((op->flags & OP_GATHER) == 0) {
        iov[0] = (struct iovec){op->ptr + op->done, op->len - op->done};
        return 1;
    }
    g = op->args.gather;
    for (uint32_t i = 0; i < g->count && n < max; i++) {
        if (skip >= g->seg[i].len) {
            skip -= g->seg[i].len;
            continue;
        }
        iov[n++] = (struct iovec){g->seg[i].ptr + skip, g->seg[i].len - skip};
        skip = 0;
    }
    return n;
}

/* Remembers why a stream broke: the first reason stays. */
static int remember_error(struct instance *inst, struct queue *q, int err)
{
    if (q->error != 0)
        return q->error;
    if (err == ECONNRESET)
        COUNT(inst, resets);
    q->error = (uint16_t)err;
    return err;
}

void catnap_break(struct instance *inst, struct queue *q, struct op *op, int err)
{
    if (q->type != SOCK_STREAM) {
        op_fail(inst, op, err);
        return;
    }
    err = remember_error(inst, q, err);
    op_fail(inst, op, err);
    op_fail_all(inst, &q->pushes, err);
    op_fail_all(inst, &q->pops, err);
}

void catnap_break_output(struct instance *inst, struct queue *q, struct op *op, int err)
{
    bool passing = (err == ENOBUFS || err == ENOMEM) && op->done == 0;

    /* not shut down by the application, or not yet by the library: the peer is gone */
    if (err == EPIPE && (q->flags & (QUEUE_SHUT_WR | QUEUE_SHUT_LATER)) != QUEUE_SHUT_WR)
        err = ECONNRESET;
    if (q->type != SOCK_STREAM || err == EPIPE || passing) {
        op_fail(inst, op, err);
        return;
    }
    err = remember_error(inst, q, err);
    op_fail(inst, op, err);
    op_fail_all(inst, &q->pushes, err);
    q->flags |= QUEUE_HUP | QUEUE_READABLE; /* what arrived before is still there to be popped, then the error */
}

static enum catnap_attempt try_pop_stream(struct instance *inst, struct queue *q, struct op *op)
{
    size_t want = op->len != 0 && op->len < q->pop_bytes ? op->len : q->pop_bytes;
    void *room = catnap_room(inst, want);
    ssize_t n;

    if (UNLIKELY(room == NULL)) {
        op_fail(inst, op, ENOMEM);
        return CATNAP_DONE;
    }
    n = recv(q->fd, room, want, MSG_DONTWAIT);
    COUNT(inst, syscalls);
    if (LIKELY(n > 0)) {
        if ((size_t)n < want && (q->flags & QUEUE_HUP) == 0)
            q->flags &= (uint16_t)~QUEUE_READABLE;
        catnap_adapt(q, want, (size_t)n);
        catnap_received(inst, op, 0, (size_t)n, false);
        return CATNAP_DONE;
    }
    if (n == 0) {
        if (UNLIKELY(q->error != 0))
            op_fail(inst, op, q->error); /* the send that broke the stream took the error from the socket */
        else
            catnap_received_end(inst, op);
        return CATNAP_DONE;
    }
    if (errno == EAGAIN || errno == EINTR) {
        if (errno == EAGAIN)
            q->flags &= (uint16_t)~QUEUE_READABLE;
        return CATNAP_AGAIN;
    }
    catnap_break(inst, q, op, errno);
    return CATNAP_DONE;
}

static enum catnap_attempt try_pop_datagram(struct instance *inst, struct queue *q, struct op *op)
{
    size_t want = op->len != 0 && op->len < CATNAP_DGRAM_MAX ? op->len : CATNAP_DGRAM_MAX;
    struct mem_meta *room = catnap_room(inst, sizeof(*room) + CATNAP_DGRAM_MAX);
    union {
        struct sockaddr any;
        struct sockaddr_in6 in6;
    } from = {.any.sa_family = AF_UNSPEC};
    socklen_t len = sizeof(from);
    ssize_t n;

    if (UNLIKELY(room == NULL)) {
        op_fail(inst, op, ENOMEM);
        return CATNAP_DONE;
    }
    n = recvfrom(q->fd, room + 1, want, MSG_DONTWAIT | MSG_TRUNC, &from.any, &len);
    COUNT(inst, syscalls);
    if (LIKELY(n >= 0)) {
        if (UNLIKELY((size_t)n > want)) {
            COUNT(inst, dgram_dropped);
            n = (ssize_t)want;
        }
        room->addr_len = len;
        memcpy(room->addr, &from, len);
        catnap_set_source(op, &from.any);
        catnap_received(inst, op, sizeof(*room), (size_t)n, true);
        return CATNAP_DONE;
    }
    if (errno == EAGAIN || errno == EINTR) {
        if (errno == EAGAIN)
            q->flags &= (uint16_t)~QUEUE_READABLE;
        return CATNAP_AGAIN;
    }
    op_fail(inst, op, errno); /* the error of an earlier datagram (ECONNREFUSED): the socket goes on */
    return CATNAP_DONE;
}

enum catnap_attempt catnap_try_pop(struct instance *inst, struct queue *q, struct op *op)
{
    if (UNLIKELY((q->flags & QUEUE_SHUT_RD) != 0)) { /* Linux would still hand out what arrives */
        catnap_received_end(inst, op);
        return CATNAP_DONE;
    }
    return q->type == SOCK_STREAM ? try_pop_stream(inst, q, op) : try_pop_datagram(inst, q, op);
}

enum catnap_attempt catnap_try_push(struct instance *inst, struct queue *q, struct op *op)
{
    struct iovec iov[IOV_BATCH];
    struct msghdr msg = {.msg_iov = iov};
    ssize_t n;

    if (op->args.in.sin_family != AF_UNSPEC && (op->flags & OP_GATHER) == 0) {
        msg.msg_name = &op->args;
        msg.msg_namelen = op->args.in.sin_family == AF_INET ? sizeof(op->args.in) : sizeof(op->args.in6);
    }
    if (LIKELY(msg.msg_name == NULL && (op->flags & OP_GATHER) == 0)) {
        n = send(q->fd, op->ptr + op->done, op->len - op->done, MSG_DONTWAIT | MSG_NOSIGNAL);
    } else {
        msg.msg_iovlen = (size_t)catnap_segments(op, iov, IOV_BATCH);
        n = sendmsg(q->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    COUNT(inst, syscalls);
    if (LIKELY(n >= 0)) {
        op->done += (uint32_t)n;
        if (UNLIKELY(op->done < op->len && q->type == SOCK_STREAM))
            return CATNAP_AGAIN;
        if (UNLIKELY((op->flags & OP_GATHER) != 0))
            op_drop(inst, op);
        op_complete_push(inst, op);
        return CATNAP_DONE;
    }
    if (errno == EAGAIN || errno == EINTR) {
        if (errno == EAGAIN)
            q->flags &= (uint16_t)~QUEUE_WRITABLE;
        return CATNAP_AGAIN;
    }
    catnap_break_output(inst, q, op, errno);
    return CATNAP_DONE;
}

int catnap_shutdown(struct queue *q, int how)
{
    bool rd = how != SHUT_WR, wr = how != SHUT_RD, later = wr && !op_list_is_empty(&q->pushes);

    if ((rd || !later) && shutdown(q->fd, later ? SHUT_RD : how) < 0)
        return -errno;
    if (rd)
        q->flags |= QUEUE_SHUT_RD | QUEUE_READABLE | QUEUE_HUP;
    if (wr)
        q->flags |= later ? QUEUE_SHUT_WR | QUEUE_SHUT_LATER : QUEUE_SHUT_WR;
    return 0;
}

void catnap_output_end(struct queue *q)
{
    if (LIKELY((q->flags & QUEUE_SHUT_LATER) == 0) || !op_list_is_empty(&q->pushes))
        return;
    q->flags &= (uint16_t)~QUEUE_SHUT_LATER;
    shutdown(q->fd, SHUT_WR); /* fails only where the connection is gone already */
}

static uint8_t status_before(const struct queue *q)
{
    return (q->flags & QUEUE_WAS_BOUND) != 0 ? QUEUE_BOUND : QUEUE_FRESH;
}

void catnap_finish_connect(struct instance *inst, struct queue *q)
{
    struct op *op = op_list_first(&inst->ops, &q->pushes);
    socklen_t len = sizeof(int);
    int err = 0;

    COUNT(inst, syscalls);
    if (getsockopt(q->fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0)
        err = errno;
    if (err == 0) /* the application has read it with demi_getsockopt */
        err = q->error;
    q->error = 0;
    q->status = err == 0 ? QUEUE_CONNECTED : status_before(q);
    if (err != 0) { /* the socket may be connected again; Linux wants to hear that the attempt is over */
        (void)connect(q->fd, &(struct sockaddr){.sa_family = AF_UNSPEC}, sizeof(struct sockaddr));
        q->flags &= (uint16_t)~QUEUE_HUP;
    }
    if (op == NULL)
        return; /* cancelled */
    op_unpend(inst, &q->pushes, op);
    if (err == 0)
        op_complete_connect(inst, op);
    else
        op_fail(inst, op, err);
}
