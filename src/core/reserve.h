/* SPDX-License-Identifier: MIT */
/* Room on a disk for a file that is going to be mapped. */
#ifndef CORE_RESERVE_H
#define CORE_RESERVE_H

#include "base.h"

#include <errno.h>
#include <fcntl.h>

#define RESERVE_TRIES 16 /* of posix_fallocate, which a signal may interrupt */

/*
 * Makes the file at least so long and takes its blocks at once: a full disk is an error here, and not a SIGBUS when the
 * mapping is written to. Bytes that are there stay. Negative errno.
 */
static inline int file_reserve(int fd, size_t bytes)
{
    int err = EINTR;

    for (int i = 0; i < RESERVE_TRIES && err == EINTR; i++)
        err = posix_fallocate(fd, 0, (off_t)bytes);
    return -err;
}

#endif /* CORE_RESERVE_H */
