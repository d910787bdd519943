/* SPDX-License-Identifier: MIT */
/* ICMP for IPv4 (RFC 792, RFC 1122 section 3.2.2), and what both families share: the rate limit, reports. */
#include "internal.h"

#define ICMP_HEADER    8
#define ICMP_QUOTE_MAX 548 /* RFC 1812, section 4.3.2.3: the whole error stays within 576 bytes */

bool icmp_allowed(struct inet *in)
{
    struct icmp_bucket *b = &stack_of(in)->icmp;
    uint64_t since = in->env.now_ns - b->filled_ns, more = since / (NS_PER_S / ICMP_PER_SECOND);

    if (b->filled_ns == 0 || more >= ICMP_BURST) {
        b->tokens = ICMP_BURST;
        b->filled_ns = in->env.now_ns;
    } else {
        b->tokens += (uint32_t)more;
        if (b->tokens > ICMP_BURST)
            b->tokens = ICMP_BURST;
        b->filled_ns += more * (NS_PER_S / ICMP_PER_SECOND);
    }
    if (b->tokens == 0) {
        INET_COUNT(in, drop_icmp_limit);
        return false;
    }
    b->tokens--;
    return true;
}

bool icmp_report(struct inet *in, struct ip_error *e, uint8_t proto)
{
    const struct ip_transport *t = &in->transport[proto == IPPROTO_UDP];

    if ((proto != IPPROTO_TCP && proto != IPPROTO_UDP) || t->error == NULL)
        return false;
    return t->error(in, t->transport, e);
}

/* The checksum over the whole message in f, whose field is 0. */
static void icmp4_checksum(struct frame *f)
{
    uint64_t sum = 0;
    uint16_t value;
    bool odd = false;

    for (unsigned i = 0; i < f->segs; i++) {
        sum = checksum_add_at(sum, f->seg[i].ptr, f->seg[i].len, odd);
        odd ^= (f->seg[i].len & 1) != 0;
    }
    value = checksum_finish(sum);
    memcpy(f->seg[0].ptr + 2, &value, sizeof(value));
}

/* Sends the message in f, which has no network header yet, from local to remote. */
static void icmp4_send(struct inet *in, const struct inet_addr *local, const struct inet_addr *remote, struct frame *f)
{
    struct ip_send s = {.proto = IPPROTO_ICMP};
    struct inet_addr hop;
    enum hop_kind kind;
    struct ip_path p;

    icmp4_checksum(f);
    if (ip_path_init(in, &p, local, remote) != 0 || route_next_hop(in, remote, &hop, &kind) != 0) {
        INET_COUNT(in, drop_no_route);
        frame_free(in->env.mem, f);
        return;
    }
    INET_COUNT(in, icmp_out);
    if (f->len + IP4_HEADER > p.mtu) {
        s.fragment = true;
        ip_fragment(in, &p, f, &s);
        return;
    }
    ip4_header(f, &p, &s, stack_of(in)->ip_id++, 0);
    f->l4 = IP4_HEADER;
    ip_send_on(in, &hop, kind, f);
}

/* May an error answer p? Never an error, a group, or a fragment but the first (RFC 1122, section 3.2.2). */
static bool may_answer(const struct ip_packet *p)
{
    if ((p->flags & IP_TO_GROUP) != 0 || inet_addr_is_any(&p->src) || inet_addr_is_multicast(&p->src))
        return false;
    if (p->proto != IPPROTO_ICMP)
        return true;
    return p->len > 0 && (p->data[0] == ICMP4_ECHO || p->data[0] == ICMP4_ECHO_REPLY);
}

void icmp4_error(struct inet *in, const struct ip_packet *p, uint8_t type, uint8_t code, uint32_t rest)
{
    uint32_t quote = (uint32_t)(p->data - p->l3) + p->len;
    struct frame *f;
    uint8_t *h;

    if (!may_answer(p) || !icmp_allowed(in))
        return;
    if (quote > ICMP_QUOTE_MAX)
        quote = ICMP_QUOTE_MAX;
    f = ip_frame(in);
    if (f == NULL)
        return;
    h = (uint8_t *)frame_push(f, ICMP_HEADER);
    h[0] = type;
    h[1] = code;
    put16(h + 2, 0);
    put32(h + 4, rest);
    frame_add(f, p->obj, (char *)p->l3, quote);
    icmp4_send(in, &p->dst, &p->src, f);
}

void ip_port_unreachable(struct inet *in, const struct ip_packet *p)
{
    if (inet_addr_is4(&p->src))
        icmp4_error(in, p, ICMP4_UNREACHABLE, ICMP4_UNREACHABLE_PORT, 0);
    else
        icmp6_error(in, p, ICMP6_UNREACHABLE, ICMP6_UNREACHABLE_PORT, 0);
}

