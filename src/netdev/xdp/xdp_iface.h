/* SPDX-License-Identifier: MIT */
/*
 * What the queues of one interface have in common in a process: the XDP program with its maps, and the ports that we
 * share the interface's addresses by. Any thread.
 *
 * A port of ours is held in the kernel too, by a socket that is bound to it and does nothing, so that the kernel gives
 * it to nobody else, and we take none that somebody has.
 */
#ifndef NETDEV_XDP_XDP_IFACE_H
#define NETDEV_XDP_XDP_IFACE_H

#include "xdp_prog.h"

struct xdp_iface;

/*
 * The interface's, made and put onto it for the first who asks, or of the pins that the key "xdp_map" names. Negative
 * errno and a text.
 */
int xdp_iface_take(const struct config *cfg, int ifindex, struct xdp_iface **x, struct error_text *et);
void xdp_iface_give(struct xdp_iface *x);

/* In a child of fork: closes descriptors and nothing else. */
void xdp_iface_forget(struct xdp_iface *x);

/* See xdp_prog.h. */
int xdp_iface_claim(struct xdp_iface *x, const uint8_t addr[16], enum xdp_claim how);
int xdp_iface_serve(struct xdp_iface *x, uint32_t queue, int fd);

/* A port that any of the queues needs. -EADDRINUSE: somebody has it in the kernel. */
int xdp_iface_take_port(struct xdp_iface *x, uint8_t proto, uint16_t port);
void xdp_iface_give_port(struct xdp_iface *x, uint8_t proto, uint16_t port);

/* A text for what went wrong, and err. */
int xdp_failed(const char *what, int err, struct error_text *et);

#endif /* NETDEV_XDP_XDP_IFACE_H */
