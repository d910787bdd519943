/* SPDX-License-Identifier: MIT */
#include "rig.h"

#include <stdio.h>

static void *rig_alloc(void *ctx, size_t bytes)
{
    struct host *h = ctx;

    if (h->fail_after > 0 && --h->fail_after == 0)
        return NULL;
    return mem_alloc(&h->mem, bytes, 1);
}

static uint64_t rig_random(void *ctx)
{
    struct host *h = ctx;

    h->random ^= h->random << 13;
    h->random ^= h->random >> 7;
    h->random ^= h->random << 17;
    return h->random;
}

static int rig_output(void *ctx, struct frame *f)
{
    struct host *h = ctx;
    struct sent *s = &h->sent[h->last % SENT_MAX];

    if (h->full > 0) {
        h->full--;
        frame_free(&h->mem, f);
        return -ENOBUFS;
    }
    assert_true(f->len <= FRAME_MAX);
    assert_true(h->last - h->first < SENT_MAX);
    s->len = f->len;
    s->flags = f->flags;
    frame_copy(f, (char *)s->bytes);
    h->last++;
    frame_free(&h->mem, f);
    return 0;
}

static void *rig_reserve(void *ctx, size_t bytes)
{
    struct host *h = ctx;

    h->reserved += bytes;
    return calloc(1, bytes);
}

static void rig_unreserve(void *ctx, void *p, size_t bytes)
{
    struct host *h = ctx;

    h->reserved -= bytes;
    free(p);
}

static void rig_tap(void *ctx, const struct frame_in *f, enum counter drop)
{
    struct host *h = ctx;

    (void)f;
    h->verdict = drop;
}

struct host *host_new_loud(uint8_t n, const struct inet_config *cfg)
{
    struct host *h = calloc(1, sizeof(*h));
    struct inet_config mine = *cfg;
    const uint8_t mac[6] = {2, 0, 0, 0, 0, n};
    struct inet_env env = {.now_ns = HOST_START,
                           .mem = &h->mem,
                           .timers = &h->wheel,
                           .count = h->count,
                           .ctx = h,
                           .alloc = rig_alloc,
                           .random = rig_random,
                           .output = rig_output,
                           .reserve = rig_reserve,
                           .unreserve = rig_unreserve,
                           .tap = rig_tap};
    int err;

    assert_int_equal(mem_init(&h->mem, 64 << 20, 1 << 20, false), 0);
    timer_wheel_init(&h->wheel, HOST_START);
    h->random = 0x9e3779b97f4a7c15u + n;
    memcpy(mine.mac, mac, 6);
    h->in = inet_new(&env, &mine, &err);
    assert_non_null(h->in);
    h->addr = INET_ADDR4(10, 0, 0, n);
    assert_int_equal(inet_addr_add(h->in, &h->addr, 24), 0);
    return h;
}

struct host *host_new_config(uint8_t n, const struct inet_config *cfg)
{
    struct inet_config quiet = *cfg;
    struct host *h;

    quiet.router_solicits = 0;
    h = host_new_loud(n, &quiet);
    h->first = h->last;
    return h;
}

struct host *host_new(uint8_t n)
{
    struct inet_config cfg;

    inet_config_defaults(&cfg);
    return host_new_config(n, &cfg);
}

void host_free(struct host *h)
{
    inet_free(h->in);
    assert_int_equal(h->wheel.armed, 0);
    assert_int_equal(mem_bytes_used(&h->mem), 0);
    assert_int_equal(h->reserved, 0);
    mem_fini(&h->mem);
    free(h);
}

void host_at(struct host *h, uint64_t now_ns)
{
    inet_set_now(h->in, now_ns);
    while (timer_pending(&h->wheel, now_ns) && timer_advance(&h->wheel, now_ns, 64) > 0)
        continue;
}

void host_in(struct host *h, const void *bytes, uint32_t len)
{
    uint8_t *obj = mem_alloc(&h->mem, FRAME_IN_ROOM + len + 1, 1);
    struct frame_in f = {obj, obj + FRAME_IN_ROOM, len, 0, NULL};

    assert_non_null(obj);
    memcpy(f.ptr, bytes, len);
    inet_input(h->in, &f);
}

const struct sent *host_out(struct host *h)
{
    return h->first == h->last ? NULL : &h->sent[h->first++ % SENT_MAX];
}

