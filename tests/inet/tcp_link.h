/* SPDX-License-Identifier: MIT */
/* A lossy link between two hosts of tcp_rig.h: delay, loss, reordering, duplication, decided by one seed. */
#ifndef TESTS_INET_TCP_LINK_H
#define TESTS_INET_TCP_LINK_H

#include "tcp_rig.h"

#define LINK_FRAMES 4096

struct link_frame {
    uint64_t at_ns;
    uint64_t order;
    struct tcp_host *to;
    uint32_t len;
    uint8_t *bytes;
};

struct link {
    struct tcp_host *end[2];
    uint64_t now_ns;
    uint64_t delay_ns;       /* one way */
    uint64_t jitter_ns;      /* at most; reorders */
    uint32_t loss;           /* of 65536 */
    uint32_t duplicate;      /* of 65536 */
    uint64_t ns_per_byte_q8; /* serialisation: nanoseconds a byte, times 256; 0: none */
    uint64_t queue_ns;       /* most that may wait for the wire; beyond it frames are lost */
    uint32_t mark;           /* of 65536: ECT packets get CE */
    uint32_t swallow;        /* a black hole: packets of more bytes than this are lost; 0: none */
    uint64_t busy_ns[2];
    uint64_t random;
    uint64_t lost, carried;
    uint32_t count;
    struct link_frame frame[LINK_FRAMES];
};

struct link *link_new(struct tcp_host *a, struct tcp_host *b, uint64_t seed);
void link_free(struct link *l);
uint32_t link_random(struct link *l, uint32_t below);

/* Goes on to the next event (a frame's arrival, a timer), at most to until_ns. False: there it is. */
bool link_step(struct link *l, uint64_t until_ns);

/* Takes what the hosts have sent onto the wire. */
void link_collect(struct link *l);

/* Lets ns pass. */
void link_pass(struct link *l, uint64_t ns);

#endif /* TESTS_INET_TCP_LINK_H */
