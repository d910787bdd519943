/* SPDX-License-Identifier: MIT */
/* netRX, netTX, network CSRs and the scheduler's interrupt, as programs see them (sections 1.2, 1.3 and 1.5). */
#include "nanopu/hart/hart_internal.h"
#include "nanopu/nic/hts_nic.h"
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define IRQ (UINT64_C(1) << 63)

#define SLED 16 /* instructions during which the words arrive */

/* Code that registers context 0 and lets time pass; the test's own follows. */
static void begin(struct rig *rig)
{
    rig_put(rig, INSN_csrrwi, ZERO, 0, 0, CSR_lcurcontext);
    rig_put(rig, INSN_csrrwi, ZERO, 0, 0, CSR_lniccmd | 1 << 12);
    for (unsigned i = 0; i < SLED; i++)
        rig_put(rig, INSN_addi, ZERO, ZERO, 0, 0);
}

/* Runs to the test's own code while words 100, 101, ... arrive. */
static void with_words(struct rig *rig, unsigned n)
{
    rig_step(rig, 2);
    for (unsigned i = 0; i < n; i++)
        hts_enqueue(rig->hts, 0, hart_cycle(rig->hart) + 2 + i, 100 + i, i == 0);
    rig_step(rig, SLED);
}

static uint64_t sent(struct rig *rig)
{
    const struct hts_tx_word *head = hts_tx_head(rig->hts);
    uint64_t word = head != NULL ? head->word : UINT64_MAX;

    if (head != NULL)
        hts_tx_take(rig->hts);
    return word;
}

static void one_word_a_reading_instruction(void **state)
{
    struct rig *rig = *state;

    begin(rig);
    rig_put(rig, INSN_add, A0, NETRX, NETRX, 0); /* both operands: one word, twice */
    rig_put(rig, INSN_add, A1, NETRX, ZERO, 0);
    rig_put_raw(rig, 0x867a); /* c.mv a2,x30 */
    rig_put_raw(rig, 0x0001);
    rig_put(rig, INSN_bne, 0, NETRX, ZERO, 8); /* 103 is not 0 */
    rig_put(rig, INSN_addi, A3, ZERO, 0, 1);
    rig_put(rig, INSN_addi, T0, NETRX, 0, 0);
    rig_put(rig, INSN_addi, T1, NETRX, 0, 5); /* empty: 0 */
    with_words(rig, 5);
    rig_step(rig, 7);
    assert_int_equal(hart_x(rig->hart, A0), 200);
    assert_int_equal(hart_x(rig->hart, A1), 101);
    assert_int_equal(hart_x(rig->hart, A2), 102);
    assert_int_equal(hart_x(rig->hart, A3), 0);
    assert_int_equal(hart_x(rig->hart, T0), 104);
    assert_int_equal(hart_x(rig->hart, T1), 5);
}

/* A load from where the word points to: 100 is misaligned for eight bytes, so it traps and took nothing. */
static void a_word_is_there_again_after_a_trap(void **state)
{
    struct rig *rig = *state;

    begin(rig);
    rig_put(rig, INSN_ld, A0, NETRX, 0, 0);
    rig_set_csr(rig, CSR_mtvec, RIG_HANDLER);
    rig->end = RIG_HANDLER;
    rig_put(rig, INSN_addi, A1, NETRX, 0, 0);
    rig_put(rig, INSN_addi, A2, NETRX, 0, 0);
    rig_put(rig, INSN_csrrs, T0, ZERO, 0, CSR_lmsgsrdy);
    rig_put(rig, INSN_jal, ZERO, 0, 0, 0);
    with_words(rig, 3);
    hart_run(rig->hart, hart_cycle(rig->hart) + 1000);
    assert_int_equal(hart_x(rig->hart, A1), 100);
    assert_int_equal(hart_x(rig->hart, A2), 101);
    assert_int_equal(hart_x(rig->hart, T0), 1);
}

