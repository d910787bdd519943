/* SPDX-License-Identifier: MIT */
#include "core/instance.h"

#include "fake_instance.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#define MS(n) ((n)*NS_PER_MS)

static struct instance *inst;
static struct config cfg;
static char dir[64];
static unsigned polls, arms, disarms, fired, events;
static bool arm_says;

static int setup(void **state)
{
    (void)state;
    fake_config(&cfg);
    memset(&fake, 0, sizeof(fake));
    polls = arms = disarms = fired = events = 0;
    arm_says = true;
    inst = fake_instance(&cfg);
    return inst == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    uint32_t left = inst->ops.used - inst->poller_count, open = inst->queues.used;

    (void)state;
    instance_free(inst);
    return left == 0 && open == 0 && fake.inits == fake.finis ? 0 : -1;
}

static int make_dir(void)
{
    snprintf(dir, sizeof(dir), "/tmp/caracal-instance-XXXXXX");
    if (mkdtemp(dir) == NULL)
        return -1;
    snprintf(cfg.run_dir, sizeof(cfg.run_dir), "%s", dir);
    cfg.stat = cfg.trace = true;
    return 0;
}

/* How many files dir has; removes it when it is to be empty. */
static unsigned files_in_dir(void)
{
    DIR *d = opendir(dir);
    const struct dirent *e;
    unsigned n = 0;

    assert_non_null(d);
    while ((e = readdir(d)) != NULL)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

static uint64_t now(void)
{
    return clock_gettime_ns();
}

static void instance_new__failing_libos_leaves_nothing_behind(void **state)
{
    struct error_text et = {""};
    int err = 0;

    (void)state;
    fake.init_result = -ENODEV;
    assert_null(instance_new(&fake_libos, NULL, &cfg, &err, &et));
    assert_int_equal(err, -ENODEV);
    assert_string_equal(et.text, "the device is on fire");
    assert_int_equal(fake.finis, 0);
    fake.inits = 1;
}

static void instance_new__publishes_and_removes_its_files(void **state)
{
    (void)state;
    instance_free(inst);
    assert_int_equal(make_dir(), 0);
    inst = fake_instance(&cfg);
    assert_non_null(inst);
    assert_int_equal(files_in_dir(), 2);
    assert_string_equal(inst->stat->libos, "fake");
    assert_int_equal(inst->stat->pid, getpid());
    instance_free(inst);
    assert_int_equal(files_in_dir(), 0);
    assert_int_equal(rmdir(dir), 0);
    cfg.stat = cfg.trace = false;
    inst = fake_instance(&cfg);
}

static void instance_free__keeps_the_trace_on_demand(void **state)
{
    char path[400];

    (void)state;
    instance_free(inst);
    assert_int_equal(make_dir(), 0);
    cfg.trace_keep = true;
    inst = fake_instance(&cfg);
    instance_free(inst);
    assert_int_equal(files_in_dir(), 1);
    snprintf(path, sizeof(path), "%s/%d.%d.trace", dir, (int)getpid(), (int)gettid());
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(dir), 0);
    cfg.stat = cfg.trace = false;
    inst = fake_instance(&cfg);
}

/* Without a directory the pages are private memory; the reason must not pass for that of a later error. */
static void instance_new__unusable_run_dir_is_no_error(void **state)
{
    (void)state;
    instance_free(inst);
    cfg.stat = cfg.trace = true;
    snprintf(cfg.run_dir, sizeof(cfg.run_dir), "/proc/no/such/place");
    inst = fake_instance(&cfg);
    assert_non_null(inst);
    assert_string_equal(inst->error.text, "");
    instance_turn(inst);
    assert_int_equal(inst->stat->value[CTR_polls], 1);
}

static enum co_status poll_task(struct instance *in, struct op *op)
{
    (void)in;
    (void)op;
    polls++;
    return CO_AGAIN;
}

static bool arm(struct instance *in)
{
    (void)in;
    arms++;
    return arm_says;
}

static void disarm(struct instance *in)
{
    (void)in;
    disarms++;
}

static void instance_add_poller__runs_once_a_turn(void **state)
{
    (void)state;
    assert_int_equal(instance_add_poller(inst, poll_task, NULL, NULL), 0);
    for (unsigned turn = 1; turn <= 5; turn++) {
        instance_turn(inst);
        assert_int_equal(polls, turn);
    }
}

static void instance_add_poller__no_slot(void **state)
{
    uint32_t n = 0;

    (void)state;
    while (task_new(inst, poll_task, SCHED_BACKGROUND) != NULL)
        n++;
    assert_int_equal(n, cfg.max_operations);
    assert_int_equal(instance_add_poller(inst, poll_task, NULL, NULL), -ENOMEM);
    assert_int_equal(inst->stat->value[CTR_ops_full], 2);
    while (n-- > 0)
        task_free(inst, op_at(&inst->ops, n));
}

