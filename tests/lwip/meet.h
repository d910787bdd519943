/* SPDX-License-Identifier: MIT */
/*
 * Our stack meets lwIP on a simulated network, in virtual time: conversations between the two, who opens them, how much
 * each side says, how they end; datagrams and pings beside them. All chance comes from one seed.
 *
 * What is deterministic: everything. lwIP's clock, its random numbers (ports, first sequence numbers) and the network
 * come from the seed; its threads and locks are not used. Its global state is fresh because each seed has a process of
 * its own.
 */
#ifndef TESTS_LWIP_MEET_H
#define TESTS_LWIP_MEET_H

#include "peer.h"
#include "sim/node.h"

#define TALKS_MAX  4
#define PUSHES_MAX 8 /* of one end outstanding */
#define MEET_TEXT  512
#define OURS       1 /* host number of ours, and of lwIP */
#define THEIRS     2
#define PORT_TALK  7000 /* and the next ones: each conversation has one */
#define PORT_ECHO  7    /* of datagrams, on both sides */
#define WHISPERS   12   /* datagrams and pings at most, of each kind */
#define NEVER      UINT32_MAX

/* One side of a conversation. */
struct end {
    bool opening, open, eof, shut, closed;
    uint32_t tx_total, tx_issued, rx_total, rx_got;
    uint8_t tx_key, rx_key;
    uint32_t leave_at; /* bytes received, after which it leaves without ado; NEVER */
    bool reset;        /* it leaves by a reset */
    bool slow;         /* it thinks between reads, until: */
    uint64_t wake_ns;
    int err; /* errno of ours, err_t of lwIP; 0: none */
    /* ours */
    int qd, listener;
    unsigned pushes;
    bool popping;
    uint32_t pop_max, rcvbuf; /* 0: the default */
    demi_qtoken_t accept;
    /* lwIP's */
    struct lwip_conn *conn;
    uint64_t give_up_ns; /* 0: nothing to wait for in vain */
    uint32_t unread;     /* bytes that lwIP was not told to have been read */
};

struct talk {
    unsigned number;
    bool ours_opens, rough; /* rough: somebody leaves; what arrives must be right but need not be all */
    struct end ours, theirs;
};

/* Datagrams or pings of one kind: sent, and answered with the same bytes. */
struct whisper {
    unsigned total, sent, answered, bad;
    uint64_t at_ns; /* the next one */
};

struct meet {
    uint64_t seed, random;
    struct sim_net *net;
    struct sim_faults faults;
    struct pcap *pcap;
    struct node node;
    const struct lwip_peer *peer;
    struct mem mem; /* of lwIP's port */
    struct netdev *port;
    uint16_t mtu;
    bool v6, clean; /* clean: the network has no faults */
    unsigned talks;
    struct talk talk[TALKS_MAX];
    struct whisper pings, questions, answers; /* lwIP pings; ours asks by datagram; lwIP asks */
    int udp_qd;
    bool udp_popping;
    unsigned udp_pushes;
    uint64_t steps;
    char text[MEET_TEXT];
};

/* Runs a seed; frames to pcap where it is not NULL. False: it failed, m->text says why; else what it was. */
bool meet_run(struct meet *m, uint64_t seed, const char *pcap);

/* --- between the files of this folder --- */

uint64_t meet_draw(struct meet *m, uint64_t n);
bool meet_fail(struct meet *m, const char *fmt, ...) PRINTF_LIKE(2, 3); /* keeps the first */

static inline uint64_t meet_now(const struct meet *m)
{
    return *sim_clock(m->net);
}

/* Until the next datagram or ping of one kind: the one before has been answered or was lost. */
uint64_t meet_pause(struct meet *m);

/* Bytes of a conversation or a datagram. */
void meet_fill(uint8_t *to, uint8_t key, uint32_t at, uint32_t len);
/* Takes account of bytes that arrived at e. */
void meet_arrived(struct meet *m, struct talk *t, struct end *e, const uint8_t *bytes, uint32_t len);
/* Is this the whispered message that began as n-th? Counts it. */
void meet_answered(struct meet *m, struct whisper *w, const uint8_t *bytes, uint32_t len);
/* Writes the n-th message of w; returns its length. */
uint32_t meet_whisper(struct meet *m, uint8_t *to, unsigned n, bool question);

/* ours.c: the application on our stack. */
bool ours_start(struct meet *m);
bool ours_step(struct meet *m);
void ours_stop(struct meet *m);

/* theirs.c: the application on lwIP. */
bool theirs_open(struct meet *m);
bool theirs_start(struct meet *m);
bool theirs_step(struct meet *m); /* frames and timers too */

#endif /* TESTS_LWIP_MEET_H */
