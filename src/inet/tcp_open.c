/* SPDX-License-Identifier: MIT */
/* How connections come to be: connect, listen, accept, the handshake and its cookies. See tcp_conn.h. */
#include "tcp_conn.h"

#include <netinet/in.h>

#define COOKIE_LIFE_NS (128 * NS_PER_S)

/* --- listeners --- */

static unsigned bucket_of(uint16_t port)
{
    return port % TCP_LISTEN_BUCKETS;
}

/* Does a listener at `at` take what comes to addr? */
static bool takes(const struct inet_addr *at, const struct inet_addr *addr)
{
    if (inet_addr_equal(at, addr))
        return true;
    return inet_addr_is_any(at) && (!inet_addr_is4(at) || inet_addr_is4(addr));
}

struct tcp_listener *tcp_listener_find(const struct tcp *t, const struct inet_addr *addr, uint16_t port)
{
    struct tcp_listener *best = NULL;

    for (struct tcp_listener *l = t->listener[bucket_of(port)]; l != NULL; l = l->next) {
        if (l->local.port != port || !takes(&l->local.addr, addr))
            continue;
        if (best == NULL || inet_addr_is_any(&best->local.addr))
            best = l; /* an address of its own goes before all addresses */
    }
    return best;
}

bool tcp_is_listening(const struct tcp *t, const struct inet_end *local)
{
    for (const struct tcp_listener *l = t->listener[bucket_of(local->port)]; l != NULL; l = l->next)
        if (l->local.port == local->port &&
            (takes(&l->local.addr, &local->addr) || takes(&local->addr, &l->local.addr)))
            return true;
    return false;
}

struct tcp_listener *tcp_listen(struct tcp *t, const struct inet_end *local, uint32_t backlog, void *ctx, int *err)
{
    struct tcp_listener *l;

    *err = -EADDRINUSE;
    for (l = t->listener[bucket_of(local->port)]; l != NULL; l = l->next)
        if (l->local.port == local->port && inet_addr_equal(&l->local.addr, &local->addr))
            return NULL;
    *err = -ENOSPC;
    if (t->listeners == t->cfg.listeners) {
        INET_COUNT(t->in, tcp_listeners_full);
        return NULL;
    }
    *err = -ENOMEM;
    l = t->in->env.alloc(t->in->env.ctx, sizeof(*l));
    if (l == NULL)
        return NULL;
    *err = inet_take_port(&t->in->env, IPPROTO_TCP, local, NULL, false);
    if (*err != 0) {
        mem_unref(t->in->env.mem, l);
        return NULL;
    }
    memset(l, 0, sizeof(*l));
    l->tcp = t;
    l->local = *local;
    l->ctx = ctx;
    l->backlog = backlog > 0 ? backlog : 1;
    tcp_settings_default(t, &l->set);
    l->next = t->listener[bucket_of(local->port)];
    t->listener[bucket_of(local->port)] = l;
    t->listeners++;
    *err = 0;
    return l;
}

void tcp_unlisten(struct tcp_listener *l)
{
    struct tcp *t = l->tcp;
    struct tcp_listener **where = &t->listener[bucket_of(l->local.port)];

    while (*where != l)
        where = &(*where)->next;
    *where = l->next;
    t->listeners--;
    while (l->half.first != NULL) {
        tcp_send_rst(l->half.first);
        tcp_conn_end(l->half.first, ECONNRESET);
    }
    while (l->ready.first != NULL) {
        tcp_send_rst(l->ready.first);
        tcp_conn_end(l->ready.first, ECONNRESET);
    }
    inet_give_port(&t->in->env, IPPROTO_TCP, l->local.port);
    mem_unref(t->in->env.mem, l);
}

struct tcp_conn *tcp_accept(struct tcp_listener *l, void *ctx)
{
    struct tcp_conn *c = l->ready.first;

    if (c == NULL)
        return NULL;
    tcp_list_remove(&l->ready, c);
    c->flags &= ~(uint32_t)TCPF_WAITING;
    c->listener = NULL;
    c->ctx = ctx;
    return c;
}

/* --- ports --- */

