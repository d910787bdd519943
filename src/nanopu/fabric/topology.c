/* SPDX-License-Identifier: MIT */
/* Nodes, links, their order and checks: see topology.h. Routes are in topology_routes.c, the file in topology_yaml.c.
 */
#include "topology.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void topology_init(struct topology *t)
{
    *t = (struct topology){0};
}

static void free_node(struct topology_node *n)
{
    free(n->name);
    free(n->program);
    free(n->input);
    free(n->queues);
    free(n->connect);
    for (unsigned i = 0; i < n->arg_count; i++)
        free(n->args[i]);
    free(n);
}

void topology_free(struct topology *t)
{
    for (unsigned i = 0; i < t->node_count; i++)
        free_node(t->nodes[i]);
    free(t->nodes);
    free(t->links);
    topology_init(t);
}

/* Room for one element more, in powers of two. */
static void *grown(void *array, unsigned count, size_t size)
{
    if ((count & (count - 1)) != 0)
        return array;
    return realloc(array, (count == 0 ? 1 : (size_t)count * 2) * size);
}

struct topology_node *topology_add(struct topology *t, enum topology_kind kind, const char *name,
                                   const struct params *params)
{
    struct topology_node **nodes, *n;

    if (t->node_count == TOPOLOGY_NODES_MAX || (kind == TOPOLOGY_HOST && t->host_count == TOPOLOGY_HOSTS_MAX))
        return NULL;
    nodes = grown(t->nodes, t->node_count, sizeof(struct topology_node *));
    if (nodes == NULL)
        return NULL;
    t->nodes = nodes;
    n = calloc(1, sizeof(*n));
    if (n == NULL)
        return NULL;
    n->kind = kind;
    n->params = *params;
    n->name = strdup(name);
    if (n->name == NULL) {
        free(n);
        return NULL;
    }
    t->nodes[t->node_count++] = n;
    t->host_count += kind == TOPOLOGY_HOST;
    return n;
}

int topology_join(struct topology *t, unsigned a, unsigned b, uint64_t latency_cycles, unsigned line)
{
    struct topology_link *links = grown(t->links, t->link_count, sizeof(*links));

    if (links == NULL)
        return -ENOMEM;
    t->links = links;
    t->links[t->link_count++] = (struct topology_link){.node = {a, b}, .latency_cycles = latency_cycles, .line = line};
    return 0;
}

int topology_find(const struct topology *t, const char *name)
{
    for (unsigned i = 0; i < t->node_count; i++) {
        if (strcmp(t->nodes[i]->name, name) == 0)
            return (int)i;
    }
    return -1;
}

char *ip_text(uint32_t ip, char buf[16])
{
    snprintf(buf, 16, "%u.%u.%u.%u", ip >> 24, ip >> 16 & 0xff, ip >> 8 & 0xff, ip & 0xff);
    return buf;
}

char *mac_text(uint64_t mac, char buf[18])
{
    snprintf(buf, 18, "%02X:%02X:%02X:%02X:%02X:%02X", (unsigned)(mac >> 40 & 0xff), (unsigned)(mac >> 32 & 0xff),
             (unsigned)(mac >> 24 & 0xff), (unsigned)(mac >> 16 & 0xff), (unsigned)(mac >> 8 & 0xff),
             (unsigned)(mac & 0xff));
    return buf;
}

int ip_parse(const char *text, uint32_t *ip)
{
    struct in_addr a;

    if (inet_pton(AF_INET, text, &a) != 1)
        return -EINVAL;
    *ip = ntohl(a.s_addr);
    return 0;
}

/* "name:line: " or "name: ". */
static const char *place(const char *name, unsigned line, char *buf, size_t size)
{
    if (line != 0)
        snprintf(buf, size, "%.200s:%u: ", name, line);
    else
        snprintf(buf, size, "%.200s: ", name);
    return buf;
}

static int refuse(const char *name, unsigned line, struct error_text *et, const char *what, const char *whose)
{
    char buf[256];

    return error_set(et, EINVAL, "%s%.100s %s", place(name, line, buf, sizeof(buf)), whose, what);
}

static bool has_address(const struct topology_node *n)
{
    return n->kind != TOPOLOGY_SWITCH;
}

