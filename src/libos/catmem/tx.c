/* SPDX-License-Identifier: MIT */
/*
 * catmem: pushes.
 *
 * 1. A short message is copied into the ring and its push is complete at once. A long one goes by reference: 32 bytes
 * say where it lies in our region, which the peer has mapped, and under which cookie to give it back.
 * 2. The library's reference on the object stays until the peer gives it back or is gone. The push itself is complete
 * earlier: when the application has freed its array, or when the peer has copied the message because the application
 * still had it. The receiver decides which of the two, by our reference word, when it takes the message: see rx.c.
 * 3. Pushes complete in issue order. Those that are in the ring and wait for a reference, then those that wait for
 * room, stand in the queue's list; c->unsent is the first of the latter.
 * 4. Memory that came from this very peer goes back by reference too (home): an echo of long messages copies nothing.
 * Memory of another peer is copied into our own first: a receiver maps our region, not our peers'.
 *
 * Rejected: completing a push by reference at once and copying when its token is waited for, as memory queues do (the
 * peer may be reading the descriptor just then); sending long messages in pieces through the ring (two copies).
 */
#include "catmem.h"

#include <errno.h>
#include <stdlib.h>

/* op->word of a push */
#define PUSH_UNSENT 0
#define PUSH_DONE   1
#define PUSH_OUT    2 /* + cookie */

enum sent { SENT, NO_ROOM, NO_MEMORY };

static struct out_ref *out_of(const struct conn *c, const struct op *op)
{
    return op->word >= PUSH_OUT ? &c->out[op->word - PUSH_OUT] : NULL;
}

/* Are lines of the ring free? */
static bool have_room(struct conn *c, uint32_t lines)
{
    uint64_t taken, size = (uint64_t)c->mask + 1;

    if (LIKELY(c->tx_pos + lines <= c->tx_limit))
        return true;
    /* Acquire: what the peer read of the lines it read before it said so. */
    taken = atomic_load_explicit(&c->theirs->taken, memory_order_acquire);
    if (UNLIKELY(taken > c->tx_pos || taken + size - RING_MARKS < c->tx_limit)) {
        conn_break(c);
        return false;
    }
    c->tx_limit = taken + size - RING_MARKS;
    return c->tx_pos + lines <= c->tx_limit;
}

static bool make_out_table(struct conn *c)
{
    c->out = calloc(RING_REFS, sizeof(*c->out));
    if (c->out == NULL)
        return false;
    for (uint32_t i = 0; i < RING_REFS; i++)
        c->out[i].next_free = i + 1 < RING_REFS ? i + 1 : CATMEM_NIL;
    c->out_free = 0;
    return true;
}

struct out_ref *tx_out(const struct conn *c, uint32_t cookie)
{
    return c->out != NULL && cookie < RING_REFS && c->out[cookie].used ? &c->out[cookie] : NULL;
}

/* A message is back: its object may go, its push is complete. */
static void out_end(struct conn *c, struct out_ref *out)
{
    struct instance *inst = c->watched.m->inst;

    if (out->obj != NULL)
        mem_unref(&inst->mem, out->obj);
    if (out->op != OP_NIL)
        op_at(&inst->ops, out->op)->word = PUSH_DONE;
    out->obj = NULL;
    out->used = false;
    out->next_free = c->out_free;
    c->out_free = (uint32_t)(out - c->out);
    c->out_count--;
}

/* Reads the peer's notes about what it gives back. */
static void take_notes(struct conn *c)
{
    uint64_t before = c->out_back;

    while (c->out_count > 0 && (c->flags & CONN_BROKEN) == 0) {
        /* Acquire: the peer's last look at the message was before its note. */
        uint64_t note = atomic_load_explicit(&c->theirs->given_back[c->out_back % RING_REFS], memory_order_acquire);
        struct out_ref *out;

        if (note >> 8 != c->out_back + 1)
            break;
        out = tx_out(c, (uint32_t)(note & 255));
        if (UNLIKELY(out == NULL)) {
            conn_break(c);
            return;
        }
        c->out_back++;
        out_end(c, out);
    }
    if (c->out_back == before)
        return;
    c->watched.m->work++;
    catmem_update_polling(c);
    conn_settle(c);
}

