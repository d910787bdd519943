/* SPDX-License-Identifier: MIT */
#include "pcap_flow.h"
#include "../common/text.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#define LINK_ETHERNET 1
#define TYPE_4        0x0800
#define TYPE_A        0x0806
#define TYPE_Q        0x8100
#define TYPE_6        0x86dd
#define HEADERS_MAX   8 /* of IPv6 that are passed over */
#define TCP_FIN       1
#define TCP_SYN       2
#define TCP_RST       4

/* What is found in a frame. */
struct parsed {
    struct flow_key key;
    bool tcp; /* flags, seq and payload are known */
    uint8_t flags;
    uint32_t seq, payload;
};

static uint16_t be16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)be16(p) << 16 | be16(p + 2);
}

/* The transport's header; len bytes are here of the `whole` that the packet says. */
static void parse_transport(struct parsed *to, uint8_t proto, const uint8_t *p, uint32_t len, uint32_t whole)
{
    uint32_t header;

    to->key.kind = proto == IPPROTO_TCP                               ? FLOW_TCP
                   : proto == IPPROTO_UDP                             ? FLOW_UDP
                   : proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6 ? FLOW_ICMP
                                                                      : FLOW_IP;
    to->key.proto = to->key.kind == FLOW_IP ? proto : 0;
    if ((to->key.kind != FLOW_TCP && to->key.kind != FLOW_UDP) || len < 8)
        return;
    to->key.end[0].port = be16(p);
    to->key.end[1].port = be16(p + 2);
    header = to->key.kind == FLOW_UDP ? 8 : len >= 20 ? (p[12] >> 4) * 4u : whole;
    to->payload = whole > header ? whole - header : 0;
    if (to->key.kind == FLOW_UDP || len < 20)
        return;
    to->tcp = true;
    to->flags = p[13];
    to->seq = be32(p + 4);
}

static void parse_ip4(struct parsed *to, const uint8_t *p, uint32_t len)
{
    uint32_t header, whole;

    if (len < 20 || p[0] >> 4 != 4)
        return;
    header = (p[0] & 15) * 4u;
    whole = be16(p + 2);
    to->key.bytes = 4;
    to->key.kind = FLOW_IP;
    memcpy(to->key.end[0].addr, p + 12, 4);
    memcpy(to->key.end[1].addr, p + 16, 4);
    if (header < 20 || header > len || whole < header || (be16(p + 6) & 0x1fff) != 0) { /* damaged, or not the first */
        to->key.proto = p[9];
        return;
    }
    parse_transport(to, p[9], p + header, len < whole ? len - header : whole - header, whole - header);
}

static void parse_ip6(struct parsed *to, const uint8_t *p, uint32_t len)
{
    uint32_t whole, at = 40;
    uint8_t next;

    if (len < 40 || p[0] >> 4 != 6)
        return;
    whole = 40u + be16(p + 4);
    next = p[6];
    to->key.bytes = 16;
    to->key.kind = FLOW_IP;
    memcpy(to->key.end[0].addr, p + 8, 16);
    memcpy(to->key.end[1].addr, p + 24, 16);
    for (unsigned i = 0; i < HEADERS_MAX && at + 8 <= len && (next == 0 || next == 43 || next == 60); i++) {
        next = p[at];
        at += (p[at + 1] + 1u) * 8;
    }
    if (at > len || at > whole) {
        to->key.proto = next;
        return;
    }
    parse_transport(to, next, p + at, len < whole ? len - at : whole - at, whole - at);
}

static void parse_arp(struct parsed *to, const uint8_t *p, uint32_t len)
{
    to->key.kind = FLOW_ARP;
    if (len < 28 || be16(p + 2) != TYPE_4 || p[4] != 6 || p[5] != 4)
        return;
    to->key.bytes = 4;
    memcpy(to->key.end[0].addr, p + 14, 4);
    memcpy(to->key.end[1].addr, p + 24, 4);
}

