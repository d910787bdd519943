/* SPDX-License-Identifier: MIT */
/* The tables as CSV, and the report: one HTML file with each experiment's figure as SVG, readable in light and dark. */
#include "bench.h"

#include "nanopu/sim/params.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WIDTH   720.0
#define HEIGHT  380.0
#define LEFT    64.0
#define RIGHT   200.0
#define TOP     16.0
#define BOTTOM  48.0
#define TICKS   6
#define COLOURS 6

static int open_out(FILE **f, const struct bench_options *o, const char *name, struct error_text *et)
{
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s/%s", o->out, name);
    *f = fopen(path, "we");
    return *f != NULL ? 0 : error_set(et, errno, "%s: %s", path, strerror(errno));
}

static int close_out(FILE *f, const char *name, struct error_text *et)
{
    bool fine = ferror(f) == 0;

    fine &= fclose(f) == 0;
    return fine ? 0 : error_set(et, EIO, "%s could not be written", name);
}

static void put_figure(FILE *f, double y)
{
    if (isfinite(y))
        fprintf(f, "%.4g", y);
    else
        fputs("saturated", f);
}

static void put_value(FILE *f, const struct bench_point *p)
{
    if (p == NULL)
        fputs("none", f);
    else
        put_figure(f, p->y);
}

static void put_error(FILE *f, double error)
{
    if (isnan(error))
        fputs("differs", f);
    else
        fprintf(f, "%.1f", error);
}

static void write_errors(FILE *f, const struct bench_row *r)
{
    const struct bench_experiment *e = bench_find(r->experiment);

    for (unsigned i = 0; i < r->published_count; i++) {
        const struct bench_point *p = &r->published[i], *ours = bench_ours(r, p->setting);

        fprintf(f, "%s,%s,%g,", r->experiment, r->name, p->x);
        put_value(f, p);
        fputc(',', f);
        put_value(f, ours);
        fputc(',', f);
        put_error(f, bench_error(p, ours));
        fprintf(f, ",%g\n", e->limit_pct);
    }
}

int bench_write_tables(const struct bench_row *rows, unsigned count, const struct bench_options *o,
                       struct error_text *et)
{
    FILE *f;
    int ret = open_out(&f, o, "errors.csv", et);

    if (ret != 0)
        return ret;
    fputs("experiment,row,x,published,ours,error_pct,limit_pct\n", f);
    for (unsigned i = 0; i < count; i++)
        write_errors(f, &rows[i]);
    ret = close_out(f, "errors.csv", et);
    if (ret == 0)
        ret = open_out(&f, o, "points.csv", et);
    if (ret != 0)
        return ret;
    fputs("experiment,row,setting,x,ours\n", f);
    for (unsigned i = 0; i < count; i++) {
        for (unsigned k = 0; k < rows[i].our_count; k++) {
            fprintf(f, "%s,%s,%u,%.4g,", rows[i].experiment, rows[i].name, rows[i].ours[k].setting, rows[i].ours[k].x);
            put_value(f, &rows[i].ours[k]);
            fputc('\n', f);
        }
    }
    return close_out(f, "points.csv", et);
}

/* ---- Figures ---- */

struct axes {
    double x0, x1, y0, y1;
    bool log_y;
};

static void include_points(struct axes *a, const struct bench_point *p, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        a->x0 = fmin(a->x0, p[i].x);
        a->x1 = fmax(a->x1, p[i].x);
        if (!isfinite(p[i].y) || p[i].y <= 0)
            continue;
        a->y0 = fmin(a->y0, p[i].y);
        a->y1 = fmax(a->y1, p[i].y);
    }
}

static double place_x(const struct axes *a, double x)
{
    double span = a->x1 > a->x0 ? a->x1 - a->x0 : 1;

    return LEFT + (x - a->x0) / span * (WIDTH - LEFT - RIGHT);
}

/* What is saturated stands at the upper edge. */
static double place_y(const struct axes *a, double y)
{
    double low = a->log_y ? log(a->y0) : a->y0, high = a->log_y ? log(a->y1) : a->y1;
    double at = isfinite(y) ? (a->log_y ? log(y) : y) : high;

    return HEIGHT - BOTTOM - (at - low) / (high > low ? high - low : 1) * (HEIGHT - TOP - BOTTOM);
}

