/* SPDX-License-Identifier: MIT */
/* Runs: a directory each, with the topology it ran, what it printed, what was answered, and `done` when it is. */
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CYCLES_MAX "4000M" /* of a run: it hangs if it needs more */
#define TEXT_MAX   8192

#define ARGUMENTS_MAX 24 /* of nanopu run */

bool bench_wanted(const struct bench_options *o, const char *experiment)
{
    for (unsigned i = 0; i < o->name_count; i++) {
        if (strcmp(o->names[i], "all") == 0 || strcmp(o->names[i], experiment) == 0)
            return true;
    }
    return false;
}

/* Makes the directory and those above it. */
static int make_dirs(const char *path)
{
    char part[PATH_MAX];

    for (const char *c = path + 1;; c++) {
        if (*c != '/' && *c != '\0')
            continue;
        snprintf(part, sizeof(part), "%.*s", (int)(c - path), path);
        if (mkdir(part, 0777) != 0 && errno != EEXIST)
            return -errno;
        if (*c == '\0')
            return 0;
    }
}

static const char one_host[] = "hosts:\n"
                               "  - {name: server, program: @GUESTS@/@GUEST@.elf, args: [@ARGS@], background: yes}\n"
                               "ports:\n"
                               "  - {name: load, ip: 10.0.0.1, connect: \"@LOAD@\"}\n"
                               "links:\n"
                               "  - {between: [server, load]}\n";

/* A text in which @NAME@ is replaced. */
struct expansion {
    char *out;
    size_t size, len;
};

static void put(struct expansion *e, const char *text, size_t len)
{
    if (e->len + len >= e->size)
        len = e->size - 1 - e->len;
    memcpy(e->out + e->len, text, len);
    e->len += len;
    e->out[e->len] = '\0';
}

static void expand(struct expansion *e, const char *text, const char *const names[][2])
{
    while (*text != '\0') {
        size_t plain = strcspn(text, "@"), i = 0;

        put(e, text, plain);
        text += plain;
        if (*text == '\0')
            return;
        while (names[i][0] != NULL && strncmp(text, names[i][0], strlen(names[i][0])) != 0)
            i++;
        assert(names[i][0] != NULL);
        put(e, names[i][1], strlen(names[i][1]));
        text += strlen(names[i][0]);
    }
}

static void load_text(const struct bench_run *r, const struct bench_options *o, char *text, size_t size)
{
    const struct bench_series *s = r->series;
    int n = snprintf(text, size, "load:%s", s->load != NULL ? s->load : "");

    if (s->mean != NULL)
        n += snprintf(text + n, size - (size_t)n, ",mean=%s", s->mean);
    else
        n += snprintf(text + n, size - (size_t)n, ",bytes=%u", r->setting + s->bytes_before);
    snprintf(text + n, size - (size_t)n, ",count=%u,seed=%" PRIu64 ",csv=answers.csv",
             o->quick ? s->quick_count : s->count, o->seed + r->seed);
}

static void topology_text(const struct bench_run *r, const struct bench_options *o, char *text, size_t size)
{
    const struct bench_series *s = r->series;
    char load[512], setting[16];
    const char *const names[][2] = {{"@GUESTS@", o->guests}, {"@GUEST@", s->guest},  {"@ARGS@", s->args},
                                    {"@LOAD@", load},        {"@SETTING@", setting}, {NULL, NULL}};
    struct expansion e = {.out = text, .size = size};

    load_text(r, o, load, sizeof(load));
    snprintf(setting, sizeof(setting), "%u", r->setting);
    e.len = (size_t)snprintf(text, size,
                             "# nanopu run --topology FILE, in this directory\n"
                             "params: {%s}\n",
                             s->params);
    expand(&e, s->hosts != NULL ? s->hosts : one_host, names);
}

/* Is the file's text this one? */
static bool has_text(const char *path, const char *text)
{
    char there[TEXT_MAX];
    FILE *f = fopen(path, "re");
    size_t n;

    if (f == NULL)
        return false;
    n = fread(there, 1, sizeof(there) - 1, f);
    fclose(f);
    there[n] = '\0';
    return strcmp(there, text) == 0;
}

