/* SPDX-License-Identifier: MIT */
/*
 * Two threads on one core: context 0 has priority 0 (first), context 1 priority 1. While the second works on a long
 * request, a short one for the first arrives; the hardware scheduler interrupts, and the short one is answered first.
 *
 * threads server | client SERVER_IP
 */
#include <nanopu/nanopu.h>

#include <stdio.h>
#include <string.h>

#define URGENT        0
#define PATIENT       1
#define CLIENT        0
#define ROUNDS        20
#define SHORT         100u
#define LONG          40000u
#define START_CYCLE   60000
#define REQUEST_BYTES 16

/* Requests are {which, cycles of work}; the answer is the same. */
static void serve(void *arg)
{
    const unsigned *requests = arg;

    for (unsigned i = 0; i < *requests; i++) {
        uint64_t header, which, work;

        nanopu_wait();
        header = nanopu_rx();
        nanopu_wait();
        which = nanopu_rx();
        nanopu_wait();
        work = nanopu_rx();
        nanopu_wait_until(nanopu_cycle() + work);
        nanopu_tx(header);
        nanopu_tx(which);
        nanopu_tx(work);
        nanopu_msg_done();
    }
}

static int server(void)
{
    static unsigned rounds = ROUNDS;

    if (nanopu_thread_start(serve, &rounds, URGENT, 0) != 0 || nanopu_thread_start(serve, &rounds, PATIENT, 1) != 0)
        return 1;
    nanopu_scheduler_run(NANOPU_BY_HARDWARE);
    printf("both threads have returned\n");
    return 0;
}

static void request(uint32_t ip, unsigned context, uint64_t work)
{
    nanopu_send(ip, context, REQUEST_BYTES);
    nanopu_tx(context);
    nanopu_tx(work);
}

/* Returns the context that answered. */
static uint64_t answer(void)
{
    uint64_t which;

    nanopu_poll();
    (void)nanopu_rx();
    nanopu_poll();
    which = nanopu_rx();
    nanopu_poll();
    (void)nanopu_rx();
    nanopu_msg_done();
    return which;
}

static int client(uint32_t ip)
{
    uint64_t urgent = 0, patient = 0;
    unsigned wrong = 0;

    nanopu_register(CLIENT, 0);
    nanopu_wait_until(START_CYCLE);
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint64_t start = nanopu_cycle(), asked;

        request(ip, PATIENT, LONG);
        nanopu_wait_until(start + LONG / 4);
        asked = nanopu_cycle();
        request(ip, URGENT, SHORT);
        wrong += answer() != URGENT;
        urgent = nanopu_cycle() - asked;
        wrong += answer() != PATIENT;
        patient = nanopu_cycle() - start;
    }
    printf("a request of %u cycles was answered after %lu, one of %u after %lu\n", SHORT, urgent, LONG, patient);
    if (wrong == 0)
        printf("the short one was always first\n");
    else
        printf("%u answers came in the wrong order\n", wrong);
    return wrong != 0;
}

int main(int argc, char **argv)
{
    const char *role = nanopu_arg(argc, argv, 0);
    const char *ip = nanopu_arg(argc, argv, 1);

    if (role != NULL && strcmp(role, "server") == 0)
        return server();
    if (role != NULL && strcmp(role, "client") == 0 && ip != NULL)
        return client(nanopu_ip_parse(ip));
    printf("usage: threads server | client SERVER_IP\n");
    return 2;
}
