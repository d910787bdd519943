/* SPDX-License-Identifier: MIT */
/*
 * The topology file. Its structure is a mapping of lists of mappings; what their keys do is in topology_keys.c.
 * Places in messages are those of the YAML nodes.
 *
 *   profile: osdi21                 values of all parameters
 *   params: {cores: 4}              parameters of all nodes
 *   hosts:                          at least one
 *     - name: server                default: host
 *       count: 1                    more than one: server0, server1, ...
 *       program: server.elf
 *       args: [a, "{i}"]           {i}: its number of count
 *       input: file
 *       ip: 10.0.0.2                of the first, if there are several
 *       background: yes             the run does not wait for it
 *       params: {rtt_pkts: 9}       a host's or switch's own; keys of params stand here, too
 *   switches:                       default: one for all
 *     - name: s0
 *       kind: exact                 or osdi21
 *       store_and_forward: no
 *       queues: file.csv            gets a line whenever a queue changes
 *   ports:                          ways out of the machine
 *     - name: outside
 *       connect: socket:127.0.0.1:7000
 *       ip: 10.0.0.1
 *   links:                          default: everything at the one switch
 *     - between: [server, s0]       a name may end in *: all whose names begin so
 *       latency: 140                cycles; default: link_cycles
 */
#include "topology_internal.h"

#include "nanopu/sim/nearest.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INDEX_MARK "{i}"

int topology_refuse(struct reader *r, const yaml_node_t *at, const char *key, const char *what)
{
    return error_set(r->et, EINVAL, "%.200s:%zu: %s%s%.160s", r->file, at->start_mark.line + 1, key,
                     key[0] != '\0' ? ": " : "", what);
}

int topology_out_of_memory(struct reader *r)
{
    return error_set(r->et, ENOMEM, "%.200s: out of memory", r->file);
}

const char *topology_scalar(const yaml_node_t *n)
{
    if (n->type != YAML_SCALAR_NODE || memchr(n->data.scalar.value, '\0', n->data.scalar.length) != NULL)
        return NULL;
    return (const char *)n->data.scalar.value;
}

static int unknown_key(struct reader *r, const yaml_node_t *at, const char *key, const struct key *keys, size_t count,
                       bool params_too)
{
    struct nearest n;
    char what[200];

    nearest_start(&n, key);
    for (size_t i = 0; i < count; i++)
        nearest_try(&n, keys[i].name);
    for (size_t i = 0; params_too && i < param_list_len; i++)
        nearest_try(&n, param_list[i].key);
    if (n.best != NULL)
        snprintf(what, sizeof(what), "unknown key \"%.60s\"; the nearest there is, is \"%s\"", key, n.best);
    else
        snprintf(what, sizeof(what), "unknown key \"%.60s...\"", key);
    return topology_refuse(r, at, "", what);
}

static int set_param(struct reader *r, struct params *p, const char *key, const yaml_node_t *value)
{
    const char *text = topology_scalar(value), *nearest = NULL;
    char what[160];

    if (text == NULL)
        return topology_refuse(r, value, key, "one value is expected here");
    switch (params_set(p, key, text, &nearest)) {
    case 0:
        return 0;
    case -ENOENT:
        snprintf(what, sizeof(what), "unknown parameter; the nearest there is, is \"%s\"",
                 nearest != NULL ? nearest : "cores");
        return topology_refuse(r, value, key, what);
    default:
        break;
    }
    for (size_t i = 0; i < param_list_len; i++) {
        if (strcmp(param_list[i].key, key) == 0)
            snprintf(what, sizeof(what), "takes a number from %" PRId64 " to %" PRId64 ", not \"%.40s\"",
                     param_list[i].low, param_list[i].high, text);
    }
    return topology_refuse(r, value, key, what);
}

static bool is_param(const char *key)
{
    for (size_t i = 0; i < param_list_len; i++) {
        if (strcmp(param_list[i].key, key) == 0)
            return true;
    }
    return false;
}

int topology_mapping(struct reader *r, yaml_node_t *map, const struct key *keys, size_t count, struct entry *e,
                     struct params *p)
{
    uint64_t seen = 0;

