/* SPDX-License-Identifier: MIT */
/*
 * Threads of a hart: those that the hardware scheduler starts (thread.h) and those of POSIX that share a hart
 * (pthread.c). The switch itself is in trap.S.
 */
#include <nanopu/thread.h>

#include "layout.h"
#include "runtime.h"

#define CSR_MSTATUS 0x300
#define CSR_MIE     0x304
#define TLS_ALIGN   64
#define PATIENCE    8 /* yields until everybody who can go on has had a chance */

_Static_assert(AREA_ALIVE == NANOPU_AREA_ALIVE, "thread.h looks at it");

extern char __tls_size[]; /* nanopu.ld */

static char *area(void)
{
    return (char *)nanopu_csr_read(NANOPU_CSR_MSCRATCH);
}

static uint64_t *word(char *base, unsigned offset)
{
    return (uint64_t *)(base + offset);
}

static char *slot_at(unsigned index)
{
    return area() + AREA_SLOTS + index * SLOT_BYTES;
}

/* A thread that the hardware starts has the slot behind its context's number. */
static char *slot_of(unsigned context)
{
    return slot_at(((context + 1) & 7) % SLOTS);
}

static char **current(void)
{
    return (char **)word(area(), AREA_CURRENT);
}

/* The hart's own thread is the first to run. */
static char *running_slot(void)
{
    if (*current() == NULL)
        *current() = slot_at(0);
    return *current();
}

/*
 * A core that sits in a context of priority 0 without being done with a message loses the context's priority after
 * lmsgcycles, for good; only the nanokernel's context is exempt. So that is where the setting up is done.
 */
static unsigned context_to_go_on_in(void)
{
    unsigned context = nanopu_context();

    return *word(area(), AREA_RUNNING) != 0 ? context : NANOPU_NANOKERNEL;
}

/* A thread that will run function(arg) from the slot on; its thread-local data is at the bottom of its stack. */
static int fill_slot(char *slot, void (*function)(void *arg), void *arg, char *stack, size_t bytes, unsigned context)
{
    uint64_t gp, bottom = ((uint64_t)stack + TLS_ALIGN - 1) & ~(uint64_t)(TLS_ALIGN - 1);

    if ((size_t)__tls_size > bytes / 2)
        return -1;
    nanopu_set_up_tls((char *)bottom);
    __asm__("mv %0, gp" : "=r"(gp));
    *word(slot, SLOT_TAKEN) = 1;
    *word(slot, SLOT_FP_VALID) = 0;
    *word(slot, SLOT_MESSAGES) = 0;
    *word(slot, SLOT_CONTEXT) = context;
    *word(slot, SLOT_PC) = (uint64_t)nanopu_thread_begin;
    *word(slot, 8 * 2) = ((uint64_t)stack + bytes) & ~UINT64_C(15);
    *word(slot, 8 * 3) = gp;
    *word(slot, 8 * 4) = bottom;
    *word(slot, 8 * 9) = (uint64_t)function;
    *word(slot, 8 * 10) = (uint64_t)arg;
    ++*word(area(), AREA_ALIVE);
    (void)running_slot();
    return 0;
}

int nanopu_thread_start(void (*function)(void *arg), void *arg, unsigned context, unsigned priority)
{
    unsigned go_on = context_to_go_on_in();
    uint64_t old_priority = nanopu_csr_read(NANOPU_CSR_lcurpriority), interrupts;
    char *slot, *stack;

    if (context >= NANOPU_CONTEXTS)
        return -1;
    slot = slot_of(context);
    if (*word(slot, SLOT_TAKEN) != 0)
        return -1;
    interrupts = nanopu_interrupts_off();
    /* Below the area: the stack that main has, then one for each context. */
    stack = area() - (uint64_t)(context + 2) * NANOPU_THREAD_STACK_BYTES;
    if (fill_slot(slot, function, arg, stack, NANOPU_THREAD_STACK_BYTES, context) != 0) {
        nanopu_interrupts_back(interrupts);
        return -1;
    }
    *word(area(), AREA_OWNER + 8 * context) = (uint64_t)slot;
    nanopu_csr_write(NANOPU_CSR_lniccmd, NANOPU_CMD_START_TIMER);
    nanopu_register(context, priority);
    nanopu_set_context(go_on);
    nanopu_csr_write(NANOPU_CSR_lcurpriority, old_priority);
    nanopu_interrupts_back(interrupts);
    return 0;
}

