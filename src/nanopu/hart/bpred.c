/* SPDX-License-Identifier: MIT */
#include "nanopu/hart/bpred.h"

#include <string.h>

void bpred_reset(struct bpred *b)
{
    memset(b, 0, sizeof *b);
    memset(b->bucket, BPRED_NOTHING, sizeof b->bucket);
}

static void bpred_unlink(struct bpred *b, unsigned entry)
{
    uint8_t *link = &b->bucket[bpred_hash(b->pc[entry])];

    while (*link != entry)
        link = &b->next[*link];
    *link = b->next[entry];
}

/*
 * The entry to use next: the tree of 32 leaves is walked away from what was inserted last; leaves beyond the 28 entries
 * are taken for their left neighbours.
 */
static unsigned bpred_victim(struct bpred *b)
{
    unsigned node = 1;

    while (node < 32) {
        unsigned side = b->recent >> node & 1;

        b->recent ^= UINT32_C(1) << node;
        node = 2 * node + side;
    }
    return node - 32 < BPRED_BTB ? node - 32 : node - 36;
}

void bpred_insert(struct bpred *b, uint64_t pc, uint64_t target)
{
    unsigned entry = bpred_find(b, pc);

    if (entry == BPRED_NOTHING) {
        if (b->used < BPRED_BTB) {
            entry = b->used++;
        } else {
            entry = bpred_victim(b);
            bpred_unlink(b, entry);
        }
        b->pc[entry] = pc;
        b->next[entry] = b->bucket[bpred_hash(pc)];
        b->bucket[bpred_hash(pc)] = (uint8_t)entry;
    }
    b->target[entry] = target;
    b->changed++;
}
