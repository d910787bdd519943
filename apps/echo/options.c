/* SPDX-License-Identifier: MIT */
/* Command line of the echo program. */
#include "common/args.h"
#include "common/clock.h"
#include "common/demi_util.h"
#include "echo/echo.h"

#include <stdio.h>

#define SIZE_MAX_TCP    (16u << 20)
#define SIZE_MAX_UDP    65507u
#define CONNECTIONS_MAX 1000000u
#define DEPTH_MAX       65536u
#define THREADS_MAX     16u

static const char help_text[] =
    "Usage: caracal-echo server [--tcp|--udp] [--bind ADDR:PORT] [OPTIONS]\n"
    "       caracal-echo client [--tcp|--udp] --connect ADDR:PORT [OPTIONS]\n"
    "\n"
    "The server sends back what it gets. The client sends requests, waits for the answers and reports their latency\n"
    "and rate. ADDR is IPv4, or IPv6 in brackets: 127.0.0.1:7000, [::1]:7000. Port 0 lets the server take any free\n"
    "one; it prints 'listening on ADDR:PORT' when it is ready.\n"
    "\n"
    "Both:\n"
    "  -t, --tcp                stream (default)\n"
    "  -u, --udp                datagrams\n"
    "  -j, --json               results as one JSON object on stdout\n"
    "  -q, --quiet              no results for people, no progress line\n"
    "      --progress           a progress line a second on stderr even where that is no terminal\n"
    "  -N, --threads N          so many threads, each with an instance of its own: with catpowder and catnip a queue "
    "of\n"
    "                           the device each, with catnap a socket each (default 1)\n"
    "  -h, --help               this text\n"
    "Server:\n"
    "  -b, --bind ADDR:PORT     default 127.0.0.1:7000\n"
    "      --max-connections N  accept no more at a time (default 65536)\n"
    "Client:\n"
    "  -c, --connect ADDR:PORT  the server\n"
    "  -s, --size N             bytes of a request (default 64)\n"
    "  -n, --connections N      default 1\n"
    "  -d, --duration S         seconds to measure (default 5)\n"
    "  -r, --requests N         measure so many requests instead\n"
    "  -w, --warmup S           seconds before the measurement (default 0)\n"
    "  -D, --depth N            requests in flight on a connection (default 1; with --rate the most there may be)\n"
    "  -R, --rate R             open loop: R requests a second in all, sent by the clock whether answers come or not;\n"
    "                           latency counts from the time at which a request was to be sent\n"
    "  -k, --check              verify every byte of every answer\n"
    "  -T, --timeout MS         a datagram's answer is lost after that (default 1000); a connection on which none "
    "comes\n"
    "                           is broken after that (default 10000)\n"
    "\n"
    "Exit status: 0 success, 1 failure (also a broken connection, a wrong byte), 2 wrong usage.\n"
    "\n" DEMI_ENVIRONMENT_HELP;

enum long_only {
    OPT_PROGRESS = 256,
    OPT_MAX_CONNECTIONS,
};

static const struct option long_options[] = {
    {"tcp", no_argument, NULL, 't'},
    {"udp", no_argument, NULL, 'u'},
    {"json", no_argument, NULL, 'j'},
    {"quiet", no_argument, NULL, 'q'},
    {"progress", no_argument, NULL, OPT_PROGRESS},
    {"help", no_argument, NULL, 'h'},
    {"bind", required_argument, NULL, 'b'},
    {"max-connections", required_argument, NULL, OPT_MAX_CONNECTIONS},
    {"connect", required_argument, NULL, 'c'},
    {"size", required_argument, NULL, 's'},
    {"connections", required_argument, NULL, 'n'},
    {"duration", required_argument, NULL, 'd'},
    {"requests", required_argument, NULL, 'r'},
    {"warmup", required_argument, NULL, 'w'},
    {"depth", required_argument, NULL, 'D'},
    {"rate", required_argument, NULL, 'R'},
    {"check", no_argument, NULL, 'k'},
    {"timeout", required_argument, NULL, 'T'},
    {"threads", required_argument, NULL, 'N'},
    {NULL, 0, NULL, 0},
};

