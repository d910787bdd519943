/* SPDX-License-Identifier: MIT */
/*
 * The key-value server's message protocol on arbitrary bytes: what is no request is not answered; an answer repeats
 * number and operation, is as long as its header says, and carries a value only where the operation has one. The store
 * keeps what the messages before wrote.
 */
#include "kv/rpc.h"

#include "fuzz.h"

#include <demi/ext.h>
#include <demi/libos.h>

static struct store store;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static const uint64_t seed[2] = {1, 2};

    (void)argc;
    (void)argv;
    require(demi_init(NULL) == 0);
    require(store_init(&store, STORE_BYTES_MIN, true, seed));
    store.now_ms = 1;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rpc_answer answer;
    struct rpc_header asked, told;
    uint8_t *copy = malloc(size == 0 ? 1 : size);
    bool answered;

    require(copy != NULL);
    if (size > 0)
        memcpy(copy, data, size);
    store.now_ms++;
    answered = rpc_serve(&store, copy, size, &answer);
    free(copy);
    require(store_bytes(&store) <= store.bytes_max);
    if (size < RPC_HEADER) {
        require(!answered);
        return 0;
    }
    rpc_unpack(data, &asked);
    require(answered == !(asked.version != RPC_VERSION || (asked.operation & RPC_REPLY) != 0));
    if (!answered)
        return 0;
    rpc_unpack(answer.head, &told);
    require(told.version == RPC_VERSION && told.operation == (asked.operation | RPC_REPLY));
    require(told.number == asked.number && told.key_len == 0);
    require_equal((long long)answer.value.len, (long long)told.value_len);
    require(told.value_len <= RPC_MESSAGE_MAX - RPC_HEADER);
    require(told.status == RPC_STATUS_OK || (told.value_len == 0 && told.ttl_ms == 0));
    require(told.value_len == 0 || asked.operation == RPC_get || asked.operation == RPC_add);
    require(told.status == RPC_STATUS_MALFORMED || size == RPC_HEADER + (size_t)asked.key_len + asked.value_len);
    return 0;
}
