/* SPDX-License-Identifier: MIT */
/*
 * Driver xdp: AF_XDP (the kernel's af_xdp text), a module because it needs libxdp and libbpf. Frames for our addresses
 * are taken away before the kernel's stack sees them; all others pass.
 *
 * 1. The memory that the kernel reads and writes (UMEM) is one object of the instance's superblocks, cut into chunks of
 * a page: half of them for frames that come, half for frames that go. Frames are copied out and in. Rejected for now:
 * receiving into objects. The registration pins its pages, so the whole region would be held in memory; and interfaces
 * without zero copy, which is all that virtual ones offer, copy anyway.
 * 2. With net_address our link address is another than the interface's, as with driver packet: then our IPv6 addresses
 * are not the kernel's. A socket of AF_PACKET that receives nothing tells the interface of it. Without it we are the
 * interface's own station: addresses are the kernel's, ports in use are ours, and the kernel answers for both of us
 * (xdp_prog.h, xdp_iface.h, xdp_ears.h). Fragments and packets with IPv4 options are the kernel's then.
 * 3. Checksums are computed here. Where the other end is on this machine its kernel must compute them too, since a
 * frame that XDP takes does not say that its checksum is still missing: ethtool -K INTERFACE tx off, at the other end.
 */
#include "xdp_ears.h"
#include "xdp_iface.h"

#include "netdev/iface.h"

#include "core/instance.h"
#include "core/module.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <linux/if_xdp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <xdp/xsk.h>

#define VISIBLE __attribute__((visibility("default")))

#define RING        2048
#define RING_LEAST  128
#define IDLE_LOOKS  (1 << 20)
#define BUSY_BUDGET 64 /* frames the kernel takes off the interface in a call */
#define CHUNK       UINT64_C(4096)
#define XDP_ROOM    256                      /* the kernel keeps so much in front of a frame */
#define MTU_MOST    (CHUNK - XDP_ROOM - 128) /* link header and some room at the end */

/* UMEM begins at a page, as only large objects do. */
_Static_assert(2 * RING_LEAST * CHUNK > MEM_CLASS_LIMIT, "the smallest rings' chunks are a large object");

struct xdp {
    struct netdev dev;
    struct xdp_iface *iface;
    struct xdp_ears ears; /* of a shared station */
    struct xsk_umem *umem;
    struct xsk_socket *socket;
    struct xsk_ring_prod fill, tx;
    struct xsk_ring_cons done, rx;
    char *chunks; /* an object of the instance's memory */
    uint64_t *free_chunks;
    uint32_t queue;
    uint32_t frames, free_count; /* of each direction; chunks that no frame to be sent is in */
    uint64_t lost;               /* the kernel's count as we last saw it */
    uint32_t idle_looks;         /* that found nothing, since the interface was last looked for */
    bool busy;                   /* the kernel works in our calls */
    int fd;                      /* the socket's; dev.fd is that, or waits for it and for the ears */
    int station;                 /* note 2 */
};

static struct xdp *xdp_of(struct netdev *d)
{
    return CONTAINER_OF(d, struct xdp, dev);
}

/* --- receiving --- */

/* What the kernel found no room for. */
static COLD void count_losses(struct xdp *x)
{
    struct xdp_statistics s = {0};
    socklen_t len = sizeof(s);
    uint64_t lost;

    if (getsockopt(x->fd, SOL_XDP, XDP_STATISTICS, &s, &len) < 0)
        return;
    lost = s.rx_dropped + s.rx_ring_full;
    NETDEV_COUNT_ADD(&x->dev, drop_device_rx, lost - x->lost);
    x->lost = lost;
}

static bool take(struct xdp *x, const struct xdp_desc *desc, struct frame_in *in)
{
    char *obj = mem_alloc(x->dev.mem, FRAME_IN_ROOM + desc->len, 1);

    if (UNLIKELY(obj == NULL)) {
        NETDEV_COUNT_ADD(&x->dev, drop_no_memory, 1);
        return false;
    }
    memcpy(obj + FRAME_IN_ROOM, x->chunks + desc->addr, desc->len);
    *in = (struct frame_in){.obj = obj, .ptr = (uint8_t *)obj + FRAME_IN_ROOM, .len = desc->len};
    return true;
}