static void count_timer(struct timer *t, void *arg)
{
    (void)t;
    fired++;
    assert_ptr_equal(arg, &cfg);
}

static void look_at_clock__fires_timers_and_never_early(void **state)
{
    struct timer t = {0};
    uint64_t deadline = now() + MS(3);

    (void)state;
    timer_arm(&inst->timers, &t, deadline, count_timer, &cfg);
    while (fired == 0 && now() < deadline + MS(1000))
        instance_look_at_clock(inst);
    assert_true(now() >= deadline);
    assert_int_equal(fired, 1);
    assert_int_equal(inst->stat->value[CTR_timers_fired], 1);
}

static void look_at_clock__publishes_levels(void **state)
{
    void *obj = mem_alloc(&inst->mem, 1000, 1);
    uint64_t end = now() + MS(5000);

    (void)state;
    while (inst->stat->value[CTR_memory_now] == 0 && now() < end)
        instance_look_at_clock(inst);
    assert_int_equal(inst->stat->value[CTR_memory_now], 1024);
    assert_int_equal(inst->stat->value[CTR_superblocks_now], 1);
    assert_int_equal(inst->stat->value[CTR_ops_now], 0);
    mem_unref(&inst->mem, obj);
}

/* Tests of time have a generous upper bound: the machine may be busy. */
static void slept(uint64_t from, uint64_t least)
{
    uint64_t ns = now() - from;

    if (ns < least || ns > least + MS(2000))
        fail_msg("slept %llu us in place of %llu", (unsigned long long)ns / 1000, (unsigned long long)least / 1000);
}

static void instance_sleep__ends_at_the_deadline(void **state)
{
    uint64_t from;

    (void)state;
    instance_look_at_clock(inst);
    from = inst->now_ns;
    instance_sleep(inst, from + MS(20));
    slept(from, MS(20));
    assert_int_equal(inst->stat->value[CTR_sleeps], 1);
    assert_true(inst->now_ns >= from + MS(20));
}

static void instance_sleep__past_deadline_does_not_sleep(void **state)
{
    (void)state;
    instance_look_at_clock(inst);
    instance_sleep(inst, inst->now_ns);
    instance_sleep(inst, inst->now_ns - 1);
    instance_sleep(inst, 0);
    assert_int_equal(inst->stat->value[CTR_sleeps], 0);
}

static void instance_sleep__ends_at_the_next_timer(void **state)
{
    struct timer t = {0};
    uint64_t from;

    (void)state;
    instance_look_at_clock(inst);
    from = inst->now_ns;
    timer_arm(&inst->timers, &t, from + MS(15), count_timer, &cfg);
    while (fired == 0)
        instance_sleep(inst, UINT64_MAX);
    slept(from, MS(15));
    assert_true(inst->stat->value[CTR_sleeps] < 10); /* slots are spread once or twice on the way */
}

static void instance_sleep__ready_work_forbids_it(void **state)
{
    static const enum sched_class cls[] = {SCHED_APPLICATION, SCHED_BACKGROUND};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cls); i++) {
        struct op *task = task_new(inst, poll_task, cls[i]);

        sched_wake(&inst->sched, task);
        instance_sleep(inst, UINT64_MAX);
        task_free(inst, task);
    }
    assert_int_equal(inst->stat->value[CTR_sleeps], 0);
}

static void instance_sleep__device_with_work_forbids_it(void **state)
{
    (void)state;
    assert_int_equal(instance_add_poller(inst, poll_task, arm, disarm), 0);
    assert_int_equal(instance_add_poller(inst, poll_task, NULL, NULL), 0);
    assert_int_equal(instance_add_poller(inst, poll_task, arm, disarm), 0);
    arm_says = false;
    instance_look_at_clock(inst);
    instance_sleep(inst, UINT64_MAX);
    assert_int_equal(arms, 1);
    assert_int_equal(disarms, 0); /* what said no is not armed */
    assert_int_equal(inst->stat->value[CTR_sleeps], 0);
}

static void instance_sleep__armed_devices_are_disarmed(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(instance_add_poller(inst, poll_task, arm, disarm), 0);
    instance_look_at_clock(inst);
    instance_sleep(inst, inst->now_ns + MS(1));
    assert_int_equal(arms, 3);
    assert_int_equal(disarms, 3);
}

static void instance_watch_wakeup__ends_a_sleep(void **state)
{
    int fd = eventfd(1, EFD_NONBLOCK);
    uint64_t from = now();

    (void)state;
    assert_int_equal(instance_watch_wakeup(inst, fd), 0);
    instance_look_at_clock(inst);
    instance_sleep(inst, from + MS(5000));
    assert_true(now() - from < MS(2000));
    close(fd);
    assert_int_equal(instance_watch_wakeup(inst, fd), -EBADF);
}

