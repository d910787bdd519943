/* SPDX-License-Identifier: MIT */
/* Headers of the usual kind on their way out, inlined where segments are made. */
#ifndef INET_TCP_EMIT_H
#define INET_TCP_EMIT_H

#include "ip_out.h"
#include "tcp_conn.h"

#define TCP_CSUM_OFFSET 16

/* Right edge that the buffer has room for, as far as the window field can say. */
static inline uint32_t tcp_window_edge(const struct tcp_conn *c)
{
    uint32_t used = c->rcv.ready_bytes, most = (uint32_t)UINT16_MAX << c->rcv_wscale;
    uint32_t room = used < c->set.rcvbuf ? c->set.rcvbuf - used : 0;

    return c->rcv_nxt + (room < most ? room : most);
}

/* How far the window could be opened beyond what the peer knows. */
static inline uint32_t tcp_window_gain(const struct tcp_conn *c)
{
    uint32_t edge = tcp_window_edge(c);

    return seq_gt(edge, c->rcv_adv) ? edge - c->rcv_adv : 0;
}

/* Moves the right edge that is advertised; returns the window field that says so. */
static inline uint16_t tcp_window_field(struct tcp_conn *c)
{
    uint32_t gain = tcp_window_gain(c), unit = UINT32_C(1) << c->rcv_wscale, field;
    uint32_t step = c->set.rcvbuf / 2 < c->mss ? c->set.rcvbuf / 2 : c->mss;

    /* RFC 9293 section 3.8.6.2.2: the edge moves by a segment or half the buffer; it never goes back. */
    if (gain > 0 && gain >= step)
        c->rcv_adv += gain;
    field = (tcp_rcv_wnd(c) + unit - 1) >> c->rcv_wscale;
    if (field > UINT16_MAX)
        field = UINT16_MAX;
    if (seq_gt(c->rcv_nxt + (field << c->rcv_wscale), c->rcv_adv))
        c->rcv_adv = c->rcv_nxt + (field << c->rcv_wscale); /* rounding must not take back what was said */
    return (uint16_t)field;
}

/* Puts a header without SACK in front of f, and says what it sums up to and how long it is. */
static inline void tcp_put_header(struct tcp_conn *c, struct frame *f, uint32_t seq, uint8_t flags, struct ip_send *how)
{
    unsigned len = (c->flags & TCPF_TS) != 0 ? TCP_HEADER_MIN + TCP_TS_BYTES : TCP_HEADER_MIN;
    uint8_t *h = (uint8_t *)frame_push(f, len);
    uint32_t w[TCP_HEADER_MIN / 4] = {htobe32((uint32_t)c->pair.local_port << 16 | c->pair.remote_port), htobe32(seq),
                                      htobe32(c->rcv_nxt),
                                      htobe32(len << 26 | (uint32_t)flags << 16 | tcp_window_field(c)), 0};

    how->sum = (uint64_t)w[0] + w[1] + w[2] + w[3];
    how->summed = (uint16_t)len;
    memcpy(h, w, sizeof(w));
    if (LIKELY(len != TCP_HEADER_MIN)) {
        uint32_t ts[3] = {htobe32(TCP_TS_ALIGNED), htobe32(tcp_ts_now(c)), htobe32(c->ts_recent)};

        how->sum += (uint64_t)ts[0] + ts[1] + ts[2];
        memcpy(h + TCP_HEADER_MIN, ts, sizeof(ts));
    }
}

#define TCP_TS_HEADER (TCP_HEADER_MIN + TCP_TS_BYTES)

/* Is a segment with len bytes of new data one that tcp_emit writes itself: timestamps alone, nothing to be told? */
static inline bool tcp_emit_is_usual(const struct tcp_conn *c, uint32_t len)
{
    return (c->flags & (TCPF_TS | TCPF_ECE | TCPF_DSACK)) == TCPF_TS &&
           (c->flags & (TCPF_ECN | TCPF_CWR)) != (TCPF_ECN | TCPF_CWR) && c->rcv.runs == 0 &&
           c->path.generation == c->tcp->in->generation &&
           len + TCP_TS_HEADER + ip_path_header(&c->path) <= c->path.mtu;
}

/* The transport checksum of the header that sums up to `sum` and its data, or what the device needs of it. */
static inline uint16_t tcp_emit_checksum(const struct tcp_conn *c, struct frame *f, uint64_t sum, const char *data,
                                         uint32_t len)
{
    uint64_t pseudo = c->path.sum + checksum_pseudo_rest(IPPROTO_TCP, len + TCP_TS_HEADER);
    uint16_t value;

    if ((tcp_env(c)->offload & INET_TX_CSUM) != 0) {
        f->flags = FRAME_CSUM;
        return checksum_fold(pseudo);
    }
    sum += pseudo;
    value = checksum_finish(len > 0 ? checksum_add(sum, data, len) : sum);
    return UNLIKELY(value == 0) && c->path.v6 ? 0xffff : value;
}

/*
 * Sends a segment of which tcp_emit_is_usual holds, in the frame that f, an object of that size, becomes: all headers
 * and the frame's description are written once. len bytes at data in obj, none: NULL; the reference is made. ect: it is
 * of a transport that knows ECN. As ip_output.
 */
static inline int tcp_emit(struct tcp_conn *c, struct frame *f, uint32_t seq, uint8_t flags, void *obj, char *data,
                           uint32_t len, bool ect)
{
    struct ip_send how = {.proto = IPPROTO_TCP, .tos = ect ? IP_ECN_ECT0 : IP_ECN_NOT};
    uint8_t *h = (uint8_t *)f->room + FRAME_HEADROOM - TCP_TS_HEADER, *link;
    uint32_t word[TCP_TS_HEADER / 4] = {
        htobe32((uint32_t)c->pair.local_port << 16 | c->pair.remote_port),
        htobe32(seq),
        htobe32(c->rcv_nxt),
        htobe32((uint32_t)TCP_TS_HEADER << 26 | (uint32_t)flags << 16 | tcp_window_field(c)),
        0,
        htobe32(TCP_TS_ALIGNED),
        htobe32(tcp_ts_now(c)),
        htobe32(c->ts_recent)};
    uint64_t sum = (uint64_t)word[0] + word[1] + word[2] + word[3] + word[5] + word[6] + word[7];
    uint16_t check;

    f->next = NULL;
    f->flags = f->mss = 0;
    f->csum = TCP_CSUM_OFFSET;
    f->segs = 1;
    if (len > 0) {
        mem_ref(obj);
        f->segs = 2;
        f->seg[1] = (struct frame_seg){obj, data, len};
    }
    check = tcp_emit_checksum(c, f, sum, data, len);
    link = ip_out_headers(f, &c->path, &how, h, len + TCP_TS_HEADER, 0, IP4_DF);
    f->seg[0] = (struct frame_seg){NULL, (char *)link, f->l4 + TCP_TS_HEADER};
    f->len = f->l4 + TCP_TS_HEADER + len;
    memcpy(h, word, sizeof(word));
    memcpy(h + TCP_CSUM_OFFSET, &check, sizeof(check));
    INET_COUNT(c->tcp->in, tcp_segs_out);
    return eth_transmit(c->tcp->in, f);
}

#endif /* INET_TCP_EMIT_H */
