/* SPDX-License-Identifier: MIT */
/* What the files of the stack share and nobody else sees. */
#ifndef INET_INTERNAL_H
#define INET_INTERNAL_H

#include "inet.h"

#include <errno.h>
#include <netinet/in.h>

#define ETH_HEADER     14
#define ETH_TAG        4
#define ETHERTYPE_4    0x0800
#define ETHERTYPE_4_LE 0x0008 /* as two bytes read the wrong way round */
#define ETHERTYPE_A    0x0806
#define ETHERTYPE_6    0x86dd
#define ETHERTYPE_Q    0x8100
#define PREFIX4        96 /* what an IPv4 prefix length lacks to one of the 16 bytes */
#define LOOP_WAITING   1024

#define IP4_HEADER 20
#define IP4_DF     0x4000
#define IP4_MF     0x2000
#define IP4_OFFSET 0x1fff
#define IP6_HEADER 40

#define IP6_NEXT_FRAG 44 /* what follows is a fragment's header */

/* Types and codes of ICMP (RFC 792) and ICMPv6 (RFC 4443). */
#define ICMP4_UNREACHABLE        3
#define ICMP4_UNREACHABLE_PROTO  2
#define ICMP4_UNREACHABLE_PORT   3
#define ICMP4_EXCEEDED           11
#define ICMP4_EXCEEDED_FRAGMENTS 1
#define ICMP4_PARAMETER          12
#define ICMP6_UNREACHABLE        1
#define ICMP6_UNREACHABLE_PORT   4
#define ICMP6_TOO_BIG            2
#define ICMP6_EXCEEDED           3
#define ICMP6_EXCEEDED_FRAGMENTS 1
#define ICMP6_PARAMETER          4
#define ICMP6_PARAMETER_HEADER   0
#define ICMP6_PARAMETER_NEXT     1
#define ICMP6_PARAMETER_OPTION   2
#define ICMP6_PARAMETER_CUT      3   /* a first fragment without all headers (RFC 7112) */
#define ICMP6_ROUTER             133 /* the five of neighbour discovery: to ICMP6_REDIRECT */
#define ICMP6_REDIRECT           137

/* ---- addresses and routes: route.c ---- */

struct local_addr {
    struct inet_addr addr;
    uint8_t prefix; /* of 128 */
    bool used;
    bool autoconf;           /* of a router's prefix: goes when its time is over */
    uint64_t until_ns;       /* of autoconf */
    uint64_t quiet_until_ns; /* not defended against a conflict before */
};

/* An IPv4 address of ours and its network's broadcast address, as on the wire: what each received packet is asked for.
 */
struct net4 {
    uint32_t addr, broadcast; /* a network without one: that of all networks */
};

struct route {
    struct inet_addr net, gateway;
    uint8_t prefix; /* of 128 */
    bool used;
    bool learnt; /* of a router's advertisement: goes when its time is over */
    uint64_t until_ns;
};

/* What kind of station a packet goes to. */
enum hop_kind { HOP_NEIGHBOUR, HOP_BROADCAST, HOP_MULTICAST, HOP_SELF };

/* Where a packet to dst goes next. -ENETUNREACH. */
int route_next_hop(struct inet *in, const struct inet_addr *dst, struct inet_addr *hop, enum hop_kind *kind);

/* Which of our addresses suits for what goes to dst by way of hop. NULL: none. */
const struct inet_addr *route_source(struct inet *in, const struct inet_addr *dst, const struct inet_addr *hop);

/* Is a the broadcast address of one of our networks, or of all? */
bool route_is_broadcast(const struct inet *in, const struct inet_addr *a);

/* Does it lie in the network of one of our addresses? */
bool route_is_on_link(const struct inet *in, const struct inet_addr *a);

/* Adds a route; bits counts in 128. NULL: the table is full. */
struct route *route_put(struct inet *in, const struct inet_addr *net, unsigned bits, const struct inet_addr *gateway);

/* Our addresses are others than before. */
void route_addrs_changed(struct inet *in);

struct local_addr *route_local(const struct inet *in, const struct inet_addr *a);

