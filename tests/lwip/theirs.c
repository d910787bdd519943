/* SPDX-License-Identifier: MIT */
/* The application on lwIP, and lwIP's port of the network. */
#include "meet.h"

#include <dlfcn.h>
#include <string.h>

#define WRITE_MAX  20000
#define SLOW_NS    (40 * NS_PER_MS) /* that a slow application thinks between reads, at most */
#define GIVE_UP_NS (300 * NS_PER_S)
#define IDLE_RETRY (100 * NS_PER_MS) /* what had no memory is tried again then */

/* --- upcalls --- */

static void up_output(void *ctx, const uint8_t *bytes, uint32_t len)
{
    struct meet *m = ctx;
    char *obj = mem_alloc(&m->mem, len, 1);
    struct frame *f = frame_init(mem_alloc(&m->mem, sizeof(struct frame), 1));

    memcpy(obj, bytes, len);
    (void)frame_add(f, obj, obj, len);
    mem_unref(&m->mem, obj);
    if (m->port->ops->tx_burst(m->port, &f, 1) == 0)
        frame_free(&m->mem, f);
}

static void *up_accepted(void *ctx, uint16_t port, struct lwip_conn *c)
{
    struct meet *m = ctx;
    struct talk *t = &m->talk[port - PORT_TALK];

    if (t->theirs.open)
        return NULL;
    t->theirs.open = true;
    t->theirs.conn = c;
    return t;
}

static void up_connected(void *conn)
{
    struct talk *t = conn;

    t->theirs.opening = false;
    t->theirs.open = true;
}

static struct meet *self; /* a seed has a process of its own */

static void up_received(void *conn, const uint8_t *bytes, uint32_t len)
{
    struct talk *t = conn;

    t->theirs.unread += len;
    meet_arrived(self, t, &t->theirs, bytes, len);
}

static void up_finished(void *conn)
{
    ((struct talk *)conn)->theirs.eof = true;
}

static void up_failed(void *conn, int err)
{
    struct end *e = &((struct talk *)conn)->theirs;

    e->opening = false;
    e->err = err;
    e->closed = true;
}

static void up_datagram(void *ctx, const uint8_t *bytes, uint32_t len, unsigned from_host, uint16_t from_port)
{
    static uint8_t answer[65536];
    struct meet *m = ctx;

    if (from_host != OURS || len == 0) {
        meet_fail(m, "a datagram of %u bytes from host %u", len, from_host);
    } else if (bytes[0] == 'q') {
        memcpy(answer, bytes, len);
        answer[0] = 'a';
        (void)m->peer->send(from_host, from_port, answer, len);
    } else {
        meet_answered(m, &m->answers, bytes, len);
    }
}

static void up_pong(void *ctx, const uint8_t *bytes, uint32_t len)
{
    struct meet *m = ctx;

    meet_answered(m, &m->pings, bytes, len);
}

/* --- */

bool theirs_open(struct meet *m)
{
    static const struct lwip_upcalls up = {up_output,   up_accepted, up_connected, up_received,
                                           up_finished, up_failed,   up_datagram,  up_pong};
    struct lwip_host h = {.number = THEIRS, .mtu = m->mtu, .seed = (uint32_t)m->seed, .v6 = m->v6};
    void *module = dlopen(LWIP_PEER, RTLD_NOW | RTLD_LOCAL);

    m->peer = module != NULL ? dlsym(module, "lwip_peer") : NULL;
    if (m->peer == NULL)
        return meet_fail(m, "%s", dlerror());
    self = m;
    memcpy(h.mac, m->port->mac, sizeof(h.mac));
    return m->peer->open(&h, meet_now(m), &up, m) || meet_fail(m, "lwIP");
}

bool theirs_start(struct meet *m)
{
    if (!m->peer->datagrams(PORT_ECHO))
        return meet_fail(m, "lwIP's datagrams");
    for (unsigned i = 0; i < m->talks; i++) {
        struct talk *t = &m->talk[i];
        uint16_t port = (uint16_t)(PORT_TALK + t->number);

        if (t->ours_opens) {
            if (!m->peer->listen(port))
                return meet_fail(m, "lwIP's listen");
            continue;
        }
        t->theirs.opening = true;
        t->theirs.conn = m->peer->connect(OURS, port, t);
        if (t->theirs.conn == NULL)
            return meet_fail(m, "lwIP's connect");
    }
    return true;
}

