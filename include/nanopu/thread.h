/* SPDX-License-Identifier: MIT */
/*
 * Threads over the hardware scheduler: one a context of a core. The NIC's scheduler knows which contexts of this core
 * have messages and which is to run; it interrupts, and the runtime's trap handler does as it says.
 *
 * Source: the machine's contract, sections 1.9 and 3. What follows from it:
 * - A thread gives way when a message for one of higher priority arrives, when it says nanopu_idle or nanopu_msg_done
 *   with nothing left to read, when its message (of priority 0) takes longer than lmsgcycles, and after idling for
 *   lidlecycles. Threads of one priority do not interrupt each other.
 * - The first thread is started by a message, or by idling where two or three contexts are registered (with four, the
 *   hardware's count of them is 0 and idling starts nobody; with one there is nobody else).
 * - A context that was demoted for taking too long stays so.
 */
#ifndef NANOPU_THREAD_H
#define NANOPU_THREAD_H

#include "net.h"

#define NANOPU_THREAD_STACK_BYTES 16384 /* with the thread's thread-local data */

/*
 * Registers context on this core and makes function(arg) its thread. It runs once nanopu_scheduler_run is under way;
 * the caller's context and priority stay as they are. context: 0 to 3; priority: 0 (first) to 255. Returns 0, or -1
 * when the context is none or has a thread that has not returned, or the thread-local data is more than half a stack.
 */
int nanopu_thread_start(void (*function)(void *arg), void *arg, unsigned context, unsigned priority);

/* What interrupts a thread. */
enum nanopu_scheduling {
    NANOPU_BY_HARDWARE = 1, /* the NIC, as soon as another thread should run */
    NANOPU_BY_TIMER = 2     /* the timer alone, every NANOPU_SLICE_US: what a kernel would do */
};
#define NANOPU_SLICE_US 5

/*
 * Runs this core's threads. Returns when all of them have returned; what a finished thread's context still receives is
 * thrown away until then. At most once at a time.
 */
void nanopu_scheduler_run(enum nanopu_scheduling scheduling);

/*
 * Beneath threads of POSIX that share a hart (pthread.h), and for libraries that serve them. Such a thread has no
 * context of its own: it registers those that it wants, in NANOPU_NANOKERNEL it is exempt from lmsgcycles, and the
 * hardware interrupts another thread of the hart for the one that owns the context.
 */
void nanopu_thread_own(unsigned context); /* messages for it are the calling thread's from now on */
void nanopu_thread_disown(unsigned context);

#define NANOPU_CSR_MSCRATCH 0x340 /* where the runtime keeps what it knows of this hart's threads */
#define NANOPU_AREA_ALIVE   16    /* bytes from there: how many there are beside the hart's own */

/* Is the calling thread the only one of its hart? */
static inline bool nanopu_thread_is_alone(void)
{
    return *(volatile uint64_t *)(nanopu_csr_read(NANOPU_CSR_MSCRATCH) + NANOPU_AREA_ALIVE) == 0;
}

/*
 * nanopu_idle, and then the thread of this hart that has a message, if only the caller itself, or the next that does
 * not wait for messages alone: what waits for a message or for a time calls it again and again. Interrupts are on when
 * it returns, if there is another thread.
 */
void nanopu_thread_yield(void);

/* The same for what waits for a lock or another thread: a message does not help, so all others have their turn. */
void nanopu_thread_pass(void);

/* nanopu_wait for the current context, and other threads of this hart run meanwhile. */
void nanopu_thread_wait(void);

#endif /* NANOPU_THREAD_H */
