/* SPDX-License-Identifier: MIT */
/* See runner.h. */
#include "runner.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define JOBS_MAX     64
#define FAILURES_MAX 10 /* then a job gives up */
#define LOOK_NS      100000000
#define PROGRESS_S   5 /* between two lines about it */

struct options {
    uint64_t seeds, first;
    unsigned jobs;
    const char *pcap;
    bool verbose, stop, progress;
};

/* What a job says while it works; it may die. */
struct job {
    uint64_t seed; /* at work on */
    uint64_t done;
    uint64_t failed;
    bool reported;          /* one of its seeds was */
    char text[RUNNER_TEXT]; /* of the last run */
};

static struct job *all_jobs; /* JOBS_MAX, shared by all processes */
static const struct runner *runner;
static const char *program;

static void report(struct job *j, const char *why, bool have_pcap)
{
    uint64_t seed = j->seed;

    j->reported = true;
    printf("FAILED seed %llu: %s\n  repeat: %s --seeds 1 --first %llu --pcap %s-%llu.pcapng%s\n",
           (unsigned long long)seed, why, program, (unsigned long long)seed, runner->name, (unsigned long long)seed,
           have_pcap ? " (written)" : "");
    fflush(stdout);
}

/* One run, in a process of its own where that is wanted: there a crash is a failure like another. */
static bool run(struct job *j, uint64_t seed, const char *pcap)
{
    enum { GOOD, BAD = 3 }; /* a sanitizer ends with 1 */
    int status;
    pid_t pid;

    j->text[0] = '\0';
    if (!runner->fresh)
        return runner->run(seed, pcap, j->text);
    fflush(stdout);
    pid = fork();
    if (pid == 0)
        _exit(runner->run(seed, pcap, j->text) ? GOOD : BAD);
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        snprintf(j->text, sizeof(j->text), "no process: %s", strerror(errno));
    else if (WIFSIGNALED(status))
        snprintf(j->text, sizeof(j->text), "%s", strsignal(WTERMSIG(status)));
    else if (WEXITSTATUS(status) == GOOD)
        return true;
    else if (WEXITSTATUS(status) != BAD)
        snprintf(j->text, sizeof(j->text), "ended with status %d", WEXITSTATUS(status));
    return false;
}

static bool run_one(struct job *j, const char *pcap, bool verbose)
{
    char why[RUNNER_TEXT], path[64];
    bool good = run(j, j->seed, pcap);

    if (verbose)
        printf("seed %llu: %s, %s\n", (unsigned long long)j->seed, good ? "good" : "FAILED", j->text);
    if (good || pcap != NULL)
        return good;
    memcpy(why, j->text, sizeof(why));
    snprintf(path, sizeof(path), "%s-%llu.pcapng", runner->name, (unsigned long long)j->seed);
    (void)run(j, j->seed, path);
    if (strcmp(j->text, why) != 0)
        printf("seed %llu: repeated, it says: %s\n", (unsigned long long)j->seed, j->text);
    report(j, why, true);
    return false;
}

/* Is it over for all, because a seed has failed? */
static bool is_over(const struct options *o)
{
    for (unsigned i = 0; o->stop && i < o->jobs; i++)
        if (all_jobs[i].reported)
            return true;
    return false;
}

/* Every jobs-th seed from `from` on. */
static void work(const struct options *o, struct job *j, uint64_t from)
{
    for (uint64_t i = from; i < o->seeds && !is_over(o); i += o->jobs) {
        j->seed = o->first + i;
        if (!run_one(j, o->pcap, o->verbose) && ++j->failed >= FAILURES_MAX)
            break;
        j->done++;
    }
}

/* A job that died: its seed is a failure, and the rest is for a new one. Returns how many failed. */
static uint64_t work_in_child(const struct options *o, struct job *j, unsigned index)
{
    uint64_t from = index, crashes = 0;
    int status;
    pid_t pid;

    while (from < o->seeds && crashes < FAILURES_MAX && !is_over(o)) {
        fflush(stdout);
        pid = fork();
        if (pid == 0) {
            work(o, j, from);
            exit(0);
        }
        if (pid < 0 || waitpid(pid, &status, 0) != pid) {
            perror(program);
            return 1;
        }
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
            break;
        crashes++;
        report(j, WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "ended with an error", false);
        from = j->seed - o->first + o->jobs;
    }
    return j->failed + crashes;
}

static int usage(void)
{
    fprintf(stderr, "usage: %s [--seeds N] [--first SEED] [--jobs N] [--pcap FILE] [--stop] [--progress] [--verbose]\n",
            program);
    return 2;
}

static bool number(const char *text, uint64_t min, uint64_t max, uint64_t *value)
{
    char *end;

    *value = strtoull(text, &end, 0);
    return *text != '\0' && *text != '-' && *end == '\0' && *value >= min && *value <= max;
}

