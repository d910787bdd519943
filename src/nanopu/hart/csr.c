/* SPDX-License-Identifier: MIT */
/* Control and status registers (privileged specification; section 1.3 and 1.5 of the machine's contract). */
#include "nanopu/hart/hart_internal.h"

#include <errno.h>

#define MISA_LETTER(c) (UINT64_C(1) << ((c) - 'a'))
#define MISA                                                                                                           \
    (UINT64_C(2) << 62 | MISA_LETTER('a') | MISA_LETTER('c') | MISA_LETTER('d') | MISA_LETTER('f') |                   \
     MISA_LETTER('i') | MISA_LETTER('m') | MISA_LETTER('u'))
#define MARCHID_ROCKET 1
#define IRQ_BIT(irq)   (UINT64_C(1) << (irq))
#define MIE_WRITABLE   (IRQ_BIT(IRQ_MSI) | IRQ_BIT(IRQ_MTI) | IRQ_BIT(IRQ_MEI) | IRQ_BIT(IRQ_NIC))
#define COUNTERS       (UINT64_C(0xd)) /* cycle, instret, the first hpmcounter: as mcountinhibit numbers them */
#define COUNTEREN_BITS (UINT64_C(0xf))

uint64_t hart_mip(const struct hart *h, uint64_t cycle)
{
    uint64_t mip = 0;

    for (unsigned i = 0; i < HART_LINES; i++) {
        if (hart_line_since(h, i) <= cycle) {
            mip |= IRQ_BIT(hart_lines[i]);
        }
    }
    if (h->hts != NULL && hts_next_pulse(h->hts, cycle) == cycle) {
        mip |= IRQ_BIT(IRQ_NIC);
    }
    return mip;
}

static uint64_t mstatus_get(const struct hart *h)
{
    return h->mstatus | MSTATUS_UXL | (uint64_t)h->fs << MSTATUS_FS_SHIFT | (h->fs == FS_DIRTY ? MSTATUS_SD : 0);
}

static void mstatus_set(struct hart *h, uint64_t value)
{
    uint64_t mpp = value & MSTATUS_MPP;

    if (mpp != 0 && mpp != MSTATUS_MPP) { /* there is no supervisor mode: keeps what it was */
        mpp = h->mstatus & MSTATUS_MPP;
    }
    h->mstatus = (value & (MSTATUS_MIE | MSTATUS_MPIE)) | mpp;
    h->fs = (uint8_t)((value & MSTATUS_FS) >> MSTATUS_FS_SHIFT);
}

/* Bits of mcountinhibit and mcounteren. */
#define COUNT_CYCLE   0
#define COUNT_TIME    1
#define COUNT_INSTRET 2
#define COUNT_HPM3    3

static bool inhibited(const struct hart *h, unsigned counter)
{
    return (h->mcountinhibit >> counter & 1) != 0;
}

static uint64_t cycle_get(const struct hart *h)
{
    return inhibited(h, COUNT_CYCLE) ? h->cycle_held : h->now - h->cycle_base;
}

static uint64_t instret_get(const struct hart *h)
{
    return inhibited(h, COUNT_INSTRET) ? h->instret_held : h->instret - h->instret_base;
}

/* The instruction that writes a counter does not count in it: the next one finds what was written. */
static void cycle_set(struct hart *h, uint64_t value)
{
    h->cycle_held = value;
    h->cycle_base = h->now + 1 - value;
}

static void instret_set(struct hart *h, uint64_t value)
{
    h->instret_held = value;
    h->instret_base = h->instret + 1 - value;
}

/* Event set 2 of mhpmevent3: its events are bits 8 and up. */
#define HPM_SET         UINT64_C(0xff)
#define HPM_SET_MEMORY  2
#define HPM_ICACHE_MISS 8
#define HPM_DCACHE_MISS 9
#define HPM_RELEASE     10

static uint64_t hpm_events(const struct hart *h)
{
    const struct pipe_stats *s = &h->pipe.stats;
    uint64_t event = h->mhpmevent3;

    if ((event & HPM_SET) != HPM_SET_MEMORY || inhibited(h, COUNT_HPM3)) {
        return 0;
    }
    return (event >> HPM_ICACHE_MISS & 1) * s->icache_miss + (event >> HPM_DCACHE_MISS & 1) * s->dcache_miss +
           (event >> HPM_RELEASE & 1) * s->dcache_release;
}

