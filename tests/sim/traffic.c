/* SPDX-License-Identifier: MIT */
/* What the applications of a world say to each other: streams both ways, with ends of all kinds. */
#include "world.h"

#include <demi/ext.h>
#include <demi/libos.h>
#include <demi/sga.h>
#include <demi/wait.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define PORT              7000
#define BYTES_MAX         150000
#define SERVER_TRIES      100
#define SMALL_MAX         6000
#define SMALL_PUSH_MAX    1500
#define PUSH_MAX          20000
#define RESULTS           16
#define TCP_KEEPIDLE_NAME 4                /* of netinet/tcp.h, which does not go together with inet/tcp.h */
#define SLOW_NS           (20 * NS_PER_MS) /* that a slow application thinks between pops, at most */

static uint8_t pattern(uint8_t key, uint32_t at)
{
    return (uint8_t)(at * 31 + (at >> 8) + (at >> 16) + key);
}

static uint32_t draw_bytes(struct world *w)
{
    if (w->small)
        return (uint32_t)world_draw(w, SMALL_MAX);
    switch (world_draw(w, 4)) {
    case 0:
        return 0;
    case 1:
        return 1 + (uint32_t)world_draw(w, 1000);
    default:
        return (uint32_t)world_draw(w, BYTES_MAX);
    }
}

void traffic_plan(struct world *w)
{
    w->plans = w->small ? 2 : 1 + (unsigned)world_draw(w, 6);
    for (unsigned i = 0; i < w->plans; i++) {
        struct half *client = &w->half[2 * i], *server = client + 1;

        *client = (struct half){.plan = i,
                                .qd = -1,
                                .tx_total = draw_bytes(w),
                                .rx_total = draw_bytes(w),
                                .tx_key = (uint8_t)world_draw(w, 256),
                                .rx_key = (uint8_t)world_draw(w, 256),
                                .abort_at = UINT32_MAX,
                                .slow = world_draw(w, 5) == 0,
                                .pop_max = world_draw(w, 4) == 0 ? 1 + (uint32_t)world_draw(w, 2000) : 0};
        *server = (struct half){.plan = i,
                                .qd = -1,
                                .tx_total = client->rx_total,
                                .rx_total = client->tx_total,
                                .tx_key = client->rx_key,
                                .rx_key = client->tx_key,
                                .abort_at = UINT32_MAX,
                                .slow = world_draw(w, 5) == 0,
                                .pop_max = world_draw(w, 4) == 0 ? 1 + (uint32_t)world_draw(w, 2000) : 0};
        if (!w->small && world_draw(w, 10) == 0) { /* one of them leaves in the middle */
            struct half *leaver = world_draw(w, 2) == 0 ? client : server;

            leaver->abort_at = (uint32_t)world_draw(w, leaver->rx_total + 1);
            leaver->reset_on_close = world_draw(w, 2) == 0;
            w->rough = true;
        }
    }
    w->halves = 2 * w->plans;
}

static socklen_t address(const struct world *w, unsigned host, uint16_t port, struct sockaddr_storage *ss)
{
    struct inet_end end = {INET_ADDR4(10, 0, 0, (uint8_t)(host + 1)), port};
    socklen_t len;

    if (w->v6)
        end.addr = (struct inet_addr){{{0xfd, [15] = (uint8_t)(host + 1)}}};
    sockaddr_of_end(&end, w->v6 ? AF_INET6 : AF_INET, ss, &len);
    return len;
}

