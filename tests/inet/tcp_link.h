/* SPDX-License-Identifier: MIT */
/* Two hosts of tcp_rig.h on a simulated network (netdev/sim), whose seed decides what happens to their frames. */
#ifndef TESTS_INET_TCP_LINK_H
#define TESTS_INET_TCP_LINK_H

#include "netdev/sim/sim.h"
#include "tcp_rig.h"

struct link {
    struct tcp_host *end[2];
    struct netdev *port[2];
    struct sim_net *net;
    struct sim_faults faults; /* may be changed at any time; at first a delay of a millisecond */
    uint64_t now_ns;
};

/* Both hosts are new: their time is that of the network's beginning. */
struct link *link_new(struct tcp_host *a, struct tcp_host *b, uint64_t seed);
void link_free(struct link *l);
uint32_t link_random(struct link *l, uint32_t below);

/* Goes on to the next event (a frame's arrival, a timer), at most to until_ns. False: there it is. */
bool link_step(struct link *l, uint64_t until_ns);

/* Takes what the hosts have sent onto the wire. */
void link_collect(struct link *l);

/* Lets ns pass. */
void link_pass(struct link *l, uint64_t ns);

#endif /* TESTS_INET_TCP_LINK_H */
