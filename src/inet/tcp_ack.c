/* SPDX-License-Identifier: MIT */
/*
 * Acknowledgements: what has arrived, what is lost, and what the congestion window learns of it. See tcp_conn.h.
 *
 * With SACK, loss is what RACK says (RFC 8985): a segment is lost when one that was sent later has arrived and the time
 * for reordering is over. Three duplicates are then no more than a reason to wait no longer. Without SACK it is NewReno
 * (RFC 6582): three duplicates, and in recovery each partial acknowledgement shows the next hole. Both fill the same
 * scoreboard, from which tcp_output sends again what is lost as far as the window allows (RFC 6675, pipe).
 */
#include "tcp_conn.h"

#define REO_PERSIST 16 /* recoveries that a widened reordering window outlasts (RFC 8985 section 6.2) */

/* What one acknowledgement brought. */
struct news {
    const struct tcp_seg *s;
    uint32_t una; /* before it */
    uint32_t acked, sacked;
    uint32_t flight; /* before it */
    uint64_t rtt_ns; /* 0: nothing measured */
    bool dsack;
    bool spurious; /* a retransmission of ours was needless (D-SACK, RFC 2883; timestamps, RFC 3522) */
};

/*
 * Was r sent after the latest segment known to have arrived? All that is sent in one turn of the loop has one time;
 * where RFC 8985 section 6.2 looks at sequence numbers then, which takes a retransmission for older than new data that
 * was sent before it, we count.
 */
static bool sent_after_rack(const struct tcp_conn *c, const struct tcp_record *r)
{
    return r->sent_ns > c->rack_sent_ns ||
           (r->sent_ns == c->rack_sent_ns && (int16_t)(uint16_t)(r->turn - c->rack_turn) > 0);
}

/* A record has arrived: RFC 8985 section 6.2, steps 2 and 3. */
static void arrived(struct tcp_conn *c, const struct tcp_record *r, struct news *n)
{
    uint64_t rtt = tcp_now(c) - r->sent_ns;

    if ((r->flags & TCP_REC_RESENT) != 0) {
        bool echo_is_older = (n->s->opts & TCP_OPT_TS) != 0 && (c->flags & TCPF_TS) != 0 && n->s->ts_ecr != 0 &&
                             seq_lt(n->s->ts_ecr, r->ts);

        if (echo_is_older && r->sends == 2 && (c->flags & TCPF_UNDO) != 0 && c->undo_resent > 0) {
            c->undo_resent--;
            n->spurious = true;
        }
        if (echo_is_older || rtt < c->rtt.min_ns)
            return; /* which of the transmissions arrived is not known */
    } else {
        if (seq_lt(r->end, c->fack))
            c->flags |= TCPF_REORDERED;
        if (n->rtt_ns == 0)
            n->rtt_ns = rtt > 0 ? rtt : 1;
    }
    if (sent_after_rack(c, r)) {
        c->rack_sent_ns = r->sent_ns;
        c->rack_turn = r->turn;
        c->rack_rtt_ns = rtt;
    }
}

/* --- SACK --- */

/* Marks what the block covers; what an earlier block of the same start covered is not looked at again. */
static void take_block(struct tcp_conn *c, const struct tcp_block *b, struct news *n)
{
    uint32_t from = b->start, number;

    for (unsigned i = 0; i < TCP_SACK_MAX; i++)
        if (from - c->sack_seen[i].start < c->sack_seen[i].end - c->sack_seen[i].start)
            from = c->sack_seen[i].end;
    if (seq_ge(from, b->end))
        return;
    number = tcp_record_find(&c->snd, from);
    if (number != c->snd.record_first && seq_gt(tcp_record_at(&c->snd, number - 1)->end, from) &&
        seq_ge(tcp_record_at(&c->snd, number - 1)->seq, b->start))
        number--; /* the earlier block ended within this one */
    for (; number != c->snd.record_end; number++) {
        struct tcp_record *r = tcp_record_at(&c->snd, number);

        if (seq_gt(r->end, b->end))
            break;
        if ((r->flags & TCP_REC_SACKED) != 0)
            continue;
        n->sacked += r->end - r->seq;
        arrived(c, r, n);
        tcp_record_sacked(&c->snd, number);
        c->fack = seq_max(c->fack, r->end);
    }
}

/* RFC 2883 section 4: a first block that lies before the acknowledgement or within the second one. */
static bool is_dsack(const struct tcp_seg *s)
{
    const struct tcp_block *b = s->sack;

    if (seq_le(b[0].end, s->ack))
        return true;
    return s->sack_count > 1 && seq_ge(b[0].start, b[1].start) && seq_le(b[0].end, b[1].end);
}

