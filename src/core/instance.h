/* SPDX-License-Identifier: MIT */
/*
 * An instance: everything one thread has. The core keeps no state elsewhere, so that several instances live beside each
 * other in a process and a back end that was loaded as a module works on the caller's.
 */
#ifndef CORE_INSTANCE_H
#define CORE_INSTANCE_H

#include "base.h"
#include "clock.h"
#include "config.h"
#include "counter.h"
#include "error.h"
#include "mem.h"
#include "op.h"
#include "queue.h"
#include "rundir.h"
#include "sched.h"
#include "timer.h"
#include "trace.h"

#define INSTANCE_POLLERS 8   /* libOSes an instance can poll */
#define INSTANCE_EVENTS  256 /* descriptors one look at epoll can report */
#define INSTANCE_TICK_NS NS_PER_MS

/* A libOS: how its queues are made. name is what LIBOS says. */
struct libos {
    const char *name;
    const char *what;                   /* one line for demi doctor */
    bool shared_memory;                 /* its buffers must be visible to other processes */
    bool messages;                      /* its datagrams arrive: SOCK_RDM is another name for SOCK_DGRAM */
    bool moves_time;                    /* its devices have a clock of their own (instance_use_clock) */
    int (*init)(struct instance *inst); /* negative errno and a text; leaves nothing behind on failure */
    void (*fini)(struct instance *inst);
    int (*socket)(struct instance *inst, struct queue *q); /* q->domain and q->type are set; sets q->ops */
    /*
     * A way of the device's own that is shorter than through the list of results. may_take (or NULL): can op, which is
     * pending, be waited for in that way? take: does it, for as long as that takes, hands the result out and frees op.
     * Returns 0.
     */
    bool (*may_take)(struct instance *inst, const struct op *op);
    int (*take)(struct instance *inst, struct op *op, demi_qresult_t *qr);
    /*
     * The same for a wait for whatever is complete first, while there is no result (or NULL): 0 with the result in qr,
     * -ETIMEDOUT, or -EAGAIN: the wait is none of this kind, or its timeout is wrong.
     */
    int (*take_next)(struct instance *inst, demi_qresult_t *qr, const struct timespec *timeout);
    /*
     * Of one that can stand beside another: does a stream whose first address this is belong to it? NULL: it stands
     * alone, or is the other.
     */
    bool (*serves)(const struct instance *inst, const struct sockaddr *addr);
    /* In a child of fork: closes its descriptors but the queues' and does nothing else. May be NULL. */
    void (*forget)(struct instance *inst);
};

/* What a device needs to be polled and slept on. */
struct poller {
    struct op *task; /* the coroutine that polls it, in the fast-path class */
    /* Sleep is near: ask the device to wake the instance's epoll descriptor. false: there is work, do not sleep. May
     * arm timers. A device with a clock of its own moves that up to sleep_until_ns, and there is work. */
    bool (*arm)(struct instance *inst);
    void (*disarm)(struct instance *inst);
};

/*
 * The array that was handed out last, and its queue: for as long as it is neither freed nor the queue closed, a push of
 * it to where it came from has nothing more to check. room 0: there is none. Once it was freed its object lies ready
 * for the next message of the queue.
 */
struct warm {
    size_t room;      /* bytes of the object */
    size_t spare;     /* the same when it is free; 0: it is not, or there is none */
    uint64_t word[2]; /* how its array begins: the object, which is its segment, and below 4 GiB; one segment */
    struct queue *queue;
    uint64_t context; /* of the hart, that it can be sent from */
    int64_t qd;
    uint64_t first; /* how a result with it begins: the pop's code, qd */
    uint32_t *ref;  /* the object's reference word, and what that is while the application has it */
    uint32_t held;
};

