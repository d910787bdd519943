/* SPDX-License-Identifier: MIT */
/*
 * UDP sockets: see udp.h. Two chains of hash buckets: connected sockets by both ends, bound ones by their port, looked
 * at in this order.
 */
#include "udp_socket.h"

/* A datagram that waits, in the room that is free in front of it: at the beginning of its object. */
struct udp_queued {
    struct udp_queued *next;
    char *ptr;
    uint32_t len;
    uint16_t port; /* it came from */
    struct inet_addr from, to;
};
_Static_assert(sizeof(struct udp_queued) <= FRAME_IN_ROOM, "no object of its own is needed");

static struct udp_socket **bound_bucket(struct udp *u, uint16_t port)
{
    return &u->bound[port % UDP_BUCKETS];
}

static struct udp_socket **connected_bucket(struct udp *u, uint16_t port, const struct inet_end *remote)
{
    uint64_t h = (remote->addr.q[0] ^ remote->addr.q[1] ^ (uint64_t)remote->port << 16 ^ port) * u->key;

    return &u->connected[(h >> 40) % UDP_BUCKETS];
}

static struct udp_socket **bucket_of(struct udp_socket *s)
{
    return s->connected ? connected_bucket(s->udp, s->local.port, &s->remote) : bound_bucket(s->udp, s->local.port);
}

/* The place of two ports, a word as on the wire. */
static inline struct udp_recent *recent_of(struct udp *u, uint32_t ports)
{
    return &u->recent[(ports * UINT32_C(0x9e3779b1)) >> (32 - __builtin_ctz(UDP_RECENT))];
}

static void link_in(struct udp_socket *s)
{
    struct udp_socket **b = bucket_of(s);

    memset(s->udp->recent, 0, sizeof(s->udp->recent)); /* whose a datagram is may be another now */
    s->next = *b;
    *b = s;
}

static void link_out(struct udp_socket *s)
{
    struct udp_socket **p = bucket_of(s);

    memset(s->udp->recent, 0, sizeof(s->udp->recent));
    while (*p != s)
        p = &(*p)->next;
    *p = s->next;
}

/* How well an address a socket is bound to suits for dst; 0: not at all. */
static unsigned suits(const struct inet_addr *local, const struct inet_addr *dst)
{
    if (inet_addr_equal(local, dst))
        return 3;
    if (!inet_addr_is_any(local))
        return 0;
    return inet_addr_is4(local) ? (inet_addr_is4(dst) ? 2 : 0) : 1;
}

static struct udp_socket *find_connected(struct udp *u, const struct inet_addr *local, uint16_t port,
                                         const struct inet_end *remote)
{
    for (struct udp_socket *s = *connected_bucket(u, port, remote); s != NULL; s = s->next)
        if (s->local.port == port && s->remote.port == remote->port &&
            inet_addr_equal(&s->remote.addr, &remote->addr) && suits(&s->local.addr, local) > 0)
            return s;
    return NULL;
}

static struct udp_socket *find_bound(struct udp *u, const struct inet_addr *local, uint16_t port)
{
    struct udp_socket *best = NULL;
    unsigned best_score = 0;

    for (struct udp_socket *s = *bound_bucket(u, port); s != NULL; s = s->next) {
        unsigned score = s->local.port == port ? suits(&s->local.addr, local) : 0;

        if (score > best_score) {
            best_score = score;
            best = s;
        }
    }
    return best;
}

static void enqueue(struct udp *u, struct udp_socket *s, const struct udp_datagram *d)
{
    struct inet *in = u->in;
    struct udp_queued *q = d->obj;

    if (s->waiting >= in->cfg.udp_queue) {
        s->dropped++;
        INET_DROP(in, drop_udp_full);
        mem_unref(in->env.mem, d->obj);
        return;
    }
    *q = (struct udp_queued){.ptr = d->ptr, .len = d->len, .port = d->from.port, .from = d->from.addr, .to = d->to};
    if (s->first == NULL)
        s->first = q;
    else
        s->last->next = q;
    s->last = q;
    s->waiting++;
    INET_COUNT(in, udp_in);
}

