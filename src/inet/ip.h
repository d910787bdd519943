/* SPDX-License-Identifier: MIT */
/*
 * What the internet layer is to a transport: a way out, a way in, and the bad news. Both families.
 *
 * A transport registers itself (ip_register). It keeps a struct ip_path for each conversation, which remembers the way
 * to the peer: as long as nothing about routes, neighbours and path MTUs changed, sending is one comparison and two
 * short copies.
 */
#ifndef INET_IP_H
#define INET_IP_H

#include "addr.h"
#include "checksum.h"
#include "env.h"

struct inet;

#define IP_HOPS         64
#define IP_PATH_LINK    18 /* longest link header: Ethernet and a VLAN tag */
#define IP_MTU_MIN4     68 /* RFC 791: what every link takes */
#define IP_MTU_MIN6     1280
#define IP_REPORT_BYTES 8 /* of the transport header, at least, that an error quotes (RFC 792) */

enum ip_ecn { IP_ECN_NOT, IP_ECN_ECT1, IP_ECN_ECT0, IP_ECN_CE, IP_ECN_MASK = 3 };

/* The way to a peer. Filled by ip_path_init; then read only, and handed to ip_output, which refreshes it. */
struct ip_path {
    struct inet_addr local, remote;
    uint32_t generation; /* of the tables it was looked up in; 0: look again */
    uint16_t sum;        /* of both addresses, folded: for checksums */
    uint16_t mtu;        /* bytes of the largest IP packet, as known now: ask ip_path_mtu */
    uint8_t link_len;    /* bytes of link */
    bool v6;
    uint8_t hops;   /* time to live of a packet that does not say its own */
    uint16_t neigh; /* the neighbour it goes to, for ip_path_confirm */
    bool loops;     /* the peer is this host */
    uint8_t link[IP_PATH_LINK];
};

/*
 * Finds a way from local (the unspecified address: any of ours, p->local says which) to remote. -ENETUNREACH: no route;
 * -EADDRNOTAVAIL: local is not ours, or no address of ours suits. Nothing is sent and nothing is held: a path needs no
 * release.
 */
int ip_path_init(struct inet *in, struct ip_path *p, const struct inet_addr *local, const struct inet_addr *remote);

/* Bytes of the largest packet that the path takes now, network header included. */
uint16_t ip_path_mtu(struct inet *in, struct ip_path *p);

/*
 * What a transport found out by itself (RFC 8899): packets of more than mtu bytes get lost in silence; packets of mtu
 * bytes arrive. Both hold for all who use the path, for ten minutes.
 */
void ip_path_lower_mtu(struct inet *in, struct ip_path *p, uint16_t mtu);
void ip_path_raise_mtu(struct inet *in, struct ip_path *p, uint16_t mtu);

/* Bytes of the network header that ip_output writes on this path. */
static inline unsigned ip_path_header(const struct ip_path *p)
{
    return p->v6 ? 40 : 20;
}

/* What a transport says about a packet beside its bytes. */
struct ip_send {
    uint8_t proto;
    uint8_t ttl;     /* 0: what the path has */
    uint8_t tos;     /* traffic class: DSCP and ECN */
    bool probe;      /* the path's MTU is not asked, only the link's: see ip_path_raise_mtu */
    bool fragment;   /* a packet larger than the path MTU goes in fragments; else it is refused, and DF is set */
    uint16_t csum;   /* offset of the checksum's field in the transport header, which the caller set to 0 */
    uint16_t summed; /* bytes of the transport header, from its start and even, whose sum the caller knows: */
    uint64_t sum;    /* it, below 2^40 */
    uint16_t mss;    /* not 0: a TCP super-segment, which a device with INET_TX_TSO cuts at mss bytes of payload */
};

/*
 * Makes a frame without bytes. NULL: no memory (counted). frame_push gives room for the transport header (up to
 * FRAME_HEADROOM - IP_PATH_LINK - 40 bytes), frame_add adds payload.
 */
struct frame *ip_frame(struct inet *in);

