/* SPDX-License-Identifier: MIT */
/* Headers out, and the segments that are nothing else: see tcp_conn.h. */
#include "tcp_emit.h"

static COLD void add_sack(struct tcp_conn *c, struct tcp_seg *s)
{
    unsigned n = 0;

    if ((c->flags & TCPF_DSACK) != 0) /* RFC 2883: the first block, once */
        s->sack[n++] = c->dsack;
    c->flags &= ~(uint32_t)TCPF_DSACK;
    n += tcp_rcvq_blocks(&c->rcv, s->sack + n, TCP_SACK_MAX - n);
    s->sack_count = (uint8_t)n;
    s->opts |= TCP_OPT_SACK;
}

/* What RFC 5482 section 3 can say of our user timeout: seconds, or minutes where these are too many. */
static uint16_t user_timeout_field(const struct tcp_conn *c)
{
    uint64_t s = (c->set.user_timeout_ns + NS_PER_S - 1) / NS_PER_S, minutes = (s + 59) / 60;

    if (s <= INT16_MAX)
        return (uint16_t)s;
    return (uint16_t)(0x8000 | (minutes < INT16_MAX ? minutes : INT16_MAX));
}

/* A header with other options than the timestamp's, which takes the long way; opts: of enum tcp_opt, beside SACK. */
static COLD void put_with_options(struct tcp_conn *c, struct frame *f, uint32_t seq, uint8_t flags, uint8_t opts)
{
    uint8_t header[TCP_HEADER_MAX];
    struct tcp_seg s = {.src_port = c->pair.local_port,
                        .dst_port = c->pair.remote_port,
                        .seq = seq,
                        .ack = c->rcv_nxt,
                        .flags = flags,
                        .window = tcp_window_field(c),
                        .opts = opts,
                        .user_timeout = user_timeout_field(c)};
    unsigned len;

    if ((c->flags & TCPF_TS) != 0) {
        s.opts |= TCP_OPT_TS;
        s.ts_val = tcp_ts_now(c);
        s.ts_ecr = c->ts_recent;
    }
    if (tcp_sack_bytes(c) != 0)
        add_sack(c, &s);
    len = tcp_write(header, &s);
    memcpy(frame_push(f, len), header, len);
}

int tcp_transmit(struct tcp_conn *c, struct frame *f, uint32_t seq, uint8_t flags, struct ip_send how)
{
    bool reset = (flags & TCP_RST) != 0;

    how.proto = IPPROTO_TCP;
    how.csum = TCP_CSUM_OFFSET;
    if (UNLIKELY((c->flags & TCPF_ECE) != 0) && !reset)
        flags |= TCP_ECE;
    if (UNLIKELY(tcp_sack_bytes(c) != 0) && !reset)
        put_with_options(c, f, seq, flags, 0);
    else
        tcp_put_header(c, f, seq, flags, &how);
    INET_COUNT(c->tcp->in, tcp_segs_out);
    return ip_output(c->tcp->in, &c->path, f, &how);
}

/* Sends a header alone. */
static void transmit_seg(struct tcp *t, struct ip_path *path, struct frame *f, const struct tcp_seg *s, uint8_t tos)
{
    struct ip_send how = {.proto = IPPROTO_TCP, .tos = tos, .csum = TCP_CSUM_OFFSET};
    uint8_t header[TCP_HEADER_MAX];
    unsigned len = tcp_write(header, s);

    memcpy(frame_push(f, len), header, len);
    INET_COUNT(t->in, tcp_segs_out);
    (void)ip_output(t->in, path, f, &how); /* lost or not sent: who needs it sends it again */
}

/* --- segments without data --- */

static int send_empty(struct tcp_conn *c, uint32_t seq, uint8_t flags)
{
    struct frame *f = ip_frame(c->tcp->in);
    bool ect = (c->flags & TCPF_ECN) != 0 && c->cc.ops != NULL && c->cc.ops->every_packet_ecn;

    if (UNLIKELY(f == NULL))
        return -ENOMEM;
    if (LIKELY(flags == TCP_ACK && tcp_emit_is_usual(c, 0)))
        return tcp_emit(c, f, seq, flags, NULL, NULL, 0, ect);
    return tcp_transmit(c, f, seq, flags, (struct ip_send){.tos = ect ? IP_ECN_ECT0 : IP_ECN_NOT});
}

void tcp_send_ack(struct tcp_conn *c)
{
    if (UNLIKELY(send_empty(c, c->snd_nxt, TCP_ACK) == -ENOMEM)) {
        tcp_timer_set(c, TCP_TIMER_DELACK, tcp_now(c) + TCP_MEMORY_RETRY_NS);
        return;
    }
    INET_COUNT(c->tcp->in, tcp_acks_out);
    tcp_acknowledged(c);
}

