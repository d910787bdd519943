/* SPDX-License-Identifier: MIT */
/* Ports to this machine: a UDP socket on loopback, a TAP interface, shared memory. Nothing here waits. */
#include "core/port_ring.h"
#include "core/reserve.h"
#include "port_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define FRAMES_AT_ONCE 64 /* taken from outside in one look */

static int parse_address(const char *text, struct sockaddr_in *a)
{
    const char *colon = strrchr(text, ':');
    char host[INET_ADDRSTRLEN];
    unsigned long port;
    char *end;

    if (colon == NULL || (size_t)(colon - text) >= sizeof(host))
        return -EINVAL;
    memcpy(host, text, (size_t)(colon - text));
    host[colon - text] = '\0';
    port = strtoul(colon + 1, &end, 10);
    *a = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    if (colon[1] < '0' || colon[1] > '9' || *end != '\0' || port > 65535 || inet_pton(AF_INET, host, &a->sin_addr) != 1)
        return -EINVAL;
    return ntohl(a->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET ? 0 : -EPERM;
}

int port_open_socket(struct port *p, const char *address, struct error_text *et)
{
    struct sockaddr_in a;
    int ret = parse_address(address, &a);

    if (ret != 0)
        return error_set(et, EINVAL, "%s: socket: takes a loopback address and a port, like 127.0.0.1:7000, not \"%s\"",
                         p->config.name, address);
    p->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (p->fd < 0 || bind(p->fd, (const struct sockaddr *)&a, sizeof(a)) != 0)
        return error_set(et, errno, "%s: %s: %s", p->config.name, address, strerror(errno));
    p->datagrams = true;
    return 0;
}

int port_open_tap(struct port *p, const char *name, struct error_text *et)
{
    struct ifreq r = {.ifr_flags = IFF_TAP | IFF_NO_PI};

    if (strlen(name) >= sizeof(r.ifr_name))
        return error_set(et, EINVAL, "%s: \"%s\" is too long for an interface's name", p->config.name, name);
    memcpy(r.ifr_name, name, strlen(name));
    p->fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (p->fd < 0 || ioctl(p->fd, TUNSETIFF, &r) != 0)
        return error_set(et, errno, "%s: TAP interface %s: %s", p->config.name, name, strerror(errno));
    return 0;
}

/* A new file gets its size and its magic number; one that is there must have them. */
static int map_ring(struct port *p, int fd)
{
    struct stat st;
    bool fresh;
    int err;

    if (fstat(fd, &st) != 0)
        return -errno;
    fresh = st.st_size == 0;
    if (!S_ISREG(st.st_mode) || (!fresh && st.st_size != (off_t)sizeof(struct port_ring)))
        return -EINVAL;
    err = fresh ? file_reserve(fd, sizeof(struct port_ring)) : 0;
    if (err < 0)
        return err;
    p->ring = mmap(NULL, sizeof(struct port_ring), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p->ring == MAP_FAILED) {
        p->ring = NULL;
        return -errno;
    }
    /* zeros are an empty ring; the other end may be about to write the same number */
    if (atomic_load_explicit(&p->ring->magic, memory_order_acquire) == 0)
        atomic_store_explicit(&p->ring->magic, PORT_RING_MAGIC, memory_order_release);
    return atomic_load_explicit(&p->ring->magic, memory_order_acquire) == PORT_RING_MAGIC ? 0 : -EINVAL;
}

int port_open_ring(struct port *p, const char *path, struct error_text *et)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600), ret;

    if (fd < 0)
        return error_set(et, errno, "%s: %s: %s", p->config.name, path, strerror(errno));
    ret = map_ring(p, fd);
    close(fd);
    if (ret == -EINVAL)
        return error_set(et, EINVAL, "%s: %s is another file than a ring", p->config.name, path);
    return ret == 0 ? 0 : error_set(et, -ret, "%s: %s: %s", p->config.name, path, strerror(-ret));
}

