/* SPDX-License-Identifier: MIT */
#include "tcp_rig.h"

#include <errno.h>
#include <netinet/in.h>

uint8_t pattern_at(uint64_t offset)
{
    uint64_t x = offset * UINT64_C(0x9e3779b97f4a7c15);

    return (uint8_t)(x >> 56 ^ x >> 32);
}

/* --- the application --- */

static void keep(struct sock *s, const void *bytes, uint32_t len)
{
    assert_true(s->got_len + len <= SOCK_BYTES);
    memcpy(s->got + s->got_len, bytes, len);
    s->got_len += len;
}

static void up_incoming(void *ctx)
{
    ((struct tcp_host *)ctx)->incoming++;
}

static void up_connected(void *ctx, int err)
{
    struct sock *s = ctx;

    s->connected++;
    s->connect_err = err;
}

static uint32_t up_deliver(void *ctx, void *obj, char *ptr, uint32_t len)
{
    struct sock *s = ctx;
    uint32_t took = len < s->want ? len : s->want;

    assert_true(ptr >= (char *)obj && ptr + len <= (char *)obj + mem_room(obj));
    keep(s, ptr, took);
    s->want -= took;
    return took;
}

static void up_sent(void *ctx)
{
    ((struct sock *)ctx)->sent++;
}

static void up_ended(void *ctx, int err)
{
    struct sock *s = ctx;

    s->ended++;
    s->end_err = err;
}

static const struct tcp_upcalls upcalls = {
    .incoming = up_incoming,
    .connected = up_connected,
    .deliver = up_deliver,
    .sent = up_sent,
    .ended = up_ended,
};

struct tcp_host *tcp_host_on(struct host *h, const struct tcp_config *cfg)
{
    struct tcp_host *th = calloc(1, sizeof(*th));
    int err;

    th->h = h;
    th->t = tcp_new(h->in, cfg, &upcalls, &err);
    assert_non_null(th->t);
    assert_int_equal(err, 0);
    return th;
}

struct tcp_host *tcp_host_new(uint8_t n, const struct tcp_config *cfg)
{
    struct tcp_host *th = tcp_host_on(host_new(n), cfg);
    struct inet_addr peer = INET_ADDR4(10, 0, 0, PEER);
    const uint8_t mac[6] = {2, 0, 0, 0, 0, PEER};

    assert_int_equal(inet_neigh_add(th->h->in, &peer, mac), 0);
    return th;
}

struct tcp_host *tcp_host_new_default(uint8_t n)
{
    struct tcp_config cfg;

    tcp_config_defaults(&cfg);
    cfg.conns = 64;
    return tcp_host_new(n, &cfg);
}

void tcp_host_free(struct tcp_host *th)
{
    if (th->l != NULL)
        tcp_unlisten(th->l);
    th->h->first = th->h->last;
    assert_int_equal(COUNTED(th->h, tcp_conns_now), tcp_count(th->t));
    tcp_free(th->t);
    host_free(th->h);
    free(th);
}

void tcp_host_listen(struct tcp_host *th, uint16_t port, uint32_t backlog)
{
    struct inet_end end = {th->v6 ? INET_ANY6 : INET_ANY4, port};
    int err;

    th->l = tcp_listen(th->t, &end, backlog, th, &err);
    assert_non_null(th->l);
}

static struct sock *sock_new(void)
{
    struct sock *s = calloc(1, sizeof(*s));

    s->got = malloc(SOCK_BYTES);
    return s;
}

static void sock_free(struct sock *s)
{
    free(s->got);
    free(s);
}

struct sock *sock_try_connect(struct tcp_host *th, const struct inet_addr *to, uint16_t port, int *err)
{
    struct inet_end local = {inet_addr_is4(to) ? INET_ANY4 : INET_ANY6, 0}, remote = {*to, port};
    struct sock *s = sock_new();

    s->c = tcp_connect(th->t, &local, &remote, s, err);
    if (s->c != NULL)
        return s;
    sock_free(s);
    return NULL;
}

struct sock *sock_connect(struct tcp_host *th, const struct inet_addr *to, uint16_t port)
{
    int err;
    struct sock *s = sock_try_connect(th, to, port, &err);

    assert_int_equal(err, 0);
    return s;
}

struct sock *sock_accept(struct tcp_host *th)
{
    struct sock *s = sock_new();

    s->c = tcp_accept(th->l, s);
    if (s->c == NULL) {
        sock_free(s);
        return NULL;
    }
    return s;
}