static bool parse(struct options *o, int argc, char **argv)
{
    static const struct option names[] = {{"seeds", 1, NULL, 's'},    {"first", 1, NULL, 'f'},   {"jobs", 1, NULL, 'j'},
                                          {"pcap", 1, NULL, 'p'},     {"verbose", 0, NULL, 'v'}, {"stop", 0, NULL, 'x'},
                                          {"progress", 0, NULL, 'g'}, {NULL, 0, NULL, 0}};
    uint64_t jobs = o->jobs;
    int c;

    while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
        bool good = true;

        switch (c) {
        case 's':
            good = number(optarg, 1, UINT32_MAX, &o->seeds);
            break;
        case 'f':
            good = number(optarg, 0, UINT64_MAX / 2, &o->first);
            break;
        case 'j':
            good = number(optarg, 1, JOBS_MAX, &jobs);
            break;
        case 'p':
            o->pcap = optarg;
            break;
        case 'v':
            o->verbose = true;
            break;
        case 'x':
            o->stop = true;
            break;
        case 'g':
            o->progress = true;
            break;
        default:
            return false;
        }
        if (!good)
            return false;
    }
    o->jobs = o->pcap != NULL ? 1 : (unsigned)jobs;
    return optind == argc && (o->pcap == NULL || o->seeds == 1);
}

/* Says how far the jobs are, now and then. */
static void tell_progress(const struct options *o, const struct job *jobs, uint64_t *next_s, uint64_t start_s)
{
    struct timespec now;
    uint64_t done = 0, spent, left;

    clock_gettime(CLOCK_MONOTONIC, &now);
    if (!o->progress || (uint64_t)now.tv_sec < *next_s)
        return;
    for (unsigned i = 0; i < o->jobs; i++)
        done += jobs[i].done;
    spent = (uint64_t)now.tv_sec - start_s;
    left = done > 0 ? spent * (o->seeds - done) / done : 0;
    fprintf(stderr, "%llu of %llu %s, %llu:%02llu gone, about %llu:%02llu left\n", (unsigned long long)done,
            (unsigned long long)o->seeds, runner->what, (unsigned long long)spent / 60, (unsigned long long)spent % 60,
            (unsigned long long)left / 60, (unsigned long long)left % 60);
    *next_s = (uint64_t)now.tv_sec + PROGRESS_S;
}

/* Waits for a job's process. False: it failed. */
static bool await(const struct options *o, const struct job *jobs, pid_t pid, uint64_t *next_s, uint64_t start_s)
{
    const struct timespec look = {.tv_nsec = LOOK_NS};
    int status;
    pid_t got;

    while ((got = waitpid(pid, &status, WNOHANG)) == 0) {
        nanosleep(&look, NULL);
        tell_progress(o, jobs, next_s, start_s);
    }
    return got == pid && status == 0;
}

static uint64_t run_all(const struct options *o, struct job *jobs)
{
    uint64_t failed = 0;
    pid_t pids[JOBS_MAX];
    struct timespec now;
    uint64_t next_s;

    if (o->pcap != NULL) {
        work(o, &jobs[0], 0);
        return jobs[0].failed;
    }
    fflush(stdout);
    for (unsigned i = 0; i < o->jobs; i++) {
        pids[i] = fork();
        if (pids[i] == 0)
            _exit(work_in_child(o, &jobs[i], i) > 0 ? 1 : 0);
    }
    clock_gettime(CLOCK_MONOTONIC, &now);
    next_s = (uint64_t)now.tv_sec + PROGRESS_S;
    for (unsigned i = 0; i < o->jobs; i++)
        if (pids[i] < 0 || !await(o, jobs, pids[i], &next_s, (uint64_t)now.tv_sec))
            failed++;
    return failed;
}

int runner_main(const struct runner *r, int argc, char **argv)
{
    struct options o = {.seeds = 100, .first = 1, .jobs = (unsigned)sysconf(_SC_NPROCESSORS_ONLN)};
    struct job *jobs = all_jobs =
        mmap(NULL, JOBS_MAX * sizeof(*jobs), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    uint64_t done = 0, failed;

    runner = r;
    program = argv[0];
    if (o.jobs > JOBS_MAX)
        o.jobs = JOBS_MAX;
    if (jobs == MAP_FAILED || !parse(&o, argc, argv))
        return usage();
    failed = run_all(&o, jobs);
    for (unsigned i = 0; i < o.jobs; i++)
        done += jobs[i].done;
    printf("%llu %s from seed %llu on: %s\n", (unsigned long long)done, r->what, (unsigned long long)o.first,
           failed == 0 ? "all good" : "some FAILED");
    return failed == 0 ? 0 : 1;
}
