/* SPDX-License-Identifier: MIT */
/* The library's memory against the store's bound; see room.h. */
#include "kv/room.h"
#include "common/args.h"
#include "kv/store.h"

#include <demi/ext.h>
#include <inttypes.h>

#define MIB       (UINT64_C(1) << 20)
#define PIECE_MAX (60u << 20) /* bytes asked for at a time; less where one allocation may not have so much */

/* Bytes that the library gives out now, of at most `most`: asks for them, and gives them back. They are not touched,
 * but for a word of each piece. */
static uint64_t library_has(uint64_t most)
{
    void *last = NULL;
    uint64_t has = 0;
    for (size_t piece = PIECE_MAX; piece >= SEGMENT_BYTES && has < most;) {
        void **p = demi_malloc(piece);
        if (p == NULL) {
            piece /= 2;
            continue;
        }
        *p = last;
        last = p;
        has += piece;
    }
    while (last != NULL) {
        void *next = *(void **)last;
        (void)demi_free(last);
        last = next;
    }
    return has;
}

bool room_check(uint64_t *bytes_max, bool asked_for)
{
    uint64_t wanted = *bytes_max + *bytes_max / 4, has = library_has(wanted), fits = has / 5 * 4 / MIB * MIB;
    if (has >= wanted) {
        return true;
    }
    if (asked_for || fits < STORE_BYTES_MIN) {
        complain("--maxmemory %" PRIu64 ": the library has memory for %" PRIu64
                 " (memory_limit of the settings, address space, or this machine's memory)",
                 *bytes_max / MIB, fits / MIB);
        return false;
    }
    complain("maxmemory is %" PRIu64 " MiB: the library has no more", fits / MIB);
    *bytes_max = fits;
    return true;
}