static void draw_axes(FILE *f, const struct axes *a, const struct bench_experiment *e)
{
    fprintf(f, "<svg viewBox='0 0 %g %g' role='img' aria-label='%s'>\n", WIDTH, HEIGHT, e->title);
    fprintf(f, "<rect class='frame' x='%g' y='%g' width='%g' height='%g'/>\n", LEFT, TOP, WIDTH - LEFT - RIGHT,
            HEIGHT - TOP - BOTTOM);
    for (unsigned i = 0; i <= TICKS; i++) {
        double part = (double)i / TICKS, x = a->x0 + part * (a->x1 - a->x0);
        double y = a->log_y ? a->y0 * pow(a->y1 / a->y0, part) : a->y0 + part * (a->y1 - a->y0);

        fprintf(f, "<text class='tick' x='%.1f' y='%g' text-anchor='middle'>%.3g</text>\n", place_x(a, x),
                HEIGHT - BOTTOM + 16, x);
        fprintf(f, "<line class='grid' x1='%g' x2='%g' y1='%.1f' y2='%.1f'/>", LEFT, WIDTH - RIGHT, place_y(a, y),
                place_y(a, y));
        fprintf(f, "<text class='tick' x='%g' y='%.1f' text-anchor='end'>%.3g</text>\n", LEFT - 6, place_y(a, y) + 4,
                y);
    }
    fprintf(f, "<text x='%g' y='%g' text-anchor='middle'>%s</text>\n", (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, e->x);
    fprintf(f, "<text transform='translate(14 %g) rotate(-90)' text-anchor='middle'>%s%s</text>\n",
            (TOP + HEIGHT - BOTTOM) / 2, e->y, a->log_y ? " (logarithmic)" : "");
}

static void draw_line(FILE *f, const struct axes *a, const struct bench_point *p, unsigned count, unsigned colour,
                      bool ours)
{
    fprintf(f, "<polyline class='c%u %s' points='", colour, ours ? "ours" : "published");
    for (unsigned i = 0; i < count; i++)
        fprintf(f, "%.1f,%.1f ", place_x(a, p[i].x), place_y(a, p[i].y));
    fputs("'/>\n", f);
    for (unsigned i = 0; i < count; i++) {
        if (ours && p[i].low < p[i].high)
            fprintf(f, "<line class='c%u range' x1='%.1f' x2='%.1f' y1='%.1f' y2='%.1f'/>\n", colour,
                    place_x(a, p[i].x), place_x(a, p[i].x), place_y(a, fmin(p[i].low, a->y1)),
                    place_y(a, fmin(p[i].high, a->y1)));
        fprintf(f, "<circle class='c%u %s' cx='%.1f' cy='%.1f' r='3.5'><title>%s: %.4g, ", colour,
                ours ? "ours" : "published", place_x(a, p[i].x), place_y(a, p[i].y), ours ? "here" : "published",
                p[i].x);
        put_value(f, &p[i]);
        fputs("</title></circle>\n", f);
    }
}

static void draw(FILE *f, const struct bench_experiment *e, const struct bench_row *rows, unsigned count)
{
    struct axes a = {.x0 = INFINITY, .x1 = -INFINITY, .y0 = INFINITY, .y1 = -INFINITY, .log_y = e->log_y};
    unsigned colour = 0;

    for (unsigned i = 0; i < count; i++) {
        if (strcmp(rows[i].experiment, e->name) != 0)
            continue;
        include_points(&a, rows[i].ours, rows[i].our_count);
        include_points(&a, rows[i].published, rows[i].published_count);
    }
    if (!isfinite(a.x0) || !isfinite(a.y0))
        return;
    a.y0 = e->log_y ? a.y0 / 1.1 : 0;
    a.y1 *= 1.1;
    draw_axes(f, &a, e);
    for (unsigned i = 0; i < count; i++) {
        if (strcmp(rows[i].experiment, e->name) != 0)
            continue;
        if (rows[i].published_count != 0)
            draw_line(f, &a, rows[i].published, rows[i].published_count, colour % COLOURS, false);
        draw_line(f, &a, rows[i].ours, rows[i].our_count, colour % COLOURS, true);
        fprintf(f, "<circle class='c%u ours' cx='%g' cy='%g' r='4'/><text class='row' x='%g' y='%g'>%s</text>\n",
                colour % COLOURS, WIDTH - RIGHT + 16, TOP + 12 + 20.0 * colour, WIDTH - RIGHT + 26,
                TOP + 16 + 20.0 * colour, rows[i].name);
        colour++;
    }
    fputs("</svg>\n", f);
}

/* ---- The report ---- */

static const char style[] =
    ":root{color-scheme:light dark;--fg:#1b1b1f;--bg:#fff;--dim:#6b7080;--line:#d8dbe2;--bad:#b3261e}\n"
    "@media(prefers-color-scheme:dark){:root{--fg:#e6e6ea;--bg:#16171b;--dim:#9aa0ad;--line:#3a3d46;--bad:#ff8a80}}\n"
    "body{font:15px/1.5 system-ui,sans-serif;color:var(--fg);background:var(--bg);max-width:60rem;margin:2rem auto;"
    "padding:0 1rem}\n"
    "svg{width:100%;height:auto;font-size:12px;fill:var(--fg)}.frame{fill:none;stroke:var(--dim)}"
    ".grid{stroke:var(--line)}.tick{fill:var(--dim)}\n"
    ".range{stroke:currentColor;stroke-width:1}polyline{fill:none;stroke:currentColor;stroke-width:1.5}polyline."
    "published{stroke-dasharray:4 4}"
    "circle.ours{fill:currentColor}circle.published{fill:var(--bg);stroke:currentColor;stroke-width:1.5}\n"
    ".c0{color:#1f77b4}.c1{color:#d9730d}.c2{color:#2c8c43}.c3{color:#c23b6b}.c4{color:#8257c7}.c5{color:#8a6d3b}\n"
    "table{border-collapse:collapse;font-variant-numeric:tabular-nums}td,th{padding:.15rem .7rem;text-align:right;"
    "border-bottom:1px solid var(--line)}td:first-child,th:first-child{text-align:left}.bad{color:var(--bad);"
    "font-weight:600}.noise{color:var(--dim)}code,pre{font-size:13px;white-space:pre-wrap;overflow-wrap:anywhere}\n";

/* A line of a topology, in which a guest is its file's name alone. */
static void write_line(FILE *f, const char *line, const char *guests)
{
    size_t len = strlen(guests);

    for (const char *at; (at = strstr(line, guests)) != NULL; line = at + len + (at[len] == '/'))
        fprintf(f, "%.*s", (int)(at - line), line);
    fputs(line, f);
}

static void write_settings(FILE *f, const struct bench_experiment *e, const struct bench_plan *p,
                           const struct bench_options *o)
{
    fputs("<details><summary>settings</summary><pre>", f);
    for (unsigned i = 0; i < p->count; i++) {
        char path[PATH_MAX + 16], line[512];
        FILE *t;

        if (strcmp(p->runs[i].series->experiment, e->name) != 0 ||
            (i > 0 && p->runs[i - 1].series == p->runs[i].series))
            continue;
        snprintf(path, sizeof(path), "%s/topology.yaml", p->runs[i].dir);
        t = fopen(path, "re");
        fprintf(f, "%s:\n", p->runs[i].series->name);
        while (t != NULL && fgets(line, sizeof(line), t) != NULL)
            write_line(f, line, o->guests);
        if (t != NULL)
            fclose(t);
    }
    fputs("</pre></details>\n", f);
}

static void write_table(FILE *f, const struct bench_experiment *e, const struct bench_row *rows, unsigned count)
{
    fprintf(f,
            "<table><tr><th>row</th><th>%s</th><th>published</th><th>here</th><th>seeds' range</th><th>error, "
            "%%</th></tr>\n",
            e->x);
    for (unsigned i = 0; i < count; i++) {
        for (unsigned k = 0; strcmp(rows[i].experiment, e->name) == 0 && k < rows[i].published_count; k++) {
            const struct bench_point *p = &rows[i].published[k], *ours = bench_ours(&rows[i], p->setting);
            double error = bench_error(p, ours);

            fprintf(f, "<tr><td>%s</td><td>%g</td><td>", rows[i].name, p->x);
            put_value(f, p);
            fputs("</td><td>", f);
            put_value(f, ours);
            fputs("</td><td>", f);
            if (ours != NULL && ours->low < ours->high) {
                put_figure(f, ours->low);
                fputs(" to ", f);
                put_figure(f, ours->high);
            }
            fprintf(f, "</td><td%s>",
                    !isnan(error) && fabs(error) <= e->limit_pct ? ""
                    : bench_in_range(p, ours)                    ? " class='noise'"
                                                                 : " class='bad'");
            put_error(f, error);
            fputs("</td></tr>\n", f);
        }
    }
    fputs("</table>\n", f);
}

/* How many of the published points are near enough; of the others, how many could be one of our seeds' runs. */
struct verdict {
    unsigned all, good, in_range;
};

static struct verdict judge(const struct bench_row *rows, unsigned count, const char *experiment)
{
    struct verdict v = {0, 0, 0};

    for (unsigned i = 0; i < count; i++) {
        const struct bench_experiment *e = bench_find(rows[i].experiment);

        if (experiment != NULL && strcmp(rows[i].experiment, experiment) != 0)
            continue;
        for (unsigned k = 0; k < rows[i].published_count; k++) {
            const struct bench_point *p = &rows[i].published[k], *ours = bench_ours(&rows[i], p->setting);
            double error = bench_error(p, ours);
            bool good = !isnan(error) && fabs(error) <= e->limit_pct;

            v.all++;
            v.good += good;
            v.in_range += !good && bench_in_range(p, ours);
        }
    }
    return v;
}

static void write_verdict(FILE *f, const struct verdict *v, const char *limit)
{
    if (v->all == 0) {
        fputs("nothing is published to compare with.", f);
        return;
    }
    fprintf(f, "%u of %u published points are met within %s.", v->good, v->all, limit);
    if (v->in_range != 0)
        fprintf(f,
                " %u of the others lie between the least and the most of our seeds: one published run cannot be told "
                "from noise there.",
                v->in_range);
}

int bench_write_report(const struct bench_row *rows, unsigned count, const struct bench_plan *p,
                       const struct bench_options *o, struct error_text *et)
{
    struct verdict v = judge(rows, count, NULL);
    const struct bench_experiment *e;
    char limit[32];
    FILE *f;
    int ret = open_out(&f, o, "report.html", et);

    if (ret != 0)
        return ret;
    fprintf(f,
            "<!doctype html><html lang='en'><meta charset='utf-8'><meta name='viewport' "
            "content='width=device-width'><title>nanoPU: the published evaluation and the simulated machine</title>"
            "<style>%s</style>\n<h1>The published evaluation, on the simulated machine</h1>\n"
            "<p>Published: dashed line, hollow points. Here: solid, the median of the seeds, with their range as a "
            "line. What could not be answered stands at the upper edge. Version %s, seeds %" PRIu64 " to %" PRIu64
            "%s. To repeat it:</p>\n<pre>%s</pre>\n<p>",
            style, CARACAL_VERSION, o->seed, o->seed + o->seeds - 1, o->quick ? ", quick: fewer requests" : "",
            o->command);
    write_verdict(f, &v, "their limits");
    fputs("</p>\n", f);
    for (size_t i = 0; (e = bench_experiment(i)) != NULL; i++) {
        if (!bench_wanted(o, e->name))
            continue;
        v = judge(rows, count, e->name);
        snprintf(limit, sizeof(limit), "%g %%", e->limit_pct);
        fprintf(f, "<h2 id='%s'>%s: %s</h2>\n<p>Section %s; ", e->name, e->name, e->title, e->section);
        write_verdict(f, &v, limit);
        fputs("</p>\n", f);
        if (e->note != NULL)
            fprintf(f, "<p>%s</p>\n", e->note);
        draw(f, e, rows, count);
        write_table(f, e, rows, count);
        write_settings(f, e, p, o);
    }
    fputs("</html>\n", f);
    return close_out(f, "report.html", et);
}
