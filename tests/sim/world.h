/* SPDX-License-Identifier: MIT */
/*
 * A world of the whole-stack simulation: hosts, each a whole instance (API, scheduler, memory, TCP/IP stack), on one
 * simulated network in virtual time, in one thread. All chance comes from the world's seed.
 */
#ifndef TESTS_SIM_WORLD_H
#define TESTS_SIM_WORLD_H

#include "netdev/pcap.h"
#include "node.h"

#define WORLD_HOSTS 4
#define HALVES_MAX  32
#define PUSHES_MAX  8 /* of one half outstanding */
#define WORLD_TEXT  512

struct world;

struct host {
    struct node node;
    int listener; /* queue, or -1 */
    demi_qtoken_t accept;
};

/* One end of a conversation: sends tx bytes of its own pattern and expects rx of the other's. */
struct half {
    struct host *h;
    unsigned plan; /* both halves of a conversation have the same */
    int qd;
    bool active, connecting, connected, closed;
    uint32_t tx_total, tx_issued, tx_done, rx_total, rx_got;
    uint8_t tx_key, rx_key;
    unsigned pushes; /* outstanding */
    bool popping, eof, shut;
    int err;           /* that ended it */
    uint32_t abort_at; /* closes without ado once so many bytes were received; UINT32_MAX: never */
    uint32_t pop_max;  /* 0: whole pops */
    bool slow;         /* thinks between pops, until: */
    uint64_t wake_ns;
    bool reset_on_close; /* SO_LINGER of 0 */
};

/* What the seed made of the world, in the order in which it was drawn. */
struct world {
    uint64_t seed, random;
    struct sim_net *net;
    struct pcap *pcap;
    struct host host[WORLD_HOSTS];
    unsigned hosts, plans, halves;
    struct half half[HALVES_MAX];
    struct sim_faults faults;
    uint16_t mtu;
    bool v6;
    bool rough;         /* connections may die: what arrives must be right, but need not be all */
    bool starved;       /* memory may run out: what is not whole ends with an error that somebody was told */
    bool small;         /* see world_run_small */
    uint64_t memory;    /* bytes a host may use */
    unsigned dark_host; /* cut off from dark_from to dark_until; WORLD_HOSTS: none */
    uint64_t dark_from_ns, dark_until_ns;
    uint64_t jump_at_ns, jump_ns; /* the clock jumps */
    uint64_t steps;
    char text[WORLD_TEXT]; /* why it failed, or "" */
};

/* Draws below n from the world's own chance, which is not the network's. */
uint64_t world_draw(struct world *w, uint64_t n);

/* Runs the world of a seed. pcap: path, or NULL. False: it failed, w->text says why. */
bool world_run(struct world *w, uint64_t seed, const char *pcap);

/*
 * Runs a small world without faults of the network, in which allocations are to fail: two conversations of a few
 * thousand bytes between two hosts. hook is called when the hosts are there and nothing was said yet.
 */
bool world_run_small(struct world *w, uint64_t seed, void (*hook)(struct world *w));

/* Notes the first failure; returns false. */
bool world_fail(struct world *w, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* --- traffic.c --- */

/* Draws the conversations. */
void traffic_plan(struct world *w);

/* Starts listeners and clients. False: failed. */
bool traffic_start(struct world *w);

/* Lets a host's application work, its instance being the thread's. Returns whether it did something. */
bool traffic_step(struct world *w, struct host *h);

/* When an application that thinks goes on; UINT64_MAX: none does. */
uint64_t traffic_next_ns(const struct world *w);

/* Have all conversations ended? */
bool traffic_over(const struct world *w);

/* Says where conversations stand that have not ended. */
void traffic_describe(const struct world *w, char *to, size_t size);

/* Judges what arrived. False: failed. */
bool traffic_judge(struct world *w);

#endif /* TESTS_SIM_WORLD_H */
