/* SPDX-License-Identifier: MIT */
/* Making and ending an instance, and its turn. What it sleeps on is the operating system's: instance_linux.c. */
#include "instance.h"

#include "complete.h"
#include "os.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

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
        err = mem_init(&inst->mem, cfg->memory_limit, cfg->sga_limit,
                       inst->net->shared_memory || (inst->local != NULL && inst->local->shared_memory));
    if (err != 0)
        return error_set(&inst->error, -err, "no memory for the instance's tables");
    return os_instance_open(inst);
}

/*
 * The libOSes in the order in which they begin, which is that in which their devices are armed before a sleep: the
 * local one costs system calls to arm and comes behind a device that may have work, or nothing to sleep on; one that
 * moves time comes behind all others. The second may be NULL.
 */
static void order(const struct instance *inst, const struct libos *os[2])
{
    bool local_first = inst->local != NULL && inst->net->moves_time;

    os[local_first] = inst->net;
    os[!local_first] = inst->local;
}

static int begin(struct instance *inst)
{
    const struct libos *os[2];
    int err;

    order(inst, os);
    err = os[0]->init(inst);
    if (err < 0 || os[1] == NULL)
        return err;
    err = os[1]->init(inst);
    if (err < 0)
        os[0]->fini(inst);
    return err;
}

static void end(struct instance *inst)
{
    const struct libos *os[2];

    order(inst, os);
    if (os[1] != NULL)
        os[1]->fini(inst);
    os[0]->fini(inst);
}

struct instance *instance_new(const struct libos *net, const struct libos *local, const struct config *cfg, int *err,
                              struct error_text *et)
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
    inst->local = local;
    inst->config = *cfg;
    clock_init(&inst->clock, !cfg->tsc);
    inst->now_ns = inst->tick_ns = inst->refine_ns = clock_now_ns(&inst->clock);
    timer_wheel_init(&inst->timers, inst->now_ns);
    *err = make_parts(inst);
    if (*err == 0)
        *err = begin(inst);
    if (*err == 0) {
        inst->error.text[0] = '\0'; /* a page that is private for want of a directory is no error */
        return inst;
    }
    *et = inst->error;
    inst->net = NULL; /* nothing was left behind */
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
        end(inst);
        trace_add(&inst->trace, TRACE_FINI, 0, 0, 0);
    }
    os_instance_close(inst);
    mem_fini(&inst->mem);
    queue_table_fini(&inst->queues);
    sched_fini(&inst->sched);
    op_slab_fini(&inst->ops);
    free(inst);
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

/* Once a millisecond: levels that others read, drift of the clock, memory that is free. */
static void keep_house(struct instance *inst)
{
    uint64_t *v = inst->stat->value;

    inst->tick_ns = inst->now_ns;
    v[CTR_ops_now] = inst->ops.used;
#if WARM_ARRAYS
    v[CTR_ops_now] -= inst->ops.rest != NULL;
#endif
    v[CTR_queues_now] = inst->queues.used;
    v[CTR_memory_now] = mem_bytes_used(&inst->mem);
    v[CTR_superblocks_now] = inst->mem.blocks_used;
    v[CTR_memory_full] = inst->mem.refused;
    mem_cool(&inst->mem);
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

bool instance_arm_pollers(struct instance *inst, uint32_t *armed)
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
    if (mem_cool(&inst->mem)) /* nobody waits for us: a piece each time, with a look at the devices in between */
        return;
    inst->sleep_until_ns = deadline_ns;
    if (instance_arm_pollers(inst, &armed)) {
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
        bool quiet = (op->flags & OP_QUIET) != 0;

        op_abandon(inst, op);
        op_fail(inst, op, ECANCELED);
        if (quiet)
            continue;
        op->queue->done_count--;
        op->queue = NULL; /* the result outlives the queue */
    }
}

void instance_close_queue(struct instance *inst, struct queue *q)
{
    /* first what is pending: a result that is settled may make room for a push, which must not be sent any more */
    instance_cool(inst);
    fail_pending(inst, &q->pushes);
    fail_pending(inst, &q->pops);
    discard_done(inst, q);
    trace_add(&inst->trace, TRACE_CLOSE, 0, (uint32_t)q->qd, 0);
    q->ops->close(inst, q);
    queue_free(&inst->queues, q);
}
