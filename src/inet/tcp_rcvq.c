/* SPDX-License-Identifier: MIT */
/* Received bytes: see tcp_rcvq.h. */
#include "tcp_rcvq.h"

#include "tcp_seq.h"

static void append(struct tcp_pieces *to, struct tcp_piece *first, struct tcp_piece *last)
{
    if (to->last == NULL)
        to->first = first;
    else
        to->last->next = first;
    to->last = last;
}

static void piece_free(struct inet_env *env, struct tcp_piece *p)
{
    mem_unref(env->mem, p->obj);
    mem_unref(env->mem, p);
}

static void pieces_free(struct inet_env *env, struct tcp_pieces *list)
{
    while (list->first != NULL) {
        struct tcp_piece *p = list->first;

        list->first = p->next;
        piece_free(env, p);
    }
    list->last = NULL;
}

/* A piece for len bytes at ptr: by reference, or where obj is mostly empty a copy. NULL: no memory. */
static struct tcp_piece *piece_new(struct inet_env *env, void *obj, char *ptr, uint32_t len, uint32_t copy_room)
{
    struct tcp_piece *p = env->alloc(env->ctx, sizeof(*p));
    void *copy;

    if (p == NULL)
        return NULL;
    *p = (struct tcp_piece){.obj = obj, .ptr = ptr, .len = len};
    if ((size_t)len * TCP_COPY_FACTOR < mem_room(obj)) {
        copy = env->alloc(env->ctx, len > copy_room ? len : copy_room);
        if (copy == NULL) {
            mem_unref(env->mem, p);
            return NULL;
        }
        memcpy(copy, ptr, len);
        p->obj = copy;
        p->ptr = copy;
        p->spare = (uint32_t)mem_room(copy) - len;
        return p;
    }
    mem_ref(obj);
    return p;
}

/* Adds bytes behind a list: into the last object where it is ours and has room. */
static bool add_behind(struct tcp_pieces *list, struct inet_env *env, void *obj, char *ptr, uint32_t len, bool *grew)
{
    struct tcp_piece *p = list->last;

    *grew = false;
    if (p != NULL && p->spare >= len && (size_t)len * TCP_COPY_FACTOR < mem_room(obj)) {
        memcpy(p->ptr + p->len, ptr, len);
        p->len += len;
        p->spare -= len;
        return true;
    }
    p = piece_new(env, obj, ptr, len, TCP_COPY_BYTES);
    if (p == NULL)
        return false;
    append(list, p, p);
    *grew = true;
    return true;
}

bool tcp_rcvq_add(struct tcp_rcvq *q, struct inet_env *env, void *obj, char *ptr, uint32_t len)
{
    bool grew;

    assert(len > 0);
    if (!add_behind(&q->ready, env, obj, ptr, len, &grew))
        return false;
    q->ready_bytes += len;
    return true;
}

uint32_t tcp_rcvq_take(struct tcp_rcvq *q, struct inet_env *env, uint32_t max, void **obj, char **ptr)
{
    struct tcp_piece *p = q->ready.first;
    uint32_t len;

    if (p == NULL)
        return 0;
    len = max == 0 || p->len <= max ? p->len : max;
    *obj = p->obj;
    *ptr = p->ptr;
    q->ready_bytes -= len;
    if (len < p->len) {
        mem_ref(p->obj);
        p->ptr += len;
        p->len -= len;
        return len;
    }
    q->ready.first = p->next;
    if (p->next == NULL)
        q->ready.last = NULL;
    mem_unref(env->mem, p); /* its reference on the object is the caller's now */
    return len;
}

void tcp_rcvq_consume(struct tcp_rcvq *q, struct inet_env *env, uint32_t len)
{
    void *obj = NULL;
    char *ptr = NULL;

    assert(q->ready.first != NULL && q->ready.first->len >= len && len > 0);
    tcp_rcvq_take(q, env, len, &obj, &ptr);
    mem_unref(env->mem, obj);
}