/* A socket of AF_XDP does not answer questions about interfaces; one of AF_PACKET, which there is for either kind of
 * station, does. */
static COLD void look_for_iface(struct xdp *x)
{
    if (iface_is_gone(x->station >= 0 ? x->station : x->ears.fd, x->dev.ifindex))
        x->dev.error = -ENODEV;
}

/* The interface's queue is worked off in this call, in our thread, instead of by an interrupt (SO_PREFER_BUSY_POLL). */
static void busy_poll(struct xdp *x)
{
    NETDEV_COUNT_ADD(&x->dev, syscalls, 1);
    recvfrom(x->fd, NULL, 0, MSG_DONTWAIT, NULL, NULL);
}

static unsigned xdp_rx(struct netdev *d, struct frame_in *in, unsigned max)
{
    struct xdp *x = xdp_of(d);
    uint32_t at, to, count;
    unsigned n = 0;

    if (x->ears.map != NULL)
        n = xdp_ears_take(&x->ears, d, in, max);
    if (x->busy && xsk_cons_nb_avail(&x->rx, 1) == 0)
        busy_poll(x);
    count = xsk_ring_cons__peek(&x->rx, max - n, &at);
    if (count == 0) {
        if (UNLIKELY(++x->idle_looks == IDLE_LOOKS)) { /* one that never sleeps hears nothing of its interface's end */
            x->idle_looks = 0;
            look_for_iface(x);
        }
        return n;
    }
    /* as many chunks are in the two rings as the fill ring has room for: this succeeds */
    if (xsk_ring_prod__reserve(&x->fill, count, &to) != count)
        return n;
    for (uint32_t i = 0; i < count; i++) {
        const struct xdp_desc *desc = xsk_ring_cons__rx_desc(&x->rx, at + i);

        if (take(x, desc, &in[n]))
            n++;
        *xsk_ring_prod__fill_addr(&x->fill, to + i) = desc->addr & ~(CHUNK - 1);
    }
    xsk_ring_cons__release(&x->rx, count);
    if (UNLIKELY(count == max)) /* behind: some may have been lost */
        count_losses(x);
    xsk_ring_prod__submit(&x->fill, count);
    if (UNLIKELY(xsk_ring_prod__needs_wakeup(&x->fill))) {
        NETDEV_COUNT_ADD(d, syscalls, 1);
        recvfrom(x->fd, NULL, 0, MSG_DONTWAIT, NULL, NULL);
    }
    return n;
}

/* --- sending --- */

static void reap(struct xdp *x)
{
    uint32_t at, count = xsk_ring_cons__peek(&x->done, x->frames, &at);

    for (uint32_t i = 0; i < count; i++)
        x->free_chunks[x->free_count++] = *xsk_ring_cons__comp_addr(&x->done, at + i);
    assert(x->free_count <= x->frames);
    if (count > 0)
        xsk_ring_cons__release(&x->done, count);
}

/* The kernel sends what is in the ring, at most 32 frames a call where it copies. */
static void kick(struct xdp *x)
{
    if (!xsk_ring_prod__needs_wakeup(&x->tx))
        return;
    NETDEV_COUNT_ADD(&x->dev, syscalls, 1);
    if (sendto(x->fd, NULL, 0, MSG_DONTWAIT, NULL, 0) < 0 && UNLIKELY(errno == ENXIO || errno == ENETDOWN))
        look_for_iface(x);
}