/* Closes in good order once all is said and heard; tries again where lwIP has no memory for that now. */
static void part(struct meet *m, struct end *e)
{
    if (m->peer->close(e->conn))
        e->closed = true;
    else
        e->wake_ns = meet_now(m) + IDLE_RETRY;
}

static void leave(struct meet *m, struct end *e)
{
    if (!e->reset)
        return part(m, e);
    m->peer->abort(e->conn);
    e->closed = true;
}

/* Our end left, and the reset that says so may be lost: lwIP does not probe a peer that it has said its last word to.
 */
static bool gave_up(struct meet *m, const struct talk *t, struct end *e)
{
    if (!t->rough || !t->ours.closed)
        return false;
    if (e->give_up_ns == 0)
        e->give_up_ns = meet_now(m) + GIVE_UP_NS;
    if (e->give_up_ns > meet_now(m))
        return false;
    m->peer->abort(e->conn);
    e->closed = true;
    return true;
}

/* Writes and reads as far as the plan goes. Returns whether it did something. */
static bool advance(struct meet *m, const struct talk *t, struct end *e)
{
    static uint8_t bytes[WRITE_MAX];
    uint32_t left = e->tx_total - e->tx_issued, took = 0;

    if (gave_up(m, t, e))
        return true;
    if (e->wake_ns > meet_now(m))
        return false;
    if (left > 0) {
        uint32_t len = 1 + (uint32_t)meet_draw(m, WRITE_MAX);

        len = len < left ? len : left;
        meet_fill(bytes, e->tx_key, e->tx_issued, len);
        took = m->peer->write(e->conn, bytes, len);
        e->tx_issued += took;
    }
    if (e->tx_issued == e->tx_total && !e->shut)
        e->shut = m->peer->finish(e->conn, t->ours.rcvbuf > 0);
    if (e->unread > 0) {
        m->peer->consumed(e->conn, e->unread);
        e->unread = 0;
        if (e->slow)
            e->wake_ns = meet_now(m) + meet_draw(m, SLOW_NS);
    }
    if (e->rx_got >= e->leave_at && !e->eof)
        leave(m, e);
    else if (e->eof && e->shut)
        part(m, e);
    return took > 0 || e->closed;
}

/* The capture's view of a frame that arrives here: what lwIP makes of it nobody tells. */
static void show(struct meet *m, const struct frame_in *in)
{
    struct frame_seg seg = {in->obj, (char *)in->ptr, in->len};

    if (m->pcap == NULL)
        return;
    pcap_begin(m->pcap, meet_now(m), (unsigned)(m->port->mac[5] - 1), &seg, 1);
    (void)pcap_end(m->pcap, PCAP_RECEIVED, in->note != NULL ? in->note : "");
}

static bool carry(struct meet *m)
{
    struct frame_in in[NETDEV_BURST];
    unsigned n = m->port->ops->rx_burst(m->port, in, NETDEV_BURST);

    for (unsigned i = 0; i < n; i++) {
        show(m, &in[i]);
        m->peer->input(in[i].ptr, in[i].len);
        mem_unref(&m->mem, in[i].obj);
    }
    return n > 0;
}

static void whisper(struct meet *m)
{
    uint8_t bytes[8192];

    if (m->pings.sent < m->pings.total && m->pings.at_ns <= meet_now(m)) {
        unsigned n = m->pings.sent++;

        (void)m->peer->ping(OURS, (uint16_t)n, bytes, meet_whisper(m, bytes, n, true));
        m->pings.at_ns = meet_now(m) + meet_pause(m);
    }
    if (m->answers.sent < m->answers.total && m->answers.at_ns <= meet_now(m)) {
        (void)m->peer->send(OURS, PORT_ECHO, bytes, meet_whisper(m, bytes, m->answers.sent++, true));
        m->answers.at_ns = meet_now(m) + meet_pause(m);
    }
}

bool theirs_step(struct meet *m)
{
    bool busy;

    m->peer->at(meet_now(m));
    busy = carry(m);
    for (unsigned i = 0; i < m->talks; i++)
        if (m->talk[i].theirs.open && !m->talk[i].theirs.closed)
            busy |= advance(m, &m->talk[i], &m->talk[i].theirs);
    whisper(m);
    return busy;
}
