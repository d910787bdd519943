/* SPDX-License-Identifier: MIT */
/* Asking and taking answers; see kvload.h. */
#include "common/args.h"
#include "common/clock.h"
#include "common/demi_util.h"
#include "common/stop.h"
#include "kvload/answer.h"
#include "kvload/kvload.h"
#include "kvload/message.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define BATCH_BYTES (256u << 10) /* most bytes of one push, if more than one request is in it */
#define CARRY_MAX   (64u << 20)
#define ERROR_SHOWN 160               /* bytes of an error's text */
#define TICK_NS     (50 * NS_PER_US)  /* open loop: the longest sleep */
#define SILENCE_NS  (10 * NS_PER_S)   /* a connection on which nothing is answered for so long is broken */
#define AGAIN_NS    (100 * NS_PER_MS) /* messages: the same for a question that is asked again, at first */
#define AGAIN_MAX   (16 * AGAIN_NS)

static void broken(struct load *l, struct load_conn *n, const char *what, int err)
{
    l->errors++;
    load_trouble(l, "connection %u: %s%s%s", (unsigned)(n - l->conn) + 1, what, err != 0 ? ": " : "",
                 err != 0 ? demi_strerror(err) : "");
    tokset_cancel(&l->set, &n->pop_place);
    tokset_cancel(&l->set, &n->push_place);
    (void)demi_close(n->qd);
    n->qd = -1;
    l->live--;
    l->in_flight -= n->head - n->tail;
    l->in_flight -= n->later_head - n->later_tail;
    l->unanswered += n->head - n->tail + n->later_head - n->later_tail + (n->due > n->begun ? n->due - n->begun : 0);
}

static uint64_t intended_ns(const struct load *l, const struct load_conn *n, uint64_t number)
{
    uint64_t index = number * l->options->connections + (uint64_t)(n - l->conn);
    return l->begin_ns + (uint64_t)((double)index * 1e9 / l->options->rate_hz);
}

static bool open_loop(const struct load *l)
{
    return l->measuring && l->workload.letter != 'L' && l->options->rate_hz > 0;
}

/* The next operation of a connection, if one may begin now. */
static bool next_operation(struct load *l, struct load_conn *n, uint64_t now_ns, struct flight *f)
{
    if (n->head - n->tail == l->depth) { /* of messages, those are in it that wait for an earlier one's answer */
        return false;
    }
    if (n->later_head != n->later_tail) {
        *f = n->later[n->later_tail++ & l->ring_mask];
        l->in_flight--;
        return true;
    }
    if (!l->asking || n->head - n->tail + n->later_head - n->later_tail >= l->depth ||
        (open_loop(l) && n->begun >= n->due)) {
        return false;
    }
    if (!open_loop(l) && (l->to_ask == 0 || now_ns >= l->end_ns)) {
        l->asking = false;
        return false;
    }
    if (!workload_next(&l->workload, &f->op)) {
        l->asking = false;
        return false;
    }
    f->start_ns = open_loop(l) ? intended_ns(l, n, n->begun) : now_ns;
    n->begun++;
    f->counts = l->measuring && f->start_ns >= l->measure_ns;
    l->to_ask -= f->counts && l->to_ask != UINT64_MAX;
    return true;
}

static void add_flight(struct load *l, struct load_conn *n, const struct flight *f, uint64_t now_ns)
{
    if (n->head == n->tail) {
        n->progress_ns = now_ns;
    }
    n->ring[n->head & l->ring_mask] = *f;
    n->ring[n->head++ & l->ring_mask].answered = false;
    l->in_flight++;
}

static void push(struct load *l, struct load_conn *n, demi_sgarray_t *sga, size_t len)
{
    demi_qtoken_t token;
    int err = 0;
    sga->sga_segs[0].sgaseg_len = (uint32_t)len;
    err = demi_push(&token, n->qd, sga);
    enum demi_fate fate = err == 0 ? demi_look(token, &err) : DEMI_BROKEN;
    if (fate == DEMI_PENDING) {
        tokset_add(&l->set, token, (uint32_t)(n - l->conn), &n->push_place);
    } else if (fate == DEMI_BROKEN) {
        broken(l, n, "cannot send", err);
    }
}

