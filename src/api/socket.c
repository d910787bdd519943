/* SPDX-License-Identifier: MIT */
/* The control path: sockets, addresses, closing. */
#include "api.h"

#include <demi/ext.h>
#include <demi/libos.h>
#include <netinet/in.h>
#include <string.h>

int api_check_address(const char *call, const struct sockaddr *addr, socklen_t size)
{
    socklen_t want = 0;

    if (addr == NULL)
        return api_fail(EINVAL, "%s: no address", call);
    if (size >= sizeof(addr->sa_family)) {
        if (addr->sa_family == AF_INET)
            want = sizeof(struct sockaddr_in);
        else if (addr->sa_family == AF_INET6)
            want = sizeof(struct sockaddr_in6);
    }
    if (want == 0 || size != want)
        return api_fail(EINVAL, "%s: %u bytes are no address of family AF_INET or AF_INET6", call, size);
    return 0;
}

int api_fail_qd(const char *call, int qd)
{
    return api_fail(EBADF, "%s: queue %d is not open", call, qd);
}

int api_fail_no_socket(const char *call, int qd)
{
    return api_fail(ENOTSUP, "%s: queue %d is not a socket", call, qd);
}

/* Of a descriptor that no libOS has taken over yet. */
static const struct queue_ops unborn = {.name = "new socket"};

int demi_socket(int *sockqd_out, int domain, int type, int protocol)
{
    struct instance *inst = api_self.inst;
    struct queue *q;
    int err;

    if (inst == NULL)
        return api_no_instance();
    if (sockqd_out == NULL)
        return api_fail(EINVAL, "demi_socket: no place for the descriptor");
    if (domain != AF_INET && domain != AF_INET6)
        return api_fail(ENOTSUP, "demi_socket: domain %d is neither AF_INET nor AF_INET6", domain);
    if (type == SOCK_RDM && inst->net->messages)
        type = SOCK_DGRAM; /* all of its datagrams are messages */
    if (type != SOCK_STREAM && type != SOCK_DGRAM)
        return api_fail(ENOTSUP, "demi_socket: LIBOS=%s has no sockets of type %d", inst->net->name, type);
    if (protocol != 0 && protocol != (type == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP))
        return api_fail(ENOTSUP, "demi_socket: protocol %d does not go with the type", protocol);
    q = queue_alloc(&inst->queues, &unborn);
    if (q == NULL) {
        COUNT(inst, queues_full);
        return api_fail(EMFILE, "demi_socket: max_queues (%llu) are open", (unsigned long long)inst->config.max_queues);
    }
    q->domain = (uint16_t)domain;
    q->type = (uint8_t)type;
    err = inst->net->socket(inst, q);
    if (err == -ENOTSUP && inst->local != NULL && type == SOCK_STREAM)
        err = api_place_local(inst, q); /* the network has messages only */
    if (err < 0) {
        queue_free(&inst->queues, q);
        return api_fail_libos(inst, "demi_socket", err);
    }
    trace_add(&inst->trace, TRACE_SOCKET, 0, (uint32_t)q->qd, (uint32_t)type);
    *sockqd_out = q->qd;
    return 0;
}

static uint32_t port_of(const struct sockaddr *addr)
{
    /* the port is at the same place in both families */
    return ntohs(((const struct sockaddr_in *)(const void *)addr)->sin_port);
}

int demi_bind(int qd, const struct sockaddr *addr, socklen_t size)
{
    struct instance *inst = api_self.inst;
    struct queue *q;
    int err;

    if (inst == NULL)
        return api_no_instance();
    err = api_check_address("demi_bind", addr, size);
    if (err != 0)
        return err;
    q = api_queue(inst, qd);
    if (q == NULL)
        return api_fail_qd("demi_bind", qd);
    if (q->ops->bind == NULL)
        return api_fail_no_socket("demi_bind", qd);
    if (q->status == QUEUE_CONNECTED)
        return api_fail(EISCONN, "demi_bind: queue %d is connected", qd);
    if (q->status != QUEUE_FRESH)
        return api_fail(EINVAL, "demi_bind: queue %d is bound, listening or connecting", qd);
    if (addr->sa_family != q->domain)
        return api_fail(EINVAL, "demi_bind: the address's family is not the socket's");
    err = api_place(inst, q, addr);
    if (err == 0)
        err = q->ops->bind(inst, q, addr, size);
    if (err < 0)
        return api_fail_libos(inst, "demi_bind", err);
    q->status = QUEUE_BOUND;
    q->flags |= QUEUE_WAS_BOUND;
    trace_add(&inst->trace, TRACE_BIND, 0, (uint32_t)qd, port_of(addr));
    return 0;
}

