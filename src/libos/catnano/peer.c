/* SPDX-License-Identifier: MIT */
/* The hosts that messages go to and come from. */
#include "nano.h"

#include <stdlib.h>

#define RULE_MAC UINT64_C(0x0026e1000000) /* and the address's last byte: section 9.1 of the machine's contract */

static void set_mac(const struct nano *n, struct nano_peer *p, uint64_t mac)
{
    struct msg_header h = {
        .dst_mac = mac, .src_mac = n->mac, .dst_ip = p->ip, .src_ip = n->ip, .ip_protocol = n->protocol};

    p->mac = mac;
    msg_path_init(&p->path, &h);
}

struct nano_peer *nano_peer_make(struct nano *n, uint32_t ip)
{
    struct nano_peer *p = n->peer_count < NANO_PEERS ? calloc(1, sizeof(*p)) : NULL;
    struct nano_peer **bucket = &n->peers[nano_bucket_of(ip)];

    if (p == NULL) {
        COUNT(n->inst, msg_peers_full);
        return NULL;
    }
    p->ip = ip;
    set_mac(n, p, ip == n->ip ? n->mac : n->rule ? RULE_MAC | (ip & 0xff) : 0);
    p->next_id = (uint16_t)nano_random(n);
    p->next = *bucket;
    *bucket = p;
    n->peer_count++;
    return p;
}

void nano_peer_mac(struct nano *n, struct nano_peer *p, uint64_t mac)
{
    bool first = p->mac == 0;

    if (n->rule || p->mac == mac || p->ip == n->ip)
        return;
    set_mac(n, p, mac);
    if (first)
        nano_tx_kick(p);
}

void nano_peers_free(struct nano *n)
{
    for (unsigned i = 0; i < NANO_PEER_BUCKETS; i++)
        while (n->peers[i] != NULL) {
            struct nano_peer *p = n->peers[i];

            n->peers[i] = p->next;
            free(p);
        }
}
