/* SPDX-License-Identifier: MIT */
#include "transport/msg_header.h"

#include "core/wire.h"

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

/* The ones' complement sum of the IPv4 header; 0xffff when its checksum field is right. */
static uint16_t ip_sum(const uint8_t *ip)
{
    uint32_t sum = 0;

    for (unsigned i = 0; i < IP_HEADER_BYTES; i += 2)
        sum += get16(ip + i);
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
    if (get16(frame + 12) != ETHERTYPE_IPV4 || ip[0] != 0x45)
        return MSG_NOT_IPV4;
    if (ip[9] != ip_protocol)
        return MSG_OTHER_PROTOCOL;
    total = get16(ip + 2);
    *h = (struct msg_header){.dst_mac = get48(frame),
                             .src_mac = get48(frame + 6),
                             .tos = ip[1],
                             .ip_protocol = ip[9],
                             .ip_checksum = get16(ip + 10),
                             .src_ip = get32(ip + 12),
                             .dst_ip = get32(ip + 16),
                             .payload_len = (uint16_t)(total < MSG_IP_HEADER_BYTES ? 0 : total - MSG_IP_HEADER_BYTES),
                             .flags = t[AT_FLAGS],
                             .src_context = get16(t + AT_SRC),
                             .dst_context = get16(t + AT_DST),
                             .msg_len = get16(t + AT_LEN),
                             .pkt_offset = t[AT_OFFSET],
                             .pull_offset = get16(t + AT_PULL),
                             .tx_msg_id = get16(t + places[layout].id),
                             .buf_ptr = get16(t + places[layout].buf),
                             .buf_class = t[places[layout].class]};
    if (places[layout].prio != 0)
        h->grant_prio = t[places[layout].prio];
    return MSG_OK;
}

void msg_header_write(const struct msg_header *h, enum msg_layout layout, bool with_checksum, uint8_t *frame)
{
    uint8_t *ip = frame + IP_AT, *t = frame + TRANSPORT_AT;

    memset(frame, 0, MSG_FRAME_HEADER_BYTES);
    put48(frame, h->dst_mac);
    put48(frame + 6, h->src_mac);
    put16(frame + 12, ETHERTYPE_IPV4);
    ip[0] = 0x45;
    ip[1] = h->tos;
    put16(ip + 2, MSG_IP_HEADER_BYTES + (unsigned)h->payload_len);
    put16(ip + 4, 1); /* the prototype's identification is always 1 */
    ip[8] = IP_TTL;
    ip[9] = h->ip_protocol;
    put32(ip + 12, h->src_ip);
    put32(ip + 16, h->dst_ip);
    if (with_checksum)
        put16(ip + 10, (uint16_t)~ip_sum(ip));
    t[AT_FLAGS] = h->flags;
    put16(t + AT_SRC, h->src_context);
    put16(t + AT_DST, h->dst_context);
    put16(t + AT_LEN, h->msg_len);
    t[AT_OFFSET] = h->pkt_offset;
    put16(t + AT_PULL, h->pull_offset);
    put16(t + places[layout].id, h->tx_msg_id);
    put16(t + places[layout].buf, h->buf_ptr);
    t[places[layout].class] = h->buf_class;
    if (places[layout].prio != 0)
        t[places[layout].prio] = h->grant_prio;
}
