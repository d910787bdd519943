/* SPDX-License-Identifier: MIT */
/*
 * Neighbour discovery (RFC 4861): solicitations and advertisements of neighbours, advertisements of routers, addresses
 * made from their prefixes (RFC 4862).
 *
 * An address is used at once, before the answer to whether somebody else has it is known (the trade of RFC 4429): a
 * stack that is started to serve should not wait a second. A conflict is counted and reported as ARP's is.
 */
#include "internal.h"

#define ND_ROUTER_SOLICIT   133
#define ND_ROUTER_ADVERT    134
#define ND_NEIGHBOUR_ASK    135
#define ND_NEIGHBOUR_ADVERT 136
#define ND_TTL              255 /* section 7.1: proof that it was sent on this link */
#define OPTION_SOURCE_LINK  1
#define OPTION_TARGET_LINK  2
#define OPTION_PREFIX       3
#define OPTION_MTU          5
#define ADVERT_SOLICITED    0x40
#define ADVERT_OVERRIDE     0x20
#define PREFIX_AUTONOMOUS   0x40
#define TWO_HOURS_NS        (7200 * NS_PER_S)
#define ROUTER_ASK_NS       (4 * NS_PER_S) /* RFC 4861, section 10: RTR_SOLICITATION_INTERVAL */

/* Our solicited-node group for a (RFC 4291, section 2.7.1). */
static struct inet_addr solicited_node(const struct inet_addr *a)
{
    struct inet_addr g = {{{0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff}}};

    memcpy(g.b + 13, a->b + 13, 3);
    return g;
}

static const struct inet_addr all_nodes = {{{0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}}};
static const struct inet_addr all_routers = {{{0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2}}};

/* Written before the head, which is pushed in front of it. */
static void put_link_option(struct inet *in, struct frame *f, uint8_t type)
{
    uint8_t *o = (uint8_t *)frame_push(f, 8);

    o[0] = type;
    o[1] = 1;
    memcpy(o + 2, in->cfg.mac, 6);
}

/* A neighbour message about target: option behind a head of 24 bytes. */
static struct frame *neighbour_message(struct inet *in, uint8_t type, uint8_t flags, const struct inet_addr *target,
                                       uint8_t option)
{
    struct frame *f = ip_frame(in);
    uint8_t *h;

    if (f == NULL)
        return NULL;
    if (option != 0)
        put_link_option(in, f, option);
    h = (uint8_t *)frame_push(f, 24);
    memset(h, 0, 8);
    h[0] = type;
    h[4] = flags;
    memcpy(h + 8, target->b, 16);
    return f;
}

/* Sends to one station whose link address is known, without asking for it. */
static void send_direct(struct inet *in, const struct inet_addr *local, const struct inet_addr *remote,
                        const uint8_t mac[6], struct frame *f)
{
    struct ip_send s = {.proto = IPPROTO_ICMPV6, .ttl = ND_TTL};
    struct ip_path p = {.local = *local, .remote = *remote, .v6 = true, .neigh = NEIGH_NONE};
    uint64_t sum = checksum_pseudo(local, remote, IPPROTO_ICMPV6, f->len);
    uint16_t value = checksum_finish(checksum_add(sum, f->seg[0].ptr, f->len));

    memcpy(f->seg[0].ptr + 2, &value, sizeof(value));
    ip6_header(f, &p, &s);
    INET_COUNT(in, icmp_out);
    eth_output(in, f, mac, ETHERTYPE_6);
}

void ndisc_solicit(struct inet *in, const struct inet_addr *a, const uint8_t *mac)
{
    const struct inet_addr *src = route_source(in, a, a);
    struct inet_addr group = solicited_node(a);
    struct frame *f;

    f = src != NULL ? neighbour_message(in, ND_NEIGHBOUR_ASK, 0, a, OPTION_SOURCE_LINK) : NULL;
    if (f == NULL)
        return;
    if (mac != NULL)
        send_direct(in, src, a, mac, f);
    else
        icmp_send(in, src, &group, ND_TTL, f);
}

