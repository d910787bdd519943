/* SPDX-License-Identifier: MIT */
/* See stack.h. */
#include "stack.h"

#define FRAMES   64
#define STEP_MAX (60 * NS_PER_S)

enum step { STEP_FRAME, STEP_FIXED, STEP_TIME, STEP_SEND, STEP_FAIL, STEP_POLL, STEPS };

/* ---- surroundings ---- */

static void *s_alloc(void *ctx, size_t bytes)
{
    struct stack *s = ctx;

    if (s->fail_after > 0 && --s->fail_after == 0)
        return NULL;
    return mem_alloc(&s->mem, bytes, 1);
}

static uint64_t s_random(void *ctx)
{
    struct stack *s = ctx;

    s->random = s->random * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return s->random;
}

/* What is sent is no longer than the link takes, and its parts are its length. */
static int s_output(void *ctx, struct frame *f)
{
    struct stack *s = ctx;
    uint32_t sum = 0, link = STACK_LINK + (s->in != NULL && s->in->cfg.vlan != 0 ? ETH_TAG : 0);

    for (unsigned i = 0; i < f->segs; i++)
        sum += f->seg[i].len;
    require_equal(sum, f->len);
    require(f->len >= STACK_LINK && (s->in == NULL || f->len <= link + s->in->cfg.mtu));
    if (s->sent != NULL)
        s->sent(s, f);
    frame_free(&s->mem, f);
    return 0;
}

static void *s_reserve(void *ctx, size_t bytes)
{
    (void)ctx;
    return calloc(1, bytes);
}

static void s_unreserve(void *ctx, void *p, size_t bytes)
{
    (void)ctx, (void)bytes;
    free(p);
}

void stack_config(struct inet_config *cfg)
{
    inet_config_defaults(cfg);
    memcpy(cfg->mac, "\2\0\0\0\0\1", 6);
    cfg->mtu = STACK_MTU;
    cfg->neighbours = 16;
    cfg->udp_sockets = 4;
    cfg->udp_queue = 4;
}

void stack_open(struct stack *s, const struct inet_config *cfg)
{
    struct inet_env env = {.now_ns = STACK_START,
                           .mem = &s->mem,
                           .timers = &s->wheel,
                           .count = s->count,
                           .ctx = s,
                           .alloc = s_alloc,
                           .random = s_random,
                           .output = s_output,
                           .reserve = s_reserve,
                           .unreserve = s_unreserve};
    int err;

    memset(s, 0, sizeof(*s));
    require_equal(mem_init(&s->mem, 64 << 20, 1 << 20, false), 0);
    timer_wheel_init(&s->wheel, STACK_START);
    s->in = inet_new(&env, cfg, &err);
    require(s->in != NULL);
}

void stack_close(struct stack *s)
{
    inet_free(s->in);
    require_equal((long long)s->wheel.armed, 0);
    require_equal((long long)mem_bytes_used(&s->mem), 0);
    mem_fini(&s->mem);
}

void stack_pass(struct stack *s, uint64_t ns)
{
    inet_set_now(s->in, s->in->env.now_ns + ns);
    for (unsigned i = 0; i < 1000 && timer_pending(&s->wheel, s->in->env.now_ns); i++)
        timer_advance(&s->wheel, s->in->env.now_ns, 64);
}

void stack_receive(struct stack *s, const uint8_t *bytes, uint32_t len)
{
    uint8_t *obj = mem_alloc(&s->mem, FRAME_IN_ROOM + len + (len == 0), 1);

    require(obj != NULL);
    memcpy(obj + FRAME_IN_ROOM, bytes, len);
    inet_input(s->in, &(struct frame_in){.obj = obj, .ptr = obj + FRAME_IN_ROOM, .len = len});
}

/* ---- checksums ---- */

static void fix_sum(uint8_t *field, uint64_t sum)
{
    uint16_t value = checksum_finish(sum);

    memcpy(field, &value, sizeof(value));
}

