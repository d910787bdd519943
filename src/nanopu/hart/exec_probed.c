/* SPDX-License-Identifier: MIT */
/*
 * The core under observation: one instruction at a time, each announced before it executes, when its commit cycle is
 * known and the registers are what it will read. An observer may change them, and the pc: a debugger does.
 */
#include "nanopu/hart/hart_internal.h"

static enum exec_end exec_until(struct hart *h, uint64_t stop)
{
    h->stop = stop;
    return h->timed ? hart_exec_timed(h) : hart_exec_fast(h);
}

static void tell_insn(const struct hart *h, uint64_t encoding)
{
    uint64_t decode = h->timed ? h->pipe.decode : h->now;

    hart_probe(h, PROBE_insn, h->pc, encoding, decode);
}

/* What the instruction that committed at cycle wrote: what netTX took is gone from its register. */
static void tell_reg(const struct hart *h, uint64_t encoding, uint64_t cycle)
{
    struct probe_event e = {.kind = PROBE_reg, .node = h->probe->node, .unit = h->id, .cycle = cycle};
    struct insn in;

    if (!probe_wants(h->probe, PROBE_reg) || insn_decode((uint32_t)encoding, &in) != 0)
        return;
    if (in.rd == REG_NONE || in.rd == 0 || (in.rd == REG_TX && h->hts != NULL))
        return;
    e.a = in.rd;
    e.b = h->r[in.rd];
    h->probe->event(h->probe->arg, &e);
}

/* Announces and executes the instruction at hart.pc; false in *more when something asks for a look around. */
static enum exec_end exec_one(struct hart *h, bool *more)
{
    uint64_t cycle = h->now, encoding = hart_encoding(h, h->pc), instret = h->instret;
    enum exec_end end;

    h->issued = true;
    tell_insn(h, encoding);
    if (!h->issued)
        return EXEC_STOP; /* the observer moved the pc or changed code: announced anew */
    end = exec_until(h, cycle + 1);
    *more = h->stop == cycle + 1 && h->state == HART_RUNNING;
    if (h->instret != instret)
        tell_reg(h, encoding, cycle);
    return end;
}

enum exec_end hart_exec_probed(struct hart *h)
{
    uint64_t stop = h->stop;
    bool more = true;

    while (more) {
        enum exec_end end = h->timed && !h->issued ? exec_until(h, 0) : EXEC_STOP;

        if (end == EXEC_STOP && h->now < stop)
            end = exec_one(h, &more);
        else
            more = false;
        if (end != EXEC_STOP)
            return end;
        if (stop > h->until)
            stop = h->until;
    }
    return EXEC_STOP;
}
