/* SPDX-License-Identifier: MIT */
/* A TCP/IP stack without a device. */
#include "host.h"

#include <stdio.h>
#include <stdlib.h>

void must(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "bench: %s failed\n", what);
    exit(1);
}

static void *host_alloc(void *ctx, size_t bytes)
{
    return mem_alloc(&((struct host *)ctx)->mem, bytes, 1);
}

static uint64_t host_random(void *ctx)
{
    struct host *h = ctx;

    h->random = h->random * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return h->random;
}

static int host_output(void *ctx, struct frame *f)
{
    struct host *h = ctx;

    if (h->dry) {
        frame_free(&h->mem, f);
        return 0;
    }
    must(host_waiting(h) < HOST_QUEUE, "room for frames");
    h->out[h->last++ % HOST_QUEUE] = f;
    return 0;
}

static void *host_reserve(void *ctx, size_t bytes)
{
    ((struct host *)ctx)->reserved += bytes;
    return calloc(1, bytes);
}

static void host_unreserve(void *ctx, void *p, size_t bytes)
{
    (void)ctx, (void)bytes;
    free(p);
}

struct host_config host_config_defaults(void)
{
    struct host_config cfg = {.mtu = 1500};

    tcp_config_defaults(&cfg.tcp);
    return cfg;
}

struct host *host_new(uint8_t n, const struct host_config *cfg)
{
    struct host *h = calloc(1, sizeof(*h));
    struct inet_env env = {.now_ns = NS_PER_S,
                           .mem = &h->mem,
                           .timers = &h->wheel,
                           .count = h->count,
                           .ctx = h,
                           .alloc = host_alloc,
                           .random = host_random,
                           .output = host_output,
                           .reserve = host_reserve,
                           .unreserve = host_unreserve};
    struct inet_config in;
    int err;

    must(h != NULL && mem_init(&h->mem, UINT64_C(1) << 30, 1 << 20, false) == 0, "memory");
    timer_wheel_init(&h->wheel, NS_PER_S);
    inet_config_defaults(&in);
    in.mtu = cfg->mtu;
    memcpy(in.mac, (uint8_t[6]){2, 0, 0, 0, 0, n}, 6);
    h->dry = true;
    h->random = n;
    h->in = inet_new(&env, &in, &err);
    must(h->in != NULL, "inet_new");
    h->addr = INET_ADDR4(10, 0, 0, n);
    must(inet_addr_add(h->in, &h->addr, 24) == 0, "inet_addr_add");
    h->t = tcp_new(h->in, &cfg->tcp, &cfg->up, &err);
    must(h->t != NULL, "tcp_new");
    h->dry = false;
    return h;
}

void host_free(struct host *h)
{
    h->dry = true;
    while (host_waiting(h) > 0)
        frame_free(&h->mem, h->out[h->first++ % HOST_QUEUE]);
    tcp_free(h->t);
    inet_free(h->in);
    mem_fini(&h->mem);
    free(h);
}

void host_acquaint(struct host *a, struct host *b)
{
    must(inet_neigh_add(a->in, &b->addr, b->in->cfg.mac) == 0, "inet_neigh_add");
    must(inet_neigh_add(b->in, &a->addr, a->in->cfg.mac) == 0, "inet_neigh_add");
}

void host_at(struct host *h, uint64_t now_ns)
{
    inet_set_now(h->in, now_ns);
    tcp_turn(h->t);
    if (timer_pending(&h->wheel, now_ns))
        (void)timer_advance(&h->wheel, now_ns, 64);
}

struct frame_in host_take(struct host *from, struct host *to)
{
    struct frame *f = from->out[from->first++ % HOST_QUEUE];
    uint8_t *obj = mem_alloc(&to->mem, FRAME_IN_ROOM + f->len, 1);
    struct frame_in in = {obj, obj + FRAME_IN_ROOM, f->len, to->checked, NULL};

    must(obj != NULL, "a receive buffer");
    frame_copy(f, (char *)in.ptr);
    frame_free(&from->mem, f);
    to->frames++;
    return in;
}

unsigned host_carry(struct host *from, struct host *to, unsigned max)
{
    struct frame_in in[HOST_BURST];
    unsigned n = 0;

    while (n < max && n < HOST_BURST && host_waiting(from) > 0)
        in[n++] = host_take(from, to);
    tcp_burst_begin(to->t);
    for (unsigned i = 0; i < n; i++)
        inet_input(to->in, &in[i]);
    tcp_burst_end(to->t);
    return n;
}

void host_settle(struct host *a, struct host *b)
{
    while (host_carry(a, b, HOST_BURST) + host_carry(b, a, HOST_BURST) > 0)
        continue;
}
