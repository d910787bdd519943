/* SPDX-License-Identifier: MIT */
/* Connections: found by queue, opened, ended; what their operations bring. See server.h. */
#include "common/demi_util.h"
#include "kv/server.h"
#include "kv/transaction.h"

#include <stdio.h>
#include <stdlib.h>

static uint32_t qd_home(const struct server *s, int qd)
{
    return ((uint32_t)qd * UINT32_C(2654435761) >> 8) & s->by_qd_mask;
}

struct conn *conn_find(const struct server *s, int qd)
{
    for (uint32_t at = qd_home(s, qd); s->by_qd[at] != 0; at = (at + 1) & s->by_qd_mask) {
        struct conn *c = &s->conn[s->by_qd[at] - 1];
        if (c->session.qd == qd) {
            return c;
        }
    }
    return NULL;
}

static void remember(struct server *s, struct conn *c)
{
    uint32_t at = qd_home(s, c->session.qd);
    while (s->by_qd[at] != 0) {
        at = (at + 1) & s->by_qd_mask;
    }
    s->by_qd[at] = (uint32_t)(c - s->conn) + 1;
}

/* Takes the entry out; those behind it that it kept from their place move up. */
static void forget(struct server *s, const struct conn *c)
{
    uint32_t at = qd_home(s, c->session.qd);
    while (s->by_qd[at] != (uint32_t)(c - s->conn) + 1) {
        assert(s->by_qd[at] != 0);
        at = (at + 1) & s->by_qd_mask;
    }
    for (uint32_t next = at;;) {
        s->by_qd[at] = 0;
        for (;;) {
            next = (next + 1) & s->by_qd_mask;
            if (s->by_qd[next] == 0) {
                return;
            }
            uint32_t home = qd_home(s, s->conn[s->by_qd[next] - 1].session.qd);
            if (((next - home) & s->by_qd_mask) >= ((next - at) & s->by_qd_mask)) {
                break;
            }
        }
        s->by_qd[at] = s->by_qd[next];
        at = next;
    }
}

void conn_close(struct server *s, struct conn *c)
{
    input_drop(s, c);
    transaction_drop(&s->kv, &c->session);
    turn_forget(s, c);
    forget(s, c);
    (void)demi_close(c->session.qd);
    s->lingering -= c->state == CONN_LINGERING;
    c->state = CONN_FREE;
    c->next_free = s->first_free;
    s->first_free = (uint32_t)(c - s->conn);
    s->kv.clients--;
}

static void conn_break(struct server *s, struct conn *c)
{
    s->kv.count.connections_broken++;
    conn_close(s, c);
}

void conn_pop(struct server *s, struct conn *c)
{
    demi_qtoken_t token;
    if (demi_pop(&token, c->session.qd) != 0) {
        conn_break(s, c);
    } else {
        c->popping = true;
    }
}

/* All answers are out. */
static void conn_finish(struct server *s, struct conn *c)
{
    if (c->at_end || demi_shutdown(c->session.qd, SHUT_WR) != 0) {
        conn_close(s, c);
        return;
    }
    input_drop(s, c);
    c->state = CONN_LINGERING;
    c->linger_until_ms = store_now_ms(&s->kv.store) + LINGER_MS;
    s->lingering++;
    if (!c->popping) {
        conn_pop(s, c);
    }
}

void conn_go_on(struct server *s, struct conn *c)
{
    if (c->state == CONN_OPEN) {
        input_serve(s, c);
        if (s->reply.broken) {
            conn_break(s, c);
            return;
        }
        if (c->session.quit || (c->at_end && !c->held && !c->unserved)) {
            c->state = CONN_ENDING;
        }
    }
    if (c->state == CONN_ENDING) {
        if (c->pushes == 0) {
            conn_finish(s, c);
        }
    } else if (c->unserved) {
        turn_put_late(s, c);
    } else if (!c->held && !c->popping) {
        if (c->greedy) {
            turn_put_late(s, c);
        } else {
            conn_pop(s, c);
        }
    }
}

static void name_end(int qd, int (*ask)(int, struct sockaddr *, socklen_t *), char out[SESSION_NAME_MAX])
{
    struct addr end = {.len = sizeof(end.storage)};
    if (ask(qd, addr_sockaddr(&end), &end.len) != 0) {
        snprintf(out, SESSION_NAME_MAX, "?");
    } else {
        addr_format(&end, out, SESSION_NAME_MAX);
    }
}

void conn_open(struct server *s, int qd)
{
    assert(s->first_free != UINT32_MAX || s->top < s->options->clients_max);
    struct conn *c = &s->conn[s->first_free != UINT32_MAX ? s->first_free : s->top];
    if (s->first_free != UINT32_MAX) {
        s->first_free = c->next_free;
    } else {
        s->top++;
    }
    *c = (struct conn){.state = CONN_OPEN};
    c->session = (struct session){.id = ++s->next_session, .qd = qd, .protocol = 2};
    c->session.since_ms = c->session.seen_ms = store_now_ms(&s->kv.store);
    name_end(qd, demi_getpeername, c->session.peer);
    name_end(qd, demi_getsockname, c->session.local);
    resp_init(&c->resp);
    remember(s, c);
    s->kv.clients++;
    s->kv.count.total_connections_received++;
    conn_pop(s, c);
}

void conn_refuse(struct server *s, int qd)
{
    static const char text[] = "-ERR max number of clients reached\r\n";
    demi_sgarray_t sga = demi_sgaalloc(sizeof(text) - 1);
    demi_qtoken_t token;
    if (sga.sga_numsegs != 0) {
        memcpy(sga.sga_segs[0].sgaseg_buf, text, sizeof(text) - 1);
        (void)demi_push(&token, qd, &sga);
        (void)demi_sgafree(&sga);
    }
    (void)demi_close(qd);
    s->kv.count.rejected_connections++;
}

static void on_pop(struct server *s, struct conn *c, demi_sgarray_t *sga)
{
    size_t len = demi_sga_len(sga);
    c->popping = c->again = false;
    c->session.seen_ms = store_now_ms(&s->kv.store);
    s->kv.count.total_net_input_bytes += len;
    if (len == 0) {
        c->at_end = true;
    }
    if (len == 0 || c->state != CONN_OPEN) {
        (void)demi_sgafree(sga);
    } else {
        assert(c->popped.sga_numsegs == 0 && !c->held);
        c->popped = *sga;
        c->popped_at = 0;
    }
    if (c->state == CONN_LINGERING) {
        if (len == 0) {
            conn_close(s, c);
        } else {
            conn_pop(s, c);
        }
    } else if (c->state == CONN_OPEN && len > 0) {
        turn_offer(s, c);
    } else {
        conn_go_on(s, c);
    }
}

void conn_result(struct server *s, struct conn *c, demi_qresult_t *qr)
{
    if (qr->qr_opcode == DEMI_OPC_POP) {
        on_pop(s, c, &qr->qr_value.sga);
        return;
    }
    if (qr->qr_opcode != DEMI_OPC_PUSH) {
        conn_break(s, c);
        return;
    }
    assert(c->pushes > 0);
    if (--c->pushes == 0) {
        c->out_bytes = 0;
    }
    if (c->state == CONN_ENDING && c->pushes == 0) {
        conn_go_on(s, c);
    } else if (c->held && (c->pushes == 0 || (c->pushes <= OUT_PUSHES_MAX / 2 && c->out_bytes <= OUT_BYTES_MAX / 2))) {
        turn_offer(s, c);
    }
}
