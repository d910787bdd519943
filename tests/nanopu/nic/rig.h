/* SPDX-License-Identifier: MIT */
/* A NIC with its cores' FIFOs on a table: packets in by hand, packets out in a list, the harts are the test. */
#ifndef TESTS_NANOPU_NIC_RIG_H
#define TESTS_NANOPU_NIC_RIG_H

#include "nanopu/nic/hts_nic.h"
#include "nanopu/nic/nic.h"
#include "transport/msg_header.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define RIG_CORES   4
#define RIG_IP      0x0a000002U
#define RIG_PEER    0x0a000003U
#define RIG_SENT    4096
#define RIG_PACKETS 8192
#define CSR_READY   0x052
#define CSR_CONTEXT 0x053
#define CSR_COMMAND 0x054
#define CSR_PRIO    0x055
#define CSR_UCMD    0x056
#define CSR_NIC     0x057
#define CSR_TOP     0x058
#define CSR_TOPPRIO 0x059
#define CSR_T0      0x060
#define CSR_IDLE    0x061

struct rig {
    struct params p;
    struct hts *hts[RIG_CORES];
    struct nic *nic;
    struct packet_pool pool;
    struct packet *sent[RIG_SENT]; /* in order; owned by the rig */
    unsigned sent_len;
    uint64_t start; /* the first cycle in which the NIC takes packets, and some more: tests count from here */
};

/* Parameters by profile, by name, all quirks off: before rig_start. */
void rig_params(struct rig *r, const char *profile);
void rig_set(struct rig *r, const char *key, const char *value);
void rig_quirks_off(struct rig *r);
void rig_start(struct rig *r);
/* Also checks that no packet is lost. */
void rig_stop(struct rig *r);
/* All buffers, ids and queues are as at the start. */
void rig_whole(const struct rig *r);

/* Core registers ctx with priority, at about r->start; the NIC knows before it. */
void rig_register(struct rig *r, unsigned core, unsigned ctx, unsigned priority);

/* A packet to the NIC. h->payload_len bytes of payload follow the header; *payload may be NULL for a pattern. */
void rig_packet(struct rig *r, uint64_t cycle, const struct msg_header *h, const void *payload);
/* A DATA packet of a message from RIG_PEER context 5, with a pattern; returns its flits. */
unsigned rig_data(struct rig *r, uint64_t cycle, uint16_t ctx, uint16_t id, uint16_t msg_len, uint8_t offset,
                  uint8_t more_flags);
void rig_control(struct rig *r, uint64_t cycle, uint16_t id, uint8_t flags, uint8_t offset, uint16_t pull);

/* The core writes a message to RIG_PEER, one word a cycle from `cycle` on; returns the cycle of the last word. */
uint64_t rig_send(struct rig *r, unsigned core, uint64_t cycle, uint16_t dst_ctx, uint16_t len);

/* Word j of the pattern of a message. */
uint64_t rig_word(uint16_t id, unsigned j);

/* The header of sent packet n, and how many were sent with these flags. */
struct msg_header rig_header(const struct rig *r, unsigned n);
unsigned rig_count(const struct rig *r, uint8_t flags);

/* Takes one message of ctx from the core's FIFO at cycle, checks it against the pattern of id; 0: there is none. */
unsigned rig_take(struct rig *r, unsigned core, uint64_t *cycle, unsigned ctx, uint16_t id);

#endif /* TESTS_NANOPU_NIC_RIG_H */
