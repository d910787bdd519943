/* SPDX-License-Identifier: MIT */
/* Contexts as sockets. */
#include "nano.h"

#include <errno.h>
#include <stdlib.h>

static struct nano_sock *sock_of(const struct queue *q)
{
    return q->state;
}

static struct sockaddr_in address_of(uint32_t ip, uint16_t port)
{
    return (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htobe16(port), .sin_addr.s_addr = htobe32(ip)};
}

/* --- pops --- */

static void give(struct instance *inst, struct op *op, const struct nano_message *m)
{
    struct sockaddr_in from = address_of(m->ip, m->port);
    struct mem_meta *meta = m->obj;
    uint32_t len = m->len;

    meta->addr_len = sizeof(from);
    memcpy(meta->addr, &from, sizeof(from));
    *mem_ref_word(m->obj) |= REF_META;
    op->args.in = from;
    if (UNLIKELY(op->len != 0 && op->len < len)) {
        COUNT(inst, dgram_dropped); /* the rest of it */
        len = op->len;
    }
    op_complete_pop(inst, op, m->obj, m->ptr, len);
}

void nano_sock_deliver(struct nano_sock *s, const struct nano_message *m)
{
    struct instance *inst = s->nano->inst;
    struct op *op = op_list_first(&inst->ops, &s->q->pops);

    if (op != NULL) {
        op_unpend(inst, &s->q->pops, op);
        give(inst, op, m);
        return;
    }
    assert(s->count < NANO_QUEUE);
    s->queue[(s->head + s->count++) % NANO_QUEUE] = *m;
}

/* An array of length 0 that the application can free like any other: nothing comes any more. */
static void pop_end(struct instance *inst, struct op *op)
{
    void *obj = mem_alloc(&inst->mem, 1, 1);

    if (obj == NULL)
        op_fail(inst, op, ENOMEM);
    else
        op_complete_pop(inst, op, obj, obj, 0);
}

static int sock_pop(struct instance *inst, struct queue *q, struct op *op)
{
    struct nano_sock *s = sock_of(q);

    if (UNLIKELY((q->flags & QUEUE_SHUT_RD) != 0)) {
        pop_end(inst, op);
    } else if (UNLIKELY(s->error != 0)) {
        op_fail(inst, op, s->error);
        s->error = 0;
    } else if (s->count > 0 && op_list_is_empty(&q->pops)) {
        give(inst, op, &s->queue[s->head]);
        s->head = (s->head + 1) % NANO_QUEUE;
        s->count--;
    } else if (UNLIKELY(s->nano->dev->error != 0)) {
        op_fail(inst, op, -s->nano->dev->error);
    } else {
        op_pend(inst, &q->pops, op);
    }
    return 0;
}

/* --- pushes --- */

static int send_push(struct nano_sock *s, const struct op *op)
{
    const struct sockaddr_in *to = &op->args.in;

    if (to->sin_family == AF_UNSPEC)
        return nano_send(s->nano, s, op->ptr, op->len, s->peer_ip, s->peer_port);
    return nano_send(s->nano, s, op->ptr, op->len, be32toh(to->sin_addr.s_addr), be16toh(to->sin_port));
}

static void end_push(struct instance *inst, struct op *op, int err)
{
    if (err == 0)
        op_complete_push(inst, op);
    else
        op_fail(inst, op, -err);
}

static void block(struct nano_sock *s)
{
    struct nano *n = s->nano;

    if (s->blocked)
        return;
    s->blocked = true;
    s->next_blocked = NULL;
    *n->blocked_tail = s;
    n->blocked_tail = &s->next_blocked;
}

static void unlink_blocked(struct nano_sock *s)
{
    struct nano *n = s->nano;
    struct nano_sock **at = &n->blocked;

    if (!s->blocked)
        return;
    while (*at != s)
        at = &(*at)->next_blocked;
    *at = s->next_blocked;
    if (n->blocked_tail == &s->next_blocked)
        n->blocked_tail = at;
    s->blocked = false;
}

/* Sends what waits on s. False: it has to wait on. */
static bool send_waiting(struct nano_sock *s)
{
    struct instance *inst = s->nano->inst;
    struct op *op;

    while ((op = op_list_first(&inst->ops, &s->q->pushes)) != NULL) {
        int err = send_push(s, op);

        if (err == -EAGAIN)
            return false;
        op_unpend(inst, &s->q->pushes, op);
        end_push(inst, op, err);
    }
    return true;
}

