/* SPDX-License-Identifier: MIT */
/*
 * TCP: RFC 9293 with the extensions that docs/tcp.md lists. A state machine beside the rest of the stack: segments come
 * in through ip_register, go out through ip_output, time through the stack's timers; what the application is to know is
 * said by upcalls.
 *
 * Ownership. A connection belongs to whoever opened or accepted it until tcp_close or tcp_abort; it never vanishes by
 * itself: one that failed or was reset stays, with its error, until it is closed. After tcp_close there are no upcalls
 * for it; TCP sends what is queued, closes in good order and frees it. All calls may be made from within upcalls.
 *
 * Bytes. What is sent stays where it is: TCP holds a reference on the object until its bytes were acknowledged, and
 * retransmits from there. What is received is handed over where the frame lies.
 */
#ifndef INET_TCP_H
#define INET_TCP_H

#include "inet.h"
#include "tcp_cc.h"

struct tcp;
struct tcp_conn;
struct tcp_listener;

struct tcp_config {
    uint32_t conns;            /* connections at most, in all states */
    uint32_t half_open;        /* of these, passive ones whose handshake is under way; more are answered by cookies */
    uint32_t orphans;          /* of these, closed by the application and not yet finished */
    uint32_t time_waits;       /* of these, in TIME_WAIT; the oldest gives way */
    uint32_t listeners;        /* at most */
    uint32_t sndbuf, rcvbuf;   /* bytes a connection starts with */
    uint32_t sndbuf_max;       /* and may grow to by itself */
    uint32_t rcvbuf_max;       /* likewise; sets the window scale */
    uint32_t burst;            /* segments a connection sends at most before others have their turn */
    uint16_t initial_segments; /* initial window (RFC 6928) */
    uint16_t port_low;         /* ephemeral ports, from */
    uint16_t port_high;        /* to, inclusive */
    bool ecn;                  /* offer ECN when opening; it is accepted in any case */
    bool timestamps;           /* offer */
    bool sack;                 /* offer */
    enum tcp_cc_kind cc;       /* congestion control of new connections */
    uint64_t rto_min_ns;       /* floor of the retransmission timeout */
    uint64_t delack_ns;        /* longest delay of an acknowledgement, at most 40 ms; also expected of the peer */
    uint64_t time_wait_ns;     /* twice the maximum segment lifetime */
    uint64_t connect_ns;       /* give up a handshake after (RFC 9293 section 3.8.3: 3 minutes for a SYN) */
    uint64_t user_timeout_ns;  /* give up a connection whose data is not acknowledged for so long (R2) */
    uint64_t fin_wait_ns;      /* an orphan waits so long for the peer's FIN */
    uint64_t keep_idle_ns;     /* keepalive: first probe, the next ones, and how many of them */
    uint64_t keep_interval_ns;
    uint32_t keep_count;
};

void tcp_config_defaults(struct tcp_config *cfg);

/* What TCP tells. ctx is the connection's or the listener's; a connection not accepted yet has none and is silent. */
struct tcp_upcalls {
    /* tcp_accept has something. */
    void (*incoming)(void *ctx);
    /* The handshake of tcp_connect ended: 0, or a positive errno (ECONNREFUSED, ETIMEDOUT, EHOSTUNREACH, ...). */
    void (*connected)(void *ctx, int err);
    /*
     * In-order bytes that nobody has yet, and nothing older is queued. Returns how many it took, from the front, with a
     * reference of its own on obj; the rest is queued for tcp_recv. 0 when no pop waits.
     */
    uint32_t (*deliver)(void *ctx, void *obj, char *ptr, uint32_t len);
    /* tcp_acked grew, or tcp_send that took less than all may be tried again. */
    void (*sent)(void *ctx);
    /*
     * err 0: the peer sends no more; tcp_recv says so once the queue is empty. Else the connection is over: ECONNRESET,
     * ETIMEDOUT, EHOSTUNREACH, ENETUNREACH; queued bytes may still be received after err ETIMEDOUT or a soft error, not
     * after ECONNRESET.
     */
    void (*ended)(void *ctx, int err);
};

