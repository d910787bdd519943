/* SPDX-License-Identifier: MIT */
/* How streams begin: binding, listening, accepting, connecting. */
#include "stack.h"

#include <errno.h>
#include <string.h>

/* Makes the queue of the listener's oldest connection. NULL with *err; -EAGAIN: there is none. */
static struct sock *adopt(struct instance *inst, struct sock *listener, int *err)
{
    struct queue *q = queue_alloc(&inst->queues, &stack_stream_ops);
    struct sock *s;

    *err = -EMFILE;
    if (q == NULL) {
        COUNT(inst, queues_full);
        return NULL;
    }
    q->domain = listener->q->domain;
    q->type = SOCK_STREAM;
    q->fd = -1;
    q->flags = listener->q->flags & QUEUE_LINGER;
    q->linger_s = listener->q->linger_s;
    *err = -ENOMEM;
    s = sock_new(listener->stack, q);
    if (s != NULL) {
        *err = -EAGAIN;
        s->conn = tcp_accept(listener->listener, s);
        if (s->conn != NULL) {
            q->status = QUEUE_CONNECTED;
            memcpy(s->option, listener->option, sizeof(s->option));
            return s;
        }
        sock_free(s);
    }
    queue_free(&inst->queues, q);
    return NULL;
}

static void give_peer(struct op *op, const struct sock *s)
{
    struct inet_end local, remote;
    struct sockaddr_storage ss;
    socklen_t len;

    memset(&op->args, 0, sizeof(op->args));
    if (s->q->domain != AF_INET)
        return; /* the contract's field has no room for more */
    tcp_get_ends(s->conn, &local, &remote);
    sockaddr_of_end(&remote, AF_INET, &ss, &len);
    memcpy(&op->args.in, &ss, sizeof(op->args.in));
}

static void try_accept(struct instance *inst, struct sock *listener)
{
    struct op *op;

    while ((op = op_list_first(&inst->ops, &listener->q->pops)) != NULL) {
        int err;
        struct sock *s = adopt(inst, listener, &err);

        if (s == NULL && err == -EAGAIN)
            return;
        op_unpend(inst, &listener->q->pops, op);
        if (s == NULL) {
            op_fail(inst, op, -err);
        } else {
            give_peer(op, s);
            op_complete_accept(inst, op, s->q->qd);
        }
    }
}

void stack_tcp_incoming(void *ctx)
{
    struct sock *s = ctx;

    try_accept(s->stack->inst, s);
}

int stack_stream_accept(struct instance *inst, struct queue *q, struct op *op)
{
    struct sock *s = sock_of(q);

    stack_enter(s->stack);
    op_pend(inst, &q->pops, op);
    try_accept(inst, s);
    if (UNLIKELY(stack_gone(s->stack) != 0) && op_list_first(&inst->ops, &q->pops) == op) {
        op_unpend(inst, &q->pops, op);
        op_fail(inst, op, stack_gone(s->stack));
    }
    return 0;
}

static bool port_is_held(const struct stack *st, const struct inet_end *end)
{
    for (const struct sock *s = st->bound; s != NULL; s = s->next) {
        const struct inet_addr *a = &s->local.addr, *b = &end->addr;

        if (s->local.port == end->port && (inet_addr_equal(a, b) || inet_addr_is_any(a) || inet_addr_is_any(b)))
            return true;
    }
    return false;
}

#define PICK_TRIES 64

/* Chooses a port for end that nobody has and takes it. */
static int pick_port(struct stack *st, struct inet_end *end)
{
    for (unsigned i = 0; i < PICK_TRIES; i++) {
        end->port = tcp_port_pick(st->tcp, &end->addr);
        if (end->port == 0)
            break;
        if (!port_is_held(st, end) && stack_take_port(st, IPPROTO_TCP, end, NULL, true) == 0)
            return 0;
    }
    return -EADDRNOTAVAIL;
}

int stack_stream_bind(struct instance *inst, struct queue *q, const struct sockaddr *addr, socklen_t len)
{
    struct sock *s = sock_of(q);
    struct inet_end end;
    int err;

    (void)inst, (void)len;
    end_of_sockaddr(&end, addr);
    stack_place(s, &end.addr, NULL);
    if (!inet_addr_is_any(&end.addr) && !ip_is_local(s->stack->in, &end.addr))
        return -EADDRNOTAVAIL;
    if (end.port != 0 && (port_is_held(s->stack, &end) || tcp_is_listening(s->stack->tcp, &end)))
        return -EADDRINUSE;
    err = end.port != 0 ? stack_take_port(s->stack, IPPROTO_TCP, &end, NULL, false) : pick_port(s->stack, &end);
    if (err != 0)
        return err;
    s->local = end;
    s->held_port = true;
    s->next = s->stack->bound;
    s->stack->bound = s;
    return 0;
}

int stack_stream_listen(struct instance *inst, struct queue *q, int backlog)
{
    struct sock *s = sock_of(q);
    int err;

    (void)inst;
    s->listener = tcp_listen(s->stack->tcp, &s->local, (uint32_t)backlog, s, &err);
    if (s->listener == NULL)
        return err;
    stack_apply_options(s);
    return 0;
}

static uint8_t status_before(const struct queue *q)
{
    return (q->flags & QUEUE_WAS_BOUND) != 0 ? QUEUE_BOUND : QUEUE_FRESH;
}

void stack_tcp_connected(void *ctx, int err)
{
    struct sock *s = ctx;
    struct instance *inst = s->stack->inst;
    struct op *op = op_list_first(&inst->ops, &s->q->pushes);

    if (err == 0) {
        s->q->status = QUEUE_CONNECTED;
    } else {
        tcp_close(s->conn);
        s->conn = NULL;
        s->q->status = status_before(s->q); /* it may be connected again */
    }
    if (op == NULL)
        return; /* cancelled */
    op_unpend(inst, &s->q->pushes, op);
    if (err == 0)
        op_complete_connect(inst, op);
    else
        op_fail(inst, op, err);
}

int stack_stream_connect(struct instance *inst, struct queue *q, struct op *op, const struct sockaddr *addr,
                         socklen_t len)
{
    struct sock *s = sock_of(q);
    struct inet_end remote, local;
    int err;

    (void)len;
    end_of_sockaddr(&remote, addr);
    stack_place(s, NULL, &remote.addr);
    local = s->local;
    if (inet_addr_is_any(&local.addr)) /* of the peer's family */
        local.addr = inet_addr_is4(&remote.addr) ? INET_ANY4 : INET_ANY6;
    stack_enter(s->stack);
    err = -stack_gone(s->stack);
    s->conn = err != 0 ? NULL : tcp_connect(s->stack->tcp, &local, &remote, s, &err);
    if (s->conn == NULL) {
        op_fail(inst, op, -err);
        return 0;
    }
    stack_apply_options(s);
    q->status = QUEUE_CONNECTING;
    op_pend(inst, &q->pushes, op);
    return 0;
}
