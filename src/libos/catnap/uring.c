/* SPDX-License-Identifier: MIT */
/*
 * catnap's completion engine: one io_uring an instance, a module of its own because it needs liburing.
 *
 * 1. Requests and operations are different things. A request is what the kernel was asked to do; one multishot receive
 *    or accept serves any number of pops, and a request outlives the operation that was cancelled and the queue that
 * was closed, until the kernel's last answer. It is found by index and generation and holds references on what the
 * kernel may touch. Rejected: the operation as user_data (a late answer would find another operation in its slot),
 * holding a queue open until the last answer (its descriptor must be stale at once).
 * 2. Input. A stream's messages come by multishot receive into buffers of 2 KiB from a ring; few bytes are copied into
 *    an object of their size, more go to the application as the buffer itself, which a fresh object replaces. A stream
 *    that fills its buffers is bulk: single receives, on demand, into objects as large as what comes (catnap_adapt), as
 *    with the other engine. Rejected: a second ring of large buffers (one slow reader takes them all before a
 *    cancellation reaches the kernel; its bulk is no cheaper for being multishot).
 * 3. What nobody popped waits in pieces beside the queue. Past URING_PIECES_STOP or URING_BYTES_STOP of them the
 *    multishot request is cancelled, so that TCP's window closes; the pop that finds nothing left starts it again.
 * 4. One queue may be hot: alone in receiving for a while, and the loop spins. It has no request: the loop calls recv
 *    on it, which saves both sides the kernel's way from a wake-up to a completion (64 B over loopback, a bare pair of
 *    programs: 1.18 times the round trip of plain sockets with a multishot receive, 1.15 with single ones). A stream's
 *    empty calls are spaced DIRECT_PERIOD_NS: each takes the socket's lock and cache lines away from the processor that
 *    is about to deliver; with 1.5 us between them the bare pair needs 0.96 of the time it needs without a pause.
 *    Everybody else's answers show in memory meanwhile. Rejected: learning when the answer will come (no better).
 * 5. Output. A push tries the socket at once where the last turn had one input: a submission of one costs 0.2 us more
 *    than send. Where it had several, pushes are queued and submitted in one call at the next turn, or by a push that
 *    comes later than QUEUED_NS (64 connections on one processor: 8 % more requests, client included, than with send).
 *    That pays only for an application that pushes several before it waits: after a submission with one push in it the
 *    next ALONE_PUSHES do not wait. A queue has one send under way; what the socket does not take at once the kernel
 *    sends when there is room. Rejected: SEND_ZC (loopback copies anyway; a second answer for each send), fixed files
 *    (no difference measured), SQPOLL (needs a processor of its own).
 * 6. Task work is deferred (DEFER_TASKRUN): answers appear when we enter the kernel, and a flag in the ring says that
 * it pays. The loop reads two words of memory a turn. The kernel does not wake an epoll that holds the ring itself for
 *    deferred work, so a registered eventfd is slept on, switched on by a word in the ring for the time of the sleep.
 * 7. Closing cancels by descriptor and enters the kernel at once: a request holds the socket open, and the peer would
 *    wait for the end of the stream.
 */
#include "uring.h"

#include "core/module.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define VISIBLE __attribute__((visibility("default")))

/* A request that has had its last answer leaves its queue. */
static void unlink_request(struct endpoint *e, uint32_t index)
{
    assert(e->input == index || e->output == index);
    if (e->input == index)
        e->input = 0;
    else
        e->output = 0;
}

static void dispatch(struct instance *inst, struct queue *q, struct request *r, const struct io_uring_cqe *cqe)
{
    switch (r->kind) {
    case REQUEST_STREAM:
    case REQUEST_DATAGRAMS:
    case REQUEST_BULK:
        uring_on_input(inst, q, r, cqe);
        break;
    case REQUEST_ACCEPT:
        uring_on_accept(inst, q, cqe);
        break;
    case REQUEST_SEND:
        if (q != NULL)
            uring_on_send(inst, q, r, cqe);
        break;
    default:
        assert(r->kind == REQUEST_CONNECT);
        if (q != NULL && q->status == QUEUE_CONNECTING && cqe->res >= 0)
            catnap_finish_connect(inst, q);
        break;
    }
}

static void answer(struct instance *inst, struct uring *u, const struct io_uring_cqe *cqe)
{
    struct request *r = uring_request_find(u, cqe->user_data);
    bool last = (cqe->flags & IORING_CQE_F_MORE) == 0;
    struct queue *q;

    if (r == NULL) /* of a cancellation that found nothing to cancel */
        return;
    q = queue_lookup(&inst->queues, r->qd);
    if (last && q != NULL)
        unlink_request(endpoint_of(inst, u, q), uring_request_index(u, r));
    dispatch(inst, q, r, cqe);
    if (last)
        uring_request_free(inst, u, r);
}

void uring_reap(struct instance *inst, struct uring *u)
{
    unsigned n = io_uring_cq_ready(&u->ring);

    for (; n > 0; n--) {
        unsigned head = *u->ring.cq.khead;
        struct io_uring_cqe cqe = u->ring.cq.cqes[head & *u->ring.cq.kring_mask];

        io_uring_cq_advance(&u->ring, 1); /* first: what follows may enter the kernel, which needs the room */
        answer(inst, u, &cqe);
    }
}

