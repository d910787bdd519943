/* SPDX-License-Identifier: MIT */
/* The target socket: making and ending sockets, and what is not about data. */
#include "socket_fuzz.h"

#include <demi/ext.h>
#include <demi/libos.h>
#include <errno.h>
#include <netinet/tcp.h>

int pick_sock(struct input *in)
{
    uint32_t b = next_byte(in);
    int s = w.sock_count == 0 ? -1 : (int)(b % (uint32_t)w.sock_count);

    for (int k = 0; b < 240 && k < w.sock_count && !w.sock[s].open; k++)
        s = (s + 1) % w.sock_count;
    return s;
}

int status_of(const struct sock *s)
{
    const struct queue *q = queue_lookup(&instance()->queues, s->qd);

    require((q != NULL) == s->open);
    return q == NULL ? -1 : q->status;
}

static void small_buffers(int qd, int bytes)
{
    demi_setsockopt(qd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
}

/* A socket, or -1. */
static int make_sock(struct input *in, int type)
{
    uint32_t how = next_byte(in);
    int domain = how >= 240 ? AF_INET6 : AF_INET, qd = -1, s, one = 1;
    bool full = queues_full();

    if (w.sock_count == SOCKETS)
        return -1;
    require_equal(demi_socket(&qd, domain, type, 0), full ? EMFILE : 0);
    if (full)
        return -1;
    s = add_sock(qd, domain, type);
    if (domain == AF_INET6) /* all runs share one address: connections that wait for their time to pass */
        demi_setsockopt(qd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (how % 4 == 3)
        small_buffers(qd, (int)(how / 4) * 200);
    return s;
}

void learn_name(int s)
{
    struct sock *k = &w.sock[s];

    k->named = name_get(k->qd, &k->local, false) && k->local.in.sin_port != 0;
    k->reached = k->local;
    k->was_any |= name_is_any(&k->local);
    if (name_is_any(&k->local) && k->domain == AF_INET)
        k->reached.in.sin_addr = w.address;
    else if (name_is_any(&k->local))
        k->reached.in6.sin6_addr = in6addr_loopback;
}

static int bind_sock(int s, bool any)
{
    union name a = {.any.sa_family = (sa_family_t)w.sock[s].domain};
    int err;

    if (w.sock[s].domain == AF_INET && !any)
        a.in.sin_addr = w.address;
    else if (w.sock[s].domain == AF_INET6 && !any)
        a.in6.sin6_addr = in6addr_loopback;
    err = demi_bind(w.sock[s].qd, &a.any, name_len(w.sock[s].domain));
    if (err == 0)
        learn_name(s);
    return err;
}

static int listen_sock(int s, int backlog)
{
    int err = demi_listen(w.sock[s].qd, backlog);

    if (err == 0) {
        w.sock[s].listening = true;
        w.sock[s].lossy = backlog <= QUEUES;
    }
    return err;
}

void accept_one(int s)
{
    demi_qtoken_t qt;
    int status = status_of(&w.sock[s]), err;
    bool full = ops_full();

    err = demi_accept(&qt, w.sock[s].qd);
    require_equal(err, status < 0 ? EBADF : status != QUEUE_LISTENING ? EINVAL : full ? ENOMEM : 0);
    if (err == 0)
        add_token(qt, DEMI_OPC_ACCEPT, s);
}

static int want_connect(const struct sock *s, const union name *to)
{
    switch (status_of(s)) {
    case -1:
        return EBADF;
    case QUEUE_LISTENING:
        return EOPNOTSUPP;
    case QUEUE_CONNECTING:
        return EINPROGRESS;
    case QUEUE_CONNECTED:
        return EISCONN;
    default:
        return to->any.sa_family != s->domain ? EINVAL : ops_full() ? ENOMEM : 0;
    }
}

static void connect_sock(int s, const union name *to)
{
    int want = want_connect(&w.sock[s], to);
    struct sock *k = &w.sock[s];
    demi_qtoken_t qt;

    require_equal(demi_connect(&qt, k->qd, &to->any, name_len(to->any.sa_family)), want);
    if (want != 0)
        return;
    k->remote = *to;
    learn_name(s);
    k->aimed = k->named;
    add_token(qt, DEMI_OPC_CONNECT, s);
}

void call_pair(struct input *in)
{
    int l, c;

    if (w.sock_count + 3 > SOCKETS)
        return;
    l = make_sock(in, SOCK_STREAM);
    if (l < 0 || bind_sock(l, false) != 0 || listen_sock(l, 100) != 0)
        return;
    c = make_sock(in, SOCK_STREAM);
    if (c < 0 || w.sock[c].domain != w.sock[l].domain)
        return;
    connect_sock(c, &w.sock[l].reached);
    observe(NULL, 0);
    accept_one(l);
    take_next(1000);
    take_next(1000);
    if (next_byte(in) % 2 == 0 && w.sock[l].open)
        close_sock(l);
}

void call_socket(struct input *in)
{
    int type = next_byte(in) % 2 == 0 ? SOCK_DGRAM : SOCK_STREAM, s = make_sock(in, type), err;

    if (s < 0)
        return;
    if (next_byte(in) % 4 == 0)
        return;
    err = bind_sock(s, next_byte(in) % 8 == 7);
    require(err == 0 || err == EADDRINUSE);
    if (err == 0 && type == SOCK_STREAM && next_byte(in) % 2 == 0)
        require_equal(listen_sock(s, 1 + (int)next_byte(in)), 0);
}

void call_bind(struct input *in)
{
    int s = pick_sock(in), status, err;

    if (s < 0)
        return;
    status = status_of(&w.sock[s]);
    err = bind_sock(s, next_byte(in) % 8 == 7);
    require_equal(err, status < 0                  ? EBADF
                       : status == QUEUE_CONNECTED ? EISCONN
                       : status != QUEUE_FRESH     ? EINVAL
                       : err == EADDRINUSE         ? EADDRINUSE
                                                   : 0);
}

void call_listen(struct input *in)
{
    int s = pick_sock(in), want;

    if (s < 0)
        return;
    switch (status_of(&w.sock[s])) {
    case -1:
        want = EBADF;
        break;
    case QUEUE_FRESH:
        want = EDESTADDRREQ;
        break;
    case QUEUE_CONNECTED:
        want = EISCONN;
        break;
    case QUEUE_BOUND:
        want = w.sock[s].type == SOCK_DGRAM ? ENOTSUP : 0;
        break;
    default:
        want = EADDRINUSE;
    }
    require_equal(listen_sock(s, 1 + (int)next_byte(in)), want);
}

void call_accept(struct input *in)
{
    int s = pick_sock(in);

    for (int k = 0; k < w.sock_count && next_byte(in) < 250 && !w.sock[s].listening; k++)
        s = (s + 1) % w.sock_count;
    if (s >= 0)
        accept_one(s);
}

void call_connect(struct input *in)
{
    int s = pick_sock(in), d = pick_sock(in);

    for (int k = 0; k < w.sock_count && !w.sock[d].named; k++)
        d = (d + 1) % w.sock_count;
    if (s < 0 || !w.sock[d].named)
        return;
    connect_sock(s, &w.sock[d].reached);
}

void call_shutdown(struct input *in)
{
    int s = pick_sock(in), how = (int)next_below(in, 3), status, err;

    if (s < 0)
        return;
    status = status_of(&w.sock[s]);
    err = demi_shutdown(w.sock[s].qd, how);
    if (status == QUEUE_CONNECTED)
        require(err == 0 || err == ENOTCONN); /* reset before */
    else
        require_equal(err, status < 0 ? EBADF : ENOTCONN);
    if (err != 0)
        return;
    if (how != SHUT_WR)
        w.sock[s].shut_rd = w.sock[s].dirty = true;
    if (how != SHUT_RD)
        w.sock[s].shut_wr = true;
}

void close_sock(int s)
{
    before_close(s);
    require_equal(demi_close(w.sock[s].qd), 0);
    after_close(s);
    require_equal(demi_close(w.sock[s].qd), EBADF);
    observe(NULL, 0);
}

void call_close(struct input *in)
{
    int s = pick_sock(in);

    if (s >= 0 && w.sock[s].open)
        close_sock(s);
}

static const struct option {
    int level, name;
    union {
        int number;
        struct linger linger;
    } value;
    socklen_t len;
} options[] = {
    {SOL_SOCKET, SO_SNDBUF, {.number = 1}, sizeof(int)},
    {SOL_SOCKET, SO_SNDBUF, {.number = 20000}, sizeof(int)},
    {SOL_SOCKET, SO_KEEPALIVE, {.number = 1}, sizeof(int)},
    {SOL_SOCKET, SO_LINGER, {.linger = {0, 0}}, sizeof(struct linger)},
    {SOL_SOCKET, SO_LINGER, {.linger = {1, 0}}, sizeof(struct linger)},
    {SOL_SOCKET, SO_LINGER, {.linger = {1, 1}}, sizeof(struct linger)},
    {SOL_SOCKET, SO_LINGER, {.linger = {1, 1000000}}, sizeof(struct linger)},
    {IPPROTO_TCP, TCP_NODELAY, {.number = 0}, sizeof(int)},
    {IPPROTO_TCP, TCP_KEEPIDLE, {.number = 100}, sizeof(int)},
};

static const struct option readable[] = {
    {SOL_SOCKET, SO_ERROR, {0}, sizeof(int)},
    {SOL_SOCKET, SO_LINGER, {0}, sizeof(struct linger)},
    {SOL_SOCKET, SO_SNDBUF, {0}, sizeof(int)},
    {IPPROTO_TCP, TCP_INFO, {0}, sizeof(struct tcp_info)},
};

void call_option(struct input *in)
{
    bool set = next_byte(in) % 2 == 0;
    uint32_t i = next_below(in, set ? ARRAY_LEN(options) : ARRAY_LEN(readable));
    const struct option *o = set ? &options[i] : &readable[i];
    char value[sizeof(struct tcp_info)];
    socklen_t len = o->len;
    int s = pick_sock(in), err;

    if (s < 0)
        return;
    err = set ? demi_setsockopt(w.sock[s].qd, o->level, o->name, &o->value, len)
              : demi_getsockopt(w.sock[s].qd, o->level, o->name, value, &len);
    if (!w.sock[s].open)
        require_equal(err, EBADF);
    else
        require_equal(err, o->level == IPPROTO_TCP && w.sock[s].type == SOCK_DGRAM ? ENOPROTOOPT : 0);
    require(len <= o->len);
    if (err == 0 && set && o->name == SO_LINGER && o->level == SOL_SOCKET) {
        w.sock[s].resets = o->value.linger.l_onoff != 0 && o->value.linger.l_linger == 0;
        w.sock[s].linger0 |= w.sock[s].resets;
    }
}

void call_names(struct input *in)
{
    int s = pick_sock(in), status, err;
    socklen_t len;
    union name a;

    if (s < 0)
        return;
    status = status_of(&w.sock[s]);
    len = sizeof(a);
    err = demi_getpeername(w.sock[s].qd, &a.any, &len);
    if (status == QUEUE_CONNECTED)
        require(err == ENOTCONN || (err == 0 && len == name_len(w.sock[s].domain)));
    else
        require_equal(err, status < 0 ? EBADF : ENOTCONN);
    if (err == 0 && w.sock[s].aimed)
        require(name_equal(&a, &w.sock[s].remote));
    len = sizeof(a);
    require_equal(demi_getsockname(w.sock[s].qd, &a.any, &len), status < 0 ? EBADF : 0);
    require(status < 0 || len == name_len(w.sock[s].domain));
}
