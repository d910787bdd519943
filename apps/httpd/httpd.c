/* SPDX-License-Identifier: MIT */
/*
 * The HTTP example's server. A connection always has exactly one operation pending: a pop while it reads a request's
 * head, a push while it sends the response piece by piece, a pop again while it lingers. Since every push goes through
 * the wait, a client that fetches much does not keep the others from their turn.
 *
 * A connection that ends after a response lingers (RFC 9112 9.6): it says so to the client and reads what is still on
 * its way, since closing on unread bytes would reset the connection and the response with it.
 */
#include "httpd/httpd.h"
#include "common/args.h"
#include "common/clock.h"
#include "common/demi_util.h"
#include "common/stop.h"
#include "common/tokset.h"
#include "httpd/http.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LISTEN_BACKLOG 1024
#define PIECE_BYTES    65536 /* of a body in one push */
#define LINGER_NS      (2 * NS_PER_S)
#define SWEEP_NS       (NS_PER_S / 4)
#define TICK_RESULTS   256

enum conn_state {
    CONN_FREE,
    CONN_READING,
    CONN_SENDING,
    CONN_LINGERING,
};

struct conn {
    enum conn_state state;
    int qd;
    uint32_t place; /* of its operation in the token set */
    uint32_t next_free;
    uint64_t seen_ns;
    struct http_request request; /* while sending */
    uint64_t body_sent;
    size_t head_used; /* bytes of head that are the request being answered */
    size_t head_len;
    char head[HTTP_HEAD_MAX];
    demi_sgarray_t rest; /* popped, and not yet all in head; no segment: none */
    size_t rest_at;
};

struct httpd {
    const struct httpd_options *options;
    struct conn *conn;
    struct tokset set;
    int listen_qd;
    uint32_t accept_place;
    uint32_t first_free;
    uint32_t open;
    uint64_t now_ns; /* as of the last result */
    uint64_t next_sweep_ns;
    uint64_t accept_again_ns;
    time_t date_of;
    char date[HTTP_DATE_MAX];
    uint64_t accepted;
    uint64_t requests;
    uint64_t failed;
};

static void conn_end(struct httpd *h, struct conn *c)
{
    tokset_cancel(&h->set, &c->place);
    (void)demi_close(c->qd);
    if (c->rest.sga_numsegs != 0) {
        (void)demi_sgafree(&c->rest);
        c->rest.sga_numsegs = 0;
    }
    c->state = CONN_FREE;
    c->next_free = h->first_free;
    h->first_free = (uint32_t)(c - h->conn);
    h->open--;
}

/* Makes a token the connection's pending operation; an errno instead ends the connection. */
static void conn_pending(struct httpd *h, struct conn *c, int rc, demi_qtoken_t token)
{
    if (rc != 0) {
        h->failed++;
        conn_end(h, c);
    } else {
        tokset_add(&h->set, token, (uint32_t)(c - h->conn), &c->place);
    }
}

static void conn_pop(struct httpd *h, struct conn *c)
{
    demi_qtoken_t token = 0;
    int rc = demi_pop(&token, c->qd);
    conn_pending(h, c, rc, token);
}

