/* SPDX-License-Identifier: MIT */
/*
 * The n-th call to libc or the kernel that makes something fails, for every n; and then every call from the n-th on. An
 * instance is made, echoes and ends: each step works or returns an error, nothing crashes, and nothing is left behind.
 *
 * The calls are caught by the linker (--wrap) where the library makes them; those inside other shared objects are not.
 */
#include "stress/scenario.h"

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOST 2000 /* more calls than any run makes */

static struct {
    bool armed, lasting; /* lasting: every call from the n-th on fails */
    unsigned n, calls;
} fault;

static bool strikes(void)
{
    if (!fault.armed)
        return false;
    fault.calls++;
    return fault.lasting ? fault.calls >= fault.n : fault.calls == fault.n;
}

/* Result type, name, parameters, arguments, what a failure returns, its errno. See the list in meson.build. */
/* clang-format off */
#define CALLS(CALL)                                                                                               \
    CALL(void *, malloc, (size_t a), (a), NULL, ENOMEM)                                                           \
    CALL(void *, calloc, (size_t a, size_t b), (a, b), NULL, ENOMEM)                                              \
    CALL(void *, realloc, (void *a, size_t b), (a, b), NULL, ENOMEM)                                              \
    CALL(void *, aligned_alloc, (size_t a, size_t b), (a, b), NULL, ENOMEM)                                       \
    CALL(char *, strdup, (const char *a), (a), NULL, ENOMEM)                                                      \
    CALL(char *, realpath, (const char *a, char *b), (a, b), NULL, ENOMEM)                                        \
    CALL(void *, mmap64, (void *a, size_t b, int c, int d, int e, off_t f), (a, b, c, d, e, f), MAP_FAILED, ENOMEM) \
    CALL(int, ftruncate64, (int a, off_t b), (a, b), -1, ENOSPC)                                                  \
    CALL(int, posix_fallocate64, (int a, off_t b, off_t c), (a, b, c), ENOSPC, ENOSPC)                            \
    CALL(int, mkdir, (const char *a, mode_t b), (a, b), -1, ENOSPC)                                               \
    CALL(int, flock, (int a, int b), (a, b), -1, ENOLCK)                                                          \
    CALL(DIR *, fdopendir, (int a), (a), NULL, ENOMEM)                                                            \
    CALL(FILE *, fopen64, (const char *a, const char *b), (a, b), NULL, EMFILE)                                   \
    CALL(int, epoll_create1, (int a), (a), -1, EMFILE)                                                            \
    CALL(int, epoll_ctl, (int a, int b, int c, struct epoll_event *d), (a, b, c, d), -1, ENOMEM)                  \
    CALL(int, timerfd_create, (int a, int b), (a, b), -1, EMFILE)                                                 \
    CALL(int, eventfd, (unsigned a, int b), (a, b), -1, EMFILE)                                                   \
    CALL(int, memfd_create, (const char *a, unsigned b), (a, b), -1, EMFILE)                                      \
    CALL(int, socket, (int a, int b, int c), (a, b, c), -1, EMFILE)                                               \
    CALL(int, accept4, (int a, struct sockaddr *b, socklen_t *c, int d), (a, b, c, d), -1, ENFILE)                \
    CALL(void *, dlopen, (const char *a, int b), (a, b), NULL, ENOMEM)
/* clang-format on */

#define CALL(type, name, parameters, arguments, failure, error)                                                        \
    type __real_##name parameters;                                                                                     \
    type __wrap_##name parameters;                                                                                     \
    type __wrap_##name parameters                                                                                      \
    {                                                                                                                  \
        if (!strikes())                                                                                                \
            return __real_##name arguments;                                                                            \
        errno = error;                                                                                                 \
        return failure;                                                                                                \
    }
CALLS(CALL)
#undef CALL

/* These take a mode only when they make a file. */
int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, mode_t mode);
int __wrap_open64(const char *path, int flags, mode_t mode)
{
    if (!strikes())
        return __real_open64(path, flags, mode);
    errno = EMFILE;
    return -1;
}

int __real_openat64(int dirfd, const char *path, int flags, ...);
int __wrap_openat64(int dirfd, const char *path, int flags, mode_t mode);
int __wrap_openat64(int dirfd, const char *path, int flags, mode_t mode)
{
    if (!strikes())
        return __real_openat64(dirfd, path, flags, mode);
    errno = EMFILE;
    return -1;
}

