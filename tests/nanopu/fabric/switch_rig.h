/* SPDX-License-Identifier: MIT */
/* A switch alone: packets are put into its ports, and what leaves is noted. For the tests of both kinds. */
#ifndef SWITCH_RIG_H
#define SWITCH_RIG_H

#include "nanopu/fabric/frame.h"
#include "nanopu/fabric/switch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define RIG_PORTS    4
#define RIG_SENT_MAX 256
#define DATA         FLAG_DATA
#define ACK          0x02

struct rig_sent {
    unsigned port;
    uint64_t cycle;
    struct packet p;
};

struct rig {
    struct fabric_switch *s;
    struct switch_config config;
    uint16_t routes[SWITCH_ROUTES];
    struct rig_sent sent[RIG_SENT_MAX];
    unsigned count;
};

static void rig_send(void *arg, unsigned port, struct packet *p)
{
    struct rig *r = arg;

    assert_true(r->count < RIG_SENT_MAX);
    r->sent[r->count++] = (struct rig_sent){.port = port, .cycle = p->first_flit_cycle, .p = *p};
    switch_packet_free(r->s, p);
}

/* Addresses whose low 16 bits are 2, 3, 4, 5 are at ports 0 to 3. */
static struct rig *rig_make(enum switch_kind kind)
{
    struct rig *r = calloc(1, sizeof(*r));

    assert_non_null(r);
    for (unsigned i = 0; i < SWITCH_ROUTES; i++)
        r->routes[i] = i >= 2 && i < 2 + RIG_PORTS ? (uint16_t)(i - 2) : ROUTE_NONE;
    r->config = (struct switch_config){.kind = kind,
                                       .ports = RIG_PORTS,
                                       .iteration_cycles = 140,
                                       .trimming = true,
                                       .high_bytes = 4375,
                                       .low_bytes = 4375,
                                       .routes = r->routes,
                                       .send = rig_send,
                                       .arg = r};
    return r;
}

static void rig_start(struct rig *r)
{
    r->s = switch_new(&r->config);
    assert_non_null(r->s);
}

static void rig_end(struct rig *r)
{
    switch_free(r->s);
    free(r);
}

/* A packet of the transport with these flags, to 10.0.0.`to`, whose first flit comes at cycle. */
static void rig_put(struct rig *r, unsigned port, uint64_t cycle, unsigned to, uint8_t flags, unsigned len)
{
    struct packet p = {.first_flit_cycle = cycle, .len_bytes = len, .id = cycle << 8 | port};

    memset(p.data, 0xab, len);
    p.data[FRAME_ETHERTYPE] = ETHERTYPE_IPV4 >> 8;
    p.data[FRAME_ETHERTYPE + 1] = ETHERTYPE_IPV4 & 0xff;
    p.data[FRAME_IP_TOS] = 0;
    p.data[FRAME_IP_PROTOCOL] = PROTOCOL_LNIC;
    p.data[FRAME_IP_DEST] = 10;
    p.data[FRAME_IP_DEST + 1] = 0;
    p.data[FRAME_IP_DEST + 2] = (uint8_t)(to >> 8);
    p.data[FRAME_IP_DEST + 3] = (uint8_t)to;
    p.data[FRAME_FLAGS] = flags;
    switch_receive(r->s, port, &p);
}

#define assert_sent(r, i, at_port, at_cycle, len)                                                                      \
    do {                                                                                                               \
        assert_true((i) < (r)->count);                                                                                 \
        assert_int_equal((r)->sent[i].port, at_port);                                                                  \
        assert_int_equal((r)->sent[i].cycle, at_cycle);                                                                \
        assert_int_equal((r)->sent[i].p.len_bytes, len);                                                               \
    } while (0)

#endif /* SWITCH_RIG_H */