static void take_dsack(struct tcp_conn *c, const struct tcp_block *b, struct news *n)
{
    if (seq_ge(b->start, b->end) || seq_gt(b->end, c->snd_nxt) || c->snd_nxt - b->start > TCP_CC_MAX_WINDOW)
        return;
    INET_COUNT(c->tcp->in, tcp_dsacks_in);
    n->dsack = true;
    if ((c->flags & TCPF_UNDO) != 0 && seq_ge(b->start, c->undo_una) && c->undo_resent > 0) {
        c->undo_resent--;
        n->spurious = true;
    }
    if (seq_ge(n->s->ack, c->dsack_round)) { /* RFC 8985 section 6.2 step 4: once a round trip */
        c->dsack_round = c->snd_nxt;
        c->reo_mult += c->reo_mult < UINT8_MAX;
        c->reo_persist = REO_PERSIST;
    }
}

static void take_sacks(struct tcp_conn *c, struct news *n)
{
    const struct tcp_seg *s = n->s;
    unsigned i = 0;

    if (is_dsack(s))
        take_dsack(c, &s->sack[i++], n);
    for (; i < s->sack_count; i++) {
        const struct tcp_block *b = &s->sack[i];

        if (seq_lt(b->start, b->end) && seq_gt(b->start, s->ack) && seq_le(b->end, c->snd_nxt) &&
            seq_ge(b->start, c->snd_una))
            take_block(c, b, n);
    }
    memcpy(c->sack_seen, s->sack, s->sack_count * sizeof(s->sack[0]));
    memset(c->sack_seen + s->sack_count, 0, (TCP_SACK_MAX - s->sack_count) * sizeof(s->sack[0]));
    if (is_dsack(s))
        c->sack_seen[0] = (struct tcp_block){0, 0}; /* was nothing of ours */
}

/* --- moving on --- */

/* Everything before s->ack has arrived. */
static void advance(struct tcp_conn *c, struct news *n)
{
    uint32_t ack = n->s->ack;

    n->acked = ack - c->snd_una;
    while (tcp_record_count(&c->snd) > 0) {
        const struct tcp_record *r = tcp_record_at(&c->snd, c->snd.record_first);

        if (seq_gt(r->end, ack)) {
            if (seq_lt(r->seq, ack))
                tcp_record_trim_first(&c->snd, ack);
            break;
        }
        if ((r->flags & TCP_REC_SACKED) == 0)
            arrived(c, r, n);
        tcp_record_drop_first(&c->snd);
    }
    tcp_sndq_release(&c->snd, tcp_env(c), ack);
    c->snd_una = ack;
    c->fack = seq_max(c->fack, ack);
    c->progress_ns = tcp_now(c);
    c->rtt.backoff = 0;
    c->soft_err = 0;
}

void tcp_window_update(struct tcp_conn *c, const struct tcp_seg *s)
{
    if (seq_gt(s->seq, c->snd_wl1) || (s->seq == c->snd_wl1 && seq_ge(s->ack, c->snd_wl2)))
        tcp_window_take(c, s->seq, s->ack, s->window);
}

static void tell_congestion_control(struct tcp_conn *c, const struct tcp_seg *s, uint32_t acked, uint32_t flight)
{
    struct tcp_cc_ack a = {.now_ns = tcp_now(c),
                           .srtt_ns = c->rtt.srtt_ns,
                           .acked = acked,
                           .marked = (s->flags & TCP_ECE) != 0 ? acked : 0,
                           .una = c->snd_una,
                           .nxt = c->snd_nxt,
                           .open = c->ca != TCP_CA_RECOVERY};

    a.limited = (c->flags & TCPF_CWND_LIMITED) != 0 || (c->cc.cwnd < c->cc.ssthresh && flight >= c->cc.cwnd / 2);
    c->flags &= ~(uint32_t)TCPF_CWND_LIMITED;
    c->cc.ops->acked(&c->cc, &a);
}

/* Room in the send buffer, or bytes that are done with. */
static void tell_sent(struct tcp_conn *c)
{
    if (!tcp_is_silent(c)) {
        c->flags &= ~(uint32_t)TCPF_BLOCKED;
        c->tcp->up.sent(c->ctx);
    }
}

void tcp_ack_fast(struct tcp_conn *c, const struct tcp_seg *s)
{
    struct news n = {.s = s, .una = c->snd_una, .flight = c->snd.flight_bytes};

    advance(c, &n);
    if (LIKELY(n.rtt_ns != 0))
        tcp_rtt_sample(&c->rtt, n.rtt_ns, tcp_now(c), c->tcp->cfg.rto_min_ns);
    tell_congestion_control(c, s, n.acked, n.flight);
    tcp_rtx_arm(c);
    tell_sent(c);
}

