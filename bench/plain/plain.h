/* SPDX-License-Identifier: MIT */
/* What the parts of the plain-socket echo program share. */
#ifndef BENCH_PLAIN_PLAIN_H
#define BENCH_PLAIN_PLAIN_H

#include "common/addr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes one reception takes at most: any datagram, and a good piece of a stream. */
#define PLAIN_BUFFER_BYTES 65536

enum plain_mode {
    MODE_EPOLL,
    MODE_SPIN,
};

struct plain_options {
    bool server;
    bool udp;
    bool json;
    bool quiet;
    bool progress;
    bool spin; /* epoll mode: do not sleep */
    bool have_addr;
    enum plain_mode mode;
    struct addr addr;
    uint32_t size_bytes;
    uint32_t connections;
    uint64_t duration_ns;
    uint64_t requests;
    uint64_t warmup_ns;
    uint64_t timeout_ns;
    double rate_hz;
};

/* Each runs to its end and returns the program's exit code. */
int plain_server(const struct plain_options *o);
int plain_client(const struct plain_options *o);

/* plain_net.c. Those that fail complain and return false or -1. */

/* A socket bound to an address, listening where it is a stream; it does not block. *bound is its real address. */
int plain_bound_socket(const struct addr *bind_to, bool udp, struct addr *bound);

/* A socket connected to an address; it does not block. */
int plain_connected_socket(const struct addr *to, bool udp);

/* Small segments leave at once, and no call blocks. */
bool plain_prepare(int fd, bool udp);

#endif /* BENCH_PLAIN_PLAIN_H */
