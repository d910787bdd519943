/* SPDX-License-Identifier: MIT */
/*
 * Fragments, both families: cutting (RFC 791 section 2.3, RFC 8200 section 4.5) and putting together.
 *
 * Bounds: FRAG_PACKETS packets wait at a time, of FRAG_PIECES fragments in all, for 30 seconds at most. A fragment that
 * overlaps another takes the whole packet with it (RFC 5722); an exact repetition is ignored. Fragments keep the
 * device's buffers by reference until the packet is whole, and are then copied together once.
 */
#include "internal.h"

#define FRAG_NS       (30 * NS_PER_S)
#define FRAG_DATA_MAX 65535
#define FRAG6_HEADER  8

struct piece {
    void *obj; /* one reference */
    uint8_t *data;
    uint32_t offset, len;
};

struct frag_packet {
    struct inet *in;
    struct timer timer;
    struct inet_addr src, dst;
    uint64_t since_ns;
    uint32_t id;
    uint32_t total;  /* bytes of data; 0: the last fragment is not here yet */
    uint32_t have;   /* bytes of the pieces */
    uint32_t header; /* bytes of the first fragment's headers, in front of its data */
    uint8_t proto, ttl, tos, flags;
    bool used;
    uint16_t count;
    struct piece piece[FRAG_PIECES / 2]; /* in order of their places */
};

int frag_init(struct inet *in)
{
    struct inet_stack *s = stack_of(in);

    s->frag = in->env.reserve(in->env.ctx, FRAG_PACKETS * sizeof(*s->frag));
    return s->frag != NULL ? 0 : -ENOMEM;
}

static void packet_free(struct inet *in, struct frag_packet *p)
{
    for (unsigned i = 0; i < p->count; i++)
        mem_unref(in->env.mem, p->piece[i].obj);
    stack_of(in)->frag_pieces -= p->count;
    timer_cancel(in->env.timers, &p->timer);
    p->count = 0;
    p->used = false;
}

void frag_fini(struct inet *in)
{
    struct inet_stack *s = stack_of(in);

    for (unsigned i = 0; s->frag != NULL && i < FRAG_PACKETS; i++)
        if (s->frag[i].used)
            packet_free(in, &s->frag[i]);
    if (s->frag != NULL)
        in->env.unreserve(in->env.ctx, s->frag, FRAG_PACKETS * sizeof(*s->frag));
}

/* The time is over. Who sent it learns of it when we have the first fragment (RFC 792, RFC 4443 section 3.3). */
static void packet_fire(struct timer *t, void *arg)
{
    struct frag_packet *p = arg;
    struct inet *in = p->in;

    (void)t;
    INET_COUNT(in, drop_frag_timeout);
    if (p->count > 0 && p->piece[0].offset == 0) {
        struct ip_packet first = {.src = p->src,
                                  .dst = p->dst,
                                  .obj = p->piece[0].obj,
                                  .data = p->piece[0].data,
                                  .len = p->piece[0].len,
                                  .l3 = p->piece[0].data - p->header,
                                  .proto = p->proto,
                                  .flags = p->flags};

        icmp_fragments_exceeded(in, &first);
    }
    packet_free(in, p);
}

static void evict_oldest(struct inet *in)
{
    struct frag_packet *all = stack_of(in)->frag, *oldest = NULL;

    for (unsigned i = 0; i < FRAG_PACKETS; i++)
        if (all[i].used && (oldest == NULL || all[i].since_ns < oldest->since_ns))
            oldest = &all[i];
    if (oldest != NULL) {
        INET_COUNT(in, drop_frag_full);
        packet_free(in, oldest);
    }
}

static struct frag_packet *packet_find(struct inet *in, const struct frag_in *f)
{
    struct frag_packet *all = stack_of(in)->frag;

    for (unsigned i = 0; i < FRAG_PACKETS; i++)
        if (all[i].used && all[i].id == f->id && all[i].proto == f->p.proto &&
            inet_addr_equal(&all[i].src, &f->p.src) && inet_addr_equal(&all[i].dst, &f->p.dst))
            return &all[i];
    return NULL;
}

static struct frag_packet *packet_free_slot(struct inet *in)
{
    struct frag_packet *all = stack_of(in)->frag;

    for (unsigned i = 0; i < FRAG_PACKETS; i++)
        if (!all[i].used)
            return &all[i];
    return NULL;
}

static struct frag_packet *packet_make(struct inet *in, const struct frag_in *f)
{
    struct frag_packet *p = packet_free_slot(in);

