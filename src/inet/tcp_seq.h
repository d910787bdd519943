/* SPDX-License-Identifier: MIT */
/*
 * Sequence numbers: 32 bits that wrap (RFC 9293 section 3.4). Two numbers compare as long as they are less than 2^31
 * apart; every caller compares numbers of one connection, whose windows are at most 2^30 bytes wide.
 */
#ifndef INET_TCP_SEQ_H
#define INET_TCP_SEQ_H

#include <stdbool.h>
#include <stdint.h>

static inline bool seq_lt(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) < 0;
}

static inline bool seq_le(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) <= 0;
}

static inline bool seq_gt(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) > 0;
}

static inline bool seq_ge(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) >= 0;
}

static inline uint32_t seq_max(uint32_t a, uint32_t b)
{
    return seq_gt(a, b) ? a : b;
}

static inline uint32_t seq_min(uint32_t a, uint32_t b)
{
    return seq_lt(a, b) ? a : b;
}

/* Is a < x <= b, reckoned from a? */
static inline bool seq_in_after(uint32_t a, uint32_t x, uint32_t b)
{
    return x - a - 1 < b - a;
}

/*
 * Does a segment of len sequence numbers (SYN and FIN count) from seq have a part in the window of wnd bytes from nxt?
 * The four cases of RFC 9293 section 3.10.7.4, first check.
 */
static inline bool seq_acceptable(uint32_t seq, uint32_t len, uint32_t nxt, uint32_t wnd)
{
    if (len == 0)
        return wnd == 0 ? seq == nxt : seq - nxt < wnd;
    if (wnd == 0)
        return false;
    return seq - nxt < wnd || seq + len - 1 - nxt < wnd;
}

#endif /* INET_TCP_SEQ_H */
