/* SPDX-License-Identifier: MIT */
/* Ports to this machine: a UDP socket on loopback, a TAP interface. Nothing here waits. */
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
#include <sys/socket.h>
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

/* A frame goes out, or is lost: nobody there, or no room. */
static void put_outside(struct port *p, const struct packet *packet)
{
    ssize_t n = -1;

    if (!p->datagrams)
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
    ssize_t n = p->datagrams ? recvfrom(p->fd, buf, size, MSG_DONTWAIT, (struct sockaddr *)&p->peer, &len)
                             : read(p->fd, buf, size);

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
