/* SPDX-License-Identifier: MIT */
/* Sockets of the plain echo program. */
#include "common/args.h"
#include "plain.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#define LISTEN_BACKLOG 4096

bool plain_prepare(int fd, bool udp)
{
    int on = 1;
    int flags = fcntl(fd, F_GETFL);
    bool done = flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0;
    if (done && !udp) {
        done = setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0;
    }
    return done;
}

int plain_bound_socket(const struct addr *bind_to, bool udp, struct addr *bound)
{
    char text[ADDR_TEXT_MAX];
    int on = 1;
    int fd = socket(bind_to->storage.ss_family, udp ? SOCK_DGRAM : SOCK_STREAM, 0);
    *bound = (struct addr){.len = sizeof(bound->storage)};
    /* Not for UDP, where it would let a second server take datagrams away from the first. */
    bool done = fd >= 0 && (udp || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0) &&
                bind(fd, addr_const_sockaddr(bind_to), bind_to->len) == 0 && (udp || listen(fd, LISTEN_BACKLOG) == 0) &&
                plain_prepare(fd, udp) && getsockname(fd, addr_sockaddr(bound), &bound->len) == 0;
    if (done) {
        return fd;
    }
    complain("cannot listen on %s: %s", addr_format(bind_to, text, sizeof(text)), strerror(errno));
    if (fd >= 0) {
        close(fd);
    }
    return -1;
}

int plain_connected_socket(const struct addr *to, bool udp)
{
    char text[ADDR_TEXT_MAX];
    int fd = socket(to->storage.ss_family, udp ? SOCK_DGRAM : SOCK_STREAM, 0);
    if (fd >= 0 && connect(fd, addr_const_sockaddr(to), to->len) == 0 && plain_prepare(fd, udp)) {
        return fd;
    }
    complain("cannot connect to %s: %s", addr_format(to, text, sizeof(text)), strerror(errno));
    if (fd >= 0) {
        close(fd);
    }
    return -1;
}
