/* SPDX-License-Identifier: MIT */
/* A run of the load generator: connecting, filling the store, measuring, telling. */
#include "kvload/kvload.h"
#include "common/args.h"
#include "common/clock.h"
#include "common/demi_util.h"
#include "common/json.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOAD_DEPTH        64 /* while the store is filled */
#define CONNECT_WITHIN_NS (10 * NS_PER_S)
#define TROUBLES_SHOWN    5

void load_trouble(struct load *l, const char *format, ...)
{
    char text[TROUBLE_BYTES];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof(text), format, list);
    va_end(list);
    if (l->troubles++ < TROUBLES_SHOWN) {
        complain("%s", text);
    }
    if (l->trouble[0] == '\0') {
        memcpy(l->trouble, text, sizeof(text));
    }
}

static bool connect_one(struct load *l, struct load_conn *n)
{
    struct timespec within = clock_timespec(CONNECT_WITHIN_NS);
    const struct addr *to = &l->options->connect;
    demi_qtoken_t token;
    demi_qresult_t qr = {.qr_opcode = DEMI_OPC_INVALID};
    char text[ADDR_TEXT_MAX];
    int rc = demi_socket(&n->qd, to->storage.ss_family, l->options->messages ? SOCK_DGRAM : SOCK_STREAM, 0);
    if (rc != 0) {
        n->qd = -1;
        load_trouble(l, "cannot make a socket: %s", demi_last_error());
        return false;
    }
    l->live++;
    if (!l->options->messages) {
        demi_set_nodelay(n->qd);
    }
    rc = demi_connect(&token, n->qd, addr_const_sockaddr(to), to->len);
    rc = rc == 0 ? demi_wait(&qr, token, &within) : rc;
    rc = rc == 0 && qr.qr_opcode == DEMI_OPC_FAILED ? (int)qr.qr_ret : rc;
    rc = rc == 0 ? demi_pop(&token, n->qd) : rc;
    if (rc != 0) {
        load_trouble(l, "cannot connect to %s: %s", addr_format(to, text, sizeof(text)), demi_strerror(rc));
        return false;
    }
    tokset_add(&l->set, token, (uint32_t)(n - l->conn), &n->pop_place);
    return true;
}

static bool begin(struct load *l)
{
    const struct load_options *o = l->options;
    uint32_t room = 1, deepest = o->depth > LOAD_DEPTH ? o->depth : LOAD_DEPTH;
    while (room < deepest) {
        room *= 2;
    }
    l->ring_mask = room - 1;
    l->conn = calloc(o->connections, sizeof(*l->conn));
    l->flights = calloc((size_t)o->connections * room * 2, sizeof(*l->flights));
    if (l->conn == NULL || l->flights == NULL || !tokset_init(&l->set, 2 * o->connections)) {
        load_trouble(l, "no memory for %" PRIu32 " connections with %" PRIu32 " operations in flight each",
                     o->connections, o->depth);
        return false;
    }
    for (uint32_t i = 0; i < o->connections; i++) {
        l->conn[i] = (struct load_conn){.qd = -1, .ring = l->flights + (size_t)i * room * 2};
        l->conn[i].later = l->conn[i].ring + room;
        l->conn[i].head = l->conn[i].tail = clock_now_ns(); /* no late answer to an earlier process is taken for ours */
        l->conn[i].pop_place = l->conn[i].push_place = TOKSET_NONE;
    }
    for (uint32_t i = 0; i < o->connections; i++) {
        if (!connect_one(l, &l->conn[i])) {
            return false;
        }
    }
    return true;
}

/* Sets the clock of a phase and runs it. */
static bool phase(struct load *l, char letter, bool measuring)
{
    const struct load_options *o = l->options;
    workload_init(&l->workload, letter, o->records, o->uniform || !measuring, o->theta, 1);
    l->measuring = measuring;
    l->asking = true;
    l->depth = measuring ? o->depth : LOAD_DEPTH;
    l->begin_ns = clock_now_ns();
    l->measure_ns = l->begin_ns + o->warmup_ns;
    bool by_number = measuring && letter != 'L' && o->requests != 0 && o->rate_hz <= 0;
    l->end_ns = letter == 'L' || by_number ? UINT64_MAX : l->measure_ns + o->duration_ns;
    l->to_ask = by_number ? o->requests : UINT64_MAX;
    for (uint32_t i = 0; i < o->connections; i++) {
        l->conn[i].tail = l->conn[i].head; /* a number stands for one message, ever */
        l->conn[i].begun = l->conn[i].due = 0;
    }
    return load_phase(l);
}

static double seconds(const struct load *l)
{
    return l->last_ns > l->measure_ns ? (double)(l->last_ns - l->measure_ns) / 1e9 : 0;
}

static double rate(const struct load *l)
{
    return seconds(l) > 0 ? (double)l->all.count / seconds(l) : 0;
}

