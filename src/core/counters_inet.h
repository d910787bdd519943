/* SPDX-License-Identifier: MIT */
/* Counters of the TCP/IP stack but TCP's own. Whatever is dropped is counted under one of the names "drop_...". */
#ifndef CORE_COUNTERS_INET_H
#define CORE_COUNTERS_INET_H

/* clang-format off */
#define COUNTER_LIST_INET(COUNTER)                                                          \
    COUNTER(rx_frames, "frames received")                                                   \
    COUNTER(rx_bytes, "bytes of frames received")                                           \
    COUNTER(tx_frames, "frames sent")                                                       \
    COUNTER(tx_bytes, "bytes of frames sent")                                               \
    COUNTER(drop_eth_short, "frames dropped: shorter than their Ethernet header")           \
    COUNTER(drop_eth_dst, "frames dropped: for another station")                            \
    COUNTER(drop_eth_src, "frames dropped: source is a group address, or ours")             \
    COUNTER(drop_eth_type, "frames dropped: neither IP nor ARP")                            \
    COUNTER(drop_eth_vlan, "frames dropped: of another VLAN")                               \
    COUNTER(drop_arp_bad, "ARP packets dropped: malformed")                                 \
    COUNTER(drop_ip_bad, "IP packets dropped: malformed header")                            \
    COUNTER(drop_ip_checksum, "IPv4 packets dropped: header checksum")                      \
    COUNTER(drop_ip_short, "IP packets dropped: cut short")                                 \
    COUNTER(drop_ip_src, "IP packets dropped: impossible source address")                   \
    COUNTER(drop_ip_dst, "IP packets dropped: not for us")                                  \
    COUNTER(drop_ip_route, "IP packets dropped: source-routed")                             \
    COUNTER(drop_ip_proto, "IP packets dropped: unknown protocol")                          \
    COUNTER(drop_ip_option, "IPv6 packets dropped: an option forbids to go on")             \
    COUNTER(drop_frag_bad, "fragments dropped: impossible place or length")                 \
    COUNTER(drop_frag_overlap, "fragments dropped with their packet: they overlap")         \
    COUNTER(drop_frag_full, "fragments dropped with the oldest packet: too many")           \
    COUNTER(drop_frag_timeout, "packets dropped: not all fragments came in time")           \
    COUNTER(drop_icmp_bad, "ICMP messages dropped: malformed")                              \
    COUNTER(drop_icmp_checksum, "ICMP messages dropped: checksum")                          \
    COUNTER(drop_icmp_type, "ICMP messages dropped: of no use to us")                       \
    COUNTER(drop_icmp_stray, "ICMP errors dropped: about a packet we did not send")         \
    COUNTER(drop_icmp_limit, "ICMP messages not sent: rate limit")                          \
    COUNTER(drop_ndisc_bad, "neighbour discovery messages dropped: malformed")              \
    COUNTER(drop_udp_bad, "datagrams dropped: impossible length")                           \
    COUNTER(drop_udp_checksum, "datagrams dropped: checksum")                               \
    COUNTER(drop_udp_port, "datagrams dropped: nobody has bound the port")                  \
    COUNTER(drop_udp_full, "datagrams dropped: the socket's queue was full")                \
    COUNTER(drop_no_memory, "frames dropped: no buffer memory")                             \
    COUNTER(drop_no_route, "packets not sent: no route")                                    \
    COUNTER(drop_neigh_full, "packets not sent: too many wait for a link address")          \
    COUNTER(drop_neigh_failed, "packets not sent: the neighbour did not answer")            \
    COUNTER(drop_too_big, "packets not sent: larger than the path takes")                   \
    COUNTER(drop_device_full, "frames not sent: the device's queue was full")               \
    COUNTER(handed_over, "frames that came by another instance's queue, and went to it")    \
    COUNTER(drop_device_rx, "frames lost by the device: its receive ring was full")         \
    COUNTER(drop_device_tx, "frames not sent: the device refused them")                     \
    COUNTER(arp_requests, "ARP requests and neighbour solicitations sent")                  \
    COUNTER(arp_replies, "ARP replies and neighbour advertisements sent")                   \
    COUNTER(arp_conflicts, "another station claimed our address")                           \
    COUNTER(neigh_full, "neighbour entries thrown out for newer ones")                      \
    COUNTER(neigh_failures, "neighbours that did not answer")                               \
    COUNTER(frags_in, "fragments received")                                                 \
    COUNTER(frags_whole, "packets put together from fragments")                             \
    COUNTER(frags_out, "fragments sent")                                                    \
    COUNTER(icmp_in, "ICMP messages received")                                              \
    COUNTER(icmp_out, "ICMP messages sent")                                                 \
    COUNTER(pmtu_changes, "times a path's MTU shrank")                                      \
    COUNTER(pmtu_full, "path MTUs forgotten for newer ones")                                \
    COUNTER(udp_in, "datagrams delivered")                                                  \
    COUNTER(udp_out, "datagrams sent")                                                      \
    COUNTER(udp_full, "datagram sockets refused because all were taken")                    \
    COUNTER(loopback_full, "packets to ourselves dropped: too many wait")
/* clang-format on */

#endif /* CORE_COUNTERS_INET_H */
