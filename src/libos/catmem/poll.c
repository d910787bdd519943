/* SPDX-License-Identifier: MIT */
/*
 * catmem: what is looked at in a turn, and sleeping.
 *
 * 1. Up to CATMEM_HOT connections are hot: their next line is compared in every turn, one load each. All others are
 * parked: whoever writes to them sets a bit in our bell, and a turn looks at one word for all of them. New connections
 * are hot while there is room. A parked connection that rings takes a free place; when there is none, connections that
 * were quiet for a whole sweep make room. Parking needs a barrier on all processors (bell.h, 3): once a sweep at most,
 * and only while parked connections ring.
 * 2. Connections with pushes that wait are in a circular list; a turn looks at a few of them: has the peer made room,
 * given something back, or has the application freed what it pushed?
 * 3. The unix sockets are in an epoll set of their own, which the instance's set contains. It is looked at once a
 * millisecond, after a sleep, and every turn for a while when a greeting is under way. Rejected: the instance's set
 * itself, whose events go to queues: a connection that nobody has accepted yet, or that is closed and waits for
 * references, has none.
 */
#include "catmem.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BUSY_A_TURN     8    /* connections with pushes that wait, looked at in a turn */
#define SWEEP_TURNS     8192 /* turns between looks for hot connections that are quiet */
#define EXPECT_TURNS    2048 /* turns in which a greeting may come */
#define CONTROL_EVENTS  64
#define QUICK_SLEEP_NS  (200 * NS_PER_US) /* sleeps closer together than this are many */
#define QUICK_SLEEP_MAX 16                /* so many in a row: the writers shall fence */

/* Slots and the control set. */

static bool grow_slots(struct catmem *m)
{
    uint32_t room = m->slot_room == 0 ? 64 : 2 * m->slot_room;
    struct catmem_slot *fresh;

    if (room > BELL_SLOTS)
        return false;
    fresh = realloc(m->slots, room * sizeof(*fresh));
    if (fresh == NULL)
        return false;
    m->slots = fresh;
    m->slot_room = room;
    return true;
}

static int control(struct watched *w, int how, uint32_t events)
{
    struct epoll_event ev = {.events = events, .data.u64 = (uint64_t)w->m->slots[w->slot].generation << 32 | w->slot};

    return epoll_ctl(w->m->control_fd, how, w->fd, &ev) == 0 ? 0 : -errno;
}

int catmem_watch(struct catmem *m, struct watched *w, uint32_t events)
{
    uint32_t i = m->slot_free;
    int err = 0;

    if (i == CATMEM_NIL) {
        if (m->slot_count == m->slot_room && !grow_slots(m)) {
            COUNT(m->inst, queues_full);
            return m->slot_room == BELL_SLOTS ? -EMFILE : -ENOMEM;
        }
        i = m->slot_count++;
        m->slots[i].generation = 0;
    } else {
        m->slot_free = m->slots[i].next_free;
    }
    w->m = m;
    w->slot = i;
    m->slots[i].watched = w;
    m->slots_used++;
    if (events != 0)
        err = control(w, EPOLL_CTL_ADD, events);
    if (err < 0)
        catmem_unwatch(w);
    return err;
}

int catmem_rewatch(struct watched *w, uint32_t events)
{
    int err = control(w, EPOLL_CTL_MOD, events);

    return err == -ENOENT ? control(w, EPOLL_CTL_ADD, events) : err;
}

void catmem_unlisten(struct watched *w)
{
    epoll_ctl(w->m->control_fd, EPOLL_CTL_DEL, w->fd, NULL);
}

void catmem_unwatch(struct watched *w)
{
    struct catmem_slot *s = &w->m->slots[w->slot];

    assert(s->watched == w);
    if (w->fd >= 0)
        catmem_unlisten(w);
    s->watched = NULL;
    w->m->slots_used--;
    s->generation++;
    s->next_free = w->m->slot_free;
    w->m->slot_free = w->slot;
}

