/* SPDX-License-Identifier: MIT */
/*
 * The one list of drivers. INSIDE(name, what) is part of the library, its struct netdev_driver is netdev_NAME.
 * MODULE(name, what, package) is the shared object caracal-NAME.so, because it needs a library of its own, which
 * Debian's package has; it exports caracal_netdev_NAME and caracal_module.
 */
#ifndef NETDEV_DRIVERS_H
#define NETDEV_DRIVERS_H

/* clang-format off */
#define NETDEV_DRIVERS(INSIDE, MODULE)                                       \
    INSIDE(packet, "AF_PACKET rings on an interface of the kernel")          \
    INSIDE(tap, "a TAP interface: a cable to the kernel")                     \
    INSIDE(ring, "shared memory: a cable to another process")                 \
    INSIDE(nanopu, "shared memory: a port of a simulated nanoPU")             \
    MODULE(xdp, "AF_XDP on an interface of the kernel", "libxdp-dev")         \
    MODULE(dpdk, "DPDK's ports", "libdpdk-dev")
/* clang-format on */

#endif /* NETDEV_DRIVERS_H */
