/* SPDX-License-Identifier: MIT */
/* httpd: a tiny HTTP/1.1 server on PDPIX, for curl and for reading. See caracal-httpd --help. */
#include "common/args.h"
#include "common/clock.h"
#include "common/demi_util.h"
#include "httpd/httpd.h"

#include <stdio.h>

#define CONNECTIONS_MAX 65536u

static const char help_text[] =
    "Usage: caracal-httpd [--bind ADDR:PORT] [OPTIONS]\n"
    "\n"
    "Serves GET and HEAD of / and of /bytes/N, which is N bytes of numbered lines, over HTTP/1.1 with keep-alive.\n"
    "ADDR is IPv4, or IPv6 in brackets. Port 0 takes any free one; 'listening on ADDR:PORT' is printed when it is\n"
    "ready.\n"
    "\n"
    "  -b, --bind ADDR:PORT     default 127.0.0.1:8080\n"
    "      --max-connections N  accept no more at a time (default 1024)\n"
    "  -i, --idle S             seconds after which a silent connection ends (default 30)\n"
    "  -q, --quiet              no summary\n"
    "  -h, --help               this text\n"
    "\n"
    "Ends on SIGINT or SIGTERM with a summary. Exit status: 0 success, 1 failure, 2 wrong usage.\n"
    "\n" DEMI_ENVIRONMENT_HELP;

static const struct option long_options[] = {
    {"bind", required_argument, NULL, 'b'}, {"max-connections", required_argument, NULL, 'm'},
    {"idle", required_argument, NULL, 'i'}, {"quiet", no_argument, NULL, 'q'},
    {"help", no_argument, NULL, 'h'},       {NULL, 0, NULL, 0},
};

static bool take_option(void *out, int option)
{
    struct httpd_options *o = out;

    switch (option) {
    case 'b':
        return arg_addr("bind", optarg, &o->bind);
    case 'm':
        return arg_u32("max-connections", optarg, 1, CONNECTIONS_MAX, &o->max_connections);
    case 'i':
        return arg_seconds("idle", optarg, 0.001, 1e6, &o->idle_ns);
    default:
        o->quiet = true;
        return true;
    }
}

static const struct args_spec spec = {help_text, ":b:i:qh", long_options, take_option};

int main(int argc, char **argv)
{
    struct httpd_options options = {.max_connections = 1024, .idle_ns = 30 * NS_PER_S};
    program_name = "caracal-httpd";
    (void)addr_parse("127.0.0.1:8080", &options.bind);
    int rc = args_parse(argc, argv, 1, &spec, &options);
    if (rc != EXIT_OK) {
        return program_end(rc);
    }
    if (!demi_begin(argc, argv)) {
        return EXIT_FAIL;
    }
    rc = httpd_run(&options);
    (void)demi_fini();
    return program_end(rc);
}
