/* SPDX-License-Identifier: MIT */
#include "names.h"

#include <netinet/tcp.h>
#include <string.h>

enum stack_tcp_name stack_tcp_name(int name)
{
    switch (name) {
#define OPTION(word)                                                                                                   \
    case TCP_##word:                                                                                                   \
        return STACK_##word;
        STACK_TCP_NAMES(OPTION)
#undef OPTION
    default:
        return STACK_NAMES;
    }
}

/* In the order of enum tcp_state (inet/tcp.h). */
static const uint8_t kernel_state[] = {
    TCP_CLOSE,     TCP_LISTEN,     TCP_SYN_SENT, TCP_SYN_RECV, TCP_ESTABLISHED, TCP_FIN_WAIT1,
    TCP_FIN_WAIT2, TCP_CLOSE_WAIT, TCP_CLOSING,  TCP_LAST_ACK, TCP_TIME_WAIT,
};

socklen_t stack_kernel_info(const struct stack_info *i, void *val, socklen_t len)
{
    struct tcp_info k = {.tcpi_state = i->state < ARRAY_LEN(kernel_state) ? kernel_state[i->state] : TCP_CLOSE,
                         .tcpi_options =
                             (uint8_t)((i->timestamps ? TCPI_OPT_TIMESTAMPS : 0) | (i->sack ? TCPI_OPT_SACK : 0) |
                                       (i->ecn ? TCPI_OPT_ECN : 0) | TCPI_OPT_WSCALE),
                         .tcpi_snd_wscale = i->snd_wscale & 15,
                         .tcpi_rcv_wscale = i->rcv_wscale & 15,
                         .tcpi_rto = i->rto_us,
                         .tcpi_snd_mss = i->snd_mss,
                         .tcpi_rcv_mss = i->snd_mss,
                         .tcpi_unacked = i->unacked,
                         .tcpi_rtt = i->rtt_us,
                         .tcpi_rttvar = i->rttvar_us,
                         .tcpi_snd_ssthresh = i->ssthresh,
                         .tcpi_snd_cwnd = i->cwnd,
                         .tcpi_rcv_space = i->rcv_space,
                         .tcpi_total_retrans = i->total_retrans};

    if (len > sizeof(k))
        len = sizeof(k);
    memcpy(val, &k, len);
    return len;
}
