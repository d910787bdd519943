/* SPDX-License-Identifier: MIT */
/* Addresses and options of sockets: what streams and datagrams share. */
#include "names.h"
#include "stack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void end_of_sockaddr(struct inet_end *end, const struct sockaddr *addr)
{
    if (addr->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)addr;

        end->addr = inet_addr_from4(&in->sin_addr);
        end->port = ntohs(in->sin_port);
    } else {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)addr;

        end->addr = inet_addr_from6(&in6->sin6_addr);
        end->port = ntohs(in6->sin6_port);
    }
}

void sockaddr_of_end(const struct inet_end *end, uint16_t domain, struct sockaddr_storage *ss, socklen_t *len)
{
    memset(ss, 0, sizeof(*ss));
    if (domain == AF_INET) {
        struct sockaddr_in *in = (struct sockaddr_in *)ss;

        in->sin_family = AF_INET;
        in->sin_port = htons(end->port);
        memcpy(&in->sin_addr, end->addr.b + 12, 4);
        *len = sizeof(*in);
    } else {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ss;

        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(end->port);
        memcpy(&in6->sin6_addr, end->addr.b, 16);
        *len = sizeof(*in6);
    }
}

static void ends_of(const struct sock *s, struct inet_end *local, struct inet_end *remote)
{
    *local = s->local;
    *remote = (struct inet_end){INET_ANY6, 0};
    if (s->conn != NULL) {
        tcp_get_ends(s->conn, local, remote);
    } else if (s->udp != NULL) {
        udp_ends(s->udp, local, remote);
        if (local->port == 0)
            local->addr = s->local.addr;
    }
}

int stack_getpeername(struct instance *inst, struct queue *q, struct sockaddr_storage *addr, socklen_t *len)
{
    struct inet_end local, remote;

    (void)inst;
    ends_of(sock_of(q), &local, &remote);
    if (remote.port == 0)
        return -ENOTCONN;
    sockaddr_of_end(&remote, q->domain, addr, len);
    return 0;
}

int stack_getsockname(struct instance *inst, struct queue *q, struct sockaddr_storage *addr, socklen_t *len)
{
    struct inet_end local, remote;

    (void)inst;
    ends_of(sock_of(q), &local, &remote);
    sockaddr_of_end(&local, q->domain, addr, len);
    return 0;
}

/* Options that are numbers of TCP, and how many of its units one of the application's is. */
static bool find_number(int level, int name, enum tcp_option *option, int64_t *unit)
{
    static const struct {
        enum tcp_option option;
        int64_t unit;
    } tcp[] = {
        [STACK_NODELAY] = {TCP_OPTION_NODELAY, 1},
        [STACK_KEEPIDLE] = {TCP_OPTION_KEEPIDLE_NS, (int64_t)NS_PER_S},
        [STACK_KEEPINTVL] = {TCP_OPTION_KEEPINTVL_NS, (int64_t)NS_PER_S},
        [STACK_KEEPCNT] = {TCP_OPTION_KEEPCNT, 1},
        [STACK_USER_TIMEOUT] = {TCP_OPTION_USER_TIMEOUT_NS, (int64_t)NS_PER_MS},
        [STACK_MAXSEG] = {TCP_OPTION_MAXSEG, 1},
    };
    enum stack_tcp_name which;

    *unit = 1;
    if (level == SOL_SOCKET) {
        *option = name == SO_KEEPALIVE ? TCP_OPTION_KEEPALIVE
                  : name == SO_RCVBUF  ? TCP_OPTION_RCVBUF
                                       : TCP_OPTION_SNDBUF;
        return name == SO_KEEPALIVE || name == SO_RCVBUF || name == SO_SNDBUF;
    }
    which = stack_tcp_name(name);
    if (which >= ARRAY_LEN(tcp))
        return false;
    *option = tcp[which].option;
    *unit = tcp[which].unit;
    return true;
}

