/* SPDX-License-Identifier: MIT */
/* The message protocol's header; see rpc_header.h. */
#include "kv/rpc_header.h"

#include <endian.h>
#include <string.h>

void rpc_pack(const struct rpc_header *h, uint8_t out[RPC_HEADER])
{
    uint16_t key_len = htole16(h->key_len);
    uint32_t value_len = htole32(h->value_len), ttl_ms = htole32(h->ttl_ms);
    uint64_t number = htole64(h->number);
    out[0] = h->version;
    out[1] = h->operation;
    out[2] = h->status;
    out[3] = h->flags;
    memcpy(out + 4, &key_len, 2);
    out[6] = out[7] = 0;
    memcpy(out + 8, &value_len, 4);
    memcpy(out + 12, &ttl_ms, 4);
    memcpy(out + 16, &number, 8);
}

void rpc_unpack(const uint8_t in[RPC_HEADER], struct rpc_header *h)
{
    uint16_t key_len;
    uint32_t value_len, ttl_ms;
    uint64_t number;
    memcpy(&key_len, in + 4, 2);
    memcpy(&value_len, in + 8, 4);
    memcpy(&ttl_ms, in + 12, 4);
    memcpy(&number, in + 16, 8);
    *h = (struct rpc_header){.version = in[0], .operation = in[1], .status = in[2], .flags = in[3]};
    h->key_len = le16toh(key_len);
    h->value_len = le32toh(value_len);
    h->ttl_ms = le32toh(ttl_ms);
    h->number = le64toh(number);
}
