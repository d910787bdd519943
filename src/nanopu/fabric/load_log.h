/* SPDX-License-Identifier: MIT */
/* Records of requests and answers: the published log's lines, CSV, JSON. */
#ifndef NANOPU_FABRIC_LOAD_LOG_H
#define NANOPU_FABRIC_LOAD_LOG_H

#include "nanopu/fabric/load.h"

#include <stdio.h>

/* One answer; cycles are those of the generator's port. */
struct load_answer {
    uint64_t service, sent, received, iteration;
    uint16_t context;     /* that it came from */
    uint64_t mean_cycles; /* between requests, of the phase */
};

struct load_sent {
    uint64_t service, sent;
    uint16_t context;
    uint64_t mean_cycles;
};

struct load_log {
    FILE *log, *csv, *json; /* or NULL */
    double mean_service;
    bool comma;
};

int load_log_open(struct load_log *l, const struct load_spec *spec, double mean_service, struct error_text *et);
void load_log_sent(struct load_log *l, const struct load_sent *s);
void load_log_answer(struct load_log *l, const struct load_answer *a);

/* Completes the files. false: something could not be written. */
bool load_log_close(struct load_log *l);

#endif /* NANOPU_FABRIC_LOAD_LOG_H */