/* --- loss --- */

/* How long a segment may be late without being lost: RFC 8985 section 6.2 step 4. */
static uint64_t reordering_window(const struct tcp_conn *c)
{
    uint64_t window;

    if ((c->flags & TCPF_REORDERED) == 0 && (c->ca != TCP_CA_OPEN || c->snd.sacked >= TCP_DUPACKS))
        return 0;
    if (c->rtt.min_ns == UINT64_MAX)
        return 0;
    window = c->reo_mult * c->rtt.min_ns / 4;
    return window < c->rtt.srtt_ns ? window : c->rtt.srtt_ns;
}

void tcp_rack_detect(struct tcp_conn *c)
{
    uint64_t patience = c->rack_rtt_ns + reordering_window(c), now = tcp_now(c);

    while (c->snd.flying > 0) {
        const struct tcp_record *r = tcp_record_at(&c->snd, c->snd.oldest);

        if (sent_after_rack(c, r))
            break;
        if (r->sent_ns + patience > now) {
            tcp_rtx_arm_reorder(c, r->sent_ns + patience - now);
            break;
        }
        tcp_record_lost(&c->snd, c->snd.oldest);
    }
}

void tcp_lose_all(struct tcp_conn *c)
{
    while (c->snd.flying > 0)
        tcp_record_lost(&c->snd, c->snd.oldest);
}

/* What was in flight at the last timeout is lost after all: RFC 5682 section 2.1, steps 2a and 3a. */
static void lose_before_timeout(struct tcp_conn *c)
{
    uint32_t left = c->snd.flying, number = c->snd.oldest, later;

    for (; left > 0; left--, number = later) {
        later = tcp_record_at(&c->snd, number)->later;
        if (tcp_record_at(&c->snd, number)->sent_ns < c->rto_ns)
            tcp_record_lost(&c->snd, number);
    }
    c->frto = 0;
}

static void enter_recovery(struct tcp_conn *c)
{
    INET_COUNT(c->tcp->in, tcp_recoveries);
    c->ca = TCP_CA_RECOVERY;
    c->recover = c->snd_nxt;
    c->undo_una = c->snd_una;
    c->undo_resent = 0;
    c->flags |= TCPF_UNDO | TCPF_CWR;
    c->cc.ops->congestion(&c->cc, tcp_now(c), false);
}

void tcp_judge_loss(struct tcp_conn *c)
{
    if (c->snd.lost > 0 && (c->flags & TCPF_MTU_PROBE) != 0 && tcp_mtu_lost(c))
        return; /* its size was at fault: RFC 4821 section 7.4 */
    if (c->snd.lost > 0 && c->ca == TCP_CA_OPEN)
        enter_recovery(c);
}

/* The last reduction was a mistake: everything is as if it had not been. */
static COLD void undo(struct tcp_conn *c)
{
    INET_COUNT(c->tcp->in, tcp_undos);
    tcp_cc_undo(&c->cc);
    c->ca = TCP_CA_OPEN;
    c->frto = 0;
    c->dupacks = 0;
    c->flags &= ~(uint32_t)(TCPF_UNDO | TCPF_CWR);
    while (c->snd.lost > 0)
        tcp_record_found(&c->snd, tcp_record_next_lost(&c->snd));
}

/*
 * After a timeout: RFC 5682 section 2.1. The first acknowledgement that moves on is answered with new data instead of
 * retransmissions; if the next one moves on too, the original segments have arrived and the timeout was spurious.
 */
static void forward_rto(struct tcp_conn *c, const struct news *n)
{
    if (n->acked == 0) {
        if (n->sacked > 0 || c->dupacks > 0)
            lose_before_timeout(c);
        return;
    }
    if (c->frto == 2) {
        undo(c);
        return;
    }
    if (seq_ge(c->snd_una, c->recover)) {
        c->frto = 0; /* the retransmission may have filled the only hole */
        return;
    }
    c->frto = 2;
    if (!tcp_send_one_new(c)) {
        lose_before_timeout(c);
        return;
    }
    (void)tcp_send_one_new(c);
}

