/* SPDX-License-Identifier: MIT */
/* Receive queues and core selection (sections 4.3 and 7 of the machine's contract). */
#include "nanopu/nic/nic_internal.h"

#include "rig.h"

static struct rig rig;

static int setup(void **state)
{
    rig_params(&rig, "osdi21");
    rig_start(&rig);
    *state = &rig;
    return 0;
}

static int teardown(void **state)
{
    rig_stop(*state);
    return 0;
}

/* The same with a parameter changed. */
static void again(struct rig *r, const char *key, const char *value)
{
    rig_stop(r);
    rig_params(r, "osdi21");
    rig_set(r, key, value);
    rig_start(r);
}

/* n messages of len bytes for ctx, one after the other from r->start + 100 * first on; ids from first on. */
static void messages(struct rig *r, unsigned first, unsigned n, uint16_t ctx, uint16_t len)
{
    for (unsigned i = first; i < first + n; i++)
        rig_data(r, r->start + 100 * i, ctx, (uint16_t)i, len, 0, 0);
    nic_advance(r->nic, r->start + 100 * (first + n));
}

static int out(const struct rig *r, unsigned ctx, unsigned core)
{
    return r->nic->rxq[ctx].outstanding[core];
}

static uint64_t words(const struct rig *r, unsigned core)
{
    return hts_stats(r->hts[core])->rx_words;
}

static void done(struct rig *r, unsigned core, uint64_t t)
{
    hts_csr_write(r->hts[core], t, CSR_UCMD, 1);
    nic_advance(r->nic, t + 50);
}

static void dispatch__two_to_a_core_then_none(void **state)
{
    struct rig *r = *state;

    rig_register(r, 0, 0, 0);
    messages(r, 0, 3, 0, 16);
    assert_int_equal(out(r, 0, 0), 2);
    assert_int_equal(words(r, 0), 6);
    assert_int_equal(nic_stats(r->nic)->forgotten, 1);
}

static void dispatch__to_the_core_with_the_fewest_the_lowest_of_equals(void **state)
{
    struct rig *r = *state;

    for (unsigned i = 0; i < 3; i++)
        rig_register(r, i, 0, 0);
    messages(r, 0, 4, 0, 16);
    assert_int_equal(out(r, 0, 0), 2);
    assert_int_equal(out(r, 0, 1), 1);
    assert_int_equal(out(r, 0, 2), 1);
    messages(r, 4, 1, 0, 16);
    assert_int_equal(out(r, 0, 1), 2);
    assert_int_equal(words(r, 3), 0);
}

static void done__brings_the_message_that_waited(void **state)
{
    struct rig *r = *state;
    uint64_t t = r->start + 1000;

    rig_register(r, 0, 0, 0);
    messages(r, 0, 3, 0, 16);
    done(r, 0, r->start + 500);
    assert_int_equal(out(r, 0, 0), 2);
    for (uint16_t i = 0; i < 3; i++)
        assert_int_equal(rig_take(r, 0, &t, 0, i), 16);
}

static void done__with_nothing_waiting_makes_room(void **state)
{
    struct rig *r = *state;

    rig_register(r, 0, 0, 0);
    messages(r, 0, 2, 0, 16);
    done(r, 0, r->start + 400);
    assert_int_equal(out(r, 0, 0), 1);
    messages(r, 6, 1, 0, 16);
    assert_int_equal(out(r, 0, 0), 2);
    assert_int_equal(words(r, 0), 9);
}

static void done__is_of_one_context(void **state)
{
    struct rig *r = *state;

    rig_register(r, 0, 0, 0);
    rig_register(r, 0, 1, 0); /* the current context now */
    messages(r, 0, 1, 0, 16);
    messages(r, 1, 1, 1, 16);
    done(r, 0, r->start + 400);
    assert_int_equal(out(r, 0, 0), 1);
    assert_int_equal(out(r, 1, 0), 0);
}

static void done__without_a_message_counts_below_zero(void **state)
{
    struct rig *r = *state;

    rig_register(r, 0, 0, 0);
    done(r, 0, r->start);
    assert_int_equal(out(r, 0, 0), -1);
    assert_int_equal(nic_stats(r->nic)->done_underflows, 1);
    assert_int_equal(hts_error(r->hts[0]), HTS_DONE_UNDERFLOW);
    /* So the core gets three. */
    messages(r, 2, 4, 0, 16);
    assert_int_equal(words(r, 0), 9);
}

