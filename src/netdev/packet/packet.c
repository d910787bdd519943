/* SPDX-License-Identifier: MIT */
/*
 * Driver packet: AF_PACKET on an interface of the kernel (packet(7), the kernel's packet_mmap text). Every Ethernet
 * interface will do, and nothing is to be installed; it costs one system call for each burst that is sent.
 *
 * 1. Frames come through a ring of TPACKET_V2: a word in shared memory says that there is one. Version 3 tells of
 * blocks of frames, and of one that is not full only when a timer of a millisecond ends.
 * 2. Frames go by sendmsg, which gathers headers and payload from where they lie. Rejected: the ring for sending. Its
 * slots are free again when the frame's owner changes, and where the other end is on this machine (veth) its memory may
 * still be read then; also frames would have to be copied together first.
 * 3. The kernel sees the interface's frames too. We are a station of our own beside it, with our own link address
 * (which the interface is told of) and IP addresses that the kernel does not have: it takes our frames for another's
 * and keeps silent. A filter keeps its frames out of our ring. The link address can be set (net_mac), also to the
 * interface's own where a network takes but one: then the kernel must not forward packets. With net_shared we are the
 * interface's station itself; frames cannot be taken from the kernel here, so that a rule must drop what is ours.
 * 4. An interface that goes down takes frames and loses them, and comes back; one that is deleted does not (error). The
 * kernel tells of both by an error of the socket, which is looked at before a sleep, once in many polls that found
 * nothing, and when sending fails.
 * 5. A slot holds a frame of the usual MTU. Of a larger one (jumbo, or what the sender's interface did not cut, up to
 * 64 KiB) the kernel keeps the packet beside the ring, in the same order (PACKET_COPY_THRESH), and recvmsg copies it to
 * its object: once, where it would be twice by way of a slot, and the ring stays in the processor's cache. What is kept
 * so is bounded by the socket's receive buffer. Where that may not be large (CAP_NET_ADMIN), slots hold 64 KiB.
 * 6. Several instances are a group of sockets (fanout), to which the kernel deals frames out by our hash. All of them
 * come to the first one until the others are there.
 */
#include "netdev/flow.h"
#include "netdev/iface.h"
#include "netdev/vnet.h"

#include "core/counter.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define SLOT_BYTES    2048  /* 1500 bytes of a packet, the headers, the ring's own */
#define SLOT_LARGE    69632 /* 64 KiB and the same, in whole pages */
#define BLOCK_BYTES   65536 /* of the ring's memory at a time */
#define BLOCK_LARGE   1048576
#define RING          512
#define SEND_BYTES    8388608  /* asked of the kernel for frames under way */
#define RECEIVE_BYTES 16777216 /* and for large ones that wait; it counts their overhead, and gives twice as much */
#define SMALL_FRAME   256      /* bytes that are copied together before they are sent */
#define IDLE_LOOK     262144   /* polls without a frame between two looks at the interface */
#define MAC_BYTES     12       /* both addresses: what stands in front of a tag */
#define TAG_BYTES     4

struct packet {
    struct netdev dev;
    char *map;
    size_t map_bytes;
    uint32_t slots, next; /* of the receive ring */
    uint32_t slot_bytes, block_bytes;
    uint32_t idle_polls; /* since a frame came, or the interface was looked at */
    bool bypass;         /* frames go past the interface's queueing discipline */
    bool down;           /* the interface was, when it was last looked at */
    char **slot;         /* where each is */
};

static struct packet *packet_of(struct netdev *d)
{
    return CONTAINER_OF(d, struct packet, dev);
}

/* The kernel's count of what the ring had no room for; reading it begins it anew. */
static COLD void count_losses(struct netdev *d)
{
    struct tpacket_stats s = {0};
    socklen_t len = sizeof(s);

    if (getsockopt(d->fd, SOL_PACKET, PACKET_STATISTICS, &s, &len) == 0)
        NETDEV_COUNT_ADD(d, drop_device_rx, s.tp_drops);
}