/* ---- neighbours: neigh.c, arp.c, ndisc.c ---- */

#define NEIGH_WAITING     128  /* frames that wait for one neighbour */
#define NEIGH_WAITING_ALL 1024 /* and for all of them */
#define NEIGH_NONE        UINT16_MAX

enum neigh_state {
    NEIGH_FREE,
    NEIGH_INCOMPLETE, /* asked for, frames wait */
    NEIGH_REACHABLE,
    NEIGH_STALE,  /* no word for long; it may be used, and the next use begins a delay */
    NEIGH_DELAY,  /* in use; perhaps a transport hears from it */
    NEIGH_PROBE,  /* asked again, by unicast, and still in use */
    NEIGH_FAILED, /* did not answer; refused for a while */
    NEIGH_STATIC,
};

struct neigh {
    struct inet_addr addr;
    struct timer timer;
    struct inet *in;
    uint64_t confirmed_ns;
    struct frame *first, *last; /* waiting, without a link header */
    uint16_t next;              /* of the hash chain */
    uint8_t waiting;
    uint8_t state;
    uint8_t tries;
    uint8_t mac[6];
};

struct neigh_table {
    struct neigh *entry;
    uint16_t *bucket;
    uint16_t capacity, buckets; /* buckets: a power of two */
    uint16_t carved, free, hand;
    uint16_t waiting;
    uint64_t key;
};

int neigh_init(struct inet *in);
void neigh_fini(struct inet *in);

/*
 * The neighbour's index when its link address may be used. Else NEIGH_NONE: a resolution is under way and neigh_wait
 * takes frames, or *err is -EHOSTUNREACH (it failed a moment ago) or -ENOBUFS (no entry to be had).
 */
uint16_t neigh_resolve(struct inet *in, const struct inet_addr *a, int *err);

/* The link address of an entry that neigh_resolve gave. */
const uint8_t *neigh_mac(const struct inet *in, uint16_t index);

/* Keeps f, without a link header, until the resolution of a ends. f is taken over. 0 or -ENOBUFS. */
int neigh_wait(struct inet *in, const struct inet_addr *a, struct frame *f);

/*
 * Somebody says that a is at mac. solicited: it answers a question of ours. create: an entry is made when there is
 * none. override: it replaces another link address (RFC 4861, section 7.2.5; ARP always).
 */
void neigh_learn(struct inet *in, const struct inet_addr *a, const uint8_t mac[6], bool solicited, bool create,
                 bool override);

/* Asks who has a: by unicast when mac is not NULL. */
void arp_request(struct inet *in, const struct inet_addr *a, const uint8_t *mac);
void arp_announce(struct inet *in, const struct inet_addr *a);
void arp_input(struct inet *in, const uint8_t *p, uint32_t len);

/* The same for IPv6. announce also asks whether somebody else has the address (RFC 4862, section 5.4). */
void ndisc_solicit(struct inet *in, const struct inet_addr *a, const uint8_t *mac);
void ndisc_announce(struct inet *in, const struct inet_addr *a);
void ndisc_input(struct inet *in, const struct ip_packet *p);

/* Lets go of what routers' advertisements gave for a time that is over, and sets the timer to the next end. */
void ndisc_expire(struct inet *in);

/* ---- the link: eth.c ---- */

/* Writes a link header at to; returns its length. */
unsigned eth_header(const struct inet *in, uint8_t *to, const uint8_t dst[6], uint16_t type);

/* Puts a link header in front of f and sends it. */
int eth_output(struct inet *in, struct frame *f, const uint8_t dst[6], uint16_t type);

/* Hands a frame, complete with its link header, to the device. */
static inline int eth_transmit(struct inet *in, struct frame *f)
{
    int err;

    INET_COUNT(in, tx_frames);
    INET_COUNT_ADD(in, tx_bytes, f->len);
    err = in->env.output(in->env.ctx, f);
    if (UNLIKELY(err != 0))
        INET_COUNT(in, drop_device_full);
    return err;
}

/* The link address of a group. */
void eth_group(const struct inet_addr *group, uint8_t mac[6]);

