/* SPDX-License-Identifier: MIT */
/* Waiting and time: what a timeout means in each wait call, and what a sleeping wait costs. */
#include "api/rig.h"

#include <limits.h>
#include <pthread.h>
#include <unistd.h>

#define LATE_NS (2 * NS_PER_S) /* how much too late a busy machine may be */

static const struct timespec zero = {0, 0};

/* Each wait call in turn for one pending operation. */
enum call { WAIT, WAIT_ANY, WAIT_NEXT_N, WAIT_ALL, CALLS };

static int call_wait(enum call call, demi_qtoken_t qt, demi_qresult_t *qr, const struct timespec *timeout)
{
    int n = -1, err;

    switch (call) {
    case WAIT:
        return demi_wait(qr, qt, timeout);
    case WAIT_ANY:
        return demi_wait_any(qr, &n, &qt, 1, timeout);
    case WAIT_NEXT_N:
        err = demi_wait_next_n(qr, 1, &n, timeout);
        if (err != EINVAL)
            assert_int_equal(n, err == 0);
        return err;
    default:
        return demi_wait_all(qr, &qt, 1, timeout);
    }
}

static int pending_queue(demi_qtoken_t *pop)
{
    int qd;

    assert_int_equal(demi_queue(&qd), 0);
    *pop = rig_pop(qd);
    return qd;
}

static void close_pending(int qd, demi_qtoken_t pop)
{
    assert_int_equal(demi_close(qd), 0);
    rig_failed(pop, ECANCELED);
}

static void wait__null_goes_first(void **state)
{
    demi_qresult_t qr;
    demi_qtoken_t qt = 0;
    int n = 77;

    (void)state;
    assert_int_equal(demi_wait(NULL, qt, &zero), EINVAL);
    assert_int_equal(demi_wait_any(NULL, &n, &qt, 1, &zero), EINVAL);
    assert_int_equal(demi_wait_any(&qr, NULL, &qt, 1, &zero), EINVAL);
    assert_int_equal(demi_wait_any(&qr, &n, NULL, 1, &zero), EINVAL);
    assert_int_equal(demi_wait_any(&qr, &n, &qt, 0, NULL), EINVAL);
    assert_int_equal(demi_wait_any(&qr, &n, &qt, -1, NULL), EINVAL);
    assert_int_equal(demi_wait_any(&qr, &n, &qt, INT_MIN, NULL), EINVAL);
    assert_int_equal(demi_wait_next_n(NULL, 1, &n, &zero), EINVAL);
    assert_int_equal(demi_wait_next_n(&qr, 1, NULL, &zero), EINVAL);
    assert_int_equal(demi_wait_next_n(&qr, 0, &n, NULL), EINVAL);
    assert_int_equal(demi_wait_next_n(&qr, -1, &n, NULL), EINVAL);
    assert_int_equal(demi_wait_all(NULL, &qt, 1, &zero), EINVAL);
    assert_int_equal(demi_wait_all(&qr, NULL, 1, &zero), EINVAL);
    assert_int_equal(demi_wait_all(&qr, &qt, 0, NULL), EINVAL);
    assert_int_equal(demi_wait_all(&qr, &qt, -1, NULL), EINVAL);
    assert_int_equal(demi_poll(NULL, qt), EINVAL);
    assert_int_equal(n, 77);
}

static void wait__malformed_timeout(void **state)
{
    static const struct timespec malformed[] = {
        {-1, 0}, {0, -1}, {0, 1000000000}, {0, LONG_MAX}, {0, LONG_MIN}, {LONG_MIN, 0}, {-1, 999999999}, {LONG_MAX, -1},
    };
    demi_qtoken_t pop;
    int qd = pending_queue(&pop);
    demi_qresult_t qr;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(malformed); i++)
        for (enum call call = 0; call < CALLS; call++)
            rig_says(call_wait(call, pop, &qr, &malformed[i]), EINVAL, "timeout");
    close_pending(qd, pop); /* the token is still good */
}

