/* SPDX-License-Identifier: MIT */
/*
 * lwIP as a host on a network: Ethernet frames in and out, in virtual time; connections, datagrams and pings by its raw
 * API. A module (see sys.h) that exports the table lwip_peer. What it says it says by upcalls, from within which
 * nothing of a connection may be called.
 */
#ifndef TESTS_LWIP_PEER_H
#define TESTS_LWIP_PEER_H

#include <stdbool.h>
#include <stdint.h>

struct lwip_conn;

/* ctx is that of open; conn is whoever opened the connection or said of an accepted one whose it is. */
struct lwip_upcalls {
    void (*output)(void *ctx, const uint8_t *frame, uint32_t len);
    void *(*accepted)(void *ctx, uint16_t port, struct lwip_conn *c); /* NULL: refused, and reset */
    void (*connected)(void *conn);
    void (*received)(void *conn, const uint8_t *bytes, uint32_t len); /* `consumed` opens the window again */
    void (*finished)(void *conn);                                     /* the peer sends no more */
    void (*failed)(void *conn, int err);                              /* lwIP's err_t; the connection is gone */
    void (*datagram)(void *ctx, const uint8_t *bytes, uint32_t len, unsigned from_host, uint16_t from_port);
    void (*pong)(void *ctx, const uint8_t *bytes, uint32_t len); /* of an echo reply, behind the ICMP header */
};

struct lwip_host {
    unsigned number; /* the address is 10.0.0.number/24 and fd00::number/64; others are of the same kind */
    uint8_t mac[6];
    uint16_t mtu;
    uint32_t seed;
    bool v6; /* connections, datagrams and pings by IPv6 */
};

struct lwip_peer {
    /* Once a process, before all else. */
    bool (*open)(const struct lwip_host *h, uint64_t now_ns, const struct lwip_upcalls *up, void *ctx);
    void (*input)(const uint8_t *frame, uint32_t len);
    void (*at)(uint64_t now_ns);   /* sets the time and fires timers */
    uint64_t (*next_ns)(void);     /* when it wants to be called */
    unsigned (*connections)(void); /* in all states but LISTEN */

    bool (*listen)(uint16_t port);
    struct lwip_conn *(*connect)(unsigned host, uint16_t port, void *conn);
    uint32_t (*write)(struct lwip_conn *c, const uint8_t *bytes, uint32_t len); /* how many it took */
    void (*consumed)(struct lwip_conn *c, uint32_t len);
    /*
     * Sends no more. False: not now, try again. alone: once all that was written is on its way, because lwIP 2.1.3,
     * when it cuts its last segment in two for a small window, ends the stream with the first half already.
     */
    bool (*finish)(struct lwip_conn *c, bool alone);
    bool (*close)(struct lwip_conn *c); /* lets go, in good order. False: likewise */
    void (*abort)(struct lwip_conn *c);

    bool (*datagrams)(uint16_t port); /* opens the one socket */
    bool (*send)(unsigned host, uint16_t port, const uint8_t *bytes, uint32_t len);
    bool (*ping)(unsigned host, uint16_t sequence, const uint8_t *bytes, uint32_t len);
};

#endif /* TESTS_LWIP_PEER_H */
