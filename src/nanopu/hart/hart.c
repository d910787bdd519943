/* SPDX-License-Identifier: MIT */
#include "nanopu/hart/hart.h"

#include "nanopu/hart/dis.h"
#include "nanopu/hart/hart_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RESERVATION_LINE_BYTES 64

struct hart *hart_new(const struct hart_config *config)
{
    struct hart *h = calloc(1, sizeof(*h));

    if (h == NULL) {
        return NULL;
    }
    h->params = config->params;
    h->id = config->id;
    h->memory = config->memory;
    h->hts = config->hts;
    h->probe = config->probe;
    h->timed = config->params->timing != 0;
    if (h->timed && pipe_init(&h->pipe, config->params, config->id, config->l2) != 0) {
        free(h);
        return NULL;
    }
    hart_reset(h, MEMORY_BASE, 0, 0);
    return h;
}

void hart_free(struct hart *h)
{
    if (h != NULL) {
        code_free(h);
        if (h->timed) {
            pipe_fini(&h->pipe);
        }
        free(h);
    }
}

void hart_reset(struct hart *h, uint64_t pc, uint64_t a1, uint64_t cycle)
{
    code_free(h);
    hart_unreserve(h);
    memset(h->r, 0, sizeof(h->r));
    h->r[10] = h->id;
    h->r[11] = a1;
    h->pc = pc;
    h->now = cycle;
    h->state = HART_RUNNING;
    h->priv = PRIV_M;
    h->in_trap = false;
    h->frm = h->fflags = h->fs = 0;
    h->mstatus = 0;
    h->mie = UINT64_C(1) << IRQ_MSI;
    h->mtvec = h->mepc = h->mcause = h->mtval = h->mscratch = 0;
    h->mcounteren = h->mcountinhibit = h->mhpmevent3 = h->hpm_base = 0;
    h->issued = false;
    if (h->timed) {
        pipe_reset(&h->pipe, cycle > PIPE_DEPTH ? cycle : PIPE_DEPTH);
        h->now = h->pipe.next;
    }
    h->cycle_base = cycle;
    h->instret = h->instret_base = 0;
    h->poll = (struct poll){.next = cycle};
    h->pulses_len = 0;
    h->pulses_from = cycle;
    h->pop_instret = UINT64_MAX;
    h->failure[0] = '\0';
}

void hart_fail(struct hart *h, const char *format, ...)
{
    size_t len;
    va_list args;

    if (h->state == HART_FAILED) {
        return; /* the first reason stays */
    }
    len = (size_t)snprintf(h->failure, sizeof(h->failure), "hart %u: ", h->id);
    va_start(args, format);
    vsnprintf(h->failure + len, sizeof(h->failure) - len, format, args);
    va_end(args);
    h->state = HART_FAILED;
    h->stop = 0;
}

/* lr and sc */

static uint64_t line_of(uint64_t addr)
{
    return (addr & ~(uint64_t)(RESERVATION_LINE_BYTES - 1)) | 1;
}

void hart_unreserve(struct hart *h)
{
    if (h->memory->reserved[h->id] != 0) {
        h->memory->reserved[h->id] = 0;
        h->memory->reservations--;
    }
}

void hart_reserve(struct hart *h, uint64_t addr)
{
    hart_unreserve(h);
    h->memory->reserved[h->id] = line_of(addr);
    h->memory->reservations++;
    h->reserve_cycle = h->now;
}

bool hart_reserved(const struct hart *h, uint64_t addr)
{
    return h->memory->reserved[h->id] == line_of(addr) &&
           h->now - h->reserve_cycle <= (uint64_t)h->params->reservation_cycles;
}

/* Memory that is not plain DRAM */

void hart_stored(struct hart *h, uint64_t addr)
{
    struct memory *m = h->memory;

    for (unsigned i = 0; m->reservations != 0 && i < MEMORY_HARTS_MAX; i++) {
        if (m->reserved[i] == line_of(addr) && i != h->id) {
            m->reserved[i] = 0;
            m->reservations--;
        }
    }
    if ((addr & ~UINT64_C(7)) == m->tohost_addr && m->tohost_store != NULL) {
        m->tohost_store(m->tohost_arg, h, h->now);
    }
}

enum cause hart_load_slow(struct hart *h, uint64_t addr, unsigned size, uint64_t *value)
{
    const struct memory_device *d = &h->memory->device;

    if ((addr & (size - 1)) != 0) {
        return CAUSE_LOAD_MISALIGNED;
    }
    if (addr >= MEMORY_BASE || d->load == NULL || d->load(d->arg, h, h->now, addr, size, value) != 0) {
        return CAUSE_LOAD_ACCESS;
    }
    return CAUSE_NONE;
}

enum cause hart_store_slow(struct hart *h, uint64_t addr, unsigned size, uint64_t value)
{
    const struct memory_device *d = &h->memory->device;

    if ((addr & (size - 1)) != 0) {
        return CAUSE_STORE_MISALIGNED;
    }
    if (addr >= MEMORY_BASE || d->store == NULL || d->store(d->arg, h, h->now, addr, size, value) != 0) {
        return CAUSE_STORE_ACCESS;
    }
    return CAUSE_NONE;
}

/* Traps */

