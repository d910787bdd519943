/* SPDX-License-Identifier: MIT */
/* The cycles of section 4.6 of the machine's contract. */
#include "rig.h"

static int start(void **state)
{
    static struct rig r;

    rig_params(&r, "osdi21");
    rig_start(&r);
    rig_register(&r, 0, 0, 0);
    *state = &r;
    return 0;
}

static int stop(void **state)
{
    rig_stop(*state);
    return 0;
}

/* The first cycle, from r->start, in which lmsgsrdy of core 0 reads 1. */
static unsigned ready_after(struct rig *r)
{
    unsigned t = 0;

    while (hts_csr_read(r->hts[0], r->start + t, CSR_READY) == 0)
        assert_true(t++ < 10000);
    return t;
}

static void rx__sixteen_bytes_are_visible_at_23(void **state)
{
    struct rig *r = *state;

    rig_data(r, r->start, 0, 1, 16, 0, 0);
    assert_true(nic_horizon(r->nic) <= r->start + 21);
    nic_advance(r->nic, r->start + 100);
    assert_int_equal(ready_after(r), 23);
}

static void rx__a_word_can_be_read_by_what_decodes_a_cycle_later(void **state)
{
    struct rig *r = *state;

    /* The header enters at 21, so it is there for a decode at 22, a commit at 25; its payload follows at once. */
    rig_data(r, r->start, 0, 1, 16, 0, 0);
    nic_advance(r->nic, r->start + 100);
    assert_int_equal(hts_pop(r->hts[0], r->start + 24), 0);
    assert_int_equal(hts_pop(r->hts[0], r->start + 25), (uint64_t)RIG_PEER << 32 | 5 << 16 | 16);
    assert_int_equal(hts_pop(r->hts[0], r->start + 26), rig_word(1, 0));
    assert_int_equal(hts_pop(r->hts[0], r->start + 27), rig_word(1, 1));
    assert_int_equal(hts_pop(r->hts[0], r->start + 28), 0);
}

static void rx__the_ack_leaves_at_19(void **state)
{
    struct rig *r = *state;

    rig_data(r, r->start, 0, 1, 16, 0, 0);
    nic_advance(r->nic, r->start + 100);
    assert_int_equal(r->sent_len, 1);
    assert_int_equal(r->sent[0]->first_flit_cycle - r->start, 19);
    assert_int_equal(rig_header(r, 0).flags, MSG_ACK | MSG_PULL);
    assert_int_equal(r->sent[0]->len_bytes, 128);
}

static void tx__first_flit_four_cycles_after_the_packet_is_complete(void **state)
{
    struct rig *r = *state;
    uint64_t last = rig_send(r, 0, r->start, 9, 16);

    /* Accepted one cycle after its write-back: D = last + 1. */
    nic_advance(r->nic, r->start + 100);
    assert_int_equal(r->sent_len, 1);
    assert_int_equal(r->sent[0]->first_flit_cycle, last + 1 + 4);
    assert_int_equal(r->sent[0]->len_bytes, 80);
    assert_int_equal(rig_header(r, 0).flags, MSG_DATA);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rx__sixteen_bytes_are_visible_at_23, start, stop),
        cmocka_unit_test_setup_teardown(rx__a_word_can_be_read_by_what_decodes_a_cycle_later, start, stop),
        cmocka_unit_test_setup_teardown(rx__the_ack_leaves_at_19, start, stop),
        cmocka_unit_test_setup_teardown(tx__first_flit_four_cycles_after_the_packet_is_complete, start, stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
