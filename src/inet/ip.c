/* SPDX-License-Identifier: MIT */
/* The way out, both families: paths, the network header, next hops; and what a packet to ourselves takes. */
#include "internal.h"

void ip_register(struct inet *in, uint8_t proto, const struct ip_transport *t)
{
    assert(proto == IPPROTO_TCP || proto == IPPROTO_UDP);
    in->transport[proto == IPPROTO_UDP] = *t;
}

struct frame *ip_frame(struct inet *in)
{
    void *obj = in->env.alloc(in->env.ctx, sizeof(struct frame));

    if (UNLIKELY(obj == NULL)) {
        INET_COUNT(in, drop_no_memory);
        return NULL;
    }
    return frame_init(obj);
}

static bool source_is_ours(const struct inet *in, const struct inet_addr *local)
{
    return route_local(in, local) != NULL || inet_addr_is_loopback(local);
}

int ip_path_init(struct inet *in, struct ip_path *p, const struct inet_addr *local, const struct inet_addr *remote)
{
    const struct inet_addr *source;
    struct inet_addr hop;
    enum hop_kind kind;
    int err;

    memset(p, 0, sizeof(*p));
    p->remote = *remote;
    p->v6 = !inet_addr_is4(remote);
    p->neigh = NEIGH_NONE;
    err = inet_addr_is_any(remote) ? -ENETUNREACH : route_next_hop(in, remote, &hop, &kind);
    if (err < 0)
        return err;
    p->loops = kind == HOP_SELF;
    p->mtu = p->loops ? in->cfg.mtu : pmtu_get(in, remote);
    p->hops = p->v6 ? in->hops6 : IP_HOPS;
    if (!inet_addr_is_any(local))
        source = inet_addr_is4(local) == !p->v6 && source_is_ours(in, local) ? local : NULL;
    else
        source = p->loops ? remote : route_source(in, remote, &hop);
    if (source == NULL)
        return -EADDRNOTAVAIL;
    p->local = *source;
    p->sum = checksum_fold(checksum_addrs(&p->local, &p->remote));
    return 0;
}

uint16_t ip_path_mtu(struct inet *in, struct ip_path *p)
{
    if (UNLIKELY(p->generation != in->generation && !p->loops))
        p->mtu = pmtu_get(in, &p->remote);
    return p->mtu;
}

void ip_path_lower_mtu(struct inet *in, struct ip_path *p, uint16_t mtu)
{
    pmtu_set(in, &p->remote, mtu);
}

void ip_path_raise_mtu(struct inet *in, struct ip_path *p, uint16_t mtu)
{
    pmtu_raise(in, &p->remote, mtu);
}

/*
 * Looks the way up anew. The link header goes into the path where it is known; else p->generation is 0 and hop and kind
 * say where the packet goes.
 */
static COLD int path_refresh(struct inet *in, struct ip_path *p, struct inet_addr *hop, enum hop_kind *kind)
{
    uint16_t type = p->v6 ? ETHERTYPE_6 : ETHERTYPE_4;
    uint8_t mac[6];
    int err;

    p->generation = 0;
    p->neigh = NEIGH_NONE;
    if (!source_is_ours(in, &p->local))
        return -EADDRNOTAVAIL;
    err = route_next_hop(in, &p->remote, hop, kind);
    if (err < 0)
        return err;
    p->loops = *kind == HOP_SELF;
    if (p->loops) {
        p->mtu = in->cfg.mtu;
        return 0;
    }
    p->mtu = pmtu_get(in, &p->remote);
    p->hops = p->v6 ? in->hops6 : IP_HOPS;
    if (inet_addr_is_loopback(&p->local))
        return -EADDRNOTAVAIL; /* must not leave the host (RFC 1122, section 3.2.1.3 (g)) */
    if (*kind == HOP_NEIGHBOUR) {
        p->neigh = neigh_resolve(in, hop, &err);
        if (p->neigh == NEIGH_NONE)
            return err;
        memcpy(mac, neigh_mac(in, p->neigh), 6);
    } else if (*kind == HOP_BROADCAST) {
        memcpy(mac, eth_broadcast, 6);
    } else {
        eth_group(&p->remote, mac);
    }
    p->link_len = (uint8_t)eth_header(in, p->link, mac, type);
    p->generation = in->generation;
    return 0;
}

