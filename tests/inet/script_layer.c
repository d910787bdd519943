/* SPDX-License-Identifier: MIT */
/* See script_layer.h. */
#include "script_layer.h"

/* clang-format off */
#define BITS(name, bit, bits) {name, bit, bits, NUMBER}
#define NUM8(name, at)        BITS(name, (at) * 8, 8)
#define NUM16(name, at)       BITS(name, (at) * 8, 16)
#define NUM32(name, at)       BITS(name, (at) * 8, 32)
#define HOST4                 10, 0, 0, 1
#define PEER4                 10, 0, 0, PEER
#define HOST_MAC              2, 0, 0, 0, 0, 1
#define PEER_MAC              2, 0, 0, 0, 0, PEER
#define ICMP_FIELDS           NUM8("type", 0), NUM8("code", 1), NUM16("sum", 2)

static const struct layer layers[] = {
    {"eth", PLAIN, 14, NO_ID, {HOST_MAC, PEER_MAC, 0x88, 0xb5},
     {{"dst", 0, 48, MAC}, {"src", 48, 48, MAC}, NUM16("type", 12)}},
    {"vlan", PLAIN, 4, 0x8100, {0, 0, 0x88, 0xb5}, {BITS("priority", 0, 3), BITS("id", 4, 12), NUM16("type", 2)}},
    {"arp", PLAIN, 28, 0x0806, {0, 1, 8, 0, 6, 4, 0, 1, PEER_MAC, PEER4, 0, 0, 0, 0, 0, 0, HOST4},
     {NUM16("htype", 0), NUM16("ptype", 2), NUM8("hlen", 4), NUM8("plen", 5), NUM16("op", 6), {"sha", 64, 48, MAC},
      {"spa", 112, 32, ADDR4}, {"tha", 144, 48, MAC}, {"tpa", 192, 32, ADDR4}}},
    {"ip4", IP4, 20, 0x0800, {0x45, 0, 0, 0, 0, 0, 0, 0, 64, 253, 0, 0, PEER4, HOST4},
     {BITS("ver", 0, 4), BITS("ihl", 4, 4), NUM8("tos", 1), BITS("ecn", 14, 2), NUM16("len", 2), NUM16("id", 4),
      BITS("df", 49, 1), BITS("mf", 50, 1), BITS("off", 51, 13), NUM8("ttl", 8), NUM8("proto", 9), NUM16("sum", 10),
      {"src", 96, 32, ADDR4}, {"dst", 128, 32, ADDR4}}},
    {"ip6", IP6, 40, 0x86dd,
     {0x60, 0, 0, 0, 0, 0, 59, 64, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, PEER,
      0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1},
     {BITS("ver", 0, 4), BITS("tc", 4, 8), BITS("ecn", 10, 2), BITS("flow", 12, 20), NUM16("len", 4), NUM8("next", 6),
      NUM8("hop", 7), {"src", 64, 128, ADDR6}, {"dst", 192, 128, ADDR6}}},
    {"hbh", EXTENSION, 2, 0, {59}, {NUM8("next", 0), NUM8("len", 1)}},
    {"dest", EXTENSION, 2, 60, {59}, {NUM8("next", 0), NUM8("len", 1)}},
    {"route", EXTENSION, 8, 43, {59}, {NUM8("next", 0), NUM8("len", 1), NUM8("kind", 2), NUM8("left", 3)}},
    {"frag", PLAIN, 8, 44, {59}, {NUM8("next", 0), BITS("off", 16, 13), BITS("more", 31, 1), NUM32("id", 4)}},
    {"icmp", ICMP4, 8, 1, {8, 0, 0, 0, 0, 1, 0, 1},
     {ICMP_FIELDS, NUM16("id", 4), NUM16("seq", 6), NUM16("mtu", 6), NUM32("rest", 4), NUM8("ptr", 4)}},
    {"icmp6", ICMP6, 8, 58, {128, 0, 0, 0, 0, 1, 0, 1},
     {ICMP_FIELDS, NUM16("id", 4), NUM16("seq", 6), NUM32("mtu", 4), NUM32("rest", 4), NUM32("ptr", 4)}},
    {"ns", ICMP6, 24, 58, {135, 0, 0, 0, 0, 0, 0, 0, 0xfd, [23] = 1},
     {ICMP_FIELDS, {"target", 64, 128, ADDR6}}},
    {"na", ICMP6, 24, 58, {136, 0, 0, 0, 0x60, 0, 0, 0, 0xfd, [23] = PEER},
     {ICMP_FIELDS, BITS("router", 32, 1), BITS("solicited", 33, 1), BITS("override", 34, 1),
      {"target", 64, 128, ADDR6}}},
    {"rs", ICMP6, 8, 58, {133}, {ICMP_FIELDS}},
    {"ra", ICMP6, 16, 58, {134, 0, 0, 0, 64, 0, 7, 8},
     {ICMP_FIELDS, NUM8("hops", 4), NUM16("life", 6), NUM32("reach", 8), NUM32("retrans", 12)}},
    {"slla", OPTION, 8, NO_ID, {1, 1, PEER_MAC}, {NUM8("kind", 0), NUM8("len", 1), {"mac", 16, 48, MAC}}},
    {"tlla", OPTION, 8, NO_ID, {2, 1, PEER_MAC}, {NUM8("kind", 0), NUM8("len", 1), {"mac", 16, 48, MAC}}},
    {"prefix", OPTION, 32, NO_ID, {3, 4, 64, 0xc0, 0, 0, 14, 16, 0, 0, 7, 8, [16] = 0x20, 1, 0xd, 0xb8},
     {NUM8("kind", 0), NUM8("len", 1), NUM8("bits", 2), BITS("onlink", 24, 1), BITS("auto", 25, 1), NUM32("valid", 4),
      NUM32("preferred", 8), {"net", 128, 128, ADDR6}}},
    {"mtu", OPTION, 8, NO_ID, {5, 1, 0, 0, 0, 0, 5, 0xdc}, {NUM8("kind", 0), NUM8("len", 1), NUM32("mtu", 4)}},
    {"udp", UDP, 8, 17, {PEER_PORT >> 8, PEER_PORT & 255, 0, HOST_UDP},
     {NUM16("sport", 0), NUM16("dport", 2), NUM16("len", 4), NUM16("sum", 6)}},
    {"tcp", TCP, 20, 6, {PEER_PORT >> 8, PEER_PORT & 255, 0, HOST_PORT, [12] = 0x50, TCP_ACK, 0x75, 0x30},
     {NUM16("sport", 0), NUM16("dport", 2), {"seq", 32, 32, SEQ}, {"ack", 64, 32, ACK}, BITS("off", 96, 4),
      NUM8("flags", 13), NUM16("win", 14), NUM16("sum", 16), NUM16("urg", 18)}},
};
/* clang-format on */

