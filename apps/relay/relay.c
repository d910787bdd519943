/* SPDX-License-Identifier: MIT */
/*
 * The relay's loop. It waits for a pop on the front socket, where clients send to; for a pop on each session's socket,
 * where the target answers; and for the few pushes that were not complete at once. A datagram is pushed on in the very
 * array it came in, and the array is given back at once: the library keeps it until it is sent.
 */
#include "relay/relay.h"
#include "common/args.h"
#include "common/clock.h"
#include "common/demi_util.h"
#include "common/stop.h"
#include "common/tokset.h"
#include "relay/sessions.h"

#include <assert.h>

/* Pushes that may be pending at a time; datagrams that come on top are dropped, as any relay's queue is bounded. */
#define PENDING_MAX 256
#define SWEEP_NS    (NS_PER_S / 4)
/* Failed receptions in a row after which the front socket is given up. */
#define FAILURES_MAX 1000

struct relay {
    const struct relay_options *options;
    struct relay_counters *counters;
    struct sessions sessions;
    struct tokset set;
    int front_qd;
    uint32_t front_place;
    uint32_t pending_place[PENDING_MAX]; /* TOKSET_NONE: free */
    uint32_t pending_free[PENDING_MAX];  /* stack of free ones */
    uint32_t pending_free_count;
    uint32_t failures_in_a_row;
    uint64_t now_ns; /* when the last wait ended */
    uint64_t next_sweep_ns;
};

/* Owners in the token set: sessions by number, then the front, then pending pushes by number. */
static uint32_t owner_front(const struct relay *r)
{
    return r->options->sessions;
}

static uint32_t owner_pending(const struct relay *r)
{
    return r->options->sessions + 1;
}

static void drop(struct relay *r, enum relay_drop why)
{
    r->counters->dropped[why]++;
}

static void end_session(struct relay *r, struct session *session)
{
    tokset_cancel(&r->set, &session->pop_place);
    (void)demi_close(session->qd);
    sessions_remove(&r->sessions, session);
}

/* Sends sga on a socket to an address. Whatever becomes of it is counted. Returns whether it was sent. */
static bool send_on(struct relay *r, int qd, const demi_sgarray_t *sga, const struct addr *to)
{
    demi_qtoken_t token;
    int err;
    if (r->pending_free_count == 0) {
        drop(r, DROP_busy);
        return false;
    }
    if (demi_pushto(&token, qd, sga, addr_const_sockaddr(to), to->len) != 0) {
        drop(r, DROP_send_failed);
        return false;
    }
    enum demi_fate fate = demi_look(token, &err);
    if (fate == DEMI_BROKEN) {
        drop(r, DROP_send_failed);
        return false;
    }
    if (fate == DEMI_PENDING) {
        uint32_t i = r->pending_free[--r->pending_free_count];
        tokset_add(&r->set, token, owner_pending(r) + i, &r->pending_place[i]);
    }
    return true;
}

/* The session of a client, made when it has none. NULL after counting why not. */
static struct session *session_of(struct relay *r, const struct addr *client)
{
    struct session *session = sessions_find(&r->sessions, client);
    if (session != NULL) {
        return session;
    }
    session = sessions_add(&r->sessions, client);
    if (session == NULL) {
        drop(r, DROP_table_full);
        return NULL;
    }
    if (demi_socket(&session->qd, r->options->to.storage.ss_family, SOCK_DGRAM, 0) != 0) {
        drop(r, DROP_no_socket);
        sessions_remove(&r->sessions, session);
        return NULL;
    }
    r->counters->sessions++;
    return session;
}

/* Asks for the next datagram of a session; its first push has bound its socket. Ends the session when it cannot be. */
static void session_pop(struct relay *r, struct session *session)
{
    demi_qtoken_t token;
    if (demi_pop(&token, session->qd) != 0) {
        r->counters->receive_failed++;
        end_session(r, session);
    } else if (session->pop_place == TOKSET_NONE) {
        tokset_add(&r->set, token, session_number(&r->sessions, session), &session->pop_place);
    } else {
        r->set.token[session->pop_place] = token;
    }
}

static void from_client(struct relay *r, const demi_sgarray_t *sga)
{
    struct addr client;
    size_t len = demi_sga_len(sga);
    if (len == 0) {
        drop(r, DROP_empty);
        return;
    }
    if (!demi_datagram_source(sga, r->options->bind.storage.ss_family, &client)) {
        drop(r, DROP_no_source);
        return;
    }
    struct session *session = session_of(r, &client);
    if (session == NULL) {
        return;
    }
    session->seen_ns = r->now_ns;
    if (send_on(r, session->qd, sga, &r->options->to)) {
        r->counters->in++;
        r->counters->in_bytes += len;
        if (session->pop_place == TOKSET_NONE) {
            session_pop(r, session);
        }
    } else if (session->pop_place == TOKSET_NONE) {
        end_session(r, session); /* nothing was ever sent: it need not wait for its expiry */
    }
}