/*
 * Makes the TCP of a stack and registers it. up is copied. NULL with *err: -EINVAL (a value of cfg), -ENOMEM.
 */
struct tcp *tcp_new(struct inet *in, const struct tcp_config *cfg, const struct tcp_upcalls *up, int *err);

/* Ends it: resets nothing, says nothing, frees all. Before inet_free. */
void tcp_free(struct tcp *t);

/*
 * A new turn of the caller's loop begins, and the application had its turn to answer what it got: what it took and did
 * not answer is acknowledged. Without it such acknowledgements wait for their time (delack_ns).
 */
void tcp_turn(struct tcp *t);

/*
 * Around the frames that came together: acknowledgements of data that is in order are made at their end, one a
 * connection instead of one for every second segment.
 */
void tcp_burst_begin(struct tcp *t);
void tcp_burst_end(struct tcp *t);

/* Does tcp_turn have something to do? */
bool tcp_waiting(const struct tcp *t);

/* --- opening --- */

/*
 * Listens at local (the unspecified address: all; INET_ANY6 takes IPv4 too). backlog: connections that wait for accept.
 * NULL with *err: -EADDRINUSE, -ENOSPC (all listeners taken), -ENOMEM.
 */
struct tcp_listener *tcp_listen(struct tcp *t, const struct inet_end *local, uint32_t backlog, void *ctx, int *err);

/* Ends listening; connections that were not accepted are reset. */
void tcp_unlisten(struct tcp_listener *l);

/* The oldest connection that waits, from now on with ctx; NULL: none. */
struct tcp_conn *tcp_accept(struct tcp_listener *l, void *ctx);

/*
 * Opens a connection and sends its SYN. local: the unspecified address and port 0 are chosen. NULL with *err:
 * -EADDRNOTAVAIL (not ours, or no port is left), -EADDRINUSE (the pair of ends exists), -ENETUNREACH, -EHOSTUNREACH,
 * -ENOBUFS (all connections taken, counted), -ENOMEM, -EINVAL (remote is unspecified, a group, or port 0).
 */
struct tcp_conn *tcp_connect(struct tcp *t, const struct inet_end *local, const struct inet_end *remote, void *ctx,
                             int *err);

/* A port at which nobody listens at local, chosen at random (RFC 6056); 0: none is left. For bind to port 0. */
uint16_t tcp_port_pick(struct tcp *t, const struct inet_addr *local);

/* Does somebody listen at this end (or at one that would conflict with it)? */
bool tcp_is_listening(const struct tcp *t, const struct inet_end *local);

/* --- data --- */

/*
 * Queues len bytes at ptr in obj and takes a reference; what the window allows leaves at once. Returns how many bytes
 * were queued, from the front. -EAGAIN: no room (`sent` tells when); -EPIPE after tcp_shutdown; -ENOTCONN; -ENOMEM
 * (nothing was queued); or the connection's error.
 */
int64_t tcp_send(struct tcp_conn *c, void *obj, char *ptr, uint32_t len);

/* Bytes acknowledged by the peer since the connection began: what was sent before needs no memory any more. */
uint64_t tcp_acked(const struct tcp_conn *c);

/* Bytes queued since the connection began. */
uint64_t tcp_queued(const struct tcp_conn *c);

/*
 * Takes the oldest run of received bytes, at most max (0: no limit); the reference on *obj is the caller's. Returns its
 * length; 0: end of the stream; -EAGAIN: nothing now; or the connection's error.
 */
int64_t tcp_recv(struct tcp_conn *c, uint32_t max, void **obj, char **ptr);

/* Is it known without a closer look that tcp_recv would say -EAGAIN? Changes nothing. */
bool tcp_is_dry(const struct tcp_conn *c);