static int set(int fd, int option, int value)
{
    return setsockopt(fd, SOL_PACKET, option, &value, sizeof(value));
}

/* Something is wrong with the interface, or nothing came for long: see note 4. */
static COLD void look_at_interface(struct packet *p)
{
    struct netdev *d = &p->dev;
    int err = 0;
    socklen_t len = sizeof(err);

    p->idle_polls = 0;
    if (getsockopt(d->fd, SOL_SOCKET, SO_ERROR, &err, &len) == 0 && err != 0)
        p->down = true;
    if (p->down && iface_is_gone(d->fd, d->ifindex)) /* of one that was down before, nothing is told */
        d->error = -ENODEV;
}

/* Where the tag goes that the kernel has taken out of the frame, behind both addresses. */
static void put_tag(const struct tpacket2_hdr *h, char *to)
{
    uint16_t tag[2] = {htons((h->tp_status & TP_STATUS_VLAN_TPID_VALID) != 0 ? h->tp_vlan_tpid : ETH_P_8021Q),
                       htons(h->tp_vlan_tci)};

    memcpy(to, tag, TAG_BYTES);
}

/*
 * The packet that the kernel kept for a slot: addresses to `to`, the rest to `rest`, which together have room for len
 * bytes; to NULL: it is only taken away. False: it is not there whole.
 */
static bool receive(struct packet *p, char *to, char *rest, uint32_t len)
{
    struct virtio_net_hdr vnet;
    struct iovec iov[3] = {{&vnet, VNET_BYTES}, {to, MAC_BYTES}, {rest, len - MAC_BYTES}};
    struct msghdr m = {.msg_iov = iov, .msg_iovlen = to != NULL ? 3 : 1};
    ssize_t n;

    NETDEV_COUNT_ADD(&p->dev, syscalls, 1);
    do {
        n = recvmsg(p->dev.fd, &m, MSG_DONTWAIT);
        if (UNLIKELY(n < 0 && errno != EAGAIN && errno != EINTR))
            p->down = true; /* the interface's error, told once: it is not about the packet */
    } while (UNLIKELY(n < 0 && errno != EAGAIN));
    return n == (ssize_t)(VNET_BYTES + len);
}

/* Copies a frame out of its slot, or from where the kernel kept it. False: no memory, or cut. */
static bool take(struct packet *p, const struct tpacket2_hdr *h, struct frame_in *in)
{
    struct netdev *d = &p->dev;
    const char *frame = (const char *)h + h->tp_mac;
    bool kept = (h->tp_status & TP_STATUS_COPY) != 0, whole = h->tp_snaplen == h->tp_len || kept;
    uint32_t len = h->tp_len, tag = (h->tp_status & TP_STATUS_VLAN_VALID) != 0 ? TAG_BYTES : 0;
    char *obj = NULL, *to, *rest;

    if (UNLIKELY(!whole || len < MAC_BYTES))
        NETDEV_COUNT_ADD(d, drop_device_rx, 1);
    else if (UNLIKELY((obj = mem_alloc(d->mem, FRAME_IN_ROOM + tag + len, 1)) == NULL))
        NETDEV_COUNT_ADD(d, drop_no_memory, 1);
    if (UNLIKELY(obj == NULL)) {
        if (kept)
            (void)receive(p, NULL, NULL, MAC_BYTES);
        return false;
    }
    to = obj + FRAME_IN_ROOM;
    rest = to + MAC_BYTES + tag;
    if (UNLIKELY(tag != 0))
        put_tag(h, to + MAC_BYTES);
    if (UNLIKELY(kept)) {
        if (UNLIKELY(!receive(p, to, rest, len))) {
            NETDEV_COUNT_ADD(d, drop_device_rx, 1);
            mem_unref(d->mem, obj);
            return false;
        }
    } else if (LIKELY(tag == 0)) {
        memcpy(to, frame, len);
    } else {
        memcpy(to, frame, MAC_BYTES);
        memcpy(rest, frame + MAC_BYTES, len - MAC_BYTES);
    }
    *in = (struct frame_in){.obj = obj,
                            .ptr = (uint8_t *)to,
                            .len = len + tag,
                            .flags =
                                vnet_frame_in_flags((const struct virtio_net_hdr *)(const void *)(frame - VNET_BYTES))};
    return true;
}

