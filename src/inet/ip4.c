/* SPDX-License-Identifier: MIT */
/* IPv4 (RFC 791): the header in and out. */
#include "internal.h"

#define OPTION_END  0
#define OPTION_NOP  1
#define OPTION_LSRR 131
#define OPTION_SSRR 137

void ip4_header(struct frame *f, const struct ip_path *p, const struct ip_send *s, uint16_t id, uint16_t frag)
{
    uint8_t *h = (uint8_t *)frame_push(f, IP4_HEADER);
    uint16_t sum;

    h[0] = 0x45;
    h[1] = s->tos;
    put16(h + 2, (uint16_t)f->len);
    put16(h + 4, id);
    put16(h + 6, frag);
    h[8] = s->ttl != 0 ? s->ttl : p->hops;
    h[9] = s->proto;
    memset(h + 10, 0, 2);
    memcpy(h + 12, p->local.b + 12, 4);
    memcpy(h + 16, p->remote.b + 12, 4);
    sum = checksum_finish(checksum_add(0, h, IP4_HEADER));
    memcpy(h + 10, &sum, 2);
}

/* Walks the options. False: malformed or, counted apart, a source route, which nobody may impose on us (RFC 7126). */
static COLD bool options_good(struct inet *in, const uint8_t *h, unsigned len)
{
    for (unsigned i = IP4_HEADER; i < len && h[i] != OPTION_END;) {
        if (h[i] == OPTION_NOP) {
            i++;
            continue;
        }
        if (i + 1 >= len || h[i + 1] < 2 || h[i + 1] > len - i) {
            INET_DROP(in, drop_ip_bad);
            return false;
        }
        if (h[i] == OPTION_LSRR || h[i] == OPTION_SSRR) {
            INET_DROP(in, drop_ip_route);
            return false;
        }
        i += h[i + 1];
    }
    return true;
}

/* Who may have sent it? Not a group, nobody, nor ourselves from outside (RFC 1122, section 3.2.1.3). */
static bool source_good(const struct inet *in, const struct ip_packet *p)
{
    uint32_t a = inet_addr_to4(&p->src);

    if ((p->flags & IP_TO_SELF) != 0)
        return true;
    if (a >> 28 >= 14 || a >> 24 == 127 || a >> 24 == 0)
        return false;
    return route_local(in, &p->src) == NULL && !route_is_broadcast(in, &p->src);
}

/* Is it for us? Sets IP_TO_GROUP when for others too. */
static bool dst_good(const struct inet *in, struct ip_packet *p)
{
    if (route_local(in, &p->dst) != NULL)
        return true; /* one that came in a broadcast frame too: IP_TO_GROUP is set, and no error will answer it */
    if ((p->flags & IP_TO_SELF) != 0 && inet_addr_is_loopback(&p->dst))
        return true;
    if (route_is_broadcast(in, &p->dst) || inet_addr_is_multicast(&p->dst)) {
        bool group = (p->flags & IP_TO_GROUP) != 0;

        p->flags |= IP_TO_GROUP;
        return group || (p->flags & IP_TO_SELF) != 0;
    }
    return false;
}

static void ip4_local(struct inet *in, struct ip_packet *p, const uint8_t *h)
{
    uint16_t frag = get16(h + 6);

    if (UNLIKELY((frag & (IP4_MF | IP4_OFFSET)) != 0)) {
        struct frag_in f = {.p = *p,
                            .id = get16(h + 4),
                            .offset = (uint32_t)(frag & IP4_OFFSET) * 8,
                            .more = (frag & IP4_MF) != 0,
                            .header = (unsigned)(p->data - h)};

        frag_input(in, &f);
        return;
    }
    ip4_whole(in, p);
}

void ip4_whole(struct inet *in, struct ip_packet *p)
{
    if (LIKELY(ip_deliver(in, p)))
        return;
    if (p->proto == IPPROTO_ICMP) {
        icmp4_input(in, p);
        return;
    }
    INET_DROP(in, drop_ip_proto);
    icmp4_error(in, p, ICMP4_UNREACHABLE, ICMP4_UNREACHABLE_PROTO, 0);
}

void ip4_input(struct inet *in, void *obj, uint8_t *h, uint32_t len, unsigned flags, uint32_t device)
{
    struct ip_packet p;
    unsigned header;
    uint32_t total;

    if (UNLIKELY(len < IP4_HEADER || h[0] >> 4 != 4 || (h[0] & 15) < 5)) {
        INET_DROP(in, drop_ip_bad);
        return;
    }
    header = (h[0] & 15) * 4u;
    total = get16(h + 2);
    if (UNLIKELY(total < header)) {
        INET_DROP(in, drop_ip_bad);
        return;
    }
    if (UNLIKELY(total > len)) {
        INET_DROP(in, drop_ip_short);
        return;
    }
    if (UNLIKELY((device & FRAME_IN_CSUM_L3) == 0 && !checksum_good(checksum_add(0, h, header)))) {
        INET_DROP(in, drop_ip_checksum);
        return;
    }
    if (UNLIKELY(header > IP4_HEADER && !options_good(in, h, header)))
        return;
    p = (struct ip_packet){.src = inet_addr_from4(h + 12),
                           .dst = inet_addr_from4(h + 16),
                           .obj = obj,
                           .data = h + header,
                           .len = total - header,
                           .l3 = h,
                           .proto = h[9],
                           .ttl = h[8],
                           .tos = h[1],
                           .flags = (uint8_t)(flags | ((device & FRAME_IN_CSUM_L4) != 0 ? IP_CSUM_GOOD : 0))};
    if (UNLIKELY(!dst_good(in, &p)))
        INET_DROP(in, drop_ip_dst);
    else if (UNLIKELY(!source_good(in, &p)))
        INET_DROP(in, drop_ip_src);
    else
        ip4_local(in, &p, h);
}
