/* SPDX-License-Identifier: MIT */
/* What is said after a run: what ended it, and the counters. */
#include "run.h"

#include "nanopu.h"

#include "../common/json.h"

#include "nanopu/hart/l2.h"
#include "nanopu/hart/pipe.h"
#include "nanopu/ring/ring.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_CYCLE (1000.0 / CLOCK_MHZ)
#define COUNTERS_MAX 96

static const char *const end_names[] = {[MACHINE_EXITED] = "exited",
                                        [MACHINE_FAILED] = "failed",
                                        [MACHINE_LIMIT] = "limit",
                                        [MACHINE_STUCK] = "stuck",
                                        [MACHINE_STOPPED] = "stopped"};

static const char *const state_names[] = {
    [HOST_RUNNING] = "running", [HOST_EXITED] = "exited", [HOST_FAILED] = "failed"};

static unsigned running_hosts(const struct run_result *r, const char **first)
{
    unsigned count = 0;

    for (unsigned i = 0; i < r->topology->host_count; i++) {
        if (host_state(machine_host(r->machine, i)) == HOST_RUNNING && count++ == 0)
            *first = r->topology->nodes[i]->name;
    }
    return count;
}

static int conclude_nodes(const struct run_result *r)
{
    int code = NANOPU_OK;

    for (unsigned i = 0; i < r->topology->host_count; i++) {
        const struct host *h = machine_host(r->machine, i);

        if (host_state(h) == HOST_FAILED)
            code = fail("%s: %s", r->topology->nodes[i]->name, host_failure(h));
        else if (host_state(h) == HOST_EXITED && code == NANOPU_OK)
            code = host_exit_code(h);
    }
    for (unsigned i = 0; i < r->topology->node_count; i++) {
        const struct port *p = machine_port(r->machine, i);

        if (p != NULL && port_state(p) == PORT_FAILED)
            code = fail("%s: %s", r->topology->nodes[i]->name, port_failure(p));
    }
    return code;
}

int run_conclude(const struct run_result *r, bool quiet)
{
    int code = conclude_nodes(r);
    const char *who = "";
    unsigned running = running_hosts(r, &who);
    uint64_t cycle = machine_cycle(r->machine);

    if (r->end == MACHINE_LIMIT)
        return fail("the limit of %" PRIu64 " cycles was reached; %u of %u hosts still run (%s)", cycle, running,
                    r->topology->host_count, who);
    if (r->end == MACHINE_STUCK)
        return fail("nothing will happen any more after cycle %" PRIu64 "; %u of %u hosts wait for ever (%s)", cycle,
                    running, r->topology->host_count, who);
    if (r->end == MACHINE_STOPPED)
        return fail("interrupted at cycle %" PRIu64, cycle);
    if (!quiet && r->end == MACHINE_EXITED && code != NANOPU_OK && r->topology->host_count > 1)
        fprintf(stderr, "nanopu: a host ended with exit code %d\n", code);
    return r->end == MACHINE_FAILED ? NANOPU_FAIL : code & 0xff;
}

/* A list of counters as names and values. */
struct counters {
    const char *name[COUNTERS_MAX];
    uint64_t value[COUNTERS_MAX];
    unsigned count;
};

static void add(struct counters *c, const char *name, uint64_t value)
{
    assert(c->count < COUNTERS_MAX);
    c->name[c->count] = name;
    c->value[c->count++] = value;
}

#define ADD(field, help) add(c, #field, s->field);
static void add_nic(struct counters *c, const struct nic_stats *s)
{
    NIC_COUNTERS(ADD)
}

static void add_hts(struct counters *c, const struct hts_stats *s)
{
    HTS_COUNTERS(ADD)
}

static void add_ring(struct counters *c, const struct ring_stats *s)
{
    RING_COUNTERS(ADD)
}

