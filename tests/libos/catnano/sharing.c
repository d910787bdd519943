/* SPDX-License-Identifier: MIT */
/*
 * Two threads of one hart, each with an instance and a socket of its own: one works long on each message, the other is
 * to answer at once. The client asks the first, and while that works the second, and wants both answers whole.
 *
 * sharing server PRIORITY_OF_QUICK PRIORITY_OF_SLOW | client SERVER
 */
#include "guest_test.h"

#include <nanopu/nanopu.h>
#include <pthread.h>

#define ROUNDS    22
#define WARM      2      /* rounds that do not count */
#define WORK      40000u /* cycles */
#define SOON      2000u  /* a message's way there and back, and two switches of threads */
#define LONG      1024
#define PORT_SLOW 1
#define PORT_FAST 2

struct service {
    unsigned port;
    int priority;
    uint64_t work;
};

/* Sends ROUNDS messages back, each after some work. */
static void *serve(void *arg)
{
    const struct service *s = arg;
    int qd = open_socket_with(s->port, SO_PRIORITY, s->priority);

    for (unsigned i = 0; i < ROUNDS; i++) {
        demi_qresult_t qr = pop(qd);

        nanopu_wait_until(nanopu_cycle() + s->work);
        answer(qd, &qr.qr_value.sga);
    }
    CHECK(demi_close(qd) == 0 && demi_fini() == 0);
    return arg;
}

static int server(char **argv)
{
    struct service slow = {.port = PORT_SLOW, .priority = atoi(argv[3]), .work = WORK};
    struct service fast = {.port = PORT_FAST, .priority = atoi(argv[2]), .work = 100};
    pthread_t thread[2];
    void *result;

    CHECK(pthread_create(&thread[0], NULL, serve, &slow) == 0 && pthread_create(&thread[1], NULL, serve, &fast) == 0);
    CHECK(pthread_join(thread[0], &result) == 0 && result == &slow);
    CHECK(pthread_join(thread[1], &result) == 0 && result == &fast);
    return 0;
}

static void ask(int qd, struct sockaddr_in *to, unsigned port, size_t len)
{
    demi_sgarray_t sga = demi_sgaalloc(len);

    for (size_t i = 0; i < len; i++)
        segment(&sga)[i] = (char)(port + i);
    to->sin_port = htons((uint16_t)port);
    send_to(qd, &sga, to);
}

/* Takes an answer at a cycle; returns the port that it came from. */
static unsigned take(int qd, uint64_t *cycle)
{
    demi_qresult_t qr = pop(qd);
    unsigned port = ntohs(qr.qr_value.sga.sga_addr.sin_port);

    *cycle = nanopu_cycle();
    CHECK(length(&qr.qr_value.sga) == (port == PORT_FAST ? 16 : LONG));
    for (size_t i = 0; i < length(&qr.qr_value.sga); i++)
        CHECK(segment(&qr.qr_value.sga)[i] == (char)(port + i));
    CHECK(demi_sgafree(&qr.qr_value.sga) == 0);
    return port;
}

static uint64_t longer(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static int client(const char *name)
{
    struct sockaddr_in to = {.sin_family = AF_INET};
    struct timespec start = {.tv_nsec = 500000}, before = {.tv_nsec = 2000}, pause = {.tv_nsec = 1000};
    uint64_t fast = 0, slow = 0;
    unsigned overtaken = 0;
    int qd = open_socket(0);

    CHECK(inet_pton(AF_INET, name, &to.sin_addr) == 1);
    nanosleep(&start, NULL); /* instances are made one after the other there */
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint64_t slow_asked, fast_asked, cycle[2];
        unsigned first;

        ask(qd, &to, PORT_SLOW, LONG);
        slow_asked = nanopu_cycle();
        nanosleep(&before, NULL);
        ask(qd, &to, PORT_FAST, 16);
        fast_asked = nanopu_cycle();
        first = take(qd, &cycle[0]);
        CHECK(first + take(qd, &cycle[1]) == PORT_FAST + PORT_SLOW);
        nanosleep(&pause, NULL);
        if (i < WARM)
            continue;
        overtaken += first == PORT_FAST;
        fast = longer(fast, cycle[first == PORT_SLOW] - fast_asked);
        slow = longer(slow, cycle[first == PORT_FAST] - slow_asked);
    }
    printf("%u of %u overtook, %s, the other %s: at most %lu and %lu cycles\n", overtaken, ROUNDS - WARM,
           fast < SOON ? "soon" : "late", slow < WORK + 2 * SOON ? "went on" : "waited", fast, slow);
    return 0;
}

int main(int argc, char **argv)
{
    return argc == 4 ? server(argv) : argc == 3 ? client(argv[2]) : 1;
}
