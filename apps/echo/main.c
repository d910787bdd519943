/* SPDX-License-Identifier: MIT */
/* echo: an echo server and a load generator for it, on PDPIX. See caracal-echo --help. */
#include "common/args.h"
#include "common/clock.h"
#include "common/demi_util.h"
#include "echo/echo.h"

#include <stdio.h>
#include <stdlib.h>

#define LINGER_NS NS_PER_MS

struct thread {
    struct echo_options options;
    pthread_t id;
    int argc;
    char **argv;
    int code;
};

/*
 * Goes on to look at its device until all threads are done: what comes by its queue may be another's, and with an
 * instance goes its queue. It waits for a message that nobody sends.
 */
static void linger(struct team *team)
{
    struct timespec look = clock_timespec(LINGER_NS);
    demi_qtoken_t token;
    demi_qresult_t qr;
    int qd;
    team_leave(team);
    if (demi_queue(&qd) != 0) {
        return;
    }
    if (demi_pop(&token, qd) == 0) {
        while (!team_is_done(team) && demi_wait(&qr, token, &look) == ETIMEDOUT) {
        }
    }
    (void)demi_close(qd);
}

/* A thread's whole life: the library is started in it, and so has an instance of its own. */
static void *run(void *arg)
{
    struct thread *t = arg;
    const struct echo_options *o = &t->options;
    t->code = EXIT_FAIL;
    bool begun = demi_begin(t->argc, t->argv);
    if (!team_ready(o->team, begun)) {
        team_leave(o->team);
        if (begun) {
            (void)demi_fini();
        }
        return NULL;
    }
    if (!o->server) {
        t->code = echo_client(o);
    } else {
        t->code = o->udp ? echo_server_udp(o) : echo_server_tcp(o);
    }
    linger(o->team);
    (void)demi_fini();
    return NULL;
}

/* Part number i of n of a whole. */
static uint64_t share(uint64_t whole, uint32_t i, uint32_t n)
{
    return whole / n + (i < whole % n);
}

static void prepare(struct thread *t, const struct echo_options *all, uint32_t i)
{
    t->options = *all;
    t->options.leads = i == 0;
    t->options.connections = (uint32_t)share(all->connections, i, all->threads);
    t->options.max_connections = (uint32_t)share(all->max_connections, i, all->threads);
    t->options.requests = share(all->requests, i, all->threads);
    t->options.rate_hz = all->rate_hz / all->threads;
}

/* The first part runs in this thread. */
static int run_all(struct thread *t, uint32_t n)
{
    int code = EXIT_OK;
    uint32_t started = 1;
    while (started < n && pthread_create(&t[started].id, NULL, run, &t[started]) == 0) {
        started++;
    }
    for (uint32_t i = started; i < n; i++) {
        complain("cannot start a thread");
        team_absent(t[i].options.team);
        t[i].code = EXIT_FAIL;
    }
    run(&t[0]);
    for (uint32_t i = 1; i < started; i++) {
        (void)pthread_join(t[i].id, NULL);
    }
    for (uint32_t i = 0; i < n; i++) {
        code = t[i].code != EXIT_OK ? t[i].code : code;
    }
    return code;
}

int main(int argc, char **argv)
{
    struct echo_options options;
    struct team *team = malloc(sizeof(*team));
    char queues[16];
    program_name = "caracal-echo";
    int rc = echo_options_parse(argc, argv, &options);
    if (rc != EXIT_OK) {
        free(team);
        return program_end(rc);
    }
    struct thread *t = calloc(options.threads, sizeof(*t));
    if (t == NULL || team == NULL) {
        free(t);
        free(team);
        complain("no memory for %u threads", options.threads);
        return EXIT_FAIL;
    }
    options.team = team;
    team_init(team, options.threads);
    snprintf(queues, sizeof(queues), "%u", options.threads);
    if (options.threads > 1) {
        (void)setenv("NET_QUEUES", queues, 0); /* what the user says goes before */
    }
    for (uint32_t i = 0; i < options.threads; i++) {
        prepare(&t[i], &options, i);
        t[i].argc = argc;
        t[i].argv = argv;
    }
    rc = run_all(t, options.threads);
    free(t);
    free(team);
    return program_end(rc);
}
