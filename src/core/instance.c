/* SPDX-License-Identifier: MIT */
/* Making and ending an instance, its turn, and how it sleeps. */
#include "instance.h"

#include "complete.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
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
    uint32_t records = 1024;
    int err;

    rundir_prune(cfg->run_dir);
    err = cfg->stat ? rundir_map(&inst->stat_file, cfg->run_dir, "stat", sizeof(struct stat_page), &inst->error)
                    : map_private(&inst->stat_file, sizeof(struct stat_page));
    if (err < 0)
        return err;
    inst->stat = inst->stat_file.mem;
    stat_page_init(inst->stat, inst->net->name, program_invocation_short_name);
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

static int make_parts(struct instance *inst)
{
    const struct config *cfg = &inst->config;
    int err;

    err = op_slab_init(&inst->ops, (uint32_t)cfg->max_operations);
    if (err == 0)
        err = sched_init(&inst->sched, (uint32_t)cfg->max_operations);
    if (err == 0)
        err = queue_table_init(&inst->queues, (uint32_t)cfg->max_queues);
    if (err == 0)
        err = mem_init(&inst->mem, cfg->memory_limit, cfg->sga_limit, inst->net->shared_memory);
    if (err != 0)
        return error_set(&inst->error, -err, "no memory for the instance's tables");
    inst->epfd = epoll_create1(EPOLL_CLOEXEC);
    if (inst->epfd < 0)
        return error_set(&inst->error, errno, "epoll_create1: %s", strerror(errno));
    return 0;
}

struct instance *instance_new(const struct libos *net, const struct config *cfg, int *err, struct error_text *et)
{
    struct instance *inst = aligned_alloc(CACHE_LINE, (sizeof(*inst) + CACHE_LINE - 1) & ~(size_t)(CACHE_LINE - 1));

    if (inst == NULL) {
        *err = error_set(et, ENOMEM, "no memory for an instance");
        return NULL;
    }
    memset(inst, 0, sizeof(*inst));
    inst->epfd = inst->timerfd = -1;
    inst->mem.fd = -1;
    inst->net = net;
    inst->config = *cfg;
    clock_init(&inst->clock, !cfg->tsc);
    inst->now_ns = inst->tick_ns = inst->refine_ns = clock_now_ns(&inst->clock);
    timer_wheel_init(&inst->timers, inst->now_ns);
    *err = make_parts(inst);
    if (*err == 0)
        *err = open_files(inst);
    if (*err == 0)
        *err = net->init(inst);
    if (*err == 0) {
        inst->error.text[0] = '\0'; /* a page that is private for want of a directory is no error */
        return inst;
    }
    *et = inst->error;
    inst->net = NULL; /* its init left nothing behind */
    instance_free(inst);
    return NULL;
}

void instance_use_clock(struct instance *inst, const uint64_t *ns)
{
    struct trace_header *t = inst->trace.head;

    assert(inst->timers.armed == 0);
    clock_use_virtual(&inst->clock, ns);
    inst->now_ns = inst->tick_ns = inst->refine_ns = *ns;
    inst->config.idle = IDLE_BLOCK;
    timer_wheel_init(&inst->timers, *ns);
    if (t != NULL) { /* it begins anew: its time does not go back */
        uint32_t records = t->capacity;

        memset(t, 0, trace_bytes(records));
        trace_init(&inst->trace, t, records, *ns);
        trace_set_time(&inst->trace, *ns);
    }
}

static void close_everything(struct instance *inst)
{
    for (uint32_t i = 0; i < inst->queues.carved; i++)
        if (inst->queues.queues[i].ops != NULL)
            instance_close_queue(inst, &inst->queues.queues[i]);
    while (!op_list_is_empty(&inst->ops.done))
        op_discard(inst, op_list_first(&inst->ops, &inst->ops.done));
}

void instance_free(struct instance *inst)
{
    if (inst->net != NULL) {
        close_everything(inst);
        inst->net->fini(inst);
        trace_add(&inst->trace, TRACE_FINI, 0, 0, 0);
    }
    if (inst->timerfd >= 0)
        close(inst->timerfd);
    if (inst->epfd >= 0)
        close(inst->epfd);
    rundir_unmap(&inst->stat_file, false);
    rundir_unmap(&inst->trace_file, inst->config.trace_keep);
    mem_fini(&inst->mem);
    queue_table_fini(&inst->queues);
    sched_fini(&inst->sched);
    op_slab_fini(&inst->ops);
    free(inst);
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
    for (uint32_t i = 0; i < inst->queues.carved; i++)
        if (inst->queues.queues[i].ops != NULL)
            close_fd(&inst->queues.queues[i].fd);
    close_fd(&inst->epfd);
    close_fd(&inst->timerfd);
    close_fd(&inst->mem.fd);
    close_fd(&inst->stat_file.fd);
    close_fd(&inst->trace_file.fd);
}

int instance_add_poller(struct instance *inst, co_fn *resume, bool (*arm)(struct instance *),
                        void (*disarm)(struct instance *))
{
    struct op *task;

    assert(inst->poller_count < INSTANCE_POLLERS);
    task = task_new(inst, resume, SCHED_FASTPATH);
    if (task == NULL)
        return -ENOMEM;
    inst->pollers[inst->poller_count++] = (struct poller){task, arm, disarm};
    return 0;
}

