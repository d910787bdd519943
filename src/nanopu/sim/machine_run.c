/* SPDX-License-Identifier: MIT */
/*
 * Windows and threads. In a window each node is run by one thread: the one that claims it first, and each begins with a
 * part of its own, so that a node stays with its thread's caches as a rule. A node takes what its neighbours sent in
 * the window before, gives back the packets that they took from it then, and runs. Between windows one thread looks at
 * what happened, and chooses the next window: the one that follows or, when nothing happens in that, a later one.
 */
#include "machine_internal.h"

#include "nanopu/nic/hts.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#define SMALL_WINDOW 2 /* nodes with something to do */

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static void give_back(struct node *n, struct packet *p)
{
    if (n->host != NULL)
        host_packet_free(n->host, p);
    else if (n->sw != NULL)
        switch_packet_free(n->sw, p);
    else
        port_packet_free(n->port, p);
}

/* Frees what was sent two windows ago: it was taken in the last one. */
static void clear_sent(struct node *n, uint64_t window)
{
    for (unsigned i = 0; i < n->config->links; i++) {
        struct sent *out = &n->ends[i].out[window % 2];

        while (out->head != NULL) {
            struct packet *p = out->head;

            out->head = p->next;
            give_back(n, p);
        }
        out->tail = NULL;
    }
}

/* Takes what the neighbours sent in the last window. Their packets are read by this node alone. */
static bool collect(struct machine *m, struct node *n)
{
    bool any = false;

    for (unsigned i = 0; i < n->config->links; i++) {
        const struct link_end *end = &n->ends[i];
        const struct sent *in = &m->nodes[end->neighbour].ends[end->neighbour_port].out[(m->window - 1) % 2];

        for (struct packet *p = in->head; p != NULL; p = p->next) {
            p->first_flit_cycle += end->latency_cycles;
            assert(p->first_flit_cycle >= m->start);
            if (n->host != NULL)
                host_receive(n->host, p);
            else if (n->sw != NULL)
                switch_receive(n->sw, i, p);
            else
                port_receive(n->port, p);
            n->packets++;
            any = true;
        }
    }
    return any;
}

static void advance_node(struct node *n, uint64_t until)
{
    if (n->host != NULL) {
        host_advance(n->host, until);
        n->next_event = host_next_event(n->host);
    } else if (n->sw != NULL) {
        switch_advance(n->sw, until);
        n->next_event = switch_next_event(n->sw);
    } else {
        port_advance(n->port, until);
        n->next_event = port_next_event(n->port);
    }
}

static void run_node(struct worker *w, struct node *n)
{
    struct machine *m = w->machine;
    bool received = collect(m, n);

    clear_sent(n, m->window);
    if (received || n->next_event < m->until) {
        advance_node(n, m->until);
        w->spoke |= n->output.len > 0;
        for (unsigned i = 0; i < n->config->links; i++) {
            const struct packet *p = n->ends[i].out[m->window % 2].head;

            if (p == NULL)
                continue;
            w->next = least(w->next, p->first_flit_cycle + n->ends[i].latency_cycles);
            w->sent++;
        }
    }
    w->next = least(w->next, n->next_event);
}

static void begin_window(struct worker *w)
{
    w->next = CYCLE_NEVER;
    w->spoke = false;
    w->sent = 0;
}

static void run_window(struct worker *w)
{
    struct machine *m = w->machine;
    unsigned first = w->index * m->count / m->config.threads;

    begin_window(w);
    for (unsigned i = 0; i < m->count; i++) {
        struct node *n = &m->nodes[(first + i) % m->count];

        if (atomic_load_explicit(&n->claimed, memory_order_relaxed) != m->window &&
            atomic_exchange_explicit(&n->claimed, m->window, memory_order_relaxed) != m->window)
            run_node(w, n);
    }
}

static void flush_output(struct machine *m)
{
    for (unsigned i = 0; i < m->count; i++) {
        struct text *t = &m->nodes[i].output;

        if (t->len > 0 && m->config.output != NULL)
            m->config.output(m->config.arg, i, t->bytes, t->len);
        t->len = 0;
    }
}

/* Nothing will happen any more: that ends it well, unless a script still waits. */
static enum machine_end give_up(struct machine *m)
{
    enum machine_end end = MACHINE_STUCK;

    for (unsigned i = 0; i < m->count; i++) {
        if (m->nodes[i].port == NULL)
            continue;
        port_end(m->nodes[i].port);
        if (port_state(m->nodes[i].port) == PORT_FAILED)
            end = MACHINE_FAILED;
    }
    return end;
}