static unsigned xdp_tx(struct netdev *d, struct frame **f, unsigned n)
{
    struct xdp *x = xdp_of(d);
    uint32_t at;
    unsigned i = 0;

    if (x->free_count < n)
        reap(x);
    if (n > x->free_count)
        n = x->free_count;
    for (; i < n; i++) {
        uint64_t chunk;
        struct xdp_desc *desc;

        if (UNLIKELY(f[i]->len > CHUNK)) {
            NETDEV_COUNT_ADD(d, drop_device_tx, 1);
            frame_free(d->mem, f[i]);
            continue;
        }
        if (xsk_ring_prod__reserve(&x->tx, 1, &at) != 1)
            break;
        chunk = x->free_chunks[--x->free_count];
        frame_copy(f[i], x->chunks + chunk);
        desc = xsk_ring_prod__tx_desc(&x->tx, at);
        *desc = (struct xdp_desc){.addr = chunk, .len = f[i]->len};
        xsk_ring_prod__submit(&x->tx, 1);
        frame_free(d->mem, f[i]);
    }
    kick(x);
    reap(x);
    return i;
}

static bool xdp_arm(struct netdev *d)
{
    struct xdp *x = xdp_of(d);

    kick(x); /* what the kernel did not take last time */
    count_losses(x);
    look_for_iface(x);
    return d->error == 0 && xsk_cons_nb_avail(&x->rx, 1) == 0 && (x->ears.map == NULL || !xdp_ears_ready(&x->ears));
}

/* --- beginning and end --- */

static void drop_socket(struct xdp *x)
{
    if (x->socket != NULL)
        xsk_socket__delete(x->socket);
    if (x->umem != NULL)
        xsk_umem__delete(x->umem);
    x->socket = NULL;
    x->umem = NULL;
}

static void xdp_close(struct netdev *d)
{
    struct xdp *x = xdp_of(d);

    if (x->socket != NULL)
        count_losses(x);
    drop_socket(x);
    if (x->iface != NULL)
        xdp_iface_give(x->iface);
    xdp_ears_close(&x->ears);
    if (x->dev.fd >= 0 && x->dev.fd != x->fd)
        close(x->dev.fd);
    if (x->chunks != NULL)
        mem_unref(d->mem, x->chunks);
    if (x->station >= 0)
        close(x->station);
    free(x->free_chunks);
    free(x);
}

static void xdp_forget(struct netdev *d)
{
    struct xdp *x = xdp_of(d);

    xdp_iface_forget(x->iface);
    close(x->fd);
    if (d->fd != x->fd)
        close(d->fd);
    if (x->ears.fd >= 0)
        close(x->ears.fd);
    if (x->station >= 0)
        close(x->station);
}

/* Puts chunks into the rings: the first half for the kernel to fill, the second for us. */
static void deal_out(struct xdp *x)
{
    uint32_t at;

    if (xsk_ring_prod__reserve(&x->fill, x->frames, &at) == x->frames) {
        for (uint32_t i = 0; i < x->frames; i++)
            *xsk_ring_prod__fill_addr(&x->fill, at + i) = i * CHUNK;
        xsk_ring_prod__submit(&x->fill, x->frames);
    }
    for (uint32_t i = 0; i < x->frames; i++)
        x->free_chunks[i] = (x->frames + i) * CHUNK;
    x->free_count = x->frames;
}

static int make_socket(struct xdp *x, const struct config *cfg, uint16_t bind_flags)
{
    struct xsk_umem_config u = {.fill_size = x->frames, .comp_size = x->frames, .frame_size = CHUNK};
    struct xsk_socket_config s = {.rx_size = x->frames,
                                  .tx_size = x->frames,
                                  .libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD,
                                  .bind_flags = bind_flags | XDP_USE_NEED_WAKEUP};
    int err = xsk_umem__create(&x->umem, x->chunks, 2 * x->frames * CHUNK, &x->fill, &x->done, &u);

    if (err == 0)
        err = xsk_socket__create(&x->socket, cfg->device, x->queue, x->umem, &x->rx, &x->tx, &s);
    if (err != 0)
        drop_socket(x);
    return err;
}

