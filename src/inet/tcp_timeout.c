/* SPDX-License-Identifier: MIT */
/*
 * What time does. A connection has several deadlines and one timer in the wheel. A deadline that moves away, as the
 * retransmission's does with each acknowledgement, leaves the timer alone: it fires early, finds nothing due, and is
 * armed for what is next. So the common case costs a store.
 */
#include "tcp_conn.h"

#include <errno.h>

#define DOUBT_BACKOFF 2 /* retransmission timeouts in a row that make the peer's link address doubtful */

static void timer_fired(struct timer *timer, void *arg);

void tcp_timer_arm(struct tcp_conn *c, uint64_t deadline_ns)
{
    timer_arm(tcp_env(c)->timers, &c->timer, deadline_ns, timer_fired, c);
}

void tcp_timers_stop(struct tcp_conn *c)
{
    for (unsigned i = 0; i < TCP_TIMERS; i++)
        c->deadline[i] = TCP_NEVER;
    timer_cancel(tcp_env(c)->timers, &c->timer);
    tcp_ack_not_soon(c);
    c->rtx = TCP_RTX_NONE;
}

void tcp_keep_arm(struct tcp_conn *c)
{
    c->probes = 0;
    if ((c->flags & TCPF_KEEPALIVE) != 0 && tcp_is_synchronized(c) && c->state != TCP_TIME_WAIT)
        tcp_timer_set(c, TCP_TIMER_KEEP, c->heard_ns + c->set.keep_idle_ns);
    else
        tcp_timer_clear(c, TCP_TIMER_KEEP);
}

/* --- what the retransmission timer is for --- */

/* The peer may keep the acknowledgement of a single segment back. */
static uint64_t peer_delay(const struct tcp_conn *c)
{
    return c->snd.flying <= 1 ? c->tcp->cfg.delack_ns : 0;
}

static uint64_t rto(const struct tcp_conn *c)
{
    uint64_t t = tcp_rtt_rto(&c->rtt) + peer_delay(c);

    return t > TCP_RTO_MAX_NS ? TCP_RTO_MAX_NS : t;
}

static uint64_t probe_timeout(const struct tcp_conn *c)
{
    return (c->rtt.srtt_ns != 0 ? tcp_probe_timeout(c) : NS_PER_S) + peer_delay(c);
}

static bool may_probe_tail(const struct tcp_conn *c)
{
    return (c->flags & (TCPF_SACK | TCPF_TLP)) == TCPF_SACK && c->ca == TCP_CA_OPEN && c->snd.sacked == 0 &&
           c->snd.lost == 0 && c->rtt.backoff == 0 && c->frto == 0;
}

/*
 * When nobody waits for the peer any longer: it has acknowledged nothing for as long as the handshake or the user
 * allows (RFC 9293 section 3.9.1). While its window is closed any answer will do (section 3.8.6.1), but not for ever
 * when the application has gone.
 */
static uint64_t gives_up_ns(const struct tcp_conn *c)
{
    uint64_t since = c->progress_ns, until;

    if (!tcp_is_synchronized(c))
        return since + c->tcp->cfg.connect_ns;
    if (c->rtx != TCP_RTX_PERSIST)
        return since + c->set.user_timeout_ns;
    until = (c->heard_ns > since ? c->heard_ns : since) + c->set.user_timeout_ns;
    if ((c->flags & TCPF_ORPHAN) != 0 && until > since + c->tcp->cfg.fin_wait_ns)
        until = since + c->tcp->cfg.fin_wait_ns;
    return until;
}

/* The first time-out is not cut short: a user timeout is not to be less than one (RFC 5482 section 3.1). */
void tcp_rtx_cap(struct tcp_conn *c)
{
    if (c->rtt.backoff > 0 && c->rtx != TCP_RTX_NONE && gives_up_ns(c) < c->deadline[TCP_TIMER_RTX])
        tcp_timer_set(c, TCP_TIMER_RTX, gives_up_ns(c));
}

static void rtx_set(struct tcp_conn *c, enum tcp_rtx what, uint64_t after_ns)
{
    c->rtx = (uint8_t)what;
    tcp_timer_set(c, TCP_TIMER_RTX, tcp_now(c) + after_ns);
    if (UNLIKELY(c->rtt.backoff > 0))
        tcp_rtx_cap(c);
}

void tcp_rtx_arm_reorder(struct tcp_conn *c, uint64_t after_ns)
{
    rtx_set(c, TCP_RTX_REORDER, after_ns);
}