/* Takes over the reference of d. */
static inline void udp_deliver(struct udp *u, struct udp_socket *s, const struct udp_datagram *d)
{
    if (s->first == NULL && u->up.deliver(s->ctx, d))
        INET_COUNT(u->in, udp_in);
    else
        enqueue(u, s, d);
}

/* Is the checksum of the len bytes good? To send none is allowed over IPv4 only (RFC 768, RFC 8200 section 8.1). */
static inline bool checksum_holds(const struct ip_packet *p, uint32_t len)
{
    if (UNLIKELY(get16(p->data + 6) == 0))
        return inet_addr_is4(&p->src);
    if ((p->flags & IP_CSUM_GOOD) != 0)
        return true;
    return checksum_good(checksum_add(checksum_pseudo(&p->src, &p->dst, IPPROTO_UDP, len), p->data, len));
}

/* A datagram of ends that are known: see ip_transport. */
static bool udp_quick(struct inet *in, void *transport, void *obj, uint8_t *h, uint32_t len, uint32_t device)
{
    struct udp *u = transport;
    uint8_t *p = h + IP4_HEADER;
    struct udp_datagram d;
    struct udp_recent *r;
    uint64_t addrs;
    uint32_t ports, size;

    if (UNLIKELY(len < UDP_HEADER))
        return false;
    memcpy(&addrs, h + 12, sizeof(addrs));
    memcpy(&ports, p, sizeof(ports));
    r = recent_of(u, ports);
    size = get16(p + 4);
    if (UNLIKELY(r->addrs != addrs || r->ports != ports || r->generation != in->generation || r->socket == NULL))
        return false;
    if (UNLIKELY(size < UDP_HEADER || size > len))
        return false;
    if ((device & FRAME_IN_CSUM_L4) == 0 && get16(p + 6) != 0 &&
        !checksum_good(checksum_add(checksum_join(addrs, checksum_pseudo_rest(IPPROTO_UDP, size)), p, size)))
        return false;
    d = (struct udp_datagram){.obj = obj,
                              .ptr = (char *)p + UDP_HEADER,
                              .len = size - UDP_HEADER,
                              .from = {inet_addr_from4(h + 12), get16(p)},
                              .to = inet_addr_from4(h + 16)};
    udp_deliver(u, r->socket, &d);
    return true;
}

/* Notes that p, a packet of IPv4 that is as udp_quick sees them, belongs to s. */
static void remember(struct udp *u, const struct ip_packet *p, struct udp_socket *s)
{
    struct udp_recent *r;
    uint32_t ports;

    if (p->flags & (IP_TO_GROUP | IP_TO_SELF) || !inet_addr_is4(&p->src))
        return;
    memcpy(&ports, p->data, sizeof(ports));
    r = recent_of(u, ports);
    memcpy(&r->addrs, p->l3 + 12, sizeof(r->addrs));
    r->ports = ports;
    r->generation = u->in->generation;
    r->socket = s;
}

static void udp_input(struct inet *in, void *transport, const struct ip_packet *p)
{
    struct udp *u = transport;
    struct udp_datagram d;
    struct udp_socket *s;
    struct inet_end from;
    uint32_t len;

    len = p->len >= UDP_HEADER ? get16(p->data + 4) : 0;
    if (UNLIKELY(len < UDP_HEADER || len > p->len)) {
        INET_DROP(in, drop_udp_bad);
        return;
    }
    if (UNLIKELY(!checksum_holds(p, len))) {
        INET_DROP(in, drop_udp_checksum);
        return;
    }
    from = (struct inet_end){p->src, get16(p->data)};
    s = find_connected(u, &p->dst, get16(p->data + 2), &from);
    if (s == NULL)
        s = find_bound(u, &p->dst, get16(p->data + 2));
    if (UNLIKELY(s == NULL)) {
        INET_DROP(in, drop_udp_port);
        ip_port_unreachable(in, p);
        return;
    }
    remember(u, p, s);
    d = (struct udp_datagram){
        .obj = p->obj, .ptr = (char *)p->data + UDP_HEADER, .len = len - UDP_HEADER, .from = from, .to = p->dst};
    mem_ref(p->obj);
    udp_deliver(u, s, &d);
}

