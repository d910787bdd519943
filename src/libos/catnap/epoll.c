/* SPDX-License-Identifier: MIT */
/*
 * catnap's readiness engine: non-blocking sockets and one edge-triggered epoll descriptor, the instance's.
 *
 * 1. Every operation tries the socket first and only waits for an edge when that says EAGAIN; a queue is put under
 *    epoll the first time one of its operations has to wait, for both directions at once: one system call a connection.
 * 2. An edge completes waiting operations in the call that reports it. A short read means the socket is drained
 *    (epoll(7), note 9), so no second receive is spent on EAGAIN, unless the end of the stream or urgent data may be
 *    behind it.
 * 3. Where a single queue waits for data, the poll loop asks that socket and not epoll: one system call between arrival
 *    and completion in place of two. Such a queue stays out of epoll altogether, because the kernel's callback into
 *    epoll costs each arriving segment some 0.3 us on the sender's processor. It is put there when a second queue waits
 *    or the instance is about to sleep, and taken out again after a long run of direct hits. Everything else is looked
 *    at every 32nd turn.
 * 4. A queue sends at most four times in a turn; what is left goes on in the next, by a ready bit, because no edge will
 *    come for room that is still there.
 */
#include "catnap.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define EPOLL_EVERY  32  /* turns between looks at epoll while one queue is asked directly */
#define SENDS_A_TURN 4   /* sends for one queue in a turn: a peer that reads as fast must not stop the others */
#define UNWATCH_HITS 256 /* arrivals found directly before a queue is taken out of epoll */

struct epoll_state {
    int32_t hot_qd;   /* the queue that began to wait last */
    uint32_t waiting; /* queues with pending pops */
    uint32_t writing; /* queues with pending pushes or a connect */
    uint32_t turn;
    uint32_t hits; /* arrivals found directly in a row */
};

static struct epoll_state *state_of(const struct instance *inst)
{
    return catnap_of(inst)->engine_state;
}

/* q->word[0]: is the socket under epoll? */
static int watch(struct instance *inst, struct queue *q)
{
    int err;

    if (LIKELY(q->word[0] != 0))
        return 0;
    err = instance_watch(inst, q, EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP | EPOLLET);
    if (err < 0)
        return error_set(&inst->error, -err, "epoll_ctl: %s", strerror(-err));
    q->word[0] = 1;
    inst->event_queues++;
    return 0;
}

static void unwatch(struct instance *inst, struct queue *q)
{
    if (q->word[0] == 0 || epoll_ctl(inst->epfd, EPOLL_CTL_DEL, q->fd, NULL) < 0)
        return;
    q->word[0] = 0;
    inst->event_queues--;
}

/* Keeps count of the queues with pending operations. q->word[1], [2]: is q counted as waiting, as writing? */
static void count_pending(struct instance *inst, struct queue *q)
{
    struct epoll_state *s = state_of(inst);
    uint64_t waits = q->status != QUEUE_LISTENING && !op_list_is_empty(&q->pops);
    uint64_t writes = !op_list_is_empty(&q->pushes);

    s->waiting += (uint32_t)(waits - q->word[1]);
    s->writing += (uint32_t)(writes - q->word[2]);
    if (waits > q->word[1] && s->waiting == 1)
        s->hot_qd = q->qd;
    q->word[1] = waits;
    q->word[2] = writes;
}

/* The queue that the poll loop asks directly, or NULL. */
static struct queue *hot_queue(const struct instance *inst)
{
    const struct epoll_state *s = state_of(inst);
    struct queue *q;

    if (s->waiting != 1)
        return NULL;
    q = queue_lookup(&inst->queues, s->hot_qd);
    return q != NULL && q->word[1] != 0 ? q : NULL;
}

static bool is_readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    return poll(&p, 1, 0) == 1;
}

static enum catnap_attempt try_accept(struct instance *inst, struct queue *q, struct op *op)
{
    struct sockaddr_storage from = {.ss_family = AF_UNSPEC};
    socklen_t len = sizeof(from);
    struct queue *fresh;
    int fd;

