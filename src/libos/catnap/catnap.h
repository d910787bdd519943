/* SPDX-License-Identifier: MIT */
/*
 * catnap: PDPIX on the kernel's sockets. What both engines share; an engine is how operations wait: epoll.c asks for
 * readiness, uring.c (a module) submits requests and reaps completions.
 */
#ifndef LIBOS_CATNAP_CATNAP_H
#define LIBOS_CATNAP_CATNAP_H

#include "core/complete.h"
#include "core/instance.h"

#define CATNAP_POP_MIN   2048   /* bytes a receive offers at first */
#define CATNAP_POP_MAX   262144 /* and at most */
#define CATNAP_DGRAM_MAX 65536  /* no datagram is larger */

struct catnap_engine {
    const char *name;
    const struct queue_ops *ops;
    int (*init)(struct instance *inst); /* negative errno with a text; leaves nothing behind on failure */
    void (*fini)(struct instance *inst);
    void (*forget)(struct instance *inst); /* in a child of fork: closes its descriptors. May be NULL. */
};

/* A connection that is being closed within its linger time. */
struct lingering;

struct catnap {
    const struct catnap_engine *engine;
    void *module;        /* of dlopen, or NULL */
    void *spare;         /* object the next receive goes to, or NULL */
    uint64_t lent_bytes; /* of further objects that receives go to: the engine's, for as long as it lives */
    struct lingering *lingering;
    void *engine_state;
};

static inline struct catnap *catnap_of(const struct instance *inst)
{
    return inst->net_state;
}

extern const struct catnap_engine catnap_epoll;

/* The control calls, the same for both engines: see struct queue_ops. */
int catnap_bind(struct instance *inst, struct queue *q, const struct sockaddr *addr, socklen_t len);
int catnap_setsockopt(struct instance *inst, struct queue *q, int level, int name, const void *val, socklen_t len);
int catnap_getsockopt(struct instance *inst, struct queue *q, int level, int name, void *val, socklen_t *len);
int catnap_getpeername(struct instance *inst, struct queue *q, struct sockaddr_storage *addr, socklen_t *len);
int catnap_getsockname(struct instance *inst, struct queue *q, struct sockaddr_storage *addr, socklen_t *len);

/* Ends all lingering at once: the kernel goes on by itself. */
void catnap_linger_end_all(struct instance *inst);

/* In a child of fork: closes the lingering sockets' descriptors. */
void catnap_linger_forget(const struct instance *inst);

/* Closes the socket, within its linger time where one was asked for, without ever waiting. */
void catnap_close_socket(struct instance *inst, struct queue *q);

/* Makes the queue of an accepted socket: connected, of the listener's domain. NULL: the table is full; fd is closed. */
struct queue *catnap_adopt(struct instance *inst, const struct queue *listener, int fd);

/*
 * A receive's room: an object of one reference, kept in catnap's spare between attempts, so that an attempt that finds
 * nothing costs nothing. bytes is what the caller wants to receive at most. NULL: no memory.
 */
void *catnap_room(struct instance *inst, size_t bytes);

/*
 * Where few bytes lie in a large object they are copied, so that 64 KiB are not held for a line of text: a copy of the
 * first size bytes of obj, n of them data, in an object of one reference. NULL: obj itself is to be kept.
 */
void *catnap_compact(struct instance *inst, const void *obj, size_t size, size_t n);

/*
 * n bytes were received at offset in the spare: completes op with them, in the spare itself or, when they are few, in
 * an object of their size. meta: the object starts with a struct mem_meta.
 */
void catnap_received(struct instance *inst, struct op *op, size_t offset, size_t n, bool meta);

/* Completes op with the end of the stream. */
void catnap_received_end(struct instance *inst, struct op *op);

/* Learns from a receive of n bytes into room for `offered` how much to offer next time. */
void catnap_adapt(struct queue *q, size_t offered, size_t n);

/*
 * One attempt to do an operation by a system call that does not wait. DONE: op is complete or failed. AGAIN: it is not,
 * and q->flags says whether the socket may have more (QUEUE_READABLE) or room (QUEUE_WRITABLE). op is in no list.
 */
enum catnap_attempt { CATNAP_DONE, CATNAP_AGAIN };
enum catnap_attempt catnap_try_pop(struct instance *inst, struct queue *q, struct op *op);
enum catnap_attempt catnap_try_push(struct instance *inst, struct queue *q, struct op *op);

/* The pop op fails with err. A stream is then broken for good: all that wait fail, and so will everything later. */
void catnap_break(struct instance *inst, struct queue *q, struct op *op, int err);

/*
 * The push op fails with err. All pushes of a stream fail with it, also later ones; pops get what arrived before and
 * then the error, as from a socket.
 */
void catnap_break_output(struct instance *inst, struct queue *q, struct op *op, int err);

/*
 * Ends directions. Pending pushes go before the end of the output: catnap_output_end sends that when the last of them
 * is gone, and is called whenever one went.
 */
int catnap_shutdown(struct queue *q, int how);
void catnap_output_end(struct queue *q);

/* The socket of a connecting queue is writable: the connect, if it is still wanted, succeeds or fails. */
void catnap_finish_connect(struct instance *inst, struct queue *q);

/* Writes the peer's address into an operation's result (IPv4 only: the contract's field). */
static inline void catnap_set_source(struct op *op, const struct sockaddr *addr)
{
    if (addr->sa_family == AF_INET)
        memcpy(&op->args.in, addr, sizeof(op->args.in));
    else
        memset(&op->args.in, 0, sizeof(op->args.in));
}

/* Segments still to be sent of a push, at most max; done bytes were sent. Returns how many there are. */
struct iovec;
int catnap_segments(const struct op *op, struct iovec *iov, int max);

#endif /* LIBOS_CATNAP_CATNAP_H */
