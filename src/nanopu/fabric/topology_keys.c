/* SPDX-License-Identifier: MIT */
/* What the keys of a topology file mean: one function each, a table for each kind of entry. */
#include "topology_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int read_number(struct reader *r, const char *key, const yaml_node_t *value, uint64_t max, uint64_t *out)
{
    const char *text = topology_scalar(value);
    char *end, what[96];

    if (text != NULL && text[0] >= '0' && text[0] <= '9') {
        errno = 0;
        *out = strtoull(text, &end, 10);
        if (*end == '\0' && errno == 0 && *out >= 1 && *out <= max)
            return 0;
    }
    snprintf(what, sizeof(what), "takes a number from 1 to %" PRIu64, max);
    return topology_refuse(r, value, key, what);
}

static int read_flag(struct reader *r, const char *key, const yaml_node_t *value, bool *out)
{
    static const char *const words[] = {"no", "yes", "false", "true", "off", "on"};
    const char *text = topology_scalar(value);

    for (size_t i = 0; text != NULL && i < ARRAY_LEN(words); i++) {
        if (strcasecmp(text, words[i]) == 0) {
            *out = i % 2 != 0;
            return 0;
        }
    }
    return topology_refuse(r, value, key, "takes yes or no");
}

/* A copy of a scalar, in place of what was there. */
static int read_string(struct reader *r, const char *key, const yaml_node_t *value, char **out)
{
    const char *text = topology_scalar(value);

    if (text == NULL || text[0] == '\0')
        return topology_refuse(r, value, key, "a word is expected here");
    *out = strdup(text);
    return *out != NULL ? 0 : topology_out_of_memory(r);
}

/* A path of the file: counts from the file's directory. */
static int read_path(struct reader *r, const char *key, const yaml_node_t *value, char **out)
{
    const char *text = topology_scalar(value), *slash = strrchr(r->file, '/');
    int dir = slash != NULL ? (int)(slash - r->file) + 1 : 0;

    if (text == NULL || text[0] == '\0')
        return topology_refuse(r, value, key, "a path is expected here");
    if (asprintf(out, "%.*s%s", text[0] == '/' ? 0 : dir, r->file, text) >= 0)
        return 0;
    *out = NULL;
    return topology_out_of_memory(r);
}

static int set_name(struct reader *r, struct entry *e, const char *key, yaml_node_t *value)
{
    const char *text = topology_scalar(value);

    if (text == NULL || text[0] == '\0' || strlen(text) > NAME_MAX_CHARS)
        return topology_refuse(r, value, key, "a word of at most 60 characters is expected here");
    for (const char *c = text; *c != '\0'; c++) {
        if (*c <= ' ' || *c == '*' || *c == 0x7f)
            return topology_refuse(r, value, key, "a name has no spaces and no *");
    }
    return read_string(r, key, value, &e->node.name);
}

static int set_count(struct reader *r, struct entry *e, const char *key, yaml_node_t *value)
{
    uint64_t count = 0;
    int ret = read_number(r, key, value, TOPOLOGY_HOSTS_MAX, &count);

    e->count = (unsigned)count;
    return ret;
}

static int set_program(struct reader *r, struct entry *e, const char *key, yaml_node_t *value)
{
    return read_path(r, key, value, &e->node.program);
}

static int set_input(struct reader *r, struct entry *e, const char *key, yaml_node_t *value)
{
    return read_path(r, key, value, &e->node.input);
}

static int set_args(struct reader *r, struct entry *e, const char *key, yaml_node_t *value)
{
    if (value->type != YAML_SEQUENCE_NODE)
        return topology_refuse(r, value, key, "a list is expected here");
    for (yaml_node_item_t *i = value->data.sequence.items.start; i < value->data.sequence.items.top; i++) {
        yaml_node_t *n = yaml_document_get_node(r->doc, *i);
        const char *text = topology_scalar(n);

        if (text == NULL)
            return topology_refuse(r, n, key, "an argument is one word or a text in quotes");
        if (e->node.arg_count == TOPOLOGY_ARGS_MAX)
            return topology_refuse(r, n, key, "too many arguments");
        e->node.args[e->node.arg_count] = strdup(text);
        if (e->node.args[e->node.arg_count] == NULL)
            return topology_out_of_memory(r);
        e->node.arg_count++;
    }
    return 0;
}

static int set_ip(struct reader *r, struct entry *e, const char *key, yaml_node_t *value)
{
    const char *text = topology_scalar(value);

    if (text == NULL || ip_parse(text, &e->node.ip) != 0 || e->node.ip == 0)
        return topology_refuse(r, value, key, "an address like 10.0.0.2 is expected here");
    return 0;
}

static int set_background(struct reader *r, struct entry *e, const char *key, yaml_node_t *value)
{
    return read_flag(r, key, value, &e->node.background);
}

static int set_params(struct reader *r, struct entry *e, const char *key, yaml_node_t *value)
{
    (void)key;
    return topology_mapping(r, value, NULL, 0, e, &e->node.params);
}

static int set_kind(struct reader *r, struct entry *e, const char *key, yaml_node_t *value)
{
    const char *text = topology_scalar(value);

    if (text != NULL && strcmp(text, "osdi21") == 0)
        e->node.switch_kind = SWITCH_OSDI21;
    else if (text == NULL || strcmp(text, "exact") != 0)
        return topology_refuse(r, value, key, "takes exact or osdi21");
    return 0;
}

static int set_store_and_forward(struct reader *r, struct entry *e, const char *key, yaml_node_t *value)
{
    return read_flag(r, key, value, &e->node.store_and_forward);
}

/* Written where the run is, as the load generator's files are. */
static int set_queues(struct reader *r, struct entry *e, const char *key, yaml_node_t *value)
{
    return read_string(r, key, value, &e->node.queues);
}

static int set_connect(struct reader *r, struct entry *e, const char *key, yaml_node_t *value)
{
    return read_string(r, key, value, &e->node.connect);
}

static int set_between(struct reader *r, struct entry *e, const char *key, yaml_node_t *value)
{
    if (value->type != YAML_SEQUENCE_NODE || value->data.sequence.items.top - value->data.sequence.items.start != 2)
        return topology_refuse(r, value, key, "two names in [ ] are expected here");
    e->between = value;
    return 0;
}

static int set_latency(struct reader *r, struct entry *e, const char *key, yaml_node_t *value)
{
    return read_number(r, key, value, 1000000, &e->latency);
}

static const struct key host_keys[] = {
    {"name", set_name},   {"count", set_count}, {"program", set_program},       {"args", set_args},
    {"input", set_input}, {"ip", set_ip},       {"background", set_background}, {"params", set_params},
};
static const struct key switch_keys[] = {
    {"name", set_name},     {"count", set_count},   {"kind", set_kind}, {"store_and_forward", set_store_and_forward},
    {"params", set_params}, {"queues", set_queues},
};
static const struct key port_keys[] = {{"name", set_name}, {"connect", set_connect}, {"ip", set_ip}};
static const struct key link_keys[] = {{"between", set_between}, {"latency", set_latency}};

const struct list topology_hosts = {host_keys, ARRAY_LEN(host_keys), TOPOLOGY_HOST, true};
const struct list topology_switches = {switch_keys, ARRAY_LEN(switch_keys), TOPOLOGY_SWITCH, true};
const struct list topology_ports = {port_keys, ARRAY_LEN(port_keys), TOPOLOGY_PORT, false};
const struct list topology_links = {.keys = link_keys, .key_count = ARRAY_LEN(link_keys)};