extern const uint8_t eth_broadcast[6];

/* ---- IP: ip.c, ip4.c, frag.c, pmtu.c ---- */

#define FRAG_PACKETS 16  /* packets that wait for fragments */
#define FRAG_PIECES  256 /* fragments of all of them */
#define IP_MTU_FLOOR 552 /* a reported path MTU below it is not believed (IPv4) */
#define PMTU_ENTRIES 256 /* a power of two */
#define PMTU_NS      (600 * NS_PER_S)

void ip4_input(struct inet *in, void *obj, uint8_t *p, uint32_t len, unsigned flags, uint32_t device);

void ip6_input(struct inet *in, void *obj, uint8_t *p, uint32_t len, unsigned flags, uint32_t device);

/*
 * What lies behind the extension headers that p, whose data is at one of them, still has, and how far from there.
 * False: a header is cut off.
 */
bool ip6_upper(const struct ip_packet *p, uint8_t *proto, uint32_t *at);

/* A packet that was put together from fragments goes on as if it had come so. */
void ip4_whole(struct inet *in, struct ip_packet *p);
void ip6_whole(struct inet *in, struct ip_packet *p);

/* A frame of ours without a link header was given up: its transport learns of it. f stays the caller's. */
void ip_undelivered(struct inet *in, const struct frame *f);

/* Hands a whole packet to its transport. Returns false when nobody knows the protocol. */
static inline bool ip_deliver(struct inet *in, const struct ip_packet *p)
{
    const struct ip_transport *t = &in->transport[p->proto == IPPROTO_UDP];

    if (UNLIKELY((p->proto != IPPROTO_TCP && p->proto != IPPROTO_UDP) || t->input == NULL))
        return false;
    t->input(in, t->transport, p);
    return true;
}

/* Puts a packet to ourselves into the queue that inet_poll empties. f is taken over. */
int ip_loop(struct inet *in, struct frame *f);

/* Sends an IP packet f whose network header is written and whose next hop is to be found. f is taken over. */
int ip_send_on(struct inet *in, const struct inet_addr *hop, enum hop_kind kind, struct frame *f);

/* Writes the IPv4 header of a packet of len bytes at h. frag: the flags and offset field. */
static inline void ip4_write(uint8_t *h, const struct ip_path *p, const struct ip_send *s, uint32_t len, uint16_t id,
                             uint16_t frag)
{
    uint32_t w0 = htobe32(UINT32_C(0x45000000) | (uint32_t)s->tos << 16 | len);
    uint32_t w1 = htobe32((uint32_t)id << 16 | frag);
    uint32_t w2 = htobe32((uint32_t)(s->ttl != 0 ? s->ttl : p->hops) << 24 | (uint32_t)s->proto << 16);
    uint16_t sum = checksum_finish((uint64_t)p->sum + w0 + w1 + w2);

    assert(len <= UINT16_MAX);
    memcpy(h, &w0, 4);
    memcpy(h + 4, &w1, 4);
    memcpy(h + 8, &w2, 4);
    memcpy(h + 10, &sum, 2);
    memcpy(h + 12, p->local.b + 12, 4);
    memcpy(h + 16, p->remote.b + 12, 4);
}

/* The same in front of f. */
static inline void ip4_header(struct frame *f, const struct ip_path *p, const struct ip_send *s, uint16_t id,
                              uint16_t frag)
{
    uint8_t *h = (uint8_t *)frame_push(f, IP4_HEADER);

    ip4_write(h, p, s, f->len, id, frag);
}

/* Writes the IPv6 header of a packet with len bytes behind it at h. */
static inline void ip6_write(uint8_t *h, const struct ip_path *p, const struct ip_send *s, uint32_t len)
{
    uint32_t w0 = htobe32(UINT32_C(6) << 28 | (uint32_t)s->tos << 20);
    uint32_t w1 = htobe32(len << 16 | (uint32_t)s->proto << 8 | (s->ttl != 0 ? s->ttl : p->hops));

    assert(len <= UINT16_MAX);
    memcpy(h, &w0, 4);
    memcpy(h + 4, &w1, 4);
    memcpy(h + 8, p->local.b, 16);
    memcpy(h + 24, p->remote.b, 16);
}

