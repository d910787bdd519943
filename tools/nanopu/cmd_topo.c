/* SPDX-License-Identifier: MIT */
/* nanopu topo: checks a topology file and draws what it means. */
#include "nanopu.h"

#include "../common/json.h"

#include "nanopu/fabric/topology.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NS_PER_CYCLE (1000.0 / CLOCK_MHZ)

static const char *const kinds[] = {[TOPOLOGY_HOST] = "host", [TOPOLOGY_SWITCH] = "switch", [TOPOLOGY_PORT] = "port"};

static const char *kind_of_switch(const struct topology_node *n)
{
    if (n->switch_kind == SWITCH_OSDI21)
        return "osdi21";
    return n->store_and_forward ? "exact, store-and-forward" : "exact, cut-through";
}

static unsigned count(const struct topology *t, enum topology_kind kind)
{
    unsigned c = 0;

    for (unsigned i = 0; i < t->node_count; i++)
        c += t->nodes[i]->kind == kind;
    return c;
}

/* What is at the far end of a link, after "  3  name". */
static void print_end(const struct topology_node *n)
{
    char ip[16], mac[18];

    if (n->kind == TOPOLOGY_SWITCH) {
        printf("(%s)", kinds[n->kind]);
        return;
    }
    printf("%-15s %s", ip_text(n->ip, ip), mac_text(n->mac, mac));
    if (n->kind == TOPOLOGY_PORT)
        printf("  %s", n->connect);
    else
        printf("  %2" PRId64 " harts  %s", n->params.cores, n->program != NULL ? n->program : "(no program)");
    for (unsigned i = 0; i < n->arg_count; i++)
        printf(" %s", n->args[i]);
    if (n->background)
        printf("  (background)");
}

/* All links of a node, in the order of its ports. */
static void print_links(const struct topology *t, unsigned node)
{
    const struct topology_node *n = t->nodes[node];

    for (unsigned port = 0; port < n->links; port++) {
        for (unsigned i = 0; i < t->link_count; i++) {
            const struct topology_link *l = &t->links[i];
            unsigned e = l->node[0] == node && l->port[0] == port ? 0 : 1;
            const struct topology_node *far = t->nodes[l->node[1 - e]];

            if (l->node[e] != node || l->port[e] != port)
                continue;
            printf("%s %4u --%6" PRIu64 " cycles --  %-14s ", port + 1 < n->links ? "  |-" : "  `-", port,
                   l->latency_cycles, far->name);
            print_end(far);
            printf("\n");
        }
    }
}

static void print_text(const struct topology *t)
{
    printf("hosts %u, switches %u, ports %u, links %u; windows of %" PRIu64 " cycles (%.2f ns)\n", t->host_count,
           count(t, TOPOLOGY_SWITCH), count(t, TOPOLOGY_PORT), t->link_count, t->window_cycles,
           (double)t->window_cycles * NS_PER_CYCLE);
    for (unsigned i = 0; i < t->node_count; i++) {
        const struct topology_node *n = t->nodes[i];

        /* Of a cable without a switch the first end stands for both. */
        if (n->kind == TOPOLOGY_SWITCH)
            printf("\n%s  %s; %" PRId64 " cycles; queues of %" PRId64 " and %" PRId64 " bytes%s\n", n->name,
                   kind_of_switch(n), n->params.switch_cycles, n->params.queue_high_bytes, n->params.queue_low_bytes,
                   n->params.trimming != 0 ? "; trimming" : "");
        else if (count(t, TOPOLOGY_SWITCH) == 0 && i == 0)
            printf("\n%s  ", n->name), print_end(n), printf("\n");
        else
            continue;
        print_links(t, i);
    }
}

