/* SPDX-License-Identifier: MIT */
/*
 * The C library's lock, around malloc and whatever else its harts share: a spinlock, held with interrupts off so that
 * no thread of the same hart can come to want it. All of its locks are this one.
 */
#include <nanopu/hart.h>

#include <sys/lock.h>

#define NOBODY 0

struct __lock {
    struct nanopu_lock lock;
    uint32_t owner; /* 1 + hart */
    uint32_t depth;
    uint64_t interrupts; /* the owner's, before */
};

struct __lock __lock___libc_recursive_mutex;

static struct __lock *const the_lock = &__lock___libc_recursive_mutex;

static int acquire(int wait)
{
    uint32_t me = 1 + nanopu_hart();
    uint64_t interrupts = nanopu_interrupts_off();

    if (__atomic_load_n(&the_lock->owner, __ATOMIC_RELAXED) == me) {
        the_lock->depth++;
        return 1;
    }
    if (!wait && !nanopu_trylock(&the_lock->lock)) {
        nanopu_interrupts_back(interrupts);
        return 0;
    }
    if (wait)
        nanopu_lock(&the_lock->lock);
    __atomic_store_n(&the_lock->owner, me, __ATOMIC_RELAXED);
    the_lock->depth = 1;
    the_lock->interrupts = interrupts;
    return 1;
}

static void release(void)
{
    uint64_t interrupts = the_lock->interrupts;

    if (--the_lock->depth != 0)
        return;
    __atomic_store_n(&the_lock->owner, NOBODY, __ATOMIC_RELAXED);
    nanopu_unlock(&the_lock->lock);
    nanopu_interrupts_back(interrupts);
}

void __retarget_lock_init(_LOCK_T *lock)
{
    *lock = the_lock;
}

void __retarget_lock_init_recursive(_LOCK_T *lock)
{
    *lock = the_lock;
}

void __retarget_lock_close(_LOCK_T lock)
{
    (void)lock;
}

void __retarget_lock_close_recursive(_LOCK_T lock)
{
    (void)lock;
}

void __retarget_lock_acquire(_LOCK_T lock)
{
    (void)lock;
    (void)acquire(1);
}

void __retarget_lock_acquire_recursive(_LOCK_T lock)
{
    (void)lock;
    (void)acquire(1);
}

int __retarget_lock_try_acquire(_LOCK_T lock)
{
    (void)lock;
    return acquire(0);
}

int __retarget_lock_try_acquire_recursive(_LOCK_T lock)
{
    (void)lock;
    return acquire(0);
}

void __retarget_lock_release(_LOCK_T lock)
{
    (void)lock;
    release();
}

void __retarget_lock_release_recursive(_LOCK_T lock)
{
    (void)lock;
    release();
}
