/* SPDX-License-Identifier: MIT */
/* The application's calls on a connection: see tcp.h. */
#include "tcp_emit.h"

/* Most bytes that may wait for their acknowledgement: grows with the congestion window unless it was set. */
static uint32_t sndbuf(const struct tcp_conn *c)
{
    uint64_t wanted = 2 * (uint64_t)c->cc.cwnd;
    uint32_t max = c->tcp->cfg.sndbuf_max;

    if ((c->flags & TCPF_SNDBUF_SET) != 0 || wanted <= c->set.sndbuf)
        return c->set.sndbuf;
    return wanted < max ? (uint32_t)wanted : max;
}

/* Why nothing can be sent, or 0. */
static int send_error(const struct tcp_conn *c)
{
    switch ((enum tcp_state)c->state) {
    case TCP_SYN_SENT:
    case TCP_SYN_RECEIVED:
    case TCP_ESTABLISHED:
    case TCP_CLOSE_WAIT:
        return (c->flags & TCPF_FIN_QUEUED) != 0 ? -EPIPE : 0;
    case TCP_CLOSED:
        return c->err != 0 ? -c->err : -ENOTCONN;
    case TCP_LISTEN:
        return -ENOTCONN;
    default:
        return -EPIPE;
    }
}

int64_t tcp_send_any(struct tcp_conn *c, void *obj, char *ptr, uint32_t len)
{
    uint32_t limit = sndbuf(c), held = tcp_sndq_bytes(&c->snd);
    int err = send_error(c);

    if (UNLIKELY(err != 0))
        return err;
    if (UNLIKELY(len == 0))
        return 0;
    if (UNLIKELY(held >= limit)) {
        c->flags |= TCPF_BLOCKED;
        INET_COUNT(c->tcp->in, tcp_sndbuf_full);
        return -EAGAIN;
    }
    if (len > limit - held) {
        len = limit - held;
        c->flags |= TCPF_BLOCKED;
    }
    err = tcp_sndq_add(&c->snd, tcp_env(c), obj, ptr, len);
    if (UNLIKELY(err != 0)) {
        c->flags |= TCPF_BLOCKED;
        INET_COUNT(c->tcp->in, tcp_sndbuf_full);
        return err == -ENOBUFS ? -EAGAIN : err;
    }
    c->queued += len;
    if (LIKELY(tcp_is_synchronized(c)))
        tcp_output(c);
    return len;
}

uint64_t tcp_queued(const struct tcp_conn *c)
{
    return c->queued;
}

uint64_t tcp_acked(const struct tcp_conn *c)
{
    return c->queued - tcp_sndq_bytes(&c->snd);
}

void tcp_tune_rcvbuf(struct tcp_conn *c)
{
    uint64_t got = c->taken - c->tune_taken, wanted = 2 * got;
    uint32_t max = c->tcp->cfg.rcvbuf_max;

    c->tune_ns = tcp_now(c);
    c->tune_taken = c->taken;
    if ((c->flags & (TCPF_RCVBUF_SET | TCPF_WSCALE)) == TCPF_WSCALE && wanted > c->set.rcvbuf)
        c->set.rcvbuf = wanted < max ? (uint32_t)wanted : max;
}

/* The application took bytes: does the peer have to know of the room (RFC 9293 section 3.8.6.2.2)? */
static void after_take(struct tcp_conn *c)
{
    uint32_t gain = tcp_window_gain(c), wnd = tcp_rcv_wnd(c);
    uint32_t step = c->set.rcvbuf / 2 < 2 * (uint32_t)c->mss ? c->set.rcvbuf / 2 : 2 * (uint32_t)c->mss;

    if (gain > 0 && gain >= step && (wnd < step || gain >= c->set.rcvbuf / 4)) {
        INET_COUNT(c->tcp->in, tcp_window_updates);
        c->flags |= TCPF_ACK_NOW;
        tcp_output(c);
    } else if (c->unacked_segs > 0 && c->rcv.ready.first == NULL) {
        tcp_ack_soon(c);
    }
}

