/* SPDX-License-Identifier: MIT */
/*
 * A frame device: what carries Ethernet frames, behind one small table of functions. A new device is one file here and
 * a line in drivers.h; one that needs a library is a module of its own.
 *
 * Calls from one thread only. None of them waits.
 */
#ifndef NETDEV_NETDEV_H
#define NETDEV_NETDEV_H

#include "core/config.h"
#include "core/frame.h"

#define NETDEV_BURST 32 /* frames a call moves at most, in the loops over a device */
#define NETDEV_ADDRS 16 /* addresses that a device can be told of */

struct netdev;
struct flow_deal;

/* Whose frames are ours, for a device that takes them from the kernel. */
struct netdev_claim {
    uint8_t addr[NETDEV_ADDRS][16]; /* IPv4 as ::ffff:a.b.c.d */
    unsigned addrs;
};

/* The ends of a conversation of ours. Ports in host order; remote_port 0: with anybody. */
struct netdev_flow {
    uint8_t local[16], remote[16];
    uint16_t local_port, remote_port;
    uint8_t proto;
    bool chosen; /* local_port was our choice: nobody else has to have it too */
};

struct netdev_ops {
    const char *name;
    /* Up to max frames that arrived; each is the caller's with one reference. Lost ones are counted by the device. */
    unsigned (*rx_burst)(struct netdev *d, struct frame_in *in, unsigned max);
    /*
     * Sends frames in order. Returns how many it took over, from the front; the rest stays the caller's: the queue is
     * full. A frame that was taken over is freed by the device when it no longer reads it.
     */
    unsigned (*tx_burst)(struct netdev *d, struct frame **f, unsigned n);
    /* Sleep is near: make d->fd readable when a frame comes. False: there are frames now. May be NULL, with d->fd -1.
     */
    bool (*arm)(struct netdev *d);
    /* 64 bits: of a simulated network its seed's, so that a run can be repeated. NULL: the kernel's. */
    uint64_t (*random)(struct netdev *d);
    /* Told once, before the first frame. Negative errno and a text. NULL: every frame that comes is ours anyway. */
    int (*claim)(struct netdev *d, const struct netdev_claim *claim, struct error_text *et);
    /*
     * A port of ours comes into use, and out of it: called once each, however many sockets share it. Negative errno:
     * it is somebody else's (-EADDRINUSE), or cannot be had. NULL, both: ports do not matter to the device.
     */
    int (*take_port)(struct netdev *d, const struct netdev_flow *f);
    void (*give_port)(struct netdev *d, uint8_t proto, uint16_t port);
    /* Of a device with several queues: do this conversation's frames come by ours? NULL: they do. */
    bool (*keeps)(struct netdev *d, const struct netdev_flow *f);
    /* In a child of fork: closes the descriptors and nothing else. NULL: there is none but fd. */
    void (*forget)(struct netdev *d);
    void (*close)(struct netdev *d);
};

struct netdev {
    const struct netdev_ops *ops;
    struct mem *mem;  /* received frames are its objects; sent ones go back to it */
    uint64_t *count;  /* by enum counter; NULL: nobody counts */
    void *module;     /* the driver's shared object, which netdev_close closes; or NULL */
    int fd;           /* what to sleep on, or -1 */
    int ifindex;      /* of the kernel's interface that it stands on, or 0 */
    uint32_t offload; /* enum inet_offload: what it does by itself */
    int error;        /* negative errno: it is gone for good, and why; it takes frames and loses them then */
    uint16_t mtu;     /* of the largest frame's payload */
    bool shared;      /* it is the interface's own station, beside the kernel: its addresses are ours too */
    uint8_t mac[6];
    const struct flow_deal *deal; /* it deals conversations out to its queues like this (flow.h). NULL: as it likes */
};

#define NETDEV_COUNT_ADD(d, name, n) ((d)->count != NULL ? (void)((d)->count[CTR_##name] += (n)) : (void)0)

/* What a device is opened with. Everything is borrowed; mem and count must outlive the device, cfg the call. */
struct netdev_params {
    const struct config *cfg; /* the keys "device", "net_..." and those of the driver alone */
    struct mem *mem;
    uint64_t *count;
    unsigned queue;   /* of those of the process on the device (net_queues), from 0 */
    uint32_t *common; /* a word that they share, 0 at first; they are opened one after another. NULL: there is one */
};

/* What more than one queue (net_queues) means to a driver. */
enum netdev_queues {
    NETDEV_OWN,    /* it sees to it itself that each frame comes to the instance whose it is */
    NETDEV_SPREAD, /* each queue is a device for it; whose a frame is, is seen to by spread.h */
    NETDEV_APART,  /* likewise, and they have nothing in common */
};

/* How devices of one kind are opened. A module exports its own as caracal_netdev_NAME. */
struct netdev_driver {
    const char *name;
    enum netdev_queues queues;
    uint32_t netdev_bytes; /* sizeof(struct netdev): a module of another build is refused */
    /* Negative errno and a text that names what is missing: a permission, a library, an interface; nothing is left. */
    int (*open)(const struct netdev_params *p, struct netdev **d, struct error_text *et);
};

/*
 * Opens the device that driver names. -EINVAL: no such driver (the text lists them), -ENOENT: its module is not
 * installed; else what the driver says.
 */
int netdev_open(const char *driver, const struct netdev_params *p, struct netdev **d, struct error_text *et);
void netdev_close(struct netdev *d);

/* Calls fn for each driver: its name, what it is in words, the module it is in ("": none). */
typedef void netdev_driver_fn(void *arg, const char *name, const char *what, const char *module);
void netdev_each_driver(netdev_driver_fn *fn, void *arg);

#endif /* NETDEV_NETDEV_H */