static void add_pipe(struct counters *c, const struct pipe_stats *s)
{
#define ADD_STALL(field, help) add(c, "stall_" #field, s->stall[PIPE_STALL_##field]);
    if (s == NULL)
        return;
    PIPE_COUNTERS(ADD)
    PIPE_STALLS(ADD_STALL)
#undef ADD_STALL
}

static void add_l2(struct counters *c, const struct l2_stats *s)
{
    L2_COUNTERS(ADD)
}

static void add_switch(struct counters *c, const struct switch_stats *s)
{
    SWITCH_COUNTERS(ADD)
}

static void add_port(struct counters *c, const struct port_stats *s)
{
    PORT_COUNTERS(ADD)
}
#undef ADD

static void json_counters(struct json *j, const char *name, const struct counters *c)
{
    json_begin(j, name, '{');
    for (unsigned i = 0; i < c->count; i++)
        json_uint(j, c->name[i], c->value[i]);
    json_end(j, '{');
}

/* The NIC that the host has. */
static void add_network(struct counters *c, const struct host *h)
{
    if (host_ring(h) != NULL)
        add_ring(c, ring_stats(host_ring(h)));
    else
        add_nic(c, nic_stats(host_nic(h)));
}

static void json_harts(struct json *j, struct host *h)
{
    json_begin(j, "harts", '[');
    for (unsigned i = 0; i < host_cores(h); i++) {
        struct counters c = {.count = 0};
        uint64_t mcycle = 0;

        hart_csr_get(host_hart(h, i), 0xb00, &mcycle);
        add(&c, "instret", hart_instret(host_hart(h, i)));
        add(&c, "mcycle", mcycle);
        add_pipe(&c, hart_pipe_stats(host_hart(h, i)));
        if (host_hts(h, i) != NULL)
            add_hts(&c, hts_stats(host_hts(h, i)));
        json_counters(j, NULL, &c);
    }
    json_end(j, '[');
}

static void json_host(struct json *j, const struct topology_node *n, struct host *h)
{
    struct counters nic = {.count = 0}, l2 = {.count = 0};
    char ip[16];

    json_begin(j, NULL, '{');
    json_text(j, "name", n->name);
    json_text(j, "ip", ip_text(n->ip, ip));
    json_text(j, "state", state_names[host_state(h)]);
    if (host_state(h) == HOST_EXITED)
        json_int(j, "exit_code", host_exit_code(h));
    if (host_state(h) != HOST_RUNNING)
        json_uint(j, "exit_cycle", host_exit_cycle(h));
    json_uint(j, "instret", host_instret(h));
    json_uint(j, "drop_host_pool", host_lost(h));
    json_harts(j, h);
    add_network(&nic, h);
    json_counters(j, "nic", &nic);
    if (host_l2(h) != NULL) {
        add_l2(&l2, l2_stats(host_l2(h)));
        json_counters(j, "l2", &l2);
    }
    json_end(j, '{');
}

/* Counters of a switch or a port. */
static void add_fabric(struct counters *c, const struct machine *m, unsigned node)
{
    if (machine_switch(m, node) != NULL)
        add_switch(c, switch_stats(machine_switch(m, node)));
    else
        add_port(c, port_stats(machine_port(m, node)));
}

static void json_fabric(struct json *j, const struct run_result *r, const char *name, enum topology_kind kind)
{
    json_begin(j, name, '[');
    for (unsigned i = 0; i < r->topology->node_count; i++) {
        struct counters c = {.count = 0};

        if (r->topology->nodes[i]->kind != kind)
            continue;
        add_fabric(&c, r->machine, i);
        json_begin(j, NULL, '{');
        json_text(j, "name", r->topology->nodes[i]->name);
        json_counters(j, "counters", &c);
        json_end(j, '{');
    }
    json_end(j, '[');
}

