/* SPDX-License-Identifier: MIT */
/*
 * Queues: the table of descriptors, and the table of functions by which a libOS serves its queues.
 *
 * A descriptor is 500 plus the slot's index and, above it, the slot's generation, so that a stale descriptor is EBADF
 * and never somebody else's queue. 500 keeps clear of small file descriptors, which programs like to mix up with
 * queues.
 */
#ifndef CORE_QUEUE_H
#define CORE_QUEUE_H

#include "base.h"
#include "op.h"

#include <sys/socket.h>
#include <sys/uio.h>

#define QD_FIRST 500

enum queue_state {
    QUEUE_FRESH, /* nothing is known but its type */
    QUEUE_BOUND,
    QUEUE_LISTENING,
    QUEUE_CONNECTING,
    QUEUE_CONNECTED,
};

enum queue_flag {
    QUEUE_SHUT_RD = 1,
    QUEUE_SHUT_WR = 2,
    QUEUE_READABLE = 4, /* catnap: a receive may find something */
    QUEUE_WRITABLE = 8, /* catnap: a send may find room */
    QUEUE_HUP = 16,     /* the end of the stream or an error is behind the data */
    QUEUE_LINGER = 32,  /* SO_LINGER with a time was asked for */
    QUEUE_WAS_BOUND = 64,
    QUEUE_SHUT_LATER = 128, /* QUEUE_SHUT_WR, but pending pushes go first */
    QUEUE_LOCAL = 256,      /* a socket of the instance's local libOS, where it has one beside net */
};

/*
 * What a libOS does for a queue. Calls return 0 or a negative errno and write the reason with error_set where it says
 * more than the number. The API has tested arguments and the queue's state before it calls.
 *
 * push, pop, accept, connect: op is filled in and linked to nothing. The function completes it (op_complete, op_fail)
 * or links it into the queue's list, or returns a negative errno and leaves op to the caller, who frees it. A push's
 * object carries a reference for the operation, dropped by op_complete and op_fail.
 */
struct queue_ops {
    const char *name;
    bool gathers; /* push takes OP_GATHER operations; otherwise the API copies the segments together first */
    int (*bind)(struct instance *inst, struct queue *q, const struct sockaddr *addr, socklen_t len);
    int (*listen)(struct instance *inst, struct queue *q, int backlog);
    int (*accept)(struct instance *inst, struct queue *q, struct op *op);
    int (*connect)(struct instance *inst, struct queue *q, struct op *op, const struct sockaddr *addr, socklen_t len);
    int (*push)(struct instance *inst, struct queue *q, struct op *op);
    /*
     * For a device that takes the bytes in the call, or NULL: sends len bytes to dest (NULL: the peer) before there is
     * an operation, which is then made complete (op_pushed), its token written. Called when a slot for that is free.
     * -EAGAIN: nothing was sent, and push shall see to it; another negative errno: nothing was sent.
     */
    int (*send)(struct instance *inst, struct queue *q, demi_qtoken_t *qt_out, const char *bytes, uint32_t len,
                const struct sockaddr *dest);
    /* The same for several runs of bytes, total together, with no operation: nobody waits for the end. */
    int (*sendv)(struct instance *inst, struct queue *q, const struct iovec *iov, int n, uint32_t total,
                 const struct sockaddr *dest);
    int (*pop)(struct instance *inst, struct queue *q, struct op *op);
    /* op is pending and no longer wanted; it is unlinked already and will be freed. May be NULL. */
    void (*cancel)(struct instance *inst, struct queue *q, struct op *op);
    int (*shutdown)(struct instance *inst, struct queue *q, int how);
    /* All operations are gone. Gives up what the libOS holds; the slot is freed when this returns. */
    void (*close)(struct instance *inst, struct queue *q);
    int (*setsockopt)(struct instance *inst, struct queue *q, int level, int name, const void *val, socklen_t len);
    int (*getsockopt)(struct instance *inst, struct queue *q, int level, int name, void *val, socklen_t *len);
    int (*getpeername)(struct instance *inst, struct queue *q, struct sockaddr_storage *addr, socklen_t *len);
    int (*getsockname)(struct instance *inst, struct queue *q, struct sockaddr_storage *addr, socklen_t *len);
    /* The descriptor q->fd has epoll events. */
    void (*event)(struct instance *inst, struct queue *q, uint32_t events);
};

struct queue {
    const struct queue_ops *ops; /* NULL: the slot is free */
    void *state;                 /* of the libOS */
    int32_t qd;
    int32_t fd; /* catnap's socket, catmem's control socket, or -1 */
    uint16_t domain;
    uint8_t type; /* SOCK_STREAM, SOCK_DGRAM, 0 for a memory queue */
    uint8_t status;
    uint16_t flags;
    uint16_t error;        /* a reset that every further operation reports, 0 while there is none */
    struct op_list pops;   /* pending pops and accepts, oldest first */
    struct op_list pushes; /* pending pushes and connects, oldest first */
    uint32_t done_count;   /* completed operations nobody waited for yet */
    uint32_t pop_bytes;    /* room a receive offers, adapted to what comes */
    uint32_t linger_s;
    union {
        uint32_t options_set; /* the options that the application has set: the API's bits */
        uint32_t next_free;   /* of a free slot */
    };
    uint64_t word[4]; /* of the libOS */
};
_Static_assert(sizeof(struct queue) <= 2 * CACHE_LINE, "a queue is two cache lines at most");

struct queue_table {
    struct queue *queues;
    uint32_t capacity; /* a power of two */
    uint32_t carved;
    uint32_t used;
    uint32_t free_head, free_tail; /* first freed, first reused: a stale descriptor stays stale for long */
};

/* -ENOMEM. capacity is rounded up to a power of two. */
int queue_table_init(struct queue_table *t, uint32_t capacity);
void queue_table_fini(struct queue_table *t);

/* Makes a queue; NULL when all slots are taken. */
struct queue *queue_alloc(struct queue_table *t, const struct queue_ops *ops);

/* Frees the slot; the descriptor is stale from now on. */
void queue_free(struct queue_table *t, struct queue *q);

/* The open queue a descriptor names, or NULL. Any value is safe. */
static inline struct queue *queue_lookup(const struct queue_table *t, int qd)
{
    uint32_t index = ((uint32_t)qd - QD_FIRST) & (t->capacity - 1);
    struct queue *q = &t->queues[index];

    return LIKELY(index < t->carved && q->qd == qd && q->ops != NULL) ? q : NULL;
}

#endif /* CORE_QUEUE_H */
