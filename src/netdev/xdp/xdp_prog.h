/* SPDX-License-Identifier: MIT */
/*
 * The XDP program that decides on an interface which frames are ours, and its two maps. It goes with the descriptors,
 * thus with the process, however that ends.
 *
 * Ours are: IPv4 and IPv6 packets to an address that was claimed, ARP packets about one, and neighbour solicitations
 * for one. Everything else goes on to the kernel.
 */
#ifndef NETDEV_XDP_XDP_PROG_H
#define NETDEV_XDP_XDP_PROG_H

#include "netdev/netdev.h"

struct xdp_prog {
    int claims;  /* hash map of addresses, 16 bytes each */
    int sockets; /* where each queue's frames go */
    int prog, link;
};

#define XDP_PROG_NONE                                                                                                  \
    (struct xdp_prog)                                                                                                  \
    {                                                                                                                  \
        .claims = -1, .sockets = -1, .prog = -1, .link = -1                                                            \
    }

/* Makes maps and program. Negative errno and a text; what was made is xdp_prog_unload's. */
int xdp_prog_load(struct xdp_prog *x, struct error_text *et);

/*
 * Puts it on the interface: in the driver, or behind the driver (generic). -EBUSY: another program is there;
 * -EOPNOTSUPP: the interface's driver cannot.
 */
int xdp_prog_attach(struct xdp_prog *x, int ifindex, bool generic);

/* An address is ours from now on. Negative errno. */
int xdp_prog_claim(struct xdp_prog *x, const uint8_t addr[16]);

/* Frames of a queue go to the socket fd from now on. Negative errno. */
int xdp_prog_serve(struct xdp_prog *x, uint32_t queue, int fd);

void xdp_prog_unload(struct xdp_prog *x);

#endif /* NETDEV_XDP_XDP_PROG_H */
