/* SPDX-License-Identifier: MIT */
/*
 * What strangers must not guess: initial sequence numbers and timestamps (RFC 6528, RFC 7323 section 5.4), SYN cookies
 * (RFC 4987 section 3.6), ephemeral ports (RFC 6056, algorithm 3: a hash of the peer is where the search begins).
 *
 * A cookie is the sequence number of a SYN-ACK for which nothing was remembered: 5 bits of time in units of 64 s, 3
 * bits for the MSS, 24 bits of a keyed hash over both ends, the peer's number and those eight bits. What else the
 * handshake agreed on travels in the low bits of the timestamp that the peer echoes; without timestamps it is lost.
 */
#ifndef INET_TCP_SECURE_H
#define INET_TCP_SECURE_H

#include "addr.h"

#define TCP_COOKIE_OPTS 6  /* low bits of a timestamp that carry options */
#define TCP_COOKIE_NONE 15 /* no window scale */

struct tcp_secret {
    uint64_t key[2];
};

/* Both ends of a connection. */
struct tcp_pair {
    struct inet_addr local, remote;
    uint16_t local_port, remote_port;
};

/* What a cookie says of the handshake. */
struct tcp_cookie {
    uint16_t mss;
    uint8_t wscale; /* TCP_COOKIE_NONE: not agreed */
    bool sack, ecn;
};

/* RFC 6528: a clock of 4 us and a keyed hash of the pair. */
uint32_t tcp_isn(const struct tcp_secret *s, const struct tcp_pair *p, uint64_t now_ns);

/* What a connection's timestamps start from; the same for all connections between two ends. */
uint32_t tcp_ts_offset(const struct tcp_secret *s, const struct tcp_pair *p);

/* The sequence number of a SYN-ACK that answers a SYN with the number peer_isn. mss is rounded down to what fits. */
uint32_t tcp_cookie_make(const struct tcp_secret *s, const struct tcp_pair *p, uint32_t peer_isn, uint16_t mss,
                         uint64_t now_ns);

/* Is cookie (the acknowledgement's number less one) one of ours, at most 128 s old? Sets c->mss. */
bool tcp_cookie_check(const struct tcp_secret *s, const struct tcp_pair *p, uint32_t peer_isn, uint32_t cookie,
                      uint64_t now_ns, struct tcp_cookie *c);

/* The timestamp, not later than ts, that carries c's options; and back. */
uint32_t tcp_cookie_ts(uint32_t ts, const struct tcp_cookie *c);
void tcp_cookie_from_ts(uint32_t ts, struct tcp_cookie *c);

/* Where in count ephemeral ports the search for one begins. */
uint32_t tcp_port_offset(const struct tcp_secret *s, const struct inet_addr *local, const struct inet_end *remote,
                         uint32_t count);

#endif /* INET_TCP_SECURE_H */
