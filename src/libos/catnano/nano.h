/* SPDX-License-Identifier: MIT */
/*
 * catnano on a host: messages as the nanoPU's NIC sends them (src/transport: NDP or Homa), over any frame device
 * (src/netdev). A simulated machine, or another program of ours, is the peer.
 *
 * 1. A socket is a context: its port is the context's number. A push is one message of 1 to 65535 bytes. It is copied,
 * because it may have to be sent again, so the push is complete when its message is under way; it waits while
 * msg_window messages are under way to its peer, or all msg_buffers are taken. Messages may overtake each other.
 * 2. A message arrives once, or not at all: it is sent again until the peer has acknowledged all of it. When nothing
 * was heard of the peer for msg_give_up_ms the message is dropped and counted; a connected socket's next operation says
 * so (ETIMEDOUT; EHOSTUNREACH when the link address never came).
 * 3. The low 7 bits of a message's number are its place in its peer's table, because a NIC of the prototype tells
 * messages apart by those. A place is free again when the message is acknowledged. What was delivered is remembered in
 * the same place of the receiver's table, so that what is sent again is acknowledged again and not delivered again. A
 * prototype gives a number out again after 127 others; its buffer's class (0 and 1) tells it from a host of ours, which
 * sets MARK and puts chance into the buffer's handle. For those a place is remembered until another message takes it,
 * for a prototype while fewer than REUSE messages came and no more time than REUSE_NS passed.
 * 4. A register's word goes to the wire with its most significant byte first, so bytes in memory arrive reversed, eight
 * by eight, and the rest by itself. The host reverses, not the guest, which would need a dozen instructions a word.
 * 5. A message that nobody has room for is not acknowledged: its sender tries again, later each time. A NACK without
 * a PULL tells it meanwhile that somebody is there.
 * 6. Acknowledgements wait for the application's turn. To a host of ours (RIDES in the buffer's class) the oldest one
 * rides in the padding of the next DATA packet that goes there, which costs neither side a frame; the others go behind
 * the application's packets in the same burst, as control packets.
 * 7. What need not be done before a packet is on its way is done after it. A message in one packet lies behind its
 * headers in the frame itself, which is kept for when it has to go again. Its place and timeout are written down when
 * it has left. First timeouts all take as long, so that a list in order of time is enough and one timer for all of it;
 * few messages live to see theirs. When a message began is written down in the next turn (untimed), where reading the
 * clock is in nobody's way, and packets that came ask for the time only where it decides something (nano_now). Riders
 * that came are looked at in the next turn, too, unless places are scarce.
 * 8. A prototype never gives a message up and has buffers for 64 long ones; with the answers to a program that closed
 * its socket it could soon send nothing more. So what a prototype sends to a context that was closed is acknowledged
 * and dropped (msg_closed), and so is what was delivered before the close and comes again. A host of ours gives up by
 * itself, and learns that nobody listens; to a context that was never open nothing is said: somebody may come yet.
 */
#ifndef CATNANO_NANO_H
#define CATNANO_NANO_H

#include "core/complete.h"
#include "core/instance.h"
#include "core/wire.h"
#include "libos/stack/capture.h"
#include "netdev/netdev.h"
#include "transport/msg_path.h"
#include "transport/transport.h"

#define NANO_PLACES       128  /* messages each way between two hosts; numbers differ in their low 7 bits */
#define NANO_PEERS        4096 /* hosts we know; a further one is refused (msg_peers_full) */
#define NANO_PEER_BUCKETS 1024
#define NANO_QUEUE        1024 /* messages that wait for a socket's pops, and those that are arriving for it */
#define NANO_PORTS        65536
#define NANO_PORT_FIRST   49152 /* of those given out (RFC 6335) */
#define NANO_BATCH        NETDEV_BURST
#define NANO_OWN          256
#define NANO_MARK         0x80 /* in the buffer's class: numbers are ours, see note 3 */
#define NANO_RIDES        0x40 /* with MARK: its owner reads riders, see note 6 */
#define NANO_REUSE        64
#define NANO_REUSE_NS     (20 * NS_PER_MS)
#define NANO_FRAME_MTU    (MSG_FRAME_HEADER_BYTES - 14 + MSG_SEGMENT_BYTES)

