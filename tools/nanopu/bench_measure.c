/* SPDX-License-Identifier: MIT */
/* From answers to figures: percentiles by load, latency and throughput, and the published figures beside them. */
#include "bench.h"

#include "nanopu/fabric/packet.h"
#include "nanopu/sim/params.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PHASES_MAX   BENCH_POINTS_MAX
#define CONTEXTS_MAX 4
#define ROWS_MAX     64
#define QUANTILE     0.99
#define LINE_MAX_    512

#define DOT_ANSWER_BYTES 24

/* The answers to one load. */
struct phase {
    unsigned mean;
    uint64_t sent[CONTEXTS_MAX], first_sent, last_sent, last_received;
    double *delta[CONTEXTS_MAX];
    unsigned answers[CONTEXTS_MAX], room[CONTEXTS_MAX];
};

struct answers {
    struct phase phase[PHASES_MAX];
    unsigned count;
};

static struct phase *phase_of(struct answers *a, unsigned mean)
{
    for (unsigned i = a->count; i-- > 0;) {
        if (a->phase[i].mean == mean)
            return &a->phase[i];
    }
    if (a->count == PHASES_MAX)
        return NULL;
    a->phase[a->count].mean = mean;
    return &a->phase[a->count++];
}

static bool add_delta(struct phase *p, unsigned context, double delta)
{
    if (p->answers[context] == p->room[context]) {
        unsigned room = p->room[context] == 0 ? 1024 : 2 * p->room[context];
        double *grown = realloc(p->delta[context], room * sizeof(*grown));

        if (grown == NULL)
            return false;
        p->delta[context] = grown;
        p->room[context] = room;
    }
    p->delta[context][p->answers[context]++] = delta;
    return true;
}

static void answers_free(struct answers *a)
{
    for (unsigned i = 0; i < a->count; i++) {
        for (unsigned c = 0; c < CONTEXTS_MAX; c++)
            free(a->phase[i].delta[c]);
    }
    free(a);
}

/* A line of answers.csv: what,service,delta,sent,received,iteration,context,mean_service,mean_arrival */
static bool add_line(struct answers *a, char *line)
{
    char *field[9], *rest = line;
    unsigned n = 0, context;
    struct phase *p;

    while (n < ARRAY_LEN(field) && (field[n] = strsep(&rest, ",\n")) != NULL)
        n++;
    if (n < ARRAY_LEN(field) || strcmp(field[0], "what") == 0)
        return n == ARRAY_LEN(field);
    context = (unsigned)strtoul(field[6], NULL, 10) % CONTEXTS_MAX;
    p = phase_of(a, (unsigned)strtoul(field[8], NULL, 10));
    if (p == NULL)
        return false;
    if (strcmp(field[0], "sent") == 0) {
        p->last_sent = strtoull(field[3], NULL, 10);
        p->first_sent = p->sent[0] + p->sent[1] + p->sent[2] + p->sent[3] == 0 ? p->last_sent : p->first_sent;
        p->sent[context]++;
        return true;
    }
    p->last_received = strtoull(field[4], NULL, 10);
    return add_delta(p, context, strtod(field[2], NULL));
}

static int answers_read(struct answers **out, const char *dir, struct error_text *et)
{
    struct answers *a = calloc(1, sizeof(*a));
    char path[PATH_MAX + 16], line[LINE_MAX_];
    bool fine = a != NULL;
    FILE *f;

    snprintf(path, sizeof(path), "%s/answers.csv", dir);
    f = fopen(path, "re");
    if (f == NULL || a == NULL) {
        int err = f == NULL ? errno : ENOMEM;

        if (f != NULL)
            fclose(f);
        free(a);
        return error_set(et, err, "%s: %s", path, strerror(err));
    }
    while (fine && fgets(line, sizeof(line), f) != NULL)
        fine = add_line(a, line);
    fclose(f);
    if (!fine) {
        answers_free(a);
        return error_set(et, EINVAL, "%s: not a load generator's file", path);
    }
    *out = a;
    return 0;
}

static int by_value(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return *x < *y ? -1 : *x > *y;
}

/* The quantile of `of` values, of which those that are not there are infinite. Sorts. */
static double quantile(double *values, unsigned count, uint64_t of, double q)
{
    uint64_t at = (uint64_t)(q * (double)of);

    qsort(values, count, sizeof(*values), by_value);
    return at < count ? values[at] : INFINITY;
}

