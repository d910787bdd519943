/* SPDX-License-Identifier: MIT */
/* Our addresses, the networks beyond them, and which way a packet takes. Looked at when a path is made or outdated. */
#include "internal.h"

static bool same_family(const struct inet_addr *a, const struct inet_addr *b)
{
    return inet_addr_is4(a) == inet_addr_is4(b);
}

/* A prefix length of a's own family as one of 16 bytes, or -1. */
static int prefix_of(const struct inet_addr *a, unsigned prefix)
{
    if (inet_addr_is4(a))
        return prefix <= 32 ? (int)prefix + PREFIX4 : -1;
    return prefix <= 128 ? (int)prefix : -1;
}

struct local_addr *route_local(const struct inet *in, const struct inet_addr *a)
{
    struct inet_stack *s = stack_of(in);

    for (unsigned i = 0; i < INET_ADDRS; i++)
        if (s->addr[i].used && inet_addr_equal(&s->addr[i].addr, a))
            return &s->addr[i];
    return NULL;
}

bool ip_is_local(const struct inet *in, const struct inet_addr *a)
{
    return inet_addr_is_loopback(a) || route_local(in, a) != NULL;
}

bool route_is_on_link(const struct inet *in, const struct inet_addr *a)
{
    const struct inet_stack *s = stack_of(in);

    if (!inet_addr_is4(a) && inet_addr_is_link_local6(a))
        return true;
    for (unsigned i = 0; i < INET_ADDRS; i++)
        if (s->addr[i].used && same_family(a, &s->addr[i].addr) &&
            inet_addr_same_prefix(a, &s->addr[i].addr, s->addr[i].prefix))
            return true;
    return false;
}

/* The network's last address; networks of 31 and 32 bits have none (RFC 3021). */
static uint32_t broadcast_of(const struct local_addr *l)
{
    unsigned prefix = l->prefix - PREFIX4;

    return prefix > 30 ? UINT32_MAX : inet_addr_to4(&l->addr) | UINT32_MAX >> prefix;
}

void route_addrs_changed(struct inet *in)
{
    struct inet_stack *s = stack_of(in);

    s->net4_count = 0;
    s->ends4 = 0;
    for (unsigned i = 0; i < INET_ADDRS; i++) {
        const struct local_addr *l = &s->addr[i];

        if (l->used && inet_addr_is4(&l->addr))
            s->net4[s->net4_count++] = (struct net4){htobe32(inet_addr_to4(&l->addr)), htobe32(broadcast_of(l))};
    }
    inet_changed(in);
}

bool route_is_broadcast(const struct inet *in, const struct inet_addr *a)
{
    const struct inet_stack *s = stack_of(in);
    uint32_t wire = htobe32(inet_addr_to4(a));

    if (!inet_addr_is4(a))
        return false;
    if (wire == UINT32_MAX)
        return true;
    for (unsigned i = 0; i < s->net4_count; i++)
        if (s->net4[i].broadcast == wire)
            return true;
    return false;
}

static const struct route *longest_match(const struct inet_stack *s, const struct inet_addr *dst)
{
    const struct route *best = NULL;

    for (unsigned i = 0; i < INET_ROUTES; i++) {
        const struct route *r = &s->route[i];

        if (!r->used || !same_family(dst, &r->net) || !inet_addr_same_prefix(dst, &r->net, r->prefix))
            continue;
        if (r->learnt && r->until_ns <= s->in.env.now_ns)
            continue;
        if (best == NULL || r->prefix > best->prefix)
            best = r;
    }
    return best;
}

int route_next_hop(struct inet *in, const struct inet_addr *dst, struct inet_addr *hop, enum hop_kind *kind)
{
    const struct route *r;

    *hop = *dst;
    if (ip_is_local(in, dst))
        *kind = HOP_SELF;
    else if (inet_addr_is_multicast(dst))
        *kind = HOP_MULTICAST;
    else if (route_is_broadcast(in, dst))
        *kind = HOP_BROADCAST;
    else
        *kind = HOP_NEIGHBOUR;
    if (*kind != HOP_NEIGHBOUR || route_is_on_link(in, dst))
        return 0;
    r = longest_match(stack_of(in), dst);
    if (r == NULL)
        return -ENETUNREACH;
    *hop = r->gateway;
    return 0;
}

