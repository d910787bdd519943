/* SPDX-License-Identifier: MIT */
/*
 * Waiting for operations. A timeout of NULL waits for ever, {0, 0} looks once; a result that is already there is
 * returned even with a zero timeout. An operation that failed still makes the call return 0: qr_opcode is
 * DEMI_OPC_FAILED and qr_ret the positive errno.
 */
#ifndef DEMI_WAIT_H
#define DEMI_WAIT_H

#include <demi/cc.h>
#include <demi/types.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Waits for one operation. EINVAL: NULL, an unknown or consumed token, a malformed timeout. ETIMEDOUT. */
ATTR_NONNULL(1)
extern int demi_wait(_Out_ demi_qresult_t *qr_out, _In_ demi_qtoken_t qt, _In_opt_ const struct timespec *timeout);

/*
 * Waits for any of num_qts operations and tells its place in qts. Of several complete ones the one that completed first
 * is returned. EINVAL: NULL, num_qts < 1, a malformed timeout, or, when none is complete, an invalid token. ETIMEDOUT.
 */
ATTR_NONNULL(1, 2, 3)
extern int demi_wait_any(_Out_ demi_qresult_t *qr_out, _Out_ int *ready_offset,
                         _In_reads_(num_qts) const demi_qtoken_t qts[], _In_ int num_qts,
                         _In_opt_ const struct timespec *timeout);

/*
 * Waits until at least one operation of this instance, whichever, is complete and returns up to num_qrs results in
 * order of completion. EINVAL: NULL, num_qrs < 1, a malformed timeout. ETIMEDOUT, with *num_qrs_out = 0.
 */
ATTR_NONNULL(1, 3)
extern int demi_wait_next_n(_Out_writes_to_(num_qrs, *num_qrs_out) demi_qresult_t *qr_out, _In_ int num_qrs,
                            _Out_ int *num_qrs_out, _In_opt_ const struct timespec *timeout);

#ifdef __cplusplus
}
#endif

#endif /* DEMI_WAIT_H */
