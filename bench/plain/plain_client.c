/* SPDX-License-Identifier: MIT */
/*
 * Load generator on non-blocking sockets. It never sleeps: one connection is asked directly, several through epoll
 * without a timeout. Closed loop: one request in flight on each connection, the clock is read once an answer. Open
 * loop: request i of all is due at begin + i / rate on connection i mod connections, and its latency counts from then.
 * What it prints is what the echo client prints.
 */
#include "common/args.h"
#include "common/clock.h"
#include "common/report.h"
#include "common/stop.h"
#include "plain.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS_MAX 256
/* Open loop: requests in flight on a connection. */
#define FLIGHTS_MAX 1024u
#define RELEASE_MAX 64
/* Rounds in which nothing came before the clock is read, where nothing else needs it. */
#define IDLE_ROUNDS    64
#define TICK_NS        (50 * NS_PER_MS)
#define SEQUENCE_BYTES sizeof(uint64_t)

struct flight {
    uint64_t start_ns; /* 0: answered or lost */
    uint64_t sent_ns;
};

struct conn {
    int fd;
    uint32_t number;
    uint64_t head; /* sent */
    uint64_t tail; /* all before are answered or lost */
    uint64_t due;
    size_t have_bytes;   /* of the answer that is not complete */
    size_t unsent_bytes; /* of the last request */
    uint64_t progress_ns;
    struct flight *ring;
};

struct client {
    const struct plain_options *options;
    struct conn *conn;
    struct flight *flights;
    int epoll_fd;
    uint32_t depth; /* a power of two */
    uint32_t live;
    uint32_t stuck; /* connections with unsent bytes */
    uint64_t in_flight;
    uint64_t backlog;
    bool sending;
    uint64_t begin_ns;
    uint64_t measure_ns;
    uint64_t end_ns;
    uint64_t to_send;
    uint64_t stopped_ns;
    uint64_t last_answer_ns;
    uint64_t next_tick_ns;
    double interval_ns; /* 0: closed loop */
    uint64_t scheduled;
    uint64_t schedule_total;
    uint64_t give_up_ns; /* open loop: ends although not all is sent */
    struct progress progress;
    struct report report;
    char *request;
    char buffer[PLAIN_BUFFER_BYTES];
};

static void stop_sending(struct client *c, uint64_t now_ns)
{
    if (c->sending) {
        c->sending = false;
        c->stopped_ns = now_ns;
    }
}

static void conn_break(struct client *c, struct conn *n, const char *what, int err)
{
    complain("connection %" PRIu32 ": %s%s%s", n->number + 1, what, err != 0 ? ": " : "",
             err != 0 ? strerror(err) : "");
    close(n->fd);
    n->fd = -1;
    c->live--;
    c->stuck -= n->unsent_bytes != 0;
    c->report.errors++;
    uint64_t open = 0;
    for (uint64_t i = n->tail; i < n->head; i++) {
        open += n->ring[i & (c->depth - 1)].start_ns != 0;
    }
    uint64_t unsent = n->due > n->head ? n->due - n->head : 0;
    c->in_flight -= open;
    c->backlog -= unsent;
    c->report.unanswered += open + unsent;
}

/* Sends len bytes of the request from an offset on; remembers what did not go. Returns whether the connection lives. */
static bool send_bytes(struct client *c, struct conn *n, size_t offset, size_t len)
{
    ssize_t sent = send(n->fd, c->request + offset, len, MSG_NOSIGNAL);
    bool blocked = sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
    if (sent < 0 && !blocked && c->options->udp) {
        c->report.errors++; /* nobody answers it, so it will be lost */
        return true;
    }
    if (sent < 0 && !blocked) {
        conn_break(c, n, "cannot send", errno);
        return false;
    }
    size_t left = len - (sent > 0 ? (size_t)sent : 0);
    c->stuck += (left != 0) - (n->unsent_bytes != 0);
    n->unsent_bytes = left;
    return true;
}