static void what_is_written_to_x31_is_sent(void **state)
{
    struct rig *rig = *state;

    begin(rig);
    rig_store(rig, RIG_DATA, 9);
    rig_put(rig, INSN_addi, NETTX, ZERO, 0, 8); /* a header: a message of 8 bytes */
    rig_put(rig, INSN_addi, NETTX, NETRX, 0, 1);
    rig_put(rig, INSN_addi, NETTX, ZERO, 0, 24);
    rig_put(rig, INSN_ld, NETTX, A1, 0, 0);
    rig_put(rig, INSN_mul, NETTX, A1, A2, 0);
    rig_put_raw(rig, 0x4f95); /* c.li x31,5 */
    rig_put(rig, INSN_csrrs, A0, ZERO, 0, CSR_lcurcontext);
    hart_set_x(rig->hart, A1, RIG_DATA);
    hart_set_x(rig->hart, A2, 3);
    hart_set_x(rig->hart, NETTX, 77);
    with_words(rig, 1);
    rig_step(rig, 7);
    assert_int_equal(sent(rig), 8);
    assert_int_equal(sent(rig), 101);
    assert_int_equal(sent(rig), 24);
    assert_int_equal(sent(rig), 9);
    assert_int_equal(sent(rig), RIG_DATA * 3);
    assert_int_equal(sent(rig), 5);
    assert_int_equal(sent(rig), UINT64_MAX);
    assert_int_equal(hart_x(rig->hart, NETTX), 77);
}

static void words_leave_in_program_order(void **state)
{
    struct rig *rig = *state;

    rig_put(rig, INSN_addi, NETTX, ZERO, 0, 40);
    for (unsigned i = 0; i < 5; i++)
        rig_put(rig, INSN_addi, NETTX, ZERO, 0, 1 + i);
    hart_run(rig->hart, 2000);
    assert_int_equal(sent(rig), 40);
    for (uint64_t i = 0, last = 0; i < 5; i++) {
        const struct hts_tx_word *head = hts_tx_head(rig->hts);

        assert_non_null(head);
        assert_true(head->cycle > last);
        last = head->cycle;
        assert_int_equal(sent(rig), 1 + i);
    }
}

static void lmsgsrdy_says_that_a_word_waits(void **state)
{
    struct rig *rig = *state;

    begin(rig);
    rig_put(rig, INSN_csrrs, A0, ZERO, 0, CSR_lmsgsrdy);
    rig_put(rig, INSN_add, A1, NETRX, ZERO, 0);
    for (unsigned i = 0; i < 4; i++)
        rig_put(rig, INSN_addi, ZERO, ZERO, 0, 0);
    rig_put(rig, INSN_csrrs, A2, ZERO, 0, CSR_lmsgsrdy);
    with_words(rig, 1);
    rig_step(rig, 7);
    assert_int_equal(hart_x(rig->hart, A0), 1);
    assert_int_equal(hart_x(rig->hart, A1), 100);
    assert_int_equal(hart_x(rig->hart, A2), 0);
}

/* A hart in the nanokernel's context with straight code before it; the pulse of a word comes two cycles after it. */
static uint64_t await_interrupt(struct rig *rig, bool enabled)
{
    uint64_t arrival;

    rig_set_csr(rig, CSR_mtvec, RIG_HANDLER);
    rig_put(rig, INSN_csrrwi, ZERO, 0, 0, CSR_lcurcontext);
    rig_put(rig, INSN_csrrwi, ZERO, 0, 0, CSR_lniccmd | 1 << 12);
    rig_put(rig, INSN_csrrw, ZERO, A1, 0, CSR_lcurcontext);
    for (unsigned i = 0; i < 200; i++)
        rig_put(rig, INSN_addi, A0, A0, 0, 1);
    hart_set_x(rig->hart, A1, CTX_NANOKERNEL);
    hart_set_x(rig->hart, A0, 0);
    rig_step(rig, 48); /* to the begin of a line of the instruction cache */
    rig_set_csr(rig, CSR_mie, (UINT64_C(1) << IRQ_NIC));
    rig_set_csr(rig, CSR_mstatus, enabled ? MSTATUS_MIE : 0);
    rig_step(rig, 3);
    arrival = hart_cycle(rig->hart) + 4;
    hts_enqueue(rig->hts, 0, arrival, 8, true);
    return arrival + 2;
}