struct nano;
struct nano_peer;
struct nano_sock;

/* A message on its way to a peer. Its place is free when it is acknowledged or given up. */
struct nano_tx {
    struct nano *nano;
    struct nano_peer *peer;
    struct nano_tx *next, *prev; /* of those whose first timeout is to come, the oldest first; next: of the free ones */
    struct timer timer;          /* of its later timeouts */
    struct msg_tx msg;
    void *obj; /* its bytes as they go to the wire, at ptr */
    char *ptr;
    int32_t qd;
    bool young;        /* among those of next and prev */
    uint64_t began_ns; /* see note 7 */
    uint64_t heard_ns; /* when the peer last said something about it, or its beginning */
    uint16_t id, src, dst, cookie;
    uint8_t backoff; /* timeouts that came, up to a limit */
};

/* A message that arrives in more than one packet. */
struct nano_rx {
    struct nano_peer *peer;
    struct nano_sock *sock;
    struct nano_rx *next_free, *next, *prev; /* next, prev: of those arriving, the oldest first */
    struct msg_rx msg;
    struct msg_header head; /* of a packet of it: who gets answers, and what they name */
    char *obj;
    uint64_t touched_ns; /* when its last packet came */
};

enum nano_place_state { NANO_UNUSED, NANO_ARRIVING, NANO_DELIVERED };

/* What a receiver knows of the last message in one place of a peer's table. */
struct nano_place {
    uint16_t id, cookie, len;
    uint8_t state, cls;
    uint32_t after;   /* NANO_DELIVERED: the peer's count of messages then */
    uint64_t done_ns; /* and the time */
    struct nano_rx *rx;
};

struct nano_peer {
    struct nano_peer *next;
    uint32_t ip;
    uint64_t mac;         /* 0: not known */
    struct msg_path path; /* headers of packets to it, once it is */
    uint64_t asked_ns;    /* when it was last asked for its link address */
    uint32_t received;    /* messages */
    uint16_t next_id, under_way;
    struct nano_tx *tx[NANO_PLACES];
    struct nano_place rx[NANO_PLACES];
};

/* An answer that has not gone yet, or a rider that has not been looked at. */
struct nano_owed {
    struct nano_peer *peer;
    struct msg_rider r;
    uint16_t dst, len; /* of a control packet, which says more */
    uint8_t cls;
};

/* A message that waits for a pop. */
struct nano_message {
    void *obj;
    char *ptr;
    uint32_t len, ip;
    uint16_t port;
};

struct nano_sock {
    struct nano *nano;
    struct queue *q;
    struct nano_sock *next_blocked;
    struct nano_message *queue; /* NANO_QUEUE of them, once it is bound */
    uint32_t head, count;       /* of those that wait */
    uint32_t arriving;
    uint32_t peer_ip; /* of connect */
    uint16_t port, peer_port;
    bool bound, blocked;
    int error; /* the next operation's */
};

struct nano {
    struct instance *inst;
    struct netdev *dev;
    uint64_t mac;
    uint32_t ip, mask, gateway;
    uint8_t protocol;
    bool watched;    /* the device's descriptor can wake the instance */
    bool lost;       /* the device is gone, and what waited has failed */
    bool rule;       /* link addresses follow the machine's rule */
    uint64_t random; /* state of the generator of cookies */
    const struct transport *transport;
    struct msg_receiver receiver;
    struct timer sweep; /* while messages are arriving: gives up those whose sender has gone */
    struct nano_peer *peers[NANO_PEER_BUCKETS];
    unsigned peer_count;
    struct nano_tx *tx, *tx_free;
    struct nano_tx *tx_oldest, *tx_newest, *tx_untimed; /* note 7; the last is the first whose beginning is not known */
    struct timer resend;                                /* first timeouts */
    bool timed;                                         /* the time is this turn's */
    bool batching;                                      /* frames go at the turn's end */
    bool capturing;                                     /* capture.pcap is there */
    struct nano_rx *rx, *rx_free, *rx_oldest, *rx_newest;
    struct nano_sock *blocked; /* sockets whose oldest push waits for a place */
    struct nano_sock **blocked_tail;
    struct nano_sock *ports[NANO_PORTS];
    uint64_t closed[NANO_PORTS / 64]; /* a bit for each port whose last socket was closed: note 8 */
    struct frame *batch[NANO_BATCH];  /* what goes at once */
    unsigned batched;
    struct nano_owed owed[NANO_BATCH]; /* a ring of what may wait: note 6 */
    unsigned owed_first, owing;
    struct nano_owed rider[NANO_BATCH]; /* that came, of peer and r alone */
    unsigned riders;
    struct frame *own[NANO_OWN]; /* frames to ourselves */
    unsigned own_head, own_count;
    struct capture capture; /* of what the device carries */
};

