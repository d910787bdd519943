/* SPDX-License-Identifier: MIT */
/* Types of PDPIX. Sizes and offsets are a binary contract: tests/api/layout_test.c pins every one of them. */
#ifndef DEMI_TYPES_H
#define DEMI_TYPES_H

#include <demi/cc.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Segments in one scatter-gather array. More go through demi_pushv() in <demi/ext.h>. */
#define DEMI_SGARRAY_MAXSIZE 1

/* Names one outstanding operation; 0 and UINT64_MAX are never valid. The wait that returns it consumes it. */
typedef uint64_t demi_qtoken_t;

/* One contiguous run of bytes. */
typedef struct DEMI_PACKED(4) demi_sgaseg {
    void *sgaseg_buf;    /* first byte */
    uint32_t sgaseg_len; /* length in bytes */
} demi_sgaseg_t;

/* A scatter-gather array: what is pushed and popped. */
typedef struct DEMI_PACKED(8) demi_sgarray {
    void *sga_buf;                                /* reserved: the allocation behind the segments */
    uint32_t sga_numsegs;                         /* segments in use */
    demi_sgaseg_t sga_segs[DEMI_SGARRAY_MAXSIZE]; /* the segments */
    struct sockaddr_in sga_addr;                  /* source of a popped IPv4 datagram */
} demi_sgarray_t;

/* What an operation was, or that it failed. */
typedef enum demi_opcode {
    DEMI_OPC_INVALID = 0,
    DEMI_OPC_PUSH,
    DEMI_OPC_POP,
    DEMI_OPC_ACCEPT,
    DEMI_OPC_CONNECT,
    DEMI_OPC_CLOSE,
    DEMI_OPC_FAILED,
} demi_opcode_t;

/* Result of an accept. */
typedef struct DEMI_PACKED(4) demi_accept_result {
    int32_t qd;              /* the new connection's queue */
    struct sockaddr_in addr; /* its peer (IPv4; an IPv6 peer: demi_getpeername) */
} demi_accept_result_t;

/* Result of any operation, as the wait calls return it. */
typedef struct DEMI_PACKED(8) demi_qresult {
    demi_opcode_t qr_opcode; /* the operation, or DEMI_OPC_FAILED */
    int32_t qr_qd;           /* queue it ran on */
    demi_qtoken_t qr_qt;     /* its token, now consumed */
    int64_t qr_ret;          /* 0, or the positive errno of a failure */
    union {
        demi_sgarray_t sga;        /* POP: the data, owned by the caller */
        demi_accept_result_t ares; /* ACCEPT */
    } qr_value;
} demi_qresult_t;

/* Reserved for measurements a library may report to its application: name, its length in bytes, value. */
typedef void (*demi_callback_t)(const char *name, uint32_t name_len, uint64_t value);

/* Arguments of demi_init(). */
struct DEMI_PACKED(4) demi_args {
    int argc;                 /* of main(), or 0 */
    char *const *argv;        /* of main(), or NULL */
    demi_callback_t callback; /* or NULL */
};

#ifdef __cplusplus
}
#endif

#endif /* DEMI_TYPES_H */