static void parse(struct parsed *to, const struct pcap_frame *f)
{
    const uint8_t *p = f->bytes;
    uint32_t len = f->captured, at = 14;
    uint16_t type;

    *to = (struct parsed){.key = {.kind = FLOW_OTHER}};
    if (f->interface->link != LINK_ETHERNET || len < at)
        return;
    type = be16(p + 12);
    if (type == TYPE_Q && len >= at + 4) {
        type = be16(p + 16);
        at += 4;
    }
    to->key.proto = type;
    if (type == TYPE_4)
        parse_ip4(to, p + at, len - at);
    else if (type == TYPE_6)
        parse_ip6(to, p + at, len - at);
    else if (type == TYPE_A)
        parse_arp(to, p + at, len - at);
    if (to->key.kind != FLOW_IP && to->key.kind != FLOW_OTHER)
        to->key.proto = 0;
}

static bool end_equal(const struct flow_end *a, const struct flow_end *b)
{
    return a->port == b->port && memcmp(a->addr, b->addr, sizeof(a->addr)) == 0;
}

/* Is it this flow? *way: which direction. */
static bool matches(const struct flow *f, const struct flow_key *k, unsigned *way)
{
    if (f->key.kind != k->kind || f->key.bytes != k->bytes || f->key.proto != k->proto)
        return false;
    *way = end_equal(&f->key.end[0], &k->end[0]) ? 0 : 1;
    return end_equal(&f->key.end[*way], &k->end[0]) && end_equal(&f->key.end[1 - *way], &k->end[1]);
}

/* The same for both directions (FNV-1a of each end, added). */
static uint32_t hash(const struct flow_key *k)
{
    uint32_t sum = k->kind + k->proto;

    for (unsigned e = 0; e < 2; e++) {
        uint32_t h = 2166136261u;

        for (unsigned i = 0; i < sizeof(k->end[e].addr); i++)
            h = (h ^ k->end[e].addr[i]) * 16777619u;
        h = (h ^ (k->end[e].port & 255)) * 16777619u;
        h = (h ^ (k->end[e].port >> 8)) * 16777619u;
        sum += h;
    }
    return (sum ^ sum >> 16) % FLOW_BUCKETS;
}

/* The flow of a frame, perhaps a new one. NULL: there is no room (*full) or no memory. */
static struct flow *find(struct pcap_sum *s, const struct flow_key *k, unsigned *way, bool *full)
{
    uint32_t *bucket = &s->bucket[hash(k)];
    struct flow *f;

    *full = false;
    for (uint32_t i = *bucket; i != 0; i = s->flow[i - 1].next)
        if (matches(&s->flow[i - 1], k, way))
            return &s->flow[i - 1];
    *way = 0;
    if (s->flows == FLOWS_MAX) {
        *full = true;
        return NULL;
    }
    if (s->flows == s->room) {
        uint32_t room = s->room == 0 ? 64 : 2 * s->room;

        f = realloc(s->flow, room * sizeof(*f));
        if (f == NULL)
            return NULL;
        s->flow = f;
        s->room = room;
    }
    f = &s->flow[s->flows++];
    *f = (struct flow){.key = *k, .first_ns = UINT64_MAX, .next = *bucket};
    *bucket = s->flows;
    return f;
}

/* Counts the reason at the comment's beginning. False: the frame got through. */
static bool count_reason(struct pcap_sum *s, const char *comment)
{
    struct drop_reason *r;
    size_t len;

    if (strncmp(comment, "drop_", 5) != 0 && strncmp(comment, "lost", 4) != 0)
        return false;
    len = comment[0] == 'd' ? strcspn(comment, " (;,:") : strcspn(comment, ";");
    if (len >= sizeof(r->name))
        len = sizeof(r->name) - 1;
    for (unsigned i = 0; i < s->reasons; i++)
        if (strlen(s->reason[i].name) == len && memcmp(s->reason[i].name, comment, len) == 0) {
            s->reason[i].frames++;
            return true;
        }
    if (s->reasons == REASONS_MAX) {
        s->unsorted++;
        return true;
    }
    r = &s->reason[s->reasons++];
    r->frames = 1;
    memcpy(r->name, comment, len);
    r->name[len] = '\0';
    if (comment[len] == ' ' && comment[len + 1] == '(') {
        size_t what = strcspn(comment + len + 2, ")");

        memcpy(r->what, comment + len + 2, what);
        r->what[what] = '\0';
    }
    return true;
}

