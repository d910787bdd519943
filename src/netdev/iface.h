/* SPDX-License-Identifier: MIT */
/* What drivers that stand on an interface of the kernel ask it, and what all drivers read from the settings. */
#ifndef NETDEV_IFACE_H
#define NETDEV_IFACE_H

#include "netdev.h"

struct iface {
    int index;
    uint16_t mtu;
    uint8_t mac[6];
};

/*
 * Looks at the Ethernet interface name. -ENODEV: there is none, -ENETDOWN: it is down, -EINVAL: it is not Ethernet or
 * no name was given; with a text.
 */
int iface_look(const char *name, struct iface *i, struct error_text *et);

/* Does the interface that index had, in the network namespace of the socket fd, not exist any more? */
bool iface_is_gone(int fd, int index);

/* Does that interface cut TCP segments out of larger frames by itself? */
bool iface_cuts_segments(int fd, int index);

/* Is the interface of this index one of this driver of the kernel? */
bool iface_is_driven_by(int index, const char *driver);

/* Reads "net_mac" over mac, which stays as it is when the key is empty. -EINVAL and a text. */
int iface_mac(const struct config *cfg, uint8_t mac[6], struct error_text *et);

/*
 * A link address for a station of our own beside an interface's: locally administered (IEEE 802, section 8.2.2), the
 * same for the same interface and salt.
 */
void iface_own_mac(const uint8_t of[6], const char *salt, uint8_t mac[6]);

/* Frames a ring is to hold: "net_ring", or the driver's own choice. */
static inline uint32_t iface_ring(const struct config *cfg, uint32_t choice)
{
    return cfg->net_ring != 0 ? (uint32_t)cfg->net_ring : choice;
}

/* Largest packet: what the device takes, less when "net_mtu" says so. -EINVAL and a text: more than that. */
int iface_mtu(const struct config *cfg, uint16_t most, uint16_t *mtu, struct error_text *et);

#endif /* NETDEV_IFACE_H */
