/* SPDX-License-Identifier: MIT */
/*
 * The stack below TCP with whatever arrives: Ethernet, ARP, IPv4 and IPv6 with options, extension headers and
 * fragments, ICMP of both families, neighbour discovery, UDP. The input is frames, each behind a byte that says what is
 * done to it (checksums made right, so that what lies behind them is reached) or instead of it (time, datagrams sent,
 * failing allocations). Nothing must break; what a datagram is said to be lies within its object; at the end all is
 * freed.
 */
#include "inet/internal.h"
#include "inet/udp.h"

#include "fuzz.h"

#define START    (1000 * NS_PER_S)
#define FRAMES   64
#define LINK     14
#define MTU      1500
#define STEP_MAX (60 * NS_PER_S)

enum step { STEP_FRAME, STEP_FIXED, STEP_TIME, STEP_SEND, STEP_FAIL, STEP_POLL, STEPS };

struct world {
    struct mem mem;
    struct timer_wheel wheel;
    uint64_t count[COUNTER_MAX];
    struct inet *in;
    struct udp *udp;
    struct udp_socket *bound, *connected;
    uint64_t random;
    uint32_t fail_after;
    unsigned errors;
};

static void *w_alloc(void *ctx, size_t bytes)
{
    struct world *w = ctx;

    if (w->fail_after > 0 && --w->fail_after == 0)
        return NULL;
    return mem_alloc(&w->mem, bytes, 1);
}

static uint64_t w_random(void *ctx)
{
    struct world *w = ctx;

    w->random = w->random * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return w->random;
}

/* What is sent is well-formed as far as its link header goes, and no longer than the link takes. */
static int w_output(void *ctx, struct frame *f)
{
    struct world *w = ctx;
    uint32_t sum = 0;

    for (unsigned i = 0; i < f->segs; i++)
        sum += f->seg[i].len;
    require_equal(sum, f->len);
    require(f->len >= LINK && f->len <= LINK + MTU);
    frame_free(&w->mem, f);
    return 0;
}

static void *w_reserve(void *ctx, size_t bytes)
{
    (void)ctx;
    return calloc(1, bytes);
}

static void w_unreserve(void *ctx, void *p, size_t bytes)
{
    (void)ctx, (void)bytes;
    free(p);
}

static bool deliver(void *ctx, const struct udp_datagram *d)
{
    struct world *w = ctx;
    const char *obj = d->obj;

    require(d->ptr >= obj + FRAME_IN_ROOM && d->ptr + d->len <= obj + mem_room(obj));
    memset(d->obj, 0xa5, FRAME_IN_ROOM); /* as the source's address is written there */
    if ((w_random(w) & 1 << 20) != 0)
        return false;
    mem_unref(&w->mem, d->obj);
    return true;
}

static void failed(void *ctx, int err)
{
    require(err > 0);
    ((struct world *)ctx)->errors++;
}

static void world_open(struct world *w)
{
    static const struct udp_upcalls up = {deliver, failed};
    struct inet_env env = {.now_ns = START,
                           .mem = &w->mem,
                           .timers = &w->wheel,
                           .count = w->count,
                           .ctx = w,
                           .alloc = w_alloc,
                           .random = w_random,
                           .output = w_output,
                           .reserve = w_reserve,
                           .unreserve = w_unreserve};
    struct inet_addr a4 = INET_ADDR4(10, 0, 0, 1), a6 = {{{0xfd, [15] = 1}}}, gw = INET_ADDR4(10, 0, 0, 2);
    struct inet_addr all = INET_ANY4;
    struct inet_end any = {INET_ANY6, 7}, local = {a4, 9}, peer = {INET_ADDR4(10, 0, 0, 2), 9};
    struct inet_config cfg;
    int err;

    memset(w, 0, sizeof(*w));
    require_equal(mem_init(&w->mem, 64 << 20, 1 << 20, false), 0);
    timer_wheel_init(&w->wheel, START);
    inet_config_defaults(&cfg);
    memcpy(cfg.mac, "\2\0\0\0\0\1", 6);
    cfg.neighbours = 16;
    cfg.udp_sockets = 4;
    cfg.udp_queue = 4;
    w->in = inet_new(&env, &cfg, &err);
    require(w->in != NULL);
    require_equal(inet_addr_add(w->in, &a4, 24), 0);
    require_equal(inet_addr_add(w->in, &a6, 64), 0);
    require_equal(inet_route_add(w->in, &all, 0, &gw), 0);
    w->udp = udp_new(w->in, &up, &err);
    w->bound = udp_open(w->udp, w);
    w->connected = udp_open(w->udp, w);
    require_equal(udp_bind(w->bound, &any), 0);
    require_equal(udp_bind(w->connected, &local), 0);
    require_equal(udp_connect(w->connected, &peer), 0);
}

