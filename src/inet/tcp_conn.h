/* SPDX-License-Identifier: MIT */
/*
 * What the files of TCP share: a connection, a listener, the whole, and who does what.
 *
 *   tcp.c          the whole, connections and their end
 *   tcp_open.c     connect, listen, accept; SYN in and out; cookies
 *   tcp_input.c    a segment's way in: the fast path, and where to for all others
 *   tcp_segment.c  the rare ones: RFC 9293 section 3.10.7 by state
 *   tcp_ack.c      acknowledgements: SACK, RACK, recovery
 *   tcp_output.c   data out
 *   tcp_header.c   headers out, and the segments that are nothing else
 *   tcp_timeout.c  what time does
 *   tcp_mtu.c      the path's MTU, found without ICMP
 *   tcp_user.c     the application's calls
 *
 * Whoever calls up into the application holds the connection (tcp_hold, tcp_drop): what the application then does to
 * it, it is still there afterwards, perhaps TCP_CLOSED.
 */
#ifndef INET_TCP_CONN_H
#define INET_TCP_CONN_H

#include "tcp.h"
#include "tcp_rcvq.h"
#include "tcp_rtt.h"
#include "tcp_secure.h"
#include "tcp_seq.h"
#include "tcp_sndq.h"
#include "tcp_table.h"
#include "tcp_wire.h"

#define TCP_MSS_DEFAULT4     536 /* what a peer that says nothing takes (RFC 9293 section 3.7.1) */
#define TCP_MSS_DEFAULT6     1220
#define TCP_MSS_MIN          48 /* smaller offers are taken for this: headers would eat the link */
#define TCP_DUPACKS          3
#define TCP_CHALLENGE_GAP_NS (5 * NS_PER_MS)   /* between challenge ACKs of a connection (RFC 5961 section 7) */
#define TCP_IDLE_MIN_NS      (200 * NS_PER_MS) /* without sending, before the window shrinks: as Linux */
#define TCP_PAWS_IDLE_NS     (24 * 86400 * NS_PER_S)
#define TCP_TSO_MAX          65000 /* payload bytes of a super-segment */
#define TCP_LISTEN_BUCKETS   64
#define TCP_PROBES_MAX       15   /* zero-window and other probes that nobody answers, when time does not end it */
#define TCP_RECENT           1024 /* a power of two */
#define TCP_SACK_BASE        4    /* of the option, beside its blocks */
#define TCP_DEVICE_RETRY_NS  (50 * NS_PER_US) /* the device's queue was full */
#define TCP_MEMORY_RETRY_NS  NS_PER_MS        /* there was no memory: an application has to give some back */
#define TCP_NEVER            UINT64_MAX

enum tcp_conn_flag {
    TCPF_TS = 1u << 0,            /* timestamps are agreed on */
    TCPF_SACK = 1u << 1,          /* SACK is */
    TCPF_ECN = 1u << 2,           /* ECN is */
    TCPF_ECE = 1u << 3,           /* congestion was seen: echo it until CWR (RFC 3168 section 6.1.3) */
    TCPF_CWR = 1u << 4,           /* the next new data says that the window was reduced */
    TCPF_CE_STATE = 1u << 5,      /* DCTCP.CE (RFC 8257 section 3.2) */
    TCPF_ACK_NOW = 1u << 6,       /* an acknowledgement is due */
    TCPF_FIN_QUEUED = 1u << 7,    /* no more data will be queued */
    TCPF_FIN_SENT = 1u << 8,      /* the FIN was sent once */
    TCPF_FIN_SEEN = 1u << 9,      /* the peer's FIN is known: fin_seq */
    TCPF_ORPHAN = 1u << 10,       /* the application let go */
    TCPF_NAGLE = 1u << 11,        /* */
    TCPF_PASSIVE = 1u << 12,      /* came from a listener */
    TCPF_WAITING = 1u << 13,      /* in its listener's queue: half open, or not accepted yet */
    TCPF_BLOCKED = 1u << 14,      /* tcp_send refused something: say when there is room */
    TCPF_NO_READ = 1u << 15,      /* what comes is thrown away */
    TCPF_KEEPALIVE = 1u << 16,    /* */
    TCPF_CWND_LIMITED = 1u << 17, /* cwnd kept data back since the last acknowledgement */
    TCPF_IN_TABLE = 1u << 18,     /* */
    TCPF_SNDBUF_SET = 1u << 19,   /* the application fixed the size */
    TCPF_RCVBUF_SET = 1u << 20,   /* */
    TCPF_PACING = 1u << 21,       /* */
    TCPF_DSACK = 1u << 22,        /* dsack is to be reported */
    TCPF_TLP = 1u << 23,          /* a tail loss probe is out; tlp_end */
    TCPF_TLP_RESENT = 1u << 24,   /* it was a retransmission */
    TCPF_REORDERED = 1u << 25,    /* RACK saw the path reorder */
    TCPF_UNDO = 1u << 26,         /* the last reduction may be undone */
    TCPF_CONNECTING = 1u << 27,   /* tcp_connect was not answered yet */
    TCPF_TIME_WAIT = 1u << 28,    /* in the list of TIME_WAIT */
    TCPF_USER_TIMEOUT = 1u << 29, /* the application set it */
    TCPF_WSCALE = 1u << 30,       /* both sides sent the option */
    TCPF_MTU_PROBE = 1u << 31,    /* a probe of the path's MTU is out; mtu */
};

