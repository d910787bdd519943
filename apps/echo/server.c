/* SPDX-License-Identifier: MIT */
/*
 * The echo server. One pending operation for each connection: a pop, and after it the push of the very same array; the
 * next pop is asked for when that push is complete, so that a peer that does not read is not read from either. Place 0
 * of the tokens is the accept; a connection that ends is replaced by the last one.
 */
#include "common/args.h"
#include "common/clock.h"
#include "common/demi_util.h"
#include "common/json.h"
#include "common/report.h"
#include "common/stop.h"
#include "echo/echo.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define LISTEN_BACKLOG 4096
/* How long accepting rests after it failed: descriptors or memory lack, and asking again at once would only spin. */
#define ACCEPT_REST_NS (50 * NS_PER_MS)

struct server {
    const struct echo_options *options;
    int qd;               /* listening socket, or the datagram socket */
    demi_qtoken_t *token; /* [0] accept, the others one for each connection */
    uint32_t count;       /* places in use, 0 included */
    uint32_t room;
    bool accepting;           /* place 0 holds a token */
    uint64_t accept_again_ns; /* not before that */
    struct progress progress;
    struct server_counts n;
};

static int report_server(struct server *s, const char *transport)
{
    const struct server_counts *n = &s->options->team->server;
    progress_end(&s->progress);
    if (!team_add_server(s->options->team, &s->n)) {
        return EXIT_OK;
    }
    if (s->options->json) {
        struct json j;
        json_open(&j, stdout);
        json_text(&j, "program", "echo server");
        json_text(&j, "transport", transport);
        json_u64(&j, "connections", n->accepted);
        json_u64(&j, "messages", n->messages);
        json_u64(&j, "bytes", n->bytes);
        json_u64(&j, "empty", n->empty);
        json_u64(&j, "failed", n->failed);
        json_close(&j);
    } else if (!s->options->quiet) {
        printf("%s server: %" PRIu64 " connections, %" PRIu64 " messages, %" PRIu64 " bytes, %" PRIu64 " failed\n",
               transport, n->accepted, n->messages, n->bytes, n->failed);
    }
    return EXIT_OK;
}

/* The progress line, where it is wanted: without it the server does not read the clock. */
static void tick(struct server *s)
{
    char detail[64];
    uint64_t now_ns = s->progress.on ? clock_now_ns() : 0;
    if (now_ns >= s->progress.next_ns) {
        snprintf(detail, sizeof(detail), "%" PRIu32 " open, %" PRIu64 " failed", s->count - 1, s->n.failed);
        progress_tick(&s->progress, now_ns, s->n.messages, NULL, detail);
    }
}

/* Asks for the next connection where there is room for one and the last refusal is long enough ago. */
static void accept_next(struct server *s)
{
    if (s->accepting || s->count == s->room) {
        return;
    }
    if (s->accept_again_ns != 0 && clock_now_ns() < s->accept_again_ns) {
        return;
    }
    s->accepting = demi_accept(&s->token[0], s->qd) == 0;
    s->accept_again_ns = s->accepting ? 0 : clock_now_ns() + ACCEPT_REST_NS;
    s->n.failed += !s->accepting;
}

/* Ends the connection at a place; the last one moves there. */
static void drop(struct server *s, uint32_t at, int qd)
{
    assert(at > 0 && at < s->count);
    s->n.failed += demi_close(qd) != 0;
    s->token[at] = s->token[--s->count];
}

static void pop_next(struct server *s, uint32_t at, int qd)
{
    if (demi_pop(&s->token[at], qd) != 0) {
        s->n.failed++;
        drop(s, at, qd);
    }
}

static void on_accept(struct server *s, const demi_qresult_t *qr)
{
    assert(s->count < s->room);
    s->accepting = false;
    s->n.accepted++;
    pop_next(s, s->count++, qr->qr_value.ares.qd);
}

/* Sends back what came; false when the connection is of no more use. */
static void on_pop(struct server *s, uint32_t at, demi_qresult_t *qr)
{
    int err;
    demi_sgarray_t *sga = &qr->qr_value.sga;
    size_t len = demi_sga_len(sga);
    if (len == 0) {
        (void)demi_sgafree(sga);
        drop(s, at, qr->qr_qd);
        return;
    }
    int rc = demi_push(&s->token[at], qr->qr_qd, sga);
    (void)demi_sgafree(sga);
    enum demi_fate fate = rc == 0 ? demi_look(s->token[at], &err) : DEMI_BROKEN;
    if (fate == DEMI_BROKEN) {
        s->n.failed++;
        drop(s, at, qr->qr_qd);
        return;
    }
    s->n.messages++;
    s->n.bytes += len;
    if (fate == DEMI_DONE) {
        pop_next(s, at, qr->qr_qd);
    }
}

static void on_failed(struct server *s, uint32_t at, const demi_qresult_t *qr)
{
    s->n.failed++;
    if (at == 0) {
        s->accepting = false;
        s->accept_again_ns = clock_now_ns() + ACCEPT_REST_NS;
    } else {
        drop(s, at, qr->qr_qd);
    }
}

static void on_result(struct server *s, uint32_t at, demi_qresult_t *qr)
{
    switch (qr->qr_opcode) {
    case DEMI_OPC_POP:
        on_pop(s, at, qr);
        break;
    case DEMI_OPC_PUSH:
        pop_next(s, at, qr->qr_qd);
        break;
    case DEMI_OPC_ACCEPT:
        on_accept(s, qr);
        break;
    default:
        on_failed(s, at, qr);
        break;
    }
}