/* Does the kernel hold answers back until we enter it? */
static inline bool kernel_has_work(const struct uring *u)
{
    return (__atomic_load_n(u->ring.sq.kflags, __ATOMIC_RELAXED) & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
}

/* The poller, once a turn. */
static enum co_status look(struct instance *inst, struct op *task)
{
    struct uring *u = uring_of(inst);
    uint32_t inputs = u->inputs;

    (void)task;
    if (UNLIKELY(u->armed))
        uring_arm(u, false);
    if (u->queued != 0 || kernel_has_work(u))
        uring_enter(inst, u);
    if (io_uring_cq_ready(&u->ring) != 0)
        uring_reap(inst, u);
    if (u->hot_qd >= 0)
        uring_look_at_hot(inst, u);
    if (u->inputs != inputs)
        u->batch = u->inputs - inputs;
    return CO_AGAIN;
}

/* Somebody is about to sleep on the instance's epoll descriptor. */
static bool arm(struct instance *inst)
{
    struct uring *u = uring_of(inst);

    uring_cool(inst, u);
    if (u->queued != 0)
        uring_enter(inst, u);
    if (!u->watched) {
        if (io_uring_register_eventfd(&u->ring, u->eventfd) < 0 || instance_watch_wakeup(inst, u->eventfd) < 0)
            return false; /* spin, then */
        u->watched = true;
    }
    if (inst->timerfd >= 0)
        instance_events(inst, 0); /* a foreign loop sleeps on epoll itself: it must not find old events */
    uring_arm(u, true);
    return u->queued == 0 && !kernel_has_work(u) && io_uring_cq_ready(&u->ring) == 0;
}

static int uring_listen(struct instance *inst, struct queue *q, int backlog)
{
    (void)inst;
    return listen(q->fd, backlog) == 0 ? 0 : -errno;
}

/* op is pending and given up. Input stays for the next pop; a send ends as soon as the kernel can end it. */
static void uring_cancel_op(struct instance *inst, struct queue *q, struct op *op)
{
    struct uring *u = uring_of(inst);
    const struct endpoint *e = endpoint_of(inst, u, q);

    if (e->output != 0 && u->requests[e->output].token == op->token)
        uring_cancel(inst, u, e->output);
    catnap_output_end(q);
}

static int uring_shutdown(struct instance *inst, struct queue *q, int how)
{
    int err = catnap_shutdown(q, how);

    if (err == 0 && how != SHUT_WR)
        uring_end_input(inst, q);
    return err;
}

/* Ends what the kernel does for a queue: until then the requests hold the socket open. */
static void end_requests(struct instance *inst, struct uring *u, const struct queue *q)
{
    struct io_uring_sqe *sqe = uring_sqe(inst, u);

    if (sqe == NULL)
        return;
    io_uring_prep_cancel_fd(sqe, q->fd, IORING_ASYNC_CANCEL_ALL);
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    sqe->user_data = 0;
    uring_enter(inst, u);
}

static void uring_close_queue(struct instance *inst, struct queue *q)
{
    struct uring *u = uring_of(inst);
    struct endpoint *e = endpoint_of(inst, u, q);

    if (q->fd < 0)
        return;
    if (u->hot_qd == q->qd)
        u->hot_qd = -1;
    if (e->input != 0 || e->output != 0)
        end_requests(inst, u, q);
    if (q->status == QUEUE_LISTENING)
        uring_drop_sockets(inst, e);
    else
        uring_drop_pieces(inst, e);
    memset(e, 0, sizeof(*e));
    catnap_close_socket(inst, q);
}

static int uring_init(struct instance *inst)
{
    struct uring *u = calloc(1, sizeof(*u));
    int err;

    if (u == NULL)
        return error_set(&inst->error, ENOMEM, "no memory for the io_uring engine");
    err = uring_open(inst, u);
    if (err < 0) {
        free(u);
        return err;
    }
    catnap_of(inst)->engine_state = u;
    err = instance_add_poller(inst, look, arm, NULL);
    if (err < 0) {
        uring_close(inst, u);
        free(u);
    }
    return err;
}

static void uring_fini(struct instance *inst)
{
    struct uring *u = uring_of(inst);

    uring_close(inst, u);
    free(u);
}

static const struct queue_ops uring_ops = {
    .name = "catnap/uring",
    .gathers = true,
    .bind = catnap_bind,
    .listen = uring_listen,
    .accept = uring_accept,
    .connect = uring_connect,
    .push = uring_push,
    .pop = uring_pop,
    .cancel = uring_cancel_op,
    .shutdown = uring_shutdown,
    .close = uring_close_queue,
    .setsockopt = catnap_setsockopt,
    .getsockopt = catnap_getsockopt,
    .getpeername = catnap_getpeername,
    .getsockname = catnap_getsockname,
};

static void uring_forget(struct instance *inst)
{
    close(uring_of(inst)->ring.ring_fd);
    close(uring_of(inst)->eventfd);
}

VISIBLE extern const struct catnap_engine caracal_catnap_uring;
const struct catnap_engine caracal_catnap_uring = {
    .name = "uring",
    .ops = &uring_ops,
    .init = uring_init,
    .fini = uring_fini,
    .forget = uring_forget,
};

VISIBLE extern const struct module_mark caracal_module;
const struct module_mark caracal_module = MODULE_MARK;

/* IORING_SETUP_ flags of an instance's ring: what the kernel took of what was asked for. */
VISIBLE extern unsigned caracal_uring_flags(const struct instance *inst);
unsigned caracal_uring_flags(const struct instance *inst)
{
    return uring_of(inst)->flags;
}
