/* SPDX-License-Identifier: MIT */
/* A foreign event loop sleeps on demi_eventfd and serves queues between its other work. */
#include "api/rig.h"

#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <unistd.h>

#define ROUNDS 200

static const struct timespec zero = {0, 0};

/* A program's own loop: an epoll descriptor with ours in it. */
struct loop {
    int epfd;
    unsigned wakeups;
};

static struct loop loop_open(void)
{
    struct loop l = {.epfd = epoll_create1(EPOLL_CLOEXEC)};
    struct epoll_event ev = {.events = EPOLLIN};
    int fd = -1;

    assert_int_equal(demi_eventfd(&fd), 0);
    assert_true(fd >= 0);
    assert_int_equal(epoll_ctl(l.epfd, EPOLL_CTL_ADD, fd, &ev), 0);
    return l;
}

/* Sleeps in the foreign loop until one of the tokens is complete. */
static demi_qresult_t loop_wait(struct loop *l, const demi_qtoken_t *qts, int n, int *offset)
{
    uint64_t end = rig_now_ns() + 10 * NS_PER_S;
    struct epoll_event ev;
    demi_qresult_t qr;

    while (rig_now_ns() < end) {
        int err = demi_wait_any(&qr, offset, qts, n, &zero);

        if (err == 0)
            return qr;
        assert_int_equal(err, ETIMEDOUT);
        err = epoll_wait(l->epfd, &ev, 1, 5000);
        if (err == 0 || (err < 0 && errno != EINTR)) /* io_uring interrupts system calls */
            fail_msg("the loop slept though there was work");
        l->wakeups++;
    }
    fail_msg("no result");
    return qr;
}

/* The other side, in a thread of its own: plain sockets, one message after the other with pauses in between. */
struct client {
    union rig_addr to;
    unsigned pause_us;
    bool ok;
};

static void *run_client(void *arg)
{
    struct client *c = arg;
    int fd = socket(c->to.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char out[100], in[100];

    if (connect(fd, &c->to.any, rig_len(&c->to)) != 0)
        return NULL;
    for (unsigned i = 0; i < ROUNDS; i++) {
        memset(out, (int)i, sizeof(out));
        if (c->pause_us > 0 && i % 10 == 0)
            usleep(c->pause_us);
        if (send(fd, out, sizeof(out), MSG_NOSIGNAL) != sizeof(out) ||
            recv(fd, in, sizeof(in), MSG_WAITALL) != sizeof(in) || memcmp(in, out, sizeof(in)) != 0)
            return NULL;
    }
    close(fd);
    c->ok = true;
    return NULL;
}

static void serve_clients(unsigned clients, unsigned pause_us)
{
    struct loop l = loop_open();
    struct client c[8] = {{.ok = false}};
    pthread_t thread[8];
    demi_qtoken_t qts[9];
    int listener, n = 1, open = 0;
    unsigned ended = 0;

    listener = rig_listening(AF_INET, &c[0].to);
    assert_int_equal(demi_accept(&qts[0], listener), 0);
    for (unsigned i = 0; i < clients; i++) {
        c[i] = (struct client){c[0].to, pause_us, false};
        assert_int_equal(pthread_create(&thread[i], NULL, run_client, &c[i]), 0);
    }
    while (ended < clients) {
        int at;
        demi_qresult_t qr = loop_wait(&l, qts, n, &at);

        if (qr.qr_opcode == DEMI_OPC_ACCEPT) {
            qts[n++] = rig_pop(qr.qr_value.ares.qd);
            open++;
            assert_int_equal(demi_accept(&qts[0], listener), 0);
            continue;
        }
        assert_int_equal(qr.qr_opcode, DEMI_OPC_POP);
        if (rig_length(&qr.qr_value.sga) == 0) {
            assert_int_equal(demi_close(qr.qr_qd), 0);
            qts[at] = qts[--n];
            ended++;
        } else {
            rig_done(rig_push(qr.qr_qd, &qr.qr_value.sga), DEMI_OPC_PUSH);
            qts[at] = rig_pop(qr.qr_qd);
        }
        rig_free(&qr.qr_value.sga);
    }
    assert_int_equal(open, clients);
    for (unsigned i = 0; i < clients; i++) {
        assert_int_equal(pthread_join(thread[i], NULL), 0);
        assert_true(c[i].ok);
    }
    assert_int_equal(demi_close(listener), 0);
    rig_failed(qts[0], ECANCELED);
    close(l.epfd);
    if (l.wakeups > 4 * ROUNDS * clients)
        fail_msg("%u wake-ups for %u messages", l.wakeups, ROUNDS * clients);
}

static void eventfd__serves_one_client(void **state)
{
    (void)state;
    serve_clients(1, 0);
}

static void eventfd__serves_one_client_with_pauses(void **state)
{
    (void)state;
    serve_clients(1, 2000);
}

static void eventfd__serves_many_clients(void **state)
{
    (void)state;
    serve_clients(6, 1000);
}

static void eventfd__is_the_same_each_time(void **state)
{
    int a = -1, b = -2;

    (void)state;
    assert_int_equal(demi_eventfd(&a), 0);
    assert_int_equal(demi_eventfd(&b), 0);
    assert_int_equal(a, b);
}

static bool readable(int fd, int timeout_ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    int n;

    do {
        n = poll(&p, 1, timeout_ms);
    } while (n < 0 && errno == EINTR);
    return n == 1;
}

/* Waits with a zero timeout until they say that there is nothing; how often may the descriptor wake for nothing? */
static void drain(demi_qtoken_t qt, int fd)
{
    demi_qresult_t qr;

    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(demi_wait(&qr, qt, &zero), ETIMEDOUT);
        if (!readable(fd, 0))
            return;
    }
    fail_msg("the descriptor stays readable though nothing happens");
}

