/* SPDX-License-Identifier: MIT */
/*
 * The labels of the execution core (exec_core.h, which includes this into its function) that are no instructions: the
 * way in, places not decoded yet, the end of a page, nowhere, an instruction with netRX or netTX around another's
 * label, and the way out.
 */
/* clang-format off */
    goto find;

far: /* a jump to another page */
#if EXEC_TIMED
    RETIRE();
#else
    left--;
#endif
find:
    page = h->code.bucket[code_bucket(next_pc)];
    if (UNLIKELY(page == NULL || page->base != code_base(next_pc))) {
        page = code_page(h, next_pc);
    }
    base = page != NULL ? page->base : next_pc;
    uops = page != NULL ? page->uops : &fault_uop;
    u = page != NULL ? &uops[(next_pc - base) / 2] : &fault_uop;
#if EXEC_TIMED
    if (UNLIKELY(h->issued)) {
        h->issued = false;
        goto *bodies[u->code];
    }
#else
    if (UNLIKELY(left == 0)) {
        goto stop;
    }
#endif
    goto *labels[u->code];

decode:
    code_decode(h, u, PC);
    goto *labels[u->code];

next_page:
    next_pc = PC;
    goto find;

flushed:
    next_pc = h->pc + 4; /* the place of fence.i is empty, too */
    goto far;

illegal_place:
    ISSUE();
illegal:
    SYNC();
    return exec_trap(h, CAUSE_ILLEGAL, hart_encoding(h, h->pc));

fault:
    SYNC();
    h->now = hart_clock(h); /* nothing was issued */
    return exec_trap(h, CAUSE_FETCH_ACCESS, base);

net:
    ISSUE();
#if EXEC_TIMED
net_issued:
#endif
    SYNC();
    if (u->op.rs1 == REG_RX || u->op.rs2 == REG_RX) {
        r[REG_RX] = hart_net_pop(h);
    }
    if (u->op.rd == REG_TX) { /* the core stops after it to come by here once more */
        net_write = true;
        net_reg = r[REG_TX];
        net_cycle = h->now;
        net_stop = h->stop;
        h->stop = h->stop == 0 ? 0 : h->now;
    }
    RELOAD();
    goto *bodies[u->code - UOP_NET];

stop:
    SYNC();
    if (net_write) {
        net_write = false;
        hart_net_push(h, net_cycle, r[REG_TX]);
        r[REG_TX] = net_reg;
        h->stop = h->stop == 0 ? 0 : net_stop < h->until ? net_stop : h->until;
        if (h->stop > h->now) {
            RELOAD();
            goto *bodies[u->code];
        }
    }
#if EXEC_TIMED
    h->issued = true;
#endif
    return EXEC_STOP;
/* clang-format on */
