/* SPDX-License-Identifier: MIT */
/* Segments out: see tcp_conn.h. */
#include "tcp_conn.h"

#include <errno.h>
#include <netinet/in.h>

#define CSUM_OFFSET      16
#define DEVICE_RETRY_NS  (50 * NS_PER_US) /* the device's queue was full */
#define PACE_QUANTUM_NS  (64 * NS_PER_US) /* paced segments of so much time leave together */
#define SACK_OPTION_BASE 4

/* --- the window we offer --- */

/* Right edge that the buffer has room for, as far as the window field can say. */
static uint32_t window_edge(const struct tcp_conn *c)
{
    uint32_t used = c->rcv.ready_bytes, most = (uint32_t)UINT16_MAX << c->rcv_wscale;
    uint32_t room = used < c->set.rcvbuf ? c->set.rcvbuf - used : 0;

    return c->rcv_nxt + (room < most ? room : most);
}

uint32_t tcp_window_gain(const struct tcp_conn *c)
{
    uint32_t edge = window_edge(c);

    return seq_gt(edge, c->rcv_adv) ? edge - c->rcv_adv : 0;
}

uint16_t tcp_window_field(struct tcp_conn *c)
{
    uint32_t gain = tcp_window_gain(c), unit = UINT32_C(1) << c->rcv_wscale, field;
    uint32_t step = c->set.rcvbuf / 2 < c->mss ? c->set.rcvbuf / 2 : c->mss;

    /* RFC 9293 section 3.8.6.2.2: the edge moves by a segment or half the buffer; it never goes back. */
    if (gain > 0 && gain >= step)
        c->rcv_adv += gain;
    field = (tcp_rcv_wnd(c) + unit - 1) >> c->rcv_wscale;
    if (field > UINT16_MAX)
        field = UINT16_MAX;
    if (seq_gt(c->rcv_nxt + (field << c->rcv_wscale), c->rcv_adv))
        c->rcv_adv = c->rcv_nxt + (field << c->rcv_wscale); /* rounding must not take back what was said */
    return (uint16_t)field;
}

/* --- headers --- */

/* Bytes that SACK takes in a segment now. */
static unsigned sack_bytes(const struct tcp_conn *c)
{
    unsigned blocks = c->rcv.runs + ((c->flags & TCPF_DSACK) != 0), most = (c->flags & TCPF_TS) != 0 ? 3 : 4;

    if (LIKELY(blocks == 0) || (c->flags & TCPF_SACK) == 0)
        return 0;
    return SACK_OPTION_BASE + 8 * (blocks < most ? blocks : most);
}

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

static void start_header(struct tcp_conn *c, struct tcp_seg *s, uint32_t seq, uint8_t flags)
{
    s->src_port = c->pair.local_port;
    s->dst_port = c->pair.remote_port;
    s->seq = seq;
    s->ack = c->rcv_nxt;
    s->flags = flags;
    s->opts = 0;
    s->sack_count = 0;
    s->window = tcp_window_field(c);
    if ((c->flags & TCPF_TS) != 0) {
        s->opts = TCP_OPT_TS;
        s->ts_val = tcp_ts_now(c);
        s->ts_ecr = c->ts_recent;
    }
    if (UNLIKELY((c->flags & TCPF_ECE) != 0))
        s->flags |= TCP_ECE;
    if (UNLIKELY(sack_bytes(c) != 0))
        add_sack(c, s);
}

/* Every segment with ACK says all that an acknowledgement would. */
static void acknowledged(struct tcp_conn *c)
{
    c->last_ack = c->rcv_nxt;
    c->unacked_segs = 0;
    c->flags &= ~(uint32_t)TCPF_ACK_NOW;
    tcp_timer_clear(c, TCP_TIMER_DELACK);
}

/* Puts s in front of f and sends it; how has what differs. Negative errno of ip_output. */
static int transmit(struct tcp_conn *c, struct frame *f, const struct tcp_seg *s, struct ip_send how)
{
    uint8_t header[TCP_HEADER_MAX];
    unsigned len = tcp_write(header, s);

    how.proto = IPPROTO_TCP;
    how.csum = CSUM_OFFSET;
    memcpy(frame_push(f, len), header, len);
    INET_COUNT(c->tcp->in, tcp_segs_out);
    return ip_output(c->tcp->in, &c->path, f, &how);
}

