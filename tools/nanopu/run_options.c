/* SPDX-License-Identifier: MIT */
/* The command line of `nanopu run`, and the topology it means. */
#include "run.h"

#include "nanopu.h"

#include "nanopu/nic/hts.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define IP_PORT UINT32_C(0x0a000001)

enum option_id {
    OPT_HOSTS = 256,
    OPT_TOPOLOGY,
    OPT_CORES,
    OPT_PROFILE,
    OPT_SET,
    OPT_TIMING,
    OPT_THREADS,
    OPT_CYCLES,
    OPT_INPUT,
    OPT_HASH,
    OPT_STATS,
    OPT_PCAP,
    OPT_MESSAGES,
    OPT_PERFETTO,
    OPT_PORT,
    OPT_QUIET,
    OPT_TRACE,
    OPT_KONATA,
    OPT_GDB
};

static const struct option options[] = {
    {"hosts", required_argument, NULL, OPT_HOSTS},       {"topology", required_argument, NULL, OPT_TOPOLOGY},
    {"cores", required_argument, NULL, OPT_CORES},       {"profile", required_argument, NULL, OPT_PROFILE},
    {"set", required_argument, NULL, OPT_SET},           {"timing", required_argument, NULL, OPT_TIMING},
    {"threads", required_argument, NULL, OPT_THREADS},   {"cycles", required_argument, NULL, OPT_CYCLES},
    {"input", required_argument, NULL, OPT_INPUT},       {"hash", required_argument, NULL, OPT_HASH},
    {"stats", required_argument, NULL, OPT_STATS},       {"pcap", required_argument, NULL, OPT_PCAP},
    {"perfetto", required_argument, NULL, OPT_PERFETTO}, {"messages", required_argument, NULL, OPT_MESSAGES},
    {"port", required_argument, NULL, OPT_PORT},         {"quiet", no_argument, NULL, OPT_QUIET},
    {"trace", required_argument, NULL, OPT_TRACE},       {"konata", required_argument, NULL, OPT_KONATA},
    {"gdb", required_argument, NULL, OPT_GDB},           {NULL, 0, NULL, 0},
};

/* A decimal number; k, M, G multiply by powers of 1000. */
static bool number(const char *option, const char *text, uint64_t max, uint64_t *out)
{
    uint64_t unit = 1;
    char *end;

    errno = 0;
    *out = strtoull(text, &end, 10);
    if (*end == 'k' || *end == 'K')
        unit = 1000;
    else if (*end == 'm' || *end == 'M')
        unit = 1000000;
    else if (*end == 'g' || *end == 'G')
        unit = 1000000000;
    end += unit > 1;
    if (text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 && *out >= 1 && *out <= max / unit) {
        *out *= unit;
        return true;
    }
    usage_error("run", "--%s takes a number from 1 to %" PRIu64 ", not \"%s\"", option, max, text);
    return false;
}

static bool add_setting(struct run_options *o, const char *key, const char *value)
{
    struct params p;
    const char *nearest = NULL;

    if (o->setting_count == RUN_SETTINGS_MAX) {
        usage_error("run", "more than %d settings", RUN_SETTINGS_MAX);
        return false;
    }
    params_profile(&p, "osdi21");
    switch (params_set(&p, key, value, &nearest)) {
    case 0:
        o->settings[o->setting_count].key = key;
        o->settings[o->setting_count++].value = value;
        return true;
    case -ENOENT:
        usage_error("run", "there is no parameter \"%s\"; the nearest is \"%s\"", key,
                    nearest != NULL ? nearest : "cores");
        return false;
    default:
        for (size_t i = 0; i < param_list_len; i++) {
            if (strcmp(param_list[i].key, key) == 0)
                usage_error("run", "%s takes a number from %" PRId64 " to %" PRId64 ", not \"%s\"", key,
                            param_list[i].low, param_list[i].high, value);
        }
        return false;
    }
}

static bool split_setting(struct run_options *o, char *text)
{
    char *equals = strchr(text, '=');

    if (equals == NULL) {
        usage_error("run", "--set takes KEY=VALUE, not \"%s\"", text);
        return false;
    }
    *equals = '\0';
    return add_setting(o, text, equals + 1);
}

static bool read_stats(struct run_options *o, const char *text)
{
    if (strcmp(text, "json") == 0)
        o->stats = STATS_JSON;
    else if (strcmp(text, "text") == 0)
        o->stats = STATS_TEXT;
    else
        usage_error("run", "--stats takes json or text, not \"%s\"", text);
    return o->stats != STATS_NONE;
}

static bool read_profile(struct run_options *o, const char *text)
{
    struct params p;

    o->profile = text;
    if (params_profile(&p, text) == 0)
        return true;
    usage_error("run", "--profile takes osdi21 or homa, not \"%s\"", text);
    return false;
}

