/* SPDX-License-Identifier: MIT */
/* What requests of the load generator carry: section 9.2's wire format. */
#ifndef NANOPU_FABRIC_LOAD_REQUEST_H
#define NANOPU_FABRIC_LOAD_REQUEST_H

#include "load_draw.h"
#include "nanopu/fabric/load.h"

#define LOAD_WORDS_MAX 128 /* of one packet's payload */

struct load_request {
    uint64_t words[LOAD_WORDS_MAX]; /* on the wire most significant byte first */
    unsigned count;
    uint64_t service_cycles;
    uint16_t context;
    uint16_t msg_id;
};

/* All that choosing requests needs. */
struct load_maker {
    const struct load_spec *spec;
    struct draw service, choice; /* so that a kind of request changes no service time */
    struct zipf zipf;            /* intersect */
    uint64_t array;              /* rdma: address of the guest's array */
    uint32_t leader;             /* raft_write */
    uint16_t next_id;
    unsigned next_trace;
};

void load_maker_init(struct load_maker *m, const struct load_spec *spec);

/* The next one, sent at a cycle. */
void load_make(struct load_maker *m, struct load_request *r, uint64_t sent);

/* The one that ends the guest. */
void load_make_last(struct load_maker *m, struct load_request *r, uint64_t sent);

double load_mean_service(const struct load_spec *spec);

#endif /* NANOPU_FABRIC_LOAD_REQUEST_H */
