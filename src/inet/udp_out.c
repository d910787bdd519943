/* SPDX-License-Identifier: MIT */
/* UDP's way out: see udp.h. */
#include "ip_out.h"
#include "udp_socket.h"

#define UDP_MAX4        65507
#define UDP_MAX6        65527
#define UDP_CSUM_OFFSET 6

/* Puts the header in front of f, which has len bytes of payload, and sends it. */
static inline int send_frame(struct udp_socket *s, struct frame *f, uint32_t len, uint16_t port)
{
    struct inet *in = s->udp->in;
    struct ip_send send = {.proto = IPPROTO_UDP, .fragment = true, .csum = UDP_CSUM_OFFSET, .summed = UDP_HEADER};
    uint32_t word[2] = {htobe32((uint32_t)s->local.port << 16 | port), htobe32((len + UDP_HEADER) << 16)};

    memcpy(frame_push(f, UDP_HEADER), word, UDP_HEADER);
    send.sum = (uint64_t)word[0] + word[1];
    INET_COUNT(in, udp_out);
    return ip_out(in, &s->path, f, &send);
}

static int send_on_path(struct udp_socket *s, void *obj, char *ptr, uint32_t len, uint16_t port)
{
    struct frame *f = ip_frame(s->udp->in);

    if (UNLIKELY(f == NULL))
        return -ENOBUFS;
    if (len > 0)
        frame_add(f, obj, ptr, len);
    return send_frame(s, f, len, port);
}

/* What a datagram needs to be sent to *to, which becomes its address where that is NULL. */
static inline int prepare(struct udp_socket *s, uint32_t len, const struct inet_end **to)
{
    int err = 0;

    if (*to == NULL) {
        if (!s->connected)
            return -ENOTCONN;
        *to = &s->remote;
    } else if ((*to)->port == 0 || inet_addr_is_any(&(*to)->addr)) {
        return -EINVAL;
    }
    if (UNLIKELY(len > (inet_addr_is4(&(*to)->addr) ? UDP_MAX4 : UDP_MAX6)))
        return -EMSGSIZE;
    if (UNLIKELY(!s->bound))
        err = udp_bind_for(s, *to);
    if (err == 0 && UNLIKELY(!s->has_path || !inet_addr_equal(&s->path.remote, &(*to)->addr)))
        err = udp_path_to(s, &(*to)->addr);
    return err;
}

int udp_send(struct udp_socket *s, void *obj, char *ptr, uint32_t len, const struct inet_end *to)
{
    int err = prepare(s, len, &to);

    return err == 0 ? send_on_path(s, obj, ptr, len, to->port) : err;
}

/* A copy in an object of its own, for what may have to be cut into fragments, is large, or the first on its path. */
static COLD int send_copied(struct udp_socket *s, const char *ptr, uint32_t len, uint16_t port)
{
    struct inet *in = s->udp->in;
    char *copy = in->env.alloc(in->env.ctx, len > 0 ? len : 1);
    int err;

    if (copy == NULL)
        return -ENOMEM;
    memcpy(copy, ptr, len);
    err = send_on_path(s, copy, copy, len, port);
    mem_unref(in->env.mem, copy);
    return err;
}

/* The checksum of a datagram whose header, still without it, is word and whose len bytes are at data. */
static inline uint16_t emit_checksum(const struct udp_socket *s, struct frame *f, const uint32_t word[2],
                                     const char *data, uint32_t len)
{
    uint64_t sum = s->path.sum + checksum_pseudo_rest(IPPROTO_UDP, len + UDP_HEADER);
    uint16_t value;

    if ((s->udp->in->env.offload & INET_TX_CSUM) != 0) {
        f->flags = FRAME_CSUM;
        return checksum_fold(sum);
    }
    value = checksum_finish(checksum_add(sum + word[0] + word[1], data, len));
    return UNLIKELY(value == 0) ? 0xffff : value; /* RFC 768: zero says that there is none */
}

/*
 * Sends a copy of len bytes, at most UDP_COPY_MAX, in one packet on a path that is up to date: all headers and the
 * frame's description are written once.
 */
static inline int emit(struct udp_socket *s, const char *ptr, uint32_t len, uint16_t port)
{
    struct inet *in = s->udp->in;
    struct ip_send how = {.proto = IPPROTO_UDP};
    uint32_t word[2] = {htobe32((uint32_t)s->local.port << 16 | port), htobe32((len + UDP_HEADER) << 16)};
    struct frame *f = in->env.alloc(in->env.ctx, sizeof(*f) + len);
    uint8_t *h, *link;
    uint16_t check;

    if (UNLIKELY(f == NULL))
        return -ENOMEM;
    h = (uint8_t *)f->room + FRAME_HEADROOM - UDP_HEADER;
    memcpy(f->room + FRAME_HEADROOM, ptr, len);
    f->next = NULL;
    f->flags = f->mss = 0;
    f->csum = UDP_CSUM_OFFSET;
    f->segs = 1;
    check = emit_checksum(s, f, word, f->room + FRAME_HEADROOM, len);
    word[1] |= htobe32(be16toh(check));
    link = ip_out_headers(f, &s->path, &how, h, len + UDP_HEADER, s->path.v6 ? 0 : stack_of(in)->ip_id++, 0);
    f->len = f->l4 + UDP_HEADER + len;
    f->seg[0] = (struct frame_seg){NULL, (char *)link, f->len};
    memcpy(h, word, sizeof(word));
    INET_COUNT(in, udp_out);
    return eth_transmit(in, f);
}

/* May emit send len bytes to `to`? */
static inline bool emit_is_usual(const struct udp_socket *s, uint32_t len, const struct inet_end *to)
{
    return s->path.generation == s->udp->in->generation && s->bound && to->port != 0 &&
           inet_addr_equal(&s->path.remote, &to->addr) && len <= UDP_COPY_MAX &&
           len + UDP_HEADER + ip_path_header(&s->path) <= s->path.mtu;
}

int udp_send_quick(struct udp_socket *s, const char *ptr, uint32_t len, const struct inet_end *to)
{
    const struct inet_end *end = to != NULL ? to : &s->remote; /* port 0 where it is not connected */

    return LIKELY(emit_is_usual(s, len, end)) ? emit(s, ptr, len, end->port) : -EAGAIN;
}

int udp_send_copy(struct udp_socket *s, const char *ptr, uint32_t len, const struct inet_end *to)
{
    int err = udp_send_quick(s, ptr, len, to);

    if (err != -EAGAIN)
        return err;
    err = prepare(s, len, &to);
    if (UNLIKELY(err != 0))
        return err;
    return send_copied(s, ptr, len, to->port);
}

bool udp_goes_at_once(const struct udp_socket *s, const struct inet_end *to)
{
    const struct inet_addr *remote = to != NULL ? &to->addr : &s->remote.addr;

    return s->has_path && s->path.generation == s->udp->in->generation && inet_addr_equal(&s->path.remote, remote);
}