void tcp_rtx_arm(struct tcp_conn *c)
{
    if (c->state == TCP_SYN_SENT || c->state == TCP_SYN_RECEIVED) {
        rtx_set(c, TCP_RTX_RTO, tcp_rtt_rto(&c->rtt));
        return;
    }
    if (tcp_record_count(&c->snd) > 0 && c->snd_wnd > 0) {
        uint64_t t = rto(c);

        if (may_probe_tail(c) && probe_timeout(c) < t)
            rtx_set(c, TCP_RTX_TLP, probe_timeout(c));
        else
            rtx_set(c, TCP_RTX_RTO, t);
        return;
    }
    if (tcp_record_count(&c->snd) > 0 || c->snd_nxt != tcp_snd_end(c)) {
        if (c->rtx == TCP_RTX_NONE && tcp_record_count(&c->snd) == 0)
            c->progress_ns = tcp_now(c);     /* the peer may have been silent for long, but was not asked */
        rtx_set(c, TCP_RTX_PERSIST, rto(c)); /* the window keeps it back: RFC 9293 section 3.8.6.1 */
        return;
    }
    c->rtx = TCP_RTX_NONE;
    tcp_timer_clear(c, TCP_TIMER_RTX);
}

/* --- expiries --- */

/* Has the peer been silent for longer than we wait? Then the connection is over. */
static bool gave_up(struct tcp_conn *c)
{
    if (tcp_now(c) < gives_up_ns(c))
        return false;
    INET_COUNT(c->tcp->in, tcp_gave_up);
    if (c->rtx == TCP_RTX_PERSIST)
        tcp_send_rst(c); /* it was alive */
    tcp_conn_end(c, c->soft_err != 0 ? c->soft_err : ETIMEDOUT);
    return true;
}

static void handshake_timeout(struct tcp_conn *c)
{
    if (gave_up(c))
        return;
    tcp_rtt_back_off(&c->rtt);
    if (c->rtt.backoff >= 2)
        c->flags &= ~(uint32_t)TCPF_ECN; /* something on the path may not bear it (RFC 3168 section 6.1.1.1) */
    INET_COUNT(c->tcp->in, tcp_retransmits);
    c->resent++;
    tcp_send_syn(c);
    tcp_rtx_arm(c);
}

/* The peer has SACKed what it did not keep (RFC 2018 section 8). */
static COLD void reneged(struct tcp_conn *c)
{
    INET_COUNT(c->tcp->in, tcp_reneges);
    tcp_record_forget_sacks(&c->snd);
    memset(c->sack_seen, 0, sizeof(c->sack_seen));
}

/*
 * RFC 6298 section 5 with RFC 5682: the first unacknowledged segment goes again. Whether all the rest is lost too is
 * decided by the next acknowledgements when F-RTO can tell; otherwise it is taken for lost now.
 */
static void retransmission_timeout(struct tcp_conn *c)
{
    bool first = c->ca != TCP_CA_LOSS || seq_gt(c->snd_una, c->undo_una);

    if (tcp_record_count(&c->snd) == 0)
        return;
    if (gave_up(c))
        return;
    INET_COUNT(c->tcp->in, tcp_timeouts);
    if ((tcp_record_at(&c->snd, c->snd.record_first)->flags & TCP_REC_SACKED) != 0)
        reneged(c);
    tcp_mtu_timeout(c);
    if (first) {
        uint32_t flight = c->snd_nxt - c->snd_una;

        c->frto = c->ca == TCP_CA_OPEN ? 1 : 0;
        c->cc.ops->timeout(&c->cc, tcp_now(c), flight);
        c->flags |= TCPF_UNDO | TCPF_CWR;
        c->undo_una = c->snd_una;
        c->undo_resent = 0;
    } else {
        c->frto = 0;
    }
    c->cc.cwnd = c->cc.mss; /* RFC 5681 section 3.1: the loss window, however often */
    c->ca = TCP_CA_LOSS;
    c->recover = c->snd_nxt;
    c->dupacks = 0;
    c->flags &= ~(uint32_t)TCPF_TLP;
    tcp_rtt_back_off(&c->rtt);
    if (c->rtt.backoff == DOUBT_BACKOFF)
        ip_path_doubt(c->tcp->in, &c->path);
    if (c->frto != 0)
        tcp_record_lost(&c->snd, c->snd.record_first);
    else
        tcp_lose_all(c);
    c->rto_ns = tcp_now(c);
    (void)tcp_resend(c, c->snd.record_first);
    tcp_rtx_arm(c);
}

/* RFC 8985 section 7.3: new data if there is some, else the last segment again. */
static void tail_loss_probe(struct tcp_conn *c)
{
    INET_COUNT(c->tcp->in, tcp_tail_probes);
    c->flags |= TCPF_TLP;
    c->flags &= ~(uint32_t)TCPF_TLP_RESENT;
    if (!tcp_send_one_new(c) && c->snd.flying > 0) {
        uint32_t last = c->snd.record_end - 1;

        if ((tcp_record_at(&c->snd, last)->flags & TCP_REC_FLYING) != 0 && tcp_resend(c, last))
            c->flags |= TCPF_TLP_RESENT;
    }
    c->tlp_end = c->snd_nxt;
    rtx_set(c, TCP_RTX_RTO, rto(c));
}