static void send_request(struct client *c, struct conn *n, uint64_t start_ns, uint64_t now_ns)
{
    if (c->options->udp) {
        memcpy(c->request, &n->head, SEQUENCE_BYTES);
    }
    if (!send_bytes(c, n, 0, c->options->size_bytes)) {
        return;
    }
    if (n->head == n->tail) {
        n->progress_ns = now_ns;
    }
    n->ring[n->head & (c->depth - 1)] = (struct flight){.start_ns = start_ns, .sent_ns = now_ns};
    n->head++;
    c->in_flight++;
}

static bool may_start(struct client *c, uint64_t now_ns)
{
    if (c->sending && (now_ns >= c->end_ns || c->to_send == 0)) {
        stop_sending(c, now_ns);
    }
    c->to_send -= c->sending && now_ns >= c->measure_ns;
    return c->sending;
}

static uint64_t intended_ns(const struct client *c, uint64_t index)
{
    return c->begin_ns + (uint64_t)((double)index * c->interval_ns);
}

/* Sends what the loop allows on a connection now. */
static void pump(struct client *c, struct conn *n, uint64_t now_ns)
{
    while (n->fd >= 0 && n->unsent_bytes == 0 && n->head - n->tail < c->depth) {
        if (c->interval_ns == 0) {
            if (!may_start(c, now_ns)) {
                return;
            }
            send_request(c, n, now_ns, now_ns);
            continue;
        }
        if (n->head == n->due || stop_requested()) {
            return;
        }
        send_request(c, n, intended_ns(c, n->number + n->head * c->options->connections), now_ns);
        c->backlog -= n->fd >= 0;
    }
}

static void take_answer(struct client *c, struct flight *flight, uint64_t now_ns)
{
    if (flight->start_ns >= c->measure_ns) {
        hist_record(&c->report.latency, now_ns - flight->start_ns);
    }
    flight->start_ns = 0;
    c->in_flight--;
    c->last_answer_ns = now_ns;
}

static void take_stream(struct client *c, struct conn *n, size_t len, uint64_t now_ns)
{
    n->have_bytes += len;
    n->progress_ns = now_ns;
    while (n->have_bytes >= c->options->size_bytes) {
        if (n->head == n->tail) {
            conn_break(c, n, "the server sent more than it got", 0);
            return;
        }
        n->have_bytes -= c->options->size_bytes;
        take_answer(c, &n->ring[n->tail++ & (c->depth - 1)], now_ns);
    }
}

static void advance_tail(const struct client *c, struct conn *n)
{
    while (n->tail != n->head && n->ring[n->tail & (c->depth - 1)].start_ns == 0) {
        n->tail++;
    }
}

static void take_datagram(struct client *c, struct conn *n, size_t len, uint64_t now_ns)
{
    uint64_t sequence;
    if (len != c->options->size_bytes) {
        c->report.corrupt++;
        return;
    }
    memcpy(&sequence, c->buffer, SEQUENCE_BYTES);
    struct flight *flight = &n->ring[sequence & (c->depth - 1)];
    if (sequence - n->tail >= n->head - n->tail || flight->start_ns == 0) {
        c->report.late++;
        return;
    }
    take_answer(c, flight, now_ns);
    advance_tail(c, n);
}

/* Takes what came on a connection, if anything did; then *now_ns is the time. Returns whether something came. */
static bool receive(struct client *c, struct conn *n, uint64_t *now_ns)
{
    ssize_t len = recv(n->fd, c->buffer, sizeof(c->buffer), 0);
    if (len < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
        return false;
    }
    if (len < 0 && c->options->udp) {
        c->report.errors++; /* ICMP said that nobody listens; the datagram will be lost */
        return false;
    }
    if (len <= 0 && !c->options->udp) {
        conn_break(c, n, len == 0 ? "the server closed the connection" : "cannot receive", len == 0 ? 0 : errno);
        return false;
    }
    *now_ns = clock_now_ns();
    if (c->options->udp) {
        take_datagram(c, n, (size_t)len, *now_ns);
    } else {
        take_stream(c, n, (size_t)len, *now_ns);
    }
    pump(c, n, *now_ns);
    return true;
}

