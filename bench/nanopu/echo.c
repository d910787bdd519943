/* SPDX-License-Identifier: MIT */
/*
 * The guest of the wire benchmarks: answers each message with its own words. All have the length of the first, and
 * there is a loop for each length, so that a word is one instruction and nothing is decided on the way. What is left
 * over is what any service has: waiting, a header of its own, saying that it is done.
 */
#include <nanopu/nanopu.h>

#define BLOCK 16 /* words that are copied without a jump */

/* L(bytes of a message) */
#define SIZES(L) L(16) L(32) L(64) L(128) L(256) L(512) L(1024)

static inline __attribute__((always_inline)) void copy(unsigned words)
{
#pragma GCC unroll 16
    for (unsigned i = 0; i < words; i++)
        nanopu_tx_rx();
}

static inline __attribute__((always_inline)) void echo(uint64_t header, unsigned bytes)
{
    unsigned words = nanopu_words(bytes);

    for (;;) {
        nanopu_tx(nanopu_header_with_bytes(header, bytes));
#pragma GCC unroll 1
        for (unsigned block = 0; block < words / BLOCK; block++)
            copy(BLOCK);
        copy(words % BLOCK);
        nanopu_msg_done();
        nanopu_wait();
        header = nanopu_rx();
    }
}

int main(void)
{
    uint64_t header;

    nanopu_register(0, 0);
    nanopu_boot_msg();
    nanopu_wait();
    header = nanopu_rx();
    switch (nanopu_header_bytes(header)) {
#define CASE(n)                                                                                                        \
    case n:                                                                                                            \
        echo(header, n);                                                                                               \
        break;
        SIZES(CASE)
    default:
        return 1;
    }
}
