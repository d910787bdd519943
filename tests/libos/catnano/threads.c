/* SPDX-License-Identifier: MIT */
/*
 * Threads of POSIX: three on the other harts, four beside main on its own; started, counted under a lock, with
 * thread-local data of their own, joined, and their places used again.
 */
#include <pthread.h>
#include <stdio.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static long sum;

static _Thread_local long seen = 5;

static void *add(void *arg)
{
    pthread_mutex_lock(&lock);
    sum += (long)arg;
    seen += (long)arg;
    pthread_cond_broadcast(&changed);
    while (sum < 28)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
    return seen == 5 + (long)arg ? arg : NULL;
}

int main(void)
{
    pthread_t thread[7], none;
    void *result;

    for (long i = 0; i < 7; i++)
        if (pthread_create(&thread[i], NULL, add, (void *)(i + 1)) != 0)
            return 1;
    if (pthread_create(&none, NULL, add, NULL) == 0)
        return 2;
    pthread_mutex_lock(&lock);
    while (sum != 28)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
    for (long i = 0; i < 7; i++)
        if (pthread_join(thread[i], &result) != 0 || (long)result != i + 1)
            return 3;
    for (int i = 0; i < 5; i++) /* more than there are harts */
        if (pthread_create(&thread[i], NULL, add, (void *)1) != 0)
            return 4;
    for (int i = 0; i < 5; i++)
        if (pthread_join(thread[i], &result) != 0 || (long)result != 1)
            return 5;
    printf("the sum is %ld\n", sum);
    return seen != 5;
}
