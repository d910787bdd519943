/* SPDX-License-Identifier: MIT */
/* The application on our stack: its ends of the conversations, by the public API. */
#include "meet.h"

#include <demi/ext.h>
#include <demi/libos.h>
#include <demi/sga.h>
#include <demi/wait.h>
#include <string.h>

#define PUSH_MAX          20000
#define RESULTS           16
#define TCP_KEEPIDLE_NAME 4                /* of netinet/tcp.h, which does not go together with inet/tcp.h */
#define SLOW_NS           (20 * NS_PER_MS) /* that a slow application thinks between pops, at most */

static socklen_t address(const struct meet *m, unsigned host, uint16_t port, struct sockaddr_storage *ss)
{
    struct inet_end end = {INET_ADDR4(10, 0, 0, (uint8_t)host), port};
    socklen_t len;

    if (m->v6)
        end.addr = (struct inet_addr){{{0xfd, [15] = (uint8_t)host}}};
    sockaddr_of_end(&end, m->v6 ? AF_INET6 : AF_INET, ss, &len);
    return len;
}

static bool api_failed(struct meet *m, const char *call)
{
    return meet_fail(m, "%s: %s", call, demi_last_error());
}

/* A new stream with the settings of an end. Where a peer may leave without a word, only a probe finds that out. */
static bool open_stream(struct meet *m, const struct talk *t, int *qd)
{
    int on = 1, idle_s = 60, room = (int)t->ours.rcvbuf;

    if (demi_socket(qd, m->v6 ? AF_INET6 : AF_INET, SOCK_STREAM, 0) != 0)
        return api_failed(m, "socket");
    demi_setsockopt(*qd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    demi_setsockopt(*qd, IPPROTO_TCP, TCP_KEEPIDLE_NAME, &idle_s, sizeof(idle_s));
    if (room > 0)
        demi_setsockopt(*qd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
    return true;
}

static bool start_talk(struct meet *m, struct talk *t)
{
    struct sockaddr_storage ss;
    socklen_t len = address(m, t->ours_opens ? THEIRS : OURS, (uint16_t)(PORT_TALK + t->number), &ss);
    struct end *e = &t->ours;
    demi_qtoken_t qt;

    if (t->ours_opens) {
        e->opening = true;
        if (!open_stream(m, t, &e->qd))
            return false;
        return demi_connect(&qt, e->qd, (struct sockaddr *)&ss, len) == 0 || api_failed(m, "connect");
    }
    if (!open_stream(m, t, &e->listener))
        return false;
    if (demi_bind(e->listener, (struct sockaddr *)&ss, len) != 0 || demi_listen(e->listener, 4) != 0 ||
        demi_accept(&e->accept, e->listener) != 0)
        return api_failed(m, "listen");
    return true;
}

bool ours_start(struct meet *m)
{
    struct sockaddr_storage ss;
    socklen_t len = address(m, OURS, PORT_ECHO, &ss);

    node_enter(&m->node);
    if (demi_socket(&m->udp_qd, m->v6 ? AF_INET6 : AF_INET, SOCK_DGRAM, 0) != 0 ||
        demi_bind(m->udp_qd, (struct sockaddr *)&ss, len) != 0)
        return api_failed(m, "datagrams");
    for (unsigned i = 0; i < m->talks; i++)
        if (!start_talk(m, &m->talk[i]))
            return false;
    return true;
}

/* --- streams --- */

static void finish(struct end *e)
{
    struct linger abort = {1, 0};

    if (e->closed)
        return;
    e->closed = true;
    if (e->reset)
        demi_setsockopt(e->qd, SOL_SOCKET, SO_LINGER, &abort, sizeof(abort));
    demi_close(e->qd);
    if (e->listener >= 0)
        demi_close(e->listener);
    e->listener = -1;
}

static void push(struct meet *m, struct end *e)
{
    uint32_t left = e->tx_total - e->tx_issued, size = 1 + (uint32_t)meet_draw(m, PUSH_MAX);
    demi_sgarray_t sga = demi_sgaalloc(size < left ? size : left);
    demi_qtoken_t qt;

    if (sga.sga_buf == NULL) {
        api_failed(m, "sgaalloc");
        return;
    }
    size = sga.sga_segs[0].sgaseg_len;
    meet_fill(sga.sga_segs[0].sgaseg_buf, e->tx_key, e->tx_issued, size);
    if (demi_push(&qt, e->qd, &sga) != 0)
        api_failed(m, "push");
    demi_sgafree(&sga);
    e->tx_issued += size;
    e->pushes++;
}

/* Pushes and pops as far as the plan goes. */
static void advance(struct meet *m, struct end *e)
{
    demi_qtoken_t qt;

    while (e->pushes < PUSHES_MAX && e->tx_issued < e->tx_total && m->text[0] == '\0')
        push(m, e);
    if (e->tx_issued == e->tx_total && !e->shut) {
        e->shut = true;
        if (demi_shutdown(e->qd, SHUT_WR) != 0)
            api_failed(m, "shutdown");
    }
    if (!e->popping && !e->eof && e->wake_ns <= meet_now(m)) {
        e->popping = true;
        if ((e->pop_max > 0 ? demi_pop_n(&qt, e->qd, e->pop_max) : demi_pop(&qt, e->qd)) != 0)
            api_failed(m, "pop");
    }
    if (e->eof && e->shut && e->pushes == 0)
        finish(e);
}

static void popped(struct meet *m, struct talk *t, demi_qresult_t *qr)
{
    struct end *e = &t->ours;
    uint32_t len = qr->qr_value.sga.sga_segs[0].sgaseg_len;

    e->popping = false;
    if (e->slow)
        e->wake_ns = meet_now(m) + meet_draw(m, SLOW_NS);
    meet_arrived(m, t, e, qr->qr_value.sga.sga_segs[0].sgaseg_buf, len);
    e->eof = len == 0;
    if (qr->qr_value.sga.sga_buf != NULL && demi_sgafree(&qr->qr_value.sga) != 0)
        api_failed(m, "sgafree");
    if (e->rx_got >= e->leave_at && !e->eof)
        finish(e);
}

static void accepted(struct meet *m, struct talk *t, int qd)
{
    struct end *e = &t->ours;

    (void)m;
    e->qd = qd;
    e->open = true;
}

static void stream_result(struct meet *m, struct talk *t, demi_qresult_t *qr)
{
    struct end *e = &t->ours;

    switch (qr->qr_opcode) {
    case DEMI_OPC_ACCEPT:
        accepted(m, t, qr->qr_value.ares.qd);
        break;
    case DEMI_OPC_CONNECT:
        e->opening = false;
        e->open = true;
        break;
    case DEMI_OPC_PUSH:
        e->pushes--;
        break;
    case DEMI_OPC_POP:
        popped(m, t, qr);
        break;
    default:
        if (e->err == 0)
            e->err = (int)qr->qr_ret;
        e->opening = false;
        finish(e);
        break;
    }
}

/* --- datagrams --- */

/* Sends bytes; tells the question's answer apart from an answer by its first byte. */
static void whisper_to(struct meet *m, const uint8_t *bytes, uint32_t len, const struct sockaddr *to, socklen_t to_len)
{
    demi_sgarray_t sga = demi_sgaalloc(len);
    demi_qtoken_t qt;

    if (sga.sga_buf == NULL) {
        api_failed(m, "sgaalloc");
        return;
    }
    memcpy(sga.sga_segs[0].sgaseg_buf, bytes, len);
    if (demi_pushto(&qt, m->udp_qd, &sga, to, to_len) != 0)
        api_failed(m, "pushto");
    else
        m->udp_pushes++;
    demi_sgafree(&sga);
}

static void ask(struct meet *m)
{
    uint8_t bytes[8192];
    struct sockaddr_storage to;
    socklen_t len = address(m, THEIRS, PORT_ECHO, &to);

    whisper_to(m, bytes, meet_whisper(m, bytes, m->questions.sent++, true), (struct sockaddr *)&to, len);
    m->questions.at_ns = meet_now(m) + meet_pause(m);
}

static void got_datagram(struct meet *m, demi_qresult_t *qr)
{
    uint8_t *bytes = qr->qr_value.sga.sga_segs[0].sgaseg_buf;
    uint32_t len = qr->qr_value.sga.sga_segs[0].sgaseg_len;
    struct sockaddr_storage from;
    socklen_t from_len = sizeof(from);

    m->udp_popping = false;
    if (demi_sga_source(&qr->qr_value.sga, (struct sockaddr *)&from, &from_len) != 0)
        api_failed(m, "sga_source");
    if (len > 0 && bytes[0] == 'q') {
        bytes[0] = 'a';
        whisper_to(m, bytes, len, (struct sockaddr *)&from, from_len);
    } else {
        meet_answered(m, &m->questions, bytes, len);
    }
    if (qr->qr_value.sga.sga_buf != NULL)
        demi_sgafree(&qr->qr_value.sga);
}

/* A datagram that does not go, or news of one that did not arrive, is no failure where the network has faults. */
static void datagram_result(struct meet *m, demi_qresult_t *qr)
{
    if (qr->qr_opcode == DEMI_OPC_POP) {
        got_datagram(m, qr);
        return;
    }
    if (qr->qr_opcode == DEMI_OPC_FAILED && m->clean && m->udp_qd >= 0)
        meet_fail(m, "a datagram: %s", strerror((int)qr->qr_ret));
    if (qr->qr_opcode == DEMI_OPC_PUSH)
        m->udp_pushes--;
    else
        m->udp_popping = false;
}

/* --- */

static void result(struct meet *m, demi_qresult_t *qr)
{
    for (unsigned i = 0; i < m->talks; i++) {
        struct end *e = &m->talk[i].ours;

        if (!e->closed && (qr->qr_qd == e->qd || (qr->qr_qt == e->accept && e->listener >= 0))) {
            stream_result(m, &m->talk[i], qr);
            return;
        }
    }
    if (qr->qr_qd == m->udp_qd)
        datagram_result(m, qr);
    else if (qr->qr_opcode == DEMI_OPC_POP)
        demi_sgafree(&qr->qr_value.sga); /* of an end that was closed since */
}

bool ours_step(struct meet *m)
{
    struct timespec none = {0};
    demi_qresult_t qr[RESULTS];
    demi_qtoken_t qt;
    bool busy = false;
    int n;

    for (unsigned i = 0; i < m->talks; i++)
        if (m->talk[i].ours.open && !m->talk[i].ours.closed) {
            advance(m, &m->talk[i].ours);
            busy |= m->talk[i].ours.closed;
        }
    if (m->udp_qd >= 0 && m->questions.sent < m->questions.total && m->questions.at_ns <= meet_now(m))
        ask(m);
    if (m->udp_qd >= 0 && !m->udp_popping) {
        m->udp_popping = demi_pop(&qt, m->udp_qd) == 0;
        if (!m->udp_popping)
            api_failed(m, "pop of a datagram");
    }
    while (demi_wait_next_n(qr, RESULTS, &n, &none) == 0) {
        busy = true;
        for (int i = 0; i < n; i++)
            result(m, &qr[i]);
        if (n < RESULTS)
            break;
    }
    return busy;
}

void ours_stop(struct meet *m)
{
    for (unsigned i = 0; i < m->talks; i++)
        if (m->talk[i].ours.listener >= 0) {
            demi_close(m->talk[i].ours.listener);
            m->talk[i].ours.listener = -1;
        }
    demi_close(m->udp_qd);
    m->udp_qd = -1;
}
