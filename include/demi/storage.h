/* SPDX-License-Identifier: MIT */
/*
 * Storage queues: a push appends a record, a pop reads the record at the cursor. Served by the cattree libOS; where it
 * is not installed every call answers ENOTSUP.
 */
#ifndef DEMI_STORAGE_H
#define DEMI_STORAGE_H

#include <demi/cc.h>
#include <demi/types.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Opens, or makes, the log at path. EINVAL: NULL. ENOTSUP. ENOENT, EEXIST, EACCES. */
ATTR_NONNULL(1, 2)
extern int demi_open(_Out_ int *qd_out, _In_z_ const char *path, _In_ int flags);
ATTR_NONNULL(1, 2)
extern int demi_creat(_Out_ int *qd_out, _In_z_ const char *path, _In_ mode_t mode);

/* Moves the cursor: whence is SEEK_SET, SEEK_CUR or SEEK_END. EBADF. ENOTSUP. EINVAL. */
extern int demi_seek(_In_ int qd, _In_ int64_t offset, _In_ int whence);

/* Drops the records before size. EBADF. ENOTSUP. EINVAL. */
extern int demi_truncate(_In_ int qd, _In_ int64_t size);

#ifdef __cplusplus
}
#endif

#endif /* DEMI_STORAGE_H */
