/* SPDX-License-Identifier: MIT */
/*
 * The neighbour cache of both families: RFC 4861 section 7.3, and for IPv4 the same states with ARP's messages.
 *
 * A link address that is in use is good for cfg.neigh_reach_ns after the last word from it; then, when it is in use
 * and no transport heard from it for five more seconds, it is asked again by unicast, and used meanwhile; at once when
 * a transport waits in vain for an answer. Paths hold a
 * copy of the link address; whatever makes such a copy wrong calls inet_changed. The only thing a path does on its fast
 * way is to note that its peer answered (ip_path_confirm).
 */
#include "internal.h"

#define NEIGH_TRIES    3
#define NEIGH_RETRY_NS (500 * NS_PER_MS) /* and twice as long each time */
#define NEIGH_DELAY_NS (5 * NS_PER_S)    /* RFC 4861, section 10 */
#define NEIGH_HOLD_NS  NS_PER_S          /* how long a neighbour that did not answer is refused at once */
#define NEIGH_LOOK     16                /* entries looked at for one that can be thrown out */

static struct neigh_table *table_of(const struct inet *in)
{
    return &stack_of(in)->neigh;
}

int neigh_init(struct inet *in)
{
    struct neigh_table *t = table_of(in);

    t->capacity = (uint16_t)in->cfg.neighbours;
    for (t->buckets = 16; t->buckets < t->capacity && t->buckets < 32768;)
        t->buckets = (uint16_t)(t->buckets * 2);
    t->entry = in->env.reserve(in->env.ctx, t->capacity * sizeof(*t->entry));
    t->bucket = in->env.reserve(in->env.ctx, t->buckets * sizeof(*t->bucket));
    if (t->entry == NULL || t->bucket == NULL)
        return -ENOMEM;
    memset(t->bucket, 0xff, t->buckets * sizeof(*t->bucket));
    t->free = NEIGH_NONE;
    t->key = in->env.random(in->env.ctx) | 1;
    return 0;
}

static void drop_waiting(struct inet *in, struct neigh *n)
{
    struct frame *f;

    while ((f = n->first) != NULL) {
        n->first = f->next;
        frame_free(in->env.mem, f);
    }
    table_of(in)->waiting = (uint16_t)(table_of(in)->waiting - n->waiting);
    n->waiting = 0;
}

void neigh_fini(struct inet *in)
{
    struct neigh_table *t = table_of(in);

    for (unsigned i = 0; t->entry != NULL && i < t->carved; i++) {
        drop_waiting(in, &t->entry[i]);
        timer_cancel(in->env.timers, &t->entry[i].timer);
    }
    if (t->entry != NULL)
        in->env.unreserve(in->env.ctx, t->entry, t->capacity * sizeof(*t->entry));
    if (t->bucket != NULL)
        in->env.unreserve(in->env.ctx, t->bucket, t->buckets * sizeof(*t->bucket));
}

static uint16_t *bucket_of(struct neigh_table *t, const struct inet_addr *a)
{
    uint64_t h = (a->q[0] ^ a->q[1]) * t->key;

    return &t->bucket[(h >> 40) & (uint64_t)(t->buckets - 1)];
}

static struct neigh *neigh_find(struct inet *in, const struct inet_addr *a)
{
    struct neigh_table *t = table_of(in);

    for (uint16_t i = *bucket_of(t, a); i != NEIGH_NONE; i = t->entry[i].next)
        if (inet_addr_equal(&t->entry[i].addr, a))
            return &t->entry[i];
    return NULL;
}

static uint16_t index_of(const struct neigh_table *t, const struct neigh *n)
{
    return (uint16_t)(n - t->entry);
}

/* Forgets an entry, whose waiting frames are gone. */
static void neigh_remove(struct inet *in, struct neigh *n)
{
    struct neigh_table *t = table_of(in);
    uint16_t *link = bucket_of(t, &n->addr);

    assert(n->waiting == 0);
    while (*link != index_of(t, n))
        link = &t->entry[*link].next;
    *link = n->next;
    timer_cancel(in->env.timers, &n->timer);
    n->state = NEIGH_FREE;
    n->next = t->free;
    t->free = index_of(t, n);
    inet_changed(in);
}

/* Makes room: the hand goes round and throws out the first entry that nothing waits for. */
static bool neigh_evict(struct inet *in)
{
    struct neigh_table *t = table_of(in);

    for (unsigned i = 0; i < NEIGH_LOOK && i < t->capacity; i++) {
        struct neigh *n = &t->entry[t->hand];

        t->hand = (uint16_t)((t->hand + 1) % t->capacity);
        if (n->state == NEIGH_STATIC || n->state == NEIGH_INCOMPLETE)
            continue;
        INET_COUNT(in, neigh_full);
        neigh_remove(in, n);
        return true;
    }
    return false;
}