/* Are there routers? Asked until one has answered, but not for ever (section 6.3.7). */
static void solicit_routers(struct timer *t, void *arg)
{
    struct inet *in = arg;
    struct inet_stack *s = stack_of(in);
    struct inet_addr local = inet_link_local(in);
    struct frame *f;
    uint8_t *h;

    (void)t;
    if (s->solicits == in->cfg.router_solicits)
        return;
    s->solicits++;
    timer_arm(in->env.timers, &s->solicit_timer, in->env.now_ns + ROUTER_ASK_NS, solicit_routers, in);
    f = route_local(in, &local) != NULL ? ip_frame(in) : NULL;
    if (f == NULL)
        return;
    put_link_option(in, f, OPTION_SOURCE_LINK);
    h = (uint8_t *)frame_push(f, 8);
    memset(h, 0, 8);
    h[0] = ND_ROUTER_SOLICIT;
    icmp_send(in, &local, &all_routers, ND_TTL, f);
}

/* Who has it, asked from nobody's address (RFC 4862, section 5.4.2), and for a link-local address: where are routers?
 */
void ndisc_announce(struct inet *in, const struct inet_addr *a)
{
    struct inet_addr group = solicited_node(a), any = INET_ANY6;
    struct frame *f = neighbour_message(in, ND_NEIGHBOUR_ASK, 0, a, 0);

    if (f != NULL)
        icmp_send(in, &any, &group, ND_TTL, f);
    if (inet_addr_is_link_local6(a)) {
        stack_of(in)->solicits = 0;
        solicit_routers(NULL, in);
    }
}

/* The option of a type among the len bytes at o, or NULL; *good false: one is malformed. */
static const uint8_t *find_option(const uint8_t *o, uint32_t len, uint8_t type, uint32_t bytes, bool *good)
{
    const uint8_t *found = NULL;

    *good = true;
    while (len > 0) {
        uint32_t n = len >= 2 ? o[1] * 8u : 0;

        if (n == 0 || n > len) {
            *good = false; /* section 4.6: the whole message is dropped */
            return NULL;
        }
        if (o[0] == type && n >= bytes && found == NULL)
            found = o;
        o += n;
        len -= n;
    }
    return found;
}

static void answer(struct inet *in, const struct ip_packet *p, const struct inet_addr *target, const uint8_t *link)
{
    bool nobody = inet_addr_is_any(&p->src);
    uint8_t flags = nobody ? ADVERT_OVERRIDE : ADVERT_OVERRIDE | ADVERT_SOLICITED;
    struct frame *f = neighbour_message(in, ND_NEIGHBOUR_ADVERT, flags, target, OPTION_TARGET_LINK);

    if (f == NULL)
        return;
    INET_COUNT(in, arp_replies);
    if (nobody)
        icmp_send(in, target, &all_nodes, ND_TTL, f);
    else if (link != NULL)
        send_direct(in, target, &p->src, link, f);
    else
        icmp_send(in, target, &p->src, ND_TTL, f);
}

/* Section 7.2.3. */
static void solicit_input(struct inet *in, const struct ip_packet *p)
{
    struct inet_addr target = inet_addr_from6(p->data + 8);
    bool nobody = inet_addr_is_any(&p->src), good;
    const uint8_t *o = find_option(p->data + 24, p->len - 24, OPTION_SOURCE_LINK, 8, &good);
    struct inet_addr group = solicited_node(&target);
    struct local_addr *l = route_local(in, &target);

    if (!good || inet_addr_is_multicast(&target) || (nobody && (o != NULL || !inet_addr_equal(&p->dst, &group))) ||
        (o != NULL && (o[2] & 1) != 0)) {
        INET_DROP(in, drop_ndisc_bad);
        return;
    }
    if (l == NULL)
        return; /* somebody else's */
    if (o != NULL)
        neigh_learn(in, &p->src, o + 2, false, true, true);
    answer(in, p, &target, o != NULL ? o + 2 : NULL);
}

