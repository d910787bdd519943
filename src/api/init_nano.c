/* SPDX-License-Identifier: MIT */
/* The API on the nanoPU: one libOS, and settings that fit a machine of 64 MiB without files or an environment. */
#include "api.h"
#include "settings.h"

#include "libos/catnano/guest.h"

#include <demi/ext.h>
#include <demi/nano.h>
#include <nanopu/hart.h>
#include <string.h>
#include <unistd.h>

#define QUEUES     64
#define OPERATIONS 1024

/* The runtime keeps the NIC's addresses for us: a PDPIX program finds its own arguments in argv, as anywhere. */
extern const char nanopu_hides_addresses;
const char nanopu_hides_addresses;

extern char __heap_end[]; /* the linker script */

const char *api_libos_name(void)
{
    return "catnano";
}

/* Of what is left of the heap a share that further instances and the program's own malloc find room beside. */
int api_read_config(struct config *cfg, struct error_text *et)
{
    (void)et;
    memset(cfg, 0, sizeof(*cfg));
    cfg->idle = IDLE_SPIN;
    cfg->max_queues = QUEUES;
    cfg->max_operations = OPERATIONS;
    cfg->queue_depth = OPERATIONS;
    cfg->memory_limit = ((uintptr_t)__heap_end - (uintptr_t)sbrk(0)) / 2 / (nanopu_cores() + 1);
    cfg->sga_limit = cfg->memory_limit;
    return 0;
}

/* A thread's memory ends with the program. */
void api_thread_owns(struct instance *inst)
{
    (void)inst;
}

int demi_nano_enter(int qd)
{
    struct instance *inst = api_self.inst;
    struct queue *q;
    int err;

    if (inst == NULL)
        return api_no_instance();
    q = api_queue(inst, qd);
    if (q == NULL)
        return api_fail(EBADF, "demi_nano_enter: queue %d is not open", qd);
    err = catnano_enter(inst, q);
    return err == 0 ? 0 : api_fail_libos(inst, "demi_nano_enter", err);
}

const char *demi_strerror(int err)
{
    return err == 0 ? "Success" : strerror(err);
}
