/* SPDX-License-Identifier: MIT */
/*
 * A host of a simulation: a whole instance (API, scheduler, memory, TCP/IP stack) on a port of a simulated network,
 * 10.0.0.N and fd00::N for the N-th port.
 */
#ifndef TESTS_SIM_NODE_H
#define TESTS_SIM_NODE_H

#include "api/api.h"
#include "libos/stack/stack.h"
#include "netdev/sim/sim.h"

#define NODE_TEXT   256
#define NODE_MEMORY (UINT64_C(128) << 20)

struct node_config {
    struct pcap *pcap; /* where it captures, as "host1" and so on; NULL: nowhere */
    uint64_t memory;   /* bytes */
    uint16_t mtu;
    bool v6; /* it has an IPv6 address too */
};

struct node {
    struct sim_net *net;
    struct instance *inst;
    struct stack *st;
    struct netdev *port;
    struct node_config cfg;
    unsigned number;     /* from 1 */
    unsigned moved;      /* frames of the last turn */
    uint64_t idle_bytes; /* of memory, before anything was done */
    uint32_t idle_ops;
};

/* What the libraries' calls of a node's application need first. */
static inline void node_enter(const struct node *n)
{
    api_self.inst = n->inst;
}

/* Opens a capture of all that the network does with frames. NULL: *err is what pcap_open said. */
struct pcap *node_capture(struct sim_net *net, const char *path, const char *title, int *err);

/* Makes the next host. False with a text: it could not; it is closed in any case. */
bool node_open(struct node *n, struct sim_net *net, const struct node_config *cfg, char text[NODE_TEXT]);
void node_close(struct node *n);

/* When something happens in it by itself; UINT64_MAX: nothing does. */
uint64_t node_next_ns(const struct node *n);

/* Is every pool as it was in the beginning? False with a text. */
bool node_idle(const struct node *n, char text[NODE_TEXT]);

#endif /* TESTS_SIM_NODE_H */
