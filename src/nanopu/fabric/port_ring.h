/* SPDX-License-Identifier: MIT */
/*
 * Frames between the simulator and a program of this machine through a file that both map: two lanes of slots, each
 * with one writer and one reader. The simulator makes the file; whoever comes later finds it by its magic number. All
 * numbers are in this machine's byte order.
 *
 * A writer fills slot put % RING_SLOTS of its lane while put - taken < RING_SLOTS, then stores put + 1 (release). A
 * reader takes slot taken % RING_SLOTS while taken < put (acquire), then stores taken + 1 (release).
 */
#ifndef NANOPU_FABRIC_PORT_RING_H
#define NANOPU_FABRIC_PORT_RING_H

#include "core/base.h"

#include <stdatomic.h>

#define RING_MAGIC      UINT64_C(0x31474e495255504e) /* "NPURING1" */
#define RING_SLOTS      1024
#define RING_SLOT_BYTES 2048

struct ring_slot {
    uint32_t len; /* bytes of the frame */
    uint8_t data[RING_SLOT_BYTES - sizeof(uint32_t)];
};

struct ring_lane {
    _Alignas(CACHE_LINE) _Atomic uint64_t put;   /* frames ever written */
    _Alignas(CACHE_LINE) _Atomic uint64_t taken; /* frames ever read */
};

enum ring_direction { RING_IN, RING_OUT }; /* into the machine, out of it */

/* Lanes are at bytes 64 and 192, slots of the first at byte 4096, those of the second after them. */
struct ring {
    _Atomic uint64_t magic; /* written last */
    struct ring_lane lane[2];
    _Alignas(4096) struct ring_slot slot[2][RING_SLOTS];
};

_Static_assert(sizeof(struct ring) == 4096 + 2 * RING_SLOTS * RING_SLOT_BYTES, "the file's layout is fixed");
_Static_assert(offsetof(struct ring, lane) == 64 && sizeof(struct ring_lane) == 128, "the file's layout is fixed");

#endif /* NANOPU_FABRIC_PORT_RING_H */
