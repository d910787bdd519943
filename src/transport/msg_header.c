/* SPDX-License-Identifier: MIT */
#include "transport/msg_header.h"

#include "transport/msg_path.h"

#define ETHERTYPE_IPV4  0x0800
#define IP_AT           14 /* offsets in the frame */
#define TRANSPORT_AT    34
#define RIDER_AT        50 /* of both layouts: padding of 14 bytes */
#define IP_HEADER_BYTES 20
#define IP_TTL          64

/*
 * The transport header is read and written by three words of eight bytes: what both layouts have alike (flags,
 * contexts, length, offset), then the rest of each, then padding.
 */
enum { COMMON_AT = TRANSPORT_AT, REST_AT = TRANSPORT_AT + 8 };

/* The ones' complement sum comes out right in either byte order, so that none is turned (RFC 1071). */
bool msg_checksum_good(const uint8_t *frame)
{
    uint64_t sum = 0;
    uint32_t word;

    for (unsigned i = 0; i < IP_HEADER_BYTES; i += sizeof(word)) {
        memcpy(&word, frame + IP_AT + i, sizeof(word));
        sum += word;
    }
    sum = (sum & UINT32_MAX) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)(sum + (sum >> 16)) == 0xffff;
}

/* Behind the common part: a number to pull or grant, Homa's priority, the message's number, the sender's buffer. */
static void parse_rest(struct msg_header *h, enum msg_layout layout, uint64_t rest)
{
    h->pull_offset = (uint16_t)(rest >> 48);
    if (layout == MSG_HOMA) {
        h->grant_prio = (uint8_t)(rest >> 40);
        rest <<= 8;
    } else {
        h->grant_prio = 0;
    }
    h->tx_msg_id = (uint16_t)(rest >> 32);
    h->buf_ptr = (uint16_t)(rest >> 16);
    h->buf_class = (uint8_t)(rest >> 8);
}

enum msg_fault msg_header_parse(struct msg_header *h, enum msg_layout layout, uint8_t ip_protocol, const uint8_t *frame,
                                size_t len)
{
    const uint8_t *ip = frame + IP_AT;
    uint64_t common;
    unsigned total;

    /* The prototype's parser wants at least one byte behind the header. */
    if (len <= MSG_FRAME_HEADER_BYTES)
        return MSG_SHORT;
    if (get16(frame + 12) != ETHERTYPE_IPV4 || ip[0] != 0x45)
        return MSG_NOT_IPV4;
    if (ip[9] != ip_protocol)
        return MSG_OTHER_PROTOCOL;
    total = get16(ip + 2);
    h->dst_mac = get48(frame);
    h->src_mac = get48(frame + 6);
    h->tos = ip[1];
    h->ip_protocol = ip[9];
    h->ip_checksum = get16(ip + 10);
    h->src_ip = get32(ip + 12);
    h->dst_ip = get32(ip + 16);
    h->payload_len = (uint16_t)(total < MSG_IP_HEADER_BYTES ? 0 : total - MSG_IP_HEADER_BYTES);
    common = get64(frame + COMMON_AT);
    h->flags = (uint8_t)(common >> 56);
    h->src_context = (uint16_t)(common >> 40);
    h->dst_context = (uint16_t)(common >> 24);
    h->msg_len = (uint16_t)(common >> 8);
    h->pkt_offset = (uint8_t)common;
    parse_rest(h, layout, get64(frame + REST_AT));
    return MSG_OK;
}

void msg_path_init(struct msg_path *p, const struct msg_header *h)
{
    p->word[0] = h->dst_mac << 16 | (h->src_mac >> 32 & 0xffff);
    p->word[1] = h->src_mac << 32 | (uint64_t)ETHERTYPE_IPV4 << 16 | 0x4500;
    /* length, identification (the prototype's is always 1), no fragments, time to live, protocol */
    p->word[2] = (uint64_t)MSG_IP_HEADER_BYTES << 48 | UINT64_C(1) << 32 | IP_TTL << 8 | h->ip_protocol;
    p->ips = (uint64_t)h->src_ip << 32 | h->dst_ip;
    p->sum = 0x4500u + MSG_IP_HEADER_BYTES + 1 + (IP_TTL << 8 | h->ip_protocol) + (h->src_ip >> 16) +
             (h->src_ip & 0xffff) + (h->dst_ip >> 16) + (h->dst_ip & 0xffff);
}

void msg_header_write(const struct msg_header *h, enum msg_layout layout, bool with_checksum, uint8_t *frame)
{
    struct msg_path p;

    msg_path_init(&p, h);
    msg_path_write(&p, h, layout, frame);
    if (!with_checksum)
        put16(frame + IP_AT + 10, 0);
}

void msg_rider_write(const struct msg_rider *r, uint8_t *frame)
{
    put64(frame + RIDER_AT, (uint64_t)r->flags << 56 | (uint64_t)r->pkt_offset << 48 | (uint64_t)r->pull_offset << 32 |
                                (uint64_t)r->tx_msg_id << 16 | r->buf_ptr);
    put16(frame + RIDER_AT + 8, r->context);
    frame[RIDER_AT + 10] = r->grant_prio;
}

bool msg_rider_parse(struct msg_rider *r, const uint8_t *frame)
{
    uint64_t word = get64(frame + RIDER_AT);

    r->flags = (uint8_t)(word >> 56);
    if (r->flags == 0)
        return false;
    r->pkt_offset = (uint8_t)(word >> 48);
    r->pull_offset = (uint16_t)(word >> 32);
    r->tx_msg_id = (uint16_t)(word >> 16);
    r->buf_ptr = (uint16_t)word;
    r->context = get16(frame + RIDER_AT + 8);
    r->grant_prio = frame[RIDER_AT + 10];
    return true;
}