/* All contexts' answers as one. */
static double quantile_of_all(const struct phase *p, double q)
{
    uint64_t sent = 0;
    unsigned count = 0;
    double *all, value;

    for (unsigned c = 0; c < CONTEXTS_MAX; c++) {
        sent += p->sent[c];
        count += p->answers[c];
    }
    all = malloc((count + 1) * sizeof(*all));
    if (all == NULL)
        return NAN;
    count = 0;
    for (unsigned c = 0; c < CONTEXTS_MAX; c++) {
        if (p->answers[c] > 0)
            memcpy(all + count, p->delta[c], p->answers[c] * sizeof(*all));
        count += p->answers[c];
    }
    value = quantile(all, count, sent, q);
    free(all);
    return value;
}

static double ns(double cycles)
{
    return cycles * 1000 / CLOCK_MHZ;
}

/* Million requests a second. */
static double load_of(const struct phase *p)
{
    uint64_t sent = p->sent[0] + p->sent[1] + p->sent[2] + p->sent[3];

    return sent < 2 ? 0 : CLOCK_MHZ / ((double)(p->last_sent - p->first_sent) / (double)(sent - 1));
}

/* Of a message that is sent back, or of a dot product. */
static unsigned answer_flits(const struct bench_run *r)
{
    return (PACKET_HEADER_BYTES + (r->series->bytes_before != 0 ? DOT_ANSWER_BYTES : r->setting)) / FLIT_BYTES;
}

/* From the first flit of all requests into the host to the last of all answers out. */
static double wire_cycles(const struct bench_run *r, const struct phase *p)
{
    return (double)(p->last_received - p->first_sent) + answer_flits(r) - 2 * BENCH_WIRE_CYCLES;
}

/* What row `row` of the run's series is for a phase. */
static double value_of(const struct bench_run *r, struct phase *p, unsigned row)
{
    double bits = 8.0 * (PACKET_HEADER_BYTES + r->setting) * (double)p->sent[0];

    switch (r->series->metric) {
    case BENCH_P99_CONTEXT:
        return ns(quantile(p->delta[row], p->answers[row], p->sent[row], QUANTILE)) / 1000;
    case BENCH_P99:
        return ns(quantile_of_all(p, QUANTILE)) / 1000;
    case BENCH_P99_NS:
        return ns(quantile_of_all(p, QUANTILE));
    case BENCH_LATENCY:
        return ns(quantile(p->delta[0], p->answers[0], p->sent[0], 0.5) + answer_flits(r) - 2 * BENCH_WIRE_CYCLES);
    case BENCH_THROUGHPUT:
        return bits / ns(wire_cycles(r, p));
    case BENCH_PER_MESSAGE:
        return ns(wire_cycles(r, p)) / (double)p->sent[0];
    default:
        return NAN;
    }
}

static struct bench_row *row_of(struct bench_row *rows, unsigned *count, const char *experiment, const char *name)
{
    for (unsigned i = 0; i < *count; i++) {
        if (strcmp(rows[i].experiment, experiment) == 0 && strcmp(rows[i].name, name) == 0)
            return &rows[i];
    }
    if (*count == ROWS_MAX)
        return NULL;
    rows[*count] = (struct bench_row){.experiment = experiment, .name = name};
    return &rows[(*count)++];
}

/* Values of one point, one for each seed. */
struct gathered {
    unsigned setting, count;
    double x[BENCH_SEEDS_MAX], y[BENCH_SEEDS_MAX];
};

static void gather(struct gathered *g, unsigned setting, double x, double y)
{
    unsigned i = 0;

    while (i < BENCH_POINTS_MAX - 1 && g[i].count > 0 && g[i].setting != setting)
        i++;
    g[i].setting = setting;
    if (g[i].count == BENCH_SEEDS_MAX)
        return;
    g[i].x[g[i].count] = x;
    g[i].y[g[i].count++] = y;
}