static void tell_hist(struct json *j, const char *name, const struct hist *h)
{
    json_object(j, name);
    json_u64(j, "count", h->count);
    json_u64(j, "min", hist_min(h));
    json_f64(j, "mean", hist_mean(h));
    json_u64(j, "p50", hist_percentile(h, 50));
    json_u64(j, "p90", hist_percentile(h, 90));
    json_u64(j, "p99", hist_percentile(h, 99));
    json_u64(j, "p999", hist_percentile(h, 99.9));
    json_u64(j, "max", h->max_ns);
    json_object_end(j);
}

#define KIND_NAME(name) #name,
static const char *const kind_names[] = {LOAD_KINDS(KIND_NAME)};

static void tell_json(const struct load *l, bool complete)
{
    const struct load_options *o = l->options;
    char letter[2] = {o->letter, '\0'};
    struct json j;
    json_open(&j, stdout);
    json_text(&j, "program", "kvload");
    json_text(&j, "workload", letter);
    json_u64(&j, "records", o->records);
    json_u64(&j, "key_bytes", o->key_bytes);
    json_u64(&j, "value_bytes", o->value_bytes);
    json_u64(&j, "connections", o->connections);
    json_u64(&j, "depth", o->depth);
    json_f64(&j, "rate", o->rate_hz);
    json_f64(&j, "elapsed_s", seconds(l));
    json_u64(&j, "requests", l->all.count);
    json_f64(&j, "req_per_s", rate(l));
    tell_hist(&j, "latency_ns", &l->all);
    for (int i = 0; i < LOAD_KIND_COUNT; i++) {
        if (l->kind[i].count > 0) {
            tell_hist(&j, kind_names[i], &l->kind[i]);
        }
    }
    json_bool(&j, "complete", complete);
    if (l->trouble[0] != '\0') {
        json_text(&j, "error", l->trouble);
    }
    json_u64(&j, "errors", l->errors);
    json_u64(&j, "wrong", l->wrong);
    json_u64(&j, "missing", l->missing);
    json_u64(&j, "unanswered", l->unanswered);
    if (o->messages) {
        json_u64(&j, "asked_again", l->asked_again);
    }
    json_close(&j);
}

static void tell_line(const char *name, const struct hist *h)
{
    printf("  %-8s %10" PRIu64 "  p50 %8.1f us  p99 %8.1f us  p99.9 %8.1f us  max %8.1f us\n", name, h->count,
           (double)hist_percentile(h, 50) / 1e3, (double)hist_percentile(h, 99) / 1e3,
           (double)hist_percentile(h, 99.9) / 1e3, (double)h->max_ns / 1e3);
}

static void tell_text(const struct load *l, bool complete)
{
    printf("workload %c%s: %" PRIu64 " operations in %.2f s, %.0f a second\n", l->options->letter,
           complete ? "" : ", not to its end", l->all.count, seconds(l), rate(l));
    for (int i = 0; i < LOAD_KIND_COUNT; i++) {
        if (l->kind[i].count > 0) {
            tell_line(kind_names[i], &l->kind[i]);
        }
    }
    printf("  errors %" PRIu64 ", wrong values %" PRIu64 ", keys missing %" PRIu64 ", unanswered %" PRIu64 "\n",
           l->errors, l->wrong, l->missing, l->unanswered);
    if (l->trouble[0] != '\0') {
        printf("  %s: %s\n", complete ? "the first error" : "it ended early", l->trouble);
    }
}

static void finish(struct load *l)
{
    for (uint32_t i = 0; l->conn != NULL && i < l->options->connections; i++) {
        if (l->conn[i].qd >= 0) {
            (void)demi_close(l->conn[i].qd);
        }
        free(l->conn[i].carry);
    }
    tokset_free(&l->set);
    free(l->flights);
    free(l->conn);
}

int load_run(const struct load_options *o)
{
    static struct load l;
    l = (struct load){.options = o, .workload = {.key_bytes = o->key_bytes, .value_bytes = o->value_bytes}};
    hist_reset(&l.all);
    for (int i = 0; i < LOAD_KIND_COUNT; i++) {
        hist_reset(&l.kind[i]);
    }
    bool fill = !o->skip_load && o->letter != 'L';
    bool complete = begin(&l) && (!fill || phase(&l, 'L', false)) && phase(&l, o->letter, true);
    if (l.interrupted) {
        load_trouble(&l, "interrupted");
    } else if (l.all.count == 0 && l.trouble[0] == '\0') {
        load_trouble(&l, "nothing was answered in time");
    }
    if (o->json) {
        tell_json(&l, complete);
    } else if (!o->quiet && l.all.count > 0) { /* else the trouble says it all */
        tell_text(&l, complete);
    }
    finish(&l);
    bool good = (complete || l.interrupted) && l.errors == 0 && l.wrong == 0 && l.all.count > 0;
    return good ? EXIT_OK : EXIT_FAIL;
}