/* Options without a value. Returns false for any other. */
static bool take_flag(struct echo_options *o, int option)
{
    switch (option) {
    case 't':
        o->udp = false;
        return true;
    case 'u':
        o->udp = true;
        return true;
    case 'j':
        o->json = true;
        return true;
    case 'q':
        o->quiet = true;
        return true;
    case 'k':
        o->check = true;
        return true;
    case OPT_PROGRESS:
        o->progress = true;
        return true;
    default:
        return false;
    }
}

/* Options with a value. Returns false after a complaint. */
static bool take_value(struct echo_options *o, int option)
{
    switch (option) {
    case 'b':
    case 'c':
        if (o->server != (option == 'b')) {
            complain_usage("--bind is for the server, --connect for the client");
            return false;
        }
        o->have_addr = true;
        return arg_addr(option == 'b' ? "bind" : "connect", optarg, &o->addr);
    case OPT_MAX_CONNECTIONS:
        return arg_u32("max-connections", optarg, 1, CONNECTIONS_MAX, &o->max_connections);
    case 's':
        return arg_u32("size", optarg, 1, SIZE_MAX_TCP, &o->size_bytes);
    case 'n':
        return arg_u32("connections", optarg, 1, CONNECTIONS_MAX, &o->connections);
    case 'd':
        return arg_seconds("duration", optarg, 0.001, 1e6, &o->duration_ns);
    case 'r':
        return arg_u64("requests", optarg, 1, UINT64_C(1000000000000), &o->requests);
    case 'w':
        return arg_seconds("warmup", optarg, 0, 1e6, &o->warmup_ns);
    case 'D':
        return arg_u32("depth", optarg, 1, DEPTH_MAX, &o->depth);
    case 'R':
        return arg_f64("rate", optarg, 0.01, 1e9, &o->rate_hz);
    case 'N':
        return arg_u32("threads", optarg, 1, THREADS_MAX, &o->threads);
    case 'T':
        return arg_milliseconds("timeout", optarg, 1, 1e7, &o->timeout_ns);
    default:
        return false;
    }
}

static bool any_port(const struct addr *a)
{
    const struct sockaddr *sa = addr_const_sockaddr(a);
    return sa->sa_family == AF_INET ? ((const struct sockaddr_in *)(const void *)sa)->sin_port == 0
                                    : ((const struct sockaddr_in6 *)(const void *)sa)->sin6_port == 0;
}

/* What options say together, and defaults. */
static int finish(struct echo_options *o)
{
    if (o->server) {
        if (!o->have_addr) {
            (void)addr_parse("127.0.0.1:7000", &o->addr);
        }
        if (o->threads > 1 && any_port(&o->addr)) {
            return complain_usage("--threads: they need one port, not a free one each: --bind ADDR:PORT");
        }
        return EXIT_OK;
    }
    if (o->threads > o->connections || (o->requests != 0 && o->threads > o->requests)) {
        return complain_usage("--threads: each needs a connection and a request");
    }
    if (!o->have_addr) {
        return complain_usage("the client needs --connect ADDR:PORT");
    }
    if (o->udp && o->size_bytes > SIZE_MAX_UDP) {
        return complain_usage("--size: a datagram carries at most %u bytes", SIZE_MAX_UDP);
    }
    if (o->duration_ns != 0 && o->requests != 0) {
        return complain_usage("give --duration or --requests, not both");
    }
    if (o->duration_ns == 0 && o->requests == 0) {
        o->duration_ns = 5 * NS_PER_S;
    }
    if (o->timeout_ns == 0) {
        o->timeout_ns = o->udp ? NS_PER_S : 10 * NS_PER_S;
    }
    return EXIT_OK;
}

static bool take_option(void *out, int option)
{
    return take_flag(out, option) || take_value(out, option);
}

static const struct args_spec spec = {help_text, ":tujqhb:c:s:n:d:r:w:D:R:kT:N:", long_options, take_option};

int echo_options_parse(int argc, char **argv, struct echo_options *o)
{
    *o = (struct echo_options){.size_bytes = 64, .connections = 1, .max_connections = 65536, .threads = 1};
    int rc = args_parse_role(argc, argv, &spec, o, &o->server);
    return rc == EXIT_OK ? finish(o) : rc;
}
