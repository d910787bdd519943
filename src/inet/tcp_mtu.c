/* SPDX-License-Identifier: MIT */
/*
 * The path's MTU without ICMP's help (RFC 4821, with the constants of RFC 8899).
 *
 * A black hole is a path that swallows large segments and says nothing. It shows as timeouts of a large segment; the
 * connection then goes down to a size that passes nearly everywhere, and from there looks for the largest one that
 * passes: it sends new data in one larger segment, which is all that a probe is. When the probe is acknowledged, the
 * size is good, for all connections on the path. When it is lost and nothing else is, that says nothing of congestion,
 * and three times the same says that the size is too large. The search halves what is between the two until little is
 * left, and begins again after ten minutes, since paths change. So does one whose MTU was lowered by ICMP.
 */
#include "tcp_conn.h"

#define BASE4        1200             /* RFC 8899 section 5.1.2, BASE_PLPMTU */
#define BASE6        1280             /* every IPv6 link has it */
#define LEAST4       576              /* what every IPv4 host takes (RFC 1122 section 3.3.3) */
#define MAX_PROBES   3                /* RFC 8899 section 5.1.2 */
#define CLOSE_ENOUGH 8                /* bytes that are not worth a probe */
#define RAISE_NS     (600 * NS_PER_S) /* RFC 8899 section 5.1.1, PMTU_RAISE_TIMER */
#define RETRY_NS     NS_PER_S         /* after a probe whose loss said nothing */
#define HOLE_BACKOFF 2                /* timeouts in a row before a large segment is suspected */

/* Bytes of a packet beside the payload of a full segment. */
static unsigned overhead(const struct tcp_conn *c)
{
    return ip_path_header(&c->path) + TCP_HEADER_MIN + ((c->flags & TCPF_TS) != 0 ? TCP_TS_BYTES : 0);
}

uint16_t tcp_mtu_now(const struct tcp_conn *c)
{
    return (uint16_t)(c->mss + overhead(c));
}

/* The first size that neither the link, the peer nor the application allows. */
static uint16_t beyond(const struct tcp_conn *c)
{
    uint32_t mss = c->peer_mss, mtu, link = inet_link_mtu(c->tcp->in, c->path.v6);

    if (c->set.max_mss != 0 && c->set.max_mss < mss)
        mss = c->set.max_mss;
    mtu = mss + ip_path_header(&c->path) + TCP_HEADER_MIN;
    return (uint16_t)((mtu < link ? mtu : link) + 1);
}

void tcp_mtu_search_later(struct tcp_conn *c)
{
    c->mtu.high = beyond(c);
    c->mtu.tries = 0;
    c->mtu.next_ns = tcp_mtu_now(c) + CLOSE_ENOUGH < c->mtu.high ? tcp_now(c) + RAISE_NS : TCP_NEVER;
}

COLD void tcp_mtu_timeout(struct tcp_conn *c)
{
    const struct tcp_record *first = tcp_record_at(&c->snd, c->snd.record_first);
    uint16_t lower = c->path.v6 ? BASE6 : BASE4;

    c->flags &= ~(uint32_t)TCPF_MTU_PROBE;
    if (c->rtt.backoff < HOLE_BACKOFF || c->path.loops)
        return;
    if (tcp_mtu_now(c) <= lower)
        lower = LEAST4;
    if (tcp_mtu_now(c) <= lower || (c->path.v6 && lower < BASE6) || first->end - first->seq + overhead(c) <= lower)
        return;
    INET_COUNT(c->tcp->in, tcp_black_holes);
    c->mtu.tries = 0; /* c->mtu.high stays: it may have been an outage */
    c->mtu.next_ns = 0;
    ip_path_lower_mtu(c->tcp->in, &c->path, lower);
    tcp_conn_set_mss(c, lower);
}

COLD void tcp_mtu_probe(struct tcp_conn *c)
{
    uint16_t low = tcp_mtu_now(c), size = (uint16_t)((low + c->mtu.high) / 2);
    uint32_t len = size - overhead(c), pipe = tcp_pipe(c);

    if (c->mtu.high <= low || c->mtu.high - low <= CLOSE_ENOUGH) {
        tcp_mtu_search_later(c);
        return;
    }
    if (c->ca != TCP_CA_OPEN || (c->flags & (TCPF_MTU_PROBE | TCPF_FIN_SENT)) != 0 || c->snd.lost + c->snd.sacked > 0)
        return;
    if (c->snd.end_seq - c->snd_nxt < len || (int32_t)(c->snd_una + c->snd_wnd - c->snd_nxt) < (int32_t)len ||
        pipe + c->mss > c->cc.cwnd)
        return; /* not now: there is too little to send, or not even room for a segment of the usual size */
    if (tcp_send_mtu_probe(c, len)) {
        INET_COUNT(c->tcp->in, tcp_mtu_probes);
        c->flags |= TCPF_MTU_PROBE;
        c->mtu.probe_end = c->snd_nxt;
        c->mtu.size = size;
    } else {
        c->mtu.next_ns = tcp_now(c) + RETRY_NS;
    }
}

COLD void tcp_mtu_acked(struct tcp_conn *c)
{
    c->flags &= ~(uint32_t)TCPF_MTU_PROBE;
    c->mtu.tries = 0;
    c->mtu.next_ns = 0;
    ip_path_raise_mtu(c->tcp->in, &c->path, c->mtu.size);
    tcp_conn_set_mss(c, c->mtu.size);
}

COLD void tcp_mtu_resent(struct tcp_conn *c)
{
    c->flags &= ~(uint32_t)TCPF_MTU_PROBE;
    if (++c->mtu.tries == MAX_PROBES) {
        c->mtu.high = c->mtu.size;
        c->mtu.tries = 0;
    }
}

COLD bool tcp_mtu_lost(struct tcp_conn *c)
{
    uint32_t number = tcp_record_next_lost(&c->snd);

    if (c->snd.lost == 1 && tcp_record_at(&c->snd, number)->end == c->mtu.probe_end)
        return tcp_resend(c, number);      /* takes what has left the network: no more is in flight than before */
    c->flags &= ~(uint32_t)TCPF_MTU_PROBE; /* others are lost too: no news of its size */
    c->mtu.next_ns = tcp_now(c) + RETRY_NS;
    return false;
}

COLD void tcp_mtu_refused(struct tcp_conn *c, uint32_t mtu)
{
    if ((c->flags & TCPF_MTU_PROBE) != 0 && mtu < c->mtu.high) {
        c->mtu.high = (uint16_t)(mtu + 1);
        c->mtu.tries = 0;
    }
}