static struct neigh *neigh_make(struct inet *in, const struct inet_addr *a, enum neigh_state state)
{
    struct neigh_table *t = table_of(in);
    struct neigh *n;
    uint16_t *bucket;

    if (t->free == NEIGH_NONE && t->carved == t->capacity && !neigh_evict(in))
        return NULL;
    if (t->free != NEIGH_NONE) {
        n = &t->entry[t->free];
        t->free = n->next;
    } else {
        n = &t->entry[t->carved++];
    }
    bucket = bucket_of(t, a);
    *n = (struct neigh){.addr = *a, .in = in, .state = (uint8_t)state, .next = *bucket};
    *bucket = index_of(t, n);
    return n;
}

static void neigh_fire(struct timer *timer, void *arg);

static void neigh_arm(struct neigh *n, uint64_t at_ns)
{
    timer_arm(n->in->env.timers, &n->timer, at_ns, neigh_fire, n);
}

static void neigh_ask(struct neigh *n)
{
    const uint8_t *mac = n->state == NEIGH_PROBE ? n->mac : NULL;

    INET_COUNT(n->in, arp_requests);
    if (inet_addr_is4(&n->addr))
        arp_request(n->in, &n->addr, mac);
    else
        ndisc_solicit(n->in, &n->addr, mac);
    neigh_arm(n, n->in->env.now_ns + (NEIGH_RETRY_NS << n->tries));
    n->tries++;
}

static void neigh_reachable(struct neigh *n)
{
    n->state = NEIGH_REACHABLE;
    n->tries = 0;
    n->confirmed_ns = n->in->env.now_ns;
    neigh_arm(n, n->confirmed_ns + n->in->cfg.neigh_reach_ns);
}

/* Tells the transports about what waited in vain. */
static void neigh_fail(struct neigh *n)
{
    struct inet *in = n->in;
    struct frame *first = n->first, *f;

    INET_COUNT(in, neigh_failures);
    table_of(in)->waiting = (uint16_t)(table_of(in)->waiting - n->waiting);
    n->first = n->last = NULL;
    n->waiting = 0;
    n->state = NEIGH_FAILED;
    neigh_arm(n, in->env.now_ns + NEIGH_HOLD_NS);
    inet_changed(in);
    while ((f = first) != NULL) {
        first = f->next;
        INET_COUNT(in, drop_neigh_failed);
        ip_undelivered(in, f);
        frame_free(in->env.mem, f);
    }
}

/* Did a transport, or an answer, confirm the link address of late? */
static bool is_confirmed(const struct neigh *n)
{
    return n->confirmed_ns != 0 && n->confirmed_ns + n->in->cfg.neigh_reach_ns > n->in->env.now_ns;
}

/* The link address is doubtful: it serves, and is asked for again after its next use (RFC 4861, section 7.2.5). */
static void doubt(struct neigh *n)
{
    n->state = NEIGH_STALE;
    n->confirmed_ns = 0;
    timer_cancel(n->in->env.timers, &n->timer);
    inet_changed(n->in);
}

static void neigh_fire(struct timer *timer, void *arg)
{
    struct neigh *n = arg;
    struct inet *in = n->in;

    (void)timer;
    switch (n->state) {
    case NEIGH_INCOMPLETE:
        if (n->tries < NEIGH_TRIES)
            neigh_ask(n);
        else
            neigh_fail(n);
        break;
    case NEIGH_DELAY:
    case NEIGH_PROBE:
        if (n->state == NEIGH_DELAY) {
            n->state = NEIGH_PROBE;
            n->tries = 0;
        }
        if (is_confirmed(n)) {
            neigh_reachable(n); /* a transport had an answer meanwhile */
        } else if (n->tries < NEIGH_TRIES) {
            neigh_ask(n);
        } else {
            INET_COUNT(in, neigh_failures);
            neigh_remove(in, n); /* the next packet asks everybody */
        }
        break;
    case NEIGH_REACHABLE:
        if (is_confirmed(n)) {
            neigh_arm(n, n->confirmed_ns + in->cfg.neigh_reach_ns);
        } else {
            n->state = NEIGH_STALE;
            inet_changed(in);
        }
        break;
    default:
        neigh_remove(in, n);
        break;
    }
}