void tx_all_back(struct conn *c)
{
    if (c->out == NULL)
        return;
    for (uint32_t i = 0; i < RING_REFS; i++)
        if (c->out[i].used)
            out_end(c, &c->out[i]);
}

static enum sent send_bytes(struct conn *c, struct op *op)
{
    if (UNLIKELY(!have_room(c, ring_lines_for(op->len))))
        return NO_ROOM;
    c->tx_pos += ring_put(c->tx, c->mask, c->tx_pos, RING_BYTES, op->ptr, op->len);
    op->word = PUSH_DONE;
    catmem_notify(c);
    return SENT;
}

/* What lies in a peer's memory is sent home, if it came over this connection, or moved into ours. */
static bool localize(struct conn *c, struct op *op, struct ring_ref *ref)
{
    struct instance *inst = c->watched.m->inst;
    struct mem_extern *x = op->obj;
    char *copy;

    if (x->owner == c && (c->flags & (CONN_GONE | CONN_BROKEN)) == 0) {
        ref->home = 1 + (uint32_t)x->word[0];
        ref->data = (uint64_t)(op->ptr - c->peer->region);
        return true;
    }
    copy = mem_alloc(&inst->mem, op->len, 1);
    if (copy == NULL)
        return false;
    memcpy(copy, op->ptr, op->len);
    mem_unref(&inst->mem, op->obj);
    op->obj = op->ptr = copy;
    return true;
}

static enum sent send_ref(struct conn *c, struct op *op)
{
    const struct mem *mem = &c->watched.m->inst->mem;
    struct ring_ref ref = {.len = op->len};
    struct out_ref *out;

    if (c->out == NULL && !make_out_table(c))
        return NO_MEMORY;
    if (UNLIKELY(c->out_free == CATMEM_NIL))
        take_notes(c);
    if (UNLIKELY((c->flags & CONN_BROKEN) != 0 || c->out_free == CATMEM_NIL || !have_room(c, 1)))
        return NO_ROOM;
    if (UNLIKELY((*mem_ref_word(op->obj) & REF_EXTERN) != 0) && !localize(c, op, &ref))
        return NO_MEMORY;
    out = &c->out[c->out_free];
    ref.cookie = c->out_free;
    ref.word = (uint64_t)((const char *)mem_ref_word(op->obj) - (const char *)mem->map);
    if (ref.home == 0)
        ref.data = (uint64_t)(op->ptr - (const char *)mem->map);
    c->out_free = out->next_free;
    *out = (struct out_ref){.obj = op->obj, .op = op->index, .used = true};
    op->obj = NULL; /* its reference is the table's now */
    op->word = PUSH_OUT + ref.cookie;
    c->tx_pos += ring_put(c->tx, c->mask, c->tx_pos, RING_REF, (const char *)&ref, sizeof(ref));
    if (c->out_count++ == 0)
        catmem_update_polling(c);
    catmem_notify(c);
    return SENT;
}

static inline enum sent send_push(struct conn *c, struct op *op)
{
    return LIKELY(op->len <= c->inline_max) ? send_bytes(c, op) : send_ref(c, op);
}

static inline bool push_is_done(const struct conn *c, const struct op *op)
{
    const struct out_ref *out = out_of(c, op);

    return out == NULL || out->obj == NULL || !mem_app_owned(out->obj);
}

static void complete_push(struct conn *c, struct op *op)
{
    if (op->word >= PUSH_OUT)
        out_of(c, op)->op = OP_NIL;
    op_complete_push(c->watched.m->inst, op);
}

static void send_waiting(struct conn *c)
{
    struct instance *inst = c->watched.m->inst;

    while (c->unsent != OP_NIL) {
        struct op *op = op_at(&inst->ops, c->unsent);
        uint32_t next = op->next;
        enum sent r = send_push(c, op);

        if (r == NO_ROOM || (c->flags & CONN_BROKEN) != 0)
            return;
        c->unsent = next;
        c->watched.m->work++;
        if (r == NO_MEMORY) {
            op_unpend(inst, &c->queue->pushes, op);
            op_fail(inst, op, ENOMEM);
        }
    }
    /* Relaxed: a bell too many does no harm. */
    atomic_store_explicit(&c->mine->wants_room, 0, memory_order_relaxed);
    if ((c->flags & CONN_FIN_WANTED) != 0)
        tx_finish(c);
}