/* Handles what the control set reports. Returns how much it was. */
static int look_at_control(struct catmem *m)
{
    struct epoll_event ev[CONTROL_EVENTS];
    int n = epoll_wait(m->control_fd, ev, CONTROL_EVENTS, 0);

    m->woken = false;
    COUNT(m->inst, syscalls);
    for (int i = 0; i < n; i++) {
        uint32_t slot = (uint32_t)ev[i].data.u64;

        /* an event before it may have freed what this one is for */
        if (m->slots[slot].watched != NULL && m->slots[slot].generation == ev[i].data.u64 >> 32)
            m->slots[slot].watched->event(m->slots[slot].watched, ev[i].events);
    }
    return n > 0 ? n : 0;
}

void catmem_expect_control(struct catmem *m)
{
    m->control_turns = EXPECT_TURNS;
}

/* Hot and parked. */

void catmem_update_polling(struct conn *c)
{
    struct hot *h;

    if (c->hot == CATMEM_NIL)
        return;
    h = &c->watched.m->hot[c->hot];
    h->line = &c->rx[c->rx_pos & c->mask];
    h->stamp = (c->flags & (CONN_STALLED | CONN_CLOSE_SEEN)) == 0 ? ring_stamp(c->rx_pos) : RING_NEVER;
    h->back = &c->theirs->given_back[c->out_back % RING_REFS];
    h->back_number = c->out_count > 0 ? c->out_back + 1 : RING_NEVER;
    c->last_active = c->watched.m->sweep;
}

static void make_hot(struct conn *c)
{
    struct catmem *m = c->watched.m;

    c->hot = m->hot_count++;
    m->hot[c->hot].conn = c;
    catmem_update_polling(c);
    /* Relaxed: a writer that sees it late rings for nothing. */
    atomic_store_explicit(&c->mine->parked, 0, memory_order_relaxed);
}

static void make_cold(struct conn *c)
{
    struct catmem *m = c->watched.m;
    struct hot *last = &m->hot[--m->hot_count];

    last->conn->hot = c->hot;
    m->hot[c->hot] = *last;
    c->hot = CATMEM_NIL;
}

void catmem_start_polling(struct conn *c)
{
    if (c->watched.m->hot_count < CATMEM_HOT)
        make_hot(c);
}

void catmem_stop_polling(struct conn *c)
{
    if (c->hot != CATMEM_NIL)
        make_cold(c);
}

void catmem_look_again(struct conn *c)
{
    bell_ring(c->watched.m->bell, c->watched.slot);
}

/* Everything stored here before is seen by writers who do not see what follows: see bell.h. */
static void order_before_look(struct catmem *m)
{
    atomic_thread_fence(memory_order_seq_cst);
    /* Relaxed: our own word. */
    if (atomic_load_explicit(&m->bell->fenced, memory_order_relaxed) == 0)
        syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0);
}

/* Parked connections ring and all places are taken: those that were quiet since the last sweep make room. */
static void sweep(struct catmem *m)
{
    struct conn *parked[CATMEM_HOT];
    uint32_t n = 0;

    m->sweep++;
    if (m->bells == 0 || m->hot_count < CATMEM_HOT)
        return;
    m->bells = 0;
    for (uint32_t i = m->hot_count; i-- > 0;) {
        struct conn *c = m->hot[i].conn;

        if (m->sweep - c->last_active < 2)
            continue;
        make_cold(c);
        /* Relaxed: the barrier for all of them follows. */
        atomic_store_explicit(&c->mine->parked, 1, memory_order_relaxed);
        parked[n++] = c;
    }
    if (n == 0)
        return;
    order_before_look(m);
    while (n-- > 0)
        catmem_look_again(parked[n]);
}

void catmem_ring_peer(struct conn *c)
{
    struct bell *b = c->peer->bell;
    uint64_t one = 1;

    /* Relaxed: ordered by the caller's fence or the owner's barrier. */
    if (atomic_load_explicit(&c->theirs->parked, memory_order_relaxed) != 0)
        bell_ring(b, c->peer_slot);
    /* Sequentially consistent: after the bell's bits. Of several writers one wakes the owner. */
    if (atomic_load(&b->sleeping) == 0 || atomic_exchange(&b->sleeping, 0) == 0)
        return;
    COUNT(c->watched.m->inst, syscalls);
    COUNT(c->watched.m->inst, peers_woken);
    if (write(c->peer->bell_fd, &one, sizeof(one)) < 0)
        return; /* its count is full: it is awake for sure */
}

