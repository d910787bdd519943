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

/* Writes the header of the answer to a request with the header word. */
static inline void rpc_tell(const uint64_t word[RPC_HEADER / 8], enum rpc_status status, uint32_t ttl_ms,
                            struct rpc_answer *out)
{
    /* version, operation and flags as they came */
    out->head[0] = htole64((word[0] & 0xff00ffff) | RPC_REPLY << 8 | (uint64_t)status << 16);
    out->head[1] = htole64((uint32_t)out->value.len | (uint64_t)ttl_ms << 32);
    out->head[2] = htole64(word[2]);
}

/* The same for the most frequent request alone and without a call: a get of what store_get_here() finds. False: it is
 * none, and nothing was done. */
static inline __attribute__((always_inline)) bool rpc_serve_here(struct store *st, const uint8_t *in, size_t len,
                                                                 struct rpc_answer *out)
{
    uint64_t word[RPC_HEADER / 8];
    struct item header;
    if (!WORD_USUAL(len > RPC_HEADER && (WORDS_ANYWHERE || word_aligned(in)))) {
        return false;
    }
    rpc_words(in, word);
    uint16_t key_len = (uint16_t)(word[0] >> 32);
    if (!WORD_USUAL((word[0] & 0xffff) == (RPC_VERSION | RPC_get << 8) && (uint32_t)word[1] == 0 &&
                    len == RPC_HEADER + (size_t)key_len && key_len <= ITEM_KEY_MAX)) {
        return false;
    }
    const struct item *it = store_get_here(st, (struct span){(const char *)in + RPC_HEADER, key_len}, &header);
    if (!WORD_USUAL(it != NULL)) {
        return false;
    }
    out->value = (struct span){(const char *)it + sizeof(*it) + key_len, header.value_len};
    rpc_tell(word, RPC_STATUS_OK, 0, out);
    return true;
}

#endif /* APPS_KV_RPC_H */
