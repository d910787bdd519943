/* SPDX-License-Identifier: MIT */
/*
 * Pools that run out: the same scenario with 0, 1, 2, ... free slots, objects or descriptors, until it works. Each time
 * it either works or says that something ran out, and leaves nothing behind.
 */
#include "stress/scenario.h"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#define ENOUGH 200 /* the scenario works with so much free */
#define SPARES 12

static void *hoard[1 << 19];
static unsigned hoarded;

/* Runs the scenario; returns whether it worked. */
static bool works(unsigned left)
{
    struct rig_pools before;
    int err;

    rig_measure(&before);
    err = scenario_run(AF_INET);
    if (err != 0 && !scenario_ran_out(err))
        fail_msg("with %u left: %d: %s", left, err, demi_last_error());
    assert_true(rig_settle(&before));
    return err == 0;
}

static enum co_status never(struct instance *inst, struct op *op)
{
    (void)inst;
    (void)op;
    return CO_WAIT;
}

static void exhaust__operations(void **state)
{
    static struct op *task[1 << 17];
    unsigned taken = 0, left = 0;

    (void)state;
    while ((task[taken] = task_new(rig_instance(), never, SCHED_BACKGROUND)) != NULL)
        taken++;
    assert_true(taken > 32);
    for (; left < ENOUGH && !works(left); left++)
        task_free(rig_instance(), task[--taken]);
    assert_in_range(left, 2, 40);
    while (taken > 0)
        task_free(rig_instance(), task[--taken]);
}

static void exhaust__queues(void **state)
{
    int qd[16];
    unsigned taken = 0, left = 0;

    (void)state;
    while (taken < 16 && demi_queue(&qd[taken]) == 0)
        taken++;
    assert_int_equal(taken, 16);
    for (; left < ENOUGH && !works(left); left++)
        assert_int_equal(demi_close(qd[--taken]), 0);
    assert_int_equal(left, 4); /* listener, client, server, memory queue */
    while (taken > 0)
        assert_int_equal(demi_close(qd[--taken]), 0);
}

/* Takes all memory there is in objects of size. */
static void take_all(size_t size)
{
    while (hoarded < ARRAY_LEN(hoard) && (hoard[hoarded] = demi_malloc(size)) != NULL)
        hoarded++;
    assert_true(hoarded < ARRAY_LEN(hoard));
}

/* Gives it back, step objects at a time. */
static void exhaust_memory(size_t size, unsigned step)
{
    unsigned left = 0;

    hoarded = 0;
    take_all(size);
    for (; hoarded > 0 && !works(left); left += step)
        for (unsigned i = 0; i < step && hoarded > 0; i++)
            assert_int_equal(demi_free(hoard[--hoarded]), 0);
    assert_true(hoarded > 0); /* it works with less than all memory */
    while (hoarded > 0)
        assert_int_equal(demi_free(hoard[--hoarded]), 0);
    assert_true(works(left));
}

static void exhaust__memory_in_large_objects(void **state)
{
    (void)state;
    exhaust_memory(200000, 1);
}

static void exhaust__memory_in_middling_objects(void **state)
{
    (void)state;
    exhaust_memory(4096, 200);
}

/* One free object of every class at first, then two, and so on. */
static void exhaust__memory_by_class(void **state)
{
    static const size_t sizes[] = {64, 128, 512, 2048, 16384, 131072};
    void *spare[ARRAY_LEN(sizes)][SPARES];
    unsigned left = 0;

    (void)state;
    hoarded = 0;
    for (size_t c = 0; c < ARRAY_LEN(sizes); c++)
        for (unsigned i = 0; i < SPARES; i++)
            assert_non_null(spare[c][i] = demi_malloc(sizes[c]));
    for (size_t size = 200000; size >= 64; size /= 4)
        take_all(size);
    for (; left < SPARES && !works(left); left++)
        for (size_t c = 0; c < ARRAY_LEN(sizes); c++)
            assert_int_equal(demi_free(spare[c][left]), 0);
    assert_in_range(left, 1, SPARES);
    for (; left < SPARES; left++)
        for (size_t c = 0; c < ARRAY_LEN(sizes); c++)
            assert_int_equal(demi_free(spare[c][left]), 0);
    while (hoarded > 0)
        assert_int_equal(demi_free(hoard[--hoarded]), 0);
}

/* The lowest number such that no descriptor below it is free: holes are filled. */
static unsigned fill_holes(void)
{
    DIR *d = opendir("/proc/self/fd");
    const struct dirent *e;
    int highest = 0, fd;

    assert_non_null(d);
    while ((e = readdir(d)) != NULL)
        if (atoi(e->d_name) > highest && atoi(e->d_name) != dirfd(d))
            highest = atoi(e->d_name);
    closedir(d);
    while ((fd = dup(0)) < highest)
        assert_true(fd >= 0);
    close(fd);
    return (unsigned)fd;
}

static void set_limit(rlim_t descriptors)
{
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = descriptors < limit.rlim_max ? descriptors : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void exhaust__descriptors(void **state)
{
    unsigned used = fill_holes(), left = 0;

    (void)state;
    rig_need_kernel("a peer without descriptors refuses");
    for (;; left++) {
        set_limit(used + left);
        if (works(left) || left == ENOUGH)
            break;
    }
    set_limit(1024);
    assert_in_range(left, 3, 20);
}

static void exhaust__descriptors_in_init(void **state)
{
    unsigned used, left = 0;

    (void)state;
    rig_need_kernel("a peer without descriptors refuses");
    assert_int_equal(demi_fini(), 0);
    used = fill_holes();
    for (; left < ENOUGH; left++) {
        int err;

        set_limit(used + left);
        err = demi_init(NULL);
        if (err == 0 && works(left))
            break;
        if (err == 0)
            assert_int_equal(demi_fini(), 0);
        else if (err != ENOENT || !rig_engine("uring")) /* a module that cannot be opened is not there */
            assert_true(scenario_ran_out(err));
        set_limit(1024);
        assert_int_equal(fill_holes(), used);
    }
    set_limit(1024);
    assert_in_range(left, 4, 40);
}

/* A listener that met the limit accepts again when there is room. */
static void accept__recovers_from_too_many_descriptors(void **state)
{
    union rig_addr a;
    int listener = rig_listening(AF_INET, &a), fd = rig_plain_connect(&a), qd;
    demi_qtoken_t accept;
    demi_qresult_t qr;

    (void)state;
    set_limit(fill_holes());
    assert_int_equal(demi_socket(&qd, AF_INET, SOCK_STREAM, 0), EMFILE);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(demi_accept(&accept, listener), 0);
        rig_failed(accept, EMFILE);
    }
    set_limit(1024);
    assert_int_equal(demi_accept(&accept, listener), 0);
    qr = rig_done(accept, DEMI_OPC_ACCEPT);
    rig_send(qr.qr_value.ares.qd, "x");
    assert_int_equal(demi_close(qr.qr_value.ares.qd), 0);
    assert_int_equal(demi_close(listener), 0);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(exhaust__operations),
        TEST(exhaust__queues),
        TEST(exhaust__memory_in_large_objects),
        TEST(exhaust__memory_in_middling_objects),
        TEST(exhaust__memory_by_class),
        TEST(exhaust__descriptors),
        TEST(exhaust__descriptors_in_init),
        TEST(accept__recovers_from_too_many_descriptors),
    };

    setenv("MEMORY_LIMIT", "16m", 1);
    setenv("MAX_OPERATIONS", "256", 1);
    setenv("MAX_QUEUES", "16", 1);
    return RIG_RUN(tests);
}