static void reorder_timeout(struct tcp_conn *c)
{
    c->rtx = TCP_RTX_NONE;
    tcp_rack_detect(c);
    tcp_judge_loss(c);
    tcp_output(c);
    if (c->rtx == TCP_RTX_NONE)
        tcp_rtx_arm(c);
}

/* The peer's window is closed, or too small to be used. It may stay so as long as the peer answers. */
static void persist_timeout(struct tcp_conn *c)
{
    if (gave_up(c))
        return;
    tcp_rtt_back_off(&c->rtt);
    if (c->snd_wnd == 0)
        tcp_send_probe(c);
    else if (tcp_record_count(&c->snd) > 0)
        (void)tcp_resend(c, c->snd.record_first);
    else
        (void)tcp_send_one_new(c); /* a small segment at last (RFC 9293 section 3.8.6.2.1, case 4) */
    tcp_rtx_arm(c);
}

static void rtx_timeout(struct tcp_conn *c)
{
    if (c->state == TCP_SYN_SENT || c->state == TCP_SYN_RECEIVED) {
        handshake_timeout(c);
        return;
    }
    switch ((enum tcp_rtx)c->rtx) {
    case TCP_RTX_RTO:
        retransmission_timeout(c);
        break;
    case TCP_RTX_TLP:
        tail_loss_probe(c);
        break;
    case TCP_RTX_REORDER:
        reorder_timeout(c);
        break;
    case TCP_RTX_PERSIST:
        persist_timeout(c);
        break;
    case TCP_RTX_NONE:
        break;
    }
}

static void keep_timeout(struct tcp_conn *c)
{
    uint64_t due = c->heard_ns + c->set.keep_idle_ns;

    if (c->probes == 0 && tcp_now(c) < due) { /* it was heard of since */
        tcp_timer_set(c, TCP_TIMER_KEEP, due);
        return;
    }
    if (c->probes >= c->set.keep_count) {
        INET_COUNT(c->tcp->in, tcp_gave_up);
        tcp_send_rst(c);
        tcp_conn_end(c, ETIMEDOUT);
        return;
    }
    if (tcp_record_count(&c->snd) == 0) { /* else the retransmissions do the same */
        c->probes++;
        tcp_send_keepalive(c);
    }
    tcp_timer_set(c, TCP_TIMER_KEEP, tcp_now(c) + c->set.keep_interval_ns);
}

/* TIME_WAIT has ended, or an orphan waited for the peer's FIN long enough. */
static void life_timeout(struct tcp_conn *c)
{
    if (c->state != TCP_TIME_WAIT)
        INET_COUNT(c->tcp->in, tcp_orphans_ended);
    tcp_conn_end(c, 0);
}

static void due(struct tcp_conn *c, enum tcp_timer which)
{
    tcp_timer_clear(c, which);
    switch (which) {
    case TCP_TIMER_RTX:
        rtx_timeout(c);
        break;
    case TCP_TIMER_DELACK:
        INET_COUNT(c->tcp->in, tcp_delayed_acks);
        c->flags |= TCPF_ACK_NOW;
        tcp_output(c);
        break;
    case TCP_TIMER_KEEP:
        keep_timeout(c);
        break;
    case TCP_TIMER_LIFE:
        life_timeout(c);
        break;
    case TCP_TIMER_MORE:
        tcp_output(c);
        break;
    case TCP_TIMERS:
        break;
    }
}

static void timer_fired(struct timer *timer, void *arg)
{
    struct tcp_conn *c = arg;
    uint64_t next = TCP_NEVER;

    (void)timer;
    tcp_hold(c);
    for (unsigned i = 0; i < TCP_TIMERS && c->state != TCP_CLOSED; i++)
        if (c->deadline[i] <= tcp_now(c))
            due(c, (enum tcp_timer)i);
    if (c->state != TCP_CLOSED) {
        tcp_sndq_shrink(&c->snd, tcp_env(c)); /* not when the last byte is acknowledged: more may follow at once */
        for (unsigned i = 0; i < TCP_TIMERS; i++)
            if (c->deadline[i] < next)
                next = c->deadline[i];
        if (next != TCP_NEVER && (!timer_armed(&c->timer) || next < c->timer.deadline_ns))
            timer_arm(tcp_env(c)->timers, &c->timer, next, timer_fired, c);
    }
    tcp_drop(c);
}
