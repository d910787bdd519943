/* SPDX-License-Identifier: MIT */
/* demi trace: the events of an instance, living or crashed. */
#include "../common/json.h"
#include "demi.h"
#include "runfiles.h"
#include "term.h"
#include "trace_read.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define FOLLOW_NS 50000000 /* between two looks */

struct view {
    uint64_t pid;  /* 0: not asked for */
    uint64_t last; /* events, UINT64_MAX: all */
    const char *dir, *file;
    bool list, follow, json;
    char before_date[16]; /* of the event printed last */
    uint64_t before_ns;   /* and its time, 0: none */
};

/* "2026-01-31" and "12:34:56.123456", both local. */
static void wall_clock(uint64_t unix_ns, char date[16], char clock[32])
{
    time_t s = (time_t)(unix_ns / NS_PER_S);
    struct tm tm;
    char hms[16] = "--:--:--";

    snprintf(date, 16, "----------");
    if (localtime_r(&s, &tm) != NULL) {
        strftime(date, 16, "%Y-%m-%d", &tm);
        strftime(hms, sizeof(hms), "%H:%M:%S", &tm);
    }
    snprintf(clock, 32, "%s.%06u", hms, (unsigned)(unix_ns % NS_PER_S / NS_PER_US));
}

static void print_event(struct view *v, const struct trace_file *t, const struct trace_record *r, uint64_t time_ns)
{
    struct trace_argument arg;
    char date[16], clock[32], delta[24] = "";

    wall_clock(trace_unix_ns(t, time_ns), date, clock);
    if (strcmp(date, v->before_date) != 0)
        printf("%s-- %s%s\n", style_begin(STYLE_DIM), date, style_end(STYLE_DIM));
    memcpy(v->before_date, date, sizeof(v->before_date));
    if (v->before_ns != 0)
        snprintf(delta, sizeof(delta), "%+.1f us", (double)(int64_t)(time_ns - v->before_ns) / 1000);
    v->before_ns = time_ns;
    printf("%s %s%15s%s  %s%-9s%s", clock, style_begin(STYLE_DIM), delta, style_end(STYLE_DIM), style_begin(STYLE_BOLD),
           trace_event_text(t, r), style_end(STYLE_BOLD));
    for (unsigned i = 0; i < 2; i++) {
        trace_argument(&arg, t, r, i);
        if (arg.name[0] != '\0')
            printf(" %s=%s", arg.name, arg.text);
    }
    if (r->event >= t->event_count)
        printf(" event=%u", r->event);
    if (r->c != 0)
        printf(" %serror=%s%s", style_begin(STYLE_BAD), error_name(r->c), style_end(STYLE_BAD));
    putchar('\n');
}

static void json_event(const struct trace_file *t, const struct trace_record *r, uint64_t time_ns)
{
    struct trace_argument arg;
    struct json j;

    json_init(&j, stdout);
    json_begin(&j, NULL, '{');
    json_uint(&j, "unix_ns", trace_unix_ns(t, time_ns));
    json_text(&j, "event", trace_event_text(t, r));
    if (r->event >= t->event_count)
        json_uint(&j, "number", r->event);
    for (unsigned i = 0; i < 2; i++) {
        trace_argument(&arg, t, r, i);
        if (arg.name[0] == '\0')
            continue;
        if (arg.word)
            json_text(&j, arg.name, arg.text);
        else
            json_int(&j, arg.name, arg.number);
    }
    if (r->c != 0) {
        json_uint(&j, "error", r->c);
        json_text(&j, "error_name", error_name(r->c));
    }
    json_end(&j, '{');
    json_line(&j);
}

/* Place of the first record to show, so that at most v->last events follow. TIME records are not events. */
static size_t window_start(const struct view *v, const struct trace_window *w)
{
    uint64_t events = 0;
    size_t i = w->count;

    while (i > 0 && events < v->last)
        events += w->record[--i].event != TRACE_TIME;
    return i;
}

static void print_window(struct view *v, const struct trace_file *t, const struct trace_window *w, size_t from)
{
    for (size_t i = from; i < w->count; i++) {
        if (w->record[i].event == TRACE_TIME)
            continue;
        if (v->json)
            json_event(t, &w->record[i], w->time_ns[i]);
        else
            print_event(v, t, &w->record[i], w->time_ns[i]);
    }
}

/* How it is with the instance. */
static const char *state_of(const struct trace_file *t, bool alive, enum style *style)
{
    bool finished = !alive && trace_file_finished(t);

    *style = alive ? STYLE_GOOD : finished ? STYLE_PLAIN : STYLE_BAD;
    return alive ? "running" : finished ? "ended" : "crashed";
}

