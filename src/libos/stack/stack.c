/* SPDX-License-Identifier: MIT */
/* A stack in an instance: what it is handed, and its turn. */
#include "stack.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define STACK_BURSTS   4    /* bursts a turn takes at most, so that others have their turn */
#define STACK_TIMERS   64   /* timers a turn fires at most */
#define STACK_POSTPONE 4    /* looks at the device for which acknowledgements wait for an application at most */
#define STACK_SLOW_NS  2000 /* between two answers; what takes longer is not worth to wait for */
#define STACK_UNHELD   64   /* pushes after which that is tried again */
#define STACK_UNTIMED  16   /* looks in a row that find nothing but datagrams, after which the time is read */
#define STACK_BUSY     16   /* looks in a row that find frames, after which those of other connections wait no longer */

static void *env_alloc(void *ctx, size_t bytes)
{
    const struct stack *st = ctx;

    return mem_alloc(&st->inst->mem, bytes, 1);
}

static uint64_t env_random(void *ctx)
{
    const struct stack *st = ctx;
    uint64_t v = 0;

    if (st->dev->ops->random != NULL)
        return st->dev->ops->random(st->dev);
    if (getrandom(&v, sizeof(v), 0) != sizeof(v))
        v = clock_gettime_ns() * UINT64_C(0x9e3779b97f4a7c15); /* no kernel without it since 2014 */
    return v;
}

static unsigned transmit(struct stack *st, struct frame **f, unsigned n)
{
    if (UNLIKELY(st->capture.pcap != NULL))
        return capture_transmit(&st->capture, st->dev, f, n);
    return st->dev->ops->tx_burst(st->dev, f, n);
}

/* The device's queue is full: the frame is lost. */
static void refuse(struct stack *st, struct frame *f)
{
    if (UNLIKELY(st->capture.pcap != NULL))
        capture_refused(&st->capture, f, CTR_drop_device_full);
    frame_free(&st->inst->mem, f);
}

static void flush(struct stack *st)
{
    unsigned n = st->batched, sent = transmit(st, st->batch, n);

    st->batched = 0;
    for (; sent < n; sent++) {
        COUNT(st->inst, drop_device_full);
        refuse(st, st->batch[sent]);
    }
}

void stack_send_held(struct stack *st)
{
    unsigned n = st->batched;

    flush(st);
    if (clock_now_ns(&st->inst->clock) - st->held_ns > (uint64_t)n * STACK_SLOW_NS)
        st->unheld = STACK_UNHELD;
}

/* Frames of a turn go together, those of pushes where stack_push_begin says so; else they go at once. */
static int env_output(void *ctx, struct frame *f)
{
    struct stack *st = ctx;

    if (st->keep > 0 || st->batched > 0) {
        st->batch[st->batched++] = f;
        if (st->batched == NETDEV_BURST)
            flush(st);
        else if (st->batched >= st->keep)
            stack_send_held(st);
        return 0;
    }
    if (LIKELY(transmit(st, &f, 1) == 1))
        return 0;
    refuse(st, f);
    return -ENOBUFS;
}

static void env_tap(void *ctx, const struct frame_in *f, enum counter drop)
{
    struct stack *st = ctx;

    capture_received(&st->capture, f, drop);
}

static void *env_reserve(void *ctx, size_t bytes)
{
    (void)ctx;
    return calloc(1, bytes);
}

static void env_unreserve(void *ctx, void *p, size_t bytes)
{
    (void)ctx, (void)bytes;
    free(p);
}

/* --- ports --- */

#define PORTS 65536

static uint32_t *uses_of(struct stack *st, uint8_t proto, uint16_t port)
{
    return &st->port_uses[(proto == IPPROTO_UDP ? PORTS : 0) + port];
}

int stack_take_port(void *ctx, uint8_t proto, const struct inet_end *local, const struct inet_end *remote, bool chosen)
{
    struct stack *st = ctx;
    struct netdev_flow f = {.proto = proto, .local_port = local->port, .chosen = chosen};
    uint32_t *uses;
    int err = 0;

    if (st->port_uses == NULL)
        return 0;
    memcpy(f.local, local->addr.b, 16);
    if (remote != NULL) {
        memcpy(f.remote, remote->addr.b, 16);
        f.remote_port = remote->port;
    }
    uses = uses_of(st, proto, local->port);
    if (remote != NULL && st->dev->ops->keeps != NULL && !st->dev->ops->keeps(st->dev, &f))
        return -EADDRINUSE;
    if (*uses == 0)
        err = st->dev->ops->take_port(st->dev, &f);
    if (err == 0)
        ++*uses;
    return err;
}

void stack_give_port(void *ctx, uint8_t proto, uint16_t port)
{
    struct stack *st = ctx;
    uint32_t *uses;

    if (st->port_uses == NULL)
        return;
    uses = uses_of(st, proto, port);
    assert(*uses > 0);
    if (--*uses == 0)
        st->dev->ops->give_port(st->dev, proto, port);
}

