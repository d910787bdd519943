/* SPDX-License-Identifier: MIT */
/*
 * The load generator's inside: connections, what each has in flight, the schedule.
 *
 * Closed loop: a connection sends the next request when an answer arrives, and that arrival is the next one's start:
 * the clock is read once a result. Open loop: request i of all is due at begin + i / rate on connection i mod
 * connections, and its latency counts from then, however late it could really be sent (no coordinated omission).
 *
 * TCP answers come in order, so bytes are counted; messages are cut out of the stream as they fill up. A datagram
 * carries its number in its first bytes (8, or as many as it has), and one that is not answered in time is lost.
 */
#ifndef APPS_ECHO_CLIENT_H
#define APPS_ECHO_CLIENT_H

#include "common/report.h"
#include "common/tokset.h"
#include "echo/echo.h"

/* One request in flight. */
struct flight {
    uint64_t start_ns; /* what its latency counts from; 0: answered, lost or never used */
    uint64_t sent_ns;
};

struct conn {
    int qd; /* -1: not there any more */
    uint32_t number;
    uint32_t pop_place;     /* in the token set; always pending while the connection lives */
    uint32_t push_place;    /* while a push is pending; no other is made until it ends */
    uint64_t head;          /* requests sent */
    uint64_t tail;          /* requests of which all before are answered or lost */
    uint64_t due;           /* open loop: requests whose time has come */
    uint64_t rx_bytes;      /* TCP: bytes received */
    uint32_t rx_have_bytes; /* TCP: of them, those of the answer that is not complete */
    uint64_t progress_ns;   /* when something last came, or the first of the requests in flight was sent */
    struct flight *ring;    /* request n is at n & ring_mask */
};

struct client {
    const struct echo_options *options;
    struct conn *conn;
    struct flight *flights; /* the memory of all rings */
    struct tokset set;
    demi_sgarray_t constant; /* what every request is, where they are alike; without segments: to be made */
    bool alike;              /* but for the number of a datagram */
    uint32_t live;           /* connections */
    uint32_t depth;
    uint32_t ring_mask;
    uint64_t in_flight; /* requests, all connections */
    uint64_t backlog;   /* requests due but not sent, all connections */

    bool sending;
    uint64_t measure_ns;      /* a request that starts before is warm-up */
    uint64_t end_ns;          /* closed loop by duration: no request starts after; else UINT64_MAX */
    uint64_t to_send;         /* closed loop by number: measured requests to be sent; else UINT64_MAX */
    uint64_t stopped_ns;      /* when sending ended */
    uint64_t last_answer_ns;  /* 0: none */
    uint64_t tick_ns;         /* time between two looks at what goes by the clock */
    uint64_t next_tick_ns;    /* next of them */
    uint64_t begin_ns;        /* open loop: start of request 0 */
    double interval_ns;       /* open loop: between two requests */
    uint64_t scheduled;       /* open loop: requests whose time has come */
    uint64_t schedule_total;  /* open loop */
    uint64_t give_up_ns;      /* open loop: when to end although not all is sent; else UINT64_MAX */
    uint32_t schedule_conn;   /* open loop: connection of request number `scheduled` */
    uint32_t complaints_left; /* so that ten thousand broken connections do not fill the screen */
    struct progress progress;
    struct report report;
};

/* client_connect.c: opens all connections. false after a complaint. */
bool client_connect(struct client *c);

/* client_conn.c */

/* Asks for the next bytes of a connection. */
void conn_pop(struct client *c, struct conn *n);

/* Sends what the loop allows on a connection now. */
void conn_pump(struct client *c, struct conn *n, uint64_t now_ns);

/* Takes the result of an operation of a connection, which ended now. */
void conn_result(struct client *c, struct conn *n, demi_qresult_t *qr, uint64_t now_ns);

/* Gives up datagrams that are too old and connections that are silent too long. */
void conn_sweep(struct client *c, struct conn *n, uint64_t now_ns);

/* Ends a connection that is of no more use, with a complaint: what went wrong, and an errno or 0. */
void conn_break(struct client *c, struct conn *n, const char *what, int err);

/* client.c: allocates what requests that are alike are. false: no memory. */
bool client_make_constant(struct client *c);

/* client.c: ends the sending at a time. */
void client_stop_sending(struct client *c, uint64_t now_ns);

/* Open loop: when request number `index` of all is to be sent. */
static inline uint64_t client_intended_ns(const struct client *c, uint64_t index)
{
    return c->begin_ns + (uint64_t)((double)index * c->interval_ns);
}

#endif /* APPS_ECHO_CLIENT_H */