bool nanopu_thread_is_free(unsigned index)
{
    return *word(slot_at(index), SLOT_TAKEN) == 0;
}

int nanopu_thread_share(unsigned index, void (*function)(void *arg), void *arg, char *stack, size_t bytes)
{
    uint64_t interrupts = nanopu_interrupts_off();
    int r = fill_slot(slot_at(index), function, arg, stack, bytes, NANOPU_NANOKERNEL);

    nanopu_interrupts_back(interrupts);
    if (r == 0) {
        nanopu_csr_set(CSR_MIE, NANOPU_MIE_LNIC);
        nanopu_csr_set(CSR_MSTATUS, MSTATUS_MIE);
    }
    return r;
}

unsigned nanopu_thread_index(void)
{
    return (unsigned)(running_slot() - slot_at(0)) / SLOT_BYTES;
}

void nanopu_thread_own(unsigned context)
{
    *word(area(), AREA_OWNER + 8 * (context % NANOPU_CONTEXTS)) = (uint64_t)running_slot();
}

void nanopu_thread_disown(unsigned context)
{
    *word(area(), AREA_OWNER + 8 * (context % NANOPU_CONTEXTS)) = 0;
}

/* Could the thread of this slot go on? The hart's own sleeps while the hardware scheduler runs. */
static bool is_alive(unsigned index)
{
    return index == 0 ? *word(area(), AREA_RUNNING) == 0 : *word(slot_at(index), SLOT_TAKEN) != 0;
}

enum who { WILLING, STOPPED, ANYBODY };

/*
 * The next thread behind a place, which may have it itself as the last, of those that gave way and wait for more than
 * messages, of those that an interrupt stopped, or of all. NULL: there is none.
 */
static char *next_slot(enum who who, unsigned from)
{
    for (unsigned i = 1; i <= SLOTS; i++) {
        char *slot = slot_at((from + i) % SLOTS);

        if (!is_alive((from + i) % SLOTS))
            continue;
        if (who == ANYBODY || (*word(slot, SLOT_MESSAGES) == 0 && (*word(slot, SLOT_STOPPED) != 0) == (who == STOPPED)))
            return slot;
    }
    return NULL;
}

/* Whose context has a message? First the one that the hardware would take. An interrupt may have been lost. */
static char *slot_with_message(void)
{
    unsigned first = (unsigned)nanopu_csr_read(NANOPU_CSR_ltargetcontext), old = nanopu_context();
    char *slot = NULL;

    for (unsigned i = 0; i < NANOPU_CONTEXTS && slot == NULL; i++) {
        unsigned context = (first + i) % NANOPU_CONTEXTS;

        nanopu_set_context(context);
        if (nanopu_ready())
            slot = (char *)*word(area(), AREA_OWNER + 8 * context);
    }
    nanopu_set_context(old);
    return slot;
}

/* Does the running thread, which yields for a message and may have one, take it? Not if it yields again and again. */
static bool takes_its_message(bool has_one)
{
    uint64_t *untaken = word(area(), AREA_UNTAKEN);

    *untaken = has_one ? *untaken + 1 : 0;
    return *untaken % PATIENCE != 0;
}

/*
 * Who goes on when the running thread gives way: for a message one that has a message, or else the next that gave way.
 * But who has a message may wait for a lock that another has, or for a time, and the hardware comes back to who an
 * interrupt stopped only for a message. So that nobody waits for ever, who waits for others (and who leaves its message
 * where it is) gives those that were stopped and those that gave way their turns, each time to another of them first.
 */
