/* SPDX-License-Identifier: MIT */
/*
 * The run directory: one user's counter pages and trace rings, as files "<pid>.<tid>.stat" and "<pid>.<tid>.trace" that
 * other processes of that user can map and that outlive a crash.
 *
 * Byte 0 of a file is locked (F_OFD_SETLK) for as long as its instance lives. Unlike a look at the pid this holds
 * across pid namespaces and when a pid is used again. A child made by fork shares the lock: the file then counts as
 * living until both are gone. Byte 1 is locked for a moment by who removes or replaces the name of a dead file. To look
 * whether an instance lives locks nothing, so no look is in the way of one that starts.
 */
#ifndef CORE_RUNDIR_H
#define CORE_RUNDIR_H

#include "base.h"
#include "error.h"

#define RUNDIR_PATH_MAX    320
#define RUNDIR_TRACES_KEPT 16 /* trace rings that crashes left behind; older ones are pruned */

struct rundir_file {
    void *mem; /* zeroed, bytes long; NULL when not mapped */
    size_t bytes;
    int fd;                     /* holds the lock; -1 when the memory is anonymous */
    int pid;                    /* process that made the file: nobody else removes it */
    char path[RUNDIR_PATH_MAX]; /* "" when the memory is anonymous */
};

/* The directory that the setting run_dir stands for: dir, or /dev/shm/caracal-UID when dir is empty. */
void rundir_path(char *out, size_t size, const char *dir);

/*
 * Maps a new file "<pid>.<tid>.<suffix>" of the calling thread in the run directory, which is made when it is missing.
 * The file's blocks are taken at once, so that a full disk is an error here and not a signal later. When the file
 * cannot be made (directory not ours, a symbolic link or writable by others; no permission; disk full) the memory is
 * anonymous instead, et says why, and the call succeeds. -ENOMEM: not even that.
 */
int rundir_map(struct rundir_file *f, const char *dir, const char *suffix, size_t bytes, struct error_text *et);

/* Unmaps f and removes the file, unless keep. Nothing happens when f is not mapped (zeroed, or unmapped before). */
void rundir_unmap(struct rundir_file *f, bool keep);

/* Removes what dead instances left: counter pages, and all trace rings but the newest RUNDIR_TRACES_KEPT. */
void rundir_prune(const char *dir);

/* Takes "<pid>.<tid>.<suffix>" apart; *suffix points into name. False: not of this form. */
bool rundir_parse(const char *name, uint32_t *pid, uint32_t *tid, const char **suffix);

/* Does the instance live whose file fd is open on? */
bool rundir_alive(int fd);

#endif /* CORE_RUNDIR_H */
