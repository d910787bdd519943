/* SPDX-License-Identifier: MIT */
/* The one list of counters: COUNTER(name, help). Levels ("_now") go up and down, all others only grow. */
#ifndef CORE_COUNTERS_H
#define CORE_COUNTERS_H

#include "counters_inet.h"
#include "counters_tcp.h"

/* clang-format off */
#define COUNTER_LIST(COUNTER)                                                        \
    COUNTER(polls, "turns of the poll loop")                                         \
    COUNTER(resumes, "coroutines resumed")                                           \
    COUNTER(sleeps, "times a wait slept")                                            \
    COUNTER(pushes, "push operations completed")                                     \
    COUNTER(pops, "pop operations completed")                                        \
    COUNTER(accepts, "accept operations completed")                                  \
    COUNTER(connects, "connect operations completed")                                \
    COUNTER(failures, "operations that failed")                                      \
    COUNTER(push_bytes, "bytes pushed")                                              \
    COUNTER(pop_bytes, "bytes popped")                                               \
    COUNTER(ops_now, "operations outstanding or not yet waited for")                 \
    COUNTER(queues_now, "queues open")                                               \
    COUNTER(memory_now, "bytes of buffer memory in use by allocations")              \
    COUNTER(superblocks_now, "superblocks taken from the region")                    \
    COUNTER(ops_full, "operations refused because all slots were taken")             \
    COUNTER(queues_full, "queues refused because all slots were taken")              \
    COUNTER(memory_full, "allocations refused because the memory limit was reached") \
    COUNTER(bad_tokens, "waits with an invalid token")                               \
    COUNTER(timers_fired, "timers fired")                                            \
    COUNTER(syscalls, "system calls made on the data path")                          \
    COUNTER(resets, "connections reset by the peer")                                 \
    COUNTER(dgram_dropped, "datagrams lost because they did not fit")                \
    COUNTER(uring_requests_now, "io_uring requests that are under way")              \
    COUNTER(uring_full, "io_uring requests refused because none was free")           \
    COUNTER(uring_no_buffer, "io_uring receives that found no buffer")               \
    COUNTER(peer_deaths, "catmem peers that vanished")                               \
    COUNTER(peer_protocol_errors, "catmem peers dropped for a malformed ring")       \
    COUNTER(peers_woken, "sleeping catmem peers woken by a system call")             \
    COUNTER(ring_full, "catmem pushes that waited for room in a ring")               \
    COUNTER(refs_full, "catmem pushes that waited: too many were out by reference")  \
    COUNTER(rx_full, "catmem connections that stopped for a slow application")       \
    COUNTER(backlog_full, "catmem listeners whose backlog was full")                 \
    COUNTER(greet_timeouts, "catmem peers that did not greet in time")               \
    COUNTER(msg_sent, "catnano messages sent")                                       \
    COUNTER(msg_received, "catnano messages received")                               \
    COUNTER(msg_timeouts, "catnano timeouts: packets were sent again")               \
    COUNTER(msg_waits, "catnano pushes that waited: too many messages on their way") \
    COUNTER(msg_given_up, "catnano messages dropped: the peer was silent")           \
    COUNTER(msg_repeats, "catnano packets of messages that were delivered before")   \
    COUNTER(msg_closed, "catnano packets acknowledged and dropped: context closed")  \
    COUNTER(msg_no_room, "catnano messages refused for now: no room")                \
    COUNTER(msg_abandoned, "catnano messages dropped: the rest never came")          \
    COUNTER(msg_peers_full, "catnano messages refused: too many peers")              \
    COUNTER(drop_msg_bad, "catnano packets dropped: malformed")                      \
    COUNTER(drop_msg_context, "catnano packets dropped: nobody has the context")     \
    COUNTER(drop_msg_stray, "catnano control packets dropped: for no message")       \
    COUNTER(sent_by_reference, "frames that a device of DPDK read where they lay")   \
    COUNTER(pcap_frames, "frames written to the capture file")                       \
    COUNTER(pcap_lost, "frames the capture file had no room for, or the disk")       \
    COUNTER_LIST_INET(COUNTER)                                                       \
    COUNTER_LIST_TCP(COUNTER)
/* clang-format on */

#endif /* CORE_COUNTERS_H */
