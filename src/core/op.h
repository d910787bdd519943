/* SPDX-License-Identifier: MIT */
/*
 * Operations: a push, pop, accept or connect is one descriptor of two cache lines from a slab, and a stackless
 * coroutine: its saved point, its waker, its result. A background job of a libOS is the same thing without a token.
 *
 * A token is the slot's index (20 bits) and the slot's generation (44 bits); an odd generation is alive. A stale token
 * therefore never names somebody else's operation.
 *
 * While an operation is pending, its links put it into its queue's list, in issue order; when it completes, into the
 * instance's list of results, in order of completion.
 */
#ifndef CORE_OP_H
#define CORE_OP_H

#include "base.h"

#include <demi/types.h>

struct instance;
struct queue;
struct op;

#define OP_INDEX_BITS 20
#define OP_INDEX_MASK ((UINT64_C(1) << OP_INDEX_BITS) - 1)
#define OP_GENERATION (UINT64_C(1) << OP_INDEX_BITS)
#define OP_NIL        UINT32_MAX

enum op_state {
    OP_FREE,
    OP_PENDING,
    OP_DONE, /* in the list of results */
};

enum op_flag {
    OP_LAZY = 1,   /* complete, but resume must run before the result is handed out */
    OP_GATHER = 2, /* args.gather: a push of several segments */
    OP_TASK = 4,   /* a background job: no token names it */
    OP_QUIET = 8,  /* a push whose token nobody was given: it leaves no result */
};

/* What a coroutine says when it returns. */
enum co_status {
    CO_WAIT,  /* resume me when somebody wakes me */
    CO_AGAIN, /* resume me in the next turn */
    CO_DONE,  /* completed or freed: do not touch me any more */
};

typedef enum co_status co_fn(struct instance *inst, struct op *op);

/* A run of bytes to be pushed, and the object (or NULL) that a reference is held on. */
struct gather_seg {
    void *obj;
    char *ptr;
    size_t len;
};

/* The segments of an OP_GATHER push; lives in an object of the pool that the operation holds. */
struct gather {
    uint32_t count;
    uint32_t spare;
    size_t total;
    struct gather_seg seg[];
};

struct op {
    co_fn *resume;       /* NULL: a wake-up does nothing */
    struct queue *queue; /* NULL once it has left its queue */
    uint64_t token;
    uint32_t index; /* of the slot */
    uint32_t next, prev;
    uint16_t at; /* saved point of the coroutine */
    uint8_t opcode, state, cls, flags;
    uint16_t err;  /* positive errno of a failure */
    int32_t qd;    /* queue it was issued on */
    int32_t hint;  /* where the application's array of tokens held it last */
    void *obj;     /* object with the bytes: a push refers to it, a completed pop owns it */
    char *ptr;     /* first byte */
    uint32_t len;  /* bytes to push, bytes popped, most bytes a pop takes (0: any) */
    uint32_t done; /* bytes pushed so far; for an accept the new queue's descriptor */
    union {
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        struct gather *gather;
    } args;            /* destination of a pushto, peer of a connect or accept, source of a pop */
    uint64_t word;     /* of the libOS */
    uint64_t done_seq; /* how many operations were complete before it, once it is */
};
_Static_assert(sizeof(struct op) <= 2 * CACHE_LINE, "an operation is two cache lines at most");

/* A list of operations by index: first in, first out, and removal from anywhere. */
struct op_list {
    uint32_t head, tail;
};

#define OP_LIST_EMPTY ((struct op_list){OP_NIL, OP_NIL})

struct op_slab {
    struct op *ops;
    uint32_t free_head; /* stack of freed slots: the warmest first */
    uint32_t carved;    /* slots used at least once */
    uint32_t capacity;
    uint32_t used;
    uint64_t first_generation; /* even, random: a token of another instance is not valid here by accident */
    struct op_list done;       /* results in order of completion */
    uint32_t done_count;
    uint64_t done_seq; /* operations completed so far */
#if WARM_ARRAYS
    struct op *rest; /* a slot that is free (but counted in used), as its last pop left it; NULL: none */
#endif
};

/* capacity slots, at most 2^20. -ENOMEM. */
int op_slab_init(struct op_slab *s, uint32_t capacity);
void op_slab_fini(struct op_slab *s);

/* Makes the first use of a slot; NULL when all are taken. */
struct op *op_carve(struct op_slab *s);

