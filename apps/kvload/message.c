/* SPDX-License-Identifier: MIT */
/* Messages; see message.h. */
#include "kvload/message.h"
#include "kv/rpc_header.h"

#include <assert.h>
#include <string.h>

static struct rpc_header head_of(const struct workload *w, const struct operation *op, uint64_t number)
{
    bool reads = operation_reads(op);
    assert(op->kind != LOAD_scan);
    return (struct rpc_header){.version = RPC_VERSION,
                               .operation = reads ? RPC_get : RPC_set,
                               .key_len = (uint16_t)w->key_bytes,
                               .value_len = reads ? 0 : w->value_bytes,
                               .number = number};
}

size_t message_request_len(const struct workload *w, const struct operation *op)
{
    struct rpc_header head = head_of(w, op, 0);
    return (size_t)RPC_HEADER + head.key_len + head.value_len;
}

void message_request(const struct workload *w, const struct operation *op, uint64_t number, char *out)
{
    struct rpc_header head = head_of(w, op, number);
    rpc_pack(&head, out);
    workload_key(w, op->key, out + RPC_HEADER);
    if (head.value_len > 0) {
        workload_value(w, op->key, out + RPC_HEADER + head.key_len);
    }
}

#define STATUS_NAME(name, number) [number] = #name,
static const char *const status_names[] = {RPC_STATUSES(STATUS_NAME)};

static struct answer error_answer(unsigned status)
{
    const char *name = status < sizeof(status_names) / sizeof(status_names[0]) ? status_names[status] : "?";
    return (struct answer){.kind = '-', .number = (int64_t)strlen(name), .bytes = name};
}

bool message_answer(const char *data, size_t len, uint64_t *number, struct answer *out)
{
    struct rpc_header head;
    if (len < RPC_HEADER) {
        return false;
    }
    rpc_unpack(data, &head);
    if (head.version != RPC_VERSION || (head.operation & RPC_REPLY) == 0 ||
        len != (size_t)RPC_HEADER + head.value_len) {
        return false;
    }
    bool is_get = head.operation == (RPC_get | RPC_REPLY);
    *number = head.number;
    if (is_get && (head.status == RPC_STATUS_OK || head.status == RPC_STATUS_NOT_FOUND)) {
        *out = (struct answer){.kind = '$',
                               .number = head.status == RPC_STATUS_OK ? (int64_t)head.value_len : -1,
                               .bytes = data + RPC_HEADER};
    } else if (head.status == RPC_STATUS_OK) {
        *out = (struct answer){.kind = '+'};
    } else {
        *out = error_answer(head.status);
    }
    return true;
}
