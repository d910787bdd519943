/* SPDX-License-Identifier: MIT */
/*
 * The operations a program waits for: a dense array of tokens as demi_wait_any() wants it, and beside each token whose
 * it is. A token that ends is replaced in place by the next operation of its owner, or taken out by moving the last one
 * into its place; the owner's note of its place follows. Bounded: the room is fixed when the set is made.
 */
#ifndef APPS_COMMON_TOKSET_H
#define APPS_COMMON_TOKSET_H

#include <demi/types.h>
#include <stdbool.h>
#include <stdint.h>

#define TOKSET_NONE UINT32_MAX

struct tokset {
    demi_qtoken_t *token;
    uint32_t *owner;  /* the program's number of whom the token belongs to */
    uint32_t **place; /* where the owner keeps the token's place */
    uint32_t count;
    uint32_t room;
};

/* Makes an empty set with room for that many tokens; false when memory lacks. tokset_free() is fine after both. */
bool tokset_init(struct tokset *set, uint32_t room);
void tokset_free(struct tokset *set);

static inline bool tokset_full(const struct tokset *set)
{
    return set->count == set->room;
}

/*
 * Adds a token; *place becomes its place, and is kept up to date as long as the token is in the set: it must not move.
 * The set must not be full.
 */
void tokset_add(struct tokset *set, demi_qtoken_t token, uint32_t owner, uint32_t *place);

/* Takes the token at *place out; *place becomes TOKSET_NONE. Nothing happens when it is that already. */
void tokset_remove(struct tokset *set, uint32_t *place);

/* As tokset_remove, and gives the operation up (demi_cancel). */
void tokset_cancel(struct tokset *set, uint32_t *place);

/*
 * Waits at most timeout_ns for one of the tokens. 0: *qr is its result and *at its place, where the ended token still
 * stands; ETIMEDOUT and others as demi_wait_any(). An empty set sleeps and times out.
 */
int tokset_wait(struct tokset *set, demi_qresult_t *qr, uint32_t *at, uint64_t timeout_ns);

#endif /* APPS_COMMON_TOKSET_H */