/* Makes the tables. Negative errno. dev is the caller's until nano_free, which closes it. */
int nano_init(struct nano *n, struct instance *inst, struct netdev *dev);
void nano_free(struct nano *n);

/* A frame that came; its reference goes to the callee. Between nano_poll's calls of it, or on its own. */
void nano_input(struct nano *n, struct frame_in *in);

/* Frames both ways, once a turn. */
void nano_poll(struct nano *n);

/*
 * link.c: frames. nano_output (below) gathers them, nano_send_now sends them unless the turn does so at its end,
 * nano_flush sends them and what is owed.
 */
void nano_flush(struct nano *n);
/* An empty frame. NULL: no memory (counted). */
struct frame *nano_frame(struct nano *n);
/* Sends what was gathered, at once. */
void nano_send_batch(struct nano *n);
void nano_output_own(struct nano *n, struct frame *f);

/* answer.c: control packets, and riders */
/* An answer to the DATA packet with the header to. */
void nano_answer(struct nano *n, struct nano_peer *p, const struct msg_header *to, const struct msg_control *r);
/* The oldest answer that p may get as a rider goes into the frame, whose header is written. */
void nano_ride(struct nano *n, const struct nano_peer *p, uint8_t *frame);
/* Makes the oldest answer a control packet. NULL: no memory (counted), and it is not owed any more. */
struct frame *nano_owed_frame(struct nano *n, const struct nano_peer **p);
/* What rides in a DATA packet of p is noted, or handled when it cannot wait. nano_riders handles what was noted. */
void nano_rider_input(struct nano *n, struct nano_peer *p, const uint8_t *frame);
void nano_riders(struct nano *n);
void nano_arp_input(struct nano *n, const struct frame_in *in);
void nano_arp_ask(struct nano *n, struct nano_peer *p);

/* peer.c. NULL: there are too many, or no memory. There is none yet: nano_peer_get (below) asks. */
struct nano_peer *nano_peer_make(struct nano *n, uint32_t ip);
void nano_peer_mac(struct nano *n, struct nano_peer *p, uint64_t mac);
void nano_peers_free(struct nano *n);

/* tx.c */
/* A message of len bytes is under way (0), has to wait (-EAGAIN), or cannot be (another negative errno). */
int nano_send(struct nano *n, const struct nano_sock *s, const char *bytes, size_t len, uint32_t ip, uint16_t port);
/* Writes down when the messages began that were sent since the last turn. */
void nano_tx_time(struct nano *n);
void nano_control(struct nano *n, struct nano_peer *p, const struct msg_header *h);
void nano_tx_kick(struct nano_peer *p);
void nano_tx_free_all(struct nano *n);

/* rx.c */
/* A DATA packet for s. Returns whether the frame's reference was taken over. */
bool nano_data(struct nano *n, struct nano_peer *p, struct nano_sock *s, const struct msg_header *h,
               struct frame_in *in);
/* A DATA packet for a context that was closed. */
void nano_data_closed(struct nano *n, struct nano_peer *p, const struct msg_header *h, const struct frame_in *in);
void nano_rx_drop_socket(struct nano *n, const struct nano_sock *s);
void nano_rx_free_all(struct nano *n);

