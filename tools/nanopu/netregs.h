/* SPDX-License-Identifier: MIT */
/* Which instructions of a piece of code touch the network registers x30 (netRX) and x31 (netTX). */
#ifndef NANOPU_NETREGS_H
#define NANOPU_NETREGS_H

#include "core/base.h"

struct netregs {
    uint64_t rx;    /* instructions that take a word: read x30 */
    uint64_t tx;    /* that send one: write x31 */
    uint64_t wrong; /* that write x30 or read x31: code that takes them for ordinary registers */
    uint64_t insns, unknown;
    uint64_t first; /* address of the first of rx, tx, wrong; 0: none */
};

/* Adds what the len bytes of code at addr do. */
void netregs_scan(struct netregs *n, const uint8_t *code, uint64_t len, uint64_t addr);

static inline bool netregs_any(const struct netregs *n)
{
    return n->rx + n->tx + n->wrong != 0;
}

#endif /* NANOPU_NETREGS_H */
