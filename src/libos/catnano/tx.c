/* SPDX-License-Identifier: MIT */
/* Messages on their way out, until they are acknowledged or given up. */
#include "nano.h"

#include <errno.h>

#define BACKOFF_MAX 6 /* a timeout grows to 64 times msg_timeout_us */

static void send_frame(struct nano_tx *m, struct frame *f, unsigned offset, unsigned len)
{
    struct nano *n = m->nano;
    struct msg_header h = {.tos = n->transport->tx_tos(&m->msg, (uint8_t)offset),
                           .payload_len = (uint16_t)len,
                           .flags = MSG_DATA,
                           .src_context = m->src,
                           .dst_context = m->dst,
                           .msg_len = m->msg.msg_len,
                           .pkt_offset = (uint8_t)offset,
                           .tx_msg_id = m->id,
                           .buf_ptr = m->cookie,
                           .buf_class = NANO_MARK | NANO_RIDES};

    nano_header(n, m->peer, &h, f);
    if (n->owing > 0)
        nano_ride(n, m->peer, (uint8_t *)f->seg[0].ptr);
    nano_output(n, m->peer, f);
}

static void send_packet(struct nano_tx *m, unsigned offset)
{
    unsigned len = msg_packet_bytes(m->msg.msg_len, offset);
    struct frame *f = nano_frame(m->nano);

    msg_tx_sent(&m->msg, (uint8_t)offset);
    if (UNLIKELY(f == NULL))
        return; /* like a packet that is lost */
    frame_add(f, m->obj, m->ptr + (size_t)offset * MSG_SEGMENT_BYTES, len);
    send_frame(m, f, offset, len);
}

static void send_packets(struct nano_tx *m, uint64_t packets)
{
    for (; packets != 0; packets &= packets - 1)
        send_packet(m, (unsigned)__builtin_ctzll(packets));
}

/* --- first timeouts: note 7 --- */

static void young_add(struct nano *n, struct nano_tx *m)
{
    m->next = NULL;
    m->prev = n->tx_newest;
    *(m->prev != NULL ? &m->prev->next : &n->tx_oldest) = m;
    n->tx_newest = m;
    m->young = true;
    if (n->tx_untimed == NULL)
        n->tx_untimed = m;
}

static void young_remove(struct nano *n, struct nano_tx *m)
{
    *(m->prev != NULL ? &m->prev->next : &n->tx_oldest) = m->next;
    *(m->next != NULL ? &m->next->prev : &n->tx_newest) = m->prev;
    if (n->tx_untimed == m)
        n->tx_untimed = m->next;
    m->young = false;
}