/* Addresses for those that have none; each low half that is taken is marked in used. */
static int give_addresses(struct topology *t, const char *name, uint8_t *used, struct error_text *et)
{
    uint32_t next = IP_FIRST_HOST;
    char buf[16];

    for (unsigned i = 0; i < t->node_count; i++) {
        struct topology_node *n = t->nodes[i];

        if (!has_address(n) || n->ip == 0)
            continue;
        if (used[n->ip & 0xffff]++ != 0)
            return refuse(name, n->line, et, "has an address whose low 16 bits another node has", n->name);
        if ((n->ip & 0xffff) == ADDRESS_BROADCAST)
            return refuse(name, n->line, et, "has the broadcast address", n->name);
    }
    for (unsigned i = 0; i < t->node_count; i++) {
        struct topology_node *n = t->nodes[i];

        if (!has_address(n))
            continue;
        while (n->ip == 0) {
            if (used[next & 0xffff]++ == 0)
                n->ip = next;
            next++;
        }
        if (n->mac == 0)
            n->mac = MAC_HOSTS | (n->ip & 0xffffff);
        if ((n->ip >> 24) == 0)
            return error_set(et, EINVAL, "%s: %.100s has the impossible address %s", name, n->name,
                             ip_text(n->ip, buf));
    }
    return 0;
}

static int check_names(const struct topology *t, const char *name, struct error_text *et)
{
    for (unsigned i = 0; i < t->node_count; i++) {
        if (topology_find(t, t->nodes[i]->name) != (int)i)
            return refuse(name, t->nodes[i]->line, et, "is the name of two nodes", t->nodes[i]->name);
    }
    return 0;
}

/* Everybody at one switch, when nothing was said of links. */
static int join_all(struct topology *t, const char *name, struct error_text *et)
{
    unsigned ends = t->node_count, hub;
    struct topology_node *s;

    for (hub = 0; hub < t->node_count && t->nodes[hub]->kind != TOPOLOGY_SWITCH; hub++)
        ;
    if (hub == t->node_count) {
        s = topology_add(t, TOPOLOGY_SWITCH, "switch", &t->nodes[0]->params);
        if (s == NULL)
            return error_set(et, ENOMEM, "%s: out of memory", name);
    } else {
        for (unsigned i = hub + 1; i < t->node_count; i++) {
            if (t->nodes[i]->kind == TOPOLOGY_SWITCH)
                return refuse(name, t->nodes[i]->line, et, "is a second switch, and no links are given",
                              t->nodes[i]->name);
        }
    }
    for (unsigned i = 0; i < ends; i++) {
        if (i != hub && topology_join(t, i, hub, 0, 0) != 0)
            return error_set(et, ENOMEM, "%s: out of memory", name);
    }
    return 0;
}

struct ordered {
    struct topology_node *node;
    unsigned was;
};

static int by_order(const void *a, const void *b)
{
    static const int rank[] = {[TOPOLOGY_HOST] = 0, [TOPOLOGY_PORT] = 1, [TOPOLOGY_SWITCH] = 2};
    const struct topology_node *x = ((const struct ordered *)a)->node, *y = ((const struct ordered *)b)->node;

    if (x->kind != y->kind)
        return rank[x->kind] - rank[y->kind];
    if (x->kind == TOPOLOGY_SWITCH)
        return strcmp(x->name, y->name);
    return x->ip < y->ip ? -1 : x->ip > y->ip;
}

static int by_ends(const void *a, const void *b)
{
    const struct topology_link *x = a, *y = b;

    if (x->node[0] != y->node[0])
        return x->node[0] < y->node[0] ? -1 : 1;
    if (x->node[1] != y->node[1])
        return x->node[1] < y->node[1] ? -1 : 1;
    return x->latency_cycles < y->latency_cycles ? -1 : x->latency_cycles > y->latency_cycles;
}

/* The order that depends on addresses and names alone; ports are numbered in it. */
static int sort(struct topology *t)
{
    struct ordered *order = calloc(t->node_count, sizeof(*order));
    unsigned *now = calloc(t->node_count, sizeof(*now));

    if (order == NULL || now == NULL) {
        free(order);
        free(now);
        return -ENOMEM;
    }
    for (unsigned i = 0; i < t->node_count; i++)
        order[i] = (struct ordered){t->nodes[i], i};
    qsort(order, t->node_count, sizeof(*order), by_order);
    for (unsigned i = 0; i < t->node_count; i++) {
        t->nodes[i] = order[i].node;
        t->nodes[i]->links = 0;
        now[order[i].was] = i;
    }
    for (unsigned i = 0; i < t->link_count; i++) {
        unsigned a = now[t->links[i].node[0]], b = now[t->links[i].node[1]];

        t->links[i].node[0] = a < b ? a : b;
        t->links[i].node[1] = a < b ? b : a;
    }
    free(order);
    free(now);
    qsort(t->links, t->link_count, sizeof(*t->links), by_ends);
    for (unsigned i = 0; i < t->link_count; i++) {
        for (unsigned e = 0; e < 2; e++)
            t->links[i].port[e] = t->nodes[t->links[i].node[e]]->links++;
    }
    return 0;
}