static void a_pulse_interrupts_what_is_in_decode(void **state)
{
    struct rig *rig = *state;
    uint64_t pulse = await_interrupt(rig, true), done;

    hart_run(rig->hart, pulse + 3);
    done = hart_x(rig->hart, A0);
    assert_int_equal(hart_state(rig->hart), HART_RUNNING);
    hart_run(rig->hart, pulse + 4);
    assert_int_equal(hart_pc(rig->hart), RIG_HANDLER);
    assert_int_equal(rig_csr(rig, CSR_mcause), IRQ | IRQ_NIC);
    assert_int_equal(rig_csr(rig, CSR_mepc), RIG_CODE + 12 + 4 * done);
    assert_int_equal(hart_x(rig->hart, A0), done);
}

static void a_pulse_with_interrupts_off_is_lost(void **state)
{
    struct rig *rig = *state;
    uint64_t pulse = await_interrupt(rig, false);

    hart_run(rig->hart, pulse + 10);
    rig_set_csr(rig, CSR_mstatus, MSTATUS_MIE);
    hart_run(rig->hart, pulse + 100);
    assert_true(hart_pc(rig->hart) < RIG_HANDLER);
    assert_int_equal(rig_csr(rig, CSR_mip), 0);
}

static void a_pulse_wakes_from_wfi(void **state)
{
    struct rig *rig = *state;

    rig_set_csr(rig, CSR_mtvec, RIG_HANDLER);
    rig_put(rig, INSN_csrrwi, ZERO, 0, 0, CSR_lcurcontext);
    rig_put(rig, INSN_csrrwi, ZERO, 0, 0, CSR_lniccmd | 1 << 12);
    rig_put(rig, INSN_csrrw, ZERO, A1, 0, CSR_lcurcontext);
    rig_put(rig, INSN_wfi, 0, 0, 0, 0);
    hart_set_x(rig->hart, A1, CTX_NANOKERNEL);
    rig_set_csr(rig, CSR_mie, (UINT64_C(1) << IRQ_NIC));
    rig_set_csr(rig, CSR_mstatus, MSTATUS_MIE);
    hart_run(rig->hart, hart_cycle(rig->hart) + 1); /* the command to the NIC ends a run early */
    while (hart_cycle(rig->hart) < 5000)
        hart_run(rig->hart, 5000);
    assert_int_equal(hart_state(rig->hart), HART_WFI);
    hts_enqueue(rig->hts, 0, 6000, 8, true);
    assert_int_equal(hart_next_event(rig->hart), 6002);
    hart_run(rig->hart, 6006);
    assert_int_equal(hart_pc(rig->hart), RIG_HANDLER);
    assert_int_equal(rig_csr(rig, CSR_mcause), IRQ | IRQ_NIC);
    assert_int_equal(rig_csr(rig, CSR_mepc), RIG_CODE + 16);
}

static void a_full_transmit_fifo_ends_the_hart(void **state)
{
    struct rig *rig = *state;

    rig_put(rig, INSN_lui, NETTX, 0, 0, 0x1000);
    rig_put(rig, INSN_addi, NETTX, ZERO, 0, 2040);
    rig_put(rig, INSN_addi, NETTX, ZERO, 0, 0);
    rig_put(rig, INSN_jal, ZERO, 0, 0, -8);
    hart_run(rig->hart, 20000);
    assert_int_equal(hart_state(rig->hart), HART_FAILED);
    assert_non_null(strstr(hart_failure(rig->hart), "hart 0: pc 0x8000000"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_NIC(one_word_a_reading_instruction),      RIG_NIC(a_word_is_there_again_after_a_trap),
        RIG_NIC(what_is_written_to_x31_is_sent),      RIG_NIC(words_leave_in_program_order),
        RIG_NIC(lmsgsrdy_says_that_a_word_waits),     RIG_NIC(a_pulse_interrupts_what_is_in_decode),
        RIG_NIC(a_pulse_with_interrupts_off_is_lost), RIG_NIC(a_pulse_wakes_from_wfi),
        RIG_NIC(a_full_transmit_fifo_ends_the_hart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
