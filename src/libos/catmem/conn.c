/* SPDX-License-Identifier: MIT */
/*
 * catmem: a connection's life.
 *
 * 1. It ends in two steps. A CLOSE (or RESET) record tells the peer that the queue was closed. The end of the unix
 * socket tells it that nothing of its memory is held here any more; that may be later, and a socket that is needed to
 * hear the same of the peer is half-closed until then. A process that dies skips the first step: the end of a socket
 * without a mark in the ring is a reset.
 * 2. So the one rule about memory is: what is out comes back one by one through the ring, or all at once with the end
 * of the socket.
 * 3. A peer that breaks the rules is told in the same way. What it holds of ours is not used again before it closes its
 * side: it may be alive.
 * 4. Connections are freed in the poll loop, never where something came back: that is in the middle of a release.
 */
#include "catmem.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

static void conn_event(struct watched *w, uint32_t events);

struct conn *conn_new(struct catmem *m, int fd, uint32_t events, int *err)
{
    struct conn *c = aligned_alloc(CACHE_LINE, (sizeof(*c) + CACHE_LINE - 1) & ~(size_t)(CACHE_LINE - 1));

    if (c == NULL) {
        close(fd);
        *err = -ENOMEM;
        return NULL;
    }
    memset(c, 0, sizeof(*c));
    c->watched = (struct watched){.event = conn_event, .m = m, .fd = fd};
    c->hot = CATMEM_NIL;
    c->unsent = OP_NIL;
    c->out_free = 0;
    c->channel_fd = -1;
    c->rx_limit = CATMEM_RX_BYTES;
    *err = catmem_watch(m, &c->watched, events);
    if (*err == 0)
        return c;
    close(fd);
    free(c);
    return NULL;
}

void conn_free(struct conn *c)
{
    struct catmem *m = c->watched.m;

    timer_cancel(&m->inst->timers, &c->timer);
    catmem_remove_busy(c);
    catmem_stop_polling(c);
    catmem_unwatch(&c->watched);
    if (c->watched.fd >= 0)
        close(c->watched.fd);
    if (c->channel_fd >= 0)
        close(c->channel_fd);
    if (c->channel != NULL)
        munmap(c->channel, ring_channel_bytes(c->ring_bytes));
    if (c->peer != NULL)
        peer_put(m, c->peer);
    free(c->rx_queue);
    free(c->out);
    free(c);
}

