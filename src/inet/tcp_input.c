/* SPDX-License-Identifier: MIT */
/*
 * Segments in. The fast path is one call chain from the packet to the application's completed receive: an in-order
 * segment of an established connection in which nothing is lost or doubtful. All others go to tcp_segment.c.
 */
#include "internal.h"
#include "tcp_conn.h"

#include <errno.h>
#include <netinet/in.h>

/* What the fast path reads of a header. */
struct plain {
    uint32_t seq, ack, ts_val, ts_ecr, data_len;
    uint16_t window;
    uint8_t header_bytes;
};

/* Header prediction's question: is there nothing about c and p that the fast path does not know? p has a header. */
static inline bool is_plain(const struct tcp_conn *c, const struct ip_packet *p, struct plain *s)
{
    const uint32_t special =
        TCPF_NO_READ | TCPF_FIN_SEEN | TCPF_TLP | TCPF_ORPHAN | TCPF_ECE | TCPF_CE_STATE | TCPF_MTU_PROBE;
    bool ts = (c->flags & TCPF_TS) != 0;
    uint32_t word = get32(p->data + 12);

    s->header_bytes = ts ? TCP_HEADER_MIN + TCP_TS_BYTES : TCP_HEADER_MIN;
    s->seq = get32(p->data + 4);
    s->ack = get32(p->data + 8);
    s->data_len = p->len - s->header_bytes;
    s->window = (uint16_t)word;
    s->ts_val = s->ts_ecr = 0;
    /* Length of the header, reserved bits and flags in one comparison. */
    if ((word >> 16 & ~(uint32_t)TCP_PSH) != ((uint32_t)s->header_bytes << 10 | TCP_ACK) || p->len < s->header_bytes)
        return false;
    if (s->seq != c->rcv_nxt || c->state != TCP_ESTABLISHED || (c->flags & special) != 0)
        return false;
    if (ts) {
        s->ts_val = get32(p->data + TCP_HEADER_MIN + 4);
        s->ts_ecr = get32(p->data + TCP_HEADER_MIN + 8);
        if (get32(p->data + TCP_HEADER_MIN) != TCP_TS_ALIGNED || seq_lt(s->ts_val, c->ts_recent))
            return false;
    }
    if (s->data_len > tcp_rcv_wnd(c) || s->ack - c->snd_una > c->snd_nxt - c->snd_una)
        return false;
    if ((s->data_len == 0 && s->ack == c->snd_una) || (p->tos & IP_ECN_MASK) == IP_ECN_CE)
        return false;
    return ((unsigned)c->ca | c->frto | c->dupacks | c->snd.sacked | c->snd.lost | c->rcv.runs) == 0;
}

static inline bool take_data(struct tcp_conn *c, void *obj, char *ptr, uint32_t len)
{
    uint32_t took = 0;

    if (LIKELY(c->rcv.ready.first == NULL && !tcp_is_silent(c))) {
        took = c->tcp->up.deliver(c->ctx, obj, ptr, len);
        assert(took <= len);
        c->rcv_nxt += took;
        c->taken += took;
    }
    if (LIKELY(took == len) || c->state == TCP_CLOSED)
        return true;
    if (!tcp_rcvq_add(&c->rcv, tcp_env(c), obj, ptr + took, len - took)) {
        INET_DROP(c->tcp->in, drop_tcp_no_memory);
        return false;
    }
    c->rcv_nxt += len - took;
    return true;
}

bool tcp_take_data(struct tcp_conn *c, void *obj, char *ptr, uint32_t len)
{
    return take_data(c, obj, ptr, len);
}

void tcp_deliver_ready(struct tcp_conn *c)
{
    struct tcp_piece *p;

    while (!tcp_is_silent(c) && (p = c->rcv.ready.first) != NULL) {
        uint32_t took = c->tcp->up.deliver(c->ctx, p->obj, p->ptr, p->len);

        if (took == 0 || c->rcv.ready.first != p)
            return;
        c->taken += took;
        tcp_rcvq_consume(&c->rcv, tcp_env(c), took);
    }
}

void tcp_schedule_ack(struct tcp_conn *c)
{
    /* RFC 9293 section 3.8.6.3; where the window has no room for a second full segment none will come. */
    if (++c->unacked_segs >= 2 || c->tcp->cfg.delack_ns == 0 || tcp_rcv_wnd(c) < 2 * (uint32_t)c->mss) {
        c->flags |= TCPF_ACK_NOW;
        return;
    }
    if (c->rcv.ready.first == NULL)
        tcp_ack_soon(c);
    tcp_timer_set(c, TCP_TIMER_DELACK, tcp_now(c) + c->tcp->cfg.delack_ns);
}

void tcp_turn(struct tcp *t)
{
    struct tcp_conn *c;

    while ((c = t->ack_first) != NULL) {
        tcp_ack_not_soon(c);
        if (c->unacked_segs > 0) {
            INET_COUNT(t->in, tcp_turn_acks);
            tcp_send_ack(c);
        }
    }
}

