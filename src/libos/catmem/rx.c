/* SPDX-License-Identifier: MIT */
/*
 * catmem: pops, and what comes in.
 *
 * 1. The poll loop hands a record to the pop that waits. When none waits it is taken all the same, up to a bound, and
 * queued: the sender's push is complete only when its message was taken, and a program that waits for its push before
 * it pops must not wait for a peer that does the same.
 * 2. A message by reference is handed over as it is when the sender gave it up: its reference word, in its own memory,
 * shows no owner and one reference, that of this message. Nobody will write to it then, and nobody else reads it; the
 * word can not change until we give the message back. In all other cases it is copied and given back at once. A local
 * object (struct mem_extern) stands for foreign bytes; its release writes the note.
 * 3. What is ours and comes home (tx.c, 4) changes hands without a copy under the same condition on both words.
 * 4. Marks of the end are records: whatever was published before them is delivered first. After a death whatever was
 * published is delivered, then the reset: so does TCP.
 */
#include "catmem.h"

#include <errno.h>
#include <stdlib.h>

#define RX_FIRST_SLOTS 16

bool rx_is_ready(const struct conn *c)
{
    return (c->flags & CONN_BROKEN) == 0 && ring_is_here(ring_look(c->rx, c->mask, c->rx_pos), c->rx_pos);
}

/* Lines were read: they are told to the producer a quarter of the ring at a time. */
static inline void advance(struct conn *c, uint32_t lines)
{
    c->rx_pos += lines;
    c->watched.m->work++;
    if (LIKELY(c->rx_pos - c->rx_told <= c->mask / 4))
        return;
    c->rx_told = c->rx_pos;
    /* Release: the producer writes to the lines after we have read them. */
    atomic_store_explicit(&c->mine->taken, c->rx_pos, memory_order_release);
    atomic_signal_fence(memory_order_seq_cst);
    /* Relaxed: if the producer is about to sleep it looks at `taken` once more after its barrier. */
    if (UNLIKELY(atomic_load_explicit(&c->theirs->wants_room, memory_order_relaxed) != 0))
        catmem_notify(c);
}

void rx_give_back(struct conn *c, uint32_t cookie)
{
    if ((c->flags & CONN_BROKEN) != 0)
        return;
    c->in_back++;
    /* Release: our last look at the message was before. */
    atomic_store_explicit(&c->mine->given_back[(c->in_back - 1) % RING_REFS], c->in_back << 8 | cookie,
                          memory_order_release);
    catmem_notify(c);
}

static void stall(struct conn *c)
{
    c->flags |= CONN_STALLED;
    catmem_update_polling(c);
}

static bool queue_grow(struct conn *c)
{
    uint32_t slots = c->rx_slots == 0 ? RX_FIRST_SLOTS : 2 * c->rx_slots;
    struct message *fresh = calloc(slots, sizeof(*fresh));

    if (fresh == NULL)
        return false;
    for (uint32_t i = 0; i < c->rx_count; i++)
        fresh[i] = c->rx_queue[(c->rx_head + i) & (c->rx_slots - 1)];
    free(c->rx_queue);
    c->rx_queue = fresh;
    c->rx_slots = slots;
    c->rx_head = 0;
    return true;
}

/* May another record be taken? It has a place in the queue then, or a pop that takes all of it. */
static bool may_take(struct conn *c)
{
    struct instance *inst = c->watched.m->inst;
    bool awaited = c->queue != NULL && !op_list_is_empty(&c->queue->pops);

    if (awaited && LIKELY(op_list_first(&inst->ops, &c->queue->pops)->len == 0))
        return true;
    if (!awaited && (c->rx_count >= CATMEM_RX_MESSAGES || c->rx_bytes >= c->rx_limit)) {
        COUNT(inst, rx_full);
        stall(c);
        return false;
    }
    if (c->rx_count < c->rx_slots || queue_grow(c))
        return true;
    stall(c);
    return false;
}

/* No memory for a message: it stays in the ring. */
static void no_memory(struct conn *c)
{
    struct instance *inst = c->watched.m->inst;
    struct op *op = c->queue != NULL ? op_list_first(&inst->ops, &c->queue->pops) : NULL;

    if (op != NULL) {
        op_unpend(inst, &c->queue->pops, op);
        op_fail(inst, op, ENOMEM);
    }
    stall(c);
}

static void message_drop(struct conn *c, struct message *m)
{
    mem_unref(&c->watched.m->inst->mem, m->obj);
    c->rx_bytes -= m->copied;
}

