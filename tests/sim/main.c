/* SPDX-License-Identifier: MIT */
/*
 * usage: sim-worlds [--seeds N] [--first SEED] [--jobs N] [--pcap FILE] [--verbose]
 * Runs N worlds of the whole-stack simulation, from SEED on. A world that fails is named, with the command that repeats
 * it, and its frames are written to sim-SEED.pcapng. Ends with 1 when one failed. With --pcap one world is written.
 */
#include "world.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define JOBS_MAX     64
#define FAILURES_MAX 10 /* then a job gives up */

struct options {
    uint64_t seeds, first;
    unsigned jobs;
    const char *pcap;
    bool verbose;
};

/* What a job says while it works; it may die. */
struct job {
    uint64_t seed; /* at work on */
    uint64_t done;
    uint64_t failed;
};

static const char *program;

static void report(uint64_t seed, const char *why, bool have_pcap)
{
    printf("FAILED seed %llu: %s\n  repeat: %s --seeds 1 --first %llu --pcap sim-%llu.pcapng%s\n",
           (unsigned long long)seed, why, program, (unsigned long long)seed, (unsigned long long)seed,
           have_pcap ? " (written)" : "");
    fflush(stdout);
}

static bool run_one(uint64_t seed, const char *pcap, bool verbose)
{
    static struct world w;
    char path[64];
    bool good = world_run(&w, seed, pcap);

    if (verbose)
        printf("seed %llu: %s, %u hosts, %u plans, mtu %u, %llu turns, %s\n", (unsigned long long)seed,
               good ? "good" : w.text, w.hosts, w.plans, w.mtu, (unsigned long long)w.steps,
               w.rough ? "rough" : "whole");
    if (good || pcap != NULL)
        return good;
    snprintf(path, sizeof(path), "sim-%llu.pcapng", (unsigned long long)seed);
    {
        static struct world again;
        char why[WORLD_TEXT];

        memcpy(why, w.text, sizeof(why));
        (void)world_run(&again, seed, path);
        if (strcmp(again.text, why) != 0)
            printf("seed %llu: repeated, it says: %s\n", (unsigned long long)seed, again.text);
        report(seed, why, true);
    }
    return false;
}

/* Every jobs-th seed from `from` on. */
static void work(const struct options *o, struct job *j, uint64_t from)
{
    for (uint64_t i = from; i < o->seeds; i += o->jobs) {
        j->seed = o->first + i;
        if (!run_one(j->seed, o->pcap, o->verbose) && ++j->failed >= FAILURES_MAX)
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

    while (from < o->seeds && crashes < FAILURES_MAX) {
        fflush(stdout);
        pid = fork();
        if (pid == 0) {
            work(o, j, from);
            exit(0);
        }
        if (pid < 0 || waitpid(pid, &status, 0) != pid) {
            perror("sim-worlds");
            return 1;
        }
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
            break;
        crashes++;
        report(j->seed, WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "ended with an error", false);
        from = j->seed - o->first + o->jobs;
    }
    return j->failed + crashes;
}

static int usage(void)
{
    fprintf(stderr, "usage: %s [--seeds N] [--first SEED] [--jobs N] [--pcap FILE] [--verbose]\n", program);
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
    static const struct option names[] = {{"seeds", 1, NULL, 's'}, {"first", 1, NULL, 'f'},   {"jobs", 1, NULL, 'j'},
                                          {"pcap", 1, NULL, 'p'},  {"verbose", 0, NULL, 'v'}, {NULL, 0, NULL, 0}};
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
        default:
            return false;
        }
        if (!good)
            return false;
    }
    o->jobs = o->pcap != NULL ? 1 : (unsigned)jobs;
    return optind == argc && (o->pcap == NULL || o->seeds == 1);
}

static uint64_t run_all(const struct options *o, struct job *jobs)
{
    uint64_t failed = 0;
    pid_t pids[JOBS_MAX];
    int status;

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
    for (unsigned i = 0; i < o->jobs; i++)
        if (pids[i] < 0 || waitpid(pids[i], &status, 0) < 0 || status != 0)
            failed++;
    return failed;
}

int main(int argc, char **argv)
{
    struct options o = {.seeds = 100, .first = 1, .jobs = (unsigned)sysconf(_SC_NPROCESSORS_ONLN)};
    struct job *jobs = mmap(NULL, JOBS_MAX * sizeof(*jobs), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    uint64_t done = 0, failed;

    program = argv[0];
    if (o.jobs > JOBS_MAX)
        o.jobs = JOBS_MAX;
    if (jobs == MAP_FAILED || !parse(&o, argc, argv))
        return usage();
    failed = run_all(&o, jobs);
    for (unsigned i = 0; i < o.jobs; i++)
        done += jobs[i].done;
    printf("%llu worlds from seed %llu on: %s\n", (unsigned long long)done, (unsigned long long)o.first,
           failed == 0 ? "all good" : "some FAILED");
    return failed == 0 ? 0 : 1;
}
