/* SPDX-License-Identifier: MIT */
/*
 * catmem: connecting and accepting.
 *
 * 1. The connecting side dials a unix socket by name and sends a greeting with four descriptors: the memory file of its
 * region, that of its bell, its eventfd, and the channel it made for the connection. The accepting side answers with
 * its own first three. Each is judged before anything is mapped: version, sizes, seals, the other process's user.
 * 2. Nothing waits. A listener's library answers whenever it polls, whether or not its application accepts: up to
 * `backlog` connections are greeted and kept. More stay with the kernel, whose queue is as long; when that is full too
 * the dialer tries again every few milliseconds.
 * 3. Both sides give up after CATMEM_GREET_NS. A dialer that is refused has ECONNREFUSED, at once; one that is ignored,
 * by a process that never polls, ETIMEDOUT.
 */
#include "greet.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#define RETRY_NS         (2 * NS_PER_MS)
#define PAUSE_NS         (20 * NS_PER_MS)
#define RING_BYTES_MIN   UINT64_C(4096)
#define RING_BYTES_MAX   (UINT64_C(16) << 20)
#define REGION_BYTES_MAX (UINT64_C(1) << 41)

static int send_greeting(struct conn *c, enum greeting_kind kind)
{
    struct catmem *m = c->watched.m;
    int count = kind == GREETING_HELLO ? GREETING_FDS : GREETING_FDS - 1;
    const int fds[GREETING_FDS] = {m->inst->mem.fd, m->bell_memory_fd, m->bell_fd, c->channel_fd};
    struct greeting g = {.magic = GREETING_MAGIC,
                         .version = GREETING_VERSION,
                         .kind = kind,
                         .region_bytes = m->inst->mem.map_bytes,
                         .bell_bytes = BELL_BYTES,
                         .ring_bytes = c->ring_bytes,
                         .refs = RING_REFS,
                         .slot = c->watched.slot,
                         .from = c->local,
                         .to = c->remote};
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(fds))];
    } control = {0};
    struct iovec iov = {&g, sizeof(g)};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = CMSG_SPACE((size_t)count * sizeof(int))};
    struct cmsghdr *cm = CMSG_FIRSTHDR(&msg);

    cm->cmsg_level = SOL_SOCKET;
    cm->cmsg_type = SCM_RIGHTS;
    cm->cmsg_len = CMSG_LEN((size_t)count * sizeof(int));
    memcpy(CMSG_DATA(cm), fds, (size_t)count * sizeof(int));
    return sendmsg(c->watched.fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)sizeof(g) ? 0 : -errno;
}

static int count_fds(struct msghdr *msg, int fds[GREETING_FDS])
{
    int n = 0;

    for (struct cmsghdr *cm = CMSG_FIRSTHDR(msg); cm != NULL; cm = CMSG_NXTHDR(msg, cm)) {
        if (cm->cmsg_level != SOL_SOCKET || cm->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t at = 0; at + sizeof(int) <= cm->cmsg_len - CMSG_LEN(0) && n < GREETING_FDS; at += sizeof(int))
            memcpy(&fds[n++], CMSG_DATA(cm) + at, sizeof(int));
    }
    return n;
}

static bool greeting_is_sound(const struct greeting *g, enum greeting_kind kind)
{
    return g->magic == GREETING_MAGIC && g->version == GREETING_VERSION && g->kind == kind && g->refs == RING_REFS &&
           g->slot < BELL_SLOTS && g->bell_bytes == BELL_BYTES && g->region_bytes <= REGION_BYTES_MAX &&
           g->ring_bytes >= RING_BYTES_MIN && g->ring_bytes <= RING_BYTES_MAX &&
           (g->ring_bytes & (g->ring_bytes - 1)) == 0 && (g->from.family == AF_INET || g->from.family == AF_INET6) &&
           (g->to.family == AF_INET || g->to.family == AF_INET6);
}

