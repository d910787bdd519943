/* SPDX-License-Identifier: MIT */
/* catnano on a host, as the settings say: its device, its address. See nano.h. */
#include "nano.h"

#include "libos/registry.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SWITCH_MAC "08:55:66:77:88:08" /* where hosts of the machine send all: section 9.1 of its contract */

static struct nano *nano_of(const struct instance *inst)
{
    return inst->net_state;
}

static enum co_status turn(struct instance *inst, struct op *task)
{
    (void)task;
    nano_poll(nano_of(inst));
    return CO_AGAIN;
}

/* The descriptor is watched from the first sleep on: a wake-up that nobody waits for costs the sender time. */
static bool arm(struct instance *inst)
{
    struct nano *n = nano_of(inst);

    nano_flush(n);
    if (n->capturing)
        pcap_flush(n->capture.pcap);
    nano_tx_time(n); /* of what this turn sent itself, so that the timer is armed that the sleep must end with */
    if (n->dev->error != 0)
        return n->lost; /* nothing comes any more */
    if (n->riders > 0 || n->owing > 0 || n->own_count > 0 || n->dev->fd < 0 || n->dev->ops->arm == NULL)
        return false; /* nothing would wake us: spin */
    if (!n->watched && instance_watch_wakeup(inst, n->dev->fd) < 0)
        return false;
    n->watched = true;
    return n->dev->ops->arm(n->dev);
}

/* One address, as in 10.0.0.2/24; without a prefix all hosts are on the link. */
static bool parse_address(const char *text, uint32_t *ip, uint32_t *mask)
{
    const char *slash = strchr(text, '/');
    char word[INET_ADDRSTRLEN];
    unsigned long prefix = 0;
    struct in_addr a;
    char *end;

    snprintf(word, sizeof(word), "%.*s", (int)(slash == NULL ? strlen(text) : (size_t)(slash - text)), text);
    if (inet_pton(AF_INET, word, &a) != 1)
        return false;
    *ip = be32toh(a.s_addr);
    if (slash != NULL) {
        prefix = strtoul(slash + 1, &end, 10);
        if (end == slash + 1 || *end != '\0' || prefix > 32)
            return false;
    }
    *mask = prefix == 0 ? 0 : UINT32_MAX << (32 - prefix);
    return *ip != 0 && *ip >> 28 != 14 && *ip != UINT32_MAX;
}

static int read_settings(struct instance *inst, struct nano *n)
{
    struct config *cfg = &inst->config;
    uint32_t mask;

    n->rule = cfg->msg_neighbours == NEIGHBOURS_NANOPU;
    if (n->rule && cfg->net_mac[0] == '\0')
        snprintf(cfg->net_mac, sizeof(cfg->net_mac), "%s", SWITCH_MAC);
    if (cfg->net_vlan != 0)
        return error_set(&inst->error, EOPNOTSUPP, "net_vlan: catnano has no VLANs");
    if (cfg->net_address[0] == '\0')
        return error_set(
            &inst->error, EINVAL,
            "net_address is not set: an address of the network that nobody has there, also not the kernel");
    if (!parse_address(cfg->net_address, &n->ip, &n->mask))
        return error_set(&inst->error, EINVAL, "net_address: \"%.64s\" is not one IPv4 address like 10.0.0.2/24",
                         cfg->net_address);
    if (cfg->net_gateway[0] != '\0' && !parse_address(cfg->net_gateway, &n->gateway, &mask))
        return error_set(&inst->error, EINVAL, "net_gateway: \"%.64s\" is no IPv4 address", cfg->net_gateway);
    return 0;
}

/* Addresses for a device that takes frames from the kernel. */
static int claim(struct instance *inst, const struct nano *n, struct netdev *d)
{
    struct netdev_claim c = {.addrs = 1};

    c.addr[0][10] = c.addr[0][11] = 0xff;
    put32(c.addr[0] + 12, n->ip);
    return d->ops->claim == NULL ? 0 : d->ops->claim(d, &c, &inst->error);
}

static int begin(struct instance *inst, struct nano *n, struct netdev *d)
{
    int err = 0;

    if (d->mtu < NANO_FRAME_MTU)
        err = error_set(&inst->error, EINVAL, "%s: packets of up to %u bytes; messages need %u", d->ops->name, d->mtu,
                        (unsigned)NANO_FRAME_MTU);
    if (err == 0)
        err = claim(inst, n, d);
    if (err == 0)
        err = nano_init(n, inst, d);
    if (err < 0) {
        netdev_close(d);
        return err;
    }
    n->mac = get48(d->mac);
    err = capture_begin(&n->capture, inst, NULL, d->ops->name);
    n->capturing = n->capture.pcap != NULL;
    if (err == 0)
        err = instance_add_poller(inst, turn, arm, NULL);
    if (err < 0)
        nano_free(n);
    return err;
}

static int catnano_init(struct instance *inst)
{
    struct netdev_params par = {.cfg = &inst->config, .mem = &inst->mem, .count = inst->stat->value};
    struct nano *n = calloc(1, sizeof(*n));
    struct netdev *d;
    int err;

    if (n == NULL)
        return error_set(&inst->error, ENOMEM, "no memory for a host");
    err = read_settings(inst, n);
    if (err == 0)
        err = netdev_open(inst->config.driver[0] != '\0' ? inst->config.driver : "packet", &par, &d, &inst->error);
    if (err == 0)
        err = begin(inst, n, d);
    if (err < 0) {
        free(n);
        return err;
    }
    inst->net_state = n;
    return 0;
}

static void catnano_fini(struct instance *inst)
{
    nano_free(nano_of(inst));
    free(nano_of(inst));
    inst->net_state = NULL;
}

static int catnano_socket(struct instance *inst, struct queue *q)
{
    return nano_socket(nano_of(inst), q);
}

static void catnano_forget(struct instance *inst)
{
    struct netdev *d = nano_of(inst)->dev;

    if (d->ops->forget != NULL)
        d->ops->forget(d);
    else if (d->fd >= 0)
        close(d->fd);
}

const struct libos libos_catnano = {
    .name = "catnano",
    .what = "the nanoPU's messages over a frame device",
    .messages = true,
    .init = catnano_init,
    .fini = catnano_fini,
    .socket = catnano_socket,
    .forget = catnano_forget,
};
