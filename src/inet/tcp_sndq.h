/* SPDX-License-Identifier: MIT */
/*
 * What a connection has sent and the peer has not acknowledged, and what is to be sent: two rings.
 *
 * Chunks: the bytes, by reference, in the order of tcp_send. Records: one for each segment sent, in the order of their
 * sequence numbers, with the time it was sent last and what became of it. Records are the scoreboard of RFC 6675 and
 * the list of RFC 8985 in one: those that are in flight are linked in the order of their last transmission, so that
 * loss detection looks only at what it will mark.
 *
 * Entries have numbers that grow and wrap; a ring's place is the number's low bits. Rings start inside the connection
 * and move to the pool when they grow, back when they are empty and time has passed (tcp_sndq_shrink). A segment
 * acknowledged in part by SACK counts as not acknowledged: SACK is advice, and our own segments' ends are where a
 * peer's blocks end.
 */
#ifndef INET_TCP_SNDQ_H
#define INET_TCP_SNDQ_H

#include "env.h"

#include <errno.h>

#define TCP_RING_INLINE 4
#define TCP_RING_MAX    16384 /* chunks, and segments in flight, of a connection */

struct tcp_chunk {
    void *obj; /* one reference */
    char *ptr;
    uint32_t seq; /* of its first byte */
    uint32_t len;
};

enum tcp_record_flag {
    TCP_REC_SACKED = 1,
    TCP_REC_LOST = 2,    /* to be sent again */
    TCP_REC_RESENT = 4,  /* was sent more than once */
    TCP_REC_FIN = 8,     /* its last sequence number is the FIN */
    TCP_REC_FLYING = 16, /* linked by time: neither acknowledged, nor sacked, nor lost */
};

struct tcp_record {
    uint64_t sent_ns; /* last transmission */
    uint32_t seq, end;
    uint32_t later, earlier; /* numbers of the records sent after and before it */
    uint8_t flags;
    uint8_t sends; /* transmissions, saturating */
    uint16_t turn; /* of its last transmission among all: decides between those of one sent_ns; wraps */
    uint32_t ts;   /* our timestamp when it was sent last */
};

struct tcp_sndq {
    struct tcp_chunk *chunk; /* ring */
    struct tcp_record *record;
    uint32_t chunk_mask, chunk_first, chunk_end; /* numbers: from first up to, not including, end */
    uint32_t record_mask, record_first, record_end;
    uint32_t una_seq, end_seq; /* sequence numbers of the bytes held */
    uint32_t oldest, newest;   /* by transmission, of those in flight; void when there are none */
    uint32_t flying;           /* records in flight */
    uint32_t lost_hint;        /* no record before this one is lost */
    uint32_t flight_bytes;     /* in flight; the FIN counts */
    uint32_t sacked_bytes, lost_bytes;
    uint32_t sacked, lost; /* records */
    uint32_t chunk_hint;   /* where new data is cut from */
    uint16_t turns;        /* transmissions so far */
    struct tcp_chunk chunk_inline[TCP_RING_INLINE];
    struct tcp_record record_inline[TCP_RING_INLINE];
};

void tcp_sndq_init(struct tcp_sndq *q, uint32_t seq);

/* Lets go of everything. */
void tcp_sndq_clear(struct tcp_sndq *q, struct inet_env *env);

/* --- chunks --- */

/* Twice as large a ring of chunks. -ENOBUFS: TCP_RING_MAX chunks; -ENOMEM. */
int tcp_sndq_grow(struct tcp_sndq *q, struct inet_env *env);

/* Adds bytes behind what is there with a reference of the queue's own. As tcp_sndq_grow. */
static inline int tcp_sndq_add(struct tcp_sndq *q, struct inet_env *env, void *obj, char *ptr, uint32_t len)
{
    assert(len > 0);
    if (UNLIKELY(q->chunk_end - q->chunk_first > q->chunk_mask)) {
        int err = tcp_sndq_grow(q, env);

        if (err != 0)
            return err;
    }
    mem_ref(obj);
    q->chunk[q->chunk_end++ & q->chunk_mask] = (struct tcp_chunk){obj, ptr, q->end_seq, len};
    q->end_seq += len;
    return 0;
}