static inline struct op *op_at(const struct op_slab *s, uint32_t index)
{
    return &s->ops[index];
}

/* The live operation a token names, or NULL. Any value is safe. */
static inline struct op *op_lookup(const struct op_slab *s, demi_qtoken_t qt)
{
    uint32_t index = (uint32_t)(qt & OP_INDEX_MASK);
    struct op *op;

    if (UNLIKELY(index >= s->carved))
        return NULL;
    op = op_at(s, index);
    return LIKELY(op->token == qt && (qt & OP_GENERATION) != 0) ? op : NULL;
}

static inline bool op_spare(const struct op_slab *s)
{
    if (LIKELY(s->free_head != OP_NIL || s->carved < s->capacity))
        return true;
#if WARM_ARRAYS
    return s->rest != NULL;
#else
    return false;
#endif
}

static inline struct op *op_alloc(struct op_slab *s)
{
    struct op *op;

    if (UNLIKELY(s->free_head == OP_NIL)) {
        op = op_carve(s);
        if (op == NULL)
            return NULL;
    } else {
        op = op_at(s, s->free_head);
        s->free_head = op->next;
    }
    s->used++;
    op->token += OP_GENERATION;
    op->state = OP_PENDING;
    op->flags = 0;
    op->at = 0;
    op->err = 0;
    return op;
}

/* Makes the token invalid; the slot stays taken until op_free. */
static inline void op_revoke(struct op *op)
{
    if ((op->token & OP_GENERATION) != 0)
        op->token += OP_GENERATION;
}

static inline void op_free(struct op_slab *s, struct op *op)
{
    op_revoke(op);
    op->state = OP_FREE;
    op->queue = NULL;
    op->next = s->free_head;
    s->free_head = op->index;
    s->used--;
}

#if WARM_ARRAYS
/* Frees a pop's slot in such a way that the next pop on the same queue finds all but token and links done. */
static inline void op_rest(struct op_slab *s, struct op *op)
{
    if (UNLIKELY(s->rest != NULL)) {
        op_free(s, op);
        return;
    }
    op->token += OP_GENERATION;
    s->rest = op;
}
#endif

static inline bool op_list_is_empty(const struct op_list *l)
{
    return l->head == OP_NIL;
}

static inline struct op *op_list_first(const struct op_slab *s, const struct op_list *l)
{
    return l->head == OP_NIL ? NULL : op_at(s, l->head);
}

static inline void op_list_add(struct op_slab *s, struct op_list *l, struct op *op)
{
    op->next = OP_NIL;
    op->prev = l->tail;
    if (l->tail == OP_NIL)
        l->head = op->index;
    else
        op_at(s, l->tail)->next = op->index;
    l->tail = op->index;
}

/* Back to the front: op is the oldest. */
static inline void op_list_add_first(struct op_slab *s, struct op_list *l, struct op *op)
{
    op->prev = OP_NIL;
    op->next = l->head;
    if (l->head == OP_NIL)
        l->tail = op->index;
    else
        op_at(s, l->head)->prev = op->index;
    l->head = op->index;
}

static inline void op_list_remove(struct op_slab *s, struct op_list *l, struct op *op)
{
    if (op->prev == OP_NIL)
        l->head = op->next;
    else
        op_at(s, op->prev)->next = op->next;
    if (op->next == OP_NIL)
        l->tail = op->prev;
    else
        op_at(s, op->next)->prev = op->prev;
}

/* The list's first, which is op. */
static inline void op_list_remove_first(struct op_slab *s, struct op_list *l, const struct op *op)
{
    l->head = op->next;
    if (op->next == OP_NIL)
        l->tail = OP_NIL;
    else
        op_at(s, op->next)->prev = OP_NIL;
}

/*
 * Coroutine control. A coroutine is a function of type co_fn whose body stands between CO_BEGIN and CO_END; its locals
 * do not survive a CO_PAUSE, its op does. At most one CO_PAUSE a line.
 */
#define CO_BEGIN(op)                                                                                                   \
    switch ((op)->at) {                                                                                                \
    case 0:
#define CO_PAUSE(op, status)                                                                                           \
    do {                                                                                                               \
        (op)->at = __LINE__;                                                                                           \
        return (status);                                                                                               \
    case __LINE__:;                                                                                                    \
    } while (0)
#define CO_END                                                                                                         \
    }                                                                                                                  \
    return CO_DONE

#endif /* CORE_OP_H */
