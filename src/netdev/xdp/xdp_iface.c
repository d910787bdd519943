/* SPDX-License-Identifier: MIT */
/* Interfaces of a process: see xdp_iface.h. */
#include "xdp_iface.h"

#include "netdev/iface.h"

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define PORTS 65536

/* A port that we have: the kernel's socket that holds it, and how many queues use it. */
struct port {
    int fd;
    uint32_t users;
};

struct xdp_iface {
    struct xdp_iface *next;
    struct xdp_prog prog;
    struct port *port; /* TCP's, then UDP's */
    unsigned users;
    int ifindex;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct xdp_iface *all;

int xdp_failed(const char *what, int err, struct error_text *et)
{
    if (err == -EPERM || err == -EACCES)
        return error_set(et, EPERM,
                         "driver xdp: no permission for %s: needs CAP_BPF, CAP_NET_ADMIN and CAP_NET_RAW, or root; "
                         "with xdp_map only CAP_NET_RAW",
                         what);
    if (err == -EBUSY)
        return error_set(et, EBUSY,
                         "driver xdp: %s: another program is on this interface or its queue (ip link shows xdp; "
                         "ip link set INTERFACE xdp off removes one that was left behind)",
                         what);
    return error_set(et, -err, "driver xdp: %s: %s", what, strerror(-err));
}

/*
 * Where nobody says it: behind the driver of veth, whose own way wraps each of the kernel's buffers anew and wakes a
 * poller for it. Not with several queues: there answers come all by one, and its instance has to hand them on.
 */
static enum xdp_mode mode_of(const struct xdp_iface *x, const struct config *cfg)
{
    if (cfg->xdp_mode == XDP_AUTO && cfg->net_queues == 1 && iface_is_driven_by(x->ifindex, "veth"))
        return XDP_GENERIC;
    return cfg->xdp_mode;
}

static int attach(struct xdp_iface *x, const struct config *cfg, struct error_text *et)
{
    int err = xdp_prog_load(&x->prog, et);

    if (err < 0)
        return err;
    err = xdp_prog_attach(&x->prog, x->ifindex, mode_of(x, cfg));
    return err < 0 ? xdp_failed("the program on the interface", err, et) : 0;
}

static struct xdp_iface *find(int ifindex)
{
    struct xdp_iface *x = all;

    while (x != NULL && x->ifindex != ifindex)
        x = x->next;
    return x;
}

static int make(const struct config *cfg, int ifindex, struct xdp_iface **out, struct error_text *et)
{
    struct xdp_iface *x = calloc(1, sizeof(*x));
    int err;

    if (x != NULL)
        x->port = calloc(2 * (size_t)PORTS, sizeof(*x->port));
    if (x == NULL || x->port == NULL) {
        free(x);
        return error_set(et, ENOMEM, "no memory for an interface");
    }
    x->prog = XDP_PROG_NONE;
    x->ifindex = ifindex;
    err = cfg->xdp_map[0] != '\0' ? xdp_prog_open_pinned(&x->prog, cfg->xdp_map, et) : attach(x, cfg, et);
    if (err < 0) {
        xdp_prog_unload(&x->prog);
        free(x->port);
        free(x);
        return err;
    }
    x->next = all;
    all = x;
    *out = x;
    return 0;
}

int xdp_iface_take(const struct config *cfg, int ifindex, struct xdp_iface **x, struct error_text *et)
{
    int err = 0;

    pthread_mutex_lock(&lock);
    *x = find(ifindex);
    if (*x == NULL)
        err = make(cfg, ifindex, x, et);
    if (*x != NULL)
        (*x)->users++;
    pthread_mutex_unlock(&lock);
    return err;
}

static void drop_port(struct xdp_iface *x, struct port *p)
{
    size_t at = (size_t)(p - x->port);

    xdp_prog_give_port(&x->prog, at < PORTS ? IPPROTO_TCP : IPPROTO_UDP, (uint16_t)(at % PORTS));
    close(p->fd);
}

void xdp_iface_give(struct xdp_iface *x)
{
    struct xdp_iface **p = &all;

    pthread_mutex_lock(&lock);
    if (--x->users == 0) {
        while (*p != x)
            p = &(*p)->next;
        *p = x->next;
        for (size_t i = 0; i < 2 * (size_t)PORTS; i++)
            if (x->port[i].users > 0)
                drop_port(x, &x->port[i]);
        xdp_prog_unload(&x->prog);
        free(x->port);
        free(x);
    }
    pthread_mutex_unlock(&lock);
}

void xdp_iface_forget(struct xdp_iface *x)
{
    for (size_t i = 0; i < 2 * (size_t)PORTS; i++) {
        if (x->port[i].users > 0)
            close(x->port[i].fd);
        x->port[i].users = 0;
    }
    xdp_prog_unload(&x->prog); /* the parent's link stays: it has its own descriptor */
}

int xdp_iface_claim(struct xdp_iface *x, const uint8_t addr[16], enum xdp_claim how)
{
    return xdp_prog_claim(&x->prog, addr, how);
}

int xdp_iface_serve(struct xdp_iface *x, uint32_t queue, int fd)
{
    return xdp_prog_serve(&x->prog, queue, fd);
}

/* A socket of the kernel at the port of all addresses. Negative errno. */
static int hold(uint8_t proto, uint16_t port)
{
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(port)};
    int type = (proto == IPPROTO_UDP ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, off = 0, on = 1, err;
    int fd = socket(AF_INET6, type, 0);
    bool v6 = fd >= 0;

    if (!v6 && errno == EAFNOSUPPORT)
        fd = socket(AF_INET, type, 0);
    if (fd < 0)
        return -errno;
    if (v6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    if (proto == IPPROTO_TCP) /* else connections of the kernel in TIME_WAIT keep the port */
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if ((v6 ? bind(fd, (struct sockaddr *)&six, sizeof(six)) : bind(fd, (struct sockaddr *)&four, sizeof(four))) == 0)
        return fd;
    err = -errno;
    close(fd);
    return err;
}

static int take_port(struct xdp_iface *x, struct port *p, uint8_t proto, uint16_t port)
{
    int err;

    if (p->users == 0) {
        p->fd = hold(proto, port);
        if (p->fd < 0)
            return p->fd;
        err = xdp_prog_take_port(&x->prog, proto, port);
        if (err < 0) {
            close(p->fd);
            return err;
        }
    }
    p->users++;
    return 0;
}

static struct port *port_of(struct xdp_iface *x, uint8_t proto, uint16_t port)
{
    return &x->port[(proto == IPPROTO_UDP ? PORTS : 0) + port];
}

int xdp_iface_take_port(struct xdp_iface *x, uint8_t proto, uint16_t port)
{
    int err;

    pthread_mutex_lock(&lock);
    err = take_port(x, port_of(x, proto, port), proto, port);
    pthread_mutex_unlock(&lock);
    return err;
}

void xdp_iface_give_port(struct xdp_iface *x, uint8_t proto, uint16_t port)
{
    struct port *p = port_of(x, proto, port);

    pthread_mutex_lock(&lock);
    assert(p->users > 0);
    if (--p->users == 0)
        drop_port(x, p);
    pthread_mutex_unlock(&lock);
}