/* 0 with all descriptors; -EAGAIN: nothing yet; -ECONNREFUSED: closed; -EPROTO: not a greeting (nothing is kept). */
static int receive_greeting(struct conn *c, enum greeting_kind kind, struct greeting *g, int fds[GREETING_FDS])
{
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(GREETING_FDS * sizeof(int))];
    } control;
    struct iovec iov = {g, sizeof(*g)};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
    ssize_t n = recvmsg(c->watched.fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    int count;

    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? -EAGAIN : -ECONNREFUSED;
    count = count_fds(&msg, fds);
    if (n == (ssize_t)sizeof(*g) && (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0 &&
        count == (kind == GREETING_HELLO ? GREETING_FDS : GREETING_FDS - 1) && greeting_is_sound(g, kind))
        return 0;
    for (int i = 0; i < count; i++)
        close(fds[i]);
    return n == 0 && count == 0 ? -ECONNREFUSED : -EPROTO;
}

/* The other process's id, or -1: it is neither ours nor root's. */
static int peer_pid(int fd)
{
    struct ucred cred;
    socklen_t len = sizeof(cred);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
        return -1;
    return cred.uid == geteuid() || cred.uid == 0 ? cred.pid : -1;
}

static void count_protocol_error(struct conn *c, int err)
{
    if (err == -EPROTO)
        COUNT(c->watched.m->inst, peer_protocol_errors);
}

/* Connecting. */

static void forget_conn(struct queue *q)
{
    struct catmem_sock *s = catmem_sock_of(q);

    s->conn = NULL;
    q->word[0] = 0;
}

/* The socket may try again: it gets its name back, for the connection has taken it along. */
static void connect_failed(struct conn *c, int err)
{
    struct catmem *m = c->watched.m;
    struct instance *inst = m->inst;
    struct queue *q = c->queue;
    struct catmem_sock *s = catmem_sock_of(q);
    struct op *op = op_list_first(&inst->ops, &q->pushes);

    forget_conn(q);
    conn_free(c);
    q->status = (q->flags & QUEUE_WAS_BOUND) != 0 ? QUEUE_BOUND : QUEUE_FRESH;
    if (q->status == QUEUE_BOUND) {
        s->watched.fd = name_socket(m, &s->local, true);
        inst->error.text[0] = '\0';
    }
    if (op == NULL)
        return; /* cancelled */
    op_unpend(inst, &q->pushes, op);
    op_fail(inst, op, err);
}

static int make_channel(struct conn *c)
{
    uint64_t bytes = RING_BYTES_MIN;
    void *p;

    while (bytes < c->watched.m->inst->config.catmem_ring && bytes < RING_BYTES_MAX)
        bytes *= 2;
    c->channel_fd = peer_make_memory("caracal-channel", ring_channel_bytes(bytes), &p);
    if (c->channel_fd < 0)
        return c->channel_fd;
    munmap(p, ring_channel_bytes(bytes));
    return conn_map(c, c->channel_fd, bytes);
}

static void dial_again(struct timer *t, void *arg);

/* Dials and greets as far as it goes without waiting. 0, or the negative errno of a failure. */
static int dial(struct conn *c)
{
    struct catmem *m = c->watched.m;
    uint64_t now = clock_now_ns(&m->inst->clock);
    int err = 0;

    if (c->state == CONN_DIALING && c->channel_fd < 0) {
        err = name_connect(c->watched.fd, &c->remote);
        if (err == 0 && peer_pid(c->watched.fd) < 0) {
            COUNT(m->inst, peer_protocol_errors); /* somebody else has our listener's name */
            return -ECONNREFUSED;
        }
        if (err == 0)
            err = catmem_rewatch(&c->watched, EPOLLIN | EPOLLRDHUP);
        if (err == 0)
            err = make_channel(c);
        if (err < 0 && err != -EAGAIN)
            return err;
    }
    if (err == 0 && c->state == CONN_DIALING) {
        err = send_greeting(c, GREETING_HELLO);
        if (err == -EAGAIN || err == -ETOOMANYREFS || err == -ENOBUFS)
            err = -EAGAIN; /* too many descriptors are under way */
        else if (err < 0)
            return -ECONNREFUSED;
    }
    if (err == 0) {
        c->state = CONN_GREETED;
        close(c->channel_fd);
        c->channel_fd = -1;
        timer_arm(&m->inst->timers, &c->timer, c->deadline_ns, dial_again, c);
        return 0;
    }
    if (now >= c->deadline_ns)
        return -ETIMEDOUT;
    timer_arm(&m->inst->timers, &c->timer, now + RETRY_NS, dial_again, c);
    return 0;
}

static void dial_again(struct timer *t, void *arg)
{
    struct conn *c = arg;
    int err = -ETIMEDOUT;

    (void)t;
    if (c->state == CONN_DIALING)
        err = dial(c);
    else
        COUNT(c->watched.m->inst, greet_timeouts);
    if (err < 0)
        connect_failed(c, -err);
}

static int connect_prepare(struct catmem *m, struct catmem_sock *s, struct catmem_address *to)
{
    if (address_is_wild(to))
        address_set_loopback(to);
    if (!address_is_local(to))
        return error_set(&m->inst->error, ENETUNREACH, "catmem: the address is not one of this host");
    if (to->port == 0)
        return -ECONNREFUSED;
    if (s->watched.fd >= 0)
        return 0;
    s->local = *to; /* the way the kernel answers too: the local end of a connection to oneself has the same address */
    s->local.port = 0;
    s->watched.fd = name_socket(m, &s->local, true);
    return s->watched.fd < 0 ? s->watched.fd : 0;
}

int greet_connect(struct instance *inst, struct queue *q, struct op *op, const struct sockaddr *addr, socklen_t len)
{
    struct catmem *m = catmem_of(inst);
    struct catmem_sock *s = catmem_sock_of(q);
    struct catmem_address to;
    struct conn *c = NULL;
    int err = -EINVAL;

    (void)len;
    if (address_from(&to, addr))
        err = connect_prepare(m, s, &to);
    if (err == 0) {
        c = conn_new(m, s->watched.fd, 0, &err); /* watched when it is dialed: epoll calls it hung up until then */
        s->watched.fd = -1;
    }
    if (err == 0) {
        c->state = CONN_DIALING;
        c->queue = q;
        c->local = s->local;
        if (address_is_wild(&c->local))
            memcpy(c->local.ip, to.ip, sizeof(to.ip));
        c->remote = to;
        c->deadline_ns = clock_now_ns(&inst->clock) + CATMEM_GREET_NS;
        s->conn = c;
        q->status = QUEUE_CONNECTING;
        op_pend(inst, &q->pushes, op);
        catmem_expect_control(m);
        err = dial(c);
        if (err < 0)
            connect_failed(c, -err);
        return 0;
    }
    inst->error.text[0] = '\0';
    op_fail(inst, op, -err);
    return 0;
}

static void connect_event(struct conn *c)
{
    struct catmem *m = c->watched.m;
    struct instance *inst = m->inst;
    struct queue *q = c->queue;
    struct catmem_sock *s = catmem_sock_of(q);
    int fds[GREETING_FDS], err;
    struct greeting g = {0};
    struct op *op;

    err = receive_greeting(c, GREETING_ANSWER, &g, fds);
    if (err == -EAGAIN)
        return;
    if (err == 0) {
        c->peer = peer_get(m, fds, g.region_bytes, peer_pid(c->watched.fd), &err);
        c->peer_slot = g.slot;
    }
    if (err < 0) {
        count_protocol_error(c, err);
        connect_failed(c, err == -EPROTO ? ECONNREFUSED : -err);
        return;
    }
    q->status = QUEUE_CONNECTED;
    q->word[0] = (uintptr_t)c;
    s->local = c->local;
    op = op_list_first(&inst->ops, &q->pushes);
    conn_open(c);
    if (op == NULL)
        return; /* cancelled */
    op_unpend(inst, &q->pushes, op);
    op_complete_connect(inst, op);
}

/* Accepting. */

static void listener_event(struct watched *w, uint32_t events);

int greet_listen(struct instance *inst, struct queue *q, int backlog)
{
    struct catmem_sock *s = catmem_sock_of(q);
    int err;

    if (s->watched.fd < 0) { /* a connect that failed lost the name to somebody */
        s->watched.fd = name_socket(catmem_of(inst), &s->local, true);
        if (s->watched.fd < 0)
            return s->watched.fd;
    }
    if (listen(s->watched.fd, backlog) < 0)
        return error_set(&inst->error, errno, "catmem: listen: %s", strerror(errno));
    s->watched.event = listener_event;
    err = catmem_watch(s->watched.m, &s->watched, EPOLLIN);
    if (err < 0)
        return error_set(&inst->error, -err, "catmem: listen: %s", strerror(-err));
    s->backlog = (uint32_t)backlog;
    return 0;
}

/* A connection that nobody accepted is gone from the listener's count. */
static void unmute(struct catmem_sock *s)
{
    s->waiting--;
    if (s->muted)
        catmem_rewatch(&s->watched, EPOLLIN);
    s->muted = false;
}

static void answer_timeout(struct timer *t, void *arg)
{
    struct conn *c = arg;

    (void)t;
    COUNT(c->watched.m->inst, greet_timeouts);
    unmute(c->sock);
    conn_free(c);
}

/* Gives the accept the oldest connection that waits. */
static void adopt(struct instance *inst, struct catmem_sock *s, struct op *op)
{
    struct conn *c = s->ready_first;
    struct queue *q = queue_alloc(&inst->queues, &catmem_ops);
    struct catmem_sock *fresh = q != NULL ? catmem_sock_new(catmem_of(inst), q) : NULL;
    struct sockaddr_storage ss;

    if (fresh == NULL) {
        if (q != NULL)
            queue_free(&inst->queues, q);
        else
            COUNT(inst, queues_full);
        op_fail(inst, op, q != NULL ? ENOMEM : EMFILE);
        return;
    }
    s->ready_first = c->next_ready;
    unmute(s);
    q->domain = s->queue->domain;
    q->type = SOCK_STREAM;
    q->status = QUEUE_CONNECTED;
    q->state = fresh;
    q->word[0] = (uintptr_t)c;
    fresh->conn = c;
    fresh->local = c->local;
    fresh->linger = s->linger;
    fresh->reset = s->reset;
    memcpy(fresh->option, s->option, sizeof(s->option));
    c->queue = q;
    c->sock = NULL;
    c->next_ready = NULL;
    if (c->remote.family == AF_INET) {
        address_to(&c->remote, &ss);
        memcpy(&op->args.in, &ss, sizeof(op->args.in));
    }
    op_complete_accept(inst, op, q->qd);
}

int greet_accept(struct instance *inst, struct queue *q, struct op *op)
{
    struct catmem_sock *s = catmem_sock_of(q);

    if (s->ready_first != NULL)
        adopt(inst, s, op);
    else
        op_pend(inst, &q->pops, op);
    return 0;
}

static int answer(struct conn *c)
{
    struct catmem *m = c->watched.m;
    int fds[GREETING_FDS], err, pid = peer_pid(c->watched.fd);
    struct greeting g = {0};

    err = receive_greeting(c, GREETING_HELLO, &g, fds);
    if (err < 0)
        return err;
    c->peer = peer_get(m, fds, g.region_bytes, pid, &err);
    if (c->peer == NULL) {
        close(fds[3]);
        return err;
    }
    err = pid >= 0 && peer_memory_is_sound(fds[3], ring_channel_bytes(g.ring_bytes)) ? 0 : -EPROTO;
    c->end = 1;
    if (err == 0)
        err = conn_map(c, fds[3], g.ring_bytes);
    close(fds[3]);
    if (err < 0)
        return err;
    c->peer_slot = g.slot;
    c->remote = g.from;
    c->local = g.to;
    return send_greeting(c, GREETING_ANSWER);
}

/* The answered greeting of a connection that was accepted from the kernel. */
static void answer_event(struct conn *c)
{
    struct catmem *m = c->watched.m;
    struct catmem_sock *s = c->sock;
    int err = answer(c);
    struct op *op;

    if (err == -EAGAIN)
        return;
    if (err < 0) {
        count_protocol_error(c, err);
        unmute(s);
        conn_free(c);
        return;
    }
    conn_open(c);
    if (s->ready_first == NULL)
        s->ready_first = c;
    else
        s->ready_last->next_ready = c;
    s->ready_last = c;
    op = op_list_first(&m->inst->ops, &s->queue->pops);
    if (op == NULL)
        return;
    op_unpend(m->inst, &s->queue->pops, op);
    adopt(m->inst, s, op);
}

static void listen_again(struct timer *t, void *arg)
{
    struct catmem_sock *s = arg;

    (void)t;
    if (s->muted && s->waiting < s->backlog) {
        s->muted = false;
        catmem_rewatch(&s->watched, EPOLLIN);
    }
}

/* Descriptors ran out: what waits with the kernel would wake us for ever. */
static void pause_listener(struct catmem_sock *s)
{
    struct instance *inst = s->watched.m->inst;

    COUNT(inst, queues_full);
    s->muted = true;
    catmem_rewatch(&s->watched, 0);
    timer_arm(&inst->timers, &s->timer, clock_now_ns(&inst->clock) + PAUSE_NS, listen_again, s);
}

static void listener_event(struct watched *w, uint32_t events)
{
    struct catmem_sock *s = CONTAINER_OF(w, struct catmem_sock, watched);
    struct catmem *m = w->m;

    (void)events;
    catmem_expect_control(m);
    while (s->waiting < s->backlog) {
        int fd = accept4(w->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), err;
        struct conn *c;

        if (fd < 0) {
            if (errno != EAGAIN && errno != EINTR)
                pause_listener(s);
            return;
        }
        c = conn_new(m, fd, EPOLLIN | EPOLLRDHUP, &err);
        if (c == NULL)
            return;
        c->state = CONN_ANSWERED;
        c->sock = s;
        s->waiting++;
        timer_arm(&m->inst->timers, &c->timer, clock_now_ns(&m->inst->clock) + CATMEM_GREET_NS, answer_timeout, c);
        answer_event(c);
    }
    COUNT(m->inst, backlog_full);
    s->muted = true;
    catmem_rewatch(w, 0);
}

void greet_stop(struct catmem_sock *s)
{
    struct catmem *m = s->watched.m;

    timer_cancel(&m->inst->timers, &s->timer);
    /* its connections are found by their slots: also those that are not ready yet are in no list */
    for (uint32_t i = 0; i < m->slot_count; i++) {
        struct watched *w = m->slots[i].watched;
        struct conn *c;

        if (w == NULL || w == &s->watched || w->event == listener_event)
            continue;
        c = CONTAINER_OF(w, struct conn, watched);
        if (c->sock != s)
            continue;
        c->sock = NULL;
        c->next_ready = NULL;
        if (c->state == CONN_OPEN)
            conn_close(c, true);
        else
            conn_free(c);
    }
    catmem_unwatch(&s->watched);
}

void greet_event(struct conn *c, uint32_t events)
{
    (void)events;
    if (c->state == CONN_ANSWERED)
        answer_event(c);
    else
        connect_event(c);
}
