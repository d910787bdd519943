/* SPDX-License-Identifier: MIT */
/* Frames out, in bursts; link addresses (RFC 826). */
#include "nano.h"
#define ETHERTYPE_ARP 0x0806
#define ARP_FRAME     60 /* Ethernet's shortest, with the padding; an ARP packet has 28 bytes behind 14 */
#define ARP_BYTES     42
#define ARP_ASK_NS    (100 * NS_PER_MS) /* between two questions for the same address */
#define ARP_REQUEST   1
#define ARP_REPLY     2
#define BROADCAST     UINT64_C(0xffffffffffff)

/* Offsets in the frame. */
enum { AT_TYPE = 12, AT_FORMAT = 14, AT_OP = 20, AT_SHA = 22, AT_SPA = 28, AT_THA = 32, AT_TPA = 38 };

#define ARP_FORMAT UINT64_C(0x000108000604) /* Ethernet, IPv4, 6 and 4 bytes */

void nano_send_batch(struct nano *n)
{
    unsigned sent = UNLIKELY(n->capturing) ? capture_transmit(&n->capture, n->dev, n->batch, n->batched)
                                           : n->dev->ops->tx_burst(n->dev, n->batch, n->batched);

    for (; sent < n->batched; sent++) {
        COUNT(n->inst, drop_device_full);
        if (n->capturing)
            capture_refused(&n->capture, n->batch[sent], CTR_drop_device_full);
        frame_free(&n->inst->mem, n->batch[sent]);
    }
    n->batched = 0;
}

/* A frame to ourselves waits for the next turn. */
void nano_output_own(struct nano *n, struct frame *f)
{
    if (n->own_count == NANO_OWN) {
        COUNT(n->inst, drop_device_full);
        frame_free(&n->inst->mem, f);
        return;
    }
    n->own[(n->own_head + n->own_count++) % NANO_OWN] = f;
}

void nano_flush(struct nano *n)
{
    const struct nano_peer *p;

    while (n->owing > 0) {
        struct frame *f = nano_owed_frame(n, &p);

        if (f != NULL)
            nano_output(n, p, f);
    }
    if (n->batched > 0)
        nano_send_batch(n);
}

struct frame *nano_frame(struct nano *n)
{
    void *obj = mem_alloc(&n->inst->mem, sizeof(struct frame), 1);

    if (UNLIKELY(obj == NULL)) {
        COUNT(n->inst, drop_no_memory);
        return NULL;
    }
    return frame_init(obj);
}

static void arp_send(struct nano *n, uint16_t op, uint64_t to, uint64_t target_mac, uint32_t target_ip)
{
    struct frame *f = nano_frame(n);
    uint8_t *p;

    if (f == NULL)
        return;
    p = (uint8_t *)frame_push(f, ARP_FRAME);
    memset(p, 0, ARP_FRAME);
    put48(p, to);
    put48(p + 6, n->mac);
    put16(p + AT_TYPE, ETHERTYPE_ARP);
    put48(p + AT_FORMAT, ARP_FORMAT);
    put16(p + AT_OP, op);
    put48(p + AT_SHA, n->mac);
    put32(p + AT_SPA, n->ip);
    put48(p + AT_THA, target_mac);
    put32(p + AT_TPA, target_ip);
    nano_output(n, NULL, f);
}

/* Whose link address frames for ip bear. */
static uint32_t next_hop(const struct nano *n, uint32_t ip)
{
    return ((ip ^ n->ip) & n->mask) != 0 && n->gateway != 0 ? n->gateway : ip;
}

void nano_arp_ask(struct nano *n, struct nano_peer *p)
{
    if (p->asked_ns != 0 && n->inst->now_ns - p->asked_ns < ARP_ASK_NS)
        return;
    p->asked_ns = n->inst->now_ns;
    arp_send(n, ARP_REQUEST, BROADCAST, 0, next_hop(n, p->ip));
}

void nano_arp_input(struct nano *n, const struct frame_in *in)
{
    const uint8_t *p = in->ptr;
    uint64_t mac;
    uint32_t ip;

    if (in->len < ARP_BYTES || get48(p + AT_FORMAT) != ARP_FORMAT || get32(p + AT_SPA) == n->ip) {
        COUNT(n->inst, drop_arp_bad);
        return;
    }
    mac = get48(p + AT_SHA);
    ip = get32(p + AT_SPA);
    if ((mac >> 40 & 1) != 0 || mac == 0) {
        COUNT(n->inst, drop_arp_bad);
        return;
    }
    for (unsigned i = 0; !n->rule && i < NANO_PEER_BUCKETS && n->peer_count > 0; i++)
        for (struct nano_peer *peer = n->peers[i]; peer != NULL; peer = peer->next)
            if (next_hop(n, peer->ip) == ip && (peer->mac != 0 || peer->asked_ns != 0))
                nano_peer_mac(n, peer, mac);
    if (get16(p + AT_OP) == ARP_REQUEST && get32(p + AT_TPA) == n->ip)
        arp_send(n, ARP_REPLY, mac, mac, ip);
}