static char *slot_to_go_on_with(bool for_message)
{
    uint64_t yields = ++*word(area(), AREA_YIELDS);
    unsigned turn = yields % PATIENCE, rotating = (unsigned)(yields / PATIENCE);
    char *slot = for_message || turn == 2 ? slot_with_message() : NULL;
    bool own = slot == *current();

    if ((for_message && takes_its_message(own)) || (slot != NULL && !own))
        return slot;
    slot = NULL;
    if (turn == 0 || own)
        slot = next_slot(STOPPED, rotating);
    else if (turn == 1)
        slot = next_slot(WILLING, rotating);
    return slot != NULL ? slot : next_slot(WILLING, nanopu_thread_index());
}

static void give_way(bool for_message)
{
    uint64_t interrupts;
    char *slot;

    if (nanopu_context() != NANOPU_NANOKERNEL || nanopu_thread_is_alone())
        nanopu_idle();
    if (nanopu_thread_is_alone())
        return;
    interrupts = nanopu_interrupts_off();
    *word(running_slot(), SLOT_STOPPED) = 0; /* of the last time */
    slot = slot_to_go_on_with(for_message);
    if (slot != NULL && slot != *current())
        nanopu_thread_switch(slot);
    else
        nanopu_interrupts_back(interrupts);
}

void nanopu_thread_yield(void)
{
    give_way(true);
}

void nanopu_thread_pass(void)
{
    give_way(false);
}

void nanopu_thread_wait(void)
{
    uint64_t *messages;

    if (nanopu_thread_is_alone()) {
        nanopu_wait();
        return;
    }
    messages = word(running_slot(), SLOT_MESSAGES);
    *messages = 1;
    while (!nanopu_ready())
        nanopu_thread_yield();
    *messages = 0;
}

void nanopu_thread_end(void)
{
    char *slot;

    (void)nanopu_interrupts_off();
    *word(running_slot(), SLOT_TAKEN) = 0;
    --*word(area(), AREA_ALIVE);
    if (*word(area(), AREA_RUNNING) == 0) {
        slot = next_slot(WILLING, nanopu_thread_index());
        if (slot == NULL)
            slot = next_slot(STOPPED, nanopu_thread_index());
        nanopu_thread_switch(slot != NULL ? slot : next_slot(ANYBODY, nanopu_thread_index()));
    }
    if (*word(area(), AREA_ALIVE) == 0)
        nanopu_scheduler_wake();
    nanopu_csr_set(CSR_MSTATUS, MSTATUS_MIE);
    for (;;) {
        while (nanopu_ready())
            (void)nanopu_rx();
        nanopu_idle();
    }
}

static void start_slice(void)
{
    volatile uint64_t *mtimecmp = (volatile uint64_t *)0x02004000UL + nanopu_hart();

    *mtimecmp = nanopu_mtime() + NANOPU_SLICE_US;
}

void nanopu_scheduler_run(enum nanopu_scheduling scheduling)
{
    uint64_t enable = scheduling == NANOPU_BY_TIMER ? NANOPU_MIE_TIMER : NANOPU_MIE_LNIC;
    unsigned old_context = nanopu_context();
    uint64_t old_priority = nanopu_csr_read(NANOPU_CSR_lcurpriority);

    if (nanopu_thread_is_alone())
        return;
    if (scheduling == NANOPU_BY_TIMER)
        start_slice();
    nanopu_set_context(NANOPU_NANOKERNEL);
    nanopu_csr_write(NANOPU_CSR_lcurpriority, 255);
    *word(area(), AREA_RUNNING) = 1;
    nanopu_csr_set(CSR_MIE, enable);
    nanopu_scheduler_sleep();
    nanopu_csr_clear(CSR_MIE, enable);
    *word(area(), AREA_RUNNING) = 0;
    nanopu_csr_set(CSR_MSTATUS, MSTATUS_MIE);
    nanopu_set_context(old_context);
    nanopu_csr_write(NANOPU_CSR_lcurpriority, old_priority);
}
