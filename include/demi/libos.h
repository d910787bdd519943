/* SPDX-License-Identifier: MIT */
/*
 * Control and data path calls of PDPIX.
 *
 * Calls for sockets answer ENOTSUP on a memory queue. Every call returns 0 or a positive errno; none prints or aborts,
 * whatever it is given. Before demi_init() in the calling thread each returns ENOSYS. demi_last_error() in <demi/ext.h>
 * says in words what went wrong. An instance belongs to the thread that made it. Errors are listed in the order in
 * which they are tested.
 */
#ifndef DEMI_LIBOS_H
#define DEMI_LIBOS_H

#include <demi/cc.h>
#include <demi/types.h>
#include <stddef.h>
#include <sys/socket.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Makes this thread's instance. The libOS is chosen by the environment variable LIBOS (default catnap), the settings
 * by the YAML file CONFIG_PATH and by environment variables named like the keys; see caracal.yaml(5). args may be NULL.
 * EEXIST: the thread has an instance. EINVAL: unknown libOS, or a configuration error (file, line and key are in
 * demi_last_error()). ENOENT: the libOS is not installed. EPERM: a privilege is missing, named in the text. ENOMEM.
 */
extern int demi_init(_In_opt_ const struct demi_args *args);

/*
 * Makes a socket queue. domain AF_INET or AF_INET6, type SOCK_STREAM, SOCK_DGRAM, or SOCK_RDM where the libOS has
 * messages (catnano).
 * EINVAL: NULL. ENOTSUP: another domain, type or protocol. EMFILE, ENFILE, ENOMEM: a limit was reached.
 */
ATTR_NONNULL(1)
extern int demi_socket(_Out_ int *sockqd_out, _In_ int domain, _In_ int type, _In_ int protocol);

/*
 * Makes a bound stream socket accept connections. A backlog over SOMAXCONN is clamped.
 * EINVAL: backlog < 1. EBADF. EDESTADDRREQ: not bound. EADDRINUSE: listening or connecting already. EISCONN. ENOTSUP:
 * a datagram socket.
 */
extern int demi_listen(_In_ int sockqd, _In_ int backlog);

/*
 * Gives a socket its local address. The wildcard address and port 0 work.
 * EINVAL: NULL or a size that is wrong for the family. EBADF. EINVAL: bound, listening or connecting already. EISCONN.
 * EINVAL: the family is not the socket's. EADDRINUSE, EADDRNOTAVAIL, EACCES.
 */
ATTR_NONNULL(2)
extern int demi_bind(_In_ int sockqd, _In_reads_bytes_(size) const struct sockaddr *addr, _In_ socklen_t size);

/*
 * Starts accepting one connection; several may be outstanding. EINVAL: NULL. EBADF. EINVAL: not listening.
 */
ATTR_NONNULL(1)
extern int demi_accept(_Out_ demi_qtoken_t *qt_out, _In_ int sockqd);

/*
 * Starts connecting. For a datagram socket it sets the peer. EINVAL: NULL or size. EBADF. EOPNOTSUPP: listening.
 * EINPROGRESS, EISCONN. The token may fail with ECONNREFUSED, ETIMEDOUT, EHOSTUNREACH, ENETUNREACH.
 */
ATTR_NONNULL(1, 3)
extern int demi_connect(_Out_ demi_qtoken_t *qt_out, _In_ int sockqd,
                        _In_reads_bytes_(size) const struct sockaddr *addr, _In_ socklen_t size);

/*
 * Closes a queue at once; pending tokens complete as FAILED with ECANCELED, the protocol's closing goes on in the
 * background. EBADF.
 */
extern int demi_close(_In_ int qd);

/*
 * Starts sending sga on a connected queue. The application keeps owning sga and may free it at once; it must not write
 * to it before the token completes. EINVAL: NULL, no buffer, a foreign or freed sga, a segment outside its buffer, zero
 * length. EBADF. ENOTCONN.
 */
ATTR_NONNULL(1, 3)
extern int demi_push(_Out_ demi_qtoken_t *qt_out, _In_ int qd, _In_ const demi_sgarray_t *sga);

/*
 * Starts sending sga as a datagram to dest_addr; an unbound socket is bound to an ephemeral port. Errors as demi_push,
 * address errors as demi_bind; ENOTSUP: not a datagram queue.
 */
ATTR_NONNULL(1, 3, 4)
extern int demi_pushto(_Out_ demi_qtoken_t *qt_out, _In_ int sockqd, _In_ const demi_sgarray_t *sga,
                       _In_reads_bytes_(size) const struct sockaddr *dest_addr, _In_ socklen_t size);

/*
 * Starts receiving. The completed token carries an sga that the caller owns; a length of 0 is the end of the stream,
 * again on every further pop. EINVAL: NULL. EBADF. ENOTCONN. EDESTADDRREQ: a datagram socket that is not bound.
 */
ATTR_NONNULL(1)
extern int demi_pop(_Out_ demi_qtoken_t *qt_out, _In_ int qd);

/*
 * Socket options. SOL_SOCKET: SO_LINGER, SO_KEEPALIVE, SO_REUSEADDR, SO_REUSEPORT, SO_RCVBUF, SO_SNDBUF, and SO_ERROR
 * (get); IPPROTO_TCP: TCP_NODELAY, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT, TCP_USER_TIMEOUT, TCP_CONGESTION,
 * TCP_MAXSEG, and TCP_INFO (get). ENOTSUP: unknown level. ENOPROTOOPT: unknown name. EINVAL: bad value or length, NULL.
 * EBADF.
 */
ATTR_NONNULL(4)
extern int demi_setsockopt(_In_ int qd, _In_ int level, _In_ int optname, _In_reads_bytes_(optlen) const void *optval,
                           _In_ socklen_t optlen);
ATTR_NONNULL(4, 5)
extern int demi_getsockopt(_In_ int qd, _In_ int level, _In_ int optname,
                           _Out_writes_to_(*optlen, *optlen) void *optval, _Inout_ socklen_t *optlen);

/*
 * The peer's and the socket's own address. *addrlen is the room at addr and becomes the address's size.
 * EINVAL: NULL or too small. EBADF. ENOTCONN (getpeername).
 */
ATTR_NONNULL(2, 3)
extern int demi_getpeername(_In_ int qd, _Out_writes_to_(*addrlen, *addrlen) struct sockaddr *addr,
                            _Inout_ socklen_t *addrlen);
ATTR_NONNULL(2, 3)
extern int demi_getsockname(_In_ int qd, _Out_writes_to_(*addrlen, *addrlen) struct sockaddr *addr,
                            _Inout_ socklen_t *addrlen);

#ifdef __cplusplus
}
#endif

#endif /* DEMI_LIBOS_H */
