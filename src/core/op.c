/* SPDX-License-Identifier: MIT */
/* The slab of operations. Its memory is reserved at once and touched only as slots are first used. */
#include "op.h"

#include "os.h"

#include <errno.h>
#include <string.h>

int op_slab_init(struct op_slab *s, uint32_t capacity)
{
    assert(capacity > 0 && capacity <= OP_INDEX_MASK + 1);
    memset(s, 0, sizeof(*s));
    s->free_head = OP_NIL;
    s->done = OP_LIST_EMPTY;
    s->ops = os_table_new(capacity * sizeof(struct op));
    if (s->ops == NULL)
        return -ENOMEM;
    s->capacity = capacity;
    os_random(&s->first_generation, sizeof(s->first_generation));
    s->first_generation &= ~(OP_INDEX_MASK | OP_GENERATION);
    return 0;
}

void op_slab_fini(struct op_slab *s)
{
    if (s->ops != NULL)
        os_table_free(s->ops, s->capacity * sizeof(struct op));
    memset(s, 0, sizeof(*s));
}

struct op *op_carve(struct op_slab *s)
{
    struct op *op;

    if (s->carved == s->capacity) {
#if WARM_ARRAYS
        op = s->rest;
        s->rest = NULL;
        s->used -= op != NULL;
        return op;
#else
        return NULL;
#endif
    }
    op = op_at(s, s->carved);
    op->index = s->carved++;
    op->token = s->first_generation | op->index; /* even: op_alloc makes it odd, alive */
    return op;
}