/* Is the run over, seen from the hosts and ports? When nothing is waited for, it goes on. */
static bool nodes_ended(const struct machine *m, enum machine_end *end)
{
    bool all = true, any = false;

    for (unsigned i = 0; i < m->count; i++) {
        const struct node *n = &m->nodes[i];

        if ((n->host != NULL && host_state(n->host) == HOST_FAILED) ||
            (n->port != NULL && port_state(n->port) == PORT_FAILED)) {
            *end = MACHINE_FAILED;
            return true;
        }
        if (n->host != NULL && !n->config->background) {
            any = true;
            all = all && host_state(n->host) == HOST_EXITED;
        } else if (n->port != NULL && port_is_scripted(n->port)) {
            any = true;
            all = all && port_state(n->port) == PORT_IDLE;
        }
    }
    *end = MACHINE_EXITED;
    return all && any;
}

/* Hosts that had nothing to do were left where they were. */
static void catch_up(struct machine *m)
{
    for (unsigned i = 0; i < m->count; i++) {
        if (m->nodes[i].host != NULL)
            host_advance(m->nodes[i].host, m->start);
    }
}

static void choose_window(struct machine *m, uint64_t next)
{
    uint64_t at = next / m->window_cycles * m->window_cycles;

    m->window++;
    m->until = (at > m->start ? at : m->start) + m->window_cycles;
    m->until = least(m->until, m->config.limit_cycles);
}

/* Has the window that was chosen so little to do that meeting for it costs more than helping? */
static bool is_small(const struct machine *m, unsigned sent)
{
    unsigned busy = sent;

    for (unsigned i = 0; i < m->count && busy <= SMALL_WINDOW; i++)
        busy += m->nodes[i].next_event < m->until;
    return busy <= SMALL_WINDOW;
}

/* Looks at the window that ended, and chooses the next. Returns how many ends of links sent anything in it. */
static unsigned between(struct machine *m)
{
    uint64_t next = CYCLE_NEVER;
    unsigned sent = 0;
    bool spoke = false;

    for (unsigned i = 0; i < m->config.threads; i++) {
        next = least(next, m->workers[i].next);
        spoke |= m->workers[i].spoke;
        sent += m->workers[i].sent;
    }
    m->start = m->until;
    if (spoke)
        flush_output(m);
    m->done = nodes_ended(m, &m->end);
    if (!m->done && (m->start >= m->config.limit_cycles || next == CYCLE_NEVER)) {
        m->end = next == CYCLE_NEVER ? give_up(m) : MACHINE_LIMIT;
        m->done = true;
    }
    if (m->config.hash_cycles != 0 && m->start >= m->hash_due) {
        m->hash_due = (m->start / m->config.hash_cycles + 1) * m->config.hash_cycles;
        catch_up(m);
        m->config.hash(m->config.arg, m->start, machine_hash(m));
    }
    if (m->config.between != NULL && m->config.between(m->config.arg) && !m->done) {
        m->end = MACHINE_STOPPED;
        m->done = true;
    }
    if (m->done)
        catch_up(m);
    else
        choose_window(m, next);
    return sent;
}

/* Done by one thread while the others wait: small windows are run here at once. */
static void alone(void *arg)
{
    struct machine *m = arg;
    unsigned sent = between(m);

    while (!m->done && m->config.threads > 1 && is_small(m, sent)) {
        for (unsigned i = 1; i < m->config.threads; i++)
            begin_window(&m->workers[i]);
        run_window(&m->workers[0]);
        sent = between(m);
    }
}

struct team {
    pthread_mutex_t gate; /* held until all threads are made */
    pthread_t threads[MACHINE_THREADS_MAX];
    unsigned made;
};

struct member {
    struct team *team;
    struct worker *worker;
};

static void work(struct worker *w)
{
    struct machine *m = w->machine;

    while (!m->done) {
        run_window(w);
        barrier_wait(&m->barrier, alone, m);
    }
}

static void *thread_main(void *arg)
{
    struct member *member = arg;

    pthread_mutex_lock(&member->team->gate);
    pthread_mutex_unlock(&member->team->gate);
    work(member->worker);
    return NULL;
}

int machine_run(struct machine *m, enum machine_end *end, struct error_text *et)
{
    struct team team = {.gate = PTHREAD_MUTEX_INITIALIZER};
    struct member members[MACHINE_THREADS_MAX];
    int err = 0;

    m->done = false;
    choose_window(m, m->start);
    barrier_init(&m->barrier, m->config.threads);
    for (unsigned i = 0; i < m->config.threads; i++) {
        m->workers[i] = (struct worker){.machine = m, .index = i};
        members[i] = (struct member){&team, &m->workers[i]};
    }
    pthread_mutex_lock(&team.gate);
    for (unsigned i = 1; i < m->config.threads && err == 0; i++) {
        err = pthread_create(&team.threads[team.made], NULL, thread_main, &members[i]);
        team.made += err == 0;
    }
    m->done = err != 0;
    pthread_mutex_unlock(&team.gate);
    work(&m->workers[0]);
    for (unsigned i = 0; i < team.made; i++)
        pthread_join(team.threads[i], NULL);
    pthread_mutex_destroy(&team.gate);
    if (err != 0)
        return error_set(et, err, "cannot make %u threads: %s", m->config.threads, strerror(err));
    *end = m->end;
    return 0;
}
