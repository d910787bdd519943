/* SPDX-License-Identifier: MIT */
/* kv: a key-value server on PDPIX that speaks Redis's protocol. See caracal-kv --help. */
#include "common/args.h"
#include "common/demi_util.h"
#include "kv/server.h"

#include <stdio.h>

#define CLIENTS_MAX 1000000u
#define MIB         (UINT64_C(1) << 20)
#define MEMORY_MAX  (1024 * MIB) /* unless asked otherwise */

static const char help_text[] =
    "Usage: caracal-kv [--bind ADDR:PORT] [OPTIONS]\n"
    "\n"
    "Keeps keys and values in memory and serves them to clients of Redis (RESP2 and RESP3). ADDR is IPv4, or IPv6 in\n"
    "brackets. Port 0 takes any free one; 'listening on ADDR:PORT' is printed when it is ready.\n"
    "\n"
    "  -b, --bind ADDR:PORT   default 127.0.0.1:6379; none: no streams, only the message protocol\n"
    "  -r, --rpc ADDR:PORT    serve the message protocol over datagrams too\n"
    "  -m, --maxmemory MIB    most memory for keys and values, at least 8, at most four fifths of the library's\n"
    "                         memory_limit (default 1024, or what that allows)\n"
    "  -p, --policy WORD      at that bound: allkeys-lru drops old keys (default), noeviction refuses writes\n"
    "  -c, --maxclients N     most connections at a time (default 10000)\n"
    "      --maxinput MIB     most memory for incomplete commands and transactions (default 256)\n"
    "  -q, --quiet            no summary\n"
    "  -h, --help             this text\n"
    "\n"
    "Nothing is kept when it ends, which it does on SIGINT or SIGTERM with a summary. There are no passwords: whoever\n"
    "reaches it may read and write all. Exit status: 0 success, 1 failure, 2 wrong usage.\n"
    "\n" DEMI_ENVIRONMENT_HELP;

static const struct option long_options[] = {
    {"bind", required_argument, NULL, 'b'},
    {"rpc", required_argument, NULL, 'r'},
    {"maxmemory", required_argument, NULL, 'm'},
    {"policy", required_argument, NULL, 'p'},
    {"maxclients", required_argument, NULL, 'c'},
    {"maxinput", required_argument, NULL, 'I'},
    {"quiet", no_argument, NULL, 'q'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static bool take_mib(const char *option, uint64_t least, uint64_t *out)
{
    uint64_t mib;
    if (!arg_u64(option, optarg, least, UINT64_C(1) << 20, &mib)) {
        return false;
    }
    *out = mib * MIB;
    return true;
}

static bool take_policy(struct server_options *o)
{
    o->evict = strcmp(optarg, "allkeys-lru") == 0;
    if (!o->evict && strcmp(optarg, "noeviction") != 0) {
        complain_usage("--policy: '%s' is neither allkeys-lru nor noeviction", optarg);
        return false;
    }
    return true;
}

static bool take_bind(struct server_options *o)
{
    if (strcmp(optarg, "none") == 0) {
        o->bind.len = 0;
        return true;
    }
    return arg_addr("bind", optarg, &o->bind);
}

static bool take_option(void *out, int option)
{
    struct server_options *o = out;

    switch (option) {
    case 'b':
        return take_bind(o);
    case 'r':
        return arg_addr("rpc", optarg, &o->rpc);
    case 'm':
        o->memory_asked = true;
        return take_mib("maxmemory", STORE_BYTES_MIN / MIB, &o->memory_max);
    case 'p':
        return take_policy(o);
    case 'c':
        return arg_u32("maxclients", optarg, 1, CLIENTS_MAX, &o->clients_max);
    case 'I':
        return take_mib("maxinput", 1, &o->input_max);
    default:
        o->quiet = true;
        return true;
    }
}

static const struct args_spec spec = {help_text, ":b:r:m:p:c:qh", long_options, take_option};

int main(int argc, char **argv)
{
    struct server_options options = {
        .clients_max = 10000, .memory_max = MEMORY_MAX, .input_max = 256 * MIB, .evict = true};
    program_name = "caracal-kv";
    (void)addr_parse("127.0.0.1:6379", &options.bind);
    int rc = args_parse(argc, argv, 1, &spec, &options);
    if (rc != EXIT_OK) {
        return program_end(rc);
    }
    if (options.bind.len == 0 && options.rpc.len == 0) {
        return complain_usage("--bind none: --rpc ADDR:PORT is needed then");
    }
    if (!demi_begin(argc, argv)) {
        return EXIT_FAIL;
    }
    rc = server_run(&options);
    (void)demi_fini();
    return program_end(rc);
}
