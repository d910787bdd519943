/* SPDX-License-Identifier: MIT */
/* ICMP for IPv6 (RFC 4443). */
#include "internal.h"

#define ICMP_HEADER     8
#define ICMP6_ECHO      128
#define ICMP6_REPLY     129
#define ICMP6_ROUTER    133 /* the five of neighbour discovery: 133 to 137 */
#define ICMP6_REDIRECT  137
#define ICMP6_QUOTE_MAX (IP_MTU_MIN6 - IP6_HEADER - ICMP_HEADER) /* section 2.4 (c) */

void icmp6_send(struct inet *in, const struct inet_addr *local, const struct inet_addr *remote, uint8_t ttl,
                struct frame *f)
{
    struct ip_send s = {.proto = IPPROTO_ICMPV6, .ttl = ttl};
    uint64_t sum = checksum_pseudo(local, remote, IPPROTO_ICMPV6, f->len);
    struct ip_path p = {.local = *local, .remote = *remote, .v6 = true, .hops = in->hops6, .neigh = NEIGH_NONE};
    struct inet_addr hop;
    enum hop_kind kind;
    uint16_t value;
    bool odd = false;

    for (unsigned i = 0; i < f->segs; i++) {
        sum = checksum_add_at(sum, f->seg[i].ptr, f->seg[i].len, odd);
        odd ^= (f->seg[i].len & 1) != 0;
    }
    value = checksum_finish(sum);
    memcpy(f->seg[0].ptr + 2, &value, sizeof(value));
    if (route_next_hop(in, remote, &hop, &kind) != 0) {
        INET_COUNT(in, drop_no_route);
        frame_free(in->env.mem, f);
        return;
    }
    INET_COUNT(in, icmp_out);
    p.mtu = kind == HOP_SELF ? in->cfg.mtu : pmtu_get(in, remote);
    if (f->len + IP6_HEADER > p.mtu) {
        ip_fragment(in, &p, f, &s);
        return;
    }
    ip6_header(f, &p, &s);
    f->l4 = IP6_HEADER;
    ip_send_on(in, &hop, kind, f);
}

/* Section 2.4 (e): what no error answers. "Packet too big" we do not send, so no exception for it. */
static bool may_answer(const struct ip_packet *p)
{
    if ((p->flags & IP_TO_GROUP) != 0 || inet_addr_is_any(&p->src) || inet_addr_is_multicast(&p->src))
        return false;
    return p->proto != IPPROTO_ICMPV6 || (p->len > 0 && p->data[0] >= 128);
}

void icmp6_error(struct inet *in, const struct ip_packet *p, uint8_t type, uint8_t code, uint32_t rest)
{
    uint32_t quote = (uint32_t)(p->data - p->l3) + p->len;
    struct frame *f;
    uint8_t *h;

    if (!may_answer(p) || !icmp_allowed(in))
        return;
    if (quote > ICMP6_QUOTE_MAX)
        quote = ICMP6_QUOTE_MAX;
    f = ip_frame(in);
    if (f == NULL)
        return;
    h = (uint8_t *)frame_push(f, ICMP_HEADER);
    h[0] = type;
    h[1] = code;
    put16(h + 2, 0);
    put32(h + 4, rest);
    frame_add(f, p->obj, (char *)p->l3, quote);
    icmp6_send(in, &p->dst, &p->src, 0, f);
}

/* Section 4.2; a request to a group is answered from an address of ours. */
static void echo_reply(struct inet *in, const struct ip_packet *p)
{
    const struct inet_addr *local = &p->dst;
    struct frame *f;
    uint8_t *h;

    if ((p->flags & IP_TO_GROUP) != 0)
        local = route_source(in, &p->src, &p->src);
    f = local != NULL ? ip_frame(in) : NULL;
    if (f == NULL)
        return;
    h = (uint8_t *)frame_push(f, ICMP_HEADER);
    memcpy(h, p->data, ICMP_HEADER);
    h[0] = ICMP6_REPLY;
    put16(h + 2, 0);
    if (p->len > ICMP_HEADER)
        frame_add(f, p->obj, (char *)p->data + ICMP_HEADER, p->len - ICMP_HEADER);
    icmp6_send(in, local, &p->src, 0, f);
}

