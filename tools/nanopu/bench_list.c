/* SPDX-License-Identifier: MIT */
/* All experiments: a file for each subject. */
#include "bench.h"

#include <string.h>

static const struct bench_list *const lists[] = {&bench_scheduling, &bench_wire, &bench_memory, &bench_network,
                                                 &bench_transport};

/* The nth element of all lists' arrays of a kind, NULL behind the last. */
#define NTH(array, count, n)                                                                                           \
    do {                                                                                                               \
        for (size_t i_ = 0; i_ < ARRAY_LEN(lists); i_++) {                                                             \
            if ((n) < lists[i_]->count)                                                                                \
                return &lists[i_]->array[n];                                                                           \
            (n) -= lists[i_]->count;                                                                                   \
        }                                                                                                              \
        return NULL;                                                                                                   \
    } while (0)

const struct bench_experiment *bench_experiment(size_t n)
{
    NTH(experiments, experiment_count, n);
}

const struct bench_series *bench_series(size_t n)
{
    NTH(series, series_count, n);
}

const struct bench_ratio *bench_ratio(size_t n)
{
    NTH(ratios, ratio_count, n);
}

const struct bench_experiment *bench_find(const char *name)
{
    const struct bench_experiment *e;

    for (size_t n = 0; (e = bench_experiment(n)) != NULL; n++) {
        if (strcmp(e->name, name) == 0)
            return e;
    }
    return NULL;
}
