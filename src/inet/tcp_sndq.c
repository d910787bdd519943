/* SPDX-License-Identifier: MIT */
/* What was sent and what is to be sent: see tcp_sndq.h. */
#include "tcp_sndq.h"

#include "tcp_seq.h"

void tcp_sndq_init(struct tcp_sndq *q, uint32_t seq)
{
    memset(q, 0, sizeof(*q));
    q->chunk = q->chunk_inline;
    q->record = q->record_inline;
    q->chunk_mask = q->record_mask = TCP_RING_INLINE - 1;
    q->una_seq = q->end_seq = seq;
}

/*
 * Moves a ring of entries of `bytes` bytes, numbered first up to end, into one of twice the size. NULL: no memory, or
 * it is as large as may be.
 */
static void *grow(struct inet_env *env, const void *ring, size_t bytes, uint32_t mask, uint32_t first, uint32_t end)
{
    uint32_t size = 2 * (mask + 1);
    char *to;

    if (size > TCP_RING_MAX)
        return NULL;
    to = env->alloc(env->ctx, size * bytes);
    if (to == NULL)
        return NULL;
    for (uint32_t n = first; n != end; n++)
        memcpy(to + (n & (size - 1)) * bytes, (const char *)ring + (n & mask) * bytes, bytes);
    return to;
}

static bool grow_chunks(struct tcp_sndq *q, struct inet_env *env)
{
    void *to = grow(env, q->chunk, sizeof(*q->chunk), q->chunk_mask, q->chunk_first, q->chunk_end);

    if (to == NULL)
        return false;
    if (q->chunk != q->chunk_inline)
        mem_unref(env->mem, q->chunk);
    q->chunk = to;
    q->chunk_mask = 2 * q->chunk_mask + 1;
    return true;
}

bool tcp_record_grow(struct tcp_sndq *q, struct inet_env *env)
{
    void *to = grow(env, q->record, sizeof(*q->record), q->record_mask, q->record_first, q->record_end);

    if (to == NULL)
        return false;
    if (q->record != q->record_inline)
        mem_unref(env->mem, q->record);
    q->record = to;
    q->record_mask = 2 * q->record_mask + 1;
    return true;
}

void tcp_sndq_shrink(struct tcp_sndq *q, struct inet_env *env)
{
    if (q->chunk != q->chunk_inline && q->chunk_first == q->chunk_end) {
        mem_unref(env->mem, q->chunk);
        q->chunk = q->chunk_inline;
        q->chunk_mask = TCP_RING_INLINE - 1;
    }
    if (q->record != q->record_inline && q->record_first == q->record_end) {
        mem_unref(env->mem, q->record);
        q->record = q->record_inline;
        q->record_mask = TCP_RING_INLINE - 1;
    }
}

void tcp_sndq_clear(struct tcp_sndq *q, struct inet_env *env)
{
    for (; q->chunk_first != q->chunk_end; q->chunk_first++)
        mem_unref(env->mem, q->chunk[q->chunk_first & q->chunk_mask].obj);
    q->record_first = q->record_end;
    q->una_seq = q->end_seq;
    q->flying = q->flight_bytes = q->sacked_bytes = q->lost_bytes = q->sacked = q->lost = 0;
    tcp_sndq_shrink(q, env);
}

int tcp_sndq_grow(struct tcp_sndq *q, struct inet_env *env)
{
    if (q->chunk_end - q->chunk_first == TCP_RING_MAX)
        return -ENOBUFS;
    return grow_chunks(q, env) ? 0 : -ENOMEM;
}

void tcp_sndq_release(struct tcp_sndq *q, struct inet_env *env, uint32_t seq)
{
    if (seq_gt(seq, q->end_seq))
        seq = q->end_seq; /* the FIN is no byte */
    while (q->chunk_first != q->chunk_end) {
        struct tcp_chunk *c = &q->chunk[q->chunk_first & q->chunk_mask];

        if (seq_gt(c->seq + c->len, seq))
            break;
        mem_unref(env->mem, c->obj);
        q->chunk_first++;
    }
    q->una_seq = seq;
}

/* The number of the chunk that holds seq, which is there. Nearly always the one of the last search or the next. */
static uint32_t find_chunk(struct tcp_sndq *q, uint32_t seq)
{
    uint32_t low = q->chunk_first, high = q->chunk_end - 1, n = q->chunk_hint;

    for (unsigned tries = 0; tries < 2 && n - low <= high - low; tries++, n++) {
        const struct tcp_chunk *c = &q->chunk[n & q->chunk_mask];

        if (seq - c->seq < c->len)
            return n;
    }
    while (low != high) {
        uint32_t middle = low + (high - low + 1) / 2;

        if (seq_gt(q->chunk[middle & q->chunk_mask].seq, seq))
            high = middle - 1;
        else
            low = middle;
    }
    return low;
}

uint32_t tcp_sndq_fill(struct tcp_sndq *q, struct frame *f, uint32_t seq, uint32_t len)
{
    uint32_t done = 0, n;

    assert(seq_ge(seq, q->una_seq) && seq_le(seq + len, q->end_seq) && len > 0);
    for (n = find_chunk(q, seq); done < len; n++) {
        const struct tcp_chunk *c = &q->chunk[n & q->chunk_mask];
        uint32_t skip = seq + done - c->seq, run = c->len - skip;

        if (run > len - done)
            run = len - done;
        if (!frame_add(f, c->obj, c->ptr + skip, run))
            break;
        done += run;
        q->chunk_hint = n;
    }
    return done;
}

