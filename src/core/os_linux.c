/* SPDX-License-Identifier: MIT */
/* Memory and chance from Linux: see os.h. */
#include "os.h"

#include <errno.h> /* program_invocation_short_name */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

void *os_table_new(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return p == MAP_FAILED ? NULL : p;
}

void os_table_free(void *table, size_t bytes)
{
    munmap(table, bytes);
}

void *os_region_new(size_t bytes, bool shared, int *fd)
{
    void *p;

    *fd = -1;
    if (!shared) {
        p = os_table_new(bytes);
        if (p != NULL)
            madvise(p, bytes, MADV_DONTDUMP);
        return p;
    }
    *fd = memfd_create("caracal", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (*fd < 0)
        return NULL;
    /* sealed: a peer that maps it must be sure that it does not shrink, which would be a SIGBUS at the next access */
    p = ftruncate(*fd, (off_t)bytes) == 0 && fcntl(*fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0
            ? mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, *fd, 0)
            : MAP_FAILED;
    if (p != MAP_FAILED) {
        madvise(p, bytes, MADV_DONTDUMP);
        return p;
    }
    close(*fd);
    *fd = -1;
    return NULL;
}

void os_region_free(void *region, size_t bytes, int fd)
{
    munmap(region, bytes);
    if (fd >= 0)
        close(fd);
}

bool os_region_discard(void *part, size_t bytes, int fd)
{
    return madvise(part, bytes, fd >= 0 ? MADV_REMOVE : MADV_DONTNEED) == 0;
}

void os_random(void *out, size_t bytes)
{
    if (getrandom(out, bytes, GRND_NONBLOCK) < 0)
        memset(out, 0, bytes); /* early in the boot */
}

struct os_identity os_identify(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    return (struct os_identity){.pid = (uint32_t)getpid(),
                                .tid = (uint32_t)gettid(),
                                .unix_ns = (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec,
                                .program = program_invocation_short_name};
}