void tcp_burst_begin(struct tcp *t)
{
    t->burst = true;
}

void tcp_burst_end(struct tcp *t)
{
    struct tcp_conn *next;

    t->burst = false;
    for (struct tcp_conn *c = t->ack_first; c != NULL; c = next) {
        next = c->ack_next;
        if ((c->flags & TCPF_ACK_NOW) == 0)
            continue; /* its application has a turn to answer */
        tcp_ack_not_soon(c);
        tcp_send_ack(c);
    }
}

bool tcp_waiting(const struct tcp *t)
{
    return t->ack_first != NULL;
}

/* The acknowledgement of new data. */
static inline void take_ack(struct tcp_conn *c, const struct plain *s)
{
    struct tcp_seg seg; /* what tcp_ack_fast reads of it */

    seg.ack = s->ack;
    seg.flags = TCP_ACK;
    seg.opts = (c->flags & TCPF_TS) != 0 ? TCP_OPT_TS : 0;
    seg.ts_ecr = s->ts_ecr;
    c->probes = 0;
    tcp_ack_fast(c, &seg);
}

static inline void fast_path(struct tcp_conn *c, const struct ip_packet *p, const struct plain *s)
{
    c->heard_ns = tcp_now(c);
    if (seq_le(s->seq, c->last_ack) && (c->flags & TCPF_TS) != 0) {
        c->ts_recent = s->ts_val;
        c->ts_recent_ns = c->heard_ns;
    }
    tcp_window_take(c, s->seq, s->ack, s->window);
    if (s->ack != c->snd_una)
        take_ack(c, s);
    if (s->data_len > 0 && LIKELY(c->state == TCP_ESTABLISHED)) {
        if (LIKELY(take_data(c, p->obj, (char *)p->data + s->header_bytes, s->data_len)))
            tcp_schedule_ack(c);
        else
            c->flags |= TCPF_ACK_NOW;
        if (c->heard_ns - c->tune_ns > c->rtt.srtt_ns)
            tcp_tune_rcvbuf(c);
    }
    if (c->snd_nxt != tcp_snd_end(c))
        tcp_output(c);
    else if ((c->flags & TCPF_ACK_NOW) != 0 && c->tcp->burst)
        tcp_ack_soon(c);
    else if ((c->flags & TCPF_ACK_NOW) != 0)
        tcp_send_ack(c);
}

/* A new SYN may take over a pair of ends that waits: RFC 9293 section 3.6.1, RFC 6191. */
static bool reopens(const struct tcp_conn *c, const struct tcp_seg *s)
{
    if (c->state != TCP_TIME_WAIT || (s->flags & (TCP_SYN | TCP_ACK | TCP_RST)) != TCP_SYN)
        return false;
    if (!seq_gt(tcp_isn(&c->tcp->secret, &c->pair, tcp_now(c)), c->snd_nxt))
        return false; /* our own numbers would be taken for old ones */
    if ((c->flags & TCPF_TS) != 0 && (s->opts & TCP_OPT_TS) != 0 && s->ts_val != c->ts_recent)
        return seq_gt(s->ts_val, c->ts_recent);
    return seq_gt(s->seq, c->rcv_nxt);
}

static COLD void slow_path(struct tcp_conn *c, const struct ip_packet *p, struct tcp_seg *s)
{
    struct tcp *t = c->tcp;

    if (reopens(c, s)) {
        tcp_conn_end(c, 0);
        tcp_listen_input(t, p, s);
        return;
    }
    c->heard_ns = tcp_now(c);
    c->probes = 0;
    if (c->state == TCP_SYN_SENT)
        tcp_syn_sent_input(c, p, s);
    else
        tcp_segment(c, p, s);
}

/* The connection of p, which has a header, in the table; it is remembered as the latest of its place. */
static __attribute__((noinline)) struct tcp_conn *find_in_table(struct tcp *t, const struct ip_packet *p)
{
    struct tcp_pair pair = {p->dst, p->src, get16(p->data + 2), get16(p->data)};
    struct tcp_conn *c = tcp_table_find(&t->table, &pair);

    if (c != NULL)
        *tcp_recent(t, get32(p->data)) = c;
    return c;
}

/* The connection of p, which has a header; NULL: there is none. */
static inline struct tcp_conn *find(struct tcp *t, const struct ip_packet *p)
{
    uint32_t ports = get32(p->data);
    struct tcp_conn *c = *tcp_recent(t, ports);

    if (LIKELY(c != NULL && ((uint32_t)c->pair.remote_port << 16 | c->pair.local_port) == ports &&
               inet_addr_equal(&c->pair.remote, &p->src) && inet_addr_equal(&c->pair.local, &p->dst)))
        return c;
    return find_in_table(t, p);
}

/* A segment that is not of the usual kind, or of no connection (c NULL). */
static COLD void input_slow(struct tcp *t, const struct ip_packet *p, struct tcp_conn *c)
{
    struct inet *in = t->in;
    struct tcp_seg s;

    if (tcp_parse(p->data, p->len, &s) != TCP_PARSE_OK) {
        INET_DROP(in, drop_tcp_bad);
    } else if (!ip_packet_checksum(p)) {
        INET_DROP(in, drop_tcp_checksum);
    } else if (c == NULL) {
        tcp_listen_input(t, p, &s);
    } else {
        tcp_hold(c);
        slow_path(c, p, &s);
        tcp_drop(c);
    }
}

