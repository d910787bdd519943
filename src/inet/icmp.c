/* SPDX-License-Identifier: MIT */
/*
 * ICMP of both families: RFC 792 with RFC 1122 section 3.2.2, RFC 4443. One logic; where the families differ, in
 * numbers and in how an error quotes the packet that it is about, stands in struct family and in the two readers of
 * errors.
 */
#include "internal.h"

#define ICMP_HEADER 8

/* The numbers of one family. */
struct family {
    uint8_t proto, echo, reply;
    uint16_t header;                /* of the network */
    uint16_t quote_max;             /* bytes of the packet that an error quotes */
    uint8_t unreachable, port_code; /* "port unreachable" */
    uint8_t exceeded, fragments_code;
};

static const struct family v4 = {
    .proto = IPPROTO_ICMP,
    .echo = 8,
    .reply = 0,
    .header = IP4_HEADER,
    .quote_max = 576 - IP4_HEADER - ICMP_HEADER, /* RFC 1812, section 4.3.2.3 */
    .unreachable = ICMP4_UNREACHABLE,
    .port_code = ICMP4_UNREACHABLE_PORT,
    .exceeded = ICMP4_EXCEEDED,
    .fragments_code = ICMP4_EXCEEDED_FRAGMENTS,
};

static const struct family v6 = {
    .proto = IPPROTO_ICMPV6,
    .echo = 128,
    .reply = 129,
    .header = IP6_HEADER,
    .quote_max = IP_MTU_MIN6 - IP6_HEADER - ICMP_HEADER, /* RFC 4443, section 2.4 (c) */
    .unreachable = ICMP6_UNREACHABLE,
    .port_code = ICMP6_UNREACHABLE_PORT,
    .exceeded = ICMP6_EXCEEDED,
    .fragments_code = ICMP6_EXCEEDED_FRAGMENTS,
};

static const struct family *family_of(const struct inet_addr *a)
{
    return inet_addr_is4(a) ? &v4 : &v6;
}

/* ---- out ---- */

/* Takes a token. False: none is left (counted). */
static bool allowed(struct inet *in)
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

/* The checksum over the whole message in f, whose field is 0; sum: of the pseudo-header. */
static void finish_checksum(struct frame *f, uint64_t sum)
{
    uint16_t value;
    bool odd = false;

    for (unsigned i = 0; i < f->segs; i++) {
        sum = checksum_add_at(sum, f->seg[i].ptr, f->seg[i].len, odd);
        odd ^= (f->seg[i].len & 1) != 0;
    }
    value = checksum_finish(sum);
    memcpy(f->seg[0].ptr + 2, &value, sizeof(value));
}

void icmp_send(struct inet *in, const struct inet_addr *local, const struct inet_addr *remote, uint8_t ttl,
               struct frame *f)
{
    const struct family *fam = family_of(remote);
    struct ip_send s = {.proto = fam->proto, .ttl = ttl};
    struct ip_path p = {.local = *local,
                        .remote = *remote,
                        .sum = checksum_fold(checksum_addrs(local, remote)),
                        .v6 = fam == &v6,
                        .neigh = NEIGH_NONE};
    struct inet_addr hop;
    enum hop_kind kind;

    finish_checksum(f, p.v6 ? checksum_pseudo(local, remote, IPPROTO_ICMPV6, f->len) : 0);
    if (route_next_hop(in, remote, &hop, &kind) != 0) {
        INET_COUNT(in, drop_no_route);
        frame_free(in->env.mem, f);
        return;
    }
    INET_COUNT(in, icmp_out);
    p.loops = kind == HOP_SELF;
    p.hops = p.v6 ? in->hops6 : IP_HOPS;
    p.mtu = p.loops ? in->cfg.mtu : pmtu_get(in, remote);
    if (f->len + fam->header > p.mtu) {
        s.fragment = true;
        ip_fragment(in, &p, f, &s);
        return;
    }
    if (p.v6)
        ip6_header(f, &p, &s);
    else
        ip4_header(f, &p, &s, stack_of(in)->ip_id++, 0);
    f->l4 = fam->header;
    ip_send_on(in, &hop, kind, f);
}

/* A message that begins with a header of eight bytes, whose checksum is to come, and goes on with bytes of p. */
static struct frame *message(struct inet *in, const struct ip_packet *p, const uint8_t *bytes, uint32_t len,
                             uint8_t **h)
{
    struct frame *f = ip_frame(in);

    if (f == NULL)
        return NULL;
    *h = (uint8_t *)frame_push(f, ICMP_HEADER);
    memset(*h, 0, ICMP_HEADER);
    if (len > 0)
        frame_add(f, p->obj, (char *)bytes, len);
    return f;
}

/* Is p an error itself? What is no question and no answer of ours counts as one for IPv4, which has no rule. */
static bool is_error(const struct family *fam, const struct ip_packet *p)
{
    uint8_t proto = p->proto;
    uint32_t at = 0;

    if (fam == &v6 && !ip6_upper(p, &proto, &at))
        return false;
    if (proto != fam->proto)
        return false;
    if (p->len <= at)
        return true;
    return fam == &v6 ? p->data[at] < 128 : p->data[at] != fam->echo && p->data[at] != fam->reply;
}

