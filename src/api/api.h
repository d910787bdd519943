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

extern _Thread_local struct api_thread api_self __attribute__((tls_model("initial-exec")));

/* Words of an error; returns err (positive), what the call returns. */
int api_fail(int err, const char *fmt, ...) PRINTF_LIKE(2, 3) COLD;

/* ENOSYS: no instance in this thread. */
int api_no_instance(void) COLD;

/* A libOS's function returned -err: its own text if it wrote one, else the call's name and the errno's text. */
int api_fail_libos(struct instance *inst, const char *call, int neg) COLD;

/* 0, or EINVAL: NULL, or a size that is wrong for the family. */
int api_check_address(const char *call, const struct sockaddr *addr, socklen_t size);

static inline struct queue *api_queue(struct instance *inst, int qd)
{
    return queue_lookup(&inst->queues, qd);
}

#endif /* API_API_H */