    if (UNLIKELY(inst->queues.used == inst->queues.capacity)) {
        if (!is_readable(q->fd)) {
            q->flags &= (uint16_t)~QUEUE_READABLE;
            return CATNAP_AGAIN;
        }
        COUNT(inst, queues_full);
        op_fail(inst, op, EMFILE);
        return CATNAP_DONE;
    }
    fd = accept4(q->fd, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    COUNT(inst, syscalls);
    if (fd >= 0) {
        fresh = catnap_adopt(inst, q, fd);
        catnap_set_source(op, (const struct sockaddr *)&from);
        op_complete_accept(inst, op, fresh->qd);
        return CATNAP_DONE;
    }
    if (errno == EAGAIN) {
        q->flags &= (uint16_t)~QUEUE_READABLE;
        return CATNAP_AGAIN;
    }
    if (errno == EINTR || errno == ECONNABORTED)
        return CATNAP_AGAIN; /* that connection is gone; READABLE stays: there may be another */
    op_fail(inst, op, errno);
    return CATNAP_DONE;
}

static enum catnap_attempt try_input(struct instance *inst, struct queue *q, struct op *op)
{
    if (q->status == QUEUE_LISTENING)
        return try_accept(inst, q, op);
    return catnap_try_pop(inst, q, op);
}

/* Tries the pending pops or accepts, oldest first, until the socket has no more. */
static void run_input(struct instance *inst, struct queue *q)
{
    while (!op_list_is_empty(&q->pops) && (q->flags & QUEUE_READABLE) != 0) {
        struct op *op = op_list_first(&inst->ops, &q->pops);

        op_unpend(inst, &q->pops, op);
        if (try_input(inst, q, op) == CATNAP_AGAIN)
            op_list_add_first(&inst->ops, &q->pops, op);
    }
    count_pending(inst, q);
}

/* q is about to wait for input. The only queue that waits is asked directly; with a second one both go under epoll. */
static int watch_for_input(struct instance *inst, struct queue *q)
{
    const struct epoll_state *s = state_of(inst);
    struct queue *hot;

    if (q->status != QUEUE_LISTENING && s->waiting == q->word[1])
        return 0;
    hot = hot_queue(inst);
    if (hot != NULL) {
        int err = watch(inst, hot);

        if (err < 0)
            return err;
    }
    return watch(inst, q);
}

static int input(struct instance *inst, struct queue *q, struct op *op)
{
    int err;

    while (op_list_is_empty(&q->pops) && (q->flags & QUEUE_READABLE) != 0)
        if (try_input(inst, q, op) == CATNAP_DONE) {
            if (UNLIKELY(q->error != 0))
                count_pending(inst, q); /* pushes that waited have failed with it */
            return 0;
        }
    err = watch_for_input(inst, q);
    if (UNLIKELY(err < 0))
        return err;
    op_pend(inst, &q->pops, op);
    count_pending(inst, q);
    return 0;
}

static enum co_status go_on_sending(struct instance *inst, struct op *op);

/* Room is left and no edge will tell: the oldest push goes on in the next turn, after the others had theirs. */
static void send_later(struct instance *inst, const struct queue *q)
{
    struct op *op = op_list_first(&inst->ops, &q->pushes);

    op->resume = go_on_sending;
    sched_wake(&inst->sched, op);
}

static void run_output(struct instance *inst, struct queue *q)
{
    for (int n = 0; !op_list_is_empty(&q->pushes) && (q->flags & QUEUE_WRITABLE) != 0; n++) {
        struct op *op = op_list_first(&inst->ops, &q->pushes);

        if (q->status == QUEUE_CONNECTING)
            return;
        if (n == SENDS_A_TURN) {
            send_later(inst, q);
            break;
        }
        op_unpend(inst, &q->pushes, op);
        if (catnap_try_push(inst, q, op) == CATNAP_AGAIN)
            op_list_add_first(&inst->ops, &q->pushes, op);
        else if (UNLIKELY(q->status == QUEUE_FRESH))
            q->status = QUEUE_BOUND; /* the kernel gave it an ephemeral port */
    }
    catnap_output_end(q);
    count_pending(inst, q);
    if (UNLIKELY(q->error != 0))
        run_input(inst, q); /* pops that wait get what is left and the reason */
}

static enum co_status go_on_sending(struct instance *inst, struct op *op)
{
    run_output(inst, op->queue);
    return CO_DONE;
}

static int epoll_push(struct instance *inst, struct queue *q, struct op *op)
{
    int err;

    if (UNLIKELY(q->error != 0 || (q->flags & QUEUE_SHUT_WR) != 0)) {
        op_fail(inst, op, q->error != 0 ? q->error : EPIPE);
        return 0;
    }
    for (int n = 0; n < SENDS_A_TURN && op_list_is_empty(&q->pushes) && (q->flags & QUEUE_WRITABLE) != 0; n++)
        if (LIKELY(catnap_try_push(inst, q, op) == CATNAP_DONE)) {
            if (UNLIKELY(q->status == QUEUE_FRESH))
                q->status = QUEUE_BOUND; /* the kernel gave it an ephemeral port */
            if (UNLIKELY(q->error != 0))
                run_input(inst, q);
            return 0;
        }
    err = watch(inst, q);
    if (UNLIKELY(err < 0))
        return err;
    op_pend(inst, &q->pushes, op);
    count_pending(inst, q);
    if (UNLIKELY((q->flags & QUEUE_WRITABLE) != 0))
        send_later(inst, q);
    return 0;
}

static int epoll_listen(struct instance *inst, struct queue *q, int backlog)
{
    (void)inst;
    return listen(q->fd, backlog) == 0 ? 0 : -errno;
}

static int epoll_connect(struct instance *inst, struct queue *q, struct op *op, const struct sockaddr *addr,
                         socklen_t len)
{
    int err;

    COUNT(inst, syscalls);
    if (connect(q->fd, addr, len) == 0) {
        q->status = QUEUE_CONNECTED;
        op_complete_connect(inst, op);
        return 0;
    }
    if (errno != EINPROGRESS && errno != EINTR) {
        op_fail(inst, op, errno);
        return 0;
    }
    q->flags &= (uint16_t)~QUEUE_WRITABLE;
    err = watch(inst, q);
    if (err < 0) {
        (void)connect(q->fd, &(struct sockaddr){.sa_family = AF_UNSPEC}, sizeof(struct sockaddr)); /* give it up */
        return err;
    }
    q->status = QUEUE_CONNECTING;
    op_pend(inst, &q->pushes, op);
    count_pending(inst, q);
    return 0;
}

static void epoll_event(struct instance *inst, struct queue *q, uint32_t events)
{
    /* urgent data: a receive stops short of it with more behind it (RFC 6093), as before the end of the stream */
    if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR | EPOLLPRI)) != 0)
        q->flags |= QUEUE_HUP | QUEUE_READABLE;
    if ((events & EPOLLIN) != 0)
        q->flags |= QUEUE_READABLE;
    if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0) {
        q->flags |= QUEUE_WRITABLE;
        if (q->status == QUEUE_CONNECTING) {
            catnap_finish_connect(inst, q);
            count_pending(inst, q);
        }
        if (q->status == QUEUE_CONNECTED || q->type == SOCK_DGRAM)
            run_output(inst, q);
    }
    if (q->status == QUEUE_LISTENING || q->status == QUEUE_CONNECTED || q->type == SOCK_DGRAM)
        run_input(inst, q);
}

