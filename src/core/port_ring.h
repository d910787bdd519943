/* SPDX-License-Identifier: MIT */
/*
 * Frames between the simulated nanoPU (its port "ring") and a program of this machine (the driver "nanopu") through a
 * file that both map: two lanes of slots, each with one writer and one reader. Whoever comes first makes the file; the
 * other finds it by its size and magic number. All numbers are in this machine's byte order.
 *
 * A writer fills slot put % PORT_RING_SLOTS of its lane while put - taken < PORT_RING_SLOTS, then stores put + 1
 * (release). A reader takes slot taken % PORT_RING_SLOTS while taken < put (acquire), then stores taken + 1 (release).
 */
#ifndef CORE_PORT_RING_H
#define CORE_PORT_RING_H

#include "core/base.h"

#include <stdatomic.h>

#define PORT_RING_MAGIC      UINT64_C(0x31474e495255504e) /* "NPURING1" */
#define PORT_RING_SLOTS      1024
#define PORT_RING_SLOT_BYTES 2048

struct port_slot {
    uint32_t len; /* bytes of the frame */
    uint8_t data[PORT_RING_SLOT_BYTES - sizeof(uint32_t)];
};

struct port_lane {
    _Alignas(CACHE_LINE) _Atomic uint64_t put;   /* frames ever written */
    _Alignas(CACHE_LINE) _Atomic uint64_t taken; /* frames ever read */
};

enum port_direction { PORT_RING_IN, PORT_RING_OUT }; /* into the machine, out of it */

/* Lanes are at bytes 64 and 192, slots of the first at byte 4096, those of the second after them. */
struct port_ring {
    _Atomic uint64_t magic; /* written last */
    struct port_lane lane[2];
    _Alignas(4096) struct port_slot slot[2][PORT_RING_SLOTS];
};

_Static_assert(sizeof(struct port_ring) == 4096 + 2 * PORT_RING_SLOTS * PORT_RING_SLOT_BYTES,
               "the file's layout is fixed");
_Static_assert(offsetof(struct port_ring, lane) == 64 && sizeof(struct port_lane) == 128, "the file's layout is fixed");

#endif /* CORE_PORT_RING_H */
