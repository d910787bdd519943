/* SPDX-License-Identifier: MIT */
/* A host of a simulation. */
#include "node.h"

#include "netdev/pcap.h"

#include <stdio.h>

#define PCAP_MAX (256 << 20) /* bytes of a capture */

static enum co_status turn(struct instance *inst, struct op *task)
{
    struct node *n = inst->net_state;

    (void)task;
    n->moved = stack_poll(n->st);
    return CO_AGAIN;
}

/* The node that is being made: instance_new hands its libOS nothing but the instance. */
static struct node *newborn;

static int node_init(struct instance *inst)
{
    struct node *n = newborn;
    struct stack_config cfg;
    char name[16];
    int err;

    inst->net_state = n;
    instance_use_clock(inst, sim_clock(n->net));
    n->port = sim_port(n->net, &inst->mem, n->cfg.mtu);
    if (n->port == NULL)
        return -ENOMEM;
    n->number = n->port->mac[5];
    stack_config_defaults(&cfg, inst);
    cfg.inet.neighbours = 16;
    cfg.inet.udp_sockets = 16;
    cfg.tcp.conns = 64;
    cfg.tcp.half_open = 32;
    cfg.tcp.time_waits = 32;
    cfg.tcp.orphans = 32;
    snprintf(name, sizeof(name), "host%u", n->number);
    cfg.pcap = n->cfg.pcap;
    cfg.name = name;
    n->st = stack_new(inst, n->port, &cfg, &err);
    return n->st == NULL ? err : instance_add_poller(inst, turn, NULL, NULL);
}

static void node_fini(struct instance *inst)
{
    static const uint64_t end_of_time = SIM_START_NS;
    struct node *n = inst->net_state;

    stack_free(n->st);
    clock_use_virtual(&inst->clock, &end_of_time);
}

static int node_socket(struct instance *inst, struct queue *q)
{
    return stack_socket(((struct node *)inst->net_state)->st, q);
}

static const struct libos node_libos = {
    .name = "node", .what = "a host of a simulation", .init = node_init, .fini = node_fini, .socket = node_socket};

static void tap(void *ctx, uint64_t now_ns, unsigned port, bool arriving, const uint8_t *bytes, uint32_t len,
                const char *fate)
{
    struct frame_seg seg = {NULL, (char *)(uintptr_t)bytes, len};

    pcap_begin(ctx, now_ns, port, &seg, 1);
    (void)pcap_end(ctx, arriving ? PCAP_RECEIVED : PCAP_SENT, fate);
}

struct pcap *node_capture(struct sim_net *net, const char *path, const char *title, int *err)
{
    struct pcap *p = pcap_open(path, title, PCAP_MAX, err);

    if (p != NULL)
        sim_set_tap(net, tap, p);
    return p;
}

bool node_open(struct node *n, struct sim_net *net, const struct node_config *how, char text[NODE_TEXT])
{
    struct inet_addr a4 = INET_ADDR4(10, 0, 0, 0), a6 = {{{0xfd}}};
    struct error_text et = {""};
    struct config cfg;
    int err = 0;

    config_defaults(&cfg);
    cfg.memory_limit = how->memory;
    cfg.sga_limit = 1 << 20;
    cfg.max_queues = 128;
    cfg.max_operations = 1024;
    cfg.stat = cfg.trace = false;
    *n = (struct node){.net = net, .cfg = *how};
    newborn = n;
    n->inst = instance_new(&node_libos, NULL, &cfg, &err, &et);
    if (n->inst == NULL) {
        snprintf(text, NODE_TEXT, "instance_new: %s", et.text);
        return false;
    }
    a4.b[15] = a6.b[15] = (uint8_t)n->number;
    if (inet_addr_add(n->st->in, &a4, 24) != 0 || (how->v6 && inet_addr_add(n->st->in, &a6, 64) != 0)) {
        snprintf(text, NODE_TEXT, "inet_addr_add");
        return false;
    }
    n->idle_bytes = mem_bytes_used(&n->inst->mem);
    n->idle_ops = n->inst->ops.used;
    return true;
}

void node_close(struct node *n)
{
    if (n->inst == NULL)
        return;
    node_enter(n);
    instance_free(n->inst);
    api_self.inst = NULL;
}

uint64_t node_next_ns(const struct node *n)
{
    uint64_t a = timer_next_ns(&n->inst->timers), b = timer_next_ns(&n->st->wheel);

    return a < b ? a : b;
}

bool node_idle(const struct node *n, char text[NODE_TEXT])
{
    if (tcp_count(n->st->tcp) != 0)
        snprintf(text, NODE_TEXT, "host %u still has %u connections", n->number, tcp_count(n->st->tcp));
    else if (n->inst->queues.used != 0)
        snprintf(text, NODE_TEXT, "host %u still has %u queues", n->number, n->inst->queues.used);
    else if (n->inst->ops.used != n->idle_ops)
        snprintf(text, NODE_TEXT, "host %u still has %u operations", n->number, n->inst->ops.used - n->idle_ops);
    else if (mem_bytes_used(&n->inst->mem) != n->idle_bytes)
        snprintf(text, NODE_TEXT, "host %u still has %lld bytes of memory", n->number,
                 (long long)(mem_bytes_used(&n->inst->mem) - n->idle_bytes));
    else
        return true;
    return false;
}
