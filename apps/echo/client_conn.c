/* SPDX-License-Identifier: MIT */
/* One connection of the load generator: sending, taking answers, giving up. See client.h. */
#include "common/args.h"
#include "common/clock.h"
#include "common/demi_util.h"
#include "common/pattern.h"
#include "common/stop.h"
#include "echo/client.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

/* Bytes of a datagram that hold its number. */
#define SEQUENCE_BYTES 8

static size_t sequence_bytes(const struct client *c)
{
    return c->options->size_bytes < SEQUENCE_BYTES ? c->options->size_bytes : SEQUENCE_BYTES;
}

/* Name of the byte stream that a datagram's rest is cut from. */
static uint64_t datagram_seed(const struct conn *n, uint64_t sequence)
{
    return ((uint64_t)n->number << 44) + sequence;
}

static void complain_conn(struct client *c, const struct conn *n, const char *what, int err)
{
    if (c->complaints_left == 0) {
        return;
    }
    c->complaints_left--;
    complain("connection %" PRIu32 " of %" PRIu32 ", after %" PRIu64 " answers: %s%s%s%s", n->number + 1,
             c->options->connections, n->tail, what, err != 0 ? ": " : "", err != 0 ? demi_strerror(err) : "",
             c->complaints_left == 0 ? " (more like this are not shown)" : "");
}

void conn_break(struct client *c, struct conn *n, const char *what, int err)
{
    assert(n->qd >= 0 && c->live > 0);
    complain_conn(c, n, what, err);
    tokset_cancel(&c->set, &n->pop_place);
    tokset_cancel(&c->set, &n->push_place);
    (void)demi_close(n->qd);
    n->qd = -1;
    c->live--;
    c->report.errors++;
    uint64_t open = 0;
    for (uint64_t i = n->tail; i < n->head; i++) {
        open += n->ring[i & c->ring_mask].start_ns != 0;
    }
    c->in_flight -= open;
    uint64_t unsent = n->due > n->head ? n->due - n->head : 0;
    c->backlog -= unsent;
    c->report.unanswered += open + unsent;
}

void conn_pop(struct client *c, struct conn *n)
{
    demi_qtoken_t token;
    int rc = demi_pop(&token, n->qd);
    if (rc != 0) {
        conn_break(c, n, "cannot receive", rc);
    } else if (n->pop_place == TOKSET_NONE) {
        tokset_add(&c->set, token, n->number, &n->pop_place);
    } else {
        c->set.token[n->pop_place] = token;
    }
}

static void number_datagram(const struct client *c, const struct conn *n, uint8_t *bytes)
{
    size_t header = sequence_bytes(c);
    for (size_t i = 0; i < header; i++) {
        bytes[i] = (uint8_t)(n->head >> (8 * i));
    }
}

/* A request whose bytes will be checked, in memory of its own. */
static demi_sgarray_t make_request(const struct client *c, const struct conn *n)
{
    size_t size = c->options->size_bytes;
    demi_sgarray_t sga = demi_sgaalloc(size);
    if (sga.sga_numsegs == 0) {
        return sga;
    }
    uint8_t *bytes = sga.sga_segs[0].sgaseg_buf;
    if (!c->options->udp) {
        pattern_fill(bytes, size, n->number, n->head * size);
        return sga;
    }
    size_t header = sequence_bytes(c);
    number_datagram(c, n, bytes);
    pattern_fill(bytes + header, size - header, datagram_seed(n, n->head), 0);
    return sga;
}

/* The request that all are, with the next number where it is a datagram. */
static demi_sgarray_t alike_request(struct client *c, const struct conn *n)
{
    if (c->options->udp && (c->constant.sga_numsegs != 0 || client_make_constant(c))) {
        number_datagram(c, n, c->constant.sga_segs[0].sgaseg_buf);
    }
    return c->constant;
}

