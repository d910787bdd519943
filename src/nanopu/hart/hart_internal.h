/* SPDX-License-Identifier: MIT */
/* A hart's state, for the files of this room. */
#ifndef NANOPU_HART_HART_INTERNAL_H
#define NANOPU_HART_HART_INTERNAL_H

#include "nanopu/hart/code.h"
#include "nanopu/hart/hart.h"
#include "nanopu/hart/pipe.h"
#include "nanopu/nic/hts.h"
#include "nanopu/view/probe.h"

#define REG_RX 30 /* netRX */
#define REG_TX 31 /* netTX */

/* mcause, and the bits of mip and mie of the same numbers */
enum cause {
    CAUSE_FETCH_ACCESS = 1,
    CAUSE_ILLEGAL = 2,
    CAUSE_BREAKPOINT = 3,
    CAUSE_LOAD_MISALIGNED = 4,
    CAUSE_LOAD_ACCESS = 5,
    CAUSE_STORE_MISALIGNED = 6,
    CAUSE_STORE_ACCESS = 7,
    CAUSE_ECALL_U = 8,
    CAUSE_ECALL_M = 11,
    CAUSE_NONE = 64
};

#define IRQ_MSI 3
#define IRQ_MTI 7
#define IRQ_MEI 11
#define IRQ_NIC 16

/* Level-triggered lines, the first in rank first. L(bit of mip) */
#define HART_LINE_LIST(L) L(IRQ_MEI) L(IRQ_MSI) L(IRQ_MTI)
#define HART_LINES        3

#define MSTATUS_MIE       (UINT64_C(1) << 3)
#define MSTATUS_MPIE      (UINT64_C(1) << 7)
#define MSTATUS_MPP       (UINT64_C(3) << 11)
#define MSTATUS_FS        (UINT64_C(3) << 13)
#define MSTATUS_SD        (UINT64_C(1) << 63)
#define MSTATUS_UXL       (UINT64_C(2) << 32)
#define MSTATUS_MPP_SHIFT 11
#define MSTATUS_FS_SHIFT  13

#define FS_DIRTY 3 /* of mstatus.FS */

#define PRIV_U 0
#define PRIV_M 3

enum csr_op { CSR_WRITE, CSR_SET, CSR_CLEAR };

/* Why the core came back. */
enum exec_end {
    EXEC_STOP, /* the clock reached hart.stop */
    EXEC_TRAP  /* the instruction at pc raised hart.cause, with hart.tval */
};

/* What a turn of a polling loop read: as long as that stays, so does the loop. */
#define POLL_READS_MAX 8

struct poll_read {
    uint64_t addr, value; /* csr: its number; otherwise an address in DRAM */
    uint8_t size;         /* bytes; 0: a CSR of the network */
};

struct poll {
    bool found; /* the hart goes round in a circle */
    bool cut;   /* the limit came before the last search knew */
    bool idles; /* and writes idle each time, last at idle_cycle */
    uint64_t idle_cycle;
    uint64_t period, insns;          /* cycles and instructions of a turn */
    struct pipe_stats before, after; /* timed: the pipeline's counters at the begin and the end of one */
    uint64_t next;                   /* look for a loop from this cycle on */
    uint64_t wait;                   /* how long after the last failure */
    uint64_t retry;                  /* no sooner than this, whatever suggests it */
    uint64_t skipped;                /* cycles, in all */
    /* The register that a turn reads the cycle counter into, 0: none; each turn finds it a period further on. */
    uint8_t clock;
    uint64_t clock_room;              /* how much more a branch may find in it and still go the same way */
    uint64_t clock_end;               /* no whole turn ends after this cycle */
    uint64_t clock_pc, clock_read_at; /* where and when it was last read */
    unsigned reads_len;
    struct poll_read reads[POLL_READS_MAX];
};

struct hart {
    uint64_t r[PIPE_REGS]; /* x, f, and one that takes what is written to x0 */
    uint64_t pc;           /* the next instruction, while the core is not running */
    uint64_t now;          /* its commit cycle */
    uint64_t stop;         /* the core commits what comes before it */
    uint64_t until;        /* so does hart_run */
    uint64_t instret;      /* instructions committed, ever */
    struct memory *memory;
    struct hts *hts;
    struct probe *probe;
    const struct params *params;
    unsigned id;
    enum hart_state state;
    struct code code;
    bool timed;
    bool issued; /* timed: the next instruction has its commit cycle, hart.now; probed: it was announced */
    struct pipe pipe;

    /* floating point */
    uint8_t frm, fflags, fs; /* fs: mstatus.FS, 0 is off */

    /* privileged state */
    uint8_t priv;
    bool in_trap;                                                /* no mret since the last trap */
    uint64_t mstatus, mie, mtvec, mepc, mcause, mtval, mscratch; /* mstatus without FS and SD */
    uint64_t mcounteren, mcountinhibit, mhpmevent3;
    uint64_t cycle_base, instret_base; /* what the counters are less than the clock and instret */
    uint64_t cycle_held, instret_held; /* their values while inhibited */
    uint64_t hpm_base;                 /* what mhpmcounter3 is more than the events */
    uint64_t lines;                    /* levels of mip's lines */
    uint64_t line_since[HART_LINES];   /* from which cycle on, by the lines' order */
    uint64_t pulses[8];                /* of the NIC, noted down and not dealt with; earliest first */
    unsigned pulses_len;
    uint64_t pulses_from; /* later ones are asked for from here on */

    uint64_t reserve_cycle; /* of the last lr */
    uint64_t pop_instret;   /* instret when the last word was taken from netRX */

