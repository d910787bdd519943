/* SPDX-License-Identifier: MIT */
/* Message buffers by size class, for reception and for sending. */
#include "nanopu/nic/nic_internal.h"

#include <errno.h>
#include <stdlib.h>

static int class_init(struct buf_class *c, int64_t count, int64_t bytes)
{
    c->count = c->free_count = (uint32_t)count;
    c->bytes = (uint32_t)((bytes + WORD_BYTES - 1) / WORD_BYTES * WORD_BYTES);
    if (count == 0)
        return 0;
    c->mem = calloc(c->count, c->bytes);
    c->free = calloc(c->count, sizeof(*c->free));
    if (c->mem == NULL || c->free == NULL)
        return -ENOMEM;
    /* The first is taken first: memory that is never needed is never touched. */
    for (uint32_t i = 0; i < c->count; i++)
        c->free[i] = (uint16_t)(c->count - 1 - i);
    return 0;
}

int buf_pool_init(struct buf_pool *b, const struct params *p)
{
    int error = class_init(&b->class[0], p -> buffers_small, MSG_SEGMENT_BYTES);

    return error != 0 ? error : class_init(&b->class[1], p -> buffers_large, p -> max_msg_bytes);
}

void buf_pool_fini(struct buf_pool *b)
{
    for (unsigned i = 0; i < CLASSES; i++) {
        free(b->class[i].mem);
        free(b->class[i].free);
    }
}

bool buf_take(struct buf_pool *b, unsigned len, struct buf *out)
{
    for (unsigned i = 0; i < CLASSES; i++) {
        struct buf_class *c = &b->class[i];

        if (c->bytes >= len && c->free_count > 0) {
            *out = (struct buf){.class = (uint8_t)i, .index = c->free[--c->free_count]};
            return true;
        }
    }
    return false;
}

void buf_give(struct buf_pool *b, struct buf buf)
{
    struct buf_class *c = &b->class[buf.class];

    assert(c->free_count < c->count && buf.index < c->count);
    c->free[c->free_count++] = buf.index;
}

uint8_t *buf_data(const struct buf_pool *b, struct buf buf)
{
    return b->class[buf.class].mem + (size_t)buf.index * b->class[buf.class].bytes;
}
