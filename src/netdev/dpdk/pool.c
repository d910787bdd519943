/* SPDX-License-Identifier: MIT */
/* Pools of mbufs: with room of their own, with our objects as their buffers, and with none. */
#include "dpdk.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

/* Every mbuf of the pool gets an object of ours as its buffer. */
static void give_buffer(struct rte_mempool *pool, void *arg, void *obj, unsigned index)
{
    struct dpdk_queue *q = arg;
    struct rte_mbuf *m = obj;

    (void)pool, (void)index;
    m->buf_addr = mem_alloc(q->dev.mem, q->rx_bytes, 1);
    rte_mbuf_iova_set(m, (rte_iova_t)(uintptr_t)m->buf_addr);
    m->buf_len = (uint16_t)q->rx_bytes;
}

static void check_buffer(struct rte_mempool *pool, void *arg, void *obj, unsigned index)
{
    const struct rte_mbuf *m = obj;

    (void)pool, (void)index;
    if (m->buf_addr == NULL)
        *(bool *)arg = true;
}

static void take_buffer_back(struct rte_mempool *pool, void *arg, void *obj, unsigned index)
{
    struct dpdk_queue *q = arg;
    struct rte_mbuf *m = obj;

    (void)pool, (void)index;
    if (m->buf_addr != NULL)
        mem_unref(q->dev.mem, m->buf_addr);
    m->buf_addr = NULL;
}

static int make(struct rte_mempool **pool, unsigned n, uint32_t room)
{
    static uint64_t made; /* no two pools of a process have one name */
    char name[RTE_MEMPOOL_NAMESIZE];

    snprintf(name, sizeof(name), "car_%" PRIu64, __atomic_add_fetch(&made, 1, __ATOMIC_RELAXED));
    *pool = rte_pktmbuf_pool_create(name, n, DPDK_CACHE, 0, (uint16_t)room, SOCKET_ID_ANY);
    return *pool != NULL ? 0 : -(rte_errno > 0 ? rte_errno : ENOMEM);
}

int dpdk_pool_rx(struct dpdk_queue *q, unsigned n, struct rte_mempool **pool)
{
    struct rte_pktmbuf_pool_private *p;
    bool short_of = false;
    int err;

    if (!q->swaps)
        return make(pool, n, q->rx_bytes);
    err = make(pool, n, 0);
    if (*pool == NULL)
        return err;
    p = rte_mempool_get_priv(*pool);
    p->mbuf_data_room_size = (uint16_t)q->rx_bytes; /* what drivers take an mbuf's buffer to have */
    rte_mempool_obj_iter(*pool, give_buffer, q);
    rte_mempool_obj_iter(*pool, check_buffer, &short_of);
    return short_of ? -ENOMEM : 0;
}

int dpdk_pool_tx(struct dpdk_queue *q, unsigned descriptors)
{
    unsigned n = descriptors + NETDEV_BURST + 2 * DPDK_CACHE;
    int err = make(&q->copy_pool, n, RTE_PKTMBUF_HEADROOM + q->room);

    if (err < 0 || (!q->direct && !q->reads))
        return err;
    return make(&q->ref_pool, n + NETDEV_BURST * FRAME_SEGS, 0);
}

static void drop(struct rte_mempool **pool)
{
    if (*pool != NULL && rte_mempool_full(*pool))
        rte_mempool_free(*pool);
    *pool = NULL;
}

void dpdk_pool_free(struct dpdk_queue *q)
{
    if (q->swaps && q->rx_pool != NULL)
        rte_mempool_obj_iter(q->rx_pool, take_buffer_back, q);
    drop(&q->rx_pool);
    drop(&q->copy_pool);
    drop(&q->ref_pool);
}
