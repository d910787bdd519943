/* SPDX-License-Identifier: MIT */
/*
 * When harts stop. Every instruction of every hart comes by here, so what most of them pay is a bit of a filter and a
 * counter; now and then the connection is looked at for the byte that asks for a stop.
 */
#include "gdb_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define GDB_LOOK 65536 /* instructions between two looks at the connection */

struct hart *gdb_hart(const struct gdb *g, unsigned thread)
{
    return host_hart(gdb_host(g, thread), g->threads[thread].hart);
}

struct host *gdb_host(const struct gdb *g, unsigned thread)
{
    return machine_host(g->machine, g->threads[thread].host);
}

static void forget_debugger(struct gdb *g)
{
    if (g->fd >= 0)
        close(g->fd);
    g->fd = -1;
    g->breakpoint_count = 0;
    memset(g->filter, 0, sizeof g->filter);
    g->step = g->skip = 0;
    g->stop_all = false;
}

/* Serves the debugger until it lets the machine go on. */
static void serve(struct gdb *g)
{
    enum gdb_resume resume = GDB_STAY;

    while (g->fd >= 0 && resume == GDB_STAY && gdb_receive(g)) {
        resume = gdb_command(g);
        if (resume != GDB_GO)
            gdb_send(g);
        if (strcmp(g->in, "QStartNoAckMode") == 0)
            g->acks = false;
    }
    if (g->fd >= 0 && resume == GDB_GO)
        return;
    g->killed = g->killed || resume == GDB_KILL;
    forget_debugger(g);
}

static unsigned thread_number(const struct gdb *g, const struct probe_event *e)
{
    unsigned i = 0;

    while (i < g->thread_count && (g->threads[i].host != e->node || g->threads[i].hart != e->unit))
        i++;
    assert(i < g->thread_count);
    return i;
}

static void stop(struct gdb *g, unsigned thread)
{
    g->stopped = g->selected = thread;
    g->stop_all = false;
    g->step = 0;
    g->out_len = 0;
    gdb_say_stop(g);
    if (gdb_send(g))
        serve(g);
    else
        forget_debugger(g);
}

static bool has_breakpoint(const struct gdb *g, uint64_t pc)
{
    uint64_t bit = pc / 2 % GDB_FILTER;
    bool found = false;

    if ((g->filter[bit / 64] >> bit % 64 & 1) == 0)
        return false;
    for (unsigned i = 0; i < g->breakpoint_count; i++)
        found = found || g->breakpoints[i] == pc;
    return found;
}

static void gdb_event(void *arg, const struct probe_event *e)
{
    struct gdb_node *node = arg;
    struct gdb *g = node->gdb;
    unsigned thread;

    if (g->fd < 0)
        return;
    if (UNLIKELY(--g->countdown == 0)) {
        g->countdown = GDB_LOOK;
        g->stop_all = g->stop_all || gdb_interrupted(g);
    }
    if (LIKELY(!g->stop_all && g->step == 0 && g->skip == 0 && !has_breakpoint(g, e->a)))
        return;
    thread = thread_number(g, e);
    if (g->skip == thread + 1) {
        g->skip = 0;
        return;
    }
    if (g->stop_all || g->step == thread + 1 || has_breakpoint(g, e->a))
        stop(g, thread);
}

int gdb_listen(struct gdb **out, uint16_t port, unsigned hosts, struct error_text *et)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct gdb *g = calloc(1, sizeof *g);
    socklen_t len = sizeof at;
    int on = 1;

    *out = NULL;
    if (g != NULL)
        g->nodes = calloc(hosts, sizeof *g->nodes);
    if (g == NULL || g->nodes == NULL) {
        free(g);
        return error_set(et, ENOMEM, "out of memory");
    }
    g->hosts = hosts;
    g->fd = -1;
    g->acks = true;
    g->countdown = GDB_LOOK;
    for (unsigned i = 0; i < hosts; i++) {
        g->nodes[i].gdb = g;
        g->nodes[i].probe =
            (struct probe){.node = i, .wanted = 1u << PROBE_insn, .event = gdb_event, .arg = &g->nodes[i]};
    }
    g->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (g->listener >= 0)
        setsockopt(g->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (g->listener < 0 || bind(g->listener, (struct sockaddr *)&at, sizeof at) != 0 || listen(g->listener, 1) != 0 ||
        getsockname(g->listener, (struct sockaddr *)&at, &len) != 0) {
        int err = errno;

        gdb_finish(g, 0);
        return error_set(et, err, "port %u of 127.0.0.1: %s", port, strerror(err));
    }
    g->port = ntohs(at.sin_port);
    *out = g;
    return 0;
}

uint16_t gdb_port(const struct gdb *g)
{
    return g->port;
}

struct probe *gdb_probe(struct gdb *g, unsigned host)
{
    assert(host < g->hosts);
    return &g->nodes[host].probe;
}

int gdb_attach(struct gdb *g, struct machine *machine, struct error_text *et)
{
    unsigned count = 0;
    int on = 1;

    g->machine = machine;
    for (unsigned i = 0; i < g->hosts; i++)
        count += host_cores(machine_host(machine, i));
    g->threads = count > 0 ? calloc(count, sizeof *g->threads) : NULL;
    if (g->threads == NULL)
        return error_set(et, ENOMEM, "out of memory");
    for (unsigned i = 0; i < g->hosts; i++)
        for (unsigned hart = 0; hart < host_cores(machine_host(machine, i)); hart++)
            g->threads[g->thread_count++] = (struct gdb_thread){i, hart};
    g->fd = accept(g->listener, NULL, NULL);
    if (g->fd < 0)
        return error_set(et, errno, "the debugger's connection: %s", strerror(errno));
    setsockopt(g->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    serve(g);
    if (g->fd >= 0)
        g->skip = 1; /* nothing has run yet: the first hart's first instruction is where the debugger stands already */
    return 0;
}

bool gdb_poll(struct gdb *g)
{
    if (g->fd >= 0)
        g->stop_all = g->stop_all || gdb_interrupted(g);
    return g->killed;
}

void gdb_finish(struct gdb *g, int exit_code)
{
    if (g == NULL)
        return;
    g->out_len = 0;
    gdb_say(g, "W%02x", (unsigned)exit_code & 0xff);
    if (g->fd >= 0)
        gdb_send(g);
    if (g->fd >= 0)
        close(g->fd);
    if (g->listener >= 0)
        close(g->listener);
    free(g->threads);
    free(g->nodes);
    free(g);
}
