/* SPDX-License-Identifier: MIT */
/* A host on a device: see host.h. */
#include "host.h"

#include "kernel.h"
#include "libos/prefix.h"
#include "netdev/netdev.h"
#include "stack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KERNEL_ADDRS 256 /* of all its interfaces, as far as they are compared */

struct host {
    struct stack *stack;
    bool watched; /* the device's descriptor can wake the instance */
    unsigned addrs;
    struct {
        struct inet_addr addr;
        unsigned prefix;
    } own[NETDEV_ADDRS];
};

static struct host *host_of(const struct instance *inst)
{
    return inst->net_state;
}

static enum co_status turn(struct instance *inst, struct op *task)
{
    (void)task;
    stack_poll(host_of(inst)->stack);
    return CO_AGAIN;
}

/* The descriptor is watched from the first sleep on: a wake-up that nobody waits for costs the sender time. */
static bool arm(struct instance *inst)
{
    struct host *h = host_of(inst);
    int fd = h->stack->dev->fd;

    if (fd < 0)
        return false; /* nothing would wake us: spin */
    if (!h->watched && instance_watch_wakeup(inst, fd) < 0)
        return false;
    h->watched = true;
    return stack_arm(h->stack);
}

/* --- addresses --- */

static bool own_add(struct host *h, const struct inet_addr *a, unsigned prefix)
{
    if (h->addrs == NETDEV_ADDRS)
        return false;
    h->own[h->addrs].addr = *a;
    h->own[h->addrs++].prefix = prefix;
    return true;
}

static int read_addresses(struct instance *inst, struct host *h)
{
    const char *list = inst->config.net_address;
    char word[PREFIX_WORD];
    struct inet_addr a;
    unsigned prefix;
    bool too_long;

    while (prefix_word(&list, word, &too_long)) {
        if (!prefix_parse(word, &a, &prefix) || inet_addr_is_any(&a) || inet_addr_is_multicast(&a))
            return error_set(&inst->error, EINVAL, "net_address: \"%s\" is not of the form 10.0.0.2/24 or fd00::2/64",
                             word);
        if (!own_add(h, &a, prefix))
            return error_set(&inst->error, EINVAL, "net_address: more than %d addresses", NETDEV_ADDRS);
    }
    return too_long ? error_set(&inst->error, EINVAL, "net_address: \"%.64s...\" is no address", list) : 0;
}

/* Does the kernel have one of ours, on any interface? It answers for all of them on each. */
static int refuse_kernels(struct instance *inst, const struct host *h)
{
    struct kernel_addr its[KERNEL_ADDRS];
    int n = kernel_addresses(0, its, KERNEL_ADDRS, &inst->error);

    if (n < 0)
        return n;
    for (unsigned i = 0; i < h->addrs; i++)
        for (int k = 0; k < n; k++)
            if (inet_addr_equal(&h->own[i].addr, &its[k].addr))
                return error_set(&inst->error, EADDRINUSE,
                                 "net_address: the kernel has one of these addresses and would answer too; choose one "
                                 "that it does not have (ip addr)");
    return 0;
}

/* The interface's own addresses, of a device that shares them with the kernel. */
static int share_addresses(struct instance *inst, struct host *h, const struct netdev *d)
{
    struct kernel_addr its[NETDEV_ADDRS];
    int n = kernel_addresses(d->ifindex, its, NETDEV_ADDRS, &inst->error);

    for (int i = 0; i < n; i++)
        own_add(h, &its[i].addr, its[i].prefix);
    if (n == 0)
        return error_set(
            &inst->error, EADDRNOTAVAIL,
            "net_address is not set and the interface %s has no address either: ip addr add ADDRESS/PREFIX "
            "dev %s",
            inst->config.device, inst->config.device);
    return n < 0 ? n : 0;
}

static int find_addresses(struct instance *inst, struct host *h, const struct netdev *d)
{
    int err = read_addresses(inst, h);

    if (err < 0 || (h->addrs == 0 && d->shared))
        return err < 0 ? err : share_addresses(inst, h, d);
    if (h->addrs > 0)
        return d->ifindex != 0 ? refuse_kernels(inst, h) : 0;
    if (d->ifindex == 0)
        return error_set(&inst->error, EINVAL,
                         "net_address is not set, and driver %s has no interface to take one from", d->ops->name);
    return error_set(
        &inst->error, EINVAL,
        "net_address is not set, and driver %s cannot take frames away from the kernel, which would answer "
        "them too (with a reset to each of our connections): set it to an address that nobody has, use "
        "driver xdp, or drop the kernel's copies by a rule and set net_shared (man caracal.yaml)",
        d->ops->name);
}

