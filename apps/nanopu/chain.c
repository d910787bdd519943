/* SPDX-License-Identifier: MIT */
/*
 * Chain replication (van Renesse, Schneider, OSDI 2004) of a key-value store (store.h) of values of 64 bytes. The load
 * generator asks a proxy; that hands each write to the head of the chain; each node writes and hands on what is left of
 * the list of nodes in the message; the tail answers the proxy, which answers the generator. One core a node, so writes
 * are made in the same order everywhere: in the end all nodes print the same sum over their stores.
 *
 * chain proxy HEAD_IP | node PROXY_IP
 *
 * The words of a request: service time, sending time, operation << 56 | nodes after this one << 40 | the client's IP
 * address, the nodes after the head (context << 32 | IP address), key, hash, value.
 */
#define STORE_VALUE_WORDS 8u

#include "loadgen.h"
#include "store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGE_WORDS (2u + 1 + 2 + 2 + 1 + STORE_VALUE_WORDS)
#define ANSWER_BYTES  24u
#define NODES         3
#define UNANSWERED    32u
#define REQUESTS      0 /* the proxy's contexts; nodes have the first alone */
#define ANSWERS       1
#define CONTEXT_SHIFT 32
#define LEFT_SHIFT    40
#define LEFT_ONE      (UINT64_C(1) << LEFT_SHIFT)
#define LEFT_MASK     (UINT64_C(0xff) << LEFT_SHIFT)

static void take(uint64_t *words)
{
#pragma GCC unroll 32
    for (unsigned i = 0; i < MESSAGE_WORDS; i++)
        words[i] = nanopu_rx();
}

static void pass_on(uint64_t header, const uint64_t *words)
{
    nanopu_tx(header);
#pragma GCC unroll 32
    for (unsigned i = 0; i < MESSAGE_WORDS; i++)
        nanopu_tx_from(&words[i]);
}

/* What the tail says to the proxy, and the proxy to the generator. */
static void answer(uint64_t header, const uint64_t *words)
{
    nanopu_tx(header);
    for (unsigned i = 0; i < ANSWER_BYTES / 8; i++)
        nanopu_tx(words[i]);
}

/* One request goes to the head. Its answer is to come to the proxy's context for answers. */
static uint64_t ask_head(uint64_t to_head)
{
    uint64_t header, words[MESSAGE_WORDS];

    nanopu_set_context(REQUESTS);
    header = nanopu_rx();
    take(words);
    words[2] |= (uint64_t)ANSWERS << CONTEXT_SHIFT;
    pass_on(to_head, words);
    nanopu_msg_done();
    return nanopu_header_with_bytes(header, ANSWER_BYTES);
}

/* The tail's answer, at the head of the current context's queue. False when it is that to the last request. */
static bool answer_generator(uint64_t back)
{
    uint64_t words[ANSWER_BYTES / 8];

    (void)nanopu_rx();
    for (unsigned i = 0; i < ANSWER_BYTES / 8; i++)
        words[i] = nanopu_rx();
    nanopu_msg_done();
    if (words[0] == 0)
        return false;
    nanopu_set_context(REQUESTS);
    answer(back, words);
    return true;
}

/* The register that tells of a message shows a cycle late whose it is. */
static bool ready_in(unsigned context)
{
    nanopu_set_context(context);
    __asm__ volatile("nop");
    return nanopu_ready();
}

/* Waits for the nodes, whose stores take a while to fill. */
static void wait_for_nodes(unsigned nodes)
{
    while (nodes-- > 0) {
        nanopu_poll();
        (void)nanopu_rx();
        (void)nanopu_rx();
        nanopu_msg_done();
    }
}

/* What is not answered is limited, so that the chain's backlog waits in the NIC that the generator sends to. */
static int proxy(uint32_t head)
{
    uint64_t to_head = nanopu_header(head, REQUESTS, 8 * MESSAGE_WORDS), asked = 0, answered = 0, back = 0;

    nanopu_register(REQUESTS, 0);
    nanopu_register(ANSWERS, 0);
    wait_for_nodes(NODES);
    nanopu_set_context(REQUESTS);
    loadgen_start(0, REQUESTS);
    for (;;) {
        if (ready_in(ANSWERS)) {
            if (!answer_generator(back))
                break;
            answered++;
        } else if (asked < answered + UNANSWERED && ready_in(REQUESTS)) { /* some answers come twice */
            back = ask_head(to_head);
            asked++;
        }
    }
    printf("%lu requests answered\n", answered);
    return 0;
}

static void write_item(const uint64_t *words)
{
    const uint64_t *key = words + 5;
    struct item *item = find(key[2], key[0], key[1]);

    if (item == NULL)
        item = insert(key[2], key[0], key[1]);
#pragma GCC unroll 8
    for (unsigned i = 0; i < STORE_VALUE_WORDS; i++)
        item->value[i] = key[3 + i];
}

static uint64_t sum_of_values(void)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < LOG_ITEMS; i++) {
        for (unsigned k = 0; k < STORE_VALUE_WORDS; k++)
            sum = sum * 31 + items[i].value[k];
    }
    return sum;
}

static int node(uint32_t client)
{
    uint64_t words[MESSAGE_WORDS], writes = 0;

    nanopu_register(REQUESTS, 0);
    fill();
    nanopu_send(client, ANSWERS, 8);
    nanopu_tx(0);
    do {
        uint64_t next;

        (void)loadgen_take();
        take(words);
        next = words[3];
        if (words[0] != 0) {
            write_item(words);
            writes++;
        }
        if ((words[2] & LEFT_MASK) == 0) {
            answer(nanopu_header((uint32_t)words[2], (unsigned)(words[2] >> CONTEXT_SHIFT) & 0xff, ANSWER_BYTES),
                   words);
        } else {
            words[2] -= LEFT_ONE;
            words[3] = words[4];
            pass_on(nanopu_header((uint32_t)next, (unsigned)(next >> 32), 8 * MESSAGE_WORDS), words);
        }
        nanopu_msg_done();
    } while (words[0] != 0);
    printf("%lu writes, sum %016lx\n", writes, sum_of_values());
    return 0;
}

int main(int argc, char **argv)
{
    const char *role = nanopu_arg(argc, argv, 0), *ip = nanopu_arg(argc, argv, 1);

    if (role != NULL && ip != NULL && strcmp(role, "node") == 0)
        return node(nanopu_ip_parse(ip));
    if (role != NULL && ip != NULL && strcmp(role, "proxy") == 0)
        return proxy(nanopu_ip_parse(ip));
    printf("usage: chain proxy HEAD_IP | node PROXY_IP\n");
    return 2;
}
