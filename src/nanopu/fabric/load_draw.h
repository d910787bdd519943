/* SPDX-License-Identifier: MIT */
/* Random numbers of the load generator: one seed gives one sequence, on every machine. */
#ifndef NANOPU_FABRIC_LOAD_DRAW_H
#define NANOPU_FABRIC_LOAD_DRAW_H

#include "core/base.h"

#define DRAW_ZIPF_MAX 1024

struct draw {
    uint64_t state;
};

void draw_init(struct draw *d, uint64_t seed, uint64_t stream);

uint64_t draw_word(struct draw *d);
uint64_t draw_below(struct draw *d, uint64_t n); /* n is not 0 */
double draw_unit(struct draw *d);                /* above 0, at most 1 */
double draw_exp(struct draw *d, double mean);
double draw_normal(struct draw *d, double mean, double deviation);

/* Zipf with exponent 1 over the numbers 1 to n, as cumulated shares. */
struct zipf {
    double below[DRAW_ZIPF_MAX];
    unsigned n;
};
void zipf_init(struct zipf *z, unsigned n); /* 1 to DRAW_ZIPF_MAX */
uint64_t draw_zipf(struct draw *d, const struct zipf *z);

#endif /* NANOPU_FABRIC_LOAD_DRAW_H */
