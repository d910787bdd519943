/* SPDX-License-Identifier: MIT */
/* Instances that share a device: see spread.h. */
#include "spread.h"

#include "core/counter.h"
#include "flow.h"

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define MEMBERS_MAX 16 /* as the largest value of the key net_queues */
#define LANE_BYTES  (512 * 1024)
#define NOT_ONE     UINT32_MAX /* length of a record that only fills up the lane's end */
#define ALL         UINT32_MAX /* whose a frame is */
#define FIRST       (UINT32_MAX - 1)
#define PORTS       65536

/* One writer, one reader; positions count bytes and never go back. */
struct lane {
    _Alignas(CACHE_LINE) uint32_t head;
    _Alignas(CACHE_LINE) uint32_t tail;
    _Alignas(CACHE_LINE) char bytes[LANE_BYTES];
};

struct record {
    uint32_t len, flags;
};

/* What others know of a member. It stays when the member goes: somebody may be writing. */
struct place {
    struct lane *from[MEMBERS_MAX]; /* NULL: its own */
    int bell;                       /* an eventfd: something is in a lane */
    uint32_t asleep;                /* whoever puts something there rings */
    uint32_t taken;                 /* there is a member */
};

struct team {
    struct team *next;
    char driver[16], device[CONFIG_STR_MAX];
    unsigned places, members;
    uint32_t common;
    struct place place[MEMBERS_MAX];
    uint8_t owner[2 * PORTS]; /* of a port that was chosen: number + 1; TCP's, then UDP's */
    uint8_t named[2 * PORTS]; /* instances that have the port by name */
};

