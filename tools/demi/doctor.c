/* SPDX-License-Identifier: MIT */
/* demi doctor: which libOSes work here, and what mends the others. */
#include "doctor.h"

#include "../common/json.h"
#include "demi.h"
#include "doctor_wire.h"
#include "libos/registry.h"
#include "netdev/netdev.h"
#include "term.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#define ROWS_MAX 16

enum state { STATE_WORKS, STATE_UNAVAILABLE, STATE_ABSENT };

/* One libOS, or one engine or driver of one. */
struct row {
    const char *libos, *engine, *device;
    enum state state;
    uint64_t round_trip_ns;
    char why[ERROR_TEXT_MAX];
    char mend[CHECK_TEXT];
};

struct report {
    struct checks checks;
    struct row row[ROWS_MAX];
    size_t rows;
    const char *libos, *engine; /* what a program started here gets; engine may be a driver */
    char driver[CONFIG_STR_MAX];
    bool works; /* and whether it works */
};

static const char *const state_names[] = {"works", "not available", "not in this version"};

static const struct check *find_check(const struct report *r, const char *name)
{
    for (size_t i = 0; i < r->checks.count; i++) {
        if (strcmp(r->checks.check[i].name, name) == 0)
            return &r->checks.check[i];
    }
    return NULL;
}

/* What would make a libOS work that did not. */
static void find_mend(const struct report *r, struct row *row)
{
    const struct check *uring = find_check(r, "io_uring"), *settings = find_check(r, "settings");
    const struct check *kernel = find_check(r, "kernel"), *of = NULL;

    if (settings != NULL && settings->verdict == VERDICT_BAD)
        of = settings;
    else if (kernel != NULL && kernel->verdict == VERDICT_BAD)
        of = kernel;
    else if (strcmp(row->engine, "uring") == 0 && uring != NULL && uring->verdict == VERDICT_BAD)
        of = uring;
    if (of == NULL && strcmp(row->libos, "catpowder") == 0)
        wire_mend(row->engine, row->why, row->mend, sizeof(row->mend));
    else if (of != NULL)
        snprintf(row->mend, sizeof(row->mend), "%s", of->mend);
    else if (strstr(row->why, "liburing.so") != NULL)
        snprintf(row->mend, sizeof(row->mend), "sudo apt-get install -y liburing2");
    else if (strstr(row->why, "libdpdk-dev") != NULL)
        snprintf(row->mend, sizeof(row->mend),
                 "sudo apt-get install -y libdpdk-dev && make install   (in Caracal's sources)");
    else if (strstr(row->why, "module ") != NULL)
        snprintf(row->mend, sizeof(row->mend),
                 "sudo apt-get install -y liburing-dev && make install   (in Caracal's sources)");
}

static void try_libos(struct report *r, const char *name, const char *engine, const char *device, bool present)
{
    struct row *row = &r->row[r->rows++];
    struct selftest t;

    assert(r->rows <= ROWS_MAX);
    memset(row, 0, sizeof(*row));
    row->libos = name;
    row->engine = engine;
    row->device = device;
    if (!present) {
        row->state = STATE_ABSENT;
        doctor_prospect(name, row->why, sizeof(row->why));
        return;
    }
    doctor_selftest(&t, name, engine);
    row->state = t.works ? STATE_WORKS : STATE_UNAVAILABLE;
    row->round_trip_ns = t.works ? t.round_trip_ns : 0;
    memcpy(row->why, t.why, sizeof(row->why));
    if (!t.works)
        find_mend(r, row);
    mend_for_user(row->mend);
    if (strcmp(name, r->libos) == 0 && (engine[0] == '\0' || strcmp(engine, r->engine) == 0))
        r->works = t.works;
}

/* A driver of catpowder; DPDK's is catnip's row, and at a simulated machine's nobody speaks TCP. */
static void try_driver(void *arg, const char *name, const char *what, const char *module)
{
    (void)module;
    if (strcmp(name, "dpdk") != 0 && strcmp(name, "nanopu") != 0)
        try_libos(arg, "catpowder", name, what, true);
}

static void try_each(void *arg, const char *name, const char *device, const struct libos *os)
{
    struct report *r = arg;

    if (strcmp(name, "catpowder") == 0) {
        netdev_each_driver(try_driver, r);
        return;
    }
    if (strcmp(name, "catnap") != 0) {
        try_libos(r, name, "", device, os != NULL);
        return;
    }
    try_libos(r, name, "epoll", device, os != NULL);
    try_libos(r, name, "uring", device, os != NULL);
}

static void examine(struct report *r)
{
    const char *libos = getenv("LIBOS");
    struct error_text problem = {.text = ""};
    struct config cfg;
    bool good = settings_read(&cfg, &problem) == 0;

    memset(r, 0, sizeof(*r));
    r->libos = libos != NULL && libos[0] != '\0' ? libos : "catnap";
    r->engine = good && cfg.engine == ENGINE_URING ? "uring" : "epoll";
    if (good && strcmp(r->libos, "catpowder") == 0) {
        snprintf(r->driver, sizeof(r->driver), "%s", cfg.driver[0] != '\0' ? cfg.driver : "packet");
        r->engine = r->driver;
    }
    doctor_host(&r->checks, good ? &cfg : NULL, problem.text);
    doctor_uring(&r->checks);
    libos_each(try_each, r);
    try_libos(r, strchr(r->libos, '+') != NULL ? r->libos : "catnap+catmem", "", "two in one instance", true);
}

