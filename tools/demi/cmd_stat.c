/* SPDX-License-Identifier: MIT */
/* demi stat: counters of instances, once or again and again with rates. */
#include "../common/json.h"
#include "demi.h"
#include "runfiles.h"
#include "stat_read.h"
#include "term.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct view {
    uint64_t pid;   /* 0: all */
    uint64_t turns; /* 0: for ever */
    double every_s;
    const char *dir;
    bool all, watch, json;
};

struct item {
    struct runfile file;
    struct stat_sample now;
    struct stat_sample before; /* of the last turn; nothing when the instance is new */
    double since_s;            /* between the two */
};

struct shot {
    struct item *item;
    size_t count;
    uint64_t at_ns;
    char where[RUNDIR_PATH_MAX + 8];
};

static uint64_t time_ns(clockid_t clock)
{
    struct timespec ts;

    clock_gettime(clock, &ts);
    return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

static void shot_free(struct shot *s)
{
    for (size_t i = 0; i < s->count; i++) {
        stat_sample_free(&s->item[i].now);
        stat_sample_free(&s->item[i].before);
    }
    free(s->item);
    s->item = NULL;
    s->count = 0;
}

/* Reads one page into *it. false: not to be shown; what is wrong with a page goes to stderr. */
static bool read_item(struct item *it, const struct view *v, const struct runfile *f)
{
    struct error_text et;
    size_t len;
    void *page;
    int ret;

    memset(it, 0, sizeof(*it));
    it->file = *f;
    if ((v->pid != 0 && f->pid != v->pid) || (!f->alive && !v->all))
        return false;
    page = runfile_read(f->path, STAT_PAGE_MAX, &len, &et);
    if (page == NULL)
        return false; /* gone since it was listed */
    ret = stat_sample_parse(&it->now, page, len, &et);
    free(page);
    if (ret != 0)
        fprintf(stderr, "demi: %s: %s\n", f->path, et.text);
    return ret == 0;
}

/* Takes over the samples of the last turn as those before. */
static void link_before(struct shot *now, struct shot *last)
{
    for (size_t i = 0; i < now->count; i++) {
        struct item *it = &now->item[i];

        for (size_t k = 0; k < last->count; k++) {
            struct item *old = &last->item[k];

            if (strcmp(old->file.path, it->file.path) != 0 || old->now.start_unix_ns != it->now.start_unix_ns ||
                old->now.count != it->now.count)
                continue;
            it->before = old->now;
            memset(&old->now, 0, sizeof(old->now));
            it->since_s = (double)(now->at_ns - last->at_ns) / 1e9;
            break;
        }
    }
}

static int take_shot(struct shot *s, const struct view *v, struct error_text *et)
{
    struct runfiles files;
    int ret = runfiles_list(&files, v->dir, "stat", et);

    memset(s, 0, sizeof(*s));
    if (ret != 0)
        return ret;
    s->at_ns = time_ns(CLOCK_MONOTONIC);
    snprintf(s->where, sizeof(s->where), "%s", files.where);
    s->item = calloc(files.count + 1, sizeof(*s->item));
    for (size_t i = 0; s->item != NULL && i < files.count; i++)
        s->count += read_item(&s->item[s->count], v, &files.file[i]);
    runfiles_free(&files);
    return s->item != NULL ? 0 : error_set(et, ENOMEM, "out of memory");
}

static double rate(const struct item *it, uint32_t i)
{
    if (i >= it->before.count || it->since_s <= 0)
        return 0;
    return (double)(int64_t)(it->now.counter[i].value - it->before.counter[i].value) / it->since_s;
}

static double rate_of(const struct item *it, const char *name)
{
    for (uint32_t i = 0; i < it->now.count; i++) {
        if (strcmp(it->now.counter[i].name, name) == 0)
            return rate(it, i);
    }
    return 0;
}

static uint64_t age_s(const struct item *it)
{
    uint64_t now = time_ns(CLOCK_REALTIME);

    return now > it->now.start_unix_ns ? (now - it->now.start_unix_ns) / NS_PER_S : 0;
}

static void json_item(struct json *j, const struct item *it)
{
    json_begin(j, NULL, '{');
    json_uint(j, "pid", it->now.pid);
    json_uint(j, "tid", it->now.tid);
    json_text(j, "program", it->now.program);
    json_text(j, "libos", it->now.libos);
    json_bool(j, "alive", it->file.alive);
    json_uint(j, "start_unix_ns", it->now.start_unix_ns);
    json_text(j, "file", it->file.path);
    json_begin(j, "counters", '{');
    for (uint32_t i = 0; i < it->now.count; i++)
        json_uint(j, it->now.counter[i].name, it->now.counter[i].value);
    json_end(j, '{');
    if (it->since_s > 0) {
        json_begin(j, "per_second", '{');
        for (uint32_t i = 0; i < it->now.count; i++) {
            if (!stat_is_level(it->now.counter[i].name))
                json_real(j, it->now.counter[i].name, rate(it, i));
        }
        json_end(j, '{');
    }
    json_end(j, '{');
}

static void print_json(const struct shot *s)
{
    struct json j;

    json_init(&j, stdout);
    json_begin(&j, NULL, '{');
    json_uint(&j, "unix_ns", time_ns(CLOCK_REALTIME));
    json_begin(&j, "instances", '[');
    for (size_t i = 0; i < s->count; i++)
        json_item(&j, &s->item[i]);
    json_end(&j, '[');
    json_end(&j, '{');
    json_line(&j);
}

/* A cell with a counter: its rate where there is one to tell, else its value. */
static void value_cell(struct table *t, const struct item *it, const char *name, bool rates)
{
    char text[16];

    if (rates && it->since_s <= 0)
        table_cell(t, STYLE_DIM, "-");
    else
        table_cell(t, STYLE_PLAIN, "%s",
                   number_text(rates ? rate_of(it, name) : (double)stat_sample_value(&it->now, name), text));
}

static void print_overview(const struct shot *s, bool rates)
{
    static const char *const heads[2][7] = {
        {"PUSHES", "POPS", "BYTES OUT", "BYTES IN", "FAILURES", "SLEEPS", "POLLS"},
        {"PUSH/s", "POP/s", "BYTE/s OUT", "BYTE/s IN", "FAIL/s", "SLEEP/s", "POLL/s"}};
    static const char *const names[7] = {"pushes", "pops", "push_bytes", "pop_bytes", "failures", "sleeps", "polls"};
    struct table t;
    char text[24];

    table_init(&t, "rrlllrrrrrrrrrr");
    table_row(&t);
    table_cell(&t, STYLE_DIM, "PID");
    table_cell(&t, STYLE_DIM, "TID");
    table_cell(&t, STYLE_DIM, "PROGRAM");
    table_cell(&t, STYLE_DIM, "LIBOS");
    table_cell(&t, STYLE_DIM, "UP");
    table_cell(&t, STYLE_DIM, "QUEUES");
    table_cell(&t, STYLE_DIM, "OPS");
    table_cell(&t, STYLE_DIM, "MEMORY");
    for (unsigned i = 0; i < 7; i++)
        table_cell(&t, STYLE_DIM, "%s", heads[rates][i]);
    for (size_t i = 0; i < s->count; i++) {
        const struct item *it = &s->item[i];

        table_row(&t);
        table_cell(&t, STYLE_BOLD, "%u", it->now.pid);
        table_cell(&t, STYLE_PLAIN, "%u", it->now.tid);
        table_cell(&t, STYLE_BOLD, "%s", it->now.program);
        table_cell(&t, STYLE_PLAIN, "%s", it->now.libos);
        table_cell(&t, it->file.alive ? STYLE_GOOD : STYLE_BAD, "%s",
                   it->file.alive ? duration_text(age_s(it), text) : "crashed");
        value_cell(&t, it, "queues_now", false);
        value_cell(&t, it, "ops_now", false);
        value_cell(&t, it, "memory_now", false);
        for (unsigned k = 0; k < 7; k++)
            value_cell(&t, it, names[k], rates);
    }
    table_print(&t, 0);
}

/* What this build says a counter means, "" when it does not know it. */
static const char *help_of(const char *name)
{
    for (unsigned i = 0; i < COUNTER_MAX; i++) {
        if (strcmp(counter_name((enum counter)i), name) == 0)
            return counter_help((enum counter)i);
    }
    return "";
}

static void print_item(const struct item *it)
{
    char text[24];
    struct table t;

    printf("%s%s%s  pid %u, tid %u, %s, %s\n", style_begin(STYLE_BOLD), it->now.program, style_end(STYLE_BOLD),
           it->now.pid, it->now.tid, it->now.libos, it->file.alive ? duration_text(age_s(it), text) : "crashed");
    table_init(&t, "lrrl");
    for (uint32_t i = 0; i < it->now.count; i++) {
        const struct stat_counter *c = &it->now.counter[i];

        table_row(&t);
        table_cell(&t, c->value != 0 ? STYLE_PLAIN : STYLE_DIM, "%s", c->name);
        table_cell(&t, c->value != 0 ? STYLE_BOLD : STYLE_DIM, "%" PRIu64, c->value);
        if (it->since_s > 0 && !stat_is_level(c->name))
            table_cell(&t, STYLE_PLAIN, "%s/s", number_text(rate(it, i), text));
        else
            table_cell(&t, STYLE_PLAIN, "%s", "");
        table_cell(&t, STYLE_DIM, "%s", help_of(c->name));
    }
    table_print(&t, 2);
}

static void print_shot(const struct view *v, const struct shot *s)
{
    if (v->json) {
        print_json(s);
        return;
    }
    if (v->watch)
        screen_home();
    if (s->count == 0)
        printf("No instance %sin %s.\n", v->all ? "" : "is running ", s->where);
    else if (v->pid == 0 && !v->all)
        print_overview(s, v->watch);
    for (size_t i = 0; (v->pid != 0 || v->all) && i < s->count; i++) {
        if (i > 0)
            putchar('\n');
        print_item(&s->item[i]);
    }
}

static int run(const struct view *v)
{
    struct shot last = {0}, now;
    struct error_text et;
    size_t found = 0;

    for (uint64_t turn = 1;; turn++) {
        if (take_shot(&now, v, &et) != 0) {
            shot_free(&last);
            shot_free(&now);
            return fail("%s", et.text);
        }
        link_before(&now, &last);
        shot_free(&last);
        last = now;
        found = now.count;
        print_shot(v, &now);
        if (fflush(stdout) != 0 || !v->watch || turn == v->turns || (v->pid != 0 && found == 0))
            break;
        if (turn == 1 && v->every_s > 0.2 && !v->json)
            nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL); /* the first rates soon */
        else
            nanosleep(&(struct timespec){.tv_sec = (time_t)v->every_s,
                                         .tv_nsec = (long)((v->every_s - (double)(time_t)v->every_s) * 1e9)},
                      NULL);
    }
    shot_free(&last);
    if (v->pid != 0 && found == 0)
        return fail("process %" PRIu64 " has no running instance", v->pid);
    return DEMI_OK;
}