/* The same in front of f. */
void ip6_header(struct frame *f, const struct ip_path *p, const struct ip_send *s);

/* Sends f, which has no network header yet, in fragments that fit p->mtu. f is taken over. */
int ip_fragment(struct inet *in, struct ip_path *p, struct frame *f, const struct ip_send *s);

/* A fragment came: keeps it; when it was the last one missing the whole packet goes to its transport. */
struct frag_in {
    struct ip_packet p;  /* data and len are the fragment's */
    uint32_t id, offset; /* bytes */
    bool more;
    unsigned header; /* bytes of the network header, in front of data for IPv4; 40 for IPv6 */
};
void frag_input(struct inet *in, const struct frag_in *f);
int frag_init(struct inet *in);
void frag_fini(struct inet *in);

/* The path MTU to dst, as far as it is known: at most the link's. */
uint16_t pmtu_get(struct inet *in, const struct inet_addr *dst);
void pmtu_set(struct inet *in, const struct inet_addr *dst, uint16_t mtu);
void pmtu_raise(struct inet *in, const struct inet_addr *dst, uint16_t mtu);

/* ---- ICMP: icmp.c ---- */

/* A bucket of tokens: how many messages may be sent now (RFC 1812, section 4.3.2.8). */
struct icmp_bucket {
    uint64_t filled_ns;
    uint32_t tokens;
};
#define ICMP_PER_SECOND 100
#define ICMP_BURST      50

void icmp_input(struct inet *in, const struct ip_packet *p);

/*
 * Sends an error about p: rate-limited, and not about what must not be answered (RFC 1122, section 3.2.2; RFC 4443,
 * section 2.4 (e)). to_group: it is one that answers what came to a group, too.
 */
void icmp_error(struct inet *in, const struct ip_packet *p, uint8_t type, uint8_t code, uint32_t rest);
void icmp_error_to_group(struct inet *in, const struct ip_packet *p, uint8_t type, uint8_t code, uint32_t rest);

/* "Time exceeded": p is the first fragment of a packet of which not all came in time. */
void icmp_fragments_exceeded(struct inet *in, const struct ip_packet *p);

/* Sends a message, without a network header and with checksum 0, on a path of its own. ttl: hop limit; 0: the usual. */
void icmp_send(struct inet *in, const struct inet_addr *local, const struct inet_addr *remote, uint8_t ttl,
               struct frame *f);

/* Tells the transport that sent the quoted packet. quoted is its transport header. False: it was not ours. */
bool icmp_report(struct inet *in, struct ip_error *e, uint8_t proto);

/* ---- the whole ---- */

struct pmtu {
    struct inet_addr dst;
    uint64_t until_ns;
    uint16_t mtu; /* 0: free */
};

struct frag_packet;

struct inet_stack {
    struct inet in;
    struct local_addr addr[INET_ADDRS];
    uint64_t station;             /* our link address, the first byte the lowest */
    struct net4 net4[INET_ADDRS]; /* of addr, those of IPv4 */
    unsigned net4_count;
    uint64_t
        ends4; /* both addresses of the last packet of IPv4 that nothing was strange about, as on the wire; 0: none */
    struct route route[INET_ROUTES];
    struct neigh_table neigh;
    struct pmtu pmtu[PMTU_ENTRIES];
    struct timer pmtu_timer, expire_timer, solicit_timer;
    struct frag_packet *frag;
    uint32_t frag_pieces;
    struct icmp_bucket icmp;
    struct frame *loop_first, *loop_last;
    uint16_t ip_id;
    uint8_t solicits; /* of routers, sent so far */
};

static inline struct inet_stack *stack_of(const struct inet *in)
{
    return (struct inet_stack *)(void *)(uintptr_t)in;
}

/* Paths have to look again at routes, neighbours and MTUs. */
static inline void inet_changed(struct inet *in)
{
    if (++in->generation == 0)
        in->generation = 1;
}

#endif /* INET_INTERNAL_H */
