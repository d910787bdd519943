/* SPDX-License-Identifier: MIT */
/* Building a world, letting time pass in it, and what must hold at its end. */
#include "world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEPS_MAX   3000000              /* turns of all hosts */
#define TIME_MAX_NS (7200 * NS_PER_S)    /* of virtual time, for the conversations */
#define LITTLE_MIN  (UINT64_C(4) << 20)  /* a host of a starved world has at least so much */
#define LITTLE_MORE (UINT64_C(28) << 20) /* and up to so much more */
#define REST_NS     (900 * NS_PER_S)     /* in which everything of TCP must have come to an end */

uint64_t world_draw(struct world *w, uint64_t n)
{
    uint64_t z = w->random += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (z ^ (z >> 31)) % n;
}

static bool chance(struct world *w, unsigned percent)
{
    return world_draw(w, 100) < percent;
}

bool world_fail(struct world *w, const char *fmt, ...)
{
    va_list ap;

    if (w->text[0] != '\0')
        return false;
    va_start(ap, fmt);
    vsnprintf(w->text, sizeof(w->text), fmt, ap);
    va_end(ap);
    return false;
}

static bool add_host(struct world *w)
{
    const struct node_config cfg = {.pcap = w->pcap, .memory = w->memory, .mtu = w->mtu, .v6 = w->v6};
    struct host *h = &w->host[w->hosts];
    char why[NODE_TEXT];

    *h = (struct host){.listener = -1};
    if (!node_open(&h->node, w->net, &cfg, why))
        return world_fail(w, "%s", why);
    w->hosts++;
    return true;
}

static uint32_t ppm_up_to(struct world *w, uint32_t max)
{
    return chance(w, 50) ? (uint32_t)world_draw(w, max) : 0;
}

/* The network and what is to go wrong in it. */
static void draw_network(struct world *w)
{
    static const uint16_t mtus[] = {1500, 1500, 1500, 576, 1280, 9000};

    w->v6 = chance(w, 30);
    w->mtu = mtus[world_draw(w, ARRAY_LEN(mtus))];
    if (w->v6 && w->mtu < IP_MTU_MIN6)
        w->mtu = 1500;
    w->faults = (struct sim_faults){
        .delay_ns = world_draw(w, 4) == 0 ? world_draw(w, 100 * NS_PER_MS) : world_draw(w, 200 * NS_PER_US),
        .jitter_ns = chance(w, 40) ? world_draw(w, NS_PER_MS) : 0,
    };
    if (chance(w, 30)) {
        w->faults.rate_bps = 1000000 + world_draw(w, 1000000000);
        w->faults.queue_ns = NS_PER_MS + world_draw(w, 50 * NS_PER_MS);
    }
    if (chance(w, 70)) {
        w->faults.loss = ppm_up_to(w, 100000);
        w->faults.duplicate = ppm_up_to(w, 100000);
        w->faults.reorder = ppm_up_to(w, 100000);
        w->faults.corrupt = ppm_up_to(w, 50000);
        w->faults.truncate = ppm_up_to(w, 50000);
        w->faults.no_buffer = ppm_up_to(w, 30000);
        w->faults.refuse = ppm_up_to(w, 30000);
    }
    w->dark_host = WORLD_HOSTS;
    if (chance(w, 20)) {
        w->dark_host = (unsigned)world_draw(w, 2);
        w->dark_from_ns = SIM_START_NS + world_draw(w, 50 * NS_PER_MS);
        w->dark_until_ns = w->dark_from_ns + world_draw(w, 5 * NS_PER_S);
        if (chance(w, 25)) {
            w->dark_until_ns = UINT64_MAX; /* it vanished */
            w->rough = true;
        }
    }
    if (chance(w, 10)) {
        w->jump_at_ns = SIM_START_NS + world_draw(w, NS_PER_S);
        w->jump_ns = world_draw(w, 10 * NS_PER_S);
    }
}

/* Drawn apart from all else, so that a seed's world is the same with plenty of memory. */
static void draw_memory(struct world *w)
{
    uint64_t before = w->random;

    w->memory = NODE_MEMORY;
    w->random = ~w->seed;
    if (chance(w, 10)) {
        w->memory = LITTLE_MIN + world_draw(w, LITTLE_MORE);
        w->starved = true;
    }
    w->random = before;
}

static void draw_small(struct world *w)
{
    w->v6 = chance(w, 50);
    w->mtu = 1500;
    w->dark_host = WORLD_HOSTS;
    w->faults = (struct sim_faults){.delay_ns = 50 * NS_PER_US};
    w->memory = NODE_MEMORY;
    w->starved = true;
}

