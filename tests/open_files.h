/* SPDX-License-Identifier: MIT */
/* How many descriptors the process has open (and one more, for looking): the same number before and after is no leak.
 */
#ifndef TESTS_OPEN_FILES_H
#define TESTS_OPEN_FILES_H

#include <dirent.h>
#include <stddef.h>

static inline unsigned open_files(void)
{
    DIR *d = opendir("/proc/self/fd");
    unsigned n = 0;

    while (d != NULL && readdir(d) != NULL)
        n++;
    if (d != NULL)
        closedir(d);
    return n;
}

#endif /* TESTS_OPEN_FILES_H */
