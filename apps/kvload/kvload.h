/* SPDX-License-Identifier: MIT */
/*
 * The load generator's inside. Closed loop: a connection asks again when an answer comes. Open loop (--rate): operation
 * i of all is due at begin + i / rate, on connection i modulo their number, and its latency counts from then, however
 * late it could be sent (no coordinated omission). What may go at one time on a connection goes in one push.
 *
 * With --messages a connection is a socket of datagrams or messages that is connected to the server's --rpc address. A
 * request's number is its place among those of the connection, answers come in any order, and what is not answered for
 * a while is asked again: reads and writes of a key's only value may be repeated.
 */
#ifndef APPS_KVLOAD_KVLOAD_H
#define APPS_KVLOAD_KVLOAD_H

#include "common/addr.h"
#include "common/hist.h"
#include "common/tokset.h"
#include "kvload/workload.h"

struct load_options {
    struct addr connect;
    char letter;
    uint64_t records;
    uint32_t key_bytes, value_bytes;
    uint32_t connections, depth;
    double rate_hz; /* 0: closed loop */
    uint64_t duration_ns, warmup_ns;
    uint64_t requests; /* 0: by duration */
    double theta;
    bool uniform, skip_load, check, messages, json, quiet;
};

#define TROUBLE_BYTES 256

/* An operation that is asked and not answered. */
struct flight {
    uint64_t start_ns;
    struct operation op;
    bool counts;   /* began after the warm-up */
    bool answered; /* messages: but one before it is not */
};

struct load_conn {
    int qd; /* -1: broken */
    uint32_t pop_place, push_place;
    uint64_t head, tail;             /* asked, answered */
    uint64_t begun;                  /* operations, a modification counts once */
    uint64_t due;                    /* open loop: operations whose time has come */
    uint64_t later_head, later_tail; /* of later: updates whose reads were answered */
    uint64_t progress_ns;
    uint64_t asked_again_ns, again_ns; /* when, and how long no answer makes it so */
    struct flight *ring, *later;
    char *carry; /* the begin of an answer that is not complete */
    size_t carry_len, carry_room;
};

struct load {
    const struct load_options *options;
    struct workload workload;
    struct load_conn *conn;
    struct flight *flights;
    struct tokset set;
    uint32_t depth, ring_mask;
    uint32_t live;
    bool measuring; /* else it fills the store */
    bool asking;
    uint64_t begin_ns, measure_ns, end_ns;
    uint64_t to_ask;    /* closed loop by number: operations left; else UINT64_MAX */
    uint64_t scheduled; /* open loop: operations whose time has come */
    uint64_t in_flight;
    uint64_t last_ns; /* of the last answer */
    uint64_t errors, wrong, missing, unanswered, asked_again;
    bool interrupted;            /* by a signal */
    uint64_t troubles;           /* told */
    char trouble[TROUBLE_BYTES]; /* the first of them; "" for none */
    struct hist all, kind[LOAD_KIND_COUNT];
};

int load_run(const struct load_options *o);

/* Something went wrong: says so, the first few times, and keeps what was first for the summary. */
__attribute__((format(printf, 2, 3))) void load_trouble(struct load *l, const char *format, ...);

/* run.c: sends and takes answers until all that is to be asked is. false after a complaint. */
bool load_phase(struct load *l);

#endif /* APPS_KVLOAD_KVLOAD_H */
