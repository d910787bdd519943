/* SPDX-License-Identifier: MIT */
#ifndef SDK_TIME_H
#define SDK_TIME_H

#include_next <time.h>

#ifndef CLOCK_REALTIME
#define CLOCK_REALTIME 1
#endif
#ifndef CLOCK_MONOTONIC
#define CLOCK_MONOTONIC 4
#endif

/* Every clock counts the hart's cycles since reset. */
int clock_gettime(clockid_t id, struct timespec *out);
int nanosleep(const struct timespec *time, struct timespec *left);

#endif /* SDK_TIME_H */
