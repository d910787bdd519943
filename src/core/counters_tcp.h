/* SPDX-License-Identifier: MIT */
/* Counters of TCP. Whatever is dropped is counted under one of the names "drop_tcp_...". */
#ifndef CORE_COUNTERS_TCP_H
#define CORE_COUNTERS_TCP_H

/* clang-format off */
#define COUNTER_LIST_TCP(COUNTER)                                                              \
    COUNTER(tcp_segs_in, "TCP segments received")                                              \
    COUNTER(tcp_segs_out, "TCP segments sent")                                                 \
    COUNTER(tcp_acks_out, "TCP segments sent that only acknowledge")                           \
    COUNTER(tcp_opens, "TCP connections opened by us")                                         \
    COUNTER(tcp_established, "TCP handshakes completed")                                       \
    COUNTER(tcp_conns_now, "TCP connections, in all states")                                   \
    COUNTER(tcp_resets_in, "TCP connections reset by the peer")                                \
    COUNTER(tcp_resets_out, "TCP resets sent")                                                 \
    COUNTER(tcp_retransmits, "TCP segments sent again")                                        \
    COUNTER(tcp_timeouts, "TCP retransmission timeouts")                                       \
    COUNTER(tcp_recoveries, "TCP losses found without a timeout")                              \
    COUNTER(tcp_undos, "TCP window reductions that were undone as spurious")                   \
    COUNTER(tcp_tail_probes, "TCP tail loss probes sent")                                      \
    COUNTER(tcp_probes, "TCP probes of a closed window")                                       \
    COUNTER(tcp_black_holes, "TCP paths suspected of swallowing large segments")               \
    COUNTER(tcp_mtu_probes, "TCP probes of the path's MTU sent")                               \
    COUNTER(tcp_keepalives, "TCP keepalive probes sent")                                       \
    COUNTER(tcp_gave_up, "TCP connections given up for want of an answer")                     \
    COUNTER(tcp_reneges, "TCP peers that dropped what they had acknowledged selectively")      \
    COUNTER(tcp_dsacks_in, "TCP duplicates reported by the peer")                              \
    COUNTER(tcp_early_in, "TCP segments received ahead of a hole")                             \
    COUNTER(tcp_delayed_acks, "TCP acknowledgements that waited for the timer")                \
    COUNTER(tcp_turn_acks, "TCP acknowledgements of what was taken and not answered in a turn") \
    COUNTER(tcp_window_updates, "TCP window updates sent because the application took bytes")  \
    COUNTER(tcp_ecn_marks, "TCP segments received with congestion experienced")                \
    COUNTER(tcp_ecn_echoes, "TCP window reductions because of ECN")                            \
    COUNTER(tcp_challenges, "TCP challenge ACKs sent")                                         \
    COUNTER(tcp_challenges_limited, "TCP challenge ACKs not sent: rate limit")                 \
    COUNTER(tcp_cookies_sent, "TCP SYN cookies sent")                                          \
    COUNTER(tcp_cookies_good, "TCP connections made from a SYN cookie")                        \
    COUNTER(tcp_closed_unread, "TCP connections reset because they were closed with data unread") \
    COUNTER(tcp_orphans_ended, "TCP orphans ended: the peer sent no FIN in time")              \
    COUNTER(tcp_orphans_full, "TCP connections reset on close: too many orphans")              \
    COUNTER(tcp_time_wait_full, "TCP connections whose TIME_WAIT was cut short for another")   \
    COUNTER(tcp_conns_full, "TCP connections refused because all were taken")                  \
    COUNTER(tcp_table_full, "TCP connections refused because their place in the table was too far") \
    COUNTER(tcp_listeners_full, "TCP listeners refused because all were taken")                \
    COUNTER(tcp_ports_full, "TCP searches for a port that found none")                         \
    COUNTER(tcp_sndbuf_full, "TCP sends refused because the send buffer was full")             \
    COUNTER(tcp_flight_full, "TCP sends that waited: too many segments in flight")             \
    COUNTER(drop_tcp_bad, "TCP segments dropped: malformed header")                            \
    COUNTER(drop_tcp_checksum, "TCP segments dropped: checksum")                               \
    COUNTER(drop_tcp_port, "TCP segments dropped: no connection, no listener")                 \
    COUNTER(drop_tcp_stray, "TCP segments dropped: flags that mean nothing in this state")     \
    COUNTER(drop_tcp_window, "TCP segments dropped: outside the window")                       \
    COUNTER(drop_tcp_timestamp, "TCP segments dropped: without the agreed timestamp")          \
    COUNTER(drop_tcp_paws, "TCP segments dropped: timestamp of the past")                      \
    COUNTER(drop_tcp_ack, "TCP segments dropped: acknowledge what was not sent, or long ago")  \
    COUNTER(drop_tcp_rst, "TCP resets not believed: in the window, but not exact")             \
    COUNTER(drop_tcp_syn, "TCP segments dropped: a SYN within a connection")                   \
    COUNTER(drop_tcp_backlog, "TCP segments dropped: the listener's backlog is full")          \
    COUNTER(drop_tcp_early_full, "TCP segments dropped: too many holes or pieces")             \
    COUNTER(drop_tcp_no_memory, "TCP segments dropped: no buffer memory")
/* clang-format on */

#endif /* CORE_COUNTERS_TCP_H */
