/* SPDX-License-Identifier: MIT */
/* What comes, and the tables behind it. */
#include "nano.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#define NANO_BURSTS   4 /* bursts a turn takes at most, so that others have their turn */
#define ETHERTYPE_ARP 0x0806
#define NDP_PROTOCOL  153 /* of the machine's default profile */

/* The header of a packet for us, or the counter of why it is none. */
static enum counter parse(const struct nano *n, const struct frame_in *in, bool own, struct msg_header *h)
{
    switch (msg_header_parse(h, n->transport->layout, n->protocol, in->ptr, in->len)) {
    case MSG_OK:
        break;
    case MSG_SHORT:
        return CTR_drop_ip_short;
    case MSG_OTHER_PROTOCOL:
        return CTR_drop_ip_proto;
    default:
        return CTR_drop_eth_type;
    }
    if (h->dst_ip != n->ip)
        return CTR_drop_ip_dst;
    if ((h->src_ip == n->ip) != own || h->src_ip == 0 || h->src_ip >> 28 == 14 || h->src_ip == UINT32_MAX)
        return CTR_drop_ip_src;
    /* the prototype leaves the checksum out */
    if (h->ip_checksum != 0 && (in->flags & FRAME_IN_CSUM_L3) == 0 && !msg_checksum_good(in->ptr))
        return CTR_drop_ip_checksum;
    return COUNTER_MAX;
}

/* The socket that a packet is for and that listens to its sender, or NULL. */
static struct nano_sock *wanted(const struct nano *n, const struct msg_header *h)
{
    struct nano_sock *s = n->ports[h->dst_context];

    if (s == NULL || (s->q->flags & QUEUE_SHUT_RD) != 0)
        return NULL;
    if (s->q->status == QUEUE_CONNECTED && (s->peer_ip != h->src_ip || s->peer_port != h->src_context))
        return NULL;
    return s;
}

/* A frame that the device brought, before anything becomes of it. */
static void note(struct nano *n, const struct frame_in *in, bool own, enum counter drop)
{
    if (UNLIKELY(n->capturing) && !own)
        capture_received(&n->capture, in, drop);
}

static bool data_packet(struct nano *n, const struct msg_header *h, struct frame_in *in, bool own)
{
    struct nano_sock *s = wanted(n, h);
    struct nano_peer *p;
    bool taken = false;

    note(n, in, own, s != NULL ? COUNTER_MAX : CTR_drop_msg_context);
    if (UNLIKELY(s == NULL)) {
        COUNT(n->inst, drop_msg_context);
        p = nano_peer_find(n, h->src_ip);
        if (p != NULL && nano_was_closed(n, h->dst_context))
            nano_data_closed(n, p, h, in);
    } else {
        p = nano_peer_get(n, h->src_ip);
        if (UNLIKELY(p == NULL))
            return false;
        nano_peer_mac(n, p, h->src_mac);
        taken = nano_data(n, p, s, h, in);
    }
    if ((h->buf_class & (NANO_MARK | NANO_RIDES)) == (NANO_MARK | NANO_RIDES))
        nano_rider_input(n, p, in->ptr);
    return taken;
}

/* Returns whether the frame's reference was taken over. */
static bool packet(struct nano *n, struct frame_in *in, bool own)
{
    struct msg_header h;
    enum counter drop = parse(n, in, own, &h);

    if (drop == COUNTER_MAX && (h.flags & MSG_DATA) != 0)
        return data_packet(n, &h, in, own);
    note(n, in, own, drop);
    if (UNLIKELY(drop != COUNTER_MAX))
        n->inst->stat->value[drop]++;
    else
        nano_control(n, nano_peer_find(n, h.src_ip), &h);
    return false;
}

void nano_input(struct nano *n, struct frame_in *in)
{
    bool taken = false;

    if (in->len >= 14 && get16(in->ptr + 12) == ETHERTYPE_ARP) {
        note(n, in, false, COUNTER_MAX);
        nano_arp_input(n, in);
    } else {
        taken = packet(n, in, false);
    }
    if (!taken)
        mem_unref(&n->inst->mem, in->obj);
}

