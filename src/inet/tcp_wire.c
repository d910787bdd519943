/* SPDX-License-Identifier: MIT */
/* Reading and writing the TCP header: see tcp_wire.h. */
#include "tcp_wire.h"

#include "core/base.h"

enum {
    KIND_END = 0,
    KIND_NOP = 1,
    KIND_MSS = 2,
    KIND_WSCALE = 3,
    KIND_SACK_OK = 4,
    KIND_SACK = 5,
    KIND_TS = 8,
    KIND_USER_TIMEOUT = 28,
};

/* SACK: the blocks are 8 bytes each, at least one (RFC 2018 section 3). */
static bool read_sack(const uint8_t *p, size_t len, struct tcp_seg *s)
{
    unsigned count = (unsigned)(len - 2) / 8;

    if (len < 10 || (len - 2) % 8 != 0 || count > TCP_SACK_MAX)
        return false;
    if ((s->flags & TCP_SYN) != 0)
        return true;
    s->sack_count = (uint8_t)count;
    for (unsigned i = 0; i < count; i++) {
        s->sack[i].start = get32(p + 2 + 8 * (size_t)i);
        s->sack[i].end = get32(p + 6 + 8 * (size_t)i);
    }
    s->opts |= TCP_OPT_SACK;
    return true;
}

static bool read_mss(const uint8_t *p, size_t len, struct tcp_seg *s)
{
    if (len != 4)
        return false;
    if ((s->flags & TCP_SYN) == 0)
        return true;
    s->mss = get16(p + 2);
    s->opts |= TCP_OPT_MSS;
    return true;
}

static bool read_wscale(const uint8_t *p, size_t len, struct tcp_seg *s)
{
    if (len != 3)
        return false;
    if ((s->flags & TCP_SYN) == 0)
        return true;
    s->wscale = p[2] > TCP_WSCALE_MAX ? TCP_WSCALE_MAX : p[2];
    s->opts |= TCP_OPT_WSCALE;
    return true;
}

static bool read_ts(const uint8_t *p, size_t len, struct tcp_seg *s)
{
    if (len != 10)
        return false;
    s->ts_val = get32(p + 2);
    s->ts_ecr = get32(p + 6);
    s->opts |= TCP_OPT_TS;
    return true;
}

/* One option of len bytes (at least 2, all there) at p. */
static bool read_option(const uint8_t *p, size_t len, struct tcp_seg *s)
{
    switch (p[0]) {
    case KIND_MSS:
        return read_mss(p, len, s);
    case KIND_WSCALE:
        return read_wscale(p, len, s);
    case KIND_SACK_OK:
        if ((s->flags & TCP_SYN) != 0)
            s->opts |= TCP_OPT_SACK_OK;
        return len == 2;
    case KIND_SACK:
        return read_sack(p, len, s);
    case KIND_TS:
        return read_ts(p, len, s);
    case KIND_USER_TIMEOUT:
        if (len != 4)
            return false;
        s->user_timeout = get16(p + 2);
        s->opts |= TCP_OPT_USER_TIMEOUT;
        return true;
    default:
        return true;
    }
}

bool tcp_parse_options(const uint8_t *p, size_t bytes, struct tcp_seg *s)
{
    size_t len;

    while (bytes > 0) {
        if (p[0] == KIND_END)
            return true;
        if (p[0] == KIND_NOP) {
            len = 1;
        } else {
            if (bytes < 2 || p[1] < 2 || p[1] > bytes)
                return false;
            len = p[1];
            if (!read_option(p, len, s))
                return false;
        }
        p += len;
        bytes -= len;
    }
    return true;
}

enum tcp_parse tcp_parse(const uint8_t *p, size_t len, struct tcp_seg *s)
{
    unsigned header;