enum tcp_ca { TCP_CA_OPEN, TCP_CA_RECOVERY, TCP_CA_LOSS };

/* What a connection's one timer multiplexes. */
enum tcp_timer { TCP_TIMER_RTX, TCP_TIMER_DELACK, TCP_TIMER_KEEP, TCP_TIMER_LIFE, TCP_TIMER_MORE, TCP_TIMERS };

/* What TCP_TIMER_RTX is for. */
enum tcp_rtx { TCP_RTX_NONE, TCP_RTX_RTO, TCP_RTX_TLP, TCP_RTX_REORDER, TCP_RTX_PERSIST };

/* What a listener's connections inherit, and the application may change. */
struct tcp_settings {
    uint32_t sndbuf, rcvbuf;
    uint64_t user_timeout_ns, keep_idle_ns, keep_interval_ns;
    uint32_t keep_count;
    uint16_t max_mss; /* 0: what the path takes */
    uint8_t cc;
    uint32_t flags; /* TCPF_NAGLE, TCPF_KEEPALIVE, TCPF_PACING, TCPF_*BUF_SET, TCPF_USER_TIMEOUT */
};

#define TCP_SETTING_FLAGS                                                                                              \
    (TCPF_NAGLE | TCPF_KEEPALIVE | TCPF_PACING | TCPF_SNDBUF_SET | TCPF_RCVBUF_SET | TCPF_USER_TIMEOUT)

/* The search for the path's MTU: see tcp_mtu.c. Sizes are of IP packets. */
struct tcp_mtu {
    uint64_t next_ns; /* no probe before; TCP_NEVER: there is nothing to be found */
    uint32_t probe_end;
    uint16_t size; /* of the probe that is out */
    uint16_t high; /* the smallest that does not pass, as far as is known */
    uint8_t tries; /* probes of that size that were lost */
};

struct tcp_conn {
    /* what each segment needs */
    struct tcp_pair pair;
    uint32_t flags; /* enum tcp_conn_flag */
    uint8_t state;  /* enum tcp_state */
    uint8_t ca;     /* enum tcp_ca */
    uint8_t snd_wscale, rcv_wscale;
    uint32_t rcv_nxt, rcv_adv; /* next expected; right edge of what was advertised */
    uint32_t last_ack;         /* acknowledged last (RFC 7323, Last.ACK.sent) */
    uint32_t ts_recent, ts_offset;
    uint32_t snd_una, snd_nxt, snd_wnd;
    uint32_t snd_wl1, snd_wl2; /* segment that set snd_wnd last */
    uint16_t mss;              /* payload of a full segment, options of every segment taken off */
    uint8_t unacked_segs;      /* segments with data since the last acknowledgement */
    uint8_t frto;              /* step of RFC 5682, 0: none */
    struct tcp *tcp;
    void *ctx;
    struct tcp_cc cc;
    struct tcp_rtt rtt;
    uint64_t deadline[TCP_TIMERS];
    struct timer timer;
    struct tcp_sndq snd;
    struct tcp_rcvq rcv;
    struct ip_path path;