static unsigned carry(struct host *from, struct host *to)
{
    const struct sent *s;
    unsigned n = 0;

    while ((s = host_out(from)) != NULL) {
        host_in(to, s->bytes, s->len);
        n++;
    }
    return n;
}

unsigned wire(struct host *a, struct host *b)
{
    unsigned n = 0, more;

    do {
        more = carry(a, b) + carry(b, a) + inet_poll(a->in) + inet_poll(b->in);
        n += more;
        assert_true(n < 10000);
    } while (more > 0);
    return n;
}

void put_bytes(struct packet *p, const void *bytes, uint32_t len)
{
    assert_true(p->len + len <= FRAME_MAX);
    if (len > 0)
        memcpy(p->b + p->len, bytes, len);
    p->len += len;
}

void put_eth(struct packet *p, uint8_t to, uint8_t from, uint16_t type)
{
    uint8_t h[14] = {2, 0, 0, 0, 0, to, 2, 0, 0, 0, 0, from};

    if (to == 255)
        memset(h, 0xff, 6);
    put16(h + 12, type);
    p->len = 0;
    put_bytes(p, h, sizeof(h));
}

void fix_ip4(struct packet *p)
{
    uint8_t *h = p->b + 14;
    uint16_t sum;

    put16(h + 10, 0);
    sum = checksum_finish(checksum_add(0, h, (h[0] & 15) * 4u));
    memcpy(h + 10, &sum, 2);
}

void put_ip4(struct packet *p, uint8_t to, uint8_t from, uint8_t proto, uint32_t payload, uint16_t id, uint16_t frag)
{
    uint8_t h[20] = {0x45, 0, 0, 0, 0, 0, 0, 0, 64, proto, 0, 0, 10, 0, 0, from, 10, 0, 0, to};

    put16(h + 2, (uint16_t)(payload + 20));
    put16(h + 4, id);
    put16(h + 6, frag);
    put_bytes(p, h, sizeof(h));
    fix_ip4(p);
}

void put_udp4(struct packet *p, uint16_t to, uint16_t from, const void *data, uint32_t len)
{
    struct inet_addr src = inet_addr_from4(p->b + 14 + 12), dst = inet_addr_from4(p->b + 14 + 16);
    uint8_t h[8];
    uint16_t sum;

    put16(h, from);
    put16(h + 2, to);
    put16(h + 4, (uint16_t)(len + 8));
    put16(h + 6, 0);
    sum = checksum_finish(checksum_add(checksum_add(checksum_pseudo(&src, &dst, 17, len + 8), h, 8), data, len));
    memcpy(h + 6, &sum, 2);
    put_bytes(p, h, 8);
    put_bytes(p, data, len);
}

void acquaint(struct host *a, struct host *b)
{
    assert_int_equal(inet_neigh_add(a->in, &b->addr, b->in->cfg.mac), 0);
    assert_int_equal(inet_neigh_add(b->in, &a->addr, a->in->cfg.mac), 0);
}

static bool box_deliver(void *ctx, const struct udp_datagram *d)
{
    struct box *b = ctx;

    if (!b->take)
        return false;
    b->got++;
    b->last = *d;
    mem_unref(b->mem, d->obj);
    return true;
}

static void box_failed(void *ctx, int err)
{
    struct box *b = ctx;

    b->failed = err;
}

void box_open(struct box *b, struct host *h, uint16_t port)
{
    static const struct udp_upcalls up = {box_deliver, box_failed};
    struct inet_end any = {INET_ANY4, port};
    int err;

    *b = (struct box){.take = true, .mem = &h->mem};
    b->udp = udp_new(h->in, &up, &err);
    b->s = udp_open(b->udp, b);
    assert_int_equal(udp_bind(b->s, &any), 0);
}

int box_send(struct box *b, struct host *h, uint8_t to, uint16_t port, uint32_t len)
{
    struct inet_end end = {INET_ADDR4(10, 0, 0, to), port};
    char *obj = mem_alloc(&h->mem, len + 1, 1);
    int err;

    for (uint32_t i = 0; i < len; i++)
        obj[i] = (char)(i * 7 + i / 251);
    err = udp_send(b->s, obj, obj, len, &end);
    mem_unref(&h->mem, obj);
    return err;
}