static int errno_of(uint8_t type, uint8_t code)
{
    static const uint8_t unreachable[] = {ENETUNREACH,  EHOSTUNREACH, EHOSTUNREACH, EHOSTUNREACH,
                                          ECONNREFUSED, EHOSTUNREACH, EHOSTUNREACH};

    switch (type) {
    case ICMP6_UNREACHABLE:
        return code < ARRAY_LEN(unreachable) ? unreachable[code] : 0;
    case ICMP6_TOO_BIG:
        return EMSGSIZE;
    case ICMP6_EXCEEDED:
        return EHOSTUNREACH;
    case ICMP6_PARAMETER:
        return EPROTO;
    default:
        return 0;
    }
}

/* The quoted transport header, behind a fragment header if there is one. NULL: not there. */
static const uint8_t *quoted_transport(const uint8_t *q, uint32_t len, uint8_t *proto)
{
    const uint8_t *p = q + IP6_HEADER;

    *proto = q[6];
    if (*proto == 44) {
        if (len < IP6_HEADER + 8 || (get16(p + 2) & 0xfff8) != 0)
            return NULL;
        *proto = p[0];
        p += 8;
    }
    return p + IP_REPORT_BYTES <= q + len ? p : NULL;
}

static void icmp6_report(struct inet *in, const struct ip_packet *p)
{
    const uint8_t *quoted = p->data + ICMP_HEADER, *transport;
    uint32_t len = p->len - ICMP_HEADER, mtu = get32(p->data + 4);
    struct ip_error e = {.err = errno_of(p->data[0], p->data[1])};
    uint8_t proto;

    if (len < IP6_HEADER || quoted[0] >> 4 != 6) {
        INET_DROP(in, drop_icmp_bad);
        return;
    }
    if (e.err == 0) {
        INET_DROP(in, drop_icmp_type);
        return;
    }
    e.local = inet_addr_from6(quoted + 8);
    e.remote = inet_addr_from6(quoted + 24);
    if (e.err == EMSGSIZE) /* RFC 8201, section 4: never below what every link takes */
        e.mtu = mtu < IP_MTU_MIN6 ? IP_MTU_MIN6 : mtu > INET_MTU_MAX ? INET_MTU_MAX : (uint16_t)mtu;
    transport = quoted_transport(quoted, len, &proto);
    if (transport != NULL) {
        e.data = transport;
        e.len = (uint32_t)(quoted + len - transport);
    }
    if (transport == NULL || route_local(in, &e.local) == NULL || !icmp_report(in, &e, proto)) {
        INET_DROP(in, drop_icmp_stray);
        return;
    }
    if (e.err == EMSGSIZE)
        pmtu_set(in, &e.remote, e.mtu);
}

void icmp6_input(struct inet *in, const struct ip_packet *p)
{
    INET_COUNT(in, icmp_in);
    if (p->len < ICMP_HEADER) {
        INET_DROP(in, drop_icmp_bad);
        return;
    }
    if (!ip_packet_checksum(p)) {
        INET_DROP(in, drop_icmp_checksum);
        return;
    }
    if (p->data[0] >= ICMP6_ROUTER && p->data[0] <= ICMP6_REDIRECT) {
        ndisc_input(in, p);
        return;
    }
    switch (p->data[0]) {
    case ICMP6_ECHO:
        echo_reply(in, p);
        break;
    case ICMP6_UNREACHABLE:
    case ICMP6_TOO_BIG:
    case ICMP6_EXCEEDED:
    case ICMP6_PARAMETER:
        icmp6_report(in, p);
        break;
    default:
        INET_DROP(in, drop_icmp_type);
        break;
    }
}
