/* SPDX-License-Identifier: MIT */
/* Timings in pairs. */
#include "pair.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

uint64_t pair_now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

double pair_median(double *v, unsigned n)
{
    qsort(v, n, sizeof(*v), by_value);
    return v[n / 2];
}

void pair_print(const char *name, double value, const char *unit, const char *peer, double peer_value, double ratio,
                double aim)
{
    printf("{\"name\": \"%s\", \"value\": %.4g, \"unit\": \"%s\", \"peer\": \"%s\", \"peer_value\": %.4g, "
           "\"ratio\": %.3f, \"aim\": %.3g}\n",
           name, value, unit, peer, peer_value, ratio, aim);
    fflush(stdout);
}

void pair_run(const struct pair *p)
{
    double *ours = calloc(3 * p->rounds, sizeof(*ours));
    double *theirs, *ratio;

    if (ours == NULL) {
        fprintf(stderr, "bench: no memory\n");
        exit(1);
    }
    theirs = ours + p->rounds;
    ratio = theirs + p->rounds;
    p->ours(p->batch, p->our_arg);
    p->theirs(p->batch, p->their_arg);
    for (unsigned i = 0; i < p->rounds; i++) {
        uint64_t t0 = pair_now_ns(), t1, t2;

        p->ours(p->batch, p->our_arg);
        t1 = pair_now_ns();
        p->theirs(p->batch, p->their_arg);
        t2 = pair_now_ns();
        ours[i] = (double)(t1 - t0) / p->batch / (p->per > 0 ? p->per : 1);
        theirs[i] = (double)(t2 - t1) / p->batch;
        ratio[i] = ours[i] / theirs[i];
    }
    pair_print(p->name, pair_median(ours, p->rounds), "ns", p->peer, pair_median(theirs, p->rounds),
               pair_median(ratio, p->rounds), p->aim);
    free(ours);
}