uint16_t neigh_resolve(struct inet *in, const struct inet_addr *a, int *err)
{
    struct neigh *n = neigh_find(in, a);

    *err = 0;
    if (n == NULL) {
        n = neigh_make(in, a, NEIGH_INCOMPLETE);
        if (n == NULL)
            *err = -ENOBUFS;
        else
            neigh_ask(n);
        return NEIGH_NONE;
    }
    switch (n->state) {
    case NEIGH_INCOMPLETE:
        return NEIGH_NONE;
    case NEIGH_FAILED:
        *err = -EHOSTUNREACH;
        return NEIGH_NONE;
    case NEIGH_STALE:
        n->state = NEIGH_DELAY;
        neigh_arm(n, in->env.now_ns + NEIGH_DELAY_NS);
        break;
    default:
        break;
    }
    return index_of(table_of(in), n);
}

const uint8_t *neigh_mac(const struct inet *in, uint16_t index)
{
    return table_of(in)->entry[index].mac;
}

int neigh_wait(struct inet *in, const struct inet_addr *a, struct frame *f)
{
    struct neigh_table *t = table_of(in);
    struct neigh *n = neigh_find(in, a);
    struct frame *oldest;

    assert(n != NULL && n->state == NEIGH_INCOMPLETE);
    if (n->waiting == NEIGH_WAITING) { /* RFC 4861, section 7.2.2: the oldest goes */
        oldest = n->first;
        n->first = oldest->next;
        frame_free(in->env.mem, oldest);
        n->waiting--;
        t->waiting--;
        INET_COUNT(in, drop_neigh_full);
    } else if (t->waiting >= NEIGH_WAITING_ALL) {
        frame_free(in->env.mem, f);
        INET_COUNT(in, drop_neigh_full);
        return -ENOBUFS;
    }
    f->next = NULL;
    if (n->first == NULL)
        n->first = f;
    else
        n->last->next = f;
    n->last = f;
    n->waiting++;
    t->waiting++;
    return 0;
}

static void send_waiting(struct inet *in, struct neigh *n)
{
    struct frame *f, *first = n->first;
    uint16_t type = inet_addr_is4(&n->addr) ? ETHERTYPE_4 : ETHERTYPE_6;

    table_of(in)->waiting = (uint16_t)(table_of(in)->waiting - n->waiting);
    n->first = n->last = NULL;
    n->waiting = 0;
    while ((f = first) != NULL) {
        first = f->next;
        f->next = NULL;
        eth_output(in, f, n->mac, type);
    }
}

void neigh_learn(struct inet *in, const struct inet_addr *a, const uint8_t mac[6], bool solicited, bool create,
                 bool override)
{
    struct neigh *n = neigh_find(in, a);
    bool differs;

    if (n == NULL) {
        n = create ? neigh_make(in, a, NEIGH_STALE) : NULL;
        if (n != NULL)
            memcpy(n->mac, mac, 6);
        return;
    }
    if (n->state == NEIGH_STATIC)
        return;
    if (n->state == NEIGH_INCOMPLETE || n->state == NEIGH_FAILED) {
        memcpy(n->mac, mac, 6);
        neigh_reachable(n);
        inet_changed(in);
        send_waiting(in, n);
        return;
    }
    differs = memcmp(n->mac, mac, 6) != 0;
    if (differs && !override) {
        if (n->state == NEIGH_REACHABLE)
            doubt(n); /* two claim it; ask before going on for long */
        return;
    }
    if (differs) {
        memcpy(n->mac, mac, 6);
        doubt(n);
    }
    if (solicited)
        neigh_reachable(n);
}

int inet_neigh_add(struct inet *in, const struct inet_addr *a, const uint8_t mac[6])
{
    struct neigh *n = neigh_find(in, a);

    if (inet_addr_is_multicast(a) || inet_addr_is_any(a) || (mac[0] & 1) != 0)
        return -EINVAL;
    if (n == NULL) {
        n = neigh_make(in, a, NEIGH_STATIC);
        if (n == NULL)
            return -ENOSPC;
    }
    memcpy(n->mac, mac, 6);
    n->state = NEIGH_STATIC;
    timer_cancel(in->env.timers, &n->timer);
    inet_changed(in);
    send_waiting(in, n);
    return 0;
}

void ip_path_confirm(struct inet *in, const struct ip_path *p)
{
    if (p->generation == in->generation && p->neigh != NEIGH_NONE)
        table_of(in)->entry[p->neigh].confirmed_ns = in->env.now_ns;
}

void ip_path_doubt(struct inet *in, const struct ip_path *p)
{
    struct neigh *n;

    if (p->generation != in->generation || p->neigh == NEIGH_NONE)
        return;
    n = &table_of(in)->entry[p->neigh];
    if (n->state != NEIGH_REACHABLE && n->state != NEIGH_STALE && n->state != NEIGH_DELAY)
        return;
    n->state = NEIGH_PROBE;
    n->confirmed_ns = 0;
    n->tries = 0;
    neigh_ask(n);
}
