/* SPDX-License-Identifier: MIT */
/*
 * A TCP/IP stack on one link: Ethernet, ARP and neighbour discovery, IPv4 and IPv6, ICMP, UDP; TCP joins as a transport
 * (ip.h). A state machine: frames and time go in (inet_input, timers), frames go out (env.output), nothing else moves.
 *
 * Calls from one thread only. A caller sets the time first: inet_set_now.
 */
#ifndef INET_INET_H
#define INET_INET_H

#include "env.h"
#include "ip.h"

#define INET_ADDRS      16 /* addresses of ours, of both families */
#define INET_ROUTES     32
#define INET_MTU_MAX    9000
#define INET_TRANSPORTS 2

struct inet_config {
    uint8_t mac[6];
    uint16_t mtu;            /* of the link: 68 to INET_MTU_MAX; IPv6 needs 1280 */
    uint16_t vlan;           /* 802.1Q tag of our frames, 0: none; frames of other VLANs are dropped */
    uint32_t neighbours;     /* entries of the cache */
    uint64_t neigh_reach_ns; /* how long a link address is good without a word from it */
    uint32_t udp_sockets;    /* at most */
    uint32_t udp_queue;      /* datagrams a socket holds before it drops */
    uint8_t router_solicits; /* times that routers of IPv6 are asked for (RFC 4861, section 6.3.7); 0: not at all */
};

void inet_config_defaults(struct inet_config *cfg);

struct inet_stack;

/* What every part may look at. The rest of a stack is in internal.h. */
struct inet {
    struct inet_env env;
    struct inet_config cfg;
    uint16_t mtu6;        /* the link's for IPv6, as a router advertised it; at first cfg.mtu */
    uint8_t hops6;        /* the hop limit of IPv6, likewise */
    uint32_t generation;  /* of routes, neighbours, path MTUs: what a struct ip_path is compared with; never 0 */
    uint32_t looping;     /* packets to ourselves that wait for inet_poll */
    enum counter verdict; /* why the frame at hand was dropped, COUNTER_MAX: it was not */
    struct ip_transport transport[INET_TRANSPORTS];
};

/* Bytes of the largest packet of a family that the link takes. */
static inline uint16_t inet_link_mtu(const struct inet *in, bool v6)
{
    return v6 ? in->mtu6 : in->cfg.mtu;
}

#define INET_COUNT_ADD(in, name, n) ((in)->env.count[CTR_##name] += (n))
#define INET_COUNT(in, name)        INET_COUNT_ADD(in, name, 1)
/* Counts a drop of the packet at hand and remembers the reason for whoever looks on. */
#define INET_DROP(in, name) ((in)->verdict = CTR_##name, (void)(in)->env.count[CTR_##name]++)

/*
 * Makes a stack. env and cfg are copied; what env points to must outlive it. NULL with *err: -EINVAL a value of cfg,
 * -ENOMEM. It has the loopback addresses, and a link-local IPv6 address where the MTU allows IPv6.
 */
struct inet *inet_new(const struct inet_env *env, const struct inet_config *cfg, int *err);

/* Ends it: every object it holds is released, every timer cancelled. Transports have been ended before. */
void inet_free(struct inet *in);

/* Sets the time. One that goes back is ignored: time stands still until it has caught up. */
static inline void inet_set_now(struct inet *in, uint64_t now_ns)
{
    if (LIKELY(now_ns > in->env.now_ns))
        in->env.now_ns = now_ns;
}

/* A frame arrived. Takes over f's reference. */
void inet_input(struct inet *in, const struct frame_in *f);

/* Delivers what was sent to ourselves; the caller's loop calls it once a turn. Returns how many packets. */
unsigned inet_poll(struct inet *in);

/* Does inet_poll have something to do? */
static inline bool inet_waiting(const struct inet *in)
{
    return in->looping > 0;
}

/* Adds an address with its network's prefix (an IPv4 prefix counts in 32 bits). -EINVAL, -EEXIST, -ENOSPC. */
int inet_addr_add(struct inet *in, const struct inet_addr *a, unsigned prefix);
int inet_addr_remove(struct inet *in, const struct inet_addr *a);

/* The link-local IPv6 address that inet_new made of the link address. */
struct inet_addr inet_link_local(const struct inet *in);

/* Adds a route to a network by way of a gateway. -EINVAL, -EEXIST, -ENOSPC. */
int inet_route_add(struct inet *in, const struct inet_addr *net, unsigned prefix, const struct inet_addr *gateway);
int inet_route_remove(struct inet *in, const struct inet_addr *net, unsigned prefix);

/* A neighbour whose link address is known and stays. -EINVAL, -ENOSPC. */
int inet_neigh_add(struct inet *in, const struct inet_addr *a, const uint8_t mac[6]);

#endif /* INET_INET_H */