int demi_listen(int qd, int backlog)
{
    struct instance *inst = api_self.inst;
    struct queue *q;
    int err;

    if (inst == NULL)
        return api_no_instance();
    if (backlog < 1)
        return api_fail(EINVAL, "demi_listen: a backlog of %d", backlog);
    q = api_queue(inst, qd);
    if (q == NULL)
        return api_fail_qd("demi_listen", qd);
    if (q->ops->bind == NULL)
        return api_fail_no_socket("demi_listen", qd);
    if (q->status == QUEUE_FRESH)
        return api_fail(EDESTADDRREQ, "demi_listen: queue %d is not bound", qd);
    if (q->status == QUEUE_LISTENING || q->status == QUEUE_CONNECTING)
        return api_fail(EADDRINUSE, "demi_listen: queue %d is listening or connecting", qd);
    if (q->status == QUEUE_CONNECTED)
        return api_fail(EISCONN, "demi_listen: queue %d is connected", qd);
    if (q->type == SOCK_DGRAM || q->ops->listen == NULL)
        return api_fail(ENOTSUP, "demi_listen: queue %d has datagrams", qd);
    err = q->ops->listen(inst, q, backlog > SOMAXCONN ? SOMAXCONN : backlog);
    if (err < 0)
        return api_fail_libos(inst, "demi_listen", err);
    q->status = QUEUE_LISTENING;
    trace_add(&inst->trace, TRACE_LISTEN, 0, (uint32_t)qd, (uint32_t)backlog);
    return 0;
}

int demi_accept(demi_qtoken_t *qt_out, int qd)
{
    struct instance *inst = api_self.inst;
    struct queue *q;
    struct op *op;
    int err;

    if (inst == NULL)
        return api_no_instance();
    if (qt_out == NULL)
        return api_fail(EINVAL, "demi_accept: no place for the token");
    q = api_queue(inst, qd);
    if (q == NULL)
        return api_fail_qd("demi_accept", qd);
    if (q->ops->accept == NULL)
        return api_fail_no_socket("demi_accept", qd);
    if (q->status != QUEUE_LISTENING)
        return api_fail(EINVAL, "demi_accept: queue %d is not listening", qd);
    op = op_issue(inst, q, DEMI_OPC_ACCEPT);
    if (op == NULL)
        return api_fail(ENOMEM, "demi_accept: max_operations are outstanding");
    memset(&op->args, 0, sizeof(op->args));
    *qt_out = op->token;
    err = q->ops->accept(inst, q, op);
    if (err == 0)
        return 0;
    op_free(&inst->ops, op);
    return api_fail_libos(inst, "demi_accept", err);
}

int demi_connect(demi_qtoken_t *qt_out, int qd, const struct sockaddr *addr, socklen_t size)
{
    struct instance *inst = api_self.inst;
    struct queue *q;
    struct op *op;
    int err;

    if (inst == NULL)
        return api_no_instance();
    if (qt_out == NULL)
        return api_fail(EINVAL, "demi_connect: no place for the token");
    err = api_check_address("demi_connect", addr, size);
    if (err != 0)
        return err;
    q = api_queue(inst, qd);
    if (q == NULL)
        return api_fail_qd("demi_connect", qd);
    if (q->ops->connect == NULL)
        return api_fail_no_socket("demi_connect", qd);
    if (q->status == QUEUE_LISTENING)
        return api_fail(EOPNOTSUPP, "demi_connect: queue %d is listening", qd);
    if (q->status == QUEUE_CONNECTING)
        return api_fail(EINPROGRESS, "demi_connect: queue %d is connecting", qd);
    if (q->status == QUEUE_CONNECTED)
        return api_fail(EISCONN, "demi_connect: queue %d is connected", qd);
    if (addr->sa_family != q->domain)
        return api_fail(EINVAL, "demi_connect: the address's family is not the socket's");
    err = q->status == QUEUE_FRESH ? api_place(inst, q, addr) : 0;
    if (err < 0)
        return api_fail_libos(inst, "demi_connect", err);
    op = op_issue(inst, q, DEMI_OPC_CONNECT);
    if (op == NULL)
        return api_fail(ENOMEM, "demi_connect: max_operations are outstanding");
    op->len = 0;
    *qt_out = op->token;
    err = q->ops->connect(inst, q, op, addr, size);
    if (err == 0)
        return 0;
    op_free(&inst->ops, op);
    return api_fail_libos(inst, "demi_connect", err);
}

