/* SPDX-License-Identifier: MIT */
/*
 * Where a stack shares an interface's addresses with the kernel, the kernel answers for the station, but both must hear
 * who is where: answers to ARP requests and changes that are announced, neighbour and router advertisements. They go to
 * the kernel, and their copies come here, through a small ring of AF_PACKET, which costs no system call to look at.
 */
#ifndef NETDEV_XDP_XDP_EARS_H
#define NETDEV_XDP_XDP_EARS_H

#include "netdev/netdev.h"

struct xdp_ears {
    int fd; /* AF_PACKET; -1: none */
    char *map;
    uint32_t next;
};

/* 0 or a negative errno; ears_close in any case. */
int xdp_ears_open(struct xdp_ears *e, int ifindex);
void xdp_ears_close(struct xdp_ears *e);

/* As rx_burst of d. */
unsigned xdp_ears_take(struct xdp_ears *e, struct netdev *d, struct frame_in *in, unsigned max);

/* Has something come? */
bool xdp_ears_ready(const struct xdp_ears *e);

#endif /* NETDEV_XDP_XDP_EARS_H */