/* Completes op with the first message of the queue or, if it wants less, with a copy of its front. */
static void pop_queued(struct conn *c, struct op *op)
{
    struct instance *inst = c->watched.m->inst;
    struct message *m = &c->rx_queue[c->rx_head];
    uint32_t part;
    char *copy;

    if (op->len != 0 && op->len < m->len) {
        copy = mem_alloc(&inst->mem, op->len, 1);
        if (copy == NULL) {
            op_fail(inst, op, ENOMEM);
            return;
        }
        memcpy(copy, m->ptr, op->len);
        m->ptr += op->len;
        m->len -= op->len;
        part = op->len < m->copied ? op->len : m->copied;
        m->copied -= part;
        c->rx_bytes -= part;
        op_complete_pop(inst, op, copy, copy, op->len);
        return;
    }
    c->rx_head = (c->rx_head + 1) & (c->rx_slots - 1);
    c->rx_count--;
    c->rx_bytes -= m->copied;
    op_complete_pop(inst, op, m->obj, m->ptr, m->len);
}

void rx_drop_queue(struct conn *c)
{
    for (; c->rx_count > 0; c->rx_count--, c->rx_head = (c->rx_head + 1) & (c->rx_slots - 1))
        message_drop(c, &c->rx_queue[c->rx_head]);
}

/* A message goes to the pop that waits, or into the queue. */
static inline void deliver(struct conn *c, const struct message *m)
{
    struct instance *inst = c->watched.m->inst;
    struct op *op = NULL;

    if (LIKELY(c->queue != NULL))
        op = op_list_first(&inst->ops, &c->queue->pops);
    if (LIKELY(op != NULL && (op->len == 0 || op->len >= m->len))) {
        assert(c->rx_count == 0);
        op_unpend(inst, &c->queue->pops, op);
        op_complete_pop(inst, op, m->obj, m->ptr, m->len);
        return;
    }
    c->rx_queue[(c->rx_head + c->rx_count++) & (c->rx_slots - 1)] = *m;
    c->rx_bytes += m->copied;
    for (; op != NULL && c->rx_count > 0; op = op_list_first(&inst->ops, &c->queue->pops)) {
        op_unpend(inst, &c->queue->pops, op);
        pop_queued(c, op);
    }
}

static bool take_bytes(struct conn *c, uint32_t len)
{
    uint32_t lines = ring_lines_for(len);
    struct message m = {.len = len, .copied = len};

    if (UNLIKELY(len == 0 || lines > (c->mask + 1) / 4)) {
        conn_break(c);
        return false;
    }
    m.obj = m.ptr = mem_alloc(&c->watched.m->inst->mem, len, 1);
    if (UNLIKELY(m.obj == NULL)) {
        no_memory(c);
        return false;
    }
    ring_get(c->rx, c->mask, c->rx_pos, m.ptr, len);
    advance(c, lines);
    deliver(c, &m);
    return true;
}

static void release_extern(struct mem *mem, struct mem_extern *x)
{
    struct conn *c = x->owner;
    uint32_t cookie = (uint32_t)x->word[0];

    (void)mem;
    c->in_use[cookie / 64] &= ~(UINT64_C(1) << (cookie % 64));
    c->in_count--;
    rx_give_back(c, cookie);
    conn_settle(c);
}

/* Is the object behind a reference word held by this message and by nobody else? */
static bool is_sole(uint32_t word)
{
    return (word & (REF_APP | REF_FREE | REF_MASK)) == 1;
}

/* A local object for bytes in the peer's memory. */
static bool make_extern(struct conn *c, const struct ring_ref *ref, struct message *m)
{
    struct mem_extern *x = mem_alloc(&c->watched.m->inst->mem, sizeof(*x), 1 | REF_EXTERN);

    if (x == NULL)
        return false;
    x->ptr = c->peer->region + ref->data;
    x->len = ref->len;
    x->release = release_extern;
    x->owner = c;
    x->word[0] = ref->cookie;
    c->in_use[ref->cookie / 64] |= UINT64_C(1) << (ref->cookie % 64);
    c->in_count++;
    *m = (struct message){.obj = x, .ptr = x->ptr, .len = ref->len};
    return true;
}

