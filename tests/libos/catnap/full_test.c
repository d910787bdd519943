/* SPDX-License-Identifier: MIT */
/* Datagrams that nobody waits for, while the kernel has no room for them: it is said here that it has none. */
#include "api/rig.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MANY 100

static unsigned refusals; /* of the next calls */

/* In front of the C library's: what the engines call to send at once. io_uring's own requests do not come by here. */
__attribute__((visibility("default"))) ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
    if (refusals > 0) {
        refusals--;
        errno = EAGAIN;
        return -1;
    }
    return syscall(SYS_sendmsg, fd, msg, flags);
}

static void send_quietly(int qd, const union rig_addr *to, size_t len)
{
    static char bytes[9000];
    struct iovec iov[] = {{bytes, 3}, {bytes + 3, len - 3}};

    assert_int_equal(demi_pushtov(NULL, qd, iov, ARRAY_LEN(iov), &to->any, rig_len(to)), 0);
}

static void no_result(void)
{
    const struct timespec now = {0, 0};
    demi_qresult_t qr;
    int n = 0;

    assert_int_equal(demi_wait_next_n(&qr, 1, &n, &now), ETIMEDOUT);
    assert_int_equal(n, 0);
}

/* Those that wait go with their queue: neither an operation nor memory nor a result is left of them. */
static void close__ends_datagrams_that_nobody_waits_for(void **state)
{
    int client = rig_socket(AF_INET, SOCK_DGRAM), server = rig_bound(AF_INET, SOCK_DGRAM);
    union rig_addr to = rig_name(server);
    uint32_t many = rig_engine("epoll") ? MANY : 1; /* the kernel's ring takes the first when the second comes */
    struct rig_pools before;

    (void)state;
    rig_measure(&before);
    refusals = UINT32_MAX;
    for (unsigned i = 0; i < many; i++)
        send_quietly(client, &to, 100 + i * 80);
    assert_int_equal(rig_instance()->ops.used, before.ops + many);
    assert_int_equal(demi_close(client), 0);
    assert_int_equal(rig_instance()->ops.used, before.ops);
    refusals = 0;
    before.queues--;
    assert_true(rig_settle(&before));
    no_result();
    assert_int_equal(demi_close(server), 0);
}

static void close__ends_them_before_one_that_somebody_waits_for(void **state)
{
    int client = rig_socket(AF_INET, SOCK_DGRAM), server = rig_bound(AF_INET, SOCK_DGRAM);
    union rig_addr to = rig_name(server);
    demi_sgarray_t sga = rig_sga_fill(1000, 1);
    struct rig_pools before;
    demi_qtoken_t qt;

    (void)state;
    refusals = UINT32_MAX;
    rig_measure(&before);
    send_quietly(client, &to, 10);
    assert_int_equal(demi_pushto(&qt, client, &sga, &to.any, rig_len(&to)), 0);
    assert_int_equal(demi_close(client), 0);
    refusals = 0;
    rig_failed(qt, ECANCELED);
    no_result();
    assert_int_equal(rig_instance()->ops.used, before.ops);
    rig_free(&sga);
    assert_int_equal(demi_close(server), 0);
}

static void room__lets_them_go(void **state)
{
    int client = rig_socket(AF_INET, SOCK_DGRAM), server = rig_bound(AF_INET, SOCK_DGRAM);
    union rig_addr to = rig_name(server);
    uint32_t used = rig_instance()->ops.used;

    (void)state;
    for (size_t len = 10; len < 20; len++) {
        demi_qresult_t qr;

        refusals = 1;
        send_quietly(client, &to, len);
        qr = rig_done(rig_pop(server), DEMI_OPC_POP);
        assert_int_equal(rig_length(&qr.qr_value.sga), len);
        rig_free(&qr.qr_value.sga);
    }
    no_result();
    assert_int_equal(rig_instance()->ops.used, used);
    assert_int_equal(demi_close(client), 0);
    assert_int_equal(demi_close(server), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(close__ends_datagrams_that_nobody_waits_for),
        TEST(close__ends_them_before_one_that_somebody_waits_for),
        TEST(room__lets_them_go),
    };

    return RIG_RUN(tests);
}
