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

#define NANOPU_THREAD_STACK_BYTES 16384

/*
 * Registers context on this core and makes function(arg) its thread. It runs once nanopu_scheduler_run is under way;
 * the caller's context and priority stay as they are. context: 0 to 3; priority: 0 (first) to 255. Returns 0, or -1
 * when the context is none or has a thread that has not returned.
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

#endif /* NANOPU_THREAD_H */
