/* SPDX-License-Identifier: MIT */
/*
 * The least that a server of Redis's protocol does on the kernel's sockets: whatever is asked for, the answer is the
 * same string of 64 bytes, and nothing is parsed but counted. What a load generator gets from it is what it gets from
 * no other server on such sockets, and what it costs is the kernel's.
 */
#include "common/args.h"
#include "common/stop.h"
#include "plain.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS       256
#define REQUESTS_MAX 512 /* answered with one send */
#define VALUE_BYTES  64
#define SLEEP_MS     100 /* between two looks at the stop flag */

static const char help_text[] = "Usage: plain_reply --bind ADDR:PORT [--spin]\n"
                                "Answers each request of Redis's protocol with one and the same string of 64 bytes.\n"
                                "  -b --bind ADDR:PORT     address to listen on\n"
                                "  -S --spin               ask for work without a pause, do not sleep\n"
                                "  -h --help               this text\n";

static const struct option long_options[] = {
    {"bind", required_argument, NULL, 'b'},
    {"spin", no_argument, NULL, 'S'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

struct options {
    struct addr addr;
    bool spin;
};

static bool take_option(void *out, int option)
{
    struct options *o = out;
    if (option == 'S') {
        o->spin = true;
        return true;
    }
    return option == 'b' && arg_addr("bind", optarg, &o->addr);
}

static const struct args_spec spec = {help_text, ":hb:S", long_options, take_option};

/* Answers what came on a connection; false: it ends. A client that does not read is not waited for. */
static bool answer(int fd, const char *answers, size_t answer_bytes)
{
    char in[PLAIN_BUFFER_BYTES];
    ssize_t n = recv(fd, in, sizeof(in), 0);
    if (n <= 0) {
        return n < 0 && errno == EAGAIN;
    }
    size_t requests = 0;
    for (ssize_t i = 0; i < n; i++) {
        requests += in[i] == '*'; /* an array begins so, and redis-benchmark's keys have none */
    }
    size_t bytes = (requests < REQUESTS_MAX ? requests : REQUESTS_MAX) * answer_bytes;
    return send(fd, answers, bytes, MSG_NOSIGNAL) == (ssize_t)bytes;
}

static void accept_all(int epoll_fd, int listen_fd)
{
    for (int fd = accept(listen_fd, NULL, NULL); fd >= 0; fd = accept(listen_fd, NULL, NULL)) {
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        if (!plain_prepare(fd, false) || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
            close(fd);
        }
    }
}

static void serve(int epoll_fd, int listen_fd, bool spin)
{
    static char answers[REQUESTS_MAX * (VALUE_BYTES + 8)];
    struct epoll_event event[EVENTS];
    char one[VALUE_BYTES + 8];
    size_t len = (size_t)snprintf(one, sizeof(one), "$%d\r\n%0*d\r\n", VALUE_BYTES, VALUE_BYTES, 0);
    for (size_t i = 0; i < REQUESTS_MAX; i++) {
        memcpy(answers + i * len, one, len);
    }
    while (!stop_requested()) {
        int n = epoll_wait(epoll_fd, event, EVENTS, spin ? 0 : SLEEP_MS);
        for (int i = 0; i < n; i++) {
            if (event[i].data.fd == listen_fd) {
                accept_all(epoll_fd, listen_fd);
            } else if (!answer(event[i].data.fd, answers, len)) {
                close(event[i].data.fd); /* leaves the epoll set too */
            }
        }
    }
}

int main(int argc, char **argv)
{
    struct options options = {.spin = false};
    struct addr bound;
    char text[ADDR_TEXT_MAX];
    program_name = "plain_reply";
    int rc = args_parse(argc, argv, 1, &spec, &options);
    if (rc == EXIT_OK && options.addr.len == 0) {
        rc = complain_usage("--bind ADDR:PORT is needed");
    }
    if (rc != EXIT_OK) {
        return rc == EXIT_USAGE ? EXIT_USAGE : EXIT_OK;
    }
    stop_install();
    int listen_fd = plain_bound_socket(&options.addr, false, &bound);
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listen_fd};
    if (listen_fd < 0 || epoll_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listen_fd, &event) != 0) {
        complain("cannot serve: %s", strerror(errno));
        return EXIT_FAIL;
    }
    printf("listening on %s\n", addr_format(&bound, text, sizeof(text)));
    fflush(stdout);
    serve(epoll_fd, listen_fd, options.spin);
    return EXIT_OK; /* the kernel closes what is open */
}