/* Sends the message of an operation. */
static void push_message(struct load *l, struct load_conn *n, const struct operation *op, uint64_t number)
{
    size_t len = message_request_len(&l->workload, op);
    demi_sgarray_t sga = demi_sgaalloc(len);
    if (sga.sga_numsegs == 0) {
        broken(l, n, "no memory for a request", 0);
        return;
    }
    message_request(&l->workload, op, number, sga.sga_segs[0].sgaseg_buf);
    push(l, n, &sga, len);
    (void)demi_sgafree(&sga);
}

/* Asks what may be asked now; a push that goes on for long ends it. */
static void pump_messages(struct load *l, struct load_conn *n, uint64_t now_ns)
{
    struct flight f;
    while (n->qd >= 0 && n->push_place == TOKSET_NONE && next_operation(l, n, now_ns, &f)) {
        add_flight(l, n, &f, now_ns);
        push_message(l, n, &f.op, n->head - 1);
    }
}

static uint64_t clamp_again(uint64_t ns)
{
    return ns < AGAIN_NS ? AGAIN_NS : ns > AGAIN_MAX ? AGAIN_MAX : ns;
}

/* Asks again what is not answered. That helps a peer that lost it and buries one that is slow: it waits more next. */
static void ask_again(struct load *l, struct load_conn *n, uint64_t now_ns)
{
    n->asked_again_ns = now_ns;
    n->again_ns = 2 * clamp_again(n->again_ns);
    for (uint64_t at = n->tail; at < n->head && n->qd >= 0 && n->push_place == TOKSET_NONE; at++) {
        const struct flight *f = &n->ring[at & l->ring_mask];
        if (!f->answered) {
            l->asked_again++;
            push_message(l, n, &f->op, at);
        }
    }
}

/* Asks what may be asked now. */
static void pump(struct load *l, struct load_conn *n, uint64_t now_ns)
{
    size_t most = workload_request_max(&l->workload);
    size_t count = BATCH_BYTES / most;
    struct flight f;
    if (n->qd < 0 || n->push_place != TOKSET_NONE) {
        return;
    }
    if (l->options->messages) {
        pump_messages(l, n, now_ns);
        return;
    }
    count = count < l->depth ? count : l->depth;
    demi_sgarray_t sga = {.sga_numsegs = 0};
    size_t len = 0;
    for (size_t i = 0; i < (count > 0 ? count : 1); i++) {
        if (!next_operation(l, n, now_ns, &f)) {
            break;
        }
        if (sga.sga_numsegs == 0) {
            sga = demi_sgaalloc((count > 0 ? count : 1) * most);
            if (sga.sga_numsegs == 0) {
                broken(l, n, "no memory for a request", 0);
                return;
            }
        }
        len += workload_request(&l->workload, &f.op, (char *)sga.sga_segs[0].sgaseg_buf + len);
        add_flight(l, n, &f, now_ns);
    }
    if (len > 0) {
        push(l, n, &sga, len);
        (void)demi_sgafree(&sga);
    }
}

static void tell_error(struct load *l, const struct answer *a)
{
    int64_t len = a->number < ERROR_SHOWN ? a->number : ERROR_SHOWN;
    char shown[ERROR_SHOWN]; /* a stranger's bytes: no terminal obeys them, and JSON stays JSON */
    for (int64_t i = 0; i < len; i++) {
        shown[i] = a->bytes[i] >= ' ' && a->bytes[i] <= '~' ? a->bytes[i] : '?';
    }
    l->errors++;
    load_trouble(l, "the server says: %.*s", (int)len, shown);
}

/* The answer to an operation that is off the connection's list. */
static void take_answer(struct load *l, struct load_conn *n, const struct flight *f, const struct answer *a,
                        uint64_t now_ns)
{
    l->in_flight--;
    if (a->kind == '-') {
        tell_error(l, a);
    }
    if (operation_reads(&f->op)) {
        bool there = a->kind == '$' && a->number >= 0;
        l->missing += !there;
        l->wrong += there && l->options->check && !workload_check(&l->workload, f->op.key, a->bytes, (size_t)a->number);
    }
    if (f->op.kind == LOAD_modify && !f->op.second) { /* its latency is that of both */
        struct flight *later = &n->later[n->later_head++ & l->ring_mask];
        *later = *f;
        later->op.second = true;
        l->in_flight++;
        return;
    }
    if (f->op.kind == LOAD_insert && l->workload.letter != 'L') {
        workload_inserted(&l->workload, f->op.key);
    }
    if (f->counts) {
        hist_record(&l->all, now_ns - f->start_ns);
        hist_record(&l->kind[f->op.kind], now_ns - f->start_ns);
    }
}