    if (p == NULL) {
        evict_oldest(in);
        p = packet_free_slot(in);
    }
    p->in = in;
    p->src = f->p.src;
    p->dst = f->p.dst;
    p->since_ns = in->env.now_ns;
    p->id = f->id;
    p->proto = f->p.proto;
    p->total = p->have = 0;
    p->flags = f->p.flags & (uint8_t)~IP_CSUM_GOOD; /* a device that judged one fragment judged nothing */
    p->tos = f->p.tos;
    p->ttl = f->p.ttl;
    p->used = true;
    p->count = 0;
    timer_arm(in->env.timers, &p->timer, in->env.now_ns + FRAG_NS, packet_fire, p);
    return p;
}

enum fit { FITS, REPEATS, OVERLAPS };

/* Where a piece belongs among those there are. */
static enum fit piece_place(const struct frag_packet *p, uint32_t offset, uint32_t len, unsigned *at)
{
    unsigned i = p->count;

    while (i > 0 && p->piece[i - 1].offset >= offset)
        i--;
    *at = i;
    if (i < p->count && p->piece[i].offset == offset && p->piece[i].len == len)
        return REPEATS;
    if (i < p->count && p->piece[i].offset < offset + len)
        return OVERLAPS;
    if (i > 0 && p->piece[i - 1].offset + p->piece[i - 1].len > offset)
        return OVERLAPS;
    return FITS;
}

static void packet_whole(struct inet *in, struct frag_packet *p)
{
    uint8_t *obj = in->env.alloc(in->env.ctx, FRAME_IN_ROOM + p->header + p->total), *to;
    struct ip_packet whole;

    if (obj == NULL) {
        INET_DROP(in, drop_no_memory);
        packet_free(in, p);
        return;
    }
    to = obj + FRAME_IN_ROOM + p->header;
    memcpy(to - p->header, p->piece[0].data - p->header, p->header); /* for errors that quote it */
    for (unsigned i = 0; i < p->count; i++)
        memcpy(to + p->piece[i].offset, p->piece[i].data, p->piece[i].len);
    whole = (struct ip_packet){.src = p->src,
                               .dst = p->dst,
                               .obj = obj,
                               .data = to,
                               .len = p->total,
                               .l3 = to - p->header,
                               .proto = p->proto,
                               .ttl = p->ttl,
                               .tos = p->tos,
                               .flags = p->flags};
    INET_COUNT(in, frags_whole);
    packet_free(in, p);
    if (inet_addr_is4(&whole.src))
        ip4_whole(in, &whole);
    else
        ip6_whole(in, &whole);
    mem_unref(in->env.mem, obj);
}

/* RFC 3168, section 5.3: one fragment that met congestion marks the packet. */
static void join_ecn(struct frag_packet *p, uint8_t tos)
{
    if ((tos & IP_ECN_MASK) == IP_ECN_CE && (p->tos & IP_ECN_MASK) != IP_ECN_NOT)
        p->tos |= IP_ECN_CE;
}

/* Keeps the piece at its place; the packet has room. */
static void piece_keep(struct inet *in, struct frag_packet *p, const struct frag_in *f, unsigned at)
{
    memmove(&p->piece[at + 1], &p->piece[at], (p->count - at) * sizeof(p->piece[0]));
    p->piece[at] = (struct piece){f->p.obj, f->p.data, f->offset, f->p.len};
    mem_ref(f->p.obj);
    p->count++;
    p->have += f->p.len;
    stack_of(in)->frag_pieces++;
}

static bool frag_possible(const struct frag_in *f)
{
    if (f->p.len == 0 || (f->more && f->p.len % 8 != 0))
        return false;
    return f->offset + f->p.len <= FRAG_DATA_MAX - f->header;
}

/* RFC 8200, section 4.5: a broken length is reported at the payload length, an end too far at the fragment's offset. */
static void report_impossible(struct inet *in, const struct frag_in *f)
{
    if (inet_addr_is4(&f->p.src) || f->p.len == 0)
        return;
    if (f->more && f->p.len % 8 != 0)
        icmp_error(in, &f->p, ICMP6_PARAMETER, ICMP6_PARAMETER_HEADER, 4);
    else
        icmp_error(in, &f->p, ICMP6_PARAMETER, ICMP6_PARAMETER_HEADER, f->header - FRAG6_HEADER + 2);
}

