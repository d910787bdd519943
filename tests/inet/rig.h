/* SPDX-License-Identifier: MIT */
/*
 * Hosts for tests of the stack: each has its own memory, timers and counters; what it sends is kept until somebody
 * looks (host_out) or a wire carries it to another (wire). Time stands still but for host_at.
 */
#ifndef TESTS_INET_RIG_H
#define TESTS_INET_RIG_H

#include "inet/checksum.h"
#include "inet/inet.h"
#include "inet/internal.h"
#include "inet/udp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SENT_MAX  256
#define FRAME_MAX 9100

struct sent {
    uint32_t len, flags;
    uint8_t bytes[FRAME_MAX];
};

struct host {
    struct mem mem;
    struct timer_wheel wheel;
    uint64_t count[COUNTER_MAX];
    struct inet *in;
    struct inet_addr addr; /* 10.0.0.N */
    struct sent sent[SENT_MAX];
    unsigned first, last;
    uint64_t random;
    unsigned fail_after;  /* allocations until one fails; 0: none */
    uint64_t reserved;    /* bytes of tables */
    unsigned full;        /* frames that the device will refuse */
    enum counter verdict; /* of the last frame received, by the tap */
};

#define HOST_START (1000 * NS_PER_S)

/* A host with the address 10.0.0.n/24 and the link address 02:00:00:00:00:n, quiet after its announcements. */
struct host *host_new(uint8_t n);
struct host *host_new_config(uint8_t n, const struct inet_config *cfg);

/* Ends it; every pool must be back to where it began. */
void host_free(struct host *h);

/* Sets the time and fires timers. */
void host_at(struct host *h, uint64_t now_ns);

/* Hands it a frame. */
void host_in(struct host *h, const void *bytes, uint32_t len);

/* A host whose announcements are kept (host_out). */
struct host *host_new_loud(uint8_t n, const struct inet_config *cfg);

/* The oldest frame that it sent, or NULL. Valid until SENT_MAX more are sent. */
const struct sent *host_out(struct host *h);

/* Carries frames both ways until nobody has any. Returns how many. */
unsigned wire(struct host *a, struct host *b);

#define COUNTED(h, name) ((h)->count[CTR_##name])

/* A frame under construction. */
struct packet {
    uint32_t len;
    uint8_t b[FRAME_MAX];
};

/* Ethernet header from 02:00:00:00:00:from to the same of to; 255: broadcast. */
void put_eth(struct packet *p, uint8_t to, uint8_t from, uint16_t type);
void put_bytes(struct packet *p, const void *bytes, uint32_t len);
/* An IPv4 header for what is to follow, `payload` bytes; from 10.0.0.from to 10.0.0.to. */
void put_ip4(struct packet *p, uint8_t to, uint8_t from, uint8_t proto, uint32_t payload, uint16_t id, uint16_t frag);
/* A UDP header with the checksum over the `len` bytes at data, and these bytes; for a packet of put_ip4. */
void put_udp4(struct packet *p, uint16_t to, uint16_t from, const void *data, uint32_t len);
/* Computes the header checksum of the IPv4 header at offset 14 again. */
void fix_ip4(struct packet *p);

/* A UDP with one socket on a host. */
struct box {
    struct udp *udp;
    struct udp_socket *s;
    int failed;
    unsigned got;
    bool take;
    struct mem *mem;
    struct udp_datagram last;
};

/* Binds it to a port of every address. It takes what is delivered, unless take is false: then it is queued. */
void box_open(struct box *b, struct host *h, uint16_t port);

/* Sends len bytes of a pattern to 10.0.0.to; what udp_send says. */
int box_send(struct box *b, struct host *h, uint8_t to, uint16_t port, uint32_t len);

/* Makes a and b know each other's link addresses. */
void acquaint(struct host *a, struct host *b);

#endif /* TESTS_INET_RIG_H */
