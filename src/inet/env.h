/* SPDX-License-Identifier: MIT */
/*
 * All that a stack has from outside. Nothing in src/inet reads a clock, draws a random number, makes a system call or
 * has a global: the same object files run over devices, in a simulation, under a fuzzer.
 */
#ifndef INET_ENV_H
#define INET_ENV_H

#include "core/counter.h"
#include "core/frame.h"
#include "core/mem.h"
#include "core/timer.h"

struct inet_env {
    uint64_t now_ns;            /* whoever calls in sets it first; it never goes back (see inet_set_now) */
    struct mem *mem;            /* objects are released to it */
    struct timer_wheel *timers; /* advanced by the caller, with now_ns set */
    uint64_t *count;            /* COUNTER_MAX words, by enum counter */
    void *ctx;                  /* of the functions below */
    uint32_t offload;           /* enum inet_offload (core/frame.h) */

    /* An object of at least bytes with one reference, or NULL. */
    void *(*alloc)(void *ctx, size_t bytes);
    /* 64 bits that a stranger cannot guess. */
    uint64_t (*random)(void *ctx);
    /* Takes f over in any case. 0, or -ENOBUFS: the device's queue is full, f is gone. */
    int (*output)(void *ctx, struct frame *f);
    /* Zeroed memory for tables, at the start and when a table grows, and back. NULL: there is none. */
    void *(*reserve)(void *ctx, size_t bytes);
    void (*unreserve)(void *ctx, void *p, size_t bytes);
    /*
     * Sees every received frame, borrowed, after it was dealt with; drop is the counter under which it was dropped, or
     * COUNTER_MAX. NULL: nobody looks. Whoever wants to see what is sent looks in output.
     */
    void (*tap)(void *ctx, const struct frame_in *f, enum counter drop);
};

#endif /* INET_ENV_H */
