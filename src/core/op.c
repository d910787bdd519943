/* SPDX-License-Identifier: MIT */
/* The slab of operations. Its memory is reserved at once and touched only as slots are first used. */
#include "op.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

int op_slab_init(struct op_slab *s, uint32_t capacity)
{
    void *p;

    assert(capacity > 0 && capacity <= OP_INDEX_MASK + 1);
    memset(s, 0, sizeof(*s));
    s->free_head = OP_NIL;
    s->done = OP_LIST_EMPTY;
    p = mmap(NULL, capacity * sizeof(struct op), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
             -1, 0);
    if (p == MAP_FAILED)
        return -ENOMEM;
    s->ops = p;
    s->capacity = capacity;
    if (getrandom(&s->first_generation, sizeof(s->first_generation), GRND_NONBLOCK) < 0)
        s->first_generation = 0; /* early in the boot; generations then start at 1 */
    s->first_generation &= ~(OP_INDEX_MASK | OP_GENERATION);
    return 0;
}

void op_slab_fini(struct op_slab *s)
{
    if (s->ops != NULL)
        munmap(s->ops, s->capacity * sizeof(struct op));
    memset(s, 0, sizeof(*s));
}

struct op *op_carve(struct op_slab *s)
{
    struct op *op;

    if (s->carved == s->capacity)
        return NULL;
    op = op_at(s, s->carved);
    op->index = s->carved++;
    op->token = s->first_generation | op->index; /* even: op_alloc makes it odd, alive */
    return op;
}
