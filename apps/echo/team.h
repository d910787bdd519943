/* SPDX-License-Identifier: MIT */
/* Several threads of one program (--threads), each with an instance of the library of its own: they begin together, and
 * what they counted is reported as one. Without threads there is a team of one. */
#ifndef APPS_ECHO_TEAM_H
#define APPS_ECHO_TEAM_H

#include "common/report.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* What a server counts. */
struct server_counts {
    uint64_t accepted;
    uint64_t messages;
    uint64_t bytes;
    uint64_t failed; /* operations, of whatever kind */
    uint64_t empty;  /* datagrams without a byte: there is nothing to send back */
};

struct team {
    pthread_mutex_t lock;
    pthread_cond_t all_here;
    uint32_t threads;
    uint32_t gate;  /* times that all were ready */
    uint32_t here;  /* threads that are ready for the next time, or never will be */
    uint32_t ended; /* threads whose counts are in */
    uint32_t left;  /* threads that are done */
    bool failed;    /* one is not ready */
    struct server_counts server;
    struct report client;
};

void team_init(struct team *t, uint32_t threads);

/* Each thread calls it, ready or not, with its device open and then with its sockets: waits for all. Are they ready? */
bool team_ready(struct team *t, bool ready);

/* Instead of a thread that cannot be started: the others are not to wait for it. */
void team_absent(struct team *t);

/* A thread has nothing more to do. Have all? */
void team_leave(struct team *t);
bool team_is_done(struct team *t);

/* Add what a thread counted. Is it the last one, which has the sum in t then? */
bool team_add_server(struct team *t, const struct server_counts *c);
bool team_add_client(struct team *t, const struct report *r);

#endif /* APPS_ECHO_TEAM_H */
