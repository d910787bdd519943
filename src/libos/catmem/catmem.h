/* SPDX-License-Identifier: MIT */
/*
 * catmem: PDPIX's sockets between processes of one host, through shared memory.
 *
 * ring.h   memory that both ends of a connection map: a ring each way, releases
 * bell.h   memory that an instance shares with all its peers: who has something, who sleeps
 * name.c   addresses and ports as names of unix sockets
 * greet.c  connecting and accepting: the exchange of descriptors over a unix socket
 * peer.c   the mappings of another instance's memory, one each however many connections there are
 * conn.c   a connection's life: made, closed, its peer closes or dies
 * tx.c     pushes; what became of messages that went by reference
 * rx.c     pops; what comes in
 * poll.c   which connections are looked at in a turn, and sleeping
 * catmem.c the calls of struct queue_ops and struct libos
 *
 * Who may do what: two instances share all buffer memory, so they trust each other as two threads of one program do;
 * they must be of one user, or one of root. What arrives over the rendezvous and through the rings is judged all the
 * same, so that a peer that is another version, broken or dead costs its connections and nothing more. A region is
 * mapped for writing: a message that went over by reference belongs to the application that popped it. Rejected:
 * mapping it for reading (a program that changes what it popped would crash); one region for all processes of a user
 * (who frees what a dead process held?).
 */
#ifndef CATMEM_CATMEM_H
#define CATMEM_CATMEM_H

#include "bell.h"
#include "core/complete.h"
#include "core/instance.h"
#include "libos/prefix.h"
#include "ring.h"

#include <sys/socket.h>

#define CATMEM_HOT         16 /* connections that are polled themselves */
#define CATMEM_NIL         UINT32_MAX
#define CATMEM_RX_MESSAGES 1024                /* messages taken for an application that does not pop */
#define CATMEM_RX_BYTES    (UINT64_C(1) << 20) /* and bytes of them that were copied; SO_RCVBUF changes it */
#define CATMEM_GREET_NS    (5 * NS_PER_S)      /* a peer that says nothing for so long is given up */
#define CATMEM_BATCH       64                  /* records taken from a connection in one go */

struct catmem;

/* A descriptor in the control epoll set, and a slot in the table; a connection's slot is its bit in the bell. */
struct watched {
    void (*event)(struct watched *w, uint32_t events);
    struct catmem *m;
    uint32_t slot;
    int fd;
};

struct catmem_slot {
    struct watched *watched; /* NULL: free */
    uint32_t generation;     /* tells an event for an earlier user of the slot */
    uint32_t next_free;
};

/* Another instance, or this one: found by its region's device and inode, which nobody can forge. */
struct peer {
    struct peer *next;
    uint64_t dev, ino;
    char *region;
    size_t region_bytes;
    struct bell *bell;
    int bell_fd;
    int pid;
    uint32_t refs; /* connections */
    bool dead;     /* told once */
};

/* An address of either family, in network byte order; travels in greetings. */
struct catmem_address {
    uint16_t family; /* AF_INET, AF_INET6 */
    uint16_t port;
    uint8_t ip[16]; /* four bytes for AF_INET, the others zero */
};

/* What was taken from the ring and waits for a pop. */
struct message {
    void *obj; /* one reference */
    char *ptr;
    uint32_t len;
    uint32_t copied; /* bytes it counts for in rx_bytes */
};

/* A message of ours that is out by reference, under the cookie that is its place in the table. */
struct out_ref {
    void *obj;   /* one reference; NULL once it came home */
    uint32_t op; /* the push that waits for it, or OP_NIL */
    uint32_t next_free;
    bool used;
};

enum conn_state {
    CONN_DIALING,  /* connecting: greeting not sent yet */
    CONN_GREETED,  /* connecting: greeting sent */
    CONN_ANSWERED, /* accepted by the kernel: greeting not come yet */
    CONN_OPEN,
};

