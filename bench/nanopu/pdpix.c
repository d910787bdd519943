/* SPDX-License-Identifier: MIT */
/*
 * The guest of the echo_nanopu benchmark. The server sends a message of BYTES back in one of three ways: through the
 * portable calls of PDPIX, through its inline calls on the registers, or by the bare registers. The client, on another
 * host and the same for all three, prints the cycles from its first word out to the answer's header: the median.
 *
 * pdpix client SERVER_IP | portable | inline | bare
 */
#include <arpa/inet.h>
#include <demi/ext.h>
#include <demi/libos.h>
#include <demi/nano.h>
#include <demi/sga.h>
#include <demi/wait.h>
#include <nanopu/nanopu.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BYTES       64
#define WORDS       (BYTES / 8)
#define ROUNDS      500
#define START_CYCLE 200000

static int compare(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static int client(const char *server)
{
    static uint64_t cycles[ROUNDS];
    uint64_t wrong = 0;

    nanopu_register(0, 0);
    nanopu_wait_until(START_CYCLE);
    for (uint64_t round = 0; round < ROUNDS; round++) {
        uint64_t from = nanopu_cycle(), to;

        nanopu_send(nanopu_ip_parse(server), 0, BYTES);
        for (uint64_t i = 0; i < WORDS; i++)
            nanopu_tx(round + i);
        nanopu_wait();
        to = nanopu_cycle();
        wrong += nanopu_header_bytes(nanopu_rx()) != BYTES;
        for (uint64_t i = 0; i < WORDS; i++)
            wrong += nanopu_rx() != round + i;
        nanopu_msg_done();
        cycles[round] = to - from;
    }
    qsort(cycles, ROUNDS, sizeof(cycles[0]), compare);
    printf("%lu cycles median, %lu wrong\n", cycles[ROUNDS / 2], wrong);
    return wrong != 0;
}

static int fail(const char *call)
{
    printf("%s: %s\n", call, demi_last_error());
    return 1;
}

static int open_socket(int argc, char **argv, int *qd)
{
    struct demi_args args = {.argc = argc, .argv = argv};
    struct sockaddr_in any = {.sin_family = AF_INET};

    if (demi_init(&args) != 0 || demi_socket(qd, AF_INET, SOCK_DGRAM, 0) != 0 ||
        demi_bind(*qd, (struct sockaddr *)&any, sizeof(any)) != 0)
        return fail("opening the socket");
    return 0;
}

static int portable(int qd)
{
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct sockaddr_in from;
        demi_qtoken_t token;
        demi_qresult_t qr;

        if (demi_pop(&token, qd) != 0 || demi_wait(&qr, token, NULL) != 0)
            return fail("pop");
        from = qr.qr_value.sga.sga_addr;
        if (demi_pushto(&token, qd, &qr.qr_value.sga, (struct sockaddr *)&from, sizeof(from)) != 0)
            return fail("push");
        demi_sgafree(&qr.qr_value.sga);
        if (demi_wait(&qr, token, NULL) != 0)
            return fail("wait");
    }
    return 0;
}

static int in_registers(int qd)
{
    if (demi_nano_enter(qd) != 0)
        return fail("enter");
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint64_t header = demi_nano_wait();
        unsigned words = nanopu_words(nanopu_header_bytes(header));

        demi_nano_answer(header, nanopu_header_bytes(header));
        for (; words != 0; words--)
            demi_nano_pass();
        demi_nano_done();
    }
    return 0;
}

static int bare(void)
{
    nanopu_register(0, 0);
    for (unsigned round = 0; round < ROUNDS; round++) {
        nanopu_wait();
        nanopu_tx_rx(); /* the header */
#pragma GCC unroll 8
        for (unsigned i = 0; i < WORDS; i++)
            nanopu_tx_rx();
        nanopu_msg_done();
    }
    return 0;
}

int main(int argc, char **argv)
{
    const char *role = argc > 1 ? argv[1] : "";
    int qd = -1;

    if (strcmp(role, "client") == 0 && argc > 2)
        return client(argv[2]);
    if (strcmp(role, "bare") == 0)
        return bare();
    if (open_socket(argc, argv, &qd) != 0)
        return 1;
    return strcmp(role, "inline") == 0 ? in_registers(qd) : portable(qd);
}