struct instance {
    struct op_slab ops;
#if WARM_ARRAYS
    struct queue *only; /* the queue of the one context that is bound; NULL: none, or several are */
    struct warm warm;
#endif
    struct stat_page *stat;
    uint32_t unturned; /* results taken without a turn since the last one */
    struct sched sched;
    struct trace trace;
    uint32_t handed;       /* messages handed out together that the application has not come to yet, as pushes tell */
    int32_t last_offset;   /* of the last result of wait_any: where the next token is likely to be put */
    uint32_t event_queues; /* queues whose descriptor must be looked at in every turn */
    uint64_t now_ns;       /* time of the last turn that looked */
    uint64_t tick_ns;      /* time of the last housekeeping */
    uint64_t refine_ns;
    bool waiting;            /* in a wait that does not end with the turn: a poller may look more than once */
    uint64_t sleep_until_ns; /* while devices are armed: when the wait ends at the latest */
    struct mem mem;
    struct queue_table queues;
    struct timer_wheel timers;
    struct clock clock;
    int epfd;          /* everything that can wake a sleeping wait is in it */
    bool coarse_sleep; /* epoll_pwait2 is not to be had: sleeps end at milliseconds */
    int timerfd;       /* wakes a foreign event loop for our timers; made by demi_eventfd */
    struct poller pollers[INSTANCE_POLLERS];
    uint32_t poller_count;
    const struct libos *net; /* serves demi_socket */
    void *net_state;
    const struct libos *local; /* beside net, for the streams that its `serves` says; NULL: there is net alone */
    void *local_state;         /* of a libOS with `serves`, also where it is net */
    struct config config;
    struct rundir_file stat_file, trace_file;
    struct error_text error;
};

static inline void instance_cool(struct instance *inst)
{
#if WARM_ARRAYS
    inst->warm.room = 0;
#else
    (void)inst;
#endif
}

#define COUNT_ADD(inst, name, n) ((inst)->stat->value[CTR_##name] += (n))
#define COUNT(inst, name)        COUNT_ADD(inst, name, 1)

/*
 * Makes an instance for the libOS net, with local beside it (or NULL), with the settings in cfg. NULL on failure, with
 * the negative errno in *err and the text in et.
 */
struct instance *instance_new(const struct libos *net, const struct libos *local, const struct config *cfg, int *err,
                              struct error_text *et);

/*
 * For a libOS with a clock of its own, in its init: from now on the instance's time is what stands at ns, which
 * outlives the instance and does not go back. Waits do not spin: the clock moves when they would sleep (see struct
 * poller).
 */
void instance_use_clock(struct instance *inst, const uint64_t *ns);

/* Closes every queue and frees everything. */
void instance_free(struct instance *inst);

/*
 * In a child of fork that goes on without its parent's instance: closes the child's copies of its descriptors, so that
 * the parent's connections end when the parent ends them. Nothing else is touched; the instance must not be used.
 */
void instance_forget(struct instance *inst);

/* Adds a device. resume is called once a turn, whatever it returns, after the other coroutines of the fast path.
 * -ENOMEM. */
int instance_add_poller(struct instance *inst, co_fn *resume, bool (*arm)(struct instance *),
                        void (*disarm)(struct instance *));

/* One turn: application, background, fast path, and now and then the clock, timers and housekeeping. */
void instance_turn(struct instance *inst);

/* Reads the clock, fires timers, keeps house. */
void instance_look_at_clock(struct instance *inst);

/* Sleeps until a device or a timer has something, or deadline_ns (UINT64_MAX: none). */
void instance_sleep(struct instance *inst, uint64_t deadline_ns);

/*
 * Arms the devices for sleep; *armed: how many were, to be disarmed, last first. false: one of them has work, and those
 * before it are to be disarmed all the same.
 */
bool instance_arm_pollers(struct instance *inst, uint32_t *armed);

/* Looks at the epoll descriptor for up to timeout_ns (UINT64_MAX: for ever) and hands events to their queues. */
void instance_events(struct instance *inst, uint64_t timeout_ns);

/* Prepares epfd for a foreign event loop (makes the timer descriptor). Negative errno. */
int instance_share_epfd(struct instance *inst);

/* The foreign loop is about to sleep on epfd. false: there is work already. */
bool instance_arm_foreign(struct instance *inst);

/* There is work, but the foreign loop is to have its turn: epfd is readable at once. */
void instance_wake_foreign(struct instance *inst);

/* Adds a descriptor to what wakes the instance: events go to q->ops->event. Negative errno. */
int instance_watch(struct instance *inst, struct queue *q, uint32_t events);

/* Adds a descriptor that only wakes (edge-triggered; nobody reads it). Negative errno. */
int instance_watch_wakeup(struct instance *inst, int fd);

/* Closes a queue: pending operations complete with ECANCELED, completed ones nobody waited for are freed. */
void instance_close_queue(struct instance *inst, struct queue *q);

#endif /* CORE_INSTANCE_H */