static double median(double *v, unsigned n)
{
    qsort(v, n, sizeof(*v), by_value);
    return n % 2 != 0 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

/* The median of the seeds at each setting. */
static void settle(struct bench_row *row, struct gathered *g)
{
    for (unsigned i = 0; i < BENCH_POINTS_MAX && g[i].count > 0; i++) {
        double y = median(g[i].y, g[i].count); /* sorts them, too */

        row->ours[row->our_count++] = (struct bench_point){.setting = g[i].setting,
                                                           .x = median(g[i].x, g[i].count),
                                                           .y = y,
                                                           .low = g[i].y[0],
                                                           .high = g[i].y[g[i].count - 1]};
    }
}

/* The first number behind "NAME": in what the run printed; NAN when it is not there. */
static double printed(const char *dir, const char *name)
{
    char path[PATH_MAX + 16], pattern[64], *line = NULL;
    double value = NAN;
    size_t room = 0;
    FILE *f;

    snprintf(path, sizeof(path), "%s/output.txt", dir);
    snprintf(pattern, sizeof(pattern), "\"%s\":", name);
    f = fopen(path, "re");
    while (f != NULL && isnan(value) && getline(&line, &room, f) > 0) {
        const char *at = strstr(line, pattern);

        if (at != NULL)
            value = strtod(at + strlen(pattern), NULL);
    }
    free(line);
    if (f != NULL)
        fclose(f);
    return value;
}

static void gather_queues(struct gathered g[][BENCH_POINTS_MAX], const struct bench_run *r)
{
    gather(g[0], r->setting, r->setting, printed(r->dir, "peak_low_bytes"));
    gather(g[1], r->setting, r->setting, printed(r->dir, "peak_high_bytes"));
}

/* Lines "figure ROW: X Y"; the name of a host may stand before. */
static void gather_printed(struct gathered g[][BENCH_POINTS_MAX], const struct bench_run *r)
{
    char path[PATH_MAX + 16], *line = NULL;
    size_t room = 0;
    FILE *f;

    snprintf(path, sizeof(path), "%s/output.txt", r->dir);
    f = fopen(path, "re");
    while (f != NULL && getline(&line, &room, f) > 0) {
        const char *name = strstr(line, "figure ");

        for (unsigned row = 0; name != NULL && row < BENCH_ROWS_MAX && r->series->rows[row] != NULL; row++) {
            size_t len = strlen(r->series->rows[row]);
            char *end;
            double x;

            if (strncmp(name + 7, r->series->rows[row], len) != 0 || name[7 + len] != ':')
                continue;
            x = strtod(name + 7 + len + 1, &end);
            gather(g[row], (unsigned)x, x, strtod(end, NULL));
        }
    }
    free(line);
    if (f != NULL)
        fclose(f);
}

static void gather_slowdown(void *g, unsigned packets, double slowdown)
{
    gather(g, packets, packets, slowdown);
}

static int measure_series(const struct bench_series *s, struct bench_row *rows, unsigned *count,
                          const struct bench_plan *p, struct error_text *et)
{
    static struct gathered gathered[BENCH_ROWS_MAX][BENCH_POINTS_MAX];

    memset(gathered, 0, sizeof(gathered));
    for (unsigned i = 0; i < p->count; i++) {
        const struct bench_run *r = &p->runs[i];
        struct answers *a = NULL;

        if (r->series != s || !r->done)
            continue;
        if (s->metric == BENCH_QUEUES)
            gather_queues(gathered, r);
        if (s->metric == BENCH_PRINTED)
            gather_printed(gathered, r);
        if (s->metric == BENCH_PEAK)
            gather(gathered[0], r->setting, r->setting, printed(r->dir, "peak_bytes"));
        if (s->metric == BENCH_SLOWDOWN && bench_slowdown(r, gather_slowdown, gathered[0], et) != 0)
            return -EIO;
        for (unsigned row = 0; s->metric == BENCH_BURSTS && s->rows[row] != NULL; row++)
            gather(gathered[row], r->setting, r->setting, bench_burst(r, (enum bench_burst_figure)(s->figure + row)));
        if (s->metric >= BENCH_SLOWDOWN) /* of what the run wrote otherwise */
            continue;
        if (answers_read(&a, r->dir, et) != 0 || a == NULL)
            return -EIO;
        /* Where one run is one setting, its last phase is what counts: others warm up. */
        for (unsigned k = s->mean != NULL ? 0 : a->count - 1; k < a->count; k++) {
            for (unsigned row = 0; row < BENCH_ROWS_MAX && s->rows[row] != NULL; row++)
                gather(gathered[row], s->mean != NULL ? a->phase[k].mean : r->setting,
                       s->mean != NULL ? load_of(&a->phase[k]) : r->setting, value_of(r, &a->phase[k], row));
        }
        answers_free(a);
    }
    for (unsigned row = 0; row < BENCH_ROWS_MAX && s->rows[row] != NULL; row++) {
        struct bench_row *to = row_of(rows, count, s->experiment, s->rows[row]);

        if (to == NULL)
            return error_set(et, E2BIG, "more than %d rows", ROWS_MAX);
        settle(to, gathered[row]);
    }
    return 0;
}

/* A row of quotients, of the points that both rows have; nothing when the rows were not measured. */
static int divide(struct bench_row *rows, unsigned *count, const struct bench_ratio *ratio, struct error_text *et)
{
    const struct bench_row *above = NULL, *below = NULL;
    struct bench_row *to;

    for (unsigned i = 0; i < *count; i++) {
        if (strcmp(rows[i].experiment, ratio->of) != 0)
            continue;
        above = strcmp(rows[i].name, ratio->numerator) == 0 ? &rows[i] : above;
        below = strcmp(rows[i].name, ratio->denominator) == 0 ? &rows[i] : below;
    }
    if (above == NULL || below == NULL)
        return 0;
    to = row_of(rows, count, ratio->experiment, ratio->name);
    if (to == NULL)
        return error_set(et, E2BIG, "more than %d rows", ROWS_MAX);
    for (unsigned i = 0; i < above->our_count; i++) {
        const struct bench_point *a = &above->ours[i], *b = bench_ours(below, a->setting);

        if (b != NULL)
            to->ours[to->our_count++] = (struct bench_point){
                .setting = a->setting, .x = a->x, .y = a->y / b->y, .low = a->low / b->high, .high = a->high / b->low};
    }
    return 0;
}

/* A line of the published figures: section,experiment,row,setting,x,value,unit */
static void add_published(struct bench_row *rows, unsigned count, char *line)
{
    char *field[7], *rest = line;
    unsigned n = 0;

    while (n < ARRAY_LEN(field) && (field[n] = strsep(&rest, ",\n")) != NULL)
        n++;
    for (unsigned i = 0; i < count && n == ARRAY_LEN(field); i++) {
        struct bench_row *r = &rows[i];

        if (strcmp(r->experiment, field[1]) != 0 || strcmp(r->name, field[2]) != 0 ||
            r->published_count == BENCH_POINTS_MAX)
            continue;
        snprintf(r->unit, sizeof(r->unit), "%s", field[6]);
        r->published[r->published_count++] =
            (struct bench_point){.setting = (unsigned)strtoul(field[3], NULL, 10),
                                 .x = strtod(field[4], NULL),
                                 .y = strcmp(field[5], "sat") == 0 ? INFINITY : strtod(field[5], NULL)};
    }
}

static int read_published(struct bench_row *rows, unsigned count, const char *path, struct error_text *et)
{
    char line[LINE_MAX_];
    FILE *f = fopen(path, "re");

    if (f == NULL)
        return error_set(et, errno, "%s: %s", path, strerror(errno));
    while (fgets(line, sizeof(line), f) != NULL)
        add_published(rows, count, line);
    fclose(f);
    return 0;
}

int bench_measure(struct bench_row **out, unsigned *count, const struct bench_plan *p, const struct bench_options *o,
                  struct error_text *et)
{
    struct bench_row *rows = calloc(ROWS_MAX, sizeof(*rows));
    const struct bench_series *s;
    const struct bench_ratio *ratio;
    int ret = 0;

    *count = 0;
    if (rows == NULL)
        return error_set(et, ENOMEM, "out of memory");
    for (size_t i = 0; (s = bench_series(i)) != NULL && ret == 0; i++) {
        if (bench_wanted(o, s->experiment))
            ret = measure_series(s, rows, count, p, et);
    }
    for (size_t i = 0; (ratio = bench_ratio(i)) != NULL && ret == 0; i++) {
        if (bench_wanted(o, ratio->experiment))
            ret = divide(rows, count, ratio, et);
    }
    if (ret == 0)
        ret = read_published(rows, *count, o->data, et);
    if (ret != 0) {
        free(rows);
        rows = NULL;
    }
    *out = rows;
    return ret;
}

const struct bench_point *bench_ours(const struct bench_row *row, unsigned setting)
{
    for (unsigned i = 0; i < row->our_count; i++) {
        if (row->ours[i].setting == setting)
            return &row->ours[i];
    }
    return NULL;
}

double bench_error(const struct bench_point *published, const struct bench_point *ours)
{
    if (ours == NULL || isfinite(published->y) != isfinite(ours->y))
        return NAN;
    return isfinite(published->y) ? (ours->y - published->y) / published->y * 100 : 0;
}

bool bench_in_range(const struct bench_point *published, const struct bench_point *ours)
{
    return ours != NULL && ours->low < ours->high && published->y >= ours->low && published->y <= ours->high;
}
