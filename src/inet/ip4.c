/* SPDX-License-Identifier: MIT */
/* IPv4 (RFC 791): the header in and out. */
#include "internal.h"

#define OPTION_END  0
#define OPTION_NOP  1
#define OPTION_LSRR 131
#define OPTION_SSRR 137

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

/* Does a packet with these ends come from another station, to an address of ours? */
static __attribute__((noinline)) bool ends_look(struct inet_stack *s, const uint8_t *h, uint64_t ends)
{
    bool ours = false, strange = h[12] - 1u >= 223 || h[12] == 127;
    uint32_t src, dst;

    memcpy(&src, h + 12, 4);
    memcpy(&dst, h + 16, 4);
    for (unsigned i = 0; i < s->net4_count; i++) {
        ours |= dst == s->net4[i].addr;
        strange |= src == s->net4[i].addr || src == s->net4[i].broadcast;
    }
    if (ours && !strange)
        s->ends4 = ends;
    return ours && !strange;
}

/*
 * The same of the packet with header h. Its ends are mostly those of the packet before. All others than such are looked
 * at closely, since which they are decides how their drop is counted.
 */
static inline bool ends_plain(struct inet_stack *s, const uint8_t *h)
{
    uint64_t ends;

    memcpy(&ends, h + 12, sizeof(ends));
    return LIKELY(ends == s->ends4 && ends != 0) || ends_look(s, h, ends);
}

static COLD void fragment_in(struct inet *in, struct ip_packet *p, const uint8_t *h)
{
    uint16_t frag = get16(h + 6);
    struct frag_in f = {.p = *p,
                        .id = get16(h + 4),
                        .offset = (uint32_t)(frag & IP4_OFFSET) * 8,
                        .more = (frag & IP4_MF) != 0,
                        .header = (unsigned)(p->data - h)};

    frag_input(in, &f);
}

/* What no transport is there for. */
static void no_transport(struct inet *in, const struct ip_packet *p)
{
    if (p->proto == IPPROTO_ICMP) {
        icmp_input(in, p);
        return;
    }
    INET_DROP(in, drop_ip_proto);
    icmp_error(in, p, ICMP4_UNREACHABLE, ICMP4_UNREACHABLE_PROTO, 0);
}

void ip4_whole(struct inet *in, struct ip_packet *p)
{
    if (!ip_deliver(in, p))
        no_transport(in, p);
}

/* What a header may be wrong in, options apart. False: the packet is dropped (counted). */
static COLD bool header_good(struct inet *in, const uint8_t *h, uint32_t len, uint32_t device)
{
    unsigned header = len < IP4_HEADER ? 0 : (h[0] & 15) * 4u;

    if (header < IP4_HEADER || h[0] >> 4 != 4 || get16(h + 2) < header)
        INET_DROP(in, drop_ip_bad);
    else if (get16(h + 2) > len)
        INET_DROP(in, drop_ip_short);
    else if ((device & FRAME_IN_CSUM_L3) == 0 && !checksum_good(checksum_add(0, h, header)))
        INET_DROP(in, drop_ip_checksum);
    else
        return true;
    return false;
}

/* Is there nothing in a header but what nearly every one is? */
static inline bool header_plain(const uint8_t *h, uint32_t len, uint32_t device)
{
    uint32_t total;

    if (len < IP4_HEADER || h[0] != 0x45)
        return false;
    total = get16(h + 2);
    return total >= IP4_HEADER && total <= len &&
           ((device & FRAME_IN_CSUM_L3) != 0 || checksum_good(checksum_words(h, IP4_HEADER / 4)));
}

void ip4_input(struct inet *in, void *obj, uint8_t *h, uint32_t len, unsigned flags, uint32_t device)
{
    unsigned header = IP4_HEADER;
    struct ip_packet p;

    if (UNLIKELY(!header_plain(h, len, device))) {
        if (!header_good(in, h, len, device))
            return;
        header = (h[0] & 15) * 4u;
        if (header > IP4_HEADER && !options_good(in, h, header))
            return;
    }
    p = (struct ip_packet){.src = inet_addr_from4(h + 12),
                           .dst = inet_addr_from4(h + 16),
                           .obj = obj,
                           .data = h + header,
                           .len = get16(h + 2) - header,
                           .l3 = h,
                           .proto = h[9],
                           .ttl = h[8],
                           .tos = h[1],
                           .flags = (uint8_t)(flags | ((device & FRAME_IN_CSUM_L4) != 0 ? IP_CSUM_GOOD : 0))};
    if (UNLIKELY(!ends_plain(stack_of(in), h))) {
        if (!dst_good(in, &p)) {
            INET_DROP(in, drop_ip_dst);
            return;
        }
        if (!source_good(in, &p)) {
            INET_DROP(in, drop_ip_src);
            return;
        }
    }
    if (UNLIKELY((get16(h + 6) & (IP4_MF | IP4_OFFSET)) != 0))
        fragment_in(in, &p, h);
    else if (UNLIKELY(!ip_deliver(in, &p)))
        no_transport(in, &p);
}