/* Where a reference's bytes are, or NULL: it breaks the rules. *out: set when they are our own. */
static char *find_bytes(struct conn *c, const struct ring_ref *ref, struct out_ref **out)
{
    const struct mem *mem = &c->watched.m->inst->mem;
    uint64_t region = c->peer->region_bytes, offset;

    *out = NULL;
    if (ref->len == 0 || ref->word % sizeof(uint32_t) != 0 || ref->word > region - sizeof(uint32_t) ||
        ref->cookie >= RING_REFS || (c->in_use[ref->cookie / 64] >> (ref->cookie % 64) & 1) != 0)
        return NULL;
    if (ref->home == 0)
        return ref->data <= region && ref->len <= region - ref->data ? c->peer->region + ref->data : NULL;
    *out = tx_out(c, ref->home - 1);
    if (*out == NULL || (*out)->obj == NULL || (*mem_ref_word((*out)->obj) & REF_EXTERN) != 0)
        return NULL;
    offset = ref->data - (uint64_t)((const char *)(*out)->obj - (const char *)mem->map);
    if (offset > mem_room((*out)->obj) || ref->len > mem_room((*out)->obj) - offset)
        return NULL;
    return (char *)mem->map + ref->data;
}

/* The next piece of a message that has to be copied; it is one piece unless it is longer than our largest object. */
static bool copy_piece(struct conn *c, const struct ring_ref *ref, const char *bytes, struct message *m)
{
    struct mem *mem = &c->watched.m->inst->mem;
    uint32_t left = ref->len - c->ref_done;
    uint32_t n = left <= mem->object_max ? left : (uint32_t)mem->object_max;
    char *copy = mem_alloc(mem, n, 1);

    if (copy == NULL)
        return false;
    memcpy(copy, bytes + c->ref_done, n);
    *m = (struct message){.obj = copy, .ptr = copy, .len = n, .copied = n};
    c->ref_done += n;
    return true;
}

static bool take_ref(struct conn *c, uint32_t len)
{
    struct ring_ref ref; /* read once: the peer may change it under our eyes */
    const _Atomic uint32_t *word;
    struct out_ref *out;
    struct message m;
    char *bytes;
    bool sole, whole = true;

    ring_copy((char *)&ref, c->rx[c->rx_pos & c->mask].bytes, sizeof(ref));
    bytes = find_bytes(c, &ref, &out);
    if (UNLIKELY(bytes == NULL || len != sizeof(ref) || c->ref_done >= ref.len)) {
        conn_break(c);
        return false;
    }
    word = (const _Atomic uint32_t *)(const void *)(c->peer->region + ref.word);
    /* Relaxed: what the sender wrote to the message came with the record, and it writes nothing after it gave it up. */
    sole = is_sole(atomic_load_explicit(word, memory_order_relaxed)) && c->ref_done == 0;
    if (sole && out == NULL) {
        if (!make_extern(c, &ref, &m)) {
            no_memory(c);
            return false;
        }
    } else if (sole && (*mem_ref_word(out->obj) & REF_HELD) == 1) {
        m = (struct message){.obj = out->obj, .ptr = bytes, .len = ref.len};
        out->obj = NULL; /* its reference is the message's now; the note that follows frees the cookie */
        rx_give_back(c, ref.cookie);
    } else {
        if (!copy_piece(c, &ref, bytes, &m)) {
            no_memory(c);
            return false;
        }
        whole = c->ref_done == ref.len;
        if (whole)
            rx_give_back(c, ref.cookie);
    }
    if (whole) {
        c->ref_done = 0;
        advance(c, 1);
    }
    deliver(c, &m);
    return true;
}

static bool take_mark(struct conn *c, enum ring_kind kind)
{
    struct instance *inst = c->watched.m->inst;

    advance(c, 1);
    c->flags |= CONN_FIN_SEEN;
    if (kind != RING_FIN) {
        c->flags |= CONN_CLOSE_SEEN;
        c->tx_error = ECONNRESET;
    }
    if (kind == RING_RESET) {
        c->flags &= (uint16_t)~CONN_FIN_SEEN;
        c->rx_error = ECONNRESET;
        COUNT(inst, resets);
    }
    if (c->tx_error == ECONNRESET) {
        tx_progress(c); /* what came back before the mark is complete */
        conn_fail_pushes(c, ECONNRESET);
    }
    rx_end(c);
    return true;
}

