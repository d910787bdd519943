/* SPDX-License-Identifier: MIT */
/*
 * Receive-side scaling (DPDK 22.11, rte_ethdev.h): which queue a device brings a conversation by. Devices agree on
 * Toeplitz's hash of the addresses and, if they can, the ports, but not on key and table, so both are ours (flow.h).
 */
#include "dpdk.h"

#include <string.h>

#define PERIOD  UINT16_C(0x6d5a) /* spreads the low bits well, and is the same for both directions */
#define KEY_MAX 64
#define HASHED  (RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP)

static const uint8_t *key(void)
{
#define FOUR    0x6d, 0x5a, 0x6d, 0x5a
#define SIXTEEN FOUR, FOUR, FOUR, FOUR
    static const uint8_t bytes[KEY_MAX] = {SIXTEEN, SIXTEEN, SIXTEEN, SIXTEEN};

    return bytes;
}

struct rte_eth_rss_conf dpdk_rss_conf(const struct rte_eth_dev_info *info)
{
    struct rte_eth_rss_conf conf = {.rss_hf = info->flow_type_rss_offloads & HASHED};

    if (conf.rss_hf != 0 && info->hash_key_size > 0 && info->hash_key_size <= KEY_MAX) {
        conf.rss_key = (uint8_t *)(uintptr_t)key(); /* drivers read it, through a pointer to what is not const */
        conf.rss_key_len = info->hash_key_size;
    }
    return conf;
}

/*
 * Does the device use our key? Kinds that it knows nothing of, or hashes without ports, come by other queues than we
 * say, all of a peer by one: they are handed on.
 */
static bool key_is_ours(uint16_t id, const struct rte_eth_dev_info *info)
{
    uint8_t bytes[KEY_MAX] = {0};
    struct rte_eth_rss_conf conf = {.rss_key = bytes, .rss_key_len = info->hash_key_size};

    if (info->hash_key_size == 0 || info->hash_key_size > KEY_MAX || rte_eth_dev_rss_hash_conf_get(id, &conf) != 0)
        return false;
    return conf.rss_hf != 0 && memcmp(bytes, key(), info->hash_key_size) == 0;
}

static bool set_table(uint16_t id, uint16_t buckets, const struct flow_deal *deal)
{
    struct rte_eth_rss_reta_entry64 table[FLOW_BUCKETS_MAX / RTE_ETH_RETA_GROUP_SIZE] = {{.mask = 0}};

    for (unsigned i = 0; i < buckets; i++) {
        struct rte_eth_rss_reta_entry64 *group = &table[i / RTE_ETH_RETA_GROUP_SIZE];

        group->mask |= UINT64_C(1) << (i % RTE_ETH_RETA_GROUP_SIZE);
        group->reta[i % RTE_ETH_RETA_GROUP_SIZE] = deal->queue[i];
    }
    return rte_eth_dev_rss_reta_update(id, table, buckets) == 0;
}

bool dpdk_rss_deal(uint16_t id, unsigned queues, struct flow_deal *deal)
{
    struct rte_eth_dev_info info;

    if (rte_eth_dev_info_get(id, &info) != 0 || !key_is_ours(id, &info))
        return false;
    if (info.reta_size == 0 || info.reta_size > FLOW_BUCKETS_MAX || (info.reta_size & (info.reta_size - 1)) != 0)
        return false;
    flow_deal_init(deal, PERIOD, info.reta_size, queues);
    return set_table(id, info.reta_size, deal);
}