void nano_sock_unblock(struct nano *n)
{
    struct nano_sock *next;

    for (struct nano_sock *s = n->blocked; s != NULL; s = next) {
        next = s->next_blocked;
        if (send_waiting(s))
            unlink_blocked(s);
    }
}

static int bind_port(struct nano_sock *s, uint16_t port)
{
    struct nano *n = s->nano;

    for (uint32_t tries = 0; port == 0 && tries < NANO_PORTS - NANO_PORT_FIRST; tries++) {
        uint16_t one = (uint16_t)(NANO_PORT_FIRST + nano_random(n) % (NANO_PORTS - NANO_PORT_FIRST));

        port = n->ports[one] == NULL ? one : 0;
    }
    if (port == 0 || n->ports[port] != NULL)
        return -EADDRINUSE;
    s->queue = malloc(NANO_QUEUE * sizeof(s->queue[0]));
    if (s->queue == NULL)
        return -ENOMEM;
    n->ports[port] = s;
    n->closed[port / 64] &= ~(UINT64_C(1) << port % 64);
    s->port = port;
    s->bound = true;
    return 0;
}

static int sock_push(struct instance *inst, struct queue *q, struct op *op)
{
    struct nano_sock *s = sock_of(q);
    int err = -s->error;

    s->error = 0;
    if (UNLIKELY((q->flags & QUEUE_SHUT_WR) != 0))
        err = -EPIPE;
    else if (err == 0)
        err = s->nano->dev->error;
    if (UNLIKELY(err == 0 && !s->bound)) {
        err = bind_port(s, 0);
        if (err == 0)
            q->status = QUEUE_BOUND;
    }
    if (LIKELY(err == 0))
        err = op_list_is_empty(&q->pushes) ? send_push(s, op) : -EAGAIN;
    if (UNLIKELY(err == -EAGAIN)) {
        COUNT(inst, msg_waits);
        op_pend(inst, &q->pushes, op);
        block(s);
        return 0;
    }
    end_push(inst, op, err);
    return 0;
}

/* The same for a message that may leave at once, before there is an operation. All else is sock_push's. */
static int sock_send(struct instance *inst, struct queue *q, demi_qtoken_t *qt_out, const char *bytes, uint32_t len,
                     const struct sockaddr *dest)
{
    struct nano_sock *s = sock_of(q);
    struct sockaddr_in to;
    int err;

    if (UNLIKELY(!s->bound || s->error != 0 || (q->flags & QUEUE_SHUT_WR) != 0 || s->nano->dev->error != 0 ||
                 !op_list_is_empty(&q->pushes)))
        return -EAGAIN;
    if (dest == NULL) {
        err = nano_send(s->nano, s, bytes, len, s->peer_ip, s->peer_port);
    } else {
        memcpy(&to, dest, sizeof(to));
        err = nano_send(s->nano, s, bytes, len, be32toh(to.sin_addr.s_addr), be16toh(to.sin_port));
    }
    return LIKELY(err == 0) ? op_pushed(inst, q, qt_out, len) : -EAGAIN;
}

void nano_sock_failed(struct nano *n, int32_t qd, int err)
{
    struct queue *q = queue_lookup(&n->inst->queues, qd);
    struct op *op;

    if (q == NULL || q->status != QUEUE_CONNECTED)
        return;
    op = op_list_first(&n->inst->ops, &q->pops);
    if (op == NULL) {
        sock_of(q)->error = err;
        return;
    }
    op_unpend(n->inst, &q->pops, op);
    op_fail(n->inst, op, err);
}

void nano_sock_lose(struct nano *n)
{
    n->lost = true;
    for (unsigned port = 0; port < NANO_PORTS; port++) {
        struct nano_sock *s = n->ports[port];

        if (s == NULL)
            continue;
        unlink_blocked(s);
        op_fail_all(n->inst, &s->q->pops, -n->dev->error);
        op_fail_all(n->inst, &s->q->pushes, -n->dev->error);
    }
}

/* --- the rest --- */

static int sock_bind(struct instance *inst, struct queue *q, const struct sockaddr *addr, socklen_t len)
{
    const struct sockaddr_in *a = (const struct sockaddr_in *)(const void *)addr;
    struct nano_sock *s = sock_of(q);
    uint32_t ip = be32toh(a->sin_addr.s_addr);

    (void)len;
    if (ip != 0 && ip != s->nano->ip)
        return error_set(&inst->error, EADDRNOTAVAIL, "the address is not ours (net_address)");
    return bind_port(s, be16toh(a->sin_port));
}

