/* SPDX-License-Identifier: MIT */
/*
 * plain_echo: the echo program as one writes it on non-blocking BSD sockets, without our library: what every figure of
 * the echo over PDPIX is compared with. See plain_echo --help.
 */
#include "common/args.h"
#include "common/clock.h"
#include "common/stop.h"
#include "plain.h"

#include <stdio.h>
#include <string.h>

#define SIZE_MAX_TCP    (16u << 20)
#define SIZE_MAX_UDP    65507u
#define SIZE_MIN_UDP    8u /* a datagram's number */
#define CONNECTIONS_MAX 100000u

static const char help_text[] =
    "Usage: plain_echo server [--tcp|--udp] [--bind ADDR:PORT] [--mode spin|epoll] [--spin] [OPTIONS]\n"
    "       plain_echo client [--tcp|--udp] --connect ADDR:PORT [OPTIONS]\n"
    "\n"
    "Echo server and load generator on plain non-blocking sockets, the baseline for caracal-echo(1).\n"
    "\n"
    "Both:    -t --tcp (default), -u --udp, -j --json, -q --quiet, --progress, -h --help\n"
    "Server:  -b --bind ADDR:PORT     default 127.0.0.1:7000; 'listening on ADDR:PORT' is printed when it is ready\n"
    "         -m --mode spin|epoll    ask each connection in turn, or level-triggered epoll (default)\n"
    "         -S --spin               epoll: never sleep\n"
    "Client:  -c --connect ADDR:PORT\n"
    "         -s --size N             bytes of a request (default 64)\n"
    "         -n --connections N      one request in flight on each (default 1)\n"
    "         -d --duration S         seconds to measure (default 5), or\n"
    "         -r --requests N         requests to measure\n"
    "         -w --warmup S           seconds before the measurement (default 0)\n"
    "         -R --rate R             open loop at R requests a second; latency from the intended time of sending\n"
    "         -T --timeout MS         as caracal-echo has it (default 1000 for datagrams, 10000 for streams)\n"
    "\n"
    "Exit status: 0 success, 1 failure, 2 wrong usage.\n";

#define OPT_PROGRESS 256

static const struct option long_options[] = {
    {"tcp", no_argument, NULL, 't'},
    {"udp", no_argument, NULL, 'u'},
    {"json", no_argument, NULL, 'j'},
    {"quiet", no_argument, NULL, 'q'},
    {"progress", no_argument, NULL, OPT_PROGRESS},
    {"help", no_argument, NULL, 'h'},
    {"bind", required_argument, NULL, 'b'},
    {"mode", required_argument, NULL, 'm'},
    {"spin", no_argument, NULL, 'S'},
    {"connect", required_argument, NULL, 'c'},
    {"size", required_argument, NULL, 's'},
    {"connections", required_argument, NULL, 'n'},
    {"duration", required_argument, NULL, 'd'},
    {"requests", required_argument, NULL, 'r'},
    {"warmup", required_argument, NULL, 'w'},
    {"rate", required_argument, NULL, 'R'},
    {"timeout", required_argument, NULL, 'T'},
    {NULL, 0, NULL, 0},
};

static bool take_mode(struct plain_options *o, const char *text)
{
    o->mode = strcmp(text, "spin") == 0 ? MODE_SPIN : MODE_EPOLL;
    if (o->mode == MODE_SPIN || strcmp(text, "epoll") == 0) {
        return true;
    }
    complain_usage("--mode: '%s' is neither spin nor epoll", text);
    return false;
}

/* Options without a value. Returns false for any other. */
static bool take_flag(struct plain_options *o, int option)
{
    bool *flag = option == 'u'            ? &o->udp
                 : option == 'j'          ? &o->json
                 : option == 'q'          ? &o->quiet
                 : option == 'S'          ? &o->spin
                 : option == OPT_PROGRESS ? &o->progress
                                          : NULL;
    if (flag != NULL) {
        *flag = true;
    } else if (option == 't') {
        o->udp = false;
    }
    return flag != NULL || option == 't';
}

static bool take_value(struct plain_options *o, int option)
{
    switch (option) {
    case 'b':
    case 'c':
        o->have_addr = true;
        return arg_addr(option == 'b' ? "bind" : "connect", optarg, &o->addr);
    case 'm':
        return take_mode(o, optarg);
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
    case 'R':
        return arg_f64("rate", optarg, 0.01, 1e9, &o->rate_hz);
    case 'T':
        return arg_milliseconds("timeout", optarg, 1, 1e7, &o->timeout_ns);
    default:
        return false;
    }
}

static int finish(struct plain_options *o)
{
    if (o->server) {
        if (!o->have_addr) {
            (void)addr_parse("127.0.0.1:7000", &o->addr);
        }
        return EXIT_OK;
    }
    if (!o->have_addr) {
        return complain_usage("the client needs --connect ADDR:PORT");
    }
    if (o->udp && (o->size_bytes < SIZE_MIN_UDP || o->size_bytes > SIZE_MAX_UDP)) {
        return complain_usage("--size: a datagram here carries %u to %u bytes", SIZE_MIN_UDP, SIZE_MAX_UDP);
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

static const struct args_spec spec = {help_text, ":tujqhb:m:Sc:s:n:d:r:w:R:T:", long_options, take_option};

int main(int argc, char **argv)
{
    struct plain_options options = {.size_bytes = 64, .connections = 1};
    program_name = "plain_echo";
    int rc = args_parse_role(argc, argv, &spec, &options, &options.server);
    if (rc == EXIT_OK) {
        rc = finish(&options);
    }
    if (rc != EXIT_OK) {
        return program_end(rc);
    }
    stop_install();
    raise_descriptor_limit();
    return program_end(options.server ? plain_server(&options) : plain_client(&options));
}