    /* loss detection */
    uint64_t rack_sent_ns, rack_rtt_ns;
    uint64_t rto_ns;      /* when the last timeout was */
    uint32_t fack;        /* highest sequence number known to have arrived */
    uint32_t recover;     /* recovery ends when this is acknowledged */
    uint32_t undo_una;    /* snd_una when the window was reduced */
    uint32_t undo_resent; /* retransmissions since, less those a D-SACK told to be needless */
    uint32_t tlp_end;
    uint32_t dupacks;
    uint32_t ecn_recover; /* no second reduction for ECN before this is acknowledged */
    uint32_t frto_end;    /* snd_nxt when the second step of F-RTO began */
    uint32_t dsack_round; /* RACK.dsack_round: end of the round trip */
    uint16_t rack_turn;   /* of the latest segment known to have arrived */
    uint8_t reo_mult, reo_persist;
    uint8_t rtx;                              /* enum tcp_rtx */
    uint8_t probes;                           /* keepalive or zero-window probes not answered */
    struct tcp_block sack_seen[TCP_SACK_MAX]; /* blocks of the last segment that had some */
    struct tcp_block dsack;                   /* to be reported */

    /* rare */
    uint64_t ts_recent_ns; /* when ts_recent was set */
    uint64_t heard_ns;     /* last segment of the peer */
    uint64_t sent_ns;      /* last data segment of ours */
    uint64_t progress_ns;  /* since when the oldest outstanding data has not been acknowledged */
    uint64_t challenge_ns; /* last challenge ACK */
    uint64_t pace_ns;      /* earliest time of the next paced segment */
    struct tcp_mtu mtu;
    uint64_t tune_ns;        /* receive buffer: start of the present measurement, */
    uint64_t taken;          /* bytes the application took so far, */
    uint64_t tune_taken;     /* and had taken at its start */
    uint64_t queued, resent; /* bytes queued, segments retransmitted, since the beginning */
    uint32_t iss, irs;
    uint32_t fin_seq; /* sequence number of the peer's FIN */
    uint32_t snd_wnd_max;
    struct tcp_settings set;
    uint16_t peer_mss;
    uint16_t hold;
    int16_t err;                           /* positive errno that ended it */
    int16_t soft_err;                      /* the last thing ICMP said */
    bool dead;                             /* to be freed when nobody holds it */
    bool has_port;                         /* its port is taken (env.take_port) and to be given back */
    struct tcp_listener *listener;         /* of TCPF_WAITING */
    struct tcp_conn *next, *prev;          /* listener's queue, or TIME_WAIT */
    struct tcp_conn *all_next, *all_prev;  /* all connections */
    struct tcp_conn *ack_next, **ack_here; /* those that tcp_turn looks at; NULL: not one of them */
};

struct tcp_conn_list {
    struct tcp_conn *first, *last;
    uint32_t count;
};

struct tcp_listener {
    struct tcp *tcp;
    struct inet_end local;
    void *ctx;
    uint32_t backlog;
    struct tcp_conn_list half, ready; /* handshake under way; to be accepted */
    struct tcp_settings set;
    struct tcp_listener *next; /* bucket */
};

struct tcp {
    struct inet *in;
    struct tcp_config cfg;
    struct tcp_upcalls up;
    struct tcp_conn *recent[TCP_RECENT]; /* connections heard of late, by the ports' low bits: tried first */
    struct tcp_table table;
    struct tcp_secret secret;
    struct tcp_conn *all;
    struct tcp_conn *ack_first; /* to be acknowledged in the next turn; TCPF_ACK_NOW: at the burst's end */
    bool burst;                 /* frames that came together are on their way in */
    uint32_t conns, orphans, half_open, listeners;
    struct tcp_conn_list time_wait;
    struct tcp_listener *listener[TCP_LISTEN_BUCKETS];
    uint64_t cookie_ns; /* the last cookie was sent then; 0: never */
    size_t table_bytes;
};

/*
 * The place among the connections heard of late for two ports, one in each half of the word. A stranger may fill it
 * with his own connections; what he gains is a search in the table.
 */
static inline struct tcp_conn **tcp_recent(struct tcp *t, uint32_t ports)
{
    return &t->recent[(ports ^ ports >> 16) % TCP_RECENT];
}

static inline uint64_t tcp_now(const struct tcp_conn *c)
{
    return c->tcp->in->env.now_ns;
}

