/* SPDX-License-Identifier: MIT */
#include "nanopu/sim/htif.h"

#include "nanopu/hart/hart.h"
#include "nanopu/nic/hts.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TOHOST   (MEMORY_BASE + 0x1000)
#define FROMHOST (MEMORY_BASE + 0x1040)
#define REQUEST  (MEMORY_BASE + 0x2000)
#define BUFFER   (MEMORY_BASE + 0x3000)
#define NOWHERE  UINT64_C(0x1000)
#define CYCLE    UINT64_C(10000)
#define ANSWER   UINT64_C(2000)

struct rig {
    struct params params;
    struct memory memory;
    struct hart *hart;
    struct elf_image image;
    struct htif htif;
    char out[256];
    size_t out_len;
};

static void output(void *arg, const char *s, size_t n)
{
    struct rig *r = arg;

    assert_true(r->out_len + n < sizeof(r->out));
    memcpy(r->out + r->out_len, s, n);
    r->out_len += n;
}

static uint64_t word(struct rig *r, uint64_t addr)
{
    uint64_t v;

    memcpy(&v, memory_dram(&r->memory, addr, 8), 8);
    return v;
}

static void put(struct rig *r, uint64_t addr, uint64_t value)
{
    memcpy(memory_dram(&r->memory, addr, 8), &value, 8);
}

static int setup(void **state)
{
    static char *argv[] = {(char *)"prog", (char *)"00:26", (char *)"x"};
    struct rig *r = calloc(1, sizeof(*r));
    struct hart_config hart = {.params = &r->params, .memory = &r->memory};
    struct htif_config config = {.memory = &r->memory,
                                 .image = &r->image,
                                 .answer_cycles = ANSWER,
                                 .argc = 3,
                                 .argv = argv,
                                 .input = (const uint8_t *)"typed",
                                 .input_len = 5,
                                 .output = output,
                                 .arg = r};

    params_profile(&r->params, "osdi21");
    r->params.timing = 0;
    assert_int_equal(memory_init(&r->memory, 1 << 20), 0);
    r->hart = hart_new(&hart);
    assert_non_null(r->hart);
    r->image = (struct elf_image){.tohost = TOHOST, .fromhost = FROMHOST, .end = MEMORY_BASE + 0x8001};
    htif_init(&r->htif, &config);
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    struct rig *r = *state;

    hart_free(r->hart);
    memory_fini(&r->memory);
    free(r);
    return 0;
}

static void store_tohost(struct rig *r, uint64_t value)
{
    put(r, TOHOST, value);
    r->memory.tohost_store(r->memory.tohost_arg, r->hart, CYCLE);
}

/* A system call; checks when and how it is answered. */
static int64_t call(struct rig *r, uint64_t number, uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t words[8] = {number, a, b, c};

    memcpy(memory_dram(&r->memory, REQUEST, sizeof(words)), words, sizeof(words));
    put(r, FROMHOST, 0);
    store_tohost(r, REQUEST);
    assert_int_equal(r->htif.answer_cycle, CYCLE + ANSWER);
    htif_advance(&r->htif, CYCLE + ANSWER - 1);
    assert_int_equal(word(r, FROMHOST), 0);
    htif_advance(&r->htif, CYCLE + ANSWER);
    assert_int_equal(word(r, TOHOST), 0);
    assert_int_equal(word(r, FROMHOST), 1);
    assert_int_equal(r->htif.answer_cycle, CYCLE_NEVER);
    return (int64_t)word(r, REQUEST);
}

static void htif__odd_value_ends_the_program_at_once(void **state)
{
    struct rig *r = *state;

    store_tohost(r, 0);
    assert_false(r->htif.exited);
    store_tohost(r, 42 << 1 | 1);
    assert_true(r->htif.exited);
    assert_int_equal(r->htif.exit_code, 42);
    assert_int_equal(r->htif.exit_cycle, CYCLE);
}

static void htif__write(void **state)
{
    struct rig *r = *state;

    memcpy(memory_dram(&r->memory, BUFFER, 5), "hello", 5);
    assert_int_equal(call(r, 64, 1, BUFFER, 5), 5);
    assert_int_equal(call(r, 64, 2, BUFFER + 4, 1), 1);
    assert_memory_equal(r->out, "helloo", 6);
    assert_int_equal(call(r, 64, 3, BUFFER, 5), -EBADF);
    assert_int_equal(call(r, 64, 1, NOWHERE, 5), -EFAULT);
    assert_int_equal(call(r, 64, 1, MEMORY_BASE + (1 << 20) - 2, 5), -EFAULT);
    assert_int_equal(r->out_len, 6);
}

static void htif__read_to_the_inputs_end(void **state)
{
    struct rig *r = *state;

    assert_int_equal(call(r, 63, 0, BUFFER, 3), 3);
    assert_int_equal(call(r, 63, 0, BUFFER + 3, 10), 2);
    assert_memory_equal(memory_dram(&r->memory, BUFFER, 5), "typed", 5);
    assert_int_equal(call(r, 63, 0, BUFFER, 10), 0);
    assert_int_equal(call(r, 63, 1, BUFFER, 10), -EBADF);
    assert_int_equal(call(r, 63, 0, NOWHERE, 10), -EFAULT);
}

