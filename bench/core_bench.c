/* SPDX-License-Identifier: MIT */
/*
 * What the core costs, each figure beside what a user would otherwise pay, in one run. One JSON object a line.
 * usage: core_bench [NAME...]
 */
#include "core/complete.h"
#include "core/instance.h"
#include "core/sched.h"
#include "pair.h"

#include <arpa/inet.h>
#include <demi/ext.h>
#include <demi/libos.h>
#include <demi/sga.h>
#include <demi/wait.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define MANY   1000
#define TIMERS 100000

static void must(int err, const char *what)
{
    if (err == 0)
        return;
    fprintf(stderr, "core_bench: %s: %s (%s)\n", what, demi_strerror(err), demi_last_error());
    exit(1);
}

/* --- sched_switch: 64 ready coroutines resumed by turns of the scheduler; 64 functions called by pointers. --- */

#define COROUTINES 64

static struct instance *bare; /* an instance's scheduler and slab without the rest */

static enum co_status resume_nothing(struct instance *inst, struct op *op)
{
    (void)inst;
    CO_BEGIN(op)
    for (;;)
        CO_PAUSE(op, CO_AGAIN);
    CO_END;
}

static enum co_status call_nothing(struct instance *inst, struct op *op)
{
    (void)inst, (void)op;
    __asm__ volatile("");
    return CO_AGAIN;
}

static co_fn *volatile called[COROUTINES];

static void run_turns(unsigned n, void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < n; i++)
        sched_turn(bare, SCHED_APPLICATION);
}

static void run_calls(unsigned n, void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < n; i++)
        called[i % COROUTINES](bare, NULL);
}

static void bench_sched_switch(void)
{
    struct pair p = {.name = "sched_switch",
                     .peer = "an indirect call and return",
                     .ours = run_turns,
                     .theirs = run_calls,
                     .aim = 3,
                     .batch = 1000,
                     .rounds = 401,
                     .per = COROUTINES};

    bare = calloc(1, sizeof(*bare));
    if (bare == NULL || op_slab_init(&bare->ops, 1024) != 0 || sched_init(&bare->sched, 1024) != 0)
        must(ENOMEM, "sched");
    bare->stat = calloc(1, sizeof(*bare->stat));
    for (int i = 0; i < COROUTINES; i++) {
        struct op *op = task_new(bare, resume_nothing, SCHED_APPLICATION);

        sched_wake(&bare->sched, op);
        called[i] = call_nothing;
    }
    pair_run(&p);
    free(bare->stat);
    sched_fini(&bare->sched);
    op_slab_fini(&bare->ops);
    free(bare);
}

/* --- memory --- */

static void run_malloc(unsigned n, void *arg)
{
    size_t size = *(size_t *)arg;

    for (unsigned i = 0; i < n; i++) {
        void *p = malloc(size);

        __asm__ volatile("" : "+r"(p) : : "memory");
        free(p);
    }
}

static void run_sgaalloc(unsigned n, void *arg)
{
    size_t size = *(size_t *)arg;

    for (unsigned i = 0; i < n; i++) {
        demi_sgarray_t sga = demi_sgaalloc(size);

        __asm__ volatile("" : : "r"(&sga) : "memory");
        demi_sgafree(&sga);
    }
}

static void bench_alloc(const char *name, size_t size)
{
    struct pair p = {.name = name,
                     .peer = "glibc malloc and free",
                     .ours = run_sgaalloc,
                     .theirs = run_malloc,
                     .our_arg = &size,
                     .their_arg = &size,
                     .aim = 0.5,
                     .batch = 5000,
                     .rounds = 401};

    pair_run(&p);
}

static void bench_alloc_64(void)
{
    bench_alloc("alloc_64", 64);
}

static void bench_alloc_4096(void)
{
    bench_alloc("alloc_4096", 4096);
}

/* --- token_cycle: push to a memory queue, pop, wait. The array is handed over and comes back. --- */

static int memory_qd;

