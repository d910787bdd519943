/* SPDX-License-Identifier: MIT */
/* Datagrams: UDP's sockets as queues. */
#include "stack.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#define COPY_ANYWAY 256 /* bytes whose copy costs no more than a reference to them */

/* Where a datagram came from, for its array and in front of its data. */
static inline void write_source(const struct sock *s, struct op *op, const struct udp_datagram *d)
{
    struct mem_meta *meta = d->obj;
    struct sockaddr_storage from;
    socklen_t size;

    if (LIKELY(s->q->domain == AF_INET)) {
        op->args.in = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(d->from.port)};
        memcpy(&op->args.in.sin_addr, d->from.addr.b + 12, 4);
        meta->addr_len = sizeof(op->args.in);
        memcpy(meta->addr, &op->args.in, sizeof(op->args.in));
        return;
    }
    sockaddr_of_end(&d->from, s->q->domain, &from, &size);
    meta->addr_len = size;
    memcpy(meta->addr, &from, size);
}

/* Completes a pop with a datagram, whose reference it takes over. */
static void give_datagram(struct instance *inst, const struct sock *s, struct op *op, const struct udp_datagram *d)
{
    uint32_t len = d->len;

    write_source(s, op, d);
    *mem_ref_word(d->obj) |= REF_META;
    if (UNLIKELY(op->len != 0 && op->len < len)) {
        COUNT(inst, dgram_dropped); /* the rest of it */
        len = op->len;
    }
    op_complete_pop(inst, op, d->obj, d->ptr, len);
}

static bool udp_deliver(void *ctx, const struct udp_datagram *d)
{
    struct sock *s = ctx;
    struct instance *inst = s->stack->inst;
    struct op *op = op_list_first(&inst->ops, &s->q->pops);

    if (op == NULL)
        return false;
    op_unpend(inst, &s->q->pops, op);
    give_datagram(inst, s, op, d);
    return true;
}

/* The error of an earlier datagram: the next operation's, the socket goes on. */
static void udp_failed(void *ctx, int err)
{
    struct sock *s = ctx;
    struct instance *inst = s->stack->inst;
    struct op *op = op_list_first(&inst->ops, &s->q->pops);

    if (op == NULL) {
        s->error = err;
        return;
    }
    op_unpend(inst, &s->q->pops, op);
    op_fail(inst, op, err);
}

const struct udp_upcalls stack_udp_upcalls = {.deliver = udp_deliver, .failed = udp_failed};

static int dgram_bind(struct instance *inst, struct queue *q, const struct sockaddr *addr, socklen_t len)
{
    struct sock *s = sock_of(q);
    struct inet_end end, remote;
    int err;

    (void)inst, (void)len;
    end_of_sockaddr(&end, addr);
    stack_place(s, &end.addr, NULL);
    err = udp_bind(s->udp, &end);
    if (err == 0)
        udp_ends(s->udp, &s->local, &remote);
    return err;
}

static int dgram_connect(struct instance *inst, struct queue *q, struct op *op, const struct sockaddr *addr,
                         socklen_t len)
{
    struct sock *s = sock_of(q);
    struct inet_end remote;
    int err;

    (void)len;
    end_of_sockaddr(&remote, addr);
    stack_place(s, NULL, &remote.addr);
    stack_enter(s->stack);
    err = udp_connect(s->udp, &remote);
    if (err == 0) {
        udp_ends(s->udp, &s->local, &remote);
        q->status = QUEUE_CONNECTED;
        op_complete_connect(inst, op);
    } else {
        op_fail(inst, op, -err);
    }
    return 0;
}

/*
 * Sends a push's datagram, a short one as a copy of its bytes (note 2 in stack.h), one that nobody may write to any
 * more when that costs less than a reference.
 */
static int send_datagram(struct instance *inst, struct sock *s, const struct op *op, const struct inet_end *to)
{
    bool owned = mem_app_owned(op->obj), at_once = udp_goes_at_once(s->udp, to);

    if (!at_once)
        stack_enter(s->stack); /* else nothing asks for the time */
    if (op->len <= COPY_ANYWAY || (owned && (op->len < inst->config.zero_copy_threshold || !at_once)))
        return udp_send_copy(s->udp, op->ptr, op->len, to);
    return udp_send(s->udp, op->obj, op->ptr, op->len, to);
}

