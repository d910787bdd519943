/* SPDX-License-Identifier: MIT */
/*
 * A machine: the hosts, switches and ports of a topology, run together.
 *
 * Time goes in windows. What leaves a node in a window arrives elsewhere in a later one, because no link is faster than
 * a window is long; so within a window the nodes know nothing of each other, and any thread may run any of them. What
 * they sent is handed over between windows, for each node in the order of its ports and of time there. The result is
 * the same, to the bit, for any number of threads and any order of hosts in the file. When no node has anything to do,
 * the next window begins where one has.
 */
#ifndef NANOPU_SIM_MACHINE_H
#define NANOPU_SIM_MACHINE_H

#include "core/error.h"
#include "nanopu/fabric/port.h"
#include "nanopu/fabric/topology.h"
#include "nanopu/sim/host.h"

#define MACHINE_THREADS_MAX 256

struct machine;
struct probe;

struct machine_config {
    const struct topology *topology; /* finished; must outlive the machine */
    unsigned threads;                /* 1 to MACHINE_THREADS_MAX */
    uint64_t limit_cycles;           /* the run ends there; CYCLE_NEVER: no limit */
    uint64_t hash_cycles;            /* 0, or: call hash at the end of the window in which a multiple of it lies */
    /* All of these are called by one thread at a time while the others wait, in the order of nodes. Any may be NULL. */
    void (*output)(void *arg, unsigned node, const char *s, size_t n); /* what a guest wrote */
    void (*hash)(void *arg, uint64_t cycle, uint64_t hash);
    bool (*between)(void *arg); /* after each window; true ends the run */
    /* Called for each host while the machine is made: who observes it. */
    struct probe *(*probe)(void *arg, unsigned node);
    void *arg;
};

/* 0 and *out, or a negative errno and a text. */
int machine_new(struct machine **out, const struct machine_config *config, struct error_text *et);
void machine_free(struct machine *m);

enum machine_end {
    MACHINE_EXITED,  /* every host that is not in the background */
    MACHINE_FAILED,  /* a host, or a port */
    MACHINE_LIMIT,   /* of cycles */
    MACHINE_STUCK,   /* nothing will ever happen again */
    MACHINE_STOPPED, /* by `between` */
};

/* Runs to an end. -ENOMEM, -EAGAIN when a thread cannot be made; 0 and *end. */
int machine_run(struct machine *m, enum machine_end *end, struct error_text *et);

/* At the end of a window. */
uint64_t machine_cycle(const struct machine *m);
uint64_t machine_instret(const struct machine *m);
uint64_t machine_packets(const struct machine *m); /* handed over between nodes */
uint64_t machine_windows(const struct machine *m);

/* A hash over registers, CSRs, counters of all harts and the DRAM of all hosts, at machine_cycle. */
uint64_t machine_hash(struct machine *m);

/* NULL when the node is no port, no host, no switch. */
const struct port *machine_port(const struct machine *m, unsigned node);
struct host *machine_host(const struct machine *m, unsigned node);
const struct fabric_switch *machine_switch(const struct machine *m, unsigned node);

#endif /* NANOPU_SIM_MACHINE_H */