/* Completes the transport checksum; f starts with the transport header. */
static void checksum_here(const struct ip_path *p, struct frame *f, const struct ip_send *s)
{
    uint64_t sum = checksum_join(p->sum, checksum_pseudo_rest(s->proto, f->len));
    const struct frame_seg *g = f->seg;
    uint16_t value;
    bool odd = false;

    sum = checksum_join(sum, s->sum);
    if (g->len > s->summed) {
        sum = checksum_add(sum, g->ptr + s->summed, g->len - s->summed);
        odd = (g->len & 1) != 0;
    }
    for (const struct frame_seg *end = f->seg + f->segs; ++g != end;) {
        sum = checksum_add_at(sum, g->ptr, g->len, odd);
        odd ^= (g->len & 1) != 0;
    }
    value = checksum_finish(sum);
    if (value == 0 && (s->proto == IPPROTO_UDP || p->v6))
        value = 0xffff; /* RFC 768: zero says that there is none */
    memcpy(f->seg[0].ptr + s->csum, &value, sizeof(value));
}

/* The transport checksum: left to the device where it can, computed elsewhere. f starts with the transport header. */
static inline void finish_checksum(const struct inet *in, const struct ip_path *p, struct frame *f,
                                   const struct ip_send *s)
{
    uint64_t sum;
    uint16_t value;

    if ((in->env.offload & INET_TX_CSUM) == 0 || p->loops) {
        checksum_here(p, f, s);
        return;
    }
    f->flags |= s->mss != 0 ? FRAME_CSUM | FRAME_TSO : FRAME_CSUM;
    f->mss = s->mss;
    f->csum = s->csum;
    sum = checksum_join(p->sum, checksum_pseudo_rest(s->proto, f->len));
    value = checksum_fold(sum);
    memcpy(f->seg[0].ptr + s->csum, &value, sizeof(value));
}

/* Sends f, whose network header is written, to the next hop. */
int ip_send_on(struct inet *in, const struct inet_addr *hop, enum hop_kind kind, struct frame *f)
{
    uint16_t type = (f->flags & FRAME_V6) != 0 ? ETHERTYPE_6 : ETHERTYPE_4, n;
    uint8_t mac[6];
    int err;

    if (kind == HOP_SELF)
        return ip_loop(in, f);
    if (kind == HOP_BROADCAST)
        return eth_output(in, f, eth_broadcast, type);
    if (kind == HOP_MULTICAST) {
        eth_group(hop, mac);
        return eth_output(in, f, mac, type);
    }
    n = neigh_resolve(in, hop, &err);
    if (n != NEIGH_NONE)
        return eth_output(in, f, neigh_mac(in, n), type);
    if (err == 0)
        return neigh_wait(in, hop, f);
    frame_free(in->env.mem, f);
    return err;
}

/* Bytes of the largest transport segment in f. */
static inline uint32_t packet_size(const struct frame *f, const struct ip_send *s)
{
    return UNLIKELY(s->mss != 0) ? s->mss + f->seg[0].len : f->len;
}

static inline void network_header(struct inet *in, const struct ip_path *p, struct frame *f, const struct ip_send *s)
{
    if (UNLIKELY(p->v6))
        ip6_header(f, p, s);
    else
        ip4_header(f, p, s, s->fragment ? stack_of(in)->ip_id++ : 0, s->fragment ? 0 : IP4_DF);
}

static COLD int refuse(struct inet *in, struct frame *f, int err)
{
    if (err == -EMSGSIZE)
        INET_COUNT(in, drop_too_big);
    else if (err == -EHOSTUNREACH)
        INET_COUNT(in, drop_neigh_failed);
    else if (err == -ENOBUFS)
        INET_COUNT(in, drop_neigh_full);
    else
        INET_COUNT(in, drop_no_route);
    frame_free(in->env.mem, f);
    return err;
}

/* Sends f on a path whose link header is known. */
static inline int send_on_link(struct inet *in, const struct ip_path *p, struct frame *f, const struct ip_send *s)
{
    char *link;

    finish_checksum(in, p, f, s);
    network_header(in, p, f, s);
    link = frame_push(f, p->link_len);
    memcpy(link, p->link, ETH_HEADER);
    if (UNLIKELY(p->link_len != ETH_HEADER))
        memcpy(link + ETH_HEADER, p->link + ETH_HEADER, ETH_TAG);
    f->l3 = p->link_len;
    f->l4 = (uint16_t)(p->link_len + ip_path_header(p));
    return eth_transmit(in, f);
}

