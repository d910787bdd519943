/* SPDX-License-Identifier: MIT */
/*
 * Ports: configured and started for the first instance that takes a queue, stopped with the last one (DPDK 22.11,
 * rte_ethdev.h).
 *
 * A port that stops is closed and its device removed, because only then are all mbufs back; what it was is remembered,
 * and it is probed again when somebody asks for a port.
 */
#include "dpdk.h"

#include "netdev/iface.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define RING_DEFAULT 512
#define FRAME_EXTRA  (RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN) /* beside the packet */
#define DEVARGS_MAX  256
#define RX_BYTES     2048 /* of a receive buffer behind its headroom: some devices take only such */

struct dpdk_port {
    bool used;
    uint16_t id;
    unsigned queues, taken;
    uint16_t rx_desc, tx_desc, mtu;
    uint64_t tx_offload;
    bool direct, prepares;
    struct dpdk_queue *queue[DPDK_QUEUES_MAX];
    struct rte_mempool *rx_pool; /* of all queues, when there are several */
    bool dealt;                  /* as deal says */
    struct flow_deal deal;
};

static pthread_mutex_t ports_lock = PTHREAD_MUTEX_INITIALIZER;
static struct dpdk_port ports[RTE_MAX_ETHPORTS];
static char removed[RTE_MAX_ETHPORTS][DEVARGS_MAX]; /* devices to be probed again, "" for none */

static int fail(struct error_text *et, int err, const char *what, uint16_t id)
{
    char name[RTE_ETH_NAME_MAX_LEN] = "";
    const char *said = dpdk_eal_said();

    rte_eth_dev_get_name_by_port(id, name);
    err = err == -1 ? -EIO : err; /* drivers mean nothing by it */
    return error_set(et, -err, "device %s: %s: %s%s%s", name, what, strerror(-err), said[0] != '\0' ? ": " : "", said);
}

/* --- devices that come back --- */

static void probe_removed(void)
{
    for (size_t i = 0; i < ARRAY_LEN(removed); i++) {
        if (removed[i][0] != '\0')
            rte_dev_probe(removed[i]); /* one that is gone for good is missed by whoever asks for it */
        removed[i][0] = '\0';
    }
}

static void remove_device(uint16_t id)
{
    struct rte_eth_dev_info info;
    const struct rte_devargs *args;
    size_t slot = 0;

    if (rte_eth_dev_info_get(id, &info) != 0 || info.device == NULL)
        return;
    while (slot + 1 < ARRAY_LEN(removed) && removed[slot][0] != '\0')
        slot++;
    args = rte_dev_devargs(info.device);
    snprintf(removed[slot], DEVARGS_MAX, "%s%s%s", rte_dev_name(info.device),
             args != NULL && args->args != NULL && args->args[0] != '\0' ? "," : "",
             args != NULL && args->args != NULL ? args->args : "");
    rte_eth_dev_stop(id);
    rte_eth_dev_close(id);
    rte_dev_remove(info.device);
}

/* --- finding --- */

static void list_ports(char *text, size_t size)
{
    char name[RTE_ETH_NAME_MAX_LEN];
    size_t len = 0;
    uint16_t id;

    text[0] = '\0';
    RTE_ETH_FOREACH_DEV(id)
    {
        if (rte_eth_dev_get_name_by_port(id, name) == 0 && len < size)
            len += (size_t)snprintf(text + len, size - len, "%s%s", len > 0 ? ", " : "", name);
    }
}

static int find_named(const char *device, uint16_t *id, struct error_text *et)
{
    char all[256];

    if (rte_eth_dev_get_port_by_name(device, id) == 0)
        return 0;
    list_ports(all, sizeof(all));
    return error_set(et, ENODEV, "device: DPDK has no port \"%.64s\"; it has %s", device,
                     all[0] != '\0' ? all : "none: eal names them (--vdev, -a), see dpdk-devbind.py for cards");
}

