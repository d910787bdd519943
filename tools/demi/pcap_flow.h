/* SPDX-License-Identifier: MIT */
/*
 * What a capture comes to: its flows, and the frames that did not get through, by reason. A flow is what two ends say
 * to each other by one protocol; its first end is the one that spoke first.
 *
 * The reason stands at the beginning of a frame's comment: the name of the counter it was dropped under ("drop_..."),
 * or "lost" where a simulated network lost it.
 */
#ifndef DEMI_PCAP_FLOW_H
#define DEMI_PCAP_FLOW_H

#include "pcap_read.h"

#define FLOWS_MAX    65536 /* frames of further ones are counted together */
#define REASONS_MAX  128
#define FLOW_BUCKETS 16384

enum flow_kind { FLOW_OTHER, FLOW_ARP, FLOW_ICMP, FLOW_UDP, FLOW_TCP, FLOW_IP };

struct flow_end {
    uint8_t addr[16]; /* of IPv4 the first four */
    uint16_t port;
};

struct flow_key {
    uint8_t kind;   /* enum flow_kind */
    uint8_t bytes;  /* of an address: 0, 4 or 16 */
    uint16_t proto; /* of FLOW_IP the protocol, of FLOW_OTHER the Ethernet type */
    struct flow_end end[2];
};

/* One direction. */
struct flow_way {
    uint64_t frames, bytes; /* of whole frames, those included that did not get through */
    uint64_t payload;       /* bytes behind the transport's header */
    uint64_t resent;        /* TCP segments that end before the furthest one did */
    uint32_t furthest;      /* sequence number behind the furthest segment */
    bool begun;             /* furthest is known */
    bool syn, fin, rst;
};

struct flow {
    struct flow_key key;
    struct flow_way way[2]; /* from end[0], from end[1] */
    uint64_t first_ns, last_ns;
    uint64_t dropped; /* frames that did not get through */
    uint32_t next;    /* in its bucket, 0: none, else index + 1 */
};

struct drop_reason {
    char name[64], what[PCAP_TEXT_MAX];
    uint64_t frames;
};

struct pcap_sum {
    uint64_t frames, bytes, dropped;
    uint64_t first_ns, last_ns;
    uint64_t unsorted; /* frames of flows beyond FLOWS_MAX, and reasons beyond REASONS_MAX */
    struct flow *flow;
    uint32_t flows, room;
    uint32_t bucket[FLOW_BUCKETS];
    struct drop_reason reason[REASONS_MAX];
    unsigned reasons;
};

/* Adds a frame. False: no memory. */
bool pcap_sum_add(struct pcap_sum *s, const struct pcap_frame *f);
void pcap_sum_free(struct pcap_sum *s);

/* "TCP", "ARP", ...; of FLOW_IP "IP 47", of FLOW_OTHER "0x88cc". */
const char *flow_name(const struct flow_key *k, char buf[16]);

/* "10.0.0.1:80", "[fd00::1]:80", or without a port where there is none. */
const char *flow_end_text(const struct flow_key *k, unsigned end, char buf[64]);

/* How it stands with a TCP connection, as far as the capture shows: "open", "no answer", "half-closed", "closed",
 * "reset", "refused";
 * "" of other kinds. */
const char *flow_state(const struct flow *f);

#endif /* DEMI_PCAP_FLOW_H */
