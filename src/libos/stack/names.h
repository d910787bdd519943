/* SPDX-License-Identifier: MIT */
/* The kernel's names of TCP options and its struct tcp_info, whose header has names of the stack's own in it. */
#ifndef LIBOS_STACK_NAMES_H
#define LIBOS_STACK_NAMES_H

#include "core/base.h"

#include <sys/socket.h>

/* X-macro: OPTION(name): TCP_name of the kernel. */
#define STACK_TCP_NAMES(OPTION)                                                                                        \
    OPTION(NODELAY)                                                                                                    \
    OPTION(KEEPIDLE)                                                                                                   \
    OPTION(KEEPINTVL)                                                                                                  \
    OPTION(KEEPCNT)                                                                                                    \
    OPTION(USER_TIMEOUT)                                                                                               \
    OPTION(MAXSEG)                                                                                                     \
    OPTION(CONGESTION)                                                                                                 \
    OPTION(INFO)

enum stack_tcp_name {
#define OPTION(name) STACK_##name,
    STACK_TCP_NAMES(OPTION)
#undef OPTION
        STACK_NAMES
};

/* STACK_NAMES: none of these. */
enum stack_tcp_name stack_tcp_name(int name);

/* What the kernel's structure can say of a connection of ours; times in microseconds as there. */
struct stack_info {
    uint8_t state; /* enum tcp_state; the kernel has other numbers */
    bool timestamps, sack, ecn;
    uint8_t snd_wscale, rcv_wscale;
    uint32_t rto_us, snd_mss, unacked, rtt_us, rttvar_us, ssthresh, cwnd, total_retrans, rcv_space;
};

/* Writes it as the kernel's struct tcp_info, at most len bytes; returns how many. */
socklen_t stack_kernel_info(const struct stack_info *i, void *val, socklen_t len);

#endif /* LIBOS_STACK_NAMES_H */
