/* SPDX-License-Identifier: MIT */
/*
 * ip_output for the usual packet, inlined into the transports: IPv4 on a path that is up to date, without a VLAN, a
 * header whose sum the transport knows, at most one run of payload. All else goes to ip_output itself.
 */
#ifndef INET_IP_OUT_H
#define INET_IP_OUT_H

#include "internal.h"

static inline bool ip_out_is_usual(const struct inet *in, const struct ip_path *p, const struct frame *f,
                                   const struct ip_send *s)
{
    return p->generation == in->generation && f->len + IP4_HEADER <= p->mtu && s->mss == 0 && f->segs <= 2 &&
           p->plain && f->seg[0].len == s->summed;
}

/* Completes the transport checksum, or leaves it to the device. t is the transport header. */
static inline void ip_out_checksum(const struct inet *in, const struct ip_path *p, struct frame *f,
                                   const struct ip_send *s, uint8_t *t)
{
    uint64_t sum = p->sum + checksum_pseudo_rest(s->proto, f->len);
    uint16_t value;

    if ((in->env.offload & INET_TX_CSUM) != 0) {
        f->flags = FRAME_CSUM;
        f->csum = s->csum;
        value = checksum_fold(sum);
    } else {
        sum += s->sum;
        if (f->segs == 2)
            sum = checksum_add(sum, f->seg[1].ptr, f->seg[1].len);
        value = checksum_finish(sum);
        if (s->proto == IPPROTO_UDP && UNLIKELY(value == 0))
            value = 0xffff; /* RFC 768: zero says that there is none */
    }
    memcpy(t + s->csum, &value, sizeof(value));
}

/* As ip_output. */
static inline int ip_out(struct inet *in, struct ip_path *p, struct frame *f, const struct ip_send *s)
{
    uint8_t *t = (uint8_t *)f->seg[0].ptr, *h = t - IP4_HEADER, *link = h - ETH_HEADER;

    if (UNLIKELY(!ip_out_is_usual(in, p, f, s)))
        return ip_output(in, p, f, s);
    ip_out_checksum(in, p, f, s, t);
    memcpy(link, p->link, 16); /* two more than it has, which are written over */
    ip4_write(h, p, s, f->len + IP4_HEADER, s->fragment ? stack_of(in)->ip_id++ : 0, s->fragment ? 0 : IP4_DF);
    f->seg[0].ptr = (char *)link;
    f->seg[0].len += IP4_HEADER + ETH_HEADER;
    f->len += IP4_HEADER + ETH_HEADER;
    f->l3 = ETH_HEADER;
    f->l4 = ETH_HEADER + IP4_HEADER;
    return eth_transmit(in, f);
}

#endif /* INET_IP_OUT_H */
