/* SPDX-License-Identifier: MIT */
/*
 * Driver tap: an Ethernet cable between this program and the kernel (the kernel's tuntap text). The kernel's end is the
 * interface `device`; it is made here, and goes with the program, unless it is there already and persistent:
 *
 *     ip tuntap add dev tap0 mode tap user NAME && ip addr add 10.0.0.1/24 dev tap0 && ip link set tap0 up
 *
 * With that a program needs no privilege. Whether a frame is there is a system call to ask: the slowest of the drivers.
 * Frames up to 64 KiB come in one piece (segmentation offload), so each read needs so much room; a short frame is
 * copied to an object of its size, and the large one is read into again.
 */
#include "netdev/iface.h"
#include "netdev/vnet.h"

#include "core/counter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define READ_BYTES (65536 + 64) /* of a frame: the largest packet with its link header */
#define COPY_BYTES 16384        /* frames up to this are copied */

struct tap {
    struct netdev dev;
    char *spare; /* an object to read into, or NULL */
};

static struct tap *tap_of(struct netdev *d)
{
    return CONTAINER_OF(d, struct tap, dev);
}

/* The frame of len bytes in the spare object, as in. False: no memory. */
static bool hand_over(struct tap *t, uint32_t len, struct frame_in *in)
{
    char *obj = t->spare;

    if (len > COPY_BYTES) {
        t->spare = NULL;
    } else {
        obj = mem_alloc(t->dev.mem, FRAME_IN_ROOM + len, 1);
        if (obj == NULL) {
            NETDEV_COUNT_ADD(&t->dev, drop_no_memory, 1);
            return false;
        }
        memcpy(obj + FRAME_IN_ROOM, t->spare + FRAME_IN_ROOM, len);
    }
    *in = (struct frame_in){.obj = obj, .ptr = (uint8_t *)obj + FRAME_IN_ROOM, .len = len};
    return true;
}

static unsigned tap_rx(struct netdev *d, struct frame_in *in, unsigned max)
{
    struct tap *t = tap_of(d);
    unsigned n = 0;

    while (n < max) {
        struct virtio_net_hdr vnet;
        struct iovec iov[2] = {{&vnet, VNET_BYTES}, {NULL, READ_BYTES}};
        ssize_t len;

        if (t->spare == NULL)
            t->spare = mem_alloc(d->mem, FRAME_IN_ROOM + READ_BYTES, 1);
        if (t->spare == NULL)
            break; /* the kernel keeps them, and counts what it loses */
        iov[1].iov_base = t->spare + FRAME_IN_ROOM;
        NETDEV_COUNT_ADD(d, syscalls, 1);
        len = readv(d->fd, iov, 2);
        if (len < 0 && errno == EBADFD)
            d->error = -ENODEV; /* the interface was deleted */
        if (len <= (ssize_t)VNET_BYTES)
            break;
        if (hand_over(t, (uint32_t)len - (uint32_t)VNET_BYTES, &in[n]))
            in[n++].flags = vnet_frame_in_flags(&vnet);
    }
    return n;
}

static unsigned tap_tx(struct netdev *d, struct frame **f, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        struct virtio_net_hdr vnet;
        struct iovec iov[1 + FRAME_SEGS] = {{&vnet, VNET_BYTES}};

        vnet_of_frame(&vnet, f[i]);
        for (unsigned k = 0; k < f[i]->segs; k++)
            iov[1 + k] = (struct iovec){f[i]->seg[k].ptr, f[i]->seg[k].len};
        NETDEV_COUNT_ADD(d, syscalls, 1);
        if (writev(d->fd, iov, 1 + f[i]->segs) < 0) {
            if (errno == EAGAIN || errno == ENOBUFS)
                return i;
            NETDEV_COUNT_ADD(d, drop_device_tx, 1); /* the interface is down, or will not have this frame */
        }
        frame_free(d->mem, f[i]);
    }
    return n;
}

