/* SPDX-License-Identifier: MIT */
/* Threads that begin together: see team.h. */
#include "echo/team.h"

#include "common/clock.h"
#include "common/demi_util.h"

#include <errno.h>
#include <string.h>

#define LOOK_NS NS_PER_MS

void team_init(struct team *t, uint32_t threads)
{
    memset(t, 0, sizeof(*t));
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->all_here, NULL);
    hist_reset(&t->client.latency);
    t->threads = threads;
}

/* With the lock held: the last one opens the gate. */
static void arrive(struct team *t)
{
    if (++t->here == t->threads) {
        t->here = 0;
        t->gate++;
        pthread_cond_broadcast(&t->all_here);
    }
}

static bool has_passed(struct team *t, uint32_t gate)
{
    pthread_mutex_lock(&t->lock);
    bool passed = t->gate != gate;
    pthread_mutex_unlock(&t->lock);
    return passed;
}

/* Looks at this thread's device meanwhile, if it has one: what comes by its queue may be what another waits for. */
static void look_until(struct team *t, uint32_t gate)
{
    struct timespec look = clock_timespec(LOOK_NS);
    demi_qtoken_t token;
    demi_qresult_t qr;
    int qd;
    if (demi_queue(&qd) != 0) {
        return;
    }
    if (demi_pop(&token, qd) == 0) {
        while (!has_passed(t, gate) && demi_wait(&qr, token, &look) == ETIMEDOUT) {
        }
        (void)demi_close(qd);
        (void)demi_wait(&qr, token, &look); /* it was cancelled */
        return;
    }
    (void)demi_close(qd);
}

bool team_ready(struct team *t, bool ready)
{
    pthread_mutex_lock(&t->lock);
    uint32_t gate = t->gate;
    t->failed |= !ready;
    arrive(t);
    pthread_mutex_unlock(&t->lock);
    if (t->threads > 1 && gate > 0) { /* at the first one not all have their devices: what comes for them stays there */
        look_until(t, gate);
    }
    pthread_mutex_lock(&t->lock);
    while (t->gate == gate) {
        pthread_cond_wait(&t->all_here, &t->lock);
    }
    bool all = !t->failed;
    pthread_mutex_unlock(&t->lock);
    return all;
}

void team_absent(struct team *t)
{
    pthread_mutex_lock(&t->lock);
    t->failed = true;
    t->left++;
    arrive(t);
    pthread_mutex_unlock(&t->lock);
}

void team_leave(struct team *t)
{
    pthread_mutex_lock(&t->lock);
    t->left++;
    pthread_mutex_unlock(&t->lock);
}

bool team_is_done(struct team *t)
{
    pthread_mutex_lock(&t->lock);
    bool done = t->left == t->threads;
    pthread_mutex_unlock(&t->lock);
    return done;
}

bool team_add_server(struct team *t, const struct server_counts *c)
{
    pthread_mutex_lock(&t->lock);
    t->server.accepted += c->accepted;
    t->server.messages += c->messages;
    t->server.bytes += c->bytes;
    t->server.failed += c->failed;
    t->server.empty += c->empty;
    bool last = ++t->ended == t->threads;
    pthread_mutex_unlock(&t->lock);
    return last;
}

bool team_add_client(struct team *t, const struct report *r)
{
    struct report *sum = &t->client;
    pthread_mutex_lock(&t->lock);
    sum->connections += r->connections;
    sum->rate_hz += r->rate_hz;
    sum->elapsed_ns = r->elapsed_ns > sum->elapsed_ns ? r->elapsed_ns : sum->elapsed_ns;
    hist_merge(&sum->latency, &r->latency);
    sum->errors += r->errors;
    sum->corrupt += r->corrupt;
    sum->lost += r->lost;
    sum->late += r->late;
    sum->unanswered += r->unanswered;
    sum->transport = r->transport;
    sum->size_bytes = r->size_bytes;
    sum->depth = r->depth;
    bool last = ++t->ended == t->threads;
    pthread_mutex_unlock(&t->lock);
    return last;
}