/* Is there no connection of this pair? One in TIME_WAIT whose peer's timestamps tell old from new may be replaced. */
static bool pair_is_free(struct tcp *t, const struct tcp_pair *p)
{
    struct tcp_conn *c = tcp_table_find(&t->table, p);

    if (c == NULL)
        return true;
    if (c->state != TCP_TIME_WAIT || (c->flags & TCPF_TS) == 0 || tcp_now(c) - c->heard_ns < NS_PER_S)
        return false;
    tcp_conn_end(c, 0); /* RFC 6191 */
    return true;
}

/* Takes the port of c's pair for it, if it can be had. */
static int take_port(struct tcp_conn *c)
{
    struct inet_end local = {c->pair.local, c->pair.local_port}, remote = {c->pair.remote, c->pair.remote_port};
    int err = inet_take_port(tcp_env(c), IPPROTO_TCP, &local, &remote, false);

    c->has_port = err == 0;
    return err;
}

/* RFC 6056 algorithm 3, with a random step instead of a counter, so that ports do not tell how many there were. */
static bool choose_port(struct tcp_conn *c)
{
    struct tcp *t = c->tcp;
    struct tcp_pair *p = &c->pair;
    struct inet_end remote = {p->remote, p->remote_port};
    uint32_t count = (uint32_t)t->cfg.port_high - t->cfg.port_low + 1;
    uint32_t offset = tcp_port_offset(&t->secret, &p->local, &remote, count);

    offset += (uint32_t)(t->in->env.random(t->in->env.ctx) % count);
    for (uint32_t i = 0; i < count; i++) {
        struct inet_end local = {p->local, (uint16_t)(t->cfg.port_low + (offset + i) % count)};

        p->local_port = local.port;
        if (!tcp_is_listening(t, &local) && pair_is_free(t, p) && take_port(c) == 0)
            return true;
    }
    INET_COUNT(t->in, tcp_ports_full);
    return false;
}

uint16_t tcp_port_pick(struct tcp *t, const struct inet_addr *local)
{
    uint32_t count = (uint32_t)t->cfg.port_high - t->cfg.port_low + 1;
    uint32_t offset = (uint32_t)(t->in->env.random(t->in->env.ctx) % count);

    for (uint32_t i = 0; i < count; i++) {
        struct inet_end end = {*local, (uint16_t)(t->cfg.port_low + (offset + i) % count)};

        if (!tcp_is_listening(t, &end))
            return end.port;
    }
    INET_COUNT(t->in, tcp_ports_full);
    return 0;
}

/* --- opening --- */

/* The pair of ends and the way to the peer. Negative errno. */
static int connect_ends(struct tcp_conn *c, const struct inet_end *local, const struct inet_end *remote)
{
    struct tcp *t = c->tcp;
    int err = ip_path_init(t->in, &c->path, &local->addr, &remote->addr);

    if (err != 0)
        return err;
    c->pair = (struct tcp_pair){c->path.local, remote->addr, local->port, remote->port};
    if (local->port == 0)
        return choose_port(c) ? 0 : -EADDRNOTAVAIL;
    return pair_is_free(t, &c->pair) ? take_port(c) : -EADDRINUSE;
}

struct tcp_conn *tcp_connect(struct tcp *t, const struct inet_end *local, const struct inet_end *remote, void *ctx,
                             int *err)
{
    struct tcp_settings set;
    struct tcp_conn *c;

    *err = -EINVAL;
    if (remote->port == 0 || inet_addr_is_any(&remote->addr) || inet_addr_is_multicast(&remote->addr))
        return NULL;
    tcp_settings_default(t, &set);
    c = tcp_conn_new(t, &set, err);
    if (c == NULL)
        return NULL;
    c->ctx = ctx;
    *err = connect_ends(c, local, remote);
    if (*err == 0) {
        tcp_conn_start(c);
        *err = tcp_conn_enter(c);
    }
    if (*err != 0) {
        tcp_hold(c);
        c->dead = true;
        tcp_drop(c);
        return NULL;
    }
    c->state = TCP_SYN_SENT;
    c->flags |= TCPF_CONNECTING;
    c->snd_nxt = c->iss + 1;
    c->sent_ns = tcp_now(c);
    if (t->cfg.ecn || tcp_cc_at((enum tcp_cc_kind)c->set.cc)->every_packet_ecn)
        c->flags |= TCPF_ECN;
    INET_COUNT(t->in, tcp_opens);
    tcp_send_syn(c);
    tcp_rtx_arm(c);
    return c;
}