static bool tap_arm(struct netdev *d)
{
    struct pollfd p = {.fd = d->fd, .events = POLLIN};

    return d->error != 0 || poll(&p, 1, 0) == 0;
}

static void tap_close(struct netdev *d)
{
    struct tap *t = tap_of(d);

    if (t->spare != NULL)
        mem_unref(d->mem, t->spare);
    if (d->fd >= 0)
        close(d->fd);
    free(t);
}

static const struct netdev_ops tap_ops = {
    .name = "tap", .rx_burst = tap_rx, .tx_burst = tap_tx, .arm = tap_arm, .close = tap_close};

static int refused(const char *what, const char *name, struct error_text *et)
{
    if (errno == EPERM || errno == EACCES)
        return error_set(et, EPERM,
                         "driver tap: %s %s: no permission, which needs CAP_NET_ADMIN; or let root make the interface "
                         "for this user: ip tuntap add dev NAME mode tap user USER",
                         what, name);
    if (errno == EBUSY)
        return error_set(et, EBUSY, "driver tap: another program has interface %s", name);
    return error_set(et, errno, "driver tap: %s %s: %s", what, name, strerror(errno));
}

/* Brings the interface up: one that was made a moment ago is down. Without the right to it stays as it is. */
static void bring_up(const char *name)
{
    struct ifreq r = {0};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return;
    snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
    if (ioctl(fd, SIOCGIFFLAGS, &r) == 0 && (r.ifr_flags & IFF_UP) == 0) {
        r.ifr_flags |= IFF_UP;
        ioctl(fd, SIOCSIFFLAGS, &r);
    }
    close(fd);
}

static int join(struct tap *t, const char *name, bool many, struct error_text *et)
{
    struct ifreq r = {.ifr_flags = (short)(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | (many ? IFF_MULTI_QUEUE : 0))};
    int bytes = VNET_BYTES;

    if (name[0] == '\0' || strlen(name) >= IFNAMSIZ)
        return error_set(et, EINVAL, "device: \"%.64s\" is no name for a TAP interface", name);
    t->dev.fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (t->dev.fd < 0)
        return refused("/dev/net/tun", "", et);
    snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
    if (ioctl(t->dev.fd, TUNSETIFF, &r) < 0)
        return refused("interface", name, et);
    if (ioctl(t->dev.fd, TUNSETVNETHDRSZ, &bytes) < 0 ||
        ioctl(t->dev.fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6) < 0)
        return refused("offloads of", name, et);
    bring_up(name);
    return 0;
}

static int start(struct tap *t, const struct config *cfg, struct error_text *et)
{
    struct iface i = {0};
    int err = join(t, cfg->device, cfg->net_queues > 1, et);

    if (err == 0)
        err = iface_look(cfg->device, &i, et);
    if (err < 0)
        return err;
    t->dev.ifindex = i.index;
    iface_own_mac(i.mac, cfg->net_address, t->dev.mac);
    err = iface_mac(cfg, t->dev.mac, et);
    return err < 0 ? err : iface_mtu(cfg, i.mtu, &t->dev.mtu, et);
}

static int tap_open(const struct netdev_params *par, struct netdev **d, struct error_text *et)
{
    struct tap *t = calloc(1, sizeof(*t));
    int err;

    if (t == NULL)
        return error_set(et, ENOMEM, "no memory for a device");
    t->dev = (struct netdev){.ops = &tap_ops, .mem = par->mem, .count = par->count, .fd = -1};
    if (par->cfg->net_offload)
        t->dev.offload = INET_TX_CSUM | INET_TX_TSO;
    err = start(t, par->cfg, et);
    if (err < 0) {
        tap_close(&t->dev);
        return err;
    }
    *d = &t->dev;
    return 0;
}

const struct netdev_driver netdev_tap = {
    .name = "tap", .queues = NETDEV_SPREAD, .netdev_bytes = sizeof(struct netdev), .open = tap_open};
