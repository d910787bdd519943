/* SPDX-License-Identifier: MIT */
/* A host on a device: see host.h. */
#include "host.h"

#include "netdev/netdev.h"
#include "stack.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WORD_MAX 64

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

/* Takes the next word of a list that commas and blanks separate. False: there is none; *err: it is too long. */
static bool next_word(const char **list, char word[WORD_MAX], bool *too_long)
{
    size_t len;

    *list += strspn(*list, ", ");
    len = strcspn(*list, ", ");
    *too_long = len >= WORD_MAX;
    if (len == 0 || *too_long)
        return false;
    memcpy(word, *list, len);
    word[len] = '\0';
    *list += len;
    return true;
}

static bool parse_addr(const char *text, struct inet_addr *a)
{
    uint8_t b[16];

    if (inet_pton(AF_INET, text, b) == 1)
        *a = inet_addr_from4(b);
    else if (inet_pton(AF_INET6, text, b) == 1)
        *a = inet_addr_from6(b);
    else
        return false;
    return true;
}

/* An address with its prefix; without one it is alone on its link (32, 128). */
static bool parse_prefixed(char *text, struct inet_addr *a, unsigned *prefix)
{
    char *slash = strchr(text, '/'), *end = NULL;
    unsigned most;

    if (slash != NULL)
        *slash = '\0';
    if (!parse_addr(text, a))
        return false;
    most = inet_addr_is4(a) ? 32 : 128;
    *prefix = most;
    if (slash == NULL)
        return true;
    *slash = '/';
    *prefix = (unsigned)strtoul(slash + 1, &end, 10);
    return end != slash + 1 && *end == '\0' && *prefix <= most;
}

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
    char word[WORD_MAX];
    struct inet_addr a;
    unsigned prefix;
    bool too_long;

    while (next_word(&list, word, &too_long)) {
        if (!parse_prefixed(word, &a, &prefix) || inet_addr_is_any(&a) || inet_addr_is_multicast(&a))
            return error_set(&inst->error, EINVAL, "net_address: \"%s\" is not of the form 10.0.0.2/24 or fd00::2/64",
                             word);
        if (!own_add(h, &a, prefix))
            return error_set(&inst->error, EINVAL, "net_address: more than %d addresses", NETDEV_ADDRS);
    }
    return too_long ? error_set(&inst->error, EINVAL, "net_address: \"%.64s...\" is no address", list) : 0;
}

static bool of_sockaddr(const struct sockaddr *sa, struct inet_addr *a)
{
    if (sa == NULL || (sa->sa_family != AF_INET && sa->sa_family != AF_INET6))
        return false;
    if (sa->sa_family == AF_INET)
        *a = inet_addr_from4(&((const struct sockaddr_in *)(const void *)sa)->sin_addr);
    else
        *a = inet_addr_from6(&((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr);
    return true;
}

/* Does the kernel have the address, on any interface? It answers for all of them on each. */
static bool kernel_has(const struct ifaddrs *all, const struct inet_addr *a)
{
    struct inet_addr its;

    for (const struct ifaddrs *i = all; i != NULL; i = i->ifa_next)
        if (of_sockaddr(i->ifa_addr, &its) && inet_addr_equal(&its, a))
            return true;
    return false;
}

static int refuse_shared(struct instance *inst, const struct host *h, const struct ifaddrs *all)
{
    for (unsigned i = 0; i < h->addrs; i++)
        if (kernel_has(all, &h->own[i].addr))
            return error_set(&inst->error, EADDRINUSE,
                             "net_address: the kernel has one of these addresses and would answer too; choose one that "
                             "it does not have (ip addr)");
    return 0;
}

static int find_addresses(struct instance *inst, struct host *h, const struct netdev *d)
{
    struct ifaddrs *all = NULL;
    int err = read_addresses(inst, h);

    if (err < 0)
        return err;
    if (d->ifindex != 0 && getifaddrs(&all) < 0)
        return error_set(&inst->error, errno, "getifaddrs: %s", strerror(errno));
    if (h->addrs > 0)
        err = refuse_shared(inst, h, all);
    else
        err = error_set(&inst->error, EINVAL,
                        "net_address is not set: an address of the network of %s that nobody has there, also not the "
                        "kernel",
                        inst->config.device);
    freeifaddrs(all);
    return err;
}

static int claim(struct instance *inst, const struct host *h, struct netdev *d)
{
    struct netdev_claim c = {.addrs = h->addrs};

    for (unsigned i = 0; i < h->addrs; i++)
        memcpy(c.addr[i], h->own[i].addr.b, 16);
    return d->ops->claim == NULL ? 0 : d->ops->claim(d, &c, &inst->error);
}

static int set_addresses(struct instance *inst, const struct host *h)
{
    int err;

    for (unsigned i = 0; i < h->addrs; i++) {
        err = inet_addr_add(h->stack->in, &h->own[i].addr, h->own[i].prefix);
        if (err < 0 && err != -EEXIST) /* the link-local address made itself */
            return error_set(&inst->error, -err, "net_address: %s", strerror(-err));
    }
    return 0;
}

static int set_gateways(struct instance *inst, const struct host *h)
{
    const char *list = inst->config.net_gateway;
    char word[WORD_MAX];
    struct inet_addr a;
    bool too_long;
    int err;

    while (next_word(&list, word, &too_long)) {
        if (!parse_addr(word, &a))
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
        err = set_gateways(inst, h);
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