/* What the peer's SYN offers, as far as we offer it too. */
static void take_offers(struct tcp_conn *c, const struct tcp_seg *s)
{
    const struct tcp_config *cfg = &c->tcp->cfg;

    c->irs = s->seq;
    c->rcv_nxt = c->last_ack = s->seq + 1;
    c->rcv_adv = c->rcv_nxt + (c->set.rcvbuf < UINT16_MAX ? c->set.rcvbuf : UINT16_MAX);
    if ((s->opts & TCP_OPT_MSS) != 0)
        c->peer_mss = s->mss < TCP_MSS_MIN ? TCP_MSS_MIN : s->mss;
    if ((s->opts & TCP_OPT_TS) != 0 && cfg->timestamps) {
        c->flags |= TCPF_TS;
        c->ts_recent = s->ts_val;
        c->ts_recent_ns = tcp_now(c);
    }
    if ((s->opts & TCP_OPT_SACK_OK) != 0 && cfg->sack)
        c->flags |= TCPF_SACK;
    if ((s->opts & TCP_OPT_WSCALE) != 0) {
        c->flags |= TCPF_WSCALE;
        c->snd_wscale = s->wscale;
    } else {
        c->rcv_wscale = 0;
    }
    c->snd_wnd = c->snd_wnd_max = s->window; /* a SYN's window is not scaled */
    c->snd_wl1 = s->seq;
    tcp_conn_set_mss(c, ip_path_mtu(c->tcp->in, &c->path));
}

static struct tcp_conn *passive_new(struct tcp_listener *l, const struct ip_packet *p, const struct tcp_seg *s)
{
    struct tcp *t = l->tcp;
    struct tcp_conn *c;
    int err;

    c = tcp_conn_new(t, &l->set, &err);
    if (c == NULL)
        return NULL;
    c->pair = (struct tcp_pair){p->dst, p->src, s->dst_port, s->src_port};
    c->flags |= TCPF_PASSIVE | TCPF_WAITING;
    c->state = TCP_SYN_RECEIVED;
    c->listener = l;
    tcp_list_add(&l->half, c);
    t->half_open++;
    if (ip_path_init(t->in, &c->path, &p->dst, &p->src) != 0) {
        tcp_conn_end(c, ENETUNREACH);
        return NULL;
    }
    tcp_conn_start(c);
    if (tcp_conn_enter(c) != 0) {
        tcp_conn_end(c, ENOBUFS);
        return NULL;
    }
    c->snd_nxt = c->iss + 1;
    c->sent_ns = tcp_now(c);
    return c;
}

/* A SYN-ACK that carries all that has to be remembered. */
static void send_cookie(struct tcp *t, const struct ip_packet *p, const struct tcp_seg *s)
{
    struct tcp_pair pair = {p->dst, p->src, s->dst_port, s->src_port};
    uint64_t now = t->in->env.now_ns;
    struct tcp_cookie opts = {.wscale = TCP_COOKIE_NONE, .sack = (s->opts & TCP_OPT_SACK_OK) != 0 && t->cfg.sack};
    uint16_t mss = (s->opts & TCP_OPT_MSS) != 0 ? s->mss : TCP_MSS_DEFAULT4;
    struct tcp_seg reply = {.src_port = s->dst_port,
                            .dst_port = s->src_port,
                            .seq = tcp_cookie_make(&t->secret, &pair, s->seq, mss, now),
                            .ack = s->seq + 1,
                            .flags = TCP_SYN | TCP_ACK,
                            .opts = TCP_OPT_MSS,
                            .mss = (uint16_t)(t->in->cfg.mtu - (inet_addr_is4(&p->src) ? 40 : 60)),
                            .window = (uint16_t)(t->cfg.rcvbuf < UINT16_MAX ? t->cfg.rcvbuf : UINT16_MAX)};

    if ((s->opts & TCP_OPT_TS) != 0 && t->cfg.timestamps) {
        uint32_t offset = tcp_ts_offset(&t->secret, &pair);

        reply.opts |= TCP_OPT_TS;
        if ((s->opts & TCP_OPT_WSCALE) != 0) {
            opts.wscale = s->wscale;
            reply.opts |= TCP_OPT_WSCALE;
            while (reply.wscale < TCP_WSCALE_MAX && t->cfg.rcvbuf_max >> reply.wscale > UINT16_MAX)
                reply.wscale++;
        }
        if (opts.sack)
            reply.opts |= TCP_OPT_SACK_OK;
        reply.ts_val = tcp_cookie_ts((uint32_t)(now / NS_PER_MS), &opts) + offset;
        reply.ts_ecr = s->ts_val;
    }
    t->cookie_ns = now > 0 ? now : 1;
    INET_COUNT(t->in, tcp_cookies_sent);
    tcp_reply(t, p, &reply, 0);
}

