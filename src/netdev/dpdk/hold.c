/* SPDX-License-Identifier: MIT */
/*
 * A memif's peer that comes or goes must not take us with it.
 *
 * DPDK 22.11's driver notices in the EAL's interrupt thread that a peer has gone and unmaps the memory of both there,
 * whoever is reading it. A burst looks once, at its beginning, whether there still is a peer. So the interrupt thread
 * has to wait until no burst is under way, and bursts have to wait until it is through. The one place where it runs
 * code of ours before and after is the log (eal.c): the driver says at level debug that the control channel ended,
 * before it does anything about it, and that it is done.
 *
 * Before a burst its queue says so by a plain store and looks at the word; the interrupt thread sets the word and makes
 * every processor see it (membarrier), so that a burst pays two stores and two loads and no fence.
 *
 * A burst also looks where its ring is before it looks whether there is a peer, and while a peer comes that is an
 * offset into memory not mapped yet. So no burst begins before the link is up, which the driver says at the very end.
 *
 * Rejected: an alarm of ours that holds the interrupt thread back between bursts (it is the thread that makes
 * connections); asking for the link's state each time (costs more than the burst, and the unmapping comes in between).
 */
#include "dpdk.h"

#include <linux/membarrier.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define WAIT_MAX_NS (100 * 1000 * 1000) /* for a burst to end; its thread may not run just now */
#define STEP_NS     (20 * 1000)
#define HELD_MAX_NS UINT64_C(1000000000) /* the driver does not say the end of a channel without a device */

uint32_t dpdk_held;
static uint64_t held_since;
static struct dpdk_burst bursts[RTE_MAX_ETHPORTS][DPDK_QUEUES_MAX];

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

static int membarrier(int command)
{
    return (int)syscall(SYS_membarrier, command, 0, 0);
}

struct dpdk_burst *dpdk_hold_watch(uint16_t port_id, uint16_t queue_id)
{
    static int type = -1;

    if (type < 0) {
        type = rte_log_register("pmd.net.memif");
        if (type >= 0)
            rte_log_set_level((uint32_t)type, RTE_LOG_DEBUG);
        membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);
    }
    bursts[port_id][queue_id].port_id = port_id;
    bursts[port_id][queue_id].unsure = 1;
    return &bursts[port_id][queue_id];
}

static bool any_burst(void)
{
    for (unsigned i = 0; i < RTE_MAX_ETHPORTS; i++)
        for (unsigned k = 0; k < DPDK_QUEUES_MAX; k++)
            if (__atomic_load_n(&bursts[i][k].busy, __ATOMIC_ACQUIRE) != 0)
                return true;
    return false;
}

static void hold(void)
{
    static const struct timespec step = {.tv_nsec = STEP_NS};
    uint64_t end = now_ns() + WAIT_MAX_NS;

    __atomic_store_n(&held_since, now_ns(), __ATOMIC_RELAXED);
    __atomic_store_n(&dpdk_held, 1, __ATOMIC_SEQ_CST);
    membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
    while (any_burst() && now_ns() < end)
        nanosleep(&step, NULL);
}

/* No burst is under way, and each asks for its peer before the next. */
static void let_go(void)
{
    for (unsigned i = 0; i < RTE_MAX_ETHPORTS; i++)
        for (unsigned k = 0; k < DPDK_QUEUES_MAX; k++)
            __atomic_store_n(&bursts[i][k].unsure, 1, __ATOMIC_RELAXED);
    __atomic_store_n(&dpdk_held, 0, __ATOMIC_RELEASE);
}

void dpdk_hold_heard(const char *text)
{
    if (!rte_thread_is_intr())
        return;
    if (strstr(text, "Invalid message size") != NULL || strstr(text, "Disconnect received") != NULL)
        hold();
    else if (strstr(text, "Disconnected, id") != NULL)
        let_go();
}

bool dpdk_hold_ask(struct dpdk_burst *b)
{
    struct rte_eth_link link;

    if (__atomic_load_n(&dpdk_held, __ATOMIC_ACQUIRE) != 0) {
        if (now_ns() - __atomic_load_n(&held_since, __ATOMIC_RELAXED) > HELD_MAX_NS)
            let_go();
        return false;
    }
    if (rte_eth_link_get_nowait(b->port_id, &link) < 0 || link.link_status != RTE_ETH_LINK_UP)
        return false;
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    __atomic_store_n(&b->unsure, 0, __ATOMIC_RELAXED);
    return true;
}
