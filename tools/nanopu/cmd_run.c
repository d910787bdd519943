/* SPDX-License-Identifier: MIT */
/* nanopu run: a machine from the command line or a topology file, its guests' output, progress. */
#include "nanopu.h"
#include "run.h"

#include "core/clock.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PROGRESS_SECONDS 0.5

/* A host's unfinished line, when several hosts write. */
struct line {
    char *bytes;
    size_t len, room;
};

struct show {
    const struct topology *topology;
    struct machine *machine;
    struct run_views *views; /* or NULL */
    struct line *lines;      /* of hosts, or NULL: there is one host, whose output goes on as it is */
    bool progress, shown;
    double began, next;
    uint64_t last_instret;
    double last;
};

static volatile sig_atomic_t interrupted;

static void on_signal(int sig)
{
    (void)sig;
    interrupted = 1;
}

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void clear_progress(struct show *s)
{
    if (s->shown)
        fprintf(stderr, "\r\033[K");
    s->shown = false;
}

static void print_line(const struct show *s, unsigned node, const char *text, size_t len)
{
    printf("%s| %.*s\n", s->topology->nodes[node]->name, (int)len, text);
}

/* Whole lines go out with the host's name before them; the rest waits. */
static void add_to_line(struct show *s, unsigned node, const char *text, size_t n)
{
    struct line *l = &s->lines[node];

    if (l->room - l->len < n) {
        size_t room = (l->len + n) * 2;
        char *bytes = realloc(l->bytes, room);

        if (bytes == NULL)
            return;
        l->bytes = bytes;
        l->room = room;
    }
    memcpy(l->bytes + l->len, text, n);
    l->len += n;
    for (char *end; l->len > 0 && (end = memchr(l->bytes, '\n', l->len)) != NULL;) {
        size_t len = (size_t)(end - l->bytes);

        print_line(s, node, l->bytes, len);
        l->len -= len + 1;
        memmove(l->bytes, end + 1, l->len);
    }
}

static void output(void *arg, unsigned node, const char *text, size_t n)
{
    struct show *s = arg;

    clear_progress(s);
    if (s->lines == NULL)
        fwrite(text, 1, n, stdout);
    else
        add_to_line(s, node, text, n);
    fflush(stdout);
}

static void hash(void *arg, uint64_t cycle, uint64_t value)
{
    clear_progress(arg);
    printf("hash %" PRIu64 " %016" PRIx64 "\n", cycle, value);
}

static struct probe *probe(void *arg, unsigned node)
{
    const struct show *s = arg;

    return run_views_probe(s->views, node);
}

static bool between(void *arg)
{
    struct show *s = arg;
    double now;

    if (interrupted || run_views_between(s->views, machine_cycle(s->machine)))
        return true;
    if (!s->progress)
        return false;
    now = seconds();
    if (now < s->next)
        return false;
    fprintf(stderr, "\r\033[K%.3f ms simulated, %.1f M instr/s, %" PRIu64 " packets, %.0f s",
            (double)machine_cycle(s->machine) / (CLOCK_MHZ * 1000.0),
            (double)(machine_instret(s->machine) - s->last_instret) / 1e6 / (now - s->last),
            machine_packets(s->machine), now - s->began);
    fflush(stderr);
    s->shown = true;
    s->last = now;
    s->last_instret = machine_instret(s->machine);
    s->next = now + PROGRESS_SECONDS;
    return false;
}

static void finish_lines(struct show *s)
{
    for (unsigned i = 0; s->lines != NULL && i < s->topology->host_count; i++) {
        if (s->lines[i].len > 0)
            print_line(s, i, s->lines[i].bytes, s->lines[i].len);
        free(s->lines[i].bytes);
    }
    free(s->lines);
}

static int run_machine(const struct run_options *o, struct show *s)
{
    struct run_result result = {.topology = s->topology, .machine = s->machine, .threads = o->threads};
    struct error_text et;
    int code;

    if (run_views_begin(s->views, s->machine, &et) != 0)
        return fail("%s", et.text);
    s->began = s->last = seconds();
    s->next = s->began + PROGRESS_SECONDS;
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    if (machine_run(s->machine, &result.end, &et) != 0)
        return fail("%s", et.text);
    result.seconds = seconds() - s->began;
    clear_progress(s);
    finish_lines(s);
    s->lines = NULL;
    fflush(stdout);
    code = run_conclude(&result, o->quiet);
    run_print_stats(&result, o->stats);
    return code;
}

static int run_with_lines(const struct run_options *o, struct show *s)
{
    int code;

    if (s->topology->host_count > 1) {
        s->lines = calloc(s->topology->host_count, sizeof(*s->lines));
        if (s->lines == NULL)
            return fail("out of memory");
    }
    code = run_machine(o, s);
    finish_lines(s);
    return code;
}

static int run_options_run(const struct run_options *o, struct topology *t)
{
    struct show show = {.topology = t, .progress = !o->quiet && isatty(STDERR_FILENO)};
    struct machine_config config = {.topology = t,
                                    .threads = o->threads,
                                    .limit_cycles = o->limit_cycles,
                                    .hash_cycles = o->hash_cycles,
                                    .output = output,
                                    .hash = hash,
                                    .between = between,
                                    .probe = probe,
                                    .arg = &show};
    struct error_text et;
    int code;

    if (run_topology(o, t, &et) != 0 || run_views_open(&show.views, o, t, &et) != 0)
        return fail("%s", et.text);
    code = machine_new(&show.machine, &config, &et) != 0 ? fail("%s", et.text) : run_with_lines(o, &show);
    machine_free(show.machine);
    if (run_views_close(show.views, code, &et) != 0)
        return fail("%s", et.text);
    return code;
}

int cmd_run(int argc, char **argv)
{
    struct run_options o;
    struct topology t;
    int code;

    if (!run_options_read(&o, argc, argv))
        return NANOPU_USAGE;
    topology_init(&t);
    code = run_options_run(&o, &t);
    topology_free(&t);
    return code;
}
