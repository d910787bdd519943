/* SPDX-License-Identifier: MIT */
/*
 * A token goes around a ring of hosts. Each adds one to it and sends it to the next; the first one measures.
 *
 * ring NEXT_IP ROUNDS [first]
 */
#include <nanopu/nanopu.h>

#include <stdio.h>
#include <string.h>

#define CONTEXT     0
#define TOKEN_BYTES 8
#define START_CYCLE 60000

static uint64_t take(void)
{
    uint64_t token;

    nanopu_poll();
    (void)nanopu_rx();
    nanopu_poll();
    token = nanopu_rx();
    nanopu_msg_done();
    return token;
}

static void pass(uint32_t next, uint64_t token)
{
    nanopu_send(next, CONTEXT, TOKEN_BYTES);
    nanopu_tx(token);
}

static int begin(uint32_t next, uint64_t rounds)
{
    uint64_t start, cycles, token = 0;

    nanopu_wait_until(START_CYCLE);
    start = nanopu_cycle();
    for (uint64_t i = 0; i < rounds; i++) {
        pass(next, token + 1);
        token = take();
    }
    cycles = nanopu_cycle() - start;
    printf("%lu hops in %lu cycles: %lu ns a hop\n", token, cycles, nanopu_ns(cycles / (token != 0 ? token : 1)));
    return token % rounds != 0;
}

int main(int argc, char **argv)
{
    const char *next = nanopu_arg(argc, argv, 0);
    const char *first = nanopu_arg(argc, argv, 2);
    uint64_t rounds = nanopu_number_parse(nanopu_arg(argc, argv, 1), 0);

    if (next == NULL || rounds == 0) {
        printf("usage: ring NEXT_IP ROUNDS [first]\n");
        return 2;
    }
    nanopu_register(CONTEXT, 0);
    if (first != NULL && strcmp(first, "first") == 0)
        return begin(nanopu_ip_parse(next), rounds);
    for (uint64_t i = 0; i < rounds; i++)
        pass(nanopu_ip_parse(next), take() + 1);
    return 0;
}
