/* SPDX-License-Identifier: MIT */
/* What the parts of the echo program share: its options, and the two programs in it. */
#ifndef APPS_ECHO_ECHO_H
#define APPS_ECHO_ECHO_H

#include "common/addr.h"
#include "echo/team.h"

#include <stdbool.h>
#include <stdint.h>

struct echo_options {
    bool server;
    bool udp;
    bool json;
    bool quiet;
    bool progress;
    bool check;
    bool have_addr;
    struct addr addr; /* to bind, or to connect to */
    uint32_t size_bytes;
    uint32_t connections;     /* of a client */
    uint32_t max_connections; /* of a server */
    uint32_t depth;           /* 0: not given */
    uint64_t duration_ns;     /* 0: not given */
    uint64_t requests;        /* 0: not given */
    uint64_t warmup_ns;
    uint64_t timeout_ns; /* 0: not given */
    double rate_hz;      /* 0: closed loop */
    uint32_t threads;
    struct team *team; /* of the threads; this one's share is in connections, requests and rate_hz */
    bool leads;        /* the thread that talks to people */
};

/*
 * Reads the command line. EXIT_OK: *o is complete and consistent. EXIT_USAGE: it was wrong and that was said. -1: help
 * was asked for and printed.
 */
int echo_options_parse(int argc, char **argv, struct echo_options *o);

/* Each runs to its end with an instance made before, and returns the program's exit code. */
int echo_server_tcp(const struct echo_options *o);
int echo_server_udp(const struct echo_options *o);
int echo_client(const struct echo_options *o);

#endif /* APPS_ECHO_ECHO_H */
