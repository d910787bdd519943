/* SPDX-License-Identifier: MIT */
/* What the parts of the guest runtime know of each other. */
#ifndef SDK_RUNTIME_H
#define SDK_RUNTIME_H

#include <nanopu/nanopu.h>
#include <stddef.h>

/* crt0.S */
bool nanopu_nic_probe(void);

/* trap.S */
void nanopu_thread_begin(void);
void nanopu_thread_switch(char *slot);
void nanopu_scheduler_sleep(void);
void nanopu_scheduler_wake(void) __attribute__((noreturn));

/* thread.c: what a thread ends in */
void nanopu_thread_end(void) __attribute__((noreturn));
/*
 * Threads that share the calling one's hart without being the hardware's: is there none in a slot; one in that slot,
 * which runs as soon as another one yields (-1: its thread-local data does not fit); the slot of the calling thread, 0
 * for the hart's own.
 */
bool nanopu_thread_is_free(unsigned index);
int nanopu_thread_share(unsigned index, void (*function)(void *arg), void *arg, char *stack, size_t bytes);
unsigned nanopu_thread_index(void);

/* boot.c */
void nanopu_set_up_tls(char *tp);
void nanopu_boot(unsigned hart, unsigned cores) __attribute__((noreturn));
void nanopu_trap_fatal(uint64_t cause, uint64_t pc, uint64_t value, unsigned hart) __attribute__((noreturn));

/* pthread.c, in programs that have threads of POSIX: does not return */
void nanopu_hart_serve(unsigned hart);

/* console.c: with the console's lock taken and interrupts off, so that no thread of this hart can want it meanwhile */
uint64_t nanopu_console_lock(void);
void nanopu_console_unlock(uint64_t state);
void nanopu_console_flush(void);

/* htif.c: without the lock */
uint64_t nanopu_htif_call_unlocked(uint64_t number, uint64_t arg0, uint64_t arg1, uint64_t arg2);

#define SYS_READ        63
#define SYS_WRITE       64
#define SYS_GETMAINVARS 2011

#endif /* SDK_RUNTIME_H */
