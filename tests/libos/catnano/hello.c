/* SPDX-License-Identifier: MIT */
/* One message there and back through the portable calls: hello, or hello SERVER. */
#include "guest_test.h"

#include <stdio.h>

static int client(int qd, const char *server)
{
    struct sockaddr_in to = {.sin_family = AF_INET};
    demi_sgarray_t sga = demi_sgaalloc(13);
    demi_qresult_t qr;

    CHECK(inet_pton(AF_INET, server, &to.sin_addr) == 1);
    memcpy(segment(&sga), "hello, nanoPU", 13);
    wait_for_servers();
    send_to(qd, &sga, &to);
    qr = pop(qd);
    CHECK(length(&qr.qr_value.sga) == 13 && memcmp(segment(&qr.qr_value.sga), "hello, nanoPU", 13) == 0);
    CHECK(qr.qr_value.sga.sga_addr.sin_addr.s_addr == to.sin_addr.s_addr);
    printf("the answer is right\n");
    return demi_sgafree(&qr.qr_value.sga);
}

int main(int argc, char **argv)
{
    int qd = open_socket(0);
    demi_qresult_t qr;

    if (argc > 1)
        return client(qd, argv[1]);
    qr = pop(qd);
    answer(qd, &qr.qr_value.sga);
    return 0;
}