/* Starts one push of the next request. Returns whether the connection lives on. */
static bool push_request(struct client *c, struct conn *n)
{
    demi_qtoken_t token;
    int err = 0;
    demi_sgarray_t sga = c->alike ? alike_request(c, n) : make_request(c, n);
    if (sga.sga_numsegs == 0) {
        conn_break(c, n, "no memory for a request", 0);
        return false;
    }
    int rc = demi_push(&token, n->qd, &sga);
    if (!c->alike) {
        (void)demi_sgafree(&sga);
    }
    enum demi_fate fate = DEMI_BROKEN;
    if (rc == 0) {
        fate = demi_look(token, &err);
    } else {
        err = rc;
    }
    if (fate == DEMI_PENDING) {
        tokset_add(&c->set, token, n->number, &n->push_place);
        if (c->alike && c->options->udp) { /* its number must stay: the next gets other memory */
            (void)demi_sgafree(&c->constant);
            c->constant.sga_numsegs = 0;
        }
    } else if (fate == DEMI_BROKEN && !c->options->udp) {
        conn_break(c, n, "cannot send", err);
        return false;
    } else if (fate == DEMI_BROKEN) {
        /* A datagram that could not go is one that nobody answers. */
        complain_conn(c, n, "cannot send", err);
        c->report.errors++;
    }
    return true;
}

static void send_request(struct client *c, struct conn *n, uint64_t start_ns, uint64_t now_ns)
{
    if (!push_request(c, n)) {
        return;
    }
    if (n->head == n->tail) {
        n->progress_ns = now_ns;
    }
    n->ring[n->head & c->ring_mask] = (struct flight){.start_ns = start_ns, .sent_ns = now_ns};
    n->head++;
    c->in_flight++;
}

/* Closed loop: whether one more request may start now, and counts it. */
static bool may_start(struct client *c, uint64_t now_ns)
{
    if (!c->sending) {
        return false;
    }
    if (now_ns >= c->end_ns || c->to_send == 0) {
        client_stop_sending(c, now_ns);
        return false;
    }
    c->to_send -= now_ns >= c->measure_ns;
    return true;
}

void conn_pump(struct client *c, struct conn *n, uint64_t now_ns)
{
    bool open_loop = c->interval_ns > 0;
    while (n->qd >= 0 && n->push_place == TOKSET_NONE && n->head - n->tail < c->depth) {
        if (!open_loop) {
            if (!may_start(c, now_ns)) {
                return;
            }
            send_request(c, n, now_ns, now_ns);
            continue;
        }
        if (n->head == n->due || stop_requested()) {
            return;
        }
        uint64_t start_ns = client_intended_ns(c, n->number + n->head * c->options->connections);
        send_request(c, n, start_ns, now_ns);
        c->backlog -= n->qd >= 0; /* a connection that broke took its own out */
    }
}

/* Counts the answer to a request in flight. */
static void take_answer(struct client *c, struct flight *flight, uint64_t now_ns)
{
    assert(flight->start_ns != 0 && c->in_flight > 0);
    if (flight->start_ns >= c->measure_ns) {
        hist_record(&c->report.latency, now_ns - flight->start_ns);
    }
    flight->start_ns = 0;
    c->in_flight--;
    c->last_answer_ns = now_ns;
}

/* Moves the tail over all that is answered or lost. */
static void advance_tail(struct client *c, struct conn *n)
{
    while (n->tail != n->head && n->ring[n->tail & c->ring_mask].start_ns == 0) {
        n->tail++;
    }
}

static void take_stream(struct client *c, struct conn *n, const demi_sgarray_t *sga, uint64_t now_ns)
{
    size_t len = demi_sga_len(sga);
    if (len == 0) {
        conn_break(c, n, "the server closed the connection", 0);
        return;
    }
    if (c->options->check) {
        size_t right = pattern_match(sga->sga_segs[0].sgaseg_buf, len, n->number, n->rx_bytes);
        if (right != len) {
            c->report.corrupt++;
            conn_break(c, n, "an answer holds a wrong byte", 0);
            return;
        }
    }
    n->rx_bytes += len;
    n->progress_ns = now_ns;
    size_t have = n->rx_have_bytes + len;
    while (have >= c->options->size_bytes) {
        if (n->tail == n->head) {
            c->report.corrupt++;
            conn_break(c, n, "the server sent more than it got", 0);
            return;
        }
        have -= c->options->size_bytes;
        take_answer(c, &n->ring[n->tail++ & c->ring_mask], now_ns);
    }
    n->rx_have_bytes = (uint32_t)have;
}

