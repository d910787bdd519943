/* SPDX-License-Identifier: MIT */
#include "netregs.h"

#include "nanopu/hart/insn.h"

#include <string.h>

#define NET_RX 30
#define NET_TX 31

static bool reads(const struct insn *in, unsigned reg)
{
    return in->rs1 == reg || in->rs2 == reg || in->rs3 == reg;
}

static void count(struct netregs *n, const struct insn *in, uint64_t addr)
{
    bool rx = reads(in, NET_RX), tx = in->rd == NET_TX;
    bool wrong = in->rd == NET_RX || reads(in, NET_TX);

    n->rx += rx;
    n->tx += tx;
    n->wrong += wrong;
    if (n->first == 0 && (rx || tx || wrong))
        n->first = addr;
}

void netregs_scan(struct netregs *n, const uint8_t *code, uint64_t len, uint64_t addr)
{
    uint64_t at = 0;

    while (len - at >= 2) {
        uint32_t raw = 0;
        struct insn in;
        unsigned size;

        memcpy(&raw, code + at, len - at >= 4 ? 4 : 2);
        size = insn_len(raw);
        if (size > len - at)
            break;
        n->insns++;
        if (insn_decode(raw, &in) == 0)
            count(n, &in, addr + at);
        else
            n->unknown++;
        at += size;
    }
}
