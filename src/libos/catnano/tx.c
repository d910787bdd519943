/* SPDX-License-Identifier: MIT */
/* Messages on their way out, until they are acknowledged or given up. */
#include "nano.h"

#include <errno.h>

#define BACKOFF_MAX 6 /* a timeout grows to 64 times msg_timeout_us */

static void send_packet(struct nano_tx *m, unsigned offset)
{
    unsigned len = msg_packet_bytes(m->msg.msg_len, offset);
    struct msg_header h = {.tos = m->nano->transport->tx_tos(&m->msg, (uint8_t)offset),
                           .payload_len = (uint16_t)len,
                           .flags = MSG_DATA,
                           .src_context = m->src,
                           .dst_context = m->dst,
                           .msg_len = m->msg.msg_len,
                           .pkt_offset = (uint8_t)offset,
                           .tx_msg_id = m->id,
                           .buf_ptr = m->cookie,
                           .buf_class = NANO_MARK};
    struct frame *f = nano_frame(m->nano, m->peer, &h, 0);

    msg_tx_sent(&m->msg, (uint8_t)offset);
    if (UNLIKELY(f == NULL))
        return; /* like a packet that is lost */
    frame_add(f, m->obj, (char *)m->obj + (size_t)offset * MSG_SEGMENT_BYTES, len);
    nano_output(m->nano, m->peer, f);
}

static void send_packets(struct nano_tx *m, uint64_t packets)
{
    for (; packets != 0; packets &= packets - 1)
        send_packet(m, (unsigned)__builtin_ctzll(packets));
}

static void tx_end(struct nano_tx *m)
{
    struct nano *n = m->nano;

    timer_cancel(&n->inst->timers, &m->timer);
    mem_unref(&n->inst->mem, m->obj);
    m->peer->tx[m->id % NANO_PLACES] = NULL;
    m->peer->under_way--;
    m->peer = NULL;
    m->next_free = n->tx_free;
    n->tx_free = m;
}

static void give_up(struct nano_tx *m)
{
    struct nano *n = m->nano;
    int err = m->peer->mac == 0 ? EHOSTUNREACH : ETIMEDOUT;
    int32_t qd = m->qd;

    COUNT(n->inst, msg_given_up);
    tx_end(m);
    nano_sock_failed(n, qd, err);
    nano_sock_unblock(n);
}

static void timeout(struct timer *t, void *arg);

static void arm(struct nano_tx *m)
{
    uint64_t after_ns = m->nano->inst->config.msg_timeout_us * NS_PER_US << m->backoff;

    timer_arm(&m->nano->inst->timers, &m->timer, m->nano->inst->now_ns + after_ns, timeout, m);
}

static void timeout(struct timer *t, void *arg)
{
    struct nano_tx *m = arg;
    struct nano *n = m->nano;

    (void)t;
    if (n->inst->now_ns - m->heard_ns > n->inst->config.msg_give_up_ms * NS_PER_MS) {
        give_up(m);
    } else {
        if (m->backoff < BACKOFF_MAX)
            m->backoff++;
        if (m->peer->mac == 0 || (m->backoff > 2 && !n->rule))
            nano_arp_ask(n, m->peer); /* it may have another address now */
        if (m->peer->mac != 0) {
            COUNT(n->inst, msg_timeouts);
            send_packets(m, msg_tx_timeout(&m->msg, &n->receiver.o));
        }
        arm(m);
    }
    nano_flush(n);
}

static uint16_t free_number(struct nano_peer *p)
{
    while (p->tx[p->next_id % NANO_PLACES] != NULL)
        p->next_id++;
    return p->next_id++;
}

static struct nano_tx *begin(struct nano *n, struct nano_peer *p, const struct nano_sock *s, const struct op *op)
{
    struct nano_tx *m = n->tx_free;
    void *obj = mem_alloc(&n->inst->mem, op->len, 1);

    if (UNLIKELY(obj == NULL))
        return NULL;
    nano_reverse(obj, op->ptr, op->len);
    n->tx_free = m->next_free;
    m->peer = p;
    m->obj = obj;
    m->qd = s->q->qd;
    m->src = s->port;
    m->id = free_number(p);
    m->cookie = (uint16_t)nano_random(n);
    m->backoff = 0;
    m->heard_ns = n->inst->now_ns;
    msg_tx_start(&m->msg, &n->receiver.o, (uint16_t)op->len);
    p->tx[m->id % NANO_PLACES] = m;
    p->under_way++;
    return m;
}

int nano_send(struct nano *n, const struct nano_sock *s, const struct op *op, uint32_t ip, uint16_t port)
{
    struct nano_peer *p;
    struct nano_tx *m;

    if (UNLIKELY(op->len > n->inst->config.msg_bytes))
        return -EMSGSIZE;
    p = nano_peer_get(n, ip);
    if (UNLIKELY(p == NULL))
        return -ENOBUFS;
    if (UNLIKELY(n->tx_free == NULL || p->under_way >= n->inst->config.msg_window)) {
        COUNT(n->inst, msg_waits);
        return -EAGAIN;
    }
    n->inst->now_ns = clock_now_ns(&n->inst->clock);
    m = begin(n, p, s, op);
    if (UNLIKELY(m == NULL))
        return -ENOMEM;
    m->dst = port;
    for (unsigned i = 0; i < msg_packets(op->len); i++)
        if (msg_tx_ready(&m->msg, &n->receiver.o, (uint8_t)i) && p->mac != 0)
            send_packet(m, i);
    if (UNLIKELY(p->mac == 0))
        nano_arp_ask(n, p);
    arm(m);
    COUNT(n->inst, msg_sent);
    return 0;
}

void nano_tx_kick(struct nano_peer *p)
{
    for (unsigned i = 0; i < NANO_PLACES; i++)
        if (p->tx[i] != NULL)
            send_packets(p->tx[i], p->tx[i]->msg.ready & ~p->tx[i]->msg.waiting & ~p->tx[i]->msg.delivered);
}

void nano_control(struct nano *n, struct nano_peer *p, const struct msg_header *h)
{
    struct nano_tx *m = p == NULL ? NULL : p->tx[h->tx_msg_id % NANO_PLACES];
    uint64_t send;
    bool complete;

    if (m == NULL || m->id != h->tx_msg_id || m->cookie != h->buf_ptr || m->dst != h->src_context) {
        COUNT(n->inst, drop_msg_stray);
        return;
    }
    m->heard_ns = n->inst->now_ns;
    complete = n->transport->tx_control(&m->msg, &n->receiver.o, h, &send);
    if (send != 0 || (h->flags & MSG_ACK) != 0)
        m->backoff = 0;
    send_packets(m, send);
    if (!complete)
        return;
    tx_end(m);
    if (n->blocked != NULL)
        nano_sock_unblock(n);
}

void nano_tx_free_all(struct nano *n)
{
    for (uint64_t i = 0; i < n->inst->config.msg_buffers; i++)
        if (n->tx[i].peer != NULL)
            tx_end(&n->tx[i]);
}
