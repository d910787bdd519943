/* SPDX-License-Identifier: MIT */
/* The message protocol; see rpc.h. */
#include "kv/rpc.h"

/* A request that is being served. */
struct rpc {
    struct store *store;
    const struct rpc_header *head;
    struct span key, value;
    struct rpc_answer *answer;
};

static uint64_t expiry_of(const struct rpc *r)
{
    return r->head->ttl_ms != 0 ? store_now_ms(r->store) + r->head->ttl_ms : 0;
}

static enum rpc_status serve_get(struct store *st, struct span key, struct span *value, uint32_t *ttl_ms)
{
    struct item *it = store_get(st, key);
    if (it == NULL) {
        return RPC_STATUS_NOT_FOUND;
    }
    if (it->value_len > RPC_MESSAGE_MAX - RPC_HEADER) {
        return RPC_STATUS_TOO_LONG;
    }
    *value = (struct span){item_value(it), it->value_len};
    if ((it->flags & ITEM_EXPIRES) != 0) {
        uint64_t left_ms = item_expiry_ms(it) - store_now_ms(st);
        *ttl_ms = left_ms < UINT32_MAX ? (uint32_t)left_ms : UINT32_MAX;
    }
    return RPC_STATUS_OK;
}

static enum rpc_status serve_set(struct rpc *r)
{
    bool conditional = (r->head->flags & (RPC_IF_ABSENT | RPC_IF_PRESENT)) != 0;
    if (conditional) {
        bool there = store_peek(r->store, r->key) != NULL;
        if ((r->head->flags & (there ? RPC_IF_ABSENT : RPC_IF_PRESENT)) != 0) {
            return RPC_STATUS_HELD;
        }
    }
    struct store_put put = {.key = r->key, .value = r->value, .expiry_ms = expiry_of(r)};
    return store_put(r->store, &put) == 0 ? RPC_STATUS_OK : RPC_STATUS_NO_MEMORY;
}

/* Adds the value, a number as text, to what the key holds, 0 when it is not there; the answer has the sum. */
static enum rpc_status serve_add(struct rpc *r)
{
    int64_t sum = 0, by;
    char *text = r->answer->text;
    struct item *it = store_peek(r->store, r->key);
    if (!text_number(r->value, &by) ||
        (it != NULL && !text_number((struct span){item_value(it), it->value_len}, &sum)) ||
        __builtin_add_overflow(sum, by, &sum)) {
        return RPC_STATUS_NOT_A_NUMBER;
    }
    struct store_put put = {
        .key = r->key, .value = {text, text_of_number(sum, text)}, .expiry_ms = it != NULL ? item_expiry_ms(it) : 0};
    if (store_put(r->store, &put) != 0) {
        return RPC_STATUS_NO_MEMORY;
    }
    r->answer->value = put.value;
    return RPC_STATUS_OK;
}

static enum rpc_status serve_expire(struct rpc *r)
{
    if (store_peek(r->store, r->key) == NULL) {
        return RPC_STATUS_NOT_FOUND;
    }
    return store_set_expiry(r->store, r->key, expiry_of(r)) == 0 ? RPC_STATUS_OK : RPC_STATUS_NO_MEMORY;
}

/* All but a get. */
static enum rpc_status serve_other(struct rpc *r)
{
    switch (r->head->operation) {
    case RPC_ping:
        return RPC_STATUS_OK;
    case RPC_set:
        return serve_set(r);
    case RPC_delete:
        return store_remove(r->store, r->key) ? RPC_STATUS_OK : RPC_STATUS_NOT_FOUND;
    case RPC_add:
        return serve_add(r);
    case RPC_expire:
        return serve_expire(r);
    default:
        return RPC_STATUS_MALFORMED;
    }
}

bool rpc_serve(struct store *st, const uint8_t *in, size_t len, struct rpc_answer *out)
{
    uint64_t word[RPC_HEADER / 8];
    if (len < RPC_HEADER) {
        return false;
    }
    rpc_words(in, word);
    if ((word[0] & (0xff | RPC_REPLY << 8)) != RPC_VERSION) {
        return false;
    }
    struct span key = {(const char *)in + RPC_HEADER, (uint16_t)(word[0] >> 32)};
    uint32_t value_len = (uint32_t)word[1], ttl_ms = 0;
    enum rpc_status status = RPC_STATUS_MALFORMED;
    out->value = (struct span){NULL, 0};
    if (len == RPC_HEADER + key.len + value_len && key.len <= ITEM_KEY_MAX) {
        if ((uint8_t)(word[0] >> 8) == RPC_get) {
            status = serve_get(st, key, &out->value, &ttl_ms);
        } else {
            struct rpc_header head;
            rpc_unpack_words(word, &head);
            struct rpc r = {st, &head, key, {key.at + key.len, value_len}, out};
            status = serve_other(&r);
        }
    }
    rpc_tell(word, status, ttl_ms, out);
    return true;
}