static void from_target(struct relay *r, struct session *session, const demi_sgarray_t *sga)
{
    struct addr source;
    size_t len = demi_sga_len(sga);
    if (len == 0) {
        drop(r, DROP_empty);
    } else if (!demi_datagram_source(sga, r->options->to.storage.ss_family, &source)) {
        drop(r, DROP_no_source);
    } else if (!addr_equal(&source, &r->options->to)) {
        drop(r, DROP_foreign);
    } else if (send_on(r, r->front_qd, sga, &session->client)) {
        session->seen_ns = r->now_ns;
        r->counters->out++;
        r->counters->out_bytes += len;
    }
}

/* Returns false when the front socket is of no more use; the cause is complained about. */
static bool on_front(struct relay *r, demi_qresult_t *qr)
{
    if (qr->qr_opcode == DEMI_OPC_POP) {
        r->failures_in_a_row = 0;
        from_client(r, &qr->qr_value.sga);
        (void)demi_sgafree(&qr->qr_value.sga);
    } else {
        r->counters->receive_failed++;
        if (++r->failures_in_a_row == FAILURES_MAX) {
            complain_operation("cannot receive", qr->qr_ret);
            return false;
        }
    }
    int rc = demi_pop(&r->set.token[r->front_place], r->front_qd);
    if (rc != 0) {
        complain_call("cannot receive", rc);
    }
    return rc == 0;
}

static void on_session(struct relay *r, struct session *session, demi_qresult_t *qr)
{
    assert(session->qd == qr->qr_qd);
    if (qr->qr_opcode == DEMI_OPC_POP) {
        from_target(r, session, &qr->qr_value.sga);
        (void)demi_sgafree(&qr->qr_value.sga);
        session_pop(r, session);
    } else {
        r->counters->receive_failed++;
        end_session(r, session); /* the client's next datagram makes a new one */
    }
}

static void on_pending(struct relay *r, uint32_t i, const demi_qresult_t *qr)
{
    tokset_remove(&r->set, &r->pending_place[i]);
    r->pending_free[r->pending_free_count++] = i;
    if (qr->qr_opcode == DEMI_OPC_FAILED) {
        drop(r, DROP_send_failed);
    }
}

static bool on_result(struct relay *r, uint32_t owner, demi_qresult_t *qr)
{
    if (owner == owner_front(r)) {
        return on_front(r, qr);
    }
    if (owner >= owner_pending(r)) {
        on_pending(r, owner - owner_pending(r), qr);
    } else {
        on_session(r, &r->sessions.session[owner], qr);
    }
    return true;
}

/* Now and then: ends the sessions nobody used for long. */
static void sweep(struct relay *r)
{
    if (r->now_ns < r->next_sweep_ns) {
        return;
    }
    r->next_sweep_ns = r->now_ns + SWEEP_NS;
    for (uint32_t i = 0; i < r->sessions.room; i++) {
        struct session *session = &r->sessions.session[i];
        if (session->qd >= 0 && r->now_ns - session->seen_ns > r->options->idle_ns) {
            end_session(r, session);
            r->counters->expired++;
        }
    }
}

static bool relay_begin(struct relay *r)
{
    struct addr bound;
    if (!sessions_init(&r->sessions, r->options->sessions) ||
        !tokset_init(&r->set, r->options->sessions + 1 + PENDING_MAX)) {
        complain("no memory for %u sessions", r->options->sessions);
        return false;
    }
    for (uint32_t i = 0; i < PENDING_MAX; i++) {
        r->pending_place[i] = TOKSET_NONE;
        r->pending_free[i] = i;
    }
    r->pending_free_count = PENDING_MAX;
    r->now_ns = clock_now_ns();
    r->front_qd = demi_bound_socket(&r->options->bind, SOCK_DGRAM, 0, &bound);
    if (r->front_qd < 0) {
        return false;
    }
    demi_qtoken_t token;
    int rc = demi_pop(&token, r->front_qd);
    if (rc != 0) {
        complain_call("cannot receive", rc);
        return false;
    }
    tokset_add(&r->set, token, owner_front(r), &r->front_place);
    print_listening(&bound);
    return true;
}

static int relay_loop(struct relay *r)
{
    while (!stop_requested()) {
        demi_qresult_t qr;
        uint32_t at = 0;
        int rc = tokset_wait(&r->set, &qr, &at, STOP_LOOK_NS);
        if (rc != 0 && rc != ETIMEDOUT) {
            return complain_call("cannot wait", rc);
        }
        r->now_ns = clock_now_ns();
        if (rc == 0 && !on_result(r, r->set.owner[at], &qr)) {
            return EXIT_FAIL;
        }
        sweep(r);
    }
    return EXIT_OK;
}

int relay_run(const struct relay_options *o, struct relay_counters *counters)
{
    struct relay r = {.options = o, .counters = counters, .front_qd = -1, .front_place = TOKSET_NONE};
    int code = relay_begin(&r) ? relay_loop(&r) : EXIT_FAIL;
    for (uint32_t i = 0; r.sessions.session != NULL && i < r.sessions.room; i++) {
        if (r.sessions.session[i].qd >= 0) {
            end_session(&r, &r.sessions.session[i]);
        }
    }
    if (r.front_qd >= 0) {
        (void)demi_close(r.front_qd);
    }
    tokset_free(&r.set);
    sessions_free(&r.sessions);
    return code;
}
