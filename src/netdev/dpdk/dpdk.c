/* SPDX-License-Identifier: MIT */
/* Opening and closing a device of DPDK; see dpdk.h for the notes. */
#include "dpdk.h"

#include "core/instance.h"
#include "core/module.h"
#include "netdev/iface.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define VISIBLE __attribute__((visibility("default")))

static void dpdk_close(struct netdev *d)
{
    dpdk_count_missed(dpdk_queue_of(d));
    dpdk_port_give(dpdk_queue_of(d));
    free(dpdk_queue_of(d));
}

/* No arm: nothing wakes us, a wait polls. */
static const struct netdev_ops dpdk_ops = {
    .name = "dpdk", .rx_burst = dpdk_rx_burst, .tx_burst = dpdk_tx_burst, .close = dpdk_close};

static int dpdk_open(const struct netdev_params *par, struct netdev **d, struct error_text *et)
{
    struct dpdk_queue *q;
    int err = dpdk_eal_start(par->cfg->eal, et);

    if (err < 0)
        return err;
    q = calloc(1, sizeof(*q));
    if (q == NULL)
        return error_set(et, ENOMEM, "no memory for a device");
    q->dev = (struct netdev){.ops = &dpdk_ops, .mem = par->mem, .count = par->count, .fd = -1};
    q->queue_id = (uint16_t)par->queue;
    q->threshold = (uint32_t)par->cfg->zero_copy_threshold;
    err = dpdk_port_take(q, par->cfg, et);
    if (err < 0) {
        free(q);
        return err;
    }
    *d = &q->dev;
    return 0;
}

VISIBLE extern const struct netdev_driver caracal_netdev_dpdk;
const struct netdev_driver caracal_netdev_dpdk = {
    .name = "dpdk", .queues = NETDEV_SPREAD, .netdev_bytes = sizeof(struct netdev), .open = dpdk_open};

VISIBLE extern const struct module_mark caracal_module;
const struct module_mark caracal_module = MODULE_MARK;