/* sock.c */
int nano_socket(struct nano *n, struct queue *q);
/* A message for s, whose reference it takes. There is room: nano_sock_has_room said so. */
void nano_sock_deliver(struct nano_sock *s, const struct nano_message *m);
void nano_sock_failed(struct nano *n, int32_t qd, int err);
void nano_sock_unblock(struct nano *n);
/* The device is gone for good (dev->error): what waits for it fails, and so does what is asked later. */
void nano_sock_lose(struct nano *n);

static inline bool nano_sock_has_room(const struct nano_sock *s)
{
    return s->count + s->arriving < NANO_QUEUE;
}

static inline bool nano_was_closed(const struct nano *n, uint16_t port)
{
    return (n->closed[port / 64] >> port % 64 & 1) != 0;
}

static inline unsigned nano_bucket_of(uint32_t ip)
{
    return (ip * UINT32_C(0x9e3779b1)) >> 22 & (NANO_PEER_BUCKETS - 1);
}

/* NULL: not known. */
static inline struct nano_peer *nano_peer_find(const struct nano *n, uint32_t ip)
{
    struct nano_peer *p = n->peers[nano_bucket_of(ip)];

    while (p != NULL && p->ip != ip)
        p = p->next;
    return p;
}

/* NULL: there are too many, or no memory. */
static inline struct nano_peer *nano_peer_get(struct nano *n, uint32_t ip)
{
    struct nano_peer *p = nano_peer_find(n, ip);

    return LIKELY(p != NULL) ? p : nano_peer_make(n, ip);
}

/* A frame to p, or to all when that is NULL. */
static inline void nano_output(struct nano *n, const struct nano_peer *p, struct frame *f)
{
    if (UNLIKELY(p != NULL && p->ip == n->ip)) {
        nano_output_own(n, f);
        return;
    }
    n->batch[n->batched++] = f;
    if (UNLIKELY(n->batched == NANO_BATCH))
        nano_send_batch(n);
}

static inline void nano_send_now(struct nano *n)
{
    if (n->batched > 0 && !n->batching)
        nano_send_batch(n);
}

/* Writes the header in front of what is in f, which goes to p. */
static inline void nano_header(const struct nano *n, const struct nano_peer *p, const struct msg_header *h,
                               struct frame *f)
{
    msg_path_write(&p->path, h, n->transport->layout, (uint8_t *)frame_push(f, MSG_FRAME_HEADER_BYTES));
    f->l3 = 14;
    f->l4 = 34;
}

/* The instance's time, read in this turn. */
static inline void nano_now(struct nano *n)
{
    if (n->timed)
        return;
    n->timed = true;
    n->inst->now_ns = clock_now_ns(&n->inst->clock);
}

/* Chance enough to tell one message from another (xorshift64). */
static inline uint64_t nano_random(struct nano *n)
{
    n->random ^= n->random << 13;
    n->random ^= n->random >> 7;
    n->random ^= n->random << 17;
    return n->random;
}

/* The last bytes of a message, fewer than a word. */
static inline void nano_reverse_rest(uint8_t *t, const uint8_t *f, size_t len)
{
    uint8_t rest[8];

    memcpy(rest, f, len);
    for (size_t i = 0; i < len; i++)
        t[i] = rest[len - 1 - i];
}

/*
 * Copies len bytes between memory and wire: see note 4. to may be from. Word by word: where there is no instruction for
 * it a vector takes three times as long.
 */
static inline void nano_reverse(void *to, const void *from, size_t len)
{
    const uint8_t *f = from;
    uint8_t *t = to;
    uint64_t word;

    for (; len >= 4 * sizeof(word); len -= 4 * sizeof(word), f += 4 * sizeof(word), t += 4 * sizeof(word))
        for (size_t i = 0; i < 4 * sizeof(word); i += sizeof(word)) {
            word = get64(f + i);
            __asm__("" : "+r"(word));
            memcpy(t + i, &word, sizeof(word));
        }
    for (; len >= sizeof(word); len -= sizeof(word), f += sizeof(word), t += sizeof(word)) {
        word = get64(f);
        __asm__("" : "+r"(word));
        memcpy(t, &word, sizeof(word));
    }
    if (len > 0)
        nano_reverse_rest(t, f, len);
}

#endif /* CATNANO_NANO_H */
