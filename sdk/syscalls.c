/* SPDX-License-Identifier: MIT */
/* What the C library wants from a system: an end, a process, a descriptor to write to. malloc finds its memory in
 * nanopu.ld. */
#include "runtime.h"

#include <errno.h>
#include <signal.h>
#include <sys/types.h>
#include <unistd.h>

void _exit(int code)
{
    nanopu_console_flush();
    nanopu_exit((uint64_t)code & 0xffffffff);
}

extern char __heap_start[], __heap_end[]; /* nanopu.ld */

/* Harts move the break at the same time: malloc with its lock, others without. */
void *sbrk(ptrdiff_t bytes)
{
    static uint64_t moved; /* from __heap_start */
    uint64_t was = __atomic_load_n(&moved, __ATOMIC_RELAXED), seen;

    for (;; was = seen) {
        uint64_t next = was + (uint64_t)bytes;

        if (next > (uintptr_t)__heap_end - (uintptr_t)__heap_start) {
            errno = ENOMEM;
            return (void *)-1;
        }
        seen = nanopu_compare_and_swap(&moved, was, next);
        if (seen == was)
            return __heap_start + was;
    }
}

pid_t getpid(void)
{
    return 1;
}

/* What abort, and a raise that nobody handles, end in: there is one process, and a signal sent to it ends it. */
int kill(pid_t pid, int number)
{
    if (pid == getpid())
        _exit(128 + number);
    errno = ESRCH;
    return -1;
}

ssize_t write(int fd, const void *bytes, size_t len)
{
    long result = nanopu_write(fd, bytes, len);

    if (result < 0) {
        errno = (int)-result;
        return -1;
    }
    return result;
}
