/* SPDX-License-Identifier: MIT */
/*
 * Answers each message with its own words (loopback), or with 1 added to each but the last (loopback add). As in the
 * published programs the length of each message is looked up in a chain of comparisons, which leads into one long run
 * of instructions, a word each; the last word is copied behind it.
 */
#include "loadgen.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline __attribute__((always_inline)) void pass(unsigned words, bool add)
{
#pragma GCC unroll 128
    for (unsigned i = 0; i < words; i++) {
        if (add)
            nanopu_tx_rx_add(1);
        else
            nanopu_tx_rx();
    }
}

/* R(words before the last one, how many fewer are left behind this entry into the run) */
#define RUN(R) R(127, 64) R(63, 32) R(31, 16) R(15, 8) R(7, 4) R(3, 2) R(1, 1)

/* In the order in which lengths are compared. */
#define LENGTHS(L) L(1) L(3) L(7) L(15) L(31) L(63) L(127)

/* bytes: without the last word */
static inline __attribute__((always_inline)) void pass_all(unsigned bytes, bool add)
{
#define COMPARE(n)                                                                                                     \
    if (bytes == 8 * (n))                                                                                              \
        goto enter_##n;
    LENGTHS(COMPARE)
#undef COMPARE
    printf("a message of %u bytes\n", bytes + 8);
    exit(1);
#define ENTER(n, more) enter_##n : pass(more, add);
    RUN(ENTER)
#undef ENTER
}

static inline __attribute__((always_inline, noreturn)) void serve(bool add)
{
    for (;;) {
        uint64_t header;

        nanopu_wait();
        header = nanopu_rx();
        nanopu_tx(header);
        pass_all(nanopu_header_bytes(header) - 8, add);
        nanopu_tx_rx();
        nanopu_msg_done();
    }
}

int main(int argc, char **argv)
{
    const char *how = nanopu_arg(argc, argv, 0);

    if (how != NULL && strcmp(how, "add") != 0) {
        printf("usage: loopback [add]\n");
        return 2;
    }
    nanopu_register(0, 0);
    loadgen_start(0, 0);
    if (how != NULL)
        serve(true);
    serve(false);
}
