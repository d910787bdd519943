/* SPDX-License-Identifier: MIT */
/*
 * Echo server on non-blocking sockets, twice. `spin` asks every connection in turn whether there is something to read:
 * the least latency that sockets give for one or a few connections. `epoll` is the usual level-triggered loop; it
 * sleeps in epoll_wait, or with --spin calls it without a timeout. A connection that does not read what is sent to it
 * is not read from until it does.
 */
#include "common/args.h"
#include "common/stop.h"
#include "plain.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define SPIN_CONNECTIONS_MAX 1024
/* spin: turns over the connections between two looks for new ones. */
#define SPIN_TURNS   4096
#define EPOLL_EVENTS 256
#define SLEEP_MS     100 /* between two looks at the stop flag */
/* Datagrams taken before epoll is asked again. */
#define DATAGRAMS_MAX 64

struct peer {
    int fd;
    struct peer *next; /* all peers, so that they can be ended */
    struct peer *previous;
    char *unsent; /* what a send left over; NULL: nothing */
    size_t unsent_at;
    size_t unsent_len;
};

struct server {
    const struct plain_options *options;
    int fd;
    int epoll_fd;
    struct peer *peers;
    uint64_t accepted;
    uint64_t messages;
    uint64_t bytes;
    uint64_t failed;
    char buffer[PLAIN_BUFFER_BYTES];
};

static bool would_block(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

/* The next connection, ready for use, or -1. */
static int accept_one(struct server *s)
{
    int fd = accept(s->fd, NULL, NULL);
    if (fd < 0) {
        s->failed += !would_block();
        return -1;
    }
    if (!plain_prepare(fd, false)) {
        s->failed++;
        close(fd);
        return -1;
    }
    s->accepted++;
    return fd;
}

/* Sends all, spinning while the peer's window is closed: with spin there is nothing better to do. */
static bool send_all(const struct server *s, int fd, size_t len)
{
    size_t sent = 0;
    while (sent < len && !stop_requested()) {
        ssize_t n = send(fd, s->buffer + sent, len - sent, MSG_NOSIGNAL);
        if (n < 0 && !would_block()) {
            return false;
        }
        sent += n > 0 ? (size_t)n : 0;
    }
    return sent == len;
}

/* One turn of one connection. Returns whether it lives on. */
static bool spin_turn(struct server *s, int fd)
{
    ssize_t n = recv(fd, s->buffer, sizeof(s->buffer), 0);
    if (n < 0) {
        bool quiet = would_block();
        s->failed += !quiet;
        return quiet;
    }
    if (n == 0) {
        return false;
    }
    if (!send_all(s, fd, (size_t)n)) {
        s->failed++;
        return false;
    }
    s->messages++;
    s->bytes += (size_t)n;
    return true;
}

static void serve_spin(struct server *s)
{
    int fds[SPIN_CONNECTIONS_MAX];
    unsigned count = 0;
    unsigned turns = 0;
    while (!stop_requested()) {
        if ((count == 0 || ++turns % SPIN_TURNS == 0) && count < SPIN_CONNECTIONS_MAX) {
            int fd = accept_one(s);
            if (fd >= 0) {
                fds[count++] = fd;
            }
        }
        for (unsigned i = 0; i < count; i++) {
            if (!spin_turn(s, fds[i])) {
                close(fds[i]);
                fds[i--] = fds[--count];
            }
        }
    }
    while (count > 0) {
        close(fds[--count]);
    }
}

static bool watch(struct server *s, int op, struct peer *p, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = p};
    return epoll_ctl(s->epoll_fd, op, p->fd, &event) == 0;
}

static void end_peer(struct server *s, struct peer *p)
{
    if (p->previous != NULL) {
        p->previous->next = p->next;
    } else {
        s->peers = p->next;
    }
    if (p->next != NULL) {
        p->next->previous = p->previous;
    }
    close(p->fd); /* leaves the epoll set too */
    free(p->unsent);
    free(p);
}

static void accept_all(struct server *s)
{
    for (int fd = accept_one(s); fd >= 0; fd = accept_one(s)) {
        struct peer *p = calloc(1, sizeof(*p));
        if (p == NULL) {
            s->failed++;
            close(fd);
            return;
        }
        p->fd = fd;
        p->next = s->peers;
        if (s->peers != NULL) {
            s->peers->previous = p;
        }
        s->peers = p;
        if (!watch(s, EPOLL_CTL_ADD, p, EPOLLIN)) {
            s->failed++;
            end_peer(s, p);
        }
    }
}

