/* SPDX-License-Identifier: MIT */
/*
 * Dot products (dot.h) of the words of requests, behind service time and sending time; the answer has these two and the
 * product. optimised: each word is used as it is read. naive: the message is copied to memory first, as a program does
 * that was written for a socket.
 *
 * dot optimised|naive
 */
#include "dot.h"
#include "loadgen.h"

#include <stdio.h>
#include <string.h>

static inline uint64_t multiply(unsigned words)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < words; i++)
        sum += dot_term(nanopu_rx());
    return sum;
}

static inline uint64_t copy_and_multiply(unsigned words)
{
    static volatile uint64_t copy[DOT_WORDS_MAX];
    uint64_t sum = 0;

    for (unsigned i = 0; i < words; i++)
        copy[i] = nanopu_rx();
    for (unsigned i = 0; i < words; i++)
        sum += dot_term(copy[i]);
    return sum;
}

static inline __attribute__((always_inline)) uint64_t serve(bool naive)
{
    uint64_t answered = 0;

    for (;;) {
        uint64_t header = loadgen_take(), service = nanopu_rx(), sent = nanopu_rx(), sum;
        unsigned words = (nanopu_header_bytes(header) - 16) / 8;

        sum = naive ? copy_and_multiply(words) : multiply(words);
        if (service == 0)
            return answered;
        nanopu_tx(nanopu_header_with_bytes(header, 24));
        nanopu_tx(service);
        nanopu_tx(sent);
        nanopu_tx(sum);
        nanopu_msg_done();
        answered++;
    }
}

int main(int argc, char **argv)
{
    const char *how = nanopu_arg(argc, argv, 0);

    if (how == NULL || (strcmp(how, "optimised") != 0 && strcmp(how, "naive") != 0)) {
        printf("usage: dot optimised|naive\n");
        return 2;
    }
    dot_fill();
    nanopu_register(0, 0);
    loadgen_start(0, 0);
    printf("%lu requests answered\n", how[0] == 'n' ? serve(true) : serve(false));
    return 0;
}