    struct poll poll;
    uint64_t traps; /* taken so far, interrupts too */

    enum cause cause; /* of a trap: what the core says */
    uint64_t tval;
    char failure[256];
};

/* The instruction at pc; false when it is not all DRAM. */
bool hart_fetch(const struct hart *h, uint64_t pc, uint32_t *raw);

/* Its encoding as mtval has it: 0 where there is nothing. */
uint64_t hart_encoding(const struct hart *h, uint64_t pc);

/* netRX and netTX; the pop is the instruction's at hart.now. unpop: that instruction did not commit but trapped. */
uint64_t hart_net_pop(struct hart *h);
void hart_net_unpop(struct hart *h);
void hart_net_write(struct hart *h, unsigned csr, uint64_t value);
void hart_net_push(struct hart *h, uint64_t cycle, uint64_t word);

/* Ends the run when the NIC's side has seen an error. */
void hart_net_check(struct hart *h);

/* Runs instructions while the clock is before hart.stop; the state is whole again when it comes back. */
enum exec_end hart_exec_fast(struct hart *h);
enum exec_end hart_exec_timed(struct hart *h);

/* The same for whom a probe wants instructions of. */
enum exec_end hart_exec_probed(struct hart *h);

/* The clock when no instruction is issued. */
static inline uint64_t hart_clock(const struct hart *h)
{
    return h->timed ? h->pipe.next : h->now;
}

/* The instruction that commits at hart.now was one after which fetch begins anew: the clock goes on. */
static inline void hart_redirected(struct hart *h)
{
    if (h->timed) {
        h->pipe.commit = h->now;
        pipe_flush(&h->pipe);
        h->now = h->pipe.next;
    } else {
        h->now++;
    }
}

/* Loads and stores that are not plain accesses to DRAM. CAUSE_NONE when done. */
enum cause hart_load_slow(struct hart *h, uint64_t addr, unsigned size, uint64_t *value);
enum cause hart_store_slow(struct hart *h, uint64_t addr, unsigned size, uint64_t value);

/* After each store to DRAM that hart_store_watched says is watched. */
void hart_stored(struct hart *h, uint64_t addr);

static inline bool hart_store_watched(const struct memory *m, uint64_t addr)
{
    return (addr & ~UINT64_C(7)) == m->tohost_addr || m->reservations != 0;
}

/* lr and sc, at hart.now: the reservation is of a line of 64 bytes, for reservation_cycles. */
void hart_reserve(struct hart *h, uint64_t addr);
bool hart_reserved(const struct hart *h, uint64_t addr);
void hart_unreserve(struct hart *h);

/*
 * A CSR instruction of the hart at hart.now; operand is the register's value or the immediate, write: the instruction
 * writes at all. Returns 0, or -EACCES for an illegal instruction.
 */
int hart_csr(struct hart *h, enum csr_op op, unsigned csr, bool write, uint64_t operand, uint64_t *old);

/* Does fetch begin anew after a write? */
bool hart_csr_flushes(unsigned csr);

void hart_mret(struct hart *h);

/*
 * Runs instructions, or takes an interrupt, with commit cycles before limit. limit 0, with timing: the next instruction
 * is only issued.
 */
void hart_turn(struct hart *h, uint64_t limit);

static const uint8_t hart_lines[HART_LINES] = {
#define HART_LINE(irq) irq,
    HART_LINE_LIST(HART_LINE)
#undef HART_LINE
};

/* From which cycle on line i is up; CYCLE_NEVER when it is not. */
static inline uint64_t hart_line_since(const struct hart *h, unsigned i)
{
    return (h->lines >> hart_lines[i] & 1) != 0 ? h->line_since[i] : CYCLE_NEVER;
}

/* The first commit cycle of an instruction that an interrupt may hit; CYCLE_NEVER. */
uint64_t hart_interrupt_next(const struct hart *h);

/* Notes down the pulses before a cycle, which the scheduler's state still knows. */
void hart_pulses_note(struct hart *h, uint64_t before);

/*
 * Polling (skip.c). hart_poll: looks whether the hart goes round in a circle, if it is time to, and if so adds whole
 * turns up to hart.until. hart_poll_look: something suggests to look now. hart_poll_event: hart_next_event of a hart
 * that was found polling.
 */
void hart_poll(struct hart *h);
void hart_poll_look(struct hart *h);
void hart_poll_clock(struct hart *h); /* the cycle counter was read */
uint64_t hart_poll_event(struct hart *h);

/* Tells those who look on, in the cycle that the clock shows. */
static inline void hart_probe(const struct hart *h, enum probe_kind kind, uint64_t a, uint64_t b, uint64_t c)
{
    if (probe_wants(h->probe, kind)) {
        struct probe_event e = {kind, h->probe->node, h->id, h->now, a, b, c, NULL};

        h->probe->event(h->probe->arg, &e);
    }
}

/* Takes a trap that happened at hart.pc; mcause with bit 63 for interrupts. May end the hart instead. */
void hart_trap(struct hart *h, uint64_t mcause, uint64_t tval);

/* mip as it is in a cycle. */
uint64_t hart_mip(const struct hart *h, uint64_t cycle);

/* The hart cannot go on: for a reason, or for what the instruction at hart.pc did. */
void COLD hart_fail_at(struct hart *h, const char *what);
void COLD PRINTF_LIKE(2, 3) hart_fail(struct hart *h, const char *format, ...);

#endif /* NANOPU_HART_HART_INTERNAL_H */