/* Our timestamp: milliseconds and the connection's offset. */
static inline uint32_t tcp_ts_now(const struct tcp_conn *c)
{
    return (uint32_t)(tcp_now(c) / NS_PER_MS) + c->ts_offset;
}

static inline struct inet_env *tcp_env(const struct tcp_conn *c)
{
    return &c->tcp->in->env;
}

/* May data be sent and received? */
static inline bool tcp_is_synchronized(const struct tcp_conn *c)
{
    return c->state >= TCP_ESTABLISHED;
}

/* Sequence number behind all that may be sent: data, and the FIN once it is queued. */
static inline uint32_t tcp_snd_end(const struct tcp_conn *c)
{
    return c->snd.end_seq + ((c->flags & TCPF_FIN_QUEUED) != 0);
}

/* Bytes the peer may still send. */
static inline uint32_t tcp_rcv_wnd(const struct tcp_conn *c)
{
    return c->rcv_adv - c->rcv_nxt;
}

/* The application has nothing to say about it any more, or never had. */
static inline bool tcp_is_silent(const struct tcp_conn *c)
{
    return (c->flags & (TCPF_ORPHAN | TCPF_WAITING)) != 0;
}

static inline void tcp_hold(struct tcp_conn *c)
{
    c->hold++;
}

/* --- tcp.c --- */

/* A connection in TCP_CLOSED, in no table, with these settings; NULL with *err -ENOBUFS or -ENOMEM. */
struct tcp_conn *tcp_conn_new(struct tcp *t, const struct tcp_settings *set, int *err);

/* Into the table under c->pair; -ENOBUFS. */
int tcp_conn_enter(struct tcp_conn *c);

/* The last hold of a dead connection has ended. */
COLD void tcp_bury(struct tcp_conn *c);

/* Ends a hold. */
static inline void tcp_drop(struct tcp_conn *c)
{
    assert(c->hold > 0);
    if (--c->hold == 0 && UNLIKELY(c->dead))
        tcp_bury(c);
}

/* The connection is over: out of the table, timers off, err (0 or positive) remembered and told. */
void tcp_conn_end(struct tcp_conn *c, int err);

/* Both FINs are through: waits twice the segment lifetime (RFC 9293 section 3.6). Again: the wait starts anew. */
void tcp_conn_time_wait(struct tcp_conn *c);

void tcp_list_add(struct tcp_conn_list *l, struct tcp_conn *c);
void tcp_list_remove(struct tcp_conn_list *l, struct tcp_conn *c);

/* The sequence space and everything that follows from a pair of ends, before the first SYN. */
void tcp_conn_start(struct tcp_conn *c);

/* Segment size from the path's MTU, peer and settings; congestion control learns it. */
void tcp_conn_set_mss(struct tcp_conn *c, uint32_t mtu);
void tcp_settings_default(const struct tcp *t, struct tcp_settings *s);

/* --- tcp_open.c --- */

struct tcp_listener *tcp_listener_find(const struct tcp *t, const struct inet_addr *addr, uint16_t port);

/* A segment for a listener, or for nobody. */
void tcp_listen_input(struct tcp *t, const struct ip_packet *p, const struct tcp_seg *s);

/* A segment in SYN_SENT. */
void tcp_syn_sent_input(struct tcp_conn *c, const struct ip_packet *p, const struct tcp_seg *s);

/* The handshake is complete: what was agreed takes effect. s acknowledged our SYN. */
void tcp_conn_established(struct tcp_conn *c, const struct tcp_seg *s);

/* --- tcp_input.c --- */

bool tcp_quick(struct inet *in, void *transport, void *obj, uint8_t *h, uint32_t len, uint32_t device);
void tcp_input(struct inet *in, void *transport, const struct ip_packet *p);
bool tcp_error(struct inet *in, void *transport, const struct ip_error *e);

/* In-order bytes for the application. False: no memory; how many were taken is seen at rcv_nxt. */
bool tcp_take_data(struct tcp_conn *c, void *obj, char *ptr, uint32_t len);

/* Ready bytes go up while somebody wants them. */
void tcp_deliver_ready(struct tcp_conn *c);

/* An in-order segment with data came: acknowledge now, in the next turn when all was taken, or later. */
void tcp_schedule_ack(struct tcp_conn *c);

