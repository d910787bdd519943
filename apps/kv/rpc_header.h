/* SPDX-License-Identifier: MIT */
/*
 * The message protocol: one request is one message, and so is its answer, which repeats the request's number. Its
 * header has 24 bytes, numbers are little-endian; docs/kv.md describes it.
 */
#ifndef APPS_KV_RPC_HEADER_H
#define APPS_KV_RPC_HEADER_H

#include "common/word.h"

#include <endian.h>
#include <stdint.h>
#include <string.h>

#define RPC_HEADER      24
#define RPC_VERSION     1
#define RPC_REPLY       0x80 /* in the operation of an answer */
#define RPC_MESSAGE_MAX 65507u

#define RPC_OPERATIONS(X)                                                                                              \
    X(ping, 1)                                                                                                         \
    X(get, 2)                                                                                                          \
    X(set, 3)                                                                                                          \
    X(delete, 4)                                                                                                       \
    X(add, 5)                                                                                                          \
    X(expire, 6)

#define RPC_STATUSES(X)                                                                                                \
    X(OK, 0)                                                                                                           \
    X(NOT_FOUND, 1)                                                                                                    \
    X(HELD, 2) /* a condition did not hold */                                                                          \
    X(NO_MEMORY, 3)                                                                                                    \
    X(MALFORMED, 4) /* or an operation that there is not */                                                            \
    X(TOO_LONG, 5)  /* the answer does not fit a message */                                                            \
    X(NOT_A_NUMBER, 6)

#define RPC_OPERATION_NUMBER(name, number) RPC_##name = (number),
#define RPC_STATUS_NUMBER(name, number)    RPC_STATUS_##name = (number),
enum rpc_operation { RPC_OPERATIONS(RPC_OPERATION_NUMBER) };
enum rpc_status { RPC_STATUSES(RPC_STATUS_NUMBER) };

#define RPC_IF_ABSENT  1 /* flags of set */
#define RPC_IF_PRESENT 2

struct rpc_header {
    uint8_t version;
    uint8_t operation;
    uint8_t status;
    uint8_t flags;
    uint16_t key_len;
    uint32_t value_len;
    uint32_t ttl_ms;
    uint64_t number;
};

/* Between a header and its 24 bytes, three words. */
static inline void rpc_pack(const struct rpc_header *h, void *out)
{
    uint64_t first = h->version | (uint64_t)h->operation << 8 | (uint64_t)h->status << 16 | (uint64_t)h->flags << 24 |
                     (uint64_t)h->key_len << 32;
    uint64_t second = h->value_len | (uint64_t)h->ttl_ms << 32;
    bool aligned = word_aligned(out);
    word_store(out, htole64(first), aligned);
    word_store((char *)out + 8, htole64(second), aligned);
    word_store((char *)out + 16, htole64(h->number), aligned);
}

static inline void rpc_words(const void *in, uint64_t word[RPC_HEADER / 8])
{
    const char *at = in;
    bool aligned = word_aligned(in);
#pragma GCC unroll 3
    for (int i = 0; i < RPC_HEADER / 8; i++) {
        word[i] = le64toh(aligned ? word_load(at + 8 * i, true) : word_load(at + 8 * i, false));
    }
}

static inline void rpc_unpack_words(const uint64_t word[RPC_HEADER / 8], struct rpc_header *h)
{
    uint64_t first = word[0], second = word[1];
    h->version = (uint8_t)first;
    h->operation = (uint8_t)(first >> 8);
    h->status = (uint8_t)(first >> 16);
    h->flags = (uint8_t)(first >> 24);
    h->key_len = (uint16_t)(first >> 32);
    h->value_len = (uint32_t)second;
    h->ttl_ms = (uint32_t)(second >> 32);
    h->number = word[2];
}

static inline void rpc_unpack(const void *in, struct rpc_header *h)
{
    uint64_t word[RPC_HEADER / 8];
    rpc_words(in, word);
    rpc_unpack_words(word, h);
}

#endif /* APPS_KV_RPC_HEADER_H */
