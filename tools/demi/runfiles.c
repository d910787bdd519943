/* SPDX-License-Identifier: MIT */
/* Listing run directories: see runfiles.h. */
#include "runfiles.h"

#include "demi.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int add(struct runfiles *r, const struct runfile *f)
{
    size_t room = r->room == 0 ? 16 : r->room * 2;
    struct runfile *file;

    if (r->count == r->room) {
        file = realloc(r->file, room * sizeof(*file));
        if (file == NULL)
            return -ENOMEM;
        r->file = file;
        r->room = room;
    }
    r->file[r->count++] = *f;
    return 0;
}

static int look_at(struct runfiles *r, int dirfd, const char *dir, const char *name, const char *suffix)
{
    struct runfile f = {0};
    struct stat st;
    const char *s;
    int fd, ret = 0;

    if (!rundir_parse(name, &f.pid, &f.tid, &s) || strcmp(s, suffix) != 0)
        return 0;
    if ((size_t)snprintf(f.path, sizeof(f.path), "%s/%s", dir, name) >= sizeof(f.path))
        return 0;
    fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return 0; /* gone, or not ours to read */
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
        f.alive = rundir_alive(fd);
        f.made_s = st.st_mtim.tv_sec;
        f.made_ns = st.st_mtim.tv_nsec;
        ret = add(r, &f);
    }
    close(fd);
    return ret;
}

static int list_dir(struct runfiles *r, const char *dir, const char *suffix, struct error_text *et)
{
    DIR *d = opendir(dir);
    struct dirent *e;
    int ret = 0;

    if (d == NULL)
        return error_set(et, errno, "%s: %s", dir, strerror(errno));
    while (ret == 0 && (e = readdir(d)) != NULL)
        ret = look_at(r, dirfd(d), dir, e->d_name, suffix);
    closedir(d);
    return ret == 0 ? 0 : error_set(et, -ret, "%s: %s", dir, strerror(-ret));
}

/* The directories of all users; one that vanishes or is not of the form is passed over. */
static int list_everybody(struct runfiles *r, const char *suffix, struct error_text *et)
{
    static const char prefix[] = "caracal-";
    char dir[RUNDIR_PATH_MAX];
    struct dirent *e;
    int ret = 0;
    DIR *d;

    snprintf(r->where, sizeof(r->where), "/dev/shm/%s*", prefix);
    d = opendir("/dev/shm");
    if (d == NULL)
        return 0;
    while (ret == 0 && (e = readdir(d)) != NULL) {
        if (strncmp(e->d_name, prefix, sizeof(prefix) - 1) != 0)
            continue;
        snprintf(dir, sizeof(dir), "/dev/shm/%s", e->d_name);
        if (list_dir(r, dir, suffix, et) == -ENOMEM)
            ret = -ENOMEM;
    }
    closedir(d);
    return ret;
}

static int by_age(const void *a, const void *b)
{
    const struct runfile *x = a, *y = b;

    if (x->made_s != y->made_s)
        return x->made_s < y->made_s ? -1 : 1;
    if (x->made_ns != y->made_ns)
        return x->made_ns < y->made_ns ? -1 : 1;
    return strcmp(x->path, y->path);
}

int runfiles_list(struct runfiles *r, const char *dir, const char *suffix, struct error_text *et)
{
    char path[RUNDIR_PATH_MAX];
    struct config c;
    bool asked = dir != NULL;
    int ret;

    memset(r, 0, sizeof(*r));
    if (!asked) {
        ret = settings_read(&c, et);
        if (ret != 0)
            return ret;
        dir = c.run_dir;
    }
    if (dir[0] == '\0' && geteuid() == 0) {
        ret = list_everybody(r, suffix, et);
    } else {
        rundir_path(path, sizeof(path), dir);
        snprintf(r->where, sizeof(r->where), "%s", path);
        ret = list_dir(r, path, suffix, et);
        if (ret == -ENOENT && !asked)
            ret = 0; /* nothing has run yet */
    }
    if (ret != 0)
        runfiles_free(r);
    else if (r->count > 0)
        qsort(r->file, r->count, sizeof(*r->file), by_age);
    return ret;
}

void runfiles_free(struct runfiles *r)
{
    free(r->file);
    r->file = NULL;
    r->count = r->room = 0;
}

void *runfile_read(const char *path, size_t max, size_t *len, struct error_text *et)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    char *buf = NULL;
    size_t got = 0;
    ssize_t n = 1;

    if (fd < 0) {
        error_set(et, errno, "%s: %s", path, strerror(errno));
        return NULL;
    }
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || (uint64_t)st.st_size > max) {
        error_set(et, EINVAL, "%s: not a file of the expected kind", path);
    } else {
        buf = malloc((size_t)st.st_size + 1);
        if (buf == NULL)
            error_set(et, ENOMEM, "%s: out of memory", path);
    }
    /* Read rather than mapped: a file that shrinks meanwhile is short, not a signal. */
    while (buf != NULL && n > 0 && got < (size_t)st.st_size) {
        n = pread(fd, buf + got, (size_t)st.st_size - got, (off_t)got);
        if (n > 0)
            got += (size_t)n;
    }
    close(fd);
    *len = got;
    return buf;
}
