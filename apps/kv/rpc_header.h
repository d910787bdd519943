/* SPDX-License-Identifier: MIT */
/*
 * The message protocol: one request is one message, and so is its answer, which repeats the request's number. Its
 * header has 24 bytes, numbers are little-endian; docs/kv.md describes it.
 */
#ifndef APPS_KV_RPC_HEADER_H
#define APPS_KV_RPC_HEADER_H

#include <stdint.h>

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

/* Between a header and its 24 bytes. */
void rpc_pack(const struct rpc_header *h, uint8_t out[RPC_HEADER]);
void rpc_unpack(const uint8_t in[RPC_HEADER], struct rpc_header *h);

#endif /* APPS_KV_RPC_HEADER_H */
