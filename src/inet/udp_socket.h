/* SPDX-License-Identifier: MIT */
/* What the files of UDP share and nobody else sees. */
#ifndef INET_UDP_SOCKET_H
#define INET_UDP_SOCKET_H

#include "internal.h"
#include "udp.h"

#define UDP_BUCKETS 1024 /* a power of two */
#define UDP_RECENT  256  /* likewise */

struct udp_queued;

struct udp_socket {
    struct udp *udp;
    void *ctx;
    struct udp_socket *next; /* of its bucket, or of the free ones */
    struct inet_end local, remote;
    struct ip_path path; /* to where the last datagram went */
    bool bound, connected, open, has_path;
    uint32_t waiting;
    struct udp_queued *first, *last;
    uint64_t dropped;
};

/* The socket of the last datagram with these ends, all as on the wire and at that time. */
struct udp_recent {
    uint64_t addrs; /* source and destination */
    uint32_t ports; /* likewise */
    uint32_t generation;
    struct udp_socket *socket; /* NULL: nobody's place */
};

struct udp {
    struct inet *in;
    struct udp_upcalls up;
    struct udp_recent recent[UDP_RECENT];
    struct udp_socket *sockets, *free;
    uint32_t carved;
    uint64_t key;
    struct udp_socket *bound[UDP_BUCKETS], *connected[UDP_BUCKETS];
};

/* Binds s, if it is not, to a port that is good for datagrams to remote. As udp_bind. */
int udp_bind_for(struct udp_socket *s, const struct inet_end *remote);

/* Makes s->path one to remote. As ip_path_init. */
int udp_path_to(struct udp_socket *s, const struct inet_addr *remote);

#endif /* INET_UDP_SOCKET_H */
