/* SPDX-License-Identifier: MIT */
/* Headers of packets between the same two hosts, written by what does not change in them. */
#ifndef TRANSPORT_MSG_PATH_H
#define TRANSPORT_MSG_PATH_H

#include "core/wire.h"
#include "transport/msg_header.h"

/* What headers of packets between the same two hosts have in common: words of the frame, and what they sum up to. */
struct msg_path {
    uint64_t word[3]; /* bytes 0 to 23; the last two without type of service and payload */
    uint64_t ips;
    uint32_t sum;
};

/* From addresses and protocol of h. */
void msg_path_init(struct msg_path *p, const struct msg_header *h);

/* Writes the 64 bytes, with the IPv4 checksum: addresses and protocol as in p, the rest as in h. */
static inline void msg_path_write(const struct msg_path *p, const struct msg_header *h, enum msg_layout layout,
                                  uint8_t *frame)
{
    uint64_t id = (uint64_t)h->tx_msg_id << 32 | (uint64_t)h->buf_ptr << 16 | (uint64_t)h->buf_class << 8;
    uint64_t pull = (uint64_t)h->pull_offset << 48;
    uint32_t sum = p->sum + h->tos + h->payload_len;

    sum = (sum & 0xffff) + (sum >> 16);
    put64(frame, p->word[0]);
    put64(frame + 8, p->word[1] | h->tos);
    put64(frame + 16, p->word[2] + ((uint64_t)h->payload_len << 48));
    put16(frame + 24, (uint16_t) ~(sum + (sum >> 16)));
    put64(frame + 26, p->ips);
    put64(frame + 34, (uint64_t)h->flags << 56 | (uint64_t)h->src_context << 40 | (uint64_t)h->dst_context << 24 |
                          (uint64_t)h->msg_len << 8 | h->pkt_offset);
    put64(frame + 42, layout == MSG_HOMA ? pull | (uint64_t)h->grant_prio << 40 | id >> 8 : pull | id);
    put64(frame + 50, 0);
    put64(frame + 56, 0);
}

#endif /* TRANSPORT_MSG_PATH_H */