static void wait__zero_timeout_looks_once(void **state)
{
    demi_qtoken_t pop;
    int qd = pending_queue(&pop);
    demi_qresult_t qr;
    uint64_t from = rig_now_ns();

    (void)state;
    for (enum call call = 0; call < CALLS; call++)
        rig_says(call_wait(call, pop, &qr, &zero), ETIMEDOUT, "timeout");
    assert_true(rig_now_ns() - from < LATE_NS);
    close_pending(qd, pop);
}

static void wait__timeout_is_exact(void **state)
{
    static const uint64_t us[] = {1, 50, 300, 1000, 7000, 30000};
    demi_qtoken_t pop;
    int qd = pending_queue(&pop);
    demi_qresult_t qr;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(us); i++)
        for (enum call call = 0; call < CALLS; call++) {
            struct timespec t = {0, (long)us[i] * 1000};
            uint64_t from = rig_now_ns(), took;

            assert_int_equal(call_wait(call, pop, &qr, &t), ETIMEDOUT);
            took = rig_now_ns() - from;
            if (took < us[i] * NS_PER_US || took > us[i] * NS_PER_US + LATE_NS)
                fail_msg("%u us took %u us", (unsigned)us[i], (unsigned)(took / 1000));
        }
    close_pending(qd, pop);
}

/* Many of the sleeps are late by what a wake-up costs, however busy the machine is, and not by a coarse clock's tick.
 */
static void wait__timeout_is_no_coarse_clocks(void **state)
{
    unsigned in_time = 0;
    demi_qtoken_t pop;
    int qd = pending_queue(&pop);
    demi_qresult_t qr;

    (void)state;
    for (unsigned i = 0; i < 200; i++) {
        struct timespec t = {0, 500000};
        uint64_t from = rig_now_ns();

        assert_int_equal(demi_wait(&qr, pop, &t), ETIMEDOUT);
        in_time += rig_now_ns() - from < 800 * NS_PER_US;
    }
    assert_true(in_time > 20);
    close_pending(qd, pop);
}

static void wait__result_that_is_there_needs_no_time(void **state)
{
    int qd;
    demi_qresult_t qr;

    (void)state;
    assert_int_equal(demi_queue(&qd), 0);
    for (enum call call = 0; call < CALLS; call++) {
        demi_sgarray_t sga = rig_sga("x");
        demi_qtoken_t push = rig_push(qd, &sga);

        assert_int_equal(call_wait(call, push, &qr, &zero), 0);
        assert_int_equal(qr.qr_opcode, DEMI_OPC_PUSH);
        assert_int_equal(qr.qr_qt, push);
        assert_int_equal(qr.qr_qd, qd);
        rig_free(&sga);
    }
    assert_int_equal(demi_close(qd), 0);
}

static void wait__endless_timeouts(void **state)
{
    static const struct timespec endless[] = {{LONG_MAX, 999999999}, {LONG_MAX / 2, 0}, {20000000000, 0}};
    int qd;
    demi_qresult_t qr;

    (void)state;
    assert_int_equal(demi_queue(&qd), 0);
    for (size_t i = 0; i < ARRAY_LEN(endless); i++) {
        demi_sgarray_t sga = rig_sga("x");
        demi_qtoken_t push = rig_push(qd, &sga);

        assert_int_equal(demi_wait(&qr, push, &endless[i]), 0);
        rig_free(&sga);
    }
    assert_int_equal(demi_close(qd), 0);
}

/* Another thread with a plain socket, which sends one byte after a while. */
struct sender {
    int fd;
    unsigned ms;
};

static void *send_later(void *arg)
{
    const struct sender *s = arg;

    usleep(s->ms * 1000);
    return write(s->fd, "x", 1) == 1 ? NULL : (void *)1;
}