/* Section 7.2.5. */
static void advert_input(struct inet *in, const struct ip_packet *p)
{
    struct inet_addr target = inet_addr_from6(p->data + 8);
    uint8_t flags = p->data[4];
    bool good;
    const uint8_t *o = find_option(p->data + 24, p->len - 24, OPTION_TARGET_LINK, 8, &good);
    struct local_addr *l = route_local(in, &target);

    if (!good || inet_addr_is_multicast(&target) ||
        ((flags & ADVERT_SOLICITED) != 0 && (p->flags & IP_TO_GROUP) != 0) || (o != NULL && (o[2] & 1) != 0)) {
        INET_DROP(in, drop_ndisc_bad);
        return;
    }
    if (l != NULL) {
        INET_COUNT(in, arp_conflicts);
        return;
    }
    if (o != NULL)
        neigh_learn(in, &target, o + 2, (flags & ADVERT_SOLICITED) != 0, false, (flags & ADVERT_OVERRIDE) != 0);
}

/* What the link takes, how far packets go: what a router says about IPv6 on this link (section 6.3.4). */
static void learn_link(struct inet *in, uint8_t hops, const uint8_t *mtu_option)
{
    uint32_t mtu = mtu_option != NULL ? get32(mtu_option + 4) : 0;
    uint16_t mtu6 = mtu >= IP_MTU_MIN6 && mtu <= in->cfg.mtu ? (uint16_t)mtu : in->mtu6;

    if (hops == 0)
        hops = in->hops6; /* it does not say */
    if (mtu6 == in->mtu6 && hops == in->hops6)
        return;
    in->mtu6 = mtu6;
    in->hops6 = hops;
    inet_changed(in);
}

/* A router says for how long it forwards (section 6.3.4). */
static void learn_router(struct inet *in, const struct inet_addr *router, uint16_t life_s)
{
    struct inet_stack *s = stack_of(in);
    struct inet_addr any = INET_ANY6;
    struct route *r = NULL;

    for (unsigned i = 0; i < INET_ROUTES; i++)
        if (s->route[i].used && s->route[i].learnt && inet_addr_equal(&s->route[i].gateway, router))
            r = &s->route[i];
    if (life_s == 0) {
        if (r != NULL) {
            r->used = false;
            inet_changed(in);
        }
        return;
    }
    if (r == NULL)
        r = route_put(in, &any, 0, router);
    if (r == NULL)
        return;
    r->learnt = true;
    r->until_ns = in->env.now_ns + life_s * NS_PER_S;
    inet_changed(in);
    ndisc_expire(in);
}

/* The interface's half of an address: the modified EUI-64 of its link address (RFC 4291, appendix A). */
static void interface_id(const struct inet *in, uint8_t *to)
{
    const uint8_t *m = in->cfg.mac;
    const uint8_t id[8] = {m[0] ^ 2, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]};

    memcpy(to, id, 8);
}

struct inet_addr inet_link_local(const struct inet *in)
{
    struct inet_addr a = {{{0xfe, 0x80}}};

    interface_id(in, a.b + 8);
    return a;
}

/* RFC 4862, section 5.5.3: a lifetime that is already less than two hours cannot be cut to nothing by a forger. */
static uint64_t prefix_end(const struct inet *in, const struct local_addr *l, uint64_t life_ns)
{
    uint64_t left = l->until_ns > in->env.now_ns ? l->until_ns - in->env.now_ns : 0;

    if (life_ns > TWO_HOURS_NS || life_ns > left)
        return in->env.now_ns + life_ns;
    return left <= TWO_HOURS_NS ? l->until_ns : in->env.now_ns + TWO_HOURS_NS;
}

