/* SPDX-License-Identifier: MIT */
/* TCP as a whole: making and ending it, connections' birth and end. See tcp.h, tcp_conn.h. */
#include "tcp_conn.h"

#include <errno.h>
#include <netinet/in.h>

const struct tcp_pair *tcp_conn_pair(const struct tcp_conn *c)
{
    return &c->pair;
}

void tcp_config_defaults(struct tcp_config *cfg)
{
    *cfg = (struct tcp_config){
        .conns = 16384,
        .half_open = 1024,
        .orphans = 4096,
        .time_waits = 8192,
        .listeners = 1024,
        .sndbuf = 256 * 1024,
        .rcvbuf = 128 * 1024,
        .sndbuf_max = 16 * 1024 * 1024,
        .rcvbuf_max = 16 * 1024 * 1024,
        .burst = 64,
        .initial_segments = 10,
        .port_low = 32768,
        .port_high = 60999,
        .ecn = false,
        .timestamps = true,
        .sack = true,
        .cc = TCP_CC_cubic,
        .rto_min_ns = NS_PER_MS,
        .delack_ns = 40 * NS_PER_MS,
        .time_wait_ns = 60 * NS_PER_S,
        .connect_ns = 180 * NS_PER_S,
        .user_timeout_ns = 300 * NS_PER_S,
        .fin_wait_ns = 60 * NS_PER_S,
        .keep_idle_ns = 7200 * NS_PER_S,
        .keep_interval_ns = 75 * NS_PER_S,
        .keep_count = 9,
    };
}

static bool config_is_sane(const struct tcp_config *c)
{
    return c->conns > 0 && c->conns <= UINT32_C(1) << 24 && c->half_open > 0 && c->listeners > 0 && c->sndbuf > 0 &&
           c->rcvbuf >= 2048 && c->sndbuf <= c->sndbuf_max && c->rcvbuf <= c->rcvbuf_max &&
           c->sndbuf_max <= TCP_CC_MAX_WINDOW && c->rcvbuf_max <= TCP_CC_MAX_WINDOW && c->burst > 0 &&
           c->initial_segments > 0 && c->port_low > 0 && c->port_low <= c->port_high && c->cc < TCP_CC_MAX &&
           c->rto_min_ns >= NS_PER_MS && c->rto_min_ns <= TCP_RTO_MAX_NS && c->delack_ns <= 40 * NS_PER_MS &&
           c->time_wait_ns > 0 && c->connect_ns > 0 && c->user_timeout_ns > 0 && c->fin_wait_ns > 0 &&
           c->keep_idle_ns > 0 && c->keep_interval_ns > 0 && c->keep_count > 0;
}

struct tcp *tcp_new(struct inet *in, const struct tcp_config *cfg, const struct tcp_upcalls *up, int *err)
{
    uint32_t slots;
    struct tcp *t;

    *err = -EINVAL;
    if (!config_is_sane(cfg))
        return NULL;
    *err = -ENOMEM;
    t = in->env.reserve(in->env.ctx, sizeof(*t));
    if (t == NULL)
        return NULL;
    slots = tcp_table_slots(cfg->conns);
    t->table_bytes = slots * sizeof(struct tcp_slot);
    t->table.slot = in->env.reserve(in->env.ctx, t->table_bytes);
    if (t->table.slot == NULL) {
        in->env.unreserve(in->env.ctx, t, sizeof(*t));
        return NULL;
    }
    t->table.mask = slots - 1;
    t->in = in;
    t->cfg = *cfg;
    t->up = *up;
    for (int i = 0; i < 2; i++) {
        t->table.key[i] = in->env.random(in->env.ctx);
        t->secret.key[i] = in->env.random(in->env.ctx);
    }
    ip_register(in, IPPROTO_TCP, &(struct ip_transport){tcp_quick, tcp_input, tcp_error, t});
    *err = 0;
    return t;
}

uint32_t tcp_count(const struct tcp *t)
{
    return t->conns;
}

void tcp_list_add(struct tcp_conn_list *l, struct tcp_conn *c)
{
    c->next = NULL;
    c->prev = l->last;
    if (l->last == NULL)
        l->first = c;
    else
        l->last->next = c;
    l->last = c;
    l->count++;
}

