/* SPDX-License-Identifier: MIT */
/* The load generator: set-up, the loop, the open loop's schedule. See client.h. */
#include "echo/client.h"
#include "common/args.h"
#include "common/clock.h"
#include "common/demi_util.h"
#include "common/stop.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Open loop without --depth: requests in flight on all connections and on one. */
#define OPEN_FLIGHTS_ALL 65536u
#define OPEN_FLIGHTS_MAX 4096u
#define OPEN_FLIGHTS_MIN 16u
/* A request so near is waited for awake: sleeping would make it late. */
#define AWAKE_NS (200 * NS_PER_US)
/* Requests sent by the schedule before answers are looked at again. */
#define RELEASE_MAX    64
#define COMPLAINTS_MAX 5
#define TICK_MAX_NS    (100 * NS_PER_MS)

/* Requests in flight that one-byte datagrams can be told apart by. */
#define DEPTH_OF_BYTE 128u

static uint32_t choose_depth(const struct echo_options *o)
{
    uint32_t depth = o->depth != 0 ? o->depth : 1;
    if (o->depth == 0 && o->rate_hz > 0) {
        depth = OPEN_FLIGHTS_ALL / o->connections;
        depth = depth < OPEN_FLIGHTS_MIN ? OPEN_FLIGHTS_MIN : depth;
        depth = depth > OPEN_FLIGHTS_MAX ? OPEN_FLIGHTS_MAX : depth;
    }
    return o->udp && o->size_bytes == 1 && depth > DEPTH_OF_BYTE ? DEPTH_OF_BYTE : depth;
}

static bool make_memory(struct client *c)
{
    const struct echo_options *o = c->options;
    size_t ring = 1;
    while (ring < c->depth) {
        ring *= 2;
    }
    c->ring_mask = (uint32_t)ring - 1;
    c->conn = calloc(o->connections, sizeof(*c->conn));
    c->flights = calloc(o->connections * ring, sizeof(*c->flights));
    if (c->conn == NULL || c->flights == NULL || !tokset_init(&c->set, 2 * o->connections)) {
        complain("no memory for %" PRIu32 " connections with %" PRIu32 " requests in flight", o->connections, c->depth);
        return false;
    }
    for (uint32_t i = 0; i < o->connections; i++) {
        c->conn[i] = (struct conn){
            .qd = -1, .number = i, .pop_place = TOKSET_NONE, .push_place = TOKSET_NONE, .ring = c->flights + i * ring};
    }
    return true;
}

bool client_make_constant(struct client *c)
{
    c->constant = demi_sgaalloc(c->options->size_bytes);
    if (c->constant.sga_numsegs == 0) {
        return false;
    }
    memset(c->constant.sga_segs[0].sgaseg_buf, 'c', c->options->size_bytes);
    return true;
}

/* Requests that need not differ are one array, pushed again and again. */
static bool begin_alike(struct client *c)
{
    c->alike = !c->options->check;
    if (c->alike && !client_make_constant(c)) {
        complain("cannot allocate a request of %" PRIu32 " bytes: %s", c->options->size_bytes, demi_last_error());
        return false;
    }
    return true;
}

void client_stop_sending(struct client *c, uint64_t now_ns)
{
    if (c->sending) {
        c->sending = false;
        c->stopped_ns = now_ns;
    }
}

static void start_clock(struct client *c)
{
    const struct echo_options *o = c->options;
    uint64_t now_ns = clock_now_ns();
    c->begin_ns = now_ns;
    c->measure_ns = now_ns + o->warmup_ns;
    bool by_time = o->requests == 0 && o->rate_hz == 0;
    c->end_ns = by_time ? c->measure_ns + o->duration_ns : UINT64_MAX;
    c->to_send = o->requests != 0 ? o->requests : UINT64_MAX;
    c->give_up_ns = UINT64_MAX;
    c->sending = true;
    if (o->rate_hz > 0) {
        c->interval_ns = 1e9 / o->rate_hz;
        double measured = o->requests != 0 ? (double)o->requests : (double)o->duration_ns / c->interval_ns;
        c->schedule_total = (uint64_t)(ceil((double)o->warmup_ns / c->interval_ns) + ceil(measured));
        c->give_up_ns = client_intended_ns(c, c->schedule_total) + o->timeout_ns;
    }
    c->tick_ns = o->udp && o->timeout_ns / 4 < TICK_MAX_NS ? o->timeout_ns / 4 : TICK_MAX_NS;
    c->next_tick_ns = now_ns + c->tick_ns;
    progress_start(&c->progress, o->progress && o->leads, o->quiet || !o->leads, now_ns);
    for (uint32_t i = 0; i < o->connections; i++) {
        conn_pop(c, &c->conn[i]);
        if (c->conn[i].qd >= 0 && o->rate_hz == 0) {
            conn_pump(c, &c->conn[i], clock_now_ns());
        }
    }
}

/* What goes by the clock: lost datagrams, silent connections, Ctrl-C, the progress line. */
static void tick(struct client *c, uint64_t now_ns)
{
    char detail[96];
    c->next_tick_ns = now_ns + c->tick_ns;
    if (now_ns >= c->end_ns || stop_requested()) {
        client_stop_sending(c, now_ns);
    }
    for (uint32_t i = 0; i < c->options->connections; i++) {
        conn_sweep(c, &c->conn[i], now_ns);
    }
    snprintf(detail, sizeof(detail), "%" PRIu32 " open, %" PRIu64 " errors, %" PRIu64 " lost", c->live,
             c->report.errors, c->report.lost);
    progress_tick(&c->progress, now_ns, c->report.latency.count, &c->report.latency, detail);
}