/* --watch may stand alone or be followed by seconds. */
static bool watch_seconds(struct view *v, int argc, char **argv)
{
    v->watch = true;
    if (optarg == NULL && optind < argc && argv[optind][0] >= '0' && argv[optind][0] <= '9')
        optarg = argv[optind++];
    return optarg == NULL || option_seconds("stat", "--watch", optarg, &v->every_s);
}

int cmd_stat(int argc, char **argv)
{
    static const struct option options[] = {
        {"pid", required_argument, NULL, 'p'},   {"all", no_argument, NULL, 'a'},
        {"watch", optional_argument, NULL, 'w'}, {"count", required_argument, NULL, 'n'},
        {"dir", required_argument, NULL, 'd'},   {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},        {0}};
    struct view v = {.every_s = 1};
    bool good = true;
    int opt;

    opterr = 0;
    while (good && (opt = getopt_long(argc, argv, ":hp:aw::n:d:j", options, NULL)) != -1) {
        switch (opt) {
        case 'p':
            good = option_number("stat", "--pid", optarg, 1, UINT32_MAX, &v.pid);
            break;
        case 'a':
            v.all = true;
            break;
        case 'w':
            good = watch_seconds(&v, argc, argv);
            break;
        case 'n':
            good = option_number("stat", "--count", optarg, 1, UINT32_MAX, &v.turns);
            break;
        case 'd':
            v.dir = optarg;
            break;
        case 'j':
            v.json = true;
            break;
        case 'h':
            print_help("stat");
            return DEMI_OK;
        case ':':
            return usage_error("stat", "%s needs a value", argv[optind - 1]);
        default:
            return usage_error("stat", "unknown option \"%s\"", argv[optind - 1]);
        }
    }
    if (!good)
        return DEMI_USAGE;
    if (optind != argc)
        return usage_error("stat", "unknown argument \"%s\"", argv[optind]);
    return run(&v);
}