/* A packet that its path does not take, or whose path is to be found. */
static COLD int output_slow(struct inet *in, struct ip_path *p, struct frame *f, const struct ip_send *s)
{
    struct inet_addr hop;
    enum hop_kind kind = HOP_NEIGHBOUR;
    int err = 0;

    if (p->generation != in->generation)
        err = path_refresh(in, p, &hop, &kind);
    if (err < 0)
        return refuse(in, f, err);
    if (packet_size(f, s) + ip_path_header(p) > (s->probe ? inet_link_mtu(in, p->v6) : p->mtu)) {
        if (!s->fragment)
            return refuse(in, f, -EMSGSIZE);
        checksum_here(p, f, s);
        return ip_fragment(in, p, f, s);
    }
    if (p->generation != 0)
        return send_on_link(in, p, f, s);
    finish_checksum(in, p, f, s);
    network_header(in, p, f, s);
    f->l3 = 0;
    f->l4 = (uint16_t)ip_path_header(p);
    return ip_send_on(in, &hop, kind, f);
}

int ip_output(struct inet *in, struct ip_path *p, struct frame *f, const struct ip_send *s)
{
    if (UNLIKELY(p->generation != in->generation || packet_size(f, s) + ip_path_header(p) > p->mtu))
        return output_slow(in, p, f, s);
    return send_on_link(in, p, f, s);
}

int ip_loop(struct inet *in, struct frame *f)
{
    struct inet_stack *s = stack_of(in);

    if (in->looping == LOOP_WAITING) {
        INET_COUNT(in, loopback_full);
        frame_free(in->env.mem, f);
        return -ENOBUFS;
    }
    f->next = NULL;
    if (s->loop_first == NULL)
        s->loop_first = f;
    else
        s->loop_last->next = f;
    s->loop_last = f;
    in->looping++;
    return 0;
}

/* A frame to ourselves becomes one from outside: in one piece. */
static void loop_one(struct inet *in, struct frame *f)
{
    uint8_t *obj = in->env.alloc(in->env.ctx, FRAME_IN_ROOM + f->len);
    bool v6 = (f->flags & FRAME_V6) != 0;
    uint32_t len = f->len;

    if (obj == NULL) {
        INET_COUNT(in, drop_no_memory);
        frame_free(in->env.mem, f);
        return;
    }
    frame_copy(f, (char *)obj + FRAME_IN_ROOM);
    frame_free(in->env.mem, f);
    in->verdict = COUNTER_MAX;
    if (v6)
        ip6_input(in, obj, obj + FRAME_IN_ROOM, len, IP_TO_SELF, 0);
    else
        ip4_input(in, obj, obj + FRAME_IN_ROOM, len, IP_TO_SELF, 0);
    mem_unref(in->env.mem, obj);
}

unsigned inet_poll(struct inet *in)
{
    struct inet_stack *s = stack_of(in);
    unsigned n = in->looping; /* what these send waits for the next turn */

    for (unsigned i = 0; i < n; i++) {
        struct frame *f = s->loop_first;

        s->loop_first = f->next;
        in->looping--;
        loop_one(in, f);
    }
    return n;
}

/* Tells its transport that a frame of ours, without a link header, was not delivered: the neighbour is silent. */
void ip_undelivered(struct inet *in, const struct frame *f)
{
    const uint8_t *p = (const uint8_t *)f->seg[0].ptr;
    struct ip_error e = {.err = EHOSTUNREACH, .link = true};
    uint8_t proto;

    if ((f->flags & FRAME_V6) != 0) {
        e.local = inet_addr_from6(p + 8);
        e.remote = inet_addr_from6(p + 24);
        proto = p[6];
    } else {
        e.local = inet_addr_from4(p + 12);
        e.remote = inet_addr_from4(p + 16);
        proto = p[9];
        if ((get16(p + 6) & IP4_OFFSET) != 0)
            return; /* not the first fragment: it has no transport header */
    }
    e.data = p + f->l4;
    e.len = f->seg[0].len - f->l4;
    if (e.len >= IP_REPORT_BYTES)
        icmp_report(in, &e, proto);
}
