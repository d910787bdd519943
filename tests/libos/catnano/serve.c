/* SPDX-License-Identifier: MIT */
/* A guest that sends every message back to where it came from, for as long as the machine runs. */
#include "guest_test.h"

int main(void)
{
    int qd = open_socket(0);

    for (;;) {
        demi_qresult_t qr = pop(qd);

        answer(qd, &qr.qr_value.sga);
    }
}