static void eventfd__is_quiet_while_nothing_happens(void **state)
{
    struct rig_half h = rig_half(AF_INET);
    demi_qtoken_t pop = rig_pop(h.qd);
    int fd;

    (void)state;
    assert_int_equal(demi_eventfd(&fd), 0);
    drain(pop, fd);
    assert_false(readable(fd, 50));
    assert_int_equal(demi_close(h.qd), 0);
    rig_failed(pop, ECANCELED);
    close(h.fd);
}

/* Again and again: data makes it readable, a wait takes the data, and it is quiet. */
static void eventfd__is_readable_when_data_comes(void **state)
{
    struct rig_half h = rig_half(AF_INET);
    fd_set set;
    int fd;

    (void)state;
    assert_int_equal(demi_eventfd(&fd), 0);
    for (unsigned i = 0; i < 100; i++) {
        demi_qtoken_t pop = rig_pop(h.qd);
        demi_qresult_t qr;
        int err = ETIMEDOUT;

        drain(pop, fd);
        assert_int_equal(write(h.fd, "x", 1), 1);
        assert_true(readable(fd, 5000));
        FD_ZERO(&set);
        FD_SET(fd, &set);
        assert_int_equal(select(fd + 1, &set, NULL, NULL, &(struct timeval){5, 0}), 1);
        for (unsigned k = 0; k < 20 && err == ETIMEDOUT; k++)
            err = demi_wait(&qr, pop, &zero);
        assert_int_equal(err, 0);
        rig_free(&qr.qr_value.sga);
    }
    assert_int_equal(demi_close(h.qd), 0);
    close(h.fd);
}

/* Room in the peer's buffers is something that happens, too. */
static void eventfd__is_readable_when_a_push_goes_on(void **state)
{
    struct rig_half h = rig_half(AF_INET);
    demi_sgarray_t big = rig_sga_fill(16 << 20, 1);
    demi_qtoken_t push = rig_push(h.qd, &big);
    static char sink[1 << 20];
    size_t got = 0;
    demi_qresult_t qr;
    int fd, err = ETIMEDOUT;

    (void)state;
    assert_int_equal(demi_eventfd(&fd), 0);
    drain(push, fd);
    while (got < 16 << 20) {
        ssize_t n = recv(h.fd, sink, sizeof(sink), MSG_DONTWAIT);

        if (n > 0) {
            got += (size_t)n;
            continue;
        }
        assert_true(readable(fd, 5000));
        err = demi_wait(&qr, push, &zero);
        assert_true(err == ETIMEDOUT || (err == 0 && qr.qr_opcode == DEMI_OPC_PUSH));
        if (err == 0)
            break;
    }
    if (err != 0)
        rig_done(push, DEMI_OPC_PUSH);
    rig_free(&big);
    assert_int_equal(demi_close(h.qd), 0);
    close(h.fd);
}

static enum co_status busy(struct instance *inst, struct op *task)
{
    (void)inst;
    (void)task;
    return CO_AGAIN;
}

/* Work in the background that is not done in a turn or two: the foreign loop has its turn, and comes back. */
static void eventfd__is_readable_while_the_background_has_work(void **state)
{
    struct op *task = task_new(rig_instance(), busy, SCHED_BACKGROUND);
    struct rig_half h = rig_half(AF_INET);
    demi_qtoken_t pop = rig_pop(h.qd);
    demi_qresult_t qr;
    int fd;

    (void)state;
    assert_int_equal(demi_eventfd(&fd), 0);
    drain(pop, fd);
    sched_wake(&rig_instance()->sched, task);
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(demi_wait(&qr, pop, &zero), ETIMEDOUT);
        assert_true(readable(fd, 1000));
    }
    task_free(rig_instance(), task);
    drain(pop, fd);
    assert_int_equal(demi_close(h.qd), 0);
    rig_failed(pop, ECANCELED);
    close(h.fd);
}

static void eventfd__blocking_waits_work_beside_it(void **state)
{
    struct rig_pair p = rig_pair(AF_INET);
    struct timespec t = rig_ms(5);
    demi_qtoken_t pop;
    demi_qresult_t qr;
    int fd;

    (void)state;
    assert_int_equal(demi_eventfd(&fd), 0);
    for (unsigned i = 0; i < 20; i++) {
        rig_send(p.client, "x");
        rig_expect(p.server, "x");
    }
    pop = rig_pop(p.server);
    assert_int_equal(demi_wait(&qr, pop, &t), ETIMEDOUT);
    rig_pair_close(p);
    rig_failed(pop, ECANCELED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(eventfd__serves_one_client),
        TEST(eventfd__serves_one_client_with_pauses),
        TEST(eventfd__serves_many_clients),
        TEST(eventfd__is_the_same_each_time),
        TEST(eventfd__is_quiet_while_nothing_happens),
        TEST(eventfd__is_readable_when_data_comes),
        TEST(eventfd__is_readable_when_a_push_goes_on),
        TEST(eventfd__is_readable_while_the_background_has_work),
        TEST(eventfd__blocking_waits_work_beside_it),
    };

    return RIG_RUN(tests);
}
