/* SPDX-License-Identifier: MIT */
/* Small helpers that every PDPIX program here wants. */
#ifndef APPS_COMMON_DEMI_UTIL_H
#define APPS_COMMON_DEMI_UTIL_H

#include "addr.h"

#include <demi/ext.h>
#include <demi/libos.h>
#include <demi/sga.h>
#include <demi/types.h>
#include <demi/wait.h>
#include <errno.h>
#include <stdbool.h>

/* Environment that every program's --help names. */
#define DEMI_ENVIRONMENT_HELP                                                                                          \
    "Environment:\n"                                                                                                   \
    "  LIBOS=catnap|catmem|...       the library operating system (default catnap: Linux sockets)\n"                   \
    "  ENGINE=epoll|uring            catnap's engine\n"                                                                \
    "  IDLE=spin|adaptive|block      what a wait does while nothing happens\n"                                         \
    "  CONFIG_PATH=FILE              YAML file with these and all other settings\n"

/* Complains "what: text of err (demi_last_error())", the latter where it adds something, and returns EXIT_FAIL. */
int complain_call(const char *what, int err);

/* As complain_call() for an operation that failed; its cause is the errno alone. */
int complain_operation(const char *what, int64_t qr_ret);

/* What stop.h says, and demi_init() with the program's arguments; complains and returns false when that fails. */
bool demi_begin(int argc, char **argv);

/*
 * Makes a socket bound to *bind_to, listening when it is a stream, and notes its real address in *bound. Complains and
 * returns -1 when a step fails. backlog is ignored for datagrams.
 */
int demi_bound_socket(const struct addr *bind_to, int type, int backlog, struct addr *bound);

/* As that, at a port that sockets of other threads' instances have too (SO_REUSEPORT). */
int demi_shared_socket(const struct addr *bind_to, int type, int backlog, struct addr *bound);

/* Asks for no delay of small segments; libOSes that know no such thing are fine. */
void demi_set_nodelay(int qd);

/* Prints "listening on ADDR:PORT" to stdout at once: scripts wait for it. */
void print_listening(const struct addr *bound);

/* Source of a popped datagram, family as the socket's. false when the library does not know it. */
bool demi_datagram_source(const demi_sgarray_t *sga, int family, struct addr *out);

static inline size_t demi_sga_len(const demi_sgarray_t *sga)
{
    size_t len = 0;
    for (uint32_t i = 0; i < sga->sga_numsegs && i < DEMI_SGARRAY_MAXSIZE; i++) {
        len += sga->sga_segs[i].sgaseg_len;
    }
    return len;
}

/* What became of an operation that was just started. */
enum demi_fate {
    DEMI_DONE,    /* complete; its token is consumed */
    DEMI_PENDING, /* its token is to be waited for */
    DEMI_BROKEN,  /* failed, with the errno in *err; its token is consumed */
};

/* Looks at a push that was just started: most are complete at once, and then there is nothing to wait for. */
static inline enum demi_fate demi_look(demi_qtoken_t token, int *err)
{
    demi_qresult_t qr;
    int rc = demi_poll(&qr, token);
    if (rc == 0 && qr.qr_opcode != DEMI_OPC_FAILED) {
        return DEMI_DONE;
    }
    *err = rc == 0 ? (int)qr.qr_ret : rc;
    return rc == EAGAIN ? DEMI_PENDING : DEMI_BROKEN;
}

#endif /* APPS_COMMON_DEMI_UTIL_H */
