/* SPDX-License-Identifier: MIT */
/* What the kernel says of an interface's addresses and routes (netlink(7), rtnetlink(7)). */
#ifndef LIBOS_STACK_KERNEL_H
#define LIBOS_STACK_KERNEL_H

#include "core/error.h"
#include "inet/inet.h"

struct kernel_addr {
    struct inet_addr addr;
    unsigned prefix; /* of its network; an IPv4 prefix counts in 32 bits */
};

struct kernel_route {
    struct inet_addr net, gateway;
    unsigned prefix;
};

/*
 * The addresses of interface ifindex (0: of all interfaces), at most max; more are left out. Returns how many, or a
 * negative errno and a text.
 */
int kernel_addresses(int ifindex, struct kernel_addr *a, unsigned max, struct error_text *et);

/* Likewise the routes by way of a gateway on the interface, of the main table. */
int kernel_routes(int ifindex, struct kernel_route *r, unsigned max, struct error_text *et);

#endif /* LIBOS_STACK_KERNEL_H */
