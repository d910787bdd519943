/* SPDX-License-Identifier: MIT */
/*
 * The program and its maps under names in a BPF file system, so that who may put a program on an interface (root) does
 * it once, and processes without that right use it: `demi xdp attach`. They still need CAP_NET_RAW, which the kernel
 * asks of whoever makes a socket of AF_XDP or AF_PACKET.
 *
 * A directory holds claims, ports, sockets and link. Who may write to the first three may claim addresses and ports.
 */
#ifndef NETDEV_XDP_XDP_PIN_H
#define NETDEV_XDP_XDP_PIN_H

#include "core/config.h"

#include <sys/types.h>

/* What the module exports for `demi xdp`, as caracal_xdp_pins. Negative errno and a text. */
struct xdp_pins {
    /* Puts the program on the interface and pins it in dir, which is made; owner: whose the maps are to be. */
    int (*attach)(const char *device, enum xdp_mode mode, const char *dir, uid_t owner, struct error_text *et);
    /* Takes it off and removes dir. */
    int (*detach)(const char *dir, struct error_text *et);
};

#endif /* NETDEV_XDP_XDP_PIN_H */