static void htif__getmainvars_layout(void **state)
{
    struct rig *r = *state;

    assert_int_equal(call(r, 2011, BUFFER, 1024, 0), 0);
    assert_int_equal(word(r, BUFFER), 3);
    assert_string_equal((char *)memory_dram(&r->memory, word(r, BUFFER + 8), 5), "prog");
    assert_string_equal((char *)memory_dram(&r->memory, word(r, BUFFER + 16), 6), "00:26");
    assert_string_equal((char *)memory_dram(&r->memory, word(r, BUFFER + 24), 2), "x");
    assert_int_equal(word(r, BUFFER + 32), 0);
    assert_int_equal(word(r, BUFFER + 40), 0);
    assert_int_equal(word(r, BUFFER + 8), BUFFER + 48);
    assert_int_equal(call(r, 2011, BUFFER, 48 + 12, 0), -ENOMEM);
    assert_int_equal(call(r, 2011, BUFFER, 48 + 13, 0), 0);
    assert_int_equal(call(r, 2011, NOWHERE, 1024, 0), -EFAULT);
}

static void htif__brk_moves_within_memory(void **state)
{
    struct rig *r = *state;

    assert_int_equal(call(r, 214, 0, 0, 0), MEMORY_BASE + 0x8010);
    assert_int_equal(call(r, 214, MEMORY_BASE + 0x9000, 0, 0), MEMORY_BASE + 0x9000);
    assert_int_equal(call(r, 214, MEMORY_BASE + (1 << 20) + 1, 0, 0), MEMORY_BASE + 0x9000);
    assert_int_equal(call(r, 214, MEMORY_BASE + 8, 0, 0), MEMORY_BASE + 0x9000);
}

static void htif__time_is_the_simulations(void **state)
{
    struct rig *r = *state;

    r->htif.config.answer_cycles = ANSWER;
    assert_int_equal(call(r, 113, 0, BUFFER, 0), 0);
    assert_int_equal(word(r, BUFFER), 0);
    assert_int_equal(word(r, BUFFER + 8), (CYCLE + ANSWER) * 1000 / CLOCK_MHZ);
    assert_int_equal(call(r, 169, BUFFER, 0, 0), 0);
    assert_int_equal(word(r, BUFFER + 8), (CYCLE + ANSWER) / CLOCK_MHZ);
    assert_int_equal(call(r, 169, NOWHERE, 0, 0), -EFAULT);
}

static void htif__descriptors_look_like_a_terminal(void **state)
{
    struct rig *r = *state;

    assert_int_equal(call(r, 80, 1, BUFFER, 0), 0);
    assert_int_equal(word(r, BUFFER + 16) & 0170000, 0020000);
    assert_int_equal(call(r, 80, 5, BUFFER, 0), -EBADF);
    assert_int_equal(call(r, 80, 1, NOWHERE, 0), -EFAULT);
    assert_int_equal(call(r, 62, 1, 0, 0), -ESPIPE);
    assert_int_equal(call(r, 57, 1, 0, 0), 0);
    assert_int_equal(call(r, 57, 9, 0, 0), -EBADF);
    assert_int_equal(call(r, 56, 0, BUFFER, 0), -ENOENT);
}

static void htif__exit_call(void **state)
{
    struct rig *r = *state;

    call(r, 93, 7, 0, 0);
    assert_true(r->htif.exited);
    assert_int_equal(r->htif.exit_code, 7);
    assert_int_equal(r->htif.exit_cycle, CYCLE + ANSWER);
}

static void htif__unknown_calls_are_refused_and_counted(void **state)
{
    struct rig *r = *state;

    assert_int_equal(call(r, 999, 0, 0, 0), -ENOSYS);
    assert_int_equal(r->htif.unknown_calls, 1);
    assert_int_equal(r->htif.calls, 1);
}

static void htif__console_device(void **state)
{
    struct rig *r = *state;

    store_tohost(r, UINT64_C(0x0101000000000000) | 'z');
    htif_advance(&r->htif, CYCLE + ANSWER);
    assert_int_equal(word(r, TOHOST), 0);
    assert_int_equal(word(r, FROMHOST), 0);
    assert_memory_equal(r->out, "z", 1);
}

static void htif__a_pointer_to_nowhere_is_a_failure(void **state)
{
    struct rig *r = *state;

    store_tohost(r, NOWHERE);
    htif_advance(&r->htif, CYCLE + ANSWER);
    assert_non_null(strstr(r->htif.failure, "0x1000 in tohost"));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(htif__odd_value_ends_the_program_at_once),
        T(htif__write),
        T(htif__read_to_the_inputs_end),
        T(htif__getmainvars_layout),
        T(htif__brk_moves_within_memory),
        T(htif__time_is_the_simulations),
        T(htif__descriptors_look_like_a_terminal),
        T(htif__exit_call),
        T(htif__unknown_calls_are_refused_and_counted),
        T(htif__console_device),
        T(htif__a_pointer_to_nowhere_is_a_failure),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
