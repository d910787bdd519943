/* SPDX-License-Identifier: MIT */
/*
 * Driver dpdk: any device that DPDK 22.11 has a poll-mode driver for. A module of its own, because it needs DPDK.
 *
 * 1. DPDK's environment (EAL) is started once a process and cannot be ended and started again: the first device starts
 * it with the key "eal", later ones must ask for the same. It stays when the last device is closed.
 * 2. Frames of zero_copy_threshold bytes and more are not copied where the processor alone touches the buffers (the
 * software devices that Debian's DPDK has): a frame on its way out is a chain of mbufs that point into it and into the
 * application's arrays (external buffers; the frame is freed with the last of them), and a received one is an object of
 * ours that the mbuf had as its buffer and that another takes the place of. Shorter ones are copied, which costs less
 * than a second descriptor. A card (PCI) gets such frames without a copy too, where it is told of our pages (extmem.c);
 * what it receives is copied. Devices that share DPDK's own memory with a peer (af_xdp, virtio_user, memif with
 * zero-copy) get all frames by copy through DPDK's memory.
 * 3. A device keeps mbufs; what it had no room for waits in `waiting` and goes first next time, because a frame that
 * was turned into mbufs cannot be handed back.
 * 4. A port has net_queues queues, and each instance of the process takes one (spread.h). What comes by a queue that
 * nobody took is lost. With more than one, received frames are copied: a queue's buffers are set before its instance is
 * there. A device with receive-side scaling gets a key of ours (rss.c), so that we know by which queue it brings a
 * conversation; with others (memif, tap, af_packet, or where the other side chooses) half of the frames are handed on.
 * 5. A memif's bursts and the driver's thread that unmaps what they read when the peer goes keep out of each other's
 * way: hold.c.
 */
#ifndef NETDEV_DPDK_DPDK_H
#define NETDEV_DPDK_DPDK_H

#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_ether.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <rte_mbuf.h>
#undef NS_PER_S /* the core has its own of this name */

#include "core/counter.h"
#include "netdev/flow.h"
#include "netdev/netdev.h"

#define DPDK_QUEUES_MAX 16 /* as the largest value of the key net_queues */
#define DPDK_CACHE      64 /* mbufs that a thread keeps at hand of each pool */

struct dpdk_port;

/* Whether a burst of a memif's queue is under way (note 5). */
struct dpdk_burst {
    _Alignas(CACHE_LINE) uint32_t busy;
    uint32_t unsure; /* whether there is a peer: to be asked before the next burst */
    uint16_t port_id;
};

/* One queue of a port: what an instance has. */
struct dpdk_queue {
    struct netdev dev;
    struct mem_watcher watcher;
    bool reads; /* the device reads our memory itself: extmem.c */
    struct dpdk_port *port;
    uint16_t port_id, queue_id;
    bool direct;              /* note 2: mbufs may point into our memory; segmentation is offered only then */
    bool swaps;               /* received frames can be taken with their buffer */
    bool prepares;            /* frames with offloads are to be shown to the device first */
    uint16_t segs_max;        /* mbufs of a frame that is not cut; 0: all are copied into one */
    uint32_t threshold;       /* shorter frames are copied */
    uint32_t room;            /* bytes a copied frame may have */
    uint32_t rx_bytes;        /* of an object that is a receive buffer */
    uint32_t idle_polls;      /* since something came */
    uint64_t missed;          /* frames that the device lost so far */
    uint64_t tx_offload;      /* RTE_ETH_TX_OFFLOAD_ that are on */
    struct dpdk_burst *burst; /* of a memif; NULL: the driver's threads keep off what a burst needs */
    struct rte_mempool *rx_pool, *copy_pool, *ref_pool;
    unsigned waiting_at, waiting_end;
    struct rte_mbuf *waiting[NETDEV_BURST];
};

static inline struct dpdk_queue *dpdk_queue_of(struct netdev *d)
{
    return CONTAINER_OF(d, struct dpdk_queue, dev);
}

