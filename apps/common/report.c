/* SPDX-License-Identifier: MIT */
/* Results for people and as JSON; see report.h. */
#include "report.h"
#include "clock.h"
#include "json.h"

#include <inttypes.h>
#include <unistd.h>

bool report_is_failure(const struct report *r)
{
    return r->errors != 0 || r->corrupt != 0 || r->latency.count == 0;
}

double report_rate(const struct report *r)
{
    return r->elapsed_ns == 0 ? 0 : (double)r->latency.count * 1e9 / (double)r->elapsed_ns;
}

double report_gbit_per_s(const struct report *r)
{
    return report_rate(r) * (double)r->size_bytes * 8 / 1e9;
}

static double us(uint64_t ns)
{
    return (double)ns / 1e3;
}

void report_text(const struct report *r, FILE *file)
{
    const struct hist *h = &r->latency;
    fprintf(file, "%s to %s: %" PRIu64 " B, %" PRIu32 " connection%s, ", r->transport, r->peer, r->size_bytes,
            r->connections, r->connections == 1 ? "" : "s");
    if (r->rate_hz > 0) {
        fprintf(file, "open loop at %.0f req/s\n", r->rate_hz);
    } else {
        fprintf(file, "closed loop of %" PRIu32 "\n", r->depth);
    }
    fprintf(file, "  requests  %" PRIu64 " in %.3f s: %.0f req/s, %.3f Gbit/s each way\n", h->count,
            (double)r->elapsed_ns / 1e9, report_rate(r), report_gbit_per_s(r));
    fprintf(file, "  latency   p50 %.2f  p99 %.2f  p99.9 %.2f  max %.2f  min %.2f  mean %.2f us\n",
            us(hist_percentile(h, 50)), us(hist_percentile(h, 99)), us(hist_percentile(h, 99.9)), us(h->max_ns),
            us(hist_min(h)), hist_mean(h) / 1e3);
    fprintf(file,
            "  errors %" PRIu64 "  corrupt %" PRIu64 "  lost %" PRIu64 "  late %" PRIu64 "  unanswered %" PRIu64 "\n",
            r->errors, r->corrupt, r->lost, r->late, r->unanswered);
}

void report_json(const struct report *r, const char *program, FILE *file)
{
    const struct hist *h = &r->latency;
    struct json j;
    json_open(&j, file);
    json_text(&j, "program", program);
    json_text(&j, "transport", r->transport);
    json_text(&j, "peer", r->peer);
    json_u64(&j, "size_bytes", r->size_bytes);
    json_u64(&j, "connections", r->connections);
    json_u64(&j, "depth", r->depth);
    json_f64(&j, "rate", r->rate_hz);
    json_f64(&j, "elapsed_s", (double)r->elapsed_ns / 1e9);
    json_u64(&j, "requests", h->count);
    json_f64(&j, "req_per_s", report_rate(r));
    json_f64(&j, "gbit_per_s", report_gbit_per_s(r));
    json_object(&j, "latency_ns");
    json_u64(&j, "min", hist_min(h));
    json_f64(&j, "mean", hist_mean(h));
    json_u64(&j, "p50", hist_percentile(h, 50));
    json_u64(&j, "p90", hist_percentile(h, 90));
    json_u64(&j, "p99", hist_percentile(h, 99));
    json_u64(&j, "p999", hist_percentile(h, 99.9));
    json_u64(&j, "max", h->max_ns);
    json_object_end(&j);
    json_u64(&j, "errors", r->errors);
    json_u64(&j, "corrupt", r->corrupt);
    json_u64(&j, "lost", r->lost);
    json_u64(&j, "late", r->late);
    json_u64(&j, "unanswered", r->unanswered);
    json_close(&j);
}

void progress_start(struct progress *p, bool forced, bool quiet, uint64_t now_ns)
{
    *p = (struct progress){.on_terminal = isatty(STDERR_FILENO) == 1, .last_ns = now_ns};
    p->on = forced || (p->on_terminal && !quiet);
    p->next_ns = now_ns + NS_PER_S;
}

void progress_tick(struct progress *p, uint64_t now_ns, uint64_t count, const struct hist *latency, const char *detail)
{
    if (!p->on || now_ns < p->next_ns) {
        return;
    }
    double rate = (double)(count - p->last_count) * 1e9 / (double)(now_ns - p->last_ns);
    fprintf(stderr, "%s%10.0f req/s", p->on_terminal ? "\r" : "", rate);
    if (latency != NULL && latency->count != 0) {
        fprintf(stderr, "  p50 %.2f  p99 %.2f us", us(hist_percentile(latency, 50)), us(hist_percentile(latency, 99)));
    }
    fprintf(stderr, "  %s%s", detail, p->on_terminal ? "\033[K" : "\n");
    fflush(stderr);
    p->last_ns = now_ns;
    p->last_count = count;
    p->next_ns = now_ns + NS_PER_S;
}

void progress_end(struct progress *p)
{
    if (p->on && p->on_terminal) {
        fputs("\r\033[K", stderr);
        fflush(stderr);
    }
    p->on = false;
}
