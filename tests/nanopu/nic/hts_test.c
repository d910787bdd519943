/* SPDX-License-Identifier: MIT */
/* A core's FIFOs, CSRs and selection (sections 1.2, 1.3, 3.1 to 3.3 of the machine's contract), rule by rule. */
#include "hts_rig.h"

/* ---- Words and CSRs ---- */

static void csr__addresses(void **state)
{
    static const unsigned there[] = {0x52, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x60, 0x61};
    unsigned found = 0;

    (void)state;
    for (unsigned i = 0; i < 0x1000; i++)
        found += hts_is_csr(i);
    assert_int_equal(found, ARRAY_LEN(there));
    for (size_t i = 0; i < ARRAY_LEN(there); i++)
        assert_true(hts_is_csr(there[i]));
}

static void csr__reset_values(void **state)
{
    struct hts *h = *state;

    assert_int_equal(csr(h, 0, CSR_READY), 0);
    assert_int_equal(csr(h, 0, CSR_CONTEXT), 0);
    assert_int_equal(csr(h, 0, CSR_PRIO), 0);
    assert_int_equal(csr(h, 0, CSR_T0), 3000);
    assert_int_equal(csr(h, 0, CSR_IDLE), 3000);
    assert_int_equal(csr(h, 0, CSR_COMMAND), 0);
    assert_int_equal(csr(h, 0, CSR_UCMD), 0);
}

static void csr__lnicrdy_after_the_tables_are_initialised(void **state)
{
    struct hts *h = *state;

    assert_int_equal(hts_next_change(h, 10), 16384);
    assert_int_equal(csr(h, 16383, CSR_NIC), 0);
    assert_int_equal(csr(h, 16384, CSR_NIC), 1);
}

static void csr__written_values_read_back_and_read_only_ones_stay(void **state)
{
    struct hts *h = *state;

    hts_csr_write(h, 10, CSR_CONTEXT, 0xffff);
    hts_csr_write(h, 11, CSR_PRIO, 7);
    hts_csr_write(h, 12, CSR_T0, 1234);
    hts_csr_write(h, 13, CSR_IDLE, 4321);
    hts_csr_write(h, 14, CSR_READY, 1);
    hts_csr_write(h, 15, CSR_TOP, 3);
    assert_int_equal(csr(h, 20, CSR_CONTEXT), 0xffff);
    assert_int_equal(csr(h, 20, CSR_PRIO), 7);
    assert_int_equal(csr(h, 20, CSR_T0), 1234);
    assert_int_equal(csr(h, 20, CSR_IDLE), 4321);
    assert_int_equal(csr(h, 20, CSR_READY), 0);
    assert_int_equal(csr(h, 20, CSR_TOP), 0);
}

static void ready__two_cycles_after_the_word(void **state)
{
    struct hts *h = *state;

    message(h, 100, 0, 1);
    assert_int_equal(hts_next_change(h, 50), 102);
    assert_int_equal(csr(h, 101, CSR_READY), 0);
    assert_int_equal(csr(h, 102, CSR_READY), 1);
}

static void ready__is_of_the_current_context_a_cycle_late(void **state)
{
    struct hts *h = *state;

    message(h, 100, 1, 1);
    assert_int_equal(csr(h, 110, CSR_READY), 0);
    hts_csr_write(h, 111, CSR_CONTEXT, 1);
    assert_int_equal(csr(h, 112, CSR_READY), 0);
    assert_int_equal(csr(h, 113, CSR_READY), 1);
}

static void pop__takes_the_words_of_the_current_context_in_order(void **state)
{
    struct hts *h = *state;

    message(h, 100, 0, 3);
    message(h, 103, 1, 2);
    assert_int_equal(hts_pop(h, 110), 0);
    assert_int_equal(hts_pop(h, 111), 1);
    hts_csr_write(h, 112, CSR_CONTEXT, 1);
    assert_int_equal(hts_pop(h, 113), 100);
    assert_int_equal(hts_pop(h, 114), 101);
    hts_csr_write(h, 115, CSR_CONTEXT, 0);
    assert_int_equal(hts_pop(h, 116), 2);
    assert_int_equal(csr(h, 117, CSR_READY), 0);
    assert_int_equal(hts_stats(h)->empty_pops, 0);
}