static int sock_connect(struct instance *inst, struct queue *q, struct op *op, const struct sockaddr *addr,
                        socklen_t len)
{
    const struct sockaddr_in *a = (const struct sockaddr_in *)(const void *)addr;
    struct nano_sock *s = sock_of(q);
    int err = s->bound ? 0 : bind_port(s, 0);

    (void)len;
    if (err < 0) {
        op_fail(inst, op, -err);
        return 0;
    }
    s->peer_ip = be32toh(a->sin_addr.s_addr);
    s->peer_port = be16toh(a->sin_port);
    q->status = QUEUE_CONNECTED;
    op_complete_connect(inst, op);
    return 0;
}

static int sock_shutdown(struct instance *inst, struct queue *q, int how)
{
    struct op *op;

    if (how != SHUT_RD)
        q->flags |= QUEUE_SHUT_WR;
    if (how == SHUT_WR)
        return 0;
    q->flags |= QUEUE_SHUT_RD;
    while ((op = op_list_first(&inst->ops, &q->pops)) != NULL) {
        op_unpend(inst, &q->pops, op);
        pop_end(inst, op);
    }
    return 0;
}

static void sock_close(struct instance *inst, struct queue *q)
{
    struct nano_sock *s = sock_of(q);

    unlink_blocked(s);
    nano_rx_drop_socket(s->nano, s);
    for (; s->count > 0; s->count--, s->head = (s->head + 1) % NANO_QUEUE)
        mem_unref(&inst->mem, s->queue[s->head].obj);
    if (s->bound) {
        s->nano->ports[s->port] = NULL;
        s->nano->closed[s->port / 64] |= UINT64_C(1) << s->port % 64;
    }
    free(s->queue);
    free(s);
}

/* What a socket may queue is a constant, and a host's contexts have no priorities: taken, and nothing changes. */
static int sock_setsockopt(struct instance *inst, struct queue *q, int level, int name, const void *val, socklen_t len)
{
    (void)inst, (void)q, (void)val, (void)len;
    return level == SOL_SOCKET && name != SO_ERROR ? 0 : -ENOPROTOOPT;
}

static int sock_getsockopt(struct instance *inst, struct queue *q, int level, int name, void *val, socklen_t *len)
{
    struct nano_sock *s = sock_of(q);
    int value = name == SO_ERROR ? s->error : 0;

    (void)inst;
    if (level != SOL_SOCKET)
        return -ENOPROTOOPT;
    if (name == SO_ERROR)
        s->error = 0;
    memset(val, 0, *len); /* a linger's two numbers, or one */
    memcpy(val, &value, sizeof(value));
    return 0;
}

static int give_address(uint32_t ip, uint16_t port, struct sockaddr_storage *addr, socklen_t *len)
{
    struct sockaddr_in a = address_of(ip, port);

    memcpy(addr, &a, sizeof(a));
    *len = sizeof(a);
    return 0;
}

static int sock_getpeername(struct instance *inst, struct queue *q, struct sockaddr_storage *addr, socklen_t *len)
{
    (void)inst;
    return give_address(sock_of(q)->peer_ip, sock_of(q)->peer_port, addr, len);
}

static int sock_getsockname(struct instance *inst, struct queue *q, struct sockaddr_storage *addr, socklen_t *len)
{
    const struct nano_sock *s = sock_of(q);

    (void)inst;
    return give_address(s->bound ? s->nano->ip : 0, s->port, addr, len);
}

static void sock_event(struct instance *inst, struct queue *q, uint32_t events)
{
    (void)inst, (void)q, (void)events; /* it has no descriptor */
}

static const struct queue_ops nano_ops = {
    .name = "catnano",
    .bind = sock_bind,
    .connect = sock_connect,
    .push = sock_push,
    .send = sock_send,
    .pop = sock_pop,
    .shutdown = sock_shutdown,
    .close = sock_close,
    .setsockopt = sock_setsockopt,
    .getsockopt = sock_getsockopt,
    .getpeername = sock_getpeername,
    .getsockname = sock_getsockname,
    .event = sock_event,
};

int nano_socket(struct nano *n, struct queue *q)
{
    struct nano_sock *s;

    if (q->type != SOCK_DGRAM || q->domain != AF_INET)
        return error_set(&n->inst->error, ENOTSUP,
                         "catnano has messages over IPv4: AF_INET with SOCK_RDM or SOCK_DGRAM");
    s = calloc(1, sizeof(*s));
    if (s == NULL)
        return error_set(&n->inst->error, ENOMEM, "no memory for a socket");
    s->nano = n;
    s->q = q;
    q->state = s;
    q->ops = &nano_ops;
    q->fd = -1;
    return 0;
}