/* Once a millisecond: levels that others read, drift of the clock. */
static void keep_house(struct instance *inst)
{
    uint64_t *v = inst->stat->value;

    inst->tick_ns = inst->now_ns;
    v[CTR_ops_now] = inst->ops.used;
    v[CTR_queues_now] = inst->queues.used;
    v[CTR_memory_now] = mem_bytes_used(&inst->mem);
    v[CTR_superblocks_now] = inst->mem.blocks_used;
    v[CTR_memory_full] = inst->mem.refused;
    if (inst->now_ns - inst->refine_ns > NS_PER_S) {
        inst->refine_ns = inst->now_ns;
        clock_refine(&inst->clock);
    }
}

void instance_look_at_clock(struct instance *inst)
{
    inst->now_ns = clock_now_ns(&inst->clock);
    trace_set_time(&inst->trace, inst->now_ns);
    if (timer_pending(&inst->timers, inst->now_ns))
        COUNT_ADD(inst, timers_fired, timer_advance(&inst->timers, inst->now_ns, 64));
    if (UNLIKELY(inst->now_ns - inst->tick_ns >= INSTANCE_TICK_NS)) {
        keep_house(inst);
        if (inst->event_queues == 0)
            instance_events(inst, 0);
    }
}

void instance_turn(struct instance *inst)
{
    COUNT(inst, polls);
    if (!sched_is_idle(&inst->sched, SCHED_APPLICATION))
        COUNT_ADD(inst, resumes, sched_turn(inst, SCHED_APPLICATION));
    if (!sched_is_idle(&inst->sched, SCHED_BACKGROUND))
        COUNT_ADD(inst, resumes, sched_turn(inst, SCHED_BACKGROUND));
    if (!sched_is_idle(&inst->sched, SCHED_FASTPATH))
        COUNT_ADD(inst, resumes, sched_turn(inst, SCHED_FASTPATH));
    /* the pollers are the coroutines of the fast path that are always ready: no bit is needed to find them */
    for (uint32_t i = 0; i < inst->poller_count; i++)
        inst->pollers[i].task->resume(inst, inst->pollers[i].task);
}

static bool arm_pollers(struct instance *inst, uint32_t *armed)
{
    for (*armed = 0; *armed < inst->poller_count; ++*armed) {
        const struct poller *p = &inst->pollers[*armed];

        if (p->arm != NULL && !p->arm(inst))
            return false;
    }
    return true;
}

void instance_sleep(struct instance *inst, uint64_t deadline_ns)
{
    uint64_t timer_ns, from = inst->now_ns, timeout = 0;
    uint32_t armed;

    if (!sched_is_idle(&inst->sched, SCHED_APPLICATION) || !sched_is_idle(&inst->sched, SCHED_BACKGROUND))
        return;
    inst->sleep_until_ns = deadline_ns;
    if (arm_pollers(inst, &armed)) {
        timer_ns = timer_next_ns(&inst->timers);
        if (timer_ns < deadline_ns)
            deadline_ns = timer_ns;
        timeout = deadline_ns == UINT64_MAX ? UINT64_MAX : deadline_ns > from ? deadline_ns - from : 0;
    }
    if (timeout != 0) {
        COUNT(inst, sleeps);
        trace_add(&inst->trace, TRACE_SLEEP, 0, timeout == UINT64_MAX ? 0 : (uint32_t)(timeout / NS_PER_US), 0);
        keep_house(inst);
        instance_events(inst, timeout);
        instance_look_at_clock(inst);
        trace_add(&inst->trace, TRACE_WAKE, 0, (uint32_t)((inst->now_ns - from) / NS_PER_US), 0);
    }
    while (armed-- > 0)
        if (inst->pollers[armed].disarm != NULL)
            inst->pollers[armed].disarm(inst);
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
    if (!arm_pollers(inst, &armed))
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

/* Takes q's results out of the list first: what an accept made is closed with it, and that has results of its own. */
static void discard_done(struct instance *inst, struct queue *q)
{
    struct op_list mine = OP_LIST_EMPTY;
    struct op *op = op_list_first(&inst->ops, &inst->ops.done), *next;

    for (; op != NULL && q->done_count > 0; op = next) {
        if (op->queue == q)
            op_settle(inst, op);
        next = op->next == OP_NIL ? NULL : op_at(&inst->ops, op->next);
        if (op->queue != q)
            continue;
        op_undone(inst, op);
        op_list_add(&inst->ops, &mine, op);
    }
    while ((op = op_list_first(&inst->ops, &mine)) != NULL) {
        op_list_remove(&inst->ops, &mine, op);
        op_forget(inst, op);
    }
}

static void fail_pending(struct instance *inst, struct op_list *list)
{
    while (!op_list_is_empty(list)) {
        struct op *op = op_list_first(&inst->ops, list);

        op_abandon(inst, op);
        op_fail(inst, op, ECANCELED);
        op->queue->done_count--;
        op->queue = NULL; /* the result outlives the queue */
    }
}

void instance_close_queue(struct instance *inst, struct queue *q)
{
    /* first what is pending: a result that is settled may make room for a push, which must not be sent any more */
    fail_pending(inst, &q->pushes);
    fail_pending(inst, &q->pops);
    discard_done(inst, q);
    trace_add(&inst->trace, TRACE_CLOSE, 0, (uint32_t)q->qd, 0);
    q->ops->close(inst, q);
    queue_free(&inst->queues, q);
}
