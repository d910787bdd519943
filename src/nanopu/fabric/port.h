/* SPDX-License-Identifier: MIT */
/*
 * A port: a node of the machine whose other side is not simulated. It is scripted (a file says what it sends and
 * expects; the run stays deterministic) or live (frames of this machine; it does not). What `connect` takes:
 *
 *   script:FILE            see port_script.h
 *   load:KEY=VALUE,...     a load generator: see load.h
 *   socket:ADDRESS:PORT    UDP on a loopback address; a datagram is a frame, answers go to who sent the last one
 *   tap:NAME               a TAP interface, made if there is none (needs CAP_NET_ADMIN)
 *   ring:FILE              shared memory: see core/port_ring.h
 *
 * The simulation runs ahead as fast as it can. A live port looks for frames every PORT_POLL_CYCLES and stamps them with
 * the end of the window in which it found them.
 */
#ifndef NANOPU_FABRIC_PORT_H
#define NANOPU_FABRIC_PORT_H

#include "core/error.h"
#include "nanopu/fabric/packet.h"
#include "nanopu/sim/params.h"

#define PORT_PACKETS_MAX 4096 /* of one port under way */
#define PORT_POLL_CYCLES 3200

/* C(name, help); drops begin with drop_ */
#define PORT_COUNTERS(C)                                                                                               \
    C(sent, "packets into the machine")                                                                                \
    C(received, "packets out of the machine")                                                                          \
    C(ignored, "packets that the script says nothing about")                                                           \
    C(drop_memory, "packets beyond the number that a port can have under way")                                         \
    C(drop_long, "frames from outside that are longer than a packet can be")                                           \
    C(drop_outside, "packets that the other side did not take, or that nobody was there for")

#define PORT_COUNTER_FIELD(name, help) uint64_t name;
struct port_stats {
    PORT_COUNTERS(PORT_COUNTER_FIELD)
};
#undef PORT_COUNTER_FIELD

struct port_config {
    uint32_t node;
    const char *name, *connect; /* must outlive it */
    uint32_t ip;
    uint64_t mac, switch_mac;
    const struct params *params;
    uint64_t link_cycles;                      /* latency of its link */
    void (*send)(void *arg, struct packet *p); /* into the machine; the callee gives it back with port_packet_free */
    void *arg;
};

struct port;

/* 0 and *out; -EINVAL, errors of open, socket and so on, with a text. */
int port_new(struct port **out, const struct port_config *config, struct error_text *et);
void port_free(struct port *p);

/* A packet comes out of the machine, after those before it. It is copied. */
void port_receive(struct port *p, const struct packet *packet);
void port_packet_free(struct port *p, struct packet *packet);

/* Does everything before cycle `until`; all packets that come before it were handed in. */
void port_advance(struct port *p, uint64_t until);
uint64_t port_next_event(const struct port *p);

/* Nothing will happen any more, which a script may not like. */
void port_end(struct port *p);

/*
 * A live port is always idle: no run waits for it. A script waits until its last line was done, a load
 * generator until its last request was sent.
 */
enum port_state { PORT_IDLE, PORT_WAITING, PORT_FAILED };
bool port_is_scripted(const struct port *p); /* or a load generator: a run waits for it */
enum port_state port_state(const struct port *p);
const char *port_failure(const struct port *p);
const struct port_stats *port_stats(const struct port *p);

#endif /* NANOPU_FABRIC_PORT_H */
