/* SPDX-License-Identifier: MIT */
/* What the files of `nanopu run` share. */
#ifndef NANOPU_RUN_H
#define NANOPU_RUN_H

#include "nanopu/sim/machine.h"

#include <stdio.h>

#define RUN_SETTINGS_MAX 128

enum run_stats { STATS_NONE, STATS_TEXT, STATS_JSON };

/* The command line, checked as far as it can be without looking at files. Strings are argv's. */
struct run_options {
    unsigned hosts; /* 0: not given */
    const char *topology, *profile, *input, *port;
    const char *pcap, *perfetto, *messages; /* files to write, or NULL */
    struct {
        const char *key, *value;
    } settings[RUN_SETTINGS_MAX];
    unsigned setting_count;
    unsigned threads;
    uint64_t limit_cycles, hash_cycles;
    enum run_stats stats;
    bool quiet;
    const char *trace, *konata; /* files, or NULL */
    bool gdb;
    uint16_t gdb_port; /* 0: any */
    char *program;
    char **args;
    unsigned arg_count;
};

/* false: usage_error said what is wrong. */
bool run_options_read(struct run_options *o, int argc, char **argv);

/* The topology that the options mean, finished. Negative errno and a text. */
int run_topology(const struct run_options *o, struct topology *t, struct error_text *et);

/*
 * Views that the options ask for; *out is NULL when there are none, which all of these take. run_views_probe is for
 * struct machine_config; run_views_begin waits for a debugger; run_views_between is called between windows and true
 * ends the run. Negative errno and a text.
 */
struct run_views;
int run_views_open(struct run_views **out, const struct run_options *o, const struct topology *t,
                   struct error_text *et);
struct probe *run_views_probe(struct run_views *v, unsigned node);
int run_views_begin(struct run_views *v, struct machine *machine, struct error_text *et);
bool run_views_between(struct run_views *v, uint64_t cycle);
int run_views_close(struct run_views *v, int exit_code, struct error_text *et);

/* How a run went: for the report. */
struct run_result {
    const struct topology *topology;
    struct machine *machine;
    enum machine_end end;
    double seconds; /* of this machine's time */
    unsigned threads;
};

/* What ended it, on stderr; returns the exit code of the command. */
int run_conclude(const struct run_result *r, bool quiet);

/* All counters, on stdout. */
void run_print_stats(const struct run_result *r, enum run_stats format);

#endif /* NANOPU_RUN_H */