/*
 * Starts the EAL with args, words separated by blanks, or finds that it runs with the same. -EINVAL: DPDK refuses an
 * argument, or it runs with others; else what DPDK said; with a text that has DPDK's words. Any thread.
 */
int dpdk_eal_start(const char *args, struct error_text *et);

/* What DPDK last logged as an error since dpdk_eal_mark; "" for nothing. */
void dpdk_eal_mark(void);
const char *dpdk_eal_said(void);

/*
 * Finds the port that the key "device" names (empty: the first one that has a queue left), configures and starts it if
 * nobody uses it, and takes a queue for q, whose dev.mem and dev.count are set. Negative errno and a text; nothing is
 * left then.
 */
int dpdk_port_take(struct dpdk_queue *q, const struct config *cfg, struct error_text *et);

/* Gives the queue back; the port stops with its last one. No mbuf points into our memory afterwards. */
void dpdk_port_give(struct dpdk_queue *q);

/* What a port of several queues is configured with; all 0 where the device cannot spread what it receives. */
struct rte_eth_rss_conf dpdk_rss_conf(const struct rte_eth_dev_info *info);

/*
 * How the running port id, which was configured with dpdk_rss_conf, deals conversations out to its queues. False:
 * nobody can say.
 */
bool dpdk_rss_deal(uint16_t id, unsigned queues, struct flow_deal *deal);

/*
 * The pools of a queue: -ENOMEM. Freeing leaves one alone of which a device or another port still has mbufs, as ports
 * of rings that join two instances do.
 */
int dpdk_pool_rx(struct dpdk_queue *q, unsigned n, struct rte_mempool **pool);
int dpdk_pool_tx(struct dpdk_queue *q, unsigned descriptors);
void dpdk_pool_free(struct dpdk_queue *q);

/* Can the card whose port has queues be told of our memory? */
bool dpdk_extmem_can(const struct rte_eth_dev_info *info, unsigned queues);

/* From here on superblocks are made so that the card can read them, until the end; the port is stopped by then. */
void dpdk_extmem_begin(struct dpdk_queue *q);
void dpdk_extmem_end(struct dpdk_queue *q);

/* From here on the bursts of a memif's queue are between dpdk_burst_begin and dpdk_burst_end. */
struct dpdk_burst *dpdk_hold_watch(uint16_t port_id, uint16_t queue_id);

/* A line of DPDK's log, in whose thread it is. */
void dpdk_hold_heard(const char *text);

/* The rest of dpdk_burst_begin: bursts are held back, though not for ever, or there may be no peer. */
bool dpdk_hold_ask(struct dpdk_burst *b);

extern uint32_t dpdk_held; /* bursts of a memif are not to begin */

/* May a burst begin? b may be NULL. */
static inline bool dpdk_burst_begin(struct dpdk_burst *b)
{
    if (LIKELY(b == NULL))
        return true;
    __atomic_store_n(&b->busy, 1, __ATOMIC_RELAXED);
    __atomic_signal_fence(__ATOMIC_SEQ_CST); /* the other side makes a processor's fence of it */
    if (LIKELY((__atomic_load_n(&dpdk_held, __ATOMIC_ACQUIRE) | __atomic_load_n(&b->unsure, __ATOMIC_RELAXED)) == 0))
        return true;
    if (dpdk_hold_ask(b))
        return true;
    __atomic_store_n(&b->busy, 0, __ATOMIC_RELEASE);
    return false;
}

static inline void dpdk_burst_end(struct dpdk_burst *b)
{
    if (UNLIKELY(b != NULL))
        __atomic_store_n(&b->busy, 0, __ATOMIC_RELEASE);
}

/* Adds what the device lost since the last time to its counter. */
void dpdk_count_missed(struct dpdk_queue *q);

unsigned dpdk_rx_burst(struct netdev *d, struct frame_in *in, unsigned max);
unsigned dpdk_tx_burst(struct netdev *d, struct frame **f, unsigned n);

#endif /* NETDEV_DPDK_DPDK_H */