void tcp_tell_user_timeout(struct tcp_conn *c)
{
    struct ip_send how = {.proto = IPPROTO_TCP, .csum = TCP_CSUM_OFFSET};
    struct frame *f = ip_frame(c->tcp->in);

    if (f == NULL)
        return; /* it is advice: the connection does without */
    put_with_options(c, f, c->snd_nxt, (uint8_t)(TCP_ACK | ((c->flags & TCPF_ECE) != 0 ? TCP_ECE : 0)),
                     TCP_OPT_USER_TIMEOUT);
    INET_COUNT(c->tcp->in, tcp_segs_out);
    INET_COUNT(c->tcp->in, tcp_acks_out);
    (void)ip_output(c->tcp->in, &c->path, f, &how);
    tcp_acknowledged(c);
}

void tcp_challenge(struct tcp_conn *c)
{
    uint64_t now = tcp_now(c);

    if (c->challenge_ns != 0 && now - c->challenge_ns < TCP_CHALLENGE_GAP_NS) {
        INET_COUNT(c->tcp->in, tcp_challenges_limited);
        return;
    }
    c->challenge_ns = now > 0 ? now : 1;
    INET_COUNT(c->tcp->in, tcp_challenges);
    tcp_send_ack(c);
}

void tcp_send_keepalive(struct tcp_conn *c)
{
    INET_COUNT(c->tcp->in, tcp_keepalives);
    (void)send_empty(c, c->snd_una - 1, TCP_ACK);
}

void tcp_send_rst(struct tcp_conn *c)
{
    if (c->state == TCP_CLOSED || c->state == TCP_TIME_WAIT || c->state == TCP_SYN_SENT)
        return; /* nobody to tell, or nobody who would believe it */
    INET_COUNT(c->tcp->in, tcp_resets_out);
    (void)send_empty(c, c->snd_nxt, TCP_RST | TCP_ACK);
}

void tcp_send_syn(struct tcp_conn *c)
{
    bool reply = c->state == TCP_SYN_RECEIVED;
    uint32_t wnd = reply ? c->rcv_adv - c->rcv_nxt : c->set.rcvbuf;
    struct tcp_seg s = {.src_port = c->pair.local_port,
                        .dst_port = c->pair.remote_port,
                        .seq = c->iss,
                        .ack = reply ? c->rcv_nxt : 0,
                        .flags = reply ? TCP_SYN | TCP_ACK : TCP_SYN,
                        .window = (uint16_t)(wnd < UINT16_MAX ? wnd : UINT16_MAX),
                        .opts = TCP_OPT_MSS,
                        .wscale = c->rcv_wscale};
    uint32_t mss = ip_path_mtu(c->tcp->in, &c->path) - ip_path_header(&c->path) - TCP_HEADER_MIN;
    struct frame *f;

    s.mss = (uint16_t)(c->set.max_mss != 0 && c->set.max_mss < mss ? c->set.max_mss : mss);
    if (reply ? (c->flags & TCPF_TS) != 0 : c->tcp->cfg.timestamps) {
        s.opts |= TCP_OPT_TS;
        s.ts_val = tcp_ts_now(c);
        s.ts_ecr = reply ? c->ts_recent : 0;
    }
    if (reply ? (c->flags & TCPF_SACK) != 0 : c->tcp->cfg.sack)
        s.opts |= TCP_OPT_SACK_OK;
    if (!reply || (c->flags & TCPF_WSCALE) != 0)
        s.opts |= TCP_OPT_WSCALE;
    if ((c->flags & TCPF_USER_TIMEOUT) != 0) {
        s.opts |= TCP_OPT_USER_TIMEOUT;
        s.user_timeout = user_timeout_field(c);
    }
    if ((c->flags & TCPF_ECN) != 0)
        s.flags |= reply ? TCP_ECE : TCP_ECE | TCP_CWR;
    if (reply)
        c->last_ack = c->rcv_nxt;
    f = ip_frame(c->tcp->in);
    if (f != NULL)
        transmit_seg(c->tcp, &c->path, f, &s, 0);
}

void tcp_reply(struct tcp *t, const struct ip_packet *p, const struct tcp_seg *s, uint8_t tos)
{
    struct ip_path path;
    struct frame *f;

    if (ip_path_init(t->in, &path, &p->dst, &p->src) != 0 || (f = ip_frame(t->in)) == NULL)
        return;
    transmit_seg(t, &path, f, s, tos);
}

void tcp_reply_rst(struct tcp *t, const struct ip_packet *p, const struct tcp_seg *s)
{
    struct tcp_seg r = {.src_port = s->dst_port, .dst_port = s->src_port, .flags = TCP_RST};

    if ((s->flags & TCP_RST) != 0 || (p->flags & IP_TO_GROUP) != 0)
        return;
    if ((s->flags & TCP_ACK) != 0) {
        r.seq = s->ack;
    } else {
        r.ack = s->seq + tcp_seg_len(s);
        r.flags |= TCP_ACK;
    }
    INET_COUNT(t->in, tcp_resets_out);
    tcp_reply(t, p, &r, 0);
}