const struct layer *layer_find(const char *name)
{
    for (unsigned i = 0; i < ARRAY_LEN(layers); i++)
        if (strcmp(layers[i].name, name) == 0)
            return &layers[i];
    return NULL;
}

int layer_field(const struct layer *l, const char *name)
{
    for (int i = 0; i < FIELDS_MAX && l->field[i].kind != END; i++)
        if (strcmp(l->field[i].name, name) == 0)
            return i;
    return -1;
}

uint32_t get_bits(const uint8_t *h, unsigned bit, unsigned bits)
{
    uint32_t v = 0;

    for (unsigned i = bit; i < bit + bits; i++)
        v = v << 1 | (h[i / 8] >> (7 - i % 8) & 1u);
    return v;
}

void put_bits(uint8_t *h, unsigned bit, unsigned bits, uint32_t v)
{
    for (unsigned i = 0; i < bits; i++) {
        unsigned at = bit + bits - 1 - i;
        uint8_t mask = (uint8_t)(0x80u >> at % 8);

        h[at / 8] = (uint8_t)((h[at / 8] & ~mask) | ((v >> i & 1u) != 0 ? mask : 0));
    }
}

const char *layer_next_field(const struct layer *l)
{
    static const char *const names[] = {"type", "proto", "next"};

    if (l->what == ICMP4 || l->what == ICMP6)
        return NULL;
    for (unsigned i = 0; i < ARRAY_LEN(names); i++)
        if (layer_field(l, names[i]) >= 0)
            return names[i];
    return NULL;
}