int64_t tcp_recv(struct tcp_conn *c, uint32_t max, void **obj, char **ptr)
{
    uint32_t len = tcp_rcvq_take(&c->rcv, tcp_env(c), max, obj, ptr);

    if (len == 0) {
        if ((c->flags & TCPF_FIN_SEEN) != 0 && seq_gt(c->rcv_nxt, c->fin_seq))
            return 0;
        if ((c->flags & TCPF_NO_READ) != 0)
            return 0;
        if (c->state == TCP_CLOSED)
            return c->err != 0 ? -c->err : -ENOTCONN;
        return c->state == TCP_SYN_SENT ? -ENOTCONN : -EAGAIN;
    }
    c->taken += len;
    if (c->state == TCP_ESTABLISHED || c->state == TCP_FIN_WAIT_1 || c->state == TCP_FIN_WAIT_2)
        after_take(c);
    return len;
}

bool tcp_is_dry(const struct tcp_conn *c)
{
    return c->state == TCP_ESTABLISHED && c->rcv.ready.first == NULL && (c->flags & TCPF_NO_READ) == 0;
}

/* --- ending --- */

/* Queues the FIN where the state has one to send. */
static void send_fin(struct tcp_conn *c)
{
    switch ((enum tcp_state)c->state) {
    case TCP_ESTABLISHED:
        c->state = TCP_FIN_WAIT_1;
        break;
    case TCP_CLOSE_WAIT:
        c->state = TCP_LAST_ACK;
        break;
    case TCP_SYN_SENT:
    case TCP_SYN_RECEIVED:
        c->flags |= TCPF_FIN_QUEUED; /* sent when the handshake is done */
        return;
    default:
        return;
    }
    c->flags |= TCPF_FIN_QUEUED;
    tcp_output(c);
}

int tcp_shutdown(struct tcp_conn *c)
{
    if (c->state == TCP_CLOSED || c->state == TCP_SYN_SENT)
        return -ENOTCONN;
    send_fin(c);
    return 0;
}

void tcp_shutdown_read(struct tcp_conn *c)
{
    c->flags |= TCPF_NO_READ;
    tcp_rcvq_clear(&c->rcv, tcp_env(c));
}

/* The application has no part in it any more; from here on there are no upcalls. */
static void let_go(struct tcp_conn *c)
{
    assert(!tcp_is_silent(c));
    c->flags &= ~(uint32_t)TCPF_CONNECTING;
    c->flags |= TCPF_ORPHAN;
    c->tcp->orphans++;
    c->ctx = NULL;
}

static void free_closed(struct tcp_conn *c)
{
    c->dead = true;
}

void tcp_abort(struct tcp_conn *c)
{
    tcp_hold(c);
    let_go(c);
    if (c->state == TCP_CLOSED) {
        free_closed(c);
    } else {
        tcp_send_rst(c);
        tcp_conn_end(c, ECANCELED);
    }
    tcp_drop(c);
}

void tcp_fail(struct tcp_conn *c, int err)
{
    tcp_conn_end(c, err);
}

void tcp_close(struct tcp_conn *c)
{
    bool unread = c->rcv.ready.first != NULL || c->rcv.runs > 0;

    tcp_hold(c);
    let_go(c);
    if (c->state == TCP_CLOSED) {
        free_closed(c);
    } else if (c->state == TCP_SYN_SENT) {
        tcp_conn_end(c, ECANCELED);
    } else if (unread && c->state != TCP_TIME_WAIT) {
        INET_COUNT(c->tcp->in, tcp_closed_unread);
        tcp_send_rst(c);
        tcp_conn_end(c, ECANCELED);
    } else if (c->tcp->orphans > c->tcp->cfg.orphans && c->state != TCP_TIME_WAIT) {
        INET_COUNT(c->tcp->in, tcp_orphans_full);
        tcp_send_rst(c);
        tcp_conn_end(c, ECANCELED);
    } else {
        tcp_rcvq_clear(&c->rcv, tcp_env(c));
        if (c->state == TCP_FIN_WAIT_2)
            tcp_timer_set(c, TCP_TIMER_LIFE, tcp_now(c) + c->tcp->cfg.fin_wait_ns);
        send_fin(c);
    }
    tcp_drop(c);
}

