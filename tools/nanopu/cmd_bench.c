/* SPDX-License-Identifier: MIT */
/* nanopu bench: the command line, and where guests and published figures are. */
#include "bench.h"
#include "nanopu.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SEEDS_QUICK 2
#define SEEDS_FULL  5
#define JOBS_MAX    256

enum { OPT_QUICK = 256, OPT_SLURM, OPT_JOBS, OPT_SEEDS, OPT_SEED, OPT_OUT };

static const struct option options[] = {
    {"quick", no_argument, NULL, OPT_QUICK},
    {"slurm", no_argument, NULL, OPT_SLURM},
    {"jobs", required_argument, NULL, OPT_JOBS},
    {"seeds", required_argument, NULL, OPT_SEEDS},
    {"seed", required_argument, NULL, OPT_SEED},
    {"out", required_argument, NULL, OPT_OUT},
    {NULL, 0, NULL, 0},
};

static bool read_option(struct bench_options *o, int id, const char *text)
{
    uint64_t value = 0;
    bool fine = true;

    switch (id) {
    case OPT_QUICK:
        o->quick = true;
        return true;
    case OPT_SLURM:
        o->slurm = true;
        return true;
    case OPT_JOBS:
        fine = option_number("bench", "--jobs", text, 1, JOBS_MAX, &value);
        o->jobs = (unsigned)value;
        return fine;
    case OPT_SEEDS:
        fine = option_number("bench", "--seeds", text, 1, BENCH_SEEDS_MAX, &value);
        o->seeds = (unsigned)value;
        return fine;
    case OPT_SEED:
        return option_number("bench", "--seed", text, 0, UINT64_MAX / 2, &o->seed);
    default:
        snprintf(o->out, sizeof(o->out), "%s", text);
        return true;
    }
}

/* Quotients need what they are of. */
static bool read_name(struct bench_options *o, const char *name)
{
    const struct bench_ratio *r;

    if (strcmp(name, "all") != 0 && bench_find(name) == NULL) {
        usage_error("bench", "there is no experiment \"%s\"", name);
        return false;
    }
    if (o->name_count == ARRAY_LEN(o->names)) {
        usage_error("bench", "too many experiments");
        return false;
    }
    o->names[o->name_count++] = name;
    for (size_t i = 0; (r = bench_ratio(i)) != NULL; i++) {
        if (strcmp(r->experiment, name) == 0 && !bench_wanted(o, r->of))
            return read_name(o, r->of);
    }
    return true;
}

static void list_experiments(void)
{
    const struct bench_experiment *e;

    for (size_t i = 0; (e = bench_experiment(i)) != NULL; i++)
        printf("%-12s %s\n", e->name, e->title);
}

static bool read_options(struct bench_options *o, int argc, char **argv)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    size_t len = 0;
    int id;

    *o = (struct bench_options){.jobs = processors > 0 && processors < JOBS_MAX ? (unsigned)processors : 1,
                                .seed = 1,
                                .out = "build/evaluation"};
    for (int i = 0; i < argc && len < sizeof(o->command); i++)
        len += (size_t)snprintf(o->command + len, sizeof(o->command) - len, "%s%s", i == 0 ? "nanopu " : " ", argv[i]);
    opterr = 0;
    optind = 0;
    while ((id = getopt_long(argc, argv, ":", options, NULL)) != -1) {
        if (id == '?' || id == ':') {
            usage_error("bench", id == ':' ? "%s takes an argument" : "unknown option \"%s\"", argv[optind - 1]);
            return false;
        }
        if (!read_option(o, id, optarg))
            return false;
    }
    while (optind < argc) {
        if (!read_name(o, argv[optind++]))
            return false;
    }
    if (o->seeds == 0)
        o->seeds = o->quick ? SEEDS_QUICK : SEEDS_FULL;
    return true;
}