static void echo_reply(struct inet *in, const struct ip_packet *p)
{
    struct frame *f;
    uint8_t *h;

    if ((p->flags & IP_TO_GROUP) != 0) {
        INET_DROP(in, drop_icmp_type); /* RFC 1122, section 3.2.2.6: may be discarded; it is an amplifier else */
        return;
    }
    f = ip_frame(in);
    if (f == NULL)
        return;
    h = (uint8_t *)frame_push(f, ICMP_HEADER);
    memcpy(h, p->data, ICMP_HEADER);
    h[0] = ICMP4_ECHO_REPLY;
    put16(h + 2, 0);
    if (p->len > ICMP_HEADER)
        frame_add(f, p->obj, (char *)p->data + ICMP_HEADER, p->len - ICMP_HEADER);
    icmp4_send(in, &p->dst, &p->src, f);
}

/* RFC 1191, section 7.1: what to try when a router of before 1990 does not say. */
static uint16_t plateau_below(uint16_t size)
{
    static const uint16_t plateau[] = {8166, 4352, 2002, 1492, 1006, 508, 296, 68};

    for (unsigned i = 0; i < ARRAY_LEN(plateau); i++)
        if (plateau[i] < size)
            return plateau[i];
    return IP_MTU_MIN4;
}

/* The errno of a "destination unreachable" (RFC 1122, section 4.2.3.9); 0: of no use. */
static int errno_of(uint8_t code)
{
    static const uint8_t map[] = {ENETUNREACH,  EHOSTUNREACH, EPROTO,       ECONNREFUSED, EMSGSIZE,     EHOSTUNREACH,
                                  ENETUNREACH,  EHOSTUNREACH, EHOSTUNREACH, ENETUNREACH,  EHOSTUNREACH, ENETUNREACH,
                                  EHOSTUNREACH, EHOSTUNREACH, EHOSTUNREACH, EHOSTUNREACH};

    return code < ARRAY_LEN(map) ? map[code] : 0;
}

static uint16_t believable_mtu(const uint8_t *icmp, const uint8_t *quoted)
{
    uint16_t mtu = get16(icmp + 6);

    if (mtu == 0)
        mtu = plateau_below(get16(quoted + 2));
    return mtu < IP_MTU_FLOOR ? IP_MTU_FLOOR : mtu;
}

/* An error about a packet of ours, which it quotes. */
static void icmp4_report(struct inet *in, const struct ip_packet *p)
{
    const uint8_t *quoted = p->data + ICMP_HEADER;
    uint32_t len = p->len - ICMP_HEADER, header;
    struct ip_error e = {0};

    header = len >= IP4_HEADER ? (quoted[0] & 15) * 4u : 0;
    if (header < IP4_HEADER || quoted[0] >> 4 != 4 || len < header + IP_REPORT_BYTES) {
        INET_DROP(in, drop_icmp_bad);
        return;
    }
    e.local = inet_addr_from4(quoted + 12);
    e.remote = inet_addr_from4(quoted + 16);
    e.data = quoted + header;
    e.len = len - header;
    e.err = p->data[0] == ICMP4_UNREACHABLE ? errno_of(p->data[1]) : EHOSTUNREACH;
    if (e.err == EMSGSIZE)
        e.mtu = believable_mtu(p->data, quoted);
    if (e.err == 0) {
        INET_DROP(in, drop_icmp_type);
        return;
    }
    if ((get16(quoted + 6) & IP4_OFFSET) != 0 || route_local(in, &e.local) == NULL || !icmp_report(in, &e, quoted[9])) {
        INET_DROP(in, drop_icmp_stray);
        return;
    }
    if (e.err == EMSGSIZE)
        pmtu_set(in, &e.remote, e.mtu);
}

void icmp4_input(struct inet *in, const struct ip_packet *p)
{
    INET_COUNT(in, icmp_in);
    if (p->len < ICMP_HEADER) {
        INET_DROP(in, drop_icmp_bad);
        return;
    }
    if (!checksum_good(checksum_add(0, p->data, p->len))) {
        INET_DROP(in, drop_icmp_checksum);
        return;
    }
    switch (p->data[0]) {
    case ICMP4_ECHO:
        echo_reply(in, p);
        break;
    case ICMP4_UNREACHABLE:
    case ICMP4_EXCEEDED:
    case ICMP4_PARAMETER:
        icmp4_report(in, p);
        break;
    default:
        INET_DROP(in, drop_icmp_type); /* redirects too: routes are configured, not taken from strangers */
        break;
    }
}
