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
 * incomplete commands are bounded over all connections.
 */
#ifndef APPS_KV_SERVER_H
#define APPS_KV_SERVER_H

#include "common/addr.h"
#include "kv/command.h"
#include "kv/reply.h"
#include "kv/resp.h"

#include <demi/types.h>

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
    bool popping; /* a pop is pending */
    bool held;    /* not read from, until its pushes are done */
    bool at_end;  /* the client has sent all */
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
    int rpc_qd;           /* -1: none */
    uint32_t accepts;     /* pending */
    uint32_t rpc_pops;
    uint32_t rpc_pops_want;
    uint64_t accept_again_ms;
    uint64_t next_session;
    struct reply reply;
    struct conn *at;   /* whose answers the reply gathers */
    struct span *argv; /* room for RESP_ARGS_MAX */
};

int server_run(const struct server_options *o);

/* conn.c */
void conn_open(struct server *s, int qd);
void conn_refuse(struct server *s, int qd);
void conn_result(struct server *s, struct conn *c, demi_qresult_t *qr);
void conn_close(struct server *s, struct conn *c);
struct conn *conn_find(const struct server *s, int qd);

/* input.c: serves what has come as far as the answers may go out. */
void input_serve(struct server *s, struct conn *c);
/* Frees what is left of incomplete commands. */
void input_drop(struct server *s, struct conn *c);

#endif /* APPS_KV_SERVER_H */