struct member {
    struct netdev dev;
    struct netdev_ops ops; /* with the driver's name */
    struct netdev *inner;
    struct team *team;
    struct place *place; /* ours */
    unsigned number;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct team *all;

static struct member *member_of(struct netdev *d)
{
    return CONTAINER_OF(d, struct member, dev);
}

static size_t port_index(uint8_t proto, uint16_t port)
{
    return (proto == IPPROTO_UDP ? PORTS : 0) + (size_t)port;
}

/* --- whose is it --- */

#define TYPE_4    0x0800
#define TYPE_ARP  0x0806
#define TYPE_VLAN 0x8100
#define TYPE_6    0x86dd

enum { ARP_OP = 6, ARP_SPA = 14, ARP_TPA = 24, ARP_BYTES = 28 };
static uint32_t half(const uint8_t *p)
{
    return (uint32_t)p[0] << 8 | p[1];
}

/* Whose a conversation is: addresses of bytes each (4 or 16), the remote port in the upper half of ports. */
static uint32_t of_ends(const struct member *m, uint8_t proto, const uint8_t *remote, const uint8_t *local,
                        unsigned bytes, uint32_t ports)
{
    uint8_t owner = __atomic_load_n(&m->team->owner[port_index(proto, (uint16_t)ports)], __ATOMIC_RELAXED);

    if (UNLIKELY(owner != 0))
        return owner - 1u;
    if (m->inner->deal != NULL)
        return flow_queue(m->inner->deal, flow_fold(remote, local, bytes, ports));
    return flow_hash(flow_word(remote + bytes - 4), flow_word(local + bytes - 4), ports) % m->team->places;
}

/* p: an ARP packet. An announcement has one address for both. */
static uint32_t of_arp(const uint8_t *p, uint32_t len)
{
    return len < ARP_BYTES || p[ARP_OP + 1] != 1 || memcmp(p + ARP_SPA, p + ARP_TPA, 4) == 0 ? ALL : FIRST;
}

static uint32_t of_4(const struct member *m, const uint8_t *p, uint32_t len)
{
    if (len < 24 || p[0] != 0x45 || (half(p + 6) & 0x3fff) != 0)
        return FIRST;
    if (p[9] == IPPROTO_TCP || p[9] == IPPROTO_UDP)
        return of_ends(m, p[9], p + 12, p + 16, 4, flow_word(p + 20));
    return p[9] == IPPROTO_ICMP && p[20] != 8 ? ALL : FIRST;
}

static uint32_t of_6(const struct member *m, const uint8_t *p, uint32_t len)
{
    if (len < 44)
        return FIRST;
    if (p[6] == IPPROTO_TCP || p[6] == IPPROTO_UDP)
        return of_ends(m, p[6], p + 8, p + 24, 16, flow_word(p + 40));
    /* echo requests, router solicitations and neighbour solicitations have one answer */
    return p[6] == IPPROTO_ICMPV6 && p[40] != 128 && p[40] != 133 && p[40] != 135 ? ALL : FIRST;
}

static uint32_t whose(const struct member *m, const struct frame_in *f)
{
    const uint8_t *p = f->ptr + 12;
    uint32_t len = f->len, type;

    if (UNLIKELY(len < 18))
        return FIRST;
    if (UNLIKELY(half(p) == TYPE_VLAN)) {
        p += 4;
        len -= 4;
    }
    type = half(p);
    p += 2;
    len -= 14;
    return type == TYPE_4     ? of_4(m, p, len)
           : type == TYPE_6   ? of_6(m, p, len)
           : type == TYPE_ARP ? of_arp(p, len)
                              : FIRST;
}

/* --- lanes --- */

static uint32_t record_bytes(uint32_t len)
{
    return (uint32_t)((sizeof(struct record) + len + 7) & ~7u);
}

/* False: the lane is full. */
static bool lane_put(struct lane *l, const struct frame_in *f)
{
    uint32_t head = l->head, at = head % LANE_BYTES, need = record_bytes(f->len);
    uint32_t used = head - __atomic_load_n(&l->tail, __ATOMIC_ACQUIRE), skip = LANE_BYTES - at;
    struct record r = {f->len, f->flags};

    if (need <= skip)
        skip = 0;
    if (used + skip + need > LANE_BYTES)
        return false;
    if (skip != 0) {
        memcpy(l->bytes + at, &(uint32_t){NOT_ONE}, sizeof(uint32_t));
        at = 0;
    }
    memcpy(l->bytes + at, &r, sizeof(r));
    memcpy(l->bytes + at + sizeof(r), f->ptr, f->len);
    __atomic_store_n(&l->head, head + skip + need, __ATOMIC_RELEASE);
    return true;
}

static bool lane_is_empty(const struct lane *l)
{
    return __atomic_load_n(&l->head, __ATOMIC_ACQUIRE) == l->tail;
}

/* Takes a frame out. False: there is none, or no memory for it. */
static bool lane_take(struct lane *l, struct netdev *d, struct frame_in *in)
{
    uint32_t at = l->tail % LANE_BYTES;
    struct record r;
    char *obj;

    if (lane_is_empty(l))
        return false;
    memcpy(&r.len, l->bytes + at, sizeof(r.len));
    if (r.len == NOT_ONE) {
        l->tail += LANE_BYTES - at;
        at = 0;
    }
    memcpy(&r, l->bytes + at, sizeof(r));
    obj = mem_alloc(d->mem, FRAME_IN_ROOM + r.len, 1);
    if (obj != NULL)
        memcpy(obj + FRAME_IN_ROOM, l->bytes + at + sizeof(r), r.len);
    else
        NETDEV_COUNT_ADD(d, drop_no_memory, 1);
    __atomic_store_n(&l->tail, l->tail + record_bytes(r.len), __ATOMIC_RELEASE);
    *in = (struct frame_in){.obj = obj, .ptr = (uint8_t *)obj + FRAME_IN_ROOM, .len = r.len, .flags = r.flags};
    return obj != NULL;
}

static void ring_bell(struct place *to)
{
    uint64_t one = 1;

    /* full lane first, then the look at the reader: it says that it sleeps and then looks at its lanes */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (LIKELY(__atomic_load_n(&to->asleep, __ATOMIC_RELAXED) == 0))
        return;
    __atomic_store_n(&to->asleep, 0, __ATOMIC_RELAXED);
    if (write(to->bell, &one, sizeof(one)) < 0)
        return; /* the counter is full: it wakes the reader as it is */
}

static bool is_taken(const struct team *t, unsigned number)
{
    return __atomic_load_n(&t->place[number].taken, __ATOMIC_ACQUIRE) != 0;
}

/* Copies a frame to another member. One that is not there has no use for it. */
static void hand(struct member *m, unsigned number, const struct frame_in *f)
{
    struct place *to = &m->team->place[number];

    if (!is_taken(m->team, number) || !lane_put(to->from[m->number], f)) {
        NETDEV_COUNT_ADD(&m->dev, drop_device_rx, 1);
        return;
    }
    NETDEV_COUNT_ADD(&m->dev, handed_over, 1);
    ring_bell(to);
}

static unsigned first_member(const struct team *t)
{
    unsigned i = 0;

    while (i + 1 < t->places && !is_taken(t, i))
        i++;
    return i;
}

/* Hands on what is not ours. Is f ours, or ours too? */
static bool keep(struct member *m, const struct frame_in *f)
{
    struct team *t = m->team;
    uint32_t to = whose(m, f);

    if (LIKELY(to == m->number))
        return true;
    if (to == ALL) {
        for (unsigned i = 0; i < t->places; i++)
            if (i != m->number && is_taken(t, i))
                hand(m, i, f);
        return true;
    }
    if (to == FIRST)
        to = first_member(t);
    if (to == m->number)
        return true;
    hand(m, to, f);
    return false;
}

/* --- the device --- */

static unsigned spread_rx(struct netdev *d, struct frame_in *in, unsigned max)
{
    struct member *m = member_of(d);
    unsigned n = 0, got, kept;

    for (unsigned i = 0; i < m->team->places; i++)
        while (m->place->from[i] != NULL && n < max && lane_take(m->place->from[i], d, &in[n]))
            n++;
    got = m->inner->ops->rx_burst(m->inner, in + n, max - n);
    d->error = m->inner->error;
    kept = n;
    for (unsigned i = n; i < n + got; i++) {
        if (keep(m, &in[i]))
            in[kept++] = in[i];
        else
            mem_unref(d->mem, in[i].obj);
    }
    return kept;
}

static unsigned spread_tx(struct netdev *d, struct frame **f, unsigned n)
{
    struct member *m = member_of(d);
    unsigned sent = m->inner->ops->tx_burst(m->inner, f, n);

    d->error = m->inner->error;
    return sent;
}

static unsigned apart_rx(struct netdev *d, struct frame_in *in, unsigned max)
{
    struct member *m = member_of(d);
    unsigned n = m->inner->ops->rx_burst(m->inner, in, max);

    d->error = m->inner->error;
    return n;
}

static bool apart_arm(struct netdev *d)
{
    struct netdev *inner = member_of(d)->inner;

    return inner->ops->arm == NULL || inner->ops->arm(inner);
}

static bool spread_arm(struct netdev *d)
{
    struct member *m = member_of(d);
    uint64_t rung;

    if (read(m->place->bell, &rung, sizeof(rung)) < 0)
        rung = 0; /* nobody did */
    __atomic_store_n(&m->place->asleep, 1, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    for (unsigned i = 0; i < m->team->places; i++)
        if (m->place->from[i] != NULL && !lane_is_empty(m->place->from[i]))
            return false;
    return m->inner->ops->arm == NULL || m->inner->ops->arm(m->inner);
}

static int spread_claim(struct netdev *d, const struct netdev_claim *claim, struct error_text *et)
{
    struct netdev *inner = member_of(d)->inner;

    return inner->ops->claim == NULL ? 0 : inner->ops->claim(inner, claim, et);
}

static bool spread_keeps(struct netdev *d, const struct netdev_flow *f)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    unsigned skip = memcmp(f->remote, mapped, 12) == 0 ? 12 : 0;
    uint32_t ports = (uint32_t)f->remote_port << 16 | f->local_port;
    const struct member *m = member_of(d);

    return of_ends(m, f->proto, f->remote + skip, f->local + skip, 16 - skip, ports) == m->number;
}

/* With the lock held. */
static int note_port(struct member *m, const struct netdev_flow *f)
{
    struct team *t = m->team;
    size_t i = port_index(f->proto, f->local_port);

    if (t->owner[i] != 0 || (f->chosen && t->named[i] != 0))
        return -EADDRINUSE;
    if (f->chosen)
        __atomic_store_n(&t->owner[i], (uint8_t)(m->number + 1), __ATOMIC_RELAXED);
    else
        t->named[i]++;
    return 0;
}

static void drop_port(struct member *m, uint8_t proto, uint16_t port)
{
    struct team *t = m->team;
    size_t i = port_index(proto, port);

    pthread_mutex_lock(&lock);
    if (t->owner[i] == m->number + 1)
        __atomic_store_n(&t->owner[i], 0, __ATOMIC_RELAXED);
    else
        t->named[i]--;
    pthread_mutex_unlock(&lock);
}

static int spread_take_port(struct netdev *d, const struct netdev_flow *f)
{
    struct member *m = member_of(d);
    int err;

    pthread_mutex_lock(&lock);
    err = note_port(m, f);
    pthread_mutex_unlock(&lock);
    if (err == 0 && m->inner->ops->take_port != NULL) {
        err = m->inner->ops->take_port(m->inner, f);
        if (err != 0)
            drop_port(m, f->proto, f->local_port);
    }
    return err;
}

static void spread_give_port(struct netdev *d, uint8_t proto, uint16_t port)
{
    struct member *m = member_of(d);

    if (m->inner->ops->give_port != NULL)
        m->inner->ops->give_port(m->inner, proto, port);
    drop_port(m, proto, port);
}

static void spread_forget(struct netdev *d)
{
    struct member *m = member_of(d);

    if (m->inner->ops->forget != NULL)
        m->inner->ops->forget(m->inner);
    else if (m->inner->fd >= 0)
        close(m->inner->fd);
    close(m->place->bell);
    if (d->fd >= 0)
        close(d->fd);
}

/* --- beginning and end --- */

static void team_free(struct team *t)
{
    struct team **p = &all;

    while (*p != NULL && *p != t)
        p = &(*p)->next;
    if (*p != NULL)
        *p = t->next;
    for (unsigned i = 0; i < t->places; i++) {
        for (unsigned k = 0; k < t->places; k++)
            free(t->place[i].from[k]);
        if (t->place[i].bell >= 0)
            close(t->place[i].bell);
    }
    free(t);
}

static bool make_place(struct team *t, unsigned number)
{
    struct place *p = &t->place[number];
    bool good = true;

    p->bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    for (unsigned i = 0; i < t->places; i++) {
        if (i == number)
            continue;
        p->from[i] = aligned_alloc(CACHE_LINE, sizeof(struct lane));
        if (p->from[i] != NULL)
            p->from[i]->head = p->from[i]->tail = 0;
        good = good && p->from[i] != NULL;
    }
    return good && p->bell >= 0;
}

/* The team of a driver's device, made if need be; NULL: no memory, or no descriptor left. */
static struct team *team_of(const char *driver, const struct config *cfg)
{
    struct team *t = all;
    bool good = true;