static void run_token_cycle(unsigned n, void *arg)
{
    demi_sgarray_t *sga = arg;
    demi_qtoken_t push, pop;
    demi_qresult_t qr;

    for (unsigned i = 0; i < n; i++) {
        must(demi_push(&push, memory_qd, sga), "push");
        must(demi_sgafree(sga), "free");
        must(demi_pop(&pop, memory_qd), "pop");
        must(demi_wait(&qr, push, NULL), "wait");
        must(demi_wait(&qr, pop, NULL), "wait");
        memcpy(sga, &qr.qr_value.sga, sizeof(*sga));
    }
}

static void bench_token_cycle(void)
{
    size_t size = 256;
    demi_sgarray_t sga = demi_sgaalloc(64);
    struct pair p = {.name = "token_cycle",
                     .peer = "glibc malloc and free of 256 B",
                     .ours = run_token_cycle,
                     .theirs = run_malloc,
                     .our_arg = &sga,
                     .their_arg = &size,
                     .aim = 1,
                     .batch = 2000,
                     .rounds = 401};

    must(demi_queue(&memory_qd), "queue");
    pair_run(&p);
    demi_sgafree(&sga);
    demi_close(memory_qd);
}

/* --- wait_any_1k: of many pending pops one becomes ready --- */

struct waiters {
    int n;
    int qd[MANY];
    demi_qtoken_t qt[MANY];
    demi_sgarray_t sga;
    unsigned random;
};

static void run_wait_any(unsigned n, void *arg)
{
    struct waiters *w = arg;
    demi_qtoken_t push;
    demi_qresult_t qr;
    int offset;

    for (unsigned i = 0; i < n; i++) {
        w->random = w->random * 1664525u + 1013904223u;
        must(demi_push(&push, w->qd[(w->random >> 8) % (unsigned)w->n], &w->sga), "push");
        must(demi_wait_any(&qr, &offset, w->qt, w->n, NULL), "wait_any");
        demi_sgafree(&qr.qr_value.sga);
        must(demi_pop(&w->qt[offset], w->qd[offset]), "pop");
        must(demi_wait(&qr, push, NULL), "wait");
    }
}

static void waiters_open(void *arg)
{
    struct waiters *w = arg;

    w->random = 1;
    w->sga = demi_sgaalloc(64);
    for (int i = 0; i < w->n; i++) {
        must(demi_queue(&w->qd[i]), "queue");
        must(demi_pop(&w->qt[i], w->qd[i]), "pop");
    }
}

static void waiters_close(void *arg)
{
    struct waiters *w = arg;

    for (int i = 0; i < w->n; i++)
        demi_close(w->qd[i]);
    demi_sgafree(&w->sga);
}

/* --- timer: arm and cancel among many, among few --- */

struct timers {
    struct timer_wheel wheel;
    struct timer *armed;
    struct timer mine;
    uint64_t now_ns;
};

static void nothing_fires(struct timer *t, void *arg)
{
    (void)t, (void)arg;
}

static void run_timer(unsigned n, void *arg)
{
    struct timers *t = arg;

    for (unsigned i = 0; i < n; i++) {
        timer_arm(&t->wheel, &t->mine, t->now_ns + 200 * NS_PER_MS + (i % 64) * NS_PER_MS, nothing_fires, NULL);
        timer_cancel(&t->wheel, &t->mine);
    }
}

static void timers_open(struct timers *t, unsigned n)
{
    unsigned random = 7;

    t->now_ns = 1000 * NS_PER_S;
    timer_wheel_init(&t->wheel, t->now_ns);
    t->armed = calloc(n, sizeof(*t->armed));
    for (unsigned i = 0; i < n; i++) {
        random = random * 1664525u + 1013904223u;
        timer_arm(&t->wheel, &t->armed[i], t->now_ns + (random >> 4) * UINT64_C(37), nothing_fires, NULL);
    }
}

static void bench_timer(void)
{
    static struct timers many, few;
    struct pair p = {.name = "timer",
                     .peer = "with 10 armed",
                     .ours = run_timer,
                     .theirs = run_timer,
                     .our_arg = &many,
                     .their_arg = &few,
                     .aim = 1.2,
                     .batch = 5000,
                     .rounds = 401};

    timers_open(&many, TIMERS);
    timers_open(&few, 10);
    pair_run(&p);
    free(many.armed);
    free(few.armed);
}