/* What we sent ourselves, until now. */
static void take_own(struct nano *n)
{
    for (unsigned count = n->own_count; count > 0; count--) {
        struct frame *f = n->own[n->own_head];
        char *obj = mem_alloc(&n->inst->mem, FRAME_IN_ROOM + f->len, 1);
        struct frame_in in = {.obj = obj, .ptr = (uint8_t *)obj + FRAME_IN_ROOM, .len = f->len};

        n->own_head = (n->own_head + 1) % NANO_OWN;
        n->own_count--;
        if (obj != NULL) {
            frame_copy(f, obj + FRAME_IN_ROOM);
            if (!packet(n, &in, true))
                mem_unref(&n->inst->mem, obj);
        } else {
            COUNT(n->inst, drop_no_memory);
        }
        frame_free(&n->inst->mem, f);
    }
}

void nano_poll(struct nano *n)
{
    struct frame_in in[NETDEV_BURST];
    unsigned count = NETDEV_BURST;

    if (UNLIKELY(n->dev->error != 0 && !n->lost))
        nano_sock_lose(n);
    n->timed = false;
    if (n->tx_untimed != NULL)
        nano_tx_time(n);
    n->batching = true;
    if (n->riders > 0)
        nano_riders(n);
    if (UNLIKELY(n->owing > 0))
        nano_flush(n); /* the application had its turn */
    for (unsigned burst = 0; burst < NANO_BURSTS && count == NETDEV_BURST; burst++) {
        count = n->dev->ops->rx_burst(n->dev, in, NETDEV_BURST);
        if (count == 0)
            break;
        for (unsigned i = 0; i < count; i++) {
            __builtin_prefetch(in[i + 1 < count ? i + 1 : i].ptr);
            nano_input(n, &in[i]);
        }
    }
    if (UNLIKELY(n->own_count > 0))
        take_own(n);
    n->batching = false;
    nano_send_now(n);
}

int nano_init(struct nano *n, struct instance *inst, struct netdev *dev)
{
    uint64_t buffers = inst->config.msg_buffers;

    n->inst = inst;
    n->dev = dev;
    n->transport = inst->config.msg_transport == TRANSPORT_NDP ? &ndp_transport : &homa_transport;
    n->protocol = inst->config.msg_protocol != 0                ? (uint8_t)inst->config.msg_protocol
                  : inst->config.msg_transport == TRANSPORT_NDP ? NDP_PROTOCOL
                                                                : n->transport->ip_protocol;
    n->receiver.o.rtt_pkts = (uint16_t)inst->config.msg_rtt_packets;
    n->blocked_tail = &n->blocked;
    if (getrandom(&n->random, sizeof(n->random), 0) != sizeof(n->random))
        n->random = inst->now_ns;
    n->random |= 1;
    n->tx = calloc(buffers, sizeof(*n->tx));
    n->rx = calloc(buffers, sizeof(*n->rx));
    if (n->tx == NULL || n->rx == NULL) {
        free(n->tx);
        free(n->rx);
        return error_set(&inst->error, ENOMEM, "no memory for %llu messages (msg_buffers)",
                         (unsigned long long)buffers);
    }
    for (uint64_t i = 0; i < buffers; i++) {
        n->tx[i].nano = n;
        n->tx[i].next = i + 1 < buffers ? &n->tx[i + 1] : NULL;
        n->rx[i].next_free = i + 1 < buffers ? &n->rx[i + 1] : NULL;
    }
    n->tx_free = n->tx;
    n->rx_free = n->rx;
    return 0;
}

void nano_free(struct nano *n)
{
    while (n->batched + n->owing > 0)
        nano_flush(n);
    for (; n->own_count > 0; n->own_count--, n->own_head = (n->own_head + 1) % NANO_OWN)
        frame_free(&n->inst->mem, n->own[n->own_head]);
    nano_tx_free_all(n);
    nano_rx_free_all(n);
    timer_cancel(&n->inst->timers, &n->sweep);
    timer_cancel(&n->inst->timers, &n->resend);
    nano_peers_free(n);
    free(n->tx);
    free(n->rx);
    capture_end(&n->capture);
    netdev_close(n->dev);
}
