/* SPDX-License-Identifier: MIT */
/*
 * Congestion control: a table of functions for each algorithm, one file each. To add one, write its file and add a line
 * to TCP_CC_LIST.
 *
 * The algorithm owns cwnd and ssthresh (bytes, RFC 5681). Loss detection and recovery are not its business: it is told
 * when new data is acknowledged, when congestion was met (at most once a round trip) and when the timer expired. While
 * the connection recovers from loss, cwnd stays what `congestion` made it.
 */
#ifndef INET_TCP_CC_H
#define INET_TCP_CC_H

#include "core/base.h"

#define TCP_CC_MAX_WINDOW (UINT32_C(1) << 30)

struct tcp_cc;

/* X-macro: CC(name): struct tcp_cc_ops tcp_cc_<name>. The first one is the default. */
#define TCP_CC_LIST(CC)                                                                                                \
    CC(cubic)                                                                                                          \
    CC(newreno)                                                                                                        \
    CC(dctcp)

enum tcp_cc_kind {
#define TCP_CC_ENUM(name) TCP_CC_##name,
    TCP_CC_LIST(TCP_CC_ENUM)
#undef TCP_CC_ENUM
        TCP_CC_MAX
};

/* What an acknowledgement of new data tells. */
struct tcp_cc_ack {
    uint64_t now_ns;
    uint64_t srtt_ns;
    uint32_t acked;  /* bytes newly acknowledged */
    uint32_t marked; /* of these, bytes whose acknowledgement had ECE set */
    uint32_t una;    /* sequence number up to which all is acknowledged, and of the next byte to be sent: */
    uint32_t nxt;    /* together they tell round trips apart */
    bool limited;    /* the window was full: it may grow (RFC 7661's rule in short) */
    bool open;       /* not in recovery: the window may grow at all */
};

struct tcp_cc_ops {
    const char *name;
    bool every_packet_ecn;           /* wants ECT on all segments and exact echoes (DCTCP) */
    void (*init)(struct tcp_cc *cc); /* state after the common part was set */
    void (*acked)(struct tcp_cc *cc, const struct tcp_cc_ack *a);
    void (*congestion)(struct tcp_cc *cc, uint64_t now_ns, bool ecn); /* loss, or an ECN echo */
    void (*timeout)(struct tcp_cc *cc, uint64_t now_ns, uint32_t flight);
    void (*undo)(struct tcp_cc *cc); /* the last reduction was spurious: common part is restored, the rest is not */
};

struct tcp_cc {
    const struct tcp_cc_ops *ops;
    uint32_t cwnd, ssthresh, mss;
    uint32_t prior_cwnd, prior_ssthresh; /* before the last reduction */
    uint32_t part;                       /* fractions of growth carried over */
    union {
        struct {
            uint64_t epoch_ns;   /* start of congestion avoidance; 0: none */
            uint32_t w_max;      /* bytes */
            uint32_t w_est;      /* bytes of the Reno-friendly window */
            uint32_t w_est_part; /* and its fraction */
            uint32_t k_ms;
            uint32_t prior_w_max;
        } cubic;
        struct {
            uint32_t alpha; /* 2^20 is 1 */
            uint32_t acked, marked;
            uint32_t window_end;
            bool started;
        } dctcp;
    };
};

extern const struct tcp_cc_ops tcp_cc_cubic, tcp_cc_newreno, tcp_cc_dctcp;

/* The algorithm of this name or number, or NULL. */
const struct tcp_cc_ops *tcp_cc_find(const char *name, size_t len);
const struct tcp_cc_ops *tcp_cc_at(enum tcp_cc_kind kind);

/* Starts with the initial window of RFC 6928 (initial segments of mss; more than ten are not given). */
void tcp_cc_init(struct tcp_cc *cc, const struct tcp_cc_ops *ops, uint32_t mss, uint32_t initial);

/* Another algorithm goes on with the same window. */
void tcp_cc_change(struct tcp_cc *cc, const struct tcp_cc_ops *ops);

/* The path's segment size is another one: the window keeps its bytes. */
void tcp_cc_set_mss(struct tcp_cc *cc, uint32_t mss);

/* Initial window of RFC 6928 section 2. */
uint32_t tcp_cc_initial_window(uint32_t mss, uint32_t initial);

/* Remembers the window before a reduction, for undo. */
static inline void tcp_cc_remember(struct tcp_cc *cc)
{
    cc->prior_cwnd = cc->cwnd;
    cc->prior_ssthresh = cc->ssthresh;
}

/* The reduction was spurious (RFC 3708, RFC 4015): the window is what it was, and does not shrink by it. */
void tcp_cc_undo(struct tcp_cc *cc);

/* Nothing was sent for idle_ns, more than one timeout: RFC 5681 section 4.1, halved for each timeout (RFC 2861). */
void tcp_cc_idle(struct tcp_cc *cc, uint64_t idle_ns, uint64_t rto_ns, uint32_t initial);

/* Slow start by what was acknowledged, and what is left of it above ssthresh (RFC 5681 with RFC 3465, L = acked). */
uint32_t tcp_cc_slow_start(struct tcp_cc *cc, uint32_t acked);

/* Additive increase: one mss for each window acknowledged. */
void tcp_cc_additive(struct tcp_cc *cc, uint32_t acked);

static inline uint32_t tcp_cc_clamp(uint64_t window)
{
    return window > TCP_CC_MAX_WINDOW ? TCP_CC_MAX_WINDOW : (uint32_t)window;
}

/* At least two segments (RFC 5681 equation 4). */
static inline uint32_t tcp_cc_at_least_two(const struct tcp_cc *cc, uint64_t window)
{
    return tcp_cc_clamp(window < 2 * (uint64_t)cc->mss ? 2 * (uint64_t)cc->mss : window);
}

#endif /* INET_TCP_CC_H */