    if (map->type != YAML_MAPPING_NODE)
        return topology_refuse(r, map, "", "\"key: value\" is expected here");
    for (yaml_node_pair_t *pair = map->data.mapping.pairs.start; pair < map->data.mapping.pairs.top; pair++) {
        yaml_node_t *name = yaml_document_get_node(r->doc, pair->key);
        yaml_node_t *value = yaml_document_get_node(r->doc, pair->value);
        const char *key = topology_scalar(name);
        size_t i = 0;
        int ret;

        if (key == NULL)
            return topology_refuse(r, name, "", "a key has to be one word");
        while (i < count && strcmp(keys[i].name, key) != 0)
            i++;
        if (i == count && (p == NULL || !is_param(key)))
            return unknown_key(r, name, key, keys, count, p != NULL);
        if (i < count && (seen >> i & 1) != 0)
            return topology_refuse(r, name, key, "for the second time");
        seen |= i < count ? UINT64_C(1) << i : 0;
        ret = i < count ? keys[i].set(r, e, key, value) : set_param(r, p, key, value);
        if (ret != 0)
            return ret;
    }
    return 0;
}

static void free_entry(struct entry *e)
{
    free(e->node.name);
    free(e->node.program);
    free(e->node.input);
    free(e->node.queues);
    free(e->node.connect);
    for (unsigned i = 0; i < e->node.arg_count; i++)
        free(e->node.args[i]);
}

static char *copy_text(const char *from, bool *fine)
{
    char *copy = from != NULL ? strdup(from) : NULL;

    *fine &= from == NULL || copy != NULL;
    return copy;
}

/* An argument with the node's number in its entry for {i}. */
static char *number_text(const char *from, unsigned i, bool *fine)
{
    const char *mark = strstr(from, INDEX_MARK);
    char *text = NULL;

    if (mark == NULL)
        return copy_text(from, fine);
    if (asprintf(&text, "%.*s%u%s", (int)(mark - from), from, i, mark + strlen(INDEX_MARK)) < 0) {
        *fine = false;
        return NULL;
    }
    return text;
}

/* One node of an entry that may stand for several. */
static int add_node(struct reader *r, const struct entry *e, enum topology_kind kind, const char *name, unsigned i)
{
    struct topology_node *n = topology_add(r->t, kind, name, &e->node.params);
    bool fine = true;

    if (n == NULL)
        return error_set(r->et, EINVAL, "%.200s:%u: more nodes than the machine can have", r->file, e->line);
    n->line = e->line;
    n->ip = e->node.ip != 0 ? e->node.ip + i : 0;
    n->background = e->node.background;
    n->switch_kind = e->node.switch_kind;
    n->store_and_forward = e->node.store_and_forward;
    n->program = copy_text(e->node.program, &fine);
    n->input = copy_text(e->node.input, &fine);
    n->queues = copy_text(e->node.queues, &fine);
    n->connect = copy_text(e->node.connect, &fine);
    for (; n->arg_count < e->node.arg_count && fine; n->arg_count++)
        n->args[n->arg_count] = number_text(e->node.args[n->arg_count], i, &fine);
    return fine ? 0 : topology_out_of_memory(r);
}

static int add_nodes(struct reader *r, const struct entry *e, enum topology_kind kind)
{
    static const char *const words[] = {"host", "switch", "port"};
    const char *base = e->node.name != NULL ? e->node.name : words[kind];
    char name[NAME_MAX_CHARS + 16];
    int ret = 0;

    for (unsigned i = 0; i < (e->count != 0 ? e->count : 1) && ret == 0; i++) {
        if (e->count != 0)
            snprintf(name, sizeof(name), "%s%u", base, i);
        else
            snprintf(name, sizeof(name), "%s", base);
        ret = add_node(r, e, kind, name, i);
    }
    return ret;
}

static int read_entry(struct reader *r, yaml_node_t *map, const struct list *l)
{
    struct entry e = {.node = {.params = r->params}, .line = (unsigned)map->start_mark.line + 1};
    int ret = topology_mapping(r, map, l->keys, l->key_count, &e, l->params ? &e.node.params : NULL);

    if (ret == 0 && l->kind == TOPOLOGY_PORT && e.node.connect == NULL)
        ret = topology_refuse(r, map, "", "a port needs a \"connect\"");
    if (ret == 0)
        ret = add_nodes(r, &e, l->kind);
    free_entry(&e);
    return ret;
}

