/* SPDX-License-Identifier: MIT */
/*
 * Timings in pairs: two functions are run in turn, batch by batch, in one process, and compared batch by batch, so that
 * the ratio holds when the machine's speed drifts. The figures are medians over the rounds.
 */
#ifndef BENCH_PAIR_H
#define BENCH_PAIR_H

#include <stdint.h>

/* Does n iterations of what is measured. */
typedef void pair_fn(unsigned n, void *arg);

struct pair {
    const char *name; /* of the benchmark */
    const char *peer; /* what it is compared with, in words */
    pair_fn *ours, *theirs;
    void *our_arg, *their_arg;
    double aim;     /* ratio the project aims at (at most), 0 for none */
    unsigned batch; /* iterations a batch */
    unsigned rounds;
    double per; /* things one iteration of ours does (0: one); the peer's iteration does one */
};

uint64_t pair_now_ns(void);

/* Runs the pair and prints one JSON object on one line: name, value, unit, peer, peer_value, ratio, aim. */
void pair_run(const struct pair *p);

/* Prints such a line for figures that were found another way. */
void pair_print(const char *name, double value, const char *unit, const char *peer, double peer_value, double ratio,
                double aim);

/* The middle one of n values; sorts them. */
double pair_median(double *v, unsigned n);

#endif /* BENCH_PAIR_H */
