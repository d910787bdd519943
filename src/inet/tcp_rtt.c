/* SPDX-License-Identifier: MIT */
/* Round-trip time: see tcp_rtt.h. */
#include "tcp_rtt.h"

void tcp_rtt_init(struct tcp_rtt *r)
{
    *r = (struct tcp_rtt){.rto_ns = TCP_RTO_INITIAL_NS, .min_ns = UINT64_MAX};
}

void tcp_rtt_sample(struct tcp_rtt *r, uint64_t rtt_ns, uint64_t now_ns, uint64_t rto_min_ns)
{
    uint64_t delta, spread;

    if (rtt_ns == 0)
        rtt_ns = 1; /* a clock that is read once a turn: 0 means that nothing was measured */
    if (rtt_ns > TCP_RTO_MAX_NS)
        rtt_ns = TCP_RTO_MAX_NS;
    if (rtt_ns <= r->min_ns || now_ns - r->min_at_ns > TCP_MIN_RTT_NS) {
        r->min_ns = rtt_ns;
        r->min_at_ns = now_ns;
    }
    if (r->srtt_ns == 0) { /* rule 2.2 */
        r->srtt_ns = rtt_ns;
        r->var_ns = rtt_ns / 2;
    } else { /* rule 2.3, alpha 1/8, beta 1/4 */
        delta = r->srtt_ns > rtt_ns ? r->srtt_ns - rtt_ns : rtt_ns - r->srtt_ns;
        r->var_ns = r->var_ns - r->var_ns / 4 + delta / 4;
        r->srtt_ns = r->srtt_ns - r->srtt_ns / 8 + rtt_ns / 8;
        if (r->srtt_ns == 0)
            r->srtt_ns = 1;
    }
    r->peak_ns -= r->peak_ns / 64;
    if (r->peak_ns < rtt_ns)
        r->peak_ns = rtt_ns < TCP_RTT_PEAK_NS ? rtt_ns : TCP_RTT_PEAK_NS;
    spread = 4 * r->var_ns;
    r->rto_ns = r->srtt_ns + (spread > NS_PER_US ? spread : NS_PER_US);
    if (r->rto_ns < 3 * r->peak_ns)
        r->rto_ns = 3 * r->peak_ns; /* behind the probe of the tail */
    if (r->rto_ns < rto_min_ns)
        r->rto_ns = rto_min_ns;
    r->backoff = 0;
}
