/* SPDX-License-Identifier: MIT */
/*
 * What a popped message's result is made of is used again for the next one: with pops that wait, messages of changing
 * lengths and arrays that are kept for a while, no token and no array is the application's twice. again server | client
 * SERVER
 */
#include "guest_test.h"

#include <stdbool.h>

#define ROUNDS  120
#define PENDING 2

/* Lengths of several classes of memory, in no order. */
static size_t bytes_of(unsigned round)
{
    static const size_t bytes[] = {40, 64, 600, 8, 2048, 72, 1024};

    return bytes[round % (sizeof(bytes) / sizeof(bytes[0]))];
}

static bool is_round(const demi_sgarray_t *sga, unsigned round)
{
    const uint64_t *word = (const void *)segment(sga);

    for (size_t i = 0; i < length(sga) / 8; i++)
        if (word[i] != round * 1000 + i)
            return false;
    return length(sga) == bytes_of(round);
}

static void free_once(demi_sgarray_t *sga)
{
    demi_sgarray_t same = *sga;

    CHECK(demi_sgafree(sga) == 0);
    CHECK(demi_sgafree(&same) == EINVAL);
}

static int server(void)
{
    int qd = open_socket(0);
    demi_qtoken_t token[ROUNDS + PENDING];
    demi_sgarray_t kept = {.sga_buf = NULL};
    unsigned asked = 0;

    for (; asked < PENDING; asked++)
        CHECK(demi_pop(&token[asked], qd) == 0);
    for (unsigned round = 0; round < ROUNDS; round++) {
        demi_qresult_t qr, none;
        int n = 0;

        CHECK(demi_wait_next_n(&qr, 1, &n, NULL) == 0 && n == 1 && qr.qr_opcode == DEMI_OPC_POP);
        CHECK(qr.qr_qt == token[round] && demi_wait(&none, token[round], NULL) == EINVAL);
        CHECK(is_round(&qr.qr_value.sga, round));
        if (kept.sga_buf != NULL) {
            CHECK(kept.sga_buf != qr.qr_value.sga.sga_buf && is_round(&kept, round - 1));
            free_once(&kept);
            kept.sga_buf = NULL;
        }
        CHECK(demi_pop(&token[asked], qd) == 0);
        for (unsigned i = 0; i < asked; i++)
            CHECK(token[i] != token[asked]);
        asked++;
        {
            struct iovec part[2] = {{segment(&qr.qr_value.sga), 8}, {segment(&qr.qr_value.sga), 8}};
            struct sockaddr_in from = qr.qr_value.sga.sga_addr;

            CHECK(demi_pushtov(NULL, qd, part, 2, (const struct sockaddr *)&from, sizeof(from)) == 0);
        }
        if (round % 3 == 0)
            kept = qr.qr_value.sga;
        else
            free_once(&qr.qr_value.sga);
    }
    return 0;
}

static int client(const char *name)
{
    struct sockaddr_in to = {.sin_family = AF_INET};
    int qd = open_socket(0);

    CHECK(inet_pton(AF_INET, name, &to.sin_addr) == 1);
    wait_for_servers();
    for (unsigned round = 0; round < ROUNDS; round++) {
        demi_sgarray_t sga = demi_sgaalloc(bytes_of(round));
        uint64_t *word = (void *)segment(&sga);
        demi_qresult_t qr;

        for (size_t i = 0; i < bytes_of(round) / 8; i++)
            word[i] = round * 1000 + i;
        send_to(qd, &sga, &to);
        qr = pop(qd);
        word = (void *)segment(&qr.qr_value.sga);
        CHECK(length(&qr.qr_value.sga) == 16 && word[0] == round * 1000 && word[1] == word[0]);
        CHECK(demi_sgafree(&qr.qr_value.sga) == 0);
    }
    printf("all messages were whole\n");
    return 0;
}

int main(int argc, char **argv)
{
    return argc > 2 ? client(argv[2]) : server();
}
