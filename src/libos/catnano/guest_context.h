/* SPDX-License-Identifier: MIT */
/*
 * Contexts of the guest's catnano: what a socket is bound to. A core keeps for ever what it has registered, so this
 * remembers, for all cores of the host, which contexts the hardware knows there and which have a socket.
 */
#ifndef LIBOS_CATNANO_GUEST_CONTEXT_H
#define LIBOS_CATNANO_GUEST_CONTEXT_H

#include "core/instance.h"

#include <nanopu/nanopu.h>

#define CONTEXT_CORES 64
#define CONTEXT_NONE  UINT64_MAX

/* A queue's words. */
enum nano_word {
    NANO_CONTEXT,  /* CONTEXT_NONE: not bound */
    NANO_PEER,     /* header of messages to the peer, of length 0; 0: not connected */
    NANO_PRIORITY, /* 0 first */
    NANO_FLAGS,    /* enum nano_flag */
};

enum nano_flag {
    NANO_OWED = 1, /* the last message was read and may still be worked on: the NIC has not been told that it is done */
    NANO_SHARED = 2, /* SO_REUSEPORT: other cores may have the context, too */
};

/* Contexts, a bit each. */
struct context_core {
    uint8_t registered; /* the hardware knows them */
    uint8_t taken;      /* a socket has them */
    uint8_t shared;     /* whose socket is NANO_SHARED */
    uint8_t priority[NANOPU_CONTEXTS];
};
extern struct context_core context_cores[CONTEXT_CORES];

static inline void context_enter(uint64_t context)
{
    if (UNLIKELY(nanopu_context() != context))
        nanopu_set_context((unsigned)context);
}

/* The thread comes back for another message, so the last one is dealt with. In the queue's context. */
static inline void context_settle(struct queue *q)
{
    if ((q->word[NANO_FLAGS] & NANO_OWED) == 0)
        return;
    q->word[NANO_FLAGS] &= ~(uint64_t)NANO_OWED;
    nanopu_msg_done();
}

/* Takes the rest of a message that nobody wants. */
static inline void context_drop(uint64_t header)
{
    for (unsigned words = nanopu_words(nanopu_header_bytes(header)); words != 0; words--)
        (void)nanopu_rx();
    nanopu_msg_done();
}

/* Contexts that the hardware brings messages for and that have no socket any more. */
static inline unsigned context_left_over(void)
{
    const struct context_core *c = &context_cores[nanopu_hart()];

    return c->registered & ~c->taken;
}

/* Throws away what came for them: it would stand in the way of all that comes behind it. */
void context_clear_left_over(void);

/*
 * Gives a context to a bound queue's socket, registered with its priority: context, or, with NANOPU_CONTEXTS, the
 * lowest whose messages no other socket of the host gets. -EADDRINUSE, -ENOTSUP.
 */
int context_take(struct instance *inst, struct queue *q, unsigned context);

/* The socket is closed. */
void context_give_up(struct queue *q);

#endif /* LIBOS_CATNANO_GUEST_CONTEXT_H */