    if (UNLIKELY(len < TCP_HEADER_MIN))
        return TCP_PARSE_SHORT;
    header = (unsigned)(p[12] >> 4) * 4;
    if (UNLIKELY(header < TCP_HEADER_MIN))
        return TCP_PARSE_OFFSET;
    if (UNLIKELY(header > len))
        return TCP_PARSE_SHORT;
    s->src_port = get16(p);
    s->dst_port = get16(p + 2);
    s->seq = get32(p + 4);
    s->ack = get32(p + 8);
    s->flags = p[13];
    s->window = get16(p + 14);
    s->header_bytes = (uint8_t)header;
    s->data_len = (uint32_t)(len - header);
    s->opts = 0;
    s->sack_count = 0;
    if (LIKELY(header == TCP_HEADER_MIN + 12 && get32(p + TCP_HEADER_MIN) == TCP_TS_ALIGNED)) {
        s->ts_val = get32(p + TCP_HEADER_MIN + 4);
        s->ts_ecr = get32(p + TCP_HEADER_MIN + 8);
        s->opts = TCP_OPT_TS;
        return TCP_PARSE_OK;
    }
    if (header == TCP_HEADER_MIN || tcp_parse_options(p + TCP_HEADER_MIN, header - TCP_HEADER_MIN, s))
        return TCP_PARSE_OK;
    return TCP_PARSE_OPTIONS;
}

/* Options of SYNs: MSS, SACK permitted, window scale, each padded so that what follows is aligned. */
static uint8_t *write_syn_options(uint8_t *o, const struct tcp_seg *s)
{
    if ((s->opts & TCP_OPT_MSS) != 0) {
        put32(o, UINT32_C(0x02040000) | s->mss);
        o += 4;
    }
    if ((s->opts & TCP_OPT_SACK_OK) != 0) {
        put32(o, (uint32_t)(KIND_NOP << 24 | KIND_NOP << 16 | KIND_SACK_OK << 8 | 2));
        o += 4;
    }
    if ((s->opts & TCP_OPT_WSCALE) != 0) {
        put32(o, (uint32_t)(KIND_NOP << 24 | KIND_WSCALE << 16 | 3 << 8) | s->wscale);
        o += 4;
    }
    return o;
}

static uint8_t *write_sack(uint8_t *o, const uint8_t *end, const struct tcp_seg *s)
{
    unsigned room = (unsigned)(end - o), count = s->sack_count;

    if (room < 12)
        return o;
    if (count > (room - 4) / 8)
        count = (room - 4) / 8;
    put32(o, (uint32_t)(KIND_NOP << 24 | KIND_NOP << 16 | KIND_SACK << 8) | (2 + 8 * count));
    o += 4;
    for (unsigned i = 0; i < count; i++, o += 8) {
        put32(o, s->sack[i].start);
        put32(o + 4, s->sack[i].end);
    }
    return o;
}

unsigned tcp_write(uint8_t *p, const struct tcp_seg *s)
{
    uint8_t *o = p + TCP_HEADER_MIN;
    unsigned header;

    if (UNLIKELY((s->opts & ~(unsigned)(TCP_OPT_TS | TCP_OPT_SACK)) != 0))
        o = write_syn_options(o, s);
    if ((s->opts & TCP_OPT_TS) != 0) {
        put32(o, TCP_TS_ALIGNED);
        put32(o + 4, s->ts_val);
        put32(o + 8, s->ts_ecr);
        o += 12;
    }
    if (UNLIKELY((s->opts & TCP_OPT_USER_TIMEOUT) != 0)) {
        put32(o, (uint32_t)(KIND_USER_TIMEOUT << 24 | 4 << 16) | s->user_timeout);
        o += 4;
    }
    if (UNLIKELY((s->opts & TCP_OPT_SACK) != 0))
        o = write_sack(o, p + TCP_HEADER_MAX, s);
    header = (unsigned)(o - p);
    assert(header % 4 == 0 && header <= TCP_HEADER_MAX);
    put16(p, s->src_port);
    put16(p + 2, s->dst_port);
    put32(p + 4, s->seq);
    put32(p + 8, s->ack);
    p[12] = (uint8_t)(header / 4 << 4);
    p[13] = s->flags;
    put16(p + 14, s->window);
    put32(p + 16, 0);
    return header;
}
