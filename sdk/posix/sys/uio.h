/* SPDX-License-Identifier: MIT */
#ifndef SDK_SYS_UIO_H
#define SDK_SYS_UIO_H

#include <stddef.h>
#include <sys/types.h>

struct iovec {
    void *iov_base;
    size_t iov_len;
};

#endif /* SDK_SYS_UIO_H */
