/* SPDX-License-Identifier: MIT */
/* IPv6 (RFC 8200): the header in and out, extension headers. */
#include "internal.h"

#define NEXT_HOPOPTS    0
#define NEXT_ROUTING    43
#define NEXT_NONE       59
#define NEXT_DSTOPTS    60
#define EXTENSIONS_MAX  8 /* headers in front of the transport's; nobody honest has more */
#define OPTION_PAD1     0
#define FRAGMENT_HEADER 8

void ip6_header(struct frame *f, const struct ip_path *p, const struct ip_send *s)
{
    uint32_t len = f->len;

    ip6_write((uint8_t *)frame_push(f, IP6_HEADER), p, s, len);
    f->flags |= FRAME_V6;
}

/* Walks the options of a header of len bytes at h (section 4.2). False: the packet is dropped (counted). */
static bool options_good(struct inet *in, struct ip_packet *p, const uint8_t *h, uint32_t len)
{
    for (uint32_t i = 2; i < len;) {
        uint32_t n = h[i] == OPTION_PAD1 ? 1 : i + 1 < len ? h[i + 1] + 2u : UINT32_MAX;

        if (n > len - i) {
            INET_DROP(in, drop_ip_bad);
            return false;
        }
        /* 5: router alert; 1: padding. What else there is says itself what to do with it. */
        if (h[i] > 1 && h[i] != 5 && h[i] >> 6 != 0) {
            INET_DROP(in, drop_ip_option);
            if (h[i] >> 6 == 2)
                icmp_error_to_group(in, p, ICMP6_PARAMETER, ICMP6_PARAMETER_OPTION, (uint32_t)(h + i - p->l3));
            else if (h[i] >> 6 == 3)
                icmp_error(in, p, ICMP6_PARAMETER, ICMP6_PARAMETER_OPTION, (uint32_t)(h + i - p->l3));
            return false;
        }
        i += n;
    }
    return true;
}

static void parameter_problem(struct inet *in, const struct ip_packet *p, uint8_t code, const uint8_t *at)
{
    icmp_error(in, p, ICMP6_PARAMETER, code, (uint32_t)(at - p->l3));
}

bool ip6_upper(const struct ip_packet *p, uint8_t *proto, uint32_t *at)
{
    uint32_t n;

    *proto = p->proto;
    *at = 0;
    for (unsigned i = 0;
         i < EXTENSIONS_MAX && (*proto == NEXT_HOPOPTS || *proto == NEXT_ROUTING || *proto == NEXT_DSTOPTS); i++) {
        n = *at + 2 <= p->len ? (p->data[*at + 1] + 1u) * 8 : UINT32_MAX;
        if (n > p->len - *at)
            return false;
        *proto = p->data[*at];
        *at += n;
    }
    return true;
}

/* Does the first fragment hold all headers, up to the transport's (RFC 7112, section 5)? */
static bool headers_complete(const struct ip_packet *p)
{
    uint32_t at, n;
    uint8_t next;

    if (!ip6_upper(p, &next, &at))
        return false;
    n = next == IPPROTO_TCP ? 20 : next == IPPROTO_UDP || next == IPPROTO_ICMPV6 ? 8 : 0;
    return p->len - at >= n;
}

static void fragment_in(struct inet *in, struct ip_packet *p)
{
    struct frag_in f = {.p = *p};
    uint16_t place;

    place = get16(p->data + 2);
    f.offset = place & 0xfff8;
    f.more = (place & 1) != 0;
    f.id = get32(p->data + 4);
    f.p.proto = p->data[0];
    f.p.data += FRAGMENT_HEADER;
    f.p.len -= FRAGMENT_HEADER;
    f.header = (unsigned)(f.p.data - p->l3);
    if (f.offset == 0 && !f.more) {
        p->proto = f.p.proto; /* RFC 6946: whole as it is */
        p->data = f.p.data;
        p->len = f.p.len;
        ip6_whole(in, p);
        return;
    }
    if (f.offset == 0 && !headers_complete(&f.p)) {
        INET_DROP(in, drop_frag_bad);
        icmp_error(in, &f.p, ICMP6_PARAMETER, ICMP6_PARAMETER_CUT, 0);
        return;
    }
    frag_input(in, &f);
}

/* Steps over an options or routing header. False: the packet ends here. */
static bool step_over(struct inet *in, struct ip_packet *p, const uint8_t **next_at)
{
    uint32_t n = p->len >= 8 ? (p->data[1] + 1u) * 8 : UINT32_MAX;
    uint8_t type = p->proto;

    if (n > p->len) {
        INET_DROP(in, drop_ip_short);
        return false;
    }
    if (type == NEXT_ROUTING) {
        if (p->data[3] != 0) { /* segments are left: we are no router (RFC 5095 for type 0) */
            INET_DROP(in, drop_ip_route);
            parameter_problem(in, p, ICMP6_PARAMETER_HEADER, p->data + 2);
            return false;
        }
    } else if (!options_good(in, p, p->data, n)) {
        return false;
    }
    *next_at = p->data;
    p->proto = p->data[0];
    p->data += n;
    p->len -= n;
    return true;
}

