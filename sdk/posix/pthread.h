/* SPDX-License-Identifier: MIT */
/*
 * A thread of POSIX gets a hart of its own while there is one that main does not run on and that no other thread has
 * (nanopu cc --cores). The next ones share the hart of who makes them, four beside the one that is there: they give way
 * to each other when they wait, for whatever it is, and the NIC's scheduler interrupts one for another whose context
 * has a message and the better priority (nanopu/thread.h). Waiting is spinning.
 */
#ifndef SDK_PTHREAD_H
#define SDK_PTHREAD_H

#include <stdint.h>

typedef unsigned pthread_t; /* place * 64 + hart; place 0 is the hart's own thread */
typedef struct pthread_attr pthread_attr_t;

typedef struct {
    uint32_t taken;
} pthread_mutex_t;

typedef struct {
    uint32_t turn;
} pthread_cond_t;

#define PTHREAD_MUTEX_INITIALIZER                                                                                      \
    {                                                                                                                  \
        0                                                                                                              \
    }
#define PTHREAD_COND_INITIALIZER                                                                                       \
    {                                                                                                                  \
        0                                                                                                              \
    }

/* attr must be NULL. EINVAL: it is not. EAGAIN: no hart and no place on this one is free. */
int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*function)(void *arg), void *arg);
/* Waits for the thread's end; its hart, or its place, is free then. */
int pthread_join(pthread_t thread, void **result);
pthread_t pthread_self(void);

int pthread_mutex_init(pthread_mutex_t *mutex, const void *attr);
int pthread_mutex_destroy(pthread_mutex_t *mutex);
int pthread_mutex_lock(pthread_mutex_t *mutex);
int pthread_mutex_unlock(pthread_mutex_t *mutex);

int pthread_cond_init(pthread_cond_t *cond, const void *attr);
int pthread_cond_destroy(pthread_cond_t *cond);
int pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex);
int pthread_cond_signal(pthread_cond_t *cond);
int pthread_cond_broadcast(pthread_cond_t *cond);

#endif /* SDK_PTHREAD_H */
