/* SPDX-License-Identifier: MIT */
/* What the files of the io_uring engine share. The design notes are in uring.c. */
#ifndef LIBOS_CATNAP_URING_H
#define LIBOS_CATNAP_URING_H

#include "catnap.h"

#include <liburing.h>

#define URING_BUFFERS_MAX 1024 /* most buffers of a group */
#define URING_PIECES_STOP 64   /* unclaimed pieces of input at which a receive or an accept is stopped */
#define URING_BYTES_STOP  (256 * 1024)

/* Buffers lent to the kernel: a receive takes the next one. Objects of the instance's memory, by number. */
struct buffer_group {
    struct io_uring_buf_ring *ring;
    uint16_t id;
    bool filled;      /* the objects were allocated: with the first receive */
    uint32_t entries; /* a power of two */
    uint32_t bytes;   /* of a buffer */
    uint32_t added;   /* buffers put in since the last publication */
    uint32_t missing_count;
    uint16_t missing[URING_BUFFERS_MAX]; /* numbers whose object could not be replaced for want of memory */
    void *objects[URING_BUFFERS_MAX];
};

enum request_kind {
    REQUEST_FREE,
    REQUEST_STREAM,    /* multishot receive of a stream into the group's buffers */
    REQUEST_DATAGRAMS, /* multishot receive of datagrams and their sources */
    REQUEST_BULK,      /* one receive of a stream into the request's own object */
    REQUEST_ACCEPT,    /* multishot accept */
    REQUEST_SEND,
    REQUEST_CONNECT, /* waits until a connecting socket is writable */
    REQUEST_KINDS,
};

/*
 * What the kernel was asked to do. It outlives the operation and the queue it was made for: it is freed when the kernel
 * has given its last answer, and holds a reference on every object the kernel may touch until then.
 */
struct request {
    uint32_t generation; /* upper half of user_data; the lower is the index */
    uint32_t next_free;
    int32_t qd;     /* stale when the queue is closed */
    uint32_t epoch; /* of its submission: equal to the engine's while it is only queued */
    uint8_t kind;
    bool cancelled;
    uint32_t bytes;      /* room that a bulk receive offers */
    demi_qtoken_t token; /* of the push that is sent */
    void *obj;           /* receives: written to. Sends: read from. NULL: none */
    void *message;       /* of a sendmsg: what the kernel reads, or NULL */
};

/* Input that nobody popped yet, in an object of its own. For a listener: an accepted socket. */
struct piece {
    struct piece *next;
    void *obj; /* one reference */
    char *ptr;
    uint32_t len; /* bytes at ptr, or the descriptor of an accepted socket */
};

/* What a queue is to this engine; zeroed memory is a queue nothing was asked for. Beside the queue's slot. */
struct endpoint {
    uint32_t input;  /* index of the request that receives or accepts; 0: none */
    uint32_t output; /* index of the request that sends or connects; 0: none */
    struct piece *first, *last;
    uint32_t piece_count;
    uint32_t piece_bytes;
    uint16_t error; /* positive errno behind the pieces */
    bool ended;     /* the end of the stream is behind the pieces */
};
_Static_assert(sizeof(struct endpoint) <= CACHE_LINE, "an endpoint is one cache line");

struct uring {
    struct io_uring ring;
    uint32_t queued;     /* entries the kernel has not been told of */
    uint32_t epoch;      /* number of the submission that will carry them */
    uint32_t sends;      /* pushes among them */
    uint32_t alone;      /* pushes for which it is not worth the trouble: the application looks after each one */
    uint64_t queued_ns;  /* when the first of the pushes was queued */
    int32_t hot_qd;      /* the queue that is asked directly, or -1 */
    uint32_t hot_misses; /* times it had nothing since it last had something */
    uint64_t hot_next_ns;
    int32_t last_qd; /* the queue whose input came last */
    uint32_t run;    /* and how often in a row */
    uint32_t inputs; /* receives completed so far */
    uint32_t batch;  /* receives of the last turn that had any */
    bool armed;      /* eventfd is signalled: somebody may be sleeping on it */
    bool watched;    /* eventfd wakes the instance */
    int eventfd;
    unsigned flags; /* IORING_SETUP_ that the kernel took */
    struct endpoint *endpoints;
    struct request *requests; /* the first is never used: index 0 stands for none */
    uint32_t requests_max, requests_carved, requests_used, requests_free;
    uint32_t endpoints_max;
    struct buffer_group stream, datagrams;
    struct msghdr datagram_head; /* tells the kernel how to lay a datagram out */
};

