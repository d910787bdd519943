/* SPDX-License-Identifier: MIT */
/* What the files of the API share: the calling thread's instance and the text of its last error. */
#ifndef API_API_H
#define API_API_H

#include "core/complete.h"
#include "core/instance.h"

#include <errno.h>
#include <sys/socket.h>

struct api_thread {
    struct instance *inst;
    struct error_text error;
};

#ifndef API_TLS_MODEL /* a build that is only ever part of a program sets it */
#define API_TLS_MODEL "initial-exec"
#endif
extern _Thread_local struct api_thread api_self __attribute__((tls_model(API_TLS_MODEL)));

/* Words of an error; returns err (positive), what the call returns. */
int api_fail(int err, const char *fmt, ...) PRINTF_LIKE(2, 3) COLD;

/* ENOSYS: no instance in this thread. */
int api_no_instance(void) COLD;

/* A libOS's function returned -err: its own text if it wrote one, else the call's name and the errno's text. */
int api_fail_libos(struct instance *inst, const char *call, int neg) COLD;

/* 0, or EINVAL: NULL, or a size that is wrong for the family. */
int api_check_address(const char *call, const struct sockaddr *addr, socklen_t size);

/* EBADF, ENOTSUP: the descriptor names no queue, or one that is no socket. */
int api_fail_qd(const char *call, int qd);
int api_fail_no_socket(const char *call, int qd);

#define API_OPTIONS 32 /* at most */

/* Values of the options that were set on a socket. */
struct api_options {
    uint32_t set; /* a bit each */
    socklen_t len[API_OPTIONS];
    char value[API_OPTIONS][16]; /* the longest is the name of a congestion control, as Linux has it */
};

void api_options_take(struct instance *inst, struct queue *q, struct api_options *o);
void api_options_give(struct instance *inst, struct queue *q, const struct api_options *o);

/* Makes q, a slot without a socket, one of the local libOS. Negative errno. */
int api_place_local(struct instance *inst, struct queue *q);

/* api_place, where there are two libOSes. */
int api_place_beside(struct instance *inst, struct queue *q, const struct sockaddr *addr);

/*
 * q is about to be given its first address: it becomes a socket of the libOS whose address that is. Negative errno: it
 * stays what it was.
 */
static inline int api_place(struct instance *inst, struct queue *q, const struct sockaddr *addr)
{
    return LIKELY(inst->local == NULL) ? 0 : api_place_beside(inst, q, addr);
}

static inline struct queue *api_queue(struct instance *inst, int qd)
{
    return queue_lookup(&inst->queues, qd);
}

#endif /* API_API_H */