static void print_json(const struct report *r)
{
    static const char *const verdicts[] = {"good", "warn", "bad", "info"};
    struct json j;

    json_init(&j, stdout);
    json_begin(&j, NULL, '{');
    json_text(&j, "version", CARACAL_VERSION);
    json_text(&j, "default_libos", r->libos);
    json_bool(&j, "default_works", r->works);
    json_begin(&j, "libos", '[');
    for (size_t i = 0; i < r->rows; i++) {
        const struct row *row = &r->row[i];

        json_begin(&j, NULL, '{');
        json_text(&j, "name", row->libos);
        if (row->engine[0] != '\0')
            json_text(&j, "engine", row->engine);
        json_text(&j, "device", row->device);
        json_text(&j, "state", state_names[row->state]);
        if (row->state == STATE_WORKS)
            json_uint(&j, "round_trip_ns", row->round_trip_ns);
        else
            json_text(&j, "why", row->why);
        if (row->mend[0] != '\0')
            json_text(&j, "mend", row->mend);
        json_end(&j, '{');
    }
    json_end(&j, '[');
    json_begin(&j, "machine", '[');
    for (size_t i = 0; i < r->checks.count; i++) {
        const struct check *k = &r->checks.check[i];

        json_begin(&j, NULL, '{');
        json_text(&j, "name", k->name);
        json_text(&j, "verdict", verdicts[k->verdict]);
        json_text(&j, "found", k->found);
        if (k->mend[0] != '\0')
            json_text(&j, "mend", k->mend);
        json_end(&j, '{');
    }
    json_end(&j, '[');
    json_end(&j, '{');
    json_line(&j);
}

/* A line of its own below a row: texts that would make the table too wide. Nothing when the text is empty. */
static void add_note(struct table *t, enum style s, const char *label, const char *text)
{
    char note[ERROR_TEXT_MAX + 16];

    if (text[0] == '\0')
        return;
    snprintf(note, sizeof(note), "    %s: %s", label, text);
    table_note(t, s, note);
}

static void print_libos(const struct report *r)
{
    static const enum style styles[] = {STYLE_GOOD, STYLE_BAD, STYLE_DIM};
    struct table t;

    table_init(&t, "llll");
    for (size_t i = 0; i < r->rows; i++) {
        const struct row *row = &r->row[i];

        table_row(&t);
        table_cell(&t, STYLE_BOLD, "%s%s%s", row->libos, row->engine[0] != '\0' ? " " : "", row->engine);
        table_cell(&t, STYLE_DIM, "%s", row->device);
        table_cell(&t, styles[row->state], "%s", state_names[row->state]);
        if (row->state == STATE_WORKS)
            table_cell(&t, STYLE_PLAIN, "64 B there and back in %.1f us", (double)row->round_trip_ns / 1000);
        else if (row->state == STATE_ABSENT)
            table_cell(&t, STYLE_DIM, "%s", row->why);
        else
            add_note(&t, STYLE_PLAIN, "why", row->why);
        add_note(&t, STYLE_BOLD, "mend", row->mend);
    }
    table_print(&t, 2);
}

static void print_machine(const struct report *r)
{
    static const char *const words[] = {"ok", "low", "bad", "-"};
    static const enum style styles[] = {STYLE_GOOD, STYLE_WARN, STYLE_BAD, STYLE_DIM};
    struct table t;

    table_init(&t, "lll");
    for (size_t i = 0; i < r->checks.count; i++) {
        const struct check *k = &r->checks.check[i];

        table_row(&t);
        table_cell(&t, STYLE_BOLD, "%s", k->name);
        table_cell(&t, styles[k->verdict], "%s", words[k->verdict]);
        table_cell(&t, STYLE_PLAIN, "%s", k->found);
        add_note(&t, STYLE_BOLD, "mend", k->mend);
    }
    table_print(&t, 2);
}

static bool has_choice(const char *libos)
{
    return strcmp(libos, "catnap") == 0 || strcmp(libos, "catpowder") == 0;
}

static void print_text(const struct report *r)
{
    printf("%sCaracal %s%s\n\nlibOSes\n", style_begin(STYLE_BOLD), CARACAL_VERSION, style_end(STYLE_BOLD));
    print_libos(r);
    printf("\nThis machine\n");
    print_machine(r);
    printf("\nA program started here uses %s%s%s, which %s%s%s.\n", r->libos, has_choice(r->libos) ? " with " : "",
           has_choice(r->libos) ? r->engine : "", style_begin(r->works ? STYLE_GOOD : STYLE_BAD),
           r->works ? "works" : "does not work", style_end(STYLE_GOOD));
}

int cmd_doctor(int argc, char **argv)
{
    static const struct option options[] = {{"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'}, {0}};
    struct report r;
    bool json = false;
    int opt;

    opterr = 0;
    while ((opt = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
        if (opt == 'h') {
            print_help("doctor");
            return DEMI_OK;
        }
        if (opt != 'j')
            return usage_error("doctor", "unknown option \"%s\"", argv[optind - 1]);
        json = true;
    }
    if (optind != argc)
        return usage_error("doctor", "unknown argument \"%s\"", argv[optind]);
    examine(&r);
    if (json)
        print_json(&r);
    else
        print_text(&r);
    return r.works ? DEMI_OK : DEMI_FAIL;
}