/* --- segments without data --- */

static int send_empty(struct tcp_conn *c, struct tcp_seg *s)
{
    struct frame *f = ip_frame(c->tcp->in);
    uint8_t tos = (c->flags & TCPF_ECN) != 0 && c->cc.ops != NULL && c->cc.ops->every_packet_ecn ? IP_ECN_ECT0 : 0;

    if (f == NULL)
        return -ENOMEM;
    return transmit(c, f, s, (struct ip_send){.tos = (s->flags & TCP_SYN) != 0 ? 0 : tos});
}

void tcp_send_ack(struct tcp_conn *c)
{
    struct tcp_seg s;

    start_header(c, &s, c->snd_nxt, TCP_ACK);
    if (send_empty(c, &s) == -ENOMEM) {
        tcp_timer_set(c, TCP_TIMER_DELACK, tcp_now(c) + DEVICE_RETRY_NS);
        return;
    }
    INET_COUNT(c->tcp->in, tcp_acks_out);
    acknowledged(c);
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
    struct tcp_seg s;

    start_header(c, &s, c->snd_una - 1, TCP_ACK);
    INET_COUNT(c->tcp->in, tcp_keepalives);
    (void)send_empty(c, &s);
}

void tcp_send_rst(struct tcp_conn *c)
{
    struct tcp_seg s;
    bool answer = c->state != TCP_SYN_SENT;

    if (c->state == TCP_CLOSED || c->state == TCP_TIME_WAIT || !answer)
        return; /* nobody to tell, or nobody who would believe it */
    start_header(c, &s, c->snd_nxt, TCP_RST | TCP_ACK);
    s.flags &= (uint8_t)~TCP_ECE;
    s.opts &= TCP_OPT_TS;
    INET_COUNT(c->tcp->in, tcp_resets_out);
    (void)send_empty(c, &s);
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
    if ((c->flags & TCPF_ECN) != 0)
        s.flags |= reply ? TCP_ECE : TCP_ECE | TCP_CWR;
    if (reply)
        c->last_ack = c->rcv_nxt;
    (void)send_empty(c, &s); /* lost or not sent: the timer sends it again */
}

