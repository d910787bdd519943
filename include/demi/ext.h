/* SPDX-License-Identifier: MIT */
/* What PDPIX's paper has and more: calls beyond Demikernel's C API. Conventions as in <demi/libos.h>. */
#ifndef DEMI_EXT_H
#define DEMI_EXT_H

#include <demi/cc.h>
#include <demi/types.h>
#include <sys/uio.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Makes an in-memory queue: what is pushed is popped, in order, message by message. EINVAL: NULL. EMFILE, ENOMEM. */
ATTR_NONNULL(1)
extern int demi_queue(_Out_ int *qd_out);

/*
 * Waits for all of num_qts operations; qrs_out[i] belongs to qts[i]. EINVAL: NULL, num_qts < 1, an invalid token, one
 * token twice. ETIMEDOUT: nothing was consumed.
 */
ATTR_NONNULL(1, 2)
extern int demi_wait_all(_Out_writes_(num_qts) demi_qresult_t qrs_out[], _In_reads_(num_qts) const demi_qtoken_t qts[],
                         _In_ int num_qts, _In_opt_ const struct timespec *timeout);

/* Looks whether an operation is complete, without waiting. EINVAL: NULL, invalid token. EAGAIN: still pending. */
ATTR_NONNULL(1)
extern int demi_poll(_Out_ demi_qresult_t *qr_out, _In_ demi_qtoken_t qt);

/*
 * Gives an operation up: its token becomes invalid and its result, if it is complete, is dropped, data included. Bytes
 * of a push that are under way may still arrive. A pending pop that is cancelled loses nothing: a later pop gets what
 * comes. EINVAL: invalid token.
 */
extern int demi_cancel(_In_ demi_qtoken_t qt);

/* As demi_pop, for at most max_bytes bytes; the rest of a stream stays queued. EINVAL: max_bytes is 0. */
ATTR_NONNULL(1)
extern int demi_pop_n(_Out_ demi_qtoken_t *qt_out, _In_ int qd, _In_ size_t max_bytes);

/*
 * Pushes num_iov segments as one message or one run of a stream. Segments that lie in memory of demi_malloc or of an
 * sga are pushed without a copy and kept alive; others are copied before the call returns. EINVAL: NULL, num_iov < 1,
 * an empty total. EMSGSIZE: the total is over the limit. EBADF. ENOTCONN. ENOMEM.
 */
ATTR_NONNULL(1, 3)
extern int demi_pushv(_Out_ demi_qtoken_t *qt_out, _In_ int qd, _In_reads_(num_iov) const struct iovec *iov,
                      _In_ int num_iov);

/*
 * Pushes num_iov segments as one datagram to dest_addr. Wherever they lie, they are the caller's again when the call
 * returns. qt_out NULL: nobody is told how the push ends, there is no token; counters tell (demi stat). EINVAL: NULL,
 * num_iov < 1, an empty total. EMSGSIZE: the total is over the limit. Else errors as demi_pushto. ENOMEM.
 */
ATTR_NONNULL(3, 5)
extern int demi_pushtov(_Out_opt_ demi_qtoken_t *qt_out, _In_ int sockqd, _In_reads_(num_iov) const struct iovec *iov,
                        _In_ int num_iov, _In_reads_bytes_(size) const struct sockaddr *dest_addr, _In_ socklen_t size);

/* Ends one or both directions: SHUT_RD, SHUT_WR, SHUT_RDWR. EINVAL: another value. EBADF. ENOTCONN. ENOTSUP. */
extern int demi_shutdown(_In_ int qd, _In_ int how);

/*
 * The DMA-capable heap: any pointer into an allocation may be pushed with demi_pushv without a copy. demi_malloc
 * returns NULL on size 0, over the limit, no memory or no instance. demi_free: EINVAL unless ptr came from demi_malloc
 * here and was not freed. Memory that a pending push still needs stays alive.
 */
extern void *demi_malloc(_In_ size_t size);
extern int demi_free(_In_ void *ptr);

/*
 * A descriptor a foreign event loop can sleep on (poll, epoll, select for reading): readable when a wait call with a
 * zero timeout would make progress. Call such a wait before each sleep. It belongs to the instance: never close it.
 * EINVAL: NULL.
 */
ATTR_NONNULL(1)
extern int demi_eventfd(_Out_ int *fd_out);

/*
 * The source address of a popped datagram, IPv4 or IPv6. EINVAL: NULL, not a live array of this instance, too small.
 * ENOTSUP: not a popped datagram.
 */
ATTR_NONNULL(1, 2, 3)
extern int demi_sga_source(_In_ const demi_sgarray_t *sga, _Out_writes_to_(*addrlen, *addrlen) struct sockaddr *addr,
                           _Inout_ socklen_t *addrlen);

/* Releases this thread's instance: every queue is closed, every allocation is gone. ENOSYS: there is none. */
extern int demi_fini(void);

/* What the last failed call of this thread found wrong, in words; "" when nothing did. Valid until the next failure. */
extern const char *demi_last_error(void);

/* The text of a positive errno, "Success" for 0. Never NULL; static storage. */
extern const char *demi_strerror(_In_ int err);

/* Version of the library as "major.minor.patch". */
extern const char *demi_version(void);

#ifdef __cplusplus
}
#endif

#endif /* DEMI_EXT_H */
