/* SPDX-License-Identifier: MIT */
/* Traps, interrupts, CSRs and counters; what a guest does wrong. Each without timing and with it. */
#include "nanopu/hart/hart_internal.h"
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define NOWHERE UINT64_C(0x40000000)
#define IRQ     (UINT64_C(1) << 63)

static void with_handler(struct rig *rig)
{
    rig_set_csr(rig, CSR_mtvec, RIG_HANDLER);
}

static void assert_trapped(struct rig *rig, uint64_t cause, uint64_t tval, uint64_t epc)
{
    assert_int_equal(hart_pc(rig->hart), RIG_HANDLER);
    assert_int_equal(rig_csr(rig, CSR_mcause), cause);
    assert_int_equal(rig_csr(rig, CSR_mtval), tval);
    assert_int_equal(rig_csr(rig, CSR_mepc), epc);
}

static void exceptions_have_their_causes(void **state)
{
    struct rig *rig = *state;
    static const struct {
        enum insn_id id;
        uint64_t base; /* of a1 */
        enum cause cause;
        uint64_t tval;
    } rows[] = {
        {INSN_ebreak, 0, CAUSE_BREAKPOINT, RIG_CODE},
        {INSN_ecall, 0, CAUSE_ECALL_M, 0},
        {INSN_lw, RIG_DATA + 2, CAUSE_LOAD_MISALIGNED, RIG_DATA + 2},
        {INSN_lh, RIG_DATA + 1, CAUSE_LOAD_MISALIGNED, RIG_DATA + 1},
        {INSN_ld, RIG_DATA + 4, CAUSE_LOAD_MISALIGNED, RIG_DATA + 4},
        {INSN_sd, RIG_DATA + 1, CAUSE_STORE_MISALIGNED, RIG_DATA + 1},
        {INSN_amoadd_w, RIG_DATA + 1, CAUSE_STORE_MISALIGNED, RIG_DATA + 1},
        {INSN_sc_d, RIG_DATA + 4, CAUSE_STORE_MISALIGNED, RIG_DATA + 4},
        {INSN_lr_d, RIG_DATA + 4, CAUSE_LOAD_MISALIGNED, RIG_DATA + 4},
        {INSN_lb, 0, CAUSE_LOAD_ACCESS, 0},
        {INSN_ld, NOWHERE, CAUSE_LOAD_ACCESS, NOWHERE},
        {INSN_ld, RIG_CODE + RIG_MEMORY, CAUSE_LOAD_ACCESS, RIG_CODE + RIG_MEMORY},
        {INSN_lr_w, NOWHERE, CAUSE_LOAD_ACCESS, NOWHERE},
        {INSN_sb, 8, CAUSE_STORE_ACCESS, 8},
        {INSN_amoswap_d, NOWHERE, CAUSE_STORE_ACCESS, NOWHERE},
    };

    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        rig_reset(rig);
        with_handler(rig);
        rig_put(rig, rows[i].id, A0, A1, A2, 0);
        hart_set_x(rig->hart, A0, 77);
        hart_set_x(rig->hart, A1, rows[i].base);
        rig_step(rig, 1);
        assert_trapped(rig, rows[i].cause, rows[i].tval, RIG_CODE);
        assert_int_equal(hart_x(rig->hart, A0), 77);
        assert_int_equal(hart_instret(rig->hart), 0);
    }
}

static void illegal_instructions_are_named_in_mtval(void **state)
{
    struct rig *rig = *state;
    static const uint32_t rows[] = {
        0x00000000,                      /* the compressed instruction of zeros */
        0xffffffff,          0x00004002, /* c.lwsp to x0 */
        0x00008002,                      /* c.jr of x0 */
        0x10200073,                      /* sret */
        0x12000073,                      /* sfence.vma */
        0x30200073 | 1 << 7, 0xc0051073, /* csrw cycle: read-only */
        0x14051073,                      /* csrw sscratch: no such */
        0x05251073,                      /* csrw lmsgsrdy: without a NIC there is none */
        0x00005053,                      /* fadd.s with a reserved rounding mode */
        0x0000205b,
    };

    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        uint32_t raw = rows[i];

        rig_reset(rig);
        with_handler(rig);
        rig_set_csr(rig, CSR_mstatus, MSTATUS_FS);
        rig_put_raw(rig, raw);
        rig_step(rig, 1);
        assert_trapped(rig, CAUSE_ILLEGAL, insn_len(raw) == 2 ? raw & 0xffff : raw, RIG_CODE);
    }
}