void tcp_list_remove(struct tcp_conn_list *l, struct tcp_conn *c)
{
    assert(l->count > 0);
    if (c->prev == NULL)
        l->first = c->next;
    else
        c->prev->next = c->next;
    if (c->next == NULL)
        l->last = c->prev;
    else
        c->next->prev = c->prev;
    l->count--;
}

void tcp_settings_default(const struct tcp *t, struct tcp_settings *s)
{
    *s = (struct tcp_settings){
        .sndbuf = t->cfg.sndbuf,
        .rcvbuf = t->cfg.rcvbuf,
        .user_timeout_ns = t->cfg.user_timeout_ns,
        .keep_idle_ns = t->cfg.keep_idle_ns,
        .keep_interval_ns = t->cfg.keep_interval_ns,
        .keep_count = t->cfg.keep_count,
        .cc = (uint8_t)t->cfg.cc,
    };
}

struct tcp_conn *tcp_conn_new(struct tcp *t, const struct tcp_settings *set, int *err)
{
    struct tcp_conn *c;

    if (t->conns == t->cfg.conns && t->time_wait.first != NULL) {
        INET_COUNT(t->in, tcp_time_wait_full);
        tcp_conn_end(t->time_wait.first, 0);
    }
    if (t->conns == t->cfg.conns) {
        INET_COUNT(t->in, tcp_conns_full);
        *err = -ENOBUFS;
        return NULL;
    }
    c = t->in->env.alloc(t->in->env.ctx, sizeof(*c));
    if (c == NULL) {
        *err = -ENOMEM;
        return NULL;
    }
    memset(c, 0, sizeof(*c));
    c->tcp = t;
    c->set = *set;
    c->flags = set->flags & TCP_SETTING_FLAGS;
    c->state = TCP_CLOSED;
    tcp_sndq_init(&c->snd, 0);
    for (unsigned i = 0; i < TCP_TIMERS; i++)
        c->deadline[i] = TCP_NEVER;
    c->all_next = t->all;
    if (t->all != NULL)
        t->all->all_prev = c;
    t->all = c;
    t->conns++;
    INET_COUNT(t->in, tcp_conns_now);
    return c;
}

int tcp_conn_enter(struct tcp_conn *c)
{
    struct inet_end local = {c->pair.local, c->pair.local_port};

    if (!c->has_port) /* a listener's, which has taken it too: who connects took it when it chose it */
        c->has_port = inet_take_port(tcp_env(c), IPPROTO_TCP, &local, NULL, false) == 0;
    if (!tcp_table_add(&c->tcp->table, c, &c->pair)) {
        INET_COUNT(c->tcp->in, tcp_table_full);
        return -ENOBUFS;
    }
    c->flags |= TCPF_IN_TABLE;
    return 0;
}

static void leave_table(struct tcp_conn *c)
{
    struct tcp *t = c->tcp;
    struct tcp_conn **recent = tcp_recent(t, tcp_table_ports(&c->pair));

    if ((c->flags & TCPF_IN_TABLE) != 0)
        tcp_table_remove(&t->table, c, &c->pair);
    if (c->has_port)
        inet_give_port(tcp_env(c), IPPROTO_TCP, c->pair.local_port);
    c->has_port = false;
    if (*recent == c)
        *recent = NULL;
    if ((c->flags & TCPF_TIME_WAIT) != 0)
        tcp_list_remove(&t->time_wait, c);
    c->flags &= ~(uint32_t)(TCPF_IN_TABLE | TCPF_TIME_WAIT);
}

void tcp_bury(struct tcp_conn *c)
{
    struct tcp *t = c->tcp;

    assert(c->hold == 0);
    leave_table(c);
    tcp_timers_stop(c);
    tcp_sndq_clear(&c->snd, &t->in->env);
    tcp_rcvq_clear(&c->rcv, &t->in->env);
    if ((c->flags & TCPF_ORPHAN) != 0)
        t->orphans--;
    if (c->all_prev == NULL)
        t->all = c->all_next;
    else
        c->all_prev->all_next = c->all_next;
    if (c->all_next != NULL)
        c->all_next->all_prev = c->all_prev;
    t->conns--;
    t->in->env.count[CTR_tcp_conns_now]--;
    mem_unref(t->in->env.mem, c);
}

/* Out of the listener's queue, in which nobody has seen it yet. */
static void leave_listener(struct tcp_conn *c)
{
    struct tcp_listener *l = c->listener;

    if (c->state == TCP_SYN_RECEIVED) {
        tcp_list_remove(&l->half, c);
        c->tcp->half_open--;
    } else {
        tcp_list_remove(&l->ready, c);
    }
    c->listener = NULL;
}

