/* SPDX-License-Identifier: MIT */
/*
 * What the fast path leaves: RFC 9293 section 3.10.7.4 in its order, with RFC 5961 where it asks for more caution, and
 * RFC 7323's protection against wrapped sequence numbers before all.
 */
#include "tcp_conn.h"

#include <errno.h>

/* Enough pieces for a buffer of segments of 256 bytes; smaller ones in great number are an attack. */
static uint32_t pieces_max(const struct tcp_conn *c)
{
    return 128 + c->set.rcvbuf / 256;
}

/* A duplicate of what is there: tell which (RFC 2883). */
static void note_dsack(struct tcp_conn *c, uint32_t start, uint32_t end)
{
    if ((c->flags & TCPF_SACK) == 0 || seq_ge(start, end))
        return;
    c->dsack = (struct tcp_block){start, end};
    c->flags |= TCPF_DSACK;
}

/* --- before everything else: timestamps, sequence numbers --- */

/* RFC 7323 section 5.3, rules R1 to R3. False: dropped. */
static bool check_timestamps(struct tcp_conn *c, const struct tcp_seg *s)
{
    uint64_t now = tcp_now(c);

    if ((c->flags & TCPF_TS) == 0 || (s->flags & TCP_RST) != 0)
        return true;
    if ((s->opts & TCP_OPT_TS) == 0) {
        INET_DROP(c->tcp->in, drop_tcp_timestamp);
        return false;
    }
    if (seq_lt(s->ts_val, c->ts_recent) && now - c->ts_recent_ns < TCP_PAWS_IDLE_NS) {
        INET_DROP(c->tcp->in, drop_tcp_paws);
        if (s->data_len > 0)
            note_dsack(c, s->seq, seq_min(s->seq + s->data_len, c->rcv_nxt));
        tcp_challenge(c);
        return false;
    }
    return true;
}

static void take_timestamp(struct tcp_conn *c, const struct tcp_seg *s)
{
    if ((c->flags & TCPF_TS) == 0 || (s->opts & TCP_OPT_TS) == 0 || !seq_le(s->seq, c->last_ack))
        return;
    c->ts_recent = s->ts_val;
    c->ts_recent_ns = tcp_now(c);
}

/* Not in the window: the peer is told where we are. */
static void unacceptable(struct tcp_conn *c, const struct tcp_seg *s)
{
    INET_DROP(c->tcp->in, drop_tcp_window);
    if ((s->flags & TCP_RST) != 0)
        return;
    if (c->state == TCP_SYN_RECEIVED && (s->flags & TCP_SYN) != 0 && s->seq == c->irs) {
        tcp_send_syn(c); /* our answer was lost */
        return;
    }
    if (c->state == TCP_TIME_WAIT && (s->flags & TCP_FIN) != 0)
        tcp_conn_time_wait(c); /* a FIN again: our acknowledgement was lost */
    if (s->data_len == 0 && (s->flags & TCP_FIN) == 0) {
        tcp_challenge(c);
        return;
    }
    note_dsack(c, s->seq, seq_min(s->seq + s->data_len, c->rcv_nxt));
    tcp_send_ack(c);
}

static bool check_sequence(struct tcp_conn *c, const struct tcp_seg *s)
{
    uint32_t wnd = tcp_rcv_wnd(c);

    if (seq_acceptable(s->seq, tcp_seg_len(s), c->rcv_nxt, wnd))
        return true;
    if (wnd == 0 && s->seq == c->rcv_nxt)
        return true; /* its acknowledgement counts, its data does not */
    unacceptable(c, s);
    return false;
}

/* --- RST, SYN --- */

/* RFC 5961 section 3.2: only an exact hit resets; one that is near is asked back. */
static void take_rst(struct tcp_conn *c, const struct tcp_seg *s)
{
    if (s->seq != c->rcv_nxt) {
        INET_DROP(c->tcp->in, drop_tcp_rst);
        tcp_challenge(c);
        return;
    }
    INET_COUNT(c->tcp->in, tcp_resets_in);
    switch ((enum tcp_state)c->state) {
    case TCP_SYN_RECEIVED:
        tcp_conn_end(c, ECONNREFUSED); /* a passive one goes without a word */
        break;
    case TCP_CLOSING:
    case TCP_LAST_ACK:
    case TCP_TIME_WAIT: /* an error only where it takes data with it */
        tcp_conn_end(c, tcp_sndq_bytes(&c->snd) > 0 ? ECONNRESET : 0);
        break;
    default:
        tcp_conn_end(c, ECONNRESET);
        break;
    }
}