/* Sets it now, or keeps it for the connection to come. */
static int set_option(struct sock *s, enum tcp_option option, int64_t value)
{
    int err = 0;

    if (s->conn != NULL)
        err = tcp_set_option(s->conn, option, value);
    else if (s->listener != NULL)
        err = tcp_listener_set_option(s->listener, option, value);
    if (err == 0) {
        s->set[option] = true;
        s->option[option] = value;
    }
    return err;
}

void stack_apply_options(struct sock *s)
{
    for (unsigned i = 0; i < TCP_OPTION_MAX; i++) {
        if (!s->set[i])
            continue;
        if (s->conn != NULL)
            tcp_set_option(s->conn, (enum tcp_option)i, s->option[i]);
        else if (s->listener != NULL)
            tcp_listener_set_option(s->listener, (enum tcp_option)i, s->option[i]);
    }
}

void stack_option_defaults(struct sock *s, const struct tcp_config *cfg)
{
    const int64_t values[TCP_OPTION_MAX] = {
        [TCP_OPTION_NODELAY] = 1,
        [TCP_OPTION_KEEPIDLE_NS] = (int64_t)cfg->keep_idle_ns,
        [TCP_OPTION_KEEPINTVL_NS] = (int64_t)cfg->keep_interval_ns,
        [TCP_OPTION_KEEPCNT] = cfg->keep_count,
        [TCP_OPTION_CONGESTION] = cfg->cc,
        [TCP_OPTION_MAXSEG] = 536,
        [TCP_OPTION_SNDBUF] = cfg->sndbuf,
        [TCP_OPTION_RCVBUF] = cfg->rcvbuf,
    };

    memcpy(s->option, values, sizeof(values));
}

static const char *const cc_names[] = {
#define CC_NAME(name) #name,
    TCP_CC_LIST(CC_NAME)
#undef CC_NAME
};

static int set_congestion(struct sock *s, const char *name, socklen_t len)
{
    for (size_t i = 0; i < ARRAY_LEN(cc_names); i++) {
        size_t n = strlen(cc_names[i]);

        if (len >= n && memcmp(cc_names[i], name, n) == 0 && (len == n || name[n] == '\0'))
            return set_option(s, TCP_OPTION_CONGESTION, (int64_t)i);
    }
    if (len >= 4 && memcmp("reno", name, 4) == 0 && (len == 4 || name[4] == '\0')) /* the kernel's word for it */
        return set_option(s, TCP_OPTION_CONGESTION, TCP_CC_newreno);
    return -EINVAL;
}

/* What is the same for streams and datagrams. 1: done. */
static int set_common(struct queue *q, int level, int name, const void *val)
{
    struct linger l;

    if (level != SOL_SOCKET)
        return 0;
    if (name == SO_LINGER) {
        memcpy(&l, val, sizeof(l));
        q->flags = (uint16_t)(l.l_onoff != 0 ? q->flags | QUEUE_LINGER : q->flags & ~QUEUE_LINGER);
        q->linger_s = (uint32_t)l.l_linger;
        return 1;
    }
    /* TIME_WAIT keeps no port from a listener here; and what a datagram socket may queue is configured */
    return name == SO_REUSEADDR || name == SO_REUSEPORT || q->type == SOCK_DGRAM;
}

int stack_setsockopt(struct instance *inst, struct queue *q, int level, int name, const void *val, socklen_t len)
{
    struct sock *s = sock_of(q);
    enum tcp_option option;
    int64_t unit;
    int v;

    (void)inst;
    if (set_common(q, level, name, val) != 0)
        return 0;
    if (q->type == SOCK_DGRAM)
        return -ENOPROTOOPT;
    if (level == IPPROTO_TCP && stack_tcp_name(name) == STACK_CONGESTION)
        return set_congestion(s, val, len);
    if (!find_number(level, name, &option, &unit))
        return -ENOPROTOOPT;
    memcpy(&v, val, sizeof(v));
    return set_option(s, option, v * unit);
}

