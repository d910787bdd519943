/* SPDX-License-Identifier: MIT */
/*
 * A frame device: what carries Ethernet frames, behind one small table of functions. A new device is one file here and
 * a libOS that opens it.
 *
 * Calls from one thread only. None of them waits.
 */
#ifndef NETDEV_NETDEV_H
#define NETDEV_NETDEV_H

#include "core/frame.h"

#define NETDEV_BURST 32 /* frames a call moves at most, in the loops over a device */

struct netdev;

struct netdev_ops {
    const char *name;
    /* Up to max frames that arrived; each is the caller's with one reference. Lost ones are counted by the device. */
    unsigned (*rx_burst)(struct netdev *d, struct frame_in *in, unsigned max);
    /*
     * Sends frames in order. Returns how many it took over, from the front; the rest stays the caller's: the queue is
     * full. A frame that was taken over is freed by the device when it no longer reads it.
     */
    unsigned (*tx_burst)(struct netdev *d, struct frame **f, unsigned n);
    /* Sleep is near: make d->fd readable when a frame comes. False: there are frames now. May be NULL, with d->fd -1.
     */
    bool (*arm)(struct netdev *d);
    /* 64 bits: of a simulated network its seed's, so that a run can be repeated. NULL: the kernel's. */
    uint64_t (*random)(struct netdev *d);
    void (*close)(struct netdev *d);
};

struct netdev {
    const struct netdev_ops *ops;
    struct mem *mem;  /* received frames are its objects; sent ones go back to it */
    int fd;           /* what to sleep on, or -1 */
    uint32_t offload; /* enum inet_offload: what it does by itself */
    uint16_t mtu;     /* of the largest frame's payload */
    uint8_t mac[6];
};

#endif /* NETDEV_NETDEV_H */
