/* SPDX-License-Identifier: MIT */
/*
 * Joins the TCP/IP stack (src/inet) on a frame device (src/netdev) to PDPIX's queues. A libOS opens a device, calls
 * stack_new, and stack_poll once a turn; its `socket` is stack_socket. An instance may have several stacks.
 *
 * 1. A push of a stream by reference is complete when the peer acknowledged it, or as soon as it is queued when the
 * application gave its array up (looked at when it is queued, and in the next turn): until then bytes may have to be
 * sent again, and a buffer that the application writes to meanwhile would change them. A push below zero_copy_threshold
 * is copied and complete once it is queued. Rejected: a copy when the application takes the result, as memory queues
 * make it, because a device may be reading the buffer at that moment, and with checksums computed by the device the
 * peer would take the mixture for good. So who keeps the array and waits for nothing but its push waits a round trip
 * where the peer pops, else the peer's delayed acknowledgement (40 ms with ours); who frees it at once waits for
 * neither.
 * 2. A datagram below zero_copy_threshold is copied too, and one that may have to wait for the neighbour's link
 * address. Others go by reference: their push is complete when nobody refers to the bytes any more, at once when the
 * device has read them and else looked at once a turn.
 * 3. A pop gets the device's buffer itself when it is the only one to refer to it; of a buffer that two pops share each
 * gets a copy, since each will free what it got.
 * 4. A push of a stream that finds no memory takes all with it that are issued before its result is taken: the
 * application could not know yet, and the peer must not read a stream that lacks a piece in the middle.
 * 5. What a push sends goes to the device at once, unless messages wait that the application has not seen yet: then it
 * will soon push again, and a device takes sixteen frames for little more than one. They go with the push that has no
 * message waiting behind it, as the sixteenth, or in the next turn. An application that takes long over a message
 * (STACK_SLOW_NS) has each answer sent at once for a while.
 */
#ifndef LIBOS_STACK_STACK_H
#define LIBOS_STACK_STACK_H

#include "capture.h"
#include "core/complete.h"
#include "core/instance.h"
#include "inet/inet.h"
#include "inet/tcp.h"
#include "inet/udp.h"
#include "netdev/netdev.h"

struct stack;

/* A socket's state: q->state. */
struct sock {
    struct stack *stack;
    struct queue *q;
    struct tcp_conn *conn;
    struct tcp_listener *listener;
    struct udp_socket *udp;
    struct inet_end local; /* of bind; port 0: not bound */
    struct sock *next;     /* of the stack's bound stream sockets */
    uint32_t unsent;       /* the first push that is not wholly queued, OP_NIL: all are */
    int error;             /* of a datagram socket: the next operation's */
    demi_qtoken_t torn;    /* the push that failed first; see note 4 */
    void *held;            /* received bytes that a pop had no memory for: the next one's */
    char *held_ptr;
    uint32_t held_len;
    bool held_port;           /* it is in the stack's list of bound ones */
    bool set[TCP_OPTION_MAX]; /* options asked for before there was a connection */
    int64_t option[TCP_OPTION_MAX];
};

struct stack {
    struct instance *inst;
    struct netdev *dev;
    struct inet *in;
    struct tcp *tcp;
    struct udp *udp;
    struct tcp_config tcp_cfg;
    struct timer_wheel wheel; /* the stack's own: its time is set before its timers fire */
    struct timer alarm;       /* of the instance: when the wheel has something to do */
    struct sock *bound;
    uint32_t *port_uses; /* sockets and connections of each port, of a device that asks: TCP's 65536, then UDP's */
    struct capture capture;
    struct frame *batch[NETDEV_BURST]; /* frames of one turn, sent together */
    unsigned batched;
    unsigned keep;        /* frames of batch that wait for more at most; 0: each goes at once */
    unsigned unheld;      /* pushes still to come whose frames do not wait: the application is slow */
    uint64_t held_ns;     /* when the first frame of batch that a push made came there */
    demi_qtoken_t oldest; /* result when the device was last looked at, 0: none */
    unsigned postponed;   /* looks for which acknowledgements have waited for the application */
    unsigned busy_looks;  /* in a row that found frames */
    unsigned untimed;     /* in a row that found nothing but datagrams */
    bool lost;            /* the device is gone, and everybody was told (lost.c) */
    /* Where an instance has several: moves a fresh socket to the one that suits its first address, its own (bind) or
     * its peer's (connect, pushto); the other is NULL. NULL: there is one. */
    void (*place)(struct sock *s, const struct inet_addr *local, const struct inet_addr *remote);
};

/* What a stack is set to, beside what the device says. */
struct stack_config {
    struct inet_config inet;
    struct tcp_config tcp;
    struct pcap *pcap; /* of several stacks: their capture's file; NULL: the stack opens the one of the setting */
    const char *name;  /* of its interface there; NULL: the device's */
};

void stack_config_defaults(struct stack_config *cfg, const struct instance *inst);

/*
 * Makes a stack on dev, which it closes in stack_free. NULL with *err (negative) and a text in inst->error; dev is then
 * the caller's.
 */