static int read_list(struct reader *r, const char *key, yaml_node_t *seq, const struct list *l)
{
    int ret = 0;

    if (seq->type != YAML_SEQUENCE_NODE)
        return topology_refuse(r, seq, key, "a list is expected here: lines that begin with \"- \"");
    for (yaml_node_item_t *i = seq->data.sequence.items.start; i < seq->data.sequence.items.top && ret == 0; i++)
        ret = read_entry(r, yaml_document_get_node(r->doc, *i), l);
    return ret;
}

/* Is it one of those that a name, or a name with * at the end, means? */
static bool means(const char *pattern, const char *name)
{
    size_t len = strlen(pattern);

    if (len > 0 && pattern[len - 1] == '*')
        return strncmp(pattern, name, len - 1) == 0;
    return strcmp(pattern, name) == 0;
}

static int unknown_node(struct reader *r, const yaml_node_t *at, const char *pattern)
{
    struct nearest n;
    char what[240];

    nearest_start(&n, pattern);
    for (unsigned i = 0; i < r->t->node_count; i++)
        nearest_try(&n, r->t->nodes[i]->name);
    snprintf(what, sizeof(what), "there is no node \"%.60s\"; the nearest is \"%.60s\"", pattern,
             n.best != NULL ? n.best : "");
    return topology_refuse(r, at, "between", what);
}

/* Joins all pairs that the two patterns mean. */
static int join_pairs(struct reader *r, const struct entry *e, const yaml_node_t *ends[2], const char *pattern[2])
{
    unsigned found[2] = {0, 0};

    for (unsigned i = 0; i < 2; i++) {
        for (unsigned n = 0; n < r->t->node_count; n++)
            found[i] += means(pattern[i], r->t->nodes[n]->name);
        if (found[i] == 0)
            return unknown_node(r, ends[i], pattern[i]);
    }
    for (unsigned a = 0; a < r->t->node_count; a++) {
        for (unsigned b = 0; b < r->t->node_count && means(pattern[0], r->t->nodes[a]->name); b++) {
            if (!means(pattern[1], r->t->nodes[b]->name))
                continue;
            if (a == b)
                return topology_refuse(r, ends[1], "between", "a node cannot be linked with itself");
            if (r->t->link_count >= SWITCH_ROUTES)
                return topology_refuse(r, ends[1], "between", "too many links");
            if (topology_join(r->t, a, b, e->latency, e->line) != 0)
                return topology_out_of_memory(r);
        }
    }
    return 0;
}

static int read_link(struct reader *r, yaml_node_t *map)
{
    struct entry e = {.line = (unsigned)map->start_mark.line + 1};
    const yaml_node_t *ends[2];
    const char *pattern[2];
    int ret = topology_mapping(r, map, topology_links.keys, topology_links.key_count, &e, NULL);

    if (ret != 0)
        return ret;
    if (e.between == NULL)
        return topology_refuse(r, map, "", "a link needs \"between\": two names in [ ]");
    for (unsigned i = 0; i < 2; i++) {
        ends[i] = yaml_document_get_node(r->doc, e.between->data.sequence.items.start[i]);
        pattern[i] = topology_scalar(ends[i]);
        if (pattern[i] == NULL)
            return topology_refuse(r, ends[i], "between", "a name is expected here");
    }
    return join_pairs(r, &e, ends, pattern);
}

static int read_links(struct reader *r, yaml_node_t *seq)
{
    int ret = 0;

    if (seq->type != YAML_SEQUENCE_NODE)
        return topology_refuse(r, seq, "links", "a list is expected here: lines that begin with \"- \"");
    for (yaml_node_item_t *i = seq->data.sequence.items.start; i < seq->data.sequence.items.top && ret == 0; i++)
        ret = read_link(r, yaml_document_get_node(r->doc, *i));
    return ret;
}

static int note_section(struct reader *r, struct entry *e, const char *key, yaml_node_t *value)
{
    (void)r;
    (void)e;
    (void)key;
    (void)value;
    return 0;
}

