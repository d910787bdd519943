/* SPDX-License-Identifier: MIT */
/* Making room in the store: eviction and compaction, a step at a time. */
#ifndef APPS_KV_CLEANER_H
#define APPS_KV_CLEANER_H

#include "kv/store.h"

/*
 * Sees to it that the log takes an item of item_len bytes, and that outside_len bytes fit beside it; does a share of
 * the cleaning that is due. Items may move. false: there is no room.
 */
bool cleaner_make_room(struct store *st, size_t item_len, size_t outside_len);

/* Memory of the library lacks: gives some back, or evicts a few items where that is allowed. false: it cannot. */
bool cleaner_evict(struct store *st);

/* Takes an item that has just left the index out of the log and the accounts. */
void cleaner_end_item(struct store *st, struct item *it);

#endif /* APPS_KV_CLEANER_H */