static int find(const char *device, uint16_t *id, struct error_text *et)
{
    uint16_t i;

    if (device[0] != '\0')
        return find_named(device, id, et);
    RTE_ETH_FOREACH_DEV(i)
    {
        if (!ports[i].used || ports[i].taken < ports[i].queues) {
            *id = i;
            return 0;
        }
    }
    if (rte_eth_dev_count_avail() > 0)
        return error_set(et, EBUSY, "device: all queues of DPDK's ports are in use in this process (net_queues)");
    if (dpdk_eal_said()[0] != '\0')
        return error_set(et, ENODEV, "eal: DPDK has no port: %s", dpdk_eal_said());
    return error_set(
        et, ENODEV,
        "eal: DPDK has no port: no card is bound to a driver of user space (dpdk-devbind.py --status), and "
        "no --vdev is given");
}

/* --- what the device can do --- */

/* Does only the processor touch the buffers? See dpdk.h, note 2. */
static bool touches_by_processor(const struct rte_eth_dev_info *info)
{
    static const char *const copying[] = {"net_memif", "net_af_packet", "net_tap", "net_pcap", "net_null"};
    const struct rte_devargs *args = rte_dev_devargs(info->device);

    if ((info->tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS) == 0)
        return false;
    if (args != NULL && args->args != NULL && strstr(args->args, "zero-copy=yes") != NULL)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(copying); i++)
        if (strcmp(info->driver_name, copying[i]) == 0)
            return true;
    return false;
}

static uint64_t tx_offloads(const struct rte_eth_dev_info *info, bool direct, bool card)
{
    const uint64_t csum = RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM;
    const uint64_t tso = RTE_ETH_TX_OFFLOAD_TCP_TSO | RTE_ETH_TX_OFFLOAD_IPV4_CKSUM;
    uint64_t on = direct || card ? RTE_ETH_TX_OFFLOAD_MULTI_SEGS : 0;
    uint16_t segs = info->tx_desc_lim.nb_seg_max;

    if ((info->tx_offload_capa & csum) != csum)
        return on;
    on |= csum;
    if (direct && (info->tx_offload_capa & tso) == tso && (segs == 0 || segs >= FRAME_SEGS))
        on |= tso;
    return on;
}

static struct rte_eth_conf configuration(const struct dpdk_port *p, const struct rte_eth_dev_info *info, bool offload)
{
    const uint64_t rx_csum =
        RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_TCP_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM;
    struct rte_eth_conf c = {.rxmode = {.mtu = p->mtu}, .txmode = {.offloads = p->tx_offload}};

    if (offload)
        c.rxmode.offloads = info->rx_offload_capa & rx_csum;
    if (p->queues > 1) {
        c.rx_adv_conf.rss_conf = dpdk_rss_conf(info);
        if (c.rx_adv_conf.rss_conf.rss_hf != 0) /* else the other side chooses */
            c.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
    }
    return c;
}

/* --- starting --- */

static int set_mac(struct dpdk_port *p, struct dpdk_queue *q, const struct config *cfg, struct error_text *et)
{
    struct rte_ether_addr mac;
    int err = rte_eth_macaddr_get(p->id, &mac);

    if (err < 0)
        return fail(et, err, "link address", p->id);
    err = iface_mac(cfg, mac.addr_bytes, et);
    if (err < 0)
        return err;
    if (cfg->net_mac[0] != '\0' && rte_eth_dev_default_mac_addr_set(p->id, &mac) != 0)
        rte_eth_promiscuous_enable(p->id); /* the stack drops what is for others */
    memcpy(q->dev.mac, mac.addr_bytes, 6);
    return 0;
}

static int set_mtu(struct dpdk_port *p, const struct rte_eth_dev_info *info, const struct config *cfg,
                   struct error_text *et)
{
    uint32_t most =
        info->max_rx_pktlen - FRAME_EXTRA < info->max_mtu ? info->max_rx_pktlen - FRAME_EXTRA : info->max_mtu;
    int err = rte_eth_dev_get_mtu(p->id, &p->mtu);

