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

struct inet_end;

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
    /*
     * For a device that only brings frames for ports in use. take_port: a socket is to listen at local, be bound to it,
     * or with remote, connect from it; chosen: the port was our choice, so that no other stack has to have it too. 0,
     * or a negative errno: it is somebody else's (where the port was our choice, another is tried). Each port taken is
     * given back once. NULL, both: every frame comes anyway.
     */
    int (*take_port)(void *ctx, uint8_t proto, const struct inet_end *local, const struct inet_end *remote,
                     bool chosen);
    void (*give_port)(void *ctx, uint8_t proto, uint16_t port);
};

static inline int inet_take_port(const struct inet_env *env, uint8_t proto, const struct inet_end *local,
                                 const struct inet_end *remote, bool chosen)
{
    return env->take_port == NULL ? 0 : env->take_port(env->ctx, proto, local, remote, chosen);
}

static inline void inet_give_port(const struct inet_env *env, uint8_t proto, uint16_t port)
{
    if (env->give_port != NULL)
        env->give_port(env->ctx, proto, port);
}

#endif /* INET_ENV_H */