static const char *http_date(struct httpd *h)
{
    struct tm tm;
    time_t now = time(NULL);
    if (now != h->date_of && gmtime_r(&now, &tm) != NULL) {
        h->date_of = now;
        strftime(h->date, sizeof(h->date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
    }
    return h->date;
}

/* Pushes the next piece of the response: its head with the first of the body, or more of the body. */
static void conn_send(struct httpd *h, struct conn *c, bool first)
{
    char head[HTTP_RESPONSE_MAX];
    size_t head_len = first ? http_response_head(&c->request, http_date(h), head) : 0;
    uint64_t left = c->request.head_only ? 0 : c->request.body_len - c->body_sent;
    size_t body_len = left < PIECE_BYTES ? (size_t)left : PIECE_BYTES;
    assert(head_len + body_len > 0);
    demi_sgarray_t sga = demi_sgaalloc(head_len + body_len);
    demi_qtoken_t token = 0;
    int rc = ENOMEM;
    if (sga.sga_numsegs != 0) {
        char *bytes = sga.sga_segs[0].sgaseg_buf;
        memcpy(bytes, head, head_len);
        http_response_body(&c->request, c->body_sent, bytes + head_len, body_len);
        rc = demi_push(&token, c->qd, &sga);
        (void)demi_sgafree(&sga);
    }
    c->state = CONN_SENDING;
    c->body_sent += body_len;
    conn_pending(h, c, rc, token);
}

/* Moves what was popped into the head, as far as it has room. */
static void absorb(struct conn *c)
{
    if (c->rest.sga_numsegs == 0) {
        return;
    }
    size_t left = c->rest.sga_segs[0].sgaseg_len - c->rest_at;
    size_t room = HTTP_HEAD_MAX - c->head_len;
    size_t n = left < room ? left : room;
    memcpy(c->head + c->head_len, (const char *)c->rest.sga_segs[0].sgaseg_buf + c->rest_at, n);
    c->head_len += n;
    c->rest_at += n;
    if (n == left) {
        (void)demi_sgafree(&c->rest);
        c->rest.sga_numsegs = 0;
    }
}

/* Forgets the request that was answered, and the empty lines that clients may send before another (RFC 9112 2.2). */
static void forget_request(struct conn *c)
{
    size_t gone = c->head_used;
    while (gone < c->head_len && (c->head[gone] == '\r' || c->head[gone] == '\n')) {
        gone++;
    }
    memmove(c->head, c->head + gone, c->head_len - gone);
    c->head_len -= gone;
    c->head_used = 0;
}

/* Looks for a request in what came; answers it, or reads on. */
static void conn_read(struct httpd *h, struct conn *c)
{
    c->state = CONN_READING;
    forget_request(c);
    do {
        absorb(c);
        forget_request(c); /* nothing yet but empty lines */
        c->head_used = http_head_len(c->head, c->head_len);
    } while (c->head_used == 0 && c->rest.sga_numsegs != 0 && c->head_len < HTTP_HEAD_MAX);
    if (c->head_used != 0) {
        http_parse(c->head, c->head_used, &c->request);
    } else if (c->head_len == HTTP_HEAD_MAX) {
        http_too_long(&c->request);
    } else {
        conn_pop(h, c);
        return;
    }
    h->requests++;
    c->body_sent = 0;
    conn_send(h, c, true);
}

/* The response is out, or a piece of it. */
static void on_push(struct httpd *h, struct conn *c)
{
    if (!c->request.head_only && c->body_sent < c->request.body_len) {
        conn_send(h, c, false);
    } else if (!c->request.close) {
        conn_read(h, c);
    } else if (demi_shutdown(c->qd, SHUT_WR) == 0) {
        c->state = CONN_LINGERING;
        conn_pop(h, c);
    } else {
        conn_end(h, c);
    }
}

static void on_pop(struct httpd *h, struct conn *c, demi_sgarray_t *sga)
{
    bool at_end = demi_sga_len(sga) == 0;
    if (at_end || c->state == CONN_LINGERING) {
        (void)demi_sgafree(sga);
        if (at_end) {
            conn_end(h, c);
        } else {
            conn_pop(h, c);
        }
        return;
    }
    assert(c->state == CONN_READING && c->rest.sga_numsegs == 0);
    c->rest = *sga;
    c->rest_at = 0;
    conn_read(h, c);
}

static void on_conn(struct httpd *h, struct conn *c, demi_qresult_t *qr)
{
    tokset_remove(&h->set, &c->place);
    if (c->state != CONN_LINGERING) {
        c->seen_ns = h->now_ns;
    }
    if (qr->qr_opcode == DEMI_OPC_POP) {
        on_pop(h, c, &qr->qr_value.sga);
    } else if (qr->qr_opcode == DEMI_OPC_PUSH) {
        on_push(h, c);
    } else {
        h->failed++;
        conn_end(h, c);
    }
}

/* Asks for the next connection where there is room and accepting did not just fail. */
static void accept_next(struct httpd *h)
{
    demi_qtoken_t token;
    if (h->accept_place != TOKSET_NONE || h->first_free == UINT32_MAX || h->now_ns < h->accept_again_ns) {
        return;
    }
    if (demi_accept(&token, h->listen_qd) == 0) {
        tokset_add(&h->set, token, h->options->max_connections, &h->accept_place);
    } else {
        h->accept_again_ns = h->now_ns + STOP_LOOK_NS;
    }
}

static void on_accept(struct httpd *h, const demi_qresult_t *qr)
{
    tokset_remove(&h->set, &h->accept_place);
    if (qr->qr_opcode != DEMI_OPC_ACCEPT) {
        h->failed++;
        h->accept_again_ns = h->now_ns + STOP_LOOK_NS;
        return;
    }
    struct conn *c = &h->conn[h->first_free];
    h->first_free = c->next_free;
    h->open++;
    h->accepted++;
    c->state = CONN_READING;
    c->qd = qr->qr_value.ares.qd;
    c->place = TOKSET_NONE;
    c->seen_ns = h->now_ns;
    c->head_len = c->head_used = 0;
    conn_pop(h, c);
}

/* Ends connections on which nothing happens. */
static void sweep(struct httpd *h)
{
    if (h->now_ns < h->next_sweep_ns) {
        return;
    }
    h->next_sweep_ns = h->now_ns + SWEEP_NS;
    for (uint32_t i = 0; i < h->options->max_connections; i++) {
        struct conn *c = &h->conn[i];
        uint64_t limit_ns = c->state == CONN_LINGERING ? LINGER_NS : h->options->idle_ns;
        if (c->state != CONN_FREE && h->now_ns - c->seen_ns > limit_ns) {
            conn_end(h, c);
        }
    }
}

static bool httpd_begin(struct httpd *h)
{
    struct addr bound;
    uint32_t n = h->options->max_connections;
    h->conn = calloc(n, sizeof(*h->conn));
    if (h->conn == NULL || !tokset_init(&h->set, n + 1)) {
        complain("no memory for %" PRIu32 " connections", n);
        return false;
    }
    for (uint32_t i = 0; i < n; i++) {
        h->conn[i].next_free = i + 1 < n ? i + 1 : UINT32_MAX;
    }
    h->listen_qd = demi_bound_socket(&h->options->bind, SOCK_STREAM, LISTEN_BACKLOG, &bound);
    if (h->listen_qd < 0) {
        return false;
    }
    print_listening(&bound);
    return true;
}

static int httpd_loop(struct httpd *h)
{
    while (!stop_requested()) {
        demi_qresult_t qr;
        uint32_t at = 0;
        accept_next(h);
        int rc = tokset_wait(&h->set, &qr, &at, STOP_LOOK_NS);
        if (rc != 0 && rc != ETIMEDOUT) {
            return complain_call("cannot wait", rc);
        }
        h->now_ns = clock_now_ns();
        if (rc == 0 && h->set.owner[at] == h->options->max_connections) {
            on_accept(h, &qr);
        } else if (rc == 0) {
            on_conn(h, &h->conn[h->set.owner[at]], &qr);
        }
        sweep(h);
    }
    return EXIT_OK;
}

int httpd_run(const struct httpd_options *o)
{
    struct httpd h = {.options = o, .listen_qd = -1, .accept_place = TOKSET_NONE};
    int code = httpd_begin(&h) ? httpd_loop(&h) : EXIT_FAIL;
    for (uint32_t i = 0; h.conn != NULL && i < o->max_connections; i++) {
        if (h.conn[i].state != CONN_FREE) {
            conn_end(&h, &h.conn[i]);
        }
    }
    if (h.listen_qd >= 0) {
        (void)demi_close(h.listen_qd);
    }
    tokset_free(&h.set);
    free(h.conn);
    if (code == EXIT_OK && !o->quiet) {
        printf("httpd: %" PRIu64 " connections, %" PRIu64 " requests, %" PRIu64 " failed\n", h.accepted, h.requests,
               h.failed);
    }
    return code;
}