int demi_close(int qd)
{
    struct instance *inst = api_self.inst;
    struct queue *q;

    if (inst == NULL)
        return api_no_instance();
    q = api_queue(inst, qd);
    if (q == NULL)
        return api_fail_qd("demi_close", qd);
    instance_close_queue(inst, q);
    return 0;
}

int demi_shutdown(int qd, int how)
{
    struct instance *inst = api_self.inst;
    struct queue *q;
    int err;

    if (inst == NULL)
        return api_no_instance();
    if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR)
        return api_fail(EINVAL, "demi_shutdown: %d is none of SHUT_RD, SHUT_WR, SHUT_RDWR", how);
    q = api_queue(inst, qd);
    if (q == NULL)
        return api_fail_qd("demi_shutdown", qd);
    if (q->ops->shutdown == NULL)
        return api_fail_no_socket("demi_shutdown", qd);
    if (q->status != QUEUE_CONNECTED)
        return api_fail(ENOTCONN, "demi_shutdown: queue %d is not connected", qd);
    err = q->ops->shutdown(inst, q, how);
    if (err < 0)
        return api_fail_libos(inst, "demi_shutdown", err);
    trace_add(&inst->trace, TRACE_SHUTDOWN, 0, (uint32_t)qd, (uint32_t)how);
    return 0;
}

/*
 * What getpeername and getsockname have in common: the queue of a call that wants room for an address; NULL with the
 * error of the call in *rc.
 */
static struct queue *address_queue(const char *call, int qd, const struct sockaddr *addr, const socklen_t *addrlen,
                                   int *rc)
{
    struct instance *inst = api_self.inst;
    struct queue *q = NULL;

    if (inst == NULL)
        *rc = api_no_instance();
    else if (addr == NULL || addrlen == NULL || *addrlen < sizeof(struct sockaddr_in))
        *rc = api_fail(EINVAL, "%s: NULL, or no room for an address", call);
    else if ((q = api_queue(inst, qd)) == NULL)
        *rc = api_fail_qd(call, qd);
    return q;
}

/* Hands the address that ask found to the caller's room. */
static int give_address(const char *call, struct queue *q,
                        int (*ask)(struct instance *, struct queue *, struct sockaddr_storage *, socklen_t *),
                        struct sockaddr *addr, socklen_t *addrlen)
{
    struct sockaddr_storage ss;
    socklen_t have = sizeof(ss);
    int err = ask(api_self.inst, q, &ss, &have);

    if (err < 0)
        return api_fail_libos(api_self.inst, call, err);
    if (*addrlen < have)
        return api_fail(EINVAL, "%s: the address takes %u bytes", call, have);
    memcpy(addr, &ss, have);
    *addrlen = have;
    return 0;
}

int demi_getpeername(int qd, struct sockaddr *addr, socklen_t *addrlen)
{
    int rc = 0;
    struct queue *q = address_queue("demi_getpeername", qd, addr, addrlen, &rc);

    if (q == NULL)
        return rc;
    if (q->ops->getpeername == NULL)
        return api_fail_no_socket("demi_getpeername", qd);
    if (q->status != QUEUE_CONNECTED)
        return api_fail(ENOTCONN, "demi_getpeername: queue %d is not connected", qd);
    return give_address("demi_getpeername", q, q->ops->getpeername, addr, addrlen);
}

int demi_getsockname(int qd, struct sockaddr *addr, socklen_t *addrlen)
{
    int rc = 0;
    struct queue *q = address_queue("demi_getsockname", qd, addr, addrlen, &rc);

    if (q == NULL)
        return rc;
    if (q->ops->getsockname == NULL)
        return api_fail_no_socket("demi_getsockname", qd);
    return give_address("demi_getsockname", q, q->ops->getsockname, addr, addrlen);
}
