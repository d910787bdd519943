/* SPDX-License-Identifier: MIT */
/* Files of the run directory: see rundir.h. */
#include "rundir.h"

#include "reserve.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NAME_CHARS        64
#define UNFINISHED_SUFFIX "new"
#define UNFINISHED_AGE_S  60
#define LOCK_TRIES        16     /* with a pause after each that doubles: 6 s together */
#define LOCK_PAUSE_NS     100000 /* the first pause */

/* The bytes of a file that are locked: see rundir.h. */
enum { LIFE, NAME };

void rundir_path(char *out, size_t size, const char *dir)
{
    size_t len;

    assert(size > 0);
    if (dir[0] == '\0')
        snprintf(out, size, "/dev/shm/caracal-%u", (unsigned)geteuid());
    else
        snprintf(out, size, "%s", dir);
    /* With a slash at its end O_NOFOLLOW would follow a symbolic link. */
    for (len = strlen(out); len > 1 && out[len - 1] == '/'; len--)
        out[len - 1] = '\0';
}

/* Opens the directory, if it is one that only this user can have put files into. Descriptor or negative errno. */
static int dir_open(const char *path, struct error_text *et)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;

    if (fd < 0)
        return error_set(et, errno, "%s: %s", path,
                         errno == ENOTDIR || errno == ELOOP ? "not a directory, or a symbolic link" : strerror(errno));
    if (fstat(fd, &st) == 0 && st.st_uid == geteuid() && (st.st_mode & (S_IWGRP | S_IWOTH)) == 0)
        return fd;
    close(fd);
    return error_set(et, EPERM, "%s: belongs to another user, or others may write to it", path);
}

