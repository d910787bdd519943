/* SPDX-License-Identifier: MIT */
/* relay: a UDP relay, as a media service has between its callers, on PDPIX. See caracal-relay --help. */
#include "common/args.h"
#include "common/clock.h"
#include "common/demi_util.h"
#include "common/json.h"
#include "relay/relay.h"

#include <inttypes.h>
#include <stdio.h>

#define SESSIONS_MAX 1000000u

static const char help_text[] =
    "Usage: caracal-relay --to ADDR:PORT [--bind ADDR:PORT] [OPTIONS]\n"
    "\n"
    "Sends each datagram that comes to --bind on to --to, and what is answered back to whom it is for. Each client "
    "gets\n"
    "a session with a port of its own towards the target. ADDR is IPv4, or IPv6 in brackets; the two sides may "
    "differ.\n"
    "Port 0 takes any free one; 'listening on ADDR:PORT' is printed when the relay is ready.\n"
    "\n"
    "  -t, --to ADDR:PORT    the target\n"
    "  -b, --bind ADDR:PORT  where clients send to (default 127.0.0.1:7001)\n"
    "  -s, --sessions N      most clients at a time (default 1024); others are dropped and counted\n"
    "  -i, --idle S          seconds after which a silent session ends (default 60)\n"
    "  -j, --json            the summary as one JSON object\n"
    "  -q, --quiet           no summary for people\n"
    "  -h, --help            this text\n"
    "\n"
    "Ends on SIGINT or SIGTERM with a summary. Exit status: 0 success, 1 failure, 2 wrong usage.\n"
    "\n" DEMI_ENVIRONMENT_HELP;

static const struct option long_options[] = {
    {"to", required_argument, NULL, 't'},       {"bind", required_argument, NULL, 'b'},
    {"sessions", required_argument, NULL, 's'}, {"idle", required_argument, NULL, 'i'},
    {"json", no_argument, NULL, 'j'},           {"quiet", no_argument, NULL, 'q'},
    {"help", no_argument, NULL, 'h'},           {NULL, 0, NULL, 0},
};

static bool take_option(void *out, int option)
{
    struct relay_options *o = out;

    switch (option) {
    case 't':
        o->have_to = true;
        return arg_addr("to", optarg, &o->to);
    case 'b':
        return arg_addr("bind", optarg, &o->bind);
    case 's':
        return arg_u32("sessions", optarg, 1, SESSIONS_MAX, &o->sessions);
    case 'i':
        return arg_seconds("idle", optarg, 0.001, 1e6, &o->idle_ns);
    case 'j':
        o->json = true;
        return true;
    default:
        o->quiet = true;
        return true;
    }
}

static const struct args_spec spec = {help_text, ":t:b:s:i:jqh", long_options, take_option};

static const struct {
    const char *name;
    const char *text;
} drop_names[] = {
#define X(name, text) {#name, text},
    RELAY_DROPS(X)
#undef X
};

static void summary_text(const struct relay_counters *c)
{
    printf("relay: %" PRIu64 " sessions (%" PRIu64 " expired), %" PRIu64 " datagrams in (%" PRIu64 " bytes), %" PRIu64
           " out (%" PRIu64 " bytes), %" PRIu64 " failed receptions\n",
           c->sessions, c->expired, c->in, c->in_bytes, c->out, c->out_bytes, c->receive_failed);
    for (int i = 0; i < DROP_COUNT; i++) {
        if (c->dropped[i] != 0) {
            printf("  dropped %" PRIu64 " (%s): %s\n", c->dropped[i], drop_names[i].name, drop_names[i].text);
        }
    }
}

static void summary_json(const struct relay_counters *c)
{
    struct json j;
    json_open(&j, stdout);
    json_text(&j, "program", "relay");
    json_u64(&j, "sessions", c->sessions);
    json_u64(&j, "expired", c->expired);
    json_u64(&j, "in", c->in);
    json_u64(&j, "in_bytes", c->in_bytes);
    json_u64(&j, "out", c->out);
    json_u64(&j, "out_bytes", c->out_bytes);
    json_u64(&j, "receive_failed", c->receive_failed);
    json_object(&j, "dropped");
    for (int i = 0; i < DROP_COUNT; i++) {
        json_u64(&j, drop_names[i].name, c->dropped[i]);
    }
    json_object_end(&j);
    json_close(&j);
}

int main(int argc, char **argv)
{
    struct relay_options options = {.sessions = 1024, .idle_ns = 60 * NS_PER_S};
    struct relay_counters counters = {.in = 0};
    program_name = "caracal-relay";
    (void)addr_parse("127.0.0.1:7001", &options.bind);
    int rc = args_parse(argc, argv, 1, &spec, &options);
    if (rc == EXIT_OK && !options.have_to) {
        rc = complain_usage("the relay needs --to ADDR:PORT");
    }
    if (rc != EXIT_OK) {
        return program_end(rc);
    }
    if (!demi_begin(argc, argv)) {
        return EXIT_FAIL;
    }
    rc = relay_run(&options, &counters);
    if (rc == EXIT_OK && options.json) {
        summary_json(&counters);
    } else if (rc == EXIT_OK && !options.quiet) {
        summary_text(&counters);
    }
    (void)demi_fini();
    return program_end(rc);
}