static void done__without_a_message_does_nothing_without_the_quirk(void **state)
{
    struct rig *r = *state;

    again(r, "quirk_done_underflow", "off");
    rig_register(r, 0, 0, 0);
    done(r, 0, r->start);
    assert_int_equal(out(r, 0, 0), 0);
    assert_int_equal(hts_error(r->hts[0]), HTS_DONE_UNDERFLOW);
    messages(r, 2, 4, 0, 16);
    assert_int_equal(words(r, 0), 6);
}

static void done__of_a_context_that_does_not_exist_is_dropped(void **state)
{
    struct rig *r = *state;

    hts_csr_write(r->hts[0], r->start, CSR_CONTEXT, CTX_NANOKERNEL);
    done(r, 0, r->start + 1);
    assert_int_equal(nic_stats(r->nic)->drop_get_next, 1);
}

static void done__more_than_the_queue_holds_are_dropped(void **state)
{
    struct rig *r = *state;

    for (unsigned i = 0; i < 4; i++)
        rig_register(r, i, 0, 0);
    messages(r, 0, 1, 0, 1024);
    /* The dispatch of a long message to core 0 keeps the queues of the others waiting. */
    rig_data(r, r->start + 500, 0, 9, 1024, 0, 0);
    rig_data(r, r->start + 700, 0, 10, 16, 0, 0);
    nic_advance(r->nic, r->start + 500 + 145);
    for (unsigned i = 0; i < 40; i++)
        hts_csr_write(r->hts[2], r->start + 646 + i, CSR_UCMD, 1);
    nic_advance(r->nic, r->start + 5000);
    assert_int_equal(nic_stats(r->nic)->drop_get_next, 40 - GET_NEXT_ENTRIES);
    assert_int_equal(nic_fault(r->nic), NIC_FAULT_GET_NEXT_FULL);
    assert_non_null(strstr(nic_fault_text(nic_fault(r->nic)), "get_next_msg"));
}

static void register__of_a_context_that_does_not_exist_is_dropped(void **state)
{
    struct rig *r = *state;

    rig_register(r, 0, CTX_NANOKERNEL, 0);
    assert_int_equal(nic_stats(r->nic)->drop_register, 1);
}

static void register__one_in_a_cycle_the_lowest_core_first(void **state)
{
    struct rig *r = *state;

    for (unsigned i = 0; i < 4; i++)
        hts_csr_write(r->hts[i], r->start, CSR_COMMAND, 1);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(r->nic->rxq[0].cores, (1U << i) - 1);
        nic_advance(r->nic, r->start + 2 + i);
    }
    assert_int_equal(r->nic->rxq[0].cores, 0xf);
}

static void register__a_second_one_of_a_waiting_core_overwrites(void **state)
{
    struct rig *r = *state;

    for (unsigned i = 0; i < 4; i++)
        hts_csr_write(r->hts[i], r->start, CSR_COMMAND, 1);
    hts_csr_write(r->hts[3], r->start + 1, CSR_CONTEXT, 1);
    hts_csr_write(r->hts[3], r->start + 2, CSR_COMMAND, 1);
    nic_advance(r->nic, r->start + 100);
    assert_int_equal(nic_stats(r->nic)->register_overwritten, 1);
    assert_int_equal(r->nic->rxq[0].cores, 7);
    assert_int_equal(r->nic->rxq[1].cores, 8);
}

/* 63 words of a context's 64 are taken by messages that wait; the last has place for one word. */
static void fill(struct rig *r, unsigned ctx)
{
    messages(r, 0, 2, (uint16_t)ctx, 16); /* at the core */
    for (unsigned i = 0; i < 4; i++)
        rig_data(r, r->start + 1000 + 200 * i, (uint16_t)ctx, (uint16_t)(10 + i), 1024, 0, 0);
    nic_advance(r->nic, r->start + 3000);
    assert_int_equal(r->nic->rxq[ctx].count, 64);
}