/* A message: an answer, or the second one to what was asked again. */
static void take_message(struct load *l, struct load_conn *n, const demi_sgarray_t *sga, uint64_t now_ns)
{
    struct answer a;
    uint64_t number;
    if (!message_answer(sga->sga_segs[0].sgaseg_buf, sga->sga_segs[0].sgaseg_len, &number, &a)) {
        broken(l, n, "what came is no answer", 0);
        return;
    }
    struct flight *f = &n->ring[number & l->ring_mask];
    if (number < n->tail || number >= n->head || f->answered) {
        return;
    }
    n->progress_ns = l->last_ns = now_ns;
    n->again_ns = clamp_again(2 * (now_ns - f->start_ns));
    f->answered = true;
    struct flight answered = *f;
    while (n->tail < n->head && n->ring[n->tail & l->ring_mask].answered) {
        n->tail++;
    }
    take_answer(l, n, &answered, &a, now_ns);
}

/* Takes the complete answers of data; returns the bytes they have, or ANSWER_BROKEN. */
static size_t take_answers(struct load *l, struct load_conn *n, const char *data, size_t len, uint64_t now_ns)
{
    size_t at = 0;
    while (at < len) {
        struct answer a;
        size_t used = answer_read(data + at, len - at, &a);
        if (used == 0) {
            break;
        }
        if (used == ANSWER_BROKEN) {
            broken(l, n, "what came is no answer", 0);
            return ANSWER_BROKEN;
        }
        if (n->head == n->tail) {
            if (a.kind == '-') {
                tell_error(l, &a); /* why it does not want us */
            }
            broken(l, n, "an answer that nobody asked for", 0);
            return ANSWER_BROKEN;
        }
        take_answer(l, n, &n->ring[n->tail++ & l->ring_mask], &a, now_ns);
        at += used;
    }
    return at;
}

static bool carry(struct load_conn *n, const char *bytes, size_t len)
{
    if (len == 0) {
        return true;
    }
    if (n->carry_len + len > n->carry_room) {
        size_t room = (n->carry_len + len) * 2;
        char *grown = room <= CARRY_MAX ? realloc(n->carry, room) : NULL;
        if (grown == NULL) {
            return false;
        }
        n->carry = grown;
        n->carry_room = room;
    }
    memcpy(n->carry + n->carry_len, bytes, len);
    n->carry_len += len;
    return true;
}

static void take_bytes(struct load *l, struct load_conn *n, const demi_sgarray_t *sga, uint64_t now_ns)
{
    const char *bytes = sga->sga_segs[0].sgaseg_buf;
    size_t len = sga->sga_segs[0].sgaseg_len;
    n->progress_ns = l->last_ns = now_ns;
    if (n->carry_len == 0) {
        size_t used = take_answers(l, n, bytes, len, now_ns);
        if (used != ANSWER_BROKEN && !carry(n, bytes + used, len - used)) {
            broken(l, n, "an answer is too long", 0);
        }
        return;
    }
    if (!carry(n, bytes, len)) {
        broken(l, n, "an answer is too long", 0);
        return;
    }
    size_t used = take_answers(l, n, n->carry, n->carry_len, now_ns);
    if (used != ANSWER_BROKEN) {
        memmove(n->carry, n->carry + used, n->carry_len - used);
        n->carry_len -= used;
    }
}

static void pop(struct load *l, struct load_conn *n)
{
    demi_qtoken_t token;
    int rc = demi_pop(&token, n->qd);
    if (rc != 0) {
        broken(l, n, "cannot receive", rc);
    } else {
        tokset_add(&l->set, token, (uint32_t)(n - l->conn), &n->pop_place);
    }
}

