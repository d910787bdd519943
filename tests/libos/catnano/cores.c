/* SPDX-License-Identifier: MIT */
/*
 * Several harts of a host, each with an instance and a socket of the same context: the NIC gives each message to the
 * hart with the least to do, the first of several. The server's harts end when ROUNDS messages were answered between
 * them; the client, on another host, counts which harts did. cores server | client SERVER
 */
#include "guest_test.h"

#include <nanopu/nanopu.h>

#define ROUNDS 200
#define DEPTH  8

static uint64_t answered;

static int server(int qd, unsigned hart)
{
    demi_qresult_t qr;
    demi_qtoken_t qt;

    CHECK(demi_pop(&qt, qd) == 0);
    while (*(volatile uint64_t *)&answered < ROUNDS) {
        struct timespec soon = {.tv_nsec = 1000}, work = {.tv_nsec = 4000};
        int rc = demi_wait(&qr, qt, &soon);

        if (rc == ETIMEDOUT)
            continue;
        CHECK(rc == 0 && length(&qr.qr_value.sga) == 16);
        nanosleep(&work, NULL);
        ((uint64_t *)segment(&qr.qr_value.sga))[1] = hart;
        answer(qd, &qr.qr_value.sga);
        nanopu_fetch_add(&answered, 1);
        CHECK(demi_pop(&qt, qd) == 0);
    }
    return 0;
}

static int client(int qd, const char *name)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(1)};
    uint64_t by_hart[4] = {0}, seen = 0;
    unsigned asked = 0;

    CHECK(inet_pton(AF_INET, name, &to.sin_addr) == 1);
    wait_for_servers();
    for (unsigned done = 0; done < ROUNDS; done++) {
        demi_qresult_t qr;
        uint64_t *words;

        for (; asked < ROUNDS && asked < done + DEPTH; asked++) {
            demi_sgarray_t sga = demi_sgaalloc(16);

            ((uint64_t *)segment(&sga))[0] = asked;
            send_to(qd, &sga, &to);
        }
        qr = pop(qd);
        words = (uint64_t *)segment(&qr.qr_value.sga);
        CHECK(words[1] < 4);
        seen += words[0];
        by_hart[words[1]]++;
        CHECK(demi_sgafree(&qr.qr_value.sga) == 0);
    }
    CHECK(seen == ROUNDS * (ROUNDS - 1) / 2);
    CHECK(by_hart[0] > 0 && by_hart[0] < ROUNDS - ROUNDS / 16);
    printf("several harts answered\n");
    return 0;
}

int core_main(int argc, char **argv, unsigned hart, unsigned cores)
{
    (void)cores;
    if (argc > 2 && hart != 0)
        return 0;
    return argc > 2 ? client(open_socket(0), argv[2]) : server(open_socket_with(1, SO_REUSEPORT, 1), hart);
}
