/* SPDX-License-Identifier: MIT */
/* Allocation of scatter-gather arrays. */
#ifndef DEMI_SGA_H
#define DEMI_SGA_H

#include <demi/cc.h>
#include <demi/types.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Allocates an array with one segment of size bytes, owned by the caller. Size 0, a size over the limit, no memory or
 * no instance in this thread: a null array (sga_buf NULL, no segments).
 */
extern demi_sgarray_t demi_sgaalloc(_In_ size_t size);

/*
 * Gives an array up. Memory that a pending push still needs stays alive until that push is done with it.
 * EINVAL: NULL, a null array, one that this instance did not make, or one that was freed before.
 */
ATTR_NONNULL(1)
extern int demi_sgafree(_In_ demi_sgarray_t *sga);

#ifdef __cplusplus
}
#endif

#endif /* DEMI_SGA_H */
