/* SPDX-License-Identifier: MIT */
/*
 * One-sided memory: a server lets a client read and change words of its memory by messages. The client measures the
 * cycles around each request, at random places of an array of 3.2 MB, and shows median and 90th percentile of each
 * operation; the values that come back tell whether the server did as it should. What changes a word and tells the old
 * one is atomic: any number of the server's cores may do it.
 *
 * onesided server CLIENT_IP | client SERVER_IP [figures]
 */
#include <nanopu/nanopu.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONTEXT      0
#define WORDS        400000
#define REQUESTS     200
#define WRITTEN_MORE 7      /* than its index is what a write puts into a word, */
#define SWAPPED_MORE 3      /* and what a compare-and-swap does */
#define CLIENT_WAIT  400000 /* cycles after which the server sends its array's address: the client is ready by then */

/* O(name, what it answers, words of its request) */
#define OPERATIONS(O)                                                                                                  \
    O(read, "the word at an address", 2)                                                                               \
    O(write, "0; it takes the new value", 3)                                                                           \
    O(cas, "the old word; the new one replaces it if it was the expected one", 4)                                      \
    O(fetch_add, "the old word; adds to it", 3)                                                                        \
    O(indirect, "the word at the address that stands at an address", 2)                                                \
    O(link, "0; makes every word the address of another", 2)                                                           \
    O(stop, "0; ends the server", 2)

#define OP_ENUM(name, help, words) OP_##name,
enum operation { OPERATIONS(OP_ENUM) OPS };
#undef OP_ENUM

#define OPS_MEASURED OP_link /* those before it */

static uint64_t array[WORDS]; /* the server's: each word is its own index at first */

/* Which word's address `link` puts into a word: STEP has no factor in common with WORDS, so none is taken twice. */
#define STEP 147583u
static uint64_t linked(uint64_t index)
{
    return (index * STEP + 1) % WORDS;
}

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static uint64_t take(void)
{
    nanopu_poll();
    return nanopu_rx();
}

static void answer(uint64_t header, uint64_t value)
{
    nanopu_tx(nanopu_header_with_bytes(header, 8));
    nanopu_tx(value);
}

/* Returns false after the last request. */
static bool serve_one(void)
{
    uint64_t header = take(), op = take(), expected;
    uint64_t *word = (uint64_t *)take();

    switch (op) {
    case OP_read:
        answer(header, *word);
        break;
    case OP_write:
        *word = take();
        answer(header, 0);
        break;
    case OP_cas:
        expected = take();
        answer(header, nanopu_compare_and_swap(word, expected, take()));
        break;
    case OP_fetch_add:
        answer(header, nanopu_fetch_add(word, take()));
        break;
    case OP_indirect:
        answer(header, *(uint64_t *)*word);
        break;
    case OP_link:
        for (unsigned i = 0; i < WORDS; i++)
            array[i] = (uint64_t)&array[linked(i)];
        answer(header, 0);
        break;
    default:
        answer(header, 0);
        break;
    }
    nanopu_msg_done();
    return op != OP_stop;
}

static int server(uint32_t client)
{
    nanopu_register(CONTEXT, 0);
    for (unsigned i = 0; i < WORDS; i++)
        array[i] = i;
    nanopu_wait_until(CLIENT_WAIT);
    nanopu_send(client, CONTEXT, 8);
    nanopu_tx((uint64_t)array);
    while (serve_one())
        ;
    return 0;
}

struct result {
    uint64_t value, cycles;
};

/* One request: its header and words go out, two words come in. */
static struct result ask(uint64_t header, enum operation op, uint64_t address, uint64_t a, uint64_t b)
{
    uint64_t start = nanopu_cycle();
    struct result result;

    nanopu_tx(header);
    nanopu_tx(op);
    nanopu_tx(address);
    if (op == OP_write || op == OP_cas || op == OP_fetch_add)
        nanopu_tx(a);
    if (op == OP_cas)
        nanopu_tx(b);
    (void)take();
    result.value = take();
    result.cycles = nanopu_cycle() - start;
    nanopu_msg_done();
    return result;
}

static int compare(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return *x < *y ? -1 : *x > *y;
}

