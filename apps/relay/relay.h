/* SPDX-License-Identifier: MIT */
/* What the parts of the relay share: options, counters, and the relay itself. */
#ifndef APPS_RELAY_RELAY_H
#define APPS_RELAY_RELAY_H

#include "common/addr.h"

#include <stdbool.h>
#include <stdint.h>

struct relay_options {
    struct addr bind;
    struct addr to;
    uint32_t sessions;
    uint64_t idle_ns;
    bool json;
    bool quiet;
    bool have_to;
};

/* Why a datagram went nowhere: name, and what it says in the summary. */
#define RELAY_DROPS(X)                                                                                                 \
    X(table_full, "the table of sessions was full")                                                                    \
    X(no_socket, "a new session's socket could not be made")                                                           \
    X(busy, "too many datagrams were waiting to be sent")                                                              \
    X(send_failed, "it could not be sent")                                                                             \
    X(foreign, "an answer that did not come from the target")                                                          \
    X(empty, "it had no byte")                                                                                         \
    X(no_source, "its source is unknown")

enum relay_drop {
#define X(name, text) DROP_##name,
    RELAY_DROPS(X)
#undef X
        DROP_COUNT
};

struct relay_counters {
    uint64_t in; /* from clients to the target */
    uint64_t in_bytes;
    uint64_t out; /* from the target to clients */
    uint64_t out_bytes;
    uint64_t sessions; /* made */
    uint64_t expired;  /* of them, ended for being idle */
    uint64_t receive_failed;
    uint64_t dropped[DROP_COUNT];
};

/* Runs until it is told to stop; returns the exit code. The counters are right in either case. */
int relay_run(const struct relay_options *o, struct relay_counters *counters);

#endif /* APPS_RELAY_RELAY_H */
