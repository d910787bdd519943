/* SPDX-License-Identifier: MIT */
/* A hart with memory, and code put together from the list of instructions. */
#ifndef TESTS_NANOPU_HART_RIG_H
#define TESTS_NANOPU_HART_RIG_H

#include "nanopu/hart/hart.h"
#include "nanopu/hart/insn.h"
#include "nanopu/nic/hts.h"

#define RIG_CODE    MEMORY_BASE
#define RIG_HANDLER (MEMORY_BASE + 0x1000)
#define RIG_DATA    (MEMORY_BASE + 0x8000)
#define RIG_MEMORY  (UINT64_C(1) << 20)

/* names of registers that tests use */
enum {
    ZERO = 0,
    RA = 1,
    SP = 2,
    T0 = 5,
    T1 = 6,
    A0 = 10,
    A1 = 11,
    A2 = 12,
    A3 = 13,
    A4 = 14,
    A5 = 15,
    A6 = 16,
    A7 = 17,
    NETRX = 30,
    NETTX = 31,
    F0 = REG_F
};

struct l2;

struct rig {
    struct params params;
    struct memory memory;
    struct hart *hart;
    struct hts *hts;
    struct l2 *l2;
    uint64_t end; /* where the next instruction is put */
};

/* Harts with or without timing, with or without a NIC's side; reset to RIG_CODE at cycle 0. */
void rig_init(struct rig *rig, bool timing, bool nic);
void rig_fini(struct rig *rig);

/* Starts anew: registers, CSRs and time of the hart, and code at RIG_CODE. */
void rig_reset(struct rig *rig);

/* Puts an instruction at rig.end, uncompressed. Operands that it does not have are ignored. */
void rig_put(struct rig *rig, enum insn_id id, unsigned rd, unsigned rs1, unsigned rs2, int64_t imm);
void rig_put_raw(struct rig *rig, uint32_t raw);
void rig_put4(struct rig *rig, enum insn_id id, unsigned rd, unsigned rs1, unsigned rs2, unsigned rs3, unsigned rm);

/* Commits the next n instructions, traps and interrupts counted. */
void rig_step(struct rig *rig, unsigned n);

uint64_t rig_csr(const struct rig *rig, unsigned csr);
void rig_set_csr(struct rig *rig, unsigned csr, uint64_t value);
uint64_t rig_load(const struct rig *rig, uint64_t addr);
void rig_store(struct rig *rig, uint64_t addr, uint64_t value);

/* What cmocka calls around a test: its initial state is a rig_kind, its state the rig. */
struct rig_kind {
    bool timing, nic;
};
int rig_setup(void **state);
int rig_teardown(void **state);

/* A test without timing; twice, without timing and with it; of harts alone, or with a NIC's side. */
#define RIG_TEST(name, test, timing, nic)                                                                              \
    {                                                                                                                  \
        name, test, rig_setup, rig_teardown, &(struct rig_kind)                                                        \
        {                                                                                                              \
            timing, nic                                                                                                \
        }                                                                                                              \
    }
#define RIG_UNTIMED(test, nic) RIG_TEST(#test, test, false, nic)
#define RIG_TWICE(test, nic)   RIG_UNTIMED(test, nic), RIG_TEST(#test "_timed", test, true, nic)
#define RIG_ALONE(test)        RIG_TWICE(test, false)
#define RIG_NIC(test)          RIG_TWICE(test, true)

#endif /* TESTS_NANOPU_HART_RIG_H */