static void tx_end(struct nano_tx *m)
{
    struct nano *n = m->nano;

    if (LIKELY(m->young))
        young_remove(n, m);
    else
        timer_cancel(&n->inst->timers, &m->timer);
    mem_unref(&n->inst->mem, m->obj);
    m->peer->tx[m->id % NANO_PLACES] = NULL;
    m->peer->under_way--;
    m->peer = NULL;
    m->next = n->tx_free;
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

static void timed_out(struct nano_tx *m)
{
    struct nano *n = m->nano;

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
}

static void timeout(struct timer *t, void *arg)
{
    struct nano_tx *m = arg;
    struct nano *n = m->nano;

    (void)t;
    timed_out(m);
    nano_flush(n);
}

static uint64_t first_timeout_ns(const struct nano *n, const struct nano_tx *m)
{
    return m->began_ns + n->inst->config.msg_timeout_us * NS_PER_US;
}

static void resend(struct timer *t, void *arg);

static void arm_resend(struct nano *n)
{
    timer_arm(&n->inst->timers, &n->resend, first_timeout_ns(n, n->tx_oldest), resend, n);
}

/* First timeouts, some at once. */
static void resend(struct timer *t, void *arg)
{
    struct nano *n = arg;

    (void)t;
    n->timed = true; /* timers fire when the time was read */
    nano_tx_time(n);
    for (unsigned i = 0; i < NANO_BATCH && n->tx_oldest != NULL; i++) {
        struct nano_tx *m = n->tx_oldest;

        if (first_timeout_ns(n, m) > n->inst->now_ns)
            break;
        young_remove(n, m);
        timed_out(m);
    }
    nano_flush(n);
    if (n->tx_oldest != NULL)
        arm_resend(n);
}

void nano_tx_time(struct nano *n)
{
    if (n->tx_untimed == NULL)
        return;
    nano_now(n);
    for (; n->tx_untimed != NULL; n->tx_untimed = n->tx_untimed->next)
        n->tx_untimed->began_ns = n->tx_untimed->heard_ns = n->inst->now_ns;
    if (!timer_armed(&n->resend))
        arm_resend(n);
}

/* --- new messages --- */

static uint16_t free_number(struct nano_peer *p)
{
    while (p->tx[p->next_id % NANO_PLACES] != NULL)
        p->next_id++;
    return p->next_id++;
}

/* The only packet of a message, behind its headers. The frame is kept until it is acknowledged. */
static bool send_whole(struct nano_tx *m, const char *bytes, unsigned len)
{
    struct nano *n = m->nano;
    struct frame *f = mem_alloc(&n->inst->mem, sizeof(*f) + len, 1);

    if (UNLIKELY(f == NULL))
        return false;
    frame_init(f);
    m->obj = f;
    m->ptr = (char *)(f + 1); /* where the room for headers ends */
    nano_reverse(m->ptr, bytes, len);
    f->seg[0].len = f->len = len;
    if (UNLIKELY(m->peer->mac == 0))
        return true;
    mem_ref(f);
    msg_tx_sent(&m->msg, 0);
    send_frame(m, f, 0, len);
    return true;
}

static bool send_parts(struct nano_tx *m, const char *bytes, unsigned len)
{
    struct nano *n = m->nano;

    m->obj = m->ptr = mem_alloc(&n->inst->mem, len, 1);
    if (UNLIKELY(m->obj == NULL))
        return false;
    nano_reverse(m->ptr, bytes, len);
    for (unsigned i = 0; i < msg_packets(len); i++)
        if (msg_tx_ready(&m->msg, &n->receiver.o, (uint8_t)i) && m->peer->mac != 0)
            send_packet(m, i);
    return true;
}

int nano_send(struct nano *n, const struct nano_sock *s, const char *bytes, size_t len, uint32_t ip, uint16_t port)
{
    struct nano_tx *m = n->tx_free;
    struct nano_peer *p;
    bool sent;

    if (UNLIKELY(len > n->inst->config.msg_bytes))
        return -EMSGSIZE;
    p = nano_peer_get(n, ip);
    if (UNLIKELY(p == NULL))
        return -ENOBUFS;
    if (UNLIKELY(m == NULL || p->under_way >= n->inst->config.msg_window))
        return -EAGAIN;
    m->peer = p;
    m->src = s->port;
    m->dst = port;
    m->id = free_number(p);
    m->cookie = (uint16_t)nano_random(n);
    msg_tx_start(&m->msg, &n->receiver.o, (uint16_t)len);
    if (LIKELY(msg_packets((unsigned)len) == 1)) {
        msg_tx_ready(&m->msg, &n->receiver.o, 0);
        sent = send_whole(m, bytes, (unsigned)len);
    } else {
        sent = send_parts(m, bytes, (unsigned)len);
    }
    if (UNLIKELY(!sent)) {
        m->peer = NULL;
        return -ENOMEM;
    }
    nano_send_now(n);
    n->tx_free = m->next;
    m->qd = s->q->qd;
    m->backoff = 0;
    m->began_ns = m->heard_ns = n->inst->now_ns;
    p->tx[m->id % NANO_PLACES] = m;
    p->under_way++;
    young_add(n, m);
    COUNT(n->inst, msg_sent);
    if (UNLIKELY(p->mac == 0)) {
        nano_arp_ask(n, p);
        nano_send_now(n);
    }
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
    complete = n->transport->tx_control(&m->msg, &n->receiver.o, h, &send);
    if (LIKELY(complete)) {
        tx_end(m);
        if (n->blocked != NULL)
            nano_sock_unblock(n);
        return;
    }
    nano_now(n);
    m->heard_ns = n->inst->now_ns;
    if (send != 0 || (h->flags & MSG_ACK) != 0)
        m->backoff = 0;
    send_packets(m, send);
}

void nano_tx_free_all(struct nano *n)
{
    for (uint64_t i = 0; i < n->inst->config.msg_buffers; i++)
        if (n->tx[i].peer != NULL)
            tx_end(&n->tx[i]);
}