static void floating_point_off_is_illegal(void **state)
{
    struct rig *rig = *state;
    static const enum insn_id ids[] = {INSN_fadd_d, INSN_fld, INSN_fsw, INSN_fmv_x_d, INSN_fcvt_d_w};

    for (unsigned i = 0; i < ARRAY_LEN(ids); i++) {
        bool x_rd = ids[i] == INSN_fmv_x_d, x_rs1 = ids[i] != INSN_fadd_d && ids[i] != INSN_fmv_x_d;

        rig_reset(rig);
        with_handler(rig);
        rig_put(rig, ids[i], x_rd ? A0 : F0, x_rs1 ? A1 : F0, F0, 0);
        rig_step(rig, 1);
        assert_int_equal(rig_csr(rig, CSR_mcause), CAUSE_ILLEGAL);
    }
    rig_reset(rig);
    with_handler(rig);
    rig_put(rig, INSN_csrrs, A0, ZERO, 0, CSR_fcsr);
    rig_step(rig, 1);
    assert_int_equal(rig_csr(rig, CSR_mcause), CAUSE_ILLEGAL);
}

static void a_jump_to_nowhere_traps_there(void **state)
{
    struct rig *rig = *state;

    with_handler(rig);
    rig_put(rig, INSN_jalr, RA, A1, 0, 0);
    hart_set_x(rig->hart, A1, NOWHERE);
    rig_step(rig, 2);
    assert_trapped(rig, CAUSE_FETCH_ACCESS, NOWHERE, NOWHERE);
}

static void mret_goes_back(void **state)
{
    struct rig *rig = *state;

    with_handler(rig);
    rig_set_csr(rig, CSR_mstatus, MSTATUS_MIE);
    rig_put(rig, INSN_ecall, 0, 0, 0, 0);
    rig->end = RIG_HANDLER;
    rig_put(rig, INSN_mret, 0, 0, 0, 0);
    rig_step(rig, 1);
    assert_int_equal(rig_csr(rig, CSR_mstatus) & (MSTATUS_MIE | MSTATUS_MPIE | MSTATUS_MPP),
                     MSTATUS_MPIE | MSTATUS_MPP);
    rig_step(rig, 1);
    assert_int_equal(hart_pc(rig->hart), RIG_CODE);
    assert_int_equal(rig_csr(rig, CSR_mstatus) & (MSTATUS_MIE | MSTATUS_MPIE | MSTATUS_MPP),
                     MSTATUS_MIE | MSTATUS_MPIE);
}

static void user_mode_may_little(void **state)
{
    struct rig *rig = *state;

    with_handler(rig);
    rig_put(rig, INSN_mret, 0, 0, 0, 0);
    rig->end = RIG_DATA;
    rig_put(rig, INSN_csrrs, A0, ZERO, 0, CSR_cycle);
    rig_set_csr(rig, CSR_mepc, RIG_DATA);
    rig_step(rig, 2);
    assert_trapped(rig, CAUSE_ILLEGAL, UINT64_C(0xc0002573), RIG_DATA); /* mcounteren is 0 */
    assert_int_equal(rig_csr(rig, CSR_mstatus) & MSTATUS_MPP, 0);
}

static void interrupts_come_in_their_order(void **state)
{
    struct rig *rig = *state;

    with_handler(rig);
    for (unsigned i = 0; i < 8; i++)
        rig_put(rig, INSN_addi, A0, A0, 0, 1);
    rig_step(rig, 4);
    hart_set_mip(rig->hart, 1 << IRQ_MTI | 1 << IRQ_MSI, true, 0);
    rig_set_csr(rig, CSR_mie, 1 << IRQ_MTI | 1 << IRQ_MSI);
    rig_step(rig, 1);
    assert_int_equal(hart_pc(rig->hart), RIG_CODE + 20); /* mstatus.MIE is off */
    rig_set_csr(rig, CSR_mstatus, MSTATUS_MIE);
    rig_step(rig, 1);
    assert_trapped(rig, IRQ | IRQ_MSI, 0, RIG_CODE + 20);
    assert_int_equal(rig_csr(rig, CSR_mip), 1 << IRQ_MTI | 1 << IRQ_MSI);
    hart_set_mip(rig->hart, 1 << IRQ_MSI, false, hart_cycle(rig->hart));
    rig_set_csr(rig, CSR_mstatus, MSTATUS_MIE);
    rig_set_csr(rig, CSR_mtvec, RIG_HANDLER | 1); /* vectored */
    rig_step(rig, 1);
    assert_int_equal(hart_pc(rig->hart), RIG_HANDLER + 4 * IRQ_MTI);
}

static void wfi_sleeps_and_mcycle_with_it(void **state)
{
    struct rig *rig = *state;
    uint64_t slept;

    rig_put(rig, INSN_wfi, 0, 0, 0, 0);
    rig_put(rig, INSN_csrrs, A0, ZERO, 0, CSR_mcycle);
    rig_set_csr(rig, CSR_mie, 1 << IRQ_MTI);
    hart_run(rig->hart, 5000);
    assert_int_equal(hart_state(rig->hart), HART_WFI);
    assert_int_equal(hart_next_event(rig->hart), CYCLE_NEVER);
    hart_set_mip(rig->hart, 1 << IRQ_MTI, true, 7000);
    assert_int_equal(hart_next_event(rig->hart), 7000);
    hart_run(rig->hart, 6000);
    assert_int_equal(hart_cycle(rig->hart), 6000);
    assert_int_equal(hart_x(rig->hart, A0), 0);
    slept = rig_csr(rig, CSR_mcycle);
    hart_run(rig->hart, 7300);
    assert_true(hart_x(rig->hart, A0) >= slept && hart_x(rig->hart, A0) < slept + 300); /* not the 7000 of the clock */
}

