/* SPDX-License-Identifier: MIT */
/* Machines of small programs: how runs end, what guests see of devices. Whole guests are in tests/nanopu/command. */
#include "elf_make.h"

#include "nanopu/nic/hts.h"
#include "nanopu/sim/machine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define RV_COUNT 0x00130313, 0xffdff06f /* addi x6, x6, 1; j . - 4 */

struct rig {
    char path[32];
    struct topology t;
    struct machine *m;
    enum machine_end end;
    unsigned hashes;
    uint64_t last_hash;
};

static void on_hash(void *arg, uint64_t cycle, uint64_t hash)
{
    struct rig *r = arg;

    assert_true(cycle > 0);
    r->hashes++;
    r->last_hash = hash;
}

/* Runs a program on some hosts up to a limit of cycles. */
static void run(struct rig *r, const uint32_t *code, size_t count, unsigned hosts, unsigned threads, uint64_t limit)
{
    struct machine_config config = {
        .topology = &r->t, .threads = threads, .limit_cycles = limit, .hash_cycles = 1000, .hash = on_hash, .arg = r};
    struct error_text et = {""};
    struct made_elf m;
    struct params p;
    FILE *f;
    int fd;

    snprintf(r->path, sizeof(r->path), "machine-XXXXXX");
    fd = mkstemp(r->path);
    assert_true(fd >= 0);
    f = fdopen(fd, "wb");
    assert_non_null(f);
    elf_make(&m, code, count);
    assert_int_equal(fwrite(&m, sizeof(m), 1, f), 1);
    fclose(f);
    params_profile(&p, "osdi21");
    p.cores = 2;
    topology_init(&r->t);
    for (unsigned i = 0; i < hosts; i++) {
        char name[16];

        snprintf(name, sizeof(name), "h%u", i);
        topology_add(&r->t, TOPOLOGY_HOST, name, &p)->program = strdup(r->path);
    }
    assert_int_equal(topology_finish(&r->t, "test", &et), 0);
    assert_int_equal(machine_new(&r->m, &config, &et), 0);
    assert_int_equal(machine_run(r->m, &r->end, &et), 0);
    unlink(r->path);
}

static void end(struct rig *r)
{
    machine_free(r->m);
    topology_free(&r->t);
}

static void machine__ends_when_all_have_exited(void **state)
{
    static const uint32_t code[] = {RV_LA_TOHOST, RV_LI(6, 5 << 1 | 1), RV_SD(6, 5), RV_SPIN};
    struct rig r = {.hashes = 0};

    (void)state;
    run(&r, code, ARRAY_LEN(code), 3, 1, CYCLE_NEVER);
    assert_int_equal(r.end, MACHINE_EXITED);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(host_state(machine_host(r.m, i)), HOST_EXITED);
        assert_int_equal(host_exit_code(machine_host(r.m, i)), 5);
        assert_true(host_exit_cycle(machine_host(r.m, i)) < 1000);
    }
    assert_null(machine_host(r.m, 3));
    assert_non_null(machine_switch(r.m, 3));
    end(&r);
}

static void machine__a_failed_host_ends_the_run_with_its_place(void **state)
{
    static const uint32_t code[] = {RV_LA_TOHOST, RV_LI(6, 2), RV_SD(6, 5), RV_SPIN}; /* tohost = 2: no address */
    struct rig r = {.hashes = 0};

    (void)state;
    run(&r, code, ARRAY_LEN(code), 2, 1, CYCLE_NEVER);
    assert_int_equal(r.end, MACHINE_FAILED);
    assert_int_equal(host_state(machine_host(r.m, 0)), HOST_FAILED);
    assert_non_null(strstr(host_failure(machine_host(r.m, 0)), "0x2 in tohost"));
    end(&r);
}

static void machine__stops_at_the_limit(void **state)
{
    static const uint32_t code[] = {RV_COUNT};
    struct rig r = {.hashes = 0};

    (void)state;
    run(&r, code, ARRAY_LEN(code), 1, 1, 10007);
    assert_int_equal(r.end, MACHINE_LIMIT);
    assert_int_equal(machine_cycle(r.m), 10007);
    assert_int_equal(r.hashes, 10);
    assert_true(machine_instret(r.m) > 1000);
    end(&r);
}

static void machine__sees_that_nothing_will_happen(void **state)
{
    static const uint32_t code[] = {RV_WFI, 0xffdff06f};
    struct rig r = {.hashes = 0};

    (void)state;
    run(&r, code, ARRAY_LEN(code), 2, 1, CYCLE_NEVER);
    assert_int_equal(r.end, MACHINE_STUCK);
    assert_true(machine_windows(r.m) < 1000);
    end(&r);
}

static void machine__threads_do_not_matter(void **state)
{
    static const uint32_t code[] = {RV_COUNT};
    uint64_t hash = 0;

    (void)state;
    for (unsigned threads = 1; threads <= 4; threads++) {
        struct rig r = {.hashes = 0};

        run(&r, code, ARRAY_LEN(code), 5, threads, 20000);
        assert_true(threads == 1 || r.last_hash == hash);
        hash = r.last_hash;
        end(&r);
    }
}

static void machine_hash__tells_states_apart(void **state)
{
    static const uint32_t one[] = {RV_LI(9, 1), RV_COUNT}, two[] = {RV_LI(9, 2), RV_COUNT};
    static const uint32_t store[] = {RV_LI(9, 1), RV_LA_TOHOST, 0x0092b423, RV_COUNT}; /* sd x9, 8(x5) */
    struct rig a = {.hashes = 0}, b = {.hashes = 0}, c = {.hashes = 0};

    (void)state;
    run(&a, one, ARRAY_LEN(one), 1, 1, 1500);
    run(&b, two, ARRAY_LEN(two), 1, 1, 1500);
    run(&c, store, ARRAY_LEN(store), 1, 1, 1500);
    assert_int_equal(a.last_hash == 0, 0);
    assert_true(a.last_hash != b.last_hash);
    assert_true(a.last_hash != c.last_hash && b.last_hash != c.last_hash);
    end(&a);
    end(&b);
    end(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(machine__ends_when_all_have_exited),
        cmocka_unit_test(machine__a_failed_host_ends_the_run_with_its_place),
        cmocka_unit_test(machine__stops_at_the_limit),
        cmocka_unit_test(machine__sees_that_nothing_will_happen),
        cmocka_unit_test(machine__threads_do_not_matter),
        cmocka_unit_test(machine_hash__tells_states_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
