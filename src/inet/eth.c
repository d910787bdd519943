/* SPDX-License-Identifier: MIT */
/* Ethernet II and the tag of 802.1Q: which frames are for us, and the headers of ours. */
#include "internal.h"

const uint8_t eth_broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

unsigned eth_header(const struct inet *in, uint8_t *to, const uint8_t dst[6], uint16_t type)
{
    memcpy(to, dst, 6);
    memcpy(to + 6, in->cfg.mac, 6);
    if (in->cfg.vlan != 0) {
        put16(to + 12, ETHERTYPE_Q);
        put16(to + 14, in->cfg.vlan);
        to += ETH_TAG;
    }
    put16(to + 12, type);
    return in->cfg.vlan != 0 ? ETH_HEADER + ETH_TAG : ETH_HEADER;
}

int eth_output(struct inet *in, struct frame *f, const uint8_t dst[6], uint16_t type)
{
    unsigned len = in->cfg.vlan != 0 ? ETH_HEADER + ETH_TAG : ETH_HEADER;

    eth_header(in, (uint8_t *)frame_push(f, len), dst, type);
    f->l3 = (uint16_t)(f->l3 + len);
    f->l4 = (uint16_t)(f->l4 + len);
    return eth_transmit(in, f);
}

void eth_group(const struct inet_addr *group, uint8_t mac[6])
{
    if (inet_addr_is4(group)) { /* RFC 1112, section 6.4 */
        mac[0] = 0x01;
        mac[1] = 0x00;
        mac[2] = 0x5e;
        mac[3] = group->b[13] & 0x7f;
        memcpy(mac + 4, group->b + 14, 2);
    } else { /* RFC 2464, section 7 */
        mac[0] = mac[1] = 0x33;
        memcpy(mac + 2, group->b + 12, 4);
    }
}

/* Is the frame for us? group says whether it came to more stations than us. */
static bool eth_for_us(const struct inet *in, const uint8_t *dst, bool *group)
{
    *group = (dst[0] & 1) != 0;
    return *group || memcmp(dst, in->cfg.mac, 6) == 0;
}

static void eth_demux(struct inet *in, const struct frame_in *f, uint8_t *p, uint32_t len, uint16_t type, bool group)
{
    switch (type) {
    case ETHERTYPE_4:
        ip4_input(in, f->obj, p, len, group ? IP_TO_GROUP : 0, f->flags);
        return;
    case ETHERTYPE_6:
        if (in->cfg.mtu >= IP_MTU_MIN6) {
            ip6_input(in, f->obj, p, len, group ? IP_TO_GROUP : 0, f->flags);
            return;
        }
        break;
    case ETHERTYPE_A:
        arp_input(in, p, len);
        return;
    default:
        break;
    }
    INET_DROP(in, drop_eth_type);
}

static void eth_input(struct inet *in, const struct frame_in *f)
{
    uint8_t *p = f->ptr;
    uint32_t header = ETH_HEADER;
    uint16_t type, vlan = 0;
    bool group;

    if (UNLIKELY(f->len < ETH_HEADER)) {
        INET_DROP(in, drop_eth_short);
        return;
    }
    if (UNLIKELY(!eth_for_us(in, p, &group))) {
        INET_DROP(in, drop_eth_dst);
        return;
    }
    if (UNLIKELY((p[6] & 1) != 0 || memcmp(p + 6, in->cfg.mac, 6) == 0)) {
        INET_DROP(in, drop_eth_src); /* a group sends nothing; what we sent came back round a loop */
        return;
    }
    type = get16(p + 12);
    if (type == ETHERTYPE_Q) {
        if (UNLIKELY(f->len < ETH_HEADER + ETH_TAG)) {
            INET_DROP(in, drop_eth_short);
            return;
        }
        vlan = get16(p + 14) & 0xfff; /* 0: the tag carries but a priority */
        type = get16(p + 16);
        header += ETH_TAG;
    }
    if (UNLIKELY(vlan != in->cfg.vlan)) {
        INET_DROP(in, drop_eth_vlan);
        return;
    }
    eth_demux(in, f, p + header, f->len - header, type, group);
}

#define STATION UINT64_C(0xffffffffffff) /* the link address in eight bytes from its first */

/* IPv4 without a tag, from a station to our link address, and nobody looks on: what nearly every frame is. */
static inline bool eth_plain(const struct inet_stack *s, const struct frame_in *f)
{
    const uint8_t *p = f->ptr;
    uint64_t dst, src;

    if (f->len < ETH_HEADER || s->in.cfg.vlan != 0 || s->in.env.tap != NULL)
        return false;
    memcpy(&dst, p, sizeof(dst));
    memcpy(&src, p + 6, sizeof(src)); /* and the type */
    dst = le64toh(dst) & STATION;
    src = le64toh(src);
    return dst == s->station && src >> 48 == ETHERTYPE_4_LE && (src & 1) == 0 && (src & STATION) != dst;
}

/* Version, header length, fragment: what the first eight bytes of a whole packet without options say. */
#define QUICK_MASK UINT64_C(0xff3f0000000000ff)
#define QUICK      UINT64_C(0x45)

/* Offers the transport a packet of IPv4 that lies at h, in one comparison or two where it is of the usual kind. */
static inline bool ip4_quick(struct inet *in, const struct frame_in *f, uint8_t *h, uint32_t len)
{
    const struct ip_transport *t;
    uint64_t first, second;
    uint32_t third, total;
    uint8_t proto;

    if (UNLIKELY(len < IP4_HEADER))
        return false;
    memcpy(&first, h, sizeof(first));
    memcpy(&second, h + 8, sizeof(second));
    memcpy(&third, h + 16, sizeof(third));
    total = get16(h + 2);
    if (UNLIKELY((le64toh(first) & QUICK_MASK) != QUICK || total > len || total < IP4_HEADER))
        return false;
    proto = h[9];
    t = &in->transport[proto == IPPROTO_UDP];
    if (UNLIKELY((proto != IPPROTO_UDP && proto != IPPROTO_TCP) || t->quick == NULL))
        return false;
    if ((f->flags & FRAME_IN_CSUM_L3) == 0 && !checksum_good(checksum_join(checksum_join(first, second), third)))
        return false;
    return t->quick(in, t->transport, f->obj, h, total - IP4_HEADER, f->flags);
}

/* Any frame. */
static __attribute__((noinline)) void input_any(struct inet *in, const struct frame_in *f)
{
    eth_input(in, f);
    if (in->env.tap != NULL)
        in->env.tap(in->env.ctx, f, in->verdict);
}

void inet_input(struct inet *in, const struct frame_in *f)
{
    INET_COUNT(in, rx_frames);
    INET_COUNT_ADD(in, rx_bytes, f->len);
    in->verdict = COUNTER_MAX;
    if (LIKELY(eth_plain(stack_of(in), f))) {
        uint8_t *h = (uint8_t *)f->ptr + ETH_HEADER;

        if (LIKELY(ip4_quick(in, f, h, f->len - ETH_HEADER)))
            return;
        ip4_input(in, f->obj, h, f->len - ETH_HEADER, 0, f->flags);
    } else {
        input_any(in, f);
    }
    mem_unref(in->env.mem, f->obj);
}