static void listen_syn(struct tcp_listener *l, const struct ip_packet *p, const struct tcp_seg *s)
{
    struct tcp *t = l->tcp;
    struct tcp_conn *c;

    if (l->ready.count >= l->backlog) {
        INET_DROP(t->in, drop_tcp_backlog);
        return;
    }
    if (t->half_open >= t->cfg.half_open) {
        send_cookie(t, p, s);
        return;
    }
    c = passive_new(l, p, s);
    if (c == NULL) {
        INET_DROP(t->in, drop_tcp_no_memory);
        return;
    }
    take_offers(c, s);
    if ((s->flags & (TCP_ECE | TCP_CWR)) == (TCP_ECE | TCP_CWR))
        c->flags |= TCPF_ECN; /* RFC 3168 section 6.1.1 */
    tcp_send_syn(c);
    tcp_rtx_arm(c);
}

/* An ACK that may answer one of our cookies: the connection is made as the SYN would have made it. */
static bool take_cookie(struct tcp_listener *l, const struct ip_packet *p, const struct tcp_seg *s)
{
    struct tcp *t = l->tcp;
    struct tcp_pair pair = {p->dst, p->src, s->dst_port, s->src_port};
    uint64_t now = t->in->env.now_ns;
    struct tcp_cookie opts = {.wscale = TCP_COOKIE_NONE};
    struct tcp_seg syn = {.seq = s->seq - 1, .window = s->window, .opts = TCP_OPT_MSS, .flags = TCP_SYN};
    struct tcp_seg ack = *s;
    struct tcp_conn *c;

    if (t->cookie_ns == 0 || now - t->cookie_ns > COOKIE_LIFE_NS ||
        !tcp_cookie_check(&t->secret, &pair, s->seq - 1, s->ack - 1, now, &opts))
        return false;
    if (l->ready.count >= l->backlog || (c = passive_new(l, p, s)) == NULL) {
        INET_DROP(t->in, drop_tcp_backlog);
        return true;
    }
    syn.mss = opts.mss;
    if ((s->opts & TCP_OPT_TS) != 0 && t->cfg.timestamps) {
        tcp_cookie_from_ts(s->ts_ecr - c->ts_offset, &opts);
        syn.opts |= TCP_OPT_TS | (opts.sack ? TCP_OPT_SACK_OK : 0);
        syn.ts_val = s->ts_val;
        if (opts.wscale != TCP_COOKIE_NONE) {
            syn.opts |= TCP_OPT_WSCALE;
            syn.wscale = opts.wscale;
        }
    }
    take_offers(c, &syn);
    c->iss = c->snd_una = s->ack - 1;
    c->snd_nxt = s->ack;
    tcp_sndq_init(&c->snd, s->ack);
    INET_COUNT(t->in, tcp_cookies_good);
    tcp_hold(c);
    tcp_segment(c, p, &ack);
    tcp_drop(c);
    return true;
}