static const struct key sections[] = {
    {"profile", note_section},  {"params", note_section}, {"hosts", note_section},
    {"switches", note_section}, {"ports", note_section},  {"links", note_section},
};

/* The section of this name, or NULL. */
static yaml_node_t *section(struct reader *r, yaml_node_t *root, const char *name)
{
    for (yaml_node_pair_t *pair = root->data.mapping.pairs.start; pair < root->data.mapping.pairs.top; pair++) {
        if (strcmp((const char *)yaml_document_get_node(r->doc, pair->key)->data.scalar.value, name) == 0)
            return yaml_document_get_node(r->doc, pair->value);
    }
    return NULL;
}

static int read_profile(struct reader *r, yaml_node_t *value)
{
    const char *text = topology_scalar(value);

    if (text == NULL || params_profile(&r->params, text) != 0)
        return topology_refuse(r, value, "profile", "takes osdi21 or homa");
    return 0;
}

/* Sections are read in the order in which they need each other, whatever the file's is. */
static int read_root(struct reader *r, yaml_node_t *root)
{
    int ret = topology_mapping(r, root, sections, ARRAY_LEN(sections), NULL, NULL);
    yaml_node_t *n;

    if (ret == 0 && (n = section(r, root, "profile")) != NULL)
        ret = read_profile(r, n);
    if (ret == 0 && (n = section(r, root, "params")) != NULL)
        ret = topology_mapping(r, n, NULL, 0, NULL, &r->params);
    if (ret == 0 && (n = section(r, root, "hosts")) != NULL)
        ret = read_list(r, "hosts", n, &topology_hosts);
    if (ret == 0 && (n = section(r, root, "switches")) != NULL)
        ret = read_list(r, "switches", n, &topology_switches);
    if (ret == 0 && (n = section(r, root, "ports")) != NULL)
        ret = read_list(r, "ports", n, &topology_ports);
    if (ret == 0 && (n = section(r, root, "links")) != NULL)
        ret = read_links(r, n);
    return ret;
}

static int parser_error(struct reader *r, const yaml_parser_t *p)
{
    if (p->error == YAML_MEMORY_ERROR)
        return topology_out_of_memory(r);
    return error_set(r->et, EINVAL, "%.200s:%zu: not YAML: %.160s", r->file, p->problem_mark.line + 1,
                     p->problem != NULL ? p->problem : "unknown");
}

int topology_parse(struct topology *t, const char *name, const char *text, size_t len, const struct params *defaults,
                   struct error_text *et)
{
    struct reader r = {.file = name, .t = t, .et = et, .params = *defaults};
    yaml_parser_t parser;
    yaml_document_t doc;
    yaml_node_t *root;
    int ret;

    if (len > TOPOLOGY_FILE_MAX)
        return error_set(et, EINVAL, "%.200s: longer than %d bytes", name, TOPOLOGY_FILE_MAX);
    if (!yaml_parser_initialize(&parser))
        return topology_out_of_memory(&r);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    if (!yaml_parser_load(&parser, &doc)) {
        ret = parser_error(&r, &parser);
    } else {
        r.doc = &doc;
        root = yaml_document_get_root_node(&doc);
        ret = root != NULL ? read_root(&r, root) : error_set(et, EINVAL, "%.200s: nothing in it", name);
        yaml_document_delete(&doc);
    }
    yaml_parser_delete(&parser);
    return ret;
}

int topology_read(struct topology *t, const char *path, const struct params *defaults, struct error_text *et)
{
    FILE *f = fopen(path, "rbe");
    char *text = f != NULL ? malloc(TOPOLOGY_FILE_MAX + 1) : NULL;
    size_t len;
    int ret;

    if (f == NULL)
        return error_set(et, errno, "%s: %s", path, strerror(errno));
    if (text == NULL) {
        fclose(f);
        return error_set(et, ENOMEM, "%s: out of memory", path);
    }
    errno = 0;
    len = fread(text, 1, TOPOLOGY_FILE_MAX + 1, f);
    if (ferror(f))
        ret = error_set(et, errno != 0 ? errno : EIO, "%s: %s", path, strerror(errno != 0 ? errno : EIO));
    else
        ret = topology_parse(t, path, text, len, defaults, et);
    fclose(f);
    free(text);
    return ret;
}
