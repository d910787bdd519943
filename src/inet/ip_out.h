/* SPDX-License-Identifier: MIT */
/*
 * ip_output for the usual packet, inlined into the transports: on a path that is up to date, a header whose sum the
 * transport knows, at most one run of payload, behind the header in the frame's own object or in another. All else goes
 * to ip_output itself.
 */
#ifndef INET_IP_OUT_H
#define INET_IP_OUT_H

#include "internal.h"

static inline bool ip_out_is_usual(const struct inet *in, const struct ip_path *p, const struct frame *f,
                                   const struct ip_send *s)
{
    return p->generation == in->generation && f->len + ip_path_header(p) <= p->mtu && s->mss == 0 &&
           f->seg[0].len >= s->summed && f->segs + (f->seg[0].len > s->summed) <= 2;
}

/*
 * Writes the link and network headers in front of the transport header at t, which begins len bytes. Returns where the
 * frame begins.
 */
static inline uint8_t *ip_out_headers(struct frame *f, const struct ip_path *p, const struct ip_send *s, uint8_t *t,
                                      uint32_t len, uint16_t id, uint16_t frag)
{
    uint8_t *h = t - ip_path_header(p), *link = h - p->link_len;

    /* a fixed number of bytes: what it is more than the header has is written over */
    memcpy(link, p->link, 16);
    memcpy(link + ETH_HEADER, p->link + ETH_HEADER, ETH_TAG);
    if (UNLIKELY(p->v6)) {
        ip6_write(h, p, s, len);
        f->flags |= FRAME_V6;
    } else {
        ip4_write(h, p, s, len + IP4_HEADER, id, frag);
    }
    f->l3 = p->link_len;
    f->l4 = (uint16_t)(p->link_len + ip_path_header(p));
    return link;
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
        else if (f->seg[0].len > s->summed)
            sum = checksum_add(sum, t + s->summed, f->seg[0].len - s->summed);
        value = checksum_finish(sum);
        if (UNLIKELY(value == 0) && (s->proto == IPPROTO_UDP || p->v6))
            value = 0xffff; /* RFC 768: zero says that there is none */
    }
    memcpy(t + s->csum, &value, sizeof(value));
}

/* As ip_output. */
static inline int ip_out(struct inet *in, struct ip_path *p, struct frame *f, const struct ip_send *s)
{
    uint8_t *t = (uint8_t *)f->seg[0].ptr, *link;

    if (UNLIKELY(!ip_out_is_usual(in, p, f, s)))
        return ip_output(in, p, f, s);
    ip_out_checksum(in, p, f, s, t);
    link =
        ip_out_headers(f, p, s, t, f->len, s->fragment && !p->v6 ? stack_of(in)->ip_id++ : 0, s->fragment ? 0 : IP4_DF);
    f->seg[0].ptr = (char *)link;
    f->seg[0].len += f->l4;
    f->len += f->l4;
    return eth_transmit(in, f);
}

#endif /* INET_IP_OUT_H */