static unsigned entries(const char *path)
{
    DIR *d = opendir(path);
    const struct dirent *e;
    unsigned n = 0;

    if (d == NULL)
        return 0;
    while ((e = readdir(d)) != NULL)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

/* A memory queue's ring grows while nobody pops. */
static int fill_a_queue(void)
{
    demi_sgarray_t sga;
    demi_qtoken_t qt;
    int qd, err = demi_queue(&qd);

    if (err != 0)
        return err;
    sga = demi_sgaalloc(10);
    for (unsigned i = 0; i < 100 && err == 0; i++)
        err = demi_push(&qt, qd, &sga);
    if (sga.sga_buf != NULL)
        demi_sgafree(&sga);
    return demi_close(qd) == 0 ? err : -1;
}

static bool is_error(int err)
{
    if (rig_libos("catmem") && (err == ECONNREFUSED || err == ETIMEDOUT)) /* the other end has no room */
        return true;
    return scenario_ran_out(err) || err == ENOLCK || (err == ENOENT && rig_engine("uring"));
}

/* -1 for an error that a fault cannot be the cause of. */
static int judge(int err)
{
    if (err == 0 || is_error(err))
        return err;
    print_error("\"%s\" (%d): %s\n", demi_strerror(err), err, demi_last_error());
    return -1;
}

/* One life of an instance. 0, or the error that it met; -1: something else went wrong. */
static int one_life(void)
{
    int err = demi_init(NULL), fd, later;

    if (err != 0)
        return judge(err);
    err = scenario_run(AF_INET);
    later = demi_eventfd(&fd);
    if (err == 0)
        err = later;
    later = fill_a_queue();
    if (err == 0)
        err = later == EINVAL ? ENOMEM : later; /* a null array is what allocation gives when it fails */
    return demi_fini() == 0 ? judge(err) : -1;
}

/* Lives with a fault at each n, until one has so few calls that none fails. Returns how many calls that had. */
static unsigned all_lives(bool lasting)
{
    unsigned n = 1, descriptors = entries("/proc/self/fd");

    for (; n < MOST; n++) {
        int err;

        fault.n = n;
        fault.calls = 0;
        fault.lasting = lasting;
        fault.armed = true;
        err = one_life();
        fault.armed = false;
        if (err == -1)
            fail_msg("call %u: %s", n, demi_last_error());
        if (rig_instance() != NULL || entries("/proc/self/fd") != descriptors || entries(getenv("RUN_DIR")) != 0)
            fail_msg("call %u leaves something behind", n);
        if (fault.calls < n) {
            assert_int_equal(err, 0);
            break;
        }
    }
    return n - 1;
}

static void fault__of_the_nth_call(void **state)
{
    (void)state;
    assert_in_range(all_lives(false), 15, MOST - 2);
}

static void fault__of_the_nth_call_and_all_behind_it(void **state)
{
    (void)state;
    assert_in_range(all_lives(true), 15, MOST - 2);
}

static bool in_child(bool (*work)(void))
{
    pid_t pid = fork();
    int status = 0;

    if (pid == 0)
        exit(work() ? 1 : 0);
    return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 1;
}

/* A process's first instance measures the clock and makes a key: in a child for each n, before any other. */
static void fault__in_the_first_instance(void **state)
{
    int status = 1;

    (void)state;
    for (fault.n = 1; fault.n < MOST && status != 0; fault.n++) {
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0) {
            int err;

            fault.armed = true;
            err = one_life();
            _exit(err == -1 ? 2 : fault.calls >= fault.n);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (!WIFEXITED(status) || WEXITSTATUS(status) > 1)
            fail_msg("call %u: status %d", fault.n, status);
    }
    assert_in_range(fault.n, 15, MOST - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fault__in_the_first_instance),
        cmocka_unit_test(fault__of_the_nth_call),
        cmocka_unit_test(fault__of_the_nth_call_and_all_behind_it),
    };

    setenv("TRACE_RECORDS", "1024", 1);
    setenv("MEMORY_LIMIT", "64m", 1);
    setenv("MAX_OPERATIONS", "1024", 1);
    setenv("MAX_QUEUES", "64", 1);
    rig_make_run_dir();
    if (!in_child(rig_available)) /* this process is to have had no instance yet */
        return 0;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
