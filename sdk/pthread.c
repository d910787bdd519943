/* SPDX-License-Identifier: MIT */
/* Threads of POSIX on harts: see posix/pthread.h. */
#include "layout.h"
#include "runtime.h"

#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>

#define HARTS_MAX   64
#define STACK_BYTES 65536 /* of a thread that shares a hart */
#define CSR_MSTATUS 0x300
#define CSR_MIE     0x304
#define MIE_MSIP    8

enum job_state { JOB_FREE, JOB_READY, JOB_DONE };

/* A thread: by hart, and by its place on that. Place 0 is the hart's own. */
static struct job {
    uint64_t state;
    void *(*function)(void *arg);
    void *arg, *result;
    char *stack; /* of a place that was used before: the next one there has it */
} jobs[SLOTS][HARTS_MAX];

static struct nanopu_lock jobs_lock;

static volatile uint32_t *msip_of(unsigned hart)
{
    return (volatile uint32_t *)0x02000000UL + hart;
}

static uint64_t state_of(struct job *job)
{
    return __atomic_load_n(&job->state, __ATOMIC_ACQUIRE);
}

static void run_job(void *arg)
{
    struct job *job = arg;

    job->result = job->function(job->arg);
    nanopu_console_flush();
    __atomic_store_n(&job->state, JOB_DONE, __ATOMIC_RELEASE);
}

/* A hart whose own thread has nothing to do runs the others, or sleeps until its software interrupt is pending. */
static void wait_for_job(struct job *job)
{
    while (state_of(job) != JOB_READY) {
        if (!nanopu_thread_is_alone()) {
            nanopu_thread_pass();
            continue;
        }
        nanopu_csr_clear(CSR_MSTATUS, MSTATUS_MIE); /* no interrupt is taken: pending is enough to end a sleep */
        nanopu_csr_write(CSR_MIE, MIE_MSIP);
        __asm__ volatile("wfi");
        nanopu_csr_write(CSR_MIE, 0);
    }
}

/* What boot.c lets a hart do that main does not run on. */
void nanopu_hart_serve(unsigned hart)
{
    struct job *job = &jobs[0][hart];
    char *tp;

    __asm__("mv %0, tp" : "=r"(tp));
    for (;;) {
        wait_for_job(job);
        *msip_of(hart) = 0;
        nanopu_set_up_tls(tp);
        run_job(job);
        while (state_of(job) == JOB_DONE)
            nanopu_thread_pass();
    }
}

static void fill(struct job *job, void *(*function)(void *arg), void *arg)
{
    job->function = function;
    job->arg = arg;
    __atomic_store_n(&job->state, JOB_READY, __ATOMIC_RELEASE);
}

/* A thread on a hart that has none. */
static int start_on_a_hart(pthread_t *thread, void *(*function)(void *arg), void *arg)
{
    unsigned cores = nanopu_cores() < HARTS_MAX ? nanopu_cores() : HARTS_MAX, hart;
    uint64_t interrupts = nanopu_interrupts_off();

    nanopu_lock(&jobs_lock);
    for (hart = 1; hart < cores && state_of(&jobs[0][hart]) != JOB_FREE; hart++)
        ;
    if (hart < cores) {
        *thread = hart;
        fill(&jobs[0][hart], function, arg);
        *msip_of(hart) = 1;
    }
    nanopu_unlock(&jobs_lock);
    nanopu_interrupts_back(interrupts);
    return hart < cores ? 0 : EAGAIN;
}

/* A thread on the caller's own. Places are the hart's own affair: nobody else gives them away. */
static int start_here(pthread_t *thread, void *(*function)(void *arg), void *arg)
{
    unsigned hart = nanopu_hart(), place = 1;
    struct job *job;

    while (place < SLOTS && (!nanopu_thread_is_free(place) || state_of(&jobs[place][hart]) != JOB_FREE))
        place++;
    if (place == SLOTS)
        return EAGAIN;
    job = &jobs[place][hart];
    if (job->stack == NULL)
        job->stack = malloc(STACK_BYTES);
    if (job->stack == NULL)
        return EAGAIN;
    *thread = place * HARTS_MAX + hart;
    fill(job, function, arg);
    if (nanopu_thread_share(place, run_job, job, job->stack, STACK_BYTES) == 0)
        return 0;
    job->state = JOB_FREE;
    return EAGAIN;
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*function)(void *arg), void *arg)
{
    if (attr != NULL)
        return EINVAL;
    return start_on_a_hart(thread, function, arg) == 0 ? 0 : start_here(thread, function, arg);
}

int pthread_join(pthread_t thread, void **result)
{
    unsigned place = thread / HARTS_MAX;
    struct job *job = &jobs[place % SLOTS][thread % HARTS_MAX];

    if (thread == 0 || place >= SLOTS || state_of(job) == JOB_FREE)
        return ESRCH;
    while (state_of(job) != JOB_DONE)
        nanopu_thread_pass();
    if (result != NULL)
        *result = job->result;
    __atomic_store_n(&job->state, JOB_FREE, __ATOMIC_RELEASE);
    return 0;
}

pthread_t pthread_self(void)
{
    return nanopu_thread_index() * HARTS_MAX + nanopu_hart();
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
    while (!nanopu_trylock((struct nanopu_lock *)mutex))
        nanopu_thread_pass();
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
        nanopu_thread_pass();
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
