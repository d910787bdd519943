/* SPDX-License-Identifier: MIT */
/* kvload: a load generator for key-value servers that speak Redis's protocol. See caracal-kvload --help. */
#include "common/args.h"
#include "common/clock.h"
#include "common/demi_util.h"
#include "kv/rpc_header.h"
#include "kvload/kvload.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define CONNECTIONS_MAX 100000u
#define DEPTH_MAX       4096u
#define RECORDS_MAX     UINT64_C(1000000000)
#define VALUE_MAX       (16u << 20)

static const char help_text[] =
    "Usage: caracal-kvload --connect ADDR:PORT [OPTIONS]\n"
    "\n"
    "Fills a key-value server with records and measures one of YCSB's workloads on it:\n"
    "  A 50 % reads, 50 % updates    B 95 % reads, 5 % updates    C reads\n"
    "  D 95 % reads of what is new, 5 % inserts    E 95 % scans, 5 % inserts    F 50 % reads, 50 % read and update\n"
    "  L only fills\n"
    "\n"
    "  -c, --connect ADDR:PORT  the server\n"
    "  -y, --workload LETTER    default A\n"
    "  -N, --records N          default 100000\n"
    "  -K, --key-size N         16 to 256 bytes (default 16)\n"
    "  -s, --size N             bytes of a value (default 64)\n"
    "  -n, --connections N      default 1\n"
    "  -D, --depth N            operations in flight on a connection (default 1; with --rate the most there may be)\n"
    "  -R, --rate R             open loop: R operations a second in all, whether answers come or not; latency counts\n"
    "                           from the time at which an operation was to begin\n"
    "  -d, --duration S         seconds to measure (default 5)\n"
    "  -r, --requests N         measure so many operations instead, without --rate\n"
    "  -w, --warmup S           seconds before the measurement (default 0)\n"
    "  -t, --theta X            skew of the Zipf distribution, 0.01 to 0.99 (default 0.99)\n"
    "  -u, --uniform            every key is as likely\n"
    "  -S, --skip-load          the records are there already\n"
    "  -m, --messages           the server's message protocol, at its --rpc address (not workload E)\n"
    "  -k, --check              verify every byte of every value that is read\n"
    "  -j, --json               results as one JSON object on stdout\n"
    "  -q, --quiet              no results for people\n"
    "  -h, --help               this text\n"
    "\n"
    "Exit status: 0 success, 1 failure (also an error or a wrong value among the answers), 2 wrong usage.\n"
    "\n" DEMI_ENVIRONMENT_HELP;

static const struct option long_options[] = {
    {"connect", required_argument, NULL, 'c'},  {"workload", required_argument, NULL, 'y'},
    {"records", required_argument, NULL, 'N'},  {"key-size", required_argument, NULL, 'K'},
    {"size", required_argument, NULL, 's'},     {"connections", required_argument, NULL, 'n'},
    {"depth", required_argument, NULL, 'D'},    {"rate", required_argument, NULL, 'R'},
    {"duration", required_argument, NULL, 'd'}, {"requests", required_argument, NULL, 'r'},
    {"warmup", required_argument, NULL, 'w'},   {"theta", required_argument, NULL, 't'},
    {"uniform", no_argument, NULL, 'u'},        {"skip-load", no_argument, NULL, 'S'},
    {"messages", no_argument, NULL, 'm'},       {"check", no_argument, NULL, 'k'},
    {"json", no_argument, NULL, 'j'},           {"quiet", no_argument, NULL, 'q'},
    {"help", no_argument, NULL, 'h'},           {NULL, 0, NULL, 0},
};

static bool take_workload(struct load_options *o)
{
    o->letter = (char)toupper((unsigned char)optarg[0]);
    if (optarg[0] == '\0' || optarg[1] != '\0' || strchr("ABCDEFL", o->letter) == NULL) {
        complain_usage("--workload: '%s' is not one of A to F, or L", optarg);
        return false;
    }
    return true;
}

static bool take_flag(struct load_options *o, int option)
{
    o->uniform |= option == 'u';
    o->skip_load |= option == 'S';
    o->messages |= option == 'm';
    o->check |= option == 'k';
    o->json |= option == 'j';
    o->quiet |= option == 'q';
    return true;
}

static bool take_option(void *out, int option)
{
    struct load_options *o = out;

    switch (option) {
    case 'c':
        return arg_addr("connect", optarg, &o->connect);
    case 'y':
        return take_workload(o);
    case 'N':
        return arg_u64("records", optarg, 1, RECORDS_MAX, &o->records);
    case 'K':
        return arg_u32("key-size", optarg, KEY_BYTES_MIN, KEY_BYTES_MAX, &o->key_bytes);
    case 's':
        return arg_u32("size", optarg, 1, VALUE_MAX, &o->value_bytes);
    case 'n':
        return arg_u32("connections", optarg, 1, CONNECTIONS_MAX, &o->connections);
    case 'D':
        return arg_u32("depth", optarg, 1, DEPTH_MAX, &o->depth);
    case 'R':
        return arg_f64("rate", optarg, 0.001, 1e9, &o->rate_hz);
    case 'd':
        return arg_seconds("duration", optarg, 0.001, 1e6, &o->duration_ns);
    case 'r':
        return arg_u64("requests", optarg, 1, UINT64_C(1) << 60, &o->requests);
    case 'w':
        return arg_seconds("warmup", optarg, 0, 1e6, &o->warmup_ns);
    case 't':
        return arg_f64("theta", optarg, 0.01, 0.99, &o->theta);
    default:
        return take_flag(o, option);
    }
}

static const struct args_spec spec = {help_text, ":c:y:N:K:s:n:D:R:d:r:w:t:uSmkjqh", long_options, take_option};

int main(int argc, char **argv)
{
    struct load_options options = {.letter = 'A',
                                   .records = 100000,
                                   .key_bytes = 16,
                                   .value_bytes = 64,
                                   .connections = 1,
                                   .depth = 1,
                                   .duration_ns = 5 * NS_PER_S,
                                   .theta = 0.99};
    program_name = "caracal-kvload";
    int rc = args_parse(argc, argv, 1, &spec, &options);
    if (rc != EXIT_OK) {
        return program_end(rc);
    }
    if (options.connect.len == 0) {
        return complain_usage("--connect is missing: where is the server?");
    }
    if (options.messages &&
        (options.letter == 'E' || options.value_bytes > RPC_MESSAGE_MAX - RPC_HEADER - KEY_BYTES_MAX)) {
        return complain_usage("--messages: no scans (workload E), and values of at most %u bytes",
                              RPC_MESSAGE_MAX - RPC_HEADER - KEY_BYTES_MAX);
    }
    if (!demi_begin(argc, argv)) {
        return EXIT_FAIL;
    }
    rc = load_run(&options);
    (void)demi_fini();
    return program_end(rc);
}