static void json_node(struct json *j, const struct topology_node *n)
{
    char buf[18];

    json_begin(j, NULL, '{');
    json_text(j, "name", n->name);
    json_text(j, "kind", kinds[n->kind]);
    if (n->kind == TOPOLOGY_SWITCH) {
        json_text(j, "switch", n->switch_kind == SWITCH_OSDI21 ? "osdi21" : "exact");
        json_bool(j, "store_and_forward", n->store_and_forward);
    } else {
        json_text(j, "ip", ip_text(n->ip, buf));
        json_text(j, "mac", mac_text(n->mac, buf));
    }
    if (n->kind == TOPOLOGY_HOST) {
        json_text(j, "program", n->program != NULL ? n->program : "");
        json_begin(j, "args", '[');
        for (unsigned i = 0; i < n->arg_count; i++)
            json_text(j, NULL, n->args[i]);
        json_end(j, '[');
        json_bool(j, "background", n->background);
    }
    if (n->kind == TOPOLOGY_PORT)
        json_text(j, "connect", n->connect);
    json_begin(j, "params", '{');
    for (size_t i = 0; i < param_list_len && n->kind != TOPOLOGY_PORT; i++)
        json_int(j, param_list[i].key, params_get(&n->params, &param_list[i]));
    json_end(j, '{');
    json_end(j, '{');
}

static void print_json(const struct topology *t)
{
    struct json j;

    json_init(&j, stdout);
    json_begin(&j, NULL, '{');
    json_uint(&j, "window_cycles", t->window_cycles);
    json_begin(&j, "nodes", '[');
    for (unsigned i = 0; i < t->node_count; i++)
        json_node(&j, t->nodes[i]);
    json_end(&j, '[');
    json_begin(&j, "links", '[');
    for (unsigned i = 0; i < t->link_count; i++) {
        const struct topology_link *l = &t->links[i];

        json_begin(&j, NULL, '{');
        json_text(&j, "a", t->nodes[l->node[0]]->name);
        json_uint(&j, "a_port", l->port[0]);
        json_text(&j, "b", t->nodes[l->node[1]]->name);
        json_uint(&j, "b_port", l->port[1]);
        json_uint(&j, "latency", l->latency_cycles);
        json_end(&j, '{');
    }
    json_end(&j, '[');
    json_end(&j, '{');
    json_line(&j);
}

/* For Graphviz; names have no quotes and no spaces to be minded but in DOT's own. */
static void print_dot(const struct topology *t)
{
    printf("graph machine {\n");
    for (unsigned i = 0; i < t->node_count; i++) {
        const struct topology_node *n = t->nodes[i];

        printf("  n%u [label=\"", i);
        for (const char *c = n->name; *c != '\0'; c++)
            printf(*c == '"' || *c == '\\' ? "\\%c" : "%c", *c);
        printf("\", shape=%s];\n", n->kind == TOPOLOGY_SWITCH ? "box" : "ellipse");
    }
    for (unsigned i = 0; i < t->link_count; i++)
        printf("  n%u -- n%u [label=\"%" PRIu64 "\"];\n", t->links[i].node[0], t->links[i].node[1],
               t->links[i].latency_cycles);
    printf("}\n");
}

/* The file and how to print it, in either order. */
static int read_arguments(int argc, char **argv, const char **file, void (**print)(const struct topology *t))
{
    *file = NULL;
    *print = print_text;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0 && *print == print_text)
            *print = print_json;
        else if (strcmp(argv[i], "--dot") == 0 && *print == print_text)
            *print = print_dot;
        else if (argv[i][0] != '-' && *file == NULL)
            *file = argv[i];
        else
            return usage_error("topo", "unexpected argument \"%s\"", argv[i]);
    }
    return *file != NULL ? NANOPU_OK : usage_error("topo", "no topology file");
}

int cmd_topo(int argc, char **argv)
{
    void (*print)(const struct topology *t);
    const char *file;
    struct error_text et;
    struct topology t;
    struct params p;
    int ret = read_arguments(argc, argv, &file, &print);

    if (ret != NANOPU_OK)
        return ret;
    params_profile(&p, "osdi21");
    topology_init(&t);
    ret = topology_read(&t, file, &p, &et);
    if (ret == 0)
        ret = topology_finish(&t, file, &et);
    if (ret == 0)
        print(&t);
    topology_free(&t);
    return ret == 0 ? NANOPU_OK : fail("%s", et.text);
}
