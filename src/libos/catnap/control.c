/* SPDX-License-Identifier: MIT */
/* catnap: the control calls of sockets, the same for both engines, and closing them. */
#include "catnap.h"

#include <errno.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define LINGER_LOOK_NS (10 * NS_PER_MS) /* how often a lingering socket's unsent bytes are looked at */

struct lingering {
    struct timer timer;
    struct lingering *next, **pprev;
    struct instance *inst;
    uint64_t deadline_ns;
    int fd;
};

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

/*
 * The kernel hands a pending error out once. The queue's operations have to learn of it as well. A reset behind the end
 * of the peer's stream is EPIPE to Linux; here that means that the application has shut its side down.
 */
static void keep_error(struct queue *q, void *val)
{
    int err;

    memcpy(&err, val, sizeof(err));
    if (err == EPIPE)
        err = ECONNRESET;
    memcpy(val, &err, sizeof(err));
    if (err == 0 || (q->status != QUEUE_CONNECTED && q->status != QUEUE_CONNECTING))
        return;
    q->error = (uint16_t)err;
    q->flags |= QUEUE_HUP | QUEUE_READABLE;
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
    if (getsockopt(q->fd, level, name, val, len) == 0) {
        if (level == SOL_SOCKET && name == SO_ERROR && q->type == SOCK_STREAM)
            keep_error(q, val);
        return 0;
    }
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
    inst->now_ns = clock_now_ns(&inst->clock); /* the last look may be long ago: the application was computing */
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

void catnap_linger_end_all(struct instance *inst)
{
    struct catnap *c = catnap_of(inst);

    for (struct lingering *l = c->lingering, *next; l != NULL; l = next) {
        next = l->next;
        timer_cancel(&inst->timers, &l->timer);
        linger_end(l, true); /* the kernel goes on sending */
    }
}

void catnap_linger_forget(const struct instance *inst)
{
    for (const struct lingering *l = catnap_of(inst)->lingering; l != NULL; l = l->next)
        close(l->fd);
}
