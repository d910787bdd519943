/* SPDX-License-Identifier: MIT */
/*
 * The table of connections: open addressing with linear probing and the Robin Hood rule (who is farther from home has
 * the place), keyed with SipHash-1-3, so that a stranger cannot aim at one place. At most half full. No search looks at
 * more than TCP_PROBE_MAX places; an entry that would need more is refused. Removal shifts back what follows, so there
 * are no tombstones.
 */
#ifndef INET_TCP_TABLE_H
#define INET_TCP_TABLE_H

#include "siphash.h"
#include "tcp_secure.h"

#define TCP_PROBE_MAX 64

struct tcp_conn;

struct tcp_slot {
    struct tcp_conn *conn; /* NULL: free */
    uint32_t hash;
    uint32_t ports; /* local and remote: most places are judged without a look at the connection */
};

struct tcp_table {
    struct tcp_slot *slot;
    uint32_t mask;
    uint32_t count;
    uint64_t key[2];
};

/* Places that a table for so many connections has. */
static inline uint32_t tcp_table_slots(uint32_t conns)
{
    uint32_t slots = 16;

    while (slots < 2 * conns)
        slots *= 2;
    return slots;
}

static inline uint32_t tcp_table_ports(const struct tcp_pair *p)
{
    return (uint32_t)p->local_port << 16 | p->remote_port;
}

static inline uint32_t tcp_table_hash(const struct tcp_table *t, const struct tcp_pair *p)
{
    struct siphash s = sip_start(t->key);

    if (!inet_addr_is4(&p->remote)) {
        sip_word(&s, p->remote.q[0], 1);
        sip_word(&s, p->local.q[0], 1);
    }
    sip_word(&s, p->remote.q[1], 1);
    sip_word(&s, p->local.q[1] << 32 ^ p->local.q[1], 1);
    sip_word(&s, tcp_table_ports(p), 1);
    return (uint32_t)sip_end(&s, 3);
}

/* The connection of this pair, or NULL. */
struct tcp_conn *tcp_table_find(const struct tcp_table *t, const struct tcp_pair *p);

/* Adds c under its pair, which is not there yet. False: no place near enough, or the table is half full. */
bool tcp_table_add(struct tcp_table *t, struct tcp_conn *c, const struct tcp_pair *p);

/* Takes c out; it is there. */
void tcp_table_remove(struct tcp_table *t, const struct tcp_conn *c, const struct tcp_pair *p);

/* The pair of a connection. */
const struct tcp_pair *tcp_conn_pair(const struct tcp_conn *c);

#endif /* INET_TCP_TABLE_H */