static inline uint32_t tcp_sndq_bytes(const struct tcp_sndq *q)
{
    return q->end_seq - q->una_seq;
}

/* Lets go of all bytes before seq. */
void tcp_sndq_release(struct tcp_sndq *q, struct inet_env *env, uint32_t seq);

/*
 * Adds the bytes [seq, seq + len) to frame f. Returns how many: fewer than len when the frame has no more room for
 * pieces.
 */
uint32_t tcp_sndq_fill(struct tcp_sndq *q, struct frame *f, uint32_t seq, uint32_t len);

/* --- records --- */

static inline struct tcp_record *tcp_record_at(const struct tcp_sndq *q, uint32_t number)
{
    return &q->record[number & q->record_mask];
}

static inline uint32_t tcp_record_count(const struct tcp_sndq *q)
{
    return q->record_end - q->record_first;
}

/* Twice as large a ring of records. False: TCP_RING_MAX, or no memory. */
bool tcp_record_grow(struct tcp_sndq *q, struct inet_env *env);

/* Makes room for one or two more records. As tcp_record_grow. */
static inline bool tcp_record_room(struct tcp_sndq *q, struct inet_env *env, uint32_t more)
{
    return LIKELY(tcp_record_count(q) + more <= q->record_mask + 1) || tcp_record_grow(q, env);
}

/* It is the one that was sent last. */
static inline void tcp_record_fly(struct tcp_sndq *q, struct tcp_record *r, uint32_t number)
{
    if (q->flying++ == 0)
        q->oldest = number;
    else
        tcp_record_at(q, q->newest)->later = number;
    r->earlier = q->newest;
    q->newest = number;
    r->flags |= TCP_REC_FLYING;
    q->flight_bytes += r->end - r->seq;
}

/* A new segment was sent; there is room. Returns its number. */
static inline uint32_t tcp_record_add(struct tcp_sndq *q, uint32_t seq, uint32_t end, uint64_t now_ns, uint32_t ts)
{
    uint32_t number = q->record_end++;
    struct tcp_record *r = tcp_record_at(q, number);

    assert(tcp_record_count(q) <= q->record_mask + 1 && (int32_t)(end - seq) > 0);
    *r = (struct tcp_record){.sent_ns = now_ns, .seq = seq, .end = end, .sends = 1, .turn = q->turns++, .ts = ts};
    tcp_record_fly(q, r, number);
    return number;
}

/* It was sent again. */
void tcp_record_resent(struct tcp_sndq *q, uint32_t number, uint64_t now_ns, uint32_t ts);

/* It is lost, or (RFC 5682, 3708) was not after all; was acknowledged selectively; is acknowledged and the oldest. */
void tcp_record_lost(struct tcp_sndq *q, uint32_t number);
void tcp_record_found(struct tcp_sndq *q, uint32_t number);
void tcp_record_sacked(struct tcp_sndq *q, uint32_t number);
void tcp_record_drop_first(struct tcp_sndq *q);

/* The first record is acknowledged up to seq, which lies within it. */
void tcp_record_trim_first(struct tcp_sndq *q, uint32_t seq);

/* The SACKs are void (the peer reneged): RFC 2018 section 8. */
void tcp_record_forget_sacks(struct tcp_sndq *q);

/* The number of the first lost record; there is one (q->lost > 0). */
uint32_t tcp_record_next_lost(struct tcp_sndq *q);

/* The number of the first record whose seq is not before seq; record_end when there is none. */
uint32_t tcp_record_find(const struct tcp_sndq *q, uint32_t seq);

/* The rings are empty: back into the connection, with their memory to the pool. */
void tcp_sndq_shrink(struct tcp_sndq *q, struct inet_env *env);

#endif /* INET_TCP_SNDQ_H */