/* The same as figures of an evaluation, by percentile. */
static void print_figures(const char *name, const uint64_t *sorted)
{
    static const unsigned percent[] = {10, 20, 35, 50, 65, 75, 90};

    for (unsigned i = 0; i < sizeof(percent) / sizeof(percent[0]); i++)
        printf("figure %s: %u %.1f\n", name, percent[i], (double)sorted[REQUESTS * percent[i] / 100 - 1] / 3.2);
}

static void print_cycles(const char *name, const uint64_t *cycles)
{
    uint64_t half, most;

    half = (cycles[REQUESTS / 2 - 1] + cycles[REQUESTS / 2]) / 2;
    most = cycles[REQUESTS * 9 / 10 - 1];
    printf("%-10s median %4lu cycles %6.1f ns, 90 %% %4lu cycles %6.1f ns\n", name, half, (double)half / 3.2, most,
           (double)most / 3.2);
}

/* more: what earlier operations have made of the word is its index and so much more. */
static bool is_wrong(enum operation op, uint64_t index, uint64_t more, uint64_t base, uint64_t value)
{
    switch (op) {
    case OP_write:
        return value != 0;
    case OP_indirect:
        return value != base + 8 * linked(linked(index));
    default:
        return value != index + more;
    }
}

static unsigned run(enum operation op, const char *name, uint32_t ip, uint64_t base, uint8_t *more, bool figures)
{
    static const unsigned request_bytes[] = {
#define OP_BYTES(name, help, words) [OP_##name] = 8 * (words),
        OPERATIONS(OP_BYTES)
#undef OP_BYTES
    };
    static uint64_t cycles[REQUESTS];
    uint64_t random = 362436069 + (uint64_t)op, header = nanopu_header(ip, CONTEXT, request_bytes[op]);
    unsigned wrong = 0;

    for (unsigned i = 0; i < REQUESTS; i++) {
        uint64_t index = next_random(&random) % WORDS, old = index + more[index];
        uint64_t operand = op == OP_fetch_add ? 1 : op == OP_cas ? old : index + WRITTEN_MORE;
        struct result r = ask(header, op, base + 8 * index, operand, index + SWAPPED_MORE);

        wrong += is_wrong(op, index, more[index], base, r.value);
        cycles[i] = r.cycles;
        if (op == OP_write)
            more[index] = WRITTEN_MORE;
        else if (op == OP_cas)
            more[index] = SWAPPED_MORE;
        else if (op == OP_fetch_add)
            more[index]++;
    }
    qsort(cycles, REQUESTS, sizeof(cycles[0]), compare);
    if (figures)
        print_figures(name, cycles);
    else
        print_cycles(name, cycles);
    return wrong;
}

static int client(uint32_t ip, bool figures)
{
    static const char *const names[] = {
#define OP_NAME(name, help, words) [OP_##name] = #name,
        OPERATIONS(OP_NAME)
#undef OP_NAME
    };
    static uint8_t more[WORDS];
    uint64_t base;
    unsigned wrong = 0;

    nanopu_register(CONTEXT, 0);
    (void)take();
    base = take();
    nanopu_msg_done();
    for (enum operation op = 0; op < OPS_MEASURED; op++) {
        if (op == OP_indirect)
            ask(nanopu_header(ip, CONTEXT, 16), OP_link, 0, 0, 0);
        wrong += run(op, names[op], ip, base, more, figures);
    }
    ask(nanopu_header(ip, CONTEXT, 16), OP_stop, 0, 0, 0);
    if (wrong == 0)
        printf("every answer was right\n");
    else
        printf("%u answers were wrong\n", wrong);
    return wrong != 0;
}

int main(int argc, char **argv)
{
    const char *role = nanopu_arg(argc, argv, 0), *ip = nanopu_arg(argc, argv, 1);

    if (role != NULL && ip != NULL && strcmp(role, "server") == 0)
        return server(nanopu_ip_parse(ip));
    if (role != NULL && ip != NULL && strcmp(role, "client") == 0)
        return client(nanopu_ip_parse(ip), nanopu_arg(argc, argv, 2) != NULL);
    printf("usage: onesided server CLIENT_IP | client SERVER_IP [figures]\n");
    return 2;
}