static int write_text(const char *path, const char *text, struct error_text *et)
{
    FILE *f = fopen(path, "we");
    bool fine = f != NULL && fputs(text, f) >= 0;

    if (f != NULL)
        fine &= fclose(f) == 0;
    return fine ? 0 : error_set(et, errno, "%s: %s", path, strerror(errno));
}

/* A run that was done with the same topology stays done. */
static int prepare(struct bench_run *r, const struct bench_options *o, struct error_text *et)
{
    char text[TEXT_MAX], topology[PATH_MAX + 16], done[PATH_MAX + 16];
    int ret = make_dirs(r->dir);

    if (ret != 0)
        return error_set(et, -ret, "%s: %s", r->dir, strerror(-ret));
    snprintf(topology, sizeof(topology), "%s/topology.yaml", r->dir);
    snprintf(done, sizeof(done), "%s/done", r->dir);
    topology_text(r, o, text, sizeof(text));
    if (has_text(topology, text)) {
        r->done = access(done, F_OK) == 0;
        return 0;
    }
    unlink(done);
    return write_text(topology, text, et);
}

static int add_run(struct bench_plan *p, const struct bench_options *o, const struct bench_series *s, unsigned setting,
                   unsigned seed, struct error_text *et)
{
    struct bench_run *r = &p->runs[p->count];
    int ret;

    if (p->count == BENCH_RUNS_MAX)
        return error_set(et, E2BIG, "more than %d runs", BENCH_RUNS_MAX);
    *r = (struct bench_run){.series = s, .setting = setting, .seed = seed};
    if (s->mean != NULL)
        snprintf(r->dir, sizeof(r->dir), "%s/%s/%s/seed-%u", o->out, s->experiment, s->name, seed);
    else
        snprintf(r->dir, sizeof(r->dir), "%s/%s/%s/%u", o->out, s->experiment, s->name, setting);
    ret = prepare(r, o, et);
    p->ready += r->done;
    p->count++;
    return ret;
}

int bench_plan_make(struct bench_plan *p, const struct bench_options *o, struct error_text *et)
{
    const struct bench_series *s;
    int ret = 0;

    *p = (struct bench_plan){.runs = calloc(BENCH_RUNS_MAX, sizeof(*p->runs))};
    if (p->runs == NULL)
        return error_set(et, ENOMEM, "out of memory");
    for (size_t i = 0; (s = bench_series(i)) != NULL; i++) {
        if (!bench_wanted(o, s->experiment))
            continue;
        for (unsigned n = 0; n < o->seeds && s->mean != NULL && ret == 0; n++)
            ret = add_run(p, o, s, 0, n, et);
        for (unsigned n = 0; s->mean == NULL && n < ARRAY_LEN(s->settings) && s->settings[n] != 0 && ret == 0; n++)
            ret = add_run(p, o, s, s->settings[n], 0, et);
    }
    return ret;
}

