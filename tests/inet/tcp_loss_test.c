/* SPDX-License-Identifier: MIT */
/*
 * Two TCPs over a link that loses, reorders, duplicates: whatever happens, the bytes arrive once and in order, both
 * sides end, and every pool is full again.
 */
#include "tcp_link.h"

#include <errno.h>
#include <stdio.h>

struct run {
    uint64_t seed;
    uint32_t bytes; /* each way */
    struct sim_faults faults;
    enum tcp_cc_kind cc;
    bool no_sack, no_ts, ecn;
    bool starve; /* now and then an allocation fails */
};

struct ends {
    struct tcp_host *a, *b;
    struct sock *x, *y;
    struct link *l;
};

static void begin(struct ends *e, const struct run *r)
{
    struct tcp_config cfg;
    uint64_t until;

    tcp_config_defaults(&cfg);
    cfg.conns = 16;
    cfg.cc = r->cc;
    cfg.sack = !r->no_sack;
    cfg.timestamps = !r->no_ts;
    cfg.ecn = r->ecn;
    e->a = tcp_host_new(1, &cfg);
    e->b = tcp_host_new(2, &cfg);
    acquaint(e->a->h, e->b->h);
    e->l = link_new(e->a, e->b, r->seed);
    e->l->faults = r->faults;
    tcp_host_listen(e->b, HOST_PORT, 16);
    e->x = sock_connect(e->a, &e->b->h->addr, HOST_PORT);
    e->y = NULL;
    until = e->l->now_ns + 170 * NS_PER_S;
    while (e->y == NULL && link_step(e->l, until))
        e->y = sock_accept(e->b);
    if (e->y == NULL)
        fail_msg("seed %llu: no connection", (unsigned long long)r->seed);
}

static void write_some(struct tcp_host *h, struct sock *s, struct link *l, uint32_t bytes)
{
    while ((s->c->state == TCP_ESTABLISHED || s->c->state == TCP_CLOSE_WAIT) && s->from < bytes) {
        uint32_t left = bytes - (uint32_t)s->from, len = 1 + link_random(l, 6000);

        if (sock_send(h, s, len < left ? len : left) < 0)
            return;
        link_collect(l);
    }
    if (s->from == bytes && (s->c->state == TCP_ESTABLISHED || s->c->state == TCP_CLOSE_WAIT))
        tcp_shutdown(s->c);
}

static uint64_t transfer(struct ends *e, const struct run *r)
{
    uint64_t start = e->l->now_ns, until = start + 900 * NS_PER_S;
    int64_t xr = -EAGAIN, yr = -EAGAIN;

    write_some(e->a, e->x, e->l, r->bytes);
    while ((xr != 0 || yr != 0) && link_step(e->l, until)) {
        if (r->starve && link_random(e->l, 8) == 0)
            (link_random(e->l, 2) == 0 ? e->a : e->b)->h->fail_after = 1 + link_random(e->l, 30);
        if (link_random(e->l, 4) == 0)
            e->x->want = link_random(e->l, 3000);
        if (link_random(e->l, 4) != 0)
            xr = sock_read(e->x, e->a);
        if (link_random(e->l, 4) != 0)
            yr = sock_read(e->y, e->b);
        write_some(e->a, e->x, e->l, r->bytes);
        write_some(e->b, e->y, e->l, r->bytes);
        if (e->x->end_err != 0 || e->y->end_err != 0)
            fail_msg("seed %llu: errors %d, %d", (unsigned long long)r->seed, e->x->end_err, e->y->end_err);
    }
    e->a->h->fail_after = e->b->h->fail_after = 0;
    xr = sock_read(e->x, e->a); /* nothing moves any more when all is there */
    yr = sock_read(e->y, e->b);
    if (xr != 0 || yr != 0)
        fail_msg("seed %llu: stuck with %u and %u of %u bytes", (unsigned long long)r->seed, e->x->got_len,
                 e->y->got_len, r->bytes);
    sock_expect(e->x, r->bytes);
    sock_expect(e->y, r->bytes);
    return e->l->now_ns - start;
}

static void end(struct ends *e)
{
    sock_close(e->x);
    sock_close(e->y);
    link_pass(e->l, 400 * NS_PER_S);
    assert_int_equal(tcp_count(e->a->t), 0);
    assert_int_equal(tcp_count(e->b->t), 0);
    link_free(e->l);
    tcp_host_free(e->a);
    tcp_host_free(e->b);
}

static uint64_t run(const struct run *r)
{
    struct ends e;
    uint64_t took;

    begin(&e, r);
    took = transfer(&e, r);
    end(&e);
    return took;
}

static void transfer__every_seed_arrives(void **state)
{
    const char *first = getenv("SEED"), *count = getenv("SEEDS");
    uint64_t from = first != NULL ? strtoull(first, NULL, 10) : 1, n = count != NULL ? strtoull(count, NULL, 10) : 60;

    (void)state;
    for (uint64_t seed = from; seed < from + n; seed++) {
        uint64_t x = seed * UINT64_C(0xd1342543de82ef95);
        struct run r = {.seed = seed, .bytes = 20000 + (uint32_t)(x >> 40) % 100000};

        r.faults.loss = (uint32_t)(x >> 8) % 6 * 15000;
        r.faults.duplicate = (uint32_t)(x >> 12) % 3 * 30000;
        r.faults.delay_ns = UINT64_C(5000) << (x >> 16) % 13;
        r.faults.jitter_ns = (x >> 20) % 3 * r.faults.delay_ns / 2;
        r.cc = (enum tcp_cc_kind)((x >> 24) % TCP_CC_MAX);
        r.no_sack = (x >> 28) % 4 == 0;
        r.no_ts = (x >> 30) % 4 == 0;
        r.ecn = (x >> 32) % 2 == 0;
        r.faults.mark = (uint32_t)(x >> 33) % 2 * 45000;
        r.starve = (x >> 35) % 4 == 0;
        run(&r);
    }
}

static void transfer__each_algorithm_fills_a_bottleneck(void **state)
{
    (void)state;
    for (unsigned cc = 0; cc < TCP_CC_MAX; cc++)
        for (unsigned no_sack = 0; no_sack < 2; no_sack++) {
            /* 100 Mb/s, 4 ms there and back, a queue of 4 ms: 2 MB each way at full rate take 80 ms */
            struct run r = {.seed = 7,
                            .bytes = 1000000,
                            .faults.delay_ns = 2 * NS_PER_MS,
                            .cc = (enum tcp_cc_kind)cc,
                            .no_sack = no_sack != 0,
                            .faults.rate_bps = 100000000,
                            .faults.queue_ns = 4 * NS_PER_MS};
            uint64_t took = run(&r);

            if (took > (no_sack != 0 ? 1000 : 300) * NS_PER_MS)
                fail_msg("%s, sack %u: %llu us", tcp_cc_at((enum tcp_cc_kind)cc)->name, !no_sack,
                         (unsigned long long)(took / NS_PER_US));
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transfer__every_seed_arrives),
        cmocka_unit_test(transfer__each_algorithm_fills_a_bottleneck),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