/* The application wants nothing more: records are only given back. */
static bool drop_record(struct conn *c, uint64_t head)
{
    struct out_ref *out;
    struct ring_ref ref;
    uint32_t lines;

    switch (ring_kind_of(head)) {
    case RING_BYTES:
        lines = ring_lines_for(ring_len_of(head));
        if (lines > (c->mask + 1) / 4)
            break;
        advance(c, lines);
        return true;
    case RING_REF:
        ring_copy((char *)&ref, c->rx[c->rx_pos & c->mask].bytes, sizeof(ref));
        if (find_bytes(c, &ref, &out) == NULL)
            break;
        c->ref_done = 0;
        advance(c, 1);
        rx_give_back(c, ref.cookie);
        return true;
    default:
        break;
    }
    conn_break(c);
    return false;
}

static bool take(struct conn *c, uint64_t head)
{
    unsigned kind = ring_kind_of(head);

    if (UNLIKELY((c->flags & CONN_FIN_SEEN) != 0 && kind != RING_CLOSE && kind != RING_RESET)) {
        conn_break(c);
        return false;
    }
    if (kind == RING_FIN || kind == RING_CLOSE || kind == RING_RESET)
        return take_mark(c, kind);
    if (UNLIKELY((c->flags & (CONN_CLOSED | CONN_SHUT_RD)) != 0))
        return drop_record(c, head);
    if (UNLIKELY(!may_take(c)))
        return false;
    if (LIKELY(kind == RING_BYTES))
        return take_bytes(c, ring_len_of(head));
    if (kind == RING_REF)
        return take_ref(c, ring_len_of(head));
    conn_break(c);
    return false;
}

void rx_take(struct conn *c, unsigned budget)
{
    while (budget-- > 0 && (c->flags & (CONN_BROKEN | CONN_CLOSE_SEEN)) == 0) {
        uint64_t head = ring_look(c->rx, c->mask, c->rx_pos);

        if (!ring_is_here(head, c->rx_pos) || !take(c, head))
            break;
    }
    catmem_update_polling(c);
}

bool rx_ends_cleanly(const struct conn *c)
{
    uint64_t pos = c->rx_pos;

    if ((c->flags & CONN_CLOSE_SEEN) != 0)
        return true;
    for (uint32_t n = 0; n <= c->mask; n++) {
        uint64_t head = ring_look(c->rx, c->mask, pos);
        unsigned kind = ring_kind_of(head);

        if (!ring_is_here(head, pos))
            return false;
        if (kind == RING_CLOSE || kind == RING_RESET)
            return true;
        pos += ring_lines_for(ring_len_of(head));
    }
    return false;
}

static void end_of_stream(struct instance *inst, struct op *op)
{
    char *obj = mem_alloc(&inst->mem, 1, 1); /* an array of length 0 that the application can free like any other */

    op_complete_pop(inst, op, obj, obj, 0);
}

void rx_end(struct conn *c)
{
    struct instance *inst = c->watched.m->inst;
    struct op *op;

    if (c->queue == NULL || c->rx_count > 0)
        return;
    if ((c->flags & CONN_GONE) != 0 && (c->flags & CONN_FIN_SEEN) == 0 && !rx_is_ready(c))
        c->rx_error = ECONNRESET;
    if ((c->flags & (CONN_FIN_SEEN | CONN_SHUT_RD)) != 0) {
        while ((op = op_list_first(&inst->ops, &c->queue->pops)) != NULL) {
            op_unpend(inst, &c->queue->pops, op);
            end_of_stream(inst, op);
        }
    } else if (c->rx_error != 0) {
        conn_fail_pops(c, c->rx_error);
    }
}

int rx_pop(struct instance *inst, struct queue *q, struct op *op)
{
    struct conn *c = conn_of(q);

    if (UNLIKELY(c->rx_count > 0)) {
        pop_queued(c, op);
    } else {
        op_pend(inst, &q->pops, op);
        if (rx_is_ready(c) && (c->flags & CONN_STALLED) == 0)
            rx_take(c, 1);
    }
    if (UNLIKELY((c->flags & CONN_STALLED) != 0 && c->rx_count <= CATMEM_RX_MESSAGES / 2 &&
                 c->rx_bytes <= c->rx_limit / 2)) {
        c->flags &= (uint16_t)~CONN_STALLED;
        rx_take(c, CATMEM_BATCH);
        if (c->hot == CATMEM_NIL)
            catmem_look_again(c);
    }
    if (UNLIKELY((c->flags & (CONN_FIN_SEEN | CONN_GONE | CONN_SHUT_RD)) != 0 || c->rx_error != 0))
        rx_end(c);
    return 0;
}
