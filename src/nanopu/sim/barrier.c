/* SPDX-License-Identifier: MIT */
#include "barrier.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SPINS 4000

static void pause_cpu(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

void barrier_init(struct barrier *b, unsigned threads)
{
    b->threads = threads;
    atomic_init(&b->arrived, 0);
    atomic_init(&b->round, 0);
    atomic_init(&b->sleepers, 0);
}

static void wait_for_round(struct barrier *b, uint32_t round)
{
    for (unsigned i = 0; i < SPINS; i++) {
        if (atomic_load_explicit(&b->round, memory_order_acquire) != round)
            return;
        pause_cpu();
    }
    atomic_fetch_add(&b->sleepers, 1);
    while (atomic_load(&b->round) == round)
        syscall(SYS_futex, &b->round, FUTEX_WAIT_PRIVATE, round, NULL, NULL, 0);
    atomic_fetch_sub(&b->sleepers, 1);
}

void barrier_wait(struct barrier *b, void (*alone)(void *arg), void *arg)
{
    uint32_t round = atomic_load_explicit(&b->round, memory_order_relaxed);

    if (atomic_fetch_add_explicit(&b->arrived, 1, memory_order_acq_rel) + 1 < b->threads) {
        wait_for_round(b, round);
        return;
    }
    alone(arg);
    atomic_store_explicit(&b->arrived, 0, memory_order_relaxed);
    atomic_store(&b->round, round + 1);
    if (atomic_load(&b->sleepers) > 0)
        syscall(SYS_futex, &b->round, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}
