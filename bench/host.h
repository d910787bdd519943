/* SPDX-License-Identifier: MIT */
/*
 * A TCP/IP stack without a device, for benchmarks: what it sends waits in a queue until a loop takes it out, and a
 * frame of another host is copied into a receive buffer of its own, as a network card would. Time is what the loop
 * says. A failure ends the program.
 */
#ifndef BENCH_HOST_H
#define BENCH_HOST_H

#include "inet/inet.h"
#include "inet/tcp.h"

#define HOST_QUEUE 32768 /* frames: more than the largest window */
#define HOST_BURST 32    /* frames a turn takes off one queue, as a poll loop would */

struct host {
    struct mem mem;
    struct timer_wheel wheel;
    uint64_t count[COUNTER_MAX];
    struct inet *in;
    struct tcp *t;
    struct inet_addr addr; /* 10.0.0.N */
    struct frame *out[HOST_QUEUE];
    unsigned first, last; /* of out, counting on */
    uint64_t random, reserved;
    bool dry;         /* what is sent is freed at once */
    uint32_t checked; /* enum frame_in_flag of the frames it is handed */
    uint64_t frames;  /* handed to it */
};

struct host_config {
    uint16_t mtu;
    struct tcp_config tcp;
    struct tcp_upcalls up;
};

void must(bool holds, const char *what);

/* Defaults of all parts, MTU 1500. */
struct host_config host_config_defaults(void);

/* A host with the address 10.0.0.n and the link address 02:00:00:00:00:n. */
struct host *host_new(uint8_t n, const struct host_config *cfg);
void host_free(struct host *h);

/* Makes both know each other's link addresses. */
void host_acquaint(struct host *a, struct host *b);

/* A turn begins: sets the time, sends the acknowledgements that waited for it, fires timers. */
void host_at(struct host *h, uint64_t now_ns);

static inline unsigned host_waiting(const struct host *h)
{
    return h->last - h->first;
}

/* The oldest frame of one host as the other one's device would hand it over. */
struct frame_in host_take(struct host *from, struct host *to);

/* Hands at most max frames of one host to the other. Returns how many. */
unsigned host_carry(struct host *from, struct host *to, unsigned max);

/* Carries frames both ways, a burst at a time, until nobody has any. */
void host_settle(struct host *a, struct host *b);

#endif /* BENCH_HOST_H */