static void pop__of_an_empty_fifo_reads_0_and_takes_nothing(void **state)
{
    struct hts *h = *state;

    message(h, 100, 0, 1);
    assert_int_equal(hts_pop(h, 103), 0); /* the word is there for a decode at 101, a commit at 104 */
    assert_int_equal(hts_stats(h)->empty_pops, 1);
    assert_int_equal(hts_error(h), HTS_OK);
    hts_enqueue(h, 0, 110, 42, false);
    hts_pop(h, 120);
    assert_int_equal(hts_pop(h, 121), 42);
}

static void pop__of_an_empty_fifo_is_an_error_without_the_quirk(void **state)
{
    struct hts *h = again(state, "quirk_empty_pop", "off");

    assert_int_equal(hts_pop(h, 100), 0);
    assert_int_equal(hts_error(h), HTS_RX_EMPTY);
    assert_non_null(strstr(hts_error_text(HTS_RX_EMPTY), "empty"));
}

static void push__words_carry_the_current_context(void **state)
{
    struct hts *h = *state;

    hts_push(h, 10, 1);
    hts_csr_write(h, 11, CSR_CONTEXT, 3);
    hts_push(h, 12, 2);
    assert_int_equal(hts_tx_head(h)->ctx, 0);
    assert_int_equal(hts_tx_head(h)->cycle, 10);
    hts_tx_take(h);
    assert_int_equal(hts_tx_head(h)->ctx, 3);
    assert_int_equal(hts_tx_head(h)->word, 2);
    hts_tx_take(h);
    assert_null(hts_tx_head(h));
}

static void push__into_a_full_fifo_loses_the_word(void **state)
{
    struct hts *h = *state;

    for (unsigned i = 0; i < 1024; i++)
        hts_push(h, 10 + i, i);
    assert_int_equal(hts_error(h), HTS_OK);
    assert_int_equal(hts_tx_room(h), 0);
    hts_push(h, 2000, 9);
    assert_int_equal(hts_error(h), HTS_TX_OVERFLOW);
    hts_tx_take(h);
    assert_int_equal(hts_tx_room(h), 1);
}

static void fifo__512_words_a_context_and_2048_in_all(void **state)
{
    struct hts *h = *state;

    assert_int_equal(hts_room(h, 0), 512);
    message(h, 100, 0, 512);
    assert_int_equal(hts_room(h, 0), 0);
    assert_int_equal(hts_room(h, 1), 512);
    h = again(state, "core_rx_words", "600");
    message(h, 100, 0, 512);
    assert_int_equal(hts_room(h, 1), 88);
}

/* ---- Registration ---- */

static void insert__tells_the_nic_a_cycle_later(void **state)
{
    struct hts *h = *state;

    insert(h, 10, 2, 0);
    assert_int_equal(hts_command_head(h)->kind, HTS_REGISTER);
    assert_int_equal(hts_command_head(h)->ctx, 2);
    assert_int_equal(hts_command_head(h)->cycle, 13);
}

static void insert__no_word_arrives_in_its_cycle(void **state)
{
    struct hts *h = *state;

    message(h, 102, 0, 3);
    insert(h, 100, 1, 0); /* the command at 102 */
    assert_int_equal(hts_link_free(h), 106);
    hts_csr_write(h, 103, CSR_CONTEXT, 0);
    assert_int_equal(hts_pop(h, 106), 0);
    assert_int_equal(hts_stats(h)->empty_pops, 1);
    assert_int_equal(hts_pop(h, 107), 0);
    assert_int_equal(hts_pop(h, 108), 1);
    assert_int_equal(hts_pop(h, 109), 2);
    assert_int_equal(hts_stats(h)->empty_pops, 1);
}

static void insert__of_a_context_with_words_loses_them(void **state)
{
    struct hts *h = *state;

    message(h, 50, 0, 3);
    insert(h, 100, 0, 0);
    assert_int_equal(hts_error(h), HTS_INSERT_LOSS);
    assert_int_equal(hts_room(h, 0), 512);
    message(h, 200, 0, 1);
    assert_int_equal(hts_pop(h, 210), 0);
}