    while (t != NULL && (strcmp(t->driver, driver) != 0 || strcmp(t->device, cfg->device) != 0))
        t = t->next;
    if (t != NULL)
        return t;
    t = calloc(1, sizeof(*t));
    if (t == NULL)
        return NULL;
    t->places = (unsigned)cfg->net_queues;
    snprintf(t->driver, sizeof(t->driver), "%s", driver);
    snprintf(t->device, sizeof(t->device), "%s", cfg->device);
    for (unsigned i = 0; i < MEMBERS_MAX; i++)
        t->place[i].bell = -1;
    for (unsigned i = 0; i < t->places && good; i++)
        good = make_place(t, i);
    if (!good) {
        team_free(t);
        return NULL;
    }
    t->next = all;
    all = t;
    return t;
}

/* What waits in the lanes is its predecessor's. */
static void sit_down(struct member *m, struct team *t)
{
    m->team = t;
    while (is_taken(t, m->number))
        m->number++;
    m->place = &t->place[m->number];
    for (unsigned i = 0; i < t->places; i++)
        if (m->place->from[i] != NULL)
            m->place->from[i]->tail = __atomic_load_n(&m->place->from[i]->head, __ATOMIC_ACQUIRE);
    t->members++;
}

static void spread_close(struct netdev *d)
{
    struct member *m = member_of(d);

    pthread_mutex_lock(&lock);
    __atomic_store_n(&m->place->taken, 0, __ATOMIC_RELEASE);
    if (m->inner != NULL)
        m->inner->ops->close(m->inner);
    if (d->fd >= 0)
        close(d->fd);
    if (--m->team->members == 0)
        team_free(m->team);
    pthread_mutex_unlock(&lock);
    free(m);
}

static const struct netdev_ops spread_ops = {.rx_burst = spread_rx,
                                             .tx_burst = spread_tx,
                                             .arm = spread_arm,
                                             .claim = spread_claim,
                                             .take_port = spread_take_port,
                                             .give_port = spread_give_port,
                                             .keeps = spread_keeps,
                                             .forget = spread_forget,
                                             .close = spread_close};

/* Cables that have nothing in common but their numbers. */
static const struct netdev_ops apart_ops = {.rx_burst = apart_rx,
                                            .tx_burst = spread_tx,
                                            .arm = apart_arm,
                                            .claim = spread_claim,
                                            .forget = spread_forget,
                                            .close = spread_close};

/* One descriptor to sleep on for the device and the lanes. */
static int make_fd(struct member *m)
{
    struct epoll_event in = {.events = EPOLLIN};

    if (m->inner->fd < 0)
        return 0;
    m->dev.fd = epoll_create1(EPOLL_CLOEXEC);
    if (m->dev.fd < 0 || epoll_ctl(m->dev.fd, EPOLL_CTL_ADD, m->inner->fd, &in) < 0 ||
        epoll_ctl(m->dev.fd, EPOLL_CTL_ADD, m->place->bell, &in) < 0)
        return -errno;
    return 0;
}

/* With the lock held; m is spread_close's on failure. */
static int open_inner(const struct netdev_driver *driver, const struct netdev_params *p, struct member *m,
                      struct error_text *et)
{
    struct netdev_params of_queue = *p;
    int err;