/* --- early segments --- */

/* One addition of bytes, front to back. */
struct adding {
    struct tcp_rcvq *q;
    struct inet_env *env;
    void *obj;
    char *ptr; /* of seq */
    uint32_t seq, end;
    uint32_t pieces_max;
    struct tcp_block dup;
    bool news;
};

static void skip(struct adding *a, uint32_t to)
{
    a->ptr += to - a->seq;
    a->seq = to;
}

/* Part of the segment, up to `to`, was there. The first such range is remembered. */
static void skip_duplicate(struct adding *a, uint32_t to)
{
    if (a->dup.start == a->dup.end)
        a->dup = (struct tcp_block){a->seq, to};
    else if (a->dup.end == a->seq)
        a->dup.end = to;
    skip(a, to);
}

static void account(struct adding *a, struct tcp_run *r, uint32_t to, bool grew)
{
    a->q->pieces += grew;
    a->q->early_bytes += to - a->seq;
    a->news = true;
    r->stamp = ++a->q->stamp;
    skip(a, to);
}

static enum tcp_early start_run(struct adding *a, struct tcp_run **where)
{
    struct tcp_run *r;
    bool grew;

    if (a->q->runs == TCP_RUNS)
        return TCP_EARLY_FULL;
    r = a->env->alloc(a->env->ctx, sizeof(*r));
    if (r == NULL)
        return TCP_EARLY_NO_MEMORY;
    *r = (struct tcp_run){.next = *where, .start = a->seq, .end = a->end};
    if (!add_behind(&r->pieces, a->env, a->obj, a->ptr, a->end - a->seq, &grew)) {
        mem_unref(a->env->mem, r);
        return TCP_EARLY_NO_MEMORY;
    }
    *where = r;
    a->q->runs++;
    account(a, r, a->end, grew);
    return TCP_EARLY_OK;
}

static enum tcp_early extend_front(struct adding *a, struct tcp_run *r)
{
    uint32_t len = r->start - a->seq;
    struct tcp_piece *p = piece_new(a->env, a->obj, a->ptr, len, 0);

    if (p == NULL)
        return TCP_EARLY_NO_MEMORY;
    p->spare = 0; /* what would be written behind it stands elsewhere */
    p->next = r->pieces.first;
    r->pieces.first = p;
    r->start = a->seq;
    account(a, r, a->seq + len, true);
    return TCP_EARLY_OK;
}

static enum tcp_early extend_back(struct adding *a, struct tcp_run *r)
{
    struct tcp_run *after = r->next;
    uint32_t to = after != NULL && seq_lt(after->start, a->end) ? after->start : a->end;
    bool grew;

    if (!add_behind(&r->pieces, a->env, a->obj, a->ptr, to - a->seq, &grew))
        return TCP_EARLY_NO_MEMORY;
    r->end = to;
    account(a, r, to, grew);
    if (after != NULL && after->start == to) { /* the hole between them is closed */
        append(&r->pieces, after->pieces.first, after->pieces.last);
        r->end = after->end;
        r->next = after->next;
        a->q->runs--;
        mem_unref(a->env->mem, after);
    }
    return TCP_EARLY_OK;
}

/* Adds to a run that the segment overlaps or touches, until the segment is behind it. */
static enum tcp_early add_to_run(struct adding *a, struct tcp_run *r)
{
    enum tcp_early result = TCP_EARLY_OK;

    if (a->q->pieces >= a->pieces_max)
        return TCP_EARLY_FULL;
    if (seq_lt(a->seq, r->start))
        result = extend_front(a, r);
    if (result == TCP_EARLY_OK && seq_lt(a->seq, a->end) && seq_lt(a->seq, r->end))
        skip_duplicate(a, seq_min(a->end, r->end));
    if (result == TCP_EARLY_OK && seq_lt(a->seq, a->end))
        result = extend_back(a, r);
    return result;
}