/* From p->proto on. at: where the number of the header at p->data stands. */
static void walk(struct inet *in, struct ip_packet *p, const uint8_t *at)
{
    for (unsigned i = 0; i < EXTENSIONS_MAX; i++) {
        if (LIKELY(ip_deliver(in, p)))
            return;
        if (p->proto == IPPROTO_ICMPV6) {
            icmp_input(in, p);
            return;
        }
        if (p->proto == NEXT_NONE)
            return;
        if (p->proto == IP6_NEXT_FRAG) {
            if (p->len < FRAGMENT_HEADER)
                INET_DROP(in, drop_ip_short);
            else
                fragment_in(in, p);
            return;
        }
        /* hop-by-hop options stand directly behind the header, or nowhere (section 4.1) */
        if ((p->proto != NEXT_HOPOPTS || i > 0 || at != p->l3 + 6) && p->proto != NEXT_DSTOPTS &&
            p->proto != NEXT_ROUTING) {
            INET_DROP(in, drop_ip_proto);
            parameter_problem(in, p, ICMP6_PARAMETER_NEXT, at);
            return;
        }
        if (!step_over(in, p, &at))
            return;
    }
    INET_DROP(in, drop_ip_bad);
}

void ip6_whole(struct inet *in, struct ip_packet *p)
{
    if (UNLIKELY(p->proto == IP6_NEXT_FRAG)) { /* a fragment in a fragment */
        INET_DROP(in, drop_frag_bad);
        return;
    }
    walk(in, p, p->data - FRAGMENT_HEADER);
}

/* The groups every station is in: all nodes, and one for each address it has (RFC 4291, sections 2.7.1 and 2.8). */
static bool group_is_ours(const struct inet *in, const struct inet_addr *a)
{
    static const uint8_t solicited[13] = {0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff};
    static const uint8_t all_nodes[16] = {0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
    const struct inet_stack *s = stack_of(in);

    if (memcmp(a->b, all_nodes, 16) == 0)
        return true;
    if (memcmp(a->b, solicited, 13) != 0)
        return false;
    for (unsigned i = 0; i < INET_ADDRS; i++)
        if (s->addr[i].used && memcmp(s->addr[i].addr.b + 13, a->b + 13, 3) == 0)
            return true;
    return false;
}

static bool dst_good(const struct inet *in, struct ip_packet *p)
{
    if (inet_addr_is_multicast(&p->dst)) {
        p->flags |= IP_TO_GROUP;
        return group_is_ours(in, &p->dst);
    }
    return route_local(in, &p->dst) != NULL || ((p->flags & IP_TO_SELF) != 0 && inet_addr_is_loopback(&p->dst));
}

static bool source_good(const struct inet *in, const struct ip_packet *p)
{
    if (inet_addr_is_multicast(&p->src) || inet_addr_is4(&p->src) || inet_addr_is4(&p->dst))
        return false;
    return (p->flags & IP_TO_SELF) != 0 || (!inet_addr_is_loopback(&p->src) && route_local(in, &p->src) == NULL);
}

void ip6_input(struct inet *in, void *obj, uint8_t *h, uint32_t len, unsigned flags, uint32_t device)
{
    struct ip_packet p;
    uint32_t payload;

    if (UNLIKELY(len < IP6_HEADER || h[0] >> 4 != 6)) {
        INET_DROP(in, drop_ip_bad);
        return;
    }
    payload = get16(h + 4);
    if (UNLIKELY(payload > len - IP6_HEADER)) {
        INET_DROP(in, drop_ip_short);
        return;
    }
    p = (struct ip_packet){.src = inet_addr_from6(h + 8),
                           .dst = inet_addr_from6(h + 24),
                           .obj = obj,
                           .data = h + IP6_HEADER,
                           .len = payload,
                           .l3 = h,
                           .proto = h[6],
                           .ttl = h[7],
                           .tos = (uint8_t)(get16(h) >> 4),
                           .flags = (uint8_t)(flags | ((device & FRAME_IN_CSUM_L4) != 0 ? IP_CSUM_GOOD : 0))};
    if (UNLIKELY(!dst_good(in, &p)))
        INET_DROP(in, drop_ip_dst);
    else if (UNLIKELY(!source_good(in, &p)))
        INET_DROP(in, drop_ip_src);
    else
        walk(in, &p, h + 6);
}