void stack_config_defaults(struct stack_config *cfg, const struct instance *inst)
{
    *cfg = (struct stack_config){.pcap = NULL};
    inet_config_defaults(&cfg->inet);
    tcp_config_defaults(&cfg->tcp);
    if (cfg->tcp.conns > inst->config.max_queues)
        cfg->tcp.conns = (uint32_t)inst->config.max_queues;
}

static int make_parts(struct stack *st, const struct stack_config *cfg)
{
    struct inet_env env = {.now_ns = st->inst->now_ns,
                           .mem = &st->inst->mem,
                           .timers = &st->wheel,
                           .count = st->inst->stat->value,
                           .ctx = st,
                           .offload = st->dev->offload,
                           .alloc = env_alloc,
                           .random = env_random,
                           .output = env_output,
                           .reserve = env_reserve,
                           .unreserve = env_unreserve,
                           .take_port = stack_take_port,
                           .give_port = stack_give_port};
    struct inet_config inet = cfg->inet;
    int err = capture_begin(&st->capture, st->inst, cfg->pcap, cfg->name != NULL ? cfg->name : st->dev->ops->name);

    if (err != 0)
        return err;
    if (st->capture.pcap != NULL)
        env.tap = env_tap;

    memcpy(inet.mac, st->dev->mac, sizeof(inet.mac));
    inet.mtu = st->dev->mtu;
    st->in = inet_new(&env, &inet, &err);
    if (st->in == NULL)
        return err;
    st->udp = udp_new(st->in, &stack_udp_upcalls, &err);
    if (st->udp == NULL)
        return err;
    st->tcp = tcp_new(st->in, &cfg->tcp, &stack_tcp_upcalls, &err);
    return st->tcp == NULL ? err : 0;
}

static void free_parts(struct stack *st)
{
    if (st->batched > 0)
        flush(st);
    if (st->tcp != NULL)
        tcp_free(st->tcp);
    if (st->udp != NULL)
        udp_free(st->udp);
    if (st->in != NULL)
        inet_free(st->in);
    timer_cancel(&st->inst->timers, &st->alarm);
    capture_end(&st->capture);
    free(st->port_uses);
    free(st);
}

struct stack *stack_new(struct instance *inst, struct netdev *dev, const struct stack_config *cfg, int *err)
{
    struct stack *st = calloc(1, sizeof(*st));

    if (st == NULL) {
        *err = error_set(&inst->error, ENOMEM, "no memory for a TCP/IP stack");
        return NULL;
    }
    st->inst = inst;
    st->dev = dev;
    st->tcp_cfg = cfg->tcp;
    if (dev->ops->take_port != NULL)
        st->port_uses = calloc(2 * PORTS, sizeof(*st->port_uses));
    if (dev->ops->take_port != NULL && st->port_uses == NULL) {
        *err = error_set(&inst->error, ENOMEM, "no memory for a TCP/IP stack");
        free(st);
        return NULL;
    }
    timer_wheel_init(&st->wheel, inst->now_ns);
    *err = make_parts(st, cfg);
    if (*err == 0)
        return st;
    if (st->capture.pcap != NULL || inst->config.pcap[0] == '\0') /* else the capture has said it */
        error_set(&inst->error, -*err, "the TCP/IP stack on %s: %s", dev->ops->name, strerror(-*err));
    free_parts(st);
    return NULL;
}

void stack_free(struct stack *st)
{
    struct netdev *dev = st->dev;

    free_parts(st);
    netdev_close(dev);
}

/*
 * Has the application had its turn to answer what it was given? Not while it takes results, which shows in the oldest
 * of them: with many connections there is a look at the device before it has seen all, and an acknowledgement for each
 * of the others would double the frames. For so many looks at most, because one who always has results must not keep
 * peers waiting.
 */
static bool had_its_turn(struct stack *st)
{
    const struct op *oldest = op_list_first(&st->inst->ops, &st->inst->ops.done);
    demi_qtoken_t token = oldest != NULL ? oldest->token : 0;
    bool takes = token != 0 && token != st->oldest;

    st->oldest = token;
    st->postponed = takes && st->postponed < STACK_POSTPONE ? st->postponed + 1 : 0;
    return st->postponed == 0;
}

/*
 * Is f a datagram in one piece? Nothing in the way of those asks for the time, which costs as much to read as a third
 * of the way. IPv4 without options, or IPv6 without extensions, no tag.
 */
static inline bool is_datagram(const struct frame_in *f)
{
    const uint8_t *p = f->ptr;

    if (f->len < 42)
        return false;
    if (p[12] == 0x08 && p[13] == 0x00)
        return p[14] == 0x45 && p[23] == IPPROTO_UDP && (p[20] & 0x3f) == 0 && p[21] == 0;
    return p[12] == 0x86 && p[13] == 0xdd && p[20] == IPPROTO_UDP;
}

