/* SPDX-License-Identifier: MIT */
/* catmem: what the API calls: sockets, addresses, options, closing; the beginning and end of an instance's part. */
#include "catmem.h"

#include "libos/registry.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

struct catmem_sock *catmem_sock_new(struct catmem *m, struct queue *q)
{
    struct catmem_sock *s = calloc(1, sizeof(*s));

    if (s == NULL)
        return NULL;
    s->watched.fd = -1;
    s->watched.m = m;
    s->queue = q;
    s->local.family = q->domain;
    s->option[SOCK_RCVBUF] = (int)CATMEM_RX_BYTES;
    s->option[SOCK_SNDBUF] = (int)m->inst->config.catmem_ring;
    s->option[SOCK_NODELAY] = 1;
    return s;
}

static int catmem_socket(struct instance *inst, struct queue *q)
{
    if (q->type != SOCK_STREAM)
        return error_set(&inst->error, ENOTSUP,
                         "catmem: datagrams are not served: SOCK_STREAM keeps a push's boundaries as long as pops take "
                         "whole messages");
    q->state = catmem_sock_new(catmem_of(inst), q);
    if (q->state == NULL)
        return error_set(&inst->error, ENOMEM, "catmem: no memory for a socket");
    q->ops = &catmem_ops;
    return 0;
}

static int catmem_bind(struct instance *inst, struct queue *q, const struct sockaddr *addr, socklen_t len)
{
    struct catmem_sock *s = catmem_sock_of(q);
    struct catmem_address a;
    int fd;

    (void)len;
    if (!address_from(&a, addr))
        return -EINVAL;
    if (!address_is_local(&a))
        return error_set(&inst->error, EADDRNOTAVAIL, "catmem: the address is not one of this host");
    fd = name_socket(catmem_of(inst), &a, true);
    if (fd < 0)
        return fd;
    s->watched.fd = fd;
    s->local = a;
    return 0;
}

static int catmem_shutdown(struct instance *inst, struct queue *q, int how)
{
    struct conn *c = conn_of(q);

    (void)inst;
    if (how != SHUT_RD && c->tx_error == 0) {
        c->tx_error = EPIPE;
        tx_finish(c);
    }
    if (how != SHUT_WR) {
        c->flags |= CONN_SHUT_RD;
        c->flags &= (uint16_t)~CONN_STALLED;
        rx_drop_queue(c);
        rx_take(c, c->mask + 1);
        rx_end(c);
    }
    return 0;
}

static void catmem_close(struct instance *inst, struct queue *q)
{
    struct catmem_sock *s = catmem_sock_of(q);
    struct conn *c = s->conn;

    (void)inst;
    if (q->status == QUEUE_LISTENING)
        greet_stop(s);
    if (c != NULL && c->state == CONN_OPEN)
        conn_close(c, s->reset);
    else if (c != NULL)
        conn_free(c);
    if (s->watched.fd >= 0)
        close(s->watched.fd);
    free(s);
}

static const struct {
    int level, name;
    enum sock_option at;
} options[] = {
    {SOL_SOCKET, SO_KEEPALIVE, SOCK_KEEPALIVE},
    {SOL_SOCKET, SO_REUSEADDR, SOCK_REUSE},
    {SOL_SOCKET, SO_RCVBUF, SOCK_RCVBUF},
    {SOL_SOCKET, SO_SNDBUF, SOCK_SNDBUF},
    {IPPROTO_TCP, TCP_NODELAY, SOCK_NODELAY},
    {IPPROTO_TCP, TCP_KEEPIDLE, SOCK_KEEPIDLE},
    {IPPROTO_TCP, TCP_KEEPINTVL, SOCK_KEEPINTVL},
    {IPPROTO_TCP, TCP_KEEPCNT, SOCK_KEEPCNT},
    {IPPROTO_TCP, TCP_USER_TIMEOUT, SOCK_USER_TIMEOUT},
};

/* The remembered option, or NULL. Those of TCP change nothing here; programs set them all the same. */
static int *find_option(struct catmem_sock *s, int level, int name)
{
    for (size_t i = 0; i < ARRAY_LEN(options); i++)
        if (options[i].level == level && options[i].name == name)
            return &s->option[options[i].at];
    return NULL;
}

static int catmem_setsockopt(struct instance *inst, struct queue *q, int level, int name, const void *val,
                             socklen_t len)
{
    struct catmem_sock *s = catmem_sock_of(q);
    int *option = find_option(s, level, name), v;

    if (level == SOL_SOCKET && name == SO_LINGER) {
        memcpy(&s->linger, val, sizeof(s->linger));
        s->reset = s->linger.l_onoff != 0 && s->linger.l_linger == 0;
        return 0;
    }
    if (option == NULL || len < sizeof(v))
        return error_set(&inst->error, ENOPROTOOPT, "catmem: a socket in shared memory has no such option");
    memcpy(&v, val, sizeof(v));
    if (v < 0)
        return error_set(&inst->error, EINVAL, "catmem: a negative value");
    *option = v;
    if (option == &s->option[SOCK_RCVBUF] && s->conn != NULL)
        s->conn->rx_limit = (uint64_t)v;
    return 0;
}

