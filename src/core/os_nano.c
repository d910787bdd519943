/* SPDX-License-Identifier: MIT */
/*
 * The core on the nanoPU: see os.h. There is no kernel. Memory comes from the heap's break and is zero where the break
 * has not been before; nothing sleeps, because a hart that polls costs nobody else anything.
 */
#include "os.h"

#include "instance.h"

#include <errno.h>
#include <nanopu/hart.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define REGION_ALIGN 64

static struct nanopu_lock break_lock;
static char *break_top; /* the highest that the break has been after a region */

void *os_table_new(size_t bytes)
{
    return calloc(1, bytes);
}

void os_table_free(void *table, size_t bytes)
{
    (void)bytes;
    free(table);
}

void *os_region_new(size_t bytes, bool shared, int *fd)
{
    size_t room = bytes + REGION_ALIGN, used = 0;
    uint64_t interrupts;
    char *at;

    *fd = -1;
    if (shared)
        return NULL;
    interrupts = nanopu_interrupts_off();
    nanopu_lock(&break_lock);
    at = sbrk((ptrdiff_t)room);
    if (at != (char *)-1) {
        used = at < break_top ? (size_t)(break_top - at) : 0;
        break_top = at + room > break_top ? at + room : break_top;
    }
    nanopu_unlock(&break_lock);
    nanopu_interrupts_back(interrupts);
    if (at == (char *)-1)
        return NULL;
    memset(at, 0, used < room ? used : room);
    return (char *)(((uintptr_t)at + REGION_ALIGN - 1) & ~(uintptr_t)(REGION_ALIGN - 1));
}

/* What lies below something else is lost until the program ends: instances end in the reverse order, or not at all. */
void os_region_free(void *region, size_t bytes, int fd)
{
    uint64_t interrupts = nanopu_interrupts_off();

    (void)fd;
    nanopu_lock(&break_lock);
    if ((char *)sbrk(0) - (char *)region <= (ptrdiff_t)(bytes + REGION_ALIGN))
        sbrk((char *)region - (char *)sbrk(0));
    nanopu_unlock(&break_lock);
    nanopu_interrupts_back(interrupts);
}

bool os_region_discard(void *part, size_t bytes, int fd)
{
    (void)part, (void)bytes, (void)fd;
    return false;
}

void os_random(void *out, size_t bytes)
{
    if (getrandom(out, bytes, GRND_NONBLOCK) != (ssize_t)bytes)
        memset(out, 0, bytes);
}

struct os_identity os_identify(void)
{
    return (struct os_identity){.pid = 1, .tid = nanopu_hart(), .program = "guest"};
}

/* Counters are there for a debugger to read; there is nobody to publish them to. */
int os_instance_open(struct instance *inst)
{
    inst->stat = calloc(1, sizeof(*inst->stat));
    return inst->stat != NULL ? 0 : error_set(&inst->error, ENOMEM, "no memory for the counters");
}

void os_instance_close(struct instance *inst)
{
    free(inst->stat);
}

void instance_events(struct instance *inst, uint64_t timeout_ns)
{
    (void)inst, (void)timeout_ns; /* no descriptors */
}

bool instance_arm_foreign(struct instance *inst)
{
    (void)inst;
    return true;
}

void instance_wake_foreign(struct instance *inst)
{
    (void)inst;
}

int instance_share_epfd(struct instance *inst)
{
    return error_set(&inst->error, ENOTSUP, "there are no descriptors on the nanoPU");
}
