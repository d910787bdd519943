/* SPDX-License-Identifier: MIT */
/*
 * One-sided memory for the load generator: an array of 3.2 MB whose address the start message tells, and operations on
 * its words that answer with service time, sending time and a word. Any core may do it: what changes a word is atomic.
 * Ends with how many answers there were, and how many reads did not find what they should.
 */
#include "loadgen.h"

#include <stdio.h>
#include <stdlib.h>

#define WORDS 400000

/* Of a request: service time, sending time, then these; the address and what the operation needs. */
enum { OP_READ = 1, OP_WRITE = 2, OP_FETCH_ADD = 3, OP_CAS = 4, OP_INDIRECT = 5 };

/* Each word is its own index. It comes with the program, so that no cache has any of it before it is asked for. */
extern uint64_t array[WORDS];
__asm__(".pushsection .data\n\t"
        ".balign 64\n"
        "array:\n\t"
        ".set index, 0\n\t"
        ".rept 400000\n\t"
        ".dword index\n\t"
        ".set index, index + 1\n\t"
        ".endr\n\t"
        ".popsection");

static uint64_t operate(uint64_t op, uint64_t *word)
{
    uint64_t expected;

    switch (op) {
    case OP_WRITE:
        *word = nanopu_rx();
        return 0;
    case OP_FETCH_ADD:
        return nanopu_fetch_add(word, nanopu_rx());
    case OP_CAS:
        expected = nanopu_rx();
        return nanopu_compare_and_swap(word, expected, nanopu_rx());
    case OP_INDIRECT:
        return *(uint64_t *)*word;
    default:
        return *word;
    }
}

static struct {
    uint64_t answered;
} __attribute__((aligned(64))) counted[4]; /* by core: no two share a line */
static uint64_t wrong;

static void serve(unsigned core)
{
    for (;;) {
        uint64_t header = loadgen_take(), service = nanopu_rx(), sent = nanopu_rx(), op = nanopu_rx(), value;
        uint64_t *word = (uint64_t *)nanopu_rx();

        if (service == 0)
            return;
        value = operate(op, word);
        nanopu_tx(nanopu_header_with_bytes(header, 24));
        nanopu_tx(service);
        nanopu_tx(sent);
        nanopu_tx(value);
        nanopu_msg_done();
        counted[core].answered++;
        if (op == OP_READ && value != (uint64_t)(word - array))
            nanopu_fetch_add(&wrong, 1);
    }
}

int core_main(int argc, char **argv, unsigned hart, unsigned cores)
{
    (void)argc, (void)argv, (void)cores;
    nanopu_register(0, 0);
    nanopu_send(LOADGEN_IP, 0, 24);
    nanopu_tx(0);
    nanopu_tx(0);
    nanopu_tx((uint64_t)array);
    serve(hart % 4);
    for (unsigned i = 1; i < 4; i++)
        counted[0].answered += counted[i].answered;
    printf("%lu requests answered, %lu wrong\n", counted[0].answered, wrong);
    exit(wrong != 0);
}
