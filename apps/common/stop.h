/* SPDX-License-Identifier: MIT */
/* What every program does to its process at start: end cleanly on SIGINT and SIGTERM, have descriptors enough. */
#ifndef APPS_COMMON_STOP_H
#define APPS_COMMON_STOP_H

#include <signal.h>
#include <stdbool.h>

/* Longest time a loop may sleep before it looks whether it should stop. */
#define STOP_LOOK_NS (100 * 1000 * 1000)

extern volatile sig_atomic_t stop_flag;

/* Makes SIGINT and SIGTERM raise the flag (a second one kills) and SIGPIPE harmless. */
void stop_install(void);

static inline bool stop_requested(void)
{
    return stop_flag != 0;
}

/* Raises the soft limit of open descriptors to the hard one, for libOSes that use one for each connection. */
void raise_descriptor_limit(void);

#endif /* APPS_COMMON_STOP_H */