static void insert__costs_a_word_of_the_pool(void **state)
{
    struct hts *h = again(state, "core_rx_words", "100");

    insert(h, 10, 0, 0);
    assert_int_equal(hts_room(h, 0), 99);
}

/* ---- Selection ---- */

static void select__the_lowest_priority_number(void **state)
{
    struct hts *h = *state;

    insert(h, 10, 0, 1);
    insert(h, 20, 1, 0);
    message(h, 100, 0, 2);
    message(h, 110, 1, 2);
    assert_int_equal(csr(h, 109, CSR_TOP), 0);
    assert_int_equal(csr(h, 109, CSR_TOPPRIO), 1);
    /* Active at 111, chosen into the register at 112, in the CSR at 113. */
    assert_int_equal(csr(h, 112, CSR_TOP), 0);
    assert_int_equal(csr(h, 113, CSR_TOP), 1);
    assert_int_equal(csr(h, 113, CSR_TOPPRIO), 0);
}

static void select__equal_priorities_in_the_order_of_arrival(void **state)
{
    struct hts *h = *state;

    insert(h, 10, 0, 3);
    insert(h, 20, 1, 3);
    message(h, 100, 1, 2);
    message(h, 102, 0, 2);
    assert_int_equal(csr(h, 120, CSR_TOP), 1);
    /* With the older message taken the other context's is the oldest; an empty FIFO counts as the latest. */
    hts_csr_write(h, 121, CSR_CONTEXT, 1);
    hts_pop(h, 122);
    assert_int_equal(csr(h, 130, CSR_TOP), 1);
    hts_pop(h, 131);
    assert_int_equal(csr(h, 140, CSR_TOP), 0);
}

static void select__a_rest_of_a_message_keeps_its_age(void **state)
{
    struct hts *h = *state;

    insert(h, 10, 0, 3);
    insert(h, 20, 1, 3);
    message(h, 100, 0, 3);
    message(h, 110, 1, 1);
    message(h, 120, 0, 1);
    hts_csr_write(h, 130, CSR_CONTEXT, 0);
    hts_pop(h, 131);
    hts_pop(h, 132);
    assert_int_equal(csr(h, 140, CSR_TOP), 0);
    hts_pop(h, 141); /* the next is of 120 */
    assert_int_equal(csr(h, 150, CSR_TOP), 1);
}

static void select__equal_in_all_the_higher_context(void **state)
{
    struct hts *h = *state;

    insert(h, 10, 0, 0);
    insert(h, 20, 1, 0);
    message(h, 100, 0, 1);
    message(h, 101, 1, 1);
    hts_csr_write(h, 110, CSR_CONTEXT, 0);
    hts_pop(h, 111);
    hts_csr_write(h, 112, CSR_CONTEXT, 1);
    hts_pop(h, 113);
    assert_int_equal(csr(h, 120, CSR_TOP), 1);
}

static void select__keeps_its_value_when_none_is_active(void **state)
{
    struct hts *h = *state;

    insert(h, 10, 2, 5);
    message(h, 100, 2, 1);
    hts_pop(h, 110);
    hts_csr_write(h, 111, CSR_UCMD, 1);
    assert_int_equal(csr(h, 200, CSR_TOP), 2);
    assert_int_equal(csr(h, 200, CSR_TOPPRIO), 5);
}

/* ---- msg_done, idle ---- */

static void done__asks_the_nic_for_the_next_a_cycle_later(void **state)
{
    struct hts *h = *state;

    hts_csr_write(h, 50, CSR_CONTEXT, 1);
    hts_csr_write(h, 60, CSR_UCMD, 1);
    assert_int_equal(hts_command_head(h)->kind, HTS_GET_NEXT);
    assert_int_equal(hts_command_head(h)->ctx, 1);
    assert_int_equal(hts_command_head(h)->cycle, 61);
    hts_command_take(h);
    hts_csr_write(h, 70, CSR_UCMD, 2); /* idle does not */
    assert_null(hts_command_head(h));
}