static void print_head(const struct view *v, const struct trace_file *t, const struct trace_window *w, const char *path,
                       bool alive)
{
    char date[16], clock[32];
    enum style style;
    const char *state = state_of(t, alive, &style);
    struct json j;

    if (v->json) {
        json_init(&j, stdout);
        json_begin(&j, NULL, '{');
        json_text(&j, "file", path);
        json_text(&j, "program", t->program);
        json_uint(&j, "pid", t->pid);
        json_uint(&j, "tid", t->tid);
        json_text(&j, "state", state);
        json_uint(&j, "start_unix_ns", t->start_unix_ns);
        json_uint(&j, "overwritten", w->first);
        json_end(&j, '{');
        json_line(&j);
        return;
    }
    wall_clock(t->start_unix_ns, date, clock);
    clock[8] = '\0';
    printf("%s%s%s  pid %u, tid %u, %s%s%s; started %s %s; %s\n", style_begin(STYLE_BOLD), t->program,
           style_end(STYLE_BOLD), t->pid, t->tid, style_begin(style), state, style_end(style), date, clock, path);
    if (w->first > 0)
        printf("%s(%" PRIu64 " older records were overwritten)%s\n", style_begin(STYLE_DIM), w->first,
               style_end(STYLE_DIM));
}

/* Prints what happens next, until the instance ends. */
static int follow(struct view *v, const struct trace_file *t, uint64_t next, struct error_text *et)
{
    struct trace_window w;
    bool alive = true;
    int ret;

    while (alive) {
        if (fflush(stdout) != 0)
            return 0;
        nanosleep(&(struct timespec){.tv_nsec = FOLLOW_NS}, NULL);
        alive = rundir_alive(t->fd); /* asked first: what it wrote last is then still printed */
        ret = trace_window_read(&w, t, next, et);
        if (ret != 0)
            return ret;
        if (w.lost > 0)
            fprintf(stderr, "demi: %" PRIu64 " records were overwritten before they could be read\n", w.lost);
        print_window(v, t, &w, 0);
        next = w.first + w.count;
        trace_window_free(&w);
    }
    if (!v->json)
        printf("%s-- the instance has ended%s\n", style_begin(STYLE_DIM), style_end(STYLE_DIM));
    return 0;
}

/* Opens one trace and prints it. */
static int show(struct view *v, const char *path)
{
    struct trace_file t = {.events = NULL};
    struct trace_window w;
    struct error_text et;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    uint64_t next = 0;
    bool alive;
    int ret;

    if (fd < 0)
        return fail("%s: %s", path, strerror(errno));
    alive = rundir_alive(fd);
    ret = trace_file_open_fd(&t, fd, &et);
    if (ret == 0)
        ret = trace_window_read(&w, &t, 0, &et);
    if (ret == 0) {
        print_head(v, &t, &w, path, alive);
        print_window(v, &t, &w, window_start(v, &w));
        next = w.first + w.count;
        trace_window_free(&w);
        if (v->follow)
            ret = follow(v, &t, next, &et);
    }
    trace_file_close(&t);
    close(fd);
    return ret == 0 ? DEMI_OK : fail("%s: %s", path, et.text);
}

/* One row of the list. */
static void list_file(struct table *t, struct json *j, const struct runfile *f)
{
    struct trace_file trace;
    char date[16], clock[32];
    int fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    enum style style = STYLE_BAD;
    const char *state = "damaged";

    if (fd < 0)
        return;
    if (trace_file_open_fd(&trace, fd, NULL) == 0) {
        state = state_of(&trace, f->alive, &style);
    } else {
        trace.start_unix_ns = (uint64_t)f->made_s * NS_PER_S;
        memcpy(trace.program, "?", 2);
    }
    wall_clock(trace.start_unix_ns, date, clock);
    clock[8] = '\0';
    if (j != NULL) {
        json_begin(j, NULL, '{');
        json_text(j, "file", f->path);
        json_text(j, "program", trace.program);
        json_uint(j, "pid", f->pid);
        json_uint(j, "tid", f->tid);
        json_text(j, "state", state);
        json_uint(j, "start_unix_ns", trace.start_unix_ns);
        json_end(j, '{');
    } else {
        table_row(t);
        table_cell(t, STYLE_BOLD, "%u", f->pid);
        table_cell(t, STYLE_PLAIN, "%u", f->tid);
        table_cell(t, STYLE_BOLD, "%s", trace.program);
        table_cell(t, style, "%s", state);
        table_cell(t, STYLE_PLAIN, "%s %s", date, clock);
        table_cell(t, STYLE_PLAIN, "%s", f->path);
    }
    trace_file_close(&trace);
    close(fd);
}

