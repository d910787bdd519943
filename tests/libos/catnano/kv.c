/* SPDX-License-Identifier: MIT */
/*
 * A client of apps/kv over a connected socket: what was set is there, what was deleted is not, and no bytes but those
 * of a request are taken for one. The answers' bytes are looked at as docs/kv.md tells them. kv SERVER
 */
#include "guest_test.h"

enum { PING = 1, GET = 2, SET = 3, DELETE = 4 };

static int qd;

/* Sends a request and checks the answer's head; returns the array. */
static demi_sgarray_t ask(unsigned operation, const char *key, const char *value, unsigned status)
{
    unsigned char head[24] = {1, (unsigned char)operation, 0, 0, (unsigned char)strlen(key)};
    demi_sgarray_t sga = demi_sgaalloc(sizeof(head) + strlen(key) + strlen(value));
    demi_qresult_t qr;
    demi_qtoken_t qt;
    char *at = segment(&sga);

    head[8] = (unsigned char)strlen(value);
    head[16] = 77;
    memcpy(at, head, sizeof(head));
    memcpy(at + sizeof(head), key, strlen(key));
    memcpy(at + sizeof(head) + strlen(key), value, strlen(value));
    CHECK(demi_push(&qt, qd, &sga) == 0 && demi_wait(&qr, qt, NULL) == 0 && demi_sgafree(&sga) == 0);
    sga = pop(qd).qr_value.sga;
    at = segment(&sga);
    CHECK(length(&sga) >= sizeof(head) && at[0] == 1 && (unsigned char)at[1] == (operation | 0x80));
    CHECK((unsigned char)at[2] == status && at[16] == 77);
    return sga;
}

static void expect(unsigned operation, const char *key, const char *value, unsigned status, const char *answer)
{
    demi_sgarray_t sga = ask(operation, key, value, status);

    CHECK(length(&sga) == 24 + strlen(answer) && memcmp(segment(&sga) + 24, answer, strlen(answer)) == 0);
    CHECK(demi_sgafree(&sga) == 0);
}

int main(int argc, char **argv)
{
    struct sockaddr_in server = {.sin_family = AF_INET};
    struct timespec start = {.tv_nsec = 4000000};
    demi_qresult_t qr;
    demi_qtoken_t qt;

    CHECK(argc == 2 && inet_pton(AF_INET, argv[1], &server.sin_addr) == 1);
    qd = open_socket(0);
    CHECK(demi_connect(&qt, qd, (struct sockaddr *)&server, sizeof(server)) == 0 && demi_wait(&qr, qt, NULL) == 0);
    nanosleep(&start, NULL);
    expect(PING, "", "", 0, "");
    expect(GET, "colour", "", 1, "");
    expect(SET, "colour", "ultramarine", 0, "");
    expect(GET, "colour", "", 0, "ultramarine");
    expect(DELETE, "colour", "", 0, "");
    expect(GET, "colour", "", 1, "");
    expect(99, "colour", "", 4, "");
    printf("kv answers\n");
    return 0;
}