/* Where a peer may leave without a word, only a probe finds that out (RFC 9293, section 3.8.4). */
static void probe(const struct world *w, int qd)
{
    int on = 1, idle_s = 60;

    if (!w->rough && !w->starved)
        return;
    demi_setsockopt(qd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    demi_setsockopt(qd, IPPROTO_TCP, TCP_KEEPIDLE_NAME, &idle_s, sizeof(idle_s));
}

static bool start_server(struct world *w, struct host *h)
{
    struct sockaddr_storage ss;
    socklen_t len = address(w, h->node.number - 1, PORT, &ss);

    int err = ENOMEM;

    node_enter(&h->node);
    for (unsigned tries = 0; err == ENOMEM && tries < SERVER_TRIES; tries++) {
        err = demi_socket(&h->listener, w->v6 ? AF_INET6 : AF_INET, SOCK_STREAM, 0);
        if (err != 0)
            continue;
        err = demi_bind(h->listener, (struct sockaddr *)&ss, len);
        if (err == 0)
            err = demi_listen(h->listener, 16);
        if (err == 0)
            err = demi_accept(&h->accept, h->listener);
        if (err != 0)
            demi_close(h->listener);
        if (!w->starved)
            break;
    }
    return err == 0 || world_fail(w, "server: %s", demi_last_error());
}

static bool start_client(struct world *w, struct half *c)
{
    struct sockaddr_storage ss;
    socklen_t len = address(w, 0, PORT, &ss);
    demi_qtoken_t qt;
    int err;

    c->h = &w->host[1 + c->plan % (w->hosts - 1)];
    node_enter(&c->h->node);
    err = demi_socket(&c->qd, w->v6 ? AF_INET6 : AF_INET, SOCK_STREAM, 0);
    if (err == ENOMEM && w->starved) {
        c->err = err;
        c->closed = true;
        return true;
    }
    if (err != 0)
        return world_fail(w, "client: %s", demi_last_error());
    probe(w, c->qd);
    if (demi_connect(&qt, c->qd, (struct sockaddr *)&ss, len) != 0)
        return world_fail(w, "client: %s", demi_last_error());
    c->active = c->connecting = true;
    return true;
}

bool traffic_start(struct world *w)
{
    if (!start_server(w, &w->host[0]))
        return false;
    for (unsigned i = 0; i < w->plans; i++)
        if (!start_client(w, &w->half[2 * i]))
            return false;
    return true;
}

static struct half *find_half(struct world *w, const struct host *h, int qd)
{
    for (unsigned i = 0; i < w->halves; i++)
        if (w->half[i].h == h && w->half[i].qd == qd)
            return &w->half[i];
    return NULL;
}

static void finish(struct half *f)
{
    struct linger abort = {1, 0};

    if (f->closed)
        return;
    f->closed = true;
    if (f->reset_on_close)
        demi_setsockopt(f->qd, SOL_SOCKET, SO_LINGER, &abort, sizeof(abort));
    demi_close(f->qd);
}

/* The operations of a conversation that broke. Which errors may be, and whether at all, traffic_judge says. */
static void broke(struct half *f, int err)
{
    if (f->err == 0)
        f->err = err;
    finish(f);
}

/* Pushes and pops as far as the plan goes. */
static void advance(struct world *w, struct half *f)
{
    demi_qtoken_t qt;

    while (f->pushes < PUSHES_MAX && f->tx_issued < f->tx_total) {
        uint32_t left = f->tx_total - f->tx_issued,
                 size = 1 + (uint32_t)world_draw(w, w->small ? SMALL_PUSH_MAX : PUSH_MAX);
        demi_sgarray_t sga = demi_sgaalloc(size < left ? size : left);
        uint8_t *p = sga.sga_segs[0].sgaseg_buf;

        if (sga.sga_buf == NULL) { /* later, perhaps */
            f->wake_ns = *sim_clock(w->net) + NS_PER_MS;
            if (!w->starved)
                world_fail(w, "plan %u: no memory", f->plan);
            break;
        }
        size = sga.sga_segs[0].sgaseg_len;
        for (uint32_t i = 0; i < size; i++)
            p[i] = pattern(f->tx_key, f->tx_issued + i);
        if (demi_push(&qt, f->qd, &sga) != 0)
            world_fail(w, "push: %s", demi_last_error());
        demi_sgafree(&sga);
        f->tx_issued += size;
        f->pushes++;
    }
    if (f->tx_issued == f->tx_total && !f->shut) {
        f->shut = true;
        if (demi_shutdown(f->qd, SHUT_WR) != 0)
            world_fail(w, "shutdown: %s", demi_last_error());
    }
    if (!f->popping && !f->eof && f->wake_ns <= *sim_clock(w->net)) {
        f->popping = true;
        if ((f->pop_max > 0 ? demi_pop_n(&qt, f->qd, f->pop_max) : demi_pop(&qt, f->qd)) != 0)
            world_fail(w, "pop: %s", demi_last_error());
    }
    if (f->eof && f->shut && f->pushes == 0)
        finish(f);
}

static void popped(struct world *w, struct half *f, demi_qresult_t *qr)
{
    const uint8_t *p = qr->qr_value.sga.sga_segs[0].sgaseg_buf;
    uint32_t len = qr->qr_value.sga.sga_segs[0].sgaseg_len;

    f->popping = false;
    if (f->slow)
        f->wake_ns = *sim_clock(w->net) + world_draw(w, SLOW_NS);
    if (f->pop_max > 0 && len > f->pop_max)
        world_fail(w, "plan %u: popped %u bytes where at most %u were asked for", f->plan, len, f->pop_max);
    if (f->rx_got + len > f->rx_total)
        world_fail(w, "plan %u: %u bytes and more arrived of %u", f->plan, f->rx_got + len, f->rx_total);
    for (uint32_t i = 0; i < len && w->text[0] == '\0'; i++)
        if (p[i] != pattern(f->rx_key, f->rx_got + i))
            world_fail(w, "plan %u: byte %u of the %s is wrong", f->plan, f->rx_got + i,
                       f == &w->half[2 * f->plan] ? "answer" : "question");
    f->rx_got += len;
    f->eof = len == 0;
    if (qr->qr_value.sga.sga_buf != NULL && demi_sgafree(&qr->qr_value.sga) != 0)
        world_fail(w, "plan %u: a popped array cannot be freed", f->plan);
    if (f->rx_got >= f->abort_at && !f->eof)
        finish(f);
}

/* The client's half of a connection from this port. */
static struct half *client_of(struct world *w, const struct sockaddr_storage *peer)
{
    for (unsigned i = 0; i < w->plans; i++) {
        struct half *c = &w->half[2 * i];
        struct sockaddr_storage ss;
        struct inet_end a, b;
        socklen_t len = sizeof(ss);

        if (c->h == NULL || c->closed)
            continue;
        node_enter(&c->h->node);
        if (demi_getsockname(c->qd, (struct sockaddr *)&ss, &len) != 0)
            continue;
        end_of_sockaddr(&a, (struct sockaddr *)&ss);
        end_of_sockaddr(&b, (const struct sockaddr *)peer);
        if (a.port == b.port && inet_addr_equal(&a.addr, &b.addr))
            return c;
    }
    return NULL;
}

static void accepted(struct world *w, struct host *h, int qd)
{
    struct sockaddr_storage peer;
    socklen_t len = sizeof(peer);
    struct half *c = NULL, *s;

    if (demi_accept(&h->accept, h->listener) != 0)
        world_fail(w, "accept: %s", demi_last_error());
    if (demi_getpeername(qd, (struct sockaddr *)&peer, &len) == 0)
        c = client_of(w, &peer);
    node_enter(&h->node);
    s = c != NULL ? c + 1 : NULL;
    if (s == NULL || s->active) { /* its client has given up */
        demi_close(qd);
        return;
    }
    probe(w, qd);
    s->h = h;
    s->qd = qd;
    s->active = s->connected = true;
}

static void result(struct world *w, struct host *h, demi_qresult_t *qr)
{
    struct half *f = find_half(w, h, qr->qr_qd);

    if (qr->qr_qt == h->accept && h->listener >= 0) {
        if (qr->qr_opcode == DEMI_OPC_ACCEPT)
            accepted(w, h, qr->qr_value.ares.qd);
        else if (!w->starved || qr->qr_ret != ENOMEM || demi_accept(&h->accept, h->listener) != 0)
            world_fail(w, "accept: %s", strerror((int)qr->qr_ret));
        return;
    }
    if (f == NULL || f->closed) { /* what its close has cancelled */
        if (qr->qr_opcode == DEMI_OPC_POP)
            demi_sgafree(&qr->qr_value.sga);
        else if (qr->qr_opcode == DEMI_OPC_FAILED && qr->qr_ret == 0)
            world_fail(w, "a failure without an error");
        return;
    }
    switch (qr->qr_opcode) {
    case DEMI_OPC_CONNECT:
        f->connecting = false;
        f->connected = true;
        break;
    case DEMI_OPC_PUSH:
        f->pushes--;
        break;
    case DEMI_OPC_POP:
        popped(w, f, qr);
        break;
    default:
        broke(f, (int)qr->qr_ret);
        break;
    }
}

bool traffic_step(struct world *w, struct host *h)
{
    struct timespec none = {0};
    demi_qresult_t qr[RESULTS];
    bool busy = false;
    int n;

    if (h->listener >= 0 && traffic_over(w)) {
        demi_close(h->listener);
        h->listener = -1;
        busy = true;
    }
    for (unsigned i = 0; i < w->halves; i++)
        if (w->half[i].h == h && w->half[i].connected && !w->half[i].closed) {
            advance(w, &w->half[i]);
            busy |= w->half[i].closed;
        }
    while (demi_wait_next_n(qr, RESULTS, &n, &none) == 0) {
        busy = true;
        for (int i = 0; i < n; i++)
            result(w, h, &qr[i]);
        if (n < RESULTS)
            break;
    }
    return busy;
}

uint64_t traffic_next_ns(const struct world *w)
{
    uint64_t next = UINT64_MAX;

    for (unsigned i = 0; i < w->halves; i++)
        if (!w->half[i].closed && w->half[i].wake_ns > *sim_clock(w->net) && w->half[i].wake_ns < next)
            next = w->half[i].wake_ns;
    return next;
}

bool traffic_over(const struct world *w)
{
    for (unsigned i = 0; i < w->plans; i++) {
        const struct half *c = &w->half[2 * i], *s = c + 1;

        if (!c->closed || (s->active && !s->closed))
            return false;
    }
    return true;
}

void traffic_describe(const struct world *w, char *to, size_t size)
{
    size_t len = 0;

    for (unsigned i = 0; i < w->halves && len < size; i++) {
        const struct half *f = &w->half[i];

        if (!f->active || (f->closed && f->err == 0))
            continue;
        len += (size_t)snprintf(to + len, size - len, "; plan %u %s: sent %u/%u, got %u/%u, %u pushes%s%s%s%s%s",
                                f->plan, i % 2 == 0 ? "client" : "server", f->tx_issued, f->tx_total, f->rx_got,
                                f->rx_total, f->pushes, f->connecting ? ", connecting" : "", f->popping ? ", pops" : "",
                                f->eof ? ", end" : "", f->shut ? ", shut" : "", f->err != 0 ? strerror(f->err) : "");
    }
}

static bool error_is_known(const struct world *w, int err)
{
    return (err == ENOMEM && w->starved) || err == ECONNRESET || err == ETIMEDOUT || err == EHOSTUNREACH ||
           err == ENETUNREACH || err == ECONNREFUSED || err == EPIPE;
}

/* With a neighbour that does not answer, or a handshake whose segments are all lost, a client may fail. */
static bool gave_up_early(const struct world *w, const struct half *client)
{
    return (w->faults.loss > 0 || w->faults.no_buffer > 0 || w->faults.refuse > 0 || w->faults.truncate > 0 ||
            w->dark_host < WORLD_HOSTS) &&
           !client->connected && (client->err == EHOSTUNREACH || client->err == ETIMEDOUT);
}

/* Where memory may run out a conversation may break, when one of its ends was told. */
static bool was_told(const struct world *w, const struct half *client)
{
    return w->starved && (client[0].err != 0 || client[1].err != 0);
}

bool traffic_judge(struct world *w)
{
    for (unsigned i = 0; i < w->halves; i++) {
        const struct half *f = &w->half[i];

        if (f->err != 0 && !error_is_known(w, f->err))
            world_fail(w, "plan %u: an unexpected error: %s", f->plan, strerror(f->err));
        if (w->rough || gave_up_early(w, &w->half[i & ~1u]) || was_told(w, &w->half[i & ~1u]))
            continue;
        if (f->err != 0)
            world_fail(w, "plan %u: %s failed: %s", f->plan, i % 2 == 0 ? "client" : "server", strerror(f->err));
        else if (f->rx_got != f->rx_total || !f->eof)
            world_fail(w, "plan %u: %u bytes of %u arrived at the %s, %s", f->plan, f->rx_got, f->rx_total,
                       i % 2 == 0 ? "client" : "server", f->eof ? "and the end" : "and no end");
    }
    return w->text[0] == '\0';
}