    if (err < 0)
        return fail(et, err, "MTU", p->id);
    if (cfg->net_mtu != 0)
        return iface_mtu(cfg, (uint16_t)most, &p->mtu, et);
    if (p->mtu > 9000)
        p->mtu = 9000;
    return 0;
}

/* Receive buffers that a queue's rings hold. vmxnet3 fills a second ring, for the further buffers of long packets. */
static unsigned ring_buffers(const struct dpdk_port *p, const struct rte_eth_dev_info *info)
{
    return p->rx_desc * (strcmp(info->driver_name, "net_vmxnet3") == 0 ? 2u : 1u);
}

static int start_queues(struct dpdk_port *p, struct error_text *et)
{
    int err = 0;

    for (unsigned i = 0; i < p->queues && err == 0; i++) {
        err = rte_eth_rx_queue_setup(p->id, (uint16_t)i, p->rx_desc, SOCKET_ID_ANY, NULL, p->rx_pool);
        if (err == 0)
            err = rte_eth_tx_queue_setup(p->id, (uint16_t)i, p->tx_desc, SOCKET_ID_ANY, NULL);
    }
    if (err < 0)
        return fail(et, err, "queues", p->id);
    err = rte_eth_dev_start(p->id);
    if (err < 0)
        return fail(et, err, "starting it", p->id);
    p->dealt = p->queues > 1 && dpdk_rss_deal(p->id, p->queues, &p->deal);
    rte_eth_allmulticast_enable(p->id); /* a device that cannot hears all anyway, or will do for IPv4 */
    return 0;
}

static int configure(struct dpdk_port *p, const struct rte_eth_dev_info *info, const struct config *cfg,
                     struct error_text *et)
{
    struct rte_eth_conf conf;
    int err;

    p->queues = (unsigned)cfg->net_queues;
    if (p->queues > info->max_rx_queues || p->queues > info->max_tx_queues)
        return error_set(et, EINVAL, "net_queues: %u is more than the device has, %u", p->queues,
                         info->max_rx_queues < info->max_tx_queues ? info->max_rx_queues : info->max_tx_queues);
    p->rx_desc = p->tx_desc = (uint16_t)(cfg->net_ring == 0           ? RING_DEFAULT
                                         : cfg->net_ring > UINT16_MAX ? UINT16_MAX
                                                                      : cfg->net_ring);
    p->direct = touches_by_processor(info);
    p->tx_offload = tx_offloads(info, p->direct, dpdk_extmem_can(info, p->queues));
    if (!cfg->net_offload)
        p->tx_offload &= RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
    p->prepares = (p->tx_offload & ~RTE_ETH_TX_OFFLOAD_MULTI_SEGS) != 0;
    conf = configuration(p, info, cfg->net_offload);
    err = rte_eth_dev_configure(p->id, (uint16_t)p->queues, (uint16_t)p->queues, &conf);
    if (err == 0)
        err = rte_eth_dev_adjust_nb_rx_tx_desc(p->id, &p->rx_desc, &p->tx_desc);
    return err < 0 ? fail(et, err, "configuration", p->id) : 0;
}

static void stop(struct dpdk_port *p, struct dpdk_queue *q)
{
    remove_device(p->id);
    q->rx_pool = p->rx_pool; /* freed with the last queue's others */
    p->rx_pool = NULL;
    p->used = false;
}

/* The first queue of a port: q becomes its first user. */
static int start(struct dpdk_port *p, struct dpdk_queue *q, const struct config *cfg, struct error_text *et)
{
    struct rte_eth_dev_info info;
    int err = rte_eth_dev_info_get(p->id, &info);

    if (err < 0)
        return fail(et, err, "what it is", p->id);
    err = set_mtu(p, &info, cfg, et);
    if (err == 0)
        err = configure(p, &info, cfg, et);
    if (err < 0)
        return err;
    q->swaps = p->direct && p->queues == 1;
    q->rx_bytes = RTE_PKTMBUF_HEADROOM + (p->mtu + FRAME_EXTRA > RX_BYTES ? p->mtu + FRAME_EXTRA : RX_BYTES);
    err = dpdk_pool_rx(q, p->queues * (ring_buffers(p, &info) + 4u * DPDK_CACHE), &p->rx_pool);
    if (err < 0)
        fail(et, err, "buffers (DPDK's memory is -m of eal, ours memory_limit)", p->id);
    else
        err = start_queues(p, et);
    if (err == 0)
        err = set_mac(p, q, cfg, et);
    if (err == 0)
        return 0;
    stop(p, q);
    dpdk_pool_free(q);
    return err;
}