/* One round over what is ready. Returns whether anything came. */
static bool receive_ready(struct client *c, uint64_t *now_ns)
{
    struct epoll_event events[EVENTS_MAX];
    bool came = false;
    if (c->epoll_fd < 0) {
        return receive(c, &c->conn[0], now_ns);
    }
    int n = epoll_wait(c->epoll_fd, events, EVENTS_MAX, 0);
    for (int i = 0; i < n; i++) {
        struct conn *conn = events[i].data.ptr;
        came |= conn->fd >= 0 && receive(c, conn, now_ns);
    }
    return came;
}

static void sweep(struct client *c, struct conn *n, uint64_t now_ns)
{
    if (n->fd < 0 || n->head == n->tail) {
        return;
    }
    if (!c->options->udp) {
        if (now_ns - n->progress_ns > c->options->timeout_ns) {
            conn_break(c, n, "no answer within the timeout", 0);
        }
        return;
    }
    for (uint64_t i = n->tail; i != n->head; i++) {
        struct flight *flight = &n->ring[i & (c->depth - 1)];
        if (flight->start_ns != 0 && now_ns - flight->sent_ns < c->options->timeout_ns) {
            break;
        }
        c->report.lost += flight->start_ns != 0;
        c->in_flight -= flight->start_ns != 0;
        flight->start_ns = 0;
    }
    advance_tail(c, n);
    pump(c, n, now_ns);
}

static void tick(struct client *c, uint64_t now_ns)
{
    char detail[64];
    c->next_tick_ns = now_ns + TICK_NS;
    if (now_ns >= c->end_ns || stop_requested()) {
        stop_sending(c, now_ns);
    }
    for (uint32_t i = 0; i < c->options->connections; i++) {
        sweep(c, &c->conn[i], now_ns);
    }
    snprintf(detail, sizeof(detail), "%" PRIu32 " open, %" PRIu64 " errors", c->live, c->report.errors);
    progress_tick(&c->progress, now_ns, c->report.latency.count, &c->report.latency, detail);
}

/* Open loop: sends what is due by now. */
static void release_due(struct client *c, uint64_t now_ns)
{
    for (uint32_t i = 0; c->sending && i < RELEASE_MAX; i++) {
        if (c->scheduled == c->schedule_total) {
            stop_sending(c, now_ns);
            return;
        }
        if (intended_ns(c, c->scheduled) > now_ns) {
            return;
        }
        struct conn *n = &c->conn[c->scheduled++ % c->options->connections];
        if (n->fd < 0) {
            c->report.unanswered++;
            continue;
        }
        n->due++;
        c->backlog++;
        pump(c, n, now_ns);
    }
}

/* Tries again what did not fit into a socket's buffer. */
static void send_stuck(struct client *c, uint64_t now_ns)
{
    for (uint32_t i = 0; c->stuck != 0 && i < c->options->connections; i++) {
        struct conn *n = &c->conn[i];
        if (n->fd >= 0 && n->unsent_bytes != 0 &&
            send_bytes(c, n, c->options->size_bytes - n->unsent_bytes, n->unsent_bytes)) {
            pump(c, n, now_ns);
        }
    }
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

static void run(struct client *c)
{
    uint64_t now_ns = clock_now_ns();
    uint32_t idle_rounds = 0;
    while (!is_finished(c, now_ns)) {
        if (c->interval_ns > 0) {
            release_due(c, now_ns);
        }
        bool came = receive_ready(c, &now_ns);
        idle_rounds = came ? 0 : idle_rounds + 1;
        if (c->interval_ns > 0 || idle_rounds >= IDLE_ROUNDS) {
            now_ns = clock_now_ns();
            idle_rounds = 0;
        }
        if (c->stuck != 0) {
            send_stuck(c, now_ns);
        }
        if (now_ns >= c->next_tick_ns) {
            tick(c, now_ns);
        }
    }
    stop_sending(c, now_ns);
}

static bool open_connection(struct client *c, uint32_t i)
{
    struct conn *n = &c->conn[i];
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = n};
    *n = (struct conn){.number = i, .ring = c->flights + (size_t)i * c->depth};
    n->fd = plain_connected_socket(&c->options->addr, c->options->udp);
    if (n->fd < 0) {
        return false;
    }
    c->live++;
    return c->epoll_fd < 0 || epoll_ctl(c->epoll_fd, EPOLL_CTL_ADD, n->fd, &event) == 0;
}

