/* SPDX-License-Identifier: MIT */
/* Between the two files that read a topology: topology_yaml.c has its structure, topology_keys.c what single keys mean.
 */
#ifndef NANOPU_FABRIC_TOPOLOGY_INTERNAL_H
#define NANOPU_FABRIC_TOPOLOGY_INTERNAL_H

#include "topology.h"

#include <yaml.h>

#define NAME_MAX_CHARS 60

struct reader {
    yaml_document_t *doc;
    const char *file;
    struct topology *t;
    struct error_text *et;
    struct params params; /* of all nodes */
    bool profile_set;     /* by the caller's choice of defaults or the file */
};

/* What an entry of a list is read into. */
struct entry {
    struct topology_node node; /* hosts, switches, ports; strings owned until they are copied */
    unsigned count;
    yaml_node_t *params, *between;
    uint64_t latency;
    unsigned line;
};

typedef int set_fn(struct reader *r, struct entry *e, const char *key, yaml_node_t *value);

struct key {
    const char *name;
    set_fn *set;
};

/* A list of mappings: their keys, and whether parameters may stand among them. */
struct list {
    const struct key *keys;
    size_t key_count;
    enum topology_kind kind;
    bool params;
};
extern const struct list topology_hosts, topology_switches, topology_ports, topology_links;

/* "file:line: key: what", and -EINVAL; key may be empty. */
int topology_refuse(struct reader *r, const yaml_node_t *at, const char *key, const char *what);
int topology_out_of_memory(struct reader *r);

/* The text of a scalar, NULL when the node is none or has a zero byte. */
const char *topology_scalar(const yaml_node_t *n);

/* Calls a key's function for each pair of a mapping; pairs that name a parameter go to p, when it is not NULL. */
int topology_mapping(struct reader *r, yaml_node_t *map, const struct key *keys, size_t count, struct entry *e,
                     struct params *p);

#endif /* NANOPU_FABRIC_TOPOLOGY_INTERNAL_H */