void tx_progress(struct conn *c)
{
    struct instance *inst = c->watched.m->inst;
    struct op *op;

    take_notes(c);
    if (c->queue == NULL || c->state != CONN_OPEN)
        return;
    if (c->unsent != OP_NIL)
        send_waiting(c);
    while ((op = op_list_first(&inst->ops, &c->queue->pushes)) != NULL && op->word != PUSH_UNSENT &&
           push_is_done(c, op)) {
        op_unpend(inst, &c->queue->pushes, op);
        complete_push(c, op);
        c->watched.m->work++;
    }
    if (op == NULL)
        catmem_remove_busy(c);
}

void tx_finish(struct conn *c)
{
    if (c->unsent != OP_NIL) {
        c->flags |= CONN_FIN_WANTED;
        return;
    }
    c->flags &= (uint16_t)~CONN_FIN_WANTED;
    if ((c->flags & (CONN_GONE | CONN_BROKEN)) == 0)
        conn_mark(c, RING_FIN);
}

/* Segments become one run of bytes: the only one's own, or a copy. */
static bool flatten(struct instance *inst, struct op *op)
{
    struct gather *g = op->args.gather;
    char *to;

    if (g->count == 1) {
        op->obj = g->seg[0].obj;
        op->ptr = g->seg[0].ptr;
        mem_ref(op->obj);
    } else {
        to = mem_alloc(&inst->mem, g->total, 1);
        if (to == NULL)
            return false;
        op->obj = op->ptr = to;
        for (uint32_t i = 0; i < g->count; to += g->seg[i++].len)
            memcpy(to, g->seg[i].ptr, g->seg[i].len);
    }
    to = op->obj;
    op->obj = NULL;
    op_drop(inst, op); /* the segments */
    op->obj = to;
    op->args.in.sin_family = AF_UNSPEC;
    return true;
}

static void wait_for_room(struct conn *c, const struct op *op)
{
    struct instance *inst = c->watched.m->inst;

    if (op->len > c->inline_max && c->out_free == CATMEM_NIL)
        COUNT(inst, refs_full);
    else
        COUNT(inst, ring_full);
    if (c->unsent == OP_NIL)
        c->unsent = op->index;
    /* Relaxed: we look at the peer's index ourselves until we sleep, and that has its barrier. */
    atomic_store_explicit(&c->mine->wants_room, 1, memory_order_relaxed);
}

int tx_push(struct instance *inst, struct queue *q, struct op *op)
{
    struct conn *c = conn_of(q);
    enum sent r = NO_ROOM;

    if (UNLIKELY((op->flags & OP_GATHER) != 0) && !flatten(inst, op))
        return -ENOMEM;
    op->word = PUSH_UNSENT;
    if (LIKELY(c->tx_error == 0 && c->unsent == OP_NIL))
        r = send_push(c, op);
    if (UNLIKELY(c->tx_error != 0)) {
        op_fail(inst, op, c->tx_error);
        return 0;
    }
    if (UNLIKELY(r == NO_MEMORY))
        return -ENOMEM;
    if (LIKELY(r == SENT && op_list_is_empty(&q->pushes) && push_is_done(c, op))) {
        complete_push(c, op);
        return 0;
    }
    if (r == NO_ROOM)
        wait_for_room(c, op);
    op_pend(inst, &q->pushes, op);
    catmem_add_busy(c);
    return 0;
}

void tx_cancel(struct instance *inst, struct queue *q, struct op *op)
{
    struct conn *c = conn_of(q);

    (void)inst;
    if (op->opcode != DEMI_OPC_PUSH)
        return;
    if (c->unsent == op->index)
        c->unsent = op->next;
    if (op->word >= PUSH_OUT)
        out_of(c, op)->op = OP_NIL;
}