/* Without SACK: RFC 6582 section 3.2. */
static void newreno(struct tcp_conn *c, const struct news *n)
{
    if (c->ca == TCP_CA_RECOVERY && n->acked > 0 && seq_lt(c->snd_una, c->recover)) {
        uint32_t left = n->acked / c->mss; /* they are no longer duplicates but acknowledged */

        c->dupacks = c->dupacks > left ? c->dupacks - left : 0;
        if (tcp_record_count(&c->snd) > 0)
            tcp_record_lost(&c->snd, c->snd.record_first);
    } else if (c->ca == TCP_CA_OPEN && c->dupacks >= TCP_DUPACKS && tcp_record_count(&c->snd) > 0 &&
               seq_gt(c->snd_una, c->recover)) {
        tcp_record_lost(&c->snd, c->snd.record_first);
    }
}

/* The probe of the tail was answered: RFC 8985 section 7.4. */
static void tail_probe_answered(struct tcp_conn *c, const struct news *n)
{
    if ((c->flags & TCPF_TLP) == 0 || seq_lt(n->s->ack, c->tlp_end))
        return;
    if ((c->flags & TCPF_TLP_RESENT) != 0 && !n->dsack && !n->spurious && c->ca == TCP_CA_OPEN) {
        c->cc.ops->congestion(&c->cc, tcp_now(c), false); /* it mended a loss nobody saw */
        c->flags |= TCPF_CWR;
    }
    c->flags &= ~(uint32_t)(TCPF_TLP | TCPF_TLP_RESENT);
}

/* Congestion without loss: RFC 3168 section 6.1.2, once a window. */
static void ecn_echo(struct tcp_conn *c, const struct tcp_seg *s)
{
    if ((s->flags & TCP_ECE) == 0 || (c->flags & TCPF_ECN) == 0 || c->ca != TCP_CA_OPEN ||
        seq_lt(s->ack, c->ecn_recover))
        return;
    INET_COUNT(c->tcp->in, tcp_ecn_echoes);
    c->ecn_recover = c->snd_nxt;
    c->cc.ops->congestion(&c->cc, tcp_now(c), true);
    c->flags |= TCPF_CWR;
}

/* Recovery is over when all that was outstanding at its beginning is acknowledged. */
static void leave_recovery(struct tcp_conn *c)
{
    c->ca = TCP_CA_OPEN;
    c->frto = 0;
    c->dupacks = 0;
    if (c->reo_persist > 0 && --c->reo_persist == 0)
        c->reo_mult = 1;
}

/* A duplicate in the sense of RFC 5681 section 2: it says nothing but that a segment has arrived. */
static bool is_duplicate(const struct tcp_conn *c, const struct tcp_seg *s)
{
    return s->ack == c->snd_una && s->data_len == 0 && (s->flags & (TCP_SYN | TCP_FIN)) == 0 &&
           tcp_record_count(&c->snd) > 0 && (uint32_t)s->window << c->snd_wscale == c->snd_wnd && c->snd_wnd > 0;
}

static void detect_loss(struct tcp_conn *c, const struct news *n)
{
    if (c->frto != 0)
        forward_rto(c, n);
    else if ((c->flags & TCPF_SACK) != 0)
        tcp_rack_detect(c);
    else
        newreno(c, n);
    tcp_judge_loss(c);
}

void tcp_ack(struct tcp_conn *c, const struct tcp_seg *s)
{
    struct news n = {.s = s, .una = c->snd_una, .flight = c->snd.flight_bytes};
    bool duplicate = is_duplicate(c, s);

    if ((s->opts & TCP_OPT_SACK) != 0 && (c->flags & TCPF_SACK) != 0)
        take_sacks(c, &n);
    if (s->ack != c->snd_una)
        advance(c, &n);
    if ((c->flags & TCPF_MTU_PROBE) != 0 && seq_ge(c->snd_una, c->mtu.probe_end))
        tcp_mtu_acked(c);
    if (duplicate && (c->flags & TCPF_SACK) == 0)
        c->dupacks++;
    else if (n.acked > 0 && c->ca == TCP_CA_OPEN)
        c->dupacks = 0;
    if (n.rtt_ns != 0)
        tcp_rtt_sample(&c->rtt, n.rtt_ns, tcp_now(c), c->tcp->cfg.rto_min_ns);
    tcp_window_update(c, s);
    if (n.spurious && (c->flags & TCPF_UNDO) != 0 && c->undo_resent == 0)
        undo(c);
    tail_probe_answered(c, &n);
    if (c->ca != TCP_CA_OPEN && seq_ge(c->snd_una, c->recover))
        leave_recovery(c);
    if (n.acked > 0)
        ecn_echo(c, s);
    if (n.acked > 0 || n.sacked > 0 || (duplicate && (c->flags & TCPF_SACK) == 0))
        tcp_rtx_arm(c); /* something arrived */
    detect_loss(c, &n);
    if (n.acked == 0)
        return;
    tell_congestion_control(c, s, n.acked, n.flight);
    tell_sent(c);
}