enum conn_flag {
    CONN_FIN_SEEN = 1,     /* the peer sends no more */
    CONN_CLOSE_SEEN = 2,   /* the peer has closed or reset: a clean end */
    CONN_GONE = 4,         /* the unix socket is at its end: the peer holds nothing of ours */
    CONN_BROKEN = 8,       /* the peer broke the rules: nothing is read from it any more */
    CONN_STALLED = 16,     /* taking has stopped until the application pops */
    CONN_SHUT_RD = 32,     /* what comes is thrown away */
    CONN_CLOSED = 64,      /* the queue is closed: only references are left */
    CONN_FIN_WANTED = 128, /* a FIN follows the pushes that wait */
    CONN_BUSY = 256,       /* in the list of connections with pushes that wait */
    CONN_HALF = 1024,      /* our side of the unix socket is at its end: we hold nothing of the peer's */
    CONN_DOOMED = 512,     /* to be freed in the next turn */
};

struct conn {
    struct watched watched; /* the unix socket */
    /* taking */
    struct ring_line *rx;
    uint32_t mask; /* of both rings' lines */
    uint32_t hot;  /* place among the hot ones, or CATMEM_NIL */
    uint64_t rx_pos, rx_told;
    struct queue *queue; /* NULL before it is accepted and after it is closed */
    struct ring_end *mine, *theirs;
    uint16_t flags;
    uint8_t state;
    uint8_t end;       /* 0: connected, 1: accepted */
    uint16_t rx_error; /* after the last message: 0 or ECONNRESET */
    uint16_t tx_error; /* of every push: 0, EPIPE or ECONNRESET */
    /* sending */
    uint32_t unsent;     /* first push that is not in the ring yet, or OP_NIL */
    uint32_t inline_max; /* longest message in the ring itself */
    struct ring_line *tx;
    uint64_t tx_pos, tx_limit; /* next line; lines up to this one are free */
    struct peer *peer;
    uint32_t peer_slot; /* our bit in the peer's bell */
    /* messages by reference: ours out, the peer's here */
    uint32_t out_count, out_free;
    struct out_ref *out; /* RING_REFS of them; made with the first */
    uint64_t out_back;   /* notes read so far */
    uint64_t in_back;    /* notes written so far */
    uint32_t in_count;
    uint32_t ref_done; /* bytes copied so far of a message that is taken in pieces */
    uint64_t in_use[RING_REFS / 64];
    /* taken, not popped */
    struct message *rx_queue;
    uint32_t rx_slots, rx_head, rx_count;
    uint64_t rx_bytes, rx_limit;
    /* control */
    struct conn *busy_next, *busy_prev;
    struct conn *next_doomed, *next_ready;
    struct catmem_sock *sock; /* connecting: whose; answered and not accepted yet: the listener */
    uint64_t last_active;     /* sweep in which it was last seen with traffic */
    uint64_t deadline_ns;
    struct timer timer; /* of the greeting */
    void *channel;
    uint64_t ring_bytes;
    int channel_fd; /* until it is sent */
    struct catmem_address local, remote;
};

/* Options that are remembered. */
enum sock_option {
    SOCK_KEEPALIVE,
    SOCK_REUSE,
    SOCK_RCVBUF,
    SOCK_SNDBUF,
    SOCK_NODELAY,
    SOCK_KEEPIDLE,
    SOCK_KEEPINTVL,
    SOCK_KEEPCNT,
    SOCK_USER_TIMEOUT,
    SOCK_OPTIONS,
};

/* A socket queue's state beside its connection. */
struct catmem_sock {
    struct watched watched; /* of a bound socket; when listening under epoll */
    struct queue *queue;
    struct conn *conn; /* connecting or connected */
    struct catmem_address local;
    bool reset; /* SO_LINGER with a time of 0 */
    bool muted; /* listener: not looked at, the backlog is full or descriptors ran out */
    uint32_t backlog, waiting;
    struct conn *ready_first, *ready_last;
    struct timer timer; /* listener: looked at again, after descriptors ran out */
    struct linger linger;
    int option[SOCK_OPTIONS];
};

/* A connection that is polled. Compared with nothing but these words a turn. */
struct hot {
    const struct ring_line *line; /* where the next record starts */
    uint64_t stamp;               /* that it will have; RING_NEVER while nothing is to be taken */
    const _Atomic uint64_t *back; /* the next note about a message by reference */
    uint64_t back_number;         /* that it will have; RING_NEVER while none is out */
    struct conn *conn;
};

