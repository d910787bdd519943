/* SPDX-License-Identifier: MIT */
/* catmem: what is said over the unix socket, once each way; see greet.c. */
#ifndef CATMEM_GREET_H
#define CATMEM_GREET_H

#include "catmem.h"

#define GREETING_MAGIC   UINT64_C(0x6c6c6568636d6363)
#define GREETING_VERSION 1
#define GREETING_FDS     4

enum greeting_kind { GREETING_HELLO = 1, GREETING_ANSWER };

struct greeting {
    uint64_t magic;
    uint32_t version;
    uint32_t kind;
    uint64_t region_bytes;
    uint64_t bell_bytes;
    uint64_t ring_bytes;
    uint32_t refs; /* RING_REFS: the layout of the channel depends on it */
    uint32_t slot; /* the sender's bit in its bell */
    struct catmem_address from, to;
};

#endif /* CATMEM_GREET_H */