/* Sets the time for n frames, when one of them needs it, or it has not been set for long. */
static inline void set_time(struct stack *st, const struct frame_in *in, unsigned n)
{
    unsigned i = 0;

    if (st->untimed < STACK_UNTIMED)
        while (i < n && is_datagram(&in[i]))
            i++;
    if (i == n) {
        st->untimed++;
        return;
    }
    st->untimed = 0;
    stack_enter(st);
}

unsigned stack_poll(struct stack *st)
{
    struct frame_in in[NETDEV_BURST];
    bool turned = tcp_waiting(st->tcp) && had_its_turn(st);
    unsigned n, total = 0;

    if (st->batched > 0)
        stack_send_held(st);
    st->inst->handed = 0;
    st->keep = NETDEV_BURST;
    if (UNLIKELY(turned && st->busy_looks >= STACK_BUSY)) {
        st->busy_looks = 0;
        tcp_turn(st->tcp);
    }
    for (unsigned burst = 0; burst < STACK_BURSTS; burst++) {
        n = st->dev->ops->rx_burst(st->dev, in, NETDEV_BURST);
        if (n == 0)
            break;
        set_time(st, in, n);
        tcp_burst_begin(st->tcp);
        for (unsigned i = 0; i < n; i++) {
            __builtin_prefetch(in[i + 1 < n ? i + 1 : i].ptr);
            inet_input(st->in, &in[i]);
        }
        tcp_burst_end(st->tcp);
        total += n;
        if (n < NETDEV_BURST)
            break; /* it had no more a moment ago */
    }
    if (total > 0) {
        st->busy_looks++; /* while frames come, the second segment of a connection acknowledges the first */
    } else {
        st->busy_looks = 0;
        if (turned)
            tcp_turn(st->tcp);
    }
    if (UNLIKELY(inet_waiting(st->in)))
        total += inet_poll(st->in);
    if (timer_pending(&st->wheel, st->inst->now_ns)) {
        inet_set_now(st->in, st->inst->now_ns);
        COUNT_ADD(st->inst, timers_fired, timer_advance(&st->wheel, st->inst->now_ns, STACK_TIMERS));
    }
    st->keep = 0;
    if (st->batched > 0)
        flush(st);
    if (UNLIKELY(st->dev->error != 0 && !st->lost))
        stack_lose(st);
    return total;
}

/* The instance woke; its turn does the rest. */
static void alarm_fire(struct timer *t, void *arg)
{
    (void)t, (void)arg;
}

bool stack_arm(struct stack *st)
{
    uint64_t next = timer_next_ns(&st->wheel);

    if (UNLIKELY(st->capture.pcap != NULL))
        pcap_flush(st->capture.pcap);
    if (inet_waiting(st->in) || tcp_waiting(st->tcp) || (st->dev->error != 0 && !st->lost))
        return false;
    if (!st->lost && st->dev->ops->arm != NULL && !st->dev->ops->arm(st->dev))
        return false;
    if (next == UINT64_MAX)
        timer_cancel(&st->inst->timers, &st->alarm);
    else
        timer_arm(&st->inst->timers, &st->alarm, next, alarm_fire, st);
    return true;
}

struct sock *sock_new(struct stack *st, struct queue *q)
{
    struct sock *s = calloc(1, sizeof(*s));

    if (s == NULL)
        return NULL;
    s->stack = st;
    s->q = q;
    s->unsent = OP_NIL;
    s->local.addr = q->domain == AF_INET ? INET_ANY4 : INET_ANY6;
    stack_option_defaults(s, &st->tcp_cfg);
    q->state = s;
    return s;
}

void sock_free(struct sock *s)
{
    struct sock **p = &s->stack->bound;

    if (s->held_port) {
        while (*p != s)
            p = &(*p)->next;
        *p = s->next;
        stack_give_port(s->stack, IPPROTO_TCP, s->local.port);
    }
    free(s);
}

int stack_socket(struct stack *st, struct queue *q)
{
    struct sock *s = sock_new(st, q);

    if (s == NULL)
        return error_set(&st->inst->error, ENOMEM, "no memory for a socket");
    if (q->type == SOCK_DGRAM) {
        s->udp = udp_open(st->udp, s);
        if (s->udp == NULL) {
            sock_free(s);
            return error_set(&st->inst->error, EMFILE, "all datagram sockets of the stack are open");
        }
    }
    q->ops = q->type == SOCK_DGRAM ? &stack_dgram_ops : &stack_stream_ops;
    q->fd = -1;
    return 0;
}

void stack_move(struct sock *s, struct stack *st)
{
    struct udp_socket *udp;

    assert(s->local.port == 0 && s->conn == NULL && s->listener == NULL);
    if (s->udp != NULL) {
        udp = udp_open(st->udp, s);
        if (udp == NULL)
            return; /* it stays where it is */
        udp_close(s->udp);
        s->udp = udp;
    }
    s->stack = st;
}