struct catmem {
    struct instance *inst;
    struct bell *bell;
    uint32_t hot_count;
    uint32_t control_turns; /* turns in which the control set is still looked at every time */
    struct conn *busy;      /* circular list; NULL: empty */
    struct conn *doomed;
    uint64_t seen_tick_ns;
    uint64_t work; /* records and notes taken, pushes completed: has a look found something? */
    struct hot hot[CATMEM_HOT];
    uint64_t turns, sweep;
    uint64_t bells; /* answered since the last sweep */
    struct peer *peers;
    struct catmem_slot *slots;
    uint32_t slot_count, slot_room, slot_free, slots_used;
    uint32_t quick_sleeps;
    uint64_t last_sleep_ns;
    bool barriers; /* membarrier(2) works */
    bool woken;    /* slept since the control set was looked at */
    int bell_memory_fd, bell_fd, control_fd;
    uint32_t random;
    struct prefix_list mine; /* the addresses that are ours where a network libOS has the others */
};

static inline struct catmem *catmem_of(const struct instance *inst)
{
    return inst->local_state;
}

static inline struct catmem_sock *catmem_sock_of(const struct queue *q)
{
    return q->state;
}

/* The connection of a connected queue. */
static inline struct conn *conn_of(const struct queue *q)
{
    return (struct conn *)(uintptr_t)q->word[0];
}

extern const struct queue_ops catmem_ops;

/* catmem.c: makes the socket state of a queue. NULL: no memory. */
struct catmem_sock *catmem_sock_new(struct catmem *m, struct queue *q);

/* poll.c: slots, the control epoll set, the poll loop. */

/* Gives w a slot and, if events is not 0, puts w->fd under epoll. -EMFILE, -ENOMEM, or epoll's errno. */
int catmem_watch(struct catmem *m, struct watched *w, uint32_t events);
/* Changes the events, or begins to watch. */
int catmem_rewatch(struct watched *w, uint32_t events);
/* Out of the epoll set; the slot stays. */
void catmem_unlisten(struct watched *w);
/* Gives the slot up; the caller closes w->fd. */
void catmem_unwatch(struct watched *w);
int catmem_poll_init(struct catmem *m);
void catmem_poll_fini(struct catmem *m);
/* Looks at the control set in the turns to come, each time: something is about to happen there. */
void catmem_expect_control(struct catmem *m);
/* The connection is polled from now on, if there is room, or parked. */
void catmem_start_polling(struct conn *c);
void catmem_stop_polling(struct conn *c);
/* What is polled for c has changed. */
void catmem_update_polling(struct conn *c);
/* Somebody looks at c again in the next turn. */
void catmem_look_again(struct conn *c);
void catmem_add_busy(struct conn *c);
void catmem_remove_busy(struct conn *c);
/* The peer is parked or sleeps. */
void catmem_ring_peer(struct conn *c);

/* Tells the peer that something was published for it, if it does not poll for it. */
static inline void catmem_notify(struct conn *c)
{
    struct bell *b = c->peer->bell;

    /* Relaxed: the words are hints, ordered after what was published by a fence, here or in the peer's membarrier. */
    if (UNLIKELY(atomic_load_explicit(&b->fenced, memory_order_relaxed) != 0))
        atomic_thread_fence(memory_order_seq_cst);
    else
        atomic_signal_fence(memory_order_seq_cst);
    if (UNLIKELY((atomic_load_explicit(&c->theirs->parked, memory_order_relaxed) |
                  atomic_load_explicit(&b->sleeping, memory_order_relaxed)) != 0))
        catmem_ring_peer(c);
}

/* name.c */

/* False: neither AF_INET nor AF_INET6. */
bool address_from(struct catmem_address *a, const struct sockaddr *sa);
socklen_t address_to(const struct catmem_address *a, struct sockaddr_storage *ss);
bool address_is_wild(const struct catmem_address *a);
/* Is it the wildcard or an address of this host? */
bool address_is_local(const struct catmem_address *a);
/* The loopback address of a family. */
void address_set_loopback(struct catmem_address *a);
/* Makes a unix socket, named after a when named. Port 0 becomes a free one. Negative errno and a text. */
int name_socket(struct catmem *m, struct catmem_address *a, bool named);
/* Connects fd to whoever listens at a. 0, -ECONNREFUSED, -EAGAIN (its backlog is full), or another errno. */
int name_connect(int fd, const struct catmem_address *a);

