/* SPDX-License-Identifier: MIT */
/*
 * Where threads meet. The last to come does what has to be done alone, then all go on. They spin for a while, because
 * the others are near as a rule, and then sleep (futex), because the machine may have less CPUs than threads.
 */
#ifndef NANOPU_SIM_BARRIER_H
#define NANOPU_SIM_BARRIER_H

#include "core/base.h"

#include <stdatomic.h>

struct barrier {
    unsigned threads;
    _Alignas(CACHE_LINE) _Atomic uint32_t arrived;
    _Alignas(CACHE_LINE) _Atomic uint32_t round;
    _Atomic uint32_t sleepers;
};

void barrier_init(struct barrier *b, unsigned threads);

/* alone(arg) runs in the thread that comes last, before any leaves. */
void barrier_wait(struct barrier *b, void (*alone)(void *arg), void *arg);

#endif /* NANOPU_SIM_BARRIER_H */
