/* SPDX-License-Identifier: MIT */
/* Threads that end, processes that fork and exit: whose instance, memory and files are whose. */
#include "api/rig.h"
#include "open_files.h"

#include <dirent.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

static unsigned files_in_run_dir(void)
{
    DIR *d = opendir(getenv("RUN_DIR"));
    const struct dirent *e;
    unsigned n = 0;

    assert_non_null(d);
    while ((e = readdir(d)) != NULL)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

/* An echo inside the thread; no assertions, for threads and children that must not jump out. */
static bool echo_works(void)
{
    int qd;
    demi_qtoken_t push, pop;
    demi_sgarray_t sga = demi_sgaalloc(3);
    demi_qresult_t qr;
    bool ok;

    if (sga.sga_buf == NULL || demi_queue(&qd) != 0)
        return false;
    memcpy(rig_bytes(&sga), "abc", 3);
    ok = demi_push(&push, qd, &sga) == 0 && demi_pop(&pop, qd) == 0 && demi_wait(&qr, push, NULL) == 0 &&
         demi_wait(&qr, pop, NULL) == 0 && memcmp(rig_bytes(&qr.qr_value.sga), "abc", 3) == 0;
    return demi_sgafree(&qr.qr_value.sga) == 0 && demi_sgafree(&sga) == 0 && demi_close(qd) == 0 && ok;
}

/* Runs work in a child that ends with _exit (or exit, which runs destructors); its status is 0 when work says so. */
static void in_child(bool (*work)(void), bool destructors)
{
    pid_t pid = fork();
    int status;

    assert_true(pid >= 0);
    if (pid == 0) {
        bool ok = work();

        if (destructors)
            exit(ok ? 0 : 1);
        _exit(ok ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static bool knows_no_instance(void)
{
    demi_sgarray_t sga = demi_sgaalloc(1);
    int qd;

    return demi_queue(&qd) == ENOSYS && sga.sga_buf == NULL && demi_fini() == ENOSYS;
}

static void fork__child_has_no_instance(void **state)
{
    (void)state;
    in_child(knows_no_instance, false);
    assert_true(echo_works());
}

static bool has_its_own(void)
{
    return demi_init(NULL) == 0 && echo_works() && demi_fini() == 0 && knows_no_instance();
}

static void fork__child_may_have_its_own(void **state)
{
    (void)state;
    assert_int_equal(files_in_run_dir(), 2);
    in_child(has_its_own, false);
    assert_int_equal(files_in_run_dir(), 2);
    assert_true(echo_works());
}

static bool leaves_it_open(void)
{
    return demi_init(NULL) == 0 && echo_works();
}

static void exit__ends_the_instance(void **state)
{
    (void)state;
    in_child(leaves_it_open, true);
    assert_int_equal(files_in_run_dir(), 2); /* the parent's; the child's are gone */
}

static bool nothing(void)
{
    return true;
}

static void fork__exit_of_the_child_leaves_the_parents_files(void **state)
{
    (void)state;
    in_child(nothing, true);
    in_child(nothing, false);
    assert_int_equal(files_in_run_dir(), 2);
    assert_true(echo_works());
}

/* The child holds copies of the descriptors; what it does must not disturb the parent's connections. */
static void fork__parents_connections_go_on(void **state)
{
    struct rig_pair p = rig_pair(AF_INET);
    demi_qtoken_t pop = rig_pop(p.server);
    demi_qresult_t qr;

    (void)state;
    assert_true(rig_pending(pop));
    in_child(has_its_own, true);
    assert_true(rig_pending(pop));
    rig_send(p.client, "through");
    qr = rig_done(pop, DEMI_OPC_POP);
    assert_memory_equal(rig_bytes(&qr.qr_value.sga), "through", 7);
    rig_free(&qr.qr_value.sga);
    rig_send(p.server, "and back");
    rig_expect(p.client, "and back");
    rig_pair_close(p);
}

static void *thread_that_leaves_all_open(void *arg)
{
    bool *ok = arg;
    union rig_addr a = rig_loopback(AF_INET, 0);
    demi_qtoken_t qt;
    int qd;

    *ok = demi_init(NULL) == 0 && echo_works() && demi_socket(&qd, AF_INET, SOCK_STREAM, 0) == 0 &&
          demi_bind(qd, &a.any, rig_len(&a)) == 0 && demi_listen(qd, 10) == 0 && demi_accept(&qt, qd) == 0 &&
          demi_malloc(100) != NULL && demi_eventfd(&qd) == 0;
    return NULL;
}

static void thread__end_ends_its_instance(void **state)
{
    unsigned before = open_files();

    (void)state;
    for (unsigned i = 0; i < 20; i++) {
        bool ok = false;
        pthread_t thread;

        assert_int_equal(pthread_create(&thread, NULL, thread_that_leaves_all_open, &ok), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_true(ok);
    }
    assert_int_equal(open_files(), before);
    assert_int_equal(files_in_run_dir(), 2);
    assert_true(echo_works());
}

/* What belongs to another thread's instance, and whether this thread's calls refuse it. */
struct others {
    int qd;
    demi_sgarray_t sga;
    demi_qtoken_t qt;
    void *heap;
    bool refused;
};

static void *thread_that_borrows(void *arg)
{
    struct others *o = arg;
    demi_qtoken_t qt;
    demi_qresult_t qr;
    int qd;

    o->refused = demi_init(NULL) == 0 && demi_close(o->qd) == EBADF && demi_queue(&qd) == 0 &&
                 demi_push(&qt, qd, &o->sga) == EINVAL && demi_sgafree(&o->sga) == EINVAL &&
                 demi_free(o->heap) == EINVAL && demi_poll(&qr, o->qt) == EINVAL && demi_cancel(o->qt) == EINVAL &&
                 demi_fini() == 0;
    return NULL;
}

static void thread__refuses_what_is_another_instances(void **state)
{
    struct others o = {.sga = rig_sga("theirs"), .heap = demi_malloc(64)};
    pthread_t thread;

    (void)state;
    for (unsigned i = 0; i < 3; i++) /* descriptors count from the same number in both */
        assert_int_equal(demi_queue(&o.qd), 0);
    o.qt = rig_pop(o.qd);
    assert_int_equal(pthread_create(&thread, NULL, thread_that_borrows, &o), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(o.refused);
    assert_true(rig_pending(o.qt));
    rig_free(&o.sga);
    assert_int_equal(demi_free(o.heap), 0);
    for (int qd = o.qd - 2; qd <= o.qd; qd++)
        assert_int_equal(demi_close(qd), 0);
    rig_failed(o.qt, ECANCELED);
}

static void *thread_that_fails(void *arg)
{
    int *err = arg;

    *err = strcmp(demi_last_error(), "") == 0 ? demi_close(1) : -1;
    return NULL;
}

static void last_error__is_the_threads_own(void **state)
{
    pthread_t thread;
    int err = -1;

    (void)state;
    assert_int_equal(demi_close(7), EBADF);
    assert_int_equal(pthread_create(&thread, NULL, thread_that_fails, &err), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(err, ENOSYS);
    assert_non_null(strstr(demi_last_error(), "queue 7"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(fork__child_has_no_instance),
        TEST(fork__child_may_have_its_own),
        TEST(exit__ends_the_instance),
        TEST(fork__exit_of_the_child_leaves_the_parents_files),
        TEST(fork__parents_connections_go_on),
        TEST(thread__end_ends_its_instance),
        TEST(thread__refuses_what_is_another_instances),
        TEST(last_error__is_the_threads_own),
    };

    return RIG_RUN(tests);
}