static uint64_t hpm_get(const struct hart *h)
{
    return h->hpm_base + hpm_events(h);
}

static void hpm_set(struct hart *h, uint64_t value)
{
    h->hpm_base = value - hpm_events(h);
}

static void hpm_event_set(struct hart *h, uint64_t event)
{
    uint64_t value = hpm_get(h);

    h->mhpmevent3 = event;
    hpm_set(h, value);
}

static void countinhibit_set(struct hart *h, uint64_t value)
{
    uint64_t cycle = cycle_get(h), instret = instret_get(h), hpm = hpm_get(h);
    uint64_t changed = h->mcountinhibit ^ (value & COUNTERS);

    h->mcountinhibit = value & COUNTERS;
    if ((changed >> COUNT_CYCLE & 1) != 0) {
        cycle_set(h, cycle);
    }
    if ((changed >> COUNT_INSTRET & 1) != 0) {
        instret_set(h, instret);
    }
    hpm_set(h, hpm);
}

/* A counter's shadow for user mode. */
static int shadow_get(const struct hart *h, unsigned counter, uint64_t of, uint64_t *value)
{
    if (h->priv != PRIV_M && (h->mcounteren >> counter & 1) == 0) {
        return -EACCES;
    }
    *value = of;
    return 0;
}

static int float_get(const struct hart *h, unsigned csr, uint64_t *value)
{
    if (h->fs == 0) {
        return -EACCES;
    }
    *value = csr == CSR_fflags ? h->fflags : csr == CSR_frm ? h->frm : (uint64_t)h->frm << 5 | h->fflags;
    return 0;
}

static int csr_get(const struct hart *h, unsigned csr, uint64_t *value)
{
    *value = 0;
    switch (csr) {
    case CSR_fflags:
    case CSR_frm:
    case CSR_fcsr:
        return float_get(h, csr, value);
    case CSR_mstatus:
        *value = mstatus_get(h);
        return 0;
    case CSR_misa:
        *value = MISA;
        return 0;
    case CSR_mie:
        *value = h->mie;
        return 0;
    case CSR_mtvec:
        *value = h->mtvec;
        return 0;
    case CSR_mcounteren:
        *value = h->mcounteren;
        return 0;
    case CSR_mcountinhibit:
        *value = h->mcountinhibit;
        return 0;
    case CSR_mhpmevent3:
        *value = h->mhpmevent3;
        return 0;
    case CSR_mscratch:
        *value = h->mscratch;
        return 0;
    case CSR_mepc:
        *value = h->mepc;
        return 0;
    case CSR_mcause:
        *value = h->mcause;
        return 0;
    case CSR_mtval:
        *value = h->mtval;
        return 0;
    case CSR_mip:
        *value = hart_mip(h, h->now);
        return 0;
    default:
        return -ENOENT;
    }
}

/* Counters and what identifies the hart. */
static int counter_get(const struct hart *h, unsigned csr, uint64_t *value)
{
    switch (csr) {
    case CSR_mcycle:
        *value = cycle_get(h);
        return 0;
    case CSR_minstret:
        *value = instret_get(h);
        return 0;
    case CSR_mhpmcounter3:
        *value = hpm_get(h);
        return 0;
    case CSR_cycle:
        return shadow_get(h, COUNT_CYCLE, cycle_get(h), value);
    case CSR_time:
        return shadow_get(h, COUNT_TIME, h->now / (uint64_t)h->params->mtime_cycles, value);
    case CSR_instret:
        return shadow_get(h, COUNT_INSTRET, instret_get(h), value);
    case CSR_hpmcounter3:
        return shadow_get(h, COUNT_HPM3, hpm_get(h), value);
    case CSR_mhartid:
        *value = h->id;
        return 0;
    case CSR_marchid:
        *value = MARCHID_ROCKET;
        return 0;
    case CSR_mvendorid:
    case CSR_mimpid:
        *value = 0;
        return 0;
    default:
        return -ENOENT;
    }
}

static int float_set(struct hart *h, unsigned csr, uint64_t value)
{
    if (csr != CSR_frm) {
        h->fflags = value & 31;
    }
    if (csr != CSR_fflags) {
        h->frm = (csr == CSR_frm ? value : value >> 5) & 7;
    }
    h->fs = FS_DIRTY;
    return 0;
}