/*
 * Sends f, which starts with its transport header: computes the transport checksum or leaves it to the device, writes
 * network and link header. f is taken over whatever the result.
 *   0              it is on its way, or waits for the neighbour's link address (a failure is told by error(), below)
 *   -EMSGSIZE      larger than the path's MTU, which p->mtu says, and not to be fragmented
 *   -ENETUNREACH, -EHOSTUNREACH  no route any more; the neighbour did not answer a moment ago
 *   -EADDRNOTAVAIL p->local is no address of ours any more
 *   -ENOBUFS       the device's queue is full, or no memory
 */
int ip_output(struct inet *in, struct ip_path *p, struct frame *f, const struct ip_send *s);

/* The peer answered what was sent on this path: its link address is right (RFC 4861, section 7.3.1). Cheap. */
void ip_path_confirm(struct inet *in, const struct ip_path *p);

/*
 * The peer does not answer on this path, again and again: its link address may be an old one, and is asked for at once
 * (RFC 1122, section 2.3.2.1 (4)). It serves meanwhile.
 */
void ip_path_doubt(struct inet *in, const struct ip_path *p);

enum ip_packet_flag {
    IP_CSUM_GOOD = 1, /* the device found the transport checksum good */
    IP_TO_GROUP = 2,  /* it came to a broadcast or multicast address, of link or network: answer no error */
    IP_TO_SELF = 4,   /* it came from this host */
};

/* A received packet as a transport sees it. */
struct ip_packet {
    struct inet_addr src, dst;
    void *obj;     /* the object that holds all of it. Borrowed: who keeps bytes takes a reference (mem_ref) */
    uint8_t *data; /* transport header, contiguous with all that follows */
    uint32_t len;  /* bytes from data to the packet's end, without the link's padding */
    uint8_t *l3;   /* network header */
    uint8_t proto, ttl, tos;
    uint8_t flags; /* enum ip_packet_flag */
};

/* Is the packet's transport checksum good? */
static inline bool ip_packet_checksum(const struct ip_packet *p)
{
    if ((p->flags & IP_CSUM_GOOD) != 0)
        return true;
    return checksum_good(
        checksum_join(checksum_pseudo(&p->src, &p->dst, p->proto, p->len), checksum_add(0, p->data, p->len)));
}

/* Something happened to a packet that we sent. */
struct ip_error {
    struct inet_addr local, remote;
    const uint8_t *data; /* start of its transport header, as we sent it */
    uint32_t len;        /* at least IP_REPORT_BYTES */
    int err;             /* positive: ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, EMSGSIZE, EPROTO */
    uint16_t mtu;        /* of EMSGSIZE: the path MTU that is reported, network header included, within bounds */
    bool link;           /* not a stranger's word: the neighbour did not answer */
};

/*
 * The functions of a transport. They may send, and call anything but inet_input. error says whether it is about a
 * packet that the transport may well have sent (RFC 5927: the sequence number lies in the window); only then is an
 * EMSGSIZE believed, and the new path MTU is what paths have when error has returned.
 *
 * quick (or NULL) is asked first about what nearly every packet is: of IPv4, whole, without options, from another
 * station and to our link address, its header's sum good, nobody looking on. It may take one whose ends input has taken
 * since routes and addresses last changed (inet.generation); whether they are good is not looked at. h is the network
 * header, len what follows it, without padding, device has enum frame_in_flag. True: it was taken, with the reference
 * on obj. False: nothing happened, and it comes by input.
 */
struct ip_transport {
    bool (*quick)(struct inet *in, void *transport, void *obj, uint8_t *h, uint32_t len, uint32_t device);
    void (*input)(struct inet *in, void *transport, const struct ip_packet *p);
    bool (*error)(struct inet *in, void *transport, const struct ip_error *e);
    void *transport;
};

/* Makes t the transport of proto: IPPROTO_TCP or IPPROTO_UDP. t must outlive the stack. */
void ip_register(struct inet *in, uint8_t proto, const struct ip_transport *t);

/* Answers p with "port unreachable" (RFC 1122, section 3.2.2.1), rate-limited; not to groups. For UDP. */
void ip_port_unreachable(struct inet *in, const struct ip_packet *p);

/* Is a one of our unicast addresses? */
bool ip_is_local(const struct inet *in, const struct inet_addr *a);

#endif /* INET_IP_H */
