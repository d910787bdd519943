/* SPDX-License-Identifier: MIT */
/*
 * What services say to the load generator: a start message for each thread or core when it is ready, and answers that
 * begin with the first two words of the request (service time, sending time). A service time of 0 ends the program.
 */
#ifndef APPS_NANOPU_LOADGEN_H
#define APPS_NANOPU_LOADGEN_H

#include <nanopu/nanopu.h>

#include <stdlib.h>

#define LOADGEN_IP UINT32_C(0x0a000001)

static inline uint64_t loadgen_take(void)
{
    nanopu_wait();
    return nanopu_rx();
}

static inline void loadgen_start(uint64_t core, uint64_t context)
{
    nanopu_send(LOADGEN_IP, 0, 16);
    nanopu_tx(core);
    nanopu_tx(context);
}

/* Cycles of work: as the prototype's service counts them, an interruption's included. */
static inline void loadgen_work(uint64_t cycles)
{
    uint64_t end = nanopu_cycle() + cycles;

    while (nanopu_cycle() < end)
        ;
}

#endif /* APPS_NANOPU_LOADGEN_H */
