/* SPDX-License-Identifier: MIT */
/* catnap: sockets' control calls, memory for receives, closing. */
#include "catnap.h"

#include "core/module.h"
#include "libos/registry.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#define LINGER_LOOK_NS (10 * NS_PER_MS) /* how often a lingering socket's unsent bytes are looked at */

struct lingering {
    struct timer timer;
    struct lingering *next, **pprev;
    struct instance *inst;
    uint64_t deadline_ns;
    int fd;
};

static int catnap_socket(struct instance *inst, struct queue *q)
{
    int one = 1;

    q->fd = socket(q->domain, q->type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (q->fd < 0)
        return error_set(&inst->error, errno, "socket: %s", strerror(errno));
    /* Nagle's algorithm holds small messages back for a round trip; accepted sockets inherit this. */
    if (q->type == SOCK_STREAM)
        setsockopt(q->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    q->ops = catnap_of(inst)->engine->ops;
    q->flags = QUEUE_READABLE | QUEUE_WRITABLE;
    q->pop_bytes = CATNAP_POP_MIN;
    return 0;
}

struct queue *catnap_adopt(struct instance *inst, const struct queue *listener, int fd)
{
    struct queue *q = queue_alloc(&inst->queues, listener->ops);

    if (q == NULL) {
        COUNT(inst, queues_full);
        close(fd);
        return NULL;
    }
    q->fd = fd;
    q->domain = listener->domain;
    q->type = listener->type;
    q->status = QUEUE_CONNECTED;
    q->flags = QUEUE_READABLE | QUEUE_WRITABLE | (listener->flags & QUEUE_LINGER);
    q->linger_s = listener->linger_s;
    q->pop_bytes = CATNAP_POP_MIN;
    return q;
}

int catnap_bind(struct instance *inst, struct queue *q, const struct sockaddr *addr, socklen_t len)
{
    (void)inst;
    return bind(q->fd, addr, len) == 0 ? 0 : -errno;
}

/* A time to linger would make close() block: catnap keeps it and lingers itself. */
static void remember_linger(struct queue *q, const struct linger *l)
{
    q->flags &= (uint16_t)~QUEUE_LINGER;
    q->linger_s = 0;
    if (l->l_onoff != 0 && l->l_linger > 0) {
        q->flags |= QUEUE_LINGER;
        q->linger_s = (uint32_t)l->l_linger;
    }
}

int catnap_setsockopt(struct instance *inst, struct queue *q, int level, int name, const void *val, socklen_t len)
{
    struct linger l;

    (void)inst;
    if (level == SOL_SOCKET && name == SO_LINGER) {
        memcpy(&l, val, sizeof(l));
        remember_linger(q, &l);
        if ((q->flags & QUEUE_LINGER) != 0)
            l.l_onoff = 0;
        val = &l;
    }
    if (setsockopt(q->fd, level, name, val, len) == 0)
        return 0;
    if (errno == EOPNOTSUPP)
        return -ENOPROTOOPT;                   /* a TCP option of a datagram socket */
    return errno == ENOENT ? -EINVAL : -errno; /* ENOENT: no such congestion control */
}

int catnap_getsockopt(struct instance *inst, struct queue *q, int level, int name, void *val, socklen_t *len)
{
    (void)inst;
    if (level == SOL_SOCKET && name == SO_LINGER && (q->flags & QUEUE_LINGER) != 0) {
        struct linger l = {1, (int)q->linger_s};

        memcpy(val, &l, sizeof(l));
        *len = sizeof(l);
        return 0;
    }
    if (level == SOL_SOCKET && name == SO_ERROR && q->error != 0) {
        int err = q->error;

        memcpy(val, &err, sizeof(err));
        *len = sizeof(err);
        return 0;
    }
    if (getsockopt(q->fd, level, name, val, len) == 0)
        return 0;
    return errno == EOPNOTSUPP ? -ENOPROTOOPT : -errno;
}

int catnap_getpeername(struct instance *inst, struct queue *q, struct sockaddr_storage *addr, socklen_t *len)
{
    (void)inst;
    return getpeername(q->fd, (struct sockaddr *)addr, len) == 0 ? 0 : -errno;
}

int catnap_getsockname(struct instance *inst, struct queue *q, struct sockaddr_storage *addr, socklen_t *len)
{
    (void)inst;
    return getsockname(q->fd, (struct sockaddr *)addr, len) == 0 ? 0 : -errno;
}

void *catnap_room(struct instance *inst, size_t bytes)
{
    struct catnap *c = catnap_of(inst);

    if (LIKELY(c->spare != NULL)) {
        size_t room = mem_room(c->spare);

        if (LIKELY(room >= bytes && room <= 2 * bytes))
            return c->spare;
        mem_unref(&inst->mem, c->spare);
    }
    c->spare = mem_alloc(&inst->mem, bytes, 1);
    return c->spare;
}

void catnap_received(struct instance *inst, struct op *op, size_t offset, size_t n, bool meta)
{
    struct catnap *c = catnap_of(inst);
    size_t size = offset + n;
    char *obj = NULL;

    /* Few bytes are copied: 64 KiB would otherwise be held for a line of text. */
    if (n < inst->config.zero_copy_threshold || size * 4 <= mem_room(c->spare)) {
        obj = mem_alloc(&inst->mem, size == 0 ? 1 : size, 1);
        if (LIKELY(obj != NULL))
            memcpy(obj, c->spare, size);
    }
    if (obj == NULL) {
        obj = c->spare;
        c->spare = NULL;
    }
    if (meta)
        *mem_ref_word(obj) |= REF_META;
    op_complete_pop(inst, op, obj, obj + offset, (uint32_t)n);
}

void catnap_received_end(struct instance *inst, struct op *op)
{
    char *obj = mem_alloc(&inst->mem, 1, 1); /* an array of length 0 that the application can free like any other */

    op_complete_pop(inst, op, obj, obj, 0);
}

void catnap_adapt(struct queue *q, size_t offered, size_t n)
{
    if (n == offered && offered == q->pop_bytes && q->pop_bytes < CATNAP_POP_MAX)
        q->pop_bytes *= 2;
    else if (n * 4 < q->pop_bytes && q->pop_bytes > CATNAP_POP_MIN)
        q->pop_bytes /= 2;
}

int catnap_segments(const struct op *op, struct iovec *iov, int max)
{
    const struct gather *g;
    size_t skip = op->done;
    int n = 0;

    if ((op->flags & OP_GATHER) == 0) {
        iov[0] = (struct iovec){op->ptr + op->done, op->len - op->done};
        return 1;
    }
    g = op->args.gather;
    for (uint32_t i = 0; i < g->count && n < max; i++) {
        if (skip >= g->seg[i].len) {
            skip -= g->seg[i].len;
            continue;
        }
        iov[n++] = (struct iovec){g->seg[i].ptr + skip, g->seg[i].len - skip};
        skip = 0;
    }
    return n;
}

/* Ends the head of a list or one of its members; l is gone afterwards. */
static void linger_end(struct lingering *l, bool sent)
{
    struct linger abort = {1, 0};

    if (!sent) /* the time is over: what is unsent is given up, as with a blocking close (POSIX, SO_LINGER) */
        setsockopt(l->fd, SOL_SOCKET, SO_LINGER, &abort, sizeof(abort));
    close(l->fd);
    *l->pprev = l->next;
    if (l->next != NULL)
        l->next->pprev = l->pprev;
    free(l);
}

static void linger_look(struct timer *t, void *arg)
{
    struct lingering *l = arg;
    int unsent = 0;

    if (ioctl(l->fd, SIOCOUTQ, &unsent) < 0 || unsent == 0) {
        linger_end(l, true);
        return;
    }
    if (l->inst->now_ns >= l->deadline_ns) {
        linger_end(l, false);
        return;
    }
    timer_arm(&l->inst->timers, t, l->inst->now_ns + LINGER_LOOK_NS, linger_look, l);
}

void catnap_close_socket(struct instance *inst, struct queue *q)
{
    struct catnap *c = catnap_of(inst);
    struct lingering *l = NULL;

    if ((q->flags & QUEUE_LINGER) != 0 && q->status == QUEUE_CONNECTED && q->error == 0)
        l = calloc(1, sizeof(*l));
    if (l == NULL) {
        close(q->fd);
        return;
    }
    shutdown(q->fd, SHUT_RDWR);
    l->inst = inst;
    l->fd = q->fd;
    l->deadline_ns = inst->now_ns + q->linger_s * NS_PER_S;
    l->pprev = &c->lingering;
    l->next = c->lingering;
    if (l->next != NULL)
        l->next->pprev = &l->next;
    c->lingering = l;
    linger_look(&l->timer, l);
}

static const struct catnap_engine *find_engine(struct instance *inst, struct catnap *c, int *err)
{
    const struct catnap_engine *engine;

    *err = 0;
    if (inst->config.engine == ENGINE_EPOLL)
        return &catnap_epoll;
    c->module = module_open("caracal-uring", &inst->error, err);
    if (c->module == NULL)
        return NULL;
    engine = module_symbol(c->module, "catnap_uring", &inst->error, err);
    return engine;
}

static int catnap_init(struct instance *inst)
{
    struct catnap *c = calloc(1, sizeof(*c));
    int err;

    if (c == NULL)
        return error_set(&inst->error, ENOMEM, "no memory for catnap");
    inst->net_state = c;
    c->engine = find_engine(inst, c, &err);
    if (c->engine != NULL)
        err = c->engine->init(inst);
    if (err == 0)
        return 0;
    if (c->module != NULL)
        module_close(c->module);
    free(c);
    inst->net_state = NULL;
    return err;
}

static void catnap_fini(struct instance *inst)
{
    struct catnap *c = catnap_of(inst);

    for (struct lingering *l = c->lingering, *next; l != NULL; l = next) {
        next = l->next;
        timer_cancel(&inst->timers, &l->timer);
        linger_end(l, true); /* the kernel goes on sending */
    }
    c->engine->fini(inst);
    if (c->spare != NULL)
        mem_unref(&inst->mem, c->spare);
    if (c->module != NULL)
        module_close(c->module);
    free(c);
    inst->net_state = NULL;
}

const struct libos libos_catnap = {
    .name = "catnap",
    .what = "the kernel's sockets",
    .init = catnap_init,
    .fini = catnap_fini,
    .socket = catnap_socket,
};
