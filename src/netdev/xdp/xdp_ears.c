/* SPDX-License-Identifier: MIT */
/* Copies of what the kernel is told about neighbours: see xdp_ears.h. */
#include "xdp_ears.h"

#include "core/counter.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define SLOT  2048 /* of a frame; longer ones are no such news */
#define SLOTS 64
#define BYTES (SLOT * SLOTS)

#define ARP_REPLY       2
#define ICMP6           58
#define ROUTER_ADVERT   134
#define NEIGHBOR_ADVERT 136

/* Classic BPF (the kernel's networking/filter text). Jumps count instructions. */
static int attach_filter(int fd)
{
    struct sock_filter code[] = {
        /* 0 */ BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 12),
        /* 1 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_ARP, 0, 6),
        /* 2: an answer */ BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 20),
        /* 3 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARP_REPLY, 9, 0),
        /* 4: or announced, where sender and target are one */ BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 28),
        /* 5 */ BPF_STMT(BPF_MISC | BPF_TAX, 0),
        /* 6 */ BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 38),
        /* 7 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_X, 0, 5, 6),
        /* 8 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IPV6, 0, 5),
        /* 9 */ BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 20), /* next header and hop limit, which must be 255 */
        /* 10 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ICMP6 << 8 | 255, 0, 3),
        /* 11 */ BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 54),
        /* 12 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NEIGHBOR_ADVERT, 0, 2),
        /* 13 */ BPF_STMT(BPF_RET | BPF_K, SLOT),
        /* 14 */ BPF_STMT(BPF_RET | BPF_K, 0),
        /* 15 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ROUTER_ADVERT, 0, 1),
        /* 16 */ BPF_STMT(BPF_RET | BPF_K, SLOT),
        /* 17 */ BPF_STMT(BPF_RET | BPF_K, 0),
    };
    struct sock_fprog program = {.len = ARRAY_LEN(code), .filter = code};

    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

int xdp_ears_open(struct xdp_ears *e, int ifindex)
{
    struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = ifindex};
    struct tpacket_req r = {.tp_block_size = BYTES, .tp_frame_size = SLOT, .tp_block_nr = 1, .tp_frame_nr = SLOTS};
    int version = TPACKET_V2, on = 1;
    void *map;

    e->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    if (e->fd < 0 || attach_filter(e->fd) < 0 ||
        setsockopt(e->fd, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)) < 0 ||
        setsockopt(e->fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)) < 0 ||
        setsockopt(e->fd, SOL_PACKET, PACKET_RX_RING, &r, sizeof(r)) < 0)
        return -errno;
    map = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, e->fd, 0);
    if (map == MAP_FAILED)
        return -errno;
    e->map = map;
    return bind(e->fd, (struct sockaddr *)&at, sizeof(at)) < 0 ? -errno : 0;
}

void xdp_ears_close(struct xdp_ears *e)
{
    if (e->map != NULL)
        munmap(e->map, BYTES);
    if (e->fd >= 0)
        close(e->fd);
    e->map = NULL;
    e->fd = -1;
}

static struct tpacket2_hdr *slot_of(const struct xdp_ears *e)
{
    return (struct tpacket2_hdr *)(void *)(e->map + (size_t)e->next * SLOT);
}

static bool take(struct netdev *d, const struct tpacket2_hdr *h, struct frame_in *in)
{
    uint32_t len = h->tp_snaplen;
    char *obj;

    if (len != h->tp_len || (h->tp_status & TP_STATUS_VLAN_VALID) != 0)
        return false; /* it is cut, or another network's */
    obj = mem_alloc(d->mem, FRAME_IN_ROOM + len, 1);
    if (obj == NULL) {
        NETDEV_COUNT_ADD(d, drop_no_memory, 1);
        return false;
    }
    memcpy(obj + FRAME_IN_ROOM, (const char *)h + h->tp_mac, len);
    *in = (struct frame_in){.obj = obj, .ptr = (uint8_t *)obj + FRAME_IN_ROOM, .len = len};
    return true;
}

bool xdp_ears_ready(const struct xdp_ears *e)
{
    return (__atomic_load_n(&slot_of(e)->tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER) != 0;
}

unsigned xdp_ears_take(struct xdp_ears *e, struct netdev *d, struct frame_in *in, unsigned max)
{
    unsigned n = 0;

    while (n < max && xdp_ears_ready(e)) {
        struct tpacket2_hdr *h = slot_of(e);

        if (take(d, h, &in[n]))
            n++;
        __atomic_store_n(&h->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
        e->next = (e->next + 1) % SLOTS;
    }
    return n;
}