static bool begin(struct client *c)
{
    const struct plain_options *o = c->options;
    c->depth = o->rate_hz > 0 ? FLIGHTS_MAX : 1;
    c->conn = calloc(o->connections, sizeof(*c->conn));
    c->flights = calloc((size_t)o->connections * c->depth, sizeof(*c->flights));
    c->request = malloc(o->size_bytes);
    c->epoll_fd = o->connections > 1 ? epoll_create1(EPOLL_CLOEXEC) : -1;
    if (c->conn == NULL || c->flights == NULL || c->request == NULL || (o->connections > 1 && c->epoll_fd < 0)) {
        complain("no memory for %" PRIu32 " connections", o->connections);
        return false;
    }
    memset(c->request, 'c', o->size_bytes);
    for (uint32_t i = 0; i < o->connections; i++) {
        c->conn[i].fd = -1;
    }
    for (uint32_t i = 0; i < o->connections; i++) {
        if (!open_connection(c, i)) {
            return false;
        }
    }
    return true;
}

static void start_clock(struct client *c)
{
    const struct plain_options *o = c->options;
    c->begin_ns = clock_now_ns();
    c->measure_ns = c->begin_ns + o->warmup_ns;
    c->end_ns = o->requests == 0 && o->rate_hz == 0 ? c->measure_ns + o->duration_ns : UINT64_MAX;
    c->to_send = o->requests != 0 ? o->requests : UINT64_MAX;
    c->next_tick_ns = c->begin_ns + TICK_NS;
    c->give_up_ns = UINT64_MAX;
    c->sending = true;
    if (o->rate_hz > 0) {
        c->interval_ns = 1e9 / o->rate_hz;
        double measured = o->requests != 0 ? (double)o->requests : (double)o->duration_ns / c->interval_ns;
        c->schedule_total = (uint64_t)(ceil((double)o->warmup_ns / c->interval_ns) + ceil(measured));
        c->give_up_ns = intended_ns(c, c->schedule_total) + o->timeout_ns;
    }
    progress_start(&c->progress, o->progress, o->quiet, c->begin_ns);
    for (uint32_t i = 0; o->rate_hz == 0 && i < o->connections; i++) {
        pump(c, &c->conn[i], clock_now_ns());
    }
}

static int report_client(struct client *c)
{
    char text[ADDR_TEXT_MAX];
    const struct plain_options *o = c->options;
    struct report *r = &c->report;
    uint64_t last_ns = c->last_answer_ns > c->stopped_ns ? c->last_answer_ns : c->stopped_ns;
    r->transport = o->udp ? "udp" : "tcp";
    r->peer = addr_format(&o->addr, text, sizeof(text));
    r->size_bytes = o->size_bytes;
    r->connections = o->connections;
    r->depth = c->depth;
    r->rate_hz = o->rate_hz;
    uint64_t unscheduled = stop_requested() ? 0 : c->schedule_total - c->scheduled;
    r->unanswered += c->in_flight + c->backlog + unscheduled;
    r->elapsed_ns = last_ns > c->measure_ns ? last_ns - c->measure_ns : 0;
    progress_end(&c->progress);
    if (o->json) {
        report_json(r, "plain client", stdout);
    } else if (!o->quiet) {
        report_text(r, stdout);
    }
    return report_is_failure(r) ? EXIT_FAIL : EXIT_OK;
}

int plain_client(const struct plain_options *o)
{
    struct client *c = calloc(1, sizeof(*c));
    if (c == NULL) {
        complain("no memory");
        return EXIT_FAIL;
    }
    c->options = o;
    c->epoll_fd = -1;
    hist_reset(&c->report.latency);
    int code = EXIT_FAIL;
    if (begin(c)) {
        start_clock(c);
        run(c);
        code = report_client(c);
    }
    for (uint32_t i = 0; c->conn != NULL && i < o->connections; i++) {
        if (c->conn[i].fd >= 0) {
            close(c->conn[i].fd);
        }
    }
    if (c->epoll_fd >= 0) {
        close(c->epoll_fd);
    }
    free(c->conn);
    free(c->flights);
    free(c->request);
    free(c);
    return code;
}
