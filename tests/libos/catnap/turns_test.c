/* SPDX-License-Identifier: MIT */
/* Every queue has its turn, however busy another one or the program is. */
#include "api/rig.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#define TURNS_MAX   10000 /* results of the busy side before the other one must have been seen */
#define QUEUES_MAX  16
#define LEFTOVERS   1000
#define BIG         (32 << 20)
#define FLOOD_BYTES 1000

static const struct timespec zero = {0, 0};

/* A plain datagram socket on loopback. */
static int plain_datagram(union rig_addr *a)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    socklen_t len = sizeof(*a);

    *a = rig_loopback(AF_INET, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, &a->any, rig_len(a)), 0);
    assert_int_equal(getsockname(fd, &a->any, &len), 0);
    return fd;
}

/* An open loop: every push is complete at once, and still the answer is seen. */
static void wait_any__pushes_at_full_rate_leave_a_turn_to_the_pop(void **state)
{
    union rig_addr to, from;
    int fd = plain_datagram(&to), qd = rig_socket(AF_INET, SOCK_DGRAM), offset = 0;
    socklen_t len = sizeof(from);
    demi_sgarray_t sga = rig_sga("question");
    demi_qtoken_t qts[2];
    char buf[16];

    (void)state;
    assert_int_equal(demi_connect(&qts[0], qd, &to.any, rig_len(&to)), 0);
    rig_done(qts[0], DEMI_OPC_CONNECT);
    qts[1] = rig_pop(qd);
    qts[0] = rig_push(qd, &sga);
    assert_int_equal(recvfrom(fd, buf, sizeof(buf), 0, &from.any, &len), 8);
    assert_int_equal(sendto(fd, "answer", 6, 0, &from.any, len), 6);
    for (unsigned i = 0; i < TURNS_MAX && offset == 0; i++) {
        struct timespec limit = rig_ms(RIG_MS);
        demi_qresult_t qr;

        assert_int_equal(demi_wait_any(&qr, &offset, qts, 2, &limit), 0);
        if (offset == 0)
            qts[0] = rig_push(qd, &sga);
        else
            rig_free(&qr.qr_value.sga);
    }
    assert_int_equal(offset, 1);
    rig_done(qts[0], DEMI_OPC_PUSH);
    rig_free(&sga);
    assert_int_equal(demi_close(qd), 0);
    close(fd);
}

struct flood {
    union rig_addr to;
    atomic_bool stop;
};

static void *send_flood(void *arg)
{
    struct flood *f = arg;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    char buf[FLOOD_BYTES] = {0};

    while (!atomic_load(&f->stop))
        sendto(fd, buf, sizeof(buf), 0, &f->to.any, rig_len(&f->to));
    sendto(fd, buf, sizeof(buf), 0, &f->to.any, rig_len(&f->to)); /* after the last look of the other thread */
    close(fd);
    return NULL;
}

/* Takes results until the accept, the second token, is complete. Returns its queue, or -1. */
static int accept_under_flood(demi_qtoken_t *qts, int flooded)
{
    for (unsigned i = 0; i < TURNS_MAX; i++) {
        struct timespec limit = rig_ms(RIG_MS);
        demi_qresult_t qr;
        int offset = -1;

        assert_int_equal(demi_wait_any(&qr, &offset, qts, 2, &limit), 0);
        if (offset == 1)
            return qr.qr_value.ares.qd;
        rig_free(&qr.qr_value.sga);
        qts[0] = rig_pop(flooded);
    }
    return -1;
}

static void wait_any__flooded_queue_leaves_a_turn_to_the_accept(void **state)
{
    union rig_addr a;
    int flooded = rig_bound(AF_INET, SOCK_DGRAM), listener = rig_listening(AF_INET, &a), fd, qd;
    struct flood f = {.to = rig_name(flooded)};
    demi_qtoken_t qts[2];
    demi_qresult_t qr;
    pthread_t threads[2];

    (void)state;
    assert_int_equal(demi_accept(&qts[1], listener), 0);
    qts[0] = rig_pop(flooded);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, send_flood, &f), 0);
    usleep(20000);
    fd = rig_plain_connect(&a);
    qd = accept_under_flood(qts, flooded);
    atomic_store(&f.stop, true);
    for (unsigned i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    assert_true(qd >= 0);
    qr = rig_done(qts[0], DEMI_OPC_POP); /* the last of the flood */
    rig_free(&qr.qr_value.sga);
    assert_int_equal(demi_close(flooded), 0);
    assert_int_equal(demi_close(qd), 0);
    assert_int_equal(demi_close(listener), 0);
    close(fd);
}

