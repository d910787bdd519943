/* SPDX-License-Identifier: MIT */
/*
 * A hart: RV64IMAFDC, Zicsr, Zifencei, machine mode, the three byte-swap instructions, netRX in x30, netTX in x31
 * (sections 1 and 8.2 of the machine's contract).
 *
 * Time. A hart's clock is the commit cycle (WB stage) of its next instruction: what an instruction does to the world
 * happens at its commit cycle. hart_run commits every instruction whose commit cycle is before `until`. An access to
 * the network CSRs or to a device may lower `until` in mid-run (hart_limit), so that its owner can react at once.
 *
 * Skipping. When a hart polls and nothing in its state or in its pipeline changes from one turn of the loop to the
 * next, whole turns are added arithmetically up to `until`: cycle and instret come out as if they had run.
 */
#ifndef NANOPU_HART_HART_H
#define NANOPU_HART_HART_H

#include "nanopu/sim/memory.h"
#include "nanopu/sim/params.h"

struct hart;
struct hts;
struct probe;
struct pipe_stats;
struct l2; /* what the harts of a host share below their first-level caches */

enum hart_state {
    HART_RUNNING, /* or polling */
    HART_WFI,     /* asleep: mcycle stands still, the hart's clock goes on */
    HART_FAILED   /* it cannot go on: see hart_failure */
};

struct hart_config {
    const struct params *params;
    unsigned id;
    struct memory *memory; /* of the host */
    struct l2 *l2;         /* or NULL without timing */
    struct hts *hts;       /* or NULL: no NIC, x30 and x31 are plain registers */
    struct probe *probe;   /* or NULL */
};

/* NULL when memory is short. */
struct hart *hart_new(const struct hart_config *config);
void hart_free(struct hart *h);

/* Reset to pc at cycle, machine mode, a0 = id, a1 as given, mie = MSIE (section 1.8). */
void hart_reset(struct hart *h, uint64_t pc, uint64_t a1, uint64_t cycle);

/* Commits everything before `until`. Returns the hart's clock. */
uint64_t hart_run(struct hart *h, uint64_t until);

/* From within an access to a device or a network CSR: hart_run is to return before `cycle`. */
void hart_limit(struct hart *h, uint64_t cycle);

/* Level-triggered lines, as bits of mip (3: software, 7: timer, 11: external); looked at from the given cycle on. */
void hart_set_mip(struct hart *h, uint64_t mask, bool level, uint64_t cycle);

enum hart_state hart_state(const struct hart *h);

/* The first cycle from which this hart, undisturbed, would do anything but poll in a circle or sleep; CYCLE_NEVER. */
uint64_t hart_next_event(struct hart *h);

/* What ended it, in words, with hart, pc and instruction; valid until the next call. */
const char *hart_failure(const struct hart *h);

/* Registers for debuggers, hashes and tests: X-macro order in hart_reg.h is x0..x31, pc, f0..f31, fcsr, CSRs. */
uint64_t hart_cycle(const struct hart *h);
uint64_t hart_instret(const struct hart *h);
const struct pipe_stats *hart_pipe_stats(const struct hart *h); /* of pipe.h; NULL without timing */
uint64_t hart_pc(const struct hart *h);
uint64_t hart_x(const struct hart *h, unsigned reg);
void hart_set_x(struct hart *h, unsigned reg, uint64_t value);
void hart_set_pc(struct hart *h, uint64_t pc);
void hart_code_changed(struct hart *h); /* memory was written from outside: decode anew */
uint64_t hart_f(const struct hart *h, unsigned reg);
void hart_set_f(struct hart *h, unsigned reg, uint64_t value);
int hart_csr_get(const struct hart *h, unsigned csr, uint64_t *value); /* without side effects; -ENOENT */
int hart_csr_set(struct hart *h, unsigned csr, uint64_t value);

#endif /* NANOPU_HART_HART_H */