static int claim(struct instance *inst, const struct host *h, struct netdev *d)
{
    struct netdev_claim c = {.addrs = h->addrs};

    for (unsigned i = 0; i < h->addrs; i++)
        memcpy(c.addr[i], h->own[i].addr.b, 16);
    return d->ops->claim == NULL ? 0 : d->ops->claim(d, &c, &inst->error);
}

/* Is a one of ours? */
static bool is_own(const struct host *h, const struct inet_addr *a)
{
    for (unsigned i = 0; i < h->addrs; i++)
        if (inet_addr_equal(&h->own[i].addr, a))
            return true;
    return false;
}

static int set_addresses(struct instance *inst, const struct host *h)
{
    struct inet_addr made = inet_link_local(h->stack->in);
    int err;

    for (unsigned i = 0; i < h->addrs; i++) {
        err = inet_addr_add(h->stack->in, &h->own[i].addr, h->own[i].prefix);
        if (err < 0 && err != -EEXIST) /* the link-local address made itself */
            return error_set(&inst->error, -err, "net_address: %s", strerror(-err));
    }
    if (h->stack->dev->shared && !is_own(h, &made))
        inet_addr_remove(h->stack->in, &made); /* the kernel made another */
    return 0;
}

/* The kernel's ways to what is not on the link. One that does not fit (the table is full) is not ours. */
static int share_routes(struct instance *inst, const struct host *h)
{
    struct kernel_route r[INET_ROUTES];
    int n = kernel_routes(h->stack->dev->ifindex, r, INET_ROUTES, &inst->error);

    for (int i = 0; i < n; i++)
        inet_route_add(h->stack->in, &r[i].net, r[i].prefix, &r[i].gateway);
    return n < 0 ? n : 0;
}

static int set_gateways(struct instance *inst, const struct host *h)
{
    const char *list = inst->config.net_gateway;
    char word[PREFIX_WORD];
    struct inet_addr a;
    bool too_long;
    int err;

    while (prefix_word(&list, word, &too_long)) {
        if (!prefix_parse_addr(word, &a))
            return error_set(&inst->error, EINVAL, "net_gateway: \"%s\" is no address", word);
        err = inet_route_add(h->stack->in, inet_addr_is4(&a) ? &INET_ANY4 : &INET_ANY6, 0, &a);
        if (err < 0)
            return error_set(&inst->error, -err, "net_gateway %s: %s", word, strerror(-err));
    }
    return too_long ? error_set(&inst->error, EINVAL, "net_gateway: \"%.64s...\" is no address", list) : 0;
}

/* Puts the stack on the device, which is closed on failure. */
static int build(struct instance *inst, struct host *h, struct netdev *d)
{
    struct stack_config cfg;
    int err = find_addresses(inst, h, d);

    if (err == 0)
        err = claim(inst, h, d);
    stack_config_defaults(&cfg, inst);
    cfg.name = inst->config.device[0] != '\0' ? inst->config.device : NULL;
    cfg.inet.vlan = (uint16_t)inst->config.net_vlan;
    if (err == 0)
        h->stack = stack_new(inst, d, &cfg, &err);
    if (h->stack == NULL) {
        netdev_close(d);
        return err;
    }
    err = set_addresses(inst, h);
    if (err == 0)
        err = h->stack->dev->shared && inst->config.net_gateway[0] == '\0' ? share_routes(inst, h)
                                                                           : set_gateways(inst, h);
    if (err == 0)
        err = instance_add_poller(inst, turn, arm, NULL);
    if (err < 0)
        stack_free(h->stack);
    return err;
}

int host_init(struct instance *inst, const char *driver)
{
    struct netdev_params par = {.cfg = &inst->config, .mem = &inst->mem, .count = inst->stat->value};
    struct host *h = calloc(1, sizeof(*h));
    struct netdev *d;
    int err;

    if (h == NULL)
        return error_set(&inst->error, ENOMEM, "no memory for a host");
    err = netdev_open(inst->config.driver[0] != '\0' ? inst->config.driver : driver, &par, &d, &inst->error);
    if (err == 0)
        err = build(inst, h, d);
    if (err < 0) {
        free(h);
        return err;
    }
    inst->net_state = h;
    return 0;
}

void host_fini(struct instance *inst)
{
    stack_free(host_of(inst)->stack);
    free(host_of(inst));
    inst->net_state = NULL;
}

int host_socket(struct instance *inst, struct queue *q)
{
    return stack_socket(host_of(inst)->stack, q);
}

void host_forget(struct instance *inst)
{
    struct netdev *d = host_of(inst)->stack->dev;

    if (d->ops->forget != NULL)
        d->ops->forget(d);
    else if (d->fd >= 0)
        close(d->fd);
}