static struct flock byte_lock(short type, off_t byte)
{
    return (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
}

bool rundir_alive(int fd)
{
    struct flock l = byte_lock(F_WRLCK, LIFE);

    return fcntl(fd, F_OFD_GETLK, &l) == 0 && l.l_type != F_UNLCK;
}

/* Locks the byte if nobody has it. Negative errno. */
static int lock_byte(int fd, off_t byte)
{
    struct flock l = byte_lock(F_WRLCK, byte);

    return fcntl(fd, F_OFD_SETLK, &l) == 0 ? 0 : -errno;
}

/* Unlocks before it closes: a child that was forked meanwhile has a copy of the descriptor. */
static void unlock_and_close(int fd)
{
    struct flock l = byte_lock(F_UNLCK, NAME);

    fcntl(fd, F_OFD_SETLK, &l);
    close(fd);
}

/* Locks the name, which others do for a moment only; they may be long in coming back to it when there are many. */
static int lock_name_soon(int fd)
{
    struct timespec pause = {.tv_nsec = LOCK_PAUSE_NS};
    int ret = -EAGAIN;

    for (int i = 0; i < LOCK_TRIES; i++) {
        ret = lock_byte(fd, NAME);
        if (ret != -EAGAIN && ret != -EACCES && ret != -EINTR)
            break;
        nanosleep(&pause, NULL);
        pause.tv_nsec *= 2;
    }
    return ret;
}

/* Opens a file that may be there, for locks. */
static int file_open(int dirfd, const char *name)
{
    return openat(dirfd, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
}

/*
 * Locks the name of a dead file that is there, so that nobody removes the name as long as the lock is held: see
 * unlink_locked. *fd_out is -1 when there is no file. -EEXIST: its instance lives.
 */
static int lock_predecessor(int *fd_out, int dirfd, const char *name)
{
    int fd = file_open(dirfd, name), ret;

    *fd_out = -1;
    if (fd < 0)
        return 0;
    ret = rundir_alive(fd) ? -EEXIST : lock_name_soon(fd);
    if (ret != 0) {
        close(fd);
        return ret;
    }
    *fd_out = fd;
    return 0;
}

/* Makes the file under a name of its own, locks and sizes it, and only then gives it its name. Negative errno. */
static int file_make_as(struct rundir_file *f, int dirfd, const char *name, size_t bytes)
{
    char unfinished[NAME_CHARS + 8];
    void *mem;
    int fd, ret;

    snprintf(unfinished, sizeof(unfinished), "%s." UNFINISHED_SUFFIX, name);
    unlinkat(dirfd, unfinished, 0);
    fd = openat(dirfd, unfinished, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    ret = lock_byte(fd, LIFE);
    if (ret == 0)
        ret = file_reserve(fd, bytes);
    if (ret == 0) {
        mem = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
        if (mem == MAP_FAILED) {
            ret = -errno;
        } else if (renameat(dirfd, unfinished, dirfd, name) != 0) {
            ret = -errno;
            munmap(mem, bytes);
        }
    }
    if (ret != 0) {
        unlinkat(dirfd, unfinished, 0);
        close(fd);
        return ret;
    }
    f->mem = mem;
    f->fd = fd;
    return 0;
}

/* The same, unless an instance that lives has the name: -EEXIST. */
static int file_make(struct rundir_file *f, int dirfd, const char *name, size_t bytes)
{
    int old, ret = lock_predecessor(&old, dirfd, name);

    if (ret == 0)
        ret = file_make_as(f, dirfd, name, bytes);
    if (old >= 0)
        unlock_and_close(old);
    return ret;
}

static int file_map(struct rundir_file *f, const char *dir, const char *suffix, size_t bytes, struct error_text *et)
{
    char path[RUNDIR_PATH_MAX], name[NAME_CHARS];
    char *real;
    int dirfd, ret;

    rundir_path(path, sizeof(path), dir);
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return error_set(et, errno, "%s: %s", path, strerror(errno));
    dirfd = dir_open(path, et);
    if (dirfd < 0)
        return dirfd;
    snprintf(name, sizeof(name), "%d.%d.%s", (int)getpid(), (int)gettid(), suffix);
    /* The program may change its working directory before it ends. */
    real = realpath(path, NULL);
    if (real == NULL)
        ret = -errno;
    else if ((size_t)snprintf(f->path, sizeof(f->path), "%s/%s", real, name) >= sizeof(f->path))
        ret = -ENAMETOOLONG;
    else
        ret = file_make(f, dirfd, name, bytes);
    free(real);
    close(dirfd);
    if (ret != 0) {
        f->path[0] = '\0';
        return error_set(et, -ret, "%s/%s: %s", path, name, strerror(-ret));
    }
    return 0;
}

int rundir_map(struct rundir_file *f, const char *dir, const char *suffix, size_t bytes, struct error_text *et)
{
    assert(bytes > 0);
    memset(f, 0, sizeof(*f));
    f->fd = -1;
    f->pid = (int)getpid();
    f->bytes = bytes;
    if (dir != NULL && file_map(f, dir, suffix, bytes, et) == 0)
        return 0;
    f->mem = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (f->mem != MAP_FAILED)
        return 0;
    f->mem = NULL;
    return error_set(et, ENOMEM, "no memory for %zu bytes of %s", bytes, suffix);
}

void rundir_unmap(struct rundir_file *f, bool keep)
{
    if (f->mem == NULL)
        return;
    /* Removed before it is unlocked: the name may be another's afterwards. A child after fork only lets go. */
    if (f->path[0] != '\0' && !keep && f->pid == (int)getpid())
        unlink(f->path);
    munmap(f->mem, f->bytes);
    if (f->fd >= 0)
        close(f->fd);
    memset(f, 0, sizeof(*f));
    f->fd = -1;
}

/* Reads a decimal number without sign that ends with a dot; NULL when there is none. */
static const char *parse_number(const char *p, uint32_t *out)
{
    uint64_t value = 0;
    const char *start = p;

    for (; *p >= '0' && *p <= '9' && p - start < 10; p++)
        value = value * 10 + (uint64_t)(*p - '0');
    if (p == start || *p != '.' || value > UINT32_MAX)
        return NULL;
    *out = (uint32_t)value;
    return p + 1;
}

bool rundir_parse(const char *name, uint32_t *pid, uint32_t *tid, const char **suffix)
{
    const char *p = parse_number(name, pid);

    if (p != NULL)
        p = parse_number(p, tid);
    if (p == NULL || *p == '\0')
        return false;
    *suffix = p;
    return true;
}

/*
 * Removes a dead file that is open on fd and has its name locked, if the name is still its own: another file may have
 * been renamed over it since it was opened. None is between the look and the removal, because who does that holds the
 * lock of the file that it replaces.
 */
static void unlink_locked(int dirfd, const char *name, int fd)
{
    struct stat opened, named;

    if (fstat(fd, &opened) != 0 || fstatat(dirfd, name, &named, AT_SYMLINK_NOFOLLOW) != 0)
        return;
    if (opened.st_dev == named.st_dev && opened.st_ino == named.st_ino)
        unlinkat(dirfd, name, 0);
}

/* Removes the file of that name, unless its instance lives. */
static void unlink_dead(int dirfd, const char *name)
{
    int fd = file_open(dirfd, name);

    if (fd < 0)
        return;
    if (!rundir_alive(fd) && lock_byte(fd, NAME) == 0)
        unlink_locked(dirfd, name, fd);
    unlock_and_close(fd);
}

/* The newest trace rings seen so far. */
struct kept {
    unsigned count;
    struct {
        char name[NAME_CHARS];
        struct timespec made;
    } file[RUNDIR_TRACES_KEPT];
};

static bool earlier(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec != b->tv_sec ? a->tv_sec < b->tv_sec : a->tv_nsec < b->tv_nsec;
}

/* Notes a dead trace ring, and removes the oldest when there are too many. */
static void keep_newest(struct kept *k, int dirfd, const char *name, const struct timespec *made)
{
    unsigned at = k->count;

    if (k->count == RUNDIR_TRACES_KEPT) {
        at = 0;
        for (unsigned i = 1; i < k->count; i++) {
            if (earlier(&k->file[i].made, &k->file[at].made))
                at = i;
        }
        if (earlier(made, &k->file[at].made)) {
            unlink_dead(dirfd, name);
            return;
        }
        unlink_dead(dirfd, k->file[at].name);
    } else {
        k->count++;
    }
    snprintf(k->file[at].name, sizeof(k->file[at].name), "%s", name);
    k->file[at].made = *made;
}

/* Is the file one that its owner may be about to lock and name? */
static bool in_the_making(const char *suffix, const struct stat *st)
{
    const char *end = strrchr(suffix, '.');

    return end != NULL && strcmp(end + 1, UNFINISHED_SUFFIX) == 0 && st->st_ctime + UNFINISHED_AGE_S >= time(NULL);
}

/* Removes an open dead file, or notes it when it is a trace ring. */
static void prune_dead(struct kept *k, int dirfd, const char *name, const char *suffix, int fd, const struct stat *st)
{
    const char *end = strrchr(suffix, '.');

    if (strcmp(suffix, "trace") == 0) {
        keep_newest(k, dirfd, name, &st->st_mtim);
    } else if (strcmp(suffix, "stat") == 0 || (end != NULL && strcmp(end + 1, UNFINISHED_SUFFIX) == 0)) {
        if (lock_byte(fd, NAME) == 0)
            unlink_locked(dirfd, name, fd);
    }
}

/* Looks at one file of the directory. */
static void prune_file(struct kept *k, int dirfd, const char *name)
{
    uint32_t pid, tid;
    const char *suffix;
    struct stat st;
    int fd;

    if (strlen(name) >= NAME_CHARS || !rundir_parse(name, &pid, &tid, &suffix))
        return;
    fd = file_open(dirfd, name);
    if (fd < 0)
        return;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && !in_the_making(suffix, &st) && !rundir_alive(fd))
        prune_dead(k, dirfd, name, suffix, fd, &st);
    unlock_and_close(fd);
}

void rundir_prune(const char *dir)
{
    char path[RUNDIR_PATH_MAX];
    struct kept kept = {.count = 0};
    struct dirent *e;
    DIR *d;
    int fd;

    rundir_path(path, sizeof(path), dir);
    fd = dir_open(path, NULL);
    if (fd < 0)
        return;
    d = fdopendir(fd);
    if (d == NULL) {
        close(fd);
        return;
    }
    while ((e = readdir(d)) != NULL)
        prune_file(&kept, fd, e->d_name);
    closedir(d);
}