/* --- ending --- */

/* No more will be sent: FIN behind what is queued. -ENOTCONN; 0 also when it was done before. */
int tcp_shutdown(struct tcp_conn *c);

/* Nothing more will be received: what comes is acknowledged and thrown away. */
void tcp_shutdown_read(struct tcp_conn *c);

/* The application lets go: closes in good order, or resets when there are bytes it did not take (RFC 2525, 2.17). */
void tcp_close(struct tcp_conn *c);

/* Resets the connection and lets go. */
void tcp_abort(struct tcp_conn *c);

/* The connection is over, for a reason that TCP cannot know: the owner is told err (positive), the peer nothing. */
void tcp_fail(struct tcp_conn *c, int err);

/* --- asking and setting --- */

/* X-macro: OPT(name, what). Values are plain numbers. */
#define TCP_OPTION_LIST(OPT)                                                                                           \
    OPT(NODELAY, "0: Nagle's algorithm; 1 (at first): none")                                                           \
    OPT(KEEPALIVE, "1: probe an idle peer")                                                                            \
    OPT(KEEPIDLE_NS, "idle time before the first probe")                                                               \
    OPT(KEEPINTVL_NS, "between probes")                                                                                \
    OPT(KEEPCNT, "probes without an answer before ETIMEDOUT")                                                          \
    OPT(USER_TIMEOUT_NS, "give up after so long without an acknowledgement; 0: the configured time")                   \
    OPT(CONGESTION, "enum tcp_cc_kind")                                                                                \
    OPT(MAXSEG, "largest segment; may be lowered")                                                                     \
    OPT(SNDBUF, "bytes; ends automatic growth")                                                                        \
    OPT(RCVBUF, "bytes; ends automatic growth")                                                                        \
    OPT(PACING, "1: spread segments over the round trip")

enum tcp_option {
#define TCP_OPTION_ENUM(name, what) TCP_OPTION_##name,
    TCP_OPTION_LIST(TCP_OPTION_ENUM)
#undef TCP_OPTION_ENUM
        TCP_OPTION_MAX
};

/* -EINVAL: a value that makes no sense; -ENOPROTOOPT. */
int tcp_set_option(struct tcp_conn *c, enum tcp_option option, int64_t value);
int tcp_get_option(const struct tcp_conn *c, enum tcp_option option, int64_t *value);

/* Connections that a listener accepts inherit its settings. */
int tcp_listener_set_option(struct tcp_listener *l, enum tcp_option option, int64_t value);

enum tcp_state {
    TCP_CLOSED,
    TCP_LISTEN,
    TCP_SYN_SENT,
    TCP_SYN_RECEIVED,
    TCP_ESTABLISHED,
    TCP_FIN_WAIT_1,
    TCP_FIN_WAIT_2,
    TCP_CLOSE_WAIT,
    TCP_CLOSING,
    TCP_LAST_ACK,
    TCP_TIME_WAIT,
};

struct tcp_info {
    enum tcp_state state;
    int err; /* positive errno that ended it, or 0 */
    uint32_t snd_una, snd_nxt, snd_wnd, rcv_nxt, rcv_wnd;
    uint32_t mss, cwnd, ssthresh, flight;
    uint64_t srtt_ns, rttvar_ns, rto_ns, min_rtt_ns;
    uint64_t retransmits; /* segments */
    uint8_t snd_wscale, rcv_wscale;
    bool timestamps, sack, ecn, recovering;
    uint32_t sndbuf, rcvbuf, unsent, unread;
};

void tcp_get_info(const struct tcp_conn *c, struct tcp_info *info);
void tcp_get_ends(const struct tcp_conn *c, struct inet_end *local, struct inet_end *remote);

/* Connections there are, in all states. */
uint32_t tcp_count(const struct tcp *t);

#endif /* INET_TCP_H */