static void tell_end(struct tcp_conn *c, int err)
{
    struct tcp_upcalls *up = &c->tcp->up;

    if ((c->flags & TCPF_CONNECTING) != 0) {
        c->flags &= ~(uint32_t)TCPF_CONNECTING;
        up->connected(c->ctx, err);
    } else if (err != 0) {
        up->ended(c->ctx, err);
    }
}

void tcp_conn_end(struct tcp_conn *c, int err)
{
    bool silent = tcp_is_silent(c);

    if (c->state == TCP_CLOSED)
        return;
    tcp_hold(c);
    leave_table(c);
    tcp_timers_stop(c);
    if ((c->flags & TCPF_WAITING) != 0)
        leave_listener(c);
    tcp_sndq_clear(&c->snd, tcp_env(c));
    tcp_rcvq_clear_early(&c->rcv, tcp_env(c));
    if (silent || err == ECONNRESET || err == ECANCELED)
        tcp_rcvq_clear(&c->rcv, tcp_env(c));
    c->state = TCP_CLOSED;
    c->err = (int16_t)err;
    if (silent)
        c->dead = true;
    else
        tell_end(c, err);
    tcp_drop(c);
}

void tcp_conn_time_wait(struct tcp_conn *c)
{
    struct tcp *t = c->tcp;

    tcp_timers_stop(c);
    tcp_sndq_clear(&c->snd, &t->in->env);
    tcp_rcvq_clear_early(&c->rcv, &t->in->env);
    if ((c->flags & TCPF_TIME_WAIT) == 0) {
        if (t->time_wait.count >= t->cfg.time_waits && t->time_wait.first != NULL) {
            INET_COUNT(t->in, tcp_time_wait_full);
            tcp_conn_end(t->time_wait.first, 0);
        }
        tcp_list_add(&t->time_wait, c);
        c->flags |= TCPF_TIME_WAIT;
    }
    c->state = TCP_TIME_WAIT;
    tcp_timer_set(c, TCP_TIMER_LIFE, tcp_now(c) + t->cfg.time_wait_ns);
}

void tcp_conn_start(struct tcp_conn *c)
{
    struct tcp *t = c->tcp;

    c->iss = tcp_isn(&t->secret, &c->pair, tcp_now(c));
    c->ts_offset = tcp_ts_offset(&t->secret, &c->pair);
    c->snd_una = c->snd_nxt = c->iss;
    tcp_sndq_init(&c->snd, c->iss + 1);
    c->heard_ns = c->progress_ns = tcp_now(c);
    c->reo_mult = 1;
    tcp_rtt_init(&c->rtt);
    c->rcv_wscale = 0;
    while (c->rcv_wscale < TCP_WSCALE_MAX && t->cfg.rcvbuf_max >> c->rcv_wscale > UINT16_MAX)
        c->rcv_wscale++;
    c->peer_mss = c->path.v6 ? TCP_MSS_DEFAULT6 : TCP_MSS_DEFAULT4;
}

void tcp_conn_set_mss(struct tcp_conn *c, uint32_t mtu)
{
    uint32_t mss = mtu - ip_path_header(&c->path) - TCP_HEADER_MIN;

    if (mss > c->peer_mss)
        mss = c->peer_mss;
    if (c->set.max_mss != 0 && mss > c->set.max_mss)
        mss = c->set.max_mss;
    if ((c->flags & TCPF_TS) != 0)
        mss -= TCP_TS_BYTES;
    c->mss = (uint16_t)mss;
    if (c->cc.ops != NULL)
        tcp_cc_set_mss(&c->cc, mss);
}

void tcp_free(struct tcp *t)
{
    struct inet *in = t->in;

    for (unsigned i = 0; i < TCP_LISTEN_BUCKETS; i++)
        while (t->listener[i] != NULL) {
            struct tcp_listener *l = t->listener[i];

            t->listener[i] = l->next;
            mem_unref(in->env.mem, l);
        }
    while (t->all != NULL)
        tcp_bury(t->all);
    in->env.unreserve(in->env.ctx, t->table.slot, t->table_bytes);
    in->env.unreserve(in->env.ctx, t, sizeof(*t));
}
