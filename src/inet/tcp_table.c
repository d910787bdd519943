/* SPDX-License-Identifier: MIT */
/* The table of connections: see tcp_table.h. */
#include "tcp_table.h"

static uint32_t distance(const struct tcp_table *t, uint32_t at)
{
    return (at - t->slot[at].hash) & t->mask;
}

static bool pair_equal(const struct tcp_pair *a, const struct tcp_pair *b)
{
    return inet_addr_equal(&a->remote, &b->remote) && inet_addr_equal(&a->local, &b->local) &&
           a->local_port == b->local_port && a->remote_port == b->remote_port;
}

struct tcp_conn *tcp_table_find(const struct tcp_table *t, const struct tcp_pair *p)
{
    uint32_t hash = tcp_table_hash(t, p), ports = tcp_table_ports(p), at = hash & t->mask;

    for (uint32_t d = 0; d < TCP_PROBE_MAX; d++, at = (at + 1) & t->mask) {
        const struct tcp_slot *s = &t->slot[at];

        if (s->conn == NULL || distance(t, at) < d)
            return NULL;
        if (s->hash == hash && s->ports == ports && pair_equal(tcp_conn_pair(s->conn), p))
            return s->conn;
    }
    return NULL;
}

/* Would moving everything from `at` on keep all within reach? The walk ends at the first free place. */
static bool within_reach(const struct tcp_table *t, uint32_t hash)
{
    uint32_t at = hash & t->mask, d = 0;

    for (; d < TCP_PROBE_MAX; d++, at = (at + 1) & t->mask) {
        if (t->slot[at].conn == NULL)
            return true;
        if (distance(t, at) < d)
            d = distance(t, at); /* it would be the displaced one that goes on */
    }
    return false;
}

bool tcp_table_add(struct tcp_table *t, struct tcp_conn *c, const struct tcp_pair *p)
{
    struct tcp_slot carried = {c, tcp_table_hash(t, p), tcp_table_ports(p)};
    uint32_t at = carried.hash & t->mask, d = 0;

    if (t->count > t->mask / 2 || !within_reach(t, carried.hash))
        return false;
    for (;; d++, at = (at + 1) & t->mask) {
        struct tcp_slot *s = &t->slot[at];

        if (s->conn == NULL) {
            *s = carried;
            t->count++;
            return true;
        }
        if (distance(t, at) < d) {
            struct tcp_slot displaced = *s;
            uint32_t from_home = distance(t, at);

            *s = carried;
            carried = displaced;
            d = from_home;
        }
    }
}

void tcp_table_remove(struct tcp_table *t, const struct tcp_conn *c, const struct tcp_pair *p)
{
    uint32_t at = tcp_table_hash(t, p) & t->mask, next;

    while (t->slot[at].conn != c) {
        assert(t->slot[at].conn != NULL);
        at = (at + 1) & t->mask;
    }
    for (;; at = next) {
        next = (at + 1) & t->mask;
        if (t->slot[next].conn == NULL || distance(t, next) == 0)
            break;
        t->slot[at] = t->slot[next];
    }
    t->slot[at].conn = NULL;
    t->count--;
}
