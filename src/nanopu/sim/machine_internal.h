/* SPDX-License-Identifier: MIT */
/* Between machine.c, which builds and looks, and machine_run.c, which runs. */
#ifndef NANOPU_SIM_MACHINE_INTERNAL_H
#define NANOPU_SIM_MACHINE_INTERNAL_H

#include "nanopu/fabric/port.h"
#include "nanopu/sim/barrier.h"
#include "nanopu/sim/machine.h"

#include <stdio.h>

#include <stdatomic.h>

struct sent {
    struct packet *head, *tail;
};

/* A node's end of a link. What it sends in window k is in out[k % 2]; its neighbour takes it in window k + 1. */
struct link_end {
    struct sent out[2];
    unsigned neighbour, neighbour_port;
    uint64_t latency_cycles;
};

struct text {
    char *bytes;
    size_t len, room;
};

struct node {
    struct machine *machine;
    const struct topology_node *config;
    unsigned index;
    struct host *host;
    struct fabric_switch *sw;
    struct port *port;       /* a node is one of the three */
    struct elf_image *image; /* shared with other hosts */
    char **argv;
    uint8_t *input;
    size_t input_len;
    FILE *queues;                                  /* of a switch, or NULL */
    struct link_end *ends;                         /* config->links of them */
    uint64_t next_event;                           /* nothing happens in it before, unless something arrives */
    uint64_t packets;                              /* that it was handed */
    struct text output;                            /* since the last window */
    _Alignas(CACHE_LINE) _Atomic uint64_t claimed; /* the last window for which a thread took it */
};

struct machine {
    struct machine_config config;
    struct node *nodes;
    unsigned count;
    struct elf_image **images;
    unsigned image_count;
    uint64_t window_cycles;
    /* Written between windows, by one thread. */
    uint64_t window, start, until; /* its number, from 1, and bounds */
    uint64_t hash_due;
    bool done;
    enum machine_end end;
    /* Written by each thread about the nodes that it ran, read between windows. */
    struct worker {
        _Alignas(CACHE_LINE) struct machine *machine;
        unsigned index;
        uint64_t next; /* the first cycle in which one of its nodes, or a packet of theirs, has to do with anything */
        bool spoke;    /* there is output */
        unsigned sent; /* ends of links that sent anything */
    } workers[MACHINE_THREADS_MAX];
    struct barrier barrier;
};

/* Appends what the guest wrote; false: out of memory. */
bool text_append(struct text *t, const char *s, size_t n);

#endif /* NANOPU_SIM_MACHINE_INTERNAL_H */
