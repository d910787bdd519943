/* SPDX-License-Identifier: MIT */
/*
 * The server's inside: connections, and the loop that serves them.
 *
 * A connection has a pop pending, unless it is held back. What a pop brings is parsed where it lies; the command that
 * is not complete at its end is carried over into memory of the connection, and a long argument is received right into
 * the memory that the store may keep. All answers to what one pop brought leave in one push, or several when they are
 * long.
 *
 * A client that does not read is not read from: with OUT_PUSHES_MAX pushes or OUT_BYTES_MAX bytes under way a
 * connection is held back, what it has sent stays with the libOS, and what was popped already waits. The bytes of
 * incomplete commands are bounded over all connections. How much is done for one while others wait: see turn.c.
 */
#ifndef APPS_KV_SERVER_H
#define APPS_KV_SERVER_H

#include "common/addr.h"
#include "kv/command.h"
#include "kv/reply.h"
#include "kv/resp.h"

#include <demi/types.h>

#define CONN_NONE      UINT32_MAX
#define OUT_PUSHES_MAX 64
#define OUT_BYTES_MAX  (1u << 20)
#define BIG_ARG_MIN    16384u      /* bytes from which on an argument gets memory of its own */
#define CARRY_MAX      (64u << 20) /* bytes of one incomplete command */
#define LINGER_MS      1000        /* how long what a client still sends is thrown away, after an error */

struct server_options {
    struct addr bind; /* len 0: no streams */
    struct addr rpc;  /* len 0: none */
    uint32_t clients_max;
    uint64_t memory_max;
    bool memory_asked; /* memory_max was asked for */
    uint64_t input_max;
    bool evict;
    bool quiet;
};

enum conn_state {
    CONN_FREE,
    CONN_OPEN,
    CONN_ENDING,    /* answers are on their way out; nothing more is served */
    CONN_LINGERING, /* that is done and the client was told; what it still sends is thrown away */
};

struct conn {
    enum conn_state state;
    bool popping;        /* a pop is pending */
    bool held;           /* not read from, until its pushes are done */
    bool at_end;         /* the client has sent all */
    bool unserved;       /* complete commands may be there for which its share of the turn was not enough */
    bool greedy;         /* wanted more than its share of late: it is served behind those that do not */
    bool queued;         /* in the server's list of those */
    bool again;          /* what was popped took a visit already */
    uint32_t next, prev; /* in that list */
    uint32_t next_free;
    uint32_t pushes;    /* pending */
    uint64_t out_bytes; /* pushed since there was none */
    uint64_t linger_until_ms;
    struct session session;
    struct resp resp;
    demi_sgarray_t popped; /* what came and is not yet served or carried; no segment: none */
    uint32_t popped_at;
    char *carry; /* the first bytes of commands that were not complete, NULL: none */
    size_t carry_at, carry_len, carry_room;
    char *big;      /* the argument that is, or was, received apart; demi_malloc'ed; NULL: none */
    size_t big_len; /* of the argument; with the end of line behind it two more */
    size_t big_have;
};

/* Who waits for what is left of a turn; see turn.c. */
struct turn {
    uint32_t first, last; /* connections; CONN_NONE: none */
    uint32_t waiting;     /* so many */
    bool late;            /* they are being served */
    bool popped;          /* the last turn popped for one of them */
    uint64_t begin;       /* the work that was done before it */
    uint64_t visit_end;   /* the work after which the visit ends */
};

struct server {
    struct kv kv;
    const struct server_options *options;
    struct conn *conn;
    uint32_t *by_qd; /* 1 + connection, by hash of the queue; 0: none */
    uint32_t by_qd_mask;
    uint32_t first_free;
    uint32_t top;  /* connections from here on were never used */
    uint32_t look; /* where the search for lingering ones goes on */
    uint32_t lingering;
    int listen_qd;
    int reserve_qd;       /* an idle socket, given up when descriptors run out; -1: it was */
    uint32_t clients_fit; /* connections at which they did */
    struct turn turn;
    int rpc_qd;       /* -1: none */
    uint32_t accepts; /* pending */
    uint32_t rpc_pops;
    uint32_t rpc_pops_want;
    uint64_t accept_again_ms;
    uint64_t next_session;
    struct reply reply;
    struct conn *at;   /* whose answers the reply gathers */
    struct span *argv; /* room for RESP_ARGS_MAX */
};

int server_run(const struct server_options *o);

/* Work done since the begin; whether a visit has had its share. Inline: asked before each command. */
static inline uint64_t turn_work(const struct server *s)
{
    return s->kv.work + s->reply.batch;
}

static inline bool turn_visit_over(const struct server *s)
{
    return turn_work(s) >= s->turn.visit_end;
}

/* conn.c */
void conn_open(struct server *s, int qd);
void conn_refuse(struct server *s, int qd);
void conn_result(struct server *s, struct conn *c, demi_qresult_t *qr);
void conn_close(struct server *s, struct conn *c);
struct conn *conn_find(const struct server *s, int qd);

/* Serves what is there and starts what comes next. */
void conn_go_on(struct server *s, struct conn *c);
/* Asks for what the client sends. */
void conn_pop(struct server *s, struct conn *c);

/* turn.c: serves a connection that has input now or, when it is greedy, behind the others. */
void turn_offer(struct server *s, struct conn *c);
/* Puts it behind the others: it has input that is not served, or wants to pop. Takes it out of there. */
void turn_put_late(struct server *s, struct conn *c);
void turn_forget(struct server *s, struct conn *c);
/* A turn begins; it ends with serving those, as far as it may. */
void turn_begin(struct server *s);
void turn_end(struct server *s);
/* A visit: commands of one connection without a look at any other. */
void turn_visit_begin(struct server *s);
void turn_visit_end(struct server *s, struct conn *c);

/* input.c: serves what has come as far as the answers may go out. */
void input_serve(struct server *s, struct conn *c);
/* Frees what is left of incomplete commands. */
void input_drop(struct server *s, struct conn *c);

#endif /* APPS_KV_SERVER_H */
