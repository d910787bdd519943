/* SPDX-License-Identifier: MIT */
/* Serving the message protocol; see rpc_header.h. */
#ifndef APPS_KV_RPC_H
#define APPS_KV_RPC_H

#include "kv/rpc_header.h"
#include "kv/store.h"
#include "kv/text.h"

struct rpc_answer {
    uint64_t head[RPC_HEADER / 8]; /* the header's bytes */
    struct span value;             /* in the store until the next call that writes to it, or text */
    char text[TEXT_NUMBER_MAX];
};

/*
 * Serves the request in [in, in + len). False when what came is no request and must not be answered: too short for a
 * header, another version, or an answer itself.
 */
bool rpc_serve(struct store *st, const uint8_t *in, size_t len, struct rpc_answer *out);

#endif /* APPS_KV_RPC_H */