/* --- options --- */

static int set_flag(uint32_t *flags, uint32_t flag, int64_t value)
{
    if (value != 0 && value != 1)
        return -EINVAL;
    *flags = value != 0 ? *flags | flag : *flags & ~flag;
    return 0;
}

static int set_size(const struct tcp *t, struct tcp_settings *s, enum tcp_option option, int64_t value)
{
    int64_t max = option == TCP_OPTION_SNDBUF ? t->cfg.sndbuf_max : t->cfg.rcvbuf_max;

    if (value <= 0)
        return -EINVAL;
    if (value < 2048)
        value = 2048;
    if (value > max)
        value = max;
    if (option == TCP_OPTION_SNDBUF) {
        s->sndbuf = (uint32_t)value;
        s->flags |= TCPF_SNDBUF_SET;
    } else {
        s->rcvbuf = (uint32_t)value;
        s->flags |= TCPF_RCVBUF_SET;
    }
    return 0;
}

static int set_time(uint64_t *at, int64_t value)
{
    if (value <= 0)
        return -EINVAL;
    *at = (uint64_t)value;
    return 0;
}

static int set_number(const struct tcp *t, struct tcp_settings *s, enum tcp_option option, int64_t value)
{
    switch (option) {
    case TCP_OPTION_KEEPCNT:
        if (value < 1 || value > 127)
            return -EINVAL;
        s->keep_count = (uint32_t)value;
        return 0;
    case TCP_OPTION_USER_TIMEOUT_NS:
        if (value < 0)
            return -EINVAL;
        s->user_timeout_ns = value == 0 ? t->cfg.user_timeout_ns : (uint64_t)value;
        return set_flag(&s->flags, TCPF_USER_TIMEOUT, value != 0);
    case TCP_OPTION_CONGESTION:
        if (value < 0 || value >= TCP_CC_MAX)
            return -EINVAL;
        s->cc = (uint8_t)value;
        return 0;
    case TCP_OPTION_MAXSEG:
        if (value < TCP_MSS_MIN + 40 || value > UINT16_MAX)
            return -EINVAL;
        s->max_mss = (uint16_t)value;
        return 0;
    default:
        return -ENOPROTOOPT;
    }
}

static int settings_set(const struct tcp *t, struct tcp_settings *s, enum tcp_option option, int64_t value)
{
    switch (option) {
    case TCP_OPTION_NODELAY:
        return set_flag(&s->flags, TCPF_NAGLE, value == 0 || value == 1 ? !value : value);
    case TCP_OPTION_KEEPALIVE:
        return set_flag(&s->flags, TCPF_KEEPALIVE, value);
    case TCP_OPTION_PACING:
        return set_flag(&s->flags, TCPF_PACING, value);
    case TCP_OPTION_KEEPIDLE_NS:
        return set_time(&s->keep_idle_ns, value);
    case TCP_OPTION_KEEPINTVL_NS:
        return set_time(&s->keep_interval_ns, value);
    case TCP_OPTION_SNDBUF:
    case TCP_OPTION_RCVBUF:
        return set_size(t, s, option, value);
    default:
        return set_number(t, s, option, value);
    }
}

int tcp_listener_set_option(struct tcp_listener *l, enum tcp_option option, int64_t value)
{
    return settings_set(l->tcp, &l->set, option, value);
}

