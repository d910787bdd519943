/* SPDX-License-Identifier: MIT */
/* A value that a command composes, or keeps although its item ends. */
#ifndef APPS_KV_DRAFT_H
#define APPS_KV_DRAFT_H

#include "kv/command.h"

struct draft {
    char *at;
    size_t len;
    void *memory; /* of demi_malloc(); NULL: the value lies in `inside`, or the store has taken the memory */
    char inside[ITEM_INSIDE_MAX];
};

/* Makes room for len bytes, whose first are those of an item unless it is NULL, and the others 0. Replies with an error
 * and returns false where memory lacks; draft_end() is fine after both. */
bool draft_begin(struct call *c, struct draft *d, size_t len, struct item *it);
void draft_end(struct draft *d);

/* Writes it as the value of a key; its memory may change hands. Replies on errors only. */
bool draft_put(struct call *c, struct draft *d, struct span key, uint64_t expiry_ms);

#endif /* APPS_KV_DRAFT_H */