/* A full table refuses a connection, but only one that is there. */
static void accept__full_table_without_a_connection(void **state)
{
    union rig_addr a;
    int qd[QUEUES_MAX] = {rig_listening(AF_INET, &a)};
    demi_qtoken_t qt;

    (void)state;
    for (unsigned i = 1; i < QUEUES_MAX; i++)
        assert_int_equal(demi_queue(&qd[i]), 0);
    assert_int_equal(demi_accept(&qt, qd[0]), 0);
    assert_true(rig_pending(qt));
    for (unsigned i = 0; i < QUEUES_MAX; i++)
        assert_int_equal(demi_close(qd[i]), 0);
    rig_failed(qt, ECANCELED);
}

static void *read_all(void *arg)
{
    char *buf = malloc(1 << 20);

    while (buf != NULL && recv(*(int *)arg, buf, 1 << 20, 0) > 0)
        ;
    free(buf);
    return NULL;
}

/* One peer reads as fast as is sent to it; waits of no time return, and the other queue is served. */
static void wait__large_push_leaves_a_turn_to_others(void **state)
{
    struct rig_half busy = rig_half(AF_INET), other = rig_half(AF_INET);
    demi_sgarray_t big = rig_sga_fill(BIG, 1);
    demi_qtoken_t pop = rig_pop(other.qd), push;
    demi_qresult_t qr;
    pthread_t reader;
    int err = ETIMEDOUT;

    (void)state;
    assert_int_equal(pthread_create(&reader, NULL, read_all, &busy.fd), 0);
    push = rig_push(busy.qd, &big);
    assert_int_equal(send(other.fd, "x", 1, 0), 1);
    for (unsigned i = 0; i < TURNS_MAX && err == ETIMEDOUT; i++)
        err = demi_wait(&qr, pop, &zero);
    assert_int_equal(err, 0);
    assert_int_equal(rig_length(&qr.qr_value.sga), 1);
    rig_free(&qr.qr_value.sga);
    rig_done(push, DEMI_OPC_PUSH);
    rig_free(&big);
    assert_int_equal(demi_close(busy.qd), 0);
    pthread_join(reader, NULL);
    assert_int_equal(demi_close(other.qd), 0);
    close(busy.fd);
    close(other.fd);
}

/* Results that nobody takes lie before the one waited for, in the list of what is complete. */
static void wait_any__old_leftovers_do_not_hide_a_new_result(void **state)
{
    static demi_qtoken_t left[LEFTOVERS];
    demi_sgarray_t sga = rig_sga("x");
    struct timespec limit = rig_ms(RIG_MS);
    demi_qtoken_t pop;
    demi_qresult_t qr;
    int old, fresh, offset = -1;

    (void)state;
    assert_int_equal(demi_queue(&old), 0);
    assert_int_equal(demi_queue(&fresh), 0);
    for (unsigned i = 0; i < LEFTOVERS; i++)
        left[i] = rig_push(old, &sga);
    pop = rig_pop(fresh);
    assert_int_equal(demi_wait_any(&qr, &offset, &pop, 1, &zero), ETIMEDOUT);
    rig_done(rig_push(fresh, &sga), DEMI_OPC_PUSH);
    assert_int_equal(demi_wait_any(&qr, &offset, &pop, 1, &limit), 0);
    assert_int_equal(offset, 0);
    assert_int_equal(qr.qr_qd, fresh);
    rig_free(&qr.qr_value.sga);
    for (unsigned i = 0; i < LEFTOVERS; i++)
        rig_wait(left[i]);
    rig_free(&sga);
    assert_int_equal(demi_close(old), 0);
    assert_int_equal(demi_close(fresh), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(wait_any__pushes_at_full_rate_leave_a_turn_to_the_pop),
        TEST(wait_any__flooded_queue_leaves_a_turn_to_the_accept),
        TEST(accept__full_table_without_a_connection),
        TEST(wait__large_push_leaves_a_turn_to_others),
        TEST(wait_any__old_leftovers_do_not_hide_a_new_result),
    };

    setenv("MAX_QUEUES", "16", 1);
    return RIG_RUN(tests);
}