/*
 * Which address of ours answers p with an error? NULL: none may (RFC 1122, section 3.2.2; RFC 4443, section 2.4 (e)),
 * as to an error, to nobody, to what came to a group; to_group: to that too (RFC 8200, section 4.2).
 */
static const struct inet_addr *who_answers(struct inet *in, const struct family *fam, const struct ip_packet *p,
                                           bool to_group)
{
    if (inet_addr_is_any(&p->src) || inet_addr_is_multicast(&p->src) || is_error(fam, p))
        return NULL;
    if ((p->flags & IP_TO_GROUP) == 0)
        return &p->dst;
    return to_group ? route_source(in, &p->src, &p->src) : NULL;
}

static void send_error(struct inet *in, const struct ip_packet *p, uint8_t type, uint8_t code, uint32_t rest,
                       bool to_group)
{
    const struct family *fam = family_of(&p->src);
    const struct inet_addr *local = who_answers(in, fam, p, to_group);
    uint32_t quote = (uint32_t)(p->data - p->l3) + p->len;
    struct frame *f;
    uint8_t *h;

    if (local == NULL || !allowed(in))
        return;
    f = message(in, p, p->l3, quote < fam->quote_max ? quote : fam->quote_max, &h);
    if (f == NULL)
        return;
    h[0] = type;
    h[1] = code;
    put32(h + 4, rest);
    icmp_send(in, local, &p->src, 0, f);
}

void icmp_error(struct inet *in, const struct ip_packet *p, uint8_t type, uint8_t code, uint32_t rest)
{
    send_error(in, p, type, code, rest, false);
}

void icmp_error_to_group(struct inet *in, const struct ip_packet *p, uint8_t type, uint8_t code, uint32_t rest)
{
    send_error(in, p, type, code, rest, true);
}

void icmp_fragments_exceeded(struct inet *in, const struct ip_packet *p)
{
    const struct family *fam = family_of(&p->src);

    icmp_error(in, p, fam->exceeded, fam->fragments_code, 0);
}

void ip_port_unreachable(struct inet *in, const struct ip_packet *p)
{
    const struct family *fam = family_of(&p->src);

    icmp_error(in, p, fam->unreachable, fam->port_code, 0);
}

/*
 * RFC 792, RFC 4443 section 4.2. A request to a group is answered over IPv6, from an address of ours; over IPv4 it may
 * be discarded, and is an amplifier else (RFC 1122, section 3.2.2.6).
 */
static void echo_reply(struct inet *in, const struct family *fam, const struct ip_packet *p)
{
    const struct inet_addr *local = &p->dst;
    struct frame *f;
    uint8_t *h;

    if ((p->flags & IP_TO_GROUP) != 0)
        local = fam == &v6 ? route_source(in, &p->src, &p->src) : NULL;
    if (local == NULL || inet_addr_is_any(&p->src)) {
        INET_DROP(in, drop_icmp_type);
        return;
    }
    f = message(in, p, p->data + ICMP_HEADER, p->len - ICMP_HEADER, &h);
    if (f == NULL)
        return;
    h[0] = fam->reply;
    memcpy(h + 4, p->data + 4, 4);
    icmp_send(in, local, &p->src, 0, f);
}

/* ---- in ---- */

