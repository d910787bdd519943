/* SPDX-License-Identifier: MIT */
/*
 * One wait over queues of different kinds: sockets of catpowder on a ring, whose other end another thread's instance
 * has, and a memory queue of the same instance. Whichever has something first ends the wait.
 */
#include <demi/ext.h>
#include <demi/libos.h>
#include <demi/sga.h>
#include <demi/wait.h>

#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define PORT   7000
#define ROUNDS 200

static const struct timespec long_enough = {.tv_sec = 10};

static struct sockaddr_in at(const char *host)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(PORT)};

    inet_pton(AF_INET, host, &a.sin_addr);
    return a;
}

static bool wait_for(demi_qtoken_t qt, demi_opcode_t kind, demi_qresult_t *qr)
{
    return demi_wait(qr, qt, &long_enough) == 0 && qr->qr_opcode == kind;
}

/* Sends back what comes until the stream ends. */
static bool echo(int qd)
{
    demi_qtoken_t qt;
    demi_qresult_t qr;

    while (demi_pop(&qt, qd) == 0 && wait_for(qt, DEMI_OPC_POP, &qr)) {
        demi_sgarray_t sga = qr.qr_value.sga;
        bool end = sga.sga_segs[0].sgaseg_len == 0, sent = !end && demi_push(&qt, qd, &sga) == 0;

        demi_sgafree(&sga);
        if (end)
            return demi_close(qd) == 0;
        if (!sent || !wait_for(qt, DEMI_OPC_PUSH, &qr))
            return false;
    }
    return false;
}

struct server {
    pthread_barrier_t ready;
    bool good;
};

static void *serve(void *arg)
{
    struct server *s = arg;
    struct sockaddr_in a = at("10.0.0.1");
    demi_qtoken_t qt = 0;
    demi_qresult_t qr = {.qr_qd = -1};
    int qd = -1;

    setenv("NET_ADDRESS", "10.0.0.1/24", 1);
    s->good = demi_init(NULL) == 0 && demi_socket(&qd, AF_INET, SOCK_STREAM, 0) == 0 &&
              demi_bind(qd, (struct sockaddr *)&a, sizeof(a)) == 0 && demi_listen(qd, 4) == 0 &&
              demi_accept(&qt, qd) == 0;
    pthread_barrier_wait(&s->ready);
    s->good = s->good && wait_for(qt, DEMI_OPC_ACCEPT, &qr) && echo(qr.qr_value.ares.qd) && demi_close(qd) == 0;
    demi_fini();
    return NULL;
}

static demi_qtoken_t push_number(int qd, unsigned number)
{
    demi_sgarray_t sga = demi_sgaalloc(sizeof(number));
    demi_qtoken_t qt;

    assert_int_equal(sga.sga_numsegs, 1);
    memcpy(sga.sga_segs[0].sgaseg_buf, &number, sizeof(number));
    assert_int_equal(demi_push(&qt, qd, &sga), 0);
    demi_sgafree(&sga);
    return qt;
}

static int connected(void)
{
    struct sockaddr_in a = at("10.0.0.1");
    demi_qtoken_t qt;
    demi_qresult_t qr;
    int qd;

    assert_int_equal(demi_socket(&qd, AF_INET, SOCK_STREAM, 0), 0);
    assert_int_equal(demi_connect(&qt, qd, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_true(wait_for(qt, DEMI_OPC_CONNECT, &qr));
    return qd;
}

/* Every other message goes into the memory queue, the others to the other end and back: one wait finds each. */
static void find_each(int socket, int memory)
{
    demi_qtoken_t pops[2], pushed;
    demi_qresult_t qr;
    int where;

    assert_int_equal(demi_pop(&pops[0], socket), 0);
    assert_int_equal(demi_pop(&pops[1], memory), 0);
    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned got;

        pushed = push_number(i % 2 ? memory : socket, i);
        assert_true(wait_for(pushed, DEMI_OPC_PUSH, &qr));
        assert_int_equal(demi_wait_any(&qr, &where, pops, 2, &long_enough), 0);
        assert_int_equal(where, (int)(i % 2));
        assert_int_equal(qr.qr_opcode, DEMI_OPC_POP);
        assert_int_equal(qr.qr_value.sga.sga_segs[0].sgaseg_len, sizeof(got));
        memcpy(&got, qr.qr_value.sga.sga_segs[0].sgaseg_buf, sizeof(got));
        assert_int_equal(got, i);
        demi_sgafree(&qr.qr_value.sga);
        assert_int_equal(demi_pop(&pops[where], where ? memory : socket), 0);
    }
    assert_int_equal(demi_cancel(pops[0]), 0);
    assert_int_equal(demi_cancel(pops[1]), 0);
}

static void wait_any__over_a_socket_and_a_memory_queue(void **state)
{
    struct server s = {.good = false};
    pthread_t thread;
    int socket, memory;

    (void)state;
    pthread_barrier_init(&s.ready, NULL, 2);
    assert_int_equal(pthread_create(&thread, NULL, serve, &s), 0);
    pthread_barrier_wait(&s.ready);
    setenv("NET_ADDRESS", "10.0.0.2/24", 1);
    assert_int_equal(demi_init(NULL), 0);
    socket = connected();
    assert_int_equal(demi_queue(&memory), 0);
    find_each(socket, memory);
    assert_int_equal(demi_close(memory), 0);
    assert_int_equal(demi_close(socket), 0);
    for (unsigned i = 0; i < 100; i++) { /* closing goes on in the background, while somebody waits */
        demi_qresult_t qr;
        struct timespec moment = {.tv_nsec = 1000000};
        int n = 0;

        demi_wait_next_n(&qr, 1, &n, &moment);
    }
    pthread_join(thread, NULL);
    assert_true(s.good);
    assert_int_equal(demi_fini(), 0);
    pthread_barrier_destroy(&s.ready);
}

static int setup(void **state)
{
    char path[64];

    (void)state;
    snprintf(path, sizeof(path), "/dev/shm/caracal-wait-test-%d", (int)getpid());
    setenv("LIBOS", "catpowder", 1);
    setenv("DRIVER", "ring", 1);
    setenv("DEVICE", path, 1);
    setenv("STAT", "false", 1);
    setenv("TRACE", "false", 1);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wait_any__over_a_socket_and_a_memory_queue),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
