/* SPDX-License-Identifier: MIT */
/* echo: an echo server and a load generator for it, on PDPIX. See caracal-echo --help. */
#include "common/args.h"
#include "common/demi_util.h"
#include "echo/echo.h"

static int run(const struct echo_options *o)
{
    if (!o->server) {
        return echo_client(o);
    }
    return o->udp ? echo_server_udp(o) : echo_server_tcp(o);
}

int main(int argc, char **argv)
{
    struct echo_options options;
    program_name = "caracal-echo";
    int rc = echo_options_parse(argc, argv, &options);
    if (rc != EXIT_OK) {
        return rc == EXIT_USAGE ? EXIT_USAGE : EXIT_OK;
    }
    if (!demi_begin(argc, argv)) {
        return EXIT_FAIL;
    }
    rc = run(&options);
    (void)demi_fini();
    return rc;
}
