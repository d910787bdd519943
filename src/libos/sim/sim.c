/* SPDX-License-Identifier: MIT */
/*
 * sim: several hosts with the TCP/IP stack on a simulated network, all in one instance and in virtual time, so that a
 * test of an application runs its client and its server in one thread, with whatever faults the network is to have, in
 * no time and the same way each time.
 *
 * 1. Hosts have the addresses 10.0.0.1, 10.0.0.2, ... and fd00::1, fd00::2, ... A socket belongs to the host whose
 * address it is bound to, to the first one when that is the unspecified or a loopback address. One that is not bound
 * and connects to a host becomes a client on the next one, so that what it says goes over the network.
 * 2. Time passes when a wait would sleep: the clock then jumps to the next frame, timer or deadline. A turn that finds
 * nothing takes TURN_NS, so that a program that polls without waiting gets on too.
 */
#include "netdev/sim/sim.h"
#include "libos/registry.h"
#include "libos/stack/stack.h"
#include "netdev/pcap.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOSTS_MAX 8
#define TURN_NS   200

struct simos {
    struct sim_net *net;
    struct pcap *pcap;
    unsigned hosts;
    struct stack *host[HOSTS_MAX];
};

static struct simos *simos_of(const struct instance *inst)
{
    return inst->net_state;
}

static enum co_status turn(struct instance *inst, struct op *task)
{
    struct simos *so = simos_of(inst);
    unsigned moved = 0;

    (void)task;
    for (unsigned i = 0; i < so->hosts; i++)
        moved += stack_poll(so->host[i]);
    if (moved == 0) {
        sim_advance(so->net, *sim_clock(so->net) + TURN_NS);
        inst->now_ns = *sim_clock(so->net);
    }
    return CO_AGAIN;
}

/* Instead of sleeping, time passes. */
static bool arm(struct instance *inst)
{
    struct simos *so = simos_of(inst);
    uint64_t next = inst->sleep_until_ns;
    bool quiet = true;

    for (unsigned i = 0; i < so->hosts; i++)
        quiet &= stack_arm(so->host[i]);
    if (!quiet)
        return false;
    if (timer_next_ns(&inst->timers) < next)
        next = timer_next_ns(&inst->timers);
    if (sim_next_ns(so->net) < next)
        next = sim_next_ns(so->net);
    if (next == UINT64_MAX)
        return true; /* nothing will ever happen by itself */
    sim_advance(so->net, next);
    return false;
}

static unsigned host_of(const struct simos *so, const struct inet_addr *a)
{
    for (unsigned i = 0; i < so->hosts; i++)
        if (!inet_addr_is_loopback(a) && ip_is_local(so->host[i]->in, a))
            return i;
    return HOSTS_MAX;
}

/* Note 1. */
static void place(struct sock *s, const struct inet_addr *local, const struct inet_addr *remote)
{
    struct simos *so = simos_of(s->stack->inst);
    unsigned i = host_of(so, local != NULL ? local : remote);

    if (i == HOSTS_MAX)
        i = 0;
    else if (local == NULL)
        i = (i + 1) % so->hosts;
    if (so->host[i] != s->stack)
        stack_move(s, so->host[i]);
}

static int add_host(struct instance *inst, struct simos *so)
{
    struct netdev *port = sim_port(so->net, &inst->mem, (uint16_t)inst->config.sim_mtu);
    struct stack_config cfg;
    struct inet_addr a4 = INET_ADDR4(10, 0, 0, 0), a6 = {{{0xfd}}};
    struct stack *st;
    char name[16];
    int err;

    if (port == NULL)
        return error_set(&inst->error, ENOMEM, "no memory for a simulated host");
    stack_config_defaults(&cfg, inst);
    snprintf(name, sizeof(name), "host%u", so->hosts + 1);
    cfg.pcap = so->pcap;
    cfg.name = name;
    st = stack_new(inst, port, &cfg, &err);
    if (st == NULL)
        return err;
    st->place = place;
    so->host[so->hosts++] = st;
    a4.b[15] = a6.b[15] = (uint8_t)so->hosts;
    err = inet_addr_add(st->in, &a4, 24);
    if (err == 0 && port->mtu >= IP_MTU_MIN6)
        err = inet_addr_add(st->in, &a6, 64);
    return err == 0 ? 0 : error_set(&inst->error, -err, "a simulated host's address: %s", strerror(-err));
}

/* What the network loses no stack receives. */
static void tap(void *ctx, uint64_t now_ns, unsigned port, bool arriving, const uint8_t *bytes, uint32_t len,
                const char *fate)
{
    struct instance *inst = ctx;
    struct frame_seg seg = {NULL, (char *)(uintptr_t)bytes, len};

    pcap_begin(simos_of(inst)->pcap, now_ns, port, &seg, 1);
    if (pcap_end(simos_of(inst)->pcap, arriving ? PCAP_RECEIVED : PCAP_SENT, fate))
        COUNT(inst, pcap_frames);
    else
        COUNT(inst, pcap_lost);
}

static int open_pcap(struct instance *inst, struct simos *so)
{
    int err;

    so->pcap = capture_file(inst, &err);
    if (so->pcap != NULL)
        sim_set_tap(so->net, tap, inst);
    return err;
}

static void take_down(struct simos *so)
{
    if (so->net != NULL)
        sim_set_tap(so->net, NULL, NULL);
    for (unsigned i = 0; i < so->hosts; i++)
        stack_free(so->host[i]);
    if (so->net != NULL)
        sim_free(so->net);
    if (so->pcap != NULL)
        pcap_close(so->pcap);
    free(so);
}

static struct sim_faults faults_of(const struct config *c)
{
    return (struct sim_faults){.delay_ns = c->sim_delay_us * NS_PER_US,
                               .jitter_ns = c->sim_jitter_us * NS_PER_US,
                               .rate_bps = c->sim_rate_mbps * 1000000,
                               .queue_ns = 100 * NS_PER_MS,
                               .loss = (uint32_t)c->sim_loss,
                               .duplicate = (uint32_t)c->sim_duplicate,
                               .reorder = (uint32_t)c->sim_reorder,
                               .corrupt = (uint32_t)c->sim_corrupt};
}

static int sim_init(struct instance *inst)
{
    struct sim_faults faults = faults_of(&inst->config);
    struct simos *so = calloc(1, sizeof(*so));
    int err = 0;

    if (so != NULL)
        so->net = sim_new(inst->config.sim_seed, &faults);
    if (so == NULL || so->net == NULL) {
        free(so);
        return error_set(&inst->error, ENOMEM, "no memory for a simulated network");
    }
    inst->net_state = so;
    instance_use_clock(inst, sim_clock(so->net));
    err = open_pcap(inst, so);
    while (err == 0 && so->hosts < inst->config.sim_hosts)
        err = add_host(inst, so);
    if (err == 0)
        err = instance_add_poller(inst, turn, arm, NULL);
    if (err == 0)
        return 0;
    take_down(so);
    inst->net_state = NULL;
    return err;
}

static void sim_fini(struct instance *inst)
{
    static const uint64_t end_of_time = SIM_START_NS;

    take_down(simos_of(inst));
    inst->net_state = NULL;
    clock_use_virtual(&inst->clock, &end_of_time); /* the network's is gone */
}

static int sim_socket(struct instance *inst, struct queue *q)
{
    return stack_socket(simos_of(inst)->host[0], q);
}

const struct libos libos_sim = {
    .name = "sim",
    .what = "a simulated network inside the process",
    .moves_time = true,
    .init = sim_init,
    .fini = sim_fini,
    .socket = sim_socket,
};
