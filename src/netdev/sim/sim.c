/* SPDX-License-Identifier: MIT */
/* The simulated network: see sim.h. Each port has a heap of frames that are under way to it, by arrival. */
#include "sim.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ETH_HEADER  14
#define ETH_IP4     0x0800
#define ETH_IP6     0x86dd
#define IP4_HEADER  20
#define REORDER_MAX 8 /* delays that a frame is held back at most */

/* What happened to a frame, in words, while there is a tap. */
struct fate {
    char text[96];
    size_t len;
};

struct flight {
    uint64_t due_ns;
    uint64_t number; /* of frames with one time of arrival the first sent arrives first */
    struct fate fate;
    uint32_t len;
    uint8_t bytes[];
};

struct port {
    struct netdev dev;
    struct sim_net *net;
    struct flight **heap;
    uint32_t count, room;
    uint64_t busy_ns; /* the transmitter is busy until then */
    bool dark;
    struct flight *noted[NETDEV_BURST]; /* of the last burst, whose notes are read now */
    unsigned notes;
};

struct sim_net {
    uint64_t now_ns, number;
    uint64_t state; /* of the random numbers */
    struct sim_faults faults;
    struct sim_counts counts;
    struct port *port[SIM_PORTS];
    unsigned ports;
    sim_tap_fn *tap;
    void *tap_ctx;
};

