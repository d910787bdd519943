/* SPDX-License-Identifier: MIT */
/* The load generator's connections are opened here, a bounded number at a time. */
#include "common/args.h"
#include "common/clock.h"
#include "common/demi_util.h"
#include "common/stop.h"
#include "echo/client.h"

#include <inttypes.h>
#include <stdio.h>

/* Connects under way at a time: well under what any server's backlog holds. */
#define CONNECTING_MAX 128
/* With none of them ending for so long, it is given up. */
#define CONNECT_TIMEOUT_NS (10 * NS_PER_S)

static bool cannot_connect(const struct client *c, int err, bool is_call)
{
    char text[ADDR_TEXT_MAX];
    char what[ADDR_TEXT_MAX + 32];
    snprintf(what, sizeof(what), "cannot connect to %s", addr_format(&c->options->addr, text, sizeof(text)));
    if (is_call) {
        complain_call(what, err);
    } else {
        complain_operation(what, err);
    }
    return false;
}

static bool connect_start(struct client *c, struct conn *n)
{
    const struct addr *to = &c->options->addr;
    demi_qtoken_t token;
    char what[80];
    int rc = demi_socket(&n->qd, to->storage.ss_family, c->options->udp ? SOCK_DGRAM : SOCK_STREAM, 0);
    if (rc != 0) {
        n->qd = -1;
        snprintf(what, sizeof(what), "connection %" PRIu32 " of %" PRIu32 ": cannot make a socket", n->number + 1,
                 c->options->connections);
        complain_call(what, rc);
        return false;
    }
    if (!c->options->udp) {
        demi_set_nodelay(n->qd);
    }
    rc = demi_connect(&token, n->qd, addr_const_sockaddr(to), to->len);
    if (rc != 0) {
        return cannot_connect(c, rc, true);
    }
    tokset_add(&c->set, token, n->number, &n->push_place);
    return true;
}

/* Takes one connect that ended. Sets *idle_ns back to 0, or counts it up while none ends. */
static bool connect_wait(struct client *c, uint64_t *idle_ns)
{
    demi_qresult_t qr;
    uint32_t at = 0;
    int rc = tokset_wait(&c->set, &qr, &at, STOP_LOOK_NS);
    if (rc == ETIMEDOUT) {
        *idle_ns += STOP_LOOK_NS;
        return *idle_ns < CONNECT_TIMEOUT_NS || cannot_connect(c, ETIMEDOUT, false);
    }
    if (rc != 0) {
        return cannot_connect(c, rc, true);
    }
    *idle_ns = 0;
    tokset_remove(&c->set, &c->conn[c->set.owner[at]].push_place);
    c->live++;
    return qr.qr_opcode != DEMI_OPC_FAILED || cannot_connect(c, (int)qr.qr_ret, false);
}

bool client_connect(struct client *c)
{
    uint64_t idle_ns = 0;
    uint32_t started = 0;
    while (c->live < c->options->connections) {
        if (stop_requested()) {
            complain("interrupted with %" PRIu32 " of %" PRIu32 " connections open", c->live, c->options->connections);
            return false;
        }
        bool more = started < c->options->connections && c->set.count < CONNECTING_MAX;
        if (more ? !connect_start(c, &c->conn[started++]) : !connect_wait(c, &idle_ns)) {
            return false;
        }
    }
    return true;
}