static void result(struct load *l, demi_qresult_t *qr, uint32_t at, uint64_t now_ns)
{
    struct load_conn *n = &l->conn[l->set.owner[at]];
    bool was_push = n->push_place == at;
    tokset_remove(&l->set, was_push ? &n->push_place : &n->pop_place);
    if (qr->qr_opcode == DEMI_OPC_FAILED) {
        broken(l, n, was_push ? "cannot send" : "cannot receive", (int)qr->qr_ret);
    } else if (was_push) {
        pump(l, n, now_ns);
    } else if (demi_sga_len(&qr->qr_value.sga) == 0 && !l->options->messages) {
        (void)demi_sgafree(&qr->qr_value.sga);
        broken(l, n, "the server closed the connection", 0);
    } else {
        if (l->options->messages) {
            take_message(l, n, &qr->qr_value.sga, now_ns);
        } else {
            take_bytes(l, n, &qr->qr_value.sga, now_ns);
        }
        pump(l, n, now_ns);
        (void)demi_sgafree(&qr->qr_value.sga);
        if (n->qd >= 0) {
            pop(l, n);
        }
    }
}

/* Open loop: gives the connections the operations whose time has come. */
static void schedule(struct load *l, uint64_t now_ns)
{
    uint64_t until_ns = now_ns < l->end_ns ? now_ns : l->end_ns;
    uint64_t due = (uint64_t)((double)(until_ns - l->begin_ns) * l->options->rate_hz / 1e9) + 1;
    uint64_t total = (uint64_t)((double)(l->end_ns - l->begin_ns) * l->options->rate_hz / 1e9);
    for (; l->scheduled < due && l->scheduled < total; l->scheduled++) {
        struct load_conn *n = &l->conn[l->scheduled % l->options->connections];
        n->due++;
        if (n->qd < 0) {
            l->unanswered++;
        }
        pump(l, n, now_ns);
    }
}

/* Has nothing been answered, or asked again, for so long that it is time to ask again? */
static bool is_late(const struct load_conn *n, uint64_t now_ns)
{
    uint64_t last_ns = n->progress_ns > n->asked_again_ns ? n->progress_ns : n->asked_again_ns;
    return now_ns - last_ns > clamp_again(n->again_ns);
}

/* Ends what has been silent too long, and the asking when its time is over. */
static void look(struct load *l, uint64_t now_ns)
{
    uint64_t waiting = 0;
    for (uint32_t i = 0; i < l->options->connections; i++) {
        struct load_conn *n = &l->conn[i];
        if (n->qd >= 0 && n->head != n->tail && now_ns - n->progress_ns > SILENCE_NS) {
            broken(l, n, "no answer for a long time", 0);
        } else if (n->qd >= 0 && l->options->messages && n->head != n->tail && is_late(n, now_ns)) {
            ask_again(l, n, now_ns);
        }
        waiting += n->qd >= 0 && n->due > n->begun;
    }
    if (open_loop(l) && now_ns >= l->end_ns && waiting == 0) {
        l->asking = false;
    }
    if (now_ns > l->end_ns && now_ns - l->end_ns > SILENCE_NS) {
        l->asking = false;
    }
}

bool load_phase(struct load *l)
{
    uint64_t now_ns = clock_now_ns(), next_look_ns = now_ns;
    for (uint32_t i = 0; i < l->options->connections && !open_loop(l); i++) {
        pump(l, &l->conn[i], now_ns);
    }
    while (l->live > 0 && (l->asking || l->in_flight > 0) && !stop_requested()) {
        demi_qresult_t qr;
        uint32_t at = 0;
        int rc = tokset_wait(&l->set, &qr, &at, open_loop(l) ? TICK_NS : (uint64_t)STOP_LOOK_NS);
        if (rc != 0 && rc != ETIMEDOUT) {
            load_trouble(l, "cannot wait: %s", demi_strerror(rc));
            return false;
        }
        now_ns = clock_now_ns();
        if (rc == 0) {
            result(l, &qr, at, now_ns);
        }
        if (open_loop(l)) {
            schedule(l, now_ns);
        }
        if (now_ns >= next_look_ns) {
            next_look_ns = now_ns + NS_PER_MS;
            look(l, now_ns);
        }
    }
    l->interrupted = stop_requested();
    return l->live > 0 && !l->interrupted;
}