static void count_segment(struct flow_way *w, const struct parsed *p)
{
    uint32_t end = p->seq + p->payload + ((p->flags & TCP_SYN) != 0) + ((p->flags & TCP_FIN) != 0);

    w->syn |= (p->flags & TCP_SYN) != 0;
    w->fin |= (p->flags & TCP_FIN) != 0;
    w->rst |= (p->flags & TCP_RST) != 0;
    if (end == p->seq || (p->flags & TCP_RST) != 0)
        return;
    if (w->begun && (int32_t)(end - w->furthest) <= 0) {
        w->resent++;
        return;
    }
    w->furthest = end;
    w->begun = true;
}

bool pcap_sum_add(struct pcap_sum *s, const struct pcap_frame *f)
{
    bool dropped = count_reason(s, f->comment), full;
    struct parsed p;
    struct flow *flow;
    unsigned way;

    if (s->frames++ == 0 || f->time_ns < s->first_ns)
        s->first_ns = f->time_ns;
    if (f->time_ns > s->last_ns)
        s->last_ns = f->time_ns;
    s->bytes += f->len;
    s->dropped += dropped;
    parse(&p, f);
    flow = find(s, &p.key, &way, &full);
    if (flow == NULL) {
        s->unsorted += full;
        return full;
    }
    flow->way[way].frames++;
    flow->way[way].bytes += f->len;
    flow->way[way].payload += p.payload;
    flow->dropped += dropped;
    if (f->time_ns < flow->first_ns)
        flow->first_ns = f->time_ns;
    if (f->time_ns > flow->last_ns)
        flow->last_ns = f->time_ns;
    if (p.tcp)
        count_segment(&flow->way[way], &p);
    return true;
}

void pcap_sum_free(struct pcap_sum *s)
{
    free(s->flow);
    s->flow = NULL;
}

const char *flow_name(const struct flow_key *k, char buf[16])
{
    static const char *const names[] = {
        [FLOW_ARP] = "ARP", [FLOW_ICMP] = "ICMP", [FLOW_UDP] = "UDP", [FLOW_TCP] = "TCP"};

    if (k->kind == FLOW_IP)
        snprintf(buf, 16, "IP %u", k->proto);
    else if (k->kind == FLOW_OTHER)
        snprintf(buf, 16, "0x%04x", k->proto);
    else
        snprintf(buf, 16, "%s", names[k->kind]);
    return buf;
}

const char *flow_end_text(const struct flow_key *k, unsigned end, char buf[64])
{
    char addr[INET6_ADDRSTRLEN] = "-";

    if (k->bytes != 0)
        inet_ntop(k->bytes == 4 ? AF_INET : AF_INET6, k->end[end].addr, addr, sizeof(addr));
    if (k->kind != FLOW_TCP && k->kind != FLOW_UDP)
        snprintf(buf, 64, "%s", addr);
    else
        snprintf(buf, 64, k->bytes == 16 ? "[%s]:%u" : "%s:%u", addr, k->end[end].port);
    return buf;
}

const char *flow_state(const struct flow *f)
{
    const struct flow_way *a = &f->way[0], *b = &f->way[1];

    if (f->key.kind != FLOW_TCP)
        return "";
    if (a->rst || b->rst)
        return a->syn && b->rst && !b->syn ? "refused" : "reset";
    if (a->fin && b->fin)
        return "closed";
    if (a->fin || b->fin)
        return "half-closed";
    return a->syn && !b->syn ? "no answer" : "open";
}