/* Nothing is left that the application could take: acknowledge in the next turn unless something carries it by then. */
static inline void tcp_ack_soon(struct tcp_conn *c)
{
    struct tcp *t = c->tcp;

    if (c->ack_here != NULL)
        return;
    c->ack_next = t->ack_first;
    if (c->ack_next != NULL)
        c->ack_next->ack_here = &c->ack_next;
    c->ack_here = &t->ack_first;
    t->ack_first = c;
}

static inline void tcp_ack_not_soon(struct tcp_conn *c)
{
    if (c->ack_here == NULL)
        return;
    *c->ack_here = c->ack_next;
    if (c->ack_next != NULL)
        c->ack_next->ack_here = c->ack_here;
    c->ack_here = NULL;
}

/* --- tcp_segment.c --- */

/* Everything that the fast path leaves, in a state other than LISTEN and SYN_SENT. */
void tcp_segment(struct tcp_conn *c, const struct ip_packet *p, struct tcp_seg *s);

/* --- tcp_ack.c --- */

/* s acknowledges up to s->ack, which is neither old nor in the future; window, loss recovery, congestion control. */
void tcp_ack(struct tcp_conn *c, const struct tcp_seg *s);

/* The same where nothing is lost, sacked or doubtful, and s has no SACK; s->ack is beyond snd_una. */
void tcp_ack_fast(struct tcp_conn *c, const struct tcp_seg *s);

/* Marks as lost what RFC 8985 says is; arms the reordering timer for what may be. */
void tcp_rack_detect(struct tcp_conn *c);

/* What was found lost, if anything: congestion, which begins a recovery, or a probe that was too large. */
void tcp_judge_loss(struct tcp_conn *c);
void tcp_lose_all(struct tcp_conn *c);
void tcp_window_update(struct tcp_conn *c, const struct tcp_seg *s);

/* The window of a segment that is newer than the one it was known from (RFC 9293, SND.WL1 and WL2). */
static inline void tcp_window_take(struct tcp_conn *c, uint32_t seq, uint32_t ack, uint16_t window)
{
    uint32_t wnd = (uint32_t)window << c->snd_wscale;

    c->snd_wl1 = seq;
    c->snd_wl2 = ack;
    if (UNLIKELY(c->rtx == TCP_RTX_PERSIST && wnd > c->snd_wnd)) {
        c->rtt.backoff = 0;
        c->rtx = TCP_RTX_NONE; /* tcp_output arms what is right now */
    }
    c->snd_wnd = wnd;
    if (wnd > c->snd_wnd_max)
        c->snd_wnd_max = wnd;
}

/* --- tcp_header.c --- */

/* Bytes that SACK takes in a segment now. */
static inline unsigned tcp_sack_bytes(const struct tcp_conn *c)
{
    unsigned blocks = c->rcv.runs + ((c->flags & TCPF_DSACK) != 0), most = (c->flags & TCPF_TS) != 0 ? 3 : 4;

    if (LIKELY(blocks == 0) || (c->flags & TCPF_SACK) == 0)
        return 0;
    return TCP_SACK_BASE + 8 * (blocks < most ? blocks : most);
}

/*
 * Puts a header in front of f, which has the payload, and sends it; how has what is not the same for all. Negative
 * errno of ip_output.
 */
int tcp_transmit(struct tcp_conn *c, struct frame *f, uint32_t seq, uint8_t flags, struct ip_send how);

void tcp_send_ack(struct tcp_conn *c);
void tcp_send_syn(struct tcp_conn *c);
void tcp_send_rst(struct tcp_conn *c);

/* An empty segment that makes the peer answer: its sequence number is old. */
void tcp_send_keepalive(struct tcp_conn *c);

/* An acknowledgement that somebody suspicious asked for; limited (RFC 5961 section 7). */
void tcp_challenge(struct tcp_conn *c);

/* An acknowledgement that says how long we wait for the peer's (RFC 5482 section 3.2). */
void tcp_tell_user_timeout(struct tcp_conn *c);

/* Answers a segment that belongs to nobody (RFC 9293 section 3.5.2). */
void tcp_reply_rst(struct tcp *t, const struct ip_packet *p, const struct tcp_seg *s);

/* A SYN-ACK for which nothing is remembered; header as in s. */
void tcp_reply(struct tcp *t, const struct ip_packet *p, const struct tcp_seg *s, uint8_t tos);