static void learn_prefix(struct inet *in, const uint8_t *o)
{
    struct inet_addr a = inet_addr_from6(o + 16);
    uint64_t life_ns = get32(o + 4) * NS_PER_S;
    struct local_addr *l;

    if ((o[3] & PREFIX_AUTONOMOUS) == 0 || o[2] != 64 || inet_addr_is_link_local6(&a) || inet_addr_is_multicast(&a) ||
        get32(o + 8) > get32(o + 4))
        return;
    interface_id(in, a.b + 8);
    l = route_local(in, &a);
    if (l == NULL) {
        if (life_ns == 0 || inet_addr_add(in, &a, 64) != 0)
            return;
        l = route_local(in, &a);
        l->autoconf = true;
        l->until_ns = in->env.now_ns + life_ns;
    } else if (l->autoconf) {
        l->until_ns = prefix_end(in, l, life_ns);
    }
    ndisc_expire(in);
}

static void router_input(struct inet *in, const struct ip_packet *p)
{
    const uint8_t *o;
    uint32_t left;
    bool good;

    if (p->len < 16 || !inet_addr_is_link_local6(&p->src)) {
        INET_DROP(in, drop_ndisc_bad);
        return;
    }
    o = find_option(p->data + 16, p->len - 16, OPTION_SOURCE_LINK, 8, &good);
    if (!good || (o != NULL && (o[2] & 1) != 0)) {
        INET_DROP(in, drop_ndisc_bad);
        return;
    }
    if (o != NULL)
        neigh_learn(in, &p->src, o + 2, false, true, true);
    timer_cancel(in->env.timers, &stack_of(in)->solicit_timer);
    learn_link(in, p->data[4], find_option(p->data + 16, p->len - 16, OPTION_MTU, 8, &good));
    learn_router(in, &p->src, get16(p->data + 6));
    for (o = p->data + 16, left = p->len - 16; left > 0; left -= o[1] * 8u, o += o[1] * 8u)
        if (o[0] == OPTION_PREFIX && o[1] == 4)
            learn_prefix(in, o);
}

void ndisc_input(struct inet *in, const struct ip_packet *p)
{
    if (p->ttl != ND_TTL || p->data[1] != 0 || (p->flags & IP_TO_SELF) != 0) {
        INET_DROP(in, drop_ndisc_bad);
        return;
    }
    switch (p->data[0]) {
    case ND_ROUTER_ADVERT:
        router_input(in, p);
        return;
    case ND_NEIGHBOUR_ASK:
    case ND_NEIGHBOUR_ADVERT:
        if (p->len < 24)
            INET_DROP(in, drop_ndisc_bad);
        else if (p->data[0] == ND_NEIGHBOUR_ASK)
            solicit_input(in, p);
        else
            advert_input(in, p);
        return;
    default: /* solicitations of routers are for routers; redirects are not taken, as with IPv4 */
        INET_DROP(in, drop_icmp_type);
        return;
    }
}

static void expire_fire(struct timer *t, void *arg)
{
    (void)t;
    ndisc_expire(arg);
}

void ndisc_expire(struct inet *in)
{
    struct inet_stack *s = stack_of(in);
    uint64_t now = in->env.now_ns, next = UINT64_MAX;

    for (unsigned i = 0; i < INET_ADDRS; i++) {
        struct local_addr *l = &s->addr[i];

        if (l->used && l->autoconf && l->until_ns <= now) {
            l->used = false;
            route_addrs_changed(in);
        } else if (l->used && l->autoconf && l->until_ns < next) {
            next = l->until_ns;
        }
    }
    for (unsigned i = 0; i < INET_ROUTES; i++) {
        struct route *r = &s->route[i];

        if (r->used && r->learnt && r->until_ns <= now) {
            r->used = false;
            inet_changed(in);
        } else if (r->used && r->learnt && r->until_ns < next) {
            next = r->until_ns;
        }
    }
    if (next == UINT64_MAX)
        timer_cancel(in->env.timers, &s->expire_timer);
    else
        timer_arm(in->env.timers, &s->expire_timer, next, expire_fire, in);
}