    of_queue.queue = m->number;
    of_queue.common = &m->team->common;
    err = driver->open(&of_queue, &m->inner, et);
    if (err < 0)
        return err;
    m->dev.ifindex = m->inner->ifindex;
    m->dev.offload = m->inner->offload;
    m->dev.mtu = m->inner->mtu;
    m->dev.shared = m->inner->shared;
    memcpy(m->dev.mac, m->inner->mac, sizeof(m->dev.mac));
    err = make_fd(m);
    if (err < 0)
        return error_set(et, -err, "net_queues: %s", strerror(-err));
    __atomic_store_n(&m->place->taken, 1, __ATOMIC_RELEASE);
    return 0;
}

static int join(const struct netdev_driver *driver, const struct netdev_params *p, struct member *m,
                struct error_text *et)
{
    struct team *t = team_of(driver->name, p->cfg);

    if (t == NULL)
        return error_set(et, ENOMEM, "net_queues: no memory for %u instances", (unsigned)p->cfg->net_queues);
    if (t->places != p->cfg->net_queues)
        return error_set(et, EINVAL, "net_queues: other instances of this process have %u", t->places);
    if (t->members == t->places)
        return error_set(et, EBUSY, "device %s: its %u queues are in use in this process (net_queues)", p->cfg->device,
                         t->places);
    sit_down(m, t);
    return open_inner(driver, p, m, et);
}

int spread_open(const struct netdev_driver *driver, const struct netdev_params *p, struct netdev **d,
                struct error_text *et)
{
    struct member *m = calloc(1, sizeof(*m));
    int err;

    if (m == NULL)
        return error_set(et, ENOMEM, "no memory for a device");
    m->ops = driver->queues == NETDEV_APART ? apart_ops : spread_ops;
    m->ops.name = driver->name;
    m->dev = (struct netdev){.ops = &m->ops, .mem = p->mem, .count = p->count, .fd = -1};
    pthread_mutex_lock(&lock);
    err = join(driver, p, m, et);
    pthread_mutex_unlock(&lock);
    if (err == 0)
        *d = &m->dev;
    else if (m->team != NULL)
        spread_close(&m->dev);
    else
        free(m);
    return err;
}