/* Only a connected socket learns of it: another would not know which of its datagrams it is about (RFC 1122, 4.1.3.3).
 */
static bool udp_error(struct inet *in, void *transport, const struct ip_error *e)
{
    struct udp *u = transport;
    struct inet_end remote = {e->remote, get16(e->data + 2)};
    uint16_t port = get16(e->data);
    struct udp_socket *s = find_connected(u, &e->local, port, &remote);

    (void)in;
    if (s != NULL) {
        if (e->err != EMSGSIZE) /* the next one goes in fragments */
            u->up.failed(s->ctx, e->err == EPROTO ? ECONNREFUSED : e->err);
        return true;
    }
    return find_bound(u, &e->local, port) != NULL;
}

struct udp *udp_new(struct inet *in, const struct udp_upcalls *up, int *err)
{
    struct udp *u = in->env.reserve(in->env.ctx, sizeof(*u));
    struct ip_transport t = {udp_quick, udp_input, udp_error, u};

    *err = -ENOMEM;
    if (u == NULL)
        return NULL;
    u->sockets = in->env.reserve(in->env.ctx, in->cfg.udp_sockets * sizeof(*u->sockets));
    if (u->sockets == NULL) {
        in->env.unreserve(in->env.ctx, u, sizeof(*u));
        return NULL;
    }
    u->in = in;
    u->up = *up;
    u->key = in->env.random(in->env.ctx) | 1;
    ip_register(in, IPPROTO_UDP, &t);
    *err = 0;
    return u;
}

void udp_free(struct udp *u)
{
    struct inet *in = u->in;
    struct ip_transport none = {0};

    for (uint32_t i = 0; i < u->carved; i++)
        if (u->sockets[i].open)
            udp_close(&u->sockets[i]);
    ip_register(in, IPPROTO_UDP, &none);
    in->env.unreserve(in->env.ctx, u->sockets, in->cfg.udp_sockets * sizeof(*u->sockets));
    in->env.unreserve(in->env.ctx, u, sizeof(*u));
}

struct udp_socket *udp_open(struct udp *u, void *ctx)
{
    struct udp_socket *s = u->free;

    if (s != NULL) {
        u->free = s->next;
    } else if (u->carved < u->in->cfg.udp_sockets) {
        s = &u->sockets[u->carved++];
    } else {
        INET_COUNT(u->in, udp_full);
        return NULL;
    }
    *s = (struct udp_socket){.udp = u, .ctx = ctx, .open = true};
    return s;
}

void udp_close(struct udp_socket *s)
{
    struct udp *u = s->udp;
    struct udp_datagram d;

    while (udp_recv(s, &d))
        mem_unref(u->in->env.mem, d.obj);
    if (s->bound) {
        link_out(s);
        inet_give_port(&u->in->env, IPPROTO_UDP, s->local.port);
    }
    s->open = s->bound = false;
    s->next = u->free;
    u->free = s;
}

static bool overlap(const struct inet_addr *a, const struct inet_addr *b)
{
    return inet_addr_equal(a, b) || suits(a, b) > 0 || suits(b, a) > 0;
}

static bool port_taken(struct udp *u, const struct inet_addr *a, uint16_t port)
{
    for (const struct udp_socket *s = *bound_bucket(u, port); s != NULL; s = s->next)
        if (s->local.port == port && overlap(a, &s->local.addr))
            return true;
    return false;
}

/* Has a socket a conversation with remote from port? An answer would be taken for that one's. */
static bool talks_to(struct udp *u, uint16_t port, const struct inet_end *remote)
{
    for (const struct udp_socket *s = *connected_bucket(u, port, remote); s != NULL; s = s->next)
        if (s->local.port == port && s->remote.port == remote->port && inet_addr_equal(&s->remote.addr, &remote->addr))
            return true;
    return false;
}

