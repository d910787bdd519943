/* SPDX-License-Identifier: MIT */
/* What an instance sleeps on and shows of itself, on Linux: an epoll descriptor, a timer's, files in the run directory.
 */
#include "instance.h"
#include "os.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <unistd.h>

/* Marks an epoll event that only wakes; a queue's event carries its descriptor. */
#define EVENT_WAKEUP UINT64_MAX

/* A counter page or ring nobody else sees. */
static int map_private(struct rundir_file *f, size_t bytes)
{
    void *mem = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (mem == MAP_FAILED)
        return -ENOMEM;
    *f = (struct rundir_file){.mem = mem, .bytes = bytes, .fd = -1};
    return 0;
}

static int open_files(struct instance *inst)
{
    const struct config *cfg = &inst->config;
    char name[STAT_NAME_MAX];
    uint32_t records = 1024;
    int err;

    rundir_prune(cfg->run_dir);
    err = cfg->stat ? rundir_map(&inst->stat_file, cfg->run_dir, "stat", sizeof(struct stat_page), &inst->error)
                    : map_private(&inst->stat_file, sizeof(struct stat_page));
    if (err < 0)
        return err;
    inst->stat = inst->stat_file.mem;
    snprintf(name, sizeof(name), "%s%s%s", inst->net->name, inst->local != NULL ? "+" : "",
             inst->local != NULL ? inst->local->name : "");
    stat_page_init(inst->stat, name, program_invocation_short_name);
    if (!cfg->trace)
        return 0;
    while (records < cfg->trace_records)
        records *= 2;
    err = rundir_map(&inst->trace_file, cfg->run_dir, "trace", trace_bytes(records), &inst->error);
    if (err < 0)
        return err;
    trace_init(&inst->trace, inst->trace_file.mem, records, inst->now_ns);
    trace_set_time(&inst->trace, inst->now_ns);
    trace_add(&inst->trace, TRACE_INIT, 0, (uint32_t)cfg->max_queues, (uint32_t)cfg->max_operations);
    return 0;
}

int os_instance_open(struct instance *inst)
{
    inst->epfd = epoll_create1(EPOLL_CLOEXEC);
    if (inst->epfd < 0)
        return error_set(&inst->error, errno, "epoll_create1: %s", strerror(errno));
    return open_files(inst);
}

void os_instance_close(struct instance *inst)
{
    if (inst->timerfd >= 0)
        close(inst->timerfd);
    if (inst->epfd >= 0)
        close(inst->epfd);
    rundir_unmap(&inst->stat_file, false);
    rundir_unmap(&inst->trace_file, inst->config.trace_keep);
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void instance_forget(struct instance *inst)
{
    if (inst->net->forget != NULL)
        inst->net->forget(inst);
    if (inst->local != NULL && inst->local->forget != NULL)
        inst->local->forget(inst);
    for (uint32_t i = 0; i < inst->queues.carved; i++)
        if (inst->queues.queues[i].ops != NULL)
            close_fd(&inst->queues.queues[i].fd);
    close_fd(&inst->epfd);
    close_fd(&inst->timerfd);
    close_fd(&inst->mem.fd);
    close_fd(&inst->stat_file.fd);
    close_fd(&inst->trace_file.fd);
}

int instance_share_epfd(struct instance *inst)
{
    int err;

    if (inst->timerfd >= 0)
        return 0;
    inst->timerfd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (inst->timerfd < 0)
        return error_set(&inst->error, errno, "timerfd_create: %s", strerror(errno));
    err = instance_watch_wakeup(inst, inst->timerfd);
    if (err == 0)
        return 0;
    close(inst->timerfd);
    inst->timerfd = -1;
    return err;
}

/* Makes epfd readable at a time that is not 0; UINT64_MAX: never. */
static void set_foreign_timer(struct instance *inst, uint64_t at_ns)
{
    struct itimerspec when = {0};

    if (at_ns != UINT64_MAX) {
        when.it_value.tv_sec = (time_t)(at_ns / NS_PER_S);
        when.it_value.tv_nsec = (long)(at_ns % NS_PER_S);
    }
    timerfd_settime(inst->timerfd, TFD_TIMER_ABSTIME, &when, NULL);
}

bool instance_arm_foreign(struct instance *inst)
{
    uint32_t armed;

    if (!sched_is_idle(&inst->sched, SCHED_APPLICATION) || !sched_is_idle(&inst->sched, SCHED_BACKGROUND))
        return false;
    if (mem_cool(&inst->mem) || !instance_arm_pollers(inst, &armed))
        return false;
    /* behind the pollers: they take the events out of epoll that are old, and must not take the timer's */
    set_foreign_timer(inst, timer_next_ns(&inst->timers));
    return true;
}

void instance_wake_foreign(struct instance *inst)
{
    set_foreign_timer(inst, 1);
}

/* Milliseconds that are not less than ns. */
static int milliseconds_up(uint64_t ns)
{
    uint64_t ms = ns / NS_PER_MS + (ns % NS_PER_MS != 0);

    return ms > INT_MAX ? INT_MAX : (int)ms;
}

/* epoll_pwait2 is not everywhere: Linux 5.11, and filters of system calls refuse what they do not know. */
static int epoll_for(struct instance *inst, struct epoll_event *ev, uint64_t timeout_ns)
{
    struct timespec ts;
    int n;

    if (timeout_ns == 0)
        return epoll_wait(inst->epfd, ev, INSTANCE_EVENTS, 0);
    if (timeout_ns == UINT64_MAX)
        return epoll_wait(inst->epfd, ev, INSTANCE_EVENTS, -1);
    if (!inst->coarse_sleep) {
        ts.tv_sec = (time_t)(timeout_ns / NS_PER_S);
        ts.tv_nsec = (long)(timeout_ns % NS_PER_S);
        n = epoll_pwait2(inst->epfd, ev, INSTANCE_EVENTS, &ts, NULL);
        if (n >= 0 || (errno != ENOSYS && errno != EPERM))
            return n;
        inst->coarse_sleep = true;
    }
    return epoll_wait(inst->epfd, ev, INSTANCE_EVENTS, milliseconds_up(timeout_ns));
}

void instance_events(struct instance *inst, uint64_t timeout_ns)
{
    struct epoll_event ev[INSTANCE_EVENTS];
    int n = epoll_for(inst, ev, timeout_ns);

    COUNT(inst, syscalls);
    for (int i = 0; i < n; i++) {
        struct queue *q;

        if (ev[i].data.u64 == EVENT_WAKEUP)
            continue;
        q = queue_lookup(&inst->queues, (int32_t)ev[i].data.u64);
        if (q != NULL) /* closed by an event before it, else */
            q->ops->event(inst, q, ev[i].events);
    }
}

int instance_watch(struct instance *inst, struct queue *q, uint32_t events)
{
    struct epoll_event ev = {.events = events, .data.u64 = (uint32_t)q->qd};

    return epoll_ctl(inst->epfd, EPOLL_CTL_ADD, q->fd, &ev) == 0 ? 0 : -errno;
}

int instance_watch_wakeup(struct instance *inst, int fd)
{
    struct epoll_event ev = {.events = EPOLLIN | EPOLLET, .data.u64 = EVENT_WAKEUP};

    return epoll_ctl(inst->epfd, EPOLL_CTL_ADD, fd, &ev) == 0 ? 0 : -errno;
}