/* The network device is gone for good: nothing will ever come. */
static bool lost_device(const demi_qresult_t *qr)
{
    if (qr->qr_opcode != DEMI_OPC_FAILED || qr->qr_ret != ENODEV) {
        return false;
    }
    complain("the network device is gone: %s", demi_strerror(ENODEV));
    return true;
}

/* Waits for the tokens from the accept on, or without it. Neither there: sleeps. */
static int wait_one(struct server *s, demi_qresult_t *qr, uint32_t *at)
{
    uint32_t first = s->accepting ? 0 : 1;
    uint64_t limit_ns = s->accept_again_ns != 0 ? ACCEPT_REST_NS : STOP_LOOK_NS;
    struct timespec timeout = clock_timespec(limit_ns);
    int offset = 0;
    if (first == s->count) {
        nanosleep(&timeout, NULL);
        return ETIMEDOUT;
    }
    int rc = demi_wait_any(qr, &offset, s->token + first, (int)(s->count - first), &timeout);
    *at = first + (uint32_t)offset;
    return rc;
}

static bool server_open(struct server *s, const struct echo_options *o, int type, struct addr *bound)
{
    *s = (struct server){.options = o, .count = 1, .room = 1};
    s->qd = o->threads > 1 ? demi_shared_socket(&o->addr, type, LISTEN_BACKLOG, bound)
                           : demi_bound_socket(&o->addr, type, LISTEN_BACKLOG, bound);
    if (s->qd < 0) {
        return false;
    }
    s->room = type == SOCK_STREAM ? o->max_connections + 1 : 1;
    s->token = calloc(s->room, sizeof(*s->token));
    if (s->token == NULL) {
        complain("no memory for %" PRIu32 " connections", s->room);
        return false;
    }
    return true;
}

/* With all threads: whoever is told that the server listens finds each of them. */
static bool server_begin(struct server *s, const struct echo_options *o, int type)
{
    struct addr bound;
    bool opened = server_open(s, o, type, &bound);
    if (!team_ready(o->team, opened)) {
        free(s->token);
        return false;
    }
    if (o->leads) {
        print_listening(&bound);
    }
    progress_start(&s->progress, o->progress && o->leads, o->quiet || !o->leads, clock_now_ns());
    return true;
}

static int server_end(struct server *s, int code)
{
    if (code == EXIT_OK) {
        code = report_server(s, s->options->udp ? "udp" : "tcp");
    }
    free(s->token);
    return code;
}

int echo_server_tcp(const struct echo_options *o)
{
    struct server s;
    if (!server_begin(&s, o, SOCK_STREAM)) {
        return EXIT_FAIL;
    }
    int code = EXIT_OK;
    while (code == EXIT_OK && !stop_requested()) {
        demi_qresult_t qr;
        uint32_t at = 0;
        accept_next(&s);
        int rc = wait_one(&s, &qr, &at);
        if (rc == 0 && lost_device(&qr)) {
            code = EXIT_FAIL;
        } else if (rc == 0) {
            on_result(&s, at, &qr);
        } else if (rc != ETIMEDOUT) {
            code = complain_call("cannot wait", rc);
        }
        tick(&s);
    }
    return server_end(&s, code);
}

/* Sends a datagram back to where it came from. Place 0 becomes the push where that is not complete at once. */
static enum demi_fate answer_datagram(struct server *s, demi_sgarray_t *sga)
{
    struct addr source;
    int err;
    size_t len = demi_sga_len(sga);
    if (len == 0) {
        s->n.empty++;
        return DEMI_DONE;
    }
    if (!demi_datagram_source(sga, s->options->addr.storage.ss_family, &source) ||
        demi_pushto(&s->token[0], s->qd, sga, addr_sockaddr(&source), source.len) != 0) {
        return DEMI_BROKEN;
    }
    s->n.messages++;
    s->n.bytes += len;
    return demi_look(s->token[0], &err);
}

/* One result of the datagram socket. Returns whether the next pop is due. */
static bool on_datagram_result(struct server *s, demi_qresult_t *qr)
{
    if (qr->qr_opcode != DEMI_OPC_POP) {
        s->n.failed += qr->qr_opcode == DEMI_OPC_FAILED;
        return true;
    }
    enum demi_fate fate = answer_datagram(s, &qr->qr_value.sga);
    (void)demi_sgafree(&qr->qr_value.sga);
    s->n.failed += fate == DEMI_BROKEN;
    return fate != DEMI_PENDING;
}

int echo_server_udp(const struct echo_options *o)
{
    struct server s;
    if (!server_begin(&s, o, SOCK_DGRAM)) {
        return EXIT_FAIL;
    }
    int code = EXIT_OK;
    bool pop_due = true;
    s.accepting = true; /* place 0 is waited for */
    while (code == EXIT_OK && !stop_requested()) {
        demi_qresult_t qr;
        uint32_t at = 0;
        int rc = pop_due ? demi_pop(&s.token[0], s.qd) : 0;
        rc = rc == 0 ? wait_one(&s, &qr, &at) : rc;
        if (rc == 0 && lost_device(&qr)) {
            code = EXIT_FAIL;
            break;
        }
        pop_due = rc == 0 && on_datagram_result(&s, &qr);
        if (rc != 0 && rc != ETIMEDOUT) {
            code = complain_call("cannot receive", rc);
        }
        tick(&s);
    }
    return server_end(&s, code);
}
