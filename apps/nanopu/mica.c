/* SPDX-License-Identifier: MIT */
/* A key-value store (store.h) of values of 512 bytes; requests read or write one. */
#define STORE_VALUE_WORDS 64u

#include "loadgen.h"
#include "store.h"

#include <stdio.h>
#include <stdlib.h>

enum { OP_READ = 1, OP_WRITE = 2 };

static uint64_t missing, wrong;

static void answer_read(uint64_t header, uint64_t service, uint64_t sent, uint64_t key, const struct item *item)
{
    nanopu_tx(nanopu_header_with_bytes(header, 16 + (item != NULL ? 8 * STORE_VALUE_WORDS : 0)));
    nanopu_tx(service);
    nanopu_tx(sent);
    if (item == NULL) {
        missing++;
        return;
    }
#pragma GCC unroll 64
    for (unsigned i = 0; i < STORE_VALUE_WORDS; i++)
        nanopu_tx_from(&item->value[i]);
    wrong += item->value[0] != key;
}

static void answer_write(uint64_t header, uint64_t service, uint64_t sent, struct item *item)
{
#pragma GCC unroll 64
    for (unsigned i = 0; i < STORE_VALUE_WORDS; i++)
        item->value[i] = nanopu_rx();
    nanopu_tx(nanopu_header_with_bytes(header, 16));
    nanopu_tx(service);
    nanopu_tx(sent);
}

int main(void)
{
    uint64_t answered = 0;

    nanopu_register(0, 0);
    fill();
    loadgen_start(0, 0);
    for (;;) {
        uint64_t header = loadgen_take(), service = nanopu_rx(), sent = nanopu_rx(), op, first, last, hash;
        struct item *item;

        if (service == 0)
            break;
        op = nanopu_rx();
        first = nanopu_rx();
        last = nanopu_rx();
        hash = nanopu_rx();
        item = find(hash, first, last);
        if (op == OP_WRITE)
            answer_write(header, service, sent, item != NULL ? item : insert(hash, first, last));
        else
            answer_read(header, service, sent, first, item);
        nanopu_msg_done();
        answered++;
    }
    printf("%lu requests answered, %lu missing, %lu wrong\n", answered, missing, wrong);
    exit(missing != 0 || wrong != 0);
}
