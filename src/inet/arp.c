/* SPDX-License-Identifier: MIT */
/* ARP for IPv4 on Ethernet (RFC 826), announcements and conflicts (RFC 5227). */
#include "internal.h"

#define ARP_BYTES     28
#define ARP_REQUEST   1
#define ARP_REPLY     2
#define ARP_DEFEND_NS (10 * NS_PER_S) /* RFC 5227: DEFEND_INTERVAL */

/* Offsets: hardware and protocol type, their lengths, operation, sender's and target's addresses. */
enum { ARP_HTYPE = 0, ARP_PTYPE = 2, ARP_HLEN = 4, ARP_PLEN = 5, ARP_OP = 6, ARP_SHA = 8, ARP_SPA = 14, ARP_THA = 18 };
enum { ARP_TPA = 24 };

static void arp_send(struct inet *in, uint16_t op, const uint8_t to[6], const uint8_t *tha, const uint8_t spa[4],
                     const uint8_t tpa[4])
{
    struct frame *f = ip_frame(in);
    uint8_t *p;

    if (f == NULL)
        return;
    p = (uint8_t *)frame_push(f, ARP_BYTES);
    put16(p + ARP_HTYPE, 1);
    put16(p + ARP_PTYPE, ETHERTYPE_4);
    p[ARP_HLEN] = 6;
    p[ARP_PLEN] = 4;
    put16(p + ARP_OP, op);
    memcpy(p + ARP_SHA, in->cfg.mac, 6);
    memcpy(p + ARP_SPA, spa, 4);
    if (tha != NULL)
        memcpy(p + ARP_THA, tha, 6);
    else
        memset(p + ARP_THA, 0, 6);
    memcpy(p + ARP_TPA, tpa, 4);
    eth_output(in, f, to, ETHERTYPE_A);
}

void arp_request(struct inet *in, const struct inet_addr *a, const uint8_t *mac)
{
    const struct inet_addr *src = route_source(in, a, a);

    if (src != NULL)
        arp_send(in, ARP_REQUEST, mac != NULL ? mac : eth_broadcast, NULL, src->b + 12, a->b + 12);
}

/* Gratuitous ARP: whoever has an old link address for ours takes the new one (RFC 5227, section 2.3). */
void arp_announce(struct inet *in, const struct inet_addr *a)
{
    arp_send(in, ARP_REQUEST, eth_broadcast, NULL, a->b + 12, a->b + 12);
}

/* Another station says that it has our address: report it, and defend it now and then (RFC 5227, section 2.4 (b)). */
static void arp_conflict(struct inet *in, struct local_addr *l)
{
    INET_COUNT(in, arp_conflicts);
    if (in->env.now_ns < l->quiet_until_ns)
        return;
    l->quiet_until_ns = in->env.now_ns + ARP_DEFEND_NS;
    arp_announce(in, &l->addr);
}

void arp_input(struct inet *in, const uint8_t *p, uint32_t len)
{
    struct inet_addr sender, target;
    struct local_addr *ours;
    uint16_t op;

    if (len < ARP_BYTES || get16(p + ARP_HTYPE) != 1 || get16(p + ARP_PTYPE) != ETHERTYPE_4 || p[ARP_HLEN] != 6 ||
        p[ARP_PLEN] != 4 || (p[ARP_SHA] & 1) != 0) {
        INET_DROP(in, drop_arp_bad);
        return;
    }
    op = get16(p + ARP_OP);
    sender = inet_addr_from4(p + ARP_SPA);
    target = inet_addr_from4(p + ARP_TPA);
    if ((op != ARP_REQUEST && op != ARP_REPLY) || inet_addr_is_multicast(&sender) ||
        inet_addr_to4(&sender) == UINT32_MAX || inet_addr_is_loopback(&sender)) {
        INET_DROP(in, drop_arp_bad);
        return;
    }
    ours = route_local(in, &sender);
    if (ours != NULL && memcmp(p + ARP_SHA, in->cfg.mac, 6) != 0) {
        arp_conflict(in, ours);
        return;
    }
    ours = route_local(in, &target);
    /* RFC 826: an entry that exists is refreshed by anything; a new one only by who wants something of us. A station
     * that only probes whether its address is free (sender 0.0.0.0) has none yet. */
    if (!inet_addr_is_any(&sender))
        neigh_learn(in, &sender, p + ARP_SHA, op == ARP_REPLY && ours != NULL, ours != NULL && op == ARP_REQUEST, true);
    if (op == ARP_REQUEST && ours != NULL) {
        INET_COUNT(in, arp_replies);
        arp_send(in, ARP_REPLY, p + ARP_SHA, p + ARP_SHA, target.b + 12, p + ARP_SPA);
    }
}