static int csr_set(struct hart *h, unsigned csr, uint64_t value)
{
    switch (csr) {
    case CSR_fflags:
    case CSR_frm:
    case CSR_fcsr:
        return float_set(h, csr, value);
    case CSR_mstatus:
        mstatus_set(h, value);
        return 0;
    case CSR_mie:
        h->mie = value & MIE_WRITABLE;
        return 0;
    case CSR_mtvec:
        h->mtvec = value & ~UINT64_C(2);
        return 0;
    case CSR_mcounteren:
        h->mcounteren = value & COUNTEREN_BITS;
        return 0;
    case CSR_mcountinhibit:
        countinhibit_set(h, value);
        return 0;
    case CSR_mhpmevent3:
        hpm_event_set(h, value);
        return 0;
    case CSR_mhpmcounter3:
        hpm_set(h, value);
        return 0;
    case CSR_mscratch:
        h->mscratch = value;
        return 0;
    case CSR_mepc:
        h->mepc = value & ~UINT64_C(1);
        return 0;
    case CSR_mcause:
        h->mcause = value;
        return 0;
    case CSR_mtval:
        h->mtval = value;
        return 0;
    case CSR_mcycle:
        cycle_set(h, value);
        return 0;
    case CSR_minstret:
        instret_set(h, value);
        return 0;
    case CSR_misa: /* fixed; mip's bits are the lines' */
    case CSR_mip:
        return 0;
    default:
        return -ENOENT;
    }
}

#define NET_COMMAND 1 /* of lniccmd: insert; of lnicucmd: msg_done */

static bool is_net(const struct hart *h, unsigned csr)
{
    return h->hts != NULL && hts_is_csr(csr);
}

static int any_get(const struct hart *h, unsigned csr, uint64_t *value)
{
    int r;

    if (is_net(h, csr)) {
        *value = hts_csr_read(h->hts, h->now, csr);
        return 0;
    }
    r = csr_get(h, csr, value);
    return r == -ENOENT ? counter_get(h, csr, value) : r;
}

static int any_set(struct hart *h, unsigned csr, uint64_t value)
{
    if (is_net(h, csr)) {
        hart_net_write(h, csr, value);
        /*
         * The NIC may answer a registration or msg_done from the second cycle on: the host looks before this hart goes
         * further. It hears nothing of the idle and timer commands.
         */
        if ((csr == CSR_lniccmd || csr == CSR_lnicucmd) && (value & NET_COMMAND) != 0) {
            hart_limit(h, h->now + 2);
        }
        return 0;
    }
    return csr_set(h, csr, value);
}

#define CSR_PRIV(csr)      ((csr) >> 8 & 3)
#define CSR_READ_ONLY(csr) ((csr) >> 10 == 3)

bool hart_csr_flushes(unsigned csr)
{
    return !(csr >= CSR_mscratch && csr <= CSR_mtval) && !hts_is_csr(csr);
}

int hart_csr(struct hart *h, enum csr_op op, unsigned csr, bool write, uint64_t operand, uint64_t *old)
{
    if (CSR_PRIV(csr) > h->priv || (write && CSR_READ_ONLY(csr)) || any_get(h, csr, old) != 0) {
        return -EACCES;
    }
    if (!write) {
        if (csr == CSR_lmsgsrdy && *old == 0) {
            hart_poll_look(h);
        } else if (csr == CSR_cycle || csr == CSR_mcycle) {
            hart_poll_clock(h);
        }
        return 0;
    }
    h->stop = 0; /* interrupts and limits have to be looked at again */
    return any_set(h, csr,
                   op == CSR_WRITE ? operand
                   : op == CSR_SET ? *old | operand
                                   : *old & ~operand) == 0
               ? 0
               : -EACCES;
}

int hart_csr_get(const struct hart *h, unsigned csr, uint64_t *value)
{
    return any_get(h, csr, value) == -ENOENT ? -ENOENT : 0;
}

int hart_csr_set(struct hart *h, unsigned csr, uint64_t value)
{
    h->poll.found = false;
    return any_set(h, csr, value) == -ENOENT ? -ENOENT : 0;
}

void hart_mret(struct hart *h)
{
    h->pc = h->mepc;
    h->priv = (uint8_t)((h->mstatus & MSTATUS_MPP) >> MSTATUS_MPP_SHIFT);
    h->mstatus = ((h->mstatus & MSTATUS_MPIE) != 0 ? MSTATUS_MIE : 0) | MSTATUS_MPIE;
    h->in_trap = false;
}
