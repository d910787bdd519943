/* SPDX-License-Identifier: MIT */
/*
 * A packet of a message transport: Ethernet, IPv4 without options and a transport header of 30 bytes, 64 bytes in all,
 * everything big-endian (section 5 of the machine's contract). NDP and Homa differ in where fields lie.
 */
#ifndef TRANSPORT_MSG_HEADER_H
#define TRANSPORT_MSG_HEADER_H

#include "core/base.h"

#define MSG_FRAME_HEADER_BYTES 64   /* Ethernet 14, IPv4 20, transport 30 */
#define MSG_IP_HEADER_BYTES    50   /* of them, what the IPv4 length field counts */
#define MSG_SEGMENT_BYTES      1024 /* payload of a full DATA packet */
#define MSG_BYTES_MAX          65535
#define MSG_PACKETS_MAX        64 /* ceil(MSG_BYTES_MAX / MSG_SEGMENT_BYTES): bitmaps of packets fit 64 bits */

enum msg_layout { MSG_NDP, MSG_HOMA };

enum msg_flag {
    MSG_DATA = 0x01,
    MSG_ACK = 0x02,
    MSG_NACK = 0x04,
    MSG_PULL = 0x08, /* Homa: GRANT */
    MSG_CHOP = 0x10  /* a switch cut the payload off */
};

struct msg_header {
    uint64_t dst_mac, src_mac; /* 48 bits */
    uint32_t src_ip, dst_ip;
    uint8_t ip_protocol, tos;
    uint16_t ip_checksum; /* as parsed; not what msg_header_write goes by */
    uint16_t payload_len; /* bytes after the header, as the IPv4 length field says */

    uint8_t flags;
    uint16_t src_context, dst_context;
    uint16_t msg_len;     /* bytes */
    uint8_t pkt_offset;   /* in packets; Homa's ACK and GRANT: first packet that is missing */
    uint16_t pull_offset; /* Homa: grant offset, in a NACK the first packet that is missing */
    uint8_t grant_prio;   /* Homa alone */
    uint16_t tx_msg_id;
    uint16_t buf_ptr; /* the sender's buffer: control packets carry it back */
    uint8_t buf_class;
};

/*
 * A control packet that rides in the padding of a DATA packet, of either layout, between hosts of ours; the prototype
 * has zeros there and reads nothing. It is for the DATA packet's receiver and about a message of its own.
 */
struct msg_rider {
    uint8_t flags; /* enum msg_flag; 0: nobody rides */
    uint8_t pkt_offset;
    uint8_t grant_prio;
    uint16_t pull_offset;
    uint16_t tx_msg_id;
    uint16_t buf_ptr;
    uint16_t context; /* that has the message: src_context of the control packet */
};

/* What is wrong with a frame; MSG_OK when nothing is. */
enum msg_fault { MSG_OK, MSG_SHORT, MSG_NOT_IPV4, MSG_OTHER_PROTOCOL };

/* Reads a frame of len bytes with the given IP protocol. On a fault *h is undefined. */
enum msg_fault msg_header_parse(struct msg_header *h, enum msg_layout layout, uint8_t ip_protocol, const uint8_t *frame,
                                size_t len);

/* Writes the 64 bytes. with_checksum: compute the IPv4 checksum, otherwise it is 0 as the prototype has it. */
void msg_header_write(const struct msg_header *h, enum msg_layout layout, bool with_checksum, uint8_t *frame);

/* Puts a rider into a frame whose header is written; reads one from a frame with a good header. False: there is none.
 */
void msg_rider_write(const struct msg_rider *r, uint8_t *frame);
bool msg_rider_parse(struct msg_rider *r, const uint8_t *frame);

/* Whether the IPv4 header of a frame that was parsed sums up. */
bool msg_checksum_good(const uint8_t *frame);

/* Packets of a message of len bytes, and the payload of one of them. len is not 0, offset is below the count. */
static inline unsigned msg_packets(unsigned len)
{
    return (len + MSG_SEGMENT_BYTES - 1) / MSG_SEGMENT_BYTES;
}

static inline unsigned msg_packet_bytes(unsigned len, unsigned offset)
{
    return offset + 1 < msg_packets(len) ? MSG_SEGMENT_BYTES : len - offset * MSG_SEGMENT_BYTES;
}

/* A bitmap of the n lowest packets. */
static inline uint64_t msg_mask(unsigned n)
{
    return n >= 64 ? UINT64_MAX : (UINT64_C(1) << n) - 1;
}

#endif /* TRANSPORT_MSG_HEADER_H */