/* Open loop: sends what is due by now. Returns how long nothing is due after that. */
static uint64_t release_due(struct client *c, uint64_t now_ns)
{
    for (uint32_t i = 0; c->sending && i < RELEASE_MAX; i++) {
        if (c->scheduled == c->schedule_total) {
            client_stop_sending(c, now_ns);
            break;
        }
        uint64_t intended_ns = client_intended_ns(c, c->scheduled);
        if (intended_ns > now_ns) {
            return intended_ns - now_ns;
        }
        struct conn *n = &c->conn[c->schedule_conn];
        c->scheduled++;
        c->schedule_conn = c->schedule_conn + 1 == c->options->connections ? 0 : c->schedule_conn + 1;
        if (n->qd < 0) {
            c->report.unanswered++;
            continue;
        }
        n->due++;
        c->backlog++;
        conn_pump(c, n, now_ns);
    }
    return c->sending ? 0 : UINT64_MAX;
}

static bool is_finished(const struct client *c, uint64_t now_ns)
{
    if (c->live == 0 || now_ns >= c->give_up_ns) {
        return true;
    }
    if (c->sending) {
        return false;
    }
    bool drained = c->in_flight == 0 && (c->backlog == 0 || stop_requested());
    return drained || now_ns >= c->stopped_ns + c->options->timeout_ns;
}

/* How long to wait for a result. */
static uint64_t wait_limit(const struct client *c, uint64_t now_ns, uint64_t next_due_ns)
{
    uint64_t limit_ns = c->next_tick_ns > now_ns ? c->next_tick_ns - now_ns : 0;
    if (next_due_ns < AWAKE_NS) {
        return 0;
    }
    return next_due_ns - AWAKE_NS < limit_ns ? next_due_ns - AWAKE_NS : limit_ns;
}

static int run(struct client *c)
{
    uint64_t now_ns = clock_now_ns();
    while (!is_finished(c, now_ns)) {
        demi_qresult_t qr;
        uint32_t at = 0;
        uint64_t next_due_ns = c->interval_ns > 0 ? release_due(c, now_ns) : UINT64_MAX;
        int rc = tokset_wait(&c->set, &qr, &at, wait_limit(c, now_ns, next_due_ns));
        now_ns = clock_now_ns();
        if (rc == 0) {
            conn_result(c, &c->conn[c->set.owner[at]], &qr, now_ns);
        } else if (rc != ETIMEDOUT) {
            return complain_call("cannot wait", rc);
        }
        if (now_ns >= c->next_tick_ns) {
            tick(c, now_ns);
        }
    }
    client_stop_sending(c, now_ns);
    return EXIT_OK;
}

static int report_client(struct client *c)
{
    char text[ADDR_TEXT_MAX];
    const struct echo_options *o = c->options;
    struct report *r = &c->report;
    r->transport = o->udp ? "udp" : "tcp";
    r->size_bytes = o->size_bytes;
    r->connections = o->connections;
    r->depth = c->depth;
    r->rate_hz = o->rate_hz;
    uint64_t unscheduled = stop_requested() ? 0 : c->schedule_total - c->scheduled;
    r->unanswered += c->in_flight + c->backlog + unscheduled;
    uint64_t last_ns = c->last_answer_ns > c->stopped_ns ? c->last_answer_ns : c->stopped_ns;
    r->elapsed_ns = last_ns > c->measure_ns ? last_ns - c->measure_ns : 0;
    progress_end(&c->progress);
    if (!team_add_client(o->team, r)) {
        return report_is_failure(r) ? EXIT_FAIL : EXIT_OK;
    }
    r = &o->team->client;
    r->peer = addr_format(&o->addr, text, sizeof(text));
    if (o->json) {
        report_json(r, "echo client", stdout);
    } else if (!o->quiet) {
        report_text(r, stdout);
    }
    if (r->latency.count == 0) {
        complain("not one request was answered");
    }
    return report_is_failure(r) ? EXIT_FAIL : EXIT_OK;
}

static void client_free(struct client *c)
{
    for (uint32_t i = 0; c->conn != NULL && i < c->options->connections; i++) {
        if (c->conn[i].qd >= 0) {
            (void)demi_close(c->conn[i].qd);
        }
    }
    if (c->constant.sga_numsegs != 0) {
        (void)demi_sgafree(&c->constant);
    }
    tokset_free(&c->set);
    free(c->flights);
    free(c->conn);
    free(c);
}

int echo_client(const struct echo_options *o)
{
    struct client *c = calloc(1, sizeof(*c));
    if (c == NULL) {
        complain("no memory");
        return EXIT_FAIL;
    }
    c->options = o;
    c->depth = choose_depth(o);
    c->complaints_left = COMPLAINTS_MAX;
    hist_reset(&c->report.latency);
    int code = EXIT_FAIL;
    if (team_ready(o->team, make_memory(c) && begin_alike(c) && client_connect(c))) {
        start_clock(c);
        code = run(c);
        code = code == EXIT_OK ? report_client(c) : code;
    }
    client_free(c);
    return code;
}