/* A connection rang. If it was not for nothing it is polled from now on, where there is room. */
static void look_at(struct conn *c)
{
    struct catmem *m = c->watched.m;
    uint64_t work = m->work;

    if (c->state != CONN_OPEN || (c->flags & (CONN_GONE | CONN_BROKEN)) != 0)
        return;
    if (c->out_count > 0 || (c->flags & CONN_BUSY) != 0)
        tx_progress(c);
    if ((c->flags & CONN_STALLED) == 0)
        rx_take(c, CATMEM_BATCH);
    if (m->work == work || c->hot != CATMEM_NIL || (c->flags & (CONN_BROKEN | CONN_DOOMED)) != 0)
        return;
    if (m->hot_count < CATMEM_HOT)
        make_hot(c);
    else if ((c->flags & CONN_STALLED) == 0 && rx_is_ready(c))
        catmem_look_again(c);
}

static void answer_slot(struct catmem *m, uint32_t slot)
{
    struct watched *w = slot < m->slot_count ? m->slots[slot].watched : NULL;

    if (w == NULL || !conn_is_watched(w))
        return;
    m->bells++;
    look_at(CONTAINER_OF(w, struct conn, watched));
}

/* Takes the bell's bits from the top down. Acquire: what was published before a bit is seen after it. */
static void answer_bell(struct catmem *m)
{
    uint64_t mids = atomic_exchange_explicit(&m->bell->top, 0, memory_order_acquire);

    for (; mids != 0; mids &= mids - 1) {
        uint32_t mid = (uint32_t)__builtin_ctzll(mids);
        uint64_t words = atomic_exchange_explicit(&m->bell->mid[mid], 0, memory_order_acquire);

        for (; words != 0; words &= words - 1) {
            uint32_t word = mid * 64 + (uint32_t)__builtin_ctzll(words);
            uint64_t bits = atomic_exchange_explicit(&m->bell->word[word], 0, memory_order_acq_rel);

            for (; bits != 0; bits &= bits - 1)
                answer_slot(m, word * 64 + (uint32_t)__builtin_ctzll(bits));
        }
    }
}

/* Connections with pushes that wait. */

void catmem_add_busy(struct conn *c)
{
    struct catmem *m = c->watched.m;

    if ((c->flags & CONN_BUSY) != 0)
        return;
    c->flags |= CONN_BUSY;
    if (m->busy == NULL) {
        m->busy = c->busy_next = c->busy_prev = c;
        return;
    }
    c->busy_next = m->busy;
    c->busy_prev = m->busy->busy_prev;
    c->busy_prev->busy_next = c;
    c->busy_next->busy_prev = c;
}

void catmem_remove_busy(struct conn *c)
{
    struct catmem *m = c->watched.m;

    if ((c->flags & CONN_BUSY) == 0)
        return;
    c->flags &= (uint16_t)~CONN_BUSY;
    if (m->busy == c)
        m->busy = c->busy_next == c ? NULL : c->busy_next;
    c->busy_prev->busy_next = c->busy_next;
    c->busy_next->busy_prev = c->busy_prev;
}

static void look_at_busy(struct catmem *m, uint32_t most)
{
    const struct conn *last = m->busy != NULL ? m->busy->busy_prev : NULL;

    while (most-- > 0 && m->busy != NULL) {
        struct conn *c = m->busy;
        bool end = c == last;

        m->busy = c->busy_next; /* the next turn goes on behind it */
        tx_progress(c);
        if (end)
            break;
    }
}

/* The poll loop. */

static void free_doomed(struct catmem *m)
{
    while (m->doomed != NULL) {
        struct conn *c = m->doomed;

        m->doomed = c->next_doomed;
        conn_free(c);
    }
}

static inline void look_at_hot(struct catmem *m)
{
    for (uint32_t i = 0; i < m->hot_count; i++) {
        const struct hot *h = &m->hot[i];

        /* Relaxed: whoever finds something looks again, with order. */
        if (UNLIKELY(atomic_load_explicit(&h->line->head, memory_order_relaxed) >> RING_STAMP_SHIFT == h->stamp))
            rx_take(h->conn, CATMEM_BATCH);
        if (UNLIKELY(i < m->hot_count && atomic_load_explicit(h->back, memory_order_relaxed) >> 8 == h->back_number))
            tx_progress(h->conn);
    }
}