/* --- records --- */

static void unlink_record(struct tcp_sndq *q, struct tcp_record *r, uint32_t number)
{
    assert(q->flying > 0 && (r->flags & TCP_REC_FLYING) != 0);
    if (number == q->oldest)
        q->oldest = r->later;
    else
        tcp_record_at(q, r->earlier)->later = r->later;
    if (number == q->newest)
        q->newest = r->earlier;
    else
        tcp_record_at(q, r->later)->earlier = r->earlier;
    r->flags &= (uint8_t)~TCP_REC_FLYING;
    q->flying--;
    q->flight_bytes -= r->end - r->seq;
}

static void unlose(struct tcp_sndq *q, struct tcp_record *r)
{
    r->flags &= (uint8_t)~TCP_REC_LOST;
    q->lost--;
    q->lost_bytes -= r->end - r->seq;
}

/* Is of no account any more, in flight or lost. */
static void settle(struct tcp_sndq *q, struct tcp_record *r, uint32_t number)
{
    if ((r->flags & TCP_REC_FLYING) != 0)
        unlink_record(q, r, number);
    if ((r->flags & TCP_REC_LOST) != 0)
        unlose(q, r);
}

void tcp_record_resent(struct tcp_sndq *q, uint32_t number, uint64_t now_ns, uint32_t ts)
{
    struct tcp_record *r = tcp_record_at(q, number);

    settle(q, r, number);
    r->sent_ns = now_ns;
    r->turn = q->turns++;
    r->ts = ts;
    r->flags |= TCP_REC_RESENT;
    r->sends += r->sends < UINT8_MAX;
    tcp_record_fly(q, r, number);
}

void tcp_record_lost(struct tcp_sndq *q, uint32_t number)
{
    struct tcp_record *r = tcp_record_at(q, number);

    if ((r->flags & (TCP_REC_LOST | TCP_REC_SACKED)) != 0)
        return;
    unlink_record(q, r, number);
    r->flags |= TCP_REC_LOST;
    if (q->lost++ == 0 || (int32_t)(number - q->lost_hint) < 0)
        q->lost_hint = number;
    q->lost_bytes += r->end - r->seq;
}

void tcp_record_found(struct tcp_sndq *q, uint32_t number)
{
    struct tcp_record *r = tcp_record_at(q, number);

    if ((r->flags & TCP_REC_LOST) == 0)
        return;
    unlose(q, r);
    tcp_record_fly(q, r, number);
}

void tcp_record_sacked(struct tcp_sndq *q, uint32_t number)
{
    struct tcp_record *r = tcp_record_at(q, number);

    assert((r->flags & TCP_REC_SACKED) == 0);
    settle(q, r, number);
    r->flags |= TCP_REC_SACKED;
    q->sacked++;
    q->sacked_bytes += r->end - r->seq;
}

void tcp_record_drop_first(struct tcp_sndq *q)
{
    struct tcp_record *r = tcp_record_at(q, q->record_first);

    assert(tcp_record_count(q) > 0);
    settle(q, r, q->record_first);
    if ((r->flags & TCP_REC_SACKED) != 0) {
        q->sacked--;
        q->sacked_bytes -= r->end - r->seq;
    }
    q->record_first++;
}

void tcp_record_trim_first(struct tcp_sndq *q, uint32_t seq)
{
    struct tcp_record *r = tcp_record_at(q, q->record_first);
    uint32_t bytes = seq - r->seq;

    assert(bytes < r->end - r->seq);
    if ((r->flags & TCP_REC_FLYING) != 0)
        q->flight_bytes -= bytes;
    if ((r->flags & TCP_REC_LOST) != 0)
        q->lost_bytes -= bytes;
    if ((r->flags & TCP_REC_SACKED) != 0)
        q->sacked_bytes -= bytes;
    r->seq = seq;
}

void tcp_record_forget_sacks(struct tcp_sndq *q)
{
    for (uint32_t n = q->record_first; n != q->record_end; n++) {
        struct tcp_record *r = tcp_record_at(q, n);

        if ((r->flags & TCP_REC_SACKED) == 0)
            continue;
        r->flags &= (uint8_t)~TCP_REC_SACKED;
        q->sacked--;
        q->sacked_bytes -= r->end - r->seq;
        tcp_record_fly(q, r, n);
    }
}

uint32_t tcp_record_next_lost(struct tcp_sndq *q)
{
    assert(q->lost > 0);
    if ((int32_t)(q->lost_hint - q->record_first) < 0)
        q->lost_hint = q->record_first;
    while ((tcp_record_at(q, q->lost_hint)->flags & TCP_REC_LOST) == 0) {
        q->lost_hint++;
        assert(q->lost_hint != q->record_end);
    }
    return q->lost_hint;
}

uint32_t tcp_record_find(const struct tcp_sndq *q, uint32_t seq)
{
    uint32_t low = q->record_first, high = q->record_end;

    while (low != high) {
        uint32_t middle = low + (high - low) / 2;

        if (seq_lt(tcp_record_at(q, middle)->seq, seq))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}
