/* SPDX-License-Identifier: MIT */
#ifndef SDK_SYS_RANDOM_H
#define SDK_SYS_RANDOM_H

#include <stddef.h>
#include <sys/types.h>

#define GRND_NONBLOCK 1

/* What no two hosts and no two calls share: made of the host's address and the cycle counter. Not secret. */
ssize_t getrandom(void *out, size_t bytes, unsigned flags);

#endif /* SDK_SYS_RANDOM_H */