static void take_datagram(struct client *c, struct conn *n, const demi_sgarray_t *sga, uint64_t now_ns)
{
    size_t header = sequence_bytes(c);
    if (demi_sga_len(sga) != c->options->size_bytes) {
        c->report.corrupt++;
        return;
    }
    const uint8_t *bytes = sga->sga_segs[0].sgaseg_buf;
    uint64_t sequence = 0;
    for (size_t i = 0; i < header; i++) {
        sequence |= (uint64_t)bytes[i] << (8 * i);
    }
    /* Short datagrams hold the low bits only: the request after the tail that has them is meant. */
    uint64_t mask = header < SEQUENCE_BYTES ? (UINT64_C(1) << (8 * header)) - 1 : UINT64_MAX;
    uint64_t ahead = (sequence - n->tail) & mask;
    struct flight *flight = &n->ring[(n->tail + ahead) & c->ring_mask];
    if (ahead >= n->head - n->tail || flight->start_ns == 0) {
        c->report.late++;
        return;
    }
    uint64_t seed = datagram_seed(n, n->tail + ahead);
    size_t rest = c->options->size_bytes - header;
    if (c->options->check && pattern_match(bytes + header, rest, seed, 0) != rest) {
        c->report.corrupt++;
        complain_conn(c, n, "an answer holds a wrong byte", 0);
        return; /* the true answer may still come; else it is lost */
    }
    take_answer(c, flight, now_ns);
    advance_tail(c, n);
}

static void on_pop(struct client *c, struct conn *n, demi_qresult_t *qr, uint64_t now_ns)
{
    demi_sgarray_t *sga = &qr->qr_value.sga;
    if (c->options->udp) {
        take_datagram(c, n, sga, now_ns);
    } else {
        take_stream(c, n, sga, now_ns);
    }
    conn_pump(c, n, now_ns); /* first, so that the server works while this side tidies up */
    (void)demi_sgafree(sga);
    if (n->qd >= 0) {
        conn_pop(c, n);
    }
}

static void on_failed(struct client *c, struct conn *n, const demi_qresult_t *qr, bool was_push)
{
    const char *what = was_push ? "cannot send" : "cannot receive";
    if (!c->options->udp) {
        conn_break(c, n, what, (int)qr->qr_ret);
        return;
    }
    /* A datagram socket survives the refusal of one datagram. */
    complain_conn(c, n, what, (int)qr->qr_ret);
    c->report.errors++;
    if (!was_push) {
        conn_pop(c, n);
    }
}

void conn_result(struct client *c, struct conn *n, demi_qresult_t *qr, uint64_t now_ns)
{
    bool was_push = n->push_place != TOKSET_NONE && c->set.token[n->push_place] == qr->qr_qt;
    if (was_push) {
        tokset_remove(&c->set, &n->push_place);
    }
    if (qr->qr_opcode == DEMI_OPC_FAILED) {
        on_failed(c, n, qr, was_push);
    } else if (was_push) {
        conn_pump(c, n, now_ns);
    } else {
        on_pop(c, n, qr, now_ns);
    }
}

static void sweep_datagrams(struct client *c, struct conn *n, uint64_t now_ns)
{
    for (uint64_t i = n->tail; i != n->head; i++) {
        struct flight *flight = &n->ring[i & c->ring_mask];
        if (flight->start_ns != 0 && now_ns - flight->sent_ns < c->options->timeout_ns) {
            break; /* those after it are younger */
        }
        if (flight->start_ns != 0) {
            flight->start_ns = 0;
            c->report.lost++;
            c->in_flight--;
        }
    }
    advance_tail(c, n);
    conn_pump(c, n, now_ns);
}

void conn_sweep(struct client *c, struct conn *n, uint64_t now_ns)
{
    if (n->qd < 0 || n->head == n->tail) {
        return;
    }
    if (c->options->udp) {
        sweep_datagrams(c, n, now_ns);
    } else if (now_ns - n->progress_ns > c->options->timeout_ns) {
        conn_break(c, n, "no answer within the timeout", 0);
    }
}
