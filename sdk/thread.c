/* SPDX-License-Identifier: MIT */
/* Threads over the hardware scheduler; the switch itself is in trap.S. */
#include <nanopu/thread.h>

#include "layout.h"
#include "runtime.h"

#define CSR_MSTATUS 0x300
#define CSR_MIE     0x304

static char *area(void)
{
    return (char *)nanopu_csr_read(0x340);
}

static uint64_t *word(char *base, unsigned offset)
{
    return (uint64_t *)(base + offset);
}

static char *slot_of(unsigned context)
{
    return area() + AREA_SLOTS + ((context + 1) & 7) * SLOT_BYTES;
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

int nanopu_thread_start(void (*function)(void *arg), void *arg, unsigned context, unsigned priority)
{
    unsigned go_on = context_to_go_on_in();
    uint64_t old_priority = nanopu_csr_read(NANOPU_CSR_lcurpriority), gp, tp;
    char *slot;

    if (context >= NANOPU_CONTEXTS)
        return -1;
    slot = slot_of(context);
    if (*word(slot, SLOT_TAKEN) != 0)
        return -1;
    __asm__("mv %0, gp\n\tmv %1, tp" : "=r"(gp), "=r"(tp));
    *word(slot, SLOT_TAKEN) = 1;
    *word(slot, SLOT_FP_VALID) = 0;
    *word(slot, SLOT_PC) = (uint64_t)nanopu_thread_begin;
    /* Below the area: the stack that main has, then one for each context. */
    *word(slot, 8 * 2) = (uint64_t)area() - (uint64_t)(context + 1) * NANOPU_THREAD_STACK_BYTES;
    *word(slot, 8 * 3) = gp;
    *word(slot, 8 * 4) = tp;
    *word(slot, 8 * 9) = (uint64_t)function;
    *word(slot, 8 * 10) = (uint64_t)arg;
    ++*word(area(), AREA_ALIVE);
    nanopu_csr_write(NANOPU_CSR_lniccmd, NANOPU_CMD_START_TIMER);
    nanopu_register(context, priority);
    nanopu_set_context(go_on);
    nanopu_csr_write(NANOPU_CSR_lcurpriority, old_priority);
    return 0;
}

void nanopu_thread_end(void)
{
    nanopu_csr_clear(CSR_MSTATUS, MSTATUS_MIE);
    *word(slot_of(nanopu_context()), SLOT_TAKEN) = 0;
    if (--*word(area(), AREA_ALIVE) == 0)
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

    if (*word(area(), AREA_ALIVE) == 0)
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
