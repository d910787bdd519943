/* SPDX-License-Identifier: MIT */
/* Every call in a thread that has no instance: ENOSYS, whatever the arguments are. */
#include "api/rig.h"

#include <fcntl.h>
#include <pthread.h>

static struct sockaddr_in addr;
static socklen_t addrlen = sizeof(addr);
static demi_sgarray_t sga;
static demi_qresult_t qr;
static demi_qtoken_t qt = 1;
static struct iovec iov = {&addr, sizeof(addr)};
static int n = 1, value;
static socklen_t value_len = sizeof(value);

#define A ((struct sockaddr *)&addr)

/* One case a call: with arguments that could be right, and with nothing but NULL and -1. */
/* clang-format off */
#define CALLS(CALL)                                                                                            \
    CALL(demi_socket, (&n, AF_INET, SOCK_STREAM, 0), (NULL, -1, -1, -1))                                       \
    CALL(demi_bind, (500, A, addrlen), (-1, NULL, 0))                                                          \
    CALL(demi_listen, (500, 1), (-1, -1))                                                                      \
    CALL(demi_accept, (&qt, 500), (NULL, -1))                                                                  \
    CALL(demi_connect, (&qt, 500, A, addrlen), (NULL, -1, NULL, 0))                                            \
    CALL(demi_close, (500), (-1))                                                                              \
    CALL(demi_push, (&qt, 500, &sga), (NULL, -1, NULL))                                                        \
    CALL(demi_pushto, (&qt, 500, &sga, A, addrlen), (NULL, -1, NULL, NULL, 0))                                 \
    CALL(demi_pop, (&qt, 500), (NULL, -1))                                                                     \
    CALL(demi_wait, (&qr, qt, NULL), (NULL, 0, NULL))                                                          \
    CALL(demi_wait_any, (&qr, &n, &qt, 1, NULL), (NULL, NULL, NULL, 0, NULL))                                  \
    CALL(demi_wait_next_n, (&qr, 1, &n, NULL), (NULL, 0, NULL, NULL))                                          \
    CALL(demi_sgafree, (&sga), (NULL))                                                                         \
    CALL(demi_setsockopt, (500, SOL_SOCKET, SO_LINGER, &value, value_len), (-1, -1, -1, NULL, 0))              \
    CALL(demi_getsockopt, (500, SOL_SOCKET, SO_RCVBUF, &value, &value_len), (-1, -1, -1, NULL, NULL))          \
    CALL(demi_getpeername, (500, A, &addrlen), (-1, NULL, NULL))                                               \
    CALL(demi_getsockname, (500, A, &addrlen), (-1, NULL, NULL))                                               \
    CALL(demi_queue, (&n), (NULL))                                                                             \
    CALL(demi_wait_all, (&qr, &qt, 1, NULL), (NULL, NULL, 0, NULL))                                            \
    CALL(demi_poll, (&qr, qt), (NULL, 0))                                                                      \
    CALL(demi_cancel, (qt), (0))                                                                               \
    CALL(demi_pop_n, (&qt, 500, 10), (NULL, -1, 0))                                                            \
    CALL(demi_pushv, (&qt, 500, &iov, 1), (NULL, -1, NULL, 0))                                                 \
    CALL(demi_pushtov, (NULL, 500, &iov, 1, A, addrlen), (NULL, -1, NULL, 0, NULL, 0))                         \
    CALL(demi_shutdown, (500, SHUT_WR), (-1, -1))                                                              \
    CALL(demi_free, (&value), (NULL))                                                                          \
    CALL(demi_eventfd, (&n), (NULL))                                                                           \
    CALL(demi_sga_source, (&sga, A, &addrlen), (NULL, NULL, NULL))                                             \
    CALL(demi_open, (&n, "/tmp/log", O_RDWR), (NULL, NULL, 0))                                                 \
    CALL(demi_creat, (&n, "/tmp/log", 0600), (NULL, NULL, 0))                                                  \
    CALL(demi_seek, (500, 0, SEEK_SET), (-1, 0, -1))                                                           \
    CALL(demi_truncate, (500, 0), (-1, -1))                                                                    \
    CALL(demi_fini, (), ())
/* clang-format on */

/* Names the first call that does not answer ENOSYS with the reason in words; NULL: all do. */
static const char *first_that_answers_otherwise(void)
{
#define CALL(name, good, bad)                                                                                          \
    if (name good != ENOSYS || name bad != ENOSYS || strstr(demi_last_error(), "demi_init") == NULL)                   \
        return #name;
    CALLS(CALL)
#undef CALL
    if (demi_sgaalloc(64).sga_buf != NULL || demi_sgaalloc(64).sga_numsegs != 0)
        return "demi_sgaalloc";
    return demi_malloc(64) != NULL ? "demi_malloc" : NULL;
}

static void check_all(void)
{
    const char *name = first_that_answers_otherwise();

    if (name != NULL)
        fail_msg("%s does not answer ENOSYS", name);
}

static void every_call__before_init(void **state)
{
    (void)state;
    check_all();
}

static void every_call__after_fini(void **state)
{
    (void)state;
    assert_int_equal(demi_init(NULL), 0);
    assert_int_equal(demi_fini(), 0);
    check_all();
}

static void every_call__after_a_failed_init(void **state)
{
    (void)state;
    setenv("LIBOS", "nonsense", 1);
    assert_int_equal(demi_init(NULL), EINVAL);
    unsetenv("LIBOS");
    check_all();
}

static void *in_thread(void *arg)
{
    const char **answer = arg;

    *answer = first_that_answers_otherwise();
    return NULL;
}

static void every_call__in_a_thread_without_an_instance(void **state)
{
    const char *answer = "nothing ran";
    pthread_t thread;

    (void)state;
    assert_int_equal(demi_init(NULL), 0);
    assert_int_equal(pthread_create(&thread, NULL, in_thread, &answer), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(demi_fini(), 0);
    if (answer != NULL)
        fail_msg("%s does not answer ENOSYS", answer);
}

static void last_error__is_empty_before_the_first(void **state)
{
    (void)state;
    assert_string_equal(demi_last_error(), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(last_error__is_empty_before_the_first),
        cmocka_unit_test(every_call__before_init),
        cmocka_unit_test(every_call__after_fini),
        cmocka_unit_test(every_call__after_a_failed_init),
        cmocka_unit_test(every_call__in_a_thread_without_an_instance),
    };

    unsetenv("LIBOS");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