void bench_plan_free(struct bench_plan *p)
{
    free(p->runs);
    p->runs = NULL;
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The child: `nanopu run` in the run's directory. */
static void become_run(const struct bench_run *r, const struct bench_options *o) __attribute__((noreturn));
static void become_run(const struct bench_run *r, const struct bench_options *o)
{
    char *argv[ARGUMENTS_MAX] = {"nanopu",   "run",      "--quiet",    "--stats",      "json",
                                 "--cycles", CYCLES_MAX, "--topology", "topology.yaml"};
    char *more = r->series->options != NULL ? strdup(r->series->options) : NULL, *save = NULL;
    unsigned n = 9;
    int fd;

    for (char *word = more != NULL ? strtok_r(more, " ", &save) : NULL; word != NULL && n < ARGUMENTS_MAX - 1;
         word = strtok_r(NULL, " ", &save))
        argv[n++] = word;
    if (chdir(r->dir) != 0)
        _exit(126);
    fd = open("output.txt", O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (fd < 0 || dup2(fd, STDOUT_FILENO) < 0 || dup2(fd, STDERR_FILENO) < 0)
        _exit(126);
    execv(o->self, argv);
    _exit(127);
}

struct children {
    struct {
        pid_t pid;
        struct bench_run *run;
        double began;
    } child[256];
    unsigned count, next, finished;
    double seconds; /* of those that finished */
};

static void start_more(struct children *c, struct bench_plan *p, const struct bench_options *o)
{
    while (c->count < o->jobs && c->next < p->count) {
        struct bench_run *r = &p->runs[c->next++];
        pid_t pid;

        if (r->done)
            continue;
        fflush(NULL);
        pid = fork();
        if (pid == 0)
            become_run(r, o);
        r->failed = pid < 0;
        if (pid < 0)
            continue;
        c->child[c->count].pid = pid;
        c->child[c->count].run = r;
        c->child[c->count++].began = now();
    }
}

static void finish_one(struct children *c, const struct bench_options *o)
{
    char path[PATH_MAX + 16];
    struct error_text et;
    int status;
    pid_t pid = waitpid(-1, &status, 0);

    (void)o;
    for (unsigned i = 0; i < c->count; i++) {
        struct bench_run *r = c->child[i].run;

        if (c->child[i].pid != pid)
            continue;
        r->seconds = now() - c->child[i].began;
        r->done = WIFEXITED(status) && WEXITSTATUS(status) == 0;
        r->failed = !r->done;
        c->seconds += r->seconds;
        c->finished++;
        snprintf(path, sizeof(path), "%s/done", r->dir);
        if (r->done && write_text(path, "", &et) != 0)
            r->failed = true;
        c->child[i] = c->child[--c->count];
        return;
    }
}

static void show_progress(const struct children *c, const struct bench_plan *p, const struct bench_options *o)
{
    unsigned todo = p->count - p->ready, left = todo - c->finished;
    double each = c->finished > 0 ? c->seconds / c->finished : 0;

    if (!isatty(STDERR_FILENO) && left != 0)
        return;
    fprintf(stderr, "%s%u of %u runs done, about %.0f s left%s", isatty(STDERR_FILENO) ? "\r\033[K" : "",
            p->ready + c->finished, p->count, each * left / o->jobs, left == 0 ? "\n" : "");
}

int bench_plan_run(struct bench_plan *p, const struct bench_options *o, struct error_text *et)
{
    struct children c = {.count = 0};
    const struct bench_run *failed = NULL;

    for (;;) {
        start_more(&c, p, o);
        if (c.count == 0)
            break;
        finish_one(&c, o);
        show_progress(&c, p, o);
    }
    for (unsigned i = 0; i < p->count && failed == NULL; i++)
        failed = p->runs[i].failed ? &p->runs[i] : NULL;
    return failed == NULL ? 0 : error_set(et, EIO, "a run failed: see %s/output.txt", failed->dir);
}

int bench_plan_slurm(const struct bench_plan *p, const struct bench_options *o, struct error_text *et)
{
    char path[PATH_MAX + 16];
    unsigned todo = 0;
    FILE *f;

    snprintf(path, sizeof(path), "%s/runs.txt", o->out);
    f = fopen(path, "we");
    if (f == NULL)
        return error_set(et, errno, "%s: %s", path, strerror(errno));
    for (unsigned i = 0; i < p->count; i++) {
        const char *more = p->runs[i].series->options;

        if (!p->runs[i].done && fprintf(f, "%s\t%s\n", p->runs[i].dir, more != NULL ? more : "") > 0)
            todo++;
    }
    fclose(f);
    snprintf(path, sizeof(path), "%s/jobs.sh", o->out);
    f = fopen(path, "we");
    if (f == NULL)
        return error_set(et, errno, "%s: %s", path, strerror(errno));
    fprintf(f,
            "#!/bin/sh\n"
            "#SBATCH --job-name=nanopu-bench\n"
            "#SBATCH --array=1-%u\n"
            "#SBATCH --cpus-per-task=1\n"
            "# sbatch %s; then the command again without --slurm: it finds the runs done and writes the report\n"
            "line=$(sed -n \"${SLURM_ARRAY_TASK_ID}p\" '%s/runs.txt') # directory, tab, options\n"
            "cd \"$(echo \"$line\" | cut -f1)\" &&\n"
            "    '%s' run --quiet --stats json --cycles " CYCLES_MAX
            " --topology topology.yaml $(echo \"$line\" | cut -f2) >output.txt 2>&1 &&\n"
            "    : >done\n",
            todo > 0 ? todo : 1, path, o->out, o->self);
    return fclose(f) == 0 ? 0 : error_set(et, errno, "%s: %s", path, strerror(errno));
}
