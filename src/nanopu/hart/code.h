/* SPDX-License-Identifier: MIT */
/*
 * Predecoded code. Each 4 KiB page of guest code that a hart executes has an array with a place for each halfword, so
 * that the next instruction is the next place but one and a branch within the page is an addition. A place is filled
 * in when it is first executed; fence.i empties all.
 */
#ifndef NANOPU_HART_CODE_H
#define NANOPU_HART_CODE_H

#include "nanopu/hart/insn.h"

struct hart;

#define CODE_PAGE_BYTES 4096
#define CODE_SLOTS      (CODE_PAGE_BYTES / 2)
#define CODE_BUCKETS    256  /* of pages, by address */
#define CODE_PAGES_MAX  4096 /* of a hart: at this bound all are dropped */

/* What a place can hold beside the instructions of insn_list.h. */
enum uop_code {
    UOP_DECODE = INSN_LEN, /* not decoded yet */
    UOP_PAGE,              /* the end of the page: goes on in the next */
    UOP_ILLEGAL,
    UOP_FAULT, /* not DRAM */
    UOP_LEN,
    UOP_NET = UOP_LEN, /* added: reads x30 or writes x31 of a hart with a NIC */
    UOP_CODES = 2 * UOP_LEN
};

struct uop {
    int64_t imm;       /* as in struct insn; floating point: the rounding mode */
    struct pipe_op op; /* rd is REG_NONE for x0, absent sources are 0 */
    uint16_t code;     /* enum insn_id or enum uop_code */
    uint16_t step;     /* bytes to the place of the next instruction */
    uint16_t index;    /* of this place */
};

struct code_page {
    uint64_t base; /* guest address */
    struct code_page *next;
    struct uop uops[CODE_SLOTS + 2]; /* the last two lead to the next page */
};

struct code {
    struct code_page *bucket[CODE_BUCKETS];
    unsigned pages;
    uint64_t flushes; /* by fence.i or at the bound */
};

static inline unsigned code_bucket(uint64_t pc)
{
    return pc / CODE_PAGE_BYTES % CODE_BUCKETS;
}

static inline uint64_t code_base(uint64_t pc)
{
    return pc & ~(uint64_t)(CODE_PAGE_BYTES - 1);
}

/* The page of pc, made if need be; NULL when that is not DRAM or memory is short. */
struct code_page *code_page(struct hart *h, uint64_t pc);

/* Fills in the place u of the instruction at pc. */
void code_decode(struct hart *h, struct uop *u, uint64_t pc);

/* Forgets everything decoded; pages stay. */
void code_flush(struct hart *h);
void code_free(struct hart *h);

#endif /* NANOPU_HART_CODE_H */
