/* SPDX-License-Identifier: MIT */
/* The table of queue descriptors. */
#include "queue.h"

#include "mem.h"
#include "os.h"

#include <errno.h>
#include <string.h>

#ifdef MEM_ASAN
#include <sanitizer/lsan_interface.h>
/* What libOSes hang on their queues is no leak: the checker does not look into mapped memory by itself. */
#define ROOT_ADD(p, n)    __lsan_register_root_region(p, n)
#define ROOT_REMOVE(p, n) __lsan_unregister_root_region(p, n)
#else
#define ROOT_ADD(p, n)    ((void)(p), (void)(n))
#define ROOT_REMOVE(p, n) ((void)(p), (void)(n))
#endif

int queue_table_init(struct queue_table *t, uint32_t capacity)
{
    memset(t, 0, sizeof(*t));
    t->capacity = 1;
    while (t->capacity < capacity)
        t->capacity *= 2;
    t->free_head = t->free_tail = OP_NIL;
    t->queues = os_table_new(t->capacity * sizeof(struct queue));
    if (t->queues == NULL)
        return -ENOMEM;
    ROOT_ADD(t->queues, t->capacity * sizeof(struct queue));
    return 0;
}

void queue_table_fini(struct queue_table *t)
{
    if (t->queues != NULL) {
        ROOT_REMOVE(t->queues, t->capacity * sizeof(struct queue));
        os_table_free(t->queues, t->capacity * sizeof(struct queue));
    }
    memset(t, 0, sizeof(*t));
}

struct queue *queue_alloc(struct queue_table *t, const struct queue_ops *ops)
{
    struct queue *q;
    int32_t qd;

    if (t->carved < t->capacity) { /* fresh slots first: reuse is put off as long as it can be */
        q = &t->queues[t->carved];
        qd = QD_FIRST + (int32_t)t->carved++;
    } else if (t->free_head != OP_NIL) {
        q = &t->queues[t->free_head];
        t->free_head = q->next_free;
        if (t->free_head == OP_NIL)
            t->free_tail = OP_NIL;
        qd = q->qd;
    } else {
        return NULL;
    }
    memset(q, 0, sizeof(*q));
    q->ops = ops;
    q->qd = qd;
    q->fd = -1;
    q->pops = q->pushes = OP_LIST_EMPTY;
    t->used++;
    return q;
}

void queue_free(struct queue_table *t, struct queue *q)
{
    uint32_t index = (uint32_t)(q - t->queues);
    int64_t next = (int64_t)q->qd + t->capacity; /* the next generation */

    assert(q->ops != NULL);
    q->ops = NULL;
    q->qd = next <= INT32_MAX ? (int32_t)next : (int32_t)(QD_FIRST + index);
    q->next_free = OP_NIL;
    if (t->free_tail == OP_NIL)
        t->free_head = index;
    else
        t->queues[t->free_tail].next_free = index;
    t->free_tail = index;
    t->used--;
}