/* RFC 5961 section 4.2; in SYN_RECEIVED as RFC 9293 has it. */
static void take_syn(struct tcp_conn *c)
{
    INET_DROP(c->tcp->in, drop_tcp_syn);
    if (c->state == TCP_SYN_RECEIVED && (c->flags & TCPF_PASSIVE) != 0)
        tcp_conn_end(c, ECONNREFUSED);
    else
        tcp_challenge(c);
}

/* --- ACK --- */

/* The acknowledgement that ends the handshake. False: nothing more to do with this segment. */
static bool end_handshake(struct tcp_conn *c, const struct ip_packet *p, const struct tcp_seg *s)
{
    if (!seq_in_after(c->snd_una, s->ack, c->snd_nxt)) {
        INET_DROP(c->tcp->in, drop_tcp_ack);
        tcp_reply_rst(c->tcp, p, s);
        return false;
    }
    if ((c->flags & TCPF_WAITING) != 0 && c->listener->ready.count >= c->listener->backlog) {
        INET_DROP(c->tcp->in, drop_tcp_backlog); /* it comes again: our SYN-ACK will */
        return false;
    }
    c->snd_wnd = (uint32_t)s->window << c->snd_wscale;
    c->snd_wnd_max = c->snd_wnd > c->snd_wnd_max ? c->snd_wnd : c->snd_wnd_max;
    c->snd_wl1 = s->seq;
    c->snd_wl2 = s->ack;
    tcp_conn_established(c, s);
    return c->state != TCP_CLOSED;
}

static bool fin_is_acked(const struct tcp_conn *c)
{
    return (c->flags & TCPF_FIN_SENT) != 0 && c->snd_una == c->snd.end_seq + 1;
}

/* Our FIN was acknowledged, perhaps. False: the connection is over. */
static bool after_ack(struct tcp_conn *c)
{
    if (!fin_is_acked(c))
        return true;
    switch ((enum tcp_state)c->state) {
    case TCP_FIN_WAIT_1:
        c->state = TCP_FIN_WAIT_2;
        if ((c->flags & TCPF_ORPHAN) != 0)
            tcp_timer_set(c, TCP_TIMER_LIFE, tcp_now(c) + c->tcp->cfg.fin_wait_ns);
        return true;
    case TCP_CLOSING:
        tcp_conn_time_wait(c);
        return false;
    case TCP_LAST_ACK:
        tcp_conn_end(c, 0);
        return false;
    default:
        return true;
    }
}

/* False: nothing more to do with this segment. */
static bool take_ack(struct tcp_conn *c, const struct ip_packet *p, const struct tcp_seg *s)
{
    if (c->state == TCP_SYN_RECEIVED)
        return end_handshake(c, p, s);
    if (c->state == TCP_TIME_WAIT)
        return true;
    if (seq_gt(s->ack, c->snd_nxt) || c->snd_una - s->ack > c->snd_wnd_max + (s->ack == c->snd_una)) {
        if (s->ack != c->snd_una && (seq_gt(s->ack, c->snd_nxt) || seq_lt(s->ack, c->snd_una - c->snd_wnd_max))) {
            INET_DROP(c->tcp->in, drop_tcp_ack);
            tcp_challenge(c); /* RFC 5961 section 5.2 */
            return false;
        }
    }
    if (seq_ge(s->ack, c->snd_una))
        tcp_ack(c, s);
    return c->state != TCP_CLOSED && after_ack(c);
}

/* --- data and FIN --- */

/* Cuts off what was received before and what lies beyond the window. ptr is the first byte of data. */
static void trim(struct tcp_conn *c, struct tcp_seg *s, char **ptr)
{
    uint32_t room;

    if (seq_lt(s->seq, c->rcv_nxt)) {
        uint32_t old = c->rcv_nxt - s->seq;

        if (old > s->data_len)
            old = s->data_len;
        if (old > 0) {
            note_dsack(c, s->seq, s->seq + old);
            c->flags |= TCPF_ACK_NOW;
        }
        *ptr += old;
        s->seq += old;
        s->data_len -= old;
    }
    room = c->rcv_adv - s->seq;
    if (seq_ge(s->seq, c->rcv_adv))
        room = 0;
    if (s->data_len > room) {
        s->data_len = room;
        s->flags &= (uint8_t)~TCP_FIN;
        c->flags |= TCPF_ACK_NOW;
    }
}

