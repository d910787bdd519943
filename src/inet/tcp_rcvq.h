/* SPDX-License-Identifier: MIT */
/*
 * What a connection has received and the application has not: the bytes in order, and behind holes the runs that came
 * too early.
 *
 * Bytes stay in the frame that brought them, by reference. A frame that is much larger than the payload it holds would
 * let a peer of small segments fill the memory with a small window: such payload is copied into objects of ours, where
 * what follows joins it. Memory held is thus at most some four times the bytes.
 *
 * Early segments: runs, sorted, that neither overlap nor touch; at most TCP_RUNS, so that a search is bounded. A
 * segment extends a run at an end, joins two, or starts one; the parts of it that are there already are left out.
 */
#ifndef INET_TCP_RCVQ_H
#define INET_TCP_RCVQ_H

#include "env.h"
#include "tcp_wire.h"

#define TCP_RUNS        32   /* holes a connection keeps account of */
#define TCP_COPY_FACTOR 4    /* payload below this part of its object is copied */
#define TCP_COPY_BYTES  2048 /* objects that small payload is gathered in */

/* Received bytes: a piece of an object, on which it holds a reference. Lives in an object of the pool. */
struct tcp_piece {
    struct tcp_piece *next;
    void *obj;
    char *ptr;
    uint32_t len;
    uint32_t spare; /* bytes behind ptr + len that are ours to write */
};

struct tcp_pieces {
    struct tcp_piece *first, *last;
};

struct tcp_run {
    struct tcp_run *next;
    uint32_t start, end;
    uint32_t stamp; /* when it last grew, to report the latest first (RFC 2018 section 4) */
    struct tcp_pieces pieces;
};

struct tcp_rcvq {
    struct tcp_pieces ready;
    uint32_t ready_bytes;
    uint32_t early_bytes;
    uint32_t pieces; /* early ones */
    uint32_t stamp;
    struct tcp_run *early;
    uint32_t runs;
};

/* Queues in-order bytes; takes what references it needs. False: no memory, nothing was queued. */
bool tcp_rcvq_add(struct tcp_rcvq *q, struct inet_env *env, void *obj, char *ptr, uint32_t len);

enum tcp_early {
    TCP_EARLY_OK,
    TCP_EARLY_DUPLICATE, /* all of it was there */
    TCP_EARLY_FULL,      /* more holes or pieces than are kept account of */
    TCP_EARLY_NO_MEMORY,
};

/*
 * Keeps the bytes of seq up to end, which lie ahead of what is in order, at most pieces_max pieces. What was there
 * before is told in *dup (start == end: nothing). On a failure a front part may have been kept.
 */
enum tcp_early tcp_rcvq_early(struct tcp_rcvq *q, struct inet_env *env, const struct tcp_block *range, void *obj,
                              char *ptr, uint32_t pieces_max, struct tcp_block *dup);

/* Everything before *nxt has come: early bytes that follow become ready, and *nxt is moved behind them. */
void tcp_rcvq_join(struct tcp_rcvq *q, struct inet_env *env, uint32_t *nxt);

/* The oldest ready bytes, at most max (0: no limit), with a reference for the caller. 0: none. */
uint32_t tcp_rcvq_take(struct tcp_rcvq *q, struct inet_env *env, uint32_t max, void **obj, char **ptr);

/* The first len ready bytes, part of one piece, went to somebody who has a reference of his own. */
void tcp_rcvq_consume(struct tcp_rcvq *q, struct inet_env *env, uint32_t len);

/* Blocks to report, the latest run first; returns how many. */
unsigned tcp_rcvq_blocks(const struct tcp_rcvq *q, struct tcp_block *blocks, unsigned max);

/* Lets go of everything; of the early bytes alone. */
void tcp_rcvq_clear(struct tcp_rcvq *q, struct inet_env *env);
void tcp_rcvq_clear_early(struct tcp_rcvq *q, struct inet_env *env);

#endif /* INET_TCP_RCVQ_H */
