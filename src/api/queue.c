/* SPDX-License-Identifier: MIT */
/* Queues that are not sockets, and the descriptor a foreign event loop sleeps on. */
#include "api.h"

#include "libos/memq.h"

#include <demi/ext.h>
#include <demi/storage.h>

int demi_queue(int *qd_out)
{
    struct instance *inst = api_self.inst;
    int err;

    if (inst == NULL)
        return api_no_instance();
    if (qd_out == NULL)
        return api_fail(EINVAL, "demi_queue: no place for the descriptor");
    err = memq_open(inst, qd_out);
    return err < 0 ? api_fail_libos(inst, "demi_queue", err) : 0;
}

int demi_eventfd(int *fd_out)
{
    struct instance *inst = api_self.inst;
    int err;

    if (inst == NULL)
        return api_no_instance();
    if (fd_out == NULL)
        return api_fail(EINVAL, "demi_eventfd: no place for the descriptor");
    err = instance_share_epfd(inst);
    if (err < 0)
        return api_fail_libos(inst, "demi_eventfd", err);
    *fd_out = inst->epfd;
    return 0;
}

/* Storage queues come with the cattree libOS. */
static int no_storage(const char *call)
{
    if (api_self.inst == NULL)
        return api_no_instance();
    return api_fail(ENOTSUP, "%s: no storage libOS is installed", call);
}

int demi_open(int *qd_out, const char *path, int flags)
{
    (void)flags;
    if (api_self.inst != NULL && (qd_out == NULL || path == NULL))
        return api_fail(EINVAL, "demi_open: NULL");
    return no_storage("demi_open");
}

int demi_creat(int *qd_out, const char *path, mode_t mode)
{
    (void)mode;
    if (api_self.inst != NULL && (qd_out == NULL || path == NULL))
        return api_fail(EINVAL, "demi_creat: NULL");
    return no_storage("demi_creat");
}

static int no_storage_queue(const char *call, int qd)
{
    if (api_self.inst != NULL && api_queue(api_self.inst, qd) == NULL)
        return api_fail(EBADF, "%s: queue %d is not open", call, qd);
    return no_storage(call);
}

int demi_seek(int qd, int64_t offset, int whence)
{
    (void)offset, (void)whence;
    return no_storage_queue("demi_seek", qd);
}

int demi_truncate(int qd, int64_t size)
{
    (void)size;
    return no_storage_queue("demi_truncate", qd);
}