static void counters_are_set_and_held(void **state)
{
    struct rig *rig = *state;

    rig_put(rig, INSN_csrrw, ZERO, A1, 0, CSR_minstret);
    rig_put(rig, INSN_csrrs, A0, ZERO, 0, CSR_minstret);
    rig_put(rig, INSN_csrrs, A2, ZERO, 0, CSR_instret);
    rig_put(rig, INSN_csrrwi, ZERO, 0, 0, CSR_mcountinhibit | 5 << 12);
    rig_put(rig, INSN_csrrs, T0, ZERO, 0, CSR_mcycle);
    rig_put(rig, INSN_csrrs, T1, ZERO, 0, CSR_mcycle);
    hart_set_x(rig->hart, A1, 1000);
    rig_step(rig, 6);
    assert_int_equal(hart_x(rig->hart, A0), 1000);
    assert_int_equal(hart_x(rig->hart, A2), 1001);
    assert_int_equal(hart_x(rig->hart, T0), hart_x(rig->hart, T1));
}

static void csr_instructions_read_write_set_and_clear(void **state)
{
    struct rig *rig = *state;

    rig_set_csr(rig, CSR_mscratch, 0xff);
    rig_put(rig, INSN_csrrw, A0, A1, 0, CSR_mscratch);
    rig_put(rig, INSN_csrrs, A1, A1, 0, CSR_mscratch);
    rig_put(rig, INSN_csrrci, A2, 0, 0, CSR_mscratch | 0x10 << 12);
    rig_put(rig, INSN_csrrsi, A3, 0, 0, CSR_mscratch | 0x1 << 12);
    rig_put(rig, INSN_csrrc, T0, ZERO, 0, CSR_mhartid); /* writes nothing: allowed */
    hart_set_x(rig->hart, A1, 0xf30);
    rig_step(rig, 5);
    assert_int_equal(hart_x(rig->hart, A0), 0xff);
    assert_int_equal(hart_x(rig->hart, A1), 0xf30);
    assert_int_equal(hart_x(rig->hart, A2), 0xf30);
    assert_int_equal(hart_x(rig->hart, A3), 0xf20);
    assert_int_equal(rig_csr(rig, CSR_mscratch), 0xf21);
    assert_int_equal(hart_pc(rig->hart), RIG_CODE + 20);
}

static void a_trap_without_a_handler_ends_the_hart(void **state)
{
    struct rig *rig = *state;

    rig_put(rig, INSN_addi, SP, ZERO, 0, 16);
    rig_put(rig, INSN_sd, 0, SP, RA, 8);
    rig_step(rig, 2);
    assert_int_equal(hart_state(rig->hart), HART_FAILED);
    assert_string_equal(hart_failure(rig->hart),
                        "hart 0: pc 0x80000004 (sd ra,8(sp)): store where there is no memory, mcause 0x7, mtval 0x18, "
                        "there is no handler at mtvec 0x0");
}

static void a_fault_in_the_handler_ends_the_hart(void **state)
{
    struct rig *rig = *state;

    with_handler(rig);
    rig_put(rig, INSN_ecall, 0, 0, 0, 0);
    rig->end = RIG_HANDLER;
    rig_put(rig, INSN_sd, 0, ZERO, RA, 8);
    rig_step(rig, 2);
    assert_int_equal(hart_state(rig->hart), HART_FAILED);
    assert_non_null(strstr(hart_failure(rig->hart), "in the handler of a trap with mcause 0xb at 0x80000000"));
}

static void without_a_nic_x30_and_x31_are_registers(void **state)
{
    struct rig *rig = *state;

    rig_put(rig, INSN_addi, NETTX, NETRX, 0, 1);
    rig_put(rig, INSN_addi, A0, NETTX, 0, 1);
    hart_set_x(rig->hart, NETRX, 40);
    rig_step(rig, 2);
    assert_int_equal(hart_x(rig->hart, A0), 42);
    assert_int_equal(hart_x(rig->hart, NETRX), 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_ALONE(exceptions_have_their_causes),
        RIG_ALONE(illegal_instructions_are_named_in_mtval),
        RIG_ALONE(floating_point_off_is_illegal),
        RIG_ALONE(a_jump_to_nowhere_traps_there),
        RIG_ALONE(mret_goes_back),
        RIG_ALONE(user_mode_may_little),
        RIG_ALONE(interrupts_come_in_their_order),
        RIG_ALONE(wfi_sleeps_and_mcycle_with_it),
        RIG_ALONE(counters_are_set_and_held),
        RIG_ALONE(csr_instructions_read_write_set_and_clear),
        RIG_ALONE(a_trap_without_a_handler_ends_the_hart),
        RIG_ALONE(a_fault_in_the_handler_ends_the_hart),
        RIG_ALONE(without_a_nic_x30_and_x31_are_registers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
