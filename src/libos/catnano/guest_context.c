/* SPDX-License-Identifier: MIT */
/* Contexts and the cores that have them: see guest_context.h. */
#include "guest_context.h"

#include "core/error.h"

#include <errno.h>

struct context_core context_cores[CONTEXT_CORES];
static struct nanopu_lock cores_lock; /* taken with interrupts off */

static void clear(unsigned context)
{
    context_enter(context);
    while (nanopu_ready())
        context_drop(nanopu_rx());
}

void context_clear_left_over(void)
{
    unsigned contexts = context_left_over();

    for (unsigned c = 0; contexts != 0; c++, contexts >>= 1)
        if ((contexts & 1) != 0)
            clear(c);
}

/* May the core have the context? Not when another one would get its messages, unless all of them want it so. */
static bool is_free(unsigned core, unsigned context, const struct queue *q)
{
    const struct context_core *own = &context_cores[core];
    bool shared = (q->word[NANO_FLAGS] & NANO_SHARED) != 0;
    unsigned bit = 1u << context;

    if ((own->taken & bit) != 0 || ((own->registered & bit) != 0 && own->priority[context] != q->word[NANO_PRIORITY]))
        return false;
    for (unsigned c = 0; c < nanopu_cores(); c++)
        if (c != core && (context_cores[c].registered & bit) != 0 && !(shared && (context_cores[c].shared & bit) != 0))
            return false;
    return true;
}

/* Makes the context the core's, once for all. Setting up goes on where no message is late: see nanopu/thread.h. */
static void give(unsigned core, unsigned context, struct queue *q)
{
    struct context_core *own = &context_cores[core];
    unsigned priority = (unsigned)q->word[NANO_PRIORITY];
    uint8_t bit = (uint8_t)(1u << context);

    own->taken |= bit;
    own->shared = (uint8_t)(own->shared & ~bit) | ((q->word[NANO_FLAGS] & NANO_SHARED) != 0 ? bit : 0);
    nanopu_thread_own(context);
    if ((own->registered & bit) != 0) {
        clear(context);
    } else {
        own->registered |= bit;
        own->priority[context] = (uint8_t)priority;
        nanopu_register(context, priority);
    }
    nanopu_set_context(NANOPU_NANOKERNEL);
    q->word[NANO_CONTEXT] = context;
}

int context_take(struct instance *inst, struct queue *q, unsigned context)
{
    bool any = context == NANOPU_CONTEXTS, done = false;
    unsigned core = nanopu_hart();
    uint64_t interrupts;

    if (core >= CONTEXT_CORES)
        return error_set(&inst->error, ENOTSUP, "more than %d cores", CONTEXT_CORES);
    interrupts = nanopu_interrupts_off();
    nanopu_lock(&cores_lock);
    for (unsigned c = any ? 0 : context; !done && c < NANOPU_CONTEXTS && (any || c == context); c++) {
        done = is_free(core, c, q);
        if (done)
            give(core, c, q);
    }
    nanopu_unlock(&cores_lock);
    nanopu_interrupts_back(interrupts);
    if (done)
        return 0;
    return error_set(&inst->error, EADDRINUSE, "%s",
                     any ? "each context has a socket of this host"
                         : "the context is another socket's, or the hardware knows it with another priority");
}

void context_give_up(struct queue *q)
{
    unsigned context = (unsigned)q->word[NANO_CONTEXT];
    uint64_t interrupts;

    if ((q->word[NANO_FLAGS] & NANO_OWED) != 0) {
        context_enter(context);
        context_settle(q);
    }
    interrupts = nanopu_interrupts_off();
    nanopu_lock(&cores_lock);
    context_cores[nanopu_hart()].taken &= (uint8_t) ~(1u << context);
    nanopu_thread_disown(context);
    nanopu_unlock(&cores_lock);
    nanopu_interrupts_back(interrupts);
}
