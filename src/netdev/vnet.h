/* SPDX-License-Identifier: MIT */
/*
 * The header of virtio (1.2, section 5.1.6) in front of frames that go to the kernel and come from it: it asks for
 * checksums and segmentation, and says whose checksum needs no look. AF_PACKET and TAP take the same one.
 */
#ifndef NETDEV_VNET_H
#define NETDEV_VNET_H

#include "core/frame.h"

#include <linux/virtio_net.h>

#define VNET_BYTES sizeof(struct virtio_net_hdr)

/* What the kernel is to do to f. */
static inline void vnet_of_frame(struct virtio_net_hdr *v, const struct frame *f)
{
    memset(v, 0, sizeof(*v));
    if ((f->flags & FRAME_CSUM) == 0)
        return;
    v->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
    v->csum_start = f->l4;
    v->csum_offset = f->csum;
    if ((f->flags & FRAME_TSO) == 0)
        return;
    v->gso_type = (f->flags & FRAME_V6) != 0 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
    v->gso_size = f->mss;
    v->hdr_len = (uint16_t)f->seg[0].len;
}

/*
 * Flags of a received frame. A checksum that is yet to be computed belongs to a frame that never left the host's
 * memory. The IPv4 header's is computed in any case, and judged by the stack.
 */
static inline uint32_t vnet_frame_in_flags(const struct virtio_net_hdr *v)
{
    return (v->flags & (VIRTIO_NET_HDR_F_NEEDS_CSUM | VIRTIO_NET_HDR_F_DATA_VALID)) != 0 ? FRAME_IN_CSUM_L4 : 0;
}

#endif /* NETDEV_VNET_H */