/* Nothing but the control set can have news: it is looked at more often. */
static inline bool waits_for_control(const struct catmem *m)
{
    return m->hot_count == 0 && m->slots_used > 0 && m->turns % 8 == 0;
}

static COLD void do_chores(struct catmem *m)
{
    struct instance *inst = m->inst;

    free_doomed(m);
    if (m->busy != NULL)
        look_at_busy(m, BUSY_A_TURN);
    if (m->turns % SWEEP_TURNS == 0)
        sweep(m);
    if (m->control_turns > 0 || m->woken || inst->tick_ns != m->seen_tick_ns || waits_for_control(m)) {
        m->control_turns -= m->control_turns > 0;
        m->seen_tick_ns = inst->tick_ns;
        look_at_control(m);
    }
}

static enum co_status look(struct instance *inst, struct op *task)
{
    struct catmem *m = catmem_of(inst);

    (void)task;
    m->turns++;
    look_at_hot(m);
    /* Relaxed: answered with order. */
    if (UNLIKELY(atomic_load_explicit(&m->bell->top, memory_order_relaxed) != 0))
        answer_bell(m);
    if (UNLIKELY((m->busy != NULL) | (m->doomed != NULL) | (m->control_turns > 0) | m->woken |
                 (inst->tick_ns != m->seen_tick_ns) | waits_for_control(m) | (m->turns % SWEEP_TURNS == 0)))
        do_chores(m);
    return CO_AGAIN;
}

/* Whoever sleeps often pays more for its barriers than its writers would for fences. */
static void judge_sleep(struct catmem *m)
{
    uint64_t now = m->inst->now_ns;

    m->quick_sleeps = now - m->last_sleep_ns < QUICK_SLEEP_NS ? m->quick_sleeps + 1 : 0;
    m->last_sleep_ns = now;
    if (m->quick_sleeps < QUICK_SLEEP_MAX || atomic_load_explicit(&m->bell->fenced, memory_order_relaxed) != 0)
        return;
    /* Relaxed: whoever writes after this last barrier sees it; what was written before is seen by the look to come. */
    atomic_store_explicit(&m->bell->fenced, 1, memory_order_relaxed);
    syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0);
}

static bool arm(struct instance *inst)
{
    struct catmem *m = catmem_of(inst);
    uint64_t work = m->work;

    free_doomed(m);
    if (look_at_control(m) > 0)
        return false;
    judge_sleep(m);
    /* Relaxed: the barrier follows. */
    atomic_store_explicit(&m->bell->sleeping, 1, memory_order_relaxed);
    order_before_look(m);
    look_at_hot(m);
    if (atomic_load_explicit(&m->bell->top, memory_order_relaxed) != 0)
        answer_bell(m);
    look_at_busy(m, UINT32_MAX);
    if (m->work == work && m->doomed == NULL)
        return true;
    atomic_store_explicit(&m->bell->sleeping, 0, memory_order_relaxed);
    return false;
}

static void disarm(struct instance *inst)
{
    struct catmem *m = catmem_of(inst);

    /* Relaxed: a writer that sees it late wakes us for nothing. */
    atomic_store_explicit(&m->bell->sleeping, 0, memory_order_relaxed);
    m->woken = true;
}

int catmem_poll_init(struct catmem *m)
{
    int err;

    m->slot_free = CATMEM_NIL;
    m->control_fd = epoll_create1(EPOLL_CLOEXEC);
    if (m->control_fd < 0)
        return error_set(&m->inst->error, errno, "catmem: epoll_create1: %s", strerror(errno));
    err = instance_watch_wakeup(m->inst, m->control_fd);
    if (err == 0)
        err = instance_watch_wakeup(m->inst, m->bell_fd);
    if (err == 0)
        err = instance_add_poller(m->inst, look, arm, disarm);
    return err == 0 ? 0 : error_set(&m->inst->error, -err, "catmem: %s", strerror(-err));
}

void catmem_poll_fini(struct catmem *m)
{
    free_doomed(m);
    for (uint32_t i = 0; i < m->slot_count; i++)
        if (m->slots[i].watched != NULL)
            conn_free(CONTAINER_OF(m->slots[i].watched, struct conn, watched));
    free(m->slots);
    if (m->control_fd >= 0)
        close(m->control_fd);
}
