/* SPDX-License-Identifier: MIT */
/* The message protocol; see rpc.h. */
#include "kv/rpc.h"
#include "kv/text.h"

/* A request that is being served. */
struct rpc {
    struct store *store;
    struct rpc_header head; /* first the request's, then the answer's */
    struct span key, value;
    uint8_t *out; /* room for the answer's value */
};

static uint64_t expiry_of(const struct rpc *r)
{
    return r->head.ttl_ms != 0 ? r->store->now_ms + r->head.ttl_ms : 0;
}

static enum rpc_status rpc_do_ping(struct rpc *r)
{
    (void)r;
    return RPC_STATUS_OK;
}

static enum rpc_status rpc_do_get(struct rpc *r)
{
    struct item *it = store_get(r->store, r->key);
    if (it == NULL) {
        return RPC_STATUS_NOT_FOUND;
    }
    if (it->value_len > RPC_MESSAGE_MAX - RPC_HEADER) {
        return RPC_STATUS_TOO_LONG;
    }
    memcpy(r->out, item_value(it), it->value_len);
    r->head.value_len = it->value_len;
    r->head.ttl_ms = 0;
    if ((it->flags & ITEM_EXPIRES) != 0) {
        uint64_t left_ms = item_expiry_ms(it) - r->store->now_ms;
        r->head.ttl_ms = left_ms < UINT32_MAX ? (uint32_t)left_ms : UINT32_MAX;
    }
    return RPC_STATUS_OK;
}

static enum rpc_status rpc_do_set(struct rpc *r)
{
    bool conditional = (r->head.flags & (RPC_IF_ABSENT | RPC_IF_PRESENT)) != 0;
    if (conditional) {
        bool there = store_peek(r->store, r->key) != NULL;
        if ((r->head.flags & (there ? RPC_IF_ABSENT : RPC_IF_PRESENT)) != 0) {
            return RPC_STATUS_HELD;
        }
    }
    struct store_put put = {.key = r->key, .value = r->value, .expiry_ms = expiry_of(r)};
    return store_put(r->store, &put) == 0 ? RPC_STATUS_OK : RPC_STATUS_NO_MEMORY;
}

static enum rpc_status rpc_do_delete(struct rpc *r)
{
    return store_remove(r->store, r->key) ? RPC_STATUS_OK : RPC_STATUS_NOT_FOUND;
}

/* Adds the value, a number as text, to what the key holds, 0 when it is not there; the answer has the sum. */
static enum rpc_status rpc_do_add(struct rpc *r)
{
    int64_t sum = 0, by;
    char text[TEXT_NUMBER_MAX];
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
    memcpy(r->out, text, put.value.len);
    r->head.value_len = (uint32_t)put.value.len;
    return RPC_STATUS_OK;
}

static enum rpc_status rpc_do_expire(struct rpc *r)
{
    if (store_peek(r->store, r->key) == NULL) {
        return RPC_STATUS_NOT_FOUND;
    }
    return store_set_expiry(r->store, r->key, expiry_of(r)) == 0 ? RPC_STATUS_OK : RPC_STATUS_NO_MEMORY;
}

static enum rpc_status dispatch(struct rpc *r)
{
    switch (r->head.operation) {
#define RPC_CASE(name, number)                                                                                         \
    case RPC_##name:                                                                                                   \
        return rpc_do_##name(r);
        RPC_OPERATIONS(RPC_CASE)
    default:
        return RPC_STATUS_MALFORMED;
    }
}

size_t rpc_serve(struct store *st, const uint8_t *in, size_t len, uint8_t *out)
{
    struct rpc r = {.store = st, .out = out + RPC_HEADER};
    if (len < RPC_HEADER) {
        return 0;
    }
    rpc_unpack(in, &r.head);
    if (r.head.version != RPC_VERSION || (r.head.operation & RPC_REPLY) != 0) {
        return 0;
    }
    size_t key_len = r.head.key_len, value_len = r.head.value_len;
    enum rpc_status status = RPC_STATUS_MALFORMED;
    if (len == RPC_HEADER + key_len + value_len && key_len <= ITEM_KEY_MAX) {
        r.key = (struct span){(const char *)in + RPC_HEADER, key_len};
        r.value = (struct span){(const char *)in + RPC_HEADER + key_len, value_len};
        r.head.value_len = 0;
        status = dispatch(&r);
    }
    bool has_value = status == RPC_STATUS_OK;
    r.head.value_len = has_value ? r.head.value_len : 0;
    r.head.ttl_ms = has_value && r.head.operation == RPC_get ? r.head.ttl_ms : 0;
    r.head.key_len = 0;
    r.head.operation |= RPC_REPLY;
    r.head.status = (uint8_t)status;
    rpc_pack(&r.head, out);
    return RPC_HEADER + r.head.value_len;
}
