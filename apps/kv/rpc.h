/* SPDX-License-Identifier: MIT */
/* Serving the message protocol; see rpc_header.h. */
#ifndef APPS_KV_RPC_H
#define APPS_KV_RPC_H

#include "kv/rpc_header.h"
#include "kv/store.h"

/*
 * Serves the request in [in, in + len) and writes the answer, at most RPC_MESSAGE_MAX bytes, to out. Returns its
 * length; 0 when what came is no request and must not be answered: too short for a header, another version, or an
 * answer itself.
 */
size_t rpc_serve(struct store *st, const uint8_t *in, size_t len, uint8_t *out);

#endif /* APPS_KV_RPC_H */
