/* SPDX-License-Identifier: MIT */
/* Threads of POSIX, each on a hart: started, counted under a lock, joined, and their harts used again. */
#include <pthread.h>
#include <stdio.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static long sum;

static void *add(void *arg)
{
    pthread_mutex_lock(&lock);
    sum += (long)arg;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    return arg;
}

int main(void)
{
    pthread_t thread[3], none;
    void *result;

    for (long i = 0; i < 3; i++)
        if (pthread_create(&thread[i], NULL, add, (void *)(i + 1)) != 0)
            return 1;
    if (pthread_create(&none, NULL, add, NULL) == 0)
        return 2; /* there are four harts, and main has one */
    pthread_mutex_lock(&lock);
    while (sum != 6)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
    for (long i = 0; i < 3; i++)
        if (pthread_join(thread[i], &result) != 0 || (long)result != i + 1)
            return 3;
    if (pthread_create(&none, NULL, add, (void *)4) != 0 || pthread_join(none, &result) != 0)
        return 4;
    printf("the sum is %ld\n", sum);
    return sum != 10;
}