static void print_json(const struct run_result *r)
{
    const struct topology *t = r->topology;
    double instret = (double)machine_instret(r->machine);
    struct json j;

    json_init(&j, stdout);
    json_begin(&j, NULL, '{');
    json_text(&j, "end", end_names[r->end]);
    json_text(&j, "profile", t->nodes[0]->params.profile);
    json_uint(&j, "cycles", machine_cycle(r->machine));
    json_real(&j, "simulated_us", (double)machine_cycle(r->machine) * NS_PER_CYCLE / 1000);
    json_uint(&j, "instructions", machine_instret(r->machine));
    json_uint(&j, "packets", machine_packets(r->machine));
    json_uint(&j, "windows", machine_windows(r->machine));
    json_uint(&j, "threads", r->threads);
    json_real(&j, "seconds", r->seconds);
    json_real(&j, "mips", r->seconds > 0 ? instret / 1e6 / r->seconds : 0);
    json_begin(&j, "hosts", '[');
    for (unsigned i = 0; i < t->host_count; i++)
        json_host(&j, t->nodes[i], machine_host(r->machine, i));
    json_end(&j, '[');
    json_fabric(&j, r, "switches", TOPOLOGY_SWITCH);
    json_fabric(&j, r, "ports", TOPOLOGY_PORT);
    json_end(&j, '{');
    json_line(&j);
}

/* Those that are not 0. */
static void text_counters(const char *what, const struct counters *c)
{
    for (unsigned i = 0; i < c->count; i++) {
        if (c->value[i] != 0)
            printf("  %-8s %-20s %12" PRIu64 "\n", what, c->name[i], c->value[i]);
    }
}

static void text_host(const struct topology_node *n, struct host *h)
{
    struct counters nic = {.count = 0}, l2 = {.count = 0};
    char ip[16], what[16];

    printf("%s (%s): %s", n->name, ip_text(n->ip, ip), state_names[host_state(h)]);
    if (host_state(h) == HOST_EXITED)
        printf(" with code %d", host_exit_code(h));
    printf("%s%" PRIu64 "\n", host_state(h) == HOST_RUNNING ? "; at cycle " : " at cycle ",
           host_state(h) == HOST_RUNNING ? host_cycle(h) : host_exit_cycle(h));
    for (unsigned i = 0; i < host_cores(h); i++) {
        struct counters c = {.count = 0};

        snprintf(what, sizeof(what), "hart %u", i);
        add(&c, "instret", hart_instret(host_hart(h, i)));
        add_pipe(&c, hart_pipe_stats(host_hart(h, i)));
        if (host_hts(h, i) != NULL)
            add_hts(&c, hts_stats(host_hts(h, i)));
        text_counters(what, &c);
    }
    add_network(&nic, h);
    text_counters("nic", &nic);
    if (host_l2(h) != NULL)
        add_l2(&l2, l2_stats(host_l2(h)));
    text_counters("l2", &l2);
}

static void print_text(const struct run_result *r)
{
    const struct topology *t = r->topology;
    uint64_t instret = machine_instret(r->machine);

    printf("%s after %" PRIu64 " cycles (%.3f us); %" PRIu64 " instructions, %" PRIu64
           " packets; %.2f s, %.1f M instr/s\n",
           end_names[r->end], machine_cycle(r->machine), (double)machine_cycle(r->machine) * NS_PER_CYCLE / 1000,
           instret, machine_packets(r->machine), r->seconds, r->seconds > 0 ? (double)instret / 1e6 / r->seconds : 0);
    for (unsigned i = 0; i < t->node_count; i++) {
        struct counters c = {.count = 0};

        if (machine_host(r->machine, i) != NULL) {
            text_host(t->nodes[i], machine_host(r->machine, i));
            continue;
        }
        printf("%s\n", t->nodes[i]->name);
        add_fabric(&c, r->machine, i);
        text_counters(t->nodes[i]->kind == TOPOLOGY_SWITCH ? "switch" : "port", &c);
    }
}

void run_print_stats(const struct run_result *r, enum run_stats format)
{
    if (format == STATS_JSON)
        print_json(r);
    else if (format == STATS_TEXT)
        print_text(r);
}
