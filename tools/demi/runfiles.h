/* SPDX-License-Identifier: MIT */
/* The files of run directories: which there are, whose, and whether their instances live. */
#ifndef DEMI_RUNFILES_H
#define DEMI_RUNFILES_H

#include "core/rundir.h"

struct runfile {
    char path[RUNDIR_PATH_MAX];
    uint32_t pid, tid;
    bool alive;
    int64_t made_s; /* seconds and nanoseconds of the file's modification */
    int64_t made_ns;
};

struct runfiles {
    struct runfile *file;
    size_t count, room;
    char where[RUNDIR_PATH_MAX + 8]; /* where was looked, for messages */
};

/*
 * Lists the files with that suffix. dir is the directory asked for, or NULL: then the setting run_dir, and where that
 * is empty the user's own directory; for root everybody's. Negative errno and a text.
 */
int runfiles_list(struct runfiles *r, const char *dir, const char *suffix, struct error_text *et);
void runfiles_free(struct runfiles *r);

/* Reads a whole file of at most max bytes. NULL with a text; *len bytes otherwise, to be freed. */
void *runfile_read(const char *path, size_t max, size_t *len, struct error_text *et);

#endif /* DEMI_RUNFILES_H */