/* peer.c */

int peer_init(struct catmem *m);
void peer_fini(struct catmem *m);
/*
 * The instance that sent fds: its region's memory file of region_bytes, its bell's, its eventfd. All three are closed
 * or kept. One reference. NULL with *err: -EPROTO when they are not what they must be, -ENOMEM.
 */
struct peer *peer_get(struct catmem *m, const int fds[3], uint64_t region_bytes, int pid, int *err);
void peer_put(struct catmem *m, struct peer *p);
/* Is fd a memory file of bytes that cannot shrink? */
bool peer_memory_is_sound(int fd, uint64_t bytes);
/* A new memory file that cannot shrink, and its mapping. Negative errno. */
int peer_make_memory(const char *name, size_t bytes, void **map);

/* greet.c */

int greet_connect(struct instance *inst, struct queue *q, struct op *op, const struct sockaddr *addr, socklen_t len);
int greet_listen(struct instance *inst, struct queue *q, int backlog);
int greet_accept(struct instance *inst, struct queue *q, struct op *op);
/* The listener is closed: connections nobody accepted are reset. */
void greet_stop(struct catmem_sock *s);
/* The unix socket of a connection that is not open yet has an event. */
void greet_event(struct conn *c, uint32_t events);

/* conn.c */

/* NULL with *err. fd is the connection's from now on, also on failure. */
struct conn *conn_new(struct catmem *m, int fd, uint32_t events, int *err);
/* Is w part of a connection? */
bool conn_is_watched(const struct watched *w);
/* Frees it at once; nobody may refer to it. */
void conn_free(struct conn *c);
/* Maps fd, a channel with rings of ring_bytes. Negative errno. fd stays the caller's. */
int conn_map(struct conn *c, int fd, uint64_t ring_bytes);
/* Both sides know each other: the connection works. */
void conn_open(struct conn *c);
/* Writes the mark of an end; room for it is always kept. */
void conn_mark(struct conn *c, enum ring_kind kind);
/* The queue is gone; what is out by reference is waited for in the background. */
void conn_close(struct conn *c, bool reset);
/* The peer broke the rules. */
void conn_break(struct conn *c);
/* Fails every push that waits, or every pop. */
void conn_fail_pushes(struct conn *c, int err);
void conn_fail_pops(struct conn *c, int err);
/* A reference came back, or the end of something: is the connection to be freed? */
void conn_settle(struct conn *c);

/* tx.c */

int tx_push(struct instance *inst, struct queue *q, struct op *op);
void tx_cancel(struct instance *inst, struct queue *q, struct op *op);
/* Takes the peer's notes, sends what waits, completes what is done. */
void tx_progress(struct conn *c);
/* The FIN that follows the pushes that wait. */
void tx_finish(struct conn *c);
/* Nobody holds our messages any more. */
void tx_all_back(struct conn *c);
/* The object behind a cookie comes home: out->obj if it is certain that the peer gave it up, else NULL. */
struct out_ref *tx_out(const struct conn *c, uint32_t cookie);

/* rx.c */

int rx_pop(struct instance *inst, struct queue *q, struct op *op);
/* Takes up to budget records and hands them to the pops that wait. */
void rx_take(struct conn *c, unsigned budget);
/* Has the next record come? */
bool rx_is_ready(const struct conn *c);
/* Completes the pops that wait, if nothing will come any more. */
void rx_end(struct conn *c);
/* Does what was published end with a CLOSE or RESET? Looks ahead, takes nothing. */
bool rx_ends_cleanly(const struct conn *c);
/* Lets go of what was taken and not popped. */
void rx_drop_queue(struct conn *c);
/* Tells the peer that a message of its memory is no longer needed. */
void rx_give_back(struct conn *c, uint32_t cookie);

#endif /* CATMEM_CATMEM_H */
