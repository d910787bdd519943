/* SPDX-License-Identifier: MIT */
/*
 * A simulated network: ports joined by a switch, in one process, in virtual time. What happens to each frame is drawn
 * from one 64-bit seed, so that the same calls with the same seed are the same run, frame by frame.
 *
 * The network has a clock of its own that only sim_advance moves. A frame that is sent is copied at once; it arrives
 * when the clock has passed its delay.
 */
#ifndef NETDEV_SIM_SIM_H
#define NETDEV_SIM_SIM_H

#include "netdev/netdev.h"

#define SIM_PORTS     16
#define SIM_FRAME_MAX 9018  /* Ethernet header, tag and 9000 bytes */
#define SIM_IN_FLIGHT 65536 /* frames under way to one port; more are lost */
#define SIM_PPM       1000000
#define SIM_START_NS  (1000 * NS_PER_S) /* where the clock begins: no time that a program remembers is 0 */

/* What may happen to a frame, in parts of a million where nothing else is said. */
struct sim_faults {
    uint64_t delay_ns;  /* from port to port */
    uint64_t jitter_ns; /* and up to so much more: frames with different delays overtake each other */
    uint64_t rate_bps;  /* of a port's transmitter; 0: infinite */
    uint64_t queue_ns;  /* a transmitter that is so far behind refuses frames (with rate_bps) */
    uint32_t swallow;   /* bytes: packets without their Ethernet header that are longer vanish; 0: none */
    uint32_t loss;
    uint32_t mark; /* packets that can bear it (RFC 3168) come out as having met congestion */
    uint32_t duplicate;
    uint32_t reorder; /* held back by 1 to 8 delays */
    uint32_t corrupt; /* one bit behind the Ethernet header is inverted */
    uint32_t truncate;
    uint32_t no_buffer; /* the receiver has no memory for it */
    uint32_t refuse;    /* the transmitter's queue is full, whatever the rate */
};

/* X-macro of what the network counts: SIM_COUNT(name, what). */
#define SIM_COUNTS(SIM_COUNT)                                                                                          \
    SIM_COUNT(sent, "frames taken from ports")                                                                         \
    SIM_COUNT(delivered, "frames handed to ports")                                                                     \
    SIM_COUNT(lost, "frames lost")                                                                                     \
    SIM_COUNT(swallowed, "frames that were too long for the path")                                                     \
    SIM_COUNT(marked, "frames marked as having met congestion")                                                        \
    SIM_COUNT(dark, "frames lost in a blackout")                                                                       \
    SIM_COUNT(duplicated, "frames sent twice")                                                                         \
    SIM_COUNT(reordered, "frames held back")                                                                           \
    SIM_COUNT(corrupted, "frames with an inverted bit")                                                                \
    SIM_COUNT(truncated, "frames cut short")                                                                           \
    SIM_COUNT(no_buffer, "frames that found no memory at the receiver")                                                \
    SIM_COUNT(refused, "frames the transmitter's queue had no room for")                                               \
    SIM_COUNT(overflowed, "frames lost because too many were under way")

struct sim_counts {
#define SIM_COUNT(name, what) uint64_t name;
    SIM_COUNTS(SIM_COUNT)
#undef SIM_COUNT
};

struct sim_net;

/* NULL: no memory. */
struct sim_net *sim_new(uint64_t seed, const struct sim_faults *faults);

/* Ends it with all its ports and whatever is under way. */
void sim_free(struct sim_net *net);

/* A further port, with the link address 02:00:00:00:00:N (N from 1); mem is the receiver's. NULL: SIM_PORTS or memory.
 */
struct netdev *sim_port(struct sim_net *net, struct mem *mem, uint16_t mtu);

/* Changes what may happen from now on. */
void sim_set_faults(struct sim_net *net, const struct sim_faults *faults);

/* Cuts a port off (frames from and to it are lost) or joins it again. What is under way to it is lost at its arrival.
 */
void sim_set_dark(struct sim_net *net, const struct netdev *port, bool dark);

/* The clock, for struct clock and others that read it. */
const uint64_t *sim_clock(const struct sim_net *net);

/* Moves the clock forward to now_ns; one that is earlier is ignored. */
void sim_advance(struct sim_net *net, uint64_t now_ns);

/* When the next frame arrives anywhere; UINT64_MAX: none is under way. */
uint64_t sim_next_ns(const struct sim_net *net);

/* 64 bits of the seed's stream, for whoever wants to decide with it too. */
uint64_t sim_random(struct sim_net *net);

const struct sim_counts *sim_counts(const struct sim_net *net);

/*
 * Sees each frame that the network loses, when it does: at the port that sent it, or arriving at the other one, and why
 * in words. While there is a tap, what happened to frames that arrive is in their notes (struct frame_in). NULL ends
 * it.
 */
typedef void sim_tap_fn(void *ctx, uint64_t now_ns, unsigned port, bool arriving, const uint8_t *bytes, uint32_t len,
                        const char *fate);
void sim_set_tap(struct sim_net *net, sim_tap_fn *tap, void *ctx);

#endif /* NETDEV_SIM_SIM_H */