static unsigned packet_rx(struct netdev *d, struct frame_in *in, unsigned max)
{
    struct packet *p = packet_of(d);
    unsigned n = 0;

    while (n < max) {
        struct tpacket2_hdr *h = (struct tpacket2_hdr *)(void *)p->slot[p->next];
        uint32_t status = __atomic_load_n(&h->tp_status, __ATOMIC_ACQUIRE);

        if ((status & TP_STATUS_USER) == 0)
            break;
        if (take(p, h, &in[n]))
            n++;
        __atomic_store_n(&h->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
        p->next = p->next + 1 == p->slots ? 0 : p->next + 1;
        if (UNLIKELY((status & TP_STATUS_LOSING) != 0))
            count_losses(d);
    }
    p->idle_polls = n > 0 ? 0 : p->idle_polls + 1;
    if (UNLIKELY(p->idle_polls >= IDLE_LOOK))
        look_at_interface(p);
    p->down = p->down && n == 0;
    return n;
}

/* A frame as what sendmsg takes. A small one is copied together: the kernel is quicker to take than to gather. */
struct outgoing {
    struct iovec iov[1 + FRAME_SEGS];
    struct virtio_net_hdr vnet; /* and right behind it: */
    char bytes[SMALL_FRAME];
};

_Static_assert(offsetof(struct outgoing, bytes) == offsetof(struct outgoing, vnet) + VNET_BYTES, "in one piece");

static void prepare(struct outgoing *o, struct msghdr *m, const struct frame *f)
{
    vnet_of_frame(&o->vnet, f);
    o->iov[0] = (struct iovec){&o->vnet, VNET_BYTES};
    memset(m, 0, sizeof(*m));
    m->msg_iov = o->iov;
    m->msg_iovlen = 1;
    if (f->len <= SMALL_FRAME) {
        frame_copy(f, o->bytes);
        o->iov[0].iov_len += f->len;
        return;
    }
    for (unsigned i = 0; i < f->segs; i++)
        o->iov[m->msg_iovlen++] = (struct iovec){f->seg[i].ptr, f->seg[i].len};
}

/* Sends frames from the front. Returns how many the kernel took, or -1 with errno for the first. */
static int send_some(struct netdev *d, struct frame **f, unsigned n)
{
    struct mmsghdr m[NETDEV_BURST];
    struct outgoing o[NETDEV_BURST];

    NETDEV_COUNT_ADD(d, syscalls, 1);
    prepare(&o[0], &m[0].msg_hdr, f[0]);
    for (unsigned i = 1; i < n; i++)
        prepare(&o[i], &m[i].msg_hdr, f[i]);
    if (n > 1)
        return sendmmsg(d->fd, m, n, MSG_DONTWAIT);
    if (m[0].msg_hdr.msg_iovlen == 1)
        return send(d->fd, o[0].iov[0].iov_base, o[0].iov[0].iov_len, MSG_DONTWAIT) < 0 ? -1 : 1;
    return sendmsg(d->fd, &m[0].msg_hdr, MSG_DONTWAIT) < 0 ? -1 : 1;
}

/*
 * The kernel had no room for a frame to be cut. Was it because it is the interface that would have to cut it, and this
 * one cannot? Frames that go past the queueing discipline are lost then (6.18); those that go through it are cut.
 */
static COLD bool must_go_through_queue(struct packet *p)
{
    if (!p->bypass || iface_cuts_segments(p->dev.fd, p->dev.ifindex))
        return false;
    p->bypass = false;
    return set(p->dev.fd, PACKET_QDISC_BYPASS, 0) == 0;
}

static unsigned packet_tx(struct netdev *d, struct frame **f, unsigned n)
{
    unsigned done = 0;

    while (done < n) {
        unsigned burst = n - done < NETDEV_BURST ? n - done : NETDEV_BURST;
        int sent = send_some(d, f + done, burst);

        if (UNLIKELY(sent < 0 && errno == ENOBUFS && (f[done]->flags & FRAME_TSO) != 0 &&
                     must_go_through_queue(packet_of(d))))
            continue;
        if (sent < 0 && (errno == EAGAIN || errno == ENOBUFS || errno == EINTR))
            break;
        if (sent < 0) { /* the interface is down or gone, or will not have this frame */
            NETDEV_COUNT_ADD(d, drop_device_tx, 1);
            if (errno == ENXIO && iface_is_gone(d->fd, d->ifindex))
                d->error = -ENODEV;
            sent = 1;
        }
        for (int i = 0; i < sent; i++)
            frame_free(d->mem, f[done + (unsigned)i]);
        done += (unsigned)sent;
    }
    return done;
}

static bool packet_arm(struct netdev *d)
{
    struct packet *p = packet_of(d);
    const struct tpacket2_hdr *h = (const struct tpacket2_hdr *)(const void *)p->slot[p->next];

    look_at_interface(p);
    return d->error == 0 && (__atomic_load_n(&h->tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER) == 0;
}

static void packet_close(struct netdev *d)
{
    struct packet *p = packet_of(d);

    count_losses(d);
    if (p->map != NULL)
        munmap(p->map, p->map_bytes);
    if (d->fd >= 0)
        close(d->fd);
    free(p->slot);
    free(p);
}

static const struct netdev_ops packet_ops = {
    .name = "packet", .rx_burst = packet_rx, .tx_burst = packet_tx, .arm = packet_arm, .close = packet_close};

static int refused(const char *what, struct error_text *et)
{
    if (errno == EPERM || errno == EACCES)
        return error_set(et, EPERM,
                         "driver packet: no permission for AF_PACKET, which needs CAP_NET_RAW: run as root, or "
                         "setcap cap_net_raw+ep PROGRAM");
    return error_set(et, errno, "driver packet: %s: %s", what, strerror(errno));
}

/* Only frames for us, or for groups, go into the ring (classic BPF, the kernel's networking/filter text). */
static int attach_filter(int fd, const uint8_t mac[6])
{
    uint32_t high = (uint32_t)mac[0] << 24 | (uint32_t)mac[1] << 16 | (uint32_t)mac[2] << 8 | mac[3];
    uint32_t low = (uint32_t)mac[4] << 8 | mac[5];
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0), BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 1, 4, 0),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, high, 0, 3),
        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 4), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, low, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, UINT32_MAX), BPF_STMT(BPF_RET | BPF_K, 0),
    };
    struct sock_fprog program = {.len = ARRAY_LEN(code), .filter = code};

    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