/* Asks the hot queue's socket. */
static void look_direct(struct instance *inst, struct queue *q)
{
    struct epoll_state *s = state_of(inst);

    q->flags |= QUEUE_READABLE;
    run_input(inst, q);
    if (q->word[1] != 0)
        return;
    if (++s->hits >= UNWATCH_HITS) {
        s->hits = 0;
        if (q->word[2] == 0)
            unwatch(inst, q);
    }
}

/* The poller, once a turn. */
static enum co_status look(struct instance *inst, struct op *task)
{
    struct epoll_state *s = state_of(inst);
    struct queue *hot = hot_queue(inst);

    (void)task;
    if (LIKELY(hot != NULL))
        look_direct(inst, hot);
    else
        s->hits = 0;
    if (inst->event_queues > 0 && (hot == NULL || s->writing > 0 || ++s->turn % EPOLL_EVERY == 0))
        instance_events(inst, 0);
    return CO_AGAIN;
}

/* Sleep is near: the hot queue must be able to wake the instance. */
static bool before_sleep(struct instance *inst)
{
    struct queue *hot = hot_queue(inst);
    uint32_t done = inst->ops.done_count;

    state_of(inst)->hits = 0;
    if (hot != NULL && watch(inst, hot) != 0)
        return false;
    if (inst->timerfd >= 0) /* a foreign loop sleeps on epoll itself: it must not find old events */
        instance_events(inst, 0);
    return inst->ops.done_count == done;
}

static int epoll_shutdown(struct instance *inst, struct queue *q, int how)
{
    int err = catnap_shutdown(q, how);

    if (err == 0)
        run_input(inst, q); /* pops that wait see the end of the stream */
    return err;
}

static void epoll_cancel(struct instance *inst, struct queue *q, struct op *op)
{
    (void)op;
    catnap_output_end(q);
    count_pending(inst, q);
}

static void epoll_close(struct instance *inst, struct queue *q)
{
    if (q->word[0] != 0)
        inst->event_queues--;
    if (q->fd >= 0)
        catnap_close_socket(inst, q);
}

static int epoll_init(struct instance *inst)
{
    struct epoll_state *s = calloc(1, sizeof(*s));
    int err;

    if (s == NULL)
        return error_set(&inst->error, ENOMEM, "no memory for the epoll engine");
    err = instance_add_poller(inst, look, before_sleep, NULL);
    if (err < 0) {
        free(s);
        return err;
    }
    catnap_of(inst)->engine_state = s;
    return 0;
}

static void epoll_fini(struct instance *inst)
{
    free(catnap_of(inst)->engine_state);
}

static const struct queue_ops epoll_ops = {
    .name = "catnap/epoll",
    .gathers = true,
    .bind = catnap_bind,
    .listen = epoll_listen,
    .accept = input,
    .connect = epoll_connect,
    .push = epoll_push,
    .pop = input,
    .cancel = epoll_cancel,
    .shutdown = epoll_shutdown,
    .close = epoll_close,
    .setsockopt = catnap_setsockopt,
    .getsockopt = catnap_getsockopt,
    .getpeername = catnap_getpeername,
    .getsockname = catnap_getsockname,
    .event = epoll_event,
};

const struct catnap_engine catnap_epoll = {
    .name = "epoll",
    .ops = &epoll_ops,
    .init = epoll_init,
    .fini = epoll_fini,
};
