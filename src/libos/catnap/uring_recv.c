/* SPDX-License-Identifier: MIT */
/* io_uring engine: input. Notes 2, 3 and 4 in uring.c. */
#include "uring.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#define HOT_RUN          16   /* inputs in a row that make a queue hot */
#define HOT_MISSES       256  /* empty calls after which the kernel watches over it again */
#define DIRECT_PERIOD_NS 1800 /* of a stream, from one empty call to the next: 1.5 us without one */

bool uring_add_piece(struct instance *inst, struct endpoint *e, void *obj, char *ptr, uint32_t len)
{
    struct piece *p = mem_alloc(&inst->mem, sizeof(*p), 1);

    if (UNLIKELY(p == NULL))
        return false;
    *p = (struct piece){NULL, obj, ptr, len};
    if (e->last != NULL)
        e->last->next = p;
    else
        e->first = p;
    e->last = p;
    e->piece_count++;
    e->piece_bytes += len;
    return true;
}

void uring_remove_piece(struct instance *inst, struct endpoint *e)
{
    struct piece *p = e->first;

    assert(p != NULL && e->piece_count > 0);
    e->first = p->next;
    if (e->first == NULL)
        e->last = NULL;
    e->piece_count--;
    e->piece_bytes -= p->len;
    mem_unref(&inst->mem, p);
}

void uring_drop_pieces(struct instance *inst, struct endpoint *e)
{
    while (e->first != NULL) {
        mem_unref(&inst->mem, e->first->obj);
        uring_remove_piece(inst, e);
    }
}

void uring_fail_first(struct instance *inst, struct queue *q, int err)
{
    struct op *op = op_list_first(&inst->ops, &q->pops);

    op_unpend(inst, &q->pops, op);
    op_fail(inst, op, err);
}

/* Completes op with all of a piece. */
static void complete(struct instance *inst, struct queue *q, struct op *op, void *obj, char *ptr, uint32_t len)
{
    if (q->type == SOCK_DGRAM) {
        const struct mem_meta *meta = obj;

        catnap_set_source(op, (const struct sockaddr *)(const void *)meta->addr);
        if (UNLIKELY(op->len != 0 && op->len < len)) {
            COUNT(inst, dgram_dropped);
            len = op->len;
        }
    }
    op_complete_pop(inst, op, obj, ptr, len);
}

/* Completes a limited pop with the front of a piece, which keeps the rest. */
static void complete_front(struct instance *inst, struct endpoint *e, struct op *op)
{
    struct piece *p = e->first;
    void *copy = mem_alloc(&inst->mem, op->len, 1);

    if (copy == NULL) {
        op_fail(inst, op, ENOMEM);
        return;
    }
    memcpy(copy, p->ptr, op->len);
    p->ptr += op->len;
    p->len -= op->len;
    e->piece_bytes -= op->len;
    op_complete_pop(inst, op, copy, copy, op->len);
}

/* Gives waiting pops what was received before. */
static void serve(struct instance *inst, struct queue *q, struct endpoint *e)
{
    while (e->first != NULL && !op_list_is_empty(&q->pops)) {
        struct op *op = op_list_first(&inst->ops, &q->pops);
        struct piece *p = e->first;

        op_unpend(inst, &q->pops, op);
        if (UNLIKELY(q->type == SOCK_STREAM && op->len != 0 && op->len < p->len)) {
            complete_front(inst, e, op);
            continue;
        }
        complete(inst, q, op, p->obj, p->ptr, p->len);
        uring_remove_piece(inst, e);
    }
}

/* n bytes at offset of obj, whose reference goes over to here. */
static void take_in(struct instance *inst, struct queue *q, struct endpoint *e, char *obj, size_t offset, uint32_t n)
{
    struct op *op = op_list_first(&inst->ops, &q->pops);

    if (LIKELY(op != NULL && e->first == NULL && (op->len == 0 || op->len >= n || q->type == SOCK_DGRAM))) {
        op_unpend(inst, &q->pops, op);
        complete(inst, q, op, obj, obj + offset, n);
        return;
    }
    if (UNLIKELY(!uring_add_piece(inst, e, obj, obj + offset, n))) {
        mem_unref(&inst->mem, obj);
        if (q->type == SOCK_DGRAM)
            COUNT(inst, dgram_dropped);
        else
            e->error = ENOMEM; /* a hole in the stream: it ends here */
    }
}