/* Links that were given none have the latency of their first node's parameters. */
static void give_latencies(struct topology *t)
{
    for (unsigned i = 0; i < t->link_count; i++) {
        struct topology_link *l = &t->links[i];

        if (l->latency_cycles == 0)
            l->latency_cycles = (uint64_t)t->nodes[l->node[0]]->params.link_cycles;
    }
}

static bool is_load(const struct topology_node *n)
{
    return n->kind == TOPOLOGY_PORT && n->connect != NULL && strncmp(n->connect, "load:", 5) == 0;
}

/*
 * osdi21's iteration is the latency of its links: one for all, and a whole number of the machine's windows. That of a
 * load generator's iteration is, too.
 */
static int check_latencies(struct topology *t, const char *name, struct error_text *et)
{
    t->window_cycles = t->links[0].latency_cycles;
    for (unsigned i = 0; i < t->link_count; i++) {
        if (t->links[i].latency_cycles < t->window_cycles)
            t->window_cycles = t->links[i].latency_cycles;
    }
    for (unsigned i = 0; i < t->link_count; i++) {
        const struct topology_link *l = &t->links[i];

        for (unsigned e = 0; e < 2; e++) {
            struct topology_node *n = t->nodes[l->node[e]];

            if (is_load(n) && l->latency_cycles % t->window_cycles != 0)
                return refuse(name, l->line, et,
                              "is a load generator: the latency of its link must be a multiple of every smaller one",
                              n->name);
            if (n->kind != TOPOLOGY_SWITCH || n->switch_kind != SWITCH_OSDI21)
                continue;
            if (l->port[e] == 0)
                n->params.link_cycles = (int64_t)l->latency_cycles;
            if (l->latency_cycles != (uint64_t)n->params.link_cycles)
                return refuse(name, l->line, et, "is of kind osdi21: all of its links need the same latency", n->name);
            if (l->latency_cycles % t->window_cycles != 0)
                return refuse(name, l->line, et,
                              "is of kind osdi21: the latency of its links must be a multiple of every smaller one",
                              n->name);
        }
    }
    return 0;
}

static int check_links(const struct topology *t, const char *name, struct error_text *et)
{
    for (unsigned i = 0; i < t->node_count; i++) {
        const struct topology_node *n = t->nodes[i];

        if (n->links == 0)
            return refuse(name, n->line, et, "has no link", n->name);
        if (n->kind != TOPOLOGY_SWITCH && n->links > 1)
            return refuse(name, n->line, et, "has more than one link; only switches may", n->name);
        if (n->links > SWITCH_PORTS_MAX)
            return refuse(name, n->line, et, "has too many links", n->name);
    }
    return 0;
}

/* Is every node reached from the first one? */
static int check_whole(const struct topology *t, const char *name, struct error_text *et)
{
    uint8_t *reached = calloc(t->node_count, 1);
    bool more = true;
    int ret = 0;

    if (reached == NULL)
        return error_set(et, ENOMEM, "%s: out of memory", name);
    reached[0] = 1;
    for (unsigned turn = 0; more && turn < t->node_count; turn++) {
        more = false;
        for (unsigned i = 0; i < t->link_count; i++) {
            uint8_t *a = &reached[t->links[i].node[0]], *b = &reached[t->links[i].node[1]];

            more |= *a != *b;
            *a = *b = *a | *b;
        }
    }
    for (unsigned i = 0; ret == 0 && i < t->node_count; i++) {
        if (!reached[i])
            ret = refuse(name, t->nodes[i]->line, et, "cannot be reached from the first host", t->nodes[i]->name);
    }
    free(reached);
    return ret;
}

int topology_finish(struct topology *t, const char *name, struct error_text *et)
{
    uint8_t *used = calloc(SWITCH_ROUTES, 1);
    int ret;

    if (used == NULL)
        return error_set(et, ENOMEM, "%s: out of memory", name);
    ret = t->host_count > 0 ? check_names(t, name, et) : error_set(et, EINVAL, "%s: no hosts", name);
    if (ret == 0)
        ret = give_addresses(t, name, used, et);
    free(used);
    if (ret == 0 && t->link_count == 0)
        ret = join_all(t, name, et);
    if (ret == 0)
        give_latencies(t);
    if (ret == 0 && sort(t) != 0)
        ret = error_set(et, ENOMEM, "%s: out of memory", name);
    if (ret == 0)
        ret = check_links(t, name, et);
    if (ret == 0)
        ret = check_latencies(t, name, et);
    return ret == 0 ? check_whole(t, name, et) : ret;
}
