/* SPDX-License-Identifier: MIT */
/*
 * The other side of the comparison with lwIP: two interfaces of one lwIP stack wired to each other, and a connection
 * between them. A module, because lwIP's names are ours too; what it exports is the table lwip_side.
 */
#ifndef BENCH_LWIP_SIDE_H
#define BENCH_LWIP_SIDE_H

#include <stdbool.h>
#include <stdint.h>

struct lwip_side {
    /* Once a process: makes interfaces and connection. step_ns: the clock moves so much a turn. */
    bool (*open)(uint16_t mtu, uint64_t step_ns, unsigned burst);
    /* n times len bytes (at most 64 KiB) there and back, one after the other. */
    bool (*echo)(unsigned n, unsigned len);
    /* So many bytes one way. */
    bool (*bulk)(uint64_t bytes);
    uint64_t (*frames)(void); /* that went over the wire so far */
    unsigned (*mss)(void);
    unsigned (*window)(void);
};

#endif /* BENCH_LWIP_SIDE_H */
