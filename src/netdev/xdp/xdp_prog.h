/* SPDX-License-Identifier: MIT */
/*
 * The XDP program that decides on an interface which frames are ours, and its maps. It goes with the descriptors, thus
 * with the process, however that ends, unless it is pinned.
 *
 * Ours is of an address that was claimed as a whole: IPv4 and IPv6 packets to it, ARP packets about it, neighbour
 * solicitations for it. Of one that the kernel has too: TCP and UDP packets to a port of ours, unless they are
 * fragments or have IPv4 options, and ICMP's errors about packets from such a port. Everything else goes on to the
 * kernel.
 */
#ifndef NETDEV_XDP_XDP_PROG_H
#define NETDEV_XDP_XDP_PROG_H

#include "netdev/netdev.h"

enum xdp_claim {
    XDP_CLAIM_ALL = 1, /* the address is ours alone */
    XDP_CLAIM_PORTS,   /* it is the kernel's too */
};

struct xdp_prog {
    int claims;  /* hash map of addresses, 16 bytes each; its values are enum xdp_claim */
    int ports;   /* hash map of protocol and port; its values are processes, for who finds a dead one's */
    int sockets; /* where each queue's frames go */
    int prog, link;
};

#define XDP_PROG_NONE                                                                                                  \
    (struct xdp_prog)                                                                                                  \
    {                                                                                                                  \
        .claims = -1, .ports = -1, .sockets = -1, .prog = -1, .link = -1                                               \
    }

/* Makes maps and program. Negative errno and a text; what was made is xdp_prog_unload's. */
int xdp_prog_load(struct xdp_prog *x, struct error_text *et);

/*
 * Puts it on the interface, where mode says; XDP_AUTO: in the driver if it can, else behind it. -EBUSY: another program
 * is there; -EOPNOTSUPP: the interface's driver cannot.
 */
int xdp_prog_attach(struct xdp_prog *x, int ifindex, enum xdp_mode mode);

/* An address is ours from now on. Negative errno. */
int xdp_prog_claim(struct xdp_prog *x, const uint8_t addr[16], enum xdp_claim how);

/* A port of the addresses that are not ours alone. Negative errno. */
int xdp_prog_take_port(struct xdp_prog *x, uint8_t proto, uint16_t port);
void xdp_prog_give_port(struct xdp_prog *x, uint8_t proto, uint16_t port);

/* Frames of a queue go to the socket fd from now on. Negative errno. */
int xdp_prog_serve(struct xdp_prog *x, uint32_t queue, int fd);

/* The maps that were pinned in dir, on a program that somebody else put onto the interface. As xdp_prog_load. */
int xdp_prog_open_pinned(struct xdp_prog *x, const char *dir, struct error_text *et);

/* Gives ports back that processes died with. */
void xdp_prog_sweep(struct xdp_prog *x);

void xdp_prog_unload(struct xdp_prog *x);

#endif /* NETDEV_XDP_XDP_PROG_H */
