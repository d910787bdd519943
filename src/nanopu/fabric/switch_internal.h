/* SPDX-License-Identifier: MIT */
/* What the two kinds of switches share. */
#ifndef NANOPU_FABRIC_SWITCH_INTERNAL_H
#define NANOPU_FABRIC_SWITCH_INTERNAL_H

#include "nanopu/fabric/switch.h"

#define CYCLE_NEVER UINT64_MAX

/* A list of packets in the order in which they came. A queue's packets have the cycle from which they may leave. */
struct packet_list {
    struct packet *head, *tail;
    uint64_t bytes; /* 8 times the flits */
};

struct switch_port {
    struct packet_list in; /* on the way in, by the cycle of the first flit */
    struct packet_list band[SWITCH_BANDS];
    uint64_t busy_until;  /* exact: its output sends until then */
    uint64_t pause_until; /* nothing leaves before this cycle */
};

struct fabric_switch {
    struct switch_config config;
    struct packet_pool pool;
    struct switch_stats stats;
    struct switch_port *ports;
    uint16_t *routes;
    uint64_t waiting_in, waiting_out; /* packets in all in lists, in all bands */
    uint64_t iteration;               /* osdi21: the start of the next one that was not done */
};

void list_append(struct packet_list *l, struct packet *p);
struct packet *list_take(struct packet_list *l);

/* The port whose first waiting packet has the least key, the lowest of equals; false when nothing waits. */
typedef uint64_t switch_key_fn(const struct fabric_switch *s, const struct packet *p);
bool switch_first_in(const struct fabric_switch *s, switch_key_fn *key, unsigned *port, uint64_t *least);

/*
 * A packet that came in at port goes to its outputs' queues, where its first_flit_cycle is the earliest departure.
 * Takes it. touched is called before a queue is changed.
 */
typedef void switch_touch_fn(struct fabric_switch *s, unsigned port, uint64_t cycle);
void switch_forward(struct fabric_switch *s, unsigned port, struct packet *p, switch_touch_fn *touched);

/* A packet leaves a port with its first flit at cycle. */
void switch_depart(struct fabric_switch *s, unsigned port, unsigned band, uint64_t cycle);

void switch_exact_advance(struct fabric_switch *s, uint64_t until);
uint64_t switch_exact_next(const struct fabric_switch *s);
void switch_osdi21_advance(struct fabric_switch *s, uint64_t until);
uint64_t switch_osdi21_next(const struct fabric_switch *s);

#endif /* NANOPU_FABRIC_SWITCH_INTERNAL_H */