/* The first of two places, from this program's directory, that has the file; otherwise as configured. */
static bool find(char *out, size_t size, const char *self, const char *const places[2], const char *file)
{
    char path[PATH_MAX];

    for (unsigned i = 0; i < 2; i++) {
        snprintf(out, size, "%s/%s", self, places[i]);
        snprintf(path, sizeof(path), "%s/%s", out, file);
        if (access(path, R_OK) == 0)
            return true;
    }
    return false;
}

static int find_files(struct bench_options *o, struct error_text *et)
{
    static const char *const guests[2] = {"../apps/nanopu", "../lib/caracal/guest/evaluation"};
    static const char *const data[2] = {".", "../share/caracal"};
    char dir[PATH_MAX / 4], out[PATH_MAX / 2];
    ssize_t len = readlink("/proc/self/exe", o->self, sizeof(o->self) - 1);

    if (len <= 0)
        return error_set(et, errno, "/proc/self/exe: %s", strerror(errno));
    o->self[len] = '\0';
    snprintf(dir, sizeof(dir), "%.*s", (int)(strrchr(o->self, '/') - o->self), o->self);
    if (!find(o->guests, sizeof(o->guests), dir, guests, "evaluation.elf"))
        return error_set(et, ENOENT, "the evaluation's guests are not there: they need the cross compiler");
    if (!find(o->data, sizeof(o->data), dir, data, "published.csv"))
        return error_set(et, ENOENT, "the published figures are not there");
    snprintf(o->data + strlen(o->data), sizeof(o->data) - strlen(o->data), "/published.csv");
    snprintf(out, sizeof(out), "%s", o->out);
    if (out[0] == '/')
        return 0;
    if (getcwd(o->out, sizeof(o->out)) == NULL || strlen(o->out) + strlen(out) + 2 > sizeof(o->out))
        return error_set(et, ENAMETOOLONG, "%s: too long a path", out);
    snprintf(o->out + strlen(o->out), sizeof(o->out) - strlen(o->out), "/%s", out);
    return 0;
}

static void say(const struct bench_row *rows, unsigned count, const struct bench_options *o)
{
    for (unsigned i = 0; i < count; i++) {
        const struct bench_experiment *e = bench_find(rows[i].experiment);
        unsigned good = 0;

        for (unsigned k = 0; k < rows[i].published_count; k++) {
            const struct bench_point *p = &rows[i].published[k];
            double error = bench_error(p, bench_ours(&rows[i], p->setting));

            good += !isnan(error) && fabs(error) <= e->limit_pct;
        }
        if (rows[i].published_count != 0)
            printf("%-12s %-26s %2u of %2u points within %g %%\n", rows[i].experiment, rows[i].name, good,
                   rows[i].published_count, e->limit_pct);
    }
    printf("%s/report.html\n", o->out);
}

static int conclude(const struct bench_plan *p, const struct bench_options *o, struct error_text *et)
{
    struct bench_row *rows;
    unsigned count;
    int ret = bench_measure(&rows, &count, p, o, et);

    if (ret != 0)
        return ret;
    ret = bench_write_tables(rows, count, o, et);
    if (ret == 0)
        ret = bench_write_report(rows, count, p, o, et);
    if (ret == 0)
        say(rows, count, o);
    free(rows);
    return ret;
}

int cmd_bench(int argc, char **argv)
{
    struct bench_options o;
    struct bench_plan plan = {.runs = NULL};
    struct error_text et;
    int ret;

    if (!read_options(&o, argc, argv))
        return NANOPU_USAGE;
    if (o.name_count == 0) {
        list_experiments();
        return NANOPU_OK;
    }
    ret = find_files(&o, &et);
    if (ret == 0)
        ret = bench_plan_make(&plan, &o, &et);
    if (ret == 0 && o.slurm)
        ret = bench_plan_slurm(&plan, &o, &et);
    else if (ret == 0)
        ret = bench_plan_run(&plan, &o, &et);
    if (ret == 0 && o.slurm)
        printf("%s/jobs.sh\n", o.out);
    else if (ret == 0)
        ret = conclude(&plan, &o, &et);
    bench_plan_free(&plan);
    return ret == 0 ? NANOPU_OK : fail("%s", et.text);
}