static void done__leaves_a_context_with_words_active(void **state)
{
    struct hts *h = *state;

    insert(h, 10, 0, 3);
    insert(h, 15, 1, 1);
    hts_csr_write(h, 20, CSR_CONTEXT, 0);
    message(h, 100, 0, 2);
    hts_csr_write(h, 110, CSR_UCMD, 1);
    message(h, 120, 1, 1);
    hts_csr_write(h, 130, CSR_CONTEXT, 1);
    hts_pop(h, 131);
    hts_csr_write(h, 132, CSR_UCMD, 1);
    assert_int_equal(csr(h, 140, CSR_TOP), 0);
}

static void idle__with_an_empty_fifo_makes_the_context_idle(void **state)
{
    struct hts *h = *state;

    two_contexts(h);
    assert_int_equal(csr(h, 119, CSR_TOP), 1); /* its head is there, that of 0 is infinitely late */
    hts_csr_write(h, 120, CSR_UCMD, 2);
    hts_csr_write(h, 125, CSR_CONTEXT, 1);
    hts_pop(h, 126);
    hts_csr_write(h, 127, CSR_UCMD, 2);
    message(h, 200, 0, 1);
    assert_int_equal(csr(h, 203, CSR_TOP), 0);
}

static void idle__in_the_cycle_of_an_arrival_leaves_it_active(void **state)
{
    struct hts *h = *state;

    insert(h, 10, 1, 0);
    insert(h, 20, 0, 0);
    message(h, 100, 0, 1);
    hts_csr_write(h, 100, CSR_UCMD, 2);
    assert_int_equal(csr(h, 103, CSR_TOP), 0);
    message(h, 110, 1, 1);
    assert_int_equal(csr(h, 120, CSR_TOP), 0); /* active, and older */
}

/* ---- Aliasing of 0xffff ---- */

static void alias__the_kernel_shares_the_entry_of_context_3(void **state)
{
    struct hts *h = *state;

    message(h, 100, 3, 1);
    hts_csr_write(h, 110, CSR_CONTEXT, CTX_NANOKERNEL);
    assert_int_equal(csr(h, 115, CSR_READY), 1);
    h = again(state, "quirk_ctx_alias", "off");
    message(h, 100, 3, 1);
    hts_csr_write(h, 110, CSR_CONTEXT, CTX_NANOKERNEL);
    assert_int_equal(csr(h, 115, CSR_READY), 0);
    assert_int_equal(hts_pop(h, 116), 0);
    assert_int_equal(hts_stats(h)->empty_pops, 1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(csr__addresses),
        T(csr__reset_values),
        T(csr__lnicrdy_after_the_tables_are_initialised),
        T(csr__written_values_read_back_and_read_only_ones_stay),
        T(ready__two_cycles_after_the_word),
        T(ready__is_of_the_current_context_a_cycle_late),
        T(pop__takes_the_words_of_the_current_context_in_order),
        T(pop__of_an_empty_fifo_reads_0_and_takes_nothing),
        T(pop__of_an_empty_fifo_is_an_error_without_the_quirk),
        T(push__words_carry_the_current_context),
        T(push__into_a_full_fifo_loses_the_word),
        T(fifo__512_words_a_context_and_2048_in_all),
        T(insert__tells_the_nic_a_cycle_later),
        T(insert__no_word_arrives_in_its_cycle),
        T(insert__of_a_context_with_words_loses_them),
        T(insert__costs_a_word_of_the_pool),
        T(select__the_lowest_priority_number),
        T(select__equal_priorities_in_the_order_of_arrival),
        T(select__a_rest_of_a_message_keeps_its_age),
        T(select__equal_in_all_the_higher_context),
        T(select__keeps_its_value_when_none_is_active),
        T(done__asks_the_nic_for_the_next_a_cycle_later),
        T(done__leaves_a_context_with_words_active),
        T(idle__with_an_empty_fifo_makes_the_context_idle),
        T(idle__in_the_cycle_of_an_arrival_leaves_it_active),
        T(alias__the_kernel_shares_the_entry_of_context_3),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
