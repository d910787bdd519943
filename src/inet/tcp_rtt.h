/* SPDX-License-Identifier: MIT */
/*
 * The round-trip time and the retransmission timeout: RFC 6298, in nanoseconds, so that a data centre's 10 us are not
 * rounded to nothing. The RFC's lower bound of a second is ours to configure (rto_min_ns). Without it mean and
 * deviation are not enough: where peers are busy most round trips are short and some many times as long, and the
 * deviation has forgotten those when the next one comes. So the longest of late counts, too, up to what makes the
 * timeout the 200 ms that are the floor elsewhere.
 */
#ifndef INET_TCP_RTT_H
#define INET_TCP_RTT_H

#include "core/base.h"

#define TCP_RTO_INITIAL_NS NS_PER_S
#define TCP_RTO_MAX_NS     (60 * NS_PER_S) /* RFC 6298 rule 2.5: at least 60 s */
#define TCP_MIN_RTT_NS     (10 * NS_PER_S) /* how long a smallest round-trip time stays valid */
#define TCP_RTT_PEAK_NS    (66 * NS_PER_MS)

struct tcp_rtt {
    uint64_t srtt_ns; /* 0: nothing was measured yet */
    uint64_t var_ns;
    uint64_t rto_ns; /* without back-off */
    uint64_t min_ns; /* smallest of late, UINT64_MAX: none (RFC 8985 section 6.2 step 1) */
    uint64_t min_at_ns;
    uint64_t peak_ns; /* the longest of late: each sample takes 1/64 off; TCP_RTT_PEAK_NS at most */
    uint8_t backoff;  /* doublings of rto_ns since the last measurement */
};

void tcp_rtt_init(struct tcp_rtt *r);

/* A round trip took rtt_ns; never of a segment that was sent twice, unless timestamps tell which (Karn). */
void tcp_rtt_sample(struct tcp_rtt *r, uint64_t rtt_ns, uint64_t now_ns, uint64_t rto_min_ns);

/* The timer expired: the next one runs twice as long (rule 5.5). */
static inline void tcp_rtt_back_off(struct tcp_rtt *r)
{
    if (r->backoff < 16)
        r->backoff++;
}

/* What a round trip may take: the mean, or the longest of late. */
static inline uint64_t tcp_rtt_long(const struct tcp_rtt *r)
{
    return r->srtt_ns > r->peak_ns ? r->srtt_ns : r->peak_ns;
}

/* The timeout now, with back-off, at most TCP_RTO_MAX_NS. */
static inline uint64_t tcp_rtt_rto(const struct tcp_rtt *r)
{
    uint64_t rto = r->rto_ns << r->backoff;

    return rto > TCP_RTO_MAX_NS ? TCP_RTO_MAX_NS : rto;
}

#endif /* INET_TCP_RTT_H */
