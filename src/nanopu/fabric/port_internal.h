/* SPDX-License-Identifier: MIT */
/* Between port.c and the kinds of ports. */
#ifndef NANOPU_FABRIC_PORT_INTERNAL_H
#define NANOPU_FABRIC_PORT_INTERNAL_H

#include "nanopu/fabric/port.h"

#include <netinet/in.h>

#define PORT_NEVER UINT64_MAX

struct load;
struct port_ring;
struct script;

struct port {
    struct port_config config;
    struct packet_pool pool;
    struct port_stats stats;
    struct packet *head, *tail; /* out of the machine, not looked at yet */
    uint64_t busy_until;        /* the link into the machine sends until then */
    struct script *script;      /* or NULL */
    struct load *load;          /* or NULL; live when there is no script either */
    int fd;                     /* live; -1 */
    struct port_ring *ring;     /* live, through shared memory; or NULL */
    bool datagrams;             /* a socket, whose peer is: */
    struct sockaddr_in peer;    /* port 0: nobody yet */
    uint64_t next_poll;
};

/* Sends a packet into the machine at cycle, or when the link is free. Returns the cycle. */
uint64_t port_emit(struct port *p, struct packet *packet, uint64_t cycle);

/* The oldest packet out of the machine if it came before `until`, or NULL; then port_packet_free. */
struct packet *port_take(struct port *p, uint64_t until);

/* Live ports. */
int port_open_socket(struct port *p, const char *address, struct error_text *et);
int port_open_tap(struct port *p, const char *name, struct error_text *et);
int port_open_ring(struct port *p, const char *path, struct error_text *et);
void port_close_live(struct port *p);
void port_live_advance(struct port *p, uint64_t until);

#endif /* NANOPU_FABRIC_PORT_INTERNAL_H */
