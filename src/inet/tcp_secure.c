/* SPDX-License-Identifier: MIT */
/* Numbers that strangers must not guess: see tcp_secure.h. */
#include "tcp_secure.h"

#include "siphash.h"

/* One key for all; the purpose is part of what is hashed. */
enum purpose { FOR_ISN = 1, FOR_TS, FOR_COOKIE, FOR_PORT };

#define COOKIE_TICK_NS (64 * NS_PER_S)
#define HASH_BITS      24
#define HASH_MASK      ((UINT32_C(1) << HASH_BITS) - 1)

/* Segment sizes that a cookie can name: ends of common ranges (RFC 4987 leaves the choice). */
static const uint16_t cookie_mss[8] = {216, 536, 1220, 1360, 1440, 1460, 4000, 8940};

static uint64_t keyed(const struct tcp_secret *s, const struct tcp_pair *p, enum purpose purpose, uint64_t more)
{
    uint64_t words[6] = {p->local.q[0],
                         p->local.q[1],
                         p->remote.q[0],
                         p->remote.q[1],
                         (uint64_t)purpose << 32 | (uint32_t)p->local_port << 16 | p->remote_port,
                         more};

    return siphash24_words(s->key, words, ARRAY_LEN(words));
}

uint32_t tcp_isn(const struct tcp_secret *s, const struct tcp_pair *p, uint64_t now_ns)
{
    return (uint32_t)keyed(s, p, FOR_ISN, 0) + (uint32_t)(now_ns / (4 * NS_PER_US));
}

uint32_t tcp_ts_offset(const struct tcp_secret *s, const struct tcp_pair *p)
{
    struct tcp_pair ends = *p;

    ends.local_port = ends.remote_port = 0;
    return (uint32_t)keyed(s, &ends, FOR_TS, 0);
}

static uint32_t cookie_hash(const struct tcp_secret *s, const struct tcp_pair *p, uint32_t peer_isn, uint32_t top)
{
    return (uint32_t)keyed(s, p, FOR_COOKIE, (uint64_t)peer_isn << 8 | top) & HASH_MASK;
}

static uint32_t cookie_time(uint64_t now_ns)
{
    return (uint32_t)(now_ns / COOKIE_TICK_NS) & 31;
}

uint32_t tcp_cookie_make(const struct tcp_secret *s, const struct tcp_pair *p, uint32_t peer_isn, uint16_t mss,
                         uint64_t now_ns)
{
    uint32_t i = ARRAY_LEN(cookie_mss) - 1, top;

    while (i > 0 && cookie_mss[i] > mss)
        i--;
    top = cookie_time(now_ns) << 3 | i;
    return top << HASH_BITS | cookie_hash(s, p, peer_isn, top);
}

bool tcp_cookie_check(const struct tcp_secret *s, const struct tcp_pair *p, uint32_t peer_isn, uint32_t cookie,
                      uint64_t now_ns, struct tcp_cookie *c)
{
    uint32_t top = cookie >> HASH_BITS, age = (cookie_time(now_ns) - (top >> 3)) & 31;

    if (age > 1 || (cookie & HASH_MASK) != cookie_hash(s, p, peer_isn, top))
        return false;
    c->mss = cookie_mss[top & 7];
    return true;
}

uint32_t tcp_cookie_ts(uint32_t ts, const struct tcp_cookie *c)
{
    uint32_t mask = (UINT32_C(1) << TCP_COOKIE_OPTS) - 1;
    uint32_t opts = (uint32_t)c->wscale | (uint32_t)c->sack << 4 | (uint32_t)c->ecn << 5;
    uint32_t with = (ts & ~mask) | opts;

    return (ts & mask) < opts ? with - mask - 1 : with;
}

void tcp_cookie_from_ts(uint32_t ts, struct tcp_cookie *c)
{
    c->wscale = ts & 15;
    c->sack = (ts >> 4 & 1) != 0;
    c->ecn = (ts >> 5 & 1) != 0;
}

uint32_t tcp_port_offset(const struct tcp_secret *s, const struct inet_addr *local, const struct inet_end *remote,
                         uint32_t count)
{
    struct tcp_pair p = {.local = *local, .remote = remote->addr, .remote_port = remote->port};

    return (uint32_t)(keyed(s, &p, FOR_PORT, 0) % count);
}
