/* SPDX-License-Identifier: MIT */
/* The core-local interruptor with real harts: registers, what they do to mip, and in which cycle. */
#include "nanopu/nic/hts.h"
#include "nanopu/sim/clint.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define HARTS  2
#define TICK   100
#define MEMORY (UINT64_C(1) << 16)
#define MSIP   (UINT64_C(1) << 3)
#define MTIP   (UINT64_C(1) << 7)
#define MIP    0x344

struct rig {
    struct params params;
    struct memory memory;
    struct hart *hart[HARTS];
    struct clint clint;
};

static int setup(void **state)
{
    static const uint32_t jump_to_itself = 0x0000006f;
    static struct rig r;

    memset(&r, 0, sizeof(r));
    params_profile(&r.params, "osdi21");
    r.params.timing = 0;
    assert_int_equal(memory_init(&r.memory, MEMORY), 0);
    memcpy(memory_dram(&r.memory, MEMORY_BASE, 4), &jump_to_itself, sizeof(jump_to_itself));
    for (unsigned i = 0; i < HARTS; i++) {
        r.hart[i] = hart_new(&(struct hart_config){.params = &r.params, .memory = &r.memory, .id = i});
        assert_non_null(r.hart[i]);
        hart_reset(r.hart[i], MEMORY_BASE, 0, 0);
    }
    clint_init(&r.clint, r.hart, HARTS, TICK);
    *state = &r;
    return 0;
}

static int teardown(void **state)
{
    struct rig *r = *state;

    for (unsigned i = 0; i < HARTS; i++)
        hart_free(r->hart[i]);
    memory_fini(&r->memory);
    return 0;
}

static uint64_t load(struct rig *r, uint64_t cycle, uint64_t offset, unsigned size)
{
    uint64_t value = 0;

    assert_int_equal(clint_load(&r->clint, cycle, offset, size, &value), 0);
    return value;
}

static void store(struct rig *r, uint64_t cycle, uint64_t offset, unsigned size, uint64_t value)
{
    assert_int_equal(clint_store(&r->clint, r->hart[0], cycle, offset, size, value), 0);
}

/* mip of a hart that has gone on to the cycle. */
static uint64_t mip(struct rig *r, unsigned i, uint64_t cycle)
{
    uint64_t value = 0;

    while (hart_cycle(r->hart[i]) < cycle)
        hart_run(r->hart[i], cycle);
    assert_int_equal(hart_csr_get(r->hart[i], MIP, &value), 0);
    return value;
}

static void mtime_counts_ticks(void **state)
{
    struct rig *r = *state;

    assert_int_equal(load(r, 0, CLINT_MTIME, 8), 0);
    assert_int_equal(load(r, TICK - 1, CLINT_MTIME, 8), 0);
    assert_int_equal(load(r, 7 * TICK, CLINT_MTIME, 8), 7);
    store(r, 7 * TICK, CLINT_MTIME, 8, UINT64_C(0x500000000));
    assert_int_equal(load(r, 9 * TICK, CLINT_MTIME, 8), UINT64_C(0x500000002));
    assert_int_equal(load(r, 9 * TICK, CLINT_MTIME, 4), 2);
    assert_int_equal(load(r, 9 * TICK, CLINT_MTIME + 4, 4), 5);
    store(r, 9 * TICK, CLINT_MTIME + 4, 4, 1);
    assert_int_equal(load(r, 9 * TICK, CLINT_MTIME, 8), UINT64_C(0x100000002));
}

static void a_timer_rises_in_its_cycle(void **state)
{
    struct rig *r = *state;

    assert_int_equal(clint_next(&r->clint), CYCLE_NEVER);
    store(r, 10, CLINT_MTIMECMP + 8, 8, 5);
    assert_int_equal(load(r, 10, CLINT_MTIMECMP + 8, 8), 5);
    assert_int_equal(clint_next(&r->clint), 5 * TICK);
    clint_advance(&r->clint, 5 * TICK - 1);
    assert_int_equal(mip(r, 1, 5 * TICK - 1) & MTIP, 0);
    clint_advance(&r->clint, 5 * TICK);
    assert_int_equal(mip(r, 1, 5 * TICK + 10) & MTIP, MTIP);
    assert_int_equal(mip(r, 0, 5 * TICK + 10) & MTIP, 0);
    assert_int_equal(clint_next(&r->clint), CYCLE_NEVER);
}

static void a_later_time_takes_the_line_down(void **state)
{
    struct rig *r = *state;

    store(r, 10, CLINT_MTIMECMP, 8, 0);
    assert_int_equal(mip(r, 0, 20) & MTIP, MTIP);
    store(r, 20, CLINT_MTIMECMP, 4, 3);
    assert_int_equal(mip(r, 0, 30) & MTIP, 0);
    assert_int_equal(clint_next(&r->clint), 3 * TICK);
    store(r, 30, CLINT_MTIMECMP + 4, 4, UINT32_MAX); /* more cycles than there are */
    assert_int_equal(clint_next(&r->clint), CYCLE_NEVER);
}

static void setting_the_clock_compares_anew(void **state)
{
    struct rig *r = *state;

    store(r, 10, CLINT_MTIMECMP, 8, 50);
    store(r, 10, CLINT_MTIMECMP + 8, 8, 90);
    store(r, 20, CLINT_MTIME, 8, 60);
    assert_int_equal(mip(r, 0, 30) & MTIP, MTIP);
    assert_int_equal(mip(r, 1, 30) & MTIP, 0);
    assert_int_equal(clint_next(&r->clint), 30 * TICK);
}

static void software_interrupts_are_a_bit_a_hart(void **state)
{
    struct rig *r = *state;

    store(r, 10, CLINT_MSIP + 4, 4, UINT32_MAX);
    assert_int_equal(load(r, 10, CLINT_MSIP + 4, 4), 1);
    assert_int_equal(load(r, 10, CLINT_MSIP, 4), 0);
    assert_int_equal(mip(r, 1, 20) & MSIP, MSIP);
    assert_int_equal(mip(r, 0, 20) & MSIP, 0);
    store(r, 30, CLINT_MSIP + 4, 4, 0);
    assert_int_equal(mip(r, 1, 40) & MSIP, 0);
}

static void other_places_and_sizes_are_faults(void **state)
{
    static const struct {
        uint64_t offset;
        unsigned size;
    } wrong[] = {{CLINT_MSIP + 4 * HARTS, 4}, {CLINT_MSIP, 8},  {CLINT_MTIMECMP + 8 * HARTS, 8},
                 {CLINT_MTIMECMP - 8, 8},     {CLINT_MTIME, 2}, {CLINT_MSIP, 1},
                 {CLINT_MTIME + 8, 8}};
    struct rig *r = *state;
    uint64_t value;

    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        assert_int_equal(clint_load(&r->clint, 5, wrong[i].offset, wrong[i].size, &value), -EFAULT);
        assert_int_equal(clint_store(&r->clint, r->hart[0], 5, wrong[i].offset, wrong[i].size, 1), -EFAULT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(mtime_counts_ticks, setup, teardown),
        cmocka_unit_test_setup_teardown(a_timer_rises_in_its_cycle, setup, teardown),
        cmocka_unit_test_setup_teardown(a_later_time_takes_the_line_down, setup, teardown),
        cmocka_unit_test_setup_teardown(setting_the_clock_compares_anew, setup, teardown),
        cmocka_unit_test_setup_teardown(software_interrupts_are_a_bit_a_hart, setup, teardown),
        cmocka_unit_test_setup_teardown(other_places_and_sizes_are_faults, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