static void count_event(struct instance *in, struct queue *q, uint32_t ev)
{
    (void)in;
    assert_true((ev & EPOLLIN) != 0);
    assert_int_equal(q->qd, QD_FIRST);
    events++;
}

static void nothing(struct instance *in, struct queue *q)
{
    (void)in;
    (void)q;
}

static const struct queue_ops event_ops = {.name = "events", .event = count_event, .close = nothing};

static void instance_events__go_to_their_queue(void **state)
{
    struct queue *q = queue_alloc(&inst->queues, &event_ops);

    (void)state;
    q->fd = eventfd(0, EFD_NONBLOCK);
    assert_int_equal(instance_watch(inst, q, EPOLLIN | EPOLLET), 0);
    instance_events(inst, 0);
    assert_int_equal(events, 0);
    assert_int_equal(eventfd_write(q->fd, 1), 0);
    instance_events(inst, MS(1000));
    assert_int_equal(events, 1);
    close(q->fd);
    instance_close_queue(inst, q);
}

static void instance_events__of_a_closed_queue_are_nobodys(void **state)
{
    struct queue *q = queue_alloc(&inst->queues, &event_ops);
    int fd = eventfd(1, EFD_NONBLOCK);

    (void)state;
    q->fd = fd;
    assert_int_equal(instance_watch(inst, q, EPOLLIN), 0);
    instance_close_queue(inst, q);
    instance_events(inst, 0); /* the descriptor is still under epoll, and readable */
    assert_int_equal(events, 0);
    close(fd);
}

static void share_epfd__timers_make_it_readable(void **state)
{
    struct pollfd p = {.events = POLLIN};
    struct timer t = {0};
    uint64_t from;

    (void)state;
    assert_int_equal(instance_share_epfd(inst), 0);
    assert_int_equal(instance_share_epfd(inst), 0); /* again is the same */
    p.fd = inst->epfd;
    instance_look_at_clock(inst);
    from = inst->now_ns;
    timer_arm(&inst->timers, &t, from + MS(10), count_timer, &cfg);
    for (unsigned i = 0; i < 20 && fired == 0; i++) {
        assert_true(instance_arm_foreign(inst));
        assert_int_equal(poll(&p, 1, 5000), 1);
        instance_events(inst, 0);
        instance_look_at_clock(inst);
    }
    assert_int_equal(fired, 1);
    slept(from, MS(10));
    assert_true(instance_arm_foreign(inst)); /* no timer is left: it sleeps */
    assert_int_equal(poll(&p, 1, 0), 0);
}

static void wake_foreign__makes_it_readable_at_once(void **state)
{
    struct pollfd p = {.events = POLLIN};

    (void)state;
    assert_int_equal(instance_share_epfd(inst), 0);
    p.fd = inst->epfd;
    assert_int_equal(poll(&p, 1, 0), 0);
    instance_wake_foreign(inst);
    assert_int_equal(poll(&p, 1, 1000), 1);
    instance_events(inst, 0);
    assert_int_equal(poll(&p, 1, 0), 0);
}

static void arm_foreign__refuses_while_there_is_work(void **state)
{
    struct op *task = task_new(inst, poll_task, SCHED_BACKGROUND);

    (void)state;
    assert_int_equal(instance_share_epfd(inst), 0);
    sched_wake(&inst->sched, task);
    assert_false(instance_arm_foreign(inst));
    task_free(inst, task);
    arm_says = false;
    assert_int_equal(instance_add_poller(inst, poll_task, arm, disarm), 0);
    assert_false(instance_arm_foreign(inst));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(instance_new__failing_libos_leaves_nothing_behind),
        TEST(instance_new__publishes_and_removes_its_files),
        TEST(instance_free__keeps_the_trace_on_demand),
        TEST(instance_new__unusable_run_dir_is_no_error),
        TEST(instance_add_poller__runs_once_a_turn),
        TEST(instance_add_poller__no_slot),
        TEST(look_at_clock__fires_timers_and_never_early),
        TEST(look_at_clock__publishes_levels),
        TEST(instance_sleep__ends_at_the_deadline),
        TEST(instance_sleep__past_deadline_does_not_sleep),
        TEST(instance_sleep__ends_at_the_next_timer),
        TEST(instance_sleep__ready_work_forbids_it),
        TEST(instance_sleep__device_with_work_forbids_it),
        TEST(instance_sleep__armed_devices_are_disarmed),
        TEST(instance_watch_wakeup__ends_a_sleep),
        TEST(instance_events__go_to_their_queue),
        TEST(instance_events__of_a_closed_queue_are_nobodys),
        TEST(share_epfd__timers_make_it_readable),
        TEST(wake_foreign__makes_it_readable_at_once),
        TEST(arm_foreign__refuses_while_there_is_work),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
