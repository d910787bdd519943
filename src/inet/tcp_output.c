/* SPDX-License-Identifier: MIT */
/* Data out: see tcp_conn.h. */
#include "tcp_emit.h"

#define PACE_QUANTUM_NS (64 * NS_PER_US) /* paced segments of so much time leave together */

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
    uint8_t flags;
    int err;

    if (UNLIKELY(f == NULL))
        return 0;
    if (LIKELY(len > 0))
        filled = tcp_sndq_fill(&c->snd, f, seq, len);
    if (UNLIKELY(filled < len)) {
        fin = false;
        end = seq + filled;
    }
    flags = data_flags(c, end, fin);
    if (UNLIKELY((c->flags & TCPF_ECN) != 0)) {
        if (as != SEND_AGAIN || c->cc.ops->every_packet_ecn)
            how.tos = IP_ECN_ECT0; /* not on what is sent again (RFC 3168 section 6.1.5) */
        if (as != SEND_AGAIN && (c->flags & TCPF_CWR) != 0) {
            flags |= TCP_CWR;
            c->flags &= ~(uint32_t)TCPF_CWR;
        }
    }
    if (filled > c->mss && as != SEND_PROBE)
        how.mss = c->mss;
    err = tcp_transmit(c, f, seq, flags, how);
    tcp_acknowledged(c);
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

/* ip_output would not take it: an error, or 0 when there is no memory. */
static COLD void refused(struct tcp_conn *c, int64_t err)
{
    if (err == -EMSGSIZE)
        path_shrank(c);
    else if (err == 0 || err == -ENOMEM)
        tcp_timer_set(c, TCP_TIMER_MORE, tcp_now(c) + TCP_MEMORY_RETRY_NS);
    else
        tcp_timer_set(c, TCP_TIMER_MORE, tcp_now(c) + TCP_DEVICE_RETRY_NS);
}

bool tcp_resend(struct tcp_conn *c, uint32_t number)
{
    struct tcp_record *r = tcp_record_at(&c->snd, number);
    uint32_t seq = r->seq, end = r->end, most = (uint32_t)(c->mss - tcp_sack_bytes(c));
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
            tcp_timer_set(c, TCP_TIMER_MORE, tcp_now(c) + TCP_MEMORY_RETRY_NS);
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
    uint32_t most = (uint32_t)c->mss - tcp_sack_bytes(c);

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
    if (len + tcp_sack_bytes(c) >= c->mss)
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

    /* The first one goes in any case (RFC 6675 section 5 (4.3), RFC 5681 section 3.2 step 3). */
    if (pipe > 0 && pipe + (r->end - r->seq) > c->cc.cwnd && (c->ca != TCP_CA_RECOVERY || c->undo_resent > 0))
        return false;
    return pace(c, r->end - r->seq) && tcp_resend(c, number);
}

/*
 * Nothing was sent for longer than a timeout: the window is no longer true (RFC 5681 section 4.1). The timeout which
 * that means is RFC 6298's, of a second at least (rule 2.4). Ours has a floor of a millisecond, for the sake of
 * repairs; by that one a connection which is asked now and then would begin each answer with ten segments.
 */
static void after_idle(struct tcp_conn *c)
{
    uint64_t idle = tcp_now(c) - c->sent_ns, rto = tcp_rtt_rto(&c->rtt);

    if (rto < TCP_IDLE_MIN_NS)
        rto = TCP_IDLE_MIN_NS;
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

/* Is there nothing about c that a push of len bytes, which leaves at once in a segment of its own, has to heed? */
static inline bool push_is_plain(const struct tcp_conn *c, uint32_t len)
{
    const uint32_t special = TCPF_NAGLE | TCPF_PACING | TCPF_FIN_QUEUED | TCPF_BLOCKED | TCPF_TLP;
    uint32_t flight = c->snd_nxt - c->snd_una;

    if ((c->flags & special) != 0 || (c->state != TCP_ESTABLISHED && c->state != TCP_CLOSE_WAIT))
        return false;
    if ((c->snd.lost | c->snd.sacked | c->dupacks) != 0 || c->snd_nxt != c->snd.end_seq || !tcp_emit_is_usual(c, len))
        return false;
    if (len - 1 >= c->mss || flight + len > c->snd_wnd || flight + len > c->cc.cwnd || flight + len > c->set.sndbuf)
        return false;
    return flight != 0 || tcp_now(c) - c->sent_ns <= TCP_IDLE_MIN_NS;
}

/*
 * The retransmission timer after a push. A tail loss probe only moves on: what decided for it has not changed since the
 * last acknowledgement (tcp_rtx_arm).
 */
static inline void rtx_after_push(struct tcp_conn *c)
{
    if (c->rtx == TCP_RTX_RTO || c->rtx == TCP_RTX_REORDER)
        return;
    if (LIKELY(c->rtx == TCP_RTX_TLP && c->snd.flying > 1 && c->rtt.srtt_ns != 0))
        tcp_timer_set(c, TCP_TIMER_RTX, tcp_now(c) + tcp_probe_timeout(c));
    else
        tcp_rtx_arm(c);
}

int64_t tcp_send(struct tcp_conn *c, void *obj, char *ptr, uint32_t len)
{
    struct inet_env *env = tcp_env(c);
    uint32_t seq = c->snd_nxt;
    struct frame *f;
    int err;

    if (UNLIKELY(!push_is_plain(c, len) || !tcp_record_room(&c->snd, env, 1)))
        return tcp_send_any(c, obj, ptr, len);
    f = env->alloc(env->ctx, sizeof(*f));
    if (UNLIKELY(f == NULL))
        return tcp_send_any(c, obj, ptr, len);
    if (UNLIKELY(tcp_sndq_add(&c->snd, env, obj, ptr, len) != 0)) {
        mem_unref(env->mem, f);
        return tcp_send_any(c, obj, ptr, len);
    }
    c->snd.chunk_hint = c->snd.chunk_end - 1;
    c->queued += len;
    err = tcp_emit(c, f, seq, TCP_ACK | TCP_PSH, obj, ptr, len, (c->flags & TCPF_ECN) != 0);
    tcp_acknowledged(c);
    if (UNLIKELY(err != 0)) {
        refused(c, err);
        return len;
    }
    if (c->snd.flying == 0)
        c->progress_ns = env->now_ns;
    c->sent_ns = env->now_ns;
    tcp_record_add(&c->snd, seq, seq + len, env->now_ns, tcp_ts_now(c));
    c->snd_nxt = seq + len;
    rtx_after_push(c);
    return len;
}
