/* SPDX-License-Identifier: MIT */
/*
 * What a machine consists of: hosts, switches, ports to the outside, and the links between them. It is read from a YAML
 * file or made by calls, then finished: addresses given, order made independent of the file's, routes found.
 */
#ifndef NANOPU_FABRIC_TOPOLOGY_H
#define NANOPU_FABRIC_TOPOLOGY_H

#include "core/error.h"
#include "nanopu/fabric/switch.h"

#define TOPOLOGY_HOSTS_MAX 4096
#define TOPOLOGY_NODES_MAX 8192
#define TOPOLOGY_ARGS_MAX  64
#define TOPOLOGY_FILE_MAX  1048576 /* bytes */

#define IP_FIRST_HOST UINT32_C(0x0a000002)
#define MAC_HOSTS     UINT64_C(0x0026e1000000) /* the address's low 24 bits are those of the IP address */
#define MAC_SWITCH    UINT64_C(0x085566778808)

enum topology_kind { TOPOLOGY_HOST, TOPOLOGY_SWITCH, TOPOLOGY_PORT };

/* All strings are owned. */
struct topology_node {
    enum topology_kind kind;
    char *name;
    unsigned line;        /* of the file, 0: none */
    struct params params; /* hosts and switches */
    uint32_t ip;          /* hosts and ports; 0: to be given */
    uint64_t mac;
    unsigned links; /* set by topology_finish; its ports have the numbers below */
    /* hosts */
    char *program; /* path, or NULL: whoever runs the machine names it */
    char *args[TOPOLOGY_ARGS_MAX];
    unsigned arg_count;
    char *input;     /* path of what it reads from descriptor 0, or NULL */
    bool background; /* the run does not wait for it */
    /* switches */
    enum switch_kind switch_kind;
    bool store_and_forward;
    char *queues; /* path of a file for its queues' lengths, or NULL */
    /* ports */
    char *connect; /* what is behind it: see port.h */
};

struct topology_link {
    unsigned node[2], port[2];
    uint64_t latency_cycles;
    unsigned line;
};

struct topology {
    struct topology_node **nodes; /* hosts by address, then ports by address, then switches by name */
    unsigned node_count, host_count;
    struct topology_link *links;
    unsigned link_count;
    uint64_t window_cycles; /* the smallest latency of a link */
};

/* An empty one; topology_free is always allowed. */
void topology_init(struct topology *t);
void topology_free(struct topology *t);

/* Adds a node with a copy of the name and of params. NULL: out of memory, or too many nodes. */
struct topology_node *topology_add(struct topology *t, enum topology_kind kind, const char *name,
                                   const struct params *params);

/* Joins two nodes by their index at this time; latency 0: that of the first one's parameters when finished. -ENOMEM. */
int topology_join(struct topology *t, unsigned a, unsigned b, uint64_t latency_cycles, unsigned line);

/* -1: there is none of this name. */
int topology_find(const struct topology *t, const char *name);

/*
 * Reads a file's text, or a file; `defaults` are what its params start from, or the profile's when the file names one.
 * `name` stands for the file in messages: "file:line: what is wrong". Paths of programs count from the file's
 * directory. -EINVAL and a text; -ENOMEM; errors of open and read.
 */
int topology_parse(struct topology *t, const char *name, const char *text, size_t len, const struct params *defaults,
                   struct error_text *et);
int topology_read(struct topology *t, const char *path, const struct params *defaults, struct error_text *et);

/*
 * Completes it: addresses for those who have none (10.0.0.2 and on, in the order in which they were added), one exact
 * switch for all when no link was given, an order of nodes that depends on addresses and names alone, port numbers.
 * -EINVAL and a text, with `name` before it: names or addresses twice, hosts without or with two links, no way between
 * two hosts, links that the osdi21 switch cannot have; -ENOMEM.
 */
int topology_finish(struct topology *t, const char *name, struct error_text *et);

/* For a switch of a finished topology: the port to each address's low 16 bits (SWITCH_ROUTES of them). -ENOMEM. */
int topology_routes(const struct topology *t, unsigned node, uint16_t *routes);

/* Network order is the number's: 10.0.0.2 is 0x0a000002. buf has room for "255.255.255.255". */
char *ip_text(uint32_t ip, char buf[16]);
char *mac_text(uint64_t mac, char buf[18]); /* 00:26:E1:00:00:02 */
int ip_parse(const char *text, uint32_t *ip);

#endif /* NANOPU_FABRIC_TOPOLOGY_H */
