/* SPDX-License-Identifier: MIT */
/*
 * nanopu bench: the prototype's published evaluation again. Experiments are a list (bench_list.h); each has series, a
 * series is one simulation for each seed or setting, in a directory of its own; what it measured stands beside the
 * published figures, which are one file (share/nanopu/published.csv).
 */
#ifndef NANOPU_BENCH_H
#define NANOPU_BENCH_H

#include "core/base.h"
#include "core/error.h"

#include <limits.h>

#define BENCH_ROWS_MAX   6  /* that one series measures */
#define BENCH_POINTS_MAX 64 /* of one row */
#define BENCH_SEEDS_MAX  16
#define BENCH_RUNS_MAX   4096

#define BENCH_WIRE_CYCLES 20 /* latency of the link of what is measured on the wire; it is taken off */

#define BENCH_LOAD "load, million requests a second" /* of an x axis */

/* How a series' answers become figures. */
enum bench_metric {
    BENCH_P99_CONTEXT, /* microseconds; row i is context i */
    BENCH_P99,         /* microseconds of all answers */
    BENCH_P99_NS,      /* the same in nanoseconds */
    BENCH_LATENCY,     /* median nanoseconds from the first flit in to the last flit out */
    BENCH_THROUGHPUT,  /* Gbit/s of requests, headers and all, from the first flit in to the last out */
    BENCH_PER_MESSAGE, /* nanoseconds, from the first flit in to the last out, a message */
    /* not from answers */
    BENCH_SLOWDOWN, /* of messages, see bench_slowdown */
    BENCH_QUEUES,   /* bytes: the most that one port's queue of low, then of high priority held */
    BENCH_PEAK,     /* the most bytes in all queues of a port */
    BENCH_BURSTS,   /* of queues.csv: row i is bench_burst's figure `figure` + i */
    BENCH_PRINTED   /* what guests print in lines "figure ROW: X Y" */
};

struct bench_series {
    const char *experiment, *name;
    const char *params;       /* a YAML mapping's pairs */
    const char *guest, *args; /* one host, with a load generator at its link; args: a YAML list's elements */
    /* or NULL and a topology's text but params: @GUESTS@ their directory, @LOAD@ the load generator, @SETTING@ */
    const char *hosts;
    const char *options; /* more of `nanopu run`, separated by blanks; or NULL */
    const char *load;    /* the load generator's, but mean, count, seed and file */
    const char *mean;    /* FIRST:LAST:STEP; or NULL: a run for each setting, which is `bytes` */
    unsigned count, quick_count;
    unsigned settings[8];  /* without mean; 0 ends them */
    unsigned bytes_before; /* of a request, which the setting does not count */
    enum bench_metric metric;
    unsigned figure;
    const char *rows[BENCH_ROWS_MAX];
};

struct bench_experiment {
    const char *name, *title, *x, *y, *section, *note; /* note: of what is known about differences */
    double limit_pct;                                  /* how far from the published figure it may be */
    bool log_y;
};

/* A row that is one row of an experiment divided by another of it. */
struct bench_ratio {
    const char *experiment, *name;
    const char *of, *numerator, *denominator;
};

/* What belongs to one subject. BENCH_ARRAYS initialises it from `experiments` and `series`. */
struct bench_list {
    const struct bench_experiment *experiments;
    size_t experiment_count;
    const struct bench_series *series;
    size_t series_count;
    const struct bench_ratio *ratios;
    size_t ratio_count;
};
#define BENCH_ARRAYS                                                                                                   \
    .experiments = experiments, .experiment_count = ARRAY_LEN(experiments), .series = series,                          \
    .series_count = ARRAY_LEN(series)

extern const struct bench_list bench_scheduling, bench_wire, bench_memory, bench_network, bench_transport;

/* The nth of all subjects; NULL behind the last. */
const struct bench_experiment *bench_experiment(size_t n);
const struct bench_series *bench_series(size_t n);
const struct bench_ratio *bench_ratio(size_t n);
const struct bench_experiment *bench_find(const char *name);

/* A figure: x and y, infinite where the load was more than the machine could answer; ours: the range of the seeds. */
struct bench_point {
    unsigned setting;
    double x, y, low, high;
};

struct bench_row {
    const char *experiment, *name;
    struct bench_point ours[BENCH_POINTS_MAX], published[BENCH_POINTS_MAX];
    unsigned our_count, published_count;
    char unit[16];
};

struct bench_options {
    const char *names[32];
    unsigned name_count;
    bool quick, slurm;
    unsigned jobs, seeds;
    uint64_t seed;
    char out[PATH_MAX / 2], guests[PATH_MAX / 2], data[PATH_MAX / 2], self[PATH_MAX / 2];
    char command[512]; /* to repeat it */
};

bool bench_wanted(const struct bench_options *o, const char *experiment);

/* One simulation. */
struct bench_run {
    const struct bench_series *series;
    unsigned setting; /* 0: all of them in one run */
    unsigned seed;    /* its number, from 0 */
    char dir[PATH_MAX];
    bool done, failed;
    double seconds;
};

struct bench_plan {
    struct bench_run *runs;
    unsigned count, ready; /* that were done before */
};

/* Directories and topology files of all runs. Negative errno and a text. */
int bench_plan_make(struct bench_plan *p, const struct bench_options *o, struct error_text *et);
void bench_plan_free(struct bench_plan *p);

/* Runs what is not done, o->jobs at a time; or writes a job array for it. */
int bench_plan_run(struct bench_plan *p, const struct bench_options *o, struct error_text *et);
int bench_plan_slurm(const struct bench_plan *p, const struct bench_options *o, struct error_text *et);

/* What a switch's queue towards the server did, in a run whose switch writes queues.csv; links of the incast. */
#define BENCH_INCAST_LINK 1218
enum bench_burst_figure {
    BENCH_EMPTY_AT,   /* microseconds from the first burst to the end of the last one, in iterations */
    BENCH_SECOND_AT,  /* to the begin of the second burst */
    BENCH_SECOND_PEAK /* bytes of the second burst */
};
double bench_burst(const struct bench_run *r, enum bench_burst_figure figure); /* NAN: there is none */

/* All rows of the wanted experiments, measured and published; *count of them, freed by the caller. */
int bench_measure(struct bench_row **rows, unsigned *count, const struct bench_plan *p, const struct bench_options *o,
                  struct error_text *et);

/* The slowdowns of the messages of a run of slowdown.elf. Negative errno and a text. */
int bench_slowdown(const struct bench_run *r, void (*point)(void *arg, unsigned packets, double slowdown), void *arg,
                   struct error_text *et);

/* The error of a point against the published one in percent; NAN when either is saturated and the other is not. */
double bench_error(const struct bench_point *published, const struct bench_point *ours);
const struct bench_point *bench_ours(const struct bench_row *row, unsigned setting);

/* Published is one run: could it be one of ours? Between the least and the most of several seeds. */
bool bench_in_range(const struct bench_point *published, const struct bench_point *ours);

/* errors.csv, points.csv, report.html. */
int bench_write_tables(const struct bench_row *rows, unsigned count, const struct bench_options *o,
                       struct error_text *et);
int bench_write_report(const struct bench_row *rows, unsigned count, const struct bench_plan *p,
                       const struct bench_options *o, struct error_text *et);

#endif /* NANOPU_BENCH_H */