/* Ahead of a hole: kept, and the sender is told at once (RFC 5681 section 4.2). */
static void take_early(struct tcp_conn *c, const struct ip_packet *p, const struct tcp_seg *s, char *ptr)
{
    struct tcp_block range = {s->seq, s->seq + s->data_len}, dup;

    c->flags |= TCPF_ACK_NOW;
    INET_COUNT(c->tcp->in, tcp_early_in);
    switch (tcp_rcvq_early(&c->rcv, tcp_env(c), &range, p->obj, ptr, pieces_max(c), &dup)) {
    case TCP_EARLY_OK:
    case TCP_EARLY_DUPLICATE:
        note_dsack(c, dup.start, dup.end);
        break;
    case TCP_EARLY_FULL:
        INET_DROP(c->tcp->in, drop_tcp_early_full);
        break;
    case TCP_EARLY_NO_MEMORY:
        INET_DROP(c->tcp->in, drop_tcp_no_memory);
        break;
    }
}

static void take_in_order(struct tcp_conn *c, const struct ip_packet *p, const struct tcp_seg *s, char *ptr)
{
    bool fills = c->rcv.runs > 0;

    if (tcp_take_data(c, p->obj, ptr, s->data_len))
        tcp_schedule_ack(c);
    else
        c->flags |= TCPF_ACK_NOW;
    if (!fills || c->state == TCP_CLOSED)
        return;
    c->flags |= TCPF_ACK_NOW; /* RFC 5681 section 4.2: all or part of a gap is filled */
    tcp_rcvq_join(&c->rcv, tcp_env(c), &c->rcv_nxt);
    tcp_deliver_ready(c);
}

/* False: the connection is over. */
static bool take_text(struct tcp_conn *c, const struct ip_packet *p, const struct tcp_seg *s, char *ptr)
{
    if (s->data_len == 0)
        return true;
    if ((c->flags & TCPF_ORPHAN) != 0) { /* nobody will ever read it: RFC 9293 section 3.6.1, RFC 2525 section 2.17 */
        tcp_send_rst(c);
        tcp_conn_end(c, ECONNRESET);
        return false;
    }
    if ((c->flags & TCPF_NO_READ) != 0) {
        if (s->seq == c->rcv_nxt) {
            c->rcv_nxt += s->data_len;
            c->rcv_adv += s->data_len;
        }
        tcp_schedule_ack(c);
    } else if (s->seq == c->rcv_nxt) {
        take_in_order(c, p, s, ptr);
    } else {
        take_early(c, p, s, ptr);
    }
    if (tcp_now(c) - c->tune_ns > c->rtt.srtt_ns)
        tcp_tune_rcvbuf(c);
    return c->state != TCP_CLOSED;
}

/* The peer's FIN is next in sequence. */
static void take_fin(struct tcp_conn *c)
{
    c->rcv_nxt++;
    if (seq_lt(c->rcv_adv, c->rcv_nxt))
        c->rcv_adv = c->rcv_nxt;
    c->flags |= TCPF_ACK_NOW;
    switch ((enum tcp_state)c->state) {
    case TCP_ESTABLISHED:
        c->state = TCP_CLOSE_WAIT;
        break;
    case TCP_FIN_WAIT_1:
        c->state = TCP_CLOSING;
        break;
    case TCP_FIN_WAIT_2:
        tcp_send_ack(c);
        tcp_conn_time_wait(c);
        break;
    default:
        break;
    }
    if (!tcp_is_silent(c))
        c->tcp->up.ended(c->ctx, 0);
}

static bool receives(const struct tcp_conn *c)
{
    return c->state == TCP_ESTABLISHED || c->state == TCP_FIN_WAIT_1 || c->state == TCP_FIN_WAIT_2;
}

/* --- ECN --- */