/* The interface lets through what is sent to mac, and to groups. */
static int join(int fd, int ifindex, const uint8_t mac[6])
{
    struct packet_mreq groups = {.mr_ifindex = ifindex, .mr_type = PACKET_MR_ALLMULTI};
    struct packet_mreq station = {.mr_ifindex = ifindex, .mr_type = PACKET_MR_UNICAST, .mr_alen = 6};

    memcpy(station.mr_address, mac, 6);
    if (setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &groups, sizeof(groups)) < 0)
        return -1;
    return setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &station, sizeof(station));
}

#ifndef PACKET_FANOUT_FLAG_IGNORE_OUTGOING
#define PACKET_FANOUT_FLAG_IGNORE_OUTGOING 0x4000 /* Linux 5.18 */
#endif

#define NET(offset)  ((uint32_t)SKF_NET_OFF + (offset))
#define FANOUT       ((uint32_t)(PACKET_FANOUT_CBPF | PACKET_FANOUT_FLAG_IGNORE_OUTGOING) << 16)
#define FANOUT_FIRST (FANOUT | (uint32_t)PACKET_FANOUT_FLAG_UNIQUEID << 16)
#define GROUP_KNOWN  0x10000u

/* M[1] ^= the word there. */
#define HASH_WORD(offset)                                                                                              \
    BPF_STMT(BPF_LDX | BPF_MEM, 1), BPF_STMT(BPF_LD | BPF_W | BPF_ABS, NET(offset)),                                   \
        BPF_STMT(BPF_ALU | BPF_XOR | BPF_X, 0), BPF_STMT(BPF_ST, 1)