int tcp_set_option(struct tcp_conn *c, enum tcp_option option, int64_t value)
{
    uint8_t cc = c->set.cc;
    int err = settings_set(c->tcp, &c->set, option, value);

    if (err != 0)
        return err;
    c->flags = (c->flags & ~(uint32_t)TCP_SETTING_FLAGS) | (c->set.flags & TCP_SETTING_FLAGS);
    if (!tcp_is_synchronized(c))
        return 0;
    if (c->set.cc != cc)
        tcp_cc_change(&c->cc, tcp_cc_at((enum tcp_cc_kind)c->set.cc));
    if (option == TCP_OPTION_MAXSEG)
        tcp_conn_set_mss(c, ip_path_mtu(c->tcp->in, &c->path));
    if (option == TCP_OPTION_KEEPALIVE || option == TCP_OPTION_KEEPIDLE_NS)
        tcp_keep_arm(c);
    if (option == TCP_OPTION_NODELAY)
        tcp_output(c);
    if (option == TCP_OPTION_USER_TIMEOUT_NS)
        tcp_rtx_cap(c);
    if (option == TCP_OPTION_USER_TIMEOUT_NS && value != 0 && c->state != TCP_TIME_WAIT)
        tcp_tell_user_timeout(c);
    return 0;
}

int tcp_get_option(const struct tcp_conn *c, enum tcp_option option, int64_t *value)
{
    const struct tcp_settings *s = &c->set;
    const int64_t values[TCP_OPTION_MAX] = {
        [TCP_OPTION_NODELAY] = (s->flags & TCPF_NAGLE) == 0,
        [TCP_OPTION_KEEPALIVE] = (s->flags & TCPF_KEEPALIVE) != 0,
        [TCP_OPTION_KEEPIDLE_NS] = (int64_t)s->keep_idle_ns,
        [TCP_OPTION_KEEPINTVL_NS] = (int64_t)s->keep_interval_ns,
        [TCP_OPTION_KEEPCNT] = s->keep_count,
        [TCP_OPTION_USER_TIMEOUT_NS] = (int64_t)s->user_timeout_ns,
        [TCP_OPTION_CONGESTION] = s->cc,
        [TCP_OPTION_MAXSEG] = tcp_is_synchronized(c) ? c->mss
                              : s->max_mss != 0      ? s->max_mss
                                                     : TCP_MSS_DEFAULT4,
        [TCP_OPTION_SNDBUF] = s->sndbuf,
        [TCP_OPTION_RCVBUF] = s->rcvbuf,
        [TCP_OPTION_PACING] = (s->flags & TCPF_PACING) != 0,
    };

    if ((unsigned)option >= TCP_OPTION_MAX)
        return -ENOPROTOOPT;
    *value = values[option];
    return 0;
}

void tcp_get_info(const struct tcp_conn *c, struct tcp_info *info)
{
    *info = (struct tcp_info){
        .state = (enum tcp_state)c->state,
        .err = c->err,
        .snd_una = c->snd_una,
        .snd_nxt = c->snd_nxt,
        .snd_wnd = c->snd_wnd,
        .rcv_nxt = c->rcv_nxt,
        .rcv_wnd = tcp_rcv_wnd(c),
        .mss = c->mss,
        .cwnd = c->cc.cwnd,
        .ssthresh = c->cc.ssthresh,
        .flight = c->snd.flight_bytes,
        .srtt_ns = c->rtt.srtt_ns,
        .rttvar_ns = c->rtt.var_ns,
        .rto_ns = tcp_rtt_rto(&c->rtt),
        .min_rtt_ns = c->rtt.min_ns,
        .retransmits = c->resent,
        .snd_wscale = c->snd_wscale,
        .rcv_wscale = c->rcv_wscale,
        .timestamps = (c->flags & TCPF_TS) != 0,
        .sack = (c->flags & TCPF_SACK) != 0,
        .ecn = (c->flags & TCPF_ECN) != 0,
        .recovering = c->ca != TCP_CA_OPEN,
        .sndbuf = sndbuf(c),
        .rcvbuf = c->set.rcvbuf,
        .unsent = c->snd.end_seq - seq_min(c->snd.end_seq, seq_max(c->snd_nxt, c->snd.una_seq)),
        .unread = c->rcv.ready_bytes,
    };
}

void tcp_get_ends(const struct tcp_conn *c, struct inet_end *local, struct inet_end *remote)
{
    *local = (struct inet_end){c->pair.local, c->pair.local_port};
    *remote = (struct inet_end){c->pair.remote, c->pair.remote_port};
}
