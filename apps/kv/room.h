/* SPDX-License-Identifier: MIT */
/* Whether the library has the memory that the store may want. */
#ifndef APPS_KV_ROOM_H
#define APPS_KV_ROOM_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Sees to it that the library has a quarter more than *bytes_max, for what it rounds up and for requests and replies.
 * Where it has less: when the bound was asked for it complains and returns false; when it was not it lowers the bound
 * to what fits, and says so, or returns false when that is less than a store needs.
 */
bool room_check(uint64_t *bytes_max, bool asked_for);

#endif /* APPS_KV_ROOM_H */
