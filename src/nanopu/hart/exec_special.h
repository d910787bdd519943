/* SPDX-License-Identifier: MIT */
/*
 * The labels of the execution core (exec_core.h, which includes this into its function) that are no instructions:
 * places not decoded yet, the end of a page, nowhere, an instruction with netRX or netTX around another's label, and
 * the way out.
 */
/* clang-format off */
decode:
    code_decode(h, u, PC);
    goto *labels[u->code];

next_page:
    next_pc = PC;
    goto enter;

flushed:
    next_pc = h->pc + 4; /* the place of fence.i is empty, too */
    goto far;

illegal:
    SYNC();
    return exec_trap(h, CAUSE_ILLEGAL, hart_encoding(h, h->pc));

fault:
    TRAP(CAUSE_FETCH_ACCESS, base);

net:
    SYNC();
    if (u->op.rs1 == REG_RX || u->op.rs2 == REG_RX) {
        r[REG_RX] = hart_net_pop(h);
    }
    if (u->op.rd == REG_TX) { /* the core stops after it to come by here once more */
        net_write = true;
        net_reg = r[REG_TX];
        net_cycle = h->now;
        net_stop = h->stop;
        h->stop = h->now;
    }
    RELOAD();
    goto *labels[u->code - UOP_NET];

stop:
    SYNC();
    if (net_write) {
        net_write = false;
        hart_net_push(h, net_cycle, r[REG_TX]);
        r[REG_TX] = net_reg;
        h->stop = h->stop == 0 ? 0 : net_stop < h->until ? net_stop : h->until;
        if (h->stop > h->now) {
            RELOAD();
            goto *labels[u->code];
        }
    }
    return EXEC_STOP;
/* clang-format on */