int conn_map(struct conn *c, int fd, uint64_t ring_bytes)
{
    void *p = mmap(NULL, ring_channel_bytes(ring_bytes), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    struct ring_channel *channel = p;

    if (p == MAP_FAILED)
        return -errno;
    c->channel = p;
    c->ring_bytes = ring_bytes;
    c->mask = (uint32_t)(ring_bytes / CACHE_LINE) - 1;
    c->mine = &channel->end[c->end];
    c->theirs = &channel->end[1 - c->end];
    c->tx = ring_lines(p, ring_bytes, c->end);
    c->rx = ring_lines(p, ring_bytes, 1 - c->end);
    c->tx_limit = (uint64_t)c->mask + 1 - RING_MARKS;
    /* Relaxed: the peer comes to know of the mapping, or of its acceptance, by a system call after this. */
    atomic_store_explicit(&c->mine->parked, 1, memory_order_relaxed);
    return 0;
}

void conn_open(struct conn *c)
{
    const struct config *cfg = &c->watched.m->inst->config;
    uint64_t threshold = cfg->zero_copy_threshold;

    c->inline_max = ring_inline_max(c->ring_bytes);
    if (threshold <= c->inline_max)
        c->inline_max = threshold == 0 ? 0 : (uint32_t)threshold - 1;
    c->state = CONN_OPEN;
    timer_cancel(&c->watched.m->inst->timers, &c->timer);
    catmem_start_polling(c);
}

void conn_mark(struct conn *c, enum ring_kind kind)
{
    c->tx_pos += ring_put(c->tx, c->mask, c->tx_pos, kind, NULL, 0);
    catmem_notify(c);
}

void conn_settle(struct conn *c)
{
    struct catmem *m = c->watched.m;

    if (c->in_count > 0 || (c->flags & CONN_DOOMED) != 0)
        return;
    if ((c->flags & CONN_GONE) != 0 && c->watched.fd >= 0) {
        close(c->watched.fd);
        c->watched.fd = -1;
    }
    if ((c->flags & CONN_CLOSED) == 0 || ((c->flags & CONN_GONE) == 0 && c->out_count > 0)) {
        if ((c->flags & (CONN_CLOSED | CONN_BROKEN)) != 0 && (c->flags & (CONN_HALF | CONN_GONE)) == 0) {
            c->flags |= CONN_HALF;
            shutdown(c->watched.fd, SHUT_WR);
        }
        return;
    }
    c->flags |= CONN_DOOMED;
    c->next_doomed = m->doomed;
    m->doomed = c;
}

void conn_close(struct conn *c, bool reset)
{
    c->queue = NULL;
    c->flags |= CONN_CLOSED;
    catmem_remove_busy(c);
    rx_drop_queue(c);
    if ((c->flags & (CONN_GONE | CONN_BROKEN)) == 0) {
        rx_take(c, c->mask + 1);
        if ((c->flags & CONN_BROKEN) == 0)
            conn_mark(c, reset ? RING_RESET : RING_CLOSE);
    }
    conn_settle(c);
}

void conn_fail_pops(struct conn *c, int err)
{
    struct instance *inst = c->watched.m->inst;
    struct op *op;

    while (c->queue != NULL && (op = op_list_first(&inst->ops, &c->queue->pops)) != NULL) {
        op_unpend(inst, &c->queue->pops, op);
        op_fail(inst, op, err);
    }
}

void conn_fail_pushes(struct conn *c, int err)
{
    struct instance *inst = c->watched.m->inst;
    struct op *op;

    while (c->queue != NULL && (op = op_list_first(&inst->ops, &c->queue->pushes)) != NULL) {
        tx_cancel(inst, c->queue, op);
        op_unpend(inst, &c->queue->pushes, op);
        op_fail(inst, op, err);
    }
    catmem_remove_busy(c);
}

void conn_break(struct conn *c)
{
    struct instance *inst = c->watched.m->inst;

    if ((c->flags & CONN_BROKEN) != 0)
        return;
    COUNT(inst, peer_protocol_errors);
    c->flags |= CONN_BROKEN;
    c->rx_error = c->tx_error = ECONNRESET;
    catmem_stop_polling(c);
    conn_fail_pushes(c, ECONNRESET);
    conn_fail_pops(c, ECONNRESET);
    conn_settle(c);
}

static void peer_died(struct conn *c)
{
    struct instance *inst = c->watched.m->inst;

    trace_add(&inst->trace, TRACE_PEER_DIED, ECONNRESET, c->queue != NULL ? (uint32_t)c->queue->qd : 0,
              (uint32_t)c->peer->pid);
    if (!c->peer->dead)
        COUNT(inst, peer_deaths);
    c->peer->dead = true;
    if ((c->flags & (CONN_FIN_SEEN | CONN_CLOSED)) == 0)
        COUNT(inst, resets);
}

bool conn_is_watched(const struct watched *w)
{
    return w->event == conn_event;
}

/* The unix socket is at its end: the peer closed and holds nothing any more, or it is dead. */
static void conn_gone(struct conn *c)
{
    bool clean = rx_ends_cleanly(c) || (c->flags & CONN_BROKEN) != 0;

    c->flags |= CONN_GONE;
    c->watched.m->work++;
    catmem_unlisten(&c->watched);
    c->tx_error = ECONNRESET;
    tx_progress(c); /* what came back before the end is complete */
    conn_fail_pushes(c, ECONNRESET);
    rx_take(c, c->mask + 1);
    if (!clean)
        peer_died(c);
    rx_end(c);
    catmem_stop_polling(c);
    tx_all_back(c);
    conn_settle(c);
}

static void conn_event(struct watched *w, uint32_t events)
{
    struct conn *c = CONTAINER_OF(w, struct conn, watched);

    if (c->state != CONN_OPEN) {
        greet_event(c, events);
        return;
    }
    if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
        conn_gone(c);
        return;
    }
    /* nothing is said here after the greetings */
    conn_break(c);
    catmem_rewatch(w, EPOLLRDHUP);
}