static inline struct uring *uring_of(const struct instance *inst)
{
    return catnap_of(inst)->engine_state;
}

static inline struct endpoint *endpoint_of(const struct instance *inst, const struct uring *u, const struct queue *q)
{
    return &u->endpoints[q - inst->queues.queues];
}

/* uring_ring.c: the ring, requests, buffers. */

/* Negative errno with a text; leaves nothing behind on failure. */
int uring_open(struct instance *inst, struct uring *u);

/* Ends the ring when nothing is under way any more, and gives its memory up. */
void uring_close(struct instance *inst, struct uring *u);

/* Lets eventfd be signalled, or not. */
void uring_arm(struct uring *u, bool on);

/* Submits what is queued and lets the kernel finish what it deferred. One system call. */
void uring_enter(struct instance *inst, struct uring *u);

/* The next submission entry; submits when the ring is full. NULL: the kernel takes no more now. */
struct io_uring_sqe *uring_sqe(struct instance *inst, struct uring *u);

/*
 * A request for q with its submission entry, on which the caller then calls the io_uring_prep function and, last,
 * uring_queue. NULL: the pool is empty or the kernel takes no more (counted).
 */
struct request *uring_request(struct instance *inst, struct uring *u, const struct queue *q, enum request_kind kind,
                              struct io_uring_sqe **sqe);
void uring_queue(struct uring *u, struct request *r, struct io_uring_sqe *sqe);
void uring_request_free(struct instance *inst, struct uring *u, struct request *r);

/* The request an answer belongs to, or NULL. */
struct request *uring_request_find(const struct uring *u, uint64_t user_data);

static inline uint32_t uring_request_index(const struct uring *u, const struct request *r)
{
    return (uint32_t)(r - u->requests);
}

/* Asks the kernel to end a request. Its last answer still comes. */
void uring_cancel(struct instance *inst, struct uring *u, uint32_t index);

/* Has the kernel a buffer, or can it get one? */
bool uring_group_ready(struct instance *inst, struct buffer_group *g);

/*
 * The kernel filled buffer number bid with size bytes, n of them data: the object that has them, one reference. It is
 * the buffer itself, which is replaced, or a copy if they are few.
 */
void *uring_group_take(struct instance *inst, struct buffer_group *g, uint32_t bid, size_t size, size_t n);

/* Puts a buffer back unread. */
void uring_group_return(struct buffer_group *g, uint32_t bid);

/* uring_recv.c: input. */
int uring_pop(struct instance *inst, struct queue *q, struct op *op);
void uring_on_input(struct instance *inst, struct queue *q, struct request *r, const struct io_uring_cqe *cqe);

/* The application wants no more input: pops find the end from now on. */
void uring_end_input(struct instance *inst, struct queue *q);

/* Asks the hot queue's socket, if it is time. */
void uring_look_at_hot(struct instance *inst, struct uring *u);

/* Nobody will look for a while: the kernel is to watch over the hot queue as over all others. */
void uring_cool(struct instance *inst, struct uring *u);

/* Gives up what was received and not popped, or accepted and not taken. */
void uring_drop_pieces(struct instance *inst, struct endpoint *e);
void uring_drop_sockets(struct instance *inst, struct endpoint *e);

/* Adds to, and takes from, what was not claimed. uring_add_piece: false without memory; obj is left to the caller. */
bool uring_add_piece(struct instance *inst, struct endpoint *e, void *obj, char *ptr, uint32_t len);
void uring_remove_piece(struct instance *inst, struct endpoint *e);

/* Fails the oldest pending pop or accept. */
void uring_fail_first(struct instance *inst, struct queue *q, int err);

/* uring_send.c: output. */
int uring_push(struct instance *inst, struct queue *q, struct op *op);
void uring_message_free(struct instance *inst, void *message);
void uring_on_send(struct instance *inst, struct queue *q, const struct request *r, const struct io_uring_cqe *cqe);

/* uring_accept.c: connections. */
int uring_accept(struct instance *inst, struct queue *q, struct op *op);
void uring_on_accept(struct instance *inst, struct queue *q, const struct io_uring_cqe *cqe);
int uring_connect(struct instance *inst, struct queue *q, struct op *op, const struct sockaddr *addr, socklen_t len);

/* uring.c: answers that are there. */
void uring_reap(struct instance *inst, struct uring *u);

#endif /* LIBOS_CATNAP_URING_H */