static void list(const struct view *v, const struct runfiles *files)
{
    static const char *const heads[] = {"PID", "TID", "PROGRAM", "STATE", "STARTED", "FILE"};
    struct table t;
    struct json j;

    if (v->json) {
        json_init(&j, stdout);
        json_begin(&j, NULL, '{');
        json_begin(&j, "traces", '[');
        for (size_t i = 0; i < files->count; i++)
            list_file(NULL, &j, &files->file[i]);
        json_end(&j, '[');
        json_end(&j, '{');
        json_line(&j);
        return;
    }
    if (files->count == 0) {
        printf("No trace is in %s.\n", files->where);
        return;
    }
    table_init(&t, "rrllll");
    table_row(&t);
    for (size_t i = 0; i < ARRAY_LEN(heads); i++)
        table_cell(&t, STYLE_DIM, "%s", heads[i]);
    for (size_t i = 0; i < files->count; i++)
        list_file(&t, NULL, &files->file[i]);
    table_print(&t, 0);
}

/* The traces of one process, or the newest of all. */
static int show_found(struct view *v, const struct runfiles *files)
{
    size_t found = 0;
    int ret = DEMI_OK;

    if (v->pid == 0) {
        if (files->count == 0)
            return fail("no trace is in %s", files->where);
        return show(v, files->file[files->count - 1].path);
    }
    for (size_t i = 0; i < files->count; i++)
        found += files->file[i].pid == v->pid;
    if (found == 0)
        return fail("process %" PRIu64 " has no trace in %s", v->pid, files->where);
    if (found > 1 && v->follow)
        return fail("process %" PRIu64 " has %zu instances; follow one file of `demi trace --list`", v->pid, found);
    for (size_t i = 0; ret == DEMI_OK && i < files->count; i++) {
        if (files->file[i].pid == v->pid)
            ret = show(v, files->file[i].path);
        v->before_ns = 0;
    }
    return ret;
}

static int run(struct view *v)
{
    struct runfiles files;
    struct error_text et;
    int ret = DEMI_OK;

    if (v->file != NULL)
        return show(v, v->file);
    if (runfiles_list(&files, v->dir, "trace", &et) != 0)
        return fail("%s", et.text);
    if (v->list)
        list(v, &files);
    else
        ret = show_found(v, &files);
    runfiles_free(&files);
    return ret;
}

/* Takes one option; an exit code, or -1 to go on. */
static int take_option(struct view *v, int opt, char **argv)
{
    switch (opt) {
    case 'p':
        return option_number("trace", "--pid", optarg, 1, UINT32_MAX, &v->pid) ? -1 : DEMI_USAGE;
    case 'n':
        return option_number("trace", "--last", optarg, 0, UINT32_MAX, &v->last) ? -1 : DEMI_USAGE;
    case 'd':
        v->dir = optarg;
        return -1;
    case 'l':
        v->list = true;
        return -1;
    case 'f':
        v->follow = true;
        return -1;
    case 'j':
        v->json = true;
        return -1;
    case 'h':
        print_help("trace");
        return DEMI_OK;
    case ':':
        return usage_error("trace", "%s needs a value", argv[optind - 1]);
    default:
        return usage_error("trace", "unknown option \"%s\"", argv[optind - 1]);
    }
}

int cmd_trace(int argc, char **argv)
{
    static const struct option options[] = {
        {"pid", required_argument, NULL, 'p'}, {"list", no_argument, NULL, 'l'},
        {"follow", no_argument, NULL, 'f'},    {"last", required_argument, NULL, 'n'},
        {"dir", required_argument, NULL, 'd'}, {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},      {0}};
    struct view v = {.last = UINT64_MAX};
    int opt, ret;

    opterr = 0;
    while ((opt = getopt_long(argc, argv, ":hp:lfn:d:j", options, NULL)) != -1) {
        ret = take_option(&v, opt, argv);
        if (ret >= 0)
            return ret;
    }
    if (optind < argc)
        v.file = argv[optind++];
    if (optind < argc)
        return usage_error("trace", "one file at a time, and then \"%s\"", argv[optind]);
    if ((v.file != NULL) + (v.pid != 0) + v.list > 1)
        return usage_error("trace", "either a file, or --pid, or --list");
    if (v.list && v.follow)
        return usage_error("trace", "--list shows what there is; it does not follow");
    return run(&v);
}
