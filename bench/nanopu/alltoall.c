/* SPDX-License-Identifier: MIT */
/*
 * The guest of hosts_64: each hart of each host asks all other hosts in turn, one question at a time, and answers what
 * it is asked, for ever. Whoever runs it ends it.
 *
 * alltoall HOSTS
 */
#include <nanopu/nanopu.h>

#define CONTEXT     0
#define BYTES       16
#define WORK        100   /* turns of a loop for a question */
#define START_CYCLE 60000 /* all hosts are ready by then */
#define FIRST_IP    0x0a000002u

enum kind { QUESTION, ANSWER };

static void ask(uint32_t own, uint64_t hosts, uint64_t *next)
{
    uint32_t ip = FIRST_IP + (uint32_t)(*next % hosts);

    if (ip == own)
        ip = FIRST_IP + (uint32_t)(++*next % hosts);
    ++*next;
    nanopu_send(ip, CONTEXT, BYTES);
    nanopu_tx(QUESTION);
    nanopu_tx(nanopu_cycle());
}

static uint64_t work(uint64_t value)
{
#pragma GCC unroll 1
    for (unsigned i = 0; i < WORK; i++) {
        value = value * 6364136223846793005u + 1442695040888963407u;
        __asm__ volatile("" : "+r"(value));
    }
    return value;
}

int core_main(int argc, char **argv, unsigned hart, unsigned cores)
{
    uint64_t hosts = nanopu_number_parse(nanopu_arg(argc, argv, 0), 2), next;
    uint32_t own = nanopu_own_ip(argc, argv);

    next = own + hosts / cores * hart;
    nanopu_register(CONTEXT, 0);
    nanopu_wait_until(START_CYCLE);
    ask(own, hosts, &next);
    for (;;) {
        uint64_t header, kind, value;

        nanopu_poll();
        header = nanopu_rx();
        nanopu_poll();
        kind = nanopu_rx();
        nanopu_poll();
        value = nanopu_rx();
        if (kind == QUESTION) {
            value = work(value);
            nanopu_tx(header);
            nanopu_tx(ANSWER);
            nanopu_tx(value);
        } else {
            ask(own, hosts, &next);
        }
        nanopu_msg_done();
    }
}
