/* SPDX-License-Identifier: MIT */
/* Messages that arrive. */
#include "nano.h"

/* To each the answer that is its own; without another receiver it is for the packet's sender. */
static void answer_all(struct nano *n, struct nano_peer *p, const struct msg_header *to,
                       const struct msg_control r[MSG_ANSWERS_MAX])
{
    for (unsigned i = 0; i < MSG_ANSWERS_MAX; i++) {
        const struct nano_rx *m = r[i].to == NULL ? NULL : CONTAINER_OF(r[i].to, struct nano_rx, msg);

        nano_answer(n, m == NULL ? p : m->peer, m == NULL ? to : &m->head, &r[i]);
    }
}

/* --- messages of several packets --- */

static void list_remove(struct nano *n, struct nano_rx *m)
{
    *(m->prev != NULL ? &m->prev->next : &n->rx_oldest) = m->next;
    *(m->next != NULL ? &m->next->prev : &n->rx_newest) = m->prev;
}

static void list_add(struct nano *n, struct nano_rx *m)
{
    m->next = NULL;
    m->prev = n->rx_newest;
    *(m->prev != NULL ? &m->prev->next : &n->rx_oldest) = m;
    n->rx_newest = m;
    m->touched_ns = n->inst->now_ns;
}

/* The message's buffer goes to the caller. */
static void *rx_end(struct nano *n, struct nano_rx *m)
{
    struct nano_place *place = &m->peer->rx[m->head.tx_msg_id % NANO_PLACES];

    assert(place->rx == m);
    n->transport->rx_end(&n->receiver, &m->msg);
    place->rx = NULL;
    place->state = NANO_UNUSED;
    m->sock->arriving--;
    m->sock = NULL;
    list_remove(n, m);
    m->next_free = n->rx_free;
    n->rx_free = m;
    return m->obj;
}

static void rx_drop(struct nano *n, struct nano_rx *m)
{
    mem_unref(&n->inst->mem, rx_end(n, m));
}

static void sweep(struct timer *t, void *arg);

static void arm_sweep(struct nano *n)
{
    timer_arm(&n->inst->timers, &n->sweep, n->inst->now_ns + n->inst->config.msg_give_up_ms * NS_PER_MS, sweep, n);
}

/* Gives up messages that have waited so long for their next packet that their sender must have given up too. */
static void sweep(struct timer *t, void *arg)
{
    struct nano *n = arg;
    uint64_t limit_ns = 2 * n->inst->config.msg_give_up_ms * NS_PER_MS;

    (void)t;
    while (n->rx_oldest != NULL && n->inst->now_ns - n->rx_oldest->touched_ns >= limit_ns) {
        COUNT(n->inst, msg_abandoned);
        rx_drop(n, n->rx_oldest);
    }
    if (n->rx_oldest != NULL)
        arm_sweep(n);
}

static struct nano_rx *rx_begin(struct nano *n, struct nano_peer *p, struct nano_sock *s, const struct msg_header *h)
{
    struct nano_rx *m = n->rx_free;
    char *obj = m == NULL ? NULL : mem_alloc(&n->inst->mem, sizeof(struct mem_meta) + h->msg_len, 1);

    if (obj == NULL)
        return NULL;
    n->rx_free = m->next_free;
    m->peer = p;
    m->sock = s;
    m->obj = obj;
    m->head = *h;
    s->arriving++;
    n->transport->rx_start(&n->receiver, &m->msg, (uint16_t)(m - n->rx), h->msg_len);
    list_add(n, m);
    if (!timer_armed(&n->sweep))
        arm_sweep(n);
    return m;
}

void nano_rx_drop_socket(struct nano *n, const struct nano_sock *s)
{
    struct nano_rx *next;

    for (struct nano_rx *m = n->rx_oldest; m != NULL; m = next) {
        next = m->next;
        if (m->sock == s)
            rx_drop(n, m);
    }
}

void nano_rx_free_all(struct nano *n)
{
    while (n->rx_oldest != NULL)
        rx_drop(n, n->rx_oldest);
}

/* --- packets --- */

static void remember(struct nano *n, struct nano_peer *p, struct nano_place *place, const struct msg_header *h)
{
    *place = (struct nano_place){.id = h->tx_msg_id,
                                 .cookie = h->buf_ptr,
                                 .len = h->msg_len,
                                 .cls = h->buf_class,
                                 .state = NANO_DELIVERED,
                                 .after = ++p->received,
                                 .done_ns = n->inst->now_ns};
    COUNT(n->inst, msg_received);
}

static bool is_same(const struct nano_place *place, const struct msg_header *h)
{
    return place->id == h->tx_msg_id && place->cookie == h->buf_ptr && place->len == h->msg_len &&
           place->cls == h->buf_class;
}

/* Was this very message delivered before? See note 3. */
static bool is_repeat(const struct nano *n, const struct nano_peer *p, const struct nano_place *place,
                      const struct msg_header *h)
{
    if (place->state != NANO_DELIVERED || !is_same(place, h))
        return false;
    return (h->buf_class & NANO_MARK) != 0 ||
           (p->received - place->after < NANO_REUSE && n->inst->now_ns - place->done_ns < NANO_REUSE_NS);
}

/* The answers to a message in one packet, for transports that have more to say than that it came. */
static void answer_whole(struct nano *n, struct nano_peer *p, const struct msg_header *h)
{
    struct msg_control r[MSG_ANSWERS_MAX];
    struct msg_rx once;

    n->transport->rx_start(&n->receiver, &once, (uint16_t)n->inst->config.msg_buffers, h->msg_len);
    n->transport->rx_data(&n->receiver, &once, 0, false, r);
    n->transport->rx_end(&n->receiver, &once);
    for (unsigned i = 0; i < MSG_ANSWERS_MAX; i++)
        r[i].to = r[i].to == &once ? NULL : r[i].to;
    answer_all(n, p, h, r);
}

