/* SPDX-License-Identifier: MIT */
/*
 * The guest of the wire benchmarks: sends back what it gets, as fast as a hart can. A first message of 8 bytes says how
 * many words each message has; then every word is one instruction (the header included: who sent it is who gets it).
 */
#include <nanopu/nanopu.h>

#define TIMES2                                                                                                         \
    nanopu_tx_rx();                                                                                                    \
    nanopu_tx_rx();
#define TIMES4   TIMES2 TIMES2
#define TIMES8   TIMES4 TIMES4
#define TIMES16  TIMES8 TIMES8
#define TIMES32  TIMES16 TIMES16
#define TIMES64  TIMES32 TIMES32
#define TIMES128 TIMES64 TIMES64

/* L(words, statements that copy them) */
#define LOOPS(L)                                                                                                       \
    L(2, TIMES2)                                                                                                       \
    L(4, TIMES4)                                                                                                       \
    L(8, TIMES8)                                                                                                       \
    L(16, TIMES16)                                                                                                     \
    L(32, TIMES32)                                                                                                     \
    L(64, TIMES64)                                                                                                     \
    L(128, TIMES128)

#define LOOP(words, copy)                                                                                              \
    static void __attribute__((noreturn)) echo_##words(void)                                                           \
    {                                                                                                                  \
        for (;;) {                                                                                                     \
            nanopu_poll();                                                                                             \
            nanopu_tx_rx();                                                                                            \
            copy nanopu_msg_done();                                                                                    \
        }                                                                                                              \
    }
LOOPS(LOOP)

int main(void)
{
    uint64_t words;

    nanopu_register(0, 0);
    nanopu_boot_msg();
    nanopu_poll();
    (void)nanopu_rx();
    words = nanopu_rx();
    nanopu_msg_done();
    switch (words) {
#define CASE(n, copy)                                                                                                  \
    case n:                                                                                                            \
        echo_##n();
        LOOPS(CASE)
    default:
        return 1;
    }
}