/* --- tcp_output.c --- */

/* Sends what may be sent; an acknowledgement that is due goes by itself when nothing carries it. */
void tcp_output(struct tcp_conn *c);

/* A byte beyond the peer's closed window. */
void tcp_send_probe(struct tcp_conn *c);

/* Sends record `number` again, all of it. False: the device would not take it. */
bool tcp_resend(struct tcp_conn *c, uint32_t number);

/* Sends one segment of new data whatever the congestion window says. False: there is none, or it does not fit. */
bool tcp_send_one_new(struct tcp_conn *c);

/* Sends len bytes of new data, more than c->mss, as one segment that need not pass. False: it could not be sent. */
bool tcp_send_mtu_probe(struct tcp_conn *c, uint32_t len);

/* What may be in flight (RFC 6675, pipe). */
uint32_t tcp_pipe(const struct tcp_conn *c);

/* --- tcp_timeout.c --- */

/* The connection's one timer fires at deadline_ns. */
void tcp_timer_arm(struct tcp_conn *c, uint64_t deadline_ns);

static inline void tcp_timer_set(struct tcp_conn *c, enum tcp_timer which, uint64_t deadline_ns)
{
    c->deadline[which] = deadline_ns;
    if (UNLIKELY(!timer_armed(&c->timer) || deadline_ns < c->timer.deadline_ns))
        tcp_timer_arm(c, deadline_ns);
}

/*
 * RFC 8985 section 7.2: when a probe of the tail is sent, where a round trip was measured and the peer delays nothing.
 * Twice the longest round trip of late, not the mean one: what is only slow would be sent again.
 */
static inline uint64_t tcp_probe_timeout(const struct tcp_conn *c)
{
    return 2 * tcp_rtt_long(&c->rtt) + 2 * (UINT64_C(1) << TIMER_TICK_SHIFT);
}

static inline void tcp_timer_clear(struct tcp_conn *c, enum tcp_timer which)
{
    c->deadline[which] = TCP_NEVER;
}
void tcp_timers_stop(struct tcp_conn *c);

/* Every segment with ACK says all that an acknowledgement would. */
static inline void tcp_acknowledged(struct tcp_conn *c)
{
    c->last_ack = c->rcv_nxt;
    c->unacked_segs = 0;
    c->flags &= ~(uint32_t)TCPF_ACK_NOW;
    tcp_timer_clear(c, TCP_TIMER_DELACK);
}

/* (Re)starts TCP_TIMER_RTX for what is outstanding now; for the end of RACK's patience. */
void tcp_rtx_arm(struct tcp_conn *c);
void tcp_rtx_arm_reorder(struct tcp_conn *c, uint64_t after_ns);
void tcp_keep_arm(struct tcp_conn *c);
/* What waits for the peer ends with the user timeout, which may have become shorter. */
void tcp_rtx_cap(struct tcp_conn *c);

/* --- tcp_mtu.c --- */

/* Bytes of the largest packet that the connection sends now. */
uint16_t tcp_mtu_now(const struct tcp_conn *c);

/* The segment size was set anew: is there a larger one to look for, in ten minutes? */
void tcp_mtu_search_later(struct tcp_conn *c);

/* The first segment in flight timed out. Lowers c->mss when a black hole is suspected. */
void tcp_mtu_timeout(struct tcp_conn *c);

/* The time of c->mtu.next_ns has come: sends a probe when the connection is in a state for it. */
void tcp_mtu_probe(struct tcp_conn *c);

/* With TCPF_MTU_PROBE. It was acknowledged; sent again; or something is lost. True: nothing but the probe. */
void tcp_mtu_acked(struct tcp_conn *c);
void tcp_mtu_resent(struct tcp_conn *c);
bool tcp_mtu_lost(struct tcp_conn *c);

/* ICMP says that the path takes mtu bytes, which is no less than we send. */
void tcp_mtu_refused(struct tcp_conn *c, uint32_t mtu);

/* --- tcp_user.c --- */

/* tcp_send of what is not, or not now, a segment of the usual kind. */
int64_t tcp_send_any(struct tcp_conn *c, void *obj, char *ptr, uint32_t len);

/* A round trip has passed: the receive buffer grows with what the application takes in one. */
void tcp_tune_rcvbuf(struct tcp_conn *c);

#endif /* INET_TCP_CONN_H */
