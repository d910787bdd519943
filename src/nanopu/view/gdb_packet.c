/* SPDX-License-Identifier: MIT */
/* Framing: $ bytes # two digits of the sum of the bytes; + and - acknowledge until the debugger turns that off. */
#include "gdb_internal.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define GDB_INTERRUPT 3 /* the byte that asks for a stop */

static bool disconnect(struct gdb *g)
{
    close(g->fd);
    g->fd = -1;
    return false;
}

/* The next byte, waiting for it; -1 when the connection is gone. */
static int next_byte(struct gdb *g)
{
    if (g->raw_at == g->raw_len) {
        ssize_t n;

        do
            n = recv(g->fd, g->raw, sizeof g->raw, 0);
        while (n < 0 && errno == EINTR);
        if (n <= 0)
            return -1;
        g->raw_at = 0;
        g->raw_len = (size_t)n;
    }
    return g->raw[g->raw_at++];
}

static bool write_all(struct gdb *g, const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t sent = send(g->fd, bytes, n, MSG_NOSIGNAL);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return disconnect(g);
        bytes += sent;
        n -= (size_t)sent;
    }
    return true;
}

static int hex_digit(int c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

bool gdb_receive(struct gdb *g)
{
    for (;;) {
        unsigned sum = 0, said;
        int c, high, low;

        do
            c = next_byte(g);
        while (c != '$' && c >= 0);
        g->in_len = 0;
        for (c = c < 0 ? c : next_byte(g); c >= 0 && c != '#'; c = next_byte(g)) {
            sum += (unsigned)c;
            if (g->in_len < GDB_PACKET_MAX)
                g->in[g->in_len++] = (char)c;
        }
        high = c < 0 ? c : next_byte(g);
        low = high < 0 ? high : next_byte(g);
        if (low < 0)
            return disconnect(g);
        g->in[g->in_len] = '\0';
        said = (unsigned)hex_digit(high) << 4 | (unsigned)hex_digit(low);
        if (!g->acks)
            return true;
        if (said == (sum & 0xff))
            return write_all(g, "+", 1);
        if (!write_all(g, "-", 1))
            return false;
    }
}

bool gdb_send(struct gdb *g)
{
    static const char digits[] = "0123456789abcdef";
    unsigned sum = 0;
    char end[3] = "#";

    for (size_t i = 0; i < g->out_len; i++)
        sum += (uint8_t)g->out[i];
    end[1] = digits[sum >> 4 & 15];
    end[2] = digits[sum & 15];
    return g->fd >= 0 && write_all(g, "$", 1) && write_all(g, g->out, g->out_len) && write_all(g, end, 3);
}

void gdb_say(struct gdb *g, const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(g->out + g->out_len, sizeof g->out - g->out_len, fmt, ap);
    va_end(ap);
    g->out_len += (size_t)n;
    if (g->out_len > GDB_PACKET_MAX)
        g->out_len = GDB_PACKET_MAX;
}

void gdb_say_hex(struct gdb *g, const void *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        gdb_say(g, "%02x", ((const uint8_t *)bytes)[i]);
}

size_t gdb_parse_hex(const char *text, void *bytes, size_t max)
{
    size_t n = 0;

    while (n < max && hex_digit(text[0]) >= 0 && hex_digit(text[1]) >= 0) {
        ((uint8_t *)bytes)[n++] = (uint8_t)(hex_digit(text[0]) << 4 | hex_digit(text[1]));
        text += 2;
    }
    return n;
}

bool gdb_interrupted(struct gdb *g)
{
    struct pollfd p = {.fd = g->fd, .events = POLLIN};
    ssize_t n;

    while (g->raw_at < g->raw_len)
        if (g->raw[g->raw_at++] == GDB_INTERRUPT)
            return true;
    if (g->fd < 0 || poll(&p, 1, 0) <= 0)
        return false;
    n = recv(g->fd, g->raw, sizeof g->raw, 0);
    if (n <= 0) {
        disconnect(g);
        return false;
    }
    g->raw_at = 0;
    g->raw_len = (size_t)n;
    return g->raw[g->raw_at++] == GDB_INTERRUPT;
}