/* A message in one packet: it is handed on where it lies, with the frame's reference. */
static void whole(struct nano *n, struct nano_peer *p, struct nano_sock *s, const struct msg_header *h,
                  struct frame_in *in)
{
    static const struct msg_control came = {.flags = MSG_ACK};
    char *ptr = (char *)in->ptr + MSG_FRAME_HEADER_BYTES;
    struct nano_message m = {in->obj, ptr, h->msg_len, h->src_ip, h->src_context};

    if (n->transport->plain_ack)
        nano_answer(n, p, h, &came);
    else
        answer_whole(n, p, h);
    remember(n, p, &p->rx[h->tx_msg_id % NANO_PLACES], h);
    nano_reverse(ptr, ptr, h->msg_len);
    nano_sock_deliver(s, &m);
}

static void part(struct nano *n, struct nano_rx *m, const struct msg_header *h, const struct frame_in *in)
{
    bool trimmed = (h->flags & MSG_CHOP) != 0;
    char *data = m->obj + sizeof(struct mem_meta);
    struct nano_message whole_one = {m->obj, data, h->msg_len, h->src_ip, h->src_context};
    struct nano_peer *p = m->peer;
    struct nano_sock *s = m->sock;
    struct msg_control r[MSG_ANSWERS_MAX];

    list_remove(n, m);
    list_add(n, m);
    if (n->transport->rx_data(&n->receiver, &m->msg, h->pkt_offset, trimmed, r) == MSG_STORE)
        nano_reverse(data + (size_t)h->pkt_offset * MSG_SEGMENT_BYTES, in->ptr + MSG_FRAME_HEADER_BYTES,
                     msg_packet_bytes(h->msg_len, h->pkt_offset));
    answer_all(n, p, h, r);
    if (!msg_rx_complete(&m->msg))
        return;
    rx_end(n, m);
    remember(n, p, &p->rx[h->tx_msg_id % NANO_PLACES], h);
    nano_sock_deliver(s, &whole_one);
}

/* Is the packet one that its header's message can have, and all there? */
static bool is_sound(const struct msg_header *h, const struct frame_in *in)
{
    if (h->msg_len == 0 || h->pkt_offset >= msg_packets(h->msg_len))
        return false;
    return (h->flags & MSG_CHOP) != 0 ||
           in->len >= MSG_FRAME_HEADER_BYTES + msg_packet_bytes(h->msg_len, h->pkt_offset);
}

static void refuse(struct nano *n, struct nano_peer *p, const struct msg_header *h)
{
    struct msg_control nack = {.flags = MSG_NACK, .pkt_offset = h->pkt_offset}; /* without a PULL: note 5 */

    COUNT(n->inst, msg_no_room);
    nano_answer(n, p, h, &nack);
}

/* The first packet of a message that came. Returns whether it took the frame's reference. */
static bool fresh(struct nano *n, struct nano_peer *p, struct nano_sock *s, const struct msg_header *h,
                  struct frame_in *in)
{
    struct nano_place *place = &p->rx[h->tx_msg_id % NANO_PLACES];
    struct nano_rx *m;

    if (!nano_sock_has_room(s)) {
        refuse(n, p, h);
    } else if (msg_packets(h->msg_len) == 1 && (h->flags & MSG_CHOP) == 0) {
        whole(n, p, s, h, in);
        return true;
    } else if ((m = rx_begin(n, p, s, h)) == NULL) {
        refuse(n, p, h);
    } else {
        *place = (struct nano_place){.id = h->tx_msg_id,
                                     .cookie = h->buf_ptr,
                                     .len = h->msg_len,
                                     .cls = h->buf_class,
                                     .state = NANO_ARRIVING,
                                     .rx = m};
        part(n, m, h, in);
    }
    return false;
}

void nano_data_closed(struct nano *n, struct nano_peer *p, const struct msg_header *h, const struct frame_in *in)
{
    struct msg_control late;

    if (!is_sound(h, in) ||
        ((h->buf_class & NANO_MARK) != 0 && !is_repeat(n, p, &p->rx[h->tx_msg_id % NANO_PLACES], h)))
        return;
    COUNT(n->inst, msg_closed);
    late = n->transport->rx_late(&n->receiver.o, h->msg_len, h->pkt_offset);
    nano_answer(n, p, h, &late);
}

bool nano_data(struct nano *n, struct nano_peer *p, struct nano_sock *s, const struct msg_header *h,
               struct frame_in *in)
{
    struct nano_place *place = &p->rx[h->tx_msg_id % NANO_PLACES];
    struct msg_control late;

    if ((h->buf_class & NANO_MARK) == 0 || h->msg_len > MSG_SEGMENT_BYTES)
        nano_now(n);
    if (UNLIKELY(!is_sound(h, in))) {
        COUNT(n->inst, drop_msg_bad);
    } else if (UNLIKELY(is_repeat(n, p, place, h))) {
        late = n->transport->rx_late(&n->receiver.o, h->msg_len, h->pkt_offset);
        COUNT(n->inst, msg_repeats);
        nano_answer(n, p, h, &late);
    } else if (place->state == NANO_ARRIVING && is_same(place, h)) {
        part(n, place->rx, h, in);
    } else {
        if (place->state == NANO_ARRIVING) { /* its sender gave it up: the number names another one now */
            COUNT(n->inst, msg_abandoned);
            rx_drop(n, place->rx);
        }
        return fresh(n, p, s, h, in);
    }
    return false;
}
