/* SPDX-License-Identifier: MIT */
/*
 * Four cores serve one context; the NIC gives each message to the core with the fewest of them (JBSQ). The client keeps
 * a window of requests under way, and counts who answered.
 *
 * jbsq server | client SERVER_IP
 */
#include <nanopu/nanopu.h>

#include <stdio.h>
#include <string.h>

#define CONTEXT       0
#define REQUESTS      400u
#define WINDOW        12
#define SERVICE       600u  /* cycles of work a request asks for */
#define START_CYCLE   60000 /* the server is ready by then */
#define REQUEST_BYTES 16
#define CORES_MAX     64
#define STOP          UINT64_MAX

/* Requests are {number, cycles of work}; answers {number, the hart that did it}. */
static int serve(unsigned hart)
{
    nanopu_register(CONTEXT, 0);
    for (;;) {
        uint64_t header, number, work;

        nanopu_poll();
        header = nanopu_rx();
        nanopu_poll();
        number = nanopu_rx();
        nanopu_poll();
        work = nanopu_rx();
        nanopu_wait_until(nanopu_cycle() + work);
        nanopu_tx(header);
        nanopu_tx(number);
        nanopu_tx(hart);
        nanopu_msg_done();
        if (number == STOP)
            return 0;
    }
}

static void request(uint32_t server, uint64_t number)
{
    nanopu_send(server, CONTEXT, REQUEST_BYTES);
    nanopu_tx(number);
    nanopu_tx(number == STOP ? 5000 : SERVICE); /* so long that each core gets one before it could take a second */
}

/* Returns the hart that answered. */
static unsigned answer(void)
{
    unsigned hart;

    nanopu_poll();
    (void)nanopu_rx();
    nanopu_poll();
    (void)nanopu_rx();
    nanopu_poll();
    hart = (unsigned)nanopu_rx() % CORES_MAX;
    nanopu_msg_done();
    return hart;
}

static int ask(uint32_t server, unsigned cores)
{
    static unsigned served[CORES_MAX];
    uint64_t start, cycles;
    unsigned idle = 0;

    nanopu_register(CONTEXT, 0);
    nanopu_wait_until(START_CYCLE);
    start = nanopu_cycle();
    for (unsigned sent = 0, received = 0; received < REQUESTS;) {
        if (sent < REQUESTS && sent - received < WINDOW) {
            request(server, sent++);
        } else {
            served[answer()]++;
            received++;
        }
    }
    cycles = nanopu_cycle() - start;
    for (unsigned i = 0; i < cores; i++)
        request(server, STOP);
    for (unsigned i = 0; i < cores; i++)
        answer();
    for (unsigned i = 0; i < cores; i++) {
        printf("core %u answered %u requests\n", i, served[i]);
        idle += served[i] < REQUESTS / cores / 2;
    }
    printf("%u requests of %u cycles in %lu cycles: %.2f cores' work\n", REQUESTS, SERVICE, cycles,
           (double)REQUESTS * SERVICE / (double)cycles);
    return idle != 0;
}

int core_main(int argc, char **argv, unsigned hart, unsigned cores)
{
    const char *role = nanopu_arg(argc, argv, 0);
    const char *server = nanopu_arg(argc, argv, 1);

    if (role != NULL && strcmp(role, "server") == 0)
        return serve(hart);
    if (role == NULL || strcmp(role, "client") != 0 || server == NULL) {
        if (hart == 0)
            printf("usage: jbsq server | client SERVER_IP\n");
        return 2;
    }
    return hart == 0 ? ask(nanopu_ip_parse(server), cores) : 0;
}