/* The kernel's af_xdp text, SO_PREFER_BUSY_POLL: all three are needed. */
static int prefer_busy_poll(struct xdp *x, int us, struct error_text *et)
{
    int on = 1, budget = BUSY_BUDGET;

    x->busy = true;
    if (setsockopt(x->fd, SOL_SOCKET, SO_PREFER_BUSY_POLL, &on, sizeof(on)) < 0 ||
        setsockopt(x->fd, SOL_SOCKET, SO_BUSY_POLL, &us, sizeof(us)) < 0 ||
        setsockopt(x->fd, SOL_SOCKET, SO_BUSY_POLL_BUDGET, &budget, sizeof(budget)) < 0)
        return errno == EPERM
                   ? error_set(et, EPERM, "driver xdp: no permission for xdp_busy_us: needs CAP_NET_ADMIN, or root")
                   : xdp_failed("busy polling (xdp_busy_us)", -errno, et);
    return 0;
}

/* Zero copy where the interface has it. */
static int open_socket(struct xdp *x, const struct config *cfg, struct error_text *et)
{
    int err = cfg->xdp_mode == XDP_GENERIC ? -EOPNOTSUPP : make_socket(x, cfg, XDP_ZEROCOPY);

    if (err != 0)
        err = make_socket(x, cfg, XDP_COPY);
    if (err != 0)
        return xdp_failed("a socket on the queue net_queue", err, et);
    x->fd = x->dev.fd = xsk_socket__fd(x->socket);
    deal_out(x);
    return cfg->xdp_busy_us != 0 ? prefer_busy_poll(x, (int)cfg->xdp_busy_us, et) : 0;
}

/* Note 2. Every group is let through, for neighbour solicitations. */
static int make_station(struct xdp *x, struct error_text *et)
{
    struct packet_mreq groups = {.mr_ifindex = x->dev.ifindex, .mr_type = PACKET_MR_ALLMULTI};
    struct packet_mreq station = {.mr_ifindex = x->dev.ifindex, .mr_type = PACKET_MR_UNICAST, .mr_alen = 6};

    memcpy(station.mr_address, x->dev.mac, 6);
    x->station = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    if (x->station < 0 || setsockopt(x->station, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &groups, sizeof(groups)) < 0 ||
        setsockopt(x->station, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &station, sizeof(station)) < 0)
        return xdp_failed("our link address", -errno, et);
    return 0;
}

static int xdp_claim(struct netdev *d, const struct netdev_claim *claim, struct error_text *et)
{
    struct xdp *x = xdp_of(d);
    const uint8_t *m = d->mac;
    const uint8_t link_local[16] = {0xfe, 0x80, 0, 0, 0, 0, 0, 0, m[0] ^ 2, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]};
    enum xdp_claim how = d->shared ? XDP_CLAIM_PORTS : XDP_CLAIM_ALL;
    int err = d->shared ? 0 : xdp_iface_claim(x->iface, link_local, how); /* RFC 4291, appendix A */

    for (unsigned i = 0; err == 0 && i < claim->addrs; i++)
        err = xdp_iface_claim(x->iface, claim->addr[i], how);
    return err < 0 ? xdp_failed("claiming an address", err, et) : 0;
}

static int xdp_take_port(struct netdev *d, const struct netdev_flow *f)
{
    return xdp_iface_take_port(xdp_of(d)->iface, f->proto, f->local_port);
}

static void xdp_give_port(struct netdev *d, uint8_t proto, uint16_t port)
{
    xdp_iface_give_port(xdp_of(d)->iface, proto, port);
}

/* What a station that is shared with the kernel hears by itself, and one descriptor to sleep on for both. */
static int make_ears(struct xdp *x, struct error_text *et)
{
    struct epoll_event in = {.events = EPOLLIN};
    int err = xdp_ears_open(&x->ears, x->dev.ifindex);

    if (err < 0)
        return xdp_failed("hearing of neighbours", err, et);
    x->dev.fd = epoll_create1(EPOLL_CLOEXEC);
    if (x->dev.fd < 0 || epoll_ctl(x->dev.fd, EPOLL_CTL_ADD, x->fd, &in) < 0 ||
        epoll_ctl(x->dev.fd, EPOLL_CTL_ADD, x->ears.fd, &in) < 0)
        return xdp_failed("a descriptor to sleep on", -errno, et);
    return 0;
}