static void run_sender(struct rig_half h, unsigned ms, const struct timespec *timeout, enum call call)
{
    struct sender s = {h.fd, ms};
    demi_qtoken_t pop = rig_pop(h.qd);
    demi_qresult_t qr;
    pthread_t thread;
    void *failed;

    assert_int_equal(pthread_create(&thread, NULL, send_later, &s), 0);
    assert_int_equal(call_wait(call, pop, &qr, timeout), 0);
    assert_int_equal(pthread_join(thread, &failed), 0);
    assert_null(failed);
    assert_int_equal(qr.qr_opcode, DEMI_OPC_POP);
    assert_int_equal(rig_length(&qr.qr_value.sga), 1);
    rig_free(&qr.qr_value.sga);
}

static void half_close(struct rig_half h)
{
    assert_int_equal(demi_close(h.qd), 0);
    close(h.fd);
}

static void wait__without_timeout_ends_with_the_result(void **state)
{
    struct rig_half h = rig_half(AF_INET);

    (void)state;
    for (enum call call = 0; call < CALLS; call++)
        run_sender(h, 20, NULL, call);
    half_close(h);
}

static void wait__long_endless_timeouts_end_with_the_result(void **state)
{
    static const struct timespec endless[] = {{LONG_MAX, 999999999}, {4000000000, 0}, {9000000000, 0}};
    struct rig_half h = rig_half(AF_INET);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(endless); i++)
        run_sender(h, 20, &endless[i], WAIT);
    half_close(h);
}

static void wait__timeout_then_result(void **state)
{
    struct rig_half h = rig_half(AF_INET);
    struct timespec t = rig_ms(1);
    demi_qtoken_t pop = rig_pop(h.qd);
    demi_qresult_t qr;

    (void)state;
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(demi_wait(&qr, pop, &t), ETIMEDOUT);
    assert_int_equal(write(h.fd, "x", 1), 1);
    qr = rig_done(pop, DEMI_OPC_POP);
    rig_free(&qr.qr_value.sga);
    half_close(h);
}

/* Nothing but waits with a zero timeout: they do all the work. */
static void wait__zero_timeouts_make_progress(void **state)
{
    struct rig_half h = rig_half(AF_INET);
    demi_qtoken_t pop = rig_pop(h.qd);
    uint64_t end = rig_now_ns() + 5 * NS_PER_S;
    demi_qresult_t qr;
    int err = ETIMEDOUT, offset;

    (void)state;
    assert_int_equal(write(h.fd, "x", 1), 1);
    while (err == ETIMEDOUT && rig_now_ns() < end)
        err = demi_wait_any(&qr, &offset, &pop, 1, &zero);
    assert_int_equal(err, 0);
    rig_free(&qr.qr_value.sga);
    half_close(h);
}

static uint64_t cpu_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

static void wait__sleeps_unless_told_to_spin(void **state)
{
    const char *idle = getenv("IDLE");
    struct rig_half h = rig_half(AF_INET);
    demi_qtoken_t pop = rig_pop(h.qd);
    struct timespec t = rig_ms(200);
    uint64_t from = cpu_ns(), used;
    demi_qresult_t qr;

    (void)state;
    assert_int_equal(demi_wait(&qr, pop, &t), ETIMEDOUT);
    used = cpu_ns() - from;
    if (idle == NULL || strcmp(idle, "spin") != 0)
        assert_true(used < 20 * NS_PER_MS);
    assert_int_equal(rig_instance()->stat->value[CTR_sleeps] > 0, idle == NULL || strcmp(idle, "spin") != 0);
    half_close(h);
    rig_failed(pop, ECANCELED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(wait__null_goes_first),
        TEST(wait__malformed_timeout),
        TEST(wait__zero_timeout_looks_once),
        TEST(wait__timeout_is_exact),
        TEST(wait__timeout_is_no_coarse_clocks),
        TEST(wait__result_that_is_there_needs_no_time),
        TEST(wait__endless_timeouts),
        TEST(wait__without_timeout_ends_with_the_result),
        TEST(wait__long_endless_timeouts_end_with_the_result),
        TEST(wait__timeout_then_result),
        TEST(wait__zero_timeouts_make_progress),
        TEST(wait__sleeps_unless_told_to_spin),
    };

    return RIG_RUN(tests);
}
