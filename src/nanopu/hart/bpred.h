/* SPDX-License-Identifier: MIT */
/*
 * Branch prediction of the prototype's core (section 8.2): a branch target buffer of 28 entries, 512 one-bit counters
 * indexed by address and global history, and a return-address stack of 6.
 *
 * Fetch predicts before it decodes, by the buffer; where the buffer has nothing, the fetched bytes are looked at one
 * cycle later, and a direct jump, a return or a branch that is predicted taken costs that one cycle.
 */
#ifndef NANOPU_HART_BPRED_H
#define NANOPU_HART_BPRED_H

#include "core/base.h"

#define BPRED_BTB     28
#define BPRED_BHT     512
#define BPRED_RAS     6
#define BPRED_HASH    64 /* buckets by which the buffer's entries are found */
#define BPRED_NOTHING 0xff

struct bpred {
    uint64_t bht[BPRED_BHT / 64];
    uint64_t history; /* 8 bits, the newest on top */
    uint64_t ras[BPRED_RAS];
    uint64_t ras_top, ras_count;
    uint64_t changed; /* grows with every change of the buffer or a counter */
    uint64_t pc[BPRED_BTB], target[BPRED_BTB];
    uint32_t recent; /* tree of the pseudo-LRU replacement: bit i says which half of node i was not used last */
    uint8_t used;
    uint8_t next[BPRED_BTB], bucket[BPRED_HASH];
};

void bpred_reset(struct bpred *b);

/* Puts a jump in, or sets its target anew. */
void bpred_insert(struct bpred *b, uint64_t pc, uint64_t target);

/* The counter of the branch at pc: three bits of a hash of the history above the address of the fetched word. */
static inline unsigned bpred_index(const struct bpred *b, uint64_t pc)
{
    unsigned history = (unsigned)(b->history * 221 >> 5) & 7; /* 221 = 256 * sqrt(3) / 2 */
    unsigned addr = (unsigned)((pc >> 2 & (BPRED_BHT - 1)) ^ (pc >> 11 & 3));

    return addr ^ history << 6;
}

static inline bool bpred_taken(const struct bpred *b, unsigned index)
{
    return (b->bht[index / 64] >> index % 64 & 1) != 0;
}

/* The outcome of a branch; the counter was wrong. */
static inline void bpred_flip(struct bpred *b, unsigned index)
{
    b->bht[index / 64] ^= UINT64_C(1) << index % 64;
    b->changed++;
}

static inline void bpred_remember(struct bpred *b, bool taken)
{
    b->history = b->history >> 1 | (uint64_t)taken << 7;
}

static inline unsigned bpred_hash(uint64_t pc)
{
    return (unsigned)(pc >> 1 ^ pc >> 7) & (BPRED_HASH - 1);
}

/* The entry of the jump at pc, or BPRED_NOTHING. */
static inline unsigned bpred_find(const struct bpred *b, uint64_t pc)
{
    unsigned i = b->bucket[bpred_hash(pc)];

    while (i != BPRED_NOTHING && b->pc[i] != pc)
        i = b->next[i];
    return i;
}

static inline void bpred_push(struct bpred *b, uint64_t addr)
{
    b->ras_top = b->ras_top + 1 < BPRED_RAS ? b->ras_top + 1 : 0;
    b->ras_count += b->ras_count < BPRED_RAS;
    b->ras[b->ras_top] = addr;
}

/* The address that a return goes to as far as the stack knows; 0: it is empty. */
static inline uint64_t bpred_pop(struct bpred *b)
{
    uint64_t addr = b->ras[b->ras_top];

    if (b->ras_count == 0)
        return 0;
    b->ras_count--;
    b->ras_top = b->ras_top > 0 ? b->ras_top - 1 : BPRED_RAS - 1;
    return addr;
}

#endif /* NANOPU_HART_BPRED_H */