static int catmem_getsockopt(struct instance *inst, struct queue *q, int level, int name, void *val, socklen_t *len)
{
    struct catmem_sock *s = catmem_sock_of(q);
    const int *option = find_option(s, level, name);
    int error = 0;

    if (level == SOL_SOCKET && name == SO_LINGER) {
        memcpy(val, &s->linger, sizeof(s->linger));
        *len = sizeof(s->linger);
        return 0;
    }
    if (level == SOL_SOCKET && name == SO_ERROR) {
        if (s->conn != NULL)
            error = s->conn->rx_error;
        option = &error;
    }
    if (option == NULL)
        return error_set(&inst->error, ENOPROTOOPT, "catmem: a socket in shared memory has no such option");
    memcpy(val, option, sizeof(*option));
    *len = sizeof(*option);
    return 0;
}

static int catmem_getpeername(struct instance *inst, struct queue *q, struct sockaddr_storage *addr, socklen_t *len)
{
    (void)inst;
    *len = address_to(&conn_of(q)->remote, addr);
    return 0;
}

static int catmem_getsockname(struct instance *inst, struct queue *q, struct sockaddr_storage *addr, socklen_t *len)
{
    (void)inst;
    *len = address_to(&catmem_sock_of(q)->local, addr);
    return 0;
}

const struct queue_ops catmem_ops = {
    .name = "catmem",
    .gathers = true,
    .bind = catmem_bind,
    .listen = greet_listen,
    .accept = greet_accept,
    .connect = greet_connect,
    .push = tx_push,
    .pop = rx_pop,
    .cancel = tx_cancel,
    .shutdown = catmem_shutdown,
    .close = catmem_close,
    .setsockopt = catmem_setsockopt,
    .getsockopt = catmem_getsockopt,
    .getpeername = catmem_getpeername,
    .getsockname = catmem_getsockname,
};

static void catmem_fini(struct instance *inst)
{
    struct catmem *m = catmem_of(inst);

    /* messages that peers have not taken yet stay as they are: their mappings outlive ours */
    catmem_poll_fini(m);
    peer_fini(m);
    free(m);
    inst->local_state = NULL;
}

/* Setting catmem_address. */
static int read_addresses(struct catmem *m)
{
    char bad[PREFIX_WORD];
    int err = prefix_list_parse(&m->mine, m->inst->config.catmem_address, bad);

    if (err == -E2BIG)
        return error_set(&m->inst->error, EINVAL, "catmem_address: more than %d prefixes", PREFIXES_MAX);
    return err == 0 ? 0
                    : error_set(&m->inst->error, EINVAL, "catmem_address: \"%s\" is not of the form 127.0.0.0/8 or ::1",
                                bad);
}

static bool catmem_serves(const struct instance *inst, const struct sockaddr *addr)
{
    const struct sockaddr_in *in = (const void *)addr;
    const struct sockaddr_in6 *in6 = (const void *)addr;
    struct inet_addr a = addr->sa_family == AF_INET ? inet_addr_from4(&in->sin_addr) : inet_addr_from6(&in6->sin6_addr);

    return prefix_list_has(&catmem_of(inst)->mine, &a);
}

static int catmem_init(struct instance *inst)
{
    struct catmem *m = aligned_alloc(CACHE_LINE, (sizeof(*m) + CACHE_LINE - 1) & ~(size_t)(CACHE_LINE - 1));
    int err;

    if (m == NULL)
        return error_set(&inst->error, ENOMEM, "no memory for catmem");
    memset(m, 0, sizeof(*m));
    m->inst = inst;
    m->bell_memory_fd = m->bell_fd = m->control_fd = -1;
    m->random = (uint32_t)(clock_gettime_ns() ^ (uintptr_t)m ^ (uint64_t)getpid() << 16) | 1;
    inst->local_state = m;
    err = read_addresses(m);
    if (err == 0)
        err = peer_init(m);
    if (err == 0)
        err = catmem_poll_init(m);
    if (err < 0)
        catmem_fini(inst);
    return err;
}

/* A control socket that a child keeps open would hide its parent's death from the peer. */
static void catmem_forget(struct instance *inst)
{
    const struct catmem *m = catmem_of(inst);

    for (uint32_t i = 0; i < m->slot_count; i++)
        if (m->slots[i].watched != NULL && m->slots[i].watched->fd >= 0)
            close(m->slots[i].watched->fd);
    for (const struct peer *p = m->peers; p != NULL; p = p->next)
        close(p->bell_fd);
    close(m->bell_memory_fd);
    close(m->bell_fd);
    close(m->control_fd);
}

const struct libos libos_catmem = {
    .name = "catmem",
    .what = "sockets between processes of this host, through shared memory",
    .shared_memory = true,
    .init = catmem_init,
    .fini = catmem_fini,
    .socket = catmem_socket,
    .forget = catmem_forget,
    .serves = catmem_serves,
};
