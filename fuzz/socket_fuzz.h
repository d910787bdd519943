/* SPDX-License-Identifier: MIT */
/*
 * What the files of the target socket share. The model follows what the operating system does: which operations are
 * complete is seen in the instance after each call, and judged then.
 */
#ifndef FUZZ_SOCKET_FUZZ_H
#define FUZZ_SOCKET_FUZZ_H

#include "api/api.h"
#include "fuzz.h"

#include <demi/types.h>
#include <netinet/in.h>

#define SOCKETS      40   /* made in one run, closed ones included */
#define TOKENS       1536 /* in one run */
#define TOKENS_INPUT 448  /* that the input may use; the rest drains */
#define FLOW_CUTS    128  /* pushes in one direction of a connection */
#define DATAGRAMS    128
#define OBJECTS      6
#define QUEUES       16      /* max_queues */
#define BYTES_MAX    600000u /* pushed in one run */
#define DATAGRAM_OK  65000u  /* no system refuses so many bytes */

union name {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
};

/* Bytes cut from the pattern. */
struct cut {
    uint32_t start, len;
};

/* One direction of a connection: what was pushed and not popped yet. */
struct flow {
    uint32_t head, tail;
    uint32_t skip; /* bytes of the first cut that were popped */
    struct cut cut[FLOW_CUTS];
    int token[FLOW_CUTS]; /* whose push it is */
};

struct sock {
    int qd, domain, type;
    bool open;
    bool listening, lossy; /* lossy: an accepted connection was dropped, or the backlog is short */
    bool named, aimed;     /* local is known, remote is known */
    bool was_any;          /* it had every address of this host */
    bool linger0;          /* closing it may reset */
    bool resets;           /* closing it resets for certain */
    bool was_reset;        /* by the other end, for certain */
    bool shut_rd, shut_wr;
    bool ended;   /* the end of its stream was popped */
    bool dirty;   /* its connection may be reset and lose bytes */
    bool unknown; /* whom it talks to could not be found out */
    int peer;     /* the other end of the connection, or -1 */
    union name local, remote;
    union name reached; /* where somebody who wants to reach it sends to */
    struct flow out;
};

struct token {
    demi_qtoken_t qt;
    demi_opcode_t opcode;
    int sock, qd;
    bool live;
    bool done;   /* completed, and judged */
    bool closed; /* its queue is */
    int err;
    uint32_t max_bytes; /* of a pop */
    int object;         /* that a push refers to, or -1 */
    uint32_t len;       /* of a push */
    const char *ptr;    /* of a completed pop's bytes */
    uint32_t got;       /* and their number */
    struct cut cut;     /* and what they are, if they are one cut; else its len is 0 */
    union name source;  /* of a completed pop's datagram */
};

struct datagram {
    struct cut cut;
    union name to, from; /* the sender's name when it was sent, if it was known then */
    bool from_known;
};

/* Memory the application owns. */
struct object {
    bool live;
    demi_sgarray_t sga;
    struct cut cut;
    unsigned pushes; /* whose results were not taken */
};

struct world {
    int sock_count, token_count, datagram_count;
    int first_live; /* tokens before it are dead */
    int input_end;  /* how many tokens the input may make */
    uint32_t bytes; /* pushed so far */
    uint32_t next_start;
    struct sock sock[SOCKETS];
    struct token token[TOKENS];
    struct datagram datagram[DATAGRAMS];
    struct object object[OBJECTS];
    struct in_addr address; /* of this run */
};

extern struct world w;
extern uint8_t pattern[PATTERN_BYTES];

static inline struct instance *instance(void)
{
    return api_self.inst;
}

/* socket_model.c */

/*
 * Looks which operations are complete by now and judges them. Called after each call, with the n results it returned;
 * their slots still say what the operations were.
 */
void observe(const demi_qresult_t *qrs, int n);

int add_sock(int qd, int domain, int type);
int add_token(demi_qtoken_t qt, demi_opcode_t opcode, int sock);

/* The live token, or -1. */
int find_token(demi_qtoken_t qt);

/* The application has these results: their tokens end. */
void take(const demi_qresult_t *qrs, int n);

/* A token is about to be cancelled, a socket to be closed: what was sent of pending pushes is all there will be. */
void before_cancel(int t);
void before_close(int s);

/* The token was cancelled; the socket was closed. */
void after_cancel(int t);
void after_close(int s);

/* Bytes were handed over: as part of a stream, or as a datagram. */
void pushed(int t, struct cut cut);
void pushed_datagram(int t, struct cut cut, const union name *to);

/* May bytes of the connection get lost and resets arrive? */
bool may_reset(const struct sock *s);

/* Bytes on their way to s. */
uint32_t bytes_for(const struct sock *s);

bool name_equal(const union name *a, const union name *b);
bool name_is_any(const union name *a);
socklen_t name_len(int domain);
bool name_get(int qd, union name *out, bool peer);

/* A cut for len bytes nobody has used in this run. */
struct cut next_cut(uint32_t len);

/* May another operation, or queue, be made? */
bool ops_full(void);
bool queues_full(void);

/* socket_calls.c: making and ending sockets, and what is not about data. */
void call_pair(struct input *in);
void call_socket(struct input *in);
void call_bind(struct input *in);
void call_listen(struct input *in);
void call_accept(struct input *in);
void call_connect(struct input *in);
void call_shutdown(struct input *in);
void call_close(struct input *in);
void call_option(struct input *in);
void call_names(struct input *in);
void close_sock(int s);
void learn_name(int s); /* asks for its own address */
void accept_one(int s);
int pick_sock(struct input *in);     /* -1: none was made yet */
int status_of(const struct sock *s); /* enum queue_state, -1: not open */

/* socket_data.c: pushing, popping, waiting. */
void call_push(struct input *in);
void call_pushv(struct input *in);
void call_pushto(struct input *in);
void call_pop(struct input *in);
void call_wait(struct input *in);
void call_wait_any(struct input *in);
void call_next(struct input *in);
void call_poll(struct input *in);
void call_cancel(struct input *in);
void call_ping(struct input *in);
void pop_one(int s, uint32_t max_bytes);

/* Cancels the youngest operations until half of all may be made anew. */
void make_room(void);

/* Takes what is complete, or completes within timeout_us; returns how many results that were. */
int take_next(uint32_t timeout_us);

#endif /* FUZZ_SOCKET_FUZZ_H */
