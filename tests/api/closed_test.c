/* SPDX-License-Identifier: MIT */
/* Every call that takes a queue, after that was closed: EBADF, also when its slot serves another queue. */
#include "api/rig.h"

#include <netinet/tcp.h>

static union rig_addr a;
static socklen_t len = sizeof(a);
static demi_qtoken_t qt;
static demi_sgarray_t sga;
static struct iovec iov;
static int value = 1;
static socklen_t value_len = sizeof(value);

/* clang-format off */
#define CALLS(CALL)                                                                \
    CALL(demi_bind(qd, &a.any, sizeof(a.in)))                                      \
    CALL(demi_listen(qd, 1))                                                       \
    CALL(demi_accept(&qt, qd))                                                     \
    CALL(demi_connect(&qt, qd, &a.any, sizeof(a.in)))                              \
    CALL(demi_close(qd))                                                           \
    CALL(demi_push(&qt, qd, &sga))                                                 \
    CALL(demi_pushto(&qt, qd, &sga, &a.any, sizeof(a.in)))                         \
    CALL(demi_pop(&qt, qd))                                                        \
    CALL(demi_pop_n(&qt, qd, 1))                                                   \
    CALL(demi_pushv(&qt, qd, &iov, 1))                                             \
    CALL(demi_pushtov(NULL, qd, &iov, 1, &a.any, sizeof(a.in)))                    \
    CALL(demi_shutdown(qd, SHUT_WR))                                               \
    CALL(demi_setsockopt(qd, IPPROTO_TCP, TCP_NODELAY, &value, value_len))         \
    CALL(demi_getsockopt(qd, IPPROTO_TCP, TCP_NODELAY, &value, &value_len))        \
    CALL(demi_getpeername(qd, &a.any, &len))                                       \
    CALL(demi_getsockname(qd, &a.any, &len))                                       \
    CALL(demi_seek(qd, 0, 0))                                                      \
    CALL(demi_truncate(qd, 0))
/* clang-format on */

static void all_refuse(int qd)
{
    a = rig_loopback(AF_INET, 9);
    sga = rig_sga("data");
    iov = (struct iovec){&value, sizeof(value)};
#define CALL(call)                                                                                                     \
    if ((call) != EBADF)                                                                                               \
        fail_msg("%s: not EBADF", #call);
    CALLS(CALL)
#undef CALL
    rig_free(&sga);
}

static void closed__stream(void **state)
{
    int qd = rig_bound(AF_INET, SOCK_STREAM);

    (void)state;
    assert_int_equal(demi_close(qd), 0);
    all_refuse(qd);
}

static void closed__connection(void **state)
{
    struct rig_pair p = rig_pair(AF_INET);

    (void)state;
    rig_pair_close(p);
    all_refuse(p.client);
    all_refuse(p.server);
}

static void closed__datagram(void **state)
{
    int qd = rig_bound(AF_INET, SOCK_DGRAM);

    (void)state;
    assert_int_equal(demi_close(qd), 0);
    all_refuse(qd);
}

static void closed__memory_queue(void **state)
{
    int qd;

    (void)state;
    assert_int_equal(demi_queue(&qd), 0);
    assert_int_equal(demi_close(qd), 0);
    all_refuse(qd);
}

static void closed__never_opened(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rig_bad_qd); i++)
        all_refuse(rig_bad_qd[i]);
}

/* With 16 slots all of them are used again and again: a stale descriptor never names a later queue. */
static void closed__slot_serves_another(void **state)
{
    int stale[40], open[16];

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(stale); i++) {
        assert_int_equal(demi_queue(&stale[i]), 0);
        assert_int_equal(demi_close(stale[i]), 0);
    }
    for (unsigned i = 0; i < ARRAY_LEN(open); i++)
        assert_int_equal(demi_queue(&open[i]), 0);
    for (unsigned i = 0; i < ARRAY_LEN(stale); i++)
        all_refuse(stale[i]);
    for (unsigned i = 0; i < ARRAY_LEN(open); i++)
        assert_int_equal(demi_close(open[i]), 0);
}

static void open__refuses_at_max_queues_and_recovers(void **state)
{
    int open[16], qd;

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(open); i++)
        assert_int_equal(demi_queue(&open[i]), 0);
    assert_int_equal(demi_queue(&qd), EMFILE);
    rig_says(demi_socket(&qd, AF_INET, SOCK_STREAM, 0), EMFILE, "max_queues");
    assert_int_equal(demi_close(open[5]), 0);
    assert_int_equal(demi_socket(&open[5], AF_INET, SOCK_STREAM, 0), 0);
    for (unsigned i = 0; i < ARRAY_LEN(open); i++)
        assert_int_equal(demi_close(open[i]), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(closed__stream),
        TEST(closed__connection),
        TEST(closed__datagram),
        TEST(closed__memory_queue),
        TEST(closed__never_opened),
        TEST(closed__slot_serves_another),
        TEST(open__refuses_at_max_queues_and_recovers),
    };

    setenv("MAX_QUEUES", "16", 1);
    return RIG_RUN(tests);
}
