/* SPDX-License-Identifier: MIT */
/*
 * Bytes of a debugger's connection. The first byte says whether packets are acknowledged; if so, what is taken has the
 * right sum, and as many acknowledgements go out as packets were taken. Everything ends when the connection does.
 */
#include "fuzz.h"

#include "nanopu/view/gdb_internal.h"

#include <sys/socket.h>
#include <unistd.h>

#define INPUT_MAX   65536
#define PACKETS_MAX 128 /* that are acknowledged: the socket holds their acknowledgements */

/* Does the packet, framed anew with its sum, stand in the input? Upper and lower case digits count alike. */
static bool stands_in(const struct gdb *g, const uint8_t *data, size_t size)
{
    char text[GDB_PACKET_MAX + 8];
    unsigned sum = 0;
    size_t len = g->in_len + 2;

    for (size_t i = 0; i < g->in_len; i++)
        sum += (uint8_t)g->in[i];
    text[0] = '$';
    memcpy(text + 1, g->in, g->in_len);
    text[len - 1] = '#';
    snprintf(text + len, 3, "%02x", sum & 0xff);
    for (const uint8_t *at = data; (at = memmem(at, size - (size_t)(at - data), text, len)) != NULL; at++) {
        if ((size_t)(at - data) + len + 2 <= size && strncasecmp((const char *)at + len, text + len, 2) == 0)
            return true;
    }
    return false;
}

static unsigned count_ends(const uint8_t *data, size_t size)
{
    unsigned n = 0;

    for (size_t i = 0; i < size; i++)
        n += data[i] == '#';
    return n;
}

static void count_acknowledgements(int fd, unsigned *good)
{
    char bytes[4096];
    ssize_t n;

    while ((n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            require(bytes[i] == '+' || bytes[i] == '-');
            *good += bytes[i] == '+';
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct gdb g;
    unsigned taken = 0, good = 0;
    uint8_t bytes[64];
    int fds[2];

    if (size < 1 || size > INPUT_MAX || count_ends(data, size) > PACKETS_MAX)
        return 0;
    require(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    require(send(fds[1], data + 1, size - 1, MSG_DONTWAIT) == (ssize_t)(size - 1));
    require(shutdown(fds[1], SHUT_WR) == 0);
    memset(&g, 0, sizeof(g));
    g.fd = fds[0];
    g.acks = (data[0] & 1) != 0;
    while (gdb_receive(&g)) {
        require(g.in_len <= GDB_PACKET_MAX && g.in[g.in_len] == '\0');
        require(gdb_parse_hex(g.in, bytes, sizeof(bytes)) <= g.in_len / 2);
        /* a packet that is too long was cut */
        require(!g.acks || g.in_len == GDB_PACKET_MAX || stands_in(&g, data + 1, size - 1));
        taken++;
    }
    require(g.fd == -1);
    count_acknowledgements(fds[1], &good);
    require(good == (g.acks ? taken : 0));
    close(fds[1]);
    return 0;
}