static bool build(struct world *w, uint64_t seed, const char *pcap, bool small)
{
    int err = 0;

    *w = (struct world){.seed = seed, .random = seed * 2 + 1, .small = small};
    if (small)
        draw_small(w);
    else
        draw_network(w);
    traffic_plan(w);
    if (!small)
        draw_memory(w);
    w->net = sim_new(seed, &w->faults);
    if (w->net == NULL)
        return world_fail(w, "no memory");
    if (pcap != NULL) {
        w->pcap = node_capture(w->net, pcap, "Caracal's simulation", &err);
        if (w->pcap == NULL)
            return world_fail(w, "%s: %s", pcap, strerror(-err));
    }
    for (unsigned i = 0, n = 2 + (small ? 0 : (unsigned)world_draw(w, WORLD_HOSTS - 1)); i < n; i++)
        if (!add_host(w))
            return false;
    return true;
}

static void take_down(struct world *w)
{
    for (unsigned i = 0; i < w->hosts; i++)
        node_close(&w->host[i].node);
    if (w->net != NULL)
        sim_free(w->net);
    if (w->pcap != NULL)
        pcap_close(w->pcap);
}

static uint64_t now(const struct world *w)
{
    return *sim_clock(w->net);
}

/* The earliest moment at which something happens by itself. */
static uint64_t next_event(const struct world *w)
{
    uint64_t next = sim_next_ns(w->net), thought = traffic_next_ns(w);

    next = thought < next ? thought : next;
    for (unsigned i = 0; i < w->hosts; i++) {
        uint64_t own = node_next_ns(&w->host[i].node);

        next = own < next ? own : next;
    }
    if (w->dark_from_ns > now(w) && w->dark_from_ns < next)
        next = w->dark_from_ns;
    if (w->dark_until_ns > now(w) && w->dark_until_ns < next)
        next = w->dark_until_ns;
    return next;
}

static void move_clock(struct world *w, uint64_t to_ns)
{
    if (w->jump_at_ns != 0 && to_ns >= w->jump_at_ns) {
        to_ns += w->jump_ns;
        w->jump_at_ns = 0;
    }
    sim_advance(w->net, to_ns > now(w) ? to_ns : now(w) + 1);
    if (w->dark_host < w->hosts)
        sim_set_dark(w->net, w->host[w->dark_host].node.port, now(w) >= w->dark_from_ns && now(w) < w->dark_until_ns);
    for (unsigned i = 0; i < w->hosts; i++)
        instance_look_at_clock(w->host[i].node.inst);
}

/* One turn of every host. Returns whether anything happened. */
static bool turn_all(struct world *w)
{
    bool busy = false;

    for (unsigned i = 0; i < w->hosts; i++) {
        struct host *h = &w->host[i];

        node_enter(&h->node);
        instance_turn(h->node.inst);
        busy |= h->node.moved > 0;
        busy |= traffic_step(w, h);
        if (mem_bytes_used(&h->node.inst->mem) > w->memory)
            world_fail(w, "host %u uses more memory than its limit", i);
    }
    return busy;
}

static bool stuck(struct world *w, const char *how)
{
    char where[WORLD_TEXT / 2] = "";

    traffic_describe(w, where, sizeof(where));
    return world_fail(w, "stuck: %s%s", how, where);
}

static bool run(struct world *w)
{
    uint64_t end_ns = now(w) + TIME_MAX_NS;

    while (!traffic_over(w) && w->text[0] == '\0') {
        uint64_t next;

        if (++w->steps > STEPS_MAX)
            return world_fail(w, "no end after %d turns", STEPS_MAX);
        if (turn_all(w))
            continue;
        next = next_event(w);
        if (next == UINT64_MAX)
            return stuck(w, "nothing is under way and no timer is armed");
        if (next > end_ns)
            return stuck(w, "not over after two hours of the network's time");
        move_clock(w, next);
    }
    return w->text[0] == '\0';
}

/* What is left of closed connections comes to its end; then every pool is as it was. */
static bool rest(struct world *w)
{
    uint64_t end_ns = now(w) + REST_NS;
    char why[NODE_TEXT];

    while (now(w) < end_ns && w->text[0] == '\0') {
        uint64_t next;

        if (++w->steps > 2 * STEPS_MAX)
            return world_fail(w, "no rest after %d turns", 2 * STEPS_MAX);
        if (turn_all(w))
            continue;
        next = next_event(w);
        move_clock(w, next < end_ns ? next : end_ns);
    }
    for (unsigned i = 0; i < w->hosts; i++)
        if (!node_idle(&w->host[i].node, why))
            world_fail(w, "%s", why);
    return w->text[0] == '\0';
}

bool world_run(struct world *w, uint64_t seed, const char *pcap)
{
    bool good = build(w, seed, pcap, false) && traffic_start(w) && run(w) && traffic_judge(w) && rest(w);

    take_down(w);
    return good;
}

bool world_run_small(struct world *w, uint64_t seed, void (*hook)(struct world *w))
{
    bool good = build(w, seed, NULL, true);

    if (good) {
        hook(w);
        good = traffic_start(w) && run(w) && traffic_judge(w) && rest(w);
    }
    take_down(w);
    return good;
}