void tcp_listen_input(struct tcp *t, const struct ip_packet *p, const struct tcp_seg *s)
{
    struct tcp_listener *l = tcp_listener_find(t, &p->dst, s->dst_port);

    if ((p->flags & IP_TO_GROUP) != 0 || l == NULL) {
        INET_DROP(t->in, drop_tcp_port);
        if ((p->flags & IP_TO_GROUP) == 0)
            tcp_reply_rst(t, p, s);
        return;
    }
    if ((s->flags & TCP_RST) != 0) {
        INET_DROP(t->in, drop_tcp_stray);
        return;
    }
    if ((s->flags & TCP_ACK) != 0) {
        if ((s->flags & TCP_SYN) != 0 || !take_cookie(l, p, s)) {
            INET_DROP(t->in, drop_tcp_stray);
            tcp_reply_rst(t, p, s);
        }
        return;
    }
    if ((s->flags & TCP_SYN) != 0)
        listen_syn(l, p, s);
    else
        INET_DROP(t->in, drop_tcp_stray);
}

void tcp_conn_established(struct tcp_conn *c, const struct tcp_seg *s)
{
    struct tcp *t = c->tcp;
    bool clean = c->rtt.backoff == 0; /* the handshake was not sent twice */
    uint32_t initial = clean ? t->cfg.initial_segments : 1;

    if (clean)
        tcp_rtt_sample(&c->rtt, tcp_now(c) - c->sent_ns, tcp_now(c), t->cfg.rto_min_ns);
    else
        c->rtt.rto_ns = 3 * NS_PER_S; /* RFC 6298 rule 5.7 */
    c->rtt.backoff = 0;
    c->snd_una = s->ack;
    c->fack = c->ecn_recover = c->dsack_round = s->ack;
    c->recover = s->ack - 1;
    c->state = TCP_ESTABLISHED;
    tcp_conn_set_mss(c, ip_path_mtu(c->tcp->in, &c->path));
    tcp_mtu_search_later(c);
    tcp_cc_init(&c->cc, tcp_cc_at((enum tcp_cc_kind)c->set.cc), c->mss, initial);
    c->tune_ns = c->progress_ns = tcp_now(c);
    tcp_timer_clear(c, TCP_TIMER_RTX);
    c->rtx = TCP_RTX_NONE;
    tcp_keep_arm(c);
    INET_COUNT(t->in, tcp_established);
    if ((c->flags & TCPF_WAITING) != 0) {
        struct tcp_listener *l = c->listener;

        tcp_list_remove(&l->half, c);
        t->half_open--;
        tcp_list_add(&l->ready, c);
        t->up.incoming(l->ctx);
    } else if ((c->flags & TCPF_CONNECTING) != 0) {
        c->flags &= ~(uint32_t)TCPF_CONNECTING;
        t->up.connected(c->ctx, 0);
    }
    if (c->state == TCP_ESTABLISHED && (c->flags & TCPF_FIN_QUEUED) != 0)
        c->state = TCP_FIN_WAIT_1;
}

void tcp_syn_sent_input(struct tcp_conn *c, const struct ip_packet *p, const struct tcp_seg *s)
{
    struct tcp *t = c->tcp;
    bool ack = (s->flags & TCP_ACK) != 0;

    if (ack && s->ack != c->snd_nxt) {
        INET_DROP(t->in, drop_tcp_ack);
        tcp_reply_rst(t, p, s);
        return;
    }
    if ((s->flags & TCP_RST) != 0) {
        if (ack)
            tcp_conn_end(c, ECONNREFUSED);
        else
            INET_DROP(t->in, drop_tcp_stray);
        return;
    }
    if ((s->flags & TCP_SYN) == 0) {
        INET_DROP(t->in, drop_tcp_stray);
        return;
    }
    take_offers(c, s);
    if (!ack) { /* both opened at once */
        if ((s->flags & (TCP_ECE | TCP_CWR)) != (TCP_ECE | TCP_CWR))
            c->flags &= ~(uint32_t)TCPF_ECN;
        c->state = TCP_SYN_RECEIVED;
        tcp_send_syn(c);
        return;
    }
    if ((s->flags & (TCP_ECE | TCP_CWR)) != TCP_ECE)
        c->flags &= ~(uint32_t)TCPF_ECN;
    c->snd_wl2 = s->ack;
    c->flags |= TCPF_ACK_NOW;
    tcp_conn_established(c, s);
    if (c->state != TCP_CLOSED && (c->flags & TCPF_USER_TIMEOUT) != 0)
        tcp_tell_user_timeout(c); /* in the first segment after the SYN, too (RFC 5482 section 3.3) */
    if (c->state != TCP_CLOSED)
        tcp_output(c);
}
