/* SPDX-License-Identifier: MIT */
/* Times that clients give: from now or since 1970, in seconds or milliseconds. */
#ifndef APPS_KV_EXPIRY_H
#define APPS_KV_EXPIRY_H

#include "kv/command.h"

enum expiry_kind {
    EXPIRY_SECONDS,
    EXPIRY_MILLISECONDS,
    EXPIRY_AT_SECONDS,
    EXPIRY_AT_MILLISECONDS,
};

/*
 * Reads the time in an argument as milliseconds since 1970, which may lie in the past, but not under 1. With
 * only_future a time that is not positive is an error. Replies with an error and returns false when it is none.
 */
bool expiry_read(struct call *c, struct span text, enum expiry_kind kind, bool only_future, const char *command,
                 int64_t *out_ms);

/* The kind that an option's word (ex, px, exat, pxat) names; false: it names none. */
bool expiry_option(struct span word, enum expiry_kind *kind);

#endif /* APPS_KV_EXPIRY_H */