static void rxq__a_full_context_holds_up_all(void **state)
{
    struct rig *r = *state;

    rig_register(r, 0, 0, 0);
    rig_register(r, 1, 1, 0);
    fill(r, 0);
    rig_data(r, r->start + 4000, 0, 20, 16, 0, 0);
    rig_data(r, r->start + 4200, 1, 21, 16, 0, 0);
    nic_advance(r->nic, r->start + 5000);
    assert_int_equal(words(r, 1), 0);
    assert_true(nic_stats(r->nic)->rxq_stalls > 0);
    assert_true(nic_horizon(r->nic) <= r->start + 5000 + 6);
    done(r, 0, r->start + 5000);
    nic_advance(r->nic, r->start + 6000);
    assert_int_equal(words(r, 1), 3);
}

static void rxq__a_full_context_holds_up_itself_without_the_quirk(void **state)
{
    struct rig *r = *state;

    again(r, "quirk_hol_global", "off");
    rig_register(r, 0, 0, 0);
    rig_register(r, 1, 1, 0);
    fill(r, 0);
    rig_data(r, r->start + 4000, 0, 20, 16, 0, 0);
    rig_data(r, r->start + 4200, 1, 21, 16, 0, 0);
    nic_advance(r->nic, r->start + 5000);
    assert_int_equal(words(r, 1), 3);
}

static void rxq__a_message_longer_than_the_queue_streams_through_it(void **state)
{
    struct rig *r = *state;
    uint64_t t = r->start + 1000;

    again(r, "context_rxq_words", "4");
    rig_register(r, 0, 0, 0);
    rig_data(r, r->start, 0, 1, 2000, 0, 0);
    rig_data(r, r->start + 200, 0, 1, 2000, 1, 0);
    nic_advance(r->nic, r->start + 1000);
    assert_int_equal(rig_take(r, 0, &t, 0, 1), 2000);
}

static void link__a_full_receive_fifo_holds_words_back(void **state)
{
    struct rig *r = *state;
    uint64_t t = r->start + 1000;

    again(r, "core_rx_context_words", "100");
    rig_register(r, 0, 0, 0);
    rig_data(r, r->start, 0, 1, 1024, 0, 0);
    nic_advance(r->nic, t);
    assert_int_equal(words(r, 0), 100);
    assert_true(nic_stats(r->nic)->core_stalls > 0);
    for (unsigned i = 0; i < 129; i++, t++) {
        uint64_t word = hts_pop(r->hts[0], t);

        assert_true(i == 0 || word == rig_word(1, i - 1));
        nic_advance(r->nic, t + 1);
    }
    assert_int_equal(words(r, 0), 129);
    assert_int_equal(hts_stats(r->hts[0])->empty_pops, 0);
}

static void dispatch__to_different_cores_overlap(void **state)
{
    struct rig *r = *state;

    rig_register(r, 0, 0, 0);
    rig_register(r, 1, 1, 0);
    rig_data(r, r->start, 0, 1, 1024, 0, 0);
    rig_data(r, r->start + 136, 1, 2, 16, 0, 0);
    nic_advance(r->nic, r->start + 1000);
    /* Core 0 gets its 129 words from 143 on. The other message would come at 157 were the dispatcher free: it is when
     * the last 64-byte word of the first is in the narrower, at 144 + 15 * 8; then it decides. */
    assert_int_equal(hts_link_free(r->hts[0]), r->start + 143 + 129);
    assert_int_equal(hts_link_free(r->hts[1]), r->start + 144 + 120 + 2 + 3);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(dispatch__two_to_a_core_then_none),
        T(dispatch__to_the_core_with_the_fewest_the_lowest_of_equals),
        T(dispatch__to_different_cores_overlap),
        T(done__brings_the_message_that_waited),
        T(done__with_nothing_waiting_makes_room),
        T(done__is_of_one_context),
        T(done__without_a_message_counts_below_zero),
        T(done__without_a_message_does_nothing_without_the_quirk),
        T(done__of_a_context_that_does_not_exist_is_dropped),
        T(done__more_than_the_queue_holds_are_dropped),
        T(register__of_a_context_that_does_not_exist_is_dropped),
        T(register__one_in_a_cycle_the_lowest_core_first),
        T(register__a_second_one_of_a_waiting_core_overwrites),
        T(rxq__a_full_context_holds_up_all),
        T(rxq__a_full_context_holds_up_itself_without_the_quirk),
        T(rxq__a_message_longer_than_the_queue_streams_through_it),
        T(link__a_full_receive_fifo_holds_words_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