/* --- sockets: readiness among many, and a look that finds nothing --- */

struct sockets {
    int n;
    int qd[MANY];
    struct sockaddr_in addr[MANY];
    demi_qtoken_t qt[MANY];
    int sender;
    unsigned random;
};

static void run_sockets(unsigned n, void *arg)
{
    struct sockets *s = arg;
    char byte[64] = {0};
    demi_qresult_t qr;
    int offset;

    for (unsigned i = 0; i < n; i++) {
        unsigned k;

        s->random = s->random * 1664525u + 1013904223u;
        k = (s->random >> 8) % (unsigned)s->n;
        if (sendto(s->sender, byte, sizeof(byte), 0, (struct sockaddr *)&s->addr[k], sizeof(s->addr[k])) < 0)
            must(errno, "sendto");
        must(demi_wait_any(&qr, &offset, s->qt, s->n, NULL), "wait_any");
        demi_sgafree(&qr.qr_value.sga);
        must(demi_pop(&s->qt[offset], s->qd[offset]), "pop");
    }
}

static void sockets_open(void *arg)
{
    struct sockets *s = arg;
    socklen_t len = sizeof(s->addr[0]);

    s->random = 1;
    s->sender = socket(AF_INET, SOCK_DGRAM, 0);
    for (int i = 0; i < s->n; i++) {
        struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

        must(demi_socket(&s->qd[i], AF_INET, SOCK_DGRAM, 0), "socket");
        must(demi_bind(s->qd[i], (struct sockaddr *)&any, sizeof(any)), "bind");
        must(demi_getsockname(s->qd[i], (struct sockaddr *)&s->addr[i], &len), "getsockname");
        must(demi_pop(&s->qt[i], s->qd[i]), "pop");
    }
}

static void sockets_close(void *arg)
{
    struct sockets *s = arg;

    for (int i = 0; i < s->n; i++)
        demi_close(s->qd[i]);
    close(s->sender);
}

/* The peer runs in a thread of its own with an instance of its own: the one must not pay for the thousand. */
struct elsewhere {
    pthread_t thread;
    pthread_barrier_t turn;
    unsigned n; /* 0: end */
    pair_fn *run;
    void *arg;
    void (*open)(void *arg);
    void (*close)(void *arg);
};

static void *elsewhere_main(void *arg)
{
    struct elsewhere *e = arg;

    must(demi_init(NULL), "init");
    e->open(e->arg);
    for (;;) {
        pthread_barrier_wait(&e->turn);
        if (e->n == 0)
            break;
        e->run(e->n, e->arg);
        pthread_barrier_wait(&e->turn);
    }
    e->close(e->arg);
    demi_fini();
    return NULL;
}

/* A batch elsewhere; the hand-over to the thread and back is shared by all of its iterations. */
static void run_elsewhere(unsigned n, void *arg)
{
    struct elsewhere *e = arg;

    e->n = n;
    pthread_barrier_wait(&e->turn);
    if (n != 0)
        pthread_barrier_wait(&e->turn);
}

/* Both sides in threads, so that both pay the same for the hand-over. */
static void run_both_elsewhere(struct pair *p, struct elsewhere *ours, struct elsewhere *theirs)
{
    struct elsewhere *both[] = {ours, theirs};

    for (int i = 0; i < 2; i++) {
        pthread_barrier_init(&both[i]->turn, NULL, 2);
        must(pthread_create(&both[i]->thread, NULL, elsewhere_main, both[i]), "thread");
    }
    p->ours = p->theirs = run_elsewhere;
    p->our_arg = ours;
    p->their_arg = theirs;
    pair_run(p);
    for (int i = 0; i < 2; i++) {
        run_elsewhere(0, both[i]);
        pthread_join(both[i]->thread, NULL);
        pthread_barrier_destroy(&both[i]->turn);
    }
}

static struct sockets many_sockets = {.n = MANY}, one_socket = {.n = 1};

