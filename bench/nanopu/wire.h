/* SPDX-License-Identifier: MIT */
/*
 * A tester on the other end of a simulated host's wire, as the prototype's authors had one (section 9.3 of the
 * machine's contract): it sends requests at wire rate, acknowledges what comes back, and knows the cycle of each flit.
 */
#ifndef BENCH_NANOPU_WIRE_H
#define BENCH_NANOPU_WIRE_H

#include "nanopu/sim/elf.h"
#include "nanopu/sim/host.h"

#define WIRE_ANSWERS_MAX 64

struct wire {
    struct params params;
    struct elf_image image;
    struct host *host;
    uint64_t now, wire_free; /* the next cycle in which nothing is on the wire to the host */
    uint64_t step;           /* cycles between looks at what the host has sent: an acknowledgement comes at the next */
    uint16_t next_id;
    bool booted;
    unsigned answers;
    uint64_t all_answers; /* a hash of the cycles of their last flits, since the start */
    uint64_t first_flit[WIRE_ANSWERS_MAX], last_flit[WIRE_ANSWERS_MAX]; /* of each answer; `answers` may be set to 0 */
};

/* Starts the guest and waits for its boot message; idle_skip is the parameter. 0, or a negative errno with a text. */
int wire_start(struct wire *w, const char *program, bool idle_skip, struct error_text *et);
void wire_stop(struct wire *w);

/* Sends a message of one packet as soon as the wire is free, not before `cycle`; words are sent as they stand. Returns
 * the cycle of its first flit. */
uint64_t wire_send(struct wire *w, uint64_t cycle, const uint64_t *words, unsigned count);

/* Goes on until the guest has answered `answers` times or max_cycles have passed; returns whether it has. */
bool wire_wait(struct wire *w, unsigned answers, uint64_t max_cycles);

#endif /* BENCH_NANOPU_WIRE_H */
