/* SPDX-License-Identifier: MIT */
/* A script that is played: what a script may say stands in script_test.c. */
#ifndef TESTS_INET_SCRIPT_H
#define TESTS_INET_SCRIPT_H

#include "inet/udp.h"
#include "tcp_rig.h"

#define WORDS_MAX    80
#define LINE_TEXT    500
#define SOCKETS_MAX  4
#define FLOWS_MAX    16
#define HOST_UDP     7 /* where datagrams of scripts go when they do not say */
#define SCRIPT_PEER6 ((struct inet_addr){{{0xfd, [15] = PEER}}})
#define SCRIPT_HOST6 ((struct inet_addr){{{0xfd, [15] = 1}}})

struct script {
    char name[120];
    const char *file;
    unsigned line;    /* of its first statement */
    const char *text; /* up to the next script's heading */
};

/* A UDP socket of the script's application. */
struct script_udp {
    struct udp_socket *s;
    struct play *p;
    bool queues;   /* what arrives waits for udp_recv */
    unsigned came; /* datagrams delivered and not looked at */
    struct udp_datagram last;
    int failed;
};

/* A conversation of TCP with one port of the peer. */
struct script_flow {
    uint16_t peer_port, host_port;
    uint32_t iss; /* of the host, once its SYN was seen */
    bool have_iss;
};

struct play {
    const struct script *script;
    unsigned line;
    struct inet_config inet;
    struct tcp_config cfg;
    bool strangers; /* the host does not know its neighbours' link addresses */
    bool announces; /* what the host says when it begins is not hidden */
    bool v6, done, told;
    uint32_t offload; /* enum inet_offload of the device */
    struct tcp_host *th;
    struct sock *s;
    struct udp *udp;
    struct script_udp socket[SOCKETS_MAX];
    struct script_flow flow[FLOWS_MAX];
    char *word[WORDS_MAX];
    unsigned words, at;
    char text[LINE_TEXT], shown[LINE_TEXT];
    const struct sent *frame; /* that the line at hand looks at */
};

/* Ends the script as failed: where, what was expected, what is. */
#define PLAY_FAIL(p, ...)                                                                                              \
    do {                                                                                                               \
        script_where(p);                                                                                               \
        fail_msg(__VA_ARGS__);                                                                                         \
    } while (0)
#define EXPECTED(want, got) "\n  expected: " want "\n  got:      " got

#define COMPARE(p, what, got, want)                                                                                    \
    do {                                                                                                               \
        unsigned long got_ = (unsigned long)(got), want_ = (unsigned long)(want);                                      \
                                                                                                                       \
        if (got_ != want_)                                                                                             \
            PLAY_FAIL(p, "%s" EXPECTED("%lu (0x%lx)", "%lu (0x%lx)"), what, want_, want_, got_, got_);                 \
    } while (0)

/* Says which line of the script it is; once. */
void script_where(struct play *p);

/* ---- words: script_word.c ---- */

/* The next word of the line, "" at its end; is it this one, then it is taken; as numbers and names of errors. */
const char *script_word(struct play *p);
bool script_take(struct play *p, const char *word);
uint32_t script_number(struct play *p);
uint32_t script_number_of(struct play *p, const char *text);
int script_errno(struct play *p, const char *name);

/* "= 0" or "= ENAME" at the line's end, else 0: as a positive errno. */
int script_result(struct play *p);

/* "N ns|us|ms|s", of which N is amount. */
uint64_t script_time(struct play *p, const char *amount);

/* Names (host, peer, gw, any, all, ll, ...) or literals; v6 says which of a name's is meant. */
struct inet_addr script_addr(struct play *p, const char *text, bool v6);
struct inet_addr script_addr_any(struct play *p, const char *text);
void script_mac(struct play *p, const char *text, uint8_t mac[6]);

/* Bytes of hexadecimal digits. */
uint32_t script_hex(struct play *p, const char *text, uint8_t *to, uint32_t max);

/* ---- segments of TCP: script_segment.c ---- */

void script_inject(struct play *p);
void script_expect(struct play *p);
struct script_flow *script_flow(struct play *p, uint16_t peer_port);

/* ---- frames: script_frame.c ---- */

void script_frame_in(struct play *p);
void script_frame_out(struct play *p);

/* What a frame is, in a few words, for messages. */
const char *script_describe(const struct sent *f);

/* ---- calls: script_call.c, script_udp.c ---- */

/* Makes the host, once. */
void script_begin(struct play *p);
void script_end(struct play *p);

/* False: word is no statement of theirs. */
bool script_config(struct play *p, const char *word);
bool script_tcp_call(struct play *p, const char *word);
bool script_check(struct play *p, const char *word);
bool script_inet_call(struct play *p, const char *word);
bool script_udp_call(struct play *p, const char *word);
void script_udp_begin(struct play *p);
void script_udp_end(struct play *p);

#endif /* TESTS_INET_SCRIPT_H */