static uint32_t offload_of(uint64_t tx)
{
    return ((tx & RTE_ETH_TX_OFFLOAD_TCP_CKSUM) != 0 ? INET_TX_CSUM : 0u) |
           ((tx & RTE_ETH_TX_OFFLOAD_TCP_TSO) != 0 ? INET_TX_TSO : 0u);
}

/* What q knows of its port, which runs. */
static int join(struct dpdk_port *p, struct dpdk_queue *q, struct error_text *et)
{
    struct rte_eth_dev_info info;
    struct rte_ether_addr mac;
    int err;

    rte_eth_dev_info_get(p->id, &info);
    rte_eth_macaddr_get(p->id, &mac);
    memcpy(q->dev.mac, mac.addr_bytes, 6);
    q->port = p;
    q->port_id = p->id;
    q->dev.mtu = p->mtu;
    q->dev.ifindex = (int)info.if_index;
    q->dev.offload = offload_of(p->tx_offload);
    q->direct = p->direct;
    q->prepares = p->prepares;
    if (!p->direct && dpdk_extmem_can(&info, p->queues))
        dpdk_extmem_begin(q);
    if (p->direct || q->reads)
        q->segs_max = info.tx_desc_lim.nb_mtu_seg_max == 0 ? FRAME_SEGS : info.tx_desc_lim.nb_mtu_seg_max;
    q->room = p->mtu + FRAME_EXTRA;
    if (strcmp(info.driver_name, "net_memif") == 0)
        q->burst = dpdk_hold_watch(p->id, q->queue_id);
    q->rx_pool = p->rx_pool;
    q->dev.deal = p->dealt ? &p->deal : NULL;
    err = dpdk_pool_tx(q, p->tx_desc);
    return err < 0 ? fail(et, err, "buffers (DPDK's memory is -m of eal)", p->id) : 0;
}

static int take(uint16_t id, struct dpdk_queue *q, const struct config *cfg, struct error_text *et)
{
    struct dpdk_port *p = &ports[id];
    int err = 0;

    p->id = id;
    if (!p->used)
        err = start(p, q, cfg, et);
    else if (q->queue_id >= p->queues || p->queue[q->queue_id] != NULL)
        err = error_set(et, EBUSY, "device %s: its %u queues are in use in this process (net_queues)", cfg->device,
                        p->queues);
    if (err < 0)
        return err;
    p->used = true;
    err = join(p, q, et);
    p->queue[q->queue_id] = q;
    p->taken++;
    return err;
}

int dpdk_port_take(struct dpdk_queue *q, const struct config *cfg, struct error_text *et)
{
    uint16_t id = 0;
    int err;

    pthread_mutex_lock(&ports_lock);
    probe_removed();
    err = find(cfg->device, &id, et);
    if (err == 0)
        err = take(id, q, cfg, et);
    pthread_mutex_unlock(&ports_lock);
    if (err < 0 && q->port != NULL)
        dpdk_port_give(q);
    return err;
}

void dpdk_port_give(struct dpdk_queue *q)
{
    struct dpdk_port *p = q->port;

    pthread_mutex_lock(&ports_lock);
    p->queue[q->queue_id] = NULL;
    q->rx_pool = NULL;
    if (--p->taken == 0)
        stop(p, q);
    rte_pktmbuf_free_bulk(q->waiting + q->waiting_at, q->waiting_end - q->waiting_at);
    dpdk_pool_free(q);
    dpdk_extmem_end(q);
    pthread_mutex_unlock(&ports_lock);
}