static void fix_transport(uint8_t proto, const struct inet_addr *src, const struct inet_addr *dst, uint8_t *p,
                          uint32_t len)
{
    static const struct {
        uint8_t proto, offset, pseudo;
    } known[] = {{IPPROTO_ICMP, 2, 0}, {IPPROTO_UDP, 6, 1}, {IPPROTO_ICMPV6, 2, 1}};

    for (unsigned i = 0; i < ARRAY_LEN(known); i++) {
        if (known[i].proto != proto || len < 8)
            continue;
        put16(p + known[i].offset, 0);
        fix_sum(p + known[i].offset, checksum_join(known[i].pseudo != 0 ? checksum_pseudo(src, dst, proto, len) : 0,
                                                   checksum_add(0, p, len)));
    }
}

void stack_fix(uint8_t *f, uint32_t len)
{
    struct inet_addr src, dst;
    uint8_t *h = f + STACK_LINK;

    len = len < STACK_LINK ? 0 : len - STACK_LINK;
    if (len >= IP4_HEADER && get16(f + 12) == ETHERTYPE_4) {
        uint32_t header = (h[0] & 15) * 4u, total = get16(h + 2);

        if (header < IP4_HEADER || total > len || total < header)
            return;
        src = inet_addr_from4(h + 12);
        dst = inet_addr_from4(h + 16);
        fix_transport(h[9], &src, &dst, h + header, total - header);
        put16(h + 10, 0);
        fix_sum(h + 10, checksum_add(0, h, header));
    } else if (len >= IP6_HEADER && get16(f + 12) == ETHERTYPE_6 && get16(h + 4) <= len - IP6_HEADER) {
        src = inet_addr_from6(h + 8);
        dst = inet_addr_from6(h + 24);
        fix_transport(h[6], &src, &dst, h + IP6_HEADER, get16(h + 4));
    }
}

/* ---- parts of frames ---- */

void stack_put(uint8_t *f, uint32_t *len, const void *bytes, uint32_t n)
{
    require(*len + n <= STACK_FRAME);
    memcpy(f + *len, bytes, n);
    *len += n;
}

void stack_put_input(uint8_t *f, uint32_t *len, struct input *in, uint32_t max)
{
    uint32_t n = next_below(in, max + 1);

    if (n > in->left)
        n = (uint32_t)in->left;
    stack_put(f, len, in->at, n);
    in->at += n;
    in->left -= n;
}

void stack_put_changed(uint8_t *f, uint32_t *len, const uint8_t *good, uint32_t n, struct input *in)
{
    uint32_t changes = next_below(in, 8);

    stack_put(f, len, good, n);
    while (changes-- > 0) {
        uint32_t at = next_below(in, n);

        f[*len - n + at] = (uint8_t)next_byte(in);
    }
}

void stack_put_eth(uint8_t *f, uint32_t *len, uint16_t type)
{
    uint8_t h[STACK_LINK] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2};

    put16(h + 12, type);
    stack_put(f, len, h, sizeof(h));
}

void stack_put_ip(uint8_t *f, uint32_t *len, bool v6, uint8_t proto, uint32_t payload)
{
    uint8_t h4[IP4_HEADER] = {0x45, [8] = 64, proto, 0, 0, 10, 0, 0, 2, 10, 0, 0, 1};
    uint8_t h6[IP6_HEADER] = {0x60, [6] = proto, 64, 0xfd, [23] = 2, 0xfd, [39] = 1};

    put16(h4 + 2, (uint16_t)(payload + IP4_HEADER));
    put16(h6 + 4, (uint16_t)payload);
    stack_put(f, len, v6 ? h6 : h4, v6 ? IP6_HEADER : IP4_HEADER);
}

/* ---- a run ---- */

struct run {
    struct stack s;
    struct udp *udp;
    struct udp_socket *bound, *connected;
};

