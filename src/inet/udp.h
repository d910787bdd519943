/* SPDX-License-Identifier: MIT */
/*
 * UDP (RFC 768, RFC 1122 section 4.1): sockets that are bound, connected, or bound by their first datagram. A state
 * machine as the rest: what arrives is told by an upcall, or waits in the socket's bounded queue.
 */
#ifndef INET_UDP_H
#define INET_UDP_H

#include "inet.h"

#define UDP_HEADER    8
#define UDP_COPY_MAX  1024  /* bytes that are copied into the frame's own object, behind its headers */
#define UDP_PORT_LOW  49152 /* ephemeral ports (RFC 6335), chosen at random (RFC 6056, algorithm 1) */
#define UDP_PORT_HIGH 65535

struct udp;
struct udp_socket;

struct udp_datagram {
    void *obj; /* one reference. The first FRAME_IN_ROOM bytes of it are free */
    char *ptr;
    uint32_t len;
    struct inet_end from;
    struct inet_addr to;
};

struct udp_upcalls {
    /* A datagram that nothing waits in front of. True: taken, with d->obj's reference; false: it is queued. */
    bool (*deliver)(void *ctx, const struct udp_datagram *d);
    /* What was sent from a connected socket did not arrive: ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, EMSGSIZE. */
    void (*failed)(void *ctx, int err);
};

/* The UDP of a stack, registered with it. up is copied. NULL with *err: -ENOMEM. */
struct udp *udp_new(struct inet *in, const struct udp_upcalls *up, int *err);

/* Ends it with all its sockets. Before inet_free. */
void udp_free(struct udp *u);

/* A socket that is not bound. NULL: cfg.udp_sockets are open (counted). */
struct udp_socket *udp_open(struct udp *u, void *ctx);
void udp_close(struct udp_socket *s);

/*
 * Binds to an end of ours; port 0: one that is free. The unspecified address: all; INET_ANY6 takes IPv4 too.
 * -EADDRNOTAVAIL not ours, or no port is left; -EADDRINUSE; -EINVAL bound already.
 */
int udp_bind(struct udp_socket *s, const struct inet_end *local);

/*
 * From now on only to and from remote; binds first where nobody did. -ENETUNREACH, -EADDRNOTAVAIL; -EINVAL no address
 * or port; -EADDRINUSE another socket has the same pair of ends.
 */
int udp_connect(struct udp_socket *s, const struct inet_end *remote);

/*
 * Sends len bytes at ptr in obj (takes a reference while it needs one), to `to` or, NULL, where it is connected to; in
 * fragments where they must be. An unbound socket is bound first. -EMSGSIZE over 65507 or 65527 bytes; -ENOTCONN; else
 * as ip_output and udp_bind.
 */
int udp_send(struct udp_socket *s, void *obj, char *ptr, uint32_t len, const struct inet_end *to);

/* As udp_send with bytes that the caller may change as soon as it returns: they are copied. */
int udp_send_copy(struct udp_socket *s, const char *ptr, uint32_t len, const struct inet_end *to);

/* As udp_send_copy, if nothing has to be looked up, made or asked for first, the time neither. -EAGAIN: it has. */
int udp_send_quick(struct udp_socket *s, const char *ptr, uint32_t len, const struct inet_end *to);

/* Would udp_send hand its frames to the device at once? Else they may have to wait for the neighbour's link address. */
bool udp_goes_at_once(const struct udp_socket *s, const struct inet_end *to);

/* Is a datagram queued? */
bool udp_is_waiting(const struct udp_socket *s);

/* The oldest queued datagram, whose reference becomes the caller's. False: none. */
bool udp_recv(struct udp_socket *s, struct udp_datagram *d);

/* Where it is bound and connected; ports are 0 where it is not. */
void udp_ends(const struct udp_socket *s, struct inet_end *local, struct inet_end *remote);

/* Datagrams dropped because the queue was full. */
uint64_t udp_dropped(const struct udp_socket *s);

#endif /* INET_UDP_H */