int64_t sock_send(struct tcp_host *th, struct sock *s, uint32_t len)
{
    char *obj = mem_alloc(&th->h->mem, len, 1);
    int64_t sent;

    assert_non_null(obj);
    for (uint32_t i = 0; i < len; i++)
        obj[i] = (char)pattern_at(s->from + i);
    sent = tcp_send(s->c, obj, obj, len);
    if (sent > 0)
        s->from += (uint64_t)sent;
    mem_unref(&th->h->mem, obj);
    return sent;
}

int64_t sock_read(struct sock *s, struct tcp_host *th)
{
    void *obj;
    char *ptr;
    int64_t n;

    while ((n = tcp_recv(s->c, 0, &obj, &ptr)) > 0) {
        keep(s, ptr, (uint32_t)n);
        mem_unref(&th->h->mem, obj);
    }
    return n;
}

void sock_expect(const struct sock *s, uint32_t len)
{
    assert_int_equal(s->got_len, len);
    for (uint32_t i = 0; i < len; i++)
        if (s->got[i] != pattern_at(i))
            fail_msg("byte %u is %02x and not %02x", i, s->got[i], pattern_at(i));
}

void sock_close(struct sock *s)
{
    tcp_close(s->c);
    sock_free(s);
}

void sock_abort(struct sock *s)
{
    tcp_abort(s->c);
    sock_free(s);
}

/* --- two hosts --- */

unsigned tcp_wire(struct tcp_host *a, struct tcp_host *b)
{
    return wire(a->h, b->h);
}

void tcp_pass(struct tcp_host *a, struct tcp_host *b, uint64_t ns, uint64_t step_ns)
{
    uint64_t end = a->h->in->env.now_ns + ns;

    for (uint64_t now = a->h->in->env.now_ns; now < end;) {
        now = now + step_ns < end ? now + step_ns : end;
        host_at(a->h, now);
        host_at(b->h, now);
        tcp_turn(a->t);
        tcp_turn(b->t);
        tcp_wire(a, b);
    }
}

void host_pass(struct tcp_host *th, uint64_t ns)
{
    host_at(th->h, th->h->in->env.now_ns + ns);
}

/* --- the scripted peer --- */

struct tcp_seg seg(uint8_t flags, uint32_t seq, uint32_t ack)
{
    return (struct tcp_seg){.flags = flags, .seq = seq, .ack = ack, .window = PEER_WND};
}

static void put_network(const struct tcp_host *th, struct packet *p, uint32_t payload)
{
    uint8_t to = th->h->addr.b[15];
    uint8_t h[40] = {0x60, 0, 0, 0, 0, 0, IPPROTO_TCP, 64, 0xfd, [23] = PEER, 0xfd, [39] = to};

    put_eth(p, to, PEER, th->v6 ? 0x86dd : 0x0800);
    if (th->v6) {
        h[0] |= th->send_tos >> 4;
        h[1] = (uint8_t)(th->send_tos << 4);
        put16(h + 4, (uint16_t)payload);
        put_bytes(p, h, sizeof(h));
    } else {
        put_ip4(p, to, PEER, IPPROTO_TCP, payload, 1, 0x4000);
        p->b[15] = th->send_tos;
        fix_ip4(p);
    }
}

unsigned peer_link_bytes(const struct tcp_host *th)
{
    return th->h->in->cfg.vlan != 0 ? 18 : 14;
}

/* The tag of the VLAN that the host is in, if it is in one, between the addresses and the type. */
static void put_tag(const struct tcp_host *th, struct packet *p)
{
    uint16_t vlan = th->h->in->cfg.vlan;

    if (vlan == 0)
        return;
    memmove(p->b + 16, p->b + 12, p->len - 12);
    put16(p->b + 12, 0x8100);
    put16(p->b + 14, vlan);
    p->len += 4;
}

void peer_send(struct tcp_host *th, struct tcp_seg *s, const void *data, uint32_t len)
{
    struct inet_addr src = INET_ADDR4(10, 0, 0, PEER), dst = th->h->addr;
    uint8_t header[TCP_HEADER_MAX], text[FRAME_MAX];
    struct packet p;
    unsigned bytes;
    uint16_t sum;

    if (th->v6) {
        src = (struct inet_addr){{{0xfd, [15] = PEER}}};
        dst = (struct inet_addr){{{0xfd, [15] = th->h->addr.b[15]}}};
    }
    if (s->src_port == 0)
        s->src_port = PEER_PORT;
    if (s->dst_port == 0)
        s->dst_port = HOST_PORT;
    for (uint32_t i = 0; i < len; i++)
        text[i] = data != NULL ? ((const uint8_t *)data)[i] : pattern_at(s->seq - (PEER_ISN + 1) + i);
    bytes = tcp_write(header, s);
    sum = checksum_finish(
        checksum_add(checksum_add(checksum_pseudo(&src, &dst, IPPROTO_TCP, bytes + len), header, bytes), text, len));
    memcpy(header + 16, &sum, 2);
    put_network(th, &p, bytes + len);
    put_bytes(&p, header, bytes);
    put_bytes(&p, text, len);
    put_tag(th, &p);
    host_in(th->h, p.b, p.len);
}