enum tcp_early tcp_rcvq_early(struct tcp_rcvq *q, struct inet_env *env, const struct tcp_block *range, void *obj,
                              char *ptr, uint32_t pieces_max, struct tcp_block *dup)
{
    struct adding a = {.q = q,
                       .env = env,
                       .obj = obj,
                       .ptr = ptr,
                       .seq = range->start,
                       .end = range->end,
                       .pieces_max = pieces_max,
                       .dup = {range->start, range->start}};
    enum tcp_early result = TCP_EARLY_OK;
    struct tcp_run **where = &q->early;

    assert(seq_lt(range->start, range->end));
    while (result == TCP_EARLY_OK && a.seq != a.end) {
        struct tcp_run *r = *where;

        if (r != NULL && seq_lt(r->end, a.seq))
            where = &r->next;
        else if (r == NULL || seq_lt(a.end, r->start))
            result = q->pieces >= pieces_max ? TCP_EARLY_FULL : start_run(&a, where);
        else
            result = add_to_run(&a, r);
    }
    *dup = a.dup;
    return result == TCP_EARLY_OK && !a.news ? TCP_EARLY_DUPLICATE : result;
}

/* Takes bytes bytes away from the front of a run. */
static void run_trim(struct tcp_rcvq *q, struct inet_env *env, struct tcp_run *r, uint32_t bytes)
{
    struct tcp_piece *p;

    r->start += bytes;
    q->early_bytes -= bytes;
    while (bytes > 0 && (p = r->pieces.first) != NULL) {
        if (p->len > bytes) {
            p->ptr += bytes;
            p->len -= bytes;
            return;
        }
        bytes -= p->len;
        r->pieces.first = p->next;
        if (p->next == NULL)
            r->pieces.last = NULL;
        q->pieces--;
        piece_free(env, p);
    }
}

static uint32_t count_pieces(const struct tcp_run *r)
{
    uint32_t n = 0;

    for (const struct tcp_piece *p = r->pieces.first; p != NULL; p = p->next)
        n++;
    return n;
}

void tcp_rcvq_join(struct tcp_rcvq *q, struct inet_env *env, uint32_t *nxt)
{
    while (q->early != NULL && seq_le(q->early->start, *nxt)) {
        struct tcp_run *r = q->early;

        run_trim(q, env, r, seq_min(*nxt, r->end) - r->start);
        if (r->pieces.first != NULL) {
            q->pieces -= count_pieces(r);
            q->early_bytes -= r->end - r->start;
            q->ready_bytes += r->end - r->start;
            append(&q->ready, r->pieces.first, r->pieces.last);
            *nxt = r->end;
        }
        q->early = r->next;
        q->runs--;
        mem_unref(env->mem, r);
    }
}

unsigned tcp_rcvq_blocks(const struct tcp_rcvq *q, struct tcp_block *blocks, unsigned max)
{
    uint32_t below = q->stamp + 1;
    unsigned n;

    for (n = 0; n < max; n++) {
        const struct tcp_run *latest = NULL;

        for (const struct tcp_run *r = q->early; r != NULL; r = r->next)
            if (seq_lt(r->stamp, below) && (latest == NULL || seq_gt(r->stamp, latest->stamp)))
                latest = r;
        if (latest == NULL)
            break;
        blocks[n] = (struct tcp_block){latest->start, latest->end};
        below = latest->stamp;
    }
    return n;
}

void tcp_rcvq_clear_early(struct tcp_rcvq *q, struct inet_env *env)
{
    while (q->early != NULL) {
        struct tcp_run *r = q->early;

        q->early = r->next;
        pieces_free(env, &r->pieces);
        mem_unref(env->mem, r);
    }
    q->runs = q->pieces = q->early_bytes = 0;
}

void tcp_rcvq_clear(struct tcp_rcvq *q, struct inet_env *env)
{
    tcp_rcvq_clear_early(q, env);
    pieces_free(env, &q->ready);
    q->ready_bytes = 0;
}