static void world_close(struct world *w)
{
    udp_free(w->udp);
    inet_free(w->in);
    require_equal((long long)w->wheel.armed, 0);
    require_equal((long long)mem_bytes_used(&w->mem), 0);
    mem_fini(&w->mem);
}

static void fix_sum(uint8_t *field, uint64_t sum)
{
    uint16_t value = checksum_finish(sum);

    memcpy(field, &value, sizeof(value));
}

/* Makes the transport's checksum right where there is one that is known. */
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

static void fix(uint8_t *f, uint32_t len)
{
    struct inet_addr src, dst;
    uint8_t *h = f + LINK;

    len = len < LINK ? 0 : len - LINK;
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

static void frame_arrives(struct world *w, struct input *in, bool fixed)
{
    uint32_t len = next_word(in) % 2000;
    uint8_t *obj;

    if (len > in->left)
        len = (uint32_t)in->left;
    /* of its exact size, so that a byte behind it is a byte too far for the sanitizer when the class is full */
    obj = mem_alloc(&w->mem, FRAME_IN_ROOM + len + (len == 0), 1);
    require(obj != NULL);
    memcpy(obj + FRAME_IN_ROOM, in->at, len);
    in->at += len;
    in->left -= len;
    if (fixed)
        fix(obj + FRAME_IN_ROOM, len);
    inet_input(w->in, &(struct frame_in){obj, obj + FRAME_IN_ROOM, len, 0, NULL});
}

static void datagram_leaves(struct world *w, struct input *in)
{
    struct inet_end to = {INET_ADDR4(10, 0, 0, (uint8_t)next_byte(in)), 9};
    uint32_t len = 1 + next_word(in) % 9000;
    void *obj = mem_alloc(&w->mem, len, 1);

    require(obj != NULL);
    memset(obj, 'd', len);
    if ((len & 1) != 0)
        to.addr = (struct inet_addr){{{0xfd, [15] = to.addr.b[15]}}};
    (void)udp_send(w->bound, obj, obj, len, &to);
    (void)udp_send(w->connected, obj, obj, len, NULL);
    mem_unref(&w->mem, obj);
}

static void time_passes(struct world *w, struct input *in)
{
    uint64_t ns = (uint64_t)next_byte(in) * next_byte(in) * (STEP_MAX / (255 * 255));

    inet_set_now(w->in, w->in->env.now_ns + ns);
    for (unsigned i = 0; i < 1000 && timer_pending(&w->wheel, w->in->env.now_ns); i++)
        timer_advance(&w->wheel, w->in->env.now_ns, 64);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    struct udp_datagram d;
    static struct world w;

    world_open(&w);
    for (unsigned i = 0; i < FRAMES && in.left > 0; i++) {
        switch ((enum step)next_below(&in, STEPS)) {
        case STEP_FRAME:
            frame_arrives(&w, &in, false);
            break;
        case STEP_FIXED:
            frame_arrives(&w, &in, true);
            break;
        case STEP_TIME:
            time_passes(&w, &in);
            break;
        case STEP_SEND:
            datagram_leaves(&w, &in);
            break;
        case STEP_FAIL:
            w.fail_after = 1 + next_byte(&in) % 16;
            break;
        default:
            inet_poll(w.in);
            while (udp_recv(w.bound, &d))
                mem_unref(&w.mem, d.obj);
            break;
        }
    }
    world_close(&w);
    return 0;
}