void tcp_reply(struct tcp *t, const struct ip_packet *p, const struct tcp_seg *s, uint8_t tos)
{
    struct ip_send how = {.proto = IPPROTO_TCP, .tos = tos, .csum = CSUM_OFFSET};
    uint8_t header[TCP_HEADER_MAX];
    unsigned len = tcp_write(header, s);
    struct ip_path path;
    struct frame *f;

    if (ip_path_init(t->in, &path, &p->dst, &p->src) != 0 || (f = ip_frame(t->in)) == NULL)
        return;
    memcpy(frame_push(f, len), header, len);
    INET_COUNT(t->in, tcp_segs_out);
    (void)ip_output(t->in, &path, f, &how);
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

/* --- data --- */

uint32_t tcp_pipe(const struct tcp_conn *c)
{
    uint32_t left = c->snd.flight_bytes, sacked;

    if (LIKELY((c->flags & TCPF_SACK) != 0 || c->dupacks == 0))
        return left;
    sacked = c->dupacks * c->mss; /* each duplicate says that a segment has left (RFC 6582 by other means) */
    return left > sacked ? left - sacked : 0;
}

/* Flags of a segment that carries [seq, end). */
static uint8_t data_flags(const struct tcp_conn *c, uint32_t end, bool fin)
{
    return (uint8_t)(TCP_ACK | (end - fin == c->snd.end_seq ? TCP_PSH : 0) | (fin ? TCP_FIN : 0));
}

/* What a range is sent as: new data, data that was sent before, new data in a segment that may be too large. */
enum sending { SEND_NEW, SEND_AGAIN, SEND_PROBE };

/*
 * Sends the sequence numbers [seq, end), of which the last is the FIN if fin. Returns how many of them went: fewer when
 * the frame had no room for all pieces; 0 when there is no memory; or negative errno of ip_output.
 */
static int64_t send_range(struct tcp_conn *c, uint32_t seq, uint32_t end, bool fin, enum sending as)
{
    struct frame *f = ip_frame(c->tcp->in);
    uint32_t len = end - seq - fin, filled = 0;
    struct ip_send how = {.probe = as == SEND_PROBE};
    struct tcp_seg s;
    int err;

    if (UNLIKELY(f == NULL))
        return 0;
    if (LIKELY(len > 0))
        filled = tcp_sndq_fill(&c->snd, f, seq, len);
    if (UNLIKELY(filled < len)) {
        fin = false;
        end = seq + filled;
    }
    start_header(c, &s, seq, data_flags(c, end, fin));
    if (UNLIKELY((c->flags & TCPF_ECN) != 0)) {
        if (as != SEND_AGAIN || c->cc.ops->every_packet_ecn)
            how.tos = IP_ECN_ECT0; /* not on what is sent again (RFC 3168 section 6.1.5) */
        if (as != SEND_AGAIN && (c->flags & TCPF_CWR) != 0) {
            s.flags |= TCP_CWR;
            c->flags &= ~(uint32_t)TCPF_CWR;
        }
    }
    if (filled > c->mss && as != SEND_PROBE)
        how.mss = c->mss;
    err = transmit(c, f, &s, how);
    acknowledged(c);
    if (UNLIKELY(err != 0 && err != -EHOSTUNREACH && err != -ENETUNREACH))
        return err;
    c->sent_ns = tcp_now(c);
    return (int64_t)(end - seq);
}

/* The path takes less than we thought: what is sent from now on is smaller. */
static void path_shrank(struct tcp_conn *c)
{
    uint16_t before = c->mss;

    tcp_conn_set_mss(c, ip_path_mtu(c->tcp->in, &c->path));
    if (c->mss >= before) /* no progress that way: try again later */
        tcp_timer_set(c, TCP_TIMER_MORE, tcp_now(c) + NS_PER_MS);
    else
        tcp_timer_set(c, TCP_TIMER_MORE, tcp_now(c));
    tcp_mtu_search_later(c);
}

/* ip_output would not take it. */
static COLD void refused(struct tcp_conn *c, int64_t err)
{
    if (err == -EMSGSIZE)
        path_shrank(c);
    else
        tcp_timer_set(c, TCP_TIMER_MORE, tcp_now(c) + DEVICE_RETRY_NS);
}

bool tcp_resend(struct tcp_conn *c, uint32_t number)
{
    struct tcp_record *r = tcp_record_at(&c->snd, number);
    uint32_t seq = r->seq, end = r->end, most = (uint32_t)(c->mss - sack_bytes(c));
    bool fin = (r->flags & TCP_REC_FIN) != 0;

    while (seq != end) { /* more than one segment when the path has shrunk, or pieces are many */
        bool last = end - seq - fin <= most;
        int64_t sent = send_range(c, seq, last ? end : seq + most, last && fin, SEND_AGAIN);

        if (sent <= 0) {
            refused(c, sent);
            return false;
        }
        seq += (uint32_t)sent;
        INET_COUNT(c->tcp->in, tcp_retransmits);
        c->resent++;
    }
    if (UNLIKELY((c->flags & TCPF_MTU_PROBE) != 0) && r->end == c->mtu.probe_end)
        tcp_mtu_resent(c);
    tcp_record_resent(&c->snd, number, tcp_now(c), tcp_ts_now(c));
    c->undo_resent++;
    return true;
}

/* Notes what was sent, one record a segment. Room for the first was made before; without more room the rest joins it.
 */
static void note_sent(struct tcp_conn *c, uint32_t seq, uint32_t end, bool fin)
{
    uint32_t number = 0;

    if (c->snd.flying == 0 && c->snd.lost == 0)
        c->progress_ns = tcp_now(c);
    for (uint32_t next; seq != end; seq = next) {
        next = end - seq > c->mss + (uint32_t)fin && tcp_record_room(&c->snd, tcp_env(c), 2) ? seq + c->mss : end;
        number = tcp_record_add(&c->snd, seq, next, tcp_now(c), tcp_ts_now(c));
    }
    if (fin)
        tcp_record_at(&c->snd, number)->flags |= TCP_REC_FIN;
}

/* Sends new data from snd_nxt, len bytes of it, and the FIN if that is next. */
static bool send_new(struct tcp_conn *c, uint32_t len)
{
    uint32_t seq = c->snd_nxt, end = seq + len;
    bool fin = end == c->snd.end_seq && (c->flags & TCPF_FIN_QUEUED) != 0;
    int64_t sent;

    if (UNLIKELY(!tcp_record_room(&c->snd, tcp_env(c), 1))) {
        INET_COUNT(c->tcp->in, tcp_flight_full);
        if (c->snd.flying == 0)
            tcp_timer_set(c, TCP_TIMER_MORE, tcp_now(c) + NS_PER_MS);
        return false;
    }
    sent = send_range(c, seq, end + fin, fin, SEND_NEW);
    if (UNLIKELY(sent <= 0)) {
        refused(c, sent);
        return false;
    }
    fin = fin && (uint32_t)sent == len + 1;
    note_sent(c, seq, seq + (uint32_t)sent, fin);
    c->snd_nxt = seq + (uint32_t)sent;
    if (fin)
        c->flags |= TCPF_FIN_SENT;
    return true;
}

bool tcp_send_mtu_probe(struct tcp_conn *c, uint32_t len)
{
    uint32_t seq = c->snd_nxt;
    int64_t sent;

    if (!tcp_record_room(&c->snd, tcp_env(c), 1))
        return false;
    sent = send_range(c, seq, seq + len, false, SEND_PROBE);
    if (sent <= 0)
        return false;
    if (c->snd.flying == 0 && c->snd.lost == 0)
        c->progress_ns = tcp_now(c);
    c->snd_nxt = seq + (uint32_t)sent;
    (void)tcp_record_add(&c->snd, seq, c->snd_nxt, tcp_now(c), tcp_ts_now(c));
    return sent == len;
}

/* Bytes that may go in one segment now; 0: none. Whether it is worth sending is judged by worth_sending. */
static uint32_t sendable(const struct tcp_conn *c, uint32_t avail)
{
    int32_t room = (int32_t)(c->snd_una + c->snd_wnd - c->snd_nxt);
    uint32_t most = (uint32_t)c->mss - sack_bytes(c);

    if (UNLIKELY((tcp_env(c)->offload & INET_TX_TSO) != 0 && most == c->mss)) {
        uint32_t pipe = tcp_pipe(c), cwnd_room = c->cc.cwnd > pipe ? c->cc.cwnd - pipe : 0;
        uint32_t super = cwnd_room < TCP_TSO_MAX ? cwnd_room : TCP_TSO_MAX;

        if (super > most)
            most = super - super % c->mss;
    }
    if (room <= 0)
        return 0;
    if (avail > most)
        avail = most;
    if (avail <= (uint32_t)room)
        return avail;
    return room > c->mss ? (uint32_t)room - (uint32_t)room % c->mss : (uint32_t)room;
}

/* Silly-window avoidance and Nagle: RFC 9293 sections 3.8.6.2.1 and 3.7.4. */
static bool worth_sending(const struct tcp_conn *c, uint32_t len, uint32_t avail)
{
    if (len + sack_bytes(c) >= c->mss)
        return true;
    if (len == avail && ((c->flags & TCPF_NAGLE) == 0 || c->snd_una == c->snd_nxt || (c->flags & TCPF_FIN_QUEUED) != 0))
        return true;
    return len >= c->snd_wnd_max / 2 && len > 0;
}

/* When paced: may a segment go now? If not, the timer says when. */
static bool pace(struct tcp_conn *c, uint32_t len)
{
    uint64_t now = tcp_now(c), rate_window = (uint64_t)c->cc.cwnd * (c->cc.cwnd < c->cc.ssthresh ? 2 : 1) * 5 / 4;

    if ((c->flags & TCPF_PACING) == 0 || c->rtt.srtt_ns == 0)
        return true;
    if (c->pace_ns > now + PACE_QUANTUM_NS) {
        tcp_timer_set(c, TCP_TIMER_MORE, c->pace_ns - PACE_QUANTUM_NS / 2);
        return false;
    }
    if (c->pace_ns < now)
        c->pace_ns = now;
    c->pace_ns += (uint64_t)((unsigned __int128)c->rtt.srtt_ns * len / rate_window);
    return true;
}

bool tcp_send_one_new(struct tcp_conn *c)
{
    uint32_t avail = c->snd.end_seq - c->snd_nxt, len;

    if ((c->flags & TCPF_FIN_SENT) != 0)
        return false;
    len = sendable(c, avail);
    if (len > c->mss)
        len = c->mss;
    if (len == 0 && (avail > 0 || (c->flags & TCPF_FIN_QUEUED) == 0))
        return false;
    return send_new(c, len);
}

/* One segment of new data if windows and reason allow. */
static bool send_next_new(struct tcp_conn *c)
{
    uint32_t avail = c->snd.end_seq - c->snd_nxt, pipe, len;

    if ((c->flags & TCPF_FIN_SENT) != 0 || (avail == 0 && (c->flags & TCPF_FIN_QUEUED) == 0))
        return false;
    len = sendable(c, avail);
    if (avail > 0 && (len == 0 || !worth_sending(c, len, avail)))
        return false;
    pipe = tcp_pipe(c);
    if (pipe > 0 && pipe + len > c->cc.cwnd) {
        c->flags |= TCPF_CWND_LIMITED;
        return false;
    }
    return pace(c, len) && send_new(c, len);
}

static bool resend_next(struct tcp_conn *c)
{
    uint32_t number = tcp_record_next_lost(&c->snd), pipe = tcp_pipe(c);
    const struct tcp_record *r = tcp_record_at(&c->snd, number);

    if (pipe > 0 && pipe + (r->end - r->seq) > c->cc.cwnd)
        return false;
    return pace(c, r->end - r->seq) && tcp_resend(c, number);
}

/* Nothing was sent for longer than a timeout: the window is no longer true (RFC 5681 section 4.1). */
static void after_idle(struct tcp_conn *c)
{
    uint64_t idle = tcp_now(c) - c->sent_ns, rto = tcp_rtt_rto(&c->rtt);

    if (c->snd_una == c->snd_nxt && idle > rto)
        tcp_cc_idle(&c->cc, idle, rto, c->tcp->cfg.initial_segments);
}

void tcp_output(struct tcp_conn *c)
{
    uint32_t budget = c->tcp->cfg.burst;
    bool sent = false;

    if (LIKELY(tcp_is_synchronized(c) && c->state != TCP_TIME_WAIT)) {
        after_idle(c);
        while (UNLIKELY(c->snd.lost > 0) && budget > 0 && resend_next(c)) {
            sent = true;
            budget--;
        }
        if (UNLIKELY(c->mtu.next_ns <= tcp_now(c)))
            tcp_mtu_probe(c);
        while (c->snd.lost == 0 && budget > 0 && send_next_new(c)) {
            sent = true;
            budget--;
        }
        if (UNLIKELY(budget == 0))
            tcp_timer_set(c, TCP_TIMER_MORE, tcp_now(c)); /* the others first */
        if (c->rtx == TCP_RTX_NONE || (sent && c->rtx != TCP_RTX_RTO && c->rtx != TCP_RTX_REORDER))
            tcp_rtx_arm(c);
    }
    if ((c->flags & TCPF_ACK_NOW) != 0)
        tcp_send_ack(c);
}

void tcp_send_probe(struct tcp_conn *c)
{
    uint32_t avail = c->snd.end_seq - c->snd_nxt;

    INET_COUNT(c->tcp->in, tcp_probes);
    if (c->snd.flying > 0 || c->snd.lost > 0)
        (void)tcp_resend(c, c->snd.record_first);
    else if (avail > 0 || ((c->flags & (TCPF_FIN_QUEUED | TCPF_FIN_SENT)) == TCPF_FIN_QUEUED))
        (void)send_new(c, avail > 0 ? 1 : 0);
}