static int give_int(int value, void *val, socklen_t *len)
{
    memcpy(val, &value, sizeof(value));
    *len = sizeof(value);
    return 0;
}

static int64_t get_option(const struct sock *s, enum tcp_option option)
{
    int64_t value;

    return s->conn != NULL && tcp_get_option(s->conn, option, &value) == 0 ? value : s->option[option];
}

static int give_name(const char *name, void *val, socklen_t *len)
{
    if (*len > strlen(name) + 1)
        *len = (socklen_t)strlen(name) + 1;
    memcpy(val, name, *len);
    return 0;
}

static uint32_t us_of(uint64_t ns)
{
    return ns / NS_PER_US > UINT32_MAX ? UINT32_MAX : (uint32_t)(ns / NS_PER_US);
}

static int give_info(const struct sock *s, void *val, socklen_t *len)
{
    struct stack_info ki = {.state = TCP_CLOSED};
    struct tcp_info info;

    if (s->listener != NULL)
        ki.state = TCP_LISTEN;
    if (s->conn != NULL) {
        tcp_get_info(s->conn, &info);
        ki = (struct stack_info){.state = (uint8_t)info.state,
                                 .timestamps = info.timestamps,
                                 .sack = info.sack,
                                 .ecn = info.ecn,
                                 .snd_wscale = info.snd_wscale,
                                 .rcv_wscale = info.rcv_wscale,
                                 .rto_us = us_of(info.rto_ns),
                                 .snd_mss = info.mss,
                                 .unacked = info.mss == 0 ? 0 : (info.flight + info.mss - 1) / info.mss,
                                 .rtt_us = us_of(info.srtt_ns),
                                 .rttvar_us = us_of(info.rttvar_ns),
                                 .ssthresh = info.mss == 0 ? 0 : info.ssthresh / info.mss,
                                 .cwnd = info.mss == 0 ? 0 : info.cwnd / info.mss,
                                 .total_retrans = (uint32_t)info.retransmits,
                                 .rcv_space = info.rcv_wnd};
    }
    *len = stack_kernel_info(&ki, val, *len);
    return 0;
}

/* Options of level SOL_SOCKET that no connection has. 1: not one of them. */
static int get_common(struct queue *q, int name, void *val, socklen_t *len)
{
    struct linger l = {(q->flags & QUEUE_LINGER) != 0, (int)q->linger_s};
    struct sock *s = sock_of(q);
    int err = q->error != 0 ? q->error : s->error;

    switch (name) {
    case SO_LINGER:
        memcpy(val, &l, sizeof(l));
        *len = sizeof(l);
        return 0;
    case SO_ERROR:
        s->error = 0;
        return give_int(err, val, len);
    case SO_REUSEADDR:
    case SO_REUSEPORT:
        return give_int(1, val, len);
    default:
        return 1;
    }
}

int stack_getsockopt(struct instance *inst, struct queue *q, int level, int name, void *val, socklen_t *len)
{
    const struct sock *s = sock_of(q);
    enum tcp_option option;
    int64_t unit;

    (void)inst;
    if (level == SOL_SOCKET && get_common(q, name, val, len) == 0)
        return 0;
    if (q->type == SOCK_DGRAM && level == SOL_SOCKET)
        return give_int(0, val, len);
    if (q->type == SOCK_DGRAM)
        return -ENOPROTOOPT;
    if (level == IPPROTO_TCP && stack_tcp_name(name) == STACK_INFO)
        return give_info(s, val, len);
    if (level == IPPROTO_TCP && stack_tcp_name(name) == STACK_CONGESTION)
        return give_name(cc_names[get_option(s, TCP_OPTION_CONGESTION)], val, len);
    if (!find_number(level, name, &option, &unit))
        return -ENOPROTOOPT;
    return give_int((int)(get_option(s, option) / unit), val, len);
}