/* How well source suits for dst by way of hop (a subset of RFC 6724, section 5); 0: not at all. */
static unsigned suits(const struct local_addr *l, const struct inet_addr *dst, const struct inet_addr *hop)
{
    unsigned score = 1;

    if (!l->used || !same_family(&l->addr, dst))
        return 0;
    if (!inet_addr_is4(dst)) {
        bool local = inet_addr_is_link_local6(dst) || (inet_addr_is_multicast(dst) && (dst->b[1] & 15) <= 2);

        if (inet_addr_is_link_local6(&l->addr) == local)
            score += 256; /* rule 2: the scope fits */
        else if (!local)
            return 0; /* a link-local source does not get beyond the link */
    }
    if (inet_addr_same_prefix(hop, &l->addr, l->prefix))
        score += l->prefix;
    return score;
}

const struct inet_addr *route_source(struct inet *in, const struct inet_addr *dst, const struct inet_addr *hop)
{
    const struct inet_stack *s = stack_of(in);
    const struct inet_addr *best = NULL;
    unsigned best_score = 0;

    for (unsigned i = 0; i < INET_ADDRS; i++) {
        unsigned score = suits(&s->addr[i], dst, hop);

        if (score > best_score) {
            best_score = score;
            best = &s->addr[i].addr;
        }
    }
    return best;
}

/* What a station can have as its own. */
static bool can_be_ours(const struct inet_addr *a)
{
    if (inet_addr_is_any(a) || inet_addr_is_multicast(a) || inet_addr_is_loopback(a))
        return false;
    return !inet_addr_is4(a) || a->b[12] < 224;
}

int inet_addr_add(struct inet *in, const struct inet_addr *a, unsigned prefix)
{
    struct inet_stack *s = stack_of(in);
    int bits = prefix_of(a, prefix);

    if (bits < 0 || !can_be_ours(a) || (!inet_addr_is4(a) && in->cfg.mtu < IP_MTU_MIN6))
        return -EINVAL;
    if (route_local(in, a) != NULL)
        return -EEXIST;
    for (unsigned i = 0; i < INET_ADDRS; i++) {
        if (s->addr[i].used)
            continue;
        s->addr[i] = (struct local_addr){.addr = *a, .prefix = (uint8_t)bits, .used = true};
        route_addrs_changed(in);
        if (inet_addr_is4(a))
            arp_announce(in, a);
        else
            ndisc_announce(in, a);
        return 0;
    }
    return -ENOSPC;
}

int inet_addr_remove(struct inet *in, const struct inet_addr *a)
{
    struct local_addr *l = route_local(in, a);

    if (l == NULL)
        return -EINVAL;
    l->used = false;
    route_addrs_changed(in);
    return 0;
}

static struct route *find_route(struct inet_stack *s, const struct inet_addr *net, int bits)
{
    for (unsigned i = 0; i < INET_ROUTES; i++) {
        struct route *r = &s->route[i];

        if (r->used && r->prefix == bits && inet_addr_same_prefix(&r->net, net, r->prefix))
            return r;
    }
    return NULL;
}

struct route *route_put(struct inet *in, const struct inet_addr *net, unsigned bits, const struct inet_addr *gateway)
{
    struct inet_stack *s = stack_of(in);

    for (unsigned i = 0; i < INET_ROUTES; i++) {
        if (s->route[i].used)
            continue;
        s->route[i] = (struct route){.net = *net, .gateway = *gateway, .prefix = (uint8_t)bits, .used = true};
        inet_changed(in);
        return &s->route[i];
    }
    return NULL;
}

int inet_route_add(struct inet *in, const struct inet_addr *net, unsigned prefix, const struct inet_addr *gateway)
{
    int bits = prefix_of(net, prefix);

    if (bits < 0 || !same_family(net, gateway) || !can_be_ours(gateway) || ip_is_local(in, gateway))
        return -EINVAL;
    if (find_route(stack_of(in), net, bits) != NULL)
        return -EEXIST;
    return route_put(in, net, (unsigned)bits, gateway) != NULL ? 0 : -ENOSPC;
}

int inet_route_remove(struct inet *in, const struct inet_addr *net, unsigned prefix)
{
    int bits = prefix_of(net, prefix);
    struct route *r = bits < 0 ? NULL : find_route(stack_of(in), net, bits);

    if (r == NULL)
        return -EINVAL;
    r->used = false;
    inet_changed(in);
    return 0;
}
