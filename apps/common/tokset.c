/* SPDX-License-Identifier: MIT */
/* Sets of tokens; see tokset.h. */
#include "tokset.h"
#include "clock.h"

#include <assert.h>
#include <demi/ext.h>
#include <demi/wait.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

bool tokset_init(struct tokset *set, uint32_t room)
{
    assert(room > 0 && room <= INT_MAX);
    *set = (struct tokset){.room = room};
    set->token = calloc(room, sizeof(*set->token));
    set->owner = calloc(room, sizeof(*set->owner));
    set->place = calloc(room, sizeof(*set->place));
    return set->token != NULL && set->owner != NULL && set->place != NULL;
}

void tokset_free(struct tokset *set)
{
    free(set->token);
    free(set->owner);
    free(set->place);
    *set = (struct tokset){.count = 0};
}

void tokset_add(struct tokset *set, demi_qtoken_t token, uint32_t owner, uint32_t *place)
{
    assert(set->count < set->room);
    uint32_t at = set->count++;
    set->token[at] = token;
    set->owner[at] = owner;
    set->place[at] = place;
    *place = at;
}

void tokset_remove(struct tokset *set, uint32_t *place)
{
    uint32_t at = *place;
    if (at == TOKSET_NONE) {
        return;
    }
    assert(at < set->count && set->place[at] == place);
    uint32_t last = --set->count;
    set->token[at] = set->token[last];
    set->owner[at] = set->owner[last];
    set->place[at] = set->place[last];
    *set->place[at] = at;
    *place = TOKSET_NONE;
}

void tokset_cancel(struct tokset *set, uint32_t *place)
{
    if (*place != TOKSET_NONE) {
        (void)demi_cancel(set->token[*place]);
        tokset_remove(set, place);
    }
}

int tokset_wait(struct tokset *set, demi_qresult_t *qr, uint32_t *at, uint64_t timeout_ns)
{
    struct timespec timeout = clock_timespec(timeout_ns);
    if (set->count == 0) {
        nanosleep(&timeout, NULL);
        return ETIMEDOUT;
    }
    int offset = 0;
    int rc = demi_wait_any(qr, &offset, set->token, (int)set->count, &timeout);
    *at = (uint32_t)offset;
    return rc;
}
