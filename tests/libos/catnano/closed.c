/* SPDX-License-Identifier: MIT */
/*
 * A socket that was closed leaves its context with the hardware: what still comes for it, more than a NIC has room for,
 * must not keep from their socket the messages for another. closed server | client SERVER
 */
#include "guest_test.h"

#define ROUNDS      20
#define FOR_NOBODY  10 /* messages a round */
#define PORT_CLOSED 1
#define PORT        2

static int server(void)
{
    struct sockaddr_in me = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    int qd = open_socket(PORT_CLOSED);

    CHECK(demi_close(qd) == 0);
    CHECK(demi_socket(&qd, AF_INET, SOCK_DGRAM, 0) == 0 && demi_bind(qd, (struct sockaddr *)&me, sizeof(me)) == 0);
    for (unsigned i = 0; i < ROUNDS; i++) {
        demi_qresult_t qr = pop(qd);

        answer(qd, &qr.qr_value.sga);
    }
    return 0;
}

static void send_words(int qd, struct sockaddr_in *to, unsigned port, size_t bytes, uint64_t first)
{
    demi_sgarray_t sga = demi_sgaalloc(bytes);

    memset(segment(&sga), 0, bytes);
    memcpy(segment(&sga), &first, sizeof(first));
    to->sin_port = htons((uint16_t)port);
    send_to(qd, &sga, to);
}

static int client(const char *name)
{
    struct sockaddr_in to = {.sin_family = AF_INET};
    int qd = open_socket(0);

    CHECK(inet_pton(AF_INET, name, &to.sin_addr) == 1);
    wait_for_servers();
    for (uint64_t i = 0; i < ROUNDS; i++) {
        demi_qresult_t qr;
        uint64_t first;

        for (unsigned k = 0; k < FOR_NOBODY; k++)
            send_words(qd, &to, PORT_CLOSED, 512, i);
        send_words(qd, &to, PORT, 16, i);
        qr = pop(qd);
        memcpy(&first, segment(&qr.qr_value.sga), sizeof(first));
        CHECK(first == i && ntohs(qr.qr_value.sga.sga_addr.sin_port) == PORT);
        CHECK(demi_sgafree(&qr.qr_value.sga) == 0);
    }
    printf("the open socket has answered\n");
    return 0;
}

int main(int argc, char **argv)
{
    return argc > 2 ? client(argv[2]) : server();
}