/* The style of receive that suits q as it is now. */
static enum request_kind style_of(const struct queue *q)
{
    if (q->type == SOCK_DGRAM)
        return REQUEST_DATAGRAMS;
    return q->pop_bytes > CATNAP_POP_MIN ? REQUEST_BULK : REQUEST_STREAM;
}

static struct request *start_bulk(struct instance *inst, struct uring *u, struct queue *q)
{
    const struct op *op = op_list_first(&inst->ops, &q->pops);
    uint32_t bytes = op->len != 0 && op->len < q->pop_bytes ? op->len : q->pop_bytes;
    void *obj = mem_alloc(&inst->mem, bytes, 1);
    struct io_uring_sqe *sqe;
    struct request *r;

    if (obj == NULL)
        return NULL;
    r = uring_request(inst, u, q, REQUEST_BULK, &sqe);
    if (r == NULL) {
        mem_unref(&inst->mem, obj);
        return NULL;
    }
    r->obj = obj;
    r->bytes = bytes;
    io_uring_prep_recv(sqe, q->fd, obj, bytes, 0);
    uring_queue(u, r, sqe);
    return r;
}

static struct request *start_multishot(struct instance *inst, struct uring *u, struct queue *q, enum request_kind kind)
{
    struct buffer_group *g = kind == REQUEST_DATAGRAMS ? &u->datagrams : &u->stream;
    struct io_uring_sqe *sqe;
    struct request *r;

