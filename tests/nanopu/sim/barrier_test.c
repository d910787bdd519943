/* SPDX-License-Identifier: MIT */
/* Where threads meet: nobody goes on before the last has come, and what one does alone is seen by all. */
#include "nanopu/sim/barrier.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

#define THREADS 4
#define ROUNDS  200

struct meeting {
    struct barrier barrier;
    atomic_uint came[ROUNDS];
    unsigned round, alone; /* written by one thread alone */
    atomic_uint faults;
    bool dawdle;
};

struct thread {
    struct meeting *meeting;
    unsigned index;
};

static void alone(void *arg)
{
    struct meeting *m = arg;

    if (atomic_load(&m->came[m->round]) != m->barrier.threads)
        atomic_fetch_add(&m->faults, 1);
    m->round++;
    m->alone++;
}

static void nothing(void *arg)
{
    (void)arg;
}

static void *meet(void *arg)
{
    const struct thread *t = arg;
    struct meeting *m = t->meeting;

    for (unsigned i = 0; i < ROUNDS; i++) {
        if (m->dawdle && t->index == i % THREADS && i < THREADS)
            usleep(20000); /* the others stop spinning and sleep */
        atomic_fetch_add(&m->came[i], 1);
        barrier_wait(&m->barrier, alone, m);
        if (m->round != i + 1)
            atomic_fetch_add(&m->faults, 1);
        barrier_wait(&m->barrier, nothing, NULL); /* nobody begins the next round before all have looked */
    }
    return NULL;
}

static void run(struct meeting *m, unsigned threads)
{
    pthread_t ids[THREADS];
    struct thread t[THREADS];

    barrier_init(&m->barrier, threads);
    for (unsigned i = 0; i < threads; i++) {
        t[i] = (struct thread){m, i};
        assert_int_equal(pthread_create(&ids[i], NULL, meet, &t[i]), 0);
    }
    for (unsigned i = 0; i < threads; i++)
        pthread_join(ids[i], NULL);
    assert_int_equal(m->alone, ROUNDS);
    assert_int_equal(atomic_load(&m->faults), 0);
    assert_int_equal(atomic_load(&m->barrier.sleepers), 0);
}

static void one_thread_waits_for_nobody(void **state)
{
    static struct meeting m;

    (void)state;
    run(&m, 1);
}

static void all_threads_meet(void **state)
{
    static struct meeting m;

    (void)state;
    run(&m, THREADS);
}

static void those_that_sleep_are_woken(void **state)
{
    static struct meeting m = {.dawdle = true};

    (void)state;
    run(&m, THREADS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_thread_waits_for_nobody),
        cmocka_unit_test(all_threads_meet),
        cmocka_unit_test(those_that_sleep_are_woken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