/* Is the transport checksum good? The path of c knows the sum of its addresses, which is the same both ways. */
static inline bool checksum_holds(const struct tcp_conn *c, const struct ip_packet *p)
{
    if ((p->flags & IP_CSUM_GOOD) != 0)
        return true;
    return checksum_good(checksum_add(c->path.sum + checksum_pseudo_rest(IPPROTO_TCP, p->len), p->data, p->len));
}

void tcp_input(struct inet *in, void *transport, const struct ip_packet *p)
{
    struct tcp *t = transport;
    struct tcp_conn *c = NULL;
    struct plain s;

    INET_COUNT(in, tcp_segs_in);
    if (LIKELY(p->len >= TCP_HEADER_MIN))
        c = find(t, p);
    if (UNLIKELY(c == NULL || !is_plain(c, p, &s) || !checksum_holds(c, p))) {
        input_slow(t, p, c);
        return;
    }
    tcp_hold(c);
    fast_path(c, p, &s);
    tcp_drop(c);
}

/* Is c, one of the recent ones, the connection of a packet with these addresses and ports, as on the wire? */
static inline bool is_of(const struct tcp_conn *c, uint64_t addrs, uint32_t ports)
{
    uint32_t src, dst;

    memcpy(&src, c->pair.remote.b + 12, sizeof(src));
    memcpy(&dst, c->pair.local.b + 12, sizeof(dst));
    return addrs == htole64(le32toh(src) | (uint64_t)le32toh(dst) << 32) &&
           ((uint32_t)c->pair.remote_port << 16 | c->pair.local_port) == ports && !c->path.v6;
}

bool tcp_quick(struct inet *in, void *transport, void *obj, uint8_t *h, uint32_t len, uint32_t device)
{
    struct ip_packet p = {.obj = obj, .data = h + IP4_HEADER, .len = len, .tos = h[1]};
    struct tcp *t = transport;
    struct tcp_conn *c;
    struct plain s;
    uint64_t addrs;

    if (UNLIKELY(len < TCP_HEADER_MIN))
        return false;
    memcpy(&addrs, h + 12, sizeof(addrs));
    c = *tcp_recent(t, get32(p.data));
    if (UNLIKELY(c == NULL || !is_of(c, addrs, get32(p.data)) || c->path.generation != in->generation))
        return false;
    if (UNLIKELY(!is_plain(c, &p, &s)))
        return false;
    if ((device & FRAME_IN_CSUM_L4) == 0 &&
        !checksum_good(checksum_add(c->path.sum + checksum_pseudo_rest(IPPROTO_TCP, len), p.data, len)))
        return false;
    INET_COUNT(in, tcp_segs_in);
    tcp_hold(c);
    fast_path(c, &p, &s);
    tcp_drop(c);
    mem_unref(in->env.mem, obj);
    return true;
}

/* The path takes only packets of mtu bytes: what is larger and on its way is lost, which is not congestion. */
static void path_mtu(struct tcp_conn *c, uint32_t mtu)
{
    if (!tcp_is_synchronized(c))
        return;                  /* the next SYN asks the path */
    if (mtu >= tcp_mtu_now(c)) { /* not the path's: another connection may have been told first */
        tcp_mtu_refused(c, mtu);
        return;
    }
    tcp_conn_set_mss(c, mtu);
    tcp_mtu_search_later(c);
    for (uint32_t n = c->snd.record_first; n != c->snd.record_end; n++) {
        const struct tcp_record *r = tcp_record_at(&c->snd, n);

        if ((r->flags & TCP_REC_FLYING) != 0 && r->end - r->seq > c->mss)
            tcp_record_lost(&c->snd, n);
    }
    tcp_timer_set(c, TCP_TIMER_MORE, tcp_now(c)); /* once the path has been told */
}

bool tcp_error(struct inet *in, void *transport, const struct ip_error *e)
{
    struct tcp *t = transport;
    struct tcp_pair pair = {e->local, e->remote, get16(e->data), get16(e->data + 2)};
    struct tcp_conn *c = tcp_table_find(&t->table, &pair);
    uint32_t seq = get32(e->data + 4);

    (void)in;
    if (c == NULL || seq - c->snd_una > c->snd_nxt - c->snd_una)
        return false; /* RFC 5927 section 4.1: not about anything in flight */
    if (e->err == EMSGSIZE) {
        path_mtu(c, e->mtu);
    } else if (c->state == TCP_SYN_SENT) {
        tcp_conn_end(c, e->err == EPROTO ? ECONNREFUSED : e->err);
    } else {
        c->soft_err =
            (int16_t)e->err; /* RFC 5461, RFC 5927 section 5.2: no reason to give up, but the cause if we do */
    }
    return true;
}
