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
 * 6. Acknowledgements wait for the application's turn, and go behind its answer if there is one, in the same burst.
 */
#ifndef CATNANO_NANO_H
#define CATNANO_NANO_H

#include "core/complete.h"
#include "core/instance.h"
#include "core/wire.h"
#include "netdev/netdev.h"
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
    struct nano_tx *next_free;
    struct timer timer;
    struct msg_tx msg;
    void *obj; /* its bytes as they go to the wire */
    int32_t qd;
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
    uint64_t mac;      /* 0: not known */
    uint64_t asked_ns; /* when it was last asked for its link address */
    uint32_t received; /* messages */
    uint16_t next_id, under_way;
    struct nano_tx *tx[NANO_PLACES];
    struct nano_place rx[NANO_PLACES];
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
    struct nano_rx *rx, *rx_free, *rx_oldest, *rx_newest;
    struct nano_sock *blocked; /* sockets whose oldest push waits for a place */
    struct nano_sock **blocked_tail;
    struct nano_sock *ports[NANO_PORTS];
    struct frame *batch[NANO_BATCH], *owed[NANO_BATCH]; /* what goes at once, and what may wait: note 6 */
    unsigned batched, owing;
    struct frame *own[NANO_OWN]; /* frames to ourselves */
    unsigned own_head, own_count;
};

/* Makes the tables. Negative errno. dev is the caller's until nano_free, which closes it. */
int nano_init(struct nano *n, struct instance *inst, struct netdev *dev);
void nano_free(struct nano *n);

/* A frame that came; its reference goes to the callee. */
void nano_input(struct nano *n, struct frame_in *in);

/* Frames both ways, once a turn. */
void nano_poll(struct nano *n);

/* link.c: frames. nano_flush sends what nano_output and nano_owe gathered; p is who gets it, NULL for all. */
void nano_flush(struct nano *n);
void nano_output(struct nano *n, const struct nano_peer *p, struct frame *f);
void nano_owe(struct nano *n, const struct nano_peer *p, struct frame *f);
/* A frame of the header and pad zeros; it goes to p. NULL: no memory (counted). */
struct frame *nano_frame(struct nano *n, const struct nano_peer *p, struct msg_header *h, unsigned pad);
void nano_arp_input(struct nano *n, const struct frame_in *in);
void nano_arp_ask(struct nano *n, struct nano_peer *p);

/* peer.c. NULL: there are too many, or no memory. */
struct nano_peer *nano_peer_find(const struct nano *n, uint32_t ip);
struct nano_peer *nano_peer_get(struct nano *n, uint32_t ip);
void nano_peer_mac(struct nano *n, struct nano_peer *p, uint64_t mac);
void nano_peers_free(struct nano *n);

/* tx.c */
/* A message of op's bytes is under way (0), has to wait (-EAGAIN), or cannot be (another negative errno). */
int nano_send(struct nano *n, const struct nano_sock *s, const struct op *op, uint32_t ip, uint16_t port);
void nano_control(struct nano *n, struct nano_peer *p, const struct msg_header *h);
void nano_tx_kick(struct nano_peer *p);
void nano_tx_free_all(struct nano *n);

/* rx.c */
void nano_data(struct nano *n, struct nano_peer *p, const struct msg_header *h, struct frame_in *in);
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

/* Chance enough to tell one message from another (xorshift64). */
static inline uint64_t nano_random(struct nano *n)
{
    n->random ^= n->random << 13;
    n->random ^= n->random >> 7;
    n->random ^= n->random << 17;
    return n->random;
}

/* Copies len bytes between memory and wire: see note 4. to may be from. */
static inline void nano_reverse(void *to, const void *from, size_t len)
{
    const uint8_t *f = from;
    uint8_t *t = to;
    uint8_t rest[8];
    uint64_t word;

    for (; len >= sizeof(word); len -= sizeof(word), f += sizeof(word), t += sizeof(word)) {
        memcpy(&word, f, sizeof(word));
        word = __builtin_bswap64(word);
        memcpy(t, &word, sizeof(word));
    }
    memcpy(rest, f, len);
    for (size_t i = 0; i < len; i++)
        t[i] = rest[len - 1 - i];
}

#endif /* CATNANO_NANO_H */
