/* SPDX-License-Identifier: MIT */
/* Values under construction; see draft.h. */
#include "kv/draft.h"

#include <demi/ext.h>

bool draft_begin(struct call *c, struct draft *d, size_t len, struct item *it)
{
    size_t have = it == NULL ? 0 : it->value_len < len ? it->value_len : len;
    d->memory = len > sizeof(d->inside) ? demi_malloc(len) : NULL;
    d->at = len > sizeof(d->inside) ? d->memory : d->inside;
    d->len = len;
    if (d->at == NULL) {
        error_memory(c);
        return false;
    }
    c->kv->work += len;
    if (have > 0) {
        memcpy(d->at, item_value(it), have);
    }
    memset(d->at + have, 0, len - have);
    return true;
}

void draft_end(struct draft *d)
{
    if (d->memory != NULL) {
        (void)demi_free(d->memory);
    }
}

bool draft_put(struct call *c, struct draft *d, struct span key, uint64_t expiry_ms)
{
    struct store_put put = {
        .key = key, .value = {d->at, d->len}, .expiry_ms = expiry_ms, .memory = d->memory, .room = d->len};
    if (!key_ok(c, key)) {
        return false;
    }
    int rc = store_put(&c->kv->store, &put);
    d->memory = put.memory;
    if (rc != 0) {
        error_memory(c);
    }
    return rc == 0;
}