static bool read_option(struct run_options *o, int id, char *text)
{
    uint64_t value = 0;
    bool fine = true;

    switch (id) {
    case OPT_HOSTS:
        fine = number("hosts", text, TOPOLOGY_HOSTS_MAX, &value);
        o->hosts = (unsigned)value;
        return fine;
    case OPT_TOPOLOGY:
        o->topology = text;
        return true;
    case OPT_CORES:
        return add_setting(o, "cores", text);
    case OPT_PROFILE:
        return read_profile(o, text);
    case OPT_SET:
        return split_setting(o, text);
    case OPT_TIMING:
        return add_setting(o, "timing", text);
    case OPT_THREADS:
        fine = number("threads", text, MACHINE_THREADS_MAX, &value);
        o->threads = (unsigned)value;
        return fine;
    case OPT_CYCLES:
        return number("cycles", text, UINT64_MAX / 2, &o->limit_cycles);
    case OPT_INPUT:
        o->input = text;
        return true;
    case OPT_HASH:
        return number("hash", text, UINT64_MAX / 2, &o->hash_cycles);
    case OPT_STATS:
        return read_stats(o, text);
    case OPT_PCAP:
        o->pcap = text;
        return true;
    case OPT_PERFETTO:
        o->perfetto = text;
        return true;
    case OPT_MESSAGES:
        o->messages = text;
        return true;
    case OPT_PORT:
        o->port = text;
        return true;
    case OPT_QUIET:
        o->quiet = true;
        return true;
    case OPT_TRACE:
        o->trace = text;
        return true;
    case OPT_KONATA:
        o->konata = text;
        return true;
    case OPT_GDB:
        fine = number("gdb", text, UINT16_MAX, &value);
        o->gdb_port = (uint16_t)value;
        o->gdb = true;
        return fine;
    default:
        return false;
    }
}

bool run_options_read(struct run_options *o, int argc, char **argv)
{
    int id;

    *o = (struct run_options){.threads = 1, .limit_cycles = CYCLE_NEVER};
    opterr = 0;
    optind = 0;
    while ((id = getopt_long(argc, argv, "+:", options, NULL)) != -1) {
        if (id == '?' || id == ':') {
            usage_error("run", id == ':' ? "%s takes an argument" : "unknown option \"%s\"", argv[optind - 1]);
            return false;
        }
        if (!read_option(o, id, optarg))
            return false;
    }
    if (optind < argc) {
        o->program = argv[optind];
        o->args = argv + optind + 1;
        o->arg_count = (unsigned)(argc - optind - 1);
    }
    if (o->program == NULL && o->topology == NULL)
        usage_error("run", "no program to run");
    else if (o->hosts != 0 && o->topology != NULL)
        usage_error("run", "--hosts and --topology exclude each other");
    else if (o->gdb && o->threads > 1)
        usage_error("run", "--gdb holds all of the machine: it takes one thread");
    else if (o->arg_count > TOPOLOGY_ARGS_MAX)
        usage_error("run", "more than %d arguments for the program", TOPOLOGY_ARGS_MAX);
    else
        return true;
    return false;
}

static int apply_settings(const struct run_options *o, struct params *p)
{
    int ret = 0;

    for (unsigned i = 0; i < o->setting_count && ret == 0; i++)
        ret = params_set(p, o->settings[i].key, o->settings[i].value, NULL);
    return ret;
}

static int add_hosts(const struct run_options *o, struct topology *t, const struct params *p)
{
    unsigned count = o->hosts != 0 ? o->hosts : 1;
    char name[32];

    for (unsigned i = 0; i < count; i++) {
        snprintf(name, sizeof(name), "host%u", i);
        if (topology_add(t, TOPOLOGY_HOST, name, p) == NULL)
            return -ENOMEM;
    }
    return 0;
}

/* The program and input of the command line, for hosts that have none of their own. */
static int fill_in(const struct run_options *o, struct topology_node *n)
{
    if (n->program == NULL && o->program != NULL) {
        n->program = strdup(o->program);
        for (unsigned i = 0; i < o->arg_count && n->arg_count < TOPOLOGY_ARGS_MAX; i++)
            n->args[n->arg_count++] = strdup(o->args[i]);
        if (n->program == NULL || (n->arg_count > 0 && n->args[n->arg_count - 1] == NULL))
            return -ENOMEM;
    }
    if (n->input == NULL && o->input != NULL)
        n->input = strdup(o->input);
    return 0;
}

/* The way out of the command line: 10.0.0.1, on the first switch. */
static int add_port(const struct run_options *o, struct topology *t, const struct params *p)
{
    struct topology_node *n = topology_add(t, TOPOLOGY_PORT, "port", p);
    unsigned s = 0;

    if (n == NULL)
        return -ENOMEM;
    n->ip = IP_PORT;
    n->connect = strdup(o->port);
    if (n->connect == NULL)
        return -ENOMEM;
    while (s < t->node_count && t->nodes[s]->kind != TOPOLOGY_SWITCH)
        s++;
    return t->link_count > 0 && s < t->node_count ? topology_join(t, t->node_count - 1, s, 0, 0) : 0;
}

int run_topology(const struct run_options *o, struct topology *t, struct error_text *et)
{
    const char *name = o->topology != NULL ? o->topology : "nanopu run";
    struct params p;
    int ret;

    params_profile(&p, o->profile != NULL ? o->profile : "osdi21");
    ret = apply_settings(o, &p);
    assert(ret == 0);
    if (o->topology != NULL)
        ret = topology_read(t, o->topology, &p, et);
    else if (add_hosts(o, t, &p) != 0)
        ret = error_set(et, ENOMEM, "out of memory");
    if (ret == 0 && o->port != NULL && add_port(o, t, &p) != 0)
        ret = error_set(et, ENOMEM, "out of memory");
    for (unsigned i = 0; i < t->node_count && ret == 0; i++) {
        apply_settings(o, &t->nodes[i]->params);
        if (t->nodes[i]->kind == TOPOLOGY_HOST && fill_in(o, t->nodes[i]) != 0)
            ret = error_set(et, ENOMEM, "out of memory");
    }
    return ret == 0 ? topology_finish(t, name, et) : ret;
}