bool icmp_report(struct inet *in, struct ip_error *e, uint8_t proto)
{
    const struct ip_transport *t = &in->transport[proto == IPPROTO_UDP];

    if ((proto != IPPROTO_TCP && proto != IPPROTO_UDP) || t->error == NULL)
        return false;
    return t->error(in, t->transport, e);
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

static uint16_t believable_mtu4(const uint8_t *icmp, const uint8_t *quoted)
{
    uint16_t mtu = get16(icmp + 6);

    if (mtu == 0)
        mtu = plateau_below(get16(quoted + 2));
    return mtu < IP_MTU_FLOOR ? IP_MTU_FLOOR : mtu;
}

/* RFC 8201, section 4: never below what every link takes. */
static uint16_t believable_mtu6(uint32_t mtu)
{
    return mtu < IP_MTU_MIN6 ? IP_MTU_MIN6 : mtu > INET_MTU_MAX ? INET_MTU_MAX : (uint16_t)mtu;
}

/* The errno of a "destination unreachable" (RFC 1122, section 4.2.3.9); 0: of no use. */
static int errno_of4(uint8_t type, uint8_t code)
{
    static const uint8_t map[] = {ENETUNREACH,  EHOSTUNREACH, EPROTO,       ECONNREFUSED, EMSGSIZE,     EHOSTUNREACH,
                                  ENETUNREACH,  EHOSTUNREACH, EHOSTUNREACH, ENETUNREACH,  EHOSTUNREACH, ENETUNREACH,
                                  EHOSTUNREACH, EHOSTUNREACH, EHOSTUNREACH, EHOSTUNREACH};

    if (type != ICMP4_UNREACHABLE)
        return EHOSTUNREACH;
    return code < ARRAY_LEN(map) ? map[code] : 0;
}

static int errno_of6(uint8_t type, uint8_t code)
{
    static const uint8_t unreachable[] = {ENETUNREACH,  EHOSTUNREACH, EHOSTUNREACH, EHOSTUNREACH,
                                          ECONNREFUSED, EHOSTUNREACH, EHOSTUNREACH};

    switch (type) {
    case ICMP6_TOO_BIG:
        return EMSGSIZE;
    case ICMP6_EXCEEDED:
        return EHOSTUNREACH;
    case ICMP6_PARAMETER:
        return EPROTO;
    default:
        return code < ARRAY_LEN(unreachable) ? unreachable[code] : 0;
    }
}

/* What an error tells and quotes. */
struct report {
    struct ip_error e; /* data NULL: the packet it quotes has no transport header that we could have sent */
    uint8_t proto;
};

/* The quoted packet begins at q, len bytes. False: malformed. */
static bool read_report4(const uint8_t *icmp, const uint8_t *q, uint32_t len, struct report *r)
{
    uint32_t header = len >= IP4_HEADER ? (q[0] & 15) * 4u : 0;

    if (header < IP4_HEADER || q[0] >> 4 != 4 || len < header + IP_REPORT_BYTES)
        return false;
    r->e.local = inet_addr_from4(q + 12);
    r->e.remote = inet_addr_from4(q + 16);
    r->e.err = errno_of4(icmp[0], icmp[1]);
    if (r->e.err == EMSGSIZE)
        r->e.mtu = believable_mtu4(icmp, q);
    r->proto = q[9];
    if ((get16(q + 6) & IP4_OFFSET) == 0) {
        r->e.data = q + header;
        r->e.len = len - header;
    }
    return true;
}

/* The same; the transport's header may stand behind one for a first fragment. */
static bool read_report6(const uint8_t *icmp, const uint8_t *q, uint32_t len, struct report *r)
{
    uint32_t header = IP6_HEADER;
    bool first = true;

    if (len < IP6_HEADER || q[0] >> 4 != 6)
        return false;
    r->e.local = inet_addr_from6(q + 8);
    r->e.remote = inet_addr_from6(q + 24);
    r->e.err = errno_of6(icmp[0], icmp[1]);
    if (r->e.err == EMSGSIZE)
        r->e.mtu = believable_mtu6(get32(icmp + 4));
    r->proto = q[6];
    if (r->proto == IP6_NEXT_FRAG && len >= IP6_HEADER + 8) {
        r->proto = q[IP6_HEADER];
        first = (get16(q + IP6_HEADER + 2) & 0xfff8) == 0;
        header += 8;
    }
    if (first && len >= header + IP_REPORT_BYTES) {
        r->e.data = q + header;
        r->e.len = len - header;
    }
    return true;
}

/* An error about a packet of ours, which it quotes. */
static void take_report(struct inet *in, const struct family *fam, const struct ip_packet *p)
{
    const uint8_t *quoted = p->data + ICMP_HEADER;
    uint32_t len = p->len - ICMP_HEADER;
    struct report r = {.proto = 0};
    bool ours;

    if (!(fam == &v6 ? read_report6(p->data, quoted, len, &r) : read_report4(p->data, quoted, len, &r))) {
        INET_DROP(in, drop_icmp_bad);
        return;
    }
    if (r.e.err == 0) {
        INET_DROP(in, drop_icmp_type);
        return;
    }
    ours = route_local(in, &r.e.local) != NULL || ((p->flags & IP_TO_SELF) != 0 && inet_addr_is_loopback(&r.e.local));
    if (r.e.data == NULL || !ours || !icmp_report(in, &r.e, r.proto)) {
        INET_DROP(in, drop_icmp_stray);
        return;
    }
    if (r.e.err == EMSGSIZE)
        pmtu_set(in, &r.e.remote, r.e.mtu);
}

static bool tells_an_error(const struct family *fam, uint8_t type)
{
    if (fam == &v6)
        return type >= ICMP6_UNREACHABLE && type <= ICMP6_PARAMETER;
    return type == ICMP4_UNREACHABLE || type == ICMP4_EXCEEDED || type == ICMP4_PARAMETER;
}

void icmp_input(struct inet *in, const struct ip_packet *p)
{
    const struct family *fam = family_of(&p->src);
    bool good;

    INET_COUNT(in, icmp_in);
    if (p->len < ICMP_HEADER) {
        INET_DROP(in, drop_icmp_bad);
        return;
    }
    good = fam == &v6 ? ip_packet_checksum(p) : checksum_good(checksum_add(0, p->data, p->len));
    if (!good)
        INET_DROP(in, drop_icmp_checksum);
    else if (fam == &v6 && p->data[0] >= ICMP6_ROUTER && p->data[0] <= ICMP6_REDIRECT)
        ndisc_input(in, p);
    else if (p->data[0] == fam->echo)
        echo_reply(in, fam, p);
    else if (tells_an_error(fam, p->data[0]))
        take_report(in, fam, p);
    else
        INET_DROP(in, drop_icmp_type); /* redirects too: routes are configured, not taken from strangers */
}