static int start(struct xdp *x, const struct netdev_params *par, struct error_text *et)
{
    int err;

    x->free_chunks = calloc(x->frames, sizeof(*x->free_chunks));
    x->chunks = mem_alloc(par->mem, 2 * x->frames * CHUNK, 1);
    if (x->free_chunks == NULL || x->chunks == NULL)
        return error_set(et, ENOMEM, "driver xdp: no memory for %u frames each way (net_ring, sga_limit)", x->frames);
    err = xdp_iface_take(par->cfg, x->dev.ifindex, &x->iface, et);
    if (err == 0)
        err = open_socket(x, par->cfg, et);
    if (err == 0)
        err = x->dev.shared ? make_ears(x, et) : make_station(x, et);
    if (err < 0)
        return err;
    err = xdp_iface_serve(x->iface, x->queue, x->fd);
    return err < 0 ? xdp_failed("serving the queue", err, et) : 0;
}

static const struct netdev_ops xdp_ops = {.name = "xdp",
                                          .rx_burst = xdp_rx,
                                          .tx_burst = xdp_tx,
                                          .arm = xdp_arm,
                                          .claim = xdp_claim,
                                          .forget = xdp_forget,
                                          .close = xdp_close};

/* Of a station that is shared with the kernel. */
static const struct netdev_ops shared_ops = {.name = "xdp",
                                             .rx_burst = xdp_rx,
                                             .tx_burst = xdp_tx,
                                             .arm = xdp_arm,
                                             .claim = xdp_claim,
                                             .take_port = xdp_take_port,
                                             .give_port = xdp_give_port,
                                             .forget = xdp_forget,
                                             .close = xdp_close};

/* See note 2. */
static int choose_mac(struct xdp *x, const struct config *cfg, const struct iface *i, struct error_text *et)
{
    memcpy(x->dev.mac, i->mac, sizeof(x->dev.mac));
    if (x->dev.shared && cfg->net_mac[0] != '\0')
        return error_set(et, EINVAL, "net_mac is for a station of our own: with it, set net_address too");
    if (!x->dev.shared)
        iface_own_mac(i->mac, cfg->net_address, x->dev.mac);
    return iface_mac(cfg, x->dev.mac, et);
}

static int xdp_open(const struct netdev_params *par, struct netdev **d, struct error_text *et)
{
    struct iface i;
    struct xdp *x;
    int err = iface_look(par->cfg->device, &i, et);

    if (err < 0)
        return err;
    if (par->cfg->net_vlan != 0)
        return error_set(et, EOPNOTSUPP, "driver xdp: net_vlan is not for this driver, which has no VLANs");
    x = calloc(1, sizeof(*x));
    if (x == NULL)
        return error_set(et, ENOMEM, "no memory for a device");
    x->dev = (struct netdev){.ops = &xdp_ops, .mem = par->mem, .count = par->count, .fd = -1, .ifindex = i.index};
    x->queue = (uint32_t)par->cfg->net_queue + par->queue;
    x->fd = x->station = x->ears.fd = -1;
    x->dev.shared = par->cfg->net_address[0] == '\0';
    if (x->dev.shared)
        x->dev.ops = &shared_ops;
    x->frames = RING_LEAST;
    while (x->frames < iface_ring(par->cfg, RING))
        x->frames *= 2;
    err = choose_mac(x, par->cfg, &i, et);
    if (err == 0)
        err = iface_mtu(par->cfg, i.mtu < MTU_MOST ? i.mtu : MTU_MOST, &x->dev.mtu, et);
    if (err == 0)
        err = start(x, par, et);
    if (err < 0) {
        xdp_close(&x->dev);
        return err;
    }
    *d = &x->dev;
    return 0;
}

VISIBLE extern const struct netdev_driver caracal_netdev_xdp;
const struct netdev_driver caracal_netdev_xdp = {
    .name = "xdp", .queues = NETDEV_SPREAD, .netdev_bytes = sizeof(struct netdev), .open = xdp_open};

VISIBLE extern const struct module_mark caracal_module;
const struct module_mark caracal_module = MODULE_MARK;
