/* SPDX-License-Identifier: MIT */
/*
 * A host of its own on one device of this machine, as the settings say: the device (keys driver, device, net_mac,
 * net_mtu, ...), the TCP/IP stack on it, its addresses and gateways. What the libOSes on real devices have in common:
 * they differ in the driver that is taken when none is named.
 *
 * Addresses are those of net_address, and must not be the kernel's: it would answer too (a connection it does not know
 * gets a reset). Where the key is empty, a device that takes frames away from the kernel (netdev's `shared`) shares the
 * interface's: its addresses, link address and routes, read when the instance begins. Ours are then the ports in use;
 * the kernel goes on to answer for the station: ARP, ICMP, all other ports.
 */
#ifndef LIBOS_STACK_HOST_H
#define LIBOS_STACK_HOST_H

#include "core/instance.h"

/*
 * For a libOS's init; driver is used where the key is empty. Negative errno and a text, as netdev_open; -EINVAL an
 * address or gateway that is none, or no address at all; -EADDRINUSE: the kernel has the address; -EADDRNOTAVAIL: the
 * interface has none to share.
 */
int host_init(struct instance *inst, const char *driver);
void host_fini(struct instance *inst);
int host_socket(struct instance *inst, struct queue *q);
void host_forget(struct instance *inst);

#endif /* LIBOS_STACK_HOST_H */