/* The group's program gives each frame to the socket that flow.h's hash names; what it cannot tell, to the first. */
static int attach_hash(int fd)
{
    struct sock_filter code[] = {
        /* 0 */ BPF_STMT(BPF_LD | BPF_IMM, 0),
        /* 1 */ BPF_STMT(BPF_ST, 1),
        /* 2: IPv4 without options */ BPF_STMT(BPF_LD | BPF_B | BPF_ABS, NET(0)),
        /* 3 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x45, 0, 12),
        /* 4: no fragment */ BPF_STMT(BPF_LD | BPF_H | BPF_ABS, NET(6)),
        /* 5 */ BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x3fff, 26, 0),
        /* 6 to 9 */ HASH_WORD(12),
        /* 10 to 13 */ HASH_WORD(16),
        /* 14: ports */ BPF_STMT(BPF_LD | BPF_W | BPF_ABS, NET(20)),
        /* 15 */ BPF_JUMP(BPF_JMP | BPF_JA, 11, 0, 0),
        /* 16: IPv6 */ BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xf0),
        /* 17 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x60, 0, 14),
        /* 18 to 21 */ HASH_WORD(20),
        /* 22 to 25 */ HASH_WORD(36),
        /* 26: ports */ BPF_STMT(BPF_LD | BPF_W | BPF_ABS, NET(40)),
        /* 27 */ BPF_STMT(BPF_LDX | BPF_MEM, 1),
        /* 28 */ BPF_STMT(BPF_ALU | BPF_XOR | BPF_X, 0),
        /* 29 */ BPF_STMT(BPF_ALU | BPF_MUL | BPF_K, FLOW_MULTIPLIER),
        /* 30 */ BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, FLOW_SHIFT),
        /* 31 */ BPF_STMT(BPF_RET | BPF_A, 0),
        /* 32 */ BPF_STMT(BPF_RET | BPF_K, 0),
    };
    struct sock_fprog program = {.len = ARRAY_LEN(code), .filter = code};

    return setsockopt(fd, SOL_PACKET, PACKET_FANOUT_DATA, &program, sizeof(program));
}

/* Note 6. The group's number is the kernel's choice for the first socket, and told to the others in *common. */
static int join_group(int fd, uint32_t *common)
{
    uint32_t how = *common == 0 ? FANOUT_FIRST : FANOUT | (*common & UINT16_MAX), group = 0;
    socklen_t len = sizeof(group);

    if (setsockopt(fd, SOL_PACKET, PACKET_FANOUT, &how, sizeof(how)) < 0)
        return -1;
    if (*common != 0)
        return 0;
    if (attach_hash(fd) < 0 || getsockopt(fd, SOL_PACKET, PACKET_FANOUT, &group, &len) < 0)
        return -1;
    *common = GROUP_KNOWN | (group & UINT16_MAX);
    return 0;
}

/* Note 5: how large the slots are. */
static void choose_slots(struct packet *p)
{
    int bytes = RECEIVE_BYTES;
    bool small = setsockopt(p->dev.fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) == 0 &&
                 set(p->dev.fd, PACKET_COPY_THRESH, 1) == 0;

    p->slot_bytes = small ? SLOT_BYTES : SLOT_LARGE;
    p->block_bytes = small ? BLOCK_BYTES : BLOCK_LARGE;
}