/* SplitMix64 (Steele, Lea, Flood, OOPSLA'14): every seed is a good one. */
uint64_t sim_random(struct sim_net *net)
{
    uint64_t z = net->state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static uint64_t below(struct sim_net *net, uint64_t n)
{
    return n == 0 ? 0 : sim_random(net) % n;
}

static bool happens(struct sim_net *net, uint32_t ppm)
{
    return ppm != 0 && below(net, SIM_PPM) < ppm;
}

static bool earlier(const struct flight *a, const struct flight *b)
{
    return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->number < b->number;
}

static bool heap_add(struct port *p, struct flight *f)
{
    uint32_t i = p->count;

    if (p->count == p->room) {
        uint32_t room = p->room == 0 ? 64 : 2 * p->room;
        struct flight **heap = p->count < SIM_IN_FLIGHT ? realloc(p->heap, room * sizeof(struct flight *)) : NULL;

        if (heap == NULL)
            return false;
        p->heap = heap;
        p->room = room;
    }
    p->count++;
    for (; i > 0 && earlier(f, p->heap[(i - 1) / 2]); i = (i - 1) / 2)
        p->heap[i] = p->heap[(i - 1) / 2];
    p->heap[i] = f;
    return true;
}

static struct flight *heap_take(struct port *p)
{
    struct flight *first = p->heap[0], *last = p->heap[--p->count];
    uint32_t i = 0, child;

    while ((child = 2 * i + 1) < p->count) {
        if (child + 1 < p->count && earlier(p->heap[child + 1], p->heap[child]))
            child++;
        if (!earlier(p->heap[child], last))
            break;
        p->heap[i] = p->heap[child];
        i = child;
    }
    p->heap[i] = last;
    return first;
}

/* Shows the tap a frame that is lost. */
static void show_lost(struct sim_net *net, const struct port *p, bool arriving, const uint8_t *bytes, uint32_t len,
                      const char *why, const struct fate *before)
{
    char text[sizeof(before->text) + 64];

    if (net->tap == NULL)
        return;
    snprintf(text, sizeof(text), "%s%s%s", why, before->len > 0 ? "; " : "", before->text);
    net->tap(net->tap_ctx, net->now_ns, (unsigned)(p->dev.mac[5] - 1), arriving, bytes, len, text);
}

/* Sends a copy of the frame on its way to one port. */
static void fly(struct sim_net *net, struct port *to, const uint8_t *bytes, uint32_t len, uint64_t due_ns,
                const struct fate *fate)
{
    struct flight *f = malloc(sizeof(*f) + len);

    if (f != NULL) {
        f->due_ns = due_ns;
        f->number = net->number++;
        f->fate = *fate;
        f->len = len;
        memcpy(f->bytes, bytes, len);
        if (heap_add(to, f))
            return;
        free(f);
    }
    net->counts.overflowed++;
    show_lost(net, to, true, bytes, len, "lost: too many under way", fate);
}

/* The switch: to the port with the destination's address, or to all others. */
static void forward(struct sim_net *net, const struct port *from, const uint8_t *bytes, uint32_t len, uint64_t due_ns,
                    const struct fate *fate)
{
    struct port *one = NULL;

    if (len >= 6 && (bytes[0] & 1) == 0)
        for (unsigned i = 0; i < net->ports; i++)
            if (memcmp(net->port[i]->dev.mac, bytes, 6) == 0)
                one = net->port[i];
    for (unsigned i = 0; i < net->ports; i++)
        if (net->port[i] != from && (one == NULL || one == net->port[i]))
            fly(net, net->port[i], bytes, len, due_ns, fate);
}

static void tell(struct sim_net *net, struct fate *fate, const char *what, uint64_t number)
{
    if (net->tap == NULL)
        return;
    fate->len += (size_t)snprintf(fate->text + fate->len, sizeof(fate->text) - fate->len, "%s%s %llu",
                                  fate->len > 0 ? ", " : "", what, (unsigned long long)number);
    if (fate->len >= sizeof(fate->text))
        fate->len = sizeof(fate->text) - 1;
}

/* One bit, and not of what Ethernet's own check sum would have caught alone: it is an error of a router's memory. */
static void corrupt(struct sim_net *net, uint8_t *bytes, uint32_t len, struct fate *fate)
{
    uint64_t bit;

    if (len <= ETH_HEADER || (bytes[12] == 8 && bytes[13] == 6))
        return; /* ARP has no checksum of its own */
    bit = ETH_HEADER * 8 + below(net, (len - ETH_HEADER) * 8u);
    bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    net->counts.corrupted++;
    tell(net, fate, "bit inverted:", bit);
}

/* RFC 3168, section 5: the two bits of a packet whose sender said that it heeds them; not behind a VLAN tag. */
static void mark(struct sim_net *net, uint8_t *bytes, uint32_t len, struct fate *fate)
{
    uint8_t *ip = bytes + ETH_HEADER, bits;
    unsigned type = len >= ETH_HEADER + IP4_HEADER ? (unsigned)bytes[12] << 8 | bytes[13] : 0, shift, sum;

    if (type != ETH_IP4 && type != ETH_IP6)
        return;
    shift = type == ETH_IP6 ? 4 : 0;
    bits = (uint8_t)(3u << shift);
    if ((ip[1] & bits) == 0 || (ip[1] & bits) == bits)
        return;
    if (type == ETH_IP4) { /* RFC 1624: a word grows, the one's complement of the sum shrinks by as much */
        sum = ((unsigned)ip[10] << 8 | ip[11]) + 0xffff - (3u - (ip[1] & 3u));
        sum = (sum & 0xffff) + (sum >> 16);
        ip[10] = (uint8_t)(sum >> 8);
        ip[11] = (uint8_t)sum;
    }
    ip[1] |= bits;
    net->counts.marked++;
    tell(net, fate, "congestion met:", 1);
}

/* Decides about one frame and sends it on its way, perhaps twice. */
static void transmit(struct port *p, uint8_t *bytes, uint32_t len)
{
    struct sim_net *net = p->net;
    const struct sim_faults *f = &net->faults;
    struct fate fate = {.text = ""};
    uint64_t due_ns = (p->busy_ns > net->now_ns ? p->busy_ns : net->now_ns) + f->delay_ns + below(net, f->jitter_ns);
    bool swallowed = f->swallow != 0 && len > ETH_HEADER + f->swallow;
    bool lost = p->dark || swallowed || happens(net, f->loss), twice = happens(net, f->duplicate);

    net->counts.sent++;
    if (lost)
        *(p->dark ? &net->counts.dark : swallowed ? &net->counts.swallowed : &net->counts.lost) += 1;
    if (happens(net, f->reorder)) {
        uint64_t late = (1 + below(net, REORDER_MAX)) * (f->delay_ns + f->jitter_ns + 1);

        due_ns += late;
        net->counts.reordered++;
        tell(net, &fate, "held back for ns:", late);
    }
    if (!lost && twice)
        tell(net, &fate, "sent times:", 2);
    if (!lost && happens(net, f->truncate) && len > 1) {
        len = (uint32_t)(1 + below(net, len - 1));
        net->counts.truncated++;
        tell(net, &fate, "cut to bytes:", len);
    }
    if (!lost && happens(net, f->corrupt))
        corrupt(net, bytes, len, &fate);
    if (lost) {
        show_lost(net, p, false, bytes, len,
                  p->dark     ? "lost: blackout"
                  : swallowed ? "lost: too long for the path"
                              : "lost",
                  &fate);
        return;
    }
    if (happens(net, f->mark))
        mark(net, bytes, len, &fate);
    forward(net, p, bytes, len, due_ns, &fate);
    if (twice) {
        net->counts.duplicated++;
        forward(net, p, bytes, len, due_ns + below(net, f->delay_ns + f->jitter_ns), &fate);
    }
}

/* Is there room in the transmitter's queue? Then the frame takes its time there. */
static bool port_accepts(struct port *p, uint32_t len)
{
    struct sim_net *net = p->net;
    const struct sim_faults *f = &net->faults;

    if (happens(net, f->refuse))
        return false;
    if (f->rate_bps == 0)
        return true;
    if (p->busy_ns < net->now_ns)
        p->busy_ns = net->now_ns;
    if (p->busy_ns - net->now_ns > f->queue_ns)
        return false;
    p->busy_ns += len * 8 * NS_PER_S / f->rate_bps;
    return true;
}

static unsigned port_tx(struct netdev *d, struct frame **frames, unsigned n)
{
    struct port *p = CONTAINER_OF(d, struct port, dev);
    uint8_t bytes[SIM_FRAME_MAX] = {0};

    for (unsigned i = 0; i < n; i++) {
        struct frame *f = frames[i];

        if (f->len > SIM_FRAME_MAX || !port_accepts(p, f->len)) {
            p->net->counts.refused++;
            return i;
        }
        frame_copy(f, (char *)bytes);
        transmit(p, bytes, f->len);
        frame_free(d->mem, f);
    }
    return n;
}

/* Hands a frame that arrived to the receiver. False: it had no memory, or it is cut off. */
static bool arrive(struct port *p, const struct flight *f, struct frame_in *in)
{
    struct sim_net *net = p->net;
    char *obj;

    if (p->dark) {
        net->counts.dark++;
        show_lost(net, p, true, f->bytes, f->len, "lost: blackout", &f->fate);
        return false;
    }
    obj = happens(net, net->faults.no_buffer) ? NULL : mem_alloc(p->dev.mem, FRAME_IN_ROOM + f->len, 1);
    if (obj == NULL) {
        net->counts.no_buffer++;
        show_lost(net, p, true, f->bytes, f->len, "lost: no memory at the receiver", &f->fate);
        return false;
    }
    memcpy(obj + FRAME_IN_ROOM, f->bytes, f->len);
    *in = (struct frame_in){obj, (uint8_t *)obj + FRAME_IN_ROOM, f->len, 0, f->fate.len > 0 ? f->fate.text : NULL};
    net->counts.delivered++;
    return true;
}

static void forget_notes(struct port *p)
{
    while (p->notes > 0)
        free(p->noted[--p->notes]);
}

static unsigned port_rx(struct netdev *d, struct frame_in *in, unsigned max)
{
    struct port *p = CONTAINER_OF(d, struct port, dev);
    unsigned n = 0;

    if (max > NETDEV_BURST)
        max = NETDEV_BURST;
    forget_notes(p);
    while (n < max && p->count > 0 && p->heap[0]->due_ns <= p->net->now_ns) {
        struct flight *f = heap_take(p);

        if (!arrive(p, f, &in[n])) {
            free(f);
            continue;
        }
        if (in[n++].note != NULL)
            p->noted[p->notes++] = f;
        else
            free(f);
    }
    return n;
}

static uint64_t port_random(struct netdev *d)
{
    return sim_random(CONTAINER_OF(d, struct port, dev)->net);
}

/* The network ends its ports. */
static void port_close(struct netdev *d)
{
    d->mem = NULL;
}

static const struct netdev_ops port_ops = {
    .name = "sim", .rx_burst = port_rx, .tx_burst = port_tx, .random = port_random, .close = port_close};

struct sim_net *sim_new(uint64_t seed, const struct sim_faults *faults)
{
    struct sim_net *net = calloc(1, sizeof(*net));

    if (net == NULL)
        return NULL;
    net->state = seed;
    net->faults = *faults;
    net->now_ns = SIM_START_NS;
    return net;
}

void sim_free(struct sim_net *net)
{
    for (unsigned i = 0; i < net->ports; i++) {
        struct port *p = net->port[i];

        for (uint32_t k = 0; k < p->count; k++)
            free(p->heap[k]);
        forget_notes(p);
        free(p->heap);
        free(p);
    }
    free(net);
}

struct netdev *sim_port(struct sim_net *net, struct mem *mem, uint16_t mtu)
{
    struct port *p = net->ports < SIM_PORTS ? calloc(1, sizeof(*p)) : NULL;

    if (p == NULL)
        return NULL;
    p->net = net;
    p->dev = (struct netdev){
        .ops = &port_ops, .mem = mem, .fd = -1, .mtu = mtu, .mac = {2, 0, 0, 0, 0, (uint8_t)(net->ports + 1)}};
    net->port[net->ports++] = p;
    return &p->dev;
}

void sim_set_faults(struct sim_net *net, const struct sim_faults *faults)
{
    net->faults = *faults;
}

void sim_set_dark(struct sim_net *net, const struct netdev *port, bool dark)
{
    for (unsigned i = 0; i < net->ports; i++)
        if (&net->port[i]->dev == port)
            net->port[i]->dark = dark;
}

const uint64_t *sim_clock(const struct sim_net *net)
{
    return &net->now_ns;
}

void sim_advance(struct sim_net *net, uint64_t now_ns)
{
    if (now_ns > net->now_ns)
        net->now_ns = now_ns;
}

uint64_t sim_next_ns(const struct sim_net *net)
{
    uint64_t next = UINT64_MAX;

    for (unsigned i = 0; i < net->ports; i++)
        if (net->port[i]->count > 0 && net->port[i]->heap[0]->due_ns < next)
            next = net->port[i]->heap[0]->due_ns;
    return next;
}

const struct sim_counts *sim_counts(const struct sim_net *net)
{
    return &net->counts;
}

void sim_set_tap(struct sim_net *net, sim_tap_fn *tap, void *ctx)
{
    net->tap = tap;
    net->tap_ctx = ctx;
}