static bool deliver(void *ctx, const struct udp_datagram *d)
{
    struct run *r = ctx;
    const char *obj = d->obj;

    require(d->ptr >= obj + FRAME_IN_ROOM && d->ptr + d->len <= obj + mem_room(obj));
    memset(d->obj, 0xa5, FRAME_IN_ROOM); /* as the source's address is written there */
    if ((s_random(&r->s) & 1 << 20) != 0)
        return false;
    mem_unref(&r->s.mem, d->obj);
    return true;
}

static void failed(void *ctx, int err)
{
    (void)ctx;
    require(err > 0);
}

static void run_open(struct run *r, const struct inet_config *cfg)
{
    static const struct udp_upcalls up = {deliver, failed};
    struct inet_addr a4 = INET_ADDR4(10, 0, 0, 1), a6 = {{{0xfd, [15] = 1}}}, gw = INET_ADDR4(10, 0, 0, 2);
    struct inet_addr all = INET_ANY4;
    struct inet_end any = {INET_ANY6, 7}, local = {a4, 9}, peer = {INET_ADDR4(10, 0, 0, 2), 9};
    int err;

    stack_open(&r->s, cfg);
    require_equal(inet_addr_add(r->s.in, &a4, 24), 0);
    require_equal(inet_addr_add(r->s.in, &a6, 64), 0);
    require_equal(inet_route_add(r->s.in, &all, 0, &gw), 0);
    r->udp = udp_new(r->s.in, &up, &err);
    require(r->udp != NULL);
    r->bound = udp_open(r->udp, r);
    r->connected = udp_open(r->udp, r);
    require_equal(udp_bind(r->bound, &any), 0);
    require_equal(udp_bind(r->connected, &local), 0);
    require_equal(udp_connect(r->connected, &peer), 0);
}

static void datagram_leaves(struct run *r, struct input *in)
{
    struct inet_end to = {INET_ADDR4(10, 0, 0, (uint8_t)next_byte(in)), 9};
    uint32_t len = 1 + next_word(in) % 9000;
    void *obj = mem_alloc(&r->s.mem, len, 1);

    require(obj != NULL);
    memset(obj, 'd', len);
    if ((len & 1) != 0)
        to.addr = (struct inet_addr){{{0xfd, [15] = to.addr.b[15]}}};
    (void)udp_send(r->bound, obj, obj, len, &to);
    (void)udp_send(r->connected, obj, obj, len, NULL);
    mem_unref(&r->s.mem, obj);
}

static void run_step(struct run *r, struct input *in, const struct stack_target *t)
{
    enum step what = (enum step)next_below(in, STEPS);
    uint8_t f[STACK_FRAME];
    struct udp_datagram d;
    uint32_t len;

    switch (what) {
    case STEP_FRAME:
    case STEP_FIXED:
        len = t->frame(&r->s, in, f);
        if (what == STEP_FIXED)
            stack_fix(f, len);
        stack_receive(&r->s, f, len);
        break;
    case STEP_TIME:
        stack_pass(&r->s, (uint64_t)next_byte(in) * next_byte(in) * (STEP_MAX / (255 * 255)));
        break;
    case STEP_SEND:
        datagram_leaves(r, in);
        break;
    case STEP_FAIL:
        r->s.fail_after = 1 + next_byte(in) % 16;
        break;
    default:
        inet_poll(r->s.in);
        while (udp_recv(r->bound, &d))
            mem_unref(&r->s.mem, d.obj);
        break;
    }
}

int stack_run(const uint8_t *data, size_t size, const struct stack_target *t)
{
    struct input in = {data, size};
    struct inet_config cfg;
    static struct run r;

    stack_config(&cfg);
    if (t->config != NULL)
        t->config(&cfg, &in);
    run_open(&r, &cfg);
    for (unsigned i = 0; i < FRAMES && in.left > 0; i++)
        run_step(&r, &in, t);
    udp_free(r.udp);
    stack_close(&r.s);
    return 0;
}