void port_close_live(struct port *p)
{
    if (p->ring != NULL)
        munmap(p->ring, sizeof(struct port_ring));
    if (p->fd >= 0)
        close(p->fd);
}

/* The other side may be broken: a count that cannot be is as good as a full or an empty lane. */
static bool put_ring(struct port *p, const struct packet *packet)
{
    struct port_lane *lane = &p->ring->lane[PORT_RING_OUT];
    uint64_t put = atomic_load_explicit(&lane->put, memory_order_relaxed);
    struct port_slot *slot = &p->ring->slot[PORT_RING_OUT][put % PORT_RING_SLOTS];

    if (put - atomic_load_explicit(&lane->taken, memory_order_acquire) >= PORT_RING_SLOTS)
        return false;
    slot->len = packet->len_bytes;
    memcpy(slot->data, packet->data, packet->len_bytes);
    atomic_store_explicit(&lane->put, put + 1, memory_order_release);
    return true;
}

/* The next frame's length, at most size, and its bytes; 0: there is none. */
static size_t get_ring(struct port *p, uint8_t *buf, size_t size)
{
    struct port_lane *lane = &p->ring->lane[PORT_RING_IN];
    uint64_t taken = atomic_load_explicit(&lane->taken, memory_order_relaxed);
    uint64_t waiting = atomic_load_explicit(&lane->put, memory_order_acquire) - taken;
    const struct port_slot *slot = &p->ring->slot[PORT_RING_IN][taken % PORT_RING_SLOTS];
    size_t len;

    if (waiting == 0 || waiting > PORT_RING_SLOTS)
        return 0;
    len = *(const volatile uint32_t *)&slot->len;
    len = len < size ? len : size;
    memcpy(buf, slot->data, len);
    atomic_store_explicit(&lane->taken, taken + 1, memory_order_release);
    return len;
}

/* A frame goes out, or is lost: nobody there, or no room. */
static void put_outside(struct port *p, const struct packet *packet)
{
    ssize_t n = -1;

    if (p->ring != NULL)
        n = put_ring(p, packet) ? (ssize_t)packet->len_bytes : -1;
    else if (!p->datagrams)
        n = write(p->fd, packet->data, packet->len_bytes);
    else if (p->peer.sin_port != 0)
        n = sendto(p->fd, packet->data, packet->len_bytes, 0, (const struct sockaddr *)&p->peer, sizeof(p->peer));
    if (n != (ssize_t)packet->len_bytes)
        p->stats.drop_outside++;
}

/* A frame from outside into buf; its length, or 0. */
static size_t get_outside(struct port *p, uint8_t *buf, size_t size)
{
    socklen_t len = sizeof(p->peer);
    ssize_t n;

    if (p->ring != NULL)
        return get_ring(p, buf, size);
    if (p->datagrams)
        n = recvfrom(p->fd, buf, size, MSG_DONTWAIT, (struct sockaddr *)&p->peer, &len);
    else
        n = read(p->fd, buf, size);
    return n > 0 ? (size_t)n : 0;
}

static void take_in(struct port *p, uint64_t cycle)
{
    uint8_t buf[PACKET_BYTES_MAX + 1];
    size_t len;

    for (unsigned i = 0; i < FRAMES_AT_ONCE && (len = get_outside(p, buf, sizeof(buf))) > 0; i++) {
        struct packet *packet;

        if (len > PACKET_BYTES_MAX) {
            p->stats.drop_long++;
            continue;
        }
        packet = packet_alloc(&p->pool);
        if (packet == NULL) {
            p->stats.drop_memory++;
            continue;
        }
        memcpy(packet->data, buf, len);
        packet->len_bytes = (uint32_t)len;
        port_emit(p, packet, cycle);
    }
}

void port_live_advance(struct port *p, uint64_t until)
{
    struct packet *packet;

    while ((packet = port_take(p, until)) != NULL) {
        put_outside(p, packet);
        port_packet_free(p, packet);
    }
    if (p->next_poll >= until)
        return;
    take_in(p, until);
    p->next_poll = until + PORT_POLL_CYCLES;
}