/* A port nobody is bound to at a, or talks to remote from (NULL: to nobody), taken; 0: none. */
static uint16_t port_pick(struct udp *u, const struct inet_addr *a, const struct inet_end *remote)
{
    uint32_t count = UDP_PORT_HIGH - UDP_PORT_LOW + 1;
    uint32_t first = (uint32_t)(u->in->env.random(u->in->env.ctx) % count);

    for (uint32_t i = 0; i < count; i++) {
        struct inet_end end = {*a, (uint16_t)(UDP_PORT_LOW + (first + i) % count)};

        if (!port_taken(u, a, end.port) && (remote == NULL || !talks_to(u, end.port, remote)) &&
            inet_take_port(&u->in->env, IPPROTO_UDP, &end, NULL, true) == 0)
            return end.port;
    }
    return 0;
}

static int bind_at(struct udp_socket *s, const struct inet_end *local, const struct inet_end *remote)
{
    struct udp *u = s->udp;
    uint16_t port = local->port;
    int err;

    if (s->bound)
        return -EINVAL;
    if (!inet_addr_is_any(&local->addr) && !ip_is_local(u->in, &local->addr))
        return -EADDRNOTAVAIL;
    if (port != 0 && port_taken(u, &local->addr, port))
        return -EADDRINUSE;
    if (port != 0) {
        err = inet_take_port(&u->in->env, IPPROTO_UDP, local, NULL, false);
        if (err != 0)
            return err;
    } else {
        port = port_pick(u, &local->addr, remote);
    }
    if (port == 0)
        return -EADDRNOTAVAIL;
    s->local = (struct inet_end){local->addr, port};
    s->bound = true;
    link_in(s);
    return 0;
}

int udp_bind(struct udp_socket *s, const struct inet_end *local)
{
    return bind_at(s, local, NULL);
}

int udp_bind_for(struct udp_socket *s, const struct inet_end *remote)
{
    struct inet_end any = {inet_addr_is4(&remote->addr) ? INET_ANY4 : INET_ANY6, 0};

    return s->bound ? 0 : bind_at(s, &any, remote);
}

int udp_path_to(struct udp_socket *s, const struct inet_addr *remote)
{
    struct inet_addr any = inet_addr_is4(remote) ? INET_ANY4 : INET_ANY6;
    const struct inet_addr *local = inet_addr_is_any(&s->local.addr) ? &any : &s->local.addr;
    int err = ip_path_init(s->udp->in, &s->path, local, remote);

    s->has_path = err == 0;
    return err;
}

int udp_connect(struct udp_socket *s, const struct inet_end *remote)
{
    int err;

    if (remote->port == 0 || inet_addr_is_any(&remote->addr))
        return -EINVAL;
    err = udp_bind_for(s, remote);
    if (err == 0)
        err = udp_path_to(s, &remote->addr);
    if (err != 0)
        return err;
    if (find_connected(s->udp, &s->path.local, s->local.port, remote) != NULL)
        return -EADDRINUSE;
    link_out(s);
    s->local.addr = s->path.local;
    s->remote = *remote;
    s->connected = true;
    link_in(s);
    return 0;
}

bool udp_is_waiting(const struct udp_socket *s)
{
    return s->first != NULL;
}

bool udp_recv(struct udp_socket *s, struct udp_datagram *d)
{
    struct udp_queued *q = s->first;

    if (q == NULL)
        return false;
    *d = (struct udp_datagram){q, q->ptr, q->len, {q->from, q->port}, q->to};
    s->first = q->next;
    s->waiting--;
    return true;
}

void udp_ends(const struct udp_socket *s, struct inet_end *local, struct inet_end *remote)
{
    *local = s->local;
    *remote = s->remote;
}

uint64_t udp_dropped(const struct udp_socket *s)
{
    return s->dropped;
}