static int make_ring(struct packet *p, uint32_t wanted, struct error_text *et)
{
    uint32_t in_block, blocks;
    struct tpacket_req r;
    void *map;

    choose_slots(p);
    in_block = p->block_bytes / p->slot_bytes;
    blocks = (wanted + in_block - 1) / in_block;
    r = (struct tpacket_req){.tp_block_size = p->block_bytes,
                             .tp_frame_size = p->slot_bytes,
                             .tp_block_nr = blocks,
                             .tp_frame_nr = blocks * in_block};
    p->slots = r.tp_frame_nr;
    p->slot = calloc(p->slots, sizeof(p->slot[0]));
    if (p->slot == NULL)
        return error_set(et, ENOMEM, "no memory for a device");
    if (set(p->dev.fd, PACKET_VERSION, TPACKET_V2) < 0 || set(p->dev.fd, PACKET_VNET_HDR, 1) < 0)
        return refused("ring of version 2 with offloads", et);
    if (setsockopt(p->dev.fd, SOL_PACKET, PACKET_RX_RING, &r, sizeof(r)) < 0)
        return refused("receive ring (fewer frames: net_ring)", et);
    p->map_bytes = (size_t)blocks * p->block_bytes;
    map = mmap(NULL, p->map_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, p->dev.fd, 0);
    if (map == MAP_FAILED)
        return refused("mapping the receive ring", et);
    p->map = map;
    for (uint32_t i = 0; i < p->slots; i++)
        p->slot[i] = p->map + (size_t)(i / in_block) * p->block_bytes + (size_t)(i % in_block) * p->slot_bytes;
    return 0;
}

static int start(struct packet *p, uint32_t slots, uint32_t *common, struct error_text *et)
{
    struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = p->dev.ifindex};
    int bytes = SEND_BYTES, err;

    p->dev.fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (p->dev.fd < 0)
        return refused("socket", et);
    err = make_ring(p, slots, et);
    if (err < 0)
        return err;
    if (attach_filter(p->dev.fd, p->dev.mac) < 0)
        return refused("filter", et);
    if (set(p->dev.fd, PACKET_IGNORE_OUTGOING, 1) < 0)
        return refused("PACKET_IGNORE_OUTGOING (Linux 4.20)", et);
    p->bypass = set(p->dev.fd, PACKET_QDISC_BYPASS, 1) == 0; /* it is as well without, only slower */
    if (setsockopt(p->dev.fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)) < 0)
        setsockopt(p->dev.fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
    if (join(p->dev.fd, p->dev.ifindex, p->dev.mac) < 0)
        return refused("link address", et);
    if (bind(p->dev.fd, (struct sockaddr *)&at, sizeof(at)) < 0)
        return refused("bind", et);
    if (common != NULL && join_group(p->dev.fd, common) < 0)
        return refused("group of sockets (net_queues)", et);
    return 0;
}

static int packet_open(const struct netdev_params *par, struct netdev **d, struct error_text *et)
{
    struct iface i;
    struct packet *p;
    int err = iface_look(par->cfg->device, &i, et);

    if (err < 0)
        return err;
    p = calloc(1, sizeof(*p));
    if (p == NULL)
        return error_set(et, ENOMEM, "no memory for a device");
    p->dev = (struct netdev){.ops = &packet_ops, .mem = par->mem, .count = par->count, .fd = -1, .ifindex = i.index};
    if (par->cfg->net_offload)
        p->dev.offload = INET_TX_CSUM | INET_TX_TSO;
    p->dev.shared = par->cfg->net_shared && par->cfg->net_address[0] == '\0';
    if (p->dev.shared)
        memcpy(p->dev.mac, i.mac, sizeof(i.mac));
    else
        iface_own_mac(i.mac, par->cfg->net_address, p->dev.mac);
    err = iface_mac(par->cfg, p->dev.mac, et);
    if (err == 0)
        err = iface_mtu(par->cfg, i.mtu, &p->dev.mtu, et);
    if (err == 0)
        err = start(p, iface_ring(par->cfg, RING), par->common, et);
    if (err < 0) {
        packet_close(&p->dev);
        return err;
    }
    *d = &p->dev;
    return 0;
}

const struct netdev_driver netdev_packet = {
    .name = "packet", .queues = NETDEV_SPREAD, .netdev_bytes = sizeof(struct netdev), .open = packet_open};