    if (!uring_group_ready(inst, g))
        return NULL;
    r = uring_request(inst, u, q, kind, &sqe);
    if (r == NULL)
        return NULL;
    if (kind == REQUEST_DATAGRAMS)
        io_uring_prep_recvmsg_multishot(sqe, q->fd, &u->datagram_head, 0);
    else
        io_uring_prep_recv_multishot(sqe, q->fd, NULL, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = g->id;
    uring_queue(u, r, sqe);
    return r;
}

/* Lets the kernel receive for q, which has pending pops. Without memory for it they fail. */
static void start_input(struct instance *inst, struct uring *u, struct queue *q, struct endpoint *e)
{
    enum request_kind kind = style_of(q);
    struct request *r = kind == REQUEST_BULK ? start_bulk(inst, u, q) : start_multishot(inst, u, q, kind);

    assert(e->input == 0 && !op_list_is_empty(&q->pops));
    if (LIKELY(r != NULL)) {
        e->input = uring_request_index(u, r);
        return;
    }
    while (!op_list_is_empty(&q->pops))
        uring_fail_first(inst, q, ENOMEM);
}

/* q has pending pops and nothing to give them. */
static void want_input(struct instance *inst, struct uring *u, struct queue *q, struct endpoint *e)
{
    if (e->input != 0 || u->hot_qd == q->qd)
        return;
    if (u->hot_qd < 0 && inst->config.idle != IDLE_BLOCK) {
        u->hot_qd = q->qd;
        u->hot_misses = 0;
        u->hot_next_ns = 0;
        return;
    }
    start_input(inst, u, q, e);
}

/* The hot queue is no longer: its pops, if any, wait as all others do. */
static void cool(struct instance *inst, struct uring *u)
{
    struct queue *q = queue_lookup(&inst->queues, u->hot_qd);
    struct endpoint *e;

    u->hot_qd = -1;
    if (q == NULL || op_list_is_empty(&q->pops))
        return;
    e = endpoint_of(inst, u, q);
    if (e->input == 0)
        start_input(inst, u, q, e);
}

void uring_cool(struct instance *inst, struct uring *u)
{
    u->run = 0;
    if (u->hot_qd >= 0)
        cool(inst, u);
}

/* q received something. A queue that is alone in that for a while becomes hot. */
static void note_input(struct instance *inst, struct uring *u, struct queue *q)
{
    const struct endpoint *e = endpoint_of(inst, u, q);

    u->inputs++;
    if (u->last_qd != q->qd) {
        u->last_qd = q->qd;
        u->run = 0;
    }
    if (++u->run < HOT_RUN || u->hot_qd == q->qd || inst->config.idle == IDLE_BLOCK)
        return;
    if (u->hot_qd >= 0)
        cool(inst, u);
    u->hot_qd = q->qd;
    u->hot_misses = 0;
    u->hot_next_ns = 0;
    if (e->input != 0)
        uring_cancel(inst, u, e->input);
}

/* Stops a multishot receive when enough is unclaimed, or when it is no longer the style that suits. */
static void restrain(struct instance *inst, struct uring *u, const struct queue *q, const struct endpoint *e)
{
    const struct request *r = &u->requests[e->input];

    if (e->input == 0 || r->kind == REQUEST_BULK)
        return;
    if (e->piece_count >= URING_PIECES_STOP || e->piece_bytes >= URING_BYTES_STOP || style_of(q) != r->kind)
        uring_cancel(inst, u, e->input);
}

/* Something changed: gives waiting pops what there is, and sees to it that more comes. */
static void continue_input(struct instance *inst, struct uring *u, struct queue *q, struct endpoint *e)
{
    serve(inst, q, e);
    restrain(inst, u, q, e);
    if (e->error != 0 && !op_list_is_empty(&q->pops)) {
        struct op *op = op_list_first(&inst->ops, &q->pops);

        op_unpend(inst, &q->pops, op);
        catnap_break(inst, q, op, e->error);
        e->error = 0; /* a stream's is q->error now; a datagram socket goes on */
        e->ended |= q->error != 0;
    }
    while (e->ended && !op_list_is_empty(&q->pops)) {
        struct op *op = op_list_first(&inst->ops, &q->pops);

        op_unpend(inst, &q->pops, op);
        if (UNLIKELY(q->error != 0))
            op_fail(inst, op, q->error);
        else
            catnap_received_end(inst, op);
    }
    if (!op_list_is_empty(&q->pops))
        want_input(inst, u, q, e);
}

/* A stream's bytes arrived in buffer bid. */
static void take_stream(struct instance *inst, struct uring *u, struct queue *q, uint32_t bid, uint32_t n)
{
    void *obj = uring_group_take(inst, &u->stream, bid, n, n);

    catnap_adapt(q, u->stream.bytes, n);
    q->flags &= (uint16_t)~QUEUE_READABLE;
    if (n == u->stream.bytes)
        q->flags |= QUEUE_READABLE;
    take_in(inst, q, endpoint_of(inst, u, q), obj, 0, n);
}

/* A datagram arrived in buffer bid, behind the kernel's head and name. size: bytes of all. */
static void take_datagram(struct instance *inst, struct uring *u, struct queue *q, uint32_t bid, uint32_t size)
{
    struct io_uring_recvmsg_out head;
    struct mem_meta *meta = u->datagrams.objects[bid];
    char *obj;

    assert(size >= sizeof(*meta));
    memcpy(&head, meta, sizeof(head));
    if (UNLIKELY((head.flags & MSG_TRUNC) != 0))
        COUNT(inst, dgram_dropped);
    meta->addr_len = head.namelen < sizeof(meta->addr) ? head.namelen : sizeof(meta->addr);
    memmove(meta->addr, (char *)meta + sizeof(head), sizeof(meta->addr));
    if (head.namelen == 0)
        memset(meta->addr, 0, sizeof(meta->addr));
    obj = uring_group_take(inst, &u->datagrams, bid, size, size - sizeof(*meta));
    *mem_ref_word(obj) |= REF_META;
    take_in(inst, q, endpoint_of(inst, u, q), obj, sizeof(*meta), (uint32_t)(size - sizeof(*meta)));
}

static void take_bulk(struct instance *inst, struct uring *u, struct queue *q, struct request *r, uint32_t n)
{
    void *obj = catnap_compact(inst, r->obj, n, n);

    if (obj == NULL) {
        obj = r->obj;
        r->obj = NULL;
    }
    q->flags &= (uint16_t)~QUEUE_READABLE;
    if (n == r->bytes)
        q->flags |= QUEUE_READABLE;
    catnap_adapt(q, r->bytes, n);
    take_in(inst, q, endpoint_of(inst, u, q), obj, 0, n);
}

/* A receive ended without data. */
static void no_input(struct instance *inst, struct endpoint *e, int res)
{
    switch (res) {
    case 0:
        e->ended = true;
        break;
    case -ENOBUFS: /* the kernel used all buffers up; they are back in the ring when this turn is over */
        COUNT(inst, uring_no_buffer);
        break;
    case -ECANCELED: /* by us: a pop that waits starts the next */
    case -EAGAIN:
    case -EINTR:
        break;
    default:
        e->error = (uint16_t)-res;
    }
}

void uring_on_input(struct instance *inst, struct queue *q, struct request *r, const struct io_uring_cqe *cqe)
{
    struct uring *u = uring_of(inst);
    bool has_buffer = (cqe->flags & IORING_CQE_F_BUFFER) != 0;
    bool unwanted = q == NULL || (q->flags & QUEUE_SHUT_RD) != 0;
    uint32_t bid = cqe->flags >> IORING_CQE_BUFFER_SHIFT;

    if (has_buffer && (unwanted || cqe->res <= 0))
        uring_group_return(r->kind == REQUEST_DATAGRAMS ? &u->datagrams : &u->stream, bid);
    if (UNLIKELY(unwanted))
        return;
    if (LIKELY(cqe->res > 0)) {
        if (r->kind == REQUEST_STREAM)
            take_stream(inst, u, q, bid, (uint32_t)cqe->res);
        else if (r->kind == REQUEST_DATAGRAMS)
            take_datagram(inst, u, q, bid, (uint32_t)cqe->res);
        else
            take_bulk(inst, u, q, r, (uint32_t)cqe->res);
        note_input(inst, u, q);
    } else {
        no_input(inst, endpoint_of(inst, u, q), cqe->res);
    }
    continue_input(inst, u, q, endpoint_of(inst, u, q));
}

void uring_end_input(struct instance *inst, struct queue *q)
{
    struct uring *u = uring_of(inst);
    struct endpoint *e = endpoint_of(inst, u, q);

    uring_drop_pieces(inst, e);
    e->error = 0;
    e->ended = true;
    if (e->input != 0)
        uring_cancel(inst, u, e->input);
    continue_input(inst, u, q, e);
}

int uring_pop(struct instance *inst, struct queue *q, struct op *op)
{
    struct uring *u = uring_of(inst);
    struct endpoint *e = endpoint_of(inst, u, q);

    if (e->input != 0 && e->first == NULL && !e->ended) {
        op_pend(inst, &q->pops, op);
        return 0;
    }
    /* bulk that is known to be there */
    while (style_of(q) == REQUEST_BULK && (q->flags & QUEUE_READABLE) != 0 && e->input == 0 && e->first == NULL &&
           !e->ended && e->error == 0 && op_list_is_empty(&q->pops))
        if (catnap_try_pop(inst, q, op) == CATNAP_DONE) {
            note_input(inst, u, q);
            return 0;
        }
    op_pend(inst, &q->pops, op);
    continue_input(inst, u, q, e);
    return 0;
}

void uring_look_at_hot(struct instance *inst, struct uring *u)
{
    struct queue *q = queue_lookup(&inst->queues, u->hot_qd);
    const struct endpoint *e;
    uint64_t now_ns;

    assert(q != NULL);
    e = endpoint_of(inst, u, q);
    if (op_list_is_empty(&q->pops) || e->input != 0)
        return;
    assert(e->first == NULL && e->error == 0);
    now_ns = clock_now_ns(&inst->clock);
    if (now_ns < u->hot_next_ns)
        return;
    q->flags |= QUEUE_READABLE;
    while (!op_list_is_empty(&q->pops) && (q->flags & QUEUE_READABLE) != 0) {
        struct op *op = op_list_first(&inst->ops, &q->pops);

        op_unpend(inst, &q->pops, op);
        if (catnap_try_pop(inst, q, op) == CATNAP_AGAIN) {
            op_list_add_first(&inst->ops, &q->pops, op);
            continue;
        }
        u->hot_misses = 0;
        note_input(inst, u, q);
    }
    if (op_list_is_empty(&q->pops))
        return;
    u->hot_next_ns =
        q->type == SOCK_STREAM ? now_ns + DIRECT_PERIOD_NS : 0; /* a datagram's queue has no lock to take */
    if (++u->hot_misses > HOT_MISSES)
        cool(inst, u);
}
