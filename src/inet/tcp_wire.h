/* SPDX-License-Identifier: MIT */
/*
 * The TCP header and its options: one parser and one writer, both without state.
 *
 * Header: RFC 9293 section 3.1. Options: MSS (3.7.1), window scale and timestamps (RFC 7323), SACK permitted and SACK
 * (RFC 2018), user timeout (RFC 5482). Unknown options are skipped by their length; an option that leaves the header or
 * has a length that its kind cannot have makes the segment malformed. An option of known kind that is not allowed where
 * it stands (MSS without SYN) is left out of the result.
 */
#ifndef INET_TCP_WIRE_H
#define INET_TCP_WIRE_H

#include "core/wire.h"

#include <stdbool.h>
#include <stddef.h>

#define TCP_HEADER_MIN 20
#define TCP_TS_BYTES   12 /* of the timestamps in a segment, with padding */
#define TCP_HEADER_MAX 60
#define TCP_TS_BYTES                                                                                                   \
    12 /* timestamps as nearly every segment has them, alone behind two NOPs (RFC 7323 appendix A):                    \
        */
#define TCP_TS_ALIGNED UINT32_C(0x0101080a)
#define TCP_SACK_MAX   4  /* blocks that fit into the options */
#define TCP_WSCALE_MAX 14 /* larger shifts count as this one (RFC 7323 section 2.3) */

enum tcp_flag {
    TCP_FIN = 0x01,
    TCP_SYN = 0x02,
    TCP_RST = 0x04,
    TCP_PSH = 0x08,
    TCP_ACK = 0x10,
    TCP_URG = 0x20,
    TCP_ECE = 0x40,
    TCP_CWR = 0x80,
};

/* Which options a segment has. */
enum tcp_opt {
    TCP_OPT_MSS = 0x01,
    TCP_OPT_WSCALE = 0x02,
    TCP_OPT_SACK_OK = 0x04,
    TCP_OPT_SACK = 0x08,
    TCP_OPT_TS = 0x10,
    TCP_OPT_USER_TIMEOUT = 0x20,
};

struct tcp_block {
    uint32_t start, end;
};

/* A segment in host byte order. */
struct tcp_seg {
    uint32_t seq, ack;
    uint16_t src_port, dst_port;
    uint16_t window; /* as it stands in the header: not scaled */
    uint8_t flags;
    uint8_t header_bytes;
    uint32_t data_len; /* bytes behind the header */
    uint8_t opts;      /* of enum tcp_opt */
    uint8_t wscale;
    uint16_t mss;
    uint32_t ts_val, ts_ecr;
    uint16_t user_timeout; /* bit 15: minutes, else seconds */
    uint8_t sack_count;
    struct tcp_block sack[TCP_SACK_MAX];
};

/* Sequence numbers a segment takes: its data, SYN and FIN. */
static inline uint32_t tcp_seg_len(const struct tcp_seg *s)
{
    return s->data_len + ((s->flags & TCP_SYN) != 0) + ((s->flags & TCP_FIN) != 0);
}

/* Why a segment was refused. */
enum tcp_parse {
    TCP_PARSE_OK,
    TCP_PARSE_SHORT,   /* less than a header, or the header is longer than the segment */
    TCP_PARSE_OFFSET,  /* the data offset is below 20 bytes */
    TCP_PARSE_OPTIONS, /* an option with an impossible length */
};

/* Reads the segment of len bytes at p, checksum apart. On a refusal *s is not defined. */
enum tcp_parse tcp_parse(const uint8_t *p, size_t len, struct tcp_seg *s);

/* The general way of the options; bytes of them at p. false: malformed. s->flags is set. */
bool tcp_parse_options(const uint8_t *p, size_t bytes, struct tcp_seg *s);

/*
 * Writes the header with the options that s->opts names (TCP_HEADER_MAX bytes of room), checksum and urgent pointer 0,
 * and returns its length. SACK blocks that do not fit beside the other options are left out, the last ones first.
 */
unsigned tcp_write(uint8_t *p, const struct tcp_seg *s);

#endif /* INET_TCP_WIRE_H */
