/* SPDX-License-Identifier: MIT */
/* What a load generator found, for people and as JSON. The plain-socket baseline prints the very same. */
#ifndef APPS_COMMON_REPORT_H
#define APPS_COMMON_REPORT_H

#include "hist.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct report {
    const char *transport; /* "tcp" or "udp" */
    const char *peer;      /* its address */
    uint64_t size_bytes;   /* of one request and of its answer */
    uint32_t connections;
    uint32_t depth;      /* most requests in flight on a connection */
    double rate_hz;      /* asked-for requests a second, 0: as fast as answers come */
    uint64_t elapsed_ns; /* from the end of the warm-up to the last answer */
    struct hist latency; /* of each answered request; an open loop counts from the intended time of sending */
    uint64_t errors;     /* connections that broke, operations that failed */
    uint64_t corrupt;    /* answers that were not what was sent */
    uint64_t lost;       /* datagrams whose answer did not come in time */
    uint64_t late;       /* answers that came after that, or twice */
    uint64_t unanswered; /* requests under way, or due, when the run ended */
};

/* A failure worth exit code 1: an error, a corrupt answer, or no answer at all. */
bool report_is_failure(const struct report *r);

double report_rate(const struct report *r);

/* Payload carried in one direction. */
double report_gbit_per_s(const struct report *r);

void report_text(const struct report *r, FILE *file);
void report_json(const struct report *r, const char *program, FILE *file);

/* A counter shown once a second on stderr. */
struct progress {
    bool on;
    bool on_terminal;
    uint64_t next_ns;
    uint64_t last_ns;
    uint64_t last_count;
};

/* On where stderr is a terminal, unless quiet; on wherever forced. now_ns is the time of the first second's start. */
void progress_start(struct progress *p, bool forced, bool quiet, uint64_t now_ns);

/* When a second has passed: prints count's rate and, unless latency is NULL or empty, percentiles, then detail. */
void progress_tick(struct progress *p, uint64_t now_ns, uint64_t count, const struct hist *latency, const char *detail);

/* Ends the line on a terminal. */
void progress_end(struct progress *p);

#endif /* APPS_COMMON_REPORT_H */