struct stack *stack_new(struct instance *inst, struct netdev *dev, const struct stack_config *cfg, int *err);
void stack_free(struct stack *st);

/* Moves frames both ways and fires timers; now_ns is the instance's. Returns how many frames came. */
unsigned stack_poll(struct stack *st);

/* Sleep is near: the instance's timers wake it for the stack's. False: there are frames. */
bool stack_arm(struct stack *st);

/* Makes q a socket of the stack. Negative errno. */
int stack_socket(struct stack *st, struct queue *q);

/* As env's take_port and give_port; ctx is the stack. For sockets that are bound and nothing else yet. */
int stack_take_port(void *ctx, uint8_t proto, const struct inet_end *local, const struct inet_end *remote, bool chosen);
void stack_give_port(void *ctx, uint8_t proto, uint16_t port);

/* Moves a fresh socket to another stack of the instance. */
void stack_move(struct sock *s, struct stack *st);

/* --- between the files of this folder --- */

#define STACK_HELD 16 /* frames of pushes that wait for each other at most */

/* Sends what waits for more. */
void stack_send_held(struct stack *st);

static inline void stack_place(struct sock *s, const struct inet_addr *local, const struct inet_addr *remote)
{
    if (UNLIKELY(s->stack->place != NULL && s->local.port == 0))
        s->stack->place(s, local, remote);
}

/* lost.c: the device is gone for good. Whatever waits for it fails with the device's error, now and later. */
void stack_lose(struct stack *st);

extern const struct queue_ops stack_stream_ops, stack_dgram_ops;
extern const struct tcp_upcalls stack_tcp_upcalls;
extern const struct udp_upcalls stack_udp_upcalls;

/* 0, or why nothing comes and goes any more (positive). */
static inline int stack_gone(const struct stack *st)
{
    return -st->dev->error;
}

static inline struct sock *sock_of(const struct queue *q)
{
    return q->state;
}

/* The time for what an application's call sets off. */
static inline void stack_enter(struct stack *st)
{
    st->inst->now_ns = clock_now_ns(&st->inst->clock);
    inet_set_now(st->in, st->inst->now_ns);
}

/*
 * Around what a push sends (note 5). more: messages wait for the queue's pops.
 */
static inline void stack_push_begin(struct stack *st, bool more)
{
    struct instance *inst = st->inst;
    const struct op *first = op_list_first(&inst->ops, &inst->ops.done);

    more |= inst->handed > 0 || (first != NULL && first->opcode == DEMI_OPC_POP);
    if (LIKELY(!more))
        return;
    if (inst->handed > 0)
        inst->handed--;
    if (st->unheld > 0) {
        st->unheld--;
        return;
    }
    if (st->batched == 0)
        st->held_ns = clock_now_ns(&inst->clock);
    st->keep = STACK_HELD;
}

static inline void stack_push_end(struct stack *st)
{
    if (UNLIKELY(st->batched > 0 && st->keep == 0))
        stack_send_held(st);
    st->keep = 0;
}

struct sock *sock_new(struct stack *st, struct queue *q);
void sock_free(struct sock *s);

void end_of_sockaddr(struct inet_end *end, const struct sockaddr *addr);

/* Writes end as an address of the family: q's domain. */
void sockaddr_of_end(const struct inet_end *end, uint16_t domain, struct sockaddr_storage *ss, socklen_t *len);

/* open.c: streams' calls and upcalls for a connection's beginning. */
int stack_stream_bind(struct instance *inst, struct queue *q, const struct sockaddr *addr, socklen_t len);
int stack_stream_listen(struct instance *inst, struct queue *q, int backlog);
int stack_stream_accept(struct instance *inst, struct queue *q, struct op *op);
int stack_stream_connect(struct instance *inst, struct queue *q, struct op *op, const struct sockaddr *addr,
                         socklen_t len);
void stack_tcp_incoming(void *ctx);
void stack_tcp_connected(void *ctx, int err);

/* A pop of the end of the stream: an array of length 0 that the application can free like any other. */
void stack_pop_end(struct instance *inst, struct op *op);

/* Is a pop, perhaps of the whole object, the only one to hold it? extra: references that go when this call returns. */
static inline bool stack_is_sole(const void *obj, uint32_t extra)
{
    return (*mem_ref_word(obj) & (REF_HELD | REF_META)) == 1 + extra;
}

/* The queue's address calls and options; those of TCP go to the connection or wait for it. */
int stack_getpeername(struct instance *inst, struct queue *q, struct sockaddr_storage *addr, socklen_t *len);
int stack_getsockname(struct instance *inst, struct queue *q, struct sockaddr_storage *addr, socklen_t *len);
int stack_setsockopt(struct instance *inst, struct queue *q, int level, int name, const void *val, socklen_t len);
int stack_getsockopt(struct instance *inst, struct queue *q, int level, int name, void *val, socklen_t *len);

/* What options are before somebody sets them. */
void stack_option_defaults(struct sock *s, const struct tcp_config *cfg);

/* Hands a new connection the options that waited for it. */
void stack_apply_options(struct sock *s);

#endif /* LIBOS_STACK_STACK_H */