/* Does the device still read bytes that the application may write to? The operation has one reference itself. */
static bool is_read(const struct op *op)
{
    return mem_app_owned(op->obj) && (*mem_ref_word(op->obj) & REF_MASK) > 1;
}

static enum co_status await_device(struct instance *inst, struct op *op)
{
    if (is_read(op))
        return CO_AGAIN;
    op_unpend(inst, &op->queue->pushes, op);
    op_complete_push(inst, op);
    return CO_DONE;
}

static int dgram_push(struct instance *inst, struct queue *q, struct op *op)
{
    struct sock *s = sock_of(q);
    bool aimed = op->args.in.sin_family != AF_UNSPEC;
    struct inet_end to, remote;
    int err = s->error != 0 ? s->error : stack_gone(s->stack);

    s->error = 0;
    if (UNLIKELY((q->flags & QUEUE_SHUT_WR) != 0))
        err = EPIPE;
    if (UNLIKELY(err != 0)) {
        op_fail(inst, op, err);
        return 0;
    }
    if (aimed) {
        end_of_sockaddr(&to, (const struct sockaddr *)&op->args);
        stack_place(s, NULL, &to.addr);
    }
    err = -EAGAIN;
    if (LIKELY(op->len <= COPY_ANYWAY)) { /* a longer one is complete when the device has read it: it does not wait */
        stack_push_begin(s->stack, udp_is_waiting(s->udp));
        err = udp_send_quick(s->udp, op->ptr, op->len, aimed ? &to : NULL);
    }
    if (UNLIKELY(err == -EAGAIN))
        err = send_datagram(inst, s, op, aimed ? &to : NULL);
    stack_push_end(s->stack);
    if (UNLIKELY(q->status == QUEUE_FRESH)) {
        udp_ends(s->udp, &s->local, &remote);
        if (s->local.port != 0)
            q->status = QUEUE_BOUND; /* the first datagram gave it an ephemeral port */
    }
    if (UNLIKELY(err != 0 && err != -ENOBUFS)) { /* one that a full queue drops is lost like any other on its way */
        op_fail(inst, op, -err);
    } else if (UNLIKELY(op->obj != NULL && is_read(op))) {
        op->resume = await_device;
        op_pend(inst, &q->pushes, op);
        sched_wake(&inst->sched, op);
    } else {
        op_complete_push(inst, op);
    }
    return 0;
}

static int dgram_pop(struct instance *inst, struct queue *q, struct op *op)
{
    struct sock *s = sock_of(q);
    struct udp_datagram d;

    if (UNLIKELY((q->flags & QUEUE_SHUT_RD) != 0)) {
        stack_pop_end(inst, op);
    } else if (UNLIKELY(s->error != 0)) {
        op_fail(inst, op, s->error);
        s->error = 0;
    } else if (op_list_is_empty(&q->pops) && udp_recv(s->udp, &d)) {
        give_datagram(inst, s, op, &d);
    } else if (UNLIKELY(stack_gone(s->stack) != 0)) {
        op_fail(inst, op, stack_gone(s->stack));
    } else {
        op_pend(inst, &q->pops, op);
    }
    return 0;
}

static int dgram_shutdown(struct instance *inst, struct queue *q, int how)
{
    struct op *op;

    if (how != SHUT_RD)
        q->flags |= QUEUE_SHUT_WR;
    if (how == SHUT_WR)
        return 0;
    q->flags |= QUEUE_SHUT_RD;
    while ((op = op_list_first(&inst->ops, &q->pops)) != NULL) {
        op_unpend(inst, &q->pops, op);
        stack_pop_end(inst, op);
    }
    return 0;
}

static void dgram_close(struct instance *inst, struct queue *q)
{
    struct sock *s = sock_of(q);

    (void)inst;
    udp_close(s->udp);
    sock_free(s);
}

static void dgram_event(struct instance *inst, struct queue *q, uint32_t events)
{
    (void)inst, (void)q, (void)events; /* it has no descriptor */
}

const struct queue_ops stack_dgram_ops = {
    .name = "stack/dgram",
    .bind = dgram_bind,
    .connect = dgram_connect,
    .push = dgram_push,
    .pop = dgram_pop,
    .shutdown = dgram_shutdown,
    .close = dgram_close,
    .setsockopt = stack_setsockopt,
    .getsockopt = stack_getsockopt,
    .getpeername = stack_getpeername,
    .getsockname = stack_getsockname,
    .event = dgram_event,
};
