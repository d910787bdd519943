/* SPDX-License-Identifier: MIT */
/*
 * Driver nanopu: shared memory with a simulated nanoPU, whose port `ring:FILE` is the other end. `device` is the file's
 * path; whoever comes first makes it. Its layout is core/port_ring.h.
 *
 * The simulator runs ahead as fast as it can and rings no bell, so there is nothing to sleep on: a wait spins. It is
 * not believed: counts that cannot be are an empty or a full lane, lengths are read once and judged.
 */
#include "netdev/iface.h"

#include "core/counter.h"
#include "core/port_ring.h"
#include "core/reserve.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MTU 1500

struct nanopu {
    struct netdev dev;
    struct port_ring *ring;
};

static struct nanopu *nanopu_of(struct netdev *d)
{
    return CONTAINER_OF(d, struct nanopu, dev);
}

static bool take(struct netdev *d, const struct port_slot *s, struct frame_in *in)
{
    uint32_t len = __atomic_load_n(&s->len, __ATOMIC_RELAXED);
    char *obj;

    if (UNLIKELY(len == 0 || len > sizeof(s->data))) {
        NETDEV_COUNT_ADD(d, drop_device_rx, 1);
        return false;
    }
    obj = mem_alloc(d->mem, FRAME_IN_ROOM + len, 1);
    if (UNLIKELY(obj == NULL)) {
        NETDEV_COUNT_ADD(d, drop_no_memory, 1);
        return false;
    }
    memcpy(obj + FRAME_IN_ROOM, s->data, len);
    *in = (struct frame_in){.obj = obj, .ptr = (uint8_t *)obj + FRAME_IN_ROOM, .len = len};
    return true;
}

static unsigned nanopu_rx(struct netdev *d, struct frame_in *in, unsigned max)
{
    struct port_ring *r = nanopu_of(d)->ring;
    struct port_lane *lane = &r->lane[PORT_RING_OUT];
    uint64_t taken = atomic_load_explicit(&lane->taken, memory_order_relaxed);
    uint64_t waiting = atomic_load_explicit(&lane->put, memory_order_acquire) - taken;
    unsigned n = 0;

    if (waiting == 0 || waiting > PORT_RING_SLOTS)
        return 0;
    for (; waiting > 0 && n < max; waiting--, taken++)
        if (take(d, &r->slot[PORT_RING_OUT][taken % PORT_RING_SLOTS], &in[n]))
            n++;
    atomic_store_explicit(&lane->taken, taken, memory_order_release);
    return n;
}

static unsigned nanopu_tx(struct netdev *d, struct frame **f, unsigned n)
{
    struct port_ring *r = nanopu_of(d)->ring;
    struct port_lane *lane = &r->lane[PORT_RING_IN];
    uint64_t put = atomic_load_explicit(&lane->put, memory_order_relaxed);
    uint64_t taken = atomic_load_explicit(&lane->taken, memory_order_acquire);
    unsigned i = 0;

    for (; i < n && put - taken < PORT_RING_SLOTS; i++) {
        struct port_slot *s = &r->slot[PORT_RING_IN][put % PORT_RING_SLOTS];

        if (LIKELY(f[i]->len <= sizeof(s->data))) {
            frame_copy(f[i], (char *)s->data);
            s->len = f[i]->len;
            put++;
        } else {
            NETDEV_COUNT_ADD(d, drop_device_tx, 1);
        }
        frame_free(d->mem, f[i]);
    }
    atomic_store_explicit(&lane->put, put, memory_order_release);
    return i;
}

static void nanopu_close(struct netdev *d)
{
    struct nanopu *p = nanopu_of(d);

    if (p->ring != NULL)
        munmap(p->ring, sizeof(*p->ring));
    free(p);
}

static const struct netdev_ops nanopu_ops = {
    .name = "nanopu", .rx_burst = nanopu_rx, .tx_burst = nanopu_tx, .close = nanopu_close};

static int map_file(struct nanopu *p, int fd)
{
    struct stat st;
    void *map;
    bool fresh;
    int err;

    if (fstat(fd, &st) != 0)
        return -errno;
    fresh = st.st_size == 0;
    if (!S_ISREG(st.st_mode) || (!fresh && st.st_size != (off_t)sizeof(*p->ring)))
        return -EINVAL;
    err = fresh ? file_reserve(fd, sizeof(*p->ring)) : 0;
    if (err < 0)
        return err;
    map = mmap(NULL, sizeof(*p->ring), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        return -errno;
    p->ring = map;
    /* zeros are an empty ring; the other end may be about to write the same number */
    if (atomic_load_explicit(&p->ring->magic, memory_order_acquire) == 0)
        atomic_store_explicit(&p->ring->magic, PORT_RING_MAGIC, memory_order_release);
    return atomic_load_explicit(&p->ring->magic, memory_order_acquire) == PORT_RING_MAGIC ? 0 : -EINVAL;
}

static int open_file(struct nanopu *p, const char *path, struct error_text *et)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600), err;

    if (fd < 0)
        return error_set(et, errno, "driver nanopu: %s: %s", path, strerror(errno));
    err = map_file(p, fd);
    close(fd);
    if (err == -EINVAL)
        return error_set(et, EINVAL, "driver nanopu: %s is another file than that of a port \"ring\" of nanopu run",
                         path);
    return err < 0 ? error_set(et, -err, "driver nanopu: %s: %s", path, strerror(-err)) : 0;
}

static int nanopu_open(const struct netdev_params *par, struct netdev **d, struct error_text *et)
{
    const uint8_t base[6] = {0};
    struct nanopu *p = calloc(1, sizeof(*p));
    int err;

    if (p == NULL)
        return error_set(et, ENOMEM, "no memory for a device");
    p->dev = (struct netdev){.ops = &nanopu_ops, .mem = par->mem, .count = par->count, .fd = -1};
    iface_own_mac(base, par->cfg->device, p->dev.mac);
    err = iface_mac(par->cfg, p->dev.mac, et);
    if (err == 0)
        err = iface_mtu(par->cfg, MTU, &p->dev.mtu, et);
    if (err == 0)
        err = open_file(p, par->cfg->device, et);
    if (err < 0) {
        nanopu_close(&p->dev);
        return err;
    }
    *d = &p->dev;
    return 0;
}

const struct netdev_driver netdev_nanopu = {
    .name = "nanopu", .netdev_bytes = sizeof(struct netdev), .open = nanopu_open};
