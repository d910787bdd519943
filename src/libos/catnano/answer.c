/* SPDX-License-Identifier: MIT */
/* Answers to DATA packets: on their own, or as riders of what goes the same way (note 6 of nano.h). */
#include "nano.h"

#define CONTROL_PAD 8 /* a receiver wants at least a byte behind the header; a link of the machine moves eight */
#define RIDES       (NANO_MARK | NANO_RIDES)

static struct nano_owed *owed_at(struct nano *n, unsigned i)
{
    return &n->owed[(n->owed_first + i) % NANO_BATCH];
}

static void drop_first(struct nano *n)
{
    n->owed_first = (n->owed_first + 1) % NANO_BATCH;
    n->owing--;
}

void nano_answer(struct nano *n, struct nano_peer *p, const struct msg_header *to, const struct msg_control *r)
{
    struct nano_owed *o;

    if (r->flags == 0)
        return;
    if (UNLIKELY(n->owing == NANO_BATCH))
        nano_flush(n);
    o = owed_at(n, n->owing++);
    o->peer = p;
    o->r.flags = r->flags;
    o->r.pkt_offset = r->pkt_offset;
    o->r.grant_prio = r->grant_prio;
    o->r.pull_offset = r->pull_offset;
    o->r.tx_msg_id = to->tx_msg_id;
    o->r.buf_ptr = to->buf_ptr;
    o->r.context = to->dst_context;
    o->dst = to->src_context;
    o->len = to->msg_len;
    o->cls = to->buf_class;
}

/* The control packet that a rider stands for. */
static struct msg_header header_of(const struct msg_rider *r)
{
    return (struct msg_header){.flags = r->flags,
                               .src_context = r->context,
                               .pkt_offset = r->pkt_offset,
                               .pull_offset = r->pull_offset,
                               .grant_prio = r->grant_prio,
                               .tx_msg_id = r->tx_msg_id,
                               .buf_ptr = r->buf_ptr};
}

struct frame *nano_owed_frame(struct nano *n, const struct nano_peer **p)
{
    const struct nano_owed *o = owed_at(n, 0);
    struct msg_header h = header_of(&o->r);
    struct frame *f = nano_frame(n);

    *p = o->peer;
    h.payload_len = CONTROL_PAD;
    h.dst_context = o->dst;
    h.msg_len = o->len;
    h.buf_class = o->cls;
    drop_first(n);
    if (f == NULL)
        return NULL;
    memset(frame_push(f, CONTROL_PAD), 0, CONTROL_PAD);
    nano_header(n, *p, &h, f);
    return f;
}

void nano_ride(struct nano *n, const struct nano_peer *p, uint8_t *frame)
{
    for (unsigned i = 0; i < n->owing; i++) {
        struct nano_owed *o = owed_at(n, i);

        if (UNLIKELY(o->peer != p || (o->cls & RIDES) != RIDES))
            continue;
        msg_rider_write(&o->r, frame);
        if (UNLIKELY(i > 0))
            *o = *owed_at(n, 0);
        drop_first(n);
        return;
    }
}

void nano_rider_input(struct nano *n, struct nano_peer *p, const uint8_t *frame)
{
    struct nano_owed *o = &n->rider[n->riders];
    struct msg_header h;

    if (!msg_rider_parse(&o->r, frame))
        return;
    o->peer = p;
    if (LIKELY(p != NULL && n->riders + 1 < NANO_BATCH && 2u * p->under_way <= n->inst->config.msg_window)) {
        n->riders++;
        return;
    }
    h = header_of(&o->r);
    nano_control(n, p, &h);
}

void nano_riders(struct nano *n)
{
    for (unsigned i = 0; i < n->riders; i++) {
        struct msg_header h = header_of(&n->rider[i].r);

        nano_control(n, n->rider[i].peer, &h);
    }
    n->riders = 0;
}
