/* SPDX-License-Identifier: MIT */
/*
 * On a host: sends a message of each length from FIRST to LAST by STEP, and of further such ranges in ascending order,
 * to a context, and wants each back byte by byte.
 * A simulated NIC that missed an acknowledgement may hand a message out twice, so an answer to an earlier request is
 * passed over; anything else that is wrong ends the program.
 *
 * usage: requests ADDRESS CONTEXT FIRST LAST STEP [FIRST LAST STEP]...
 */
#include "guest_test.h"

#define PATIENCE_S 20

static unsigned char byte_of(size_t len, size_t i)
{
    return (unsigned char)(len * 7 + i * 13 + (i >> 8));
}

static void request(int qd, const struct sockaddr_in *to, size_t len)
{
    demi_sgarray_t sga = demi_sgaalloc(len);

    CHECK(sga.sga_numsegs == 1);
    for (size_t i = 0; i < len; i++)
        ((unsigned char *)segment(&sga))[i] = byte_of(len, i);
    send_to(qd, &sga, to);
}

/* Takes messages until the answer to the request of len bytes has come. Returns how many others came before it. */
static unsigned await(int qd, size_t len, size_t first)
{
    const struct timespec patience = {.tv_sec = PATIENCE_S};

    for (unsigned others = 0;; others++) {
        demi_qresult_t qr;
        demi_qtoken_t qt;
        size_t came;

        CHECK(demi_pop(&qt, qd) == 0);
        CHECK(demi_wait(&qr, qt, &patience) == 0 && qr.qr_opcode == DEMI_OPC_POP);
        came = length(&qr.qr_value.sga);
        CHECK(came >= first && came <= len);
        for (size_t i = 0; i < came; i++)
            CHECK(((unsigned char *)segment(&qr.qr_value.sga))[i] == byte_of(came, i));
        CHECK(demi_sgafree(&qr.qr_value.sga) == 0);
        if (came == len)
            return others;
    }
}

int main(int argc, char **argv)
{
    struct sockaddr_in to = {.sin_family = AF_INET}, me = {.sin_family = AF_INET};
    unsigned others = 0, right = 0;
    int qd;

    CHECK(argc >= 6 && argc % 3 == 0 && inet_pton(AF_INET, argv[1], &to.sin_addr) == 1);
    to.sin_port = htons((uint16_t)atoi(argv[2]));
    CHECK(demi_init(NULL) == 0);
    CHECK(demi_socket(&qd, AF_INET, SOCK_RDM, 0) == 0);
    CHECK(demi_bind(qd, (struct sockaddr *)&me, sizeof(me)) == 0);
    for (int arg = 3; arg < argc; arg += 3) {
        size_t last = (size_t)atol(argv[arg + 1]), step = (size_t)atol(argv[arg + 2]);

        for (size_t len = (size_t)atol(argv[arg]); len <= last; len += step, right++) {
            request(qd, &to, len);
            others += await(qd, len, (size_t)atol(argv[3]));
        }
    }
    CHECK(demi_close(qd) == 0);
    printf("%u answers are right, %u came twice\n", right, others);
    return 0;
}
