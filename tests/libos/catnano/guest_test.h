/* SPDX-License-Identifier: MIT */
/* What the guest programs of these tests share: calls that end the program when they fail, naming the line. */
#ifndef TESTS_CATNANO_GUEST_TEST_H
#define TESTS_CATNANO_GUEST_TEST_H

#include <arpa/inet.h>
#include <demi/ext.h>
#include <demi/libos.h>
#include <demi/sga.h>
#include <demi/wait.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            printf("line %d: not so: %s (%s)\n", __LINE__, #condition, demi_last_error());                             \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

static inline char *segment(const demi_sgarray_t *sga)
{
    return sga->sga_segs[0].sgaseg_buf;
}

static inline size_t length(const demi_sgarray_t *sga)
{
    return sga->sga_segs[0].sgaseg_len;
}

/* A datagram socket with an option of SOL_SOCKET, or 0 for none, bound to a port; 0: the lowest that is free. */
static inline int open_socket_with(unsigned port, int option, int value)
{
    struct sockaddr_in me = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int qd = -1;

    CHECK(demi_init(NULL) == 0);
    CHECK(demi_socket(&qd, AF_INET, SOCK_DGRAM, 0) == 0);
    CHECK(option == 0 || demi_setsockopt(qd, SOL_SOCKET, option, &value, sizeof(value)) == 0);
    CHECK(demi_bind(qd, (struct sockaddr *)&me, sizeof(me)) == 0);
    return qd;
}

static inline int open_socket(unsigned port)
{
    return open_socket_with(port, 0, 0);
}

/* Clients begin when every server has bound: what comes before is thrown away. */
static inline void wait_for_servers(void)
{
    struct timespec time = {.tv_nsec = 30000};

    nanosleep(&time, NULL);
}

static inline void send_to(int qd, demi_sgarray_t *sga, const struct sockaddr_in *to)
{
    demi_qresult_t qr;
    demi_qtoken_t qt;

    CHECK(demi_pushto(&qt, qd, sga, (const struct sockaddr *)to, sizeof(*to)) == 0);
    CHECK(demi_sgafree(sga) == 0);
    CHECK(demi_wait(&qr, qt, NULL) == 0 && qr.qr_opcode == DEMI_OPC_PUSH);
}

static inline demi_qresult_t pop(int qd)
{
    demi_qresult_t qr;
    demi_qtoken_t qt;

    CHECK(demi_pop(&qt, qd) == 0);
    CHECK(demi_wait(&qr, qt, NULL) == 0 && qr.qr_opcode == DEMI_OPC_POP);
    return qr;
}

/* Sends an array that was popped back to where it came from. */
static inline void answer(int qd, demi_sgarray_t *sga)
{
    struct sockaddr_in from = sga->sga_addr;

    send_to(qd, sga, &from);
}

#endif /* TESTS_CATNANO_GUEST_TEST_H */