/* The receiver's part: RFC 3168 section 6.1.3, or for DCTCP RFC 8257 section 3.2. */
static void take_ecn(struct tcp_conn *c, const struct ip_packet *p, const struct tcp_seg *s)
{
    bool marked = (p->tos & IP_ECN_MASK) == IP_ECN_CE;

    if ((c->flags & TCPF_ECN) == 0 || c->cc.ops == NULL)
        return;
    if (!c->cc.ops->every_packet_ecn) {
        if ((s->flags & TCP_CWR) != 0)
            c->flags &= ~(uint32_t)TCPF_ECE;
        if (marked) {
            c->flags |= TCPF_ECE;
            INET_COUNT(c->tcp->in, tcp_ecn_marks);
        }
        return;
    }
    if (marked)
        INET_COUNT(c->tcp->in, tcp_ecn_marks);
    if (s->data_len == 0 || marked == ((c->flags & TCPF_CE_STATE) != 0))
        return;
    if (c->unacked_segs > 0)
        tcp_send_ack(c); /* with the old state, for what came before */
    c->flags ^= TCPF_CE_STATE;
    if (marked)
        c->flags |= TCPF_ECE;
    else
        c->flags &= ~(uint32_t)TCPF_ECE;
}

/* RFC 5482: the peer says how long it will wait; we believe it within bounds if the application has no own opinion. */
static void take_user_timeout(struct tcp_conn *c, const struct tcp_seg *s)
{
    const uint64_t low = 100 * NS_PER_S, high = 3600 * NS_PER_S;
    uint64_t t;

    if ((s->opts & TCP_OPT_USER_TIMEOUT) == 0 || (c->flags & TCPF_USER_TIMEOUT) != 0 || s->user_timeout == 0)
        return;
    t = (s->user_timeout & 0x7fff) * NS_PER_S * ((s->user_timeout & 0x8000) != 0 ? 60 : 1);
    c->set.user_timeout_ns = t < low ? low : t > high ? high : t;
    tcp_rtx_cap(c);
}

static void text_and_fin(struct tcp_conn *c, const struct ip_packet *p, struct tcp_seg *s)
{
    char *ptr = (char *)p->data + s->header_bytes;
    uint32_t fin_seq = s->seq + s->data_len;

    trim(c, s, &ptr);
    if ((s->flags & TCP_FIN) != 0) {
        c->fin_seq = fin_seq;
        c->flags |= TCPF_FIN_SEEN;
        if (fin_seq != c->rcv_nxt)
            c->flags |= TCPF_ACK_NOW;
    }
    if (!take_text(c, p, s, ptr))
        return;
    if ((c->flags & TCPF_FIN_SEEN) != 0 && c->rcv_nxt == c->fin_seq)
        take_fin(c);
}

/*
 * A simultaneous open ends with the peer's SYN again, which acknowledges ours (RFC 9293 section 3.5, figure 7): what
 * counts of it is the acknowledgement. To answer it with our SYN once more would go on for ever between two that both
 * do, or one that is connected to itself.
 */
static void take_open(const struct tcp_conn *c, struct tcp_seg *s)
{
    if ((s->flags & (TCP_SYN | TCP_ACK | TCP_RST)) != (TCP_SYN | TCP_ACK) || s->seq != c->irs ||
        !seq_gt(s->ack, c->snd_una) || seq_gt(s->ack, c->snd_nxt))
        return;
    s->flags &= (uint8_t)~TCP_SYN;
    s->seq++;
    s->window >>= c->snd_wscale; /* that of a SYN is not scaled (RFC 7323 section 2.2) */
}

void tcp_segment(struct tcp_conn *c, const struct ip_packet *p, struct tcp_seg *s)
{
    if (c->state == TCP_SYN_RECEIVED)
        take_open(c, s);
    if (!check_timestamps(c, s) || !check_sequence(c, s))
        return;
    if ((s->flags & TCP_RST) != 0) {
        take_rst(c, s);
        return;
    }
    if ((s->flags & TCP_SYN) != 0) {
        take_syn(c);
        return;
    }
    if ((s->flags & TCP_ACK) == 0) {
        INET_DROP(c->tcp->in, drop_tcp_stray);
        return;
    }
    if (!take_ack(c, p, s))
        return;
    take_timestamp(c, s);
    take_ecn(c, p, s);
    take_user_timeout(c, s);
    if (receives(c)) {
        text_and_fin(c, p, s);
    } else if (c->state == TCP_TIME_WAIT && (s->flags & TCP_FIN) != 0) {
        tcp_send_ack(c);
        tcp_conn_time_wait(c);
    }
    if (c->state != TCP_CLOSED && c->state != TCP_TIME_WAIT)
        tcp_output(c);
}
