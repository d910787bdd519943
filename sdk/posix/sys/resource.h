/* SPDX-License-Identifier: MIT */
#ifndef SDK_SYS_RESOURCE_H
#define SDK_SYS_RESOURCE_H

#include_next <sys/resource.h>

typedef unsigned long rlim_t;

struct rlimit {
    rlim_t rlim_cur, rlim_max;
};

#define RLIMIT_NOFILE 7

/* There are no files: ENOSYS. */
int getrlimit(int resource, struct rlimit *limit);
int setrlimit(int resource, const struct rlimit *limit);

#endif /* SDK_SYS_RESOURCE_H */