/* Sends len bytes; what is left over is kept, and room to send it is waited for. Returns whether the peer lives on. */
static bool answer(struct server *s, struct peer *p, size_t len)
{
    ssize_t n = send(p->fd, s->buffer, len, MSG_NOSIGNAL);
    if (n < 0 && !would_block()) {
        return false;
    }
    size_t sent = n > 0 ? (size_t)n : 0;
    if (sent == len) {
        return true;
    }
    p->unsent = malloc(len - sent);
    if (p->unsent == NULL) {
        return false;
    }
    memcpy(p->unsent, s->buffer + sent, len - sent);
    p->unsent_at = 0;
    p->unsent_len = len - sent;
    return watch(s, EPOLL_CTL_MOD, p, EPOLLOUT);
}

static bool on_readable(struct server *s, struct peer *p)
{
    ssize_t n = recv(p->fd, s->buffer, sizeof(s->buffer), 0);
    if (n <= 0) {
        bool quiet = n < 0 && would_block();
        s->failed += n < 0 && !quiet;
        return quiet;
    }
    if (!answer(s, p, (size_t)n)) {
        s->failed++;
        return false;
    }
    s->messages++;
    s->bytes += (size_t)n;
    return true;
}

static bool on_writable(struct server *s, struct peer *p)
{
    ssize_t n = send(p->fd, p->unsent + p->unsent_at, p->unsent_len - p->unsent_at, MSG_NOSIGNAL);
    if (n < 0) {
        bool quiet = would_block();
        s->failed += !quiet;
        return quiet;
    }
    p->unsent_at += (size_t)n;
    if (p->unsent_at < p->unsent_len) {
        return true;
    }
    free(p->unsent);
    p->unsent = NULL;
    return watch(s, EPOLL_CTL_MOD, p, EPOLLIN);
}

/* Answers one datagram. Returns whether there may be another. */
static bool answer_datagram(struct server *s)
{
    struct sockaddr_storage from;
    socklen_t from_len = sizeof(from);
    ssize_t n = recvfrom(s->fd, s->buffer, sizeof(s->buffer), 0, (struct sockaddr *)&from, &from_len);
    if (n < 0) {
        s->failed += !would_block();
        return false;
    }
    s->messages++;
    s->bytes += (size_t)n;
    if (sendto(s->fd, s->buffer, (size_t)n, 0, (struct sockaddr *)&from, from_len) != n) {
        s->failed++;
    }
    return true;
}

/* One event. NULL stands for the listening or datagram socket. */
static void on_event(struct server *s, struct peer *p)
{
    if (p == NULL && s->options->udp) {
        for (int i = 0; i < DATAGRAMS_MAX && answer_datagram(s); i++) {
        }
    } else if (p == NULL) {
        accept_all(s);
    } else if (!(p->unsent != NULL ? on_writable(s, p) : on_readable(s, p))) {
        end_peer(s, p);
    }
}

static int serve_epoll(struct server *s)
{
    struct epoll_event events[EPOLL_EVENTS];
    struct epoll_event own = {.events = EPOLLIN, .data.ptr = NULL};
    s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (s->epoll_fd < 0 || epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, s->fd, &own) != 0) {
        complain("cannot use epoll: %s", strerror(errno));
        return EXIT_FAIL;
    }
    int timeout_ms = s->options->spin ? 0 : SLEEP_MS;
    while (!stop_requested()) {
        int n = epoll_wait(s->epoll_fd, events, EPOLL_EVENTS, timeout_ms);
        for (int i = 0; i < n; i++) {
            on_event(s, events[i].data.ptr);
        }
    }
    while (s->peers != NULL) {
        end_peer(s, s->peers);
    }
    return EXIT_OK;
}

static void serve_spin_udp(struct server *s)
{
    while (!stop_requested()) {
        (void)answer_datagram(s);
    }
}

int plain_server(const struct plain_options *o)
{
    static struct server s; /* its buffer is large */
    struct addr bound;
    char text[ADDR_TEXT_MAX];
    s = (struct server){.options = o, .epoll_fd = -1};
    s.fd = plain_bound_socket(&o->addr, o->udp, &bound);
    if (s.fd < 0) {
        return EXIT_FAIL;
    }
    printf("listening on %s\n", addr_format(&bound, text, sizeof(text)));
    fflush(stdout);
    int code = EXIT_OK;
    if (o->mode == MODE_EPOLL) {
        code = serve_epoll(&s);
    } else if (o->udp) {
        serve_spin_udp(&s);
    } else {
        serve_spin(&s);
    }
    if (s.epoll_fd >= 0) {
        close(s.epoll_fd);
    }
    close(s.fd);
    if (!o->quiet) {
        printf("%s server: %" PRIu64 " connections, %" PRIu64 " messages, %" PRIu64 " bytes, %" PRIu64 " failed\n",
               o->udp ? "udp" : "tcp", s.accepted, s.messages, s.bytes, s.failed);
    }
    return code;
}
