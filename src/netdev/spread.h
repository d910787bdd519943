/* SPDX-License-Identifier: MIT */
/*
 * Several instances of a process, one a thread, on one device of the kernel: each opens a queue of it, and whatever
 * queue a frame comes by, it goes to the instance whose it is.
 *
 * 1. A conversation's is the one that its hash names (flow.h), or the device's own way of dealing them out to its
 * queues where it says it (netdev.deal): so all instances have to have a server's port. The source port of a connection
 * to be opened is chosen so that the hash names the instance that opens it. A port that an instance chose for a socket
 * without a peer (a client's datagrams) is that instance's alone, whatever the hash.
 * 2. A frame that came by another's queue is copied into a lane: a ring of bytes with one writer and one reader, for
 * each pair. Devices that can choose the queue by our hash (packet), or say how they choose (dpdk), make that rare.
 * 3. What is for all (answers to ARP, advertisements, errors of ICMP) is copied to all; what is to be answered once
 * (requests of ARP, neighbour solicitations, echo), fragments and unknown protocols are the first living instance's.
 */
#ifndef NETDEV_SPREAD_H
#define NETDEV_SPREAD_H

#include "netdev.h"

/*
 * Opens the next queue of the device for the calling thread's instance. -EBUSY: this process has all net_queues; else
 * what the driver says. p->cfg must be the same for all.
 */
int spread_open(const struct netdev_driver *driver, const struct netdev_params *p, struct netdev **d,
                struct error_text *et);

#endif /* NETDEV_SPREAD_H */
