/* SPDX-License-Identifier: MIT */
/*
 * Our memory for cards that read it themselves: a superblock gets the address that the card has to use (IOVA) when it
 * is made. Its pages are replaced by one huge page, which is as large as a superblock, lies in one piece and stays
 * where it is. When there is none left the superblock has no IOVA, and frames from it are copied.
 *
 * 1. Superblocks that were there before the device are left as they are: an application's threads may be writing there.
 * Memory that is shared with other processes is not replaced.
 * 2. Only without an IOMMU (IOVA mode PA, no VFIO). Behind one each superblock would have to be mapped for the device
 * (rte_dev_dma_map); frames are copied then.
 */
#include "dpdk.h"

#include <rte_bus.h>
#include <rte_memory.h>
#include <rte_vfio.h>
#include <string.h>
#include <sys/mman.h>

#define HUGE_SHIFT 26 /* MAP_HUGE_SHIFT of <linux/mman.h> */

_Static_assert(SUPERBLOCK_SHIFT == 21, "a superblock is a huge page");

static void made(struct mem_watcher *w, struct superblock *sb)
{
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE | MAP_HUGETLB | SUPERBLOCK_SHIFT << HUGE_SHIFT;
    void *page = mmap(NULL, SUPERBLOCK_BYTES, PROT_READ | PROT_WRITE, flags, -1, 0);
    rte_iova_t iova;

    (void)w;
    if (page == MAP_FAILED)
        return;
    memcpy(page, sb, offsetof(struct superblock, refs));
    if (mremap(page, SUPERBLOCK_BYTES, SUPERBLOCK_BYTES, MREMAP_MAYMOVE | MREMAP_FIXED, sb) == MAP_FAILED) {
        munmap(page, SUPERBLOCK_BYTES);
        return;
    }
    iova = rte_mem_virt2iova(sb);
    sb->iova = iova == RTE_BAD_IOVA ? 0 : iova;
}

/* Small pages again, which are zero. */
static void gone(struct mem_watcher *w, struct superblock *sb)
{
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED;
    uint32_t span = sb->span;
    void *page = mmap(sb, SUPERBLOCK_BYTES, PROT_READ | PROT_WRITE, flags, -1, 0);

    (void)w;
    if (page == MAP_FAILED) /* then it is as it was */
        sb->iova = 0;
    sb->span = span;
}

bool dpdk_extmem_can(const struct rte_eth_dev_info *info, unsigned queues)
{
    /* a queue of several may still have frames of an instance that ends before the port */
    return queues == 1 && rte_eal_iova_mode() == RTE_IOVA_PA && !rte_vfio_is_enabled("vfio_pci") &&
           (info->tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS) != 0 && info->device != NULL &&
           strcmp(rte_bus_name(rte_dev_bus(info->device)), "pci") == 0;
}

void dpdk_extmem_begin(struct dpdk_queue *q)
{
    struct mem *m = q->dev.mem;

    if (m->fd >= 0 || m->watcher != NULL)
        return;
    q->watcher = (struct mem_watcher){made, gone};
    m->watcher = &q->watcher;
    q->reads = true;
}

void dpdk_extmem_end(struct dpdk_queue *q)
{
    if (q->reads)
        q->dev.mem->watcher = NULL;
    q->reads = false;
}