static const char *cause_text(uint64_t mcause)
{
    static const char *const texts[] = {
        [CAUSE_FETCH_ACCESS] = "no memory to execute",
        [CAUSE_ILLEGAL] = "illegal instruction",
        [CAUSE_BREAKPOINT] = "breakpoint",
        [CAUSE_LOAD_MISALIGNED] = "misaligned load",
        [CAUSE_LOAD_ACCESS] = "load where there is no memory",
        [CAUSE_STORE_MISALIGNED] = "misaligned store",
        [CAUSE_STORE_ACCESS] = "store where there is no memory",
        [CAUSE_ECALL_U] = "ecall from user mode",
        [CAUSE_ECALL_M] = "ecall",
    };

    return mcause >> 63 != 0                                    ? "interrupt"
           : mcause < ARRAY_LEN(texts) && texts[mcause] != NULL ? texts[mcause]
                                                                : "trap";
}

uint64_t hart_encoding(const struct hart *h, uint64_t pc)
{
    uint32_t raw = 0;

    if (!hart_fetch(h, pc, &raw)) {
        return 0;
    }
    return insn_len(raw) == 2 ? raw & 0xffff : raw;
}

void hart_fail_at(struct hart *h, const char *what)
{
    char text[DIS_TEXT_MAX] = "nothing there";
    uint32_t raw;

    if (hart_fetch(h, h->pc, &raw)) {
        dis_insn(text, sizeof(text), h->pc, raw);
    }
    hart_fail(h, "pc 0x%" PRIx64 " (%s): %s", h->pc, text, what);
}

/* A trap that no handler can deal with. */
static COLD void trap_fail(struct hart *h, uint64_t mcause, uint64_t tval, const char *why)
{
    char what[192];

    snprintf(what, sizeof(what), "%s, mcause 0x%" PRIx64 ", mtval 0x%" PRIx64 ", %s", cause_text(mcause), mcause, tval,
             why);
    hart_fail_at(h, what);
}

/* Exceptions that a handler hardly raises on purpose. */
static bool is_fault(uint64_t mcause)
{
    return mcause == CAUSE_FETCH_ACCESS || mcause == CAUSE_ILLEGAL ||
           (mcause >= CAUSE_LOAD_MISALIGNED && mcause <= CAUSE_STORE_ACCESS);
}

void hart_trap(struct hart *h, uint64_t mcause, uint64_t tval)
{
    uint64_t vector = h->mtvec & ~UINT64_C(3);
    bool interrupt = mcause >> 63 != 0;
    char why[96];

    if (h->state == HART_FAILED) {
        return;
    }
    if (h->in_trap && is_fault(mcause)) {
        snprintf(why, sizeof(why), "in the handler of a trap with mcause 0x%" PRIx64 " at 0x%" PRIx64, h->mcause,
                 h->mepc);
        trap_fail(h, mcause, tval, why);
        return;
    }
    vector += (h->mtvec & 1) != 0 && interrupt ? 4 * (mcause & 63) : 0;
    if (memory_dram(h->memory, vector, 2) == NULL) {
        snprintf(why, sizeof(why), "there is no handler at mtvec 0x%" PRIx64, h->mtvec);
        trap_fail(h, mcause, tval, why);
        return;
    }
    hart_probe(h, PROBE_trap, h->pc, mcause, tval);
    hart_unreserve(h);
    h->mepc = h->pc;
    h->mcause = mcause;
    h->mtval = tval;
    h->mstatus = (uint64_t)h->priv << MSTATUS_MPP_SHIFT | ((h->mstatus & MSTATUS_MIE) != 0 ? MSTATUS_MPIE : 0);
    h->priv = PRIV_M;
    h->in_trap = true;
    h->traps++;
    h->pc = vector;
    h->issued = false;
    hart_redirected(h);
}

/* Registers for those who look on */

enum hart_state hart_state(const struct hart *h)
{
    return h->state;
}

const char *hart_failure(const struct hart *h)
{
    return h->failure;
}

uint64_t hart_cycle(const struct hart *h)
{
    return h->now;
}

const struct pipe_stats *hart_pipe_stats(const struct hart *h)
{
    return h->timed ? &h->pipe.stats : NULL;
}

uint64_t hart_instret(const struct hart *h)
{
    return h->instret;
}

uint64_t hart_pc(const struct hart *h)
{
    return h->pc;
}

void hart_code_changed(struct hart *h)
{
    code_flush(h);
    h->issued = false;
}

void hart_set_pc(struct hart *h, uint64_t pc)
{
    h->pc = pc & ~UINT64_C(1);
    h->issued = false;
    h->poll.found = false;
}

uint64_t hart_x(const struct hart *h, unsigned reg)
{
    return h->r[reg & 31];
}

void hart_set_x(struct hart *h, unsigned reg, uint64_t value)
{
    h->r[(reg & 31) == 0 ? REG_NONE : reg & 31] = value;
    h->poll.found = false;
}

uint64_t hart_f(const struct hart *h, unsigned reg)
{
    return h->r[REG_F + (reg & 31)];
}

void hart_set_f(struct hart *h, unsigned reg, uint64_t value)
{
    h->r[REG_F + (reg & 31)] = value;
    h->poll.found = false;
}
