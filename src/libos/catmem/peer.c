/* SPDX-License-Identifier: MIT */
/* catmem: memory that is shared with other instances, ours and theirs. */
#include "catmem.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/membarrier.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MEMORY_SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

int peer_make_memory(const char *name, size_t bytes, void **map)
{
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING), err;
    void *p = MAP_FAILED;

    *map = NULL;
    if (fd < 0)
        return -errno;
    /* sealed: nobody can shrink it under a mapping of ours, which would be a SIGBUS at the next access */
    if (ftruncate(fd, (off_t)bytes) == 0 && fcntl(fd, F_ADD_SEALS, MEMORY_SEALS) == 0)
        p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p != MAP_FAILED) {
        *map = p;
        return fd;
    }
    err = errno;
    close(fd);
    return -err;
}

bool peer_memory_is_sound(int fd, uint64_t bytes)
{
    int seals = fcntl(fd, F_GET_SEALS);
    struct stat st;

    return seals >= 0 && (seals & F_SEAL_SHRINK) != 0 && fstat(fd, &st) == 0 && (uint64_t)st.st_size == bytes;
}

int peer_init(struct catmem *m)
{
    void *p;

    m->bell_memory_fd = peer_make_memory("caracal-bell", BELL_BYTES, &p);
    if (m->bell_memory_fd < 0 || p == NULL)
        return error_set(&m->inst->error, -m->bell_memory_fd, "catmem: no shared memory: %s",
                         strerror(-m->bell_memory_fd));
    m->bell = p;
    m->bell->magic = BELL_MAGIC;
    m->bell->version = BELL_VERSION;
    m->barriers = syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0) == 0;
    /* Relaxed: nobody else has the mapping yet. */
    atomic_store_explicit(&m->bell->fenced, !m->barriers || m->inst->config.idle == IDLE_BLOCK, memory_order_relaxed);
    m->bell_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (m->bell_fd < 0)
        return error_set(&m->inst->error, errno, "catmem: eventfd: %s", strerror(errno));
    return 0;
}

void peer_fini(struct catmem *m)
{
    while (m->peers != NULL) {
        m->peers->refs = 1;
        peer_put(m, m->peers);
    }
    if (m->bell != NULL)
        munmap(m->bell, BELL_BYTES);
    if (m->bell_memory_fd >= 0)
        close(m->bell_memory_fd);
    if (m->bell_fd >= 0)
        close(m->bell_fd);
}

static void close_all(const int fds[3])
{
    for (int i = 0; i < 3; i++)
        close(fds[i]);
}

static void *map_shared(int fd, size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);

    if (p == MAP_FAILED)
        return NULL;
    madvise(p, bytes, MADV_DONTDUMP);
    return p;
}

static struct peer *map_peer(const int fds[3], uint64_t region_bytes, int *err)
{
    struct peer *p = calloc(1, sizeof(*p));

    *err = -ENOMEM;
    if (p == NULL)
        return NULL;
    p->region_bytes = region_bytes;
    p->bell_fd = fds[2];
    p->bell = map_shared(fds[1], BELL_BYTES);
    p->region = p->bell != NULL ? map_shared(fds[0], region_bytes) : NULL;
    if (p->region != NULL && p->bell->magic == BELL_MAGIC && p->bell->version == BELL_VERSION)
        return p;
    if (p->region != NULL) {
        *err = -EPROTO;
        munmap(p->region, region_bytes);
    }
    if (p->bell != NULL)
        munmap(p->bell, BELL_BYTES);
    free(p);
    return NULL;
}

struct peer *peer_get(struct catmem *m, const int fds[3], uint64_t region_bytes, int pid, int *err)
{
    int flags = fcntl(fds[2], F_GETFL);
    struct peer *p = NULL;
    struct stat st;

    *err = -EPROTO;
    /* the eventfd: a descriptor that would block could stop us for good */
    if (region_bytes == 0 || !peer_memory_is_sound(fds[0], region_bytes) || !peer_memory_is_sound(fds[1], BELL_BYTES) ||
        flags < 0 || (flags & O_NONBLOCK) == 0 || (flags & O_ACCMODE) == O_RDONLY || fstat(fds[0], &st) < 0) {
        close_all(fds);
        return NULL;
    }
    for (p = m->peers; p != NULL && (p->dev != st.st_dev || p->ino != st.st_ino); p = p->next)
        ;
    if (p != NULL) {
        close_all(fds);
        p->refs++;
        *err = 0;
        return p;
    }
    p = map_peer(fds, region_bytes, err);
    if (p == NULL) {
        close_all(fds);
        return NULL;
    }
    *err = 0;
    close(fds[0]);
    close(fds[1]);
    p->dev = st.st_dev;
    p->ino = st.st_ino;
    p->pid = pid;
    p->refs = 1;
    p->next = m->peers;
    m->peers = p;
    return p;
}

void peer_put(struct catmem *m, struct peer *p)
{
    struct peer **at = &m->peers;

    assert(p->refs > 0);
    if (--p->refs > 0)
        return;
    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
    munmap(p->region, p->region_bytes);
    munmap(p->bell, BELL_BYTES);
    close(p->bell_fd);
    free(p);
}
