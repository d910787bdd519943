/* SPDX-License-Identifier: MIT */
/*
 * TCP under test: an application that does what the test says and remembers what it was told, on a host of rig.h; and a
 * peer that is the test itself, segment by segment.
 */
#ifndef TESTS_INET_TCP_RIG_H
#define TESTS_INET_TCP_RIG_H

#include "inet/tcp_conn.h"
#include "rig.h"

#define SOCK_BYTES (1 << 20)
#define PEER       9     /* the scripted peer is 10.0.0.9 */
#define PEER_PORT  5000  /* and has this port */
#define HOST_PORT  80    /* the host listens here */
#define PEER_ISN   10000 /* the peer's first sequence number */
#define PEER_WND   30000

/* The application's end of a connection. */
struct sock {
    struct tcp_conn *c;
    unsigned connected, ended, sent; /* upcalls */
    int connect_err, end_err;
    uint32_t want; /* bytes that `deliver` takes at once; the rest waits for sock_read */
    uint8_t *got;
    uint32_t got_len;
    uint64_t from; /* bytes of the pattern sent so far */
};

struct tcp_host {
    struct host *h;
    struct tcp *t;
    struct tcp_listener *l;
    unsigned incoming;
    bool v6;                   /* the scripted peer speaks IPv6: fd00::9 to fd00::n */
    uint8_t send_tos, got_tos; /* of its segments, of the last one that it got */
};

struct tcp_host *tcp_host_new(uint8_t n, const struct tcp_config *cfg);
/* On a host that is there; it belongs to what is returned. */
struct tcp_host *tcp_host_on(struct host *h, const struct tcp_config *cfg);
struct tcp_host *tcp_host_new_default(uint8_t n);

/* Ends it; every pool must be full again. */
void tcp_host_free(struct tcp_host *th);

void tcp_host_listen(struct tcp_host *th, uint16_t port, uint32_t backlog);
struct sock *sock_connect(struct tcp_host *th, const struct inet_addr *to, uint16_t port);
/* The same; NULL with *err. */
struct sock *sock_try_connect(struct tcp_host *th, const struct inet_addr *to, uint16_t port, int *err);
struct sock *sock_accept(struct tcp_host *th); /* NULL: none waits */

/* Sends len bytes of the pattern, which goes on where it ended; in one object. Returns what tcp_send did. */
int64_t sock_send(struct tcp_host *th, struct sock *s, uint32_t len);

/* Takes what waits. Returns the last result of tcp_recv: 0 end, -EAGAIN, or an error. */
int64_t sock_read(struct sock *s, struct tcp_host *th);

/* What arrived must be the pattern from its beginning, len bytes. */
void sock_expect(const struct sock *s, uint32_t len);

/* Closes (or aborts) and forgets. */
void sock_close(struct sock *s);
void sock_abort(struct sock *s);

uint8_t pattern_at(uint64_t offset);

/* Carries frames between two hosts; every nth frame is lost (0: none), time goes on by step_ns a round trip. */
unsigned tcp_wire(struct tcp_host *a, struct tcp_host *b);

/* Lets time pass for both in steps until it is over; frames are carried. */
void tcp_pass(struct tcp_host *a, struct tcp_host *b, uint64_t ns, uint64_t step_ns);

/* --- the scripted peer --- */

/* Bytes of the link header of its and the peer's frames. */
unsigned peer_link_bytes(const struct tcp_host *th);

/* Hands the host a segment of the peer; ports are filled in where they are 0. data may be NULL for the pattern. */
void peer_send(struct tcp_host *th, struct tcp_seg *s, const void *data, uint32_t len);

/* The oldest segment that the host sent to the peer. False: there is none. */
bool peer_take(struct tcp_host *th, struct tcp_seg *s, const uint8_t **data);

/* There is exactly one, and nothing else. */
void peer_take_one(struct tcp_host *th, struct tcp_seg *s);
void peer_take_none(struct tcp_host *th);

/* A short way to say a segment: flags, sequence number, acknowledgement; window PEER_WND. */
struct tcp_seg seg(uint8_t flags, uint32_t seq, uint32_t ack);

/*
 * An accepted connection between the peer and HOST_PORT, whose peer offered the options opts (of enum tcp_opt); *iss is
 * the host's first sequence number. The peer's next number is PEER_ISN + 1.
 */
struct sock *peer_establish(struct tcp_host *th, uint8_t opts, uint32_t *iss);

/* Time passes for the host alone. */
void host_pass(struct tcp_host *th, uint64_t ns);

#endif /* TESTS_INET_TCP_RIG_H */