/* Is the checksum of the segment good, or what a device that completes it needs to find there? */
static bool is_summed(const struct sent *f, uint64_t pseudo, const uint8_t *l4, uint32_t bytes)
{
    uint16_t field, begun = checksum_fold(pseudo);

    if ((f->flags & FRAME_CSUM) == 0)
        return checksum_good(checksum_join(pseudo, checksum_add(0, l4, bytes)));
    memcpy(&field, l4 + 16, sizeof(field));
    return field == begun;
}

bool peer_take(struct tcp_host *th, struct tcp_seg *s, const uint8_t **data)
{
    const struct sent *f = host_out(th->h);
    struct inet_addr src, dst;
    const uint8_t *l3, *l4;
    uint32_t total;

    if (f == NULL)
        return false;
    l3 = f->bytes + peer_link_bytes(th);
    l4 = l3 + (th->v6 ? 40 : 20);
    if (th->h->in->cfg.vlan != 0) {
        assert_int_equal(get16(f->bytes + 12), 0x8100);
        assert_int_equal(get16(f->bytes + 14), th->h->in->cfg.vlan);
    }
    assert_int_equal(get16(l3 - 2), th->v6 ? 0x86dd : 0x0800);
    assert_int_equal(l3[th->v6 ? 6 : 9], IPPROTO_TCP);
    total = th->v6 ? get16(l3 + 4) : get16(l3 + 2) - 20u;
    th->got_tos = th->v6 ? (uint8_t)(get16(l3) >> 4) : l3[1];
    assert_true((uint32_t)(l4 - f->bytes) + total <= f->len);
    src = th->v6 ? inet_addr_from6(l3 + 8) : inet_addr_from4(l3 + 12);
    dst = th->v6 ? inet_addr_from6(l3 + 24) : inet_addr_from4(l3 + 16);
    assert_true(is_summed(f, checksum_pseudo(&src, &dst, IPPROTO_TCP, total), l4, total));
    assert_int_equal(tcp_parse(l4, total, s), TCP_PARSE_OK);
    if (data != NULL)
        *data = l4 + s->header_bytes;
    return true;
}

void peer_take_one(struct tcp_host *th, struct tcp_seg *s)
{
    if (!peer_take(th, s, NULL))
        fail_msg("the host sent nothing");
    peer_take_none(th);
}

void peer_take_none(struct tcp_host *th)
{
    struct tcp_seg s;

    if (peer_take(th, &s, NULL))
        fail_msg("the host sent flags %02x seq %u ack %u len %u", s.flags, s.seq, s.ack, s.data_len);
}

struct sock *peer_establish(struct tcp_host *th, uint8_t opts, uint32_t *iss)
{
    struct tcp_seg s = seg(TCP_SYN, PEER_ISN, 0), r;
    struct sock *sock;

    if (th->l == NULL)
        tcp_host_listen(th, HOST_PORT, 16);
    s.opts = opts;
    s.mss = 1460;
    s.wscale = 0;
    s.ts_val = 1000;
    peer_send(th, &s, NULL, 0);
    peer_take_one(th, &r);
    assert_int_equal(r.flags & (TCP_SYN | TCP_ACK), TCP_SYN | TCP_ACK);
    assert_int_equal(r.ack, PEER_ISN + 1);
    *iss = r.seq;
    host_pass(th, NS_PER_MS); /* the round trip */
    s = seg(TCP_ACK, PEER_ISN + 1, r.seq + 1);
    if ((opts & TCP_OPT_TS) != 0) {
        s.opts = TCP_OPT_TS;
        s.ts_val = 1000;
        s.ts_ecr = r.ts_val;
    }
    peer_send(th, &s, NULL, 0);
    peer_take_none(th);
    sock = sock_accept(th);
    assert_non_null(sock);
    assert_int_equal(sock->c->state, TCP_ESTABLISHED);
    return sock;
}
