/* SPDX-License-Identifier: MIT */
/* Threads of POSIX on harts: see posix/pthread.h. A hart without a thread sleeps until its software interrupt. */
#include "runtime.h"

#include <errno.h>
#include <pthread.h>
#include <stddef.h>

#define HARTS_MAX 64
#define MIE_MSIP  8

enum job_state { JOB_FREE, JOB_READY, JOB_DONE };

static struct job {
    uint64_t state;
    void *(*function)(void *arg);
    void *arg, *result;
} jobs[HARTS_MAX];

static volatile uint32_t *msip_of(unsigned hart)
{
    return (volatile uint32_t *)0x02000000UL + hart;
}

/* What boot.c lets a hart do that main does not run on. */
void nanopu_hart_serve(unsigned hart)
{
    struct job *job = &jobs[hart];

    nanopu_csr_clear(0x300, 8); /* no interrupt is taken: pending is enough to end a sleep */
    nanopu_csr_write(0x304, MIE_MSIP);
    for (;;) {
        while (__atomic_load_n(&job->state, __ATOMIC_ACQUIRE) != JOB_READY)
            __asm__ volatile("wfi");
        *msip_of(hart) = 0;
        job->result = job->function(job->arg);
        nanopu_console_flush();
        __atomic_store_n(&job->state, JOB_DONE, __ATOMIC_RELEASE);
        while (__atomic_load_n(&job->state, __ATOMIC_ACQUIRE) == JOB_DONE)
            ;
    }
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*function)(void *arg), void *arg)
{
    static struct nanopu_lock lock;
    unsigned cores = nanopu_cores() < HARTS_MAX ? nanopu_cores() : HARTS_MAX, hart;

    if (attr != NULL)
        return EINVAL;
    nanopu_lock(&lock);
    for (hart = 1; hart < cores && __atomic_load_n(&jobs[hart].state, __ATOMIC_ACQUIRE) != JOB_FREE; hart++)
        ;
    if (hart < cores) {
        jobs[hart].function = function;
        jobs[hart].arg = arg;
        *thread = hart;
        __atomic_store_n(&jobs[hart].state, JOB_READY, __ATOMIC_RELEASE);
        *msip_of(hart) = 1;
    }
    nanopu_unlock(&lock);
    return hart < cores ? 0 : EAGAIN;
}

int pthread_join(pthread_t thread, void **result)
{
    struct job *job = &jobs[thread % HARTS_MAX];

    if (thread == 0 || thread >= HARTS_MAX || __atomic_load_n(&job->state, __ATOMIC_ACQUIRE) == JOB_FREE)
        return ESRCH;
    while (__atomic_load_n(&job->state, __ATOMIC_ACQUIRE) != JOB_DONE)
        ;
    if (result != NULL)
        *result = job->result;
    __atomic_store_n(&job->state, JOB_FREE, __ATOMIC_RELEASE);
    return 0;
}

pthread_t pthread_self(void)
{
    return nanopu_hart();
}

int pthread_mutex_init(pthread_mutex_t *mutex, const void *attr)
{
    *mutex = (pthread_mutex_t){0};
    return attr == NULL ? 0 : EINVAL;
}

int pthread_mutex_destroy(pthread_mutex_t *mutex)
{
    return mutex->taken != 0 ? EBUSY : 0;
}

int pthread_mutex_lock(pthread_mutex_t *mutex)
{
    nanopu_lock((struct nanopu_lock *)mutex);
    return 0;
}

int pthread_mutex_unlock(pthread_mutex_t *mutex)
{
    nanopu_unlock((struct nanopu_lock *)mutex);
    return 0;
}

int pthread_cond_init(pthread_cond_t *cond, const void *attr)
{
    *cond = (pthread_cond_t){0};
    return attr == NULL ? 0 : EINVAL;
}

int pthread_cond_destroy(pthread_cond_t *cond)
{
    (void)cond;
    return 0;
}

int pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex)
{
    uint32_t turn = __atomic_load_n(&cond->turn, __ATOMIC_RELAXED);

    pthread_mutex_unlock(mutex);
    while (__atomic_load_n(&cond->turn, __ATOMIC_RELAXED) == turn)
        ;
    return pthread_mutex_lock(mutex);
}

/* Every waiter looks again, as one that is woken must in any case. */
int pthread_cond_broadcast(pthread_cond_t *cond)
{
    __atomic_fetch_add(&cond->turn, 1, __ATOMIC_RELAXED);
    return 0;
}

int pthread_cond_signal(pthread_cond_t *cond)
{
    return pthread_cond_broadcast(cond);
}