void frag_input(struct inet *in, const struct frag_in *f)
{
    struct frag_packet *p = packet_find(in, f);
    uint32_t end = f->offset + f->p.len;
    enum fit fit;
    unsigned at;

    INET_COUNT(in, frags_in);
    if (!frag_possible(f)) {
        INET_DROP(in, drop_frag_bad);
        report_impossible(in, f);
        return;
    }
    if (p == NULL)
        p = packet_make(in, f);
    if ((!f->more && p->total != 0 && p->total != end) || (p->total != 0 && end > p->total) ||
        (!f->more && p->count > 0 && p->piece[p->count - 1].offset + p->piece[p->count - 1].len > end)) {
        INET_DROP(in, drop_frag_bad); /* they do not agree where it ends */
        packet_free(in, p);
        return;
    }
    fit = piece_place(p, f->offset, f->p.len, &at);
    if (fit == REPEATS)
        return;
    if (fit == OVERLAPS) {
        INET_DROP(in, drop_frag_overlap);
        packet_free(in, p);
        return;
    }
    if (p->count == ARRAY_LEN(p->piece)) {
        INET_DROP(in, drop_frag_full);
        packet_free(in, p);
        return;
    }
    while (stack_of(in)->frag_pieces >= FRAG_PIECES)
        evict_oldest(in);
    if (!p->used)
        return; /* it was the oldest itself */
    piece_keep(in, p, f, at);
    join_ecn(p, f->p.tos);
    if (f->offset == 0)
        p->header = f->header;
    if (!f->more)
        p->total = end;
    if (p->total != 0 && p->have == p->total)
        packet_whole(in, p);
}

/* Adds the bytes [from, from + len) of f's chain to the fragment to. f's own object is the header block's. */
static bool add_range(struct frame *to, struct frame *f, uint32_t from, uint32_t len)
{
    for (unsigned i = 0; i < f->segs && len > 0; i++) {
        const struct frame_seg *s = &f->seg[i];
        uint32_t n;

        if (from >= s->len) {
            from -= s->len;
            continue;
        }
        n = s->len - from < len ? s->len - from : len;
        if (!frame_add(to, s->obj != NULL ? s->obj : f, s->ptr + from, n))
            return false;
        len -= n;
        from = 0;
    }
    return true;
}

static void frag6_header(struct frame *f, uint8_t proto, uint32_t offset, bool more, uint32_t id)
{
    uint8_t *h = (uint8_t *)frame_push(f, FRAG6_HEADER);

    h[0] = proto;
    h[1] = 0;
    put16(h + 2, (uint16_t)(offset | more));
    put32(h + 4, id);
}

static int send_fragment(struct inet *in, struct ip_path *p, struct frame *whole, const struct ip_send *s,
                         uint32_t offset, uint32_t len, uint32_t id)
{
    struct frame *f = ip_frame(in);
    bool more = offset + len < whole->len;
    struct ip_send send = *s;
    struct inet_addr hop;
    enum hop_kind kind;
    int err;

    if (f == NULL)
        return -ENOBUFS;
    err = add_range(f, whole, offset, len) ? route_next_hop(in, &p->remote, &hop, &kind) : -EMSGSIZE;
    if (err < 0) {
        frame_free(in->env.mem, f);
        return err;
    }
    if (p->v6) {
        frag6_header(f, s->proto, offset, more, id);
        send.proto = IP6_NEXT_FRAG;
        ip6_header(f, p, &send);
    } else {
        ip4_header(f, p, &send, (uint16_t)id, (uint16_t)(offset / 8 | (more ? IP4_MF : 0)));
    }
    f->l4 = (uint16_t)f->seg[0].len;
    INET_COUNT(in, frags_out);
    return ip_send_on(in, &hop, kind, f);
}

int ip_fragment(struct inet *in, struct ip_path *p, struct frame *f, const struct ip_send *s)
{
    uint32_t room = (p->mtu - ip_path_header(p) - (p->v6 ? FRAG6_HEADER : 0)) & ~UINT32_C(7);
    uint32_t id = p->v6 ? (uint32_t)in->env.random(in->env.ctx) : stack_of(in)->ip_id++;
    int err = f->len + ip_path_header(p) > FRAG_DATA_MAX ? -EMSGSIZE : 0;

    if (err == 0 && (p->loops || p->neigh != NEIGH_NONE || p->generation != 0 || f->len / room < NEIGH_WAITING)) {
        for (uint32_t at = 0; at < f->len && err == 0; at += room)
            err = send_fragment(in, p, f, s, at, f->len - at < room ? f->len - at : room, id);
    } else if (err == 0) {
        err = -ENOBUFS; /* they would not all find a place behind the resolution: nothing is better than a part */
    }
    if (err == -EMSGSIZE)
        INET_COUNT(in, drop_too_big);
    else if (err == -ENOBUFS)
        INET_COUNT(in, drop_neigh_full);
    frame_free(in->env.mem, f);
    return err;
}
