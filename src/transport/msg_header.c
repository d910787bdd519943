/* SPDX-License-Identifier: MIT */
#include "transport/msg_header.h"

#include <string.h>

#define ETHERTYPE_IPV4  0x0800
#define IP_AT           14 /* offsets in the frame */
#define TRANSPORT_AT    34
#define IP_HEADER_BYTES 20
#define IP_TTL          64

/* Offsets in the transport header: common ones, then those that a layout has its own way. */
enum { AT_FLAGS = 0, AT_SRC = 1, AT_DST = 3, AT_LEN = 5, AT_OFFSET = 7, AT_PULL = 8 };
static const struct {
    uint8_t id, buf, class, prio; /* prio: 0 for none */
} places[] = {[MSG_NDP] = {10, 12, 14, 0}, [MSG_HOMA] = {11, 13, 15, 10}};

static uint64_t get(const uint8_t *p, unsigned bytes)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < bytes; i++)
        v = v << 8 | p[i];
    return v;
}

static void put(uint8_t *p, unsigned bytes, uint64_t v)
{
    for (unsigned i = bytes; i-- > 0; v >>= 8)
        p[i] = (uint8_t)v;
}

/* The ones' complement sum of the IPv4 header; 0xffff when its checksum field is right. */
static uint16_t ip_sum(const uint8_t *ip)
{
    uint32_t sum = 0;

    for (unsigned i = 0; i < IP_HEADER_BYTES; i += 2)
        sum += (uint32_t)get(ip + i, 2);
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)(sum + (sum >> 16));
}

bool msg_checksum_good(const uint8_t *frame)
{
    return ip_sum(frame + IP_AT) == 0xffff;
}

enum msg_fault msg_header_parse(struct msg_header *h, enum msg_layout layout, uint8_t ip_protocol, const uint8_t *frame,
                                size_t len)
{
    const uint8_t *ip = frame + IP_AT, *t = frame + TRANSPORT_AT;
    unsigned total;

    /* The prototype's parser wants at least one byte behind the header. */
    if (len <= MSG_FRAME_HEADER_BYTES)
        return MSG_SHORT;
    if (get(frame + 12, 2) != ETHERTYPE_IPV4 || ip[0] != 0x45)
        return MSG_NOT_IPV4;
    if (ip[9] != ip_protocol)
        return MSG_OTHER_PROTOCOL;
    total = (unsigned)get(ip + 2, 2);
    *h = (struct msg_header){.dst_mac = get(frame, 6),
                             .src_mac = get(frame + 6, 6),
                             .tos = ip[1],
                             .ip_protocol = ip[9],
                             .ip_checksum = (uint16_t)get(ip + 10, 2),
                             .src_ip = (uint32_t)get(ip + 12, 4),
                             .dst_ip = (uint32_t)get(ip + 16, 4),
                             .payload_len = (uint16_t)(total < MSG_IP_HEADER_BYTES ? 0 : total - MSG_IP_HEADER_BYTES),
                             .flags = t[AT_FLAGS],
                             .src_context = (uint16_t)get(t + AT_SRC, 2),
                             .dst_context = (uint16_t)get(t + AT_DST, 2),
                             .msg_len = (uint16_t)get(t + AT_LEN, 2),
                             .pkt_offset = t[AT_OFFSET],
                             .pull_offset = (uint16_t)get(t + AT_PULL, 2),
                             .tx_msg_id = (uint16_t)get(t + places[layout].id, 2),
                             .buf_ptr = (uint16_t)get(t + places[layout].buf, 2),
                             .buf_class = t[places[layout].class]};
    if (places[layout].prio != 0)
        h->grant_prio = t[places[layout].prio];
    return MSG_OK;
}

void msg_header_write(const struct msg_header *h, enum msg_layout layout, bool with_checksum, uint8_t *frame)
{
    uint8_t *ip = frame + IP_AT, *t = frame + TRANSPORT_AT;

    memset(frame, 0, MSG_FRAME_HEADER_BYTES);
    put(frame, 6, h->dst_mac);
    put(frame + 6, 6, h->src_mac);
    put(frame + 12, 2, ETHERTYPE_IPV4);
    ip[0] = 0x45;
    ip[1] = h->tos;
    put(ip + 2, 2, MSG_IP_HEADER_BYTES + (unsigned)h->payload_len);
    put(ip + 4, 2, 1); /* the prototype's identification is always 1 */
    ip[8] = IP_TTL;
    ip[9] = h->ip_protocol;
    put(ip + 12, 4, h->src_ip);
    put(ip + 16, 4, h->dst_ip);
    if (with_checksum)
        put(ip + 10, 2, (uint16_t)~ip_sum(ip));
    t[AT_FLAGS] = h->flags;
    put(t + AT_SRC, 2, h->src_context);
    put(t + AT_DST, 2, h->dst_context);
    put(t + AT_LEN, 2, h->msg_len);
    t[AT_OFFSET] = h->pkt_offset;
    put(t + AT_PULL, 2, h->pull_offset);
    put(t + places[layout].id, 2, h->tx_msg_id);
    put(t + places[layout].buf, 2, h->buf_ptr);
    t[places[layout].class] = h->buf_class;
    if (places[layout].prio != 0)
        t[places[layout].prio] = h->grant_prio;
}