static void bench_ready_1k_sockets(void)
{
    struct elsewhere many = {.run = run_sockets, .arg = &many_sockets, .open = sockets_open, .close = sockets_close};
    struct elsewhere one = {.run = run_sockets, .arg = &one_socket, .open = sockets_open, .close = sockets_close};
    struct pair p = {
        .name = "ready_1k_sockets", .peer = "the same with 1 socket", .aim = 1.3, .batch = 1000, .rounds = 101};
    struct rlimit lim;

    getrlimit(RLIMIT_NOFILE, &lim);
    lim.rlim_cur = lim.rlim_max;
    setrlimit(RLIMIT_NOFILE, &lim);
    run_both_elsewhere(&p, &many, &one);
}

static struct waiters many_waiters = {.n = MANY}, one_waiter = {.n = 1};

static void bench_wait_any_1k(void)
{
    struct elsewhere many = {.run = run_wait_any, .arg = &many_waiters, .open = waiters_open, .close = waiters_close};
    struct elsewhere one = {.run = run_wait_any, .arg = &one_waiter, .open = waiters_open, .close = waiters_close};
    struct pair p = {
        .name = "wait_any_1k", .peer = "the same with 1 pending token", .aim = 1.5, .batch = 20000, .rounds = 101};

    run_both_elsewhere(&p, &many, &one);
}

static void run_wait_zero(unsigned n, void *arg)
{
    static const struct timespec zero;
    demi_qtoken_t *qt = arg;
    demi_qresult_t qr;
    int offset;

    for (unsigned i = 0; i < n; i++)
        if (demi_wait_any(&qr, &offset, qt, 1, &zero) != ETIMEDOUT)
            must(EPROTO, "wait_any");
}

static void run_recv_nothing(unsigned n, void *arg)
{
    char room[2048];

    for (unsigned i = 0; i < n; i++)
        if (recv(*(int *)arg, room, sizeof(room), MSG_DONTWAIT) >= 0)
            must(EPROTO, "recv");
}

/* A connected pair of the kernel's TCP sockets over loopback, with a PDPIX queue on the one's server side. */
static void bench_wait_any_zero(void)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(addr);
    demi_qtoken_t qt;
    demi_qresult_t qr;
    int listener, fd;
    struct pair p = {.name = "wait_any_zero",
                     .peer = "a non-blocking recv that finds nothing",
                     .ours = run_wait_zero,
                     .theirs = run_recv_nothing,
                     .our_arg = &qt,
                     .their_arg = &fd,
                     .aim = 1.5,
                     .batch = 500,
                     .rounds = 401};

    must(demi_socket(&listener, AF_INET, SOCK_STREAM, 0), "socket");
    must(demi_bind(listener, (struct sockaddr *)&addr, sizeof(addr)), "bind");
    must(demi_listen(listener, 8), "listen");
    must(demi_getsockname(listener, (struct sockaddr *)&addr, &len), "getsockname");
    must(demi_accept(&qt, listener), "accept");
    fd = socket(AF_INET, SOCK_STREAM, 0);
    must(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), "connect");
    must(demi_wait(&qr, qt, NULL), "wait");
    must(demi_pop(&qt, qr.qr_value.ares.qd), "pop");
    pair_run(&p);
    close(fd);
    demi_close(listener);
}

static const struct {
    const char *name;
    void (*run)(void);
} benches[] = {
    {"sched_switch", bench_sched_switch},
    {"token_cycle", bench_token_cycle},
    {"wait_any_1k", bench_wait_any_1k},
    {"alloc_64", bench_alloc_64},
    {"alloc_4096", bench_alloc_4096},
    {"timer", bench_timer},
    {"ready_1k_sockets", bench_ready_1k_sockets},
    {"wait_any_zero", bench_wait_any_zero},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; i < ARRAY_LEN(benches); i++) {
        bool wanted = argc < 2;

        for (int k = 1; k < argc; k++)
            wanted |= strcmp(argv[k], benches[i].name) == 0;
        if (!wanted)
            continue;
        must(demi_init(NULL), "init");
        benches[i].run();
        must(demi_fini(), "fini");
    }
    return 0;
}
